//! `scripts/bench gate`: what a packet pays for the kernel gate, and how fast it opens and
//! closes.
//!
//! Two namespaces and a veth pair between them: the sender's call returns when the box's
//! kernel has taken the packet through the gate to its socket, so the time of many calls is
//! the time of the path. Beside it is the same path to a box that never had a gate. The
//! machine may be busy: rounds of each alternate, and the quickest of each counts.

use std::fs::File;
use std::net::{Ipv4Addr, UdpSocket};
use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, anyhow};
use nix::sched::{CloneFlags, setns};
use sealgate_camera::MacAddress;
use sealgate_kernel_gate::{Admission, Backstop, CameraPort, KernelGate};
use tokio::runtime;

use super::{Figure, Goal, median_ms};
use crate::world::namespaces::{Namespace, Port, bring_up};
use crate::world::process::run;

const BOX_IP: Ipv4Addr = Ipv4Addr::new(10, 77, 0, 1);
const CAMERA_IP: Ipv4Addr = Ipv4Addr::new(10, 77, 0, 2);
const CAMERA: Port<'_> = Port {
    interface: "eth0",
    mac: "02:00:00:00:00:02",
    address: Some("10.77.0.2/16"),
};
const BOX: Port<'_> = Port {
    interface: "cam0",
    mac: "02:00:00:00:00:01",
    address: Some("10.77.0.1/16"),
};
/// An RTP packet's usual payload, bytes.
const PAYLOAD: usize = 1200;
/// Packets of one round: some 4 ms, which even a busy machine now and then gives in one piece.
const PACKETS: u32 = 1_000;
/// Rounds of each kind.
const ROUNDS: usize = 250;
/// Openings and closings.
const CHANGES: usize = 15;
/// Cameras opened and closed at once.
const CAMERAS: u16 = 256;
/// What the peer is called.
const BARE: &str = "the same path without a gate";

/// All figures of the gate.
///
/// # Errors
/// No right to make namespaces, or the kernel refuses the rules.
pub fn gate() -> Result<Vec<Figure>> {
    let gated = Wire::new("gated")?;
    let bare = Wire::new("bare")?;
    let paths = Paths {
        gated: gated.open()?,
        bare: bare.open()?,
    };
    // Changes this thread's namespace for good, so it is a thread of its own.
    in_namespace(&gated.the_box, || {
        let runtime = runtime::Builder::new_current_thread().enable_all().build();
        runtime
            .context("start a runtime")?
            .block_on(figures(&paths))
    })
}

/// Both ways, open.
struct Paths {
    gated: Path,
    bare: Path,
}

/// A camera's socket, aimed at that of its box.
struct Path {
    camera: UdpSocket,
    _the_box: UdpSocket,
}

async fn figures(paths: &Paths) -> Result<Vec<Figure>> {
    let mut figures = Vec::new();
    let camera_only = KernelGate::new(vec![CameraPort::new(BOX.interface)?], Some(971));
    let shared = KernelGate::new(vec![CameraPort::shared(BOX.interface, 443)?], Some(971));
    let backstop = Backstop::new(&["lan0".to_owned()]);
    let camera_only = camera_only.with_backstop(backstop.clone());
    let shared = shared.with_backstop(backstop);

    let added = |most| Goal::AtMost(most);
    for (name, added, gate, count) in [
        (
            "gate.packet_1",
            Some(("gate.added_1", added(2000.0))),
            &camera_only,
            1,
        ),
        (
            "gate.packet_256",
            Some(("gate.added_256", added(2000.0))),
            &camera_only,
            256,
        ),
        (
            "gate.packet_1024",
            Some(("gate.added_1024", added(2000.0))),
            &camera_only,
            1024,
        ),
        (
            "gate.packet_shared_256",
            Some(("gate.added_shared_256", added(3000.0))),
            &shared,
            256,
        ),
        // The sender has no place, and 255 others have.
        ("gate.packet_dropped", None, &camera_only, 0),
    ] {
        let wanted = match count {
            0 => cameras(256).split_off(1),
            count => cameras(count),
        };
        let (with, without) = packets(gate, &wanted, paths).await?;
        figures.push(Figure::new(name, with, "ns", Goal::None).beside(BARE, Some(without)));
        if let Some((name, goal)) = added {
            figures.push(Figure::new(name, with - without, "ns", goal));
        }
        if name == "gate.packet_256" {
            let rate = Figure::new("gate.rate_256", 1e9 / with, "1/s", Goal::None);
            figures.push(rate.beside(BARE, Some(1e9 / without)));
        }
    }
    figures.extend(changes(&camera_only).await?);
    Ok(figures)
}

/// Nanoseconds of a packet through the gate and without one, the quickest rounds.
async fn packets(gate: &KernelGate, wanted: &[Admission], paths: &Paths) -> Result<(f64, f64)> {
    gate.apply(wanted).await?;
    let (mut with, mut without) = (Duration::MAX, Duration::MAX);
    for _ in 0..ROUNDS {
        without = without.min(round(&paths.bare.camera));
        with = with.min(round(&paths.gated.camera));
    }
    let each = |time: Duration| time.as_secs_f64() * 1e9 / f64::from(PACKETS);
    Ok((each(with), each(without)))
}

fn round(socket: &UdpSocket) -> Duration {
    let payload = [0; PAYLOAD];
    let began = Instant::now();
    for _ in 0..PACKETS {
        // A full socket or a closed gate is not the sender's business.
        let _ = socket.send(&payload);
    }
    began.elapsed()
}

/// Milliseconds of a whole call, as the camera desk makes it: read, compare, commit.
async fn changes(gate: &KernelGate) -> Result<Vec<Figure>> {
    let all = cameras(CAMERAS);
    let [mut opened, mut closed, mut one_less, mut same, mut mended] = [const { Vec::new() }; 5];
    for _ in 0..CHANGES {
        gate.apply(&[]).await?;
        for (times, wanted) in [
            (&mut opened, &all[..]),
            (&mut same, &all[..]),
            (&mut one_less, &all[1..]),
            (&mut closed, &[]),
        ] {
            let began = Instant::now();
            gate.apply(wanted).await?;
            times.push(began.elapsed());
        }
        gate.apply(&all).await?;
        no_rules()?;
        let began = Instant::now();
        gate.mend().await?;
        mended.push(began.elapsed());
    }
    Ok([
        ("gate.open_256", opened, Goal::AtMost(100.0)),
        ("gate.close_256", closed, Goal::AtMost(100.0)),
        ("gate.close_1_of_256", one_less, Goal::AtMost(100.0)),
        ("gate.nothing_to_change_256", same, Goal::None),
        ("gate.mend_256_after_flush", mended, Goal::AtMost(200.0)),
    ]
    .map(|(name, times, goal)| Figure::new(name, median_ms(times), "ms", goal))
    .into())
}

/// What a person with root might do.
fn no_rules() -> Result<()> {
    run(Command::new("nft").args(["flush", "ruleset"])).map(drop)
}

/// The sending camera first, then others.
fn cameras(count: u16) -> Vec<Admission> {
    (0..count)
        .map(|number| {
            let [high, low] = (number + 2).to_be_bytes();
            let mac = MacAddress::from_octets([2, 0, 0, 0, high, low]);
            Admission {
                mac: mac.expect("neither zero nor a group"),
                ip: Ipv4Addr::new(10, 77, high, low),
                port: 554,
            }
        })
        .collect()
}

/// A cable with a namespace at each end.
struct Wire {
    the_box: Namespace,
    camera: Namespace,
}

impl Wire {
    fn new(name: &str) -> Result<Self> {
        let the_box = Namespace::create(&format!("{name}-box"))?;
        let camera = Namespace::create(&format!("{name}-camera"))?;
        the_box.ip(&[
            "link",
            "add",
            BOX.interface,
            "address",
            BOX.mac,
            "type",
            "veth",
            "peer",
            "name",
            CAMERA.interface,
            "address",
            CAMERA.mac,
            "netns",
            camera.name(),
        ])?;
        bring_up(&the_box, BOX)?;
        bring_up(&camera, CAMERA)?;
        for (namespace, ip, mac, port) in [
            (&camera, BOX_IP, BOX.mac, CAMERA.interface),
            (&the_box, CAMERA_IP, CAMERA.mac, BOX.interface),
        ] {
            let ip = ip.to_string();
            namespace.ip(&[
                "neigh",
                "replace",
                &ip,
                "lladdr",
                mac,
                "dev",
                port,
                "nud",
                "permanent",
            ])?;
        }
        Ok(Self { the_box, camera })
    }

    fn open(&self) -> Result<Path> {
        let bind = |ip| UdpSocket::bind((ip, 5004)).context("open an end of the path");
        let the_box = in_namespace(&self.the_box, || bind(BOX_IP))?;
        let camera = in_namespace(&self.camera, || {
            let socket = bind(CAMERA_IP)?;
            let aimed = socket.connect((BOX_IP, 5004));
            aimed.context("aim the camera's socket").map(|()| socket)
        })?;
        Ok(Path {
            camera,
            _the_box: the_box,
        })
    }
}

/// Runs `act` on a thread in a namespace; sockets made there stay there.
fn in_namespace<T: Send>(
    namespace: &Namespace,
    act: impl FnOnce() -> Result<T> + Send,
) -> Result<T> {
    std::thread::scope(|scope| {
        let done = scope.spawn(|| {
            let file = File::open(format!("/run/netns/{}", namespace.name()));
            let file = file.context("open a namespace")?;
            setns(file, CloneFlags::CLONE_NEWNET).context("enter a namespace")?;
            act()
        });
        done.join().map_err(|_| anyhow!("a thread panicked"))?
    })
}

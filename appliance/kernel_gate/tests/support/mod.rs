//! A box, a switch and two cameras, each in a network namespace of its own.

#![allow(
    dead_code,
    unused_imports,
    reason = "each test binary uses its part of this module"
)]

mod packets;
mod stream;

use std::fs::File;
use std::io::Write;
use std::net::Ipv4Addr;
use std::process::{Command, Output, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use sealgate_kernel_gate::{Admission, CameraCounters, CameraPort, GateCounters, KernelGate, Nft};
use socket2::{Domain, Protocol, Socket, Type};

pub use packets::*;
pub use stream::{GOOD, RTP_PORT, Sink, Stream};

/// The kinds of port that each attack is tried on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    CameraOnly,
    Shared,
}

pub const BOX_IP: Ipv4Addr = Ipv4Addr::new(192, 168, 77, 1);
pub const A_IP: Ipv4Addr = Ipv4Addr::new(192, 168, 77, 11);
pub const B_IP: Ipv4Addr = Ipv4Addr::new(192, 168, 77, 12);
pub const BOX_MAC: &str = "02:00:00:00:00:01";
pub const A_MAC: &str = "02:00:00:00:00:0a";
pub const B_MAC: &str = "02:00:00:00:00:0b";

/// Namespaces of this test, gone when it ends.
pub struct World {
    prefix: String,
}

impl World {
    /// The box's port `cam0` exists and is down.
    pub fn new() -> Self {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let world = Self {
            prefix: format!(
                "sgk{}n{}",
                std::process::id(),
                COUNT.fetch_add(1, Ordering::Relaxed)
            ),
        };
        for part in ["box", "sw", "a", "b"] {
            run(&["ip", "netns", "add", &world.name(part)]);
        }
        world.exec("sw", "ip link add br0 type bridge");
        world.exec("sw", "ip link set br0 up");
        for (part, device, mac, ip) in [
            ("box", "cam0", BOX_MAC, BOX_IP),
            ("a", "eth0", A_MAC, A_IP),
            ("b", "eth0", B_MAC, B_IP),
        ] {
            world.plug_in(part, device, mac, ip);
        }
        world
    }

    /// A cable from the switch to a new interface, which is down.
    pub fn plug_in(&self, part: &str, device: &str, mac: &str, ip: Ipv4Addr) {
        let switch = self.name("sw");
        self.exec(
            part,
            &format!(
                "ip link add {device} address {mac} type veth peer name to-{part} netns {switch}"
            ),
        );
        self.exec("sw", &format!("ip link set to-{part} master br0 up"));
        self.exec(part, &format!("ip addr add {ip}/24 dev {device}"));
    }

    /// Brings the links up. Cameras know the box, so that what they send is only what a
    /// test sends, and not a wait for ARP.
    pub fn link_up(&self) {
        self.exec("box", "ip link set cam0 up");
        for part in ["a", "b"] {
            self.exec(part, "ip link set eth0 up");
            self.exec(
                part,
                &format!("ip neigh replace {BOX_IP} lladdr {BOX_MAC} dev eth0 nud permanent"),
            );
        }
    }

    pub fn name(&self, part: &str) -> String {
        format!("{}-{part}", self.prefix)
    }

    /// Runs a command line, split at spaces, in one namespace; it must succeed.
    pub fn exec(&self, part: &str, line: &str) -> Output {
        let words: Vec<&str> = line.split(' ').collect();
        self.exec_words(part, &words)
    }

    pub fn exec_words(&self, part: &str, words: &[&str]) -> Output {
        let name = self.name(part);
        let mut all = vec!["ip", "netns", "exec", &name];
        all.extend(words);
        run(&all)
    }

    pub fn gate(&self, recorder_uid: Option<u32>) -> KernelGate {
        self.gate_of(Kind::CameraOnly, recorder_uid)
    }

    pub fn gate_of(&self, kind: Kind, recorder_uid: Option<u32>) -> KernelGate {
        KernelGate::new(vec![camera_port(kind)], recorder_uid)
            .with_nft(Nft::in_namespace(&self.name("box")))
    }

    /// Moves this thread, and what it starts, into the box: for what has no program to run in
    /// another namespace.
    pub fn enter_box(&self) {
        let namespace = File::open(format!("/run/netns/{}", self.name("box"))).unwrap();
        nix::sched::setns(namespace, nix::sched::CloneFlags::CLONE_NEWNET).unwrap();
    }

    /// Runs `act` on a thread that is inside the namespace; sockets made there stay there.
    pub fn inside<T: Send>(&self, part: &str, act: impl FnOnce() -> T + Send) -> T {
        let namespace = File::open(format!("/run/netns/{}", self.name(part))).unwrap();
        std::thread::scope(|scope| {
            scope
                .spawn(move || {
                    nix::sched::setns(namespace, nix::sched::CloneFlags::CLONE_NEWNET).unwrap();
                    act()
                })
                .join()
                .unwrap()
        })
    }

    /// Sends IPv4 packets as they are from one namespace to the box.
    pub fn send(&self, part: &str, packets: &[Vec<u8>]) {
        self.inside(part, || {
            let socket = Socket::new(Domain::IPV4, Type::RAW, Some(Protocol::from(255))).unwrap();
            let to = std::net::SocketAddr::from((BOX_IP, 0)).into();
            for packet in packets {
                socket.send_to(packet, &to).unwrap();
            }
        });
    }

    /// Sends Ethernet frames with these header bytes (in hexadecimal) after the two
    /// addresses.
    pub fn send_frames(&self, part: &str, header: &str, payload: &[u8], count: usize) {
        let frame = [
            octets(BOX_MAC),
            octets(&self.mac(part)),
            hex(header),
            payload.to_vec(),
        ]
        .concat();
        self.send_raw(part, &vec![frame; count]);
    }

    /// Sends whole Ethernet frames, as fast as it goes. By Python, as packet sockets have no
    /// address type in safe Rust.
    pub fn send_raw(&self, part: &str, frames: &[Vec<u8>]) {
        let script = "import socket, sys, struct\n\
            data = sys.stdin.buffer.read()\n\
            out = socket.socket(socket.AF_PACKET, socket.SOCK_RAW)\n\
            out.bind(('eth0', 0))\n\
            at = 0\n\
            while at < len(data):\n    \
                size = struct.unpack_from('<H', data, at)[0]\n    \
                out.send(data[at + 2:at + 2 + size])\n    \
                at += 2 + size";
        let mut python = Command::new("ip")
            .args(["netns", "exec", &self.name(part), "/usr/bin/python3", "-c"])
            .arg(script)
            .stdin(Stdio::piped())
            .spawn()
            .unwrap();
        let mut data = Vec::new();
        for frame in frames {
            data.extend(u16::try_from(frame.len()).unwrap().to_le_bytes());
            data.extend(frame);
        }
        python.stdin.take().unwrap().write_all(&data).unwrap();
        assert!(python.wait().unwrap().success());
    }

    fn mac(&self, part: &str) -> String {
        let address = self.exec(part, "cat /sys/class/net/eth0/address").stdout;
        String::from_utf8(address).unwrap().trim().to_owned()
    }
}

pub fn camera_port(kind: Kind) -> CameraPort {
    match kind {
        Kind::CameraOnly => CameraPort::new("cam0").unwrap(),
        Kind::Shared => CameraPort::shared("cam0", 443).unwrap(),
    }
}

pub fn camera_a() -> Admission {
    Admission {
        mac: A_MAC.parse().unwrap(),
        ip: A_IP,
        port: 554,
    }
}

pub fn camera_b() -> Admission {
    Admission {
        mac: B_MAC.parse().unwrap(),
        ip: B_IP,
        port: 554,
    }
}

impl Drop for World {
    fn drop(&mut self) {
        for part in ["box", "sw", "a", "b"] {
            let _ = Command::new("ip")
                .args(["netns", "del", &self.name(part)])
                .output();
        }
    }
}

fn run(words: &[&str]) -> Output {
    let output = Command::new(words[0]).args(&words[1..]).output().unwrap();
    assert!(
        output.status.success(),
        "{words:?}: {}",
        String::from_utf8_lossy(&output.stderr)
    );
    output
}

/// Reads the counters until `good`, at most 5 s.
pub async fn counters_when(
    gate: &KernelGate,
    what: &str,
    good: impl Fn(&GateCounters) -> bool,
) -> GateCounters {
    let deadline = Instant::now() + Duration::from_secs(5);
    loop {
        let counters = gate.counters().await.unwrap();
        if good(&counters) {
            return counters;
        }
        assert!(Instant::now() < deadline, "{what}: {counters:#?}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// What was counted for a MAC address; zeros if nothing was.
pub fn of(counters: &GateCounters, mac: &str) -> CameraCounters {
    let mac = mac.parse().unwrap();
    counters
        .cameras
        .iter()
        .find(|camera| camera.mac == mac)
        .cloned()
        .unwrap_or(CameraCounters {
            mac,
            ip: None,
            accepted_packets: 0,
            accepted_bytes: 0,
            dropped_packets: 0,
            dropped_bytes: 0,
            dropped_other_packets: 0,
        })
}

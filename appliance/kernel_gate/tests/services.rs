//! What the box serves on its camera network, by the programs and files of the image: an
//! address by systemd-networkd and the time by chrony, also to a camera that is not admitted.

#![allow(clippy::unwrap_used)]

mod support;

use std::net::{Ipv4Addr, UdpSocket};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use sealgate_kernel_gate::{Backstop, KernelGate};
use support::*;

/// What networkd needs around it: its own folders, and devices that udev has seen.
const NETWORKD: &str = r#"set -e
mount -t tmpfs none /run/systemd && mkdir -p /run/systemd/netif/links /run/systemd/netif/leases
chown -R systemd-network:systemd-network /run/systemd/netif
mkdir -p /run/udev && mount -t tmpfs none /run/udev && mkdir -p /run/udev/data
for index in $(seq 1 20); do echo I:1 >/run/udev/data/n$index; done
mount -t tmpfs none /etc/systemd && mkdir /etc/systemd/network
cp "$1/usr/lib/systemd/network/30-cam0.network" /etc/systemd/network/
cp -r "$1/etc/systemd/networkd.conf.d" /etc/systemd/
mount -t tmpfs none /lib/systemd/network
exec /lib/systemd/systemd-networkd"#;

/// chrony's daemon, in the folder that its unit makes.
const CHRONY: &str = r#"set -e
mount -t tmpfs none /run && mkdir /run/sealgate-time
exec /usr/sbin/chronyd -d -x -U -u root -f "$1/usr/share/sealgate/chrony.conf""#;

/// Time server's answer, RFC 5905, 7.3.
#[derive(Debug)]
struct Time {
    mode: u8,
    stratum: u8,
    utc_s: u64,
}

struct Services {
    world: World,
    gate: KernelGate,
    children: Vec<Child>,
}

impl Services {
    /// A box that boots: gate, network, time.
    async fn start() -> Self {
        let world = World::new();
        world.enter_box();
        // The owner's side, to be seen from there.
        world.exec(
            "box",
            &format!(
                "ip link add lan0 type veth peer name own0 netns {}",
                world.name("b")
            ),
        );
        for (part, command) in [
            ("box", "ip addr flush dev cam0"),
            ("box", "ip addr add 192.168.50.1/24 dev lan0"),
            ("box", "ip link set lan0 up"),
            ("b", "ip addr add 192.168.50.2/24 dev own0"),
            ("b", "ip link set own0 up"),
            ("b", "ip addr flush dev eth0"),
        ] {
            world.exec(part, command);
        }
        for line in overlay_text("usr/lib/sysctl.d/50-sealgate.conf").lines() {
            if let Some((name, value)) = line
                .split_once(" = ")
                .filter(|_| line.starts_with("net.ipv4"))
            {
                world.exec("box", &format!("sysctl -qw {name}={value}"));
            }
        }
        let gate = world
            .gate(Some(4242))
            .with_backstop(Backstop::new(&["lan0".to_owned()]));
        gate.close_all().await.unwrap();
        let mut services = Self {
            world,
            gate,
            children: Vec::new(),
        };
        services.run(NETWORKD);
        services.wait_for_address("cam0").await;
        services.world.link_up();
        // Here a camera asks for the box's MAC address, as it does in a house.
        services
            .world
            .exec("b", &format!("ip neigh del {BOX_IP} dev eth0"));
        services.run(CHRONY);
        services
    }

    fn run(&mut self, script: &str) {
        let child = Command::new("ip")
            .args([
                "netns",
                "exec",
                &self.world.name("box"),
                "unshare",
                "--mount",
            ])
            .args(["bash", "-c", script, "run"])
            .arg(overlay())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        self.children.push(child);
    }

    /// networkd set the port up, as it does while the port is still down.
    async fn wait_for_address(&self, port: &str) {
        let deadline = Instant::now() + Duration::from_secs(20);
        loop {
            let shown = self
                .world
                .exec("box", &format!("ip -o addr show dev {port}"))
                .stdout;
            let shown = String::from_utf8(shown).unwrap();
            if shown.contains(&format!("inet {BOX_IP}/24")) {
                break;
            }
            assert!(Instant::now() < deadline, "no address: {shown}");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        let link = self
            .world
            .exec("box", &format!("ip -o link show dev {port}"))
            .stdout;
        assert!(
            !String::from_utf8(link).unwrap().contains(",UP"),
            "networkd brings no camera port up"
        );
    }

    /// Asks for the time from a socket of camera B.
    fn ask_time(&self, socket: &UdpSocket, server: Ipv4Addr) -> Option<Time> {
        let mut request = [0; 48];
        // Version 4, client.
        request[0] = 0x23;
        socket.send_to(&request, (server, 123)).ok()?;
        let mut answer = [0; 48];
        let size = socket.recv(&mut answer).ok()?;
        assert_eq!(size, 48);
        let seconds = u32::from_be_bytes(answer[40..44].try_into().unwrap());
        Some(Time {
            mode: answer[0] & 7,
            stratum: answer[1],
            // NTP counts from 1900.
            utc_s: u64::from(seconds) - 2_208_988_800,
        })
    }

    fn socket(&self, ip: Ipv4Addr) -> UdpSocket {
        let socket = self.world.inside("b", || UdpSocket::bind((ip, 0)).unwrap());
        socket
            .set_read_timeout(Some(Duration::from_millis(300)))
            .unwrap();
        socket
    }
}

impl Drop for Services {
    fn drop(&mut self) {
        for child in &mut self.children {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

fn overlay() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../overlay")
}

fn overlay_text(path: &str) -> String {
    std::fs::read_to_string(overlay().join(path)).unwrap()
}

/// A lease by busybox's client: what it was given, as its script is told.
fn lease(world: &World, interface: &str) -> Option<String> {
    let folder = std::env::temp_dir().join(world.name(interface));
    std::fs::create_dir_all(&folder).unwrap();
    let script = folder.join("told");
    let told = "#!/bin/sh\n[ \"$1\" != bound ] || echo \"$ip $lease $ntpsrv $router $dns\"\n";
    std::fs::write(&script, told).unwrap();
    std::fs::set_permissions(&script, std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
    let output = Command::new("ip")
        .args(["netns", "exec", &world.name("b"), "udhcpc", "-i", interface])
        .args([
            "-f", "-q", "-n", "-t", "5", "-T", "1", "-O", "ntpsrv", "-O", "router", "-s",
        ])
        .arg(&script)
        .output()
        .unwrap();
    std::fs::remove_dir_all(&folder).unwrap();
    let told = String::from_utf8(output.stdout).unwrap();
    let told = told.trim();
    (!told.is_empty()).then(|| told.to_owned())
}

#[tokio::test]
async fn a_camera_gets_address_and_time_before_it_is_admitted_and_the_owner_gets_none() {
    let services = Services::start().await;
    let world = &services.world;

    // The second layer stands: networkd has taken none of its routing rules away.
    assert!(!services.gate.mend().await.unwrap());

    let told = lease(world, "eth0").expect("a lease");
    let words: Vec<&str> = told.split_whitespace().collect();
    let ip: Ipv4Addr = words[0].parse().unwrap();
    assert!((100..250).contains(&ip.octets()[3]), "{told}");
    assert_eq!(
        words[1..],
        ["604800", "192.168.77.1"],
        "a week, a time server, no way out"
    );

    world.exec("b", &format!("ip addr add {ip}/24 dev eth0"));
    let socket = services.socket(ip);
    let deadline = Instant::now() + Duration::from_secs(10);
    let time = loop {
        if let Some(time) = services.ask_time(&socket, BOX_IP) {
            break time;
        }
        assert!(Instant::now() < deadline, "no time");
    };
    assert_eq!(
        (time.mode, time.stratum),
        (4, 10),
        "a server that nobody else keeps right"
    );
    let now = world.exec("box", "date +%s").stdout;
    let now: u64 = String::from_utf8(now).unwrap().trim().parse().unwrap();
    assert!(time.utc_s.abs_diff(now) <= 2, "{time:?}, now {now}");
    let counters = services.gate.counters().await.unwrap();
    assert_eq!(counters.ports[0].passed.past_the_gate(), 0);
    assert_eq!(of(&counters, B_MAC).ip, None);

    // Video does not fit: 2 kB of burst and 1 kB/s.
    let before = counters.ports[0].passed.discovery_packets;
    world.send("b", &vec![udp(ip, 40_000, 123, &[0; 1000]); 500]);
    let counters = counters_when(&services.gate, "the meter drops", |counters| {
        of(counters, B_MAC).dropped_packets > 450
    })
    .await;
    assert!(counters.ports[0].passed.discovery_packets - before < 8);

    // The owner's side: neither by the box's address there, nor by the other one.
    let owner = services.socket(Ipv4Addr::new(192, 168, 50, 2));
    world.exec("b", "ip addr flush dev eth0");
    world.exec("b", "ip route add 192.168.77.0/24 via 192.168.50.1");
    for server in [Ipv4Addr::new(192, 168, 50, 1), BOX_IP] {
        assert!(services.ask_time(&owner, server).is_none(), "{server}");
    }
    assert_eq!(lease(world, "own0"), None);
}

//! A box, a switch and two cameras, each in a network namespace of its own.

use std::fs::File;
use std::net::Ipv4Addr;
use std::process::{Command, Output};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use sealgate_kernel_gate::{CameraCounters, CameraPort, GateCounters, KernelGate, Nft};
use socket2::{Domain, Protocol, Socket, Type};

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
            let switch = world.name("sw");
            world.exec(
                part,
                &format!("ip link add {device} address {mac} type veth peer name to-{part} netns {switch}"),
            );
            world.exec("sw", &format!("ip link set to-{part} master br0 up"));
            world.exec(part, &format!("ip addr add {ip}/24 dev {device}"));
        }
        world
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
        KernelGate::new(vec![CameraPort::new("cam0").unwrap()], recorder_uid)
            .with_nft(Nft::in_namespace(&self.name("box")))
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
    /// addresses. By Python, as packet sockets have no address type in safe Rust.
    pub fn send_frames(&self, part: &str, header: &str, payload: &[u8], count: usize) {
        let payload: String = payload.iter().map(|byte| format!("{byte:02x}")).collect();
        let source = self.exec(part, "cat /sys/class/net/eth0/address").stdout;
        let addresses = format!("{BOX_MAC}{}", String::from_utf8(source).unwrap().trim());
        let frame = format!("{}{header}{payload}", addresses.replace(':', ""));
        let script = "import socket, sys\n\
            out = socket.socket(socket.AF_PACKET, socket.SOCK_RAW)\n\
            out.bind(('eth0', 0))\n\
            for _ in range(int(sys.argv[2])): out.send(bytes.fromhex(sys.argv[1]))";
        let count = count.to_string();
        self.exec_words(part, &["/usr/bin/python3", "-c", script, &frame, &count]);
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

/// `count` RTP-like UDP packets.
pub fn rtp(from: Ipv4Addr, count: usize) -> Vec<Vec<u8>> {
    let mut payload = vec![0x80, 96];
    payload.resize(1200, 0);
    vec![udp(from, 5004, 5004, &payload); count]
}

/// `count` connection requests to the owner's pages.
pub fn syn(from: Ipv4Addr, count: usize) -> Vec<Vec<u8>> {
    vec![tcp(from, 40_000, 443, 0x02, &[]); count]
}

pub fn udp(from: Ipv4Addr, source: u16, destination: u16, payload: &[u8]) -> Vec<u8> {
    let length = u16::try_from(8 + payload.len()).unwrap();
    let mut datagram = Vec::new();
    for word in [source, destination, length, 0] {
        datagram.extend(word.to_be_bytes());
    }
    datagram.extend(payload);
    ip(from, 17, 0x4000, &datagram)
}

/// TCP with these flags: FIN 1, SYN 2, RST 4, ACK 16.
pub fn tcp(from: Ipv4Addr, source: u16, destination: u16, flags: u8, payload: &[u8]) -> Vec<u8> {
    let mut segment = Vec::new();
    segment.extend(source.to_be_bytes());
    segment.extend(destination.to_be_bytes());
    segment.extend([0, 0, 0, 1, 0, 0, 0, 1, 0x50, flags, 0x20, 0, 0, 0, 0, 0]);
    segment.extend(payload);
    ip(from, 6, 0x4000, &segment)
}

/// An IPv4 packet to the box; the kernel fills in identification and checksum.
pub fn ip(from: Ipv4Addr, protocol: u8, fragment: u16, payload: &[u8]) -> Vec<u8> {
    let length = u16::try_from(20 + payload.len()).unwrap();
    let mut packet = vec![0x45, 0];
    packet.extend(length.to_be_bytes());
    packet.extend([0, 1]);
    packet.extend(fragment.to_be_bytes());
    packet.extend([64, protocol, 0, 0]);
    packet.extend(from.octets());
    packet.extend(BOX_IP.octets());
    packet.extend(payload);
    packet
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

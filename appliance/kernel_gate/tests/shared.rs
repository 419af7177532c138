//! A port that cameras share with the owner's network: what a box needs there goes on, and
//! nothing that could be video comes in from a MAC address that is not admitted.

#![allow(clippy::unwrap_used)]

mod support;

use std::io::{Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::time::{Duration, Instant};

use sealgate_kernel_gate::KernelGate;
use support::*;

/// How long what is to arrive may take, and how long what is not is waited for.
const PATIENCE: Duration = Duration::from_secs(5);
const IN_VAIN: Duration = Duration::from_millis(600);
/// What an attack sends.
const BAD: u8 = 0xbb;

async fn world_with(kind: Kind) -> (World, KernelGate) {
    let world = World::new();
    let gate = world.gate_of(kind, Some(4242));
    gate.close_all().await.unwrap();
    world.link_up();
    gate.apply(&[camera_a()]).await.unwrap();
    (world, gate)
}

/// Connects from one place to another; what was listened to there.
fn connect(world: &World, from: &str, to: (&str, Ipv4Addr, u16)) -> Option<(TcpStream, TcpStream)> {
    let (part, ip, port) = to;
    let listener = world.inside(part, || TcpListener::bind((ip, port)).unwrap());
    let client = world.inside(from, || {
        TcpStream::connect_timeout(&SocketAddr::from((ip, port)), IN_VAIN)
    });
    let client = client.ok()?;
    let (server, _) = listener.accept().unwrap();
    Some((client, server))
}

/// Sends `bytes` through and waits for their arrival; how long that took.
fn carry((mut from, mut to): (&TcpStream, &TcpStream), bytes: usize) -> Duration {
    let began = Instant::now();
    std::thread::scope(|scope| {
        scope.spawn(move || from.write_all(&vec![7; bytes]).unwrap());
        to.set_read_timeout(Some(PATIENCE)).unwrap();
        to.read_exact(&mut vec![0; bytes]).unwrap();
    });
    began.elapsed()
}

#[tokio::test]
async fn the_owner_reaches_the_pages_at_full_speed() {
    let (world, gate) = world_with(Kind::Shared).await;
    let (client, server) = connect(&world, "b", ("box", BOX_IP, 443)).unwrap();
    // A firmware file one way, and a recording the other.
    let up = carry((&client, &server), 4 << 20);
    let down = carry((&server, &client), 4 << 20);
    assert!(up + down < PATIENCE, "{up:?} up and {down:?} down");
    let counters = gate.counters().await.unwrap();
    assert!(counters.ports[0].passed.pages_packets > 0);
    assert_eq!(counters.ports[0].passed.past_the_gate(), 0);
    assert_eq!(of(&counters, B_MAC).dropped_packets, 0);
    // Nothing else of the box can be reached, and a camera has no business with the pages.
    assert!(connect(&world, "b", ("box", BOX_IP, 8080)).is_none());
    assert!(connect(&world, "a", ("box", BOX_IP, 443)).is_none());
    let counters = gate.counters().await.unwrap();
    assert!(of(&counters, B_MAC).dropped_packets > 0);
    assert!(of(&counters, A_MAC).dropped_packets > 0);
}

#[tokio::test]
async fn rtsp_reaches_no_socket_from_anybody_else_whoever_connects() {
    let (world, gate) = world_with(Kind::Shared).await;
    // The admitted camera: at once, both ways, from any program of the box.
    let (client, server) = connect(&world, "box", ("a", A_IP, 554)).unwrap();
    let took = carry((&server, &client), 4 << 20);
    assert!(took < PATIENCE, "{took:?}");
    // Anybody else: from RTSP's ports, from ports of other services, and from any.
    for port in [554, 8554, 443, 53_000, 22, 3702, 123, 67] {
        assert!(
            connect(&world, "box", ("b", B_IP, port)).is_none(),
            "the box connected to port {port} of a camera without a place"
        );
    }
    let counters = gate.counters().await.unwrap();
    assert!(of(&counters, B_MAC).dropped_packets > 0);
    assert_eq!(counters.ports[0].passed.past_the_gate(), 0);
}

/// The box asks at this port of B, and gets an answer, and then a flood of them.
fn ask_and_be_flooded(world: &World, port: u16) -> usize {
    let server = world.inside("b", || UdpSocket::bind((B_IP, port)).unwrap());
    server.set_read_timeout(Some(PATIENCE)).unwrap();
    let client = world.inside("box", || UdpSocket::bind((BOX_IP, 0)).unwrap());
    client.set_read_timeout(Some(IN_VAIN)).unwrap();
    client.send_to(&[1; 40], (B_IP, port)).unwrap();
    let mut buffer = [0; 2048];
    let (_, asked_from) = server.recv_from(&mut buffer).unwrap();
    server.send_to(&[2; 76], asked_from).unwrap();
    assert_eq!(client.recv(&mut buffer).unwrap(), 76, "port {port}");
    let flood = std::thread::spawn(move || {
        for _ in 0..1000 {
            server.send_to(&[3; 1400], asked_from).unwrap();
        }
    });
    let mut bytes = 0;
    while let Ok(size) = client.recv(&mut buffer) {
        bytes += size;
    }
    flood.join().unwrap();
    bytes
}

#[tokio::test]
async fn the_box_is_answered_by_dns_and_time_servers_and_not_flooded() {
    let (world, gate) = world_with(Kind::Shared).await;
    for (port, most) in [(53, 64 + 16), (123, 2 + 2)] {
        let bytes = ask_and_be_flooded(&world, port);
        assert!(bytes <= most * 1024, "{bytes} bytes came from port {port}");
    }
    // Who was not asked does not answer, whatever port he says.
    let before = of(&gate.counters().await.unwrap(), B_MAC).dropped_packets;
    let unasked: Vec<_> = [53, 123]
        .iter()
        .flat_map(|port| vec![udp(B_IP, *port, 40_000, &[0; 1000]); 50])
        .collect();
    world.send("b", &unasked);
    counters_when(&gate, "nobody asked", |counters| {
        of(counters, B_MAC).dropped_packets >= before + 100
    })
    .await;
    // A DHCP server's offer comes to who has no address yet, so no connection tells it.
    let offer = udp(B_IP, 67, 68, &[0; 300]);
    let before = gate.counters().await.unwrap().ports[0]
        .passed
        .discovery_packets;
    world.send("b", &vec![offer; 500]);
    let counters = counters_when(&gate, "an offer passes", |counters| {
        counters.ports[0].passed.discovery_packets > before
    })
    .await;
    let offers = counters.ports[0].passed.discovery_packets - before;
    assert!(offers <= 20 * 1024 / 328, "{offers} offers passed");
    assert_eq!(counters.ports[0].passed.past_the_gate(), 0);
}

/// RTSP over HTTP, or any video, in an answer of a web service that the box asked: bytes a
/// second once the first burst is through.
fn video_through_onvif(world: &World) -> f64 {
    let (client, server) = connect(world, "box", ("b", B_IP, 80)).unwrap();
    (&client).write_all(b"GET / HTTP/1.0\r\n\r\n").unwrap();
    server
        .set_write_timeout(Some(Duration::from_secs(1)))
        .unwrap();
    let video = std::thread::spawn(move || {
        let mut server = server;
        let _ = server.write_all(&vec![BAD; 16 << 20]);
    });
    let mut client = client;
    client
        .set_read_timeout(Some(Duration::from_millis(50)))
        .unwrap();
    let mut buffer = [0; 65536];
    let began = Instant::now();
    let mut after_burst = None;
    let mut bytes = 0;
    while began.elapsed() < Duration::from_secs(8) {
        if let Ok(size) = client.read(&mut buffer) {
            bytes += size;
        }
        if after_burst.is_none() && began.elapsed() > Duration::from_secs(2) {
            after_burst = Some((Instant::now(), bytes));
        }
    }
    let (since, at) = after_burst.unwrap();
    drop(client);
    video.join().unwrap();
    assert!(bytes <= 64 * 1024 + 9 * 4 * 1024, "{bytes} bytes in 8 s");
    f64::from(u32::try_from(bytes - at).unwrap()) / since.elapsed().as_secs_f64()
}

#[tokio::test]
async fn rtsp_over_http_through_the_onvif_trickle_is_no_video() {
    for kind in [Kind::CameraOnly, Kind::Shared] {
        let (world, gate) = world_with(kind).await;
        let rate = video_through_onvif(&world);
        // 4 kB/s and a packet: a frame of the smallest sub-streams takes ten times that.
        println!("video through the ONVIF trickle of a {kind:?} port: {rate:.0} bytes/s");
        assert!(rate < 4.6 * 1024.0, "{rate} bytes/s");
        let counters = gate.counters().await.unwrap();
        assert!(of(&counters, B_MAC).dropped_packets > 0);
        assert_eq!(counters.ports[0].passed.past_the_gate(), 0);
    }
}

#[tokio::test]
async fn a_camera_behind_a_router_reaches_no_socket() {
    let (world, gate) = world_with(Kind::Shared).await;
    // B is the router; its far camera is admitted by nothing but its address.
    let far = Ipv4Addr::new(10, 9, 9, 9);
    world.exec("b", "sysctl -qw net.ipv4.ip_forward=1");
    world.exec("b", &format!("ip addr add {far}/32 dev lo"));
    world.exec("box", &format!("ip route add {far}/32 via {B_IP}"));
    assert!(connect(&world, "box", ("b", far, 554)).is_none());
    let sink = Sink::open(&world, &[RTP_PORT]);
    world.send("b", &rtp(far, 200));
    counters_when(&gate, "the far camera is dropped", |counters| {
        of(counters, B_MAC).dropped_packets > 200
    })
    .await;
    assert_eq!(sink.packets(GOOD), 0);
}

#[tokio::test]
async fn the_recorder_is_held_on_every_kind_of_port() {
    for kind in [Kind::CameraOnly, Kind::Shared] {
        let (world, gate) = world_with(kind).await;
        world.exec("box", "ip link set lo up");
        world.exec("box", "ip route add 224.0.0.0/4 dev cam0");
        world.exec("box", "sysctl -qw net.ipv6.conf.cam0.disable_ipv6=0");
        world.exec("box", "ip -6 addr add fe80::1/64 dev cam0 nodad");
        world.exec(
            "box",
            "ip -6 neigh add fe80::b lladdr 02:00:00:00:00:0b dev cam0",
        );
        world.exec("box", "sysctl -qw net.ipv4.ping_group_range=0\t4294967294");
        let tries = |uid: &str, script: &str| {
            let script = format!("import socket as s\ntry:\n {script}\nexcept OSError: pass");
            let python = ["/usr/bin/python3", "-c", &script];
            let user = ["setpriv", "--reuid", uid, "--regid", uid, "--clear-groups"];
            world.exec_words("box", &[&user[..], &python[..]].concat());
        };
        let udp4 =
            |ip: Ipv4Addr| format!("s.socket(s.AF_INET, s.SOCK_DGRAM).sendto(b'x', ('{ip}', 9))");
        let refused_ways = [
            udp4(B_IP),
            udp4(BOX_IP),
            udp4(Ipv4Addr::LOCALHOST),
            udp4(Ipv4Addr::new(239, 255, 255, 250)),
            "s.create_connection(('192.168.77.12', 554), 0.1)".to_owned(),
            "s.create_connection(('192.168.77.11', 80), 0.1)".to_owned(),
            "s.socket(s.AF_INET6, s.SOCK_DGRAM).sendto(b'x', ('fe80::b%cam0', 5004))".to_owned(),
            // A ping is ICMP without the right to raw sockets.
            "s.socket(s.AF_INET, s.SOCK_DGRAM, 1).sendto(b'\\x08' + b'\\0' * 15, ('192.168.77.12', 0))".to_owned(),
        ];
        for way in &refused_ways {
            let before = gate.counters().await.unwrap().recorder_refused_packets;
            tries("4243", way);
            let others = gate.counters().await.unwrap().recorder_refused_packets;
            assert_eq!(others, before, "somebody else: {way}");
            tries("4242", way);
            let refused = gate.counters().await.unwrap().recorder_refused_packets;
            assert!(refused > before, "{kind:?}: {way}");
        }
        // Raw and packet sockets take CAP_NET_RAW, which its unit does not give it.
        for way in [
            "s.socket(s.AF_INET, s.SOCK_RAW, 255); raise SystemExit(1)",
            "s.socket(s.AF_PACKET, s.SOCK_RAW); raise SystemExit(1)",
        ] {
            tries("4242", way);
        }
        let before = gate.counters().await.unwrap().recorder_refused_packets;
        tries("4242", &udp4(A_IP));
        tries("4242", "s.create_connection(('192.168.77.11', 554), 0.1)");
        let after = gate.counters().await.unwrap().recorder_refused_packets;
        assert_eq!(after, before, "{kind:?}: the admitted camera");
    }
}

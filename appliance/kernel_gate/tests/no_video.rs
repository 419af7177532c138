//! No video passes from a MAC address that is not admitted, whatever it is packed in, on
//! either kind of port; and admitted cameras lose nothing meanwhile.

#![allow(clippy::unwrap_used)]

mod support;

use std::net::Ipv4Addr;

use support::*;

/// How many packets each attack sends.
const N: usize = 500;
/// First byte of what an attack sends.
const BAD: u8 = 0xbb;
/// Where a recorder, and each service of a box, listens.
const PORTS: [u16; 8] = [RTP_PORT, 40_000, 53, 67, 68, 123, 443, 3702];

fn video() -> [u8; 1000] {
    [BAD; 1000]
}

/// Runs one attack beside the stream of an admitted camera. `may_pass`: bytes of its payload
/// that the meters let through.
async fn attack(kind: Kind, what: &str, may_pass: usize, act: impl FnOnce(&World)) {
    let what = format!("{what} on a {kind:?} port");
    let world = World::new();
    let gate = world.gate_of(kind, None);
    gate.close_all().await.unwrap();
    // As if somebody had not switched it off: the gate does not lean on that.
    world.exec("box", "sysctl -qw net.ipv6.conf.cam0.disable_ipv6=0");
    world.link_up();
    world.exec("box", "ip -6 addr add fe80::1/64 dev cam0 nodad");
    gate.apply(&[camera_a()]).await.unwrap();
    let sink = Sink::open(&world, &PORTS);
    let stream = Stream::start(&world);
    act(&world);
    stream.go_on(100);
    let sent = stream.stop();
    sink.expect(sent, &what);
    let foreign: usize = PORTS.iter().map(|port| sink.foreign_bytes(*port)).sum();
    assert!(
        foreign <= may_pass,
        "{what}: {foreign} bytes reached a socket"
    );
    let counters = gate.counters().await.unwrap();
    assert!(
        of(&counters, A_MAC).accepted_packets >= sent as u64,
        "{what}"
    );
    let passed = &counters.ports[0].passed;
    assert_eq!(passed.past_the_gate(), 0, "{what}: {passed:?}");
    assert_eq!(passed.pages_packets, 0, "{what}: {passed:?}");
}

/// The control: without the gate the same attack reaches a socket, so that its failure
/// proves something.
async fn must_work_without_a_gate(what: &str, act: impl FnOnce(&World)) {
    let world = World::new();
    world.exec("box", "sysctl -qw net.ipv6.conf.cam0.disable_ipv6=0");
    world.link_up();
    world.exec("box", "ip -6 addr add fe80::1/64 dev cam0 nodad");
    let sink = Sink::open(&world, &PORTS);
    act(&world);
    let deadline = std::time::Instant::now() + std::time::Duration::from_secs(5);
    while sink.foreign() == 0 {
        assert!(std::time::Instant::now() < deadline, "{what} is no attack");
        tokio::time::sleep(std::time::Duration::from_millis(5)).await;
    }
}

async fn on_both(what: &str, act: impl Fn(&World)) {
    must_work_without_a_gate(what, &act).await;
    for kind in [Kind::CameraOnly, Kind::Shared] {
        attack(kind, what, 0, &act).await;
    }
}

#[tokio::test]
async fn rtp_to_any_port() {
    on_both("RTP", |world| {
        world.send("b", &vec![udp(B_IP, 5004, RTP_PORT, &video()); N])
    })
    .await;
    on_both("UDP to every service", |world| {
        for port in [53, 68, 443, 40_000, RTP_PORT] {
            // From ports of cameras' habits, and from those that servers answer from.
            for source in [554, 5004, 8554, 80, 1024] {
                world.send("b", &vec![udp(B_IP, source, port, &video()); N / 10]);
            }
        }
    })
    .await;
}

#[tokio::test]
async fn ipv6_unicast_and_multicast() {
    let b = "fe80000000000000000000000000000b";
    let unicast = frame(
        "86dd",
        &udp6(b, "fe800000000000000000000000000001", RTP_PORT, &video()),
    );
    on_both("IPv6 unicast", |world| {
        world.send_raw("b", &vec![unicast.clone(); N])
    })
    .await;
    // To all nodes (RFC 4291, 2.7.1), a group that every host is in.
    let multicast = framed(
        "33:33:00:00:00:01",
        B_MAC,
        "86dd",
        &udp6(b, "ff020000000000000000000000000001", RTP_PORT, &video()),
    );
    on_both("IPv6 multicast", |world| {
        world.send_raw("b", &vec![multicast.clone(); N])
    })
    .await;
}

#[tokio::test]
async fn vlan_tags_single_and_double() {
    let packet = with_checksum(udp(B_IP, 5004, RTP_PORT, &video()));
    // A priority tag (IEEE 802.1Q, 6.9) needs no VLAN device: the kernel takes it off.
    on_both("a priority tag", |world| {
        world.send_raw("b", &vec![frame("810000000800", &packet); N]);
    })
    .await;
    for (what, header) in [
        ("one VLAN tag", "810000070800"),
        ("a service tag", "88a800070800"),
        ("two VLAN tags", "8100000781000007 0800"),
        ("a service and a VLAN tag", "88a80007810000070800"),
    ] {
        let header = header.replace(' ', "");
        for kind in [Kind::CameraOnly, Kind::Shared] {
            attack(kind, what, 0, |world| {
                world.send_raw("b", &vec![frame(&header, &packet); N]);
            })
            .await;
        }
    }
}

#[tokio::test]
async fn fragments() {
    // 8 kB a datagram in six fragments each.
    let mut payload = vec![BAD; 8000];
    on_both("fragments", |world| {
        world.inside("b", || {
            let socket = std::net::UdpSocket::bind((B_IP, 5004)).unwrap();
            for _ in 0..N / 10 {
                socket.send_to(&payload, (BOX_IP, RTP_PORT)).unwrap();
            }
        });
    })
    .await;
    // The first fragment looks like discovery, and there may never be a whole one.
    payload.truncate(4000);
    for kind in [Kind::CameraOnly, Kind::Shared] {
        attack(
            kind,
            "fragments of discovery",
            32 * 1024 + 8 * 1024,
            |world| {
                world.inside("b", || {
                    let socket = std::net::UdpSocket::bind((B_IP, 3702)).unwrap();
                    for _ in 0..N {
                        socket.send_to(&payload, (BOX_IP, RTP_PORT)).unwrap();
                    }
                });
            },
        )
        .await;
    }
}

#[tokio::test]
async fn multicast_and_broadcast() {
    let group = Ipv4Addr::new(239, 255, 255, 250);
    let packet = |destination| with_checksum(to(udp(B_IP, 5004, RTP_PORT, &video()), destination));
    let join = |world: &World| {
        world.inside("box", || {
            let socket = std::net::UdpSocket::bind(("0.0.0.0", 9999)).unwrap();
            socket.join_multicast_v4(&group, &BOX_IP).unwrap();
            socket
        })
    };
    // A socket for any address gets what comes to a group that the host is in.
    on_both("multicast", |world| {
        let _joined = join(world);
        let frame = framed("01:00:5e:7f:ff:fa", B_MAC, "0800", &packet(group));
        world.send_raw("b", &vec![frame; N]);
        // The group is left when the socket goes.
        wait_for_queue(world);
    })
    .await;
    for (what, destination) in [
        ("broadcast", Ipv4Addr::BROADCAST),
        ("broadcast to the network", Ipv4Addr::new(192, 168, 77, 255)),
    ] {
        on_both(what, |world| {
            let frame = framed("ff:ff:ff:ff:ff:ff", B_MAC, "0800", &packet(destination));
            world.send_raw("b", &vec![frame; N]);
        })
        .await;
    }
}

/// A round trip of the admitted camera, ARP included where there is something to ask: what
/// was sent before is through the box's queue then.
fn wait_for_queue(world: &World) {
    world.inside("a", || {
        let socket = std::net::UdpSocket::bind((A_IP, 0)).unwrap();
        socket
            .set_read_timeout(Some(std::time::Duration::from_secs(5)))
            .unwrap();
        // Nobody listens at the discard port, and the box says so.
        socket.connect((BOX_IP, 9)).unwrap();
        socket.send(&[GOOD]).unwrap();
        let refused = socket.recv(&mut [0]).unwrap_err();
        assert_eq!(refused.kind(), std::io::ErrorKind::ConnectionRefused);
    });
}

#[tokio::test]
async fn borrowed_addresses() {
    on_both("an admitted camera's IP address", |world| {
        world.send("b", &vec![udp(A_IP, 5004, RTP_PORT, &video()); N]);
    })
    .await;
    let packet = with_checksum(udp(B_IP, 5004, RTP_PORT, &video()));
    on_both("an admitted camera's MAC address", |world| {
        world.send_raw("b", &vec![framed(BOX_MAC, A_MAC, "0800", &packet); N]);
    })
    .await;
    // A router's frames: its own MAC address, a camera's IP address from another network.
    let packet = with_checksum(udp(Ipv4Addr::new(10, 9, 9, 9), 5004, RTP_PORT, &video()));
    on_both("a camera behind a router", |world| {
        world.exec("box", "sysctl -qw net.ipv4.conf.all.rp_filter=0");
        world.exec("box", "sysctl -qw net.ipv4.conf.cam0.rp_filter=0");
        world.send_raw("b", &vec![frame("0800", &packet); N]);
    })
    .await;
}

#[tokio::test]
async fn other_ethertypes() {
    let packet = with_checksum(udp(B_IP, 5004, RTP_PORT, &video()));
    for header in ["8864", "8847", "22f0", "88e5", "9000", "0000", "ffff"] {
        for kind in [Kind::CameraOnly, Kind::Shared] {
            attack(kind, header, 0, |world| {
                world.send_raw("b", &vec![frame(header, &packet); N]);
            })
            .await;
        }
    }
}

#[tokio::test]
async fn an_arp_storm_harms_no_admitted_camera() {
    // From 6000 addresses, more than a meter holds, and from one.
    let storm: Vec<Vec<u8>> = (0..6000_u16)
        .flat_map(|number| {
            let [high, low] = number.to_be_bytes();
            let mac = format!("02:00:00:01:{high:02x}:{low:02x}");
            let ip = Ipv4Addr::new(192, 168, 77, low);
            [
                framed("ff:ff:ff:ff:ff:ff", &mac, "0806", &arp(1, &mac, ip, BOX_IP)),
                framed(
                    "ff:ff:ff:ff:ff:ff",
                    B_MAC,
                    "0806",
                    &arp(1, B_MAC, B_IP, BOX_IP),
                ),
            ]
        })
        .collect();
    for kind in [Kind::CameraOnly, Kind::Shared] {
        attack(kind, "an ARP storm", 0, |world| {
            world.send_raw("b", &storm);
            // The admitted camera still finds the box by ARP, and the box the camera.
            world.exec("a", &format!("ip neigh del {BOX_IP} dev eth0"));
            world.exec("box", "ip neigh flush dev cam0");
            wait_for_queue(world);
        })
        .await;
    }
}

#[tokio::test]
async fn a_gratuitous_arp_takes_no_admitted_address() {
    for kind in [Kind::CameraOnly, Kind::Shared] {
        attack(kind, "gratuitous ARP", 0, |world| {
            wait_for_queue(world);
            for operation in [1, 2] {
                for target in ["ff:ff:ff:ff:ff:ff", BOX_MAC] {
                    let lie = framed(target, B_MAC, "0806", &arp(operation, B_MAC, A_IP, A_IP));
                    // The lie in the frame, too: the sender's address is then A's own.
                    let double = framed(target, A_MAC, "0806", &arp(operation, B_MAC, A_IP, A_IP));
                    world.send_raw("b", &[vec![lie; 20], vec![double; 20]].concat());
                }
            }
            wait_for_queue(world);
            let known = world
                .exec("box", &format!("ip neigh show {A_IP} dev cam0"))
                .stdout;
            let known = String::from_utf8(known).unwrap();
            assert!(known.contains(A_MAC) && !known.contains(B_MAC), "{known}");
        })
        .await;
    }
}

//! The gate in a real kernel. Needs root and `nft`: a host without them fails.

#![allow(clippy::unwrap_used)]

mod support;

use sealgate_kernel_gate::KernelGateError;
use support::*;

const N: usize = 200;

#[tokio::test]
async fn closed_before_the_link_is_up_and_every_frame_counted() {
    let world = World::new();
    let gate = world.gate(None);
    gate.close_all().await.unwrap();
    world.link_up();

    world.send("b", &rtp(B_IP, N));
    world.send("b", &syn(B_IP, N));
    let counters = counters_when(&gate, "B's frames are dropped", |counters| {
        of(counters, B_MAC).dropped_packets >= 2 * N as u64
    })
    .await;
    assert_eq!(of(&counters, B_MAC).dropped_packets, 2 * N as u64);
    assert_eq!(
        of(&counters, B_MAC).dropped_bytes,
        (N * (1228 + 40)) as u64,
        "IP packets of 1228 and 40 bytes"
    );
    assert_eq!(counters.ports[0].dropped_packets, 2 * N as u64);
    assert_eq!(counters.ports[0].passed.past_the_gate(), 0);

    // The control: without the rules, the same frames reach the box.
    world.exec("box", "nft flush chain netdev sealgate cam0_ingress");
    world.exec_words(
        "box",
        &[
            "nft",
            "add chain netdev sealgate cam0_ingress { policy accept; }",
        ],
    );
    world.send("b", &rtp(B_IP, N));
    world.send("b", &syn(B_IP, N));
    let counters = counters_when(&gate, "B's frames arrive", |counters| {
        counters.ports[0].passed.past_the_gate() >= 2 * N as u64
    })
    .await;
    assert_eq!(counters.ports[0].passed.udp_packets, N as u64);
    assert_eq!(counters.ports[0].passed.tcp_syn_packets, N as u64);
    assert_eq!(of(&counters, B_MAC).dropped_packets, 2 * N as u64);
}

#[tokio::test]
async fn the_admitted_camera_passes_and_no_other() {
    let world = World::new();
    let gate = world.gate(None);
    gate.close_all().await.unwrap();
    world.link_up();
    gate.apply(&[camera_a()]).await.unwrap();

    world.send("a", &rtp(A_IP, N));
    world.send("b", &rtp(B_IP, N));
    // Even an admitted camera has no business with the owner's pages.
    world.send("a", &syn(A_IP, N));
    // B in A's name, by address; then by MAC address, from an address of its own.
    world.send("b", &rtp(A_IP, N));
    let counters = counters_when(&gate, "A passes and B does not", |counters| {
        of(counters, A_MAC).accepted_packets >= N as u64
            && of(counters, B_MAC).dropped_packets >= 2 * N as u64
            && of(counters, A_MAC).dropped_packets >= N as u64
    })
    .await;
    assert_eq!(of(&counters, A_MAC).ip, Some(A_IP));
    assert_eq!(of(&counters, A_MAC).accepted_packets, N as u64);
    assert_eq!(of(&counters, A_MAC).dropped_packets, N as u64);
    assert_eq!(of(&counters, B_MAC).dropped_packets, 2 * N as u64);
    assert_eq!(counters.ports[0].admitted_packets, N as u64);
    assert_eq!(counters.ports[0].passed.past_the_gate(), 0);

    world.exec("b", "ip link set eth0 down");
    world.exec("b", &format!("ip link set eth0 address {A_MAC}"));
    world.link_up();
    world.send("b", &rtp(B_IP, N));
    let counters = counters_when(&gate, "the clone is dropped", |counters| {
        of(counters, A_MAC).dropped_packets >= 2 * N as u64
    })
    .await;
    assert_eq!(of(&counters, A_MAC).accepted_packets, N as u64);
    assert_eq!(counters.ports[0].passed.past_the_gate(), 0);
}

#[tokio::test]
async fn a_change_touches_only_what_changes() {
    let world = World::new();
    let gate = world.gate(None);
    world.link_up();
    // `apply` alone puts the rules in force, and so does not depend on the boot unit.
    gate.apply(&[camera_a()]).await.unwrap();
    world.send("a", &rtp(A_IP, N));
    let passed = |count: usize| {
        move |counters: &sealgate_kernel_gate::GateCounters| {
            of(counters, A_MAC).accepted_packets == count as u64
        }
    };
    counters_when(&gate, "A passes", passed(N)).await;

    gate.apply(&[camera_a()]).await.unwrap();
    gate.apply(&[camera_a(), camera_b()]).await.unwrap();
    gate.close_all().await.unwrap();
    // The supervisor starts again: another value, the same gate.
    let again = world.gate(None);
    again.close_all().await.unwrap();
    world.send("a", &rtp(A_IP, N));
    let counters = counters_when(&again, "A was never shut out", passed(2 * N)).await;
    assert_eq!(of(&counters, B_MAC).ip, Some(B_IP));

    again.apply(&[camera_b()]).await.unwrap();
    world.send("a", &rtp(A_IP, N));
    let counters = counters_when(&again, "A is shut out", |counters| {
        of(counters, A_MAC).dropped_packets == N as u64
    })
    .await;
    assert_eq!(of(&counters, A_MAC).ip, None);
    assert_eq!(counters.ports[0].admitted_packets, 2 * N as u64);
}

#[tokio::test]
async fn a_flush_is_noticed_and_mended() {
    let world = World::new();
    let gate = world.gate(Some(4242));
    world.link_up();
    gate.apply(&[camera_a()]).await.unwrap();
    for harm in [
        "nft flush ruleset",
        "nft delete table inet sealgate",
        "nft delete table netdev sealgate",
    ] {
        world.exec("box", harm);
        let error = gate.counters().await.unwrap_err();
        assert!(
            matches!(error, KernelGateError::NotInForce { .. }),
            "{harm}: {error}"
        );
        gate.apply(&[camera_a()]).await.unwrap();
        let counters = gate.counters().await.unwrap();
        assert_eq!(of(&counters, A_MAC).ip, Some(A_IP), "{harm}");
    }
    // Rules of another version, here of another recorder, are not taken for ours.
    let other = world.gate(Some(4243));
    assert!(matches!(
        other.counters().await,
        Err(KernelGateError::NotInForce { .. })
    ));
    other.close_all().await.unwrap();
    // A camera's kernel may greet its network (MLD, RFC 3810) at any moment, and is then listed
    // as dropped; that none is admitted is what counts.
    let counters = other.counters().await.unwrap();
    assert!(
        counters.cameras.iter().all(|camera| camera.ip.is_none()),
        "{counters:?}"
    );
}

#[tokio::test]
async fn the_trickle_finds_cameras_and_carries_no_video() {
    let world = World::new();
    let gate = world.gate(None);
    gate.close_all().await.unwrap();
    world.link_up();

    // A ProbeMatch and an ONVIF answer pass.
    world.send("b", &[udp(B_IP, 3702, 40_000, &[0; 900])]);
    world.send("b", &[tcp(B_IP, 80, 40_000, 0x18, &[0; 1400])]);
    let counters = counters_when(&gate, "the trickle passes", |counters| {
        counters.ports[0].passed.discovery_packets == 2
    })
    .await;
    assert_eq!(of(&counters, B_MAC).dropped_packets, 0);

    // A megabyte of video on either way does not: 64 and 32 kB of burst, and 4 kB/s.
    let seven_hundred = 700_usize;
    world.send(
        "b",
        &vec![tcp(B_IP, 80, 40_000, 0x18, &[0; 1400]); seven_hundred],
    );
    world.send("b", &vec![udp(B_IP, 3702, 5004, &[0; 1400]); seven_hundred]);
    let counters = counters_when(&gate, "the rest is dropped", |counters| {
        of(counters, B_MAC).dropped_packets + counters.ports[0].passed.discovery_packets
            == 2 * seven_hundred as u64 + 2
    })
    .await;
    let passed = counters.ports[0].passed.discovery_packets;
    assert!(
        passed < 2 + (64 + 32 + 20) * 1024 / 1400,
        "{passed} packets passed"
    );
    assert_eq!(counters.ports[0].passed.past_the_gate(), 0);
}

#[tokio::test]
async fn no_way_round_by_fragments_flags_or_other_protocols() {
    let world = World::new();
    let gate = world.gate(None);
    gate.close_all().await.unwrap();
    world.link_up();
    gate.apply(&[camera_a()]).await.unwrap();

    let hidden_syn = tcp(A_IP, 40_000, 443, 0x02, &[]);
    let more_fragments = ip(A_IP, 6, 0x2000, &hidden_syn[20..28]);
    let second_fragment = ip(A_IP, 6, 0x0001, &hidden_syn[28..]);
    world.send("a", &[more_fragments, second_fragment]);
    // Not from an ONVIF port, a SYN from one, and no TCP or UDP at all.
    world.send("b", &[tcp(B_IP, 40_000, 443, 0x10, &[])]);
    world.send("b", &[tcp(B_IP, 80, 443, 0x02, &[])]);
    world.send("b", &[ip(B_IP, 47, 0x4000, &[0; 64])]);
    let counters = counters_when(&gate, "all are dropped", |counters| {
        of(counters, A_MAC).dropped_packets == 2 && of(counters, B_MAC).dropped_packets == 3
    })
    .await;
    assert_eq!(counters.ports[0].passed.past_the_gate(), 0);
    assert_eq!(counters.ports[0].admitted_packets, 0);

    // The same RTP in a VLAN, with a priority tag, and in other EtherTypes (IPv6, PPPoE),
    // from the admitted camera too.
    let packet = &rtp(A_IP, 1)[0];
    // Next header 59 is 'none' (RFC 8200, 4.7); the bridge wants the length right.
    let ipv6 = format!(
        "86dd60000000{:04x}3b40{}{}",
        packet.len(),
        "fe80000000000000000000000000000a",
        "fe800000000000000000000000000001"
    );
    for header in [
        "810000070800",
        "8100e0000800",
        "88a800070800",
        &ipv6,
        "8864",
    ] {
        let before = of(&gate.counters().await.unwrap(), A_MAC).dropped_other_packets;
        world.send_frames("a", header, packet, N);
        counters_when(&gate, header, |counters| {
            of(counters, A_MAC).dropped_other_packets >= before + N as u64
        })
        .await;
    }
    let counters = gate.counters().await.unwrap();
    assert!(counters.ports[0].dropped_other_packets >= 5 * N as u64);
    assert_eq!(of(&counters, A_MAC).accepted_packets, 0);
    assert_eq!(counters.ports[0].admitted_packets, 0);
    assert_eq!(counters.ports[0].passed.past_the_gate(), 0);
}

#[tokio::test]
async fn nobody_takes_an_admitted_address_by_arp() {
    let world = World::new();
    let gate = world.gate(None);
    gate.close_all().await.unwrap();
    world.link_up();
    gate.apply(&[camera_a()]).await.unwrap();

    // B asks for the box in A's name, as a duplicate address does.
    world.exec("b", &format!("ip neigh del {BOX_IP} dev eth0"));
    world.exec("b", &format!("ip addr add {A_IP}/32 dev eth0"));
    world.inside("b", || {
        let socket = std::net::UdpSocket::bind((A_IP, 0)).unwrap();
        let _ = socket.send_to(&[0], (BOX_IP, 9));
    });
    counters_when(&gate, "B's ARP is dropped", |counters| {
        counters.ports[0].dropped_arp_packets > 0
    })
    .await;
    let neighbours = world.exec("box", "ip neigh show dev cam0").stdout;
    let neighbours = String::from_utf8(neighbours).unwrap();
    assert!(!neighbours.contains(B_MAC), "{neighbours}");

    // A's own ARP passes: it finds the box.
    world.exec("a", &format!("ip neigh del {BOX_IP} dev eth0"));
    world.inside("a", || {
        let socket = std::net::UdpSocket::bind((A_IP, 0)).unwrap();
        socket.send_to(&[0], (BOX_IP, 9)).unwrap();
    });
    counters_when(&gate, "A's packet follows its ARP", |counters| {
        of(counters, A_MAC).accepted_packets > 0
    })
    .await;
}

#[tokio::test]
async fn the_recorder_reaches_admitted_cameras_only() {
    let world = World::new();
    let gate = world.gate(Some(4242));
    gate.close_all().await.unwrap();
    world.link_up();
    gate.apply(&[camera_a()]).await.unwrap();
    let as_user = |uid: &str, target: &str| {
        let script = format!("echo x > /dev/{target} || true");
        world.exec_words(
            "box",
            &[
                "setpriv",
                "--reuid",
                uid,
                "--clear-groups",
                "timeout",
                "1",
                "bash",
                "-c",
                &script,
            ],
        )
    };
    as_user("4242", &format!("udp/{A_IP}/5005"));
    // Nobody listens at A, so the connection is refused by A and not by us.
    as_user("4242", &format!("tcp/{A_IP}/554"));
    as_user("4243", &format!("udp/{B_IP}/5005"));
    assert_eq!(gate.counters().await.unwrap().recorder_refused_packets, 0);
    as_user("4242", &format!("udp/{B_IP}/5005"));
    assert_eq!(gate.counters().await.unwrap().recorder_refused_packets, 1);
    gate.apply(&[]).await.unwrap();
    as_user("4242", &format!("udp/{A_IP}/5005"));
    assert_eq!(gate.counters().await.unwrap().recorder_refused_packets, 2);
}

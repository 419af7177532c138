//! The gate outlives its supervisor, a flushed ruleset, and ports that come and go.

#![allow(clippy::unwrap_used)]

mod support;

use std::io::{Read, Write};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::sync::Arc;
use std::time::{Duration, Instant};

use sealgate_kernel_gate::{Admission, Backstop, KernelGate};
use support::*;

const N: usize = 500;
/// First byte of what camera B sends, which is never admitted here.
const BAD: u8 = 0xbb;
/// Rules are back within this, on a machine that builds beside it; usually in a tenth.
const AT_ONCE: Duration = Duration::from_secs(1);

/// A gate with its second layer, of the namespace that this thread is in.
fn gate_of(world: &World, kind: Kind) -> KernelGate {
    world
        .gate_of(kind, Some(4242))
        .with_backstop(Backstop::new(&["lan0".to_owned()]))
}

async fn world_with(kind: Kind) -> (World, KernelGate) {
    let world = World::new();
    world.enter_box();
    let gate = gate_of(&world, kind);
    gate.close_all().await.unwrap();
    world.link_up();
    gate.apply(&[camera_a()]).await.unwrap();
    (world, gate)
}

fn intrude(world: &World) {
    let mut payload = vec![BAD];
    payload.resize(1200, 0);
    world.send("b", &vec![udp(B_IP, 5004, RTP_PORT, &payload); N]);
}

/// Packets that the box's kernel had no way for.
fn without_a_way(world: &World) -> u64 {
    let snmp = world.exec("box", "cat /proc/net/snmp").stdout;
    let snmp = String::from_utf8(snmp).unwrap();
    let mut lines = snmp.lines().filter(|line| line.starts_with("Ip: "));
    let names = lines.next().unwrap().split(' ');
    let values = lines.next().unwrap().split(' ');
    let (_, value) = names
        .zip(values)
        .find(|(name, _)| *name == "InAddrErrors")
        .unwrap();
    value.parse().unwrap()
}

/// Polls until `good`; how long that took, at most 5 s.
async fn wait_until<F: Future<Output = bool>>(what: &str, good: impl Fn() -> F) -> Duration {
    let began = Instant::now();
    while !good().await {
        assert!(began.elapsed() < Duration::from_secs(5), "{what}");
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    began.elapsed()
}

#[tokio::test]
async fn a_restart_of_the_supervisor_is_no_gap_and_no_opening() {
    for kind in [Kind::CameraOnly, Kind::Shared] {
        let (world, mut gate) = world_with(kind).await;
        let sink = Sink::open(&world, &[RTP_PORT]);
        // The camera finds the box by ARP, which the second layer lets pass too.
        world.exec("a", &format!("ip neigh del {BOX_IP} dev eth0"));
        let stream = Stream::start(&world);
        for _ in 0..5 {
            drop(gate);
            intrude(&world);
            // What the unit, and then the supervisor, do at each start.
            gate = gate_of(&world, kind);
            gate.close_all().await.unwrap();
            assert!(!gate.mend().await.unwrap());
            stream.go_on(100);
            gate.apply(&[camera_a()]).await.unwrap();
            stream.go_on(100);
        }
        let sent = stream.stop();
        sink.expect(sent, "restarts");
        assert_eq!(sink.foreign(), 0);
        let counters = gate.counters().await.unwrap();
        assert_eq!(of(&counters, A_MAC).accepted_packets, sent as u64);
        assert_eq!(of(&counters, A_MAC).accepted_bytes, (sent * 1228) as u64);
        assert_eq!(of(&counters, B_MAC).dropped_packets, 5 * N as u64);
        assert_eq!(counters.mended, 0);
    }
}

#[tokio::test]
async fn a_flushed_ruleset_shuts_everybody_out_and_nobody_in() {
    for kind in [Kind::CameraOnly, Kind::Shared] {
        let (world, gate) = world_with(kind).await;
        let sink = Sink::open(&world, &[RTP_PORT]);
        let listener = world.inside("a", || TcpListener::bind((A_IP, 554)).unwrap());
        let mut client = TcpStream::connect((A_IP, 554)).unwrap();
        let (mut camera, _) = listener.accept().unwrap();
        let mut carry = || {
            camera.write_all(&[GOOD; 4096]).unwrap();
            client.set_read_timeout(Some(AT_ONCE * 5)).unwrap();
            client.read_exact(&mut [0; 4096]).unwrap();
        };
        carry();
        let before = without_a_way(&world);
        world.exec("box", "nft flush ruleset");
        intrude(&world);
        wait_until("B's packets are lost", async || {
            without_a_way(&world) >= before + N as u64
        })
        .await;
        assert_eq!(sink.foreign(), 0, "{kind:?}");
        // A session that was open goes on.
        carry();
        gate.apply(&[camera_a()]).await.unwrap();
        carry();

        // The control: with neither, B's packets arrive.
        world.exec("box", "nft flush ruleset");
        world.exec("box", "ip rule del pref 99");
        intrude(&world);
        wait_until("B's packets arrive", async || sink.foreign() >= N).await;
    }
}

/// Runs `keep` beside it, as the supervisor does.
async fn kept(kind: Kind) -> (World, Arc<KernelGate>, tokio::task::JoinHandle<()>) {
    let (world, gate) = world_with(kind).await;
    let gate = Arc::new(gate);
    let keeping = tokio::spawn({
        let gate = gate.clone();
        async move { gate.keep().await }
    });
    // Its first look is over when it has subscribed.
    tokio::time::sleep(Duration::from_millis(100)).await;
    (world, gate, keeping)
}

#[tokio::test]
async fn what_another_hand_changes_is_put_back_at_once() {
    for kind in [Kind::CameraOnly, Kind::Shared] {
        let (world, gate, keeping) = kept(kind).await;
        let sink = Sink::open(&world, &[RTP_PORT]);
        let in_force = |times: u64| {
            let gate = gate.clone();
            async move {
                let counters = gate.counters().await;
                counters.is_ok_and(|counters| {
                    let admitted = counters.cameras.iter().filter(|c| c.ip.is_some());
                    counters.mended >= times && admitted.count() == 1
                })
            }
        };
        let add_b = format!("nft add element netdev sealgate admitted {{ {B_MAC} . {B_IP} }}");
        let harms = [
            "nft flush ruleset",
            "nft delete table inet sealgate",
            "nft delete table netdev sealgate",
            "nft flush set netdev sealgate admitted",
            "nft insert rule netdev sealgate cam0_ingress accept",
            "nft flush chain inet sealgate recorder",
            "ip rule del pref 99",
            "ip rule del pref 10",
            "ip rule add pref 5 lookup local",
            &add_b,
        ];
        for (times, harm) in (1..).zip(harms) {
            let began = Instant::now();
            world.exec("box", harm);
            wait_until(harm, || in_force(times)).await;
            let took = began.elapsed();
            println!("{kind:?}: {harm}: put back {} ms later", took.as_millis());
            assert!(took < AT_ONCE, "{harm}: {took:?}");
            intrude(&world);
            counters_when(&gate, harm, |counters| {
                of(counters, B_MAC).dropped_packets >= N as u64
            })
            .await;
        }
        assert_eq!(sink.foreign(), 0);
        let mended = gate.counters().await.unwrap().mended;
        assert_eq!(mended, harms.len() as u64, "each is one alarm");
        keeping.abort();
    }
}

#[tokio::test]
async fn what_another_hand_changed_meanwhile_is_found_closed_and_counted() {
    let folder = tempfile::tempdir().unwrap();
    for kind in [Kind::CameraOnly, Kind::Shared] {
        let world = World::new();
        world.enter_box();
        let memory = folder.path().join(format!("{kind:?}"));
        let start = || gate_of(&world, kind).with_memory(memory.clone());
        let gate = start();
        gate.close_all().await.unwrap();
        world.link_up();
        let sink = Sink::open(&world, &[RTP_PORT]);
        gate.apply(&[camera_b()]).await.unwrap();
        gate.apply(&[camera_a()]).await.unwrap();
        // What is kept of the rules is what was read when they were there.
        gate.apply(&[camera_a()]).await.unwrap();
        drop(gate);
        let add_b = format!("nft add element netdev sealgate admitted {{ {B_MAC} . {B_IP} }}");
        let harms = [
            "true",
            "nft flush ruleset",
            "nft delete table inet sealgate",
            "nft insert rule netdev sealgate cam0_ingress accept",
            "nft flush set netdev sealgate admitted",
            "ip rule del pref 99",
            &add_b,
        ];
        for harm in harms {
            world.exec("box", harm);
            let gate = start();
            gate.close_all().await.unwrap();
            let expected = u64::from(harm != "true");
            let counters = gate.counters().await.unwrap();
            assert_eq!(counters.mended, expected, "{kind:?}: {harm}");
            intrude(&world);
            counters_when(&gate, harm, |counters| {
                of(counters, B_MAC).dropped_packets >= N as u64
            })
            .await;
            // It is one alarm, and the camera is let in again.
            gate.apply(&[camera_a()]).await.unwrap();
            gate.apply(&[camera_a()]).await.unwrap();
            let counters = gate.counters().await.unwrap();
            assert_eq!(counters.mended, expected, "{kind:?}: {harm}");
            assert_eq!(of(&counters, A_MAC).ip, Some(A_IP));
        }
        assert_eq!(sink.foreign(), 0);
    }
}

#[tokio::test]
async fn the_gate_s_own_changes_ring_no_alarm() {
    let (_world, gate, keeping) = kept(Kind::CameraOnly).await;
    for _ in 0..5 {
        gate.apply(&[camera_a(), camera_b()]).await.unwrap();
        tokio::task::yield_now().await;
        gate.apply(&[camera_a()]).await.unwrap();
        tokio::task::yield_now().await;
    }
    assert!(!gate.mend().await.unwrap());
    assert_eq!(gate.counters().await.unwrap().mended, 0);
    keeping.abort();
}

#[tokio::test]
async fn a_renamed_port_lets_nothing_in() {
    for kind in [Kind::CameraOnly, Kind::Shared] {
        let (world, gate, keeping) = kept(kind).await;
        let sink = Sink::open(&world, &[RTP_PORT]);
        let before = without_a_way(&world);
        world.exec("box", "ip link set cam0 name other");
        intrude(&world);
        // Either the rules went along with the interface, or the second layer holds.
        wait_until("B's packets are lost", async || {
            let dropped = gate
                .counters()
                .await
                .map_or(0, |counters| of(&counters, B_MAC).dropped_packets);
            without_a_way(&world) - before + dropped >= N as u64
        })
        .await;
        assert_eq!(sink.foreign(), 0);
        world.exec("box", "ip link set other name cam0");
        counters_when_back(&gate).await;
        let stream = Stream::start(&world);
        let sent = stream.stop();
        sink.expect(sent, "the port has its name again");
        keeping.abort();
    }
}

async fn counters_when_back(gate: &KernelGate) {
    wait_until("the gate is in force", async || {
        gate.counters().await.is_ok()
    })
    .await;
}

#[tokio::test]
async fn a_port_that_is_plugged_in_again_is_closed_before_it_is_up() {
    for kind in [Kind::CameraOnly, Kind::Shared] {
        let (world, gate, keeping) = kept(kind).await;
        let sink = Sink::open(&world, &[RTP_PORT]);
        let stream = Stream::start(&world);
        let sent = stream.stop();
        sink.expect(sent, "before");
        world.exec("box", "ip link del cam0");
        // A camera is taken away meanwhile, and the missing port is no hindrance.
        gate.apply(&[camera_b()]).await.unwrap();
        gate.apply(&[camera_a()]).await.unwrap();
        world.plug_in("box", "cam0", BOX_MAC, BOX_IP);
        // Not waiting for anything: this is the race that must not be lost.
        world.link_up();
        intrude(&world);
        counters_when_back(&gate).await;
        let again = Stream::start(&world).stop();
        sink.expect(sent + again, "after");
        assert_eq!(sink.foreign(), 0, "{kind:?}");
        let counters = gate.counters().await.unwrap();
        assert_eq!(counters.mended, 0, "a plug is no alarm");
        keeping.abort();
    }
}

#[tokio::test]
async fn a_port_whose_chain_went_with_it_gets_it_back() {
    // What Linux before 6.16 does when the interface goes.
    let (world, gate, keeping) = kept(Kind::CameraOnly).await;
    world.exec("box", "nft flush chain netdev sealgate cam0_ingress");
    world.exec("box", "nft delete chain netdev sealgate cam0_ingress");
    counters_when_back(&gate).await;
    intrude(&world);
    counters_when(&gate, "B is dropped by the chain", |counters| {
        of(counters, B_MAC).dropped_packets >= N as u64
    })
    .await;
    assert_eq!(of(&gate.counters().await.unwrap(), A_MAC).ip, Some(A_IP));
    keeping.abort();
    // The boot's own order: the unit closes a port that came up later.
    world.exec("box", "nft flush chain netdev sealgate cam0_ingress");
    world.exec("box", "nft delete chain netdev sealgate cam0_ingress");
    gate_of(&world, Kind::CameraOnly).close_all().await.unwrap();
    let counters = gate.counters().await.unwrap();
    assert_eq!(
        of(&counters, A_MAC).ip,
        Some(A_IP),
        "the cameras stay admitted"
    );
}

#[tokio::test]
async fn a_new_lease_moves_the_camera_and_leaves_no_door() {
    for kind in [Kind::CameraOnly, Kind::Shared] {
        let (world, gate) = world_with(kind).await;
        let sink = Sink::open(&world, &[RTP_PORT]);
        let stream = Stream::start(&world);
        let sent = stream.stop();
        sink.expect(sent, "the old address");
        let new_ip = Ipv4Addr::new(192, 168, 77, 111);
        world.exec("a", &format!("ip addr add {new_ip}/24 dev eth0"));
        gate.apply(&[Admission {
            ip: new_ip,
            ..camera_a()
        }])
        .await
        .unwrap();
        let mut packets = rtp(new_ip, N);
        packets.extend(rtp(A_IP, N));
        world.send("a", &packets);
        let counters = counters_when(&gate, "the old pair is closed", |counters| {
            of(counters, A_MAC).dropped_packets >= N as u64
        })
        .await;
        sink.expect(sent + N, "the new address");
        let camera = of(&counters, A_MAC);
        assert_eq!(
            (camera.ip, camera.accepted_packets),
            (Some(new_ip), N as u64)
        );
        assert_eq!(camera.dropped_packets, N as u64);
        // Whoever takes the old address now has no more right to it than to any other.
        world.send("b", &rtp(A_IP, N));
        counters_when(&gate, "B is dropped", |counters| {
            of(counters, B_MAC).dropped_packets >= N as u64
        })
        .await;
        assert_eq!(sink.packets(GOOD), sent + N);
    }
}

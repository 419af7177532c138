//! The search on real interfaces. Needs root: a host without fails.

#![allow(clippy::unwrap_used)]

use std::fs::File;
use std::io::{Read as _, Write as _};
use std::net::{Ipv4Addr, TcpStream, UdpSocket};
use std::process::{Child, Command};
use std::sync::Mutex;
use std::time::{Duration, Instant};

use sealgate_lan::{
    Asker, ConflictKind, Enrolment, Evidence, Lan, LanConfig, LanError, LanHandle, Location,
    MotionTarget, Pin, Sighting, locate,
};

const DEVICES: [(&str, &str, Ipv4Addr); 4] = [
    ("cam0", "02:00:00:00:00:01", Ipv4Addr::new(192, 168, 77, 1)),
    ("a", "02:00:00:00:00:0a", Ipv4Addr::new(192, 168, 77, 11)),
    ("b", "02:00:00:00:00:0b", Ipv4Addr::new(192, 168, 77, 12)),
    ("c", "02:00:00:00:00:0c", Ipv4Addr::new(192, 168, 77, 13)),
];

/// A box with its port `cam0`, and three devices on a switch; gone when the test ends.
struct World {
    prefix: String,
    children: Mutex<Vec<Child>>,
}

impl World {
    fn new(test: &str) -> Self {
        let world = Self {
            prefix: format!("sgl{}{test}", std::process::id()),
            children: Mutex::default(),
        };
        run(&format!("ip netns add {}", world.name("sw")));
        world.exec("sw", "ip link add br0 type bridge");
        world.exec("sw", "ip link set br0 up");
        for (part, mac, ip) in DEVICES {
            let switch = world.name("sw");
            run(&format!("ip netns add {}", world.name(part)));
            let device = if part == "cam0" { "cam0" } else { "eth0" };
            world.exec(part, "ip link set lo up");
            world.exec(
                part,
                &format!("ip link add {device} address {mac} type veth peer name to-{part} netns {switch}"),
            );
            world.exec("sw", &format!("ip link set to-{part} master br0 up"));
            world.exec(part, &format!("ip addr add {ip}/24 dev {device}"));
            world.exec(part, &format!("ip link set {device} up"));
        }
        world
    }

    fn name(&self, part: &str) -> String {
        format!("{}-{part}", self.prefix)
    }

    fn exec(&self, part: &str, line: &str) {
        run(&format!("ip netns exec {} {line}", self.name(part)));
    }

    fn start_device(&self, part: &str, arguments: &[&str]) {
        self.start_device_with(part, arguments, &[]);
    }

    fn start_device_with(&self, part: &str, arguments: &[&str], environment: &[(&str, &str)]) {
        let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/device.py");
        let child = Command::new("ip")
            .args([
                "netns",
                "exec",
                &self.name(part),
                "/usr/bin/python3",
                script,
            ])
            .args(arguments)
            .envs(environment.iter().copied())
            .spawn()
            .unwrap();
        self.children.lock().unwrap().push(child);
    }

    /// Pulls the plugs of all devices.
    fn switch_off(&self) {
        for mut child in self.children.lock().unwrap().drain(..) {
            child.kill().unwrap();
            child.wait().unwrap();
        }
    }

    /// Gives a device another MAC address.
    fn take_mac(&self, part: &str, mac: &str) {
        self.exec(part, "ip link set eth0 down");
        self.exec(part, &format!("ip link set eth0 address {mac}"));
        self.exec(part, "ip link set eth0 up");
    }

    /// Gives a device another IP address.
    fn take_ip(&self, part: &str, ip: Ipv4Addr) {
        self.exec(part, "ip addr flush dev eth0");
        self.exec(part, &format!("ip addr add {ip}/24 dev eth0"));
    }

    /// The device sends something, and asks for the box by ARP before it.
    fn speak(&self, part: &str) {
        self.exec(part, "ip neigh flush all");
        self.inside(part, || {
            let socket = UdpSocket::bind("0.0.0.0:0").unwrap();
            let _ = socket.send_to(&[0], (DEVICES[0].2, 9));
        });
    }

    /// Something moves in front of the device.
    fn raise_motion(&self, part: &str, ip: Ipv4Addr, port: u16) {
        self.inside(part, || {
            let mut lens = TcpStream::connect((ip, port)).unwrap();
            lens.write_all(b"POST /lens/motion HTTP/1.0\r\nContent-Length: 4\r\n\r\ntrue")
                .unwrap();
            let mut answer = String::new();
            lens.read_to_string(&mut answer).unwrap();
            assert!(answer.contains("204"), "{answer}");
        });
    }

    /// What the box's kernel says of an address.
    fn neighbour(&self, ip: Ipv4Addr) -> String {
        let output = Command::new("ip")
            .args(["netns", "exec", &self.name("cam0"), "ip", "neigh", "show"])
            .arg(ip.to_string())
            .output()
            .unwrap();
        String::from_utf8(output.stdout).unwrap()
    }

    /// Runs on a thread inside the namespace, so that every socket is made there.
    fn inside<T: Send>(&self, part: &str, act: impl FnOnce() -> T + Send) -> T {
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

    fn on_the_box<T: Send>(&self, act: impl AsyncFnOnce() -> T + Send) -> T {
        self.inside("cam0", || {
            tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .build()
                .unwrap()
                .block_on(act())
        })
    }
}

impl Drop for World {
    fn drop(&mut self) {
        self.switch_off();
        for part in DEVICES.map(|(part, ..)| part).iter().chain(&["sw"]) {
            let _ = Command::new("ip")
                .args(["netns", "del", &self.name(part)])
                .output();
        }
    }
}

fn run(line: &str) {
    let words: Vec<&str> = line.split(' ').collect();
    let output = Command::new(words[0]).args(&words[1..]).output().unwrap();
    let problem = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{line}: {problem}");
}

fn start() -> LanHandle {
    let config = LanConfig {
        probe_interval: Duration::from_secs(1),
        ..LanConfig::new(vec!["cam0".into(), "cam9".into()])
    };
    Lan::start(
        config,
        std::sync::Arc::new(sealgate_base::SystemClock::new()),
        std::future::pending(),
    )
    .unwrap()
}

/// Waits at most 20 s for what is seen to be `good`.
async fn seen_when(
    lan: &LanHandle,
    what: &str,
    good: impl Fn(&[Sighting]) -> bool,
) -> Vec<Sighting> {
    let mut sightings = lan.sightings();
    let found = sightings.wait_for(|seen| good(seen));
    let found = tokio::time::timeout(Duration::from_secs(20), found).await;
    assert!(found.is_ok(), "{what}: {:#?}", *lan.sightings().borrow());
    found.unwrap().unwrap().clone()
}

fn at(seen: &[Sighting], device: usize) -> Option<&Sighting> {
    let ip = DEVICES[device].2;
    seen.iter().find(|sighting| sighting.ip == ip)
}

#[test]
fn cameras_are_found_named_and_tied_to_their_macs() {
    let world = World::new("f");
    world.start_device("a", &["A", "192.168.77.11"]);
    // B says its services are elsewhere, off this cable: it speaks for a hidden one.
    world.start_device(
        "b",
        &["B", "192.168.77.12", "http://10.9.0.5/onvif/device_service"],
    );
    let started = Instant::now();
    world.on_the_box(async || {
        let lan = start();
        let seen = seen_when(&lan, "A with its serial number", |seen| {
            at(seen, 1).is_some_and(|a| a.serial.is_some())
        })
        .await;
        println!("A was found and named after {:?}", started.elapsed());
        let a = at(&seen, 1).unwrap();
        assert_eq!(a.mac, Some(DEVICES[1].1.parse().unwrap()));
        assert_eq!(a.interface, "cam0");
        assert_eq!(a.name.as_deref(), Some("Lab camera A"));
        assert_eq!(a.manufacturer.as_deref(), Some("Sealgate lab"));
        assert_eq!(a.model.as_deref(), Some("Virtual camera"));
        assert_eq!(a.serial.as_deref(), Some("LAB-A-02000000000a"));
        assert_eq!(a.conflict, None);

        // The stream is at the camera, whatever it says.
        let asker = Asker::new(std::sync::Arc::new(sealgate_base::SystemClock::new()));
        let described = asker.describe(a.xaddr.as_deref().unwrap(), None).await;
        let sources = described.unwrap().sources;
        assert_eq!((sources.len(), sources[0].streams.len()), (1, 2));
        assert_eq!(sources[0].token, "source-1");
        let stream = &sources[0].streams[0];
        assert_eq!(stream.url.to_string(), "rtsp://192.168.77.11:8554/A");

        let seen = seen_when(&lan, "B's hidden camera", |seen| {
            seen.iter().any(Sighting::is_behind_router)
        })
        .await;
        let hidden: Vec<_> = seen.iter().filter(|s| s.is_behind_router()).collect();
        assert_eq!(hidden.len(), 1);
        assert_eq!(hidden[0].ip, Ipv4Addr::new(10, 9, 0, 5));

        // C answers no probe; its ARP gives it away.
        assert!(at(&seen, 3).is_none());
        world.inside("c", || {
            let socket = UdpSocket::bind("0.0.0.0:0").unwrap();
            let _ = socket.send_to(&[0], (DEVICES[0].2, 9));
        });
        let seen = seen_when(&lan, "C as a neighbour", |seen| at(seen, 3).is_some()).await;
        let c = at(&seen, 3).unwrap();
        assert_eq!(c.mac, Some(DEVICES[3].1.parse().unwrap()));
        assert_eq!((&c.name, &c.xaddr), (&None, &None));
        assert!(at(&seen, 0).is_none(), "the box itself is no sighting");

        // Its service is found all the same, and then it says what it is and what it can do.
        world.start_device_with("c", &["C", "192.168.77.13"], &[("SILENT_AT", "2020")]);
        let deadline = Instant::now() + Duration::from_secs(20);
        let found = loop {
            match asker.find_service(DEVICES[3].2).await {
                Ok(found) => break found,
                Err(error) => assert!(Instant::now() < deadline, "{error}"),
            }
        };
        assert_eq!(found, "http://192.168.77.13:2020/onvif/device_service");
        let enrolled = Enrolment {
            mac: DEVICES[3].1.parse().unwrap(),
            ip: None,
            serial: None,
            model: None,
            credentials: None,
            service: Some(found.clone()),
        };
        lan.enrol(vec![enrolled]);
        let seen = seen_when(&lan, "C with its serial number", |seen| {
            at(seen, 3).is_some_and(|c| c.serial.is_some())
        })
        .await;
        let c = at(&seen, 3).unwrap();
        assert_eq!(c.serial.as_deref(), Some("LAB-C-02000000000c"));
        assert_eq!(c.xaddr, Some(found.clone()));
        let described = asker.describe(&found, None).await.unwrap();
        assert!(described.events.is_some());
        let source = &described.sources[0];
        let picture = source.snapshot.as_deref().unwrap();
        let picture = asker.snapshot(picture, None).await.unwrap();
        assert!(picture.starts_with(b"\xff\xd8\xff"));
        let profile = source.streams.iter().find(|stream| stream.ptz).unwrap();
        let mut ptz = asker.ptz(&found, None, &profile.profile).await.unwrap();
        assert_eq!(
            ptz.presets().await.unwrap()[0].name.as_deref(),
            Some("Gate")
        );
        let mut motion = asker.motion(MotionTarget::new(&found, None, &described));
        world.raise_motion("c", DEVICES[3].2, 2020);
        let event = tokio::time::timeout(Duration::from_secs(20), motion.next()).await;
        let event = event.unwrap().unwrap();
        assert_eq!((event.source, event.active), (1, true));
    });
}

#[test]
fn a_clone_is_a_conflict_and_the_first_stays() {
    let world = World::new("c");
    world.start_device("a", &["A", "192.168.77.11"]);
    let mac = DEVICES[1].1.parse().unwrap();
    world.on_the_box(async || {
        let lan = start();
        let there = Location::At(DEVICES[1].2);
        seen_when(&lan, "A alone", |seen| locate(seen, mac) == there).await;
        // C takes A's MAC address, at its own IP address.
        world.take_mac("c", DEVICES[1].1);
        let incumbent = Some(DEVICES[1].2);
        let contested = Location::Contested { incumbent };
        let deadline = Instant::now() + Duration::from_secs(10);
        // The switch now knows the MAC address on two ports, so it takes some frames.
        while locate(&lan.sightings().borrow(), mac) != contested {
            world.inside("c", || {
                let socket = UdpSocket::bind("0.0.0.0:0").unwrap();
                let _ = socket.send_to(&[0], (DEVICES[0].2, 9));
            });
            assert!(
                Instant::now() < deadline,
                "{:#?}",
                *lan.sightings().borrow()
            );
            tokio::time::sleep(Duration::from_millis(200)).await;
        }
    });
}

#[test]
fn a_mute_camera_is_an_error_with_a_code() {
    let world = World::new("m");
    world.on_the_box(async || {
        let asker = Asker::new(std::sync::Arc::new(sealgate_base::SystemClock::new()));
        let service = "http://192.168.77.12/onvif/device_service";
        let error = asker.describe(service, None).await.unwrap_err();
        assert!(matches!(error, LanError::Unreachable { .. }), "{error}");
        assert_eq!(error.code(), "SG-CAM-030");
    });
}

/// A as it was when it got its channel.
fn enrolled_a() -> Enrolment {
    Enrolment {
        mac: DEVICES[1].1.parse().unwrap(),
        ip: Some(DEVICES[1].2),
        serial: Some("LAB-A-02000000000a".into()),
        model: Some("Virtual camera".into()),
        credentials: None,
        service: None,
    }
}

fn pin_of_a() -> Pin {
    Pin {
        interface: "cam0".into(),
        ip: DEVICES[1].2,
        mac: DEVICES[1].1.parse().unwrap(),
    }
}

fn doubt(seen: &[Sighting], mac: &str, ip: Ipv4Addr) -> Option<(ConflictKind, Evidence)> {
    let mac = Some(mac.parse().unwrap());
    let found = seen
        .iter()
        .find(|sighting| sighting.mac == mac && sighting.ip == ip)?;
    let conflict = found.conflict?;
    Some((conflict.kind, conflict.evidence))
}

#[test]
fn an_impostor_is_heard_though_the_address_is_pinned_and_the_gate_drops_it() {
    let world = World::new("p");
    world.start_device("a", &["A", "192.168.77.11"]);
    // As the gate does: another's ARP for an admitted address is dropped.
    world.exec("cam0", "nft add table netdev t");
    world.exec(
        "cam0",
        "nft add chain netdev t c { type filter hook ingress device cam0 priority -500 ; }",
    );
    let rule =
        "nft add rule netdev t c arp saddr ip 192.168.77.11 ether saddr != 02:00:00:00:00:0a drop";
    world.exec("cam0", rule);
    let (mac, ip) = (DEVICES[1].1.parse().unwrap(), DEVICES[1].2);
    world.on_the_box(async || {
        let lan = start();
        lan.enrol(vec![enrolled_a()]);
        seen_when(&lan, "A", |seen| locate(seen, mac) == Location::At(ip)).await;
        lan.pin(pin_of_a());
        seen_when(&lan, "A pinned", |seen| {
            at(seen, 1).is_some_and(|a| a.pinned)
        })
        .await;
        let entry = world.neighbour(ip);
        assert!(
            entry.contains("02:00:00:00:00:0a") && entry.contains("PERMANENT"),
            "{entry}"
        );

        world.take_ip("c", ip);
        let started = Instant::now();
        world.speak("c");
        let (kind, evidence) = (ConflictKind::SharedIp, Evidence::Arp);
        let seen = seen_when(&lan, "the impostor", |seen| {
            doubt(seen, DEVICES[3].1, ip) == Some((kind, evidence))
        })
        .await;
        println!("an impostor was heard after {:?}", started.elapsed());
        // The kernel was not told; A goes on.
        let incumbent = Some(ip);
        assert_eq!(locate(&seen, mac), Location::Contested { incumbent });
        assert!(world.neighbour(ip).contains("02:00:00:00:00:0a"));

        // It leaves; within seconds there is nothing wrong any more.
        world.exec("c", "ip link set eth0 down");
        let there = Location::At(ip);
        seen_when(&lan, "A alone again", |seen| locate(seen, mac) == there).await;
        lan.unpin(&pin_of_a());
        seen_when(&lan, "A not pinned", |seen| {
            at(seen, 1).is_some_and(|a| !a.pinned)
        })
        .await;
        assert!(!world.neighbour(ip).contains("PERMANENT"));
    });
    // An entry that an earlier run left is removed.
    world.exec(
        "cam0",
        "ip neigh replace 192.168.77.99 lladdr 02:00:00:00:00:99 dev cam0 nud permanent",
    );
    world.on_the_box(async || {
        let lan = start();
        let deadline = Instant::now() + Duration::from_secs(10);
        while world
            .neighbour(Ipv4Addr::new(192, 168, 77, 99))
            .contains("PERMANENT")
        {
            assert!(Instant::now() < deadline);
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        drop(lan);
    });
}

#[test]
fn a_camera_that_moves_stays_the_same_camera() {
    let world = World::new("v");
    world.start_device("a", &["A", "192.168.77.11"]);
    let mac = DEVICES[1].1.parse().unwrap();
    let new = Ipv4Addr::new(192, 168, 77, 21);
    world.on_the_box(async || {
        let lan = start();
        lan.enrol(vec![enrolled_a()]);
        lan.pin(pin_of_a());
        seen_when(&lan, "A with its serial number", |seen| {
            at(seen, 1).is_some_and(|a| a.pinned && a.serial.is_some())
        })
        .await;
        world.switch_off();
        world.take_ip("a", new);
        world.start_device("a", &["A", "192.168.77.21"]);
        let started = Instant::now();
        seen_when(&lan, "A at its new address", |seen| {
            locate(seen, mac) == Location::At(new)
        })
        .await;
        println!("A moved by itself in {:?}", started.elapsed());
        assert!(started.elapsed() < Duration::from_secs(12));
    });
}

#[test]
fn a_clone_in_the_cameras_absence_is_found_out_by_its_serial_number() {
    let world = World::new("s");
    world.start_device("a", &["A", "192.168.77.11"]);
    let mac = DEVICES[1].1.parse().unwrap();
    world.on_the_box(async || {
        let lan = start();
        lan.enrol(vec![enrolled_a()]);
        let there = Location::At(DEVICES[1].2);
        seen_when(&lan, "A", |seen| locate(seen, mac) == there).await;
        // A is unplugged; C comes with its MAC address and, then, its IP address.
        world.switch_off();
        world.exec("a", "ip link set eth0 down");
        world.take_mac("c", DEVICES[1].1);
        world.start_device("c", &["C", "192.168.77.13"]);
        let unproven = Location::Contested { incumbent: None };
        let found_out = Some((ConflictKind::OtherIdentity, Evidence::Onvif));
        seen_when(&lan, "the clone elsewhere", |seen| {
            doubt(seen, DEVICES[1].1, DEVICES[3].2) == found_out && locate(seen, mac) == unproven
        })
        .await;
        world.switch_off();
        world.take_ip("c", DEVICES[1].2);
        world.start_device("c", &["C", "192.168.77.11"]);
        seen_when(&lan, "the clone in its place", |seen| {
            doubt(seen, DEVICES[1].1, DEVICES[1].2) == found_out && locate(seen, mac) == unproven
        })
        .await;
    });
}

#[test]
fn a_camera_behind_something_says_so() {
    let world = World::new("h");
    let told = [("TOLD_MAC", "02:00:00:00:00:77")];
    world.start_device_with("b", &["B", "192.168.77.12"], &told);
    let mac = DEVICES[2].1.parse().unwrap();
    world.on_the_box(async || {
        let lan = start();
        let seen = seen_when(&lan, "B unresolved", |seen| {
            locate(seen, mac) == Location::Unresolved
        })
        .await;
        let conflict = at(&seen, 2).unwrap().conflict.unwrap();
        assert_eq!(conflict.kind, ConflictKind::OtherMacTold);
        assert_eq!(conflict.other_mac, Some(told[0].1.parse().unwrap()));
    });
}

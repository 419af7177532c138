//! Cameras as they are: clocks years off, one way to sign in or the other, service
//! addresses that are not theirs, and devices that mean harm.

#![allow(clippy::unwrap_used)]

mod quirky;

use std::sync::Arc;
use std::time::{Duration, Instant};

use quirky::Quirky;
use sealgate_base::SystemClock;
use sealgate_lan::{
    Asker, ByHand, CameraDescription, Credentials, LanError, MotionTarget, Place, SignInOutcome,
    StreamAnswer, Velocity, VideoCodec, channels_needed,
};

const YEARS: &str = "-820000000";

fn asker() -> Asker {
    Asker::new(Arc::new(SystemClock::new()))
}

fn password(password: &str) -> Credentials {
    Credentials {
        user: "admin".into(),
        password: password.into(),
    }
}

async fn describe(arguments: &[&str], word: Option<&str>) -> Result<CameraDescription, LanError> {
    let camera = Quirky::start(arguments);
    let credentials = word.map(password);
    asker()
        .describe(&camera.service(), credentials.as_ref())
        .await
}

#[tokio::test]
async fn a_clock_years_off_is_no_obstacle() {
    for arguments in [
        &["--auth", "wsse", "--clock", YEARS][..],
        &["--auth", "digest", "--clock", YEARS],
        &["--auth", "both", "--clock", YEARS],
        // It tells nothing, but its web server does.
        &["--auth", "wsse", "--clock", YEARS, "--tells", "refuses"],
        &["--auth", "wsse", "--clock", YEARS, "--tells", "nonsense"],
        // It takes its local time for UTC: the second try is good.
        &["--auth", "wsse", "--tells", "local"],
        &["--auth", "wsse", "--clock", "3600", "--open-information"],
    ] {
        let described = describe(arguments, Some("right")).await;
        assert!(described.is_ok(), "{arguments:?}: {described:?}");
    }
}

#[tokio::test]
async fn all_of_a_camera_is_described() {
    let camera = Quirky::start(&[
        "--media",
        "both",
        "--sources",
        "2",
        "--streams",
        "3",
        "--prefix",
        "odd",
        "--namespace",
        "urn:not-onvif",
        "--auth",
        "digest",
    ]);
    let asker = asker();
    let known = password("right");
    let described = asker
        .describe(&camera.service(), Some(&known))
        .await
        .unwrap();
    assert_eq!(
        described.device.manufacturer.as_deref(),
        Some("Quirk & Sons")
    );
    assert_eq!(described.device.serial.as_deref(), Some("QS-1"));
    let mac = described.interfaces[0].mac.unwrap().to_string();
    assert_eq!(mac, "02:00:00:00:00:0a");
    let sources: Vec<_> = described
        .sources
        .iter()
        .map(|source| (source.number, source.token.as_str(), source.streams.len()))
        .collect();
    assert_eq!(sources, [(1, "source-1", 3), (2, "source-0", 3)]);
    let main = &described.sources[0].streams[0];
    assert_eq!(
        main.url.to_string(),
        "rtsp://127.0.0.1:554/1-0?a=1&b=2",
        "at the camera itself"
    );
    // The second media service says what the first one can't.
    assert_eq!(main.codec, Some(VideoCodec::H265));
    assert_eq!(main.size, Some((1920, 1080)));
    assert_eq!(
        (main.millifps, main.bitrate_kbps),
        (Some(25_000), Some(4096))
    );
    assert!(main.audio && main.ptz);
    let third = &described.sources[0].streams[2];
    assert_eq!((third.size, third.audio), (Some((480, 270)), false));
    assert_eq!(described.sources[1].configurations, ["config-0"]);

    let snapshot = described.sources[0].snapshot.clone().unwrap();
    let picture = asker.snapshot(&snapshot, Some(&known)).await.unwrap();
    assert!(picture.starts_with(&[0xff, 0xd8]));

    let mut ptz = asker
        .ptz(&camera.service(), Some(&known), &main.profile)
        .await
        .unwrap();
    let velocity = Velocity {
        pan: 7.0,
        tilt: f32::NAN,
        zoom: -0.5,
    };
    ptz.move_on(velocity).await.unwrap();
    ptz.stop().await.unwrap();
    let presets = ptz.presets().await.unwrap();
    assert_eq!(presets[0].name.as_deref(), Some("Gate"));
    ptz.go_to(&presets[0].token).await.unwrap();
    assert!(matches!(ptz.go_to("9").await, Err(LanError::Ask { .. })));
    let counts = camera.counts().await;
    assert_eq!(counts["moved"], serde_json::json!(["1", "0", "-0.5"]));
    assert_eq!(counts["refused"], 0);
}

#[tokio::test]
async fn either_media_service_alone_will_do() {
    for arguments in [
        &["--media", "1"][..],
        &["--media", "2"],
        &["--media", "1", "--no-get-services"],
        &["--media", "2", "--operator", "--auth", "wsse"],
    ] {
        let described = describe(arguments, Some("right")).await.unwrap();
        assert_eq!(described.sources[0].streams.len(), 2, "{arguments:?}");
    }
    let operator = ["--operator", "--auth", "wsse"];
    let described = describe(&operator, Some("right")).await.unwrap();
    assert_eq!(described.interfaces, [], "kept for the administrator");
}

#[tokio::test]
async fn a_refused_password_is_tried_twice_and_then_held_back() {
    for arguments in [
        &["--auth", "wsse"][..],
        &["--auth", "wsse", "--tells", "local"],
        &["--auth", "digest"],
        &["--auth", "both", "--open-information"],
    ] {
        let camera = Quirky::start(arguments);
        let asker = asker();
        let wrong = password("wrong");
        for _ in 0..10 {
            let error = asker
                .describe(&camera.service(), Some(&wrong))
                .await
                .unwrap_err();
            let expected = ["SG-CAM-012", "SG-CAM-032"];
            assert!(expected.contains(&error.code()), "{arguments:?}: {error}");
        }
        let error = asker
            .describe(&camera.service(), Some(&wrong))
            .await
            .unwrap_err();
        assert!(matches!(error, LanError::HeldBack { .. }), "{error}");
        let refused = camera.counts().await["refused"].as_u64().unwrap();
        assert!((1..=2).contains(&refused), "{arguments:?}: {refused} tries");
        // Another password is not held back by it.
        let right = password("right");
        let described = asker.describe(&camera.service(), Some(&right)).await;
        assert!(described.is_ok(), "{arguments:?}: {described:?}");
    }
}

#[tokio::test]
async fn without_a_password_a_camera_asks_for_one() {
    for arguments in [&["--auth", "wsse"][..], &["--auth", "digest"]] {
        let error = describe(arguments, None).await.unwrap_err();
        assert_eq!(error.code(), "SG-CAM-012", "{error}");
    }
}

#[tokio::test]
async fn what_is_no_camera_is_told_from_what_is_not_there() {
    let check = async |arguments: &[&str], code: &str| {
        let started = Instant::now();
        let error = describe(arguments, None).await.unwrap_err();
        assert_eq!(error.code(), code, "{arguments:?}: {error:?}");
        assert!(started.elapsed() < Duration::from_secs(15), "{arguments:?}");
    };
    for hostile in ["headers", "huge", "deep", "html", "noise", "redirect"] {
        check(&["--hostile", hostile], "SG-CAM-031").await;
    }
    check(&["--hostile", "slow"], "SG-CAM-030").await;
    let nobody = asker().describe("http://127.0.0.1:9/onvif", None).await;
    assert_eq!(nobody.unwrap_err().code(), "SG-CAM-030");
    // No entity is expanded.
    let camera = Quirky::start(&["--hostile", "bomb"]);
    let identity = asker().identity(&camera.service(), None).await.unwrap();
    assert_eq!(identity.device.manufacturer.as_deref(), Some("&b;"));
}

#[tokio::test]
async fn motion_is_heard_and_heard_again_after_a_loss() {
    for arguments in [
        &["--auth", "wsse", "--clock", YEARS][..],
        &["--auth", "digest", "--reference"],
    ] {
        let camera = Quirky::start(&[arguments, &["--lose-subscription"]].concat());
        let asker = asker();
        let known = password("right");
        let described = asker.describe(&camera.service(), Some(&known)).await;
        let target = MotionTarget::new(&camera.service(), Some(&known), &described.unwrap());
        let mut motion = asker.motion(target);
        let mut next = async || {
            let event = tokio::time::timeout(Duration::from_secs(15), motion.next()).await;
            event.unwrap().unwrap()
        };
        // The camera forgets the subscription while motion goes on: it ends, and begins
        // again with the next subscription.
        for active in [true, false, true] {
            let event = next().await;
            assert_eq!((event.source, event.active), (1, active), "{arguments:?}");
            let off = event
                .utc_ms
                .abs_diff(sealgate_base::Clock::utc_ms(&SystemClock::new()));
            assert!(off < 15_000, "{arguments:?}: {off} ms off");
        }
    }
}

#[tokio::test]
async fn motion_ends_where_it_ends_and_nobody_is_subscribed_for_nobody() {
    let camera = Quirky::start(&[]);
    let asker = asker();
    let described = asker.describe(&camera.service(), None).await.unwrap();
    let target = MotionTarget::new(&camera.service(), None, &described);
    let mut motion = asker.motion(target);
    assert!(motion.next().await.unwrap().active);
    assert!(!motion.next().await.unwrap().active);
    let counts = camera.counts().await;
    let operations = counts["operations"].as_array().unwrap();
    let subscribed = operations
        .iter()
        .filter(|operation| *operation == "CreatePullPointSubscription");
    assert_eq!(subscribed.count(), 1);
}

#[tokio::test]
async fn a_camera_given_by_its_address_is_looked_at() {
    let asker = asker();
    let known = password("right");
    let here = |port: u16| Place::Address {
        ip: [127, 0, 0, 1].into(),
        port: Some(port),
    };
    let camera = Quirky::start(&["--auth", "digest", "--sources", "4"]);
    let found = asker.look_at(&here(camera.port()), Some(&known)).await;
    let ByHand::Onvif { xaddr, description } = found.unwrap() else {
        panic!("no device was found");
    };
    let expected = format!("http://127.0.0.1:{}/onvif/device_service", camera.port());
    assert_eq!(xaddr, expected);
    assert_eq!(channels_needed(&description), 4, "a re-streamer needs more");
    let wrong = password("wrong");
    let refused = asker.look_at(&here(camera.port()), Some(&wrong)).await;
    assert_eq!(refused.unwrap_err().code(), "SG-CAM-012");

    let streams = Quirky::start(&["--rtsp", "200"]);
    let found = asker.look_at(&here(streams.port()), None).await.unwrap();
    let port = streams.port();
    assert_eq!(found, ByHand::StreamServer { port });
    for (status, expected) in [
        ("200", StreamAnswer::Open),
        ("401", StreamAnswer::SignIn),
        ("404", StreamAnswer::NotThere),
        ("503", StreamAnswer::Refused(503)),
    ] {
        let server = Quirky::start(&["--rtsp", status]);
        let url = format!("rtsp://127.0.0.1:{}/main", server.port());
        let found = asker.look_at(&Place::Stream(url), None).await.unwrap();
        assert_eq!(found, ByHand::Stream(expected), "{status}");
    }

    let page = Quirky::start(&["--hostile", "html"]);
    let error = asker.look_at(&here(page.port()), None).await.unwrap_err();
    assert_eq!(error.code(), "SG-CAM-031", "{error}");
    let error = asker.look_at(&here(9), None).await.unwrap_err();
    assert_eq!(error.code(), "SG-CAM-030", "{error}");
}

#[tokio::test]
async fn passwords_are_tried_on_many_cameras_with_care() {
    let passwords = |words: &[&str]| words.iter().map(|word| password(word)).collect::<Vec<_>>();
    let cameras = [
        Quirky::start(&["--auth", "wsse"]),
        Quirky::start(&["--auth", "digest", "--password", "second"]),
        Quirky::start(&["--auth", "none"]),
        Quirky::start(&["--auth", "both", "--password", "unheard"]),
        Quirky::start(&[
            "--auth",
            "digest",
            "--password",
            "unheard",
            "--locks-after",
            "2",
        ]),
        Quirky::start(&["--hostile", "html"]),
    ];
    let services: Vec<String> = cameras.iter().map(Quirky::service).collect();
    let list = passwords(&["first", "second", "third", "fourth", "right", "sixth"]);
    let asker = asker();
    let outcomes = asker.try_passwords(&services, &list).await;
    let seen: Vec<String> = outcomes
        .iter()
        .map(|outcome| format!("{outcome:?}"))
        .collect();
    assert!(
        matches!(outcomes[0], SignInOutcome::Stopped(4)),
        "{seen:#?}"
    );
    assert!(
        matches!(outcomes[1], SignInOutcome::Accepted(1)),
        "{seen:#?}"
    );
    assert!(matches!(outcomes[2], SignInOutcome::Open), "{seen:#?}");
    assert!(
        matches!(outcomes[3], SignInOutcome::Stopped(4)),
        "{seen:#?}"
    );
    assert!(matches!(outcomes[4], SignInOutcome::Locked), "{seen:#?}");
    assert!(
        matches!(
            outcomes[5],
            SignInOutcome::Failed(LanError::NotOnvif { .. })
        ),
        "{seen:#?}"
    );
    let mut refused = Vec::new();
    for camera in &cameras[..5] {
        refused.push(camera.counts().await["refused"].as_u64().unwrap());
    }
    assert_eq!(refused, [4, 1, 0, 4, 2], "one refusal for each password");

    let few = asker
        .try_passwords(&services[..1], &passwords(&["right"]))
        .await;
    assert!(matches!(few[0], SignInOutcome::Accepted(0)), "{few:?}");
}

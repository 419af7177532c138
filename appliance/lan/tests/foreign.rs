//! A device that is not by the author of our ONVIF library: the package ipycam from PyPI,
//! with its own server, answers and check of passwords. It keeps even its time for who
//! signs in, refuses with a bare 401, has no network interfaces and lists no sources.

#![allow(clippy::unwrap_used)]

use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;

use sealgate_base::SystemClock;
use sealgate_lan::{Asker, Credentials, LanError, Velocity, VideoCodec};

const PACKAGE: &str = "ipycam==1.3.0";

struct Foreign {
    process: Child,
    service: String,
}

impl Foreign {
    fn start(arguments: &[&str]) -> Self {
        let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/foreign_ipycam.py");
        let mut process = Command::new("/usr/bin/python3")
            .arg(script)
            .arg(installed())
            .args(arguments)
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut line = String::new();
        let mut said = BufReader::new(process.stdout.take().unwrap());
        said.read_line(&mut line).unwrap();
        let port = line.trim().strip_prefix("ready ").unwrap();
        Self {
            process,
            service: format!("http://127.0.0.1:{port}/onvif/device_service"),
        }
    }
}

impl Drop for Foreign {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// The folder with the package, fetched once; without what it needs for pictures.
fn installed() -> PathBuf {
    let tools = Path::new(env!("CARGO_TARGET_TMPDIR")).join("ipycam-tools");
    let folder = tools.join("packages");
    if folder.join("ipycam/onvif.py").exists() {
        return folder;
    }
    let run = |program: &Path, arguments: &[&str]| {
        let status = Command::new(program).args(arguments).status().unwrap();
        assert!(status.success(), "{arguments:?}");
    };
    let venv = tools.to_str().unwrap();
    run(Path::new("/usr/bin/python3"), &["-m", "venv", venv]);
    let target = folder.to_str().unwrap();
    let install = [
        "install",
        "--quiet",
        "--no-deps",
        "--target",
        target,
        PACKAGE,
    ];
    run(&tools.join("bin/pip"), &install);
    folder
}

fn password(password: &str) -> Credentials {
    Credentials {
        user: "admin".into(),
        password: password.into(),
    }
}

#[tokio::test]
async fn a_foreign_device_is_described_and_steered() {
    let device = Foreign::start(&["admin", "right"]);
    let asker = Asker::new(Arc::new(SystemClock::new()));
    let known = password("right");
    let described = asker.describe(&device.service, Some(&known)).await.unwrap();
    assert!(described.device.serial.is_some(), "{described:#?}");
    assert_eq!(described.interfaces, []);
    assert_eq!(described.sources.len(), 1, "{described:#?}");
    let source = &described.sources[0];
    let streams: Vec<_> = source
        .streams
        .iter()
        .map(|stream| (stream.codec, stream.size, stream.url.port()))
        .collect();
    let h264 = Some(VideoCodec::H264);
    assert_eq!(
        streams,
        [
            (h264, Some((1920, 1080)), 8554),
            (h264, Some((640, 360)), 8554)
        ]
    );
    assert!(source.snapshot.is_some());

    let profile = &source.streams[0].profile;
    let mut ptz = asker
        .ptz(&device.service, Some(&known), profile)
        .await
        .unwrap();
    ptz.move_on(Velocity {
        pan: 0.5,
        ..Velocity::default()
    })
    .await
    .unwrap();
    ptz.stop().await.unwrap();
    ptz.presets().await.unwrap();

    let wrong = password("wrong");
    let refused = asker.describe(&device.service, Some(&wrong)).await;
    assert!(
        matches!(refused, Err(LanError::SignIn { .. })),
        "{refused:?}"
    );
}

#[tokio::test]
async fn an_open_foreign_device_needs_no_password() {
    let device = Foreign::start(&[]);
    let asker = Asker::new(Arc::new(SystemClock::new()));
    for credentials in [None, Some(password("any"))] {
        let described = asker.describe(&device.service, credentials.as_ref()).await;
        assert_eq!(described.unwrap().sources.len(), 1);
    }
}

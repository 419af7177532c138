//! The pages with a made-up box behind them, to look at.
//!
//! `SEALGATE_LOOK=127.0.0.1:9443 cargo nextest run -p sealgate-web --run-ignored only look`
//! serves until Ctrl-C; the set-up code is `ABCD-EFGH`, the password `correct horse battery`.
//! `SEALGATE_LOOK_STATE` is `fresh`, `unlicensed` (usual), `licensed`, `clock` (a date to
//! confirm, and notices beside the state) or `disk` (one that failed);
//! `SEALGATE_LOOK_VIDEO` names a fragmented MP4 file (H.264 baseline) for the live page.
#![allow(clippy::unwrap_used, clippy::panic)]

mod fakes;

use std::sync::Arc;

use sealgate_base::{Shutdown, SystemClock};
use sealgate_web::rooms::{CameraRoom, LiveFrame};
use sealgate_web::tls::TlsMaterial;
use sealgate_web::{WebConfig, serve};

use fakes::{CAMERA_A, FakeBox, licensed};

/// Top-level boxes: the first `ftyp` and `moov` begin, every `moof` and `mdat` is a part.
fn frames(file: &[u8], mime_type: &str) -> Vec<LiveFrame> {
    let mut init = Vec::new();
    let mut part = Vec::new();
    let mut frames = Vec::new();
    let mut rest = file;
    while rest.len() >= 8 {
        let size = u32::from_be_bytes(rest[..4].try_into().unwrap()) as usize;
        let (this, after) = rest.split_at(size.clamp(8, rest.len()));
        match &this[4..8] {
            b"ftyp" | b"moov" => init.extend_from_slice(this),
            b"moof" => part = this.to_vec(),
            b"mdat" => {
                part.extend_from_slice(this);
                frames.push(LiveFrame::Part {
                    bytes: std::mem::take(&mut part).into(),
                    utc_ms: 0,
                });
            }
            _ => {}
        }
        rest = after;
    }
    frames.insert(
        0,
        LiveFrame::Init {
            mime_type: mime_type.into(),
            segment: init.into(),
        },
    );
    frames
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "serves the pages to look at, until Ctrl-C"]
async fn look() {
    let setting = |name: &str, usual: &str| std::env::var(name).unwrap_or_else(|_| usual.into());
    let clock = Arc::new(SystemClock::new());
    let fake = Arc::new(FakeBox::new(clock.clone()));
    let state = setting("SEALGATE_LOOK_STATE", "unlicensed");
    if state != "fresh" {
        fake.people.set_up();
    }
    if state == "licensed" {
        *fake.license.lock().unwrap() = licensed(1);
        fake.assign(CAMERA_A.parse().unwrap(), None).await.unwrap();
    }
    if state == "disk" {
        fake.disks.lock().unwrap().push(fakes::failed_disk());
    }
    if state == "clock" {
        let words = |code| sealgate_words::catalog::find(code).unwrap().problem(&[]);
        let mut view = licensed(1);
        view.state = words("SG-STA-018");
        view.notices = ["SG-STA-022", "SG-STA-028"].map(words).into();
        *fake.license.lock().unwrap() = view;
    }
    if let Ok(path) = std::env::var("SEALGATE_LOOK_VIDEO") {
        let mime_type = "video/mp4; codecs=\"avc1.42c01e\"";
        *fake.live.lock().unwrap() = frames(&std::fs::read(path).unwrap(), mime_type);
        *fake.live_every_ms.lock().unwrap() = Some(1000);
    }
    let (_trigger, shutdown) = Shutdown::on_signals().unwrap();
    let config = WebConfig {
        listen: setting("SEALGATE_LOOK", "127.0.0.1:9443").parse().unwrap(),
        tls: TlsMaterial::temporary(&["localhost".to_owned()]).unwrap(),
        clock,
    };
    serve(config, fakes::rooms(&fake), shutdown).await.unwrap();
}

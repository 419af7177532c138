//! Cameras that are added: what is typed is found, what is listed is read line by line.

use std::time::Duration;

use async_trait::async_trait;
use sealgate_camera::{CameraId, MacAddress};
use sealgate_web::rooms::*;
use sealgate_words::Problem;

use super::{CAMERA_A, FakeBox, NOW_UTC_MS, problem};

pub const CHECK: &str = "c0ffee";
/// Is not over by the time somebody looks.
pub const LONG: &str = "1";

pub fn found() -> FoundView {
    let stream = |name: &str, size, bitrate_kbps, used| StreamView {
        name: Some(name.into()),
        codec: Some("H.264".into()),
        size: Some(size),
        millifps: Some(25_000),
        bitrate_kbps: Some(bitrate_kbps),
        audio: used == StreamUse::Recorded,
        used,
    };
    FoundView {
        maker: Some("Harbour Optics".into()),
        model: Some("VC-640".into()),
        serial: Some("HO-0011".into()),
        firmware: Some("2.4.1".into()),
        sources: 1,
        streams: vec![
            stream("main", (1920, 1080), 3072, StreamUse::Recorded),
            stream("sub", (640, 360), 512, StreamUse::Grid),
            StreamView {
                codec: Some("Motion JPEG".into()),
                ..stream("web", (640, 360), 2048, StreamUse::Unreadable)
            },
        ],
    }
}

pub fn row(line: u64, address: &str) -> CheckedRow {
    CheckedRow {
        line,
        address: address.into(),
        name: Some("Yard".into()),
        problems: Vec::new(),
        camera: Some(CAMERA_A.parse().unwrap()),
        found: None,
    }
}

#[async_trait]
impl AddingRoom for FakeBox {
    async fn check_one(&self, typed: TypedCamera) -> Result<CheckView, Problem> {
        let mut row = row(1, &typed.address);
        if typed.address.starts_with("192.") {
            row.found = Some(found());
        } else {
            row.problems = vec![problem("SG-CAM-061")];
        }
        Ok(CheckView {
            id: row.problems.is_empty().then(|| CHECK.into()),
            rows: vec![row],
        })
    }

    async fn check_list(&self, list: &[u8]) -> Result<CheckView, Problem> {
        let text = String::from_utf8_lossy(list).into_owned();
        let rows: Vec<CheckedRow> = (1..)
            .zip(text.lines())
            .map(|(line, text)| {
                let mut row = row(line, text.split(',').next().unwrap_or_default());
                if !text.starts_with("192.") {
                    row.problems = vec![problem("SG-CAM-036"), problem("SG-CAM-038")];
                }
                row
            })
            .collect();
        let any = rows.iter().any(|row| row.problems.is_empty());
        Ok(CheckView {
            id: any.then(|| CHECK.into()),
            rows,
        })
    }

    async fn add(&self, check: &str) -> Result<(), Problem> {
        match check {
            CHECK | LONG => Ok(()),
            _ => Err(problem("SG-CAM-062")),
        }
    }

    async fn added(&self, check: &str, _: Duration) -> Result<AddingView, Problem> {
        let mut came = AddingView {
            asked: 26,
            total: 30,
            added: None,
        };
        if check == LONG {
            return Ok(came);
        }
        let added = |line, address: &str, problem| AddedView {
            line,
            address: address.into(),
            camera: Some(CAMERA_A.parse().unwrap()),
            problem,
        };
        came.added = Some(vec![
            added(1, "192.168.77.11", None),
            added(2, "192.168.77.12", Some(problem("SG-CAM-012"))),
        ]);
        Ok(came)
    }

    async fn export(&self) -> Result<FileDownload, Problem> {
        Ok(FileDownload {
            file_name: "cameras.csv".into(),
            content_type: "text/csv; charset=utf-8",
            bytes: "name,address\r\n".into(),
        })
    }

    async fn try_passwords(
        &self,
        cameras: Vec<MacAddress>,
        passwords: Vec<TypedPassword>,
    ) -> Result<Vec<PasswordVerdict>, Problem> {
        let mut verdicts = Vec::new();
        for mac in cameras {
            let fits = passwords.iter().find(|typed| typed.password == "s3cret");
            verdicts.push(PasswordVerdict {
                mac,
                accepted_user: fits.map(|typed| typed.user.clone()),
                open: false,
                problem: fits.is_none().then(|| problem("SG-CAM-012")),
            });
        }
        Ok(verdicts)
    }

    async fn details(&self, id: CameraId) -> Result<CameraDetails, Problem> {
        let cameras = self.cameras.lock().unwrap();
        let camera = cameras.iter().find(|camera| camera.id == id);
        let camera = camera.ok_or_else(|| problem("SG-CAM-004"))?;
        Ok(CameraDetails {
            about: found(),
            oui_maker: Some("Harbour Optics Ltd".into()),
            port: Some(8554),
            other_brand: true,
            user: Some("admin".into()),
            preferred: camera.preferred,
            replacements_left: Some(2),
            traffic: (0..60_i64)
                .map(|point| TrafficView {
                    utc_ms: NOW_UTC_MS - (60 - point) * 20_000,
                    period_ms: 20_000,
                    passed_bytes: if (20..23).contains(&point) {
                        0
                    } else {
                        7_000_000 + ((point * point * 7919) % 900_000) as u64
                    },
                    dropped_packets: u64::from(point == 40) * 12,
                })
                .collect(),
        })
    }
}

//! A box without a box: rooms that remember what they are told.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::result_large_err,
    dead_code,
    missing_docs
)]

use std::collections::{BTreeMap, HashMap};
use std::net::Ipv4Addr;
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use bytes::Bytes;
use futures::StreamExt;
use sealgate_base::{Clock, FakeClock, Shutdown, ShutdownTrigger};
use sealgate_camera::{CameraId, MacAddress, StreamUrl};
use sealgate_web::rooms::*;
use sealgate_words::{Owner, Problem, catalog};

pub mod adding;
pub mod client;
mod people;

pub use people::People;

pub const CODE: &str = "ABCD-EFGH";
pub const PASSWORD: &str = "correct horse battery";
pub const CAMERA_A: &str = "02000000000a-1";
pub const RECORDING: &str = "02000000000a-1/2026-11-24/050338.123.mp4";
pub const CAMERA_B: &str = "02000000000b-1";
pub const NOW_UTC_MS: i64 = 1_795_500_000_000;

pub fn problem(code: &str) -> Problem {
    catalog::find(code).unwrap().problem(&[])
}

pub struct FakeBox {
    pub people: People,
    pub license: Mutex<LicenseView>,
    pub import: Mutex<Result<LicenseView, Problem>>,
    pub imported: Mutex<Vec<(usize, bool)>>,
    pub cameras: Mutex<Vec<CameraView>>,
    pub preferred: Mutex<Vec<CameraId>>,
    pub stops: Mutex<Vec<CameraId>>,
    pub steered: Mutex<Vec<Steering>>,
    pub credentials: Mutex<HashMap<MacAddress, Option<(String, String)>>>,
    pub mended: Mutex<u64>,
    pub configured: Mutex<Option<CameraSettings>>,
    pub recorder: Mutex<Option<Problem>>,
    pub live: Mutex<Vec<LiveFrame>>,
    /// Between two frames; none sends them at once and then ends.
    pub live_every_ms: Mutex<Option<u64>>,
    pub disks: Mutex<Vec<DiskView>>,
    pub clock: Arc<dyn Clock>,
}

pub struct World {
    pub fake: Arc<FakeBox>,
    pub clock: Arc<FakeClock>,
    pub rooms: Rooms,
    pub shutdown: Shutdown,
    pub trigger: ShutdownTrigger,
}

impl World {
    pub fn new() -> Self {
        let clock = Arc::new(FakeClock::at_utc_ms(NOW_UTC_MS));
        let fake = Arc::new(FakeBox::new(clock.clone()));
        let (trigger, shutdown) = Shutdown::new();
        Self {
            rooms: rooms(&fake),
            fake,
            clock,
            shutdown,
            trigger,
        }
    }

    pub fn set_up() -> Self {
        let world = Self::new();
        world.fake.people.set_up();
        world
    }

    pub fn router(&self) -> axum::Router {
        sealgate_web::router(
            self.rooms.clone(),
            self.clock.clone(),
            self.shutdown.clone(),
        )
    }
}

pub fn rooms(fake: &Arc<FakeBox>) -> Rooms {
    Rooms {
        identity: BoxIdentity {
            name: "NVR-0207".into(),
            model: "Sealgate Lab".into(),
            serial: "LAB-0001".into(),
            firmware: "0.1.0".into(),
            host_names: Vec::new(),
        },
        setup: fake.clone(),
        sign_in: fake.clone(),
        sessions: fake.clone(),
        users: fake.clone(),
        recovery: fake.clone(),
        license: fake.clone(),
        cameras: fake.clone(),
        adding: fake.clone(),
        gate: fake.clone(),
        recordings: fake.clone(),
        live: fake.clone(),
        steering: fake.clone(),
        clips: fake.clone(),
    }
}

pub fn part(bytes: &'static str, utc_ms: i64) -> LiveFrame {
    LiveFrame::Part {
        bytes: bytes.into(),
        utc_ms,
    }
}

pub fn settings() -> CameraSettings {
    CameraSettings {
        name: Some("Dock".into()),
        audio: true,
        transport: StreamTransport::Udp,
        plan: PlanView {
            week: vec!["a".repeat(48); 7],
            before_s: 5,
            after_s: 10,
        },
        keep_age_s: Some(86_400),
        keep_bytes: None,
    }
}

pub fn settings_json() -> String {
    serde_json::to_string(&settings()).unwrap()
}

pub fn clip() -> ClipView {
    ClipView {
        id: "1".into(),
        camera: CAMERA_A.parse().unwrap(),
        file_name: "Dock-3-2026-11-24.mp4".into(),
        size_bytes: 4,
        sha256: "ab".repeat(32),
        spans: vec![SpanView {
            start_utc_ms: 1,
            end_utc_ms: 2,
        }],
        continues_utc_ms: None,
        signed: true,
    }
}

pub fn unlicensed() -> LicenseView {
    LicenseView {
        state: Problem {
            code: "SG-STA-007".into(),
            cause: "No license is installed.".into(),
            effect: "No camera is recorded; pages and existing recordings stay.".into(),
            cure: "Create a request and send it to your distributor.".into(),
            owner: Owner::You,
            reference: None,
        },
        ok: false,
        license_id: None,
        revision: None,
        server: None,
        project: None,
        distributor: None,
        places: Places::default(),
        tpm: TpmView {
            present: true,
            manufacturer: Some("IBM".into()),
            firmware: Some("2019.10.23".into()),
            counter: Some(8),
            ek_fingerprint: Some(
                "5d1cf0b7a9e2043318c6d27f90ab4e65718293a4b5c6d7e8f90112233445566a".into(),
            ),
            problem: None,
        },
        notices: Vec::new(),
    }
}

pub fn licensed(used: u32) -> LicenseView {
    LicenseView {
        state: Problem {
            code: "SG-STA-009".into(),
            cause: "License L-2041, revision 1, is active with 1 camera place.".into(),
            effect: "Cameras with a place are recorded.".into(),
            cure: "Nothing to do.".into(),
            owner: Owner::Nobody,
            reference: None,
        },
        ok: true,
        license_id: Some("L-2041".into()),
        revision: Some(1),
        server: Some("NVR-0207".into()),
        project: Some("Harbour gate".into()),
        distributor: Some("Nordlicht Video GmbH".into()),
        places: Places {
            used,
            total: 1,
            free: 1 - used,
        },
        tpm: TpmView {
            counter: Some(16),
            ..unlicensed().tpm
        },
        notices: Vec::new(),
    }
}

pub fn camera(id: &str, name: &str, last: u8) -> CameraView {
    let id: CameraId = id.parse().unwrap();
    CameraView {
        id,
        mac: id.mac(),
        ip: Some(Ipv4Addr::new(192, 168, 77, last)),
        name: Some(name.into()),
        model: Some("VC-640".into()),
        maker: Some("Harbour Optics".into()),
        serial: Some(format!("HO-{last:04}")),
        preferred: false,
        interface: Some("cam0".into()),
        state: CameraState::Found,
        reason: Some(
            catalog::find("SG-CAM-001")
                .unwrap()
                .problem(&[("camera", &id.mac().to_string())]),
        ),
        assigned: false,
        recording: None,
        counters: CameraCounters {
            passed_packets: 0,
            passed_bytes: 0,
            dropped_packets: Some(400),
        },
        stream_url: None,
    }
}

/// A disk that answers with an error.
pub fn failed_disk() -> DiskView {
    DiskView {
        name: "second".into(),
        state: "failed".into(),
        detail: Some("Input/output error (os error 5)".into()),
        free_bytes: 0,
        total_bytes: 0,
    }
}

impl FakeBox {
    pub fn new(clock: Arc<dyn Clock>) -> Self {
        Self {
            people: People::new(),
            license: Mutex::new(unlicensed()),
            import: Mutex::new(Ok(licensed(0))),
            imported: Mutex::default(),
            preferred: Mutex::default(),
            stops: Mutex::default(),
            steered: Mutex::default(),
            credentials: Mutex::default(),
            cameras: Mutex::new(vec![
                camera(CAMERA_A, "Dock 3", 11),
                camera(CAMERA_B, "Gate", 12),
            ]),
            mended: Mutex::default(),
            configured: Mutex::default(),
            recorder: Mutex::default(),
            live: Mutex::new(vec![
                LiveFrame::Init {
                    mime_type: "video/mp4; codecs=\"avc1.42c01e\"".into(),
                    segment: "init".into(),
                },
                part("part 1", NOW_UTC_MS),
                part("part 2", NOW_UTC_MS + 500),
            ]),
            live_every_ms: Mutex::default(),
            disks: Mutex::default(),
            clock,
        }
    }

    fn change(
        &self,
        id: CameraId,
        change: impl FnOnce(&mut CameraView),
    ) -> Result<CameraView, Problem> {
        let mut cameras = self.cameras.lock().unwrap();
        let camera = cameras.iter_mut().find(|camera| camera.id == id);
        let camera = camera.ok_or_else(|| problem("SG-CAM-004"))?;
        change(camera);
        Ok(camera.clone())
    }
}

#[async_trait]
impl LicenseRoom for FakeBox {
    async fn status(&self) -> LicenseView {
        self.license.lock().unwrap().clone()
    }

    async fn confirm_clock(&self) -> Result<LicenseView, Problem> {
        Ok(LicenseRoom::status(self).await)
    }

    async fn export_request(&self) -> Result<FileDownload, Problem> {
        if !self.license.lock().unwrap().tpm.present {
            return Err(problem("SG-TPM-001"));
        }
        Ok(FileDownload {
            file_name: "LAB-0001.req".into(),
            content_type: "application/vnd.sealgate.request.v1+json",
            bytes: "{}".into(),
        })
    }

    async fn import(&self, document: &[u8], dry_run: bool) -> Result<ImportView, Problem> {
        self.imported
            .lock()
            .unwrap()
            .push((document.len(), dry_run));
        let before = self.license.lock().unwrap().clone();
        let after = self.import.lock().unwrap().clone()?;
        if !dry_run {
            *self.license.lock().unwrap() = after.clone();
        }
        Ok(ImportView {
            dry_run,
            before,
            after,
            stops_recording: self.stops.lock().unwrap().clone(),
        })
    }
}

#[async_trait]
impl CameraRoom for FakeBox {
    async fn list(&self) -> Result<Vec<CameraView>, Problem> {
        Ok(self.cameras.lock().unwrap().clone())
    }

    async fn assign(&self, id: CameraId, stream: Option<StreamUrl>) -> Result<CameraView, Problem> {
        let now = self.clock.utc_ms();
        self.change(id, |camera| {
            camera.state = CameraState::Admitted;
            camera.reason = None;
            camera.assigned = true;
            camera.counters.passed_packets = 12_345;
            camera.counters.passed_bytes = 14_567_890;
            camera.recording = Some(RecordingHealth {
                status: RecordingStatus::Recording,
                detail: None,
                frames: 640,
                recorded_bytes: 2_400_000,
                newest_frame_utc_ms: Some(now - 400),
            });
            camera.stream_url = Some(stream.map_or_else(
                || "rtsp://192.168.77.11:8554/main".to_owned(),
                |stream| stream.to_string(),
            ));
        })
    }

    async fn release(&self, id: CameraId) -> Result<CameraView, Problem> {
        self.change(id, |camera| {
            camera.state = CameraState::Found;
            camera.assigned = false;
            camera.recording = None;
        })
    }

    async fn assign_all(&self) -> Result<Vec<CameraVerdict>, Problem> {
        let cameras = self.cameras.lock().unwrap().clone();
        let mut verdicts = Vec::new();
        for camera in cameras.iter().filter(|camera| !camera.assigned) {
            let assigned = self.assign(camera.id, None).await;
            verdicts.push(CameraVerdict {
                camera: camera.id,
                problem: assigned.err(),
            });
        }
        Ok(verdicts)
    }

    async fn settings(&self, _: CameraId) -> Result<CameraSettings, Problem> {
        Ok(settings())
    }

    async fn configure(
        &self,
        id: CameraId,
        settings: CameraSettings,
    ) -> Result<CameraView, Problem> {
        *self.configured.lock().unwrap() = Some(settings.clone());
        self.change(id, |camera| camera.name = settings.name)
    }

    async fn prefer(&self, cameras: Vec<CameraId>) -> Result<(), Problem> {
        *self.preferred.lock().unwrap() = cameras;
        Ok(())
    }

    async fn set_credential(
        &self,
        mac: MacAddress,
        credential: Option<(String, String)>,
    ) -> Result<(), Problem> {
        self.credentials.lock().unwrap().insert(mac, credential);
        Ok(())
    }

    async fn replace(&self, old: MacAddress, new: MacAddress) -> Result<Vec<CameraView>, Problem> {
        let row = self.change(CameraId::first_source(old), |camera| {
            camera.id = CameraId::first_source(new);
            camera.mac = new;
        })?;
        Ok(vec![row])
    }

    fn replacements(&self) -> Vec<ReplacementView> {
        vec![ReplacementView {
            number: 1,
            old: "02:00:00:00:0a:09".parse().unwrap(),
            new: "02:00:00:00:0a:01".parse().unwrap(),
            utc_ms: NOW_UTC_MS - 86_400_000,
            statement: "{}\n".into(),
        }]
    }

    async fn discover_now(&self) -> Result<(), Problem> {
        Ok(())
    }
}

#[async_trait]
impl ClipRoom for FakeBox {
    async fn make(&self, _: CameraId, _: i64, _: i64) -> Result<ClipView, Problem> {
        Ok(clip())
    }

    async fn open(&self, _: &str) -> Result<(ClipView, RecordedFile), Problem> {
        let file = RecordedFile {
            size_bytes: 4,
            pieces: futures::stream::iter([Ok(Bytes::from("clip"))]).boxed(),
        };
        Ok((clip(), file))
    }

    async fn statement(&self, _: &str) -> Result<FileDownload, Problem> {
        Ok(FileDownload {
            file_name: "Dock-3-2026-11-24.mp4.sgs".into(),
            content_type: "application/vnd.sealgate.statement.v1+json",
            bytes: "{}".into(),
        })
    }
}

#[async_trait]
impl SteeringRoom for FakeBox {
    async fn snapshot(&self, _: CameraId) -> Result<Bytes, Problem> {
        Ok(Bytes::from_static(b"\xff\xd8\xff\xd9"))
    }

    async fn presets(&self, _: CameraId) -> Result<Vec<PresetView>, Problem> {
        Ok(vec![PresetView {
            token: "1".into(),
            name: Some("Door".into()),
        }])
    }

    async fn steer(&self, _: CameraId, steering: Steering) -> Result<(), Problem> {
        self.steered.lock().unwrap().push(steering);
        Ok(())
    }
}

#[async_trait]
impl GateRoom for FakeBox {
    async fn counters(&self) -> Result<GateView, Problem> {
        let dropped = CounterView {
            packets: 400,
            bytes: 24_000,
        };
        let mended = CounterView {
            packets: *self.mended.lock().unwrap(),
            bytes: 0,
        };
        Ok(GateView {
            in_force: true,
            counters: BTreeMap::from([
                ("cam0/dropped".to_owned(), dropped),
                ("gate/mended".to_owned(), mended),
            ]),
            cameras: Vec::new(),
        })
    }
}

#[async_trait]
impl RecordingRoom for FakeBox {
    async fn list(&self, _: Option<CameraId>, limit: u32) -> Result<Vec<RecordingView>, Problem> {
        let recording = RecordingView {
            camera: CAMERA_A.parse().unwrap(),
            file: RECORDING.into(),
            start_utc_ms: NOW_UTC_MS - 60_000,
            duration_ms: 60_000,
            size_bytes: 2_400_000,
            growing: true,
        };
        Ok(vec![recording].into_iter().take(limit as usize).collect())
    }

    async fn open(&self, file: &str) -> Result<RecordedFile, Problem> {
        if file != RECORDING {
            return Err(problem("SG-REC-006"));
        }
        let pieces = [&b"ftyp"[..], b"moov"].map(|piece| Ok(Bytes::from_static(piece)));
        Ok(RecordedFile {
            size_bytes: 8,
            pieces: futures::stream::iter(pieces).boxed(),
        })
    }

    async fn timeline(&self, _: CameraId, from: i64, to: i64) -> Result<TimelineView, Problem> {
        Ok(TimelineView {
            spans: vec![SpanView {
                start_utc_ms: from,
                end_utc_ms: to,
            }],
            ..TimelineView::default()
        })
    }

    async fn play(&self, id: CameraId, _: i64) -> Result<LiveStream, Problem> {
        self.watched(id)
    }

    async fn still(&self, _: CameraId, at: i64) -> Result<(i64, Bytes), Problem> {
        Ok((at, Bytes::from_static(b"still")))
    }

    async fn status(&self) -> Result<StorageView, Problem> {
        match &*self.recorder.lock().unwrap() {
            Some(problem) => Err(problem.clone()),
            None => Ok(StorageView {
                free_bytes: 5_700_000_000,
                total_bytes: 8_000_000_000,
                disks: self.disks.lock().unwrap().clone(),
            }),
        }
    }
}

impl FakeBox {
    fn watched(&self, id: CameraId) -> Result<LiveStream, Problem> {
        if id.to_string() != CAMERA_A {
            return Err(problem("SG-REC-002"));
        }
        let frames = self.live.lock().unwrap().clone();
        let every = *self.live_every_ms.lock().unwrap();
        Ok(futures::stream::iter(frames)
            .then(move |frame| async move {
                if let Some(every) = every {
                    tokio::time::sleep(std::time::Duration::from_millis(every)).await;
                }
                Ok(frame)
            })
            .boxed())
    }
}

#[async_trait]
impl LiveRoom for FakeBox {
    async fn open(&self, id: CameraId, _: WatchedStream) -> Result<LiveStream, Problem> {
        self.watched(id)
    }
}

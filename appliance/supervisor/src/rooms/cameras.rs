//! Cameras and their channels for the pages.

use std::collections::{BTreeMap, BTreeSet};
use std::net::Ipv4Addr;
use std::sync::Arc;

use async_trait::async_trait;
use sealgate_base::Clock;
use sealgate_camera::{CameraId, MacAddress, StreamUrl};
use sealgate_gate::{Decision, Reason};
use sealgate_kernel_gate::KernelGate;
use sealgate_lan::{LanHandle, Sighting, stream_urls};
use sealgate_recorder_link::{CameraStatus, RecorderClient, SessionState};
use sealgate_store::{AuditEntry, Channel, KnownCamera, Store};
use sealgate_web::rooms::{
    CameraCounters, CameraRoom, CameraState, CameraView, RecordingHealth, RecordingStatus,
};
use sealgate_words::Problem;

use crate::camera_desk::{DeskHandle, Picture};
use crate::rooms::{blocking, entry};

/// Cameras, seen and assigned.
pub struct Cameras {
    /// The decisions.
    pub desk: DeskHandle,
    /// Channels and known cameras.
    pub store: Arc<Store>,
    /// Traffic.
    pub gate: Arc<KernelGate>,
    /// Recording health.
    pub recorder: RecorderClient,
    /// Searches.
    pub lan: LanHandle,
    /// Time.
    pub clock: Arc<dyn Clock>,
}

/// What rows are made from.
struct Facts {
    picture: Arc<Picture>,
    known: BTreeMap<CameraId, KnownCamera>,
    traffic: BTreeMap<MacAddress, CameraCounters>,
    recording: BTreeMap<CameraId, CameraStatus>,
    interface: String,
}

impl Cameras {
    async fn facts(&self) -> Result<Facts, Problem> {
        let store = Arc::clone(&self.store);
        let known = blocking("read the known cameras", move || store.cameras()).await?;
        let traffic = match self.gate.counters().await {
            Ok(counters) => counters
                .cameras
                .into_iter()
                .map(|camera| {
                    let view = CameraCounters {
                        passed_packets: camera.accepted_packets,
                        passed_bytes: camera.accepted_bytes,
                        dropped_packets: Some(camera.dropped_packets),
                    };
                    (camera.mac, view)
                })
                .collect(),
            // The gate's own page says so; a list without counters is still a list.
            Err(_) => BTreeMap::new(),
        };
        let recording = match self.recorder.status().await {
            Ok(status) => status
                .cameras
                .into_iter()
                .map(|camera| (camera.camera, camera))
                .collect(),
            Err(_) => BTreeMap::new(),
        };
        let picture = self.desk.picture();
        let interface = picture.sightings.first().map_or_else(
            || "camera".to_owned(),
            |sighting| sighting.interface.clone(),
        );
        Ok(Facts {
            picture,
            known: known
                .into_iter()
                .map(|camera| (camera.id, camera))
                .collect(),
            traffic,
            recording,
            interface,
        })
    }

    async fn row(&self, camera: CameraId) -> Result<CameraView, Problem> {
        let facts = self.facts().await?;
        if facts.cameras().contains(&camera) {
            Ok(facts.row(camera))
        } else {
            Err(entry(
                "SG-CAM-004",
                &[("camera", &camera.mac().to_string())],
            ))
        }
    }

    /// Where the camera's main stream is: as given, or as the camera itself says.
    async fn stream_of(
        &self,
        camera: CameraId,
        sighting: Option<&Sighting>,
        given: Option<StreamUrl>,
    ) -> Result<StreamUrl, Problem> {
        let mac = camera.mac().to_string();
        if let Some(stream) = given {
            let elsewhere = sighting.filter(|sighting| sighting.ip.to_string() != stream.host());
            return match elsewhere {
                None => Ok(stream),
                Some(sighting) => {
                    let address = format!(
                        "it names {}, and the camera is at {}",
                        stream.host(),
                        sighting.ip
                    );
                    Err(entry(
                        "SG-CAM-006",
                        &[("camera", &mac), ("address", &address)],
                    ))
                }
            };
        }
        let Some(sighting) = sighting else {
            return Err(entry("SG-CAM-004", &[("camera", &mac)]));
        };
        let Some(service) = &sighting.xaddr else {
            return Err(entry("SG-CAM-005", &[("camera", &mac)]));
        };
        let streams = stream_urls(service, None).await.map_err(|error| {
            tracing::info!(
                error = &error as &dyn std::error::Error,
                mac,
                "no stream address"
            );
            entry(error.code(), &[("camera", &mac), ("address", "")])
        })?;
        streams
            .into_iter()
            .next()
            .ok_or_else(|| entry("SG-CAM-005", &[("camera", &mac)]))
    }

    async fn audit(&self, action: &'static str, camera: CameraId) -> Result<(), Problem> {
        let store = Arc::clone(&self.store);
        let utc_ms = self.clock.utc_ms();
        blocking("keep the audit entry", move || {
            let object = camera.to_string();
            store.audit(&AuditEntry {
                utc_ms,
                actor: None,
                action,
                object: Some(&object),
                code: None,
            })
        })
        .await
    }
}

impl Facts {
    fn cameras(&self) -> BTreeSet<CameraId> {
        let assigned = self.picture.channels.iter().map(|channel| channel.camera);
        self.known
            .keys()
            .copied()
            .chain(self.picture.decisions.cameras.keys().copied())
            .chain(assigned)
            .collect()
    }

    fn row(&self, camera: CameraId) -> CameraView {
        let mac = camera.mac();
        let sighting = self
            .picture
            .sightings
            .iter()
            .find(|sighting| sighting.mac == Some(mac));
        let known = self.known.get(&camera);
        let channel = self
            .picture
            .channels
            .iter()
            .find(|channel| channel.camera == camera);
        let decision = self.picture.decisions.get(camera);
        let seen_ip = sighting.map(|sighting| sighting.ip);
        let (state, reason) = self.state(camera, decision, channel);
        CameraView {
            id: camera,
            mac,
            ip: seen_ip.or_else(|| known.and_then(|known| known.ip)),
            name: sighting
                .and_then(|sighting| sighting.name.clone())
                .or_else(|| known.and_then(|known| known.name.clone())),
            model: sighting
                .and_then(|sighting| sighting.model.clone())
                .or_else(|| known.and_then(|known| known.model.clone())),
            interface: sighting
                .map(|sighting| sighting.interface.clone())
                .or_else(|| known.map(|known| known.interface.clone())),
            state,
            reason,
            assigned: channel.is_some(),
            recording: self.recording.get(&camera).map(health),
            counters: self.traffic.get(&mac).copied().unwrap_or_default(),
            stream_url: channel.and_then(|channel| shown_stream(channel, seen_ip)),
        }
    }

    fn state(
        &self,
        camera: CameraId,
        decision: Option<Decision>,
        channel: Option<&Channel>,
    ) -> (CameraState, Option<Problem>) {
        let reason = match decision {
            Some(Decision::Open { contested, .. }) if self.picture.gate_in_force => {
                let problem = contested.then(|| self.words(camera, Reason::MacConflict));
                return (CameraState::Admitted, problem);
            }
            // Decided, and the kernel has not taken it: closed until it does.
            Some(Decision::Open { .. }) => {
                return (CameraState::Refused, Some(entry("SG-CAM-010", &[])));
            }
            Some(Decision::Closed { reason }) => reason,
            None => Reason::AddressUnknown,
        };
        let state = if channel.is_some() {
            CameraState::Refused
        } else {
            CameraState::Found
        };
        (state, Some(self.words(camera, reason)))
    }

    fn words(&self, camera: CameraId, reason: Reason) -> Problem {
        let places = self.picture.decisions.places;
        // What the search saw says more than that there is a conflict.
        let conflict = matches!(reason, Reason::MacConflict | Reason::MacUnresolved)
            .then(|| {
                let mut sightings = self.picture.sightings.iter();
                sightings.find_map(|sighting| {
                    sighting
                        .conflict
                        .filter(|_| sighting.mac == Some(camera.mac()))
                })
            })
            .flatten();
        let code = conflict.map_or(reason.code(), |conflict| conflict.kind.code());
        let told = conflict
            .and_then(|conflict| conflict.other_mac)
            .map_or_else(String::new, |mac| mac.to_string());
        entry(
            code,
            &[
                ("told", &told),
                ("camera", &camera.mac().to_string()),
                ("total", &places.total.to_string()),
                ("free", &places.free.to_string()),
                ("interface", &self.interface),
            ],
        )
    }
}

fn shown_stream(channel: &Channel, seen_ip: Option<Ipv4Addr>) -> Option<String> {
    let stream = channel.stream_url.as_ref()?;
    Some(match seen_ip {
        Some(ip) => stream.at(ip).to_string(),
        None => stream.to_string(),
    })
}

fn health(status: &CameraStatus) -> RecordingHealth {
    let (word, detail) = match &status.session {
        SessionState::Connecting => (RecordingStatus::Connecting, None),
        SessionState::Recording => (RecordingStatus::Recording, None),
        SessionState::Waiting { reason, .. } => (RecordingStatus::Waiting, Some(reason.clone())),
    };
    RecordingHealth {
        status: word,
        detail,
        frames: status.frames,
        recorded_bytes: status.recorded_bytes,
        newest_frame_utc_ms: status.newest_frame_utc_ms,
    }
}

#[async_trait]
impl CameraRoom for Cameras {
    async fn list(&self) -> Result<Vec<CameraView>, Problem> {
        let facts = self.facts().await?;
        Ok(facts
            .cameras()
            .into_iter()
            .map(|camera| facts.row(camera))
            .collect())
    }

    async fn assign(
        &self,
        camera: CameraId,
        stream: Option<StreamUrl>,
    ) -> Result<CameraView, Problem> {
        let picture = self.desk.picture();
        let places = picture.decisions.places;
        let has_channel = picture
            .channels
            .iter()
            .any(|channel| channel.camera == camera);
        let mac = camera.mac().to_string();
        if !has_channel && places.total == 0 {
            return Err(entry("SG-CAM-001", &[("camera", &mac)]));
        }
        if !has_channel && places.free == 0 {
            let total = places.total.to_string();
            return Err(entry("SG-CAM-002", &[("camera", &mac), ("total", &total)]));
        }
        let sighting = picture
            .sightings
            .iter()
            .find(|sighting| sighting.mac == Some(camera.mac()));
        let channel = Channel {
            camera,
            stream_url: Some(self.stream_of(camera, sighting, stream).await?),
            assigned_utc_ms: self.clock.utc_ms(),
            assigned_by: "owner".to_owned(),
            pinned_model: sighting.and_then(|sighting| sighting.model.clone()),
            pinned_serial: sighting.and_then(|sighting| sighting.serial.clone()),
        };
        let store = Arc::clone(&self.store);
        blocking("give the channel", move || store.assign(&channel)).await?;
        self.audit("channel.assign", camera).await?;
        self.desk.decide_again().await;
        self.row(camera).await
    }

    async fn release(&self, camera: CameraId) -> Result<CameraView, Problem> {
        let store = Arc::clone(&self.store);
        if blocking("take the channel away", move || store.release(camera)).await? {
            self.audit("channel.release", camera).await?;
            self.desk.decide_again().await;
        }
        self.row(camera).await
    }

    async fn discover_now(&self) -> Result<(), Problem> {
        self.lan.probe_now();
        Ok(())
    }
}

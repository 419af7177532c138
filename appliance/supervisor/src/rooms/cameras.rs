//! Cameras and their channels for the pages.

use std::collections::BTreeMap;
use std::sync::Arc;

use async_trait::async_trait;
use sealgate_base::Clock;
use sealgate_camera::{CameraId, MacAddress, StreamUrl};
use sealgate_gate::Reason;
use sealgate_kernel_gate::KernelGate;
use sealgate_lan::{LanHandle, Sighting, stream_urls};
use sealgate_recorder_link::RecorderClient;
use sealgate_store::{AuditEntry, Channel, Credential, Store};
use sealgate_web::rooms::{CameraCounters, CameraRoom, CameraVerdict, CameraView, ReplacementView};
use sealgate_words::Problem;

use crate::camera_desk::DeskHandle;
use crate::license_desk::LicenseDesk;
use crate::replacements::Replacements;
use crate::rooms::camera_rows::Facts;
use crate::rooms::replace::replacement_views;
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
    /// Signs what is stated about replaced cameras.
    pub license: LicenseDesk,
    /// Cameras that were replaced.
    pub replacements: Arc<Replacements>,
    /// Time.
    pub clock: Arc<dyn Clock>,
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

    pub(super) async fn row(&self, camera: CameraId) -> Result<CameraView, Problem> {
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

    /// Gives a camera that can be asked, or whose stream is given, a channel.
    async fn give_channel(
        &self,
        camera: CameraId,
        stream: Option<StreamUrl>,
    ) -> Result<(), Problem> {
        let picture = self.desk.picture();
        let has_channel = picture
            .channels
            .iter()
            .any(|channel| channel.camera == camera);
        if !has_channel {
            self.check_room(camera)?;
        }
        let channel = self.channel_of(camera, stream).await?;
        let store = Arc::clone(&self.store);
        blocking("give the channel", move || store.assign(&channel)).await?;
        self.audit("channel.assign", camera).await
    }

    /// Whether one more camera has a place; a camera that was told that it has none is
    /// told so again.
    fn check_room(&self, camera: CameraId) -> Result<(), Problem> {
        let picture = self.desk.picture();
        let places = picture.decisions.places;
        let mac = camera.mac().to_string();
        if places.total == 0 {
            return Err(entry("SG-CAM-001", &[("camera", &mac)]));
        }
        let total = places.total.to_string();
        let refused = |code| Err(entry(code, &[("camera", &mac), ("total", &total)]));
        match picture
            .decisions
            .get(camera)
            .and_then(|decision| decision.reason())
        {
            Some(
                reason @ (Reason::NoPlaceLeft | Reason::NoOtherBrandPlace | Reason::NotOnList),
            ) => refused(reason.code()),
            _ if places.free == 0 => refused(Reason::NoPlaceLeft.code()),
            _ => Ok(()),
        }
    }

    /// The channel that this camera would get now.
    pub(super) async fn channel_of(
        &self,
        camera: CameraId,
        stream: Option<StreamUrl>,
    ) -> Result<Channel, Problem> {
        let picture = self.desk.picture();
        let sighting = picture
            .sightings
            .iter()
            .find(|sighting| sighting.mac == Some(camera.mac()));
        Ok(Channel {
            camera,
            stream_url: Some(self.stream_of(camera, sighting, stream).await?),
            sub_stream_url: None,
            assigned_utc_ms: self.clock.utc_ms(),
            assigned_by: "owner".to_owned(),
            pinned_model: sighting.and_then(|sighting| sighting.model.clone()),
            pinned_serial: sighting.and_then(|sighting| sighting.serial.clone()),
            name: None,
            preferred: false,
            other_brand: false,
            settings: "{}".to_owned(),
        })
    }

    pub(super) async fn audit(
        &self,
        action: &'static str,
        camera: CameraId,
    ) -> Result<(), Problem> {
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
        self.give_channel(camera, stream).await?;
        self.desk.decide_again().await;
        self.row(camera).await
    }

    async fn assign_all(&self) -> Result<Vec<CameraVerdict>, Problem> {
        let facts = self.facts().await?;
        let without = facts.cameras().into_iter().filter(|camera| {
            let row = facts.row(*camera);
            let seen = facts.picture.decisions.get(*camera).is_some();
            seen && !row.assigned
        });
        let mut verdicts = Vec::new();
        for camera in without {
            let problem = match self.give_channel(camera, None).await {
                Ok(()) => {
                    // The next camera is told how many places are left now.
                    self.desk.decide_again().await;
                    None
                }
                Err(problem) => Some(problem),
            };
            verdicts.push(CameraVerdict { camera, problem });
        }
        Ok(verdicts)
    }

    async fn prefer(&self, cameras: Vec<CameraId>) -> Result<(), Problem> {
        let store = Arc::clone(&self.store);
        let chosen = cameras.clone();
        blocking("choose who keeps a place", move || store.prefer(&chosen)).await?;
        for camera in cameras {
            self.audit("channel.prefer", camera).await?;
        }
        self.desk.decide_again().await;
        Ok(())
    }

    async fn set_credential(
        &self,
        mac: MacAddress,
        credential: Option<(String, String)>,
    ) -> Result<(), Problem> {
        let store = Arc::clone(&self.store);
        let now = self.clock.utc_ms();
        let credential = credential.map(|(user, password)| Credential { user, password });
        blocking("remember a password", move || {
            store.set_credential(mac, credential.as_ref(), now)
        })
        .await?;
        self.audit("camera.credential", CameraId::first_source(mac))
            .await
    }

    async fn replace(&self, old: MacAddress, new: MacAddress) -> Result<Vec<CameraView>, Problem> {
        self.replace_camera(old, new).await
    }

    fn replacements(&self) -> Vec<ReplacementView> {
        replacement_views(&self.replacements)
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

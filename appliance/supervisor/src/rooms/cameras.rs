//! Cameras and their channels for the pages.

use std::collections::BTreeMap;
use std::sync::Arc;

use async_trait::async_trait;
use sealgate_base::Clock;
use sealgate_camera::{Brand, CameraId, MacAddress, OwnBrand, StreamUrl};
use sealgate_gate::Reason;
use sealgate_kernel_gate::KernelGate;
use sealgate_lan::{LanHandle, Sighting};
use sealgate_recorder_link::RecorderClient;
use sealgate_store::{AuditEntry, Channel, Credential, Store};
use sealgate_web::rooms::{
    CameraCounters, CameraRoom, CameraSettings, CameraVerdict, CameraView, ReplacementView,
};
use sealgate_words::Problem;

use crate::camera_desk::DeskHandle;
use crate::camera_facts::{brand, channel_of};
use crate::channel_settings::ChannelSettings;
use crate::license_desk::LicenseDesk;
use crate::onvif_desk::OnvifDesk;
use crate::replacements::Replacements;
use crate::rooms::adding_jobs::Jobs;
use crate::rooms::camera_rows::Facts;
use crate::rooms::pending::Pending;
use crate::rooms::replace::replacement_views;
use crate::rooms::streams::{chosen, source};
use crate::rooms::{blocking, entry};
use crate::traffic_desk::Traffic;

/// Cameras, seen and assigned.
#[derive(Clone)]
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
    /// Which cameras are the vendor's own; all are where nobody says.
    pub own_brand: Option<OwnBrand>,
    /// What cameras say of themselves.
    pub onvif: Arc<OnvifDesk>,
    /// Signs what is stated about replaced cameras.
    pub license: LicenseDesk,
    /// Cameras that were replaced.
    pub replacements: Arc<Replacements>,
    /// Checks of cameras to add.
    pub pending: Arc<Pending>,
    /// Lists that are being added.
    pub adding: Arc<Jobs>,
    /// What cameras sent lately.
    pub traffic: Arc<Traffic>,
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

    /// The rows of these cameras as they are now.
    pub(super) async fn rows(&self, cameras: &[CameraId]) -> Result<Vec<CameraView>, Problem> {
        let facts = self.facts().await?;
        Ok(cameras.iter().map(|camera| facts.row(*camera)).collect())
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

    /// Where the camera's streams are, the main one first: as given, or as it says itself.
    async fn streams_of(
        &self,
        camera: CameraId,
        sighting: Option<&Sighting>,
        given: Option<StreamUrl>,
    ) -> Result<(StreamUrl, Option<StreamUrl>), Problem> {
        let mac = camera.mac().to_string();
        if let Some(stream) = given {
            let elsewhere = sighting.filter(|sighting| sighting.ip.to_string() != stream.host());
            return match elsewhere {
                None => Ok((stream, None)),
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
        let described = self
            .onvif
            .ask(camera.mac(), service)
            .await
            .map_err(|error| {
                tracing::info!(
                    error = &error as &dyn std::error::Error,
                    mac,
                    "no stream address"
                );
                entry(error.code(), &[("camera", &mac), ("address", "")])
            })?;
        let (main, sub) = source(&described, camera.source().get())
            .and_then(chosen)
            .ok_or_else(|| entry("SG-CAM-005", &[("camera", &mac)]))?;
        Ok((main.url.clone(), sub.map(|stream| stream.url.clone())))
    }

    /// Gives a camera that can be asked, or whose stream is given, a channel.
    async fn give_channel(
        &self,
        camera: CameraId,
        stream: Option<StreamUrl>,
    ) -> Result<(), Problem> {
        let picture = self.desk.picture();
        let has_channel = channel_of(&picture.channels, camera).is_some();
        if !has_channel && let Some(problem) = self.without_place(camera) {
            return Err(problem);
        }
        let channel = self.channel_of(camera, stream).await?;
        let store = Arc::clone(&self.store);
        blocking("give the channel", move || store.assign(&channel)).await?;
        self.audit("channel.assign", camera).await
    }

    async fn channel(&self, camera: CameraId) -> Result<Channel, Problem> {
        let store = Arc::clone(&self.store);
        blocking("find the channel", move || store.channel(camera))
            .await?
            .ok_or_else(|| entry("SG-CAM-051", &[("camera", &camera.mac().to_string())]))
    }

    /// Why one more camera has no place; a camera that was told that it has none is told so
    /// again.
    pub(super) fn without_place(&self, camera: CameraId) -> Option<Problem> {
        let picture = self.desk.picture();
        let places = picture.decisions.places;
        let decided = picture
            .decisions
            .get(camera)
            .and_then(|decision| decision.reason());
        let code = match decided {
            _ if places.total == 0 => Reason::NoLicense.code(),
            Some(
                reason @ (Reason::NoPlaceLeft | Reason::NoOtherBrandPlace | Reason::NotOnList),
            ) => reason.code(),
            _ if places.free == 0 => Reason::NoPlaceLeft.code(),
            _ => return None,
        };
        let mac = camera.mac().to_string();
        let total = places.total.to_string();
        Some(entry(code, &[("camera", &mac), ("total", &total)]))
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
        let (main, sub) = self.streams_of(camera, sighting, stream).await?;
        Ok(self.new_channel(camera, main, sub))
    }

    /// A channel with these streams, as its camera is now.
    pub(super) fn new_channel(
        &self,
        camera: CameraId,
        main: StreamUrl,
        sub: Option<StreamUrl>,
    ) -> Channel {
        let picture = self.desk.picture();
        let mut sightings = picture.sightings.iter();
        let sighting = sightings.find(|sighting| sighting.mac == Some(camera.mac()));
        Channel {
            camera,
            stream_url: Some(main),
            sub_stream_url: sub,
            assigned_utc_ms: self.clock.utc_ms(),
            assigned_by: "owner".to_owned(),
            pinned_model: sighting.and_then(|sighting| sighting.model.clone()),
            pinned_serial: sighting.and_then(|sighting| sighting.serial.clone()),
            name: None,
            preferred: false,
            other_brand: brand(&picture.sightings, camera.mac(), self.own_brand.as_ref())
                == Brand::Other,
            settings: ChannelSettings::default().to_text(),
        }
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
        // A license that has just come counts already.
        self.desk.decide_again().await;
        let picture = self.desk.picture();
        let without = picture
            .decisions
            .cameras
            .keys()
            .copied()
            .filter(|camera| channel_of(&picture.channels, *camera).is_none());
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

    async fn settings(&self, camera: CameraId) -> Result<CameraSettings, Problem> {
        let channel = self.channel(camera).await?;
        Ok(ChannelSettings::read(&channel.settings).view(channel.name))
    }

    async fn configure(
        &self,
        camera: CameraId,
        settings: CameraSettings,
    ) -> Result<CameraView, Problem> {
        self.channel(camera).await?;
        let (name, settings) = ChannelSettings::asked(&settings)
            .map_err(|error| entry("SG-CAM-055", &[("detail", &error.to_string())]))?;
        let store = Arc::clone(&self.store);
        blocking("configure the camera", move || {
            store.configure(camera, name.as_deref(), &settings.to_text())
        })
        .await?;
        self.audit("channel.configure", camera).await?;
        self.desk.decide_again().await;
        self.row(camera).await
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
        self.onvif.ask_soon(mac);
        self.desk.decide_again().await;
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

//! Pictures on demand, and steering, of cameras that may stream.

use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use sealgate_camera::CameraId;
use sealgate_lan::{CameraDescription, Velocity, VideoSource};
use sealgate_web::rooms::{PresetView, Steering, SteeringRoom};
use sealgate_words::Problem;

use crate::camera_desk::DeskHandle;
use crate::camera_facts::service_of;
use crate::onvif_desk::{OnvifDesk, OnvifDeskError};
use crate::rooms::entry;

/// Asks admitted cameras over ONVIF.
pub struct Steerer {
    desk: DeskHandle,
    onvif: Arc<OnvifDesk>,
}

/// An admitted camera that described itself.
struct Admitted {
    camera: CameraId,
    xaddr: String,
    description: Arc<CameraDescription>,
}

impl Steerer {
    /// Over these desks.
    pub fn new(desk: DeskHandle, onvif: Arc<OnvifDesk>) -> Self {
        Self { desk, onvif }
    }

    /// A picture is video too: only what the gate lets through is asked.
    async fn admitted(&self, camera: CameraId) -> Result<Admitted, Problem> {
        let picture = self.desk.picture();
        let mac = camera.mac();
        let refused = |code: &str| entry(code, &[("camera", &mac.to_string())]);
        match picture.decisions.get(camera) {
            Some(decision) if decision.is_open() && picture.gate_in_force => {}
            _ => return Err(refused("SG-REC-002")),
        }
        let xaddr = service_of(&picture.sightings, mac)
            .map(str::to_owned)
            .ok_or_else(|| refused("SG-CAM-031"))?;
        let description = match self.onvif.known(mac) {
            Some(known) => known,
            None => self
                .onvif
                .ask(mac, &xaddr)
                .await
                .map_err(|error| problem(camera, &error))?,
        };
        Ok(Admitted {
            camera,
            xaddr,
            description,
        })
    }

    async fn ptz(&self, camera: CameraId) -> Result<sealgate_lan::Ptz, Problem> {
        let admitted = self.admitted(camera).await?;
        let profile = admitted
            .source()
            .and_then(|source| source.streams.iter().find(|stream| stream.ptz))
            .map(|stream| stream.profile.clone())
            .ok_or_else(|| entry("SG-CAM-033", &[("camera", &camera.mac().to_string())]))?;
        self.onvif
            .ptz(camera.mac(), &admitted.xaddr, &profile)
            .await
            .map_err(|error| problem(camera, &error))
    }
}

impl Admitted {
    fn source(&self) -> Option<&VideoSource> {
        let number = u16::from(self.camera.source().get());
        let mut sources = self.description.sources.iter();
        sources.find(|source| source.number == number)
    }
}

fn problem(camera: CameraId, error: &OnvifDeskError) -> Problem {
    tracing::info!(
        error = error as &dyn std::error::Error,
        camera_id = %camera,
        "the camera did not do as asked"
    );
    entry(error.code(), &[("camera", &camera.mac().to_string())])
}

#[async_trait]
impl SteeringRoom for Steerer {
    async fn snapshot(&self, camera: CameraId) -> Result<Bytes, Problem> {
        let admitted = self.admitted(camera).await?;
        let url = admitted
            .source()
            .and_then(|source| source.snapshot.clone())
            .ok_or_else(|| entry("SG-CAM-033", &[("camera", &camera.mac().to_string())]))?;
        let picture = self.onvif.snapshot(camera.mac(), &url).await;
        picture
            .map(Bytes::from)
            .map_err(|error| problem(camera, &error))
    }

    async fn presets(&self, camera: CameraId) -> Result<Vec<PresetView>, Problem> {
        let mut ptz = self.ptz(camera).await?;
        let presets = ptz
            .presets()
            .await
            .map_err(|error| problem(camera, &error.into()))?;
        Ok(presets
            .into_iter()
            .map(|preset| PresetView {
                token: preset.token,
                name: preset.name,
            })
            .collect())
    }

    async fn steer(&self, camera: CameraId, steering: Steering) -> Result<(), Problem> {
        let mut ptz = self.ptz(camera).await?;
        let done = match steering {
            Steering::Move { pan, tilt, zoom } => ptz.move_on(Velocity { pan, tilt, zoom }).await,
            Steering::Stop => ptz.stop().await,
            Steering::GoTo { preset } => ptz.go_to(&preset).await,
        };
        done.map_err(|error| problem(camera, &error.into()))
    }
}

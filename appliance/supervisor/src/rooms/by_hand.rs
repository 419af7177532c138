//! A camera at a place that was typed: what it says, and how it gets its channel.

use std::net::Ipv4Addr;
use std::sync::Arc;
use std::time::Duration;

use sealgate_camera::{CameraId, StreamUrl};
use sealgate_lan::{ByHand, CameraDescription, Credentials, Place, Sighting, StreamAnswer};
use sealgate_web::rooms::{CameraRoom as _, FoundView};
use sealgate_words::Problem;

use crate::camera_facts::channel_of;
use crate::rooms::cameras::Cameras;
use crate::rooms::pending::Prepared;
use crate::rooms::streams::{chosen, found_view, source};
use crate::rooms::{blocking, entry};

/// How long a camera that was just asked may take to show in the neighbour table.
pub(super) const SHOWS: Duration = Duration::from_secs(4);

impl Cameras {
    /// What is seen at an address, if need be after a moment.
    async fn sighting_at(&self, ip: Ipv4Addr, wait: Duration) -> Option<Sighting> {
        let mut pictures = self.desk.watch();
        let is_there =
            pictures.wait_for(|picture| picture.sightings.iter().any(|sighting| sighting.ip == ip));
        let _ = tokio::time::timeout(wait, is_there).await;
        let picture = self.desk.picture();
        let mut sightings = picture.sightings.iter();
        sightings.find(|sighting| sighting.ip == ip).cloned()
    }

    /// The camera at a place: its MAC address comes from the network, never from a list.
    pub(super) async fn camera_at(
        &self,
        place: &Place,
        wait: Duration,
    ) -> Result<CameraId, Problem> {
        let ip = place.ip().unwrap_or(Ipv4Addr::UNSPECIFIED);
        let address = ip.to_string();
        let sighting = self.sighting_at(ip, wait).await;
        let sighting = sighting.ok_or_else(|| entry("SG-CAM-060", &[("address", &address)]))?;
        let mac = sighting
            .mac
            .ok_or_else(|| entry("SG-CAM-003", &[("camera", &address)]))?;
        Ok(CameraId::first_source(mac))
    }

    async fn describe(
        &self,
        place: &Place,
        credentials: Option<&Credentials>,
    ) -> Result<Box<CameraDescription>, Problem> {
        let address = shown(place);
        let refused = |code: &str| entry(code, &[("camera", &address), ("address", &address)]);
        match self.onvif.look_at(place, credentials).await {
            Ok(ByHand::Onvif { description, .. }) => Ok(description),
            Ok(ByHand::StreamServer { .. } | ByHand::Stream(_)) => Err(refused("SG-CAM-064")),
            Err(error) => {
                tracing::info!(
                    error = &error as &dyn std::error::Error,
                    address,
                    "a camera that was typed"
                );
                Err(refused(error.code()))
            }
        }
    }

    /// Asks for a stream, where the gate lets its answer through.
    async fn try_stream(&self, place: &Place, signs_in: bool) -> Result<(), Problem> {
        let address = shown(place);
        let refused = |code: &str| entry(code, &[("camera", &address), ("address", &address)]);
        match self.onvif.look_at(place, None).await {
            Ok(ByHand::Stream(StreamAnswer::SignIn)) if !signs_in => Err(refused("SG-CAM-012")),
            Ok(ByHand::Stream(StreamAnswer::NotThere | StreamAnswer::Refused(_))) => {
                Err(refused("SG-CAM-065"))
            }
            Ok(_) => Ok(()),
            Err(error) => Err(refused(error.code())),
        }
    }

    /// What the camera at a place says, and where its streams are.
    pub(super) async fn look(
        &self,
        place: &Place,
        credentials: Option<&Credentials>,
        camera: Option<CameraId>,
    ) -> Result<Option<FoundView>, Problem> {
        if let Place::Stream(_) = place {
            let picture = self.desk.picture();
            let is_open = camera
                .and_then(|camera| picture.decisions.get(camera))
                .is_some_and(|decision| decision.is_open());
            if is_open {
                self.try_stream(place, credentials.is_some()).await?;
            }
            return Ok(None);
        }
        let description = self.describe(place, credentials).await?;
        Ok(Some(found_view(&description, 1)))
    }

    pub(super) async fn add_one(&self, row: &Prepared) -> Result<CameraId, Problem> {
        let camera = self.camera_at(&row.place, SHOWS).await?;
        let mac = camera.mac();
        let picture = self.desk.picture();
        let before = channel_of(&picture.channels, camera).cloned();
        if before.is_none()
            && let Some(problem) = self.without_place(camera)
        {
            return Err(problem);
        }
        let none = || entry("SG-CAM-005", &[("camera", &mac.to_string())]);
        let (main, sub) = if let Place::Stream(url) = &row.place {
            let main: StreamUrl = url.parse().map_err(|_| none())?;
            (main, None)
        } else {
            let description = self.describe(&row.place, row.credentials.as_ref()).await?;
            let source = source(&description, 1).ok_or_else(none)?;
            let (main, sub) = chosen(source).ok_or_else(none)?;
            (main.url.clone(), sub.map(|stream| stream.url.clone()))
        };
        // From here on only the box's own disk can fail.
        if let Some(known) = &row.credentials {
            let credential = Some((known.user.clone(), known.password.clone()));
            self.set_credential(mac, credential).await?;
        }
        let channel = self.new_channel(camera, main, sub);
        let settings = before.map_or(channel.settings.clone(), |before| before.settings);
        let (store, name) = (Arc::clone(&self.store), row.name.clone());
        blocking("add a camera", move || {
            store.assign(&channel)?;
            match name {
                Some(name) => store.configure(camera, Some(&name), &settings).map(|_| ()),
                None => Ok(()),
            }
        })
        .await?;
        self.audit("channel.assign", camera).await?;
        // The next one is told how many places are left now.
        self.desk.decide_again().await;
        Ok(camera)
    }
}

/// A place without what opens it.
pub(super) fn shown(place: &Place) -> String {
    match place {
        Place::Address { ip, port: None } => ip.to_string(),
        Place::Address {
            ip,
            port: Some(port),
        } => format!("{ip}:{port}"),
        Place::Service(url) | Place::Stream(url) => url.clone(),
    }
}

//! A camera at a place that was typed: what it says, and how it gets its channel.

use std::net::Ipv4Addr;
use std::sync::Arc;
use std::time::Duration;

use futures::{StreamExt as _, stream};
use sealgate_camera::{CameraId, StreamUrl};
use sealgate_lan::{ByHand, CameraDescription, Credentials, Place, Sighting, StreamAnswer};
use sealgate_store::{Addition, Credential};
use sealgate_web::rooms::{AddedView, FoundView};
use sealgate_words::Problem;

use crate::rooms::adding::Room;
use crate::rooms::adding_jobs::Job;
use crate::rooms::cameras::Cameras;
use crate::rooms::pending::Prepared;
use crate::rooms::streams::{chosen, found_view, source};
use crate::rooms::{blocking, entry};

/// Cameras of a list asked at once: each holds a connection and some seconds of patience.
const ASKED_AT_ONCE: usize = 16;
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
    ) -> Result<(String, Box<CameraDescription>), Problem> {
        let address = shown(place);
        let refused = |code: &str| entry(code, &[("camera", &address), ("address", &address)]);
        match self.onvif.look_at(place, credentials).await {
            Ok(ByHand::Onvif { xaddr, description }) => Ok((xaddr, description)),
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
        let (_, description) = self.describe(place, credentials).await?;
        Ok(Some(found_view(&description, 1)))
    }

    /// Asks the camera of one row, and gives what is to be written down; changes nothing.
    pub(super) async fn prepare(&self, row: &Prepared) -> Result<Addition, Problem> {
        let camera = self.camera_at(&row.place, SHOWS).await?;
        let none = || entry("SG-CAM-005", &[("camera", &camera.mac().to_string())]);
        let mut service = None;
        let (main, sub) = if let Place::Stream(url) = &row.place {
            let main: StreamUrl = url.parse().map_err(|_| none())?;
            (main, None)
        } else {
            let (xaddr, description) = self.describe(&row.place, row.credentials.as_ref()).await?;
            service = Some(xaddr);
            let source = source(&description, 1).ok_or_else(none)?;
            let (main, sub) = chosen(source).ok_or_else(none)?;
            (main.url.clone(), sub.map(|stream| stream.url.clone()))
        };
        let mut channel = self.new_channel(camera, main, sub);
        channel.name.clone_from(&row.name);
        Ok(Addition {
            channel,
            credential: row.credentials.as_ref().map(|known| Credential {
                user: known.user.clone(),
                password: known.password.clone(),
            }),
            service,
        })
    }

    /// Asks all, some at once, and then writes down those that answered and have a place: all
    /// of them, or none.
    pub(super) async fn add_rows(
        &self,
        rows: Vec<Prepared>,
        job: &Job,
    ) -> Result<Vec<AddedView>, Problem> {
        let asked = stream::iter(rows.clone().into_iter().map(|row| async move {
            let prepared = self.prepare(&row).await;
            job.asked();
            prepared
        }));
        let asked: Vec<_> = asked.buffered(ASKED_AT_ONCE).collect().await;
        let mut room = Room::default();
        let mut additions = Vec::new();
        let mut added = Vec::new();
        for (row, prepared) in rows.iter().zip(asked) {
            let (camera, problem) = match prepared {
                Err(problem) => (None, Some(problem)),
                Ok(addition) => {
                    let camera = addition.channel.camera;
                    let problem = self.take_place(camera, &mut room);
                    if problem.is_none() {
                        additions.push(addition);
                    }
                    (Some(camera), problem)
                }
            };
            added.push(AddedView {
                line: row.line,
                address: shown(&row.place),
                camera,
                problem,
            });
        }
        if !additions.is_empty() {
            let (store, now) = (Arc::clone(&self.store), self.clock.utc_ms());
            let macs: Vec<_> = additions
                .iter()
                .map(|one| one.channel.camera.mac())
                .collect();
            blocking("add cameras", move || store.add_all(&additions, now)).await?;
            macs.into_iter().for_each(|mac| self.onvif.ask_soon(mac));
            self.desk.decide_again().await;
        }
        Ok(added)
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

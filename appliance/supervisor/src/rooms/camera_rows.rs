//! One camera's row on the pages, from everything that is known of it.

use std::collections::{BTreeMap, BTreeSet};
use std::net::Ipv4Addr;
use std::sync::Arc;

use sealgate_camera::{CameraId, MacAddress};
use sealgate_gate::{Decision, Reason};
use sealgate_recorder_link::{CameraStatus, SessionState};
use sealgate_store::{Channel, KnownCamera};
use sealgate_web::rooms::{
    CameraCounters, CameraState, CameraView, RecordingHealth, RecordingStatus,
};
use sealgate_words::Problem;

use crate::camera_desk::Picture;
use crate::camera_facts::channel_of;
use crate::rooms::entry;

/// What rows are made from.
pub(super) struct Facts {
    pub(super) picture: Arc<Picture>,
    pub(super) known: BTreeMap<CameraId, KnownCamera>,
    pub(super) traffic: BTreeMap<MacAddress, CameraCounters>,
    pub(super) recording: BTreeMap<CameraId, CameraStatus>,
    pub(super) interface: String,
}

impl Facts {
    pub(super) fn cameras(&self) -> BTreeSet<CameraId> {
        let assigned = self.picture.channels.iter().map(|channel| channel.camera);
        self.known
            .keys()
            .copied()
            .chain(self.picture.decisions.cameras.keys().copied())
            .chain(assigned)
            .collect()
    }

    pub(super) fn row(&self, camera: CameraId) -> CameraView {
        let mac = camera.mac();
        let sighting = self
            .picture
            .sightings
            .iter()
            .find(|sighting| sighting.mac == Some(mac));
        let known = self.known.get(&camera);
        let channel = channel_of(&self.picture.channels, camera);
        let decision = self.picture.decisions.get(camera);
        let seen_ip = sighting.map(|sighting| sighting.ip);
        let (state, reason) = self.state(camera, decision, channel);
        CameraView {
            id: camera,
            mac,
            ip: seen_ip.or_else(|| known.and_then(|known| known.ip)),
            name: channel
                .and_then(|channel| channel.name.clone())
                .or_else(|| sighting.and_then(|sighting| sighting.name.clone()))
                .or_else(|| known.and_then(|known| known.name.clone())),
            model: sighting
                .and_then(|sighting| sighting.model.clone())
                .or_else(|| known.and_then(|known| known.model.clone())),
            maker: sighting
                .and_then(|sighting| {
                    let told = sighting.manufacturer.clone();
                    told.or_else(|| sighting.oui_manufacturer.clone())
                })
                .or_else(|| known.and_then(|known| known.manufacturer.clone())),
            serial: sighting
                .and_then(|sighting| sighting.serial.clone())
                .or_else(|| known.and_then(|known| known.serial.clone())),
            preferred: channel.is_some_and(|channel| channel.preferred),
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
        let doubt = (self.picture.sightings.iter())
            .filter(|sighting| sighting.mac == Some(camera.mac()))
            .find_map(|sighting| Some((sighting, sighting.conflict?)));
        let code = match (reason, doubt) {
            // The network knows better what exactly is in doubt.
            (Reason::MacConflict | Reason::MacUnresolved, Some((_, doubt))) => doubt.kind.code(),
            _ => reason.code(),
        };
        let told = doubt
            .and_then(|(sighting, _)| sighting.told_macs.first())
            .map(MacAddress::to_string)
            .unwrap_or_default();
        let places = self.picture.decisions.places;
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

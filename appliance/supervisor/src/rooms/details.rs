//! One camera's page: what is known of it besides its row.

use std::sync::Arc;

use sealgate_camera::{Brand, CameraId, StreamUrl};
use sealgate_gate::{is_listed, replacements_left};
use sealgate_web::rooms::{CameraDetails, FoundView};
use sealgate_words::Problem;

use crate::camera_facts::{brand, channel_of, signer};
use crate::rooms::blocking;
use crate::rooms::cameras::Cameras;
use crate::rooms::streams::found_view;

impl Cameras {
    pub(super) async fn camera_details(&self, camera: CameraId) -> Result<CameraDetails, Problem> {
        let row = self.row(camera).await?;
        let mac = camera.mac();
        let picture = self.desk.picture();
        let mut sightings = picture.sightings.iter();
        let sighting = sightings.find(|sighting| sighting.mac == Some(mac));
        let told = self.onvif.known(mac);
        let about = told.map(|told| found_view(&told, camera.source().get()));
        let about = about.unwrap_or_default();
        let channel = channel_of(&picture.channels, camera);
        let stream = channel.and_then(|channel| channel.stream_url.as_ref());
        let in_address = stream
            .and_then(StreamUrl::credentials)
            .map(|(user, _)| user);
        let store = Arc::clone(&self.store);
        let kept = blocking("find a camera's user", move || store.credential(mac)).await?;
        let other_brand = channel.map_or_else(
            || brand(&picture.sightings, mac, self.own_brand.as_ref()) == Brand::Other,
            |channel| channel.other_brand,
        );
        let standing = self.license.standing();
        let replacements_left = standing.bound.as_ref().and_then(|bound| {
            let moves = self.replacements.moves(signer(Some(bound)));
            let list = bound.entitlements();
            is_listed(list, &moves, mac).then(|| replacements_left(list, &moves))
        });
        Ok(CameraDetails {
            about: FoundView {
                maker: about.maker.or(row.maker),
                model: about.model.or(row.model),
                serial: about.serial.or(row.serial),
                firmware: about
                    .firmware
                    .or_else(|| sighting.and_then(|sighting| sighting.firmware.clone())),
                ..about
            },
            oui_maker: sighting.and_then(|sighting| sighting.oui_manufacturer.clone()),
            port: stream.map(StreamUrl::port),
            other_brand,
            user: in_address.or_else(|| kept.map(|kept| kept.user)),
            preferred: row.preferred,
            replacements_left,
            traffic: self.traffic.of(mac),
        })
    }
}

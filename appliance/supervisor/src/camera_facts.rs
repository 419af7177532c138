//! What the camera desk makes of what is seen, said and wished: facts for the gate, orders
//! for the kernel, the network and the recorder. Pure.

use std::collections::{BTreeMap, BTreeSet};
use std::net::Ipv4Addr;
use std::num::NonZeroU8;

use sealgate_camera::{CameraId, MacAddress, OwnBrand, StreamUrl};
use sealgate_gate::{Address, Assignment, Brand, Decision, Decisions, Fact, Whereabouts};
use sealgate_kernel_gate::Admission;
use sealgate_lan::{Credentials, Enrolment, Location, Pin, Sighting, locate};
use sealgate_license::binding::BoundLicense;
use sealgate_license::tpm_wire::TpmName;
use sealgate_recorder_link::{DesiredCamera, DesiredSet};
use sealgate_store::{Channel, Credential, KnownCamera};

use crate::channel_settings::ChannelSettings;
use crate::onvif_desk::Descriptions;

/// What a channel is to the gate.
pub(crate) fn assignment(channel: &Channel) -> Assignment {
    Assignment {
        camera: channel.camera,
        since_utc_ms: channel.assigned_utc_ms,
        preferred: channel.preferred,
        brand: if channel.other_brand {
            Brand::Other
        } else {
            Brand::Own
        },
    }
}

/// Whose statements about replaced cameras count under this license; anyone's under one
/// that holds on any box.
pub(crate) fn signer(bound: Option<&BoundLicense>) -> Option<TpmName> {
    let tpm = bound.and_then(BoundLicense::tpm)?;
    Some(tpm.binding().ak_name.clone())
}

/// Cameras to remember: new ones, and those that say something new about themselves.
pub(crate) fn newly_seen(now: &[Sighting], before: &[Sighting]) -> Vec<KnownCamera> {
    let unchanged = |sighting: &Sighting| {
        before.iter().any(|known| {
            known.mac == sighting.mac
                && known.ip == sighting.ip
                && known.name == sighting.name
                && known.manufacturer == sighting.manufacturer
                && known.model == sighting.model
                && known.serial == sighting.serial
        })
    };
    now.iter()
        .filter(|sighting| !unchanged(sighting))
        .filter_map(|sighting| {
            Some(KnownCamera {
                id: CameraId::first_source(sighting.mac?),
                name: sighting.name.clone(),
                manufacturer: sighting.manufacturer.clone(),
                model: sighting.model.clone(),
                serial: sighting.serial.clone(),
                ip: Some(sighting.ip),
                interface: sighting.interface.clone(),
                last_seen_utc_ms: sighting.last_seen_utc_ms,
            })
        })
        .collect()
}

/// Where each camera is that was seen or has a channel.
pub(crate) fn facts(
    sightings: &[Sighting],
    descriptions: &Descriptions,
    channels: &[Channel],
    own_brand: Option<&OwnBrand>,
) -> Vec<Fact> {
    let seen = sightings
        .iter()
        .filter_map(|sighting| sighting.mac)
        .flat_map(|mac| sources(descriptions, mac));
    let cameras: BTreeSet<CameraId> = seen
        .chain(channels.iter().map(|channel| channel.camera))
        .collect();
    cameras
        .into_iter()
        .filter_map(|camera| {
            let stream =
                channel_of(channels, camera).and_then(|channel| channel.stream_url.as_ref());
            let port = stream.map_or(554, StreamUrl::port);
            let whereabouts = match locate(sightings, camera.mac()) {
                Location::Unknown
                    if stream.is_some_and(|stream| is_behind_router(sightings, stream)) =>
                {
                    Whereabouts::Unresolved
                }
                Location::Unknown => return None,
                Location::Unresolved => Whereabouts::Unresolved,
                Location::At(ip) => Whereabouts::Resolved(Address { ip, port }),
                Location::Contested { incumbent } => Whereabouts::Conflict {
                    incumbent: incumbent.map(|ip| Address { ip, port }),
                },
            };
            Some(Fact {
                camera,
                whereabouts,
                brand: brand(sightings, camera.mac(), own_brand),
            })
        })
        .collect()
}

/// Whose make the camera with this MAC address seems to be.
pub(crate) fn brand(
    sightings: &[Sighting],
    mac: MacAddress,
    own_brand: Option<&OwnBrand>,
) -> Brand {
    let evidence = sightings
        .iter()
        .find(|sighting| sighting.mac == Some(mac))
        .map(Sighting::brand_evidence)
        .unwrap_or_default();
    own_brand.map_or(Brand::Own, |own| own.of(mac, &evidence))
}

/// Channels whose camera had not said what it is when it got them, and says so now.
pub(crate) fn unpinned(
    channels: &[Channel],
    sightings: &[Sighting],
) -> Vec<(CameraId, Option<String>, Option<String>)> {
    channels
        .iter()
        .filter(|channel| channel.pinned_serial.is_none())
        .filter_map(|channel| {
            let sighting = sightings.iter().find(|sighting| {
                sighting.mac == Some(channel.camera.mac())
                    && sighting.conflict.is_none()
                    && sighting.serial.is_some()
            })?;
            Some((
                channel.camera,
                sighting.model.clone(),
                sighting.serial.clone(),
            ))
        })
        .collect()
}

/// Who has a channel, as it was known then: one entry for each MAC address.
pub(crate) fn enrolments(
    channels: &[Channel],
    admitted: &BTreeMap<MacAddress, Ipv4Addr>,
    credentials: &BTreeMap<MacAddress, Credential>,
    services: &BTreeMap<MacAddress, String>,
) -> Vec<Enrolment> {
    let mut enrolled: BTreeMap<MacAddress, Enrolment> = BTreeMap::new();
    for channel in channels {
        let mac = channel.camera.mac();
        enrolled.entry(mac).or_insert_with(|| Enrolment {
            mac,
            ip: admitted.get(&mac).copied(),
            serial: channel.pinned_serial.clone(),
            model: channel.pinned_model.clone(),
            credentials: sign_in(channel.stream_url.as_ref(), mac, credentials),
            service: services.get(&mac).cloned(),
        });
    }
    enrolled.into_values().collect()
}

/// What the owner typed into a stream's address goes before what he set for the camera.
fn sign_in(
    stream: Option<&StreamUrl>,
    mac: MacAddress,
    credentials: &BTreeMap<MacAddress, Credential>,
) -> Option<Credentials> {
    let typed = stream.and_then(StreamUrl::credentials);
    let (user, password) = typed.or_else(|| {
        let known = credentials.get(&mac)?;
        Some((known.user.clone(), known.password.clone()))
    })?;
    Some(Credentials { user, password })
}

/// Admitted cameras get permanent neighbour entries.
pub(crate) fn pins(admissions: &[Admission], sightings: &[Sighting]) -> BTreeSet<Pin> {
    admissions
        .iter()
        .filter_map(|Admission { mac, ip, .. }| {
            let sighting = sightings
                .iter()
                .find(|sighting| sighting.mac == Some(*mac) && sighting.ip == *ip)?;
            Some(Pin {
                interface: sighting.interface.clone(),
                ip: *ip,
                mac: *mac,
            })
        })
        .collect()
}

/// One for each video source behind a MAC address: an encoder or a re-streamer shows how
/// many channels it needs.
fn sources(descriptions: &Descriptions, mac: MacAddress) -> Vec<CameraId> {
    let numbers = descriptions.get(&mac).into_iter().flat_map(|described| {
        let numbers = described.sources.iter().map(|source| source.number);
        numbers.filter_map(|number| NonZeroU8::new(u8::try_from(number).ok()?))
    });
    let cameras: Vec<CameraId> = numbers.map(|number| CameraId::new(mac, number)).collect();
    if cameras.is_empty() {
        vec![CameraId::first_source(mac)]
    } else {
        cameras
    }
}

/// The stream's address answers, but from behind a router.
fn is_behind_router(sightings: &[Sighting], stream: &StreamUrl) -> bool {
    sightings
        .iter()
        .any(|sighting| sighting.is_behind_router() && sighting.ip.to_string() == stream.host())
}

/// The channel of a camera that has one.
pub(crate) fn channel_of(channels: &[Channel], camera: CameraId) -> Option<&Channel> {
    channels.iter().find(|channel| channel.camera == camera)
}

/// Where a camera's ONVIF service is, if it is beyond doubt that it is the camera's.
pub(crate) fn service_of(sightings: &[Sighting], mac: MacAddress) -> Option<&str> {
    sightings
        .iter()
        .find(|sighting| sighting.mac == Some(mac) && sighting.conflict.is_none())
        .and_then(|sighting| sighting.xaddr.as_deref())
}

/// The pairs the kernel lets through.
pub(crate) fn admissions(decisions: &Decisions) -> Vec<Admission> {
    let mut pairs: BTreeSet<MacAddress> = BTreeSet::new();
    decisions
        .open()
        .filter_map(|(_, decision)| match decision {
            Decision::Open { mac, ip, port, .. } if pairs.insert(mac) => {
                Some(Admission { mac, ip, port })
            }
            _ => None,
        })
        .collect()
}

/// What the recorder is to record: every open camera whose stream is known.
pub(crate) fn desired(
    decisions: &Decisions,
    channels: &[Channel],
    credentials: &BTreeMap<MacAddress, Credential>,
    recordable: impl Fn(CameraId) -> bool,
) -> DesiredSet {
    let cameras = decisions
        .open()
        .filter(|(camera, _)| recordable(*camera))
        .filter_map(|(camera, decision)| {
            let Decision::Open { ip, .. } = decision else {
                return None;
            };
            let channel = channel_of(channels, camera)?;
            let signed_in = |stream: &StreamUrl| {
                let here = stream.at(ip);
                match sign_in(Some(stream), camera.mac(), credentials) {
                    Some(known) => here.with_credentials(&known.user, &known.password),
                    None => here,
                }
            };
            let settings = ChannelSettings::read(&channel.settings);
            Some(DesiredCamera {
                camera,
                stream: signed_in(channel.stream_url.as_ref()?),
                sub_stream: channel.sub_stream_url.as_ref().map(signed_in),
                audio: settings.audio,
                transport: settings.transport,
                plan: settings.plan,
                keep: settings.keep,
            })
        })
        .collect();
    DesiredSet { cameras }
}

#[cfg(test)]
#[path = "camera_facts_tests.rs"]
mod tests;

//! Whether the device at a place is the camera that it seems to be. Pure.

use std::net::Ipv4Addr;
use std::time::Duration;

use sealgate_camera::MacAddress;

use crate::{Conflict, ConflictKind, DeviceInformation, Enrolment, Evidence};

/// A device that claims a MAC address at an IP address, and answers there.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Claim {
    pub ip: Ipv4Addr,
    pub mac: MacAddress,
    pub first_seen: Duration,
    pub first_seen_utc_ms: i64,
    pub evidence: Evidence,
    /// It is where it was admitted.
    pub admitted: bool,
}

/// What is in doubt about a claim, given the others' to the same addresses, what is known
/// from the camera's enrolment, and what the device says about itself. Of several doubts
/// the one that closes most comes first.
pub(crate) fn doubt(
    claim: Claim,
    rivals: Vec<Claim>,
    enrolled: Option<&Enrolment>,
    said: Option<&DeviceInformation>,
    told_macs: &[MacAddress],
) -> Option<Conflict> {
    let own = |kind| Conflict {
        kind,
        incumbent: false,
        other_mac: None,
        other_ip: None,
        since_utc_ms: claim.first_seen_utc_ms,
        evidence: Evidence::Onvif,
    };
    if enrolled.is_some_and(|camera| is_another(camera, said)) {
        return Some(own(ConflictKind::OtherIdentity));
    }
    if !told_macs.is_empty() && !told_macs.contains(&claim.mac) {
        return Some(Conflict {
            other_mac: told_macs.first().copied(),
            ..own(ConflictKind::OtherMacTold)
        });
    }
    if let Some(conflict) = rivalry(claim, &rivals) {
        return Some(conflict);
    }
    let moved = enrolled.filter(|camera| camera.ip.is_some_and(|ip| ip != claim.ip))?;
    let proven = moved.serial.is_none()
        || said.is_some_and(|said| said.serial.is_some() && said.serial == moved.serial);
    (!proven).then(|| Conflict {
        other_ip: moved.ip,
        ..own(ConflictKind::UnprovenMove)
    })
}

/// A serial number tells for certain; a model only where there is none.
fn is_another(camera: &Enrolment, said: Option<&DeviceInformation>) -> bool {
    let Some(said) = said else { return false };
    match (&camera.serial, &said.serial) {
        (Some(known), Some(told)) => known != told,
        _ => match (&camera.model, &said.model) {
            (Some(known), Some(told)) => !is_same_model(known, told),
            _ => false,
        },
    }
}

/// Scopes and GetDeviceInformation write a model with other separators, and some put the
/// maker's name before it.
fn is_same_model(known: &str, told: &str) -> bool {
    let plain = |text: &str| -> String {
        let kept = text.chars().filter(|letter| letter.is_alphanumeric());
        kept.flat_map(char::to_lowercase).collect()
    };
    let (known, told) = (plain(known), plain(told));
    known.contains(&told) || told.contains(&known)
}

fn rivalry(claim: Claim, rivals: &[Claim]) -> Option<Conflict> {
    let latest = rivals.iter().max_by_key(|rival| rival.first_seen)?;
    let first = rivals.iter().all(|rival| {
        // Where a camera was admitted counts more than who was seen first since the start;
        // of two that appeared in the same look at the table, neither was first.
        if claim.admitted == rival.admitted {
            claim.first_seen < rival.first_seen
        } else {
            claim.admitted
        }
    });
    Some(Conflict {
        kind: if latest.mac == claim.mac {
            ConflictKind::SharedMac
        } else {
            ConflictKind::SharedIp
        },
        incumbent: first,
        other_mac: Some(latest.mac).filter(|mac| *mac != claim.mac),
        other_ip: Some(latest.ip).filter(|ip| *ip != claim.ip),
        since_utc_ms: latest.first_seen_utc_ms.max(claim.first_seen_utc_ms),
        evidence: latest.evidence,
    })
}

#[cfg(test)]
#[path = "doubt_tests.rs"]
mod tests;

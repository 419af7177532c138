//! The decision itself.

use std::collections::{BTreeMap, BTreeSet};
use std::net::Ipv4Addr;

use sealgate_camera::{CameraId, MacAddress};
use sealgate_license::binding::BoundLicense;

use crate::rights::Rights;
use crate::{Address, Assignment, Decision, Decisions, Fact, Places, Reason, Whereabouts};

/// Decides for every camera that is assigned or seen.
///
/// `license` is what is in force: `None` while there is none, or while its state closes
/// the gate. `assignments` are the owner's wishes, `facts` what the network shows now; a
/// camera without a fact is not seen.
pub fn decide(
    license: Option<&BoundLicense>,
    assignments: &[Assignment],
    facts: &[Fact],
) -> Decisions {
    let rights = license.map(|license| Rights::of(license.entitlements()));
    decide_with(rights.as_ref(), assignments, facts)
}

/// The same for rights that may come from anywhere, as tests need it; not public, so that
/// nothing but a bound license opens the gate.
fn decide_with(rights: Option<&Rights>, assignments: &[Assignment], facts: &[Fact]) -> Decisions {
    let whereabouts = merge(facts);
    let queue = queue(assignments);
    let assigned: BTreeSet<CameraId> = queue.iter().copied().collect();
    let seen_only = whereabouts
        .keys()
        .filter(|camera| !assigned.contains(camera));

    let Some(rights) = rights else {
        return Decisions {
            cameras: assigned
                .iter()
                .chain(seen_only)
                .map(|camera| (*camera, closed(Reason::NoLicense)))
                .collect(),
            places: Places {
                waiting: count(assigned.len()),
                ..Places::default()
            },
        };
    };

    let held = rights.hold(&queue);
    let without_place = closed(if rights.only_listed() {
        Reason::NotOnList
    } else {
        Reason::NoPlaceLeft
    });
    let mut cameras: BTreeMap<CameraId, Decision> = assigned
        .iter()
        .map(|camera| (*camera, without_place))
        .collect();
    let mut taken = Taken::default();
    for camera in &held.cameras {
        let decision = taken.place(*camera, whereabouts.get(camera).copied());
        cameras.insert(*camera, decision);
    }
    for camera in seen_only {
        let own_place =
            rights.listed.contains(&camera.mac()) && !held.listed_used.contains(&camera.mac());
        let decision = if own_place || held.general_free > 0 {
            closed(Reason::NotAssigned)
        } else {
            without_place
        };
        cameras.insert(*camera, decision);
    }
    let total = rights.total();
    let used = count(held.cameras.len());
    Decisions {
        cameras,
        places: Places {
            total,
            used,
            free: total - used,
            waiting: count(assigned.len()) - used,
        },
    }
}

/// Addresses that are open already: one MAC address is at one IP address.
#[derive(Default)]
struct Taken {
    by_ip: BTreeMap<Ipv4Addr, MacAddress>,
    by_mac: BTreeMap<MacAddress, Ipv4Addr>,
}

impl Taken {
    /// Opens for a camera that holds a place, if it is known where it is.
    fn place(&mut self, camera: CameraId, whereabouts: Option<Whereabouts>) -> Decision {
        let (address, contested) = match whereabouts {
            None => return closed(Reason::AddressUnknown),
            Some(Whereabouts::Unresolved) => return closed(Reason::MacUnresolved),
            Some(Whereabouts::Resolved(address)) => (address, false),
            Some(Whereabouts::Conflict { incumbent: None }) => return closed(Reason::MacConflict),
            Some(Whereabouts::Conflict {
                incumbent: Some(address),
            }) => (address, true),
        };
        if !usable(address) {
            return closed(Reason::AddressUnknown);
        }
        let mac = camera.mac();
        if *self.by_ip.entry(address.ip).or_insert(mac) != mac
            || *self.by_mac.entry(mac).or_insert(address.ip) != address.ip
        {
            return closed(Reason::MacConflict);
        }
        Decision::Open {
            mac,
            ip: address.ip,
            port: address.port,
            contested,
        }
    }
}

fn closed(reason: Reason) -> Decision {
    Decision::Closed { reason }
}

/// No camera on a cable has such an address, so binding to it would bind to nothing.
fn usable(Address { ip, port }: Address) -> bool {
    port != 0
        && !ip.is_unspecified()
        && !ip.is_loopback()
        && !ip.is_multicast()
        && !ip.is_broadcast()
}

/// The assigned cameras, the longest-held place first; a camera assigned twice counts once.
pub(crate) fn queue(assignments: &[Assignment]) -> Vec<CameraId> {
    let mut since = BTreeMap::new();
    for assignment in assignments {
        since
            .entry(assignment.camera)
            .and_modify(|earliest: &mut i64| *earliest = (*earliest).min(assignment.since_utc_ms))
            .or_insert(assignment.since_utc_ms);
    }
    let mut queue: Vec<(i64, CameraId)> = since
        .into_iter()
        .map(|(camera, since_utc_ms)| (since_utc_ms, camera))
        .collect();
    queue.sort_unstable();
    queue.into_iter().map(|(_, camera)| camera).collect()
}

/// One fact for each camera; facts that contradict each other are a conflict.
fn merge(facts: &[Fact]) -> BTreeMap<CameraId, Whereabouts> {
    let mut merged = BTreeMap::new();
    for fact in facts {
        merged
            .entry(fact.camera)
            .and_modify(|known| {
                if *known != fact.whereabouts {
                    *known = Whereabouts::Conflict { incumbent: None };
                }
            })
            .or_insert(fact.whereabouts);
    }
    merged
}

fn count(length: usize) -> u32 {
    u32::try_from(length).unwrap_or(u32::MAX)
}

#[cfg(test)]
#[path = "decide_tests.rs"]
mod tests;

//! The decision itself.

use std::collections::{BTreeMap, BTreeSet};
use std::net::Ipv4Addr;

use sealgate_camera::{CameraId, MacAddress};
use sealgate_license::binding::BoundLicense;

use crate::rights::Rights;
use crate::{
    Address, Assignment, Brand, Decision, Decisions, Fact, Places, Reason, Replacement, Whereabouts,
};

/// Decides for every camera that is assigned or seen.
///
/// `license` is what is in force: `None` while there is none, or while its state closes
/// the gate. `replacements` are the listed cameras that were replaced, in order.
/// `assignments` are the owner's wishes, `facts` what the network shows now; a camera
/// without a fact is not seen.
pub fn decide(
    license: Option<&BoundLicense>,
    replacements: &[Replacement],
    assignments: &[Assignment],
    facts: &[Fact],
) -> Decisions {
    let rights = license.map(|license| Rights::of(license.entitlements(), replacements));
    decide_with(rights.as_ref(), assignments, facts)
}

/// The same for rights that may come from anywhere, as tests need it; not public, so that
/// nothing but a bound license opens the gate.
fn decide_with(rights: Option<&Rights>, assignments: &[Assignment], facts: &[Fact]) -> Decisions {
    let seen = merge(facts);
    let queue = queue(assignments);
    let assigned: BTreeSet<CameraId> = queue.iter().map(|(camera, _)| *camera).collect();
    let seen_only = seen
        .iter()
        .filter(|(camera, _)| !assigned.contains(camera))
        .map(|(camera, seen)| (camera, seen.brand));

    let Some(rights) = rights else {
        return Decisions {
            cameras: assigned
                .iter()
                .chain(seen_only.map(|(camera, _)| camera))
                .map(|camera| (*camera, closed(Reason::NoLicense)))
                .collect(),
            places: Places {
                waiting: count(assigned.len()),
                ..Places::default()
            },
        };
    };

    let held = rights.hold(&queue);
    let without_place = |brand| {
        closed(match brand {
            _ if rights.only_listed() => Reason::NotOnList,
            Brand::Own => Reason::NoPlaceLeft,
            Brand::Other => Reason::NoOtherBrandPlace,
        })
    };
    let mut cameras: BTreeMap<CameraId, Decision> = queue
        .iter()
        .map(|(camera, brand)| (*camera, without_place(*brand)))
        .collect();
    let mut taken = Taken::default();
    for camera in &held.cameras {
        let whereabouts = seen.get(camera).map(|seen| seen.whereabouts);
        let decision = taken.place(*camera, whereabouts);
        cameras.insert(*camera, decision);
    }
    for (camera, brand) in seen_only {
        let own_place =
            rights.listed.contains(&camera.mac()) && !held.listed_used.contains(&camera.mac());
        let decision = if own_place || held.has_room_for(brand) {
            closed(Reason::NotAssigned)
        } else {
            without_place(brand)
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
            pools: held.pools,
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

/// The assigned cameras: those that the owner chose first, then the longest-held place; a
/// camera assigned twice counts once.
pub(crate) fn queue(assignments: &[Assignment]) -> Vec<(CameraId, Brand)> {
    let mut by_camera: BTreeMap<CameraId, Assignment> = BTreeMap::new();
    for assignment in assignments {
        by_camera
            .entry(assignment.camera)
            .and_modify(|known| {
                known.since_utc_ms = known.since_utc_ms.min(assignment.since_utc_ms);
                known.preferred |= assignment.preferred;
                known.brand = known.brand.max(assignment.brand);
            })
            .or_insert(*assignment);
    }
    let mut queue: Vec<Assignment> = by_camera.into_values().collect();
    queue.sort_unstable_by_key(|place| (!place.preferred, place.since_utc_ms, place.camera));
    queue
        .into_iter()
        .map(|place| (place.camera, place.brand))
        .collect()
}

/// What the network shows of one camera.
#[derive(Clone, Copy)]
struct Seen {
    whereabouts: Whereabouts,
    brand: Brand,
}

/// One view of each camera; facts that contradict each other are a conflict.
fn merge(facts: &[Fact]) -> BTreeMap<CameraId, Seen> {
    let mut merged: BTreeMap<CameraId, Seen> = BTreeMap::new();
    for fact in facts {
        let seen = Seen {
            whereabouts: fact.whereabouts,
            brand: fact.brand,
        };
        merged
            .entry(fact.camera)
            .and_modify(|known| {
                known.brand = known.brand.max(fact.brand);
                if known.whereabouts != fact.whereabouts {
                    known.whereabouts = Whereabouts::Conflict { incumbent: None };
                }
            })
            .or_insert(seen);
    }
    merged
}

fn count(length: usize) -> u32 {
    u32::try_from(length).unwrap_or(u32::MAX)
}

#[cfg(test)]
#[path = "decide_tests.rs"]
mod tests;

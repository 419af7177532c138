//! What a bound license grants, as far as the gate is concerned.

use std::collections::BTreeSet;

use sealgate_camera::{CameraId, MacAddress};
use sealgate_license::entitlements::Entitlements;

use crate::Assignment;

/// Places for cameras: some for any, some for one camera each.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Rights {
    /// Places that any camera can hold.
    pub general: u32,
    /// Each is a place of its own, for exactly this MAC address.
    pub listed: BTreeSet<MacAddress>,
}

impl Rights {
    /// Reads a license's entitlements: camera channels are for any camera, and each MAC
    /// address on the list is one more place, for that camera alone.
    pub fn of(entitlements: &Entitlements) -> Self {
        Self {
            general: entitlements.camera_channels(),
            listed: entitlements
                .mac_list
                .iter()
                // A listed address is unicast and not zero, so none is left out here.
                .filter_map(|listed| MacAddress::from_octets(listed.octets()).ok())
                .collect(),
        }
    }

    /// All places together.
    pub fn total(&self) -> u32 {
        let listed = u32::try_from(self.listed.len()).unwrap_or(u32::MAX);
        self.general.saturating_add(listed)
    }

    /// Whether the license is for the cameras on its list and for no others.
    pub fn only_listed(&self) -> bool {
        self.general == 0 && !self.listed.is_empty()
    }

    /// Who holds a place, of the cameras in this order.
    ///
    /// A listed camera holds its own place and so leaves the general ones to others. Only
    /// a second video source behind its MAC address asks for a general one: a channel is
    /// one MAC address and one source.
    pub fn hold(&self, queue: &[CameraId]) -> Held {
        let mut held = Held::default();
        let mut rest = Vec::new();
        for camera in queue {
            if self.listed.contains(&camera.mac()) && held.listed_used.insert(camera.mac()) {
                held.cameras.push(*camera);
            } else {
                rest.push(*camera);
            }
        }
        let general = usize::try_from(self.general).unwrap_or(usize::MAX);
        held.cameras.extend(rest.iter().take(general));
        held.general_free = self.general
            - u32::try_from(rest.len())
                .unwrap_or(u32::MAX)
                .min(self.general);
        held
    }
}

/// Places as they are held.
#[derive(Debug, Default)]
pub(crate) struct Held {
    /// Who holds one: the listed ones first, then the general ones, each in order.
    pub cameras: Vec<CameraId>,
    /// The listed addresses whose place is held.
    pub listed_used: BTreeSet<MacAddress>,
    /// General places that nobody holds.
    pub general_free: u32,
}

/// How many places for cameras these entitlements grant.
pub fn places_of(entitlements: &Entitlements) -> u32 {
    Rights::of(entitlements).total()
}

/// Which of the assigned cameras would hold a place under these entitlements, wherever
/// they are.
pub fn holders(entitlements: &Entitlements, assignments: &[Assignment]) -> BTreeSet<CameraId> {
    let queue = crate::decide::queue(assignments);
    Rights::of(entitlements)
        .hold(&queue)
        .cameras
        .into_iter()
        .collect()
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn reads_what_a_license_grants() {
        let three = Rights::of(&Entitlements::cameras(3));
        assert_eq!((three.general, three.listed.len()), (3, 0));
        assert_eq!(Rights::of(&Entitlements::default()).total(), 0);

        let mut listed = Entitlements::cameras(2);
        let mac = "00-11-22-33-44-55".parse().unwrap();
        listed.mac_list = vec![mac, mac];
        assert_eq!(
            places_of(&listed),
            3,
            "an address that stands twice is one place"
        );
        assert!(!Rights::of(&listed).only_listed());
        listed.counts.clear();
        assert!(Rights::of(&listed).only_listed());
        assert_eq!(places_of(&Entitlements::cameras(u32::MAX)), u32::MAX);
    }

    #[test]
    fn says_who_would_hold_a_place() {
        let camera =
            |n| CameraId::first_source(MacAddress::from_octets([2, 0, 0, 0, 0, n]).unwrap());
        let assignments: Vec<Assignment> = (1..=3)
            .map(|n| Assignment {
                camera: camera(n),
                since_utc_ms: i64::from(n),
            })
            .collect();
        let mut license = Entitlements::cameras(1);
        license.mac_list = vec!["02:00:00:00:00:03".parse().unwrap()];
        assert_eq!(
            holders(&license, &assignments),
            BTreeSet::from([camera(1), camera(3)])
        );
    }
}

//! What a bound license grants, as far as the gate is concerned.

use std::collections::BTreeSet;

use sealgate_camera::{CameraId, MacAddress};
use sealgate_license::entitlements::{Entitlements, kind};

use crate::decision::{Pool, Pools};
use crate::{Assignment, Brand, Replacement};

/// Places for cameras: some for any, some for one camera each.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Rights {
    /// Camera channels: for own-brand cameras.
    pub general: u32,
    /// Other-brand channels: for other brands, and for own-brand cameras that find no
    /// camera channel.
    pub other: u32,
    /// Free other-brand channels: for other brands alone.
    pub other_free: u32,
    /// Each is a place of its own, for exactly this MAC address.
    pub listed: BTreeSet<MacAddress>,
    /// How many listed cameras may still be replaced.
    pub replacements_left: u32,
}

impl Rights {
    /// Reads a license's entitlements: channels by brand, and each MAC address on the list
    /// is one more place, for that camera alone. A listed camera that was replaced leaves
    /// its place to the other, as often as the license allows.
    pub fn of(entitlements: &Entitlements, replacements: &[Replacement]) -> Self {
        let mut rights = Self::as_written(entitlements);
        let mut left = entitlements.count(kind::MAC_REPLACEMENT);
        for Replacement { old, new } in replacements {
            // Neither one that is not on this license's list, nor one that has a place of
            // its own there: a place is moved, never made.
            if left == 0 || !rights.listed.contains(old) || rights.listed.contains(new) {
                continue;
            }
            rights.listed.remove(old);
            rights.listed.insert(*new);
            left -= 1;
        }
        rights.replacements_left = left;
        rights
    }

    fn as_written(entitlements: &Entitlements) -> Self {
        Self {
            replacements_left: 0,
            general: entitlements.camera_channels(),
            other: entitlements.count(kind::OTHER_BRAND),
            other_free: entitlements.count(kind::OTHER_BRAND_FREE),
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
        self.general
            .saturating_add(self.other)
            .saturating_add(self.other_free)
            .saturating_add(listed)
    }

    /// Whether the license is for the cameras on its list and for no others.
    pub fn only_listed(&self) -> bool {
        self.general == 0 && self.other == 0 && self.other_free == 0 && !self.listed.is_empty()
    }

    /// Who holds a place, of the cameras in this order.
    ///
    /// A listed camera holds its own place and so leaves the others to others. Only a
    /// second video source behind its MAC address asks for one of these: a channel is one
    /// MAC address and one source. Each brand takes first what the other can't hold, so
    /// that nobody is shut out while a place he could have is held by one who had a choice.
    pub fn hold(&self, queue: &[(CameraId, Brand)]) -> Held {
        let mut held = Held {
            pools: Pools {
                camera: of(self.general),
                other_brand: of(self.other),
                other_brand_free: of(self.other_free),
                listed: of(u32::try_from(self.listed.len()).unwrap_or(u32::MAX)),
            },
            ..Held::default()
        };
        let mut rest = Vec::new();
        for (camera, brand) in queue {
            if self.listed.contains(&camera.mac()) && held.listed_used.insert(camera.mac()) {
                held.pools.listed.take();
                held.cameras.push(*camera);
            } else {
                rest.push((*camera, *brand));
            }
        }
        for (camera, brand) in rest {
            let Pools {
                camera: own,
                other_brand,
                other_brand_free,
                ..
            } = &mut held.pools;
            let placed = match brand {
                Brand::Own => own.take() || other_brand.take(),
                Brand::Other => other_brand_free.take() || other_brand.take(),
            };
            if placed {
                held.cameras.push(camera);
            }
        }
        held
    }
}

fn of(total: u32) -> Pool {
    Pool { total, used: 0 }
}

/// Places as they are held.
#[derive(Debug, Default)]
pub(crate) struct Held {
    /// Who holds one: the listed ones first, then the others, each in order.
    pub cameras: Vec<CameraId>,
    /// The listed addresses whose place is held.
    pub listed_used: BTreeSet<MacAddress>,
    /// The places by kind.
    pub pools: Pools,
}

impl Held {
    /// Whether one more camera of this brand would find a place.
    pub fn has_room_for(&self, brand: Brand) -> bool {
        let first = match brand {
            Brand::Own => self.pools.camera,
            Brand::Other => self.pools.other_brand_free,
        };
        first.free() > 0 || self.pools.other_brand.free() > 0
    }
}

/// How many places for cameras these entitlements grant.
pub fn places_of(entitlements: &Entitlements) -> u32 {
    Rights::of(entitlements, &[]).total()
}

/// How many of the cameras that these entitlements list may still be replaced, after these
/// replacements, in order.
pub fn replacements_left(entitlements: &Entitlements, replacements: &[Replacement]) -> u32 {
    Rights::of(entitlements, replacements).replacements_left
}

/// Whether these entitlements list this camera, after these replacements, in order.
pub fn is_listed(
    entitlements: &Entitlements,
    replacements: &[Replacement],
    mac: MacAddress,
) -> bool {
    Rights::of(entitlements, replacements).listed.contains(&mac)
}

/// Which of the assigned cameras would hold a place under these entitlements, wherever
/// they are.
pub fn holders(
    entitlements: &Entitlements,
    replacements: &[Replacement],
    assignments: &[Assignment],
) -> BTreeSet<CameraId> {
    let queue = crate::decide::queue(assignments);
    Rights::of(entitlements, replacements)
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
        let three = Rights::of(&Entitlements::cameras(3), &[]);
        assert_eq!((three.general, three.listed.len()), (3, 0));
        assert_eq!(Rights::of(&Entitlements::default(), &[]).total(), 0);

        let mut listed = Entitlements::cameras(2);
        let mac = "00-11-22-33-44-55".parse().unwrap();
        listed.mac_list = vec![mac, mac];
        assert_eq!(
            places_of(&listed),
            3,
            "an address that stands twice is one place"
        );
        assert!(!Rights::of(&listed, &[]).only_listed());
        listed.counts.clear();
        assert!(Rights::of(&listed, &[]).only_listed());
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
                preferred: false,
                brand: Brand::Own,
            })
            .collect();
        let mut license = Entitlements::cameras(1);
        license.mac_list = vec!["02:00:00:00:00:03".parse().unwrap()];
        assert_eq!(
            holders(&license, &[], &assignments),
            BTreeSet::from([camera(1), camera(3)])
        );
        let mut chosen = assignments;
        chosen[1].preferred = true;
        assert_eq!(
            holders(&license, &[], &chosen),
            BTreeSet::from([camera(2), camera(3)]),
            "the owner's choice goes before the longest-held place"
        );
    }

    #[test]
    fn a_place_on_the_list_moves_as_often_as_the_license_allows() {
        let mac = |n| MacAddress::from_octets([2, 0, 0, 0, 0, n]).unwrap();
        let moved = |old, new| Replacement {
            old: mac(old),
            new: mac(new),
        };
        let mut license = Entitlements {
            mac_list: [1, 2]
                .map(|n| format!("02000000000{n}").parse().unwrap())
                .to_vec(),
            ..Entitlements::default()
        };
        let check = |license: &Entitlements, moves: &[Replacement], expected: &[u8], left| {
            let rights = Rights::of(license, moves);
            let expected = expected.iter().map(|n| mac(*n)).collect();
            assert_eq!((rights.listed, rights.replacements_left), (expected, left));
        };
        check(&license, &[moved(1, 3)], &[1, 2], 0);
        license.counts.insert(kind::MAC_REPLACEMENT.into(), 2);
        check(&license, &[moved(1, 3)], &[2, 3], 1);
        check(&license, &[moved(1, 3), moved(3, 4)], &[2, 4], 0);
        check(
            &license,
            &[moved(1, 3), moved(2, 4), moved(3, 5)],
            &[3, 4],
            0,
        );
        // One that is not listed, and one that has a place already, cost nothing.
        check(
            &license,
            &[moved(7, 8), moved(1, 2), moved(1, 1)],
            &[1, 2],
            2,
        );
        assert!(is_listed(&license, &[moved(1, 3)], mac(3)));
        assert!(!is_listed(&license, &[moved(1, 3)], mac(1)));
        assert_eq!(replacements_left(&license, &[moved(1, 3)]), 1);
    }
}

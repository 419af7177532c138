//! What a bound license grants, as far as the gate is concerned.

use std::collections::BTreeSet;

use sealgate_camera::MacAddress;
use sealgate_license::entitlements::Entitlements;

/// How many cameras, and which.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Rights {
    /// Camera places.
    pub places: u32,
    /// Where the license names its cameras: these and no others.
    pub only: Option<BTreeSet<MacAddress>>,
}

impl Rights {
    /// Reads a license's entitlements. A list of MAC addresses names the cameras that the
    /// camera channels are for; it grants no channels of its own.
    pub fn of(entitlements: &Entitlements) -> Self {
        let listed: BTreeSet<MacAddress> = entitlements
            .mac_list
            .iter()
            // A listed address is unicast and not zero, so none is left out here.
            .filter_map(|listed| MacAddress::from_octets(listed.octets()).ok())
            .collect();
        Self {
            places: entitlements.camera_channels(),
            only: (!entitlements.mac_list.is_empty()).then_some(listed),
        }
    }

    /// Whether this camera can hold a place at all.
    pub fn eligible(&self, mac: MacAddress) -> bool {
        self.only.as_ref().is_none_or(|only| only.contains(&mac))
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn reads_what_a_license_grants() {
        assert_eq!(
            Rights::of(&Entitlements::cameras(3)),
            Rights {
                places: 3,
                only: None
            }
        );
        assert_eq!(Rights::of(&Entitlements::default()).places, 0);
        let mut listed = Entitlements::cameras(2);
        listed.mac_list = vec!["00-11-22-33-44-55".parse().unwrap()];
        let rights = Rights::of(&listed);
        assert!(rights.eligible("00:11:22:33:44:55".parse().unwrap()));
        assert!(!rights.eligible("00:11:22:33:44:56".parse().unwrap()));
    }
}

//! Whose brand a camera is. Pure.

use serde::{Deserialize, Serialize};

use crate::MacAddress;

/// What a camera's brand is judged by.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct BrandEvidence {
    /// To whom the IEEE gave the MAC address's first 24 to 36 bits.
    pub oui_manufacturer: Option<String>,
    /// Who made it, as the camera says over ONVIF.
    pub onvif_manufacturer: Option<String>,
}

/// Whose channels a camera uses.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Brand {
    /// The vendor's own: holds a camera channel, or an other-brand channel that was bought.
    Own,
    /// Anybody else's: holds an other-brand channel, the free ones first.
    Other,
}

/// Which cameras are the vendor's own. Empty: none is.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct OwnBrand {
    /// The first three octets of MAC addresses that the vendor's cameras have.
    #[serde(default)]
    pub ouis: Vec<[u8; 3]>,
    /// Names of the vendor as a manufacturer, as the camera says them.
    #[serde(default)]
    pub names: Vec<String>,
}

impl OwnBrand {
    /// The MAC address decides: it is what the license counts, and what the kernel sees. A
    /// name alone, which any camera can give itself, makes no camera the vendor's own,
    /// unless its address is administered locally (IEEE 802-2014, 8.4), as those of virtual
    /// cameras are, and tells nothing; and where the vendor has no addresses of its own,
    /// the name is all there is.
    pub fn of(&self, mac: MacAddress, evidence: &BrandEvidence) -> Brand {
        let octets = mac.octets();
        if self.ouis.iter().any(|oui| octets[..3] == *oui) {
            return Brand::Own;
        }
        let tells_nothing = octets[0] & 2 == 2 || self.ouis.is_empty();
        let named = evidence
            .onvif_manufacturer
            .as_deref()
            .is_some_and(|told| self.names.iter().any(|name| is_same(name, told)));
        if tells_nothing && named {
            Brand::Own
        } else {
            Brand::Other
        }
    }
}

fn is_same(name: &str, told: &str) -> bool {
    let plain = |text: &str| text.trim().to_lowercase();
    !name.trim().is_empty() && plain(name) == plain(told)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn the_address_decides() {
        let both = OwnBrand {
            ouis: vec![[0x00, 0x11, 0x22]],
            names: vec!["Acme".into()],
        };
        let by_name = OwnBrand {
            ouis: vec![],
            ..both.clone()
        };
        let check = |own: &OwnBrand, mac: &str, told: Option<&str>, expected: Brand| {
            let evidence = BrandEvidence {
                oui_manufacturer: None,
                onvif_manufacturer: told.map(str::to_owned),
            };
            assert_eq!(
                own.of(mac.parse().unwrap(), &evidence),
                expected,
                "{mac} {told:?}"
            );
        };
        check(&both, "00:11:22:00:00:01", None, Brand::Own);
        check(&both, "00:11:22:00:00:01", Some("Other"), Brand::Own);
        check(&both, "00:11:23:00:00:01", None, Brand::Other);
        check(&both, "00:11:23:00:00:01", Some("Acme"), Brand::Other);
        check(&both, "02:11:23:00:00:01", Some(" ACME "), Brand::Own);
        check(&both, "02:11:23:00:00:01", Some("Acme Ltd"), Brand::Other);
        check(&by_name, "00:11:23:00:00:01", Some("acme"), Brand::Own);
        check(
            &OwnBrand::default(),
            "02:11:23:00:00:01",
            Some(""),
            Brand::Other,
        );
    }
}

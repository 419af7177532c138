//! Who may stream, and how that is written into the sets.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;
use std::net::Ipv4Addr;

use sealgate_camera::MacAddress;
use serde::{Deserialize, Serialize};

use crate::KernelGateError;
use crate::ruleset::SET_SIZE;

/// One camera that may stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Admission {
    /// The MAC address that its frames carry.
    pub mac: MacAddress,
    /// The address that its packets come from.
    pub ip: Ipv4Addr,
    /// TCP port of its RTSP server, which the recorder may connect to.
    pub port: u16,
}

/// One MAC address at one IP address, and room for all.
pub(crate) fn checked(admissions: &[Admission]) -> Result<BTreeSet<Admission>, KernelGateError> {
    let mut by_mac = BTreeMap::new();
    let mut by_ip = BTreeMap::new();
    for Admission { mac, ip, .. } in admissions {
        if by_mac.insert(*mac, *ip).is_some_and(|known| known != *ip)
            || by_ip.insert(*ip, *mac).is_some_and(|known| known != *mac)
        {
            return Err(KernelGateError::Ambiguous { mac: *mac, ip: *ip });
        }
    }
    let wanted: BTreeSet<Admission> = admissions.iter().copied().collect();
    if wanted.len() > SET_SIZE {
        return Err(KernelGateError::TooMany {
            count: wanted.len(),
            limit: SET_SIZE,
        });
    }
    Ok(wanted)
}

/// The elements of each set for a list of admissions, as written in a transaction.
#[derive(Default)]
pub(crate) struct Elements {
    bindings: BTreeSet<String>,
    addresses: BTreeSet<String>,
    rtsp: BTreeSet<String>,
}

impl Elements {
    pub fn of(admissions: &BTreeSet<Admission>) -> Self {
        Self {
            bindings: admissions
                .iter()
                .map(|a| format!("{} . {}", a.mac, a.ip))
                .collect(),
            addresses: admissions.iter().map(|a| a.ip.to_string()).collect(),
            rtsp: admissions
                .iter()
                .map(|a| format!("{} . {}", a.ip, a.port))
                .collect(),
        }
    }

    /// Family, set, and what is to be in it.
    pub fn by_set(&self) -> [((&'static str, &'static str), &BTreeSet<String>); 6] {
        [
            (("netdev", "admitted"), &self.bindings),
            (("netdev", "admitted_arp"), &self.bindings),
            (("netdev", "admitted_ip"), &self.addresses),
            (("inet", "admitted"), &self.bindings),
            (("inet", "admitted_ip"), &self.addresses),
            (("inet", "admitted_rtsp"), &self.rtsp),
        ]
    }
}

/// Adds one line to a transaction, if there is something to say.
pub(crate) fn change<'a>(
    text: &mut String,
    verb: &str,
    (family, set): (&str, &str),
    elements: impl Iterator<Item = &'a String>,
) {
    let elements: Vec<&str> = elements.map(String::as_str).collect();
    if !elements.is_empty() {
        let _ = writeln!(
            text,
            "{verb} element {family} sealgate {set} {{ {} }}",
            elements.join(", ")
        );
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
pub(crate) mod tests {
    use super::*;

    pub fn admission(mac: u8, ip: u8) -> Admission {
        Admission {
            mac: MacAddress::from_octets([2, 0, 0, 0, 0, mac]).unwrap(),
            ip: Ipv4Addr::new(192, 0, 2, ip),
            port: 554,
        }
    }

    #[test]
    fn one_mac_is_at_one_ip() {
        assert!(checked(&[admission(1, 1), admission(1, 1), admission(2, 2)]).is_ok());
        for pair in [
            [admission(1, 1), admission(1, 2)],
            [admission(1, 1), admission(2, 1)],
        ] {
            assert!(matches!(
                checked(&pair),
                Err(KernelGateError::Ambiguous { .. })
            ));
        }
    }
}

//! Permanent neighbour entries: what the box sends to an admitted camera's address goes to
//! that camera, whoever else claims the address.

use std::collections::{BTreeMap, BTreeSet};
use std::net::Ipv4Addr;

use rtnetlink::packet_route::AddressFamily;
use rtnetlink::packet_route::neighbour::{
    NeighbourAddress, NeighbourAttribute, NeighbourMessage, NeighbourState as Nud,
};
use sealgate_camera::MacAddress;

use crate::links::Link;

/// An admitted camera's place.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Pin {
    /// The camera port.
    pub interface: String,
    /// Its address.
    pub ip: Ipv4Addr,
    /// Its MAC address.
    pub mac: MacAddress,
}

/// The permanent entries that are to be set and to be removed, by interface index.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Difference {
    pub set: Vec<(u32, Ipv4Addr, MacAddress)>,
    pub remove: Vec<(u32, Ipv4Addr)>,
}

/// What is missing and what is too many. On a camera port every permanent entry is ours:
/// also those that an earlier run left. A port without an ear gets none, as nothing would
/// tell of a second claimant there.
pub(crate) fn difference(
    wanted: &BTreeSet<Pin>,
    present: &BTreeSet<(u32, Ipv4Addr, MacAddress)>,
    links: &BTreeMap<String, Link>,
    has_ear: impl Fn(&str) -> bool,
) -> Difference {
    let wanted: BTreeMap<(u32, Ipv4Addr), MacAddress> = wanted
        .iter()
        .filter(|pin| has_ear(&pin.interface))
        .filter_map(|pin| {
            let link = links.get(&pin.interface)?;
            link.is_on_link(pin.ip)
                .then_some(((link.index, pin.ip), pin.mac))
        })
        .collect();
    let is_camera_port = |index: u32| links.values().any(|link| link.index == index);
    let set = wanted
        .iter()
        .filter(|((index, ip), mac)| !present.contains(&(*index, *ip, **mac)))
        .map(|((index, ip), mac)| (*index, *ip, *mac))
        .collect();
    let remove = present
        .iter()
        .filter(|(index, ip, _)| is_camera_port(*index) && !wanted.contains_key(&(*index, *ip)))
        .map(|(index, ip, _)| (*index, *ip))
        .collect();
    Difference { set, remove }
}

/// Carries it out as far as it goes; the first error is returned. Needs CAP_NET_ADMIN.
pub(crate) async fn carry_out(
    handle: &rtnetlink::Handle,
    difference: &Difference,
) -> Result<(), rtnetlink::Error> {
    let mut outcome = Ok(());
    for (index, ip) in &difference.remove {
        let mut message = NeighbourMessage::default();
        message.header.family = AddressFamily::Inet;
        message.header.ifindex = *index;
        let destination = NeighbourAddress::Inet(*ip);
        message
            .attributes
            .push(NeighbourAttribute::Destination(destination));
        let removed = handle.neighbours().del(message).execute().await;
        outcome = outcome.and(removed);
    }
    for (index, ip, mac) in &difference.set {
        let set = handle
            .neighbours()
            .add(*index, (*ip).into())
            .link_layer_address(&mac.octets())
            .state(Nud::Permanent)
            .replace();
        outcome = outcome.and(set.execute().await);
    }
    outcome
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn mac(n: u8) -> MacAddress {
        MacAddress::from_octets([2, 0, 0, 0, 0, n]).unwrap()
    }

    fn ip(n: u8) -> Ipv4Addr {
        Ipv4Addr::new(192, 168, 77, n)
    }

    fn pin(n: u8, interface: &str) -> Pin {
        Pin {
            interface: interface.into(),
            ip: ip(n),
            mac: mac(n),
        }
    }

    #[test]
    fn only_what_differs_is_touched() {
        let link = |index| Link {
            index,
            addresses: vec![(ip(1), 24)],
        };
        let links = BTreeMap::from([("cam0".to_owned(), link(2)), ("cam1".to_owned(), link(3))]);
        let wanted = BTreeSet::from([
            pin(11, "cam0"),
            pin(12, "cam0"),
            pin(13, "cam0"),
            pin(14, "cam1"),
            pin(15, "cam9"),
        ]);
        let present = BTreeSet::from([
            (2, ip(11), mac(11)), // right
            (2, ip(12), mac(99)), // another MAC
            (2, ip(20), mac(20)), // no longer wanted
            (7, ip(21), mac(21)), // not a camera port: not ours
            (3, ip(14), mac(14)), // a port that became deaf
        ]);
        let found = difference(&wanted, &present, &links, |port| port == "cam0");
        assert_eq!(
            found,
            Difference {
                set: vec![(2, ip(12), mac(12)), (2, ip(13), mac(13))],
                remove: vec![(2, ip(20)), (3, ip(14))],
            }
        );
        let none = difference(&BTreeSet::new(), &BTreeSet::new(), &links, |_| true);
        assert_eq!(none, Difference::default());
    }
}

//! The kernel's network tables, through rtnetlink(7).

use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, Ipv4Addr};
use std::time::Duration;

use futures::TryStreamExt;
use rtnetlink::packet_route::AddressFamily;
use rtnetlink::packet_route::address::AddressAttribute;
use rtnetlink::packet_route::link::LinkAttribute;
use rtnetlink::packet_route::neighbour::{
    NeighbourAddress, NeighbourAttribute, NeighbourMessage, NeighbourState as Nud,
};
use sealgate_camera::MacAddress;

use crate::tracker::{Neighbour, NeighbourState};

/// `USER_HZ`: the unit of times in NDA_CACHEINFO, on every architecture we build for.
const TICK: Duration = Duration::from_millis(10);
/// The kernel gives a new entry a confirmation twice the reachable time, 30 s, ago
/// (`neigh_alloc`); one that was confirmed is stale after 45 s at most.
const NEVER_CONFIRMED: Duration = Duration::from_secs(55);

/// An interface that exists now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Link {
    pub index: u32,
    /// The box's own IPv4 addresses on it, with their prefix lengths.
    pub addresses: Vec<(Ipv4Addr, u8)>,
}

impl Link {
    /// The box's own address in the same network as another one.
    pub fn own(&self, ip: Ipv4Addr) -> Option<Ipv4Addr> {
        let same = |(address, prefix): &&(Ipv4Addr, u8)| {
            let mask = u32::MAX.checked_shl(32 - u32::from(*prefix)).unwrap_or(0);
            u32::from(*address) & mask == u32::from(ip) & mask
        };
        self.addresses.iter().find(same).map(|(own, _)| *own)
    }

    /// Whether the address is on this cable and not the box's own.
    pub fn is_on_link(&self, ip: Ipv4Addr) -> bool {
        let own = self.addresses.iter().any(|(address, _)| *address == ip);
        !own && self.own(ip).is_some()
    }
}

/// The interfaces of these names, by name; one that does not exist is left out.
pub(crate) async fn links(
    handle: &rtnetlink::Handle,
    names: &[String],
) -> Result<BTreeMap<String, Link>, rtnetlink::Error> {
    let mut links = BTreeMap::new();
    let mut found = handle.link().get().execute();
    while let Some(message) = found.try_next().await? {
        let name = message.attributes.into_iter().find_map(|attribute| {
            let LinkAttribute::IfName(name) = attribute else {
                return None;
            };
            names.contains(&name).then_some(name)
        });
        if let Some(name) = name {
            let link = Link {
                index: message.header.index,
                addresses: Vec::new(),
            };
            links.insert(name, link);
        }
    }
    let mut found = handle.address().get().execute();
    while let Some(message) = found.try_next().await? {
        let Some(link) = links
            .values_mut()
            .find(|link| link.index == message.header.index)
        else {
            continue;
        };
        // IFA_LOCAL is the own address also where IFA_ADDRESS is a peer's.
        for attribute in message.attributes {
            if let AddressAttribute::Local(IpAddr::V4(ip)) = attribute {
                link.addresses.push((ip, message.header.prefix_len));
            }
        }
    }
    Ok(links)
}

/// The kernel's table of IPv4 neighbours.
#[derive(Debug, Default)]
pub(crate) struct NeighbourTable {
    /// What it learned, by interface index.
    pub learned: BTreeMap<u32, Vec<Neighbour>>,
    /// What was set by hand: interface index, address and MAC address.
    pub permanent: BTreeSet<(u32, Ipv4Addr, MacAddress)>,
}

/// Reads the whole table.
pub(crate) async fn neighbours(
    handle: &rtnetlink::Handle,
) -> Result<NeighbourTable, rtnetlink::Error> {
    let mut table = NeighbourTable::default();
    let mut found = handle
        .neighbours()
        .get()
        .set_address_family(AddressFamily::Inet)
        .execute();
    while let Some(message) = found.try_next().await? {
        let index = message.header.ifindex;
        if let Some(neighbour) = neighbour(&message) {
            table.learned.entry(index).or_default().push(neighbour);
        }
        if message.header.state == Nud::Permanent
            && let Attributes {
                ip: Some(ip),
                mac: Some(mac),
                ..
            } = attributes(&message)
        {
            table.permanent.insert((index, ip, mac));
        }
    }
    Ok(table)
}

/// What a table entry, or a change of one, says about a neighbour. A permanent entry says
/// nothing: it was set by hand, and the kernel never asks its address.
pub(crate) fn neighbour(message: &NeighbourMessage) -> Option<Neighbour> {
    if message.header.family != AddressFamily::Inet {
        return None;
    }
    let Attributes {
        ip,
        mac,
        confirmed_ago,
        updated_ago,
    } = attributes(message);
    let known = |confirmed_ago| mac.map(|mac| NeighbourState::Known { mac, confirmed_ago });
    let state = match message.header.state {
        // What the kernel does by itself, such as asking again, updates an entry too: that
        // is no sign of life.
        Nud::Reachable | Nud::Delay | Nud::Probe => known(confirmed_ago),
        // Made by what the neighbour sent by itself, and never confirmed.
        Nud::Stale if confirmed_ago.saturating_sub(updated_ago) >= NEVER_CONFIRMED => {
            known(updated_ago)
        }
        Nud::Stale => known(confirmed_ago),
        Nud::Failed => Some(NeighbourState::Failed),
        _ => None,
    };
    Some(Neighbour {
        ip: ip?,
        state: state?,
    })
}

#[derive(Debug, Default)]
struct Attributes {
    ip: Option<Ipv4Addr>,
    mac: Option<MacAddress>,
    confirmed_ago: Duration,
    updated_ago: Duration,
}

fn attributes(message: &NeighbourMessage) -> Attributes {
    let mut found = Attributes::default();
    for attribute in &message.attributes {
        match attribute {
            NeighbourAttribute::Destination(NeighbourAddress::Inet(address)) => {
                let is_host =
                    !(address.is_multicast() || address.is_broadcast() || address.is_unspecified());
                found.ip = Some(*address).filter(|_| is_host);
            }
            NeighbourAttribute::LinkLayerAddress(octets) => {
                found.mac = octets
                    .as_slice()
                    .try_into()
                    .ok()
                    .and_then(|octets| MacAddress::from_octets(octets).ok());
            }
            NeighbourAttribute::CacheInfo(info) => {
                found.confirmed_ago = TICK * info.confirmed;
                found.updated_ago = TICK * info.updated;
            }
            _ => {}
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn knows_what_is_on_the_cable() {
        let link = Link {
            index: 2,
            addresses: vec![
                (Ipv4Addr::new(192, 168, 77, 1), 24),
                (Ipv4Addr::new(10, 0, 0, 1), 32),
            ],
        };
        let check = |ip: [u8; 4], expected: bool| {
            assert_eq!(link.is_on_link(ip.into()), expected, "{ip:?}");
        };
        check([192, 168, 77, 11], true);
        check([192, 168, 77, 1], false);
        check([192, 168, 78, 11], false);
        check([10, 0, 0, 2], false);
        let everything = Link {
            index: 2,
            addresses: vec![(Ipv4Addr::new(10, 0, 0, 1), 0)],
        };
        assert!(everything.is_on_link(Ipv4Addr::new(8, 8, 8, 8)));
    }
}

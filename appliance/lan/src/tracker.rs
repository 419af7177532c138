//! Puts together what the kernel and the cameras say. Pure: time and news are arguments.

use std::collections::BTreeMap;
use std::net::Ipv4Addr;
use std::time::Duration;

use sealgate_camera::MacAddress;
use url::Url;

use crate::bounded_soap::{at_host, ipv4_host};
use crate::{Announcement, Conflict, ConflictKind, DeviceInformation, Sighting};

/// Of each kind; a flood of made-up devices beyond this is not listed.
const MAX_TRACKED: usize = 1024;
/// How long after its last sign of life a device still has a claim to its addresses.
const CLAIM: Duration = Duration::from_secs(120);
/// GetDeviceInformation is asked again after this, doubled for each time it failed.
const ASK_AGAIN: Duration = Duration::from_secs(60);
/// The longest wait between two.
const ASK_AGAIN_AT_MOST: Duration = Duration::from_secs(3600);

/// A moment on both clocks.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Now {
    /// Since some moment before; never goes back.
    pub monotonic: Duration,
    /// Milliseconds of UTC since 1970.
    pub utc_ms: i64,
}

/// One entry of the kernel's neighbour table (RFC 826; neighbour states: rtnetlink(7)).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Neighbour {
    pub ip: Ipv4Addr,
    pub state: NeighbourState,
}

/// What the kernel knows about a neighbour.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum NeighbourState {
    /// It has this MAC address, and gave a sign of life so long ago.
    Known {
        mac: MacAddress,
        confirmed_ago: Duration,
    },
    /// It was asked for and did not answer.
    Failed,
}

/// A MAC address at an IP address on a port.
#[derive(Debug)]
struct Binding {
    first_seen: Duration,
    last_seen: Duration,
    last_seen_utc_ms: i64,
    /// The kernel asked and got no answer since.
    silent: bool,
}

/// What the device at an address says about itself.
#[derive(Debug, Default)]
struct Words {
    announcement: Announcement,
    xaddr: Option<String>,
    information: DeviceInformation,
    heard: Duration,
    asked: u32,
    ask_next: Duration,
}

/// A device that announced an address off this cable.
#[derive(Debug)]
struct Remote {
    ip: Ipv4Addr,
    announcement: Announcement,
    heard: Duration,
    heard_utc_ms: i64,
}

/// All that is known, by port.
#[derive(Debug)]
pub(crate) struct Tracker {
    forget_after: Duration,
    bindings: BTreeMap<(String, Ipv4Addr, MacAddress), Binding>,
    words: BTreeMap<(String, Ipv4Addr), Words>,
    remotes: BTreeMap<(String, String), Remote>,
}

impl Tracker {
    pub fn new(forget_after: Duration) -> Self {
        Self {
            forget_after,
            bindings: BTreeMap::new(),
            words: BTreeMap::new(),
            remotes: BTreeMap::new(),
        }
    }

    /// Takes in the neighbour table of one port.
    pub fn neighbours(&mut self, now: Now, interface: &str, neighbours: &[Neighbour]) {
        for neighbour in neighbours {
            let (mac, confirmed_ago) = match neighbour.state {
                NeighbourState::Known { mac, confirmed_ago } => (mac, confirmed_ago),
                NeighbourState::Failed => {
                    self.at(interface, neighbour.ip)
                        .for_each(|binding| binding.silent = true);
                    continue;
                }
            };
            let seen = now.monotonic.saturating_sub(confirmed_ago);
            let seen_utc_ms = now.utc_ms.saturating_sub(millis(confirmed_ago));
            let key = (interface.to_owned(), neighbour.ip, mac);
            let room = self.bindings.len() < MAX_TRACKED;
            match self.bindings.get_mut(&key) {
                Some(binding) if seen > binding.last_seen => {
                    binding.last_seen = seen;
                    binding.last_seen_utc_ms = seen_utc_ms;
                    binding.silent = false;
                }
                // The kernel keeps a stale entry for ever: only news counts.
                Some(_) => {}
                // What the kernel remembers from before is told by the next answer.
                None if room && confirmed_ago < self.forget_after => {
                    let binding = Binding {
                        first_seen: now.monotonic,
                        last_seen: seen,
                        last_seen_utc_ms: seen_utc_ms,
                        silent: false,
                    };
                    self.bindings.insert(key, binding);
                }
                None => {}
            }
        }
        self.forget(now);
    }

    /// Takes in an answer to a probe, or a Hello. Returns whether the device at `from` is
    /// to be asked for itself, so that the kernel learns its MAC address.
    pub fn announced(
        &mut self,
        now: Now,
        interface: &str,
        from: Ipv4Addr,
        is_on_link: impl Fn(Ipv4Addr) -> bool,
        announcement: Announcement,
    ) -> bool {
        let hosts: Vec<(Ipv4Addr, &str)> = announcement
            .xaddrs
            .iter()
            .filter_map(|xaddr| {
                let url = Url::parse(xaddr).ok()?;
                Some((ipv4_host(&url)?, xaddr.as_str()))
            })
            .collect();
        let own = hosts.iter().find(|(host, _)| *host == from);
        let remote = hosts.iter().find(|(host, _)| !is_on_link(*host));
        if !is_on_link(from) || (own.is_none() && remote.is_some()) {
            let ip = remote.map_or(from, |(host, _)| *host);
            let key = (interface.to_owned(), announcement.endpoint.clone());
            if self.remotes.len() < MAX_TRACKED || self.remotes.contains_key(&key) {
                let remote = Remote {
                    ip,
                    announcement,
                    heard: now.monotonic,
                    heard_utc_ms: now.utc_ms,
                };
                self.remotes.insert(key, remote);
            }
            return false;
        }
        // Without an address of its own in it, the first one's port and path are tried.
        let xaddr = own
            .or(hosts.first())
            .and_then(|(_, xaddr)| at_host(xaddr, from))
            .map(String::from);
        let key = (interface.to_owned(), from);
        if self.words.len() == MAX_TRACKED && !self.words.contains_key(&key) {
            return false;
        }
        let words = self.words.entry(key).or_default();
        if words.announcement.endpoint != announcement.endpoint {
            // Another device at this address: what the last one told does not hold.
            *words = Words::default();
        }
        words.announcement = announcement;
        words.xaddr = xaddr;
        words.heard = now.monotonic;
        !self
            .bindings
            .range((interface.to_owned(), from, lowest())..)
            .take_while(|((port, ip, _), _)| port == interface && *ip == from)
            .any(|(_, binding)| !binding.silent)
    }

    /// The addresses to send a datagram to, so that the kernel confirms or drops them.
    pub fn addresses(&self, interface: &str) -> Vec<Ipv4Addr> {
        let mut addresses: Vec<Ipv4Addr> = self
            .bindings
            .keys()
            .map(|(port, ip, _)| (port, *ip))
            .chain(self.words.keys().map(|(port, ip)| (port, *ip)))
            .filter(|(port, _)| *port == interface)
            .map(|(_, ip)| ip)
            .collect();
        addresses.sort_unstable();
        addresses.dedup();
        addresses
    }

    /// Devices whose serial number is not known yet and that may be asked again now.
    pub fn take_due(&mut self, now: Now, most: usize) -> Vec<(String, Ipv4Addr, String)> {
        let mut asks = Vec::new();
        for ((interface, ip), words) in &mut self.words {
            let Some(xaddr) = &words.xaddr else { continue };
            let due = words.asked == 0 || words.ask_next <= now.monotonic;
            if words.information.serial.is_none() && due && asks.len() < most {
                let wait = ASK_AGAIN * 2_u32.pow(words.asked.min(6));
                words.asked += 1;
                words.ask_next = now.monotonic + wait.min(ASK_AGAIN_AT_MOST);
                asks.push((interface.clone(), *ip, xaddr.clone()));
            }
        }
        asks
    }

    /// Takes in a device's answer.
    pub fn informed(&mut self, interface: &str, ip: Ipv4Addr, information: DeviceInformation) {
        if let Some(words) = self.words.get_mut(&(interface.to_owned(), ip)) {
            words.information = information;
        }
    }

    /// Everything seen lately, by port, address and MAC address.
    pub fn sightings(&mut self, now: Now) -> Vec<Sighting> {
        self.forget(now);
        let resolved = self.bindings.iter().map(|((interface, ip, mac), binding)| {
            let words = self.words.get(&(interface.clone(), *ip));
            let mut sighting = Sighting {
                interface: interface.clone(),
                mac: Some(*mac),
                ip: *ip,
                name: None,
                manufacturer: None,
                model: None,
                serial: None,
                xaddr: None,
                last_seen_utc_ms: binding.last_seen_utc_ms,
                conflict: self.conflict(now, interface, *ip, *mac, binding),
            };
            if let Some(words) = words {
                let scopes = words.announcement.scopes.clone();
                let told = words.information.clone();
                sighting.name = scopes.name;
                sighting.manufacturer = told.manufacturer.or(scopes.manufacturer);
                sighting.model = told.model.or(scopes.hardware);
                sighting.serial = told.serial;
                sighting.xaddr.clone_from(&words.xaddr);
            }
            sighting
        });
        let remote = self.remotes.iter().map(|((interface, _), remote)| {
            let scopes = remote.announcement.scopes.clone();
            Sighting {
                interface: interface.clone(),
                mac: None,
                ip: remote.ip,
                name: scopes.name,
                manufacturer: scopes.manufacturer,
                model: scopes.hardware,
                serial: None,
                xaddr: None,
                last_seen_utc_ms: remote.heard_utc_ms,
                conflict: None,
            }
        });
        resolved.chain(remote).collect()
    }

    /// Whether another device with a claim has the same MAC or IP address.
    fn conflict(
        &self,
        now: Now,
        interface: &str,
        ip: Ipv4Addr,
        mac: MacAddress,
        binding: &Binding,
    ) -> Option<Conflict> {
        let claims = |other: &Binding| !other.silent && now.monotonic <= other.last_seen + CLAIM;
        if !claims(binding) {
            return None;
        }
        let mut conflict: Option<Conflict> = None;
        for ((other_port, other_ip, other_mac), other) in &self.bindings {
            let kind = match (
                *other_mac == mac,
                *other_ip == ip && other_port == interface,
            ) {
                (true, true) | (false, false) => continue,
                (false, true) => ConflictKind::SharedIp,
                (true, false) => ConflictKind::SharedMac,
            };
            if claims(other) {
                // Of two that appeared in the same look at the table, neither was first.
                let first = binding.first_seen < other.first_seen;
                let incumbent = conflict.is_none_or(|known| known.incumbent) && first;
                conflict = Some(Conflict { kind, incumbent });
            }
        }
        conflict
    }

    fn at(&mut self, interface: &str, ip: Ipv4Addr) -> impl Iterator<Item = &mut Binding> {
        self.bindings
            .range_mut((interface.to_owned(), ip, lowest())..)
            .take_while(move |((port, at, _), _)| port == interface && *at == ip)
            .map(|(_, binding)| binding)
    }

    fn forget(&mut self, now: Now) {
        let recent = |last: Duration| now.monotonic < last + self.forget_after;
        self.bindings.retain(|_, binding| recent(binding.last_seen));
        self.words.retain(|_, words| recent(words.heard));
        self.remotes.retain(|_, remote| recent(remote.heard));
    }
}

/// Where the MAC addresses of one IP address begin in the map.
fn lowest() -> MacAddress {
    MacAddress::from_octets([0, 0, 0, 0, 0, 1]).expect("00:00:00:00:00:01 is unicast and not zero")
}

fn millis(duration: Duration) -> i64 {
    i64::try_from(duration.as_millis()).unwrap_or(i64::MAX)
}

#[cfg(test)]
#[path = "tracker_tests.rs"]
mod tests;

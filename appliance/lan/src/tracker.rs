//! Puts together what the kernel and the cameras say. Pure: time and news are arguments.

use std::collections::{BTreeMap, BTreeSet};
use std::net::Ipv4Addr;
use std::time::Duration;

use sealgate_camera::MacAddress;
use url::Url;

use crate::bounded_soap::{at_host, ipv4_host};
use crate::doubt::{Claim, doubt};
use crate::onvif::Identity;
use crate::{
    Announcement, Credentials, DeviceInformation, Enrolment, Evidence, OuiTables, Pin, Sighting,
};

/// Of each kind; a flood of made-up devices beyond this is not listed.
const MAX_TRACKED: usize = 1024;
/// How long after its last sign of life a device still has a claim to its addresses.
const CLAIM: Duration = Duration::from_secs(120);
/// GetDeviceInformation is asked again after this, doubled for each time it failed.
const ASK_AGAIN: Duration = Duration::from_secs(60);
/// The longest wait between two.
const ASK_AGAIN_AT_MOST: Duration = Duration::from_secs(3600);
/// How often an enrolled camera shows its serial number again.
const CHECK_AGAIN: Duration = Duration::from_secs(300);
/// A pinned address is asked for after this without a sign of life.
const QUIET: Duration = Duration::from_secs(10);
/// Between two questions for one address.
const ARP_AGAIN: Duration = Duration::from_secs(1);
/// So many unanswered questions make an address silent.
const ARP_TRIES: u32 = 3;

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
type Place = (String, Ipv4Addr, MacAddress);

#[derive(Debug)]
struct Binding {
    first_seen: Duration,
    first_seen_utc_ms: i64,
    last_seen: Duration,
    last_seen_utc_ms: i64,
    /// It was asked for and did not answer since.
    silent: bool,
    evidence: Evidence,
    /// ARP questions since it was last seen, and when the last one was.
    arp_asked: u32,
    arp_last: Duration,
}

/// What the device at an address says about itself.
#[derive(Debug, Default)]
struct Words {
    announcement: Announcement,
    xaddr: Option<String>,
    information: DeviceInformation,
    told_macs: Vec<MacAddress>,
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

/// A device to ask what it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Due {
    pub interface: String,
    pub ip: Ipv4Addr,
    pub xaddr: String,
    pub credentials: Option<Credentials>,
}

/// All that is known, by port.
#[derive(Debug)]
pub(crate) struct Tracker {
    forget_after: Duration,
    bindings: BTreeMap<Place, Binding>,
    words: BTreeMap<(String, Ipv4Addr), Words>,
    remotes: BTreeMap<(String, String), Remote>,
    enrolled: BTreeMap<MacAddress, Enrolment>,
    pinned: BTreeSet<Pin>,
    newcomers: BTreeSet<(String, Ipv4Addr)>,
    oui: OuiTables,
}

impl Tracker {
    pub fn new(forget_after: Duration) -> Self {
        Self {
            forget_after,
            bindings: BTreeMap::new(),
            words: BTreeMap::new(),
            remotes: BTreeMap::new(),
            enrolled: BTreeMap::new(),
            pinned: BTreeSet::new(),
            newcomers: BTreeSet::new(),
            oui: OuiTables::default(),
        }
    }

    /// The cameras with a channel, all of them.
    pub fn enrol(&mut self, enrolled: Vec<Enrolment>) {
        self.enrolled = enrolled
            .into_iter()
            .map(|camera| (camera.mac, camera))
            .collect();
    }

    /// The tables by which makers are named.
    pub fn oui(&mut self, tables: OuiTables) {
        self.oui = tables;
    }

    /// The permanent entries that the kernel holds, all of them.
    pub fn pinned(&mut self, pinned: BTreeSet<Pin>) {
        self.pinned = pinned;
    }

    /// Takes in entries of the neighbour table of one port.
    pub fn neighbours(&mut self, now: Now, interface: &str, neighbours: &[Neighbour]) {
        for neighbour in neighbours {
            match neighbour.state {
                NeighbourState::Known { mac, confirmed_ago } => {
                    let place = (interface.to_owned(), neighbour.ip, mac);
                    self.seen(now, place, confirmed_ago, Evidence::NeighbourTable);
                }
                NeighbourState::Failed => self
                    .at(interface, neighbour.ip)
                    .for_each(|binding| binding.silent = true),
            }
        }
        self.forget(now);
    }

    /// Takes in an ARP packet.
    pub fn claimed(&mut self, now: Now, interface: &str, ip: Ipv4Addr, mac: MacAddress) {
        let place = (interface.to_owned(), ip, mac);
        self.seen(now, place, Duration::ZERO, Evidence::Arp);
    }

    fn seen(&mut self, now: Now, place: Place, ago: Duration, evidence: Evidence) {
        let seen = now.monotonic.saturating_sub(ago);
        let seen_utc_ms = now.utc_ms.saturating_sub(millis(ago));
        let room = self.bindings.len() < MAX_TRACKED;
        let port = (place.0.clone(), place.1);
        match self.bindings.get_mut(&place) {
            Some(binding) if seen > binding.last_seen => {
                binding.last_seen = seen;
                binding.last_seen_utc_ms = seen_utc_ms;
                binding.arp_asked = 0;
                if std::mem::take(&mut binding.silent) {
                    // It was away: whoever is back shows again who it is.
                    binding.first_seen = now.monotonic;
                    binding.first_seen_utc_ms = now.utc_ms;
                    self.newcomer(now, port, place.2);
                }
            }
            // The kernel keeps a stale entry for ever: only news counts.
            Some(_) => {}
            // What the kernel remembers from before is told by the next answer.
            None if room && ago < self.forget_after => {
                let binding = Binding {
                    first_seen: now.monotonic,
                    first_seen_utc_ms: now.utc_ms,
                    last_seen: seen,
                    last_seen_utc_ms: seen_utc_ms,
                    silent: false,
                    evidence,
                    arp_asked: 0,
                    arp_last: Duration::ZERO,
                };
                self.bindings.insert(place.clone(), binding);
                self.newcomer(now, port, place.2);
            }
            None => {}
        }
    }

    /// Somebody is at an address where it was not before: it is to say who it is.
    fn newcomer(&mut self, now: Now, port: (String, Ipv4Addr), mac: MacAddress) {
        if self.newcomers.len() < MAX_TRACKED {
            self.newcomers.insert(port.clone());
        }
        if let Some(words) = self.words.get_mut(&port) {
            words.information = DeviceInformation::default();
            words.told_macs.clear();
            words.asked = 0;
            words.ask_next = now.monotonic;
            return;
        }
        // A camera that moved has its service where it had it, at its new address.
        let before = self
            .bindings
            .keys()
            .filter(|(interface, _, known)| *known == mac && *interface == port.0)
            .find_map(|(interface, ip, _)| self.words.get(&(interface.clone(), *ip)));
        let moved = before.and_then(|words| {
            Some(Words {
                announcement: words.announcement.clone(),
                xaddr: Some(at_host(words.xaddr.as_deref()?, port.1)?.into()),
                heard: now.monotonic,
                ..Words::default()
            })
        });
        if let Some(words) = moved.filter(|_| self.words.len() < MAX_TRACKED) {
            self.words.insert(port, words);
        }
    }

    /// The addresses at which somebody is new since this was last asked.
    pub fn take_newcomers(&mut self) -> BTreeSet<(String, Ipv4Addr)> {
        std::mem::take(&mut self.newcomers)
    }

    /// The addresses to ask for by ARP now, on ports where the answers are heard. Who did
    /// not answer three times, a second apart, is silent.
    pub fn take_arp_due(
        &mut self,
        now: Now,
        is_heard: impl Fn(&str) -> bool,
    ) -> BTreeSet<(String, Ipv4Addr)> {
        let contested: BTreeSet<Place> = self
            .bindings
            .iter()
            .filter(|(_, binding)| !binding.silent)
            .filter(|(place, _)| self.rivals(now, place).next().is_some())
            .map(|(place, _)| place.clone())
            .collect();
        let mut due = BTreeSet::new();
        for (place, binding) in &mut self.bindings {
            let pin = Pin {
                interface: place.0.clone(),
                ip: place.1,
                mac: place.2,
            };
            let quiet = now.monotonic.saturating_sub(binding.last_seen);
            let wanted = match (contested.contains(place), self.pinned.contains(&pin)) {
                (true, _) => quiet >= ARP_AGAIN,
                (false, true) => quiet >= QUIET,
                (false, false) => false,
            };
            let pause = if binding.silent { QUIET } else { ARP_AGAIN };
            if !wanted || !is_heard(&place.0) || now.monotonic < binding.arp_last + pause {
                continue;
            }
            if binding.arp_asked >= ARP_TRIES {
                binding.silent = true;
            }
            binding.arp_asked = binding.arp_asked.saturating_add(1);
            binding.arp_last = now.monotonic;
            due.insert((place.0.clone(), place.1));
        }
        due
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
        !self.at(interface, from).any(|binding| !binding.silent)
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

    /// Devices whose serial number is not known yet and that may be asked again now, and
    /// enrolled ones that have not shown it for some minutes.
    pub fn take_due(&mut self, now: Now, most: usize) -> Vec<Due> {
        self.serve_silent();
        let mut asks = Vec::new();
        for ((interface, ip), words) in &mut self.words {
            let Some(xaddr) = &words.xaddr else { continue };
            let enrolled = self
                .bindings
                .range(places(interface, *ip))
                .take_while(|((port, at, _), _)| port == interface && at == ip)
                .find_map(|((_, _, mac), _)| self.enrolled.get(mac));
            let due = words.asked == 0 || words.ask_next <= now.monotonic;
            let unknown = words.information.serial.is_none();
            if (unknown || enrolled.is_some()) && due && asks.len() < most {
                let wait = ASK_AGAIN * 2_u32.pow(words.asked.min(6));
                words.asked += 1;
                words.ask_next = now.monotonic + wait.min(ASK_AGAIN_AT_MOST);
                asks.push(Due {
                    interface: interface.clone(),
                    ip: *ip,
                    xaddr: xaddr.clone(),
                    credentials: enrolled.and_then(|camera| camera.credentials.clone()),
                });
            }
        }
        asks
    }

    /// Takes in a device's answer.
    pub fn informed(&mut self, now: Now, interface: &str, ip: Ipv4Addr, identity: Identity) {
        if let Some(words) = self.words.get_mut(&(interface.to_owned(), ip)) {
            words.information = identity.device;
            words.told_macs = identity
                .interfaces
                .into_iter()
                .filter_map(|interface| interface.mac)
                .collect();
            words.asked = 1;
            words.ask_next = now.monotonic + CHECK_AGAIN;
        }
    }

    /// Enrolled cameras that announce nothing have their service where it was found.
    fn serve_silent(&mut self) {
        for ((interface, ip, mac), binding) in &self.bindings {
            let Some(enrolled) = self.enrolled.get(mac) else {
                continue;
            };
            let key = (interface.clone(), *ip);
            let silent = |words: &Words| words.announcement == Announcement::default();
            let known = self.words.get(&key);
            if binding.silent || !known.map_or(enrolled.service.is_some(), silent) {
                continue;
            }
            if known.is_none() && self.words.len() == MAX_TRACKED {
                continue;
            }
            let service = enrolled.service.as_deref();
            let xaddr = service.and_then(|service| at_host(service, *ip));
            let words = self.words.entry(key).or_default();
            words.xaddr = xaddr.map(String::from);
            words.heard = words.heard.max(binding.last_seen);
        }
    }

    /// Everything seen lately, by port, address and MAC address.
    pub fn sightings(&mut self, now: Now) -> Vec<Sighting> {
        self.serve_silent();
        self.forget(now);
        let resolved = self.bindings.iter().map(|(place, binding)| {
            let (interface, ip, mac) = place;
            let words = self.words.get(&(interface.clone(), *ip));
            let mut sighting = Sighting {
                interface: interface.clone(),
                mac: Some(*mac),
                ip: *ip,
                name: None,
                manufacturer: None,
                model: None,
                serial: None,
                firmware: None,
                told_macs: Vec::new(),
                xaddr: None,
                last_seen_utc_ms: binding.last_seen_utc_ms,
                oui_manufacturer: self.oui.manufacturer(*mac).map(str::to_owned),
                pinned: self.pinned.contains(&Pin {
                    interface: interface.clone(),
                    ip: *ip,
                    mac: *mac,
                }),
                conflict: None,
            };
            if let Some(words) = words {
                let scopes = words.announcement.scopes.clone();
                let told = words.information.clone();
                sighting.name = scopes.name;
                sighting.manufacturer = told.manufacturer.or(scopes.manufacturer);
                sighting.model = told.model.or(scopes.hardware);
                sighting.serial = told.serial;
                sighting.firmware = told.firmware;
                sighting.told_macs.clone_from(&words.told_macs);
                sighting.xaddr.clone_from(&words.xaddr);
            }
            if claims(now, binding) {
                let rivals = self.rivals(now, place);
                let rivals = rivals
                    .map(|(place, rival)| self.claim(place, rival))
                    .collect();
                let information = words.map(|words| &words.information);
                sighting.conflict = doubt(
                    self.claim(place, binding),
                    rivals,
                    self.enrolled.get(mac),
                    information,
                    &sighting.told_macs,
                );
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
                firmware: None,
                told_macs: Vec::new(),
                xaddr: None,
                last_seen_utc_ms: remote.heard_utc_ms,
                oui_manufacturer: None,
                pinned: false,
                conflict: None,
            }
        });
        resolved.chain(remote).collect()
    }

    /// The others with a claim to the same MAC address or, on the same port, to the same IP
    /// address.
    fn rivals<'a>(
        &'a self,
        now: Now,
        place: &'a Place,
    ) -> impl Iterator<Item = (&'a Place, &'a Binding)> {
        let (interface, ip, mac) = place;
        self.bindings.iter().filter(move |(other, binding)| {
            let same_mac = other.2 == *mac;
            let same_ip = other.1 == *ip && other.0 == *interface;
            same_mac != same_ip && claims(now, binding)
        })
    }

    fn claim(&self, place: &Place, binding: &Binding) -> Claim {
        let enrolled = self.enrolled.get(&place.2);
        Claim {
            ip: place.1,
            mac: place.2,
            first_seen: binding.first_seen,
            first_seen_utc_ms: binding.first_seen_utc_ms,
            evidence: binding.evidence,
            admitted: enrolled.is_some_and(|camera| camera.ip == Some(place.1)),
        }
    }

    fn at(&mut self, interface: &str, ip: Ipv4Addr) -> impl Iterator<Item = &mut Binding> {
        self.bindings
            .range_mut(places(interface, ip))
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

fn claims(now: Now, binding: &Binding) -> bool {
    !binding.silent && now.monotonic <= binding.last_seen + CLAIM
}

/// The bindings at one IP address and whatever follows.
fn places(interface: &str, ip: Ipv4Addr) -> std::ops::RangeFrom<Place> {
    let lowest = MacAddress::from_octets([0, 0, 0, 0, 0, 1])
        .expect("00:00:00:00:00:01 is unicast and not zero");
    (interface.to_owned(), ip, lowest)..
}

fn millis(duration: Duration) -> i64 {
    i64::try_from(duration.as_millis()).unwrap_or(i64::MAX)
}

#[cfg(test)]
#[path = "tracker_tests.rs"]
mod tests;

//! The task that looks for cameras.

use std::collections::{BTreeMap, BTreeSet};
use std::net::Ipv4Addr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use rtnetlink::MulticastGroup;
use sealgate_base::Clock;
use sealgate_camera::MacAddress;
use tokio::sync::{mpsc, watch};
use tokio::task::JoinSet;
use tokio::time::{Instant, Interval, MissedTickBehavior, interval, sleep_until};

use crate::ear::{Ear, Heard};
use crate::links::{self, Link};
use crate::net_news::{self, NetNews, News};
use crate::onvif::Identity;
use crate::pins::{self, Pin};
use crate::prober::{Datagram, Prober};
use crate::tracker::{Due, Now, Tracker};
use crate::{Announcement, Asker, Enrolment, LanError, OuiTables, Sighting};

/// How often the whole neighbour table is read, besides what the kernel tells by itself:
/// events can be lost, and a confirmed entry makes none. A dump of a few hundred entries
/// takes less than a millisecond.
const LOOK: Duration = Duration::from_secs(5);
/// News are gathered for so long before they are told on.
const SETTLE: Duration = Duration::from_millis(100);
/// How often it is considered whom to ask for by ARP.
const ARP_TICK: Duration = Duration::from_secs(1);
const LEAST_PROBE_INTERVAL: Duration = Duration::from_secs(1);
/// Devices probed by themselves between two looks.
const MOST_PROBED_ALONE: usize = 64;
/// Devices asked for their serial number at the same time.
const ASK_AT_ONCE: usize = 4;
/// Datagrams waiting to be parsed.
const QUEUE: usize = 64;

/// Where and how often to look.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LanConfig {
    /// The camera ports, for example `cam0`.
    pub interfaces: Vec<String>,
    /// Between two probes; 30 s is usual, below 1 s is raised to 1 s.
    pub probe_interval: Duration,
    /// A device silent for longer is no longer listed; some minutes.
    pub forget_after: Duration,
    /// Where the IEEE's tables are; without them no maker is named by MAC address.
    pub oui_folder: PathBuf,
}

/// Where Debian's package ieee-data puts them.
pub const OUI_FOLDER: &str = "/usr/share/ieee-data";

impl LanConfig {
    /// The usual times: a probe every 30 s, forgotten after 5 minutes.
    pub fn new(interfaces: Vec<String>) -> Self {
        Self {
            interfaces,
            probe_interval: Duration::from_secs(30),
            forget_after: Duration::from_secs(300),
            oui_folder: OUI_FOLDER.into(),
        }
    }
}

/// Starts the task.
#[derive(Debug)]
pub struct Lan;

/// What the task sees, and the way to hurry it.
#[derive(Debug, Clone)]
pub struct LanHandle {
    sightings: watch::Receiver<Vec<Sighting>>,
    probe: mpsc::Sender<()>,
    orders: Arc<watch::Sender<Orders>>,
}

/// What the task is told.
#[derive(Debug, Clone, Default)]
struct Orders {
    enrolled: Vec<Enrolment>,
    pins: BTreeSet<Pin>,
}

impl LanHandle {
    /// What is seen now and from now on: by port, address and MAC address. A change of
    /// `last_seen_utc_ms` alone counts as none.
    pub fn sightings(&self) -> watch::Receiver<Vec<Sighting>> {
        self.sightings.clone()
    }

    /// Probes as soon as may be. Answers come in within a second or two.
    pub fn probe_now(&self) {
        // Full: a probe is asked for already.
        let _ = self.probe.try_send(());
    }

    /// The cameras with a channel, all of them: who says to be one of them is checked
    /// against what was known when it got its channel.
    pub fn enrol(&self, enrolled: Vec<Enrolment>) {
        self.orders.send_if_modified(|orders| {
            let changed = orders.enrolled != enrolled;
            orders.enrolled = enrolled;
            changed
        });
    }

    /// The places that get a permanent neighbour entry, all of them; others lose theirs.
    /// [`Sighting::pinned`] tells whether it is in force.
    pub fn pin_only(&self, pins: BTreeSet<Pin>) {
        self.orders.send_if_modified(|orders| {
            let changed = orders.pins != pins;
            orders.pins = pins;
            changed
        });
    }

    /// Adds a permanent neighbour entry.
    pub fn pin(&self, pin: Pin) {
        self.orders
            .send_if_modified(|orders| orders.pins.insert(pin));
    }

    /// Takes a permanent neighbour entry away.
    pub fn unpin(&self, pin: &Pin) {
        self.orders
            .send_if_modified(|orders| orders.pins.remove(pin));
    }
}

impl Lan {
    /// Looks for cameras until `shutdown` ends. Ports that do not exist yet are looked for
    /// at each probe.
    ///
    /// # Errors
    /// If the kernel's network tables can't be opened.
    pub fn start(
        config: LanConfig,
        clock: Arc<dyn Clock>,
        shutdown: impl Future<Output = ()> + Send + 'static,
    ) -> Result<LanHandle, LanError> {
        let groups = [
            MulticastGroup::Neigh,
            MulticastGroup::Link,
            MulticastGroup::Ipv4Ifaddr,
        ];
        let (connection, netlink, messages) =
            rtnetlink::new_multicast_connection(&groups).map_err(LanError::Netlink)?;
        let connection = tokio::spawn(connection);
        let (publish, sightings) = watch::channel(Vec::new());
        let (probe, probes) = mpsc::channel(1);
        let (incoming, datagrams) = mpsc::channel(QUEUE);
        let (heard, claims) = mpsc::channel(QUEUE);
        let (orders, ordered) = watch::channel(Orders::default());
        let inbox = Inbox {
            datagrams,
            claims,
            probes,
            ordered,
            net: net_news::listen(messages),
        };
        let search = Search {
            tracker: Tracker::new(config.forget_after),
            config,
            netlink,
            links: BTreeMap::new(),
            probers: BTreeMap::new(),
            ears: BTreeMap::new(),
            deaf: BTreeSet::new(),
            incoming,
            heard,
            pins: BTreeSet::new(),
            unsettled: None,
            links_changed: false,
            asked: JoinSet::new(),
            probed_alone: BTreeSet::new(),
            publish,
            asker: Asker::new(Arc::clone(&clock)),
            clock,
        };
        tokio::spawn(async move {
            tokio::select! {
                () = search.run(inbox) => {}
                () = shutdown => {}
            }
            connection.abort();
        });
        Ok(LanHandle {
            sightings,
            probe,
            orders: Arc::new(orders),
        })
    }
}

/// Where news come from.
struct Inbox {
    datagrams: mpsc::Receiver<Datagram>,
    claims: mpsc::Receiver<Heard>,
    probes: mpsc::Receiver<()>,
    ordered: watch::Receiver<Orders>,
    net: NetNews,
}

struct Search {
    config: LanConfig,
    tracker: Tracker,
    netlink: rtnetlink::Handle,
    links: BTreeMap<String, Link>,
    probers: BTreeMap<String, Prober>,
    ears: BTreeMap<String, Ear>,
    /// Ports whose ear could not be opened, so that it is said once.
    deaf: BTreeSet<String>,
    incoming: mpsc::Sender<Datagram>,
    heard: mpsc::Sender<Heard>,
    asked: JoinSet<(String, Ipv4Addr, Result<Identity, LanError>)>,
    /// Devices probed by themselves since the last look.
    probed_alone: BTreeSet<(String, Ipv4Addr)>,
    pins: BTreeSet<Pin>,
    /// When the news that came in are told on.
    unsettled: Option<Instant>,
    links_changed: bool,
    publish: watch::Sender<Vec<Sighting>>,
    asker: Asker,
    clock: Arc<dyn Clock>,
}

fn every(period: Duration) -> Interval {
    let mut ticks = interval(period);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    ticks
}

impl Search {
    async fn run(mut self, mut inbox: Inbox) {
        self.read_oui_tables().await;
        let mut probe_tick = every(self.config.probe_interval.max(LEAST_PROBE_INTERVAL));
        let mut look_tick = every(LOOK);
        let mut arp_tick = every(ARP_TICK);
        loop {
            let settle = self.unsettled.unwrap_or_else(Instant::now);
            tokio::select! {
                _ = probe_tick.tick() => self.probe().await,
                Some(()) = inbox.probes.recv() => self.probe().await,
                _ = look_tick.tick() => self.look().await,
                () = inbox.net.missed.notified() => self.look().await,
                _ = arp_tick.tick() => self.ask_by_arp(),
                Some(news) = inbox.net.news.recv() => self.changed(news),
                Some(datagram) = inbox.datagrams.recv() => self.hear(datagram).await,
                Some(heard) = inbox.claims.recv() => self.claimed(&heard),
                Some(answer) = self.asked.join_next() => self.told(answer),
                Ok(()) = inbox.ordered.changed() => {
                    let orders = inbox.ordered.borrow_and_update().clone();
                    self.tracker.enrol(orders.enrolled);
                    self.pins = orders.pins;
                    self.look().await;
                }
                () = sleep_until(settle), if self.unsettled.is_some() => self.settle().await,
            }
        }
    }

    async fn read_oui_tables(&mut self) {
        let folder = self.config.oui_folder.clone();
        let read = tokio::task::spawn_blocking(move || OuiTables::read(&folder)).await;
        match read {
            Ok(Ok(tables)) => self.tracker.oui(tables),
            Ok(Err(error)) => {
                let folder = self.config.oui_folder.display();
                tracing::info!(%folder, %error, "makers are not named by MAC address");
            }
            Err(error) => tracing::error!(%error, "reading the OUI tables broke off"),
        }
    }

    fn unsettle(&mut self) {
        self.unsettled.get_or_insert(Instant::now() + SETTLE);
    }

    /// Acts on the news of the last moment together: a flood costs no more than one round.
    async fn settle(&mut self) {
        self.unsettled = None;
        if std::mem::take(&mut self.links_changed) {
            self.open().await;
            self.look().await;
        }
        for (interface, ip) in self.tracker.take_newcomers() {
            self.ask_alone(&interface, ip).await;
        }
        self.ask_by_arp();
        self.ask_due();
        self.publish();
    }

    /// Opens what is new and closes what is gone; returns whether there is a new port.
    async fn open(&mut self) -> bool {
        match links::links(&self.netlink, &self.config.interfaces).await {
            Ok(links) => self.links = links,
            Err(error) => {
                tracing::warn!(%error, "the interfaces can't be listed");
                return false;
            }
        }
        let links = &self.links;
        let is_there = |interface: &String, index: u32| {
            links.get(interface).is_some_and(|link| link.index == index)
        };
        self.probers
            .retain(|interface, prober| is_there(interface, prober.index()));
        self.ears
            .retain(|interface, ear| is_there(interface, ear.index()));
        let mut is_new = false;
        for (interface, link) in &self.links {
            if !self.ears.contains_key(interface) {
                match Ear::open(interface, link.index, &self.heard) {
                    Ok(ear) => {
                        self.deaf.remove(interface);
                        self.ears.insert(interface.clone(), ear);
                    }
                    Err(error) if self.deaf.insert(interface.clone()) => {
                        tracing::warn!(%interface, %error, "ARP is not heard; no address is pinned");
                    }
                    Err(_) => {}
                }
            }
            // Without an address there is nothing to send from yet.
            if !self.probers.contains_key(interface) && !link.addresses.is_empty() {
                match Prober::open(interface, link.index, &self.incoming) {
                    Ok(prober) => {
                        tracing::info!(%interface, "looking for cameras");
                        self.probers.insert(interface.clone(), prober);
                        is_new = true;
                    }
                    Err(error) => {
                        tracing::warn!(%interface, %error, "can't look for cameras");
                    }
                }
            }
        }
        is_new
    }

    /// Opens what is new, and asks everybody.
    async fn probe(&mut self) {
        self.open().await;
        for (interface, prober) in &self.probers {
            if let Err(error) = prober.ask_all().await {
                tracing::debug!(%interface, %error, "a probe was not sent");
            }
            for ip in self.tracker.addresses(interface) {
                if let Err(error) = prober.ask(ip).await {
                    tracing::debug!(%interface, %ip, %error, "a probe was not sent");
                }
            }
        }
    }

    /// Reads the neighbour table, puts the permanent entries right, and asks new devices
    /// what they are.
    async fn look(&mut self) {
        let table = match links::neighbours(&self.netlink).await {
            Ok(table) => table,
            Err(error) => {
                tracing::warn!(%error, "the neighbour table can't be read");
                return;
            }
        };
        let now = self.now();
        self.probed_alone.clear();
        for (interface, link) in &self.links {
            if let Some(neighbours) = table.learned.get(&link.index) {
                self.tracker.neighbours(now, interface, neighbours);
            }
        }
        self.pin(&table.permanent).await;
        self.unsettle();
    }

    async fn pin(&mut self, permanent: &BTreeSet<(u32, Ipv4Addr, MacAddress)>) {
        let has_ear = |interface: &str| self.ears.contains_key(interface);
        let difference = pins::difference(&self.pins, permanent, &self.links, has_ear);
        let in_force = match pins::carry_out(&self.netlink, &difference).await {
            Ok(()) => true,
            Err(error) => {
                tracing::warn!(%error, "permanent neighbour entries could not be set");
                false
            }
        };
        let is_set = |pin: &&Pin| {
            self.links.get(&pin.interface).is_some_and(|link| {
                let entry = (link.index, pin.ip, pin.mac);
                permanent.contains(&entry) || (in_force && difference.set.contains(&entry))
            })
        };
        let pinned = self.pins.iter().filter(is_set).cloned().collect();
        self.tracker.pinned(pinned);
    }

    fn changed(&mut self, news: News) {
        match news {
            News::Links => self.links_changed = true,
            News::Neighbour(index, neighbour) => {
                let now = self.now();
                let link = self.links.iter().find(|(_, link)| link.index == index);
                let Some((interface, _)) = link else { return };
                self.tracker.neighbours(now, interface, &[neighbour]);
            }
        }
        self.unsettle();
    }

    fn claimed(&mut self, heard: &Heard) {
        let on_link = self
            .links
            .get(&heard.interface)
            .is_some_and(|link| link.is_on_link(heard.claim.ip));
        if on_link {
            let now = self.now();
            self.tracker
                .claimed(now, &heard.interface, heard.claim.ip, heard.claim.mac);
            self.unsettle();
        }
    }

    fn ask_by_arp(&mut self) {
        let now = self.now();
        let is_heard = |interface: &str| self.ears.contains_key(interface);
        for (interface, ip) in self.tracker.take_arp_due(now, is_heard) {
            let own = self.links.get(&interface).and_then(|link| link.own(ip));
            let (Some(ear), Some(own)) = (self.ears.get(&interface), own) else {
                continue;
            };
            if let Err(error) = ear.ask(own, ip) {
                tracing::debug!(%interface, %ip, %error, "an ARP question was not sent");
            }
            self.unsettled.get_or_insert(Instant::now() + SETTLE);
        }
    }

    fn ask_due(&mut self) {
        let now = self.now();
        let room = ASK_AT_ONCE.saturating_sub(self.asked.len());
        for due in self.tracker.take_due(now, room) {
            let Due {
                interface,
                ip,
                xaddr,
                credentials,
            } = due;
            let asker = self.asker.clone();
            self.asked.spawn(async move {
                let answer = asker.identity(&xaddr, credentials.as_ref()).await;
                (interface, ip, answer)
            });
        }
    }

    /// Probes one device, once between two looks at the neighbour table: the answer comes
    /// back before the table was read, and would ask again and again.
    async fn ask_alone(&mut self, interface: &str, ip: Ipv4Addr) {
        let is_first = self.probed_alone.len() < MOST_PROBED_ALONE
            && self.probed_alone.insert((interface.to_owned(), ip));
        if let Some(prober) = self.probers.get(interface).filter(|_| is_first)
            && let Err(error) = prober.ask(ip).await
        {
            tracing::debug!(%interface, %ip, %error, "a probe was not sent");
        }
    }

    async fn hear(&mut self, datagram: Datagram) {
        let Datagram {
            interface,
            from,
            bytes,
        } = datagram;
        let Some(link) = self.links.get(&interface) else {
            return;
        };
        if link.addresses.iter().any(|(own, _)| *own == from) {
            return;
        }
        let announcements = match Announcement::parse(&bytes) {
            Ok(announcements) => announcements,
            Err(error) => {
                tracing::debug!(%interface, %from, %error, "a datagram was not understood");
                return;
            }
        };
        let now = self.now();
        let mut unknown = false;
        for announcement in announcements {
            let is_on_link = |ip| link.is_on_link(ip);
            unknown |= self
                .tracker
                .announced(now, &interface, from, is_on_link, announcement);
        }
        if unknown {
            self.ask_alone(&interface, from).await;
        }
        self.unsettle();
    }

    fn told(
        &mut self,
        answer: Result<(String, Ipv4Addr, Result<Identity, LanError>), tokio::task::JoinError>,
    ) {
        match answer {
            Ok((interface, ip, Ok(identity))) => {
                let now = self.now();
                self.tracker.informed(now, &interface, ip, identity);
                self.unsettle();
            }
            Ok((interface, ip, Err(error))) => {
                tracing::debug!(%interface, %ip, %error, "a camera does not tell what it is");
            }
            Err(error) => tracing::error!(%error, "asking a camera broke off"),
        }
    }

    fn publish(&mut self) {
        let now = self.now();
        let seen = self.tracker.sightings(now);
        // That a device is still there is news for who looks, but wakes nobody.
        self.publish.send_if_modified(|published| {
            let changed = published.len() != seen.len()
                || published.iter().zip(&seen).any(|(old, new)| {
                    Sighting {
                        last_seen_utc_ms: new.last_seen_utc_ms,
                        ..old.clone()
                    } != *new
                });
            *published = seen;
            changed
        });
    }

    fn now(&self) -> Now {
        Now {
            monotonic: self.clock.monotonic() + NOT_FIRST,
            utc_ms: self.clock.utc_ms(),
        }
    }
}

/// Monotonic time starts here, so that what the kernel knows from before has a place in it.
const NOT_FIRST: Duration = Duration::from_secs(86_400);

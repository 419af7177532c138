//! The task that looks for cameras.

use std::collections::{BTreeMap, BTreeSet};
use std::net::Ipv4Addr;
use std::sync::Arc;
use std::time::Duration;

use sealgate_base::Clock;
use tokio::sync::{mpsc, watch};
use tokio::task::JoinSet;
use tokio::time::{MissedTickBehavior, interval};

use crate::links::{self, Link};
use crate::onvif::Identity;
use crate::prober::{Datagram, Prober};
use crate::tracker::{Now, Tracker};
use crate::{Announcement, Asker, LanError, Sighting};

/// How often the neighbour table is read. A dump of a few hundred entries takes less than
/// a millisecond, and unlike events can't be lost or pile up when a device floods.
const LOOK: Duration = Duration::from_secs(1);
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
}

impl LanConfig {
    /// The usual times: a probe every 30 s, forgotten after 5 minutes.
    pub fn new(interfaces: Vec<String>) -> Self {
        Self {
            interfaces,
            probe_interval: Duration::from_secs(30),
            forget_after: Duration::from_secs(300),
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
        let (connection, netlink, _) = rtnetlink::new_connection().map_err(LanError::Netlink)?;
        let connection = tokio::spawn(connection);
        let (publish, sightings) = watch::channel(Vec::new());
        let (probe, probes) = mpsc::channel(1);
        let (incoming, datagrams) = mpsc::channel(QUEUE);
        let search = Search {
            tracker: Tracker::new(config.forget_after),
            config,
            netlink,
            links: BTreeMap::new(),
            probers: BTreeMap::new(),
            incoming,
            asked: JoinSet::new(),
            probed_alone: BTreeSet::new(),
            publish,
            asker: Asker::new(Arc::clone(&clock)),
            clock,
        };
        tokio::spawn(async move {
            tokio::select! {
                () = search.run(datagrams, probes) => {}
                () = shutdown => {}
            }
            connection.abort();
        });
        Ok(LanHandle { sightings, probe })
    }
}

struct Search {
    config: LanConfig,
    tracker: Tracker,
    netlink: rtnetlink::Handle,
    links: BTreeMap<String, Link>,
    probers: BTreeMap<String, Prober>,
    incoming: mpsc::Sender<Datagram>,
    asked: JoinSet<(String, Ipv4Addr, Result<Identity, LanError>)>,
    /// Devices probed by themselves since the last look.
    probed_alone: BTreeSet<(String, Ipv4Addr)>,
    publish: watch::Sender<Vec<Sighting>>,
    asker: Asker,
    clock: Arc<dyn Clock>,
}

impl Search {
    async fn run(
        mut self,
        mut datagrams: mpsc::Receiver<Datagram>,
        mut probes: mpsc::Receiver<()>,
    ) {
        let mut probe_tick = interval(self.config.probe_interval.max(LOOK));
        probe_tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut look_tick = interval(LOOK);
        look_tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                _ = probe_tick.tick() => self.probe().await,
                Some(()) = probes.recv() => self.probe().await,
                _ = look_tick.tick() => self.look().await,
                Some(datagram) = datagrams.recv() => self.hear(datagram).await,
                Some(answer) = self.asked.join_next() => self.told(answer),
            }
        }
    }

    /// Opens what is new, and asks everybody.
    async fn probe(&mut self) {
        match links::links(&self.netlink, &self.config.interfaces).await {
            Ok(links) => self.links = links,
            Err(error) => {
                tracing::warn!(%error, "the interfaces can't be listed");
                return;
            }
        }
        let links = &self.links;
        self.probers.retain(|interface, prober| {
            links
                .get(interface)
                .is_some_and(|link| link.index == prober.index())
        });
        for (interface, link) in &self.links {
            // Without an address there is nothing to send from yet.
            if !self.probers.contains_key(interface) && !link.addresses.is_empty() {
                match Prober::open(interface, link.index, &self.incoming) {
                    Ok(prober) => {
                        tracing::info!(%interface, "looking for cameras");
                        self.probers.insert(interface.clone(), prober);
                    }
                    Err(error) => {
                        tracing::warn!(%interface, %error, "can't look for cameras");
                    }
                }
            }
        }
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

    /// Reads the neighbour table, and asks new devices what they are.
    async fn look(&mut self) {
        let neighbours = match links::neighbours(&self.netlink).await {
            Ok(neighbours) => neighbours,
            Err(error) => {
                tracing::warn!(%error, "the neighbour table can't be read");
                return;
            }
        };
        let now = self.now();
        self.probed_alone.clear();
        for (interface, link) in &self.links {
            if let Some(neighbours) = neighbours.get(&link.index) {
                self.tracker.neighbours(now, interface, neighbours);
            }
        }
        let room = ASK_AT_ONCE.saturating_sub(self.asked.len());
        for (interface, ip, xaddr) in self.tracker.take_due(now, room) {
            let asker = self.asker.clone();
            self.asked.spawn(async move {
                let answer = asker.identity(&xaddr, None).await;
                (interface, ip, answer)
            });
        }
        self.publish();
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
        // Once between two looks at the neighbour table: the answer to this probe comes back
        // here before the table was read, and would ask again and again.
        let unknown = unknown
            && self.probed_alone.len() < MOST_PROBED_ALONE
            && self.probed_alone.insert((interface.clone(), from));
        if let Some(prober) = self.probers.get(&interface).filter(|_| unknown)
            && let Err(error) = prober.ask(from).await
        {
            tracing::debug!(%interface, %from, %error, "a probe was not sent");
        }
    }

    fn told(
        &mut self,
        answer: Result<(String, Ipv4Addr, Result<Identity, LanError>), tokio::task::JoinError>,
    ) {
        match answer {
            Ok((interface, ip, Ok(identity))) => {
                self.tracker.informed(&interface, ip, identity.device);
                self.publish();
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

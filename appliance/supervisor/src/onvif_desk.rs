//! What cameras say of themselves, asked with the passwords that the owner gave.
//!
//! A camera is asked for all it offers once it is seen, again after a day, and whenever
//! somebody wants to know: its streams, how many sources it has (each needs a channel),
//! whether it can be steered. What it says opens nothing. Where one that has a channel
//! announces nothing, its service is looked for where cameras have it, and remembered.

use std::collections::BTreeMap;
use std::net::Ipv4Addr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use sealgate_base::{Clock, Shutdown};
use sealgate_camera::MacAddress;
use sealgate_lan::{
    Asker, ByHand, CameraDescription, Credentials, LanError, MotionTarget, MotionWatch, Place, Ptz,
    SignInOutcome,
};
use sealgate_store::{Store, StoreError};
use tokio::sync::watch;
use tokio::task::JoinSet;

use crate::camera_desk::{DeskHandle, Picture};

/// What is known is asked again after this long: firmware is updated, lenses are added.
const STALE: Duration = Duration::from_secs(24 * 3600);
/// A camera that did not answer is asked again after this long, then after twice that.
const ASK_AGAIN: Duration = Duration::from_secs(30);
const ASK_AGAIN_AT_MOST: Duration = Duration::from_secs(3600);
/// How often cameras are looked for that are to be asked.
const ROUND: Duration = Duration::from_secs(5);
/// Cameras asked at once.
const AT_ONCE: usize = 2;

/// By MAC address, as of the last answer.
pub type Descriptions = BTreeMap<MacAddress, Arc<CameraDescription>>;

/// Why a camera's answer is not known.
#[derive(Debug, thiserror::Error)]
pub enum OnvifDeskError {
    /// The camera's answer, or none.
    #[error("the camera did not say")]
    Lan(#[from] LanError),
    /// Its password could not be read.
    #[error("the camera's password could not be read")]
    Store(#[from] StoreError),
}

impl OnvifDeskError {
    /// The code in the catalog of words.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Lan(error) => error.code(),
            Self::Store(_) => "SG-API-003",
        }
    }
}

/// A remembered service that did not answer so often is looked for at other ports too.
const GIVE_UP_AFTER: u32 = 3;

/// Where a camera's device service is, as far as it is known.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Service {
    At(String),
    /// To be looked for.
    SomewhereAt(Ipv4Addr),
}

/// When a camera is to be asked by itself.
#[derive(Debug, Clone)]
struct Due {
    service: Service,
    at: Duration,
    failures: u32,
}

/// Asks cameras.
pub struct OnvifDesk {
    asker: Asker,
    store: Arc<Store>,
    clock: Arc<dyn Clock>,
    due: Mutex<BTreeMap<MacAddress, Due>>,
    descriptions: watch::Sender<Arc<Descriptions>>,
}

impl OnvifDesk {
    /// Asks nobody yet.
    pub fn new(store: Arc<Store>, clock: Arc<dyn Clock>) -> Self {
        Self {
            asker: Asker::new(Arc::clone(&clock)),
            store,
            clock,
            due: Mutex::default(),
            descriptions: watch::Sender::new(Arc::default()),
        }
    }

    /// What cameras said, and word of each change.
    pub fn descriptions(&self) -> watch::Receiver<Arc<Descriptions>> {
        self.descriptions.subscribe()
    }

    /// What this camera said last.
    pub fn known(&self, mac: MacAddress) -> Option<Arc<CameraDescription>> {
        self.descriptions.borrow().get(&mac).cloned()
    }

    /// Asks a camera now.
    ///
    /// # Errors
    /// See [`OnvifDeskError`]; what it said before stays known.
    pub async fn ask(
        &self,
        mac: MacAddress,
        xaddr: &str,
    ) -> Result<Arc<CameraDescription>, OnvifDeskError> {
        let credentials = self.credentials(mac)?;
        let described = self.asker.describe(xaddr, credentials.as_ref()).await;
        let wait = described.is_ok().then_some(STALE);
        self.asked(mac, Service::At(xaddr.to_owned()), wait);
        let described = Arc::new(described?);
        self.descriptions.send_if_modified(|known| {
            let new = known.get(&mac) != Some(&described);
            if new {
                Arc::make_mut(known).insert(mac, Arc::clone(&described));
            }
            new
        });
        Ok(described)
    }

    /// Looks for the service of a camera that announces none.
    async fn search(&self, mac: MacAddress, ip: Ipv4Addr) -> Result<(), OnvifDeskError> {
        let found = self.asker.find_service(ip).await;
        // What was found is asked as soon as the network says that it is the camera's.
        let wait = found.is_ok().then_some(STALE);
        self.asked(mac, Service::SomewhereAt(ip), wait);
        self.remember_service(mac, &found?).await
    }

    /// Asks where a camera's service is or was; one that was found there once and is not any
    /// more may be at another port.
    async fn ask_or_search(&self, mac: MacAddress, xaddr: &str) -> Result<(), OnvifDeskError> {
        let lost = match self.ask(mac, xaddr).await {
            Err(OnvifDeskError::Lan(
                error @ (LanError::Unreachable { host, .. } | LanError::NotOnvif { host, .. }),
            )) => (error, host),
            answer => return answer.map(drop),
        };
        let failures = lock(&self.due).get(&mac).map_or(0, |due| due.failures);
        if failures < GIVE_UP_AFTER || !self.store.services()?.contains_key(&mac) {
            return Err(lost.0.into());
        }
        let found = self.asker.find_service(lost.1).await?;
        self.remember_service(mac, &found).await
    }

    /// Where the service of a camera answered that may not announce it.
    ///
    /// # Errors
    /// It could not be written down.
    pub async fn remember_service(
        &self,
        mac: MacAddress,
        service: &str,
    ) -> Result<(), OnvifDeskError> {
        tracing::info!(%mac, service, "the camera's service is here");
        let (store, now) = (Arc::clone(&self.store), self.clock.utc_ms());
        let service = service.to_owned();
        let written =
            tokio::task::spawn_blocking(move || store.set_service(mac, Some(&service), now));
        // It ends early only while the box shuts down.
        written.await.unwrap_or(Ok(())).map_err(Into::into)
    }

    /// A camera was asked: again after `good`, or sooner where it failed.
    fn asked(&self, mac: MacAddress, service: Service, good: Option<Duration>) {
        let now = self.clock.monotonic();
        let mut due = lock(&self.due);
        let before = due.get(&mac).map_or(0, |due| due.failures);
        let (wait, failures) = match good {
            Some(wait) => (wait, 0),
            None => {
                let wait = ASK_AGAIN * 2_u32.saturating_pow(before.min(7));
                (wait.min(ASK_AGAIN_AT_MOST), before.saturating_add(1))
            }
        };
        let at = now + wait;
        let next = Due {
            service,
            at,
            failures,
        };
        due.insert(mac, next);
    }

    /// The camera has another password: it is asked again at once.
    pub fn ask_soon(&self, mac: MacAddress) {
        lock(&self.due).remove(&mac);
    }

    /// A picture of a source, as a JPEG file.
    ///
    /// # Errors
    /// See [`OnvifDeskError`].
    pub async fn snapshot(&self, mac: MacAddress, url: &str) -> Result<Vec<u8>, OnvifDeskError> {
        let credentials = self.credentials(mac)?;
        Ok(self.asker.snapshot(url, credentials.as_ref()).await?)
    }

    /// Looks what is at a place that was typed, with what was typed beside it.
    ///
    /// # Errors
    /// See [`LanError`].
    pub async fn look_at(
        &self,
        place: &Place,
        credentials: Option<&Credentials>,
    ) -> Result<ByHand, LanError> {
        self.asker.look_at(place, credentials).await
    }

    /// Tries passwords at cameras, by their services; see [`Asker::try_passwords`].
    pub async fn try_passwords(
        &self,
        services: &[String],
        passwords: &[Credentials],
    ) -> Vec<SignInOutcome> {
        self.asker.try_passwords(services, passwords).await
    }

    /// The steering of a source.
    ///
    /// # Errors
    /// See [`OnvifDeskError`].
    pub async fn ptz(
        &self,
        mac: MacAddress,
        xaddr: &str,
        profile: &str,
    ) -> Result<Ptz, OnvifDeskError> {
        let credentials = self.credentials(mac)?;
        Ok(self.asker.ptz(xaddr, credentials.as_ref(), profile).await?)
    }

    /// How to listen for a camera's motion. Without its password, if that can't be read.
    pub fn motion_target(
        &self,
        mac: MacAddress,
        xaddr: &str,
        description: &CameraDescription,
    ) -> MotionTarget {
        let credentials = self.credentials(mac).unwrap_or_else(|error| {
            tracing::warn!(error = &error as &dyn std::error::Error, %mac, "a password");
            None
        });
        MotionTarget::new(xaddr, credentials.as_ref(), description)
    }

    /// Listens from now on, until the answer is dropped.
    pub fn motion(&self, target: MotionTarget) -> MotionWatch {
        self.asker.motion(target)
    }

    /// From memory, but for the first time after a change.
    fn credentials(&self, mac: MacAddress) -> Result<Option<Credentials>, StoreError> {
        let known = self.store.credential(mac)?;
        Ok(known.map(|known| Credentials {
            user: known.user,
            password: known.password,
        }))
    }

    /// Asks every camera that is seen, until the end.
    pub async fn run(self: Arc<Self>, desk: DeskHandle, shutdown: Shutdown) {
        let mut asking = JoinSet::new();
        loop {
            tokio::select! {
                () = shutdown.requested() => return,
                () = tokio::time::sleep(ROUND) => {}
            }
            while asking.try_join_next().is_some() {}
            let seen = services(&desk.picture());
            for (mac, service) in self.take_due(&seen, AT_ONCE.saturating_sub(asking.len())) {
                let desk = Arc::clone(&self);
                asking.spawn(async move {
                    let answer = match service {
                        Service::At(xaddr) => desk.ask_or_search(mac, &xaddr).await,
                        Service::SomewhereAt(ip) => desk.search(mac, ip).await,
                    };
                    if let Err(error) = answer {
                        tracing::debug!(
                            error = &error as &dyn std::error::Error,
                            %mac,
                            "the camera does not describe itself"
                        );
                    }
                });
            }
        }
    }

    /// Who is to be asked now, and not again until the answer has come or failed.
    fn take_due(
        &self,
        seen: &BTreeMap<MacAddress, Service>,
        most: usize,
    ) -> Vec<(MacAddress, Service)> {
        let now = self.clock.monotonic();
        let mut due = lock(&self.due);
        due.retain(|mac, _| seen.contains_key(mac));
        let asks: Vec<(MacAddress, Service)> = seen
            .iter()
            .filter(|(mac, service)| {
                due.get(mac)
                    .is_none_or(|due| due.at <= now || due.service != **service)
            })
            .take(most)
            .map(|(mac, service)| (*mac, service.clone()))
            .collect();
        for (mac, service) in &asks {
            let failures = due.get(mac).map_or(0, |due| due.failures);
            let being_asked = Due {
                service: service.clone(),
                at: now + ASK_AGAIN_AT_MOST,
                failures,
            };
            due.insert(*mac, being_asked);
        }
        asks
    }
}

/// Whom to ask: cameras that announce their service, and those with a channel that don't.
fn services(picture: &Picture) -> BTreeMap<MacAddress, Service> {
    let has_channel = |mac: MacAddress| {
        picture
            .channels
            .iter()
            .any(|channel| channel.camera.mac() == mac)
    };
    let undoubted = picture
        .sightings
        .iter()
        .filter(|sighting| sighting.conflict.is_none());
    undoubted
        .filter_map(|sighting| {
            let mac = sighting.mac?;
            let service = match &sighting.xaddr {
                Some(xaddr) => Service::At(xaddr.clone()),
                None => has_channel(mac).then_some(Service::SomewhereAt(sighting.ip))?,
            };
            Some((mac, service))
        })
        .collect()
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use sealgate_base::FakeClock;
    use sealgate_lan::Sighting;
    use sealgate_store::Channel;

    use super::*;

    fn desk() -> (tempfile::TempDir, Arc<Store>, Arc<FakeClock>, OnvifDesk) {
        let folder = tempfile::tempdir().unwrap();
        let store = Arc::new(Store::open(&folder.path().join("box.db")).unwrap());
        let clock = Arc::new(FakeClock::at_utc_ms(1_795_500_000_000));
        let desk = OnvifDesk::new(Arc::clone(&store), clock.clone());
        (folder, store, clock, desk)
    }

    fn xaddr(port: u16) -> String {
        format!("http://127.0.0.1:{port}/onvif/device_service")
    }

    fn mac() -> MacAddress {
        "02:00:00:00:00:0a".parse().unwrap()
    }

    fn at(port: u16) -> BTreeMap<MacAddress, Service> {
        BTreeMap::from([(mac(), Service::At(xaddr(port)))])
    }

    #[tokio::test]
    async fn each_camera_is_asked_once_and_again_when_it_moved_or_failed() {
        let (_folder, _, clock, desk) = desk();
        assert_eq!(desk.take_due(&at(9), 0), []);
        assert_eq!(desk.take_due(&at(9), 2).len(), 1);
        assert_eq!(desk.take_due(&at(9), 2), [], "it is being asked");
        assert_eq!(desk.take_due(&at(10), 2).len(), 1, "it has moved");
        // Nobody listens at port 1.
        assert!(desk.ask(mac(), &xaddr(1)).await.is_err());
        assert_eq!(desk.take_due(&at(1), 2), []);
        clock.advance(ASK_AGAIN);
        assert_eq!(desk.take_due(&at(1), 2).len(), 1);
        desk.ask_soon(mac());
        assert_eq!(desk.take_due(&at(1), 2).len(), 1);
        assert_eq!(desk.known(mac()), None);
    }

    #[tokio::test]
    async fn a_service_that_is_not_found_is_remembered_all_the_same() {
        let (_folder, store, _, desk) = desk();
        desk.remember_service(mac(), &xaddr(1)).await.unwrap();
        for failures in 1..=GIVE_UP_AFTER + 1 {
            assert!(desk.ask_or_search(mac(), &xaddr(1)).await.is_err());
            assert_eq!(lock(&desk.due)[&mac()].failures, failures);
        }
        assert_eq!(store.services().unwrap()[&mac()], xaddr(1));
        // Another place to look at is looked at once.
        let there = Service::SomewhereAt(Ipv4Addr::LOCALHOST);
        let seen = BTreeMap::from([(mac(), there)]);
        assert_eq!(desk.take_due(&seen, 2).len(), 1);
        assert_eq!(desk.take_due(&seen, 2).len(), 0);
    }

    #[test]
    fn only_cameras_with_a_channel_are_looked_for() {
        let sighting = |last: u8, xaddr: Option<&str>| Sighting {
            interface: "cam0".into(),
            mac: Some(MacAddress::from_octets([2, 0, 0, 0, 0, last]).unwrap()),
            ip: Ipv4Addr::new(192, 168, 77, last),
            name: None,
            manufacturer: None,
            model: None,
            serial: None,
            firmware: None,
            told_macs: Vec::new(),
            xaddr: xaddr.map(str::to_owned),
            last_seen_utc_ms: 1,
            oui_manufacturer: None,
            pinned: false,
            conflict: None,
        };
        let channel = |last: u8| Channel {
            camera: format!("0200000000{last:02x}-1").parse().unwrap(),
            stream_url: None,
            sub_stream_url: None,
            assigned_utc_ms: 1,
            assigned_by: "owner".into(),
            pinned_model: None,
            pinned_serial: None,
            name: None,
            preferred: false,
            other_brand: false,
            settings: "{}".into(),
        };
        let announced = "http://192.168.77.1/onvif/device_service";
        let picture = Picture {
            sightings: vec![
                sighting(1, Some(announced)),
                sighting(2, None),
                sighting(3, None),
            ],
            channels: vec![channel(1), channel(3)],
            ..Picture::default()
        };
        let found: Vec<Service> = services(&picture).into_values().collect();
        let there = Service::SomewhereAt(Ipv4Addr::new(192, 168, 77, 3));
        assert_eq!(found, [Service::At(announced.to_owned()), there]);
    }
}

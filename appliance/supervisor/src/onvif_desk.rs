//! What cameras say of themselves, asked with the passwords that the owner gave.
//!
//! A camera is asked for all it offers once it is seen, again after a day, and whenever
//! somebody wants to know: its streams, how many sources it has (each needs a channel),
//! whether it can be steered. What it says opens nothing.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use sealgate_base::{Clock, Shutdown};
use sealgate_camera::MacAddress;
use sealgate_lan::{
    Asker, ByHand, CameraDescription, Credentials, LanError, MotionTarget, MotionWatch, Place, Ptz,
    Sighting, SignInOutcome,
};
use sealgate_store::{Store, StoreError};
use tokio::sync::watch;
use tokio::task::JoinSet;

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

/// When a camera is to be asked by itself.
#[derive(Debug, Clone)]
struct Due {
    xaddr: String,
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
        let now = self.clock.monotonic();
        let mut due = lock(&self.due);
        let failures = due.get(&mac).map_or(0, |due| due.failures);
        let (at, failures) = match &described {
            Ok(_) => (now + STALE, 0),
            Err(_) => {
                let wait = ASK_AGAIN * 2_u32.saturating_pow(failures.min(7));
                (
                    now + wait.min(ASK_AGAIN_AT_MOST),
                    failures.saturating_add(1),
                )
            }
        };
        let xaddr = xaddr.to_owned();
        due.insert(
            mac,
            Due {
                xaddr,
                at,
                failures,
            },
        );
        drop(due);
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

    /// Reads a handful of bytes from a database that is in memory: it holds nobody up.
    fn credentials(&self, mac: MacAddress) -> Result<Option<Credentials>, StoreError> {
        let known = self.store.credential(mac)?;
        Ok(known.map(|known| Credentials {
            user: known.user,
            password: known.password,
        }))
    }

    /// Asks every camera that is seen, until the end.
    pub async fn run(
        self: Arc<Self>,
        sightings: watch::Receiver<Vec<Sighting>>,
        shutdown: Shutdown,
    ) {
        let mut asking = JoinSet::new();
        loop {
            tokio::select! {
                () = shutdown.requested() => return,
                () = tokio::time::sleep(ROUND) => {}
            }
            while asking.try_join_next().is_some() {}
            let seen: BTreeMap<MacAddress, String> = sightings
                .borrow()
                .iter()
                .filter(|sighting| sighting.conflict.is_none())
                .filter_map(|sighting| Some((sighting.mac?, sighting.xaddr.clone()?)))
                .collect();
            for (mac, xaddr) in self.take_due(&seen, AT_ONCE.saturating_sub(asking.len())) {
                let desk = Arc::clone(&self);
                asking.spawn(async move {
                    if let Err(error) = desk.ask(mac, &xaddr).await {
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
        seen: &BTreeMap<MacAddress, String>,
        most: usize,
    ) -> Vec<(MacAddress, String)> {
        let now = self.clock.monotonic();
        let mut due = lock(&self.due);
        due.retain(|mac, _| seen.contains_key(mac));
        let asks: Vec<(MacAddress, String)> = seen
            .iter()
            .filter(|(mac, xaddr)| {
                due.get(mac)
                    .is_none_or(|due| due.at <= now || due.xaddr != **xaddr)
            })
            .take(most)
            .map(|(mac, xaddr)| (*mac, xaddr.clone()))
            .collect();
        for (mac, xaddr) in &asks {
            let failures = due.get(mac).map_or(0, |due| due.failures);
            let being_asked = Due {
                xaddr: xaddr.clone(),
                at: now + ASK_AGAIN_AT_MOST,
                failures,
            };
            due.insert(*mac, being_asked);
        }
        asks
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use sealgate_base::FakeClock;

    use super::*;

    #[tokio::test]
    async fn each_camera_is_asked_once_and_again_when_it_moved_or_failed() {
        let folder = tempfile::tempdir().unwrap();
        let store = Arc::new(Store::open(&folder.path().join("box.db")).unwrap());
        let clock = Arc::new(FakeClock::at_utc_ms(1_795_500_000_000));
        let desk = OnvifDesk::new(store, clock.clone());
        let mac: MacAddress = "02:00:00:00:00:0a".parse().unwrap();
        let at = |port: u16| {
            let xaddr = format!("http://127.0.0.1:{port}/onvif/device_service");
            BTreeMap::from([(mac, xaddr)])
        };
        assert_eq!(desk.take_due(&at(9), 0), []);
        assert_eq!(desk.take_due(&at(9), 2).len(), 1);
        assert_eq!(desk.take_due(&at(9), 2), [], "it is being asked");
        assert_eq!(desk.take_due(&at(10), 2).len(), 1, "it has moved");
        // Nobody listens at port 1.
        assert!(desk.ask(mac, &at(1)[&mac]).await.is_err());
        assert_eq!(desk.take_due(&at(1), 2), []);
        clock.advance(ASK_AGAIN);
        assert_eq!(desk.take_due(&at(1), 2).len(), 1);
        desk.ask_soon(mac);
        assert_eq!(desk.take_due(&at(1), 2).len(), 1);
        assert_eq!(desk.known(mac), None);
    }
}

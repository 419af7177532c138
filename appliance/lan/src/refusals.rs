//! Which passwords were refused where, so that no camera locks its account for us.
//! Pure: time is an argument.

use std::collections::BTreeMap;
use std::hash::{BuildHasher, RandomState};
use std::net::SocketAddrV4;
use std::time::Duration;

use crate::Credentials;

/// Cameras lock an account, or an asker's address, after 3 to 7 refusals within some
/// minutes: two in a quarter of an hour stay below all that are known.
pub(crate) const HOLD: Duration = Duration::from_secs(15 * 60);
/// Refusals of one password at one camera within [`HOLD`].
pub(crate) const MOST_TRIES: u32 = 2;
/// Pairs of camera and password that are remembered; the oldest is dropped for a new one.
const MAX_REMEMBERED: usize = 4096;

/// A password at a device service: only a keyed digest of it is kept.
type Try = (SocketAddrV4, u64);

#[derive(Debug)]
struct Refused {
    tries: u32,
    last: Duration,
}

/// The refusals within the last quarter of an hour.
#[derive(Debug)]
pub(crate) struct Refusals {
    keyed: RandomState,
    refused: BTreeMap<Try, Refused>,
}

impl Refusals {
    pub fn new() -> Self {
        Self {
            keyed: RandomState::new(),
            refused: BTreeMap::new(),
        }
    }

    /// How many more tries this password has at this camera; none: how long to wait.
    pub fn tries_left(
        &mut self,
        now: Duration,
        camera: SocketAddrV4,
        credentials: &Credentials,
    ) -> Result<u32, Duration> {
        self.refused.retain(|_, known| now < known.last + HOLD);
        match self.refused.get(&self.key(camera, credentials)) {
            None => Ok(MOST_TRIES),
            Some(known) if known.tries < MOST_TRIES => Ok(MOST_TRIES - known.tries),
            Some(known) => Err((known.last + HOLD).saturating_sub(now)),
        }
    }

    /// Takes note of refusals.
    pub fn refused(
        &mut self,
        now: Duration,
        camera: SocketAddrV4,
        credentials: &Credentials,
        tries: u32,
    ) {
        let key = self.key(camera, credentials);
        if self.refused.len() >= MAX_REMEMBERED
            && !self.refused.contains_key(&key)
            && let Some(oldest) = self
                .refused
                .iter()
                .min_by_key(|(_, known)| known.last)
                .map(|(key, _)| *key)
        {
            self.refused.remove(&oldest);
        }
        let known = self.refused.entry(key).or_insert(Refused {
            tries: 0,
            last: now,
        });
        known.tries = known.tries.saturating_add(tries);
        known.last = now;
    }

    /// The camera took the password: what was refused before was for another reason.
    pub fn accepted(&mut self, camera: SocketAddrV4, credentials: &Credentials) {
        let key = self.key(camera, credentials);
        self.refused.remove(&key);
    }

    fn key(&self, camera: SocketAddrV4, credentials: &Credentials) -> Try {
        let digest = self
            .keyed
            .hash_one((&credentials.user, &credentials.password));
        (camera, digest)
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use std::net::Ipv4Addr;

    use super::*;

    const HOST: SocketAddrV4 = SocketAddrV4::new(Ipv4Addr::new(192, 0, 2, 7), 80);
    const OTHER: SocketAddrV4 = SocketAddrV4::new(Ipv4Addr::new(192, 0, 2, 8), 80);

    fn credentials(password: &str) -> Credentials {
        Credentials {
            user: "admin".into(),
            password: password.into(),
        }
    }

    fn at(seconds: u64) -> Duration {
        Duration::from_secs(1000 + seconds)
    }

    #[test]
    fn two_tries_in_a_quarter_of_an_hour() {
        let mut refusals = Refusals::new();
        let wrong = credentials("wrong");
        assert_eq!(refusals.tries_left(at(0), HOST, &wrong), Ok(2));
        refusals.refused(at(0), HOST, &wrong, 1);
        assert_eq!(refusals.tries_left(at(1), HOST, &wrong), Ok(1));
        refusals.refused(at(60), HOST, &wrong, 1);
        assert_eq!(
            refusals.tries_left(at(61), HOST, &wrong),
            Err(HOLD - Duration::from_secs(1))
        );
        // Another password, and another camera, have tries of their own.
        assert_eq!(
            refusals.tries_left(at(61), HOST, &credentials("right")),
            Ok(2)
        );
        assert_eq!(refusals.tries_left(at(61), OTHER, &wrong), Ok(2));
        assert_eq!(
            refusals.tries_left(at(60) + HOLD, HOST, &wrong),
            Ok(2),
            "a quarter of an hour later"
        );
    }

    #[test]
    fn an_accepted_password_is_clean_again() {
        let mut refusals = Refusals::new();
        let known = credentials("right");
        refusals.refused(at(0), HOST, &known, 2);
        refusals.accepted(HOST, &known);
        assert_eq!(refusals.tries_left(at(1), HOST, &known), Ok(2));
    }

    #[test]
    fn what_is_remembered_is_bounded() {
        let mut refusals = Refusals::new();
        for n in 0..10_000_u32 {
            let camera = SocketAddrV4::new(Ipv4Addr::from(n), 80);
            refusals.refused(at(0), camera, &credentials("wrong"), 2);
        }
        assert_eq!(refusals.refused.len(), MAX_REMEMBERED);
    }
}

//! Licensing as a whole, in one process: boxes with a software TPM and a folder for a
//! disk, the portal's desk on SQLite, distributors with a balance. The journeys play the
//! same through pages; here a test (or a benchmark) holds every part in its hands, those
//! of an attacker included.
//!
//! The boxes run the supervisor's own [`LicenseBox`](sealgate_supervisor::license) and
//! the portal is its own [`Desk`](sealgate_portal::desk::Desk): nothing is imitated but
//! what an attacker imitates ([`FakeTpm`], [`SoftwareKey`]).

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a failed unwrap in a test's harness is a failed test"
)]

mod fake_tpm;
mod nvr;
mod portal;
pub mod raw_tpm;
mod software_key;

use std::sync::Arc;
use std::time::Duration;

use sealgate_base::{Clock as _, FakeClock};
use sealgate_license::vendor::Flavour;
use sealgate_portal::desk::DeskError;

pub use fake_tpm::{FakeTpm, Lies};
pub use nvr::{Disk, Nvr, TpmSnapshot, open_channels};
pub use portal::{Backup, Distributor, License, Portal};
pub use software_key::SoftwareKey;

/// 24 November 2026.
const START_UTC_MS: i64 = 1_795_478_400_000;

/// A portal, and what was sold through it.
pub struct World {
    /// The portal.
    pub portal: Portal,
    /// The time, for the portal and for every box.
    pub clock: Arc<FakeClock>,
    flavour: Flavour,
}

impl Default for World {
    fn default() -> Self {
        Self::new()
    }
}

impl World {
    /// A lab portal that has sold nothing yet.
    pub fn new() -> Self {
        Self::of(Flavour::Lab)
    }

    /// A portal of this flavour.
    pub fn of(flavour: Flavour) -> Self {
        let clock = Arc::new(FakeClock::at_utc_ms(START_UTC_MS));
        Self {
            portal: Portal::new(flavour, Arc::clone(&clock)),
            clock,
            flavour,
        }
    }

    /// A distributor who bought so many camera channels.
    pub fn distributor(&mut self, name: &str, channels: u32) -> Distributor {
        self.portal.distributor(name, channels)
    }

    /// A new box, whose TPM's maker the portal believes, with a server at this
    /// distributor. It was never started.
    pub fn nvr(&mut self, serial: &str, owner: &Distributor) -> Nvr {
        let server = self.portal.server(owner, serial);
        let nvr = Nvr::new(
            serial,
            owner.clone(),
            server,
            self.portal.roots(),
            Arc::clone(&self.clock),
        );
        self.portal.believe(&nvr.tpm.ek_roots().unwrap());
        nvr
    }

    /// A new box with this many channels in use.
    pub fn licensed(&mut self, serial: &str, owner: &Distributor, channels: u32) -> (Nvr, License) {
        let nvr = self.nvr(serial, owner);
        nvr.boot();
        let license = self.license(&nvr, channels);
        (nvr, license)
    }

    /// Request, issue, import: the box then has a license for this many channels.
    pub fn license(&mut self, nvr: &Nvr, channels: u32) -> License {
        let license = self.issue(nvr, &nvr.request(channels), channels).unwrap();
        nvr.import(&license.text).unwrap();
        assert_eq!(open_channels(&nvr.boot()), channels);
        license
    }

    /// The box's distributor fetches a license for a request, whoever made it.
    ///
    /// # Errors
    /// The portal refuses.
    pub fn issue(&self, nvr: &Nvr, request: &str, channels: u32) -> Result<License, DeskError> {
        self.portal.issue(&nvr.owner, nvr.server, request, channels)
    }

    /// The box's distributor fetches the license that the box had.
    ///
    /// # Errors
    /// The portal refuses.
    pub fn reissue(&self, nvr: &Nvr, request: &str) -> Result<License, DeskError> {
        self.portal.reissue(&nvr.owner, nvr.server, request)
    }

    /// What is charged to this distributor.
    pub fn charged(&self, owner: &Distributor) -> i64 {
        i64::from(owner.bought) - self.portal.available(owner)
    }

    /// What all attacks come down to: the channels that are open on these boxes, started
    /// afresh, are no more than what their distributors are charged, and those no more
    /// than what was bought.
    #[track_caller]
    pub fn nothing_extra_opens(&self, boxes: &[&Nvr]) {
        let open: u32 = boxes.iter().map(|nvr| open_channels(&nvr.boot())).sum();
        let mut owners: Vec<&Distributor> = boxes.iter().map(|nvr| &nvr.owner).collect();
        owners.sort_by_key(|owner| owner.id.to_string());
        owners.dedup_by_key(|owner| owner.id);
        let charged: i64 = owners.iter().map(|owner| self.charged(owner)).sum();
        let bought: i64 = owners.iter().map(|owner| i64::from(owner.bought)).sum();
        assert!(
            i64::from(open) <= charged && charged <= bought,
            "{open} open, {charged} charged, {bought} bought"
        );
    }

    /// Time passes.
    pub fn days_pass(&self, days: u64) {
        self.clock.advance(Duration::from_hours(24 * days));
    }

    /// The clock that box and portal read, in seconds since 1970.
    pub fn now_utc_s(&self) -> i64 {
        self.clock.utc_ms().div_euclid(1000)
    }

    /// Somebody sets the clock, to so many seconds since 1970.
    pub fn set_clock(&self, utc_s: i64) {
        self.clock.set_utc_ms(utc_s * 1000);
    }

    /// The portal's flavour.
    pub fn flavour(&self) -> Flavour {
        self.flavour
    }
}

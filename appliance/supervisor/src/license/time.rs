//! The box's clock beside the TPM's: for dated licenses, and for the end of the grace.

use jiff::{SignedDuration, Timestamp};
use sealgate_license::{
    attestation::{AttestationError, CounterEvidence, verify_counter},
    clock::{self, BeforeFloor, ClockNote, ClockReading, Judgement, Terms, TpmMoment},
    license_document::VerifiedLicense,
};
use sealgate_tpm::{Tpm, TpmError};

use super::{
    files::GraceNote,
    license_box::{LicenseBox, attestation_key},
};

/// How long the cameras stay when the counter is slightly past the license's. Policy, not
/// safety: the older license stays charged at the portal.
const GRACE: SignedDuration = SignedDuration::from_hours(7 * 24);
/// A note on disk is renewed when it is this much behind, so that checks in quick
/// succession do not wear the disk.
const RENEW_MS: u64 = 10 * 60 * 1000;
const RENEW: SignedDuration = SignedDuration::from_mins(10);

/// Why the clock was not confirmed.
#[derive(Debug, thiserror::Error)]
pub enum ClockError {
    /// The TPM failed.
    #[error("the clock can't be compared with the TPM's")]
    Tpm(#[from] TpmError),
    /// The TPM's proof of its time does not hold.
    #[error("the TPM's proof of its running time does not hold")]
    Proof(#[from] AttestationError),
    /// The clock shows less than has certainly passed.
    #[error("the clock is behind the time that the TPM attests")]
    Behind(#[from] BeforeFloor),
    /// It could not be remembered.
    #[error("that the clock was confirmed can't be remembered")]
    Files(#[from] sealgate_base::DurableError),
}

impl ClockError {
    /// The code in the catalog of words.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Tpm(error) => error.code(),
            Self::Proof(error) => error.code(),
            Self::Behind(_) => "SG-LIC-030",
            Self::Files(_) => "SG-API-003",
        }
    }
}

pub(super) fn moment(evidence: &CounterEvidence) -> TpmMoment {
    TpmMoment {
        clock_ms: evidence.clock_ms,
        reset_count: evidence.reset_count,
    }
}

/// What a license says of time; `None` for a perpetual one, which no clock touches.
fn terms(license: &VerifiedLicense) -> Option<Terms> {
    let payload = license.payload();
    let terms = Terms {
        validity: payload.validity,
        issued_at: payload.issued_at,
        clock_at_request_ms: license
            .tpm_binding()
            .ok()
            .map(|binding| binding.tpm_clock_at_request_ms),
    };
    terms.is_dated().then_some(terms)
}

impl LicenseBox {
    pub(super) fn now(&self) -> Timestamp {
        Timestamp::from_millisecond(self.clock.utc_ms()).unwrap_or(Timestamp::MAX)
    }

    fn reading(&self, tpm: TpmMoment) -> ClockReading {
        ClockReading {
            box_clock: self.now(),
            synchronised: self.clock.is_synchronised(),
            tpm,
        }
    }

    /// Judges the clocks for a license; `None` for a perpetual one. Remembers nothing.
    pub(super) fn judge(&self, license: &VerifiedLicense, tpm: TpmMoment) -> Option<Judgement> {
        let terms = terms(license)?;
        Some(clock::judge(
            self.files.clock().as_ref(),
            &self.reading(tpm),
            &terms,
        ))
    }

    /// Remembers what a judgement found, where that is news.
    pub(super) fn keep_time(&self, note: &ClockNote) {
        let is_news = self.files.clock().is_none_or(|kept| {
            let powered_ms = note.floor.at.powered_ms_since(kept.floor.at);
            powered_ms >= RENEW_MS
                || kept.floor.at.reset_count != note.floor.at.reset_count
                || note.floor.utc.duration_since(kept.floor.utc) >= RENEW
                || match (kept.believed, note.believed) {
                    (Some(a), Some(b)) => a.utc.duration_since(b.utc).abs() >= RENEW,
                    (a, b) => a.is_some() != b.is_some(),
                }
        });
        if is_news && let Err(error) = self.files.write_clock(note) {
            tracing::warn!(error = &error as &dyn std::error::Error, "the time's mark");
        }
    }

    /// The TPM's own time, attested.
    pub(super) fn tpm_moment(&self, tpm: &mut Tpm) -> Result<TpmMoment, ClockError> {
        let ak = attestation_key(tpm)?;
        let nonce: [u8; 32] = rand::random();
        let proof = tpm.certify_counter(&nonce)?;
        let evidence = verify_counter(&ak, &proof.attest, &proof.signature, &nonce)?;
        Ok(moment(&evidence))
    }

    /// A person says that the box's clock is right: it is believed until it jumps again.
    /// Without a dated license there is nothing to confirm, and nothing happens.
    ///
    /// # Errors
    /// It shows less than has certainly passed, or the TPM can't be asked.
    pub fn confirm_clock(&mut self) -> Result<(), ClockError> {
        let Some(terms) = self.active_license().as_ref().and_then(terms) else {
            return Ok(());
        };
        let mut tpm = Tpm::open(&self.tpm_address)?;
        let reading = self.reading(self.tpm_moment(&mut tpm)?);
        let note = clock::confirm(self.files.clock().as_ref(), &reading, &terms)?;
        self.files.write_clock(&note)?;
        tracing::info!(box_clock = %reading.box_clock, "the clock was confirmed");
        Ok(())
    }

    /// When the grace ends that began with the first check past this `to`: after seven
    /// days of the TPM's own time or, where a time server keeps the clock, of the calendar.
    /// The clock alone neither ends nor prolongs it.
    pub(super) fn grace_end(&self, to: u64, tpm: TpmMoment) -> Timestamp {
        let now = self.now();
        let is_sure = self.clock.is_synchronised();
        let kept = self.files.grace().filter(|note| note.to == to);
        let mut note = kept.unwrap_or(GraceNote {
            to,
            since: now,
            is_sure,
            at: tpm,
            used_ms: 0,
        });
        let powered_ms = tpm.powered_ms_since(note.at);
        let is_news = kept.is_none() || powered_ms >= RENEW_MS || tpm.clock_ms < note.at.clock_ms;
        let used_ms = note.used_ms.saturating_add(powered_ms);
        if is_news {
            (note.at, note.used_ms) = (tpm, used_ms);
            if let Err(error) = self.files.write_grace(note) {
                tracing::warn!(
                    error = &error as &dyn std::error::Error,
                    "the start of the grace was not stored"
                );
            }
        }
        let used = SignedDuration::from_millis(i64::try_from(used_ms).unwrap_or(i64::MAX));
        let by_calendar = if note.is_sure && is_sure {
            now.duration_since(note.since)
        } else {
            SignedDuration::ZERO
        };
        let left = GRACE.saturating_sub(used.max(by_calendar));
        now.saturating_add(left).unwrap_or(Timestamp::MAX)
    }
}

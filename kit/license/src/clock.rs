//! What time it is for a dated license, on a box whose clock its owner can set.
//!
//! Two things are kept. The *floor* is a time that has certainly come: it begins with the
//! license's date of issue and rises only with the TPM's attested powered time, so no
//! clock setting raises or lowers it. The *believed* time is what the box's clock said
//! when nothing spoke against it; a later clock is believed while it runs on from there,
//! while a time server keeps it, or when a person confirms it.
//!
//! A perpetual license never comes here.

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

use crate::license_document::Validity;

/// How far a clock may be off without a word: a time zone mistaken for another, and the
/// drift of a clock on its battery.
pub const CLOCK_SLACK: SignedDuration = SignedDuration::from_hours(24);
/// How long a license may lie unused between its issue and its import before the box's
/// clock needs confirming; and what the powered time between request and issue, which
/// the signed file can't tell apart, may take from the floor.
pub const MAIL_ALLOWANCE: SignedDuration = SignedDuration::from_hours(30 * 24);
/// TPM clocks run on their own oscillators. TPM2_ClockRateAdjust alone shifts them by up
/// to 15 % (Part 3, 29.3), so powered time counts less by that before it counts against
/// an owner.
pub const CLOCK_RATE_TOLERANCE_PERCENT: u64 = 15;
/// After a power cut the clock may start again from its last value in NV memory, which is
/// at most 2^22 ms old (Part 2, 10.11.1); farther back it was restarted by TPM2_Clear.
const CLOCK_LOSS_MS: u64 = 1 << 22;

/// The TPM's own time, as attested.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct TpmMoment {
    /// Powered time since the last TPM2_Clear, in milliseconds.
    pub clock_ms: u64,
    /// TPM resets since the last TPM2_Clear.
    pub reset_count: u32,
}

impl TpmMoment {
    /// The TPM was certainly on for this long since `earlier`, in milliseconds. After
    /// TPM2_Clear, which restarts the clock, that is the time since then.
    pub fn powered_ms_since(self, earlier: Self) -> u64 {
        let restarted = self.reset_count < earlier.reset_count
            || self.clock_ms.saturating_add(CLOCK_LOSS_MS) < earlier.clock_ms;
        if restarted {
            self.clock_ms
        } else {
            self.clock_ms.saturating_sub(earlier.clock_ms)
        }
    }
}

/// A time, tied to the TPM's.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Mark {
    /// The time.
    pub utc: Timestamp,
    /// What the TPM showed then.
    pub at: TpmMoment,
}

impl Mark {
    fn powered_since(&self, now: TpmMoment) -> u64 {
        now.powered_ms_since(self.at)
    }
}

/// What the box remembers of time between two checks. Losing it costs an owner a
/// confirmation; forging it gains at most [`MAIL_ALLOWANCE`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct ClockNote {
    /// It is certainly not earlier.
    pub floor: Mark,
    /// What was last believed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub believed: Option<Mark>,
}

/// The clocks at one check.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ClockReading {
    /// The box's clock.
    pub box_clock: Timestamp,
    /// A time server keeps the box's clock.
    pub synchronised: bool,
    /// The TPM's.
    pub tpm: TpmMoment,
}

/// What a dated license says of time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Terms {
    /// When it may be used.
    pub validity: Validity,
    /// When it was issued.
    pub issued_at: Timestamp,
    /// The TPM's clock at the request; `None` for a license that is bound to no TPM.
    pub clock_at_request_ms: Option<u64>,
}

/// Why the box's clock can't be gone by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ClockDoubt {
    /// It shows less than has certainly passed.
    SetBack {
        /// It is certainly not earlier.
        floor: Timestamp,
    },
    /// It jumped, and the license would start or end by that.
    Jumped {
        /// The time if the box was never off.
        estimate: Timestamp,
    },
}

/// What the clocks mean for a license.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Judgement {
    /// What to go by.
    pub now: Timestamp,
    /// If so, no dated license holds until it is resolved.
    pub doubt: Option<ClockDoubt>,
    /// To be remembered.
    pub note: ClockNote,
}

/// A date that is before what has certainly passed can't be confirmed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("it is certainly later than {floor}")]
pub struct BeforeFloor {
    /// It is certainly not earlier.
    pub floor: Timestamp,
}

fn ms(ms: u64) -> SignedDuration {
    SignedDuration::from_millis(i64::try_from(ms).unwrap_or(i64::MAX))
}

fn later(time: Timestamp, by: SignedDuration) -> Timestamp {
    time.saturating_add(by).unwrap_or(if by.is_negative() {
        Timestamp::MIN
    } else {
        Timestamp::MAX
    })
}

fn slow(powered_ms: u64) -> SignedDuration {
    ms(powered_ms - powered_ms / 100 * CLOCK_RATE_TOLERANCE_PERCENT)
}

fn fast(powered_ms: u64) -> SignedDuration {
    ms(powered_ms.saturating_add(powered_ms / 100 * CLOCK_RATE_TOLERANCE_PERCENT))
}

/// On which side of a license's dates a time lies.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Side {
    Before,
    Within,
    After,
}

impl Terms {
    /// Whether any clock matters.
    pub fn is_dated(&self) -> bool {
        self.validity.not_before.is_some() || self.validity.not_after.is_some()
    }

    fn side(&self, now: Timestamp) -> Side {
        if self.validity.not_after.is_some_and(|last| now > last) {
            Side::After
        } else if self.validity.not_before.is_some_and(|first| now < first) {
            Side::Before
        } else {
            Side::Within
        }
    }

    /// What the signed file alone proves: it can't be forged with the note.
    fn signed_floor(&self, tpm: TpmMoment) -> Timestamp {
        let powered = self
            .clock_at_request_ms
            .map_or(0, |at| tpm.clock_ms.saturating_sub(at));
        later(later(self.issued_at, slow(powered)), -MAIL_ALLOWANCE)
    }

    fn floor(&self, note: Option<&ClockNote>, tpm: TpmMoment) -> Mark {
        let remembered = note.map(|note| grown(&note.floor, tpm).utc);
        let utc = [
            Some(self.issued_at),
            Some(self.signed_floor(tpm)),
            remembered,
        ]
        .into_iter()
        .flatten()
        .max()
        .unwrap_or(self.issued_at);
        Mark { utc, at: tpm }
    }
}

fn grown(floor: &Mark, tpm: TpmMoment) -> Mark {
    Mark {
        utc: later(floor.utc, slow(floor.powered_since(tpm))),
        at: tpm,
    }
}

/// Judges the clocks for a dated license. Pure: the caller keeps the note.
pub fn judge(note: Option<&ClockNote>, reading: &ClockReading, terms: &Terms) -> Judgement {
    let ClockReading {
        box_clock,
        synchronised,
        tpm,
    } = *reading;
    let floor = terms.floor(note, tpm);
    let mut believed = note.and_then(|note| note.believed);
    let now = box_clock.max(floor.utc);
    let set_back = box_clock < later(floor.utc, -CLOCK_SLACK);
    let doubt = if set_back {
        // What has certainly ended has ended by any clock.
        (terms.side(floor.utc) != Side::After).then_some(ClockDoubt::SetBack { floor: floor.utc })
    } else if synchronised || runs_on(believed.as_ref(), &floor, box_clock) {
        believed = Some(Mark { utc: now, at: tpm });
        None
    } else {
        let estimate = believed
            .map_or(floor.utc, |mark| {
                later(mark.utc, ms(mark.powered_since(tpm)))
            })
            .max(floor.utc);
        (terms.side(now) != terms.side(estimate)).then_some(ClockDoubt::Jumped { estimate })
    };
    Judgement {
        now,
        doubt,
        note: ClockNote { floor, believed },
    }
}

/// Whether the box's clock only ran on since it was last believed.
fn runs_on(believed: Option<&Mark>, floor: &Mark, box_clock: Timestamp) -> bool {
    let (earliest, latest) = match believed {
        Some(mark) => {
            let powered = mark.powered_since(floor.at);
            (
                later(mark.utc, slow(powered) - CLOCK_SLACK),
                later(mark.utc, fast(powered) + CLOCK_SLACK),
            )
        }
        None => (
            later(floor.utc, -CLOCK_SLACK),
            later(floor.utc, MAIL_ALLOWANCE),
        ),
    };
    (earliest..=latest).contains(&box_clock)
}

/// A person says that the box's clock is right. It moves what is believed, never the
/// floor: a wrong date that was confirmed is mended by confirming the right one.
///
/// # Errors
/// The clock shows less than has certainly passed.
pub fn confirm(
    note: Option<&ClockNote>,
    reading: &ClockReading,
    terms: &Terms,
) -> Result<ClockNote, BeforeFloor> {
    let floor = terms.floor(note, reading.tpm);
    if reading.box_clock < later(floor.utc, -CLOCK_SLACK) {
        return Err(BeforeFloor { floor: floor.utc });
    }
    Ok(ClockNote {
        floor,
        believed: Some(Mark {
            utc: reading.box_clock.max(floor.utc),
            at: reading.tpm,
        }),
    })
}

//! What becomes of one camera's parts: by its plan they are left, held in memory or written, to
//! the disk that suits best.
//!
//! Invariant: nothing here waits for a disk; the session's task calls it.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use sealgate_base::Clock;
use sealgate_camera::CameraId;
use sealgate_recorder_link::{Event, EventKind, GapCause, Keeping, RecordPlan, Span};
use tokio::sync::oneshot;

use crate::disks::{Disks, Place};
use crate::format::InitSegment;
use crate::part::{self, Part};
use crate::plan::{self, Motion, Report, Verdict};
use crate::preroll::PreRoll;
use crate::writer::{OpenGap, WriteJob};

/// How long a camera writes to one disk before another is considered.
const DISK_FOR: Duration = Duration::from_secs(120);

/// One camera's way to the disks.
pub struct Keeper {
    camera: CameraId,
    disks: Arc<Disks>,
    clock: Arc<dyn Clock>,
    /// Counts bytes on their way to a disk.
    recorded_bytes: Arc<AtomicU64>,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    plan: RecordPlan,
    motion: Motion,
    /// The motion that lasts or was the last, as far as it was seen.
    event: Option<Event>,
    /// It is to be told in the file.
    event_is_new: bool,
    held: PreRoll,
    place: Option<Arc<Place>>,
    chosen_90k: u64,
    /// A file is being written.
    writing: bool,
    /// The newest part that was written ends then.
    written_to_utc_ms: Option<i64>,
    gap: Option<OpenGap>,
    keeping: Keeping,
}

impl Keeper {
    /// Nothing is written yet.
    pub fn new(
        camera: CameraId,
        plan: RecordPlan,
        disks: Arc<Disks>,
        clock: Arc<dyn Clock>,
        recorded_bytes: Arc<AtomicU64>,
    ) -> Self {
        let state = State {
            plan,
            ..State::default()
        };
        Self {
            camera,
            disks,
            clock,
            recorded_bytes,
            state: Mutex::new(state),
        }
    }

    /// Another plan holds from the next part on.
    pub fn set_plan(&self, plan: RecordPlan) {
        self.state().plan = plan;
    }

    /// The camera reports motion since a moment, or that there is none any more. Gives the
    /// event as it is known now; none if nothing is new.
    pub fn report_motion(&self, active: bool, utc_ms: i64) -> Option<Event> {
        let now = self.clock.monotonic();
        let mut state = self.state();
        let state = &mut *state;
        match state.motion.report(active, now) {
            Report::Begins => {
                let span = Span {
                    start_utc_ms: utc_ms,
                    end_utc_ms: utc_ms,
                };
                let kind = EventKind::Motion;
                state.event = Some(Event { span, kind });
            }
            Report::Continues => {
                let end = if active { self.clock.utc_ms() } else { utc_ms };
                let span = &mut state.event.as_mut()?.span;
                span.end_utc_ms = span.end_utc_ms.max(end);
            }
            Report::Nothing => return None,
        }
        state.event_is_new = true;
        state.event
    }

    /// What becomes of the camera's frames.
    pub fn keeping(&self) -> Keeping {
        self.state().keeping
    }

    /// What is not written just now.
    pub fn gap(&self) -> Option<OpenGap> {
        self.state().gap
    }

    /// Takes one part. Never waits.
    pub fn take(&self, init: &Arc<InitSegment>, part: &Arc<Part>) {
        let mut state = self.state();
        let state = &mut *state;
        let when = plan::when(&state.plan, part.utc_ms, &self.disks.zone());
        // What counts is when the part's first picture came, not when the part was finished.
        let duration = Duration::from_millis(part::ms(part.duration_90k));
        let began = self.clock.monotonic().saturating_sub(duration);
        match plan::verdict(&state.plan, when, &mut state.motion, began) {
            Verdict::Leave => {
                self.leave_off(state, GapCause::Plan);
                state.held.clear();
                state.keeping = Keeping::Nothing;
            }
            Verdict::Hold => {
                self.leave_off(state, GapCause::Plan);
                let max_bytes = self.disks.held_share_bytes.load(Ordering::Relaxed);
                state.held.push(init, part, state.plan.before(), max_bytes);
                state.keeping = Keeping::AwaitingMotion;
            }
            Verdict::Write => {
                for (init, part) in state.held.take() {
                    self.write(state, &init, &part);
                }
                self.write(state, init, part);
            }
        }
    }

    fn write(&self, state: &mut State, init: &Arc<InitSegment>, part: &Arc<Part>) {
        let is_lost = state.place.as_ref().is_none_or(|place| !place.is_usable());
        if part.starts_with_idr {
            self.choose(state, part, is_lost);
        } else if !state.writing {
            // The plan begins within a group: the next one is the first.
            state.gap.get_or_insert(OpenGap {
                since_utc_ms: part.utc_ms,
                cause: GapCause::Plan,
            });
            return;
        } else if is_lost || state.gap.is_some() {
            return Self::leave_out(state, part);
        }
        let Some(place) = state.place.as_ref().filter(|place| place.is_usable()) else {
            return Self::leave_out(state, part);
        };
        let job = WriteJob {
            camera: self.camera,
            init: Arc::clone(init),
            part: Arc::clone(part),
            gap: state.gap,
            event: state.event.filter(|_| state.event_is_new),
            recorded_bytes: Arc::clone(&self.recorded_bytes),
        };
        if let Err(error) = place.writer.try_write(job) {
            if state.gap.is_none() {
                tracing::error!(%error, disk = place.disk.name(), "video is lost until the next IDR");
            }
            return Self::leave_out(state, part);
        }
        let duration_ms = i64::try_from(part::ms(part.duration_90k)).unwrap_or(i64::MAX);
        state.written_to_utc_ms = Some(part.utc_ms.saturating_add(duration_ms));
        state.writing = true;
        state.gap = None;
        state.event_is_new = false;
        state.keeping = Keeping::Writing;
    }

    fn leave_out(state: &mut State, part: &Part) {
        state.gap.get_or_insert(OpenGap {
            since_utc_ms: part.utc_ms,
            cause: GapCause::Disk,
        });
        state.keeping = Keeping::Refused;
    }

    /// Considers another disk, now and then or because the present one is lost.
    fn choose(&self, state: &mut State, part: &Part, is_lost: bool) {
        let since = part.decode_time_90k.saturating_sub(state.chosen_90k);
        if !is_lost && since < part::ticks(DISK_FOR) {
            return;
        }
        state.chosen_90k = part.decode_time_90k;
        let chosen = self.disks.choose(state.place.as_ref());
        let same = match (&chosen, &state.place) {
            (Some(chosen), Some(place)) => Arc::ptr_eq(chosen, place),
            (None, _) => true,
            (Some(_), None) => false,
        };
        if same {
            return;
        }
        if let Some(former) = state.place.take() {
            drop(former.writer.close(self.camera));
            former.disk.count_camera(false);
        }
        if let Some(chosen) = &chosen {
            chosen.disk.count_camera(true);
        }
        state.place = chosen;
    }

    /// Finishes the file, as nothing follows for now.
    fn leave_off(&self, state: &mut State, cause: GapCause) -> Option<oneshot::Receiver<()>> {
        let since_utc_ms = state.written_to_utc_ms;
        if !std::mem::take(&mut state.writing) {
            return None;
        }
        if let Some(since_utc_ms) = since_utc_ms {
            state.gap.get_or_insert(OpenGap {
                since_utc_ms,
                cause,
            });
        }
        let place = state.place.as_ref()?;
        Some(place.writer.close(self.camera))
    }

    /// The session is over. The answer comes once its file is finished.
    pub fn end_session(&self) -> oneshot::Receiver<()> {
        let mut state = self.state();
        state.held.clear();
        state.keeping = Keeping::Nothing;
        let closed = self.leave_off(&mut state, GapCause::Camera);
        // Where nothing was written, the dropped sender answers.
        closed.unwrap_or_else(|| oneshot::channel().1)
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Keeper {
    fn drop(&mut self) {
        if let Some(place) = self.state().place.take() {
            place.disk.count_camera(false);
        }
    }
}

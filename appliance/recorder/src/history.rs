//! What was recorded of a camera, what was not and why, and what happened.

use sealgate_camera::CameraId;
use sealgate_recorder_link::{Gap, GapCause, RecorderRefusal, Recording, Span, Timeline};

use crate::index::Found;
use crate::playback::end_utc_ms;
use crate::recorder::Recorder;

/// Recordings closer to each other are one span, milliseconds.
const SAME_SPAN_MS: i64 = 1500;
/// A time line is told in this many spans at most, so that its answer fits into one message.
const MAX_SPANS: i64 = 4000;

impl Recorder {
    /// One camera's time line. Reads the index: call it where blocking is allowed.
    ///
    /// # Errors
    /// [`RecorderRefusal::Index`].
    pub fn timeline(&self, camera: CameraId, range: Span) -> Result<Timeline, RecorderRefusal> {
        let now_utc_ms = self.now_utc_ms();
        let readable = self.disks.readable();
        let Span {
            start_utc_ms,
            end_utc_ms,
        } = range;
        // Before the index is asked: what is finished in between is seen in one of the two.
        let growing = self.disks.growing(camera);
        let (mut found, away, mut known, events) = self.ask_index(|index| {
            let away = index.other_disks(&readable)?;
            Ok((
                index.between(&readable, camera, start_utc_ms, end_utc_ms)?,
                index.between(&away, camera, start_utc_ms, end_utc_ms)?,
                index.gaps(camera, range)?,
                index.events(camera, range)?,
            ))
        })?;
        for (_, progress) in growing {
            let mut found = found.iter_mut().map(|found| &mut found.recording);
            let is_it =
                |recording: &&mut Recording| recording.growing && recording.file == progress.file;
            if let Some(recording) = found.find(is_it) {
                recording.duration_ms = progress.duration_ms;
            }
        }
        if let Some(open) = self.open_gap(camera) {
            known.push(gap(open.since_utc_ms, now_utc_ms, Some(open.cause)));
        }
        known.extend(away.iter().map(|found| Gap {
            span: span_of(found),
            cause: Some(GapCause::DiskAway),
        }));
        let tolerance = SAME_SPAN_MS.max(end_utc_ms.saturating_sub(start_utc_ms) / MAX_SPANS);
        let spans = joined(found.iter().map(span_of), range, tolerance);
        let until = Span {
            end_utc_ms: end_utc_ms.min(now_utc_ms),
            ..range
        };
        let gaps = gaps(&spans, &known, until, tolerance);
        let most = usize::try_from(MAX_SPANS).unwrap_or(usize::MAX);
        let events = events.into_iter().take(most).collect();
        Ok(Timeline {
            spans,
            gaps,
            events,
        })
    }
}

fn span_of(found: &Found) -> Span {
    Span {
        start_utc_ms: found.recording.start_utc_ms,
        end_utc_ms: end_utc_ms(&found.recording),
    }
}

fn gap(start_utc_ms: i64, end_utc_ms: i64, cause: Option<GapCause>) -> Gap {
    let span = Span {
        start_utc_ms,
        end_utc_ms,
    };
    Gap { span, cause }
}

/// Spans that touch, nearly, as one; cut to the range. They come in the order of their starts.
fn joined(spans: impl Iterator<Item = Span>, range: Span, tolerance_ms: i64) -> Vec<Span> {
    let mut joined: Vec<Span> = Vec::new();
    for span in spans {
        let start_utc_ms = span.start_utc_ms.max(range.start_utc_ms);
        let end_utc_ms = span.end_utc_ms.min(range.end_utc_ms);
        if end_utc_ms <= start_utc_ms {
            continue;
        }
        match joined.last_mut() {
            Some(last) if start_utc_ms <= last.end_utc_ms.saturating_add(tolerance_ms) => {
                last.end_utc_ms = last.end_utc_ms.max(end_utc_ms);
            }
            _ => joined.push(Span {
                start_utc_ms,
                end_utc_ms,
            }),
        }
    }
    joined
}

/// What lies between the spans, cut where the cause changes.
fn gaps(spans: &[Span], known: &[Gap], range: Span, tolerance_ms: i64) -> Vec<Gap> {
    let mut known: Vec<&Gap> = known.iter().collect();
    known.sort_by_key(|gap| gap.span.start_utc_ms);
    let mut found = Vec::new();
    let mut from = range.start_utc_ms;
    let ends = spans
        .iter()
        .map(|span| (span.start_utc_ms, span.end_utc_ms));
    for (to, next) in ends.chain([(range.end_utc_ms, range.end_utc_ms)]) {
        let mut at = from;
        for Gap { span, cause } in &known {
            let (start, end) = (span.start_utc_ms.max(at), span.end_utc_ms.min(to));
            if end <= start {
                continue;
            }
            // What is hardly a gap of its own has the cause of the next.
            let before = cause.filter(|_| start - at <= tolerance_ms);
            push(&mut found, gap(at, start, before));
            push(&mut found, gap(start, end, *cause));
            at = end;
        }
        if to - at > tolerance_ms {
            push(&mut found, gap(at, to, None));
        } else if let Some(last) = found.last_mut()
            && last.span.end_utc_ms == at
        {
            last.span.end_utc_ms = to;
        }
        from = from.max(next);
    }
    found
}

fn push(found: &mut Vec<Gap>, gap: Gap) {
    if gap.span.end_utc_ms <= gap.span.start_utc_ms {
        return;
    }
    match found.last_mut() {
        Some(last) if last.cause == gap.cause && last.span.end_utc_ms == gap.span.start_utc_ms => {
            last.span.end_utc_ms = gap.span.end_utc_ms;
        }
        _ => found.push(gap),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn span(start_utc_ms: i64, end_utc_ms: i64) -> Span {
        Span {
            start_utc_ms,
            end_utc_ms,
        }
    }

    #[test]
    fn recordings_that_follow_each_other_are_one_span() {
        let range = span(1000, 90_000);
        let spans = [
            span(0, 10_000),
            span(10_500, 20_000),
            span(12_000, 15_000),
            span(30_000, 95_000),
        ];
        let found = joined(spans.into_iter(), range, 1500);
        assert_eq!(found, [span(1000, 20_000), span(30_000, 90_000)]);
    }

    /// Recorded from 20 s to 40 s and from 60 s to 80 s, asked from 0 s to 100 s.
    fn check(known: &[(i64, i64, GapCause)], expected: &[(i64, i64, Option<GapCause>)]) {
        let spans = [span(20_000, 40_000), span(60_000, 80_000)];
        let known: Vec<_> = known
            .iter()
            .map(|(from, to, cause)| gap(from * 1000, to * 1000, Some(*cause)))
            .collect();
        let found = gaps(&spans, &known, span(0, 100_000), 1500);
        let expected: Vec<_> = expected
            .iter()
            .map(|(from, to, cause)| gap(from * 1000, to * 1000, *cause))
            .collect();
        assert_eq!(found, expected);
    }

    #[test]
    fn what_is_hardly_a_gap_is_none() {
        let found = gaps(&[span(1000, 99_000)], &[], span(0, 100_000), 1500);
        assert_eq!(found, []);
    }

    #[test]
    fn gaps_have_the_cause_that_is_known() {
        use GapCause::{Camera, Disk, Plan};
        check(&[], &[(0, 20, None), (40, 60, None), (80, 100, None)]);
        check(
            &[(40, 60, Camera), (81, 99, Plan)],
            &[(0, 20, None), (40, 60, Some(Camera)), (80, 100, Some(Plan))],
        );
        check(
            &[(30, 45, Disk), (50, 70, Plan), (-50, 5, Camera)],
            &[
                (0, 5, Some(Camera)),
                (5, 20, None),
                (40, 45, Some(Disk)),
                (45, 50, None),
                (50, 60, Some(Plan)),
                (80, 100, None),
            ],
        );
    }
}

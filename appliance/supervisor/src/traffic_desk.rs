//! What each admitted camera sent in the last hours, from the kernel's counters.
//!
//! A ring in memory for each camera, so that its page can draw a chart; nothing of it is
//! kept over a restart.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use sealgate_base::{Clock, Shutdown};
use sealgate_camera::MacAddress;
use sealgate_kernel_gate::{CameraCounters, KernelGate};
use sealgate_web::rooms::TrafficView;

/// One point of a chart.
const PERIOD: Duration = Duration::from_secs(20);
/// Two hours of them.
const POINTS: usize = 360;
/// More cameras than any box has places for.
const MAX_CAMERAS: usize = 512;

/// The rings.
#[derive(Debug, Default)]
pub struct Traffic {
    rings: Mutex<BTreeMap<MacAddress, Ring>>,
}

#[derive(Debug, Default)]
struct Ring {
    passed_bytes: u64,
    dropped_packets: u64,
    points: VecDeque<TrafficView>,
}

impl Traffic {
    /// A camera's last two hours, oldest first.
    pub fn of(&self, mac: MacAddress) -> Vec<TrafficView> {
        self.lock()
            .get(&mac)
            .map_or_else(Vec::new, |ring| ring.points.iter().copied().collect())
    }

    /// Takes the counters of one moment.
    fn take(&self, cameras: &[CameraCounters], utc_ms: i64, period: Duration) {
        let mut rings = self.lock();
        let period_ms = u32::try_from(period.as_millis()).unwrap_or(u32::MAX);
        let oldest = utc_ms - i64::from(period_ms) * (POINTS as i64);
        rings.retain(|_, ring| {
            let last = ring.points.back();
            last.is_none_or(|point| point.utc_ms > oldest)
        });
        for camera in cameras.iter().filter(|camera| camera.ip.is_some()) {
            let is_new = !rings.contains_key(&camera.mac);
            if is_new && rings.len() >= MAX_CAMERAS {
                continue;
            }
            let ring = rings.entry(camera.mac).or_default();
            // What was counted before somebody looked belongs to no period.
            if !is_new {
                if ring.points.len() == POINTS {
                    ring.points.pop_front();
                }
                ring.points.push_back(TrafficView {
                    utc_ms,
                    period_ms,
                    passed_bytes: since(ring.passed_bytes, camera.accepted_bytes),
                    dropped_packets: since(ring.dropped_packets, camera.dropped_packets),
                });
            }
            ring.passed_bytes = camera.accepted_bytes;
            ring.dropped_packets = camera.dropped_packets;
        }
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<MacAddress, Ring>> {
        self.rings.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A counter that is lower than before began anew: the camera was admitted again.
fn since(before: u64, now: u64) -> u64 {
    now.checked_sub(before).unwrap_or(now)
}

/// Reads the counters, until the end.
pub async fn run(
    traffic: Arc<Traffic>,
    gate: Arc<KernelGate>,
    clock: Arc<dyn Clock>,
    shutdown: Shutdown,
) {
    let mut last = clock.monotonic();
    loop {
        tokio::select! {
            () = shutdown.requested() => return,
            () = tokio::time::sleep(PERIOD) => {}
        }
        // Without counters there is a hole in the chart; the gate's own watch says why.
        if let Ok(counters) = gate.counters().await {
            let now = clock.monotonic();
            traffic.take(&counters.cameras, clock.utc_ms(), now.saturating_sub(last));
            last = now;
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn counted(last: u8, passed: u64, dropped: u64) -> CameraCounters {
        CameraCounters {
            mac: MacAddress::from_octets([2, 0, 0, 0, 0, last]).unwrap(),
            ip: Some([192, 168, 77, last].into()),
            accepted_packets: 0,
            accepted_bytes: passed,
            dropped_packets: dropped,
            dropped_bytes: 0,
            dropped_other_packets: 0,
        }
    }

    #[test]
    fn a_point_is_what_came_since_the_one_before() {
        let traffic = Traffic::default();
        let mac = counted(1, 0, 0).mac;
        let seen = |traffic: &Traffic| -> Vec<(u64, u64)> {
            let points = traffic.of(mac).into_iter();
            points
                .map(|point| (point.passed_bytes, point.dropped_packets))
                .collect()
        };
        traffic.take(&[counted(1, 5_000, 3)], 20_000, PERIOD);
        assert_eq!(seen(&traffic), []);
        traffic.take(&[counted(1, 6_500, 3)], 40_000, PERIOD);
        traffic.take(&[counted(1, 400, 0)], 60_000, PERIOD);
        assert_eq!(seen(&traffic), [(1_500, 0), (400, 0)]);
    }

    #[test]
    fn rings_are_bounded_and_forgotten() {
        let traffic = Traffic::default();
        let mac = counted(1, 0, 0).mac;
        let period_ms = i64::try_from(PERIOD.as_millis()).unwrap();
        for round in 0..1000_u16 {
            let at = i64::from(round) * period_ms;
            traffic.take(&[counted(1, u64::from(round) * 10, 0)], at, PERIOD);
        }
        assert_eq!(traffic.of(mac).len(), POINTS);
        let unadmitted = CameraCounters {
            ip: None,
            ..counted(2, 7, 7)
        };
        let later = 2000 * period_ms;
        traffic.take(&[unadmitted], later, PERIOD);
        assert_eq!(traffic.of(mac), []);
        assert!(traffic.lock().is_empty());
    }
}

//! A camera's traffic as a drawing of our own.

use sealgate_pages::{Markup, html};

use crate::pages::words::clock_time;
use crate::rooms::TrafficView;

const WIDTH: f64 = 720.0;
const HEIGHT: f64 = 120.0;

/// Bits a second over the last hours, with a mark where packets were dropped.
pub(super) fn chart(points: &[TrafficView]) -> Markup {
    let (Some(first), Some(last)) = (points.first(), points.last()) else {
        return html! {
            p class="muted" { "Its traffic shows here once it has been admitted for a minute." }
        };
    };
    let rate = |point: &TrafficView| {
        let seconds = f64::from(point.period_ms.max(1)) / 1000.0;
        point.passed_bytes as f64 * 8.0 / seconds
    };
    let most = points.iter().map(rate).fold(0.0, f64::max);
    let begin = first.utc_ms - i64::from(first.period_ms);
    let span = (last.utc_ms - begin).max(1) as f64;
    let x = |utc_ms: i64| (utc_ms - begin) as f64 / span * WIDTH;
    let y = |value: f64| HEIGHT - value / most.max(1.0) * (HEIGHT - 4.0);
    let mut line = format!("M0 {HEIGHT}");
    for point in points {
        let (from, to) = (
            x(point.utc_ms - i64::from(point.period_ms)),
            x(point.utc_ms),
        );
        let height = y(rate(point));
        line.push_str(&format!("L{from:.1} {height:.1}L{to:.1} {height:.1}"));
    }
    line.push_str(&format!("L{WIDTH} {HEIGHT}Z"));
    let dropped: u64 = points.iter().map(|point| point.dropped_packets).sum();
    let words = format!(
        "{} now, {} at most since {}; {dropped} packets dropped",
        bit_rate(rate(last)),
        bit_rate(most),
        clock_time(begin),
    );
    html! {
        figure class="chart" {
            svg viewBox={ "0 0 " (WIDTH) " " (HEIGHT) } preserveAspectRatio="none" role="img" aria-label={ "Traffic: " (words) } {
                path class="chart-area" d=(line) {}
                @for point in points.iter().filter(|point| point.dropped_packets > 0) {
                    rect class="chart-dropped" x={ (format!("{:.1}", x(point.utc_ms) - 3.0)) } y="0" width="3" height={ (HEIGHT) } {}
                }
            }
            figcaption {
                span { (clock_time(begin)) }
                span class="figures" { (words) }
                span { (clock_time(last.utc_ms)) }
            }
        }
    }
}

fn bit_rate(bits: f64) -> String {
    if bits >= 999_500.0 {
        format!("{:.1} Mbit/s", bits / 1e6)
    } else {
        format!("{:.0} kbit/s", bits / 1e3)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_line_stays_in_its_frame() {
        let point = |utc_ms, passed_bytes, dropped_packets| TrafficView {
            utc_ms,
            period_ms: 20_000,
            passed_bytes,
            dropped_packets,
        };
        let points = [
            point(20_000, 7_500_000, 0),
            point(40_000, 0, 3),
            point(60_000, 2_500, 0),
        ];
        let text = chart(&points).into_string();
        assert!(
            text.contains(
                "M0 120L0.0 4.0L240.0 4.0L240.0 120.0L480.0 120.0L480.0 120.0L720.0 120.0L720 120Z"
            ),
            "{text}"
        );
        assert!(text.contains("1 kbit/s now, 3.0 Mbit/s at most"), "{text}");
        assert!(text.contains("3 packets dropped"), "{text}");
        assert!(!chart(&[]).into_string().contains("<svg"));
        let silent = chart(&[point(20_000, 0, 0)]).into_string();
        assert!(silent.contains("0 kbit/s now"), "{silent}");
    }
}

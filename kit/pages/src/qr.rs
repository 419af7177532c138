//! QR codes, drawn as one path: a page may hold no image from elsewhere and no inline style.

use std::fmt::Write as _;

use maud::{Markup, html};
use qrcode::{Color, QrCode};

/// Modules of light around the code (ISO/IEC 18004, 6.3.8).
const QUIET: usize = 4;

/// The text as a QR code; none where it is too long for one. `label` says what it is to
/// those who can't see it.
pub fn qr_code(text: &str, label: &str) -> Option<Markup> {
    let code = QrCode::new(text).ok()?;
    let width = code.width();
    let mut path = String::new();
    for (index, _) in code
        .to_colors()
        .iter()
        .enumerate()
        .filter(|(_, color)| **color == Color::Dark)
    {
        let (x, y) = (index % width + QUIET, index / width + QUIET);
        write!(path, "M{x} {y}h1v1h-1z").ok()?;
    }
    let side = width + 2 * QUIET;
    Some(html! {
        svg class="qr" viewBox={ "0 0 " (side) " " (side) } width="232" height="232"
            role="img" aria-label=(label) shape-rendering="crispEdges" {
            rect width=(side) height=(side) fill="#fff" {}
            path d=(path) fill="#000" {}
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn draws_finder_patterns_inside_a_quiet_zone_and_refuses_too_much() {
        let drawn = qr_code("otpauth://totp/a:b?secret=GEZDGNBV", "For <the> app")
            .map(Markup::into_string)
            .unwrap_or_default();
        // The upper left corner of the first finder pattern, and nothing outside it.
        assert!(drawn.contains("M4 4h1v1h-1z"), "{drawn}");
        assert!(!drawn.contains("M3 "), "{drawn}");
        assert!(drawn.contains("For &lt;the&gt; app"));
        assert!(qr_code(&"x".repeat(4000), "").is_none());
    }
}

//! Bounds for what devices send.

use quick_xml::Reader;
use quick_xml::events::Event;

/// Texts kept for display are cut to this many characters.
pub(crate) const MAX_TEXT_CHARS: usize = 128;

/// No message of WS-Discovery or of ONVIF's device and media services nests deeper than
/// about 15 elements. A tree of thousands would be freed by recursion and overflow the
/// stack, so deeper documents are refused before a tree is made of them.
pub(crate) const MAX_DEPTH: usize = 48;

/// A text as it may be shown: control characters gone, ends trimmed, cut; none if empty.
pub(crate) fn display_text(text: &str) -> Option<String> {
    let cut: String = text
        .trim()
        .chars()
        .filter(|character| !character.is_control())
        .take(MAX_TEXT_CHARS)
        .collect();
    (!cut.trim().is_empty()).then(|| cut.trim().to_owned())
}

/// Whether no element of the document is nested deeper than [`MAX_DEPTH`]. A document
/// that is no XML counts up to where it ceases to be.
pub(crate) fn is_shallow(document: &str) -> bool {
    let mut reader = Reader::from_str(document);
    let mut depth = 0_usize;
    loop {
        match reader.read_event() {
            Ok(Event::Start(_)) => depth += 1,
            Ok(Event::End(_)) => depth = depth.saturating_sub(1),
            Ok(Event::Eof) | Err(_) => return true,
            Ok(_) => {}
        }
        if depth > MAX_DEPTH {
            return false;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cuts_and_cleans() {
        assert_eq!(
            display_text(" Front\r\n door\u{0} "),
            Some("Front door".into())
        );
        assert_eq!(display_text(" \u{1b} "), None);
        let long = "é".repeat(1000);
        assert_eq!(
            display_text(&long).map(|text| text.chars().count()),
            Some(MAX_TEXT_CHARS)
        );
    }

    #[test]
    fn tells_deep_from_shallow() {
        let nest = |depth: usize| format!("{}{}", "<a>".repeat(depth), "</a>".repeat(depth));
        assert!(is_shallow(&nest(MAX_DEPTH)));
        assert!(!is_shallow(&nest(MAX_DEPTH + 1)));
        assert!(!is_shallow(&nest(30_000)));
        assert!(is_shallow("no XML at all"));
        assert!(is_shallow(&"<a></a>".repeat(1000)));
    }
}

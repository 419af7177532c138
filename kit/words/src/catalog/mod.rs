//! Every entry, one module per prefix.

use crate::Entry;

pub mod api;
pub mod boo;
pub mod cam;
pub mod dgl;
pub mod doc;
pub mod lic;
pub mod por;
pub mod rec;
pub mod ses;
pub mod sta;
pub mod tpm;
pub mod upd;

/// Every entry of every prefix, in code order.
pub fn all() -> impl Iterator<Item = &'static Entry> {
    [
        api::ENTRIES,
        boo::ENTRIES,
        cam::ENTRIES,
        dgl::ENTRIES,
        doc::ENTRIES,
        lic::ENTRIES,
        por::ENTRIES,
        rec::ENTRIES,
        ses::ENTRIES,
        sta::ENTRIES,
        tpm::ENTRIES,
        upd::ENTRIES,
    ]
    .into_iter()
    .flatten()
}

/// The entry with this code.
pub fn find(code: &str) -> Option<&'static Entry> {
    all().find(|entry| entry.code == code)
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn codes_are_unique_well_formed_and_in_order() {
        let mut seen = HashSet::new();
        for entry in all() {
            assert!(seen.insert(entry.code), "{} stands twice", entry.code);
            let parts: Vec<&str> = entry.code.split('-').collect();
            assert!(
                matches!(parts[..], ["SG", prefix, number]
                    if prefix.len() == 3 && number.len() == 3
                    && number.bytes().all(|digit| digit.is_ascii_digit())),
                "{} is not of the form SG-ABC-123",
                entry.code
            );
        }
        let codes: Vec<&str> = all().map(|entry| entry.code).collect();
        assert!(
            codes.is_sorted(),
            "entries are listed in code order: {codes:?}"
        );
    }

    #[test]
    fn every_entry_says_everything() {
        for entry in all() {
            for text in [entry.cause, entry.effect, entry.cure] {
                assert!(
                    text.ends_with('.'),
                    "{}: {text:?} is no sentence",
                    entry.code
                );
                assert!(
                    !text.to_lowercase().contains("invalid"),
                    "{}: {text:?}",
                    entry.code
                );
            }
        }
    }
}

//! MAC licenses: which addresses a list names, and whether it may be issued.
//!
//! Such a license is bound to no server and can be copied, so it is kept in bounds by
//! what it lists: an address is on one license of a distributor's subtree at most, and a
//! license without an end is never credited for a file, as no file proves that its copies
//! are gone.

use std::collections::{BTreeMap, BTreeSet};
use std::str::FromStr as _;

use sealgate_license::entitlements::{ListedMac, ListedMacError};
use thiserror::Error;

use super::Term;

/// What a MAC license is charged: one of this kind for each address.
pub const MAC_KIND: &str = "mac";
/// The longest list; a box has far fewer cameras.
pub const MAX_ROWS: usize = 4096;
/// How much of a row a message repeats.
const SHOWN_CHARACTERS: usize = 40;

/// Why a list can't be read.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum MacListError {
    /// A row is not 12 hexadecimal digits.
    #[error("row {row}, {text:?}, is not 12 hexadecimal digits")]
    Malformed {
        /// From 1, as a person counts.
        row: usize,
        /// The row, shortened.
        text: String,
    },
    /// A row names a group of devices, or none: no single camera has such an address.
    #[error("row {row}, {text:?}, is no single camera's address")]
    NoCamera {
        /// From 1, as a person counts.
        row: usize,
        /// The row, shortened.
        text: String,
    },
    /// No row at all.
    #[error("the list is empty")]
    Empty,
    /// More than [`MAX_ROWS`].
    #[error("the list has {rows} rows")]
    TooLong {
        /// How many.
        rows: usize,
    },
}

impl MacListError {
    /// The stable code of the catalog.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Malformed { .. } => "SG-POR-090",
            Self::NoCamera { .. } => "SG-POR-091",
            Self::Empty | Self::TooLong { .. } => "SG-POR-092",
        }
    }
}

/// What a row of a list says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum MacRow {
    /// A camera's address.
    Camera(ListedMac),
    /// The address of an earlier row.
    Repeated {
        /// The address.
        mac: ListedMac,
        /// The earlier row.
        first: usize,
    },
    /// It can't be read.
    Wrong(MacListError),
}

/// Reads every row that is not blank, in any usual notation: its number from 1, its text,
/// and what it says.
///
/// # Errors
/// [`MacListError::TooLong`].
pub fn read_rows(text: &str) -> Result<Vec<(usize, String, MacRow)>, MacListError> {
    let rows = text.lines().count();
    if rows > MAX_ROWS {
        return Err(MacListError::TooLong { rows });
    }
    let mut first: BTreeMap<ListedMac, usize> = BTreeMap::new();
    let mut read = Vec::new();
    for (row, line) in (1..).zip(text.lines()) {
        let line = line.trim();
        if line.is_empty() {
            continue;
        }
        let text: String = line.chars().take(SHOWN_CHARACTERS).collect();
        let said = match ListedMac::from_str(line) {
            Ok(mac) => match first.get(&mac) {
                Some(first) => MacRow::Repeated { mac, first: *first },
                None => {
                    first.insert(mac, row);
                    MacRow::Camera(mac)
                }
            },
            Err(ListedMacError::Malformed) => MacRow::Wrong(MacListError::Malformed {
                row,
                text: text.clone(),
            }),
            Err(ListedMacError::NoCamera) => MacRow::Wrong(MacListError::NoCamera {
                row,
                text: text.clone(),
            }),
        };
        read.push((row, text, said));
    }
    Ok(read)
}

/// Reads a list of one address per row, in any usual notation. Blank rows and repeated
/// addresses are passed over.
///
/// # Errors
/// The first row that is no camera's address, by its number.
pub fn parse_list(text: &str) -> Result<BTreeSet<ListedMac>, MacListError> {
    let mut list = BTreeSet::new();
    for (_, _, row) in read_rows(text)? {
        match row {
            MacRow::Camera(mac) => {
                list.insert(mac);
            }
            MacRow::Repeated { .. } => {}
            MacRow::Wrong(error) => return Err(error),
        }
    }
    if list.is_empty() {
        return Err(MacListError::Empty);
    }
    Ok(list)
}

/// An address on a license that was issued.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Claim {
    /// The address.
    pub mac: ListedMac,
    /// The license's number.
    pub license_number: u64,
    /// Whether the license belongs to the subtree of the distributor who asks.
    pub ours: bool,
    /// Until when the license gives something.
    pub term: Term,
}

impl Claim {
    /// Whether the license still stands for this address.
    pub fn stands(&self, now_utc_s: i64) -> bool {
        !self.term.is_over(now_utc_s)
    }
}

/// A list that may be issued.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MacDecision {
    /// What the license costs: each address.
    pub charged: u32,
    /// Addresses that somebody else's license lists too. The vendor looks into it; whoever
    /// asked is told nothing, as the answer would tell them of another's cameras.
    pub contested: BTreeSet<ListedMac>,
}

/// Why a list is not issued.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum MacRefusal {
    /// Another license of the same subtree lists these.
    #[error("{} of the addresses are on license L-{license_number} already", macs.len())]
    Listed {
        /// The addresses.
        macs: BTreeSet<ListedMac>,
        /// One of the licenses that list them.
        license_number: u64,
    },
}

impl MacRefusal {
    /// The stable code of the catalog.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Listed { .. } => "SG-POR-093",
        }
    }
}

/// Whether this list may be issued beside what was issued before. `replaces` is the
/// license whose next revision it is, when staff reissue one.
///
/// # Errors
/// [`MacRefusal`].
pub fn decide(
    list: &BTreeSet<ListedMac>,
    claims: &[Claim],
    replaces: Option<u64>,
    now_utc_s: i64,
) -> Result<MacDecision, MacRefusal> {
    let standing = claims.iter().filter(|claim| {
        list.contains(&claim.mac)
            && claim.stands(now_utc_s)
            && Some(claim.license_number) != replaces
    });
    let (ours, theirs): (Vec<&Claim>, Vec<&Claim>) = standing.partition(|claim| claim.ours);
    if let Some(first) = ours.first() {
        return Err(MacRefusal::Listed {
            macs: ours.iter().map(|claim| claim.mac).collect(),
            license_number: first.license_number,
        });
    }
    Ok(MacDecision {
        charged: u32::try_from(list.len()).expect("lists are bounded"),
        contested: theirs.into_iter().map(|claim| claim.mac).collect(),
    })
}

/// What a MAC license is charged now: each address that any of its files lists whose time
/// is not over. A later file lowers nothing: the earlier one is still out.
pub fn charge(files: &[(BTreeSet<ListedMac>, Term)], now_utc_s: i64) -> u32 {
    let listed: BTreeSet<ListedMac> = files
        .iter()
        .filter(|(_, term)| !term.is_over(now_utc_s))
        .flat_map(|(list, _)| list.iter().copied())
        .collect();
    u32::try_from(listed.len()).unwrap_or(u32::MAX)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn mac(last: u8) -> ListedMac {
        ListedMac::from_octets([0, 1, 0xbd, 5, 0xe1, last]).unwrap()
    }

    fn list(last: &[u8]) -> BTreeSet<ListedMac> {
        last.iter().map(|last| mac(*last)).collect()
    }

    /// The charge stays for a day after the end: see [`super::super::TERM_SLACK_S`].
    const DAY: i64 = 24 * 3600;

    fn term(ends_utc_s: Option<i64>) -> Term {
        ends_utc_s.map_or(Term::Perpetual, |ends_utc_s| Term::Dated { ends_utc_s })
    }

    fn claim(last: u8, ours: bool, until: Option<i64>) -> Claim {
        Claim {
            mac: mac(last),
            license_number: 1001,
            ours,
            term: term(until),
        }
    }

    #[test]
    fn reads_rows_in_any_notation_and_removes_doubles() {
        let text = "0001BD05E111\r\n\n00:01:bd:05:e1:12\n 00-01-BD-05-E1-11 \n0001.bd05.e113";
        assert_eq!(parse_list(text).unwrap(), list(&[0x11, 0x12, 0x13]));
    }

    #[test]
    fn every_row_gets_its_verdict() {
        let text = "0001BD05E111\nrubbish\n\n00-01-BD-05-E1-11\n000000000000";
        let rows = read_rows(text).unwrap();
        let said: Vec<(usize, &str)> = (rows.iter())
            .map(|(row, _, said)| {
                let word = match said {
                    MacRow::Camera(_) => "camera",
                    MacRow::Repeated { first: 1, .. } => "again",
                    MacRow::Repeated { .. } => "again another",
                    MacRow::Wrong(error) => error.code(),
                };
                (*row, word)
            })
            .collect();
        let expected = [
            (1, "camera"),
            (2, "SG-POR-090"),
            (4, "again"),
            (5, "SG-POR-091"),
        ];
        assert_eq!(said, expected);
    }

    #[test]
    fn names_the_row_that_is_wrong() {
        for (text, code, row) in [
            ("0001BD05E111\n0001BD05E12", "SG-POR-090", "row 2"),
            ("\n\n0001BD05E1111", "SG-POR-090", "row 3"),
            ("0001BD05E1 11", "SG-POR-090", "row 1"),
            ("camera 5", "SG-POR-090", "row 1"),
            ("0001BD05E111\nFFFFFFFFFFFF", "SG-POR-091", "row 2"),
            ("01005E000001", "SG-POR-091", "row 1"),
            ("000000000000", "SG-POR-091", "row 1"),
        ] {
            let error = parse_list(text).unwrap_err();
            assert_eq!(error.code(), code, "{text:?}");
            assert!(error.to_string().contains(row), "{error}");
        }
        assert_eq!(parse_list(" \n\n"), Err(MacListError::Empty));
        let long = "0001BD05E111\n".repeat(MAX_ROWS + 1);
        assert_eq!(parse_list(&long).unwrap_err().code(), "SG-POR-092");
    }

    #[test]
    fn an_address_is_on_one_license_of_a_subtree() {
        let claims = [claim(1, true, None), claim(2, true, Some(100))];
        let refused = decide(&list(&[1, 2, 3]), &claims, None, 50).unwrap_err();
        assert_eq!(
            refused,
            MacRefusal::Listed {
                macs: list(&[1, 2]),
                license_number: 1001
            }
        );
        // At its end a dated license sets its addresses free; one without an end never does.
        assert!(decide(&list(&[2, 3]), &claims, None, DAY + 99).is_err());
        assert_eq!(
            decide(&list(&[2, 3]), &claims, None, DAY + 100)
                .unwrap()
                .charged,
            2
        );
        assert!(decide(&list(&[1]), &claims, None, i64::MAX).is_err());
        // Its own next revision may list it again.
        assert!(decide(&list(&[1, 2]), &claims, Some(1001), 50).is_ok());
    }

    #[test]
    fn an_address_of_somebody_else_is_issued_and_flagged() {
        let claims = [claim(1, false, None), claim(2, false, Some(100))];
        let decision = decide(&list(&[1, 2, 3]), &claims, None, 50).unwrap();
        assert_eq!(decision.charged, 3);
        assert_eq!(decision.contested, list(&[1, 2]));
        let later = decide(&list(&[1, 2, 3]), &claims, None, DAY + 100).unwrap();
        assert_eq!(later.contested, list(&[1]));
    }

    #[test]
    fn the_charge_falls_only_at_an_end() {
        let files = [
            (list(&[1, 2, 3]), term(Some(100))),
            (list(&[1, 4]), term(None)),
            (list(&[1]), term(None)),
        ];
        assert_eq!(charge(&files, DAY + 99), 4);
        assert_eq!(charge(&files, DAY + 100), 2, "1 and 4 for ever");
    }
}

//! How many of each kind: channels asked for, licensed, charged or owned.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// A count per kind of entitlement (`camera`, `other_brand`, ...). A kind that is not
/// named counts 0, and a count of 0 is never stored: equal amounts are equal values.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(from = "BTreeMap<String, u32>", into = "BTreeMap<String, u32>")]
pub struct Counts(BTreeMap<String, u32>);

impl Counts {
    /// None of anything.
    pub fn none() -> Self {
        Self::default()
    }

    /// One kind only.
    pub fn of(kind: &str, count: u32) -> Self {
        [(kind.to_owned(), count)].into_iter().collect()
    }

    /// How many of `kind`.
    pub fn get(&self, kind: &str) -> u32 {
        self.0.get(kind).copied().unwrap_or(0)
    }

    /// Is there nothing at all?
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The kinds with their counts, in the kinds' order.
    pub fn iter(&self) -> impl Iterator<Item = (&str, u32)> {
        self.0.iter().map(|(kind, count)| (kind.as_str(), *count))
    }

    /// Per kind the greater of the two.
    pub fn max(&self, other: &Self) -> Self {
        let mut result = self.clone();
        for (kind, count) in other.iter() {
            let entry = result.0.entry(kind.to_owned()).or_default();
            *entry = (*entry).max(count);
        }
        result
    }

    /// Per kind the sum.
    pub fn plus(&self, other: &Self) -> Self {
        let mut result = self.clone();
        for (kind, count) in other.iter() {
            let entry = result.0.entry(kind.to_owned()).or_default();
            *entry = entry.saturating_add(count);
        }
        result
    }

    /// Per kind what `self` has more than `other`.
    pub fn above(&self, other: &Self) -> Self {
        self.iter()
            .map(|(kind, count)| (kind.to_owned(), count.saturating_sub(other.get(kind))))
            .collect()
    }

    /// Does this hold at least as many of each kind as `other`?
    pub fn covers(&self, other: &Self) -> bool {
        other.above(self).is_empty()
    }

    /// Every kind that either of the two names, in order, with both counts.
    pub fn side_by_side<'a>(&'a self, other: &'a Self) -> Vec<(&'a str, u32, u32)> {
        let mut kinds: Vec<&str> = self
            .0
            .keys()
            .chain(other.0.keys())
            .map(String::as_str)
            .collect();
        kinds.sort_unstable();
        kinds.dedup();
        kinds
            .into_iter()
            .map(|kind| (kind, self.get(kind), other.get(kind)))
            .collect()
    }
}

impl FromIterator<(String, u32)> for Counts {
    fn from_iter<T: IntoIterator<Item = (String, u32)>>(pairs: T) -> Self {
        Self(pairs.into_iter().filter(|(_, count)| *count > 0).collect())
    }
}

impl From<BTreeMap<String, u32>> for Counts {
    fn from(map: BTreeMap<String, u32>) -> Self {
        map.into_iter().collect()
    }
}

impl From<Counts> for BTreeMap<String, u32> {
    fn from(counts: Counts) -> Self {
        counts.0
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn counts(pairs: &[(&str, u32)]) -> Counts {
        pairs
            .iter()
            .map(|(kind, count)| ((*kind).to_owned(), *count))
            .collect()
    }

    #[test]
    fn a_count_of_nought_is_the_same_as_none() {
        assert_eq!(counts(&[("camera", 0)]), Counts::none());
        let read: Counts = serde_json::from_str(r#"{"camera":0,"pos":2}"#).unwrap();
        assert_eq!(read, counts(&[("pos", 2)]));
    }

    #[test]
    fn compares_kind_by_kind() {
        let (a, b) = (
            counts(&[("camera", 4), ("pos", 1)]),
            counts(&[("camera", 2), ("vca", 3)]),
        );
        assert_eq!(a.max(&b), counts(&[("camera", 4), ("pos", 1), ("vca", 3)]));
        assert_eq!(a.above(&b), counts(&[("camera", 2), ("pos", 1)]));
        assert!(!a.covers(&b) && a.max(&b).covers(&b) && a.covers(&Counts::none()));
        assert_eq!(
            a.side_by_side(&b),
            vec![("camera", 4, 2), ("pos", 1, 0), ("vca", 0, 3)]
        );
    }
}

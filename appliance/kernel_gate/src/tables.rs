//! Reading `nft -j list table`.
//!
//! The JSON is described in libnftables-json(5); what is not needed is skipped, so that
//! a later `nft` with more to say is still understood.

use std::collections::{BTreeMap, BTreeSet};
use std::net::Ipv4Addr;

use sealgate_camera::MacAddress;
use serde::Deserialize;
use serde_json::Value;

use crate::KernelGateError;

/// Packets and bytes of one counter.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
pub(crate) struct Count {
    pub packets: u64,
    pub bytes: u64,
}

/// One element of a set: its parts as text, and its counter if it has one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Element {
    pub key: Vec<String>,
    pub count: Count,
}

/// One table as listed.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Table {
    pub chains: BTreeSet<String>,
    pub counters: BTreeMap<String, Count>,
    pub sets: BTreeMap<String, Vec<Element>>,
    /// By chain: its policy and rules as listed, without what they count.
    pub rules: BTreeMap<String, String>,
}

#[derive(Deserialize)]
struct Listing {
    nftables: Vec<BTreeMap<String, Value>>,
}

#[derive(Deserialize)]
struct Named {
    name: String,
}

#[derive(Deserialize)]
struct CounterItem {
    name: String,
    #[serde(flatten)]
    count: Count,
}

#[derive(Deserialize)]
struct SetItem {
    name: String,
    #[serde(default)]
    elem: Vec<Value>,
}

#[derive(Deserialize)]
struct RuleItem {
    chain: String,
    expr: Value,
}

/// What a set's elements are made with (`{"counter": {"packets": 0, "bytes": 0}}`) is listed
/// with numbers by some versions and without by others; a named counter is a text.
fn forget_counts(value: &mut Value) {
    match value {
        Value::Array(values) => values.iter_mut().for_each(forget_counts),
        Value::Object(members) => {
            for (name, member) in members {
                if name == "counter" && member.is_object() {
                    *member = Value::Null;
                } else {
                    forget_counts(member);
                }
            }
        }
        _ => {}
    }
}

impl Table {
    /// Reads a listing.
    pub fn parse(listing: &[u8]) -> Result<Self, KernelGateError> {
        let listing: Listing = serde_json::from_slice(listing).map_err(KernelGateError::Listing)?;
        let mut table = Self::default();
        for (kind, item) in listing.nftables.into_iter().flatten() {
            table.add(&kind, item).map_err(KernelGateError::Listing)?;
        }
        Ok(table)
    }

    fn add(&mut self, kind: &str, item: Value) -> Result<(), serde_json::Error> {
        match kind {
            "chain" => {
                let item_policy = item.get("policy").cloned();
                let Named { name } = serde_json::from_value(item)?;
                // Also a chain without rules, as one that somebody emptied is.
                let rules = self.rules.entry(name.clone()).or_default();
                if let Some(Value::String(policy)) = item_policy {
                    rules.push_str(&policy);
                }
                self.chains.insert(name);
            }
            "rule" => {
                let RuleItem { chain, mut expr } = serde_json::from_value(item)?;
                forget_counts(&mut expr);
                let rules = self.rules.entry(chain).or_default();
                rules.push('\n');
                rules.push_str(&expr.to_string());
            }
            "counter" => {
                let CounterItem { name, count } = serde_json::from_value(item)?;
                self.counters.insert(name, count);
            }
            "set" => {
                let SetItem { name, elem } = serde_json::from_value(item)?;
                let elements = elem.iter().filter_map(Element::parse).collect();
                self.sets.insert(name, elements);
            }
            _ => {}
        }
        Ok(())
    }

    /// The elements of this set; none if there is no such set.
    pub fn set(&self, name: &str) -> &[Element] {
        self.sets.get(name).map_or(&[], Vec::as_slice)
    }

    /// The counter of this name; zero if there is none.
    pub fn counter(&self, name: &str) -> Count {
        self.counters.get(name).copied().unwrap_or_default()
    }
}

impl Element {
    /// `"v"`, `{"concat": [..]}`, or either as `val` in `{"elem": {"val": .., "counter": ..}}`.
    fn parse(value: &Value) -> Option<Self> {
        let (value, count) = match value.get("elem") {
            Some(elem) => {
                let count = elem
                    .get("counter")
                    .and_then(|counter| Count::deserialize(counter).ok());
                (elem.get("val")?, count.unwrap_or_default())
            }
            None => (value, Count::default()),
        };
        let parts: &[Value] = match value.get("concat") {
            Some(Value::Array(parts)) => parts,
            _ => std::slice::from_ref(value),
        };
        let key = parts
            .iter()
            .map(|part| match part {
                Value::String(text) => Some(text.clone()),
                Value::Number(number) => Some(number.to_string()),
                _ => None,
            })
            .collect::<Option<_>>()?;
        Some(Self { key, count })
    }

    /// The element's first part as a MAC address.
    pub fn mac(&self) -> Option<MacAddress> {
        self.key.first()?.parse().ok()
    }

    /// The element as a MAC address at an IP address.
    pub fn binding(&self) -> Option<(MacAddress, Ipv4Addr)> {
        match &self.key[..] {
            [mac, ip] => Some((mac.parse().ok()?, ip.parse().ok()?)),
            _ => None,
        }
    }

    /// The element as it is written in a transaction.
    pub fn text(&self) -> String {
        self.key.join(" . ")
    }
}

/// Whether a chain is attached to an interface, by what `nft list chains netdev` prints: its
/// JSON does not tell before nft 1.1. A chain can stay where its interface went (Linux 6.12).
pub(crate) fn is_attached(chains: &str, chain: &str, interface: &str) -> bool {
    let ours = chains
        .split("table ")
        .find(|table| table.starts_with("netdev sealgate {"));
    let header = ours.and_then(|table| {
        let (_, chain) = table.split_once(&format!("chain {chain} {{"))?;
        chain.split('}').next()
    });
    header.is_some_and(|header| header.contains(&format!("\"{interface}\"")))
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn an_attached_chain_names_its_interface() {
        // Printed by nft 1.0.6 and 1.1.3; the second table's chain has lost its interface.
        let chains = r#"table netdev other {
	chain cam1_ingress {
		type filter hook ingress device "cam1" priority 0; policy accept;
	}
}
table netdev sealgate {
	chain trickle {
	}
	chain cam0_ingress {
		type filter hook ingress device "cam0" priority -500; policy drop;
	}
	chain cam1_ingress {
		type filter hook ingress priority -500; policy drop;
	}
}
"#;
        assert!(is_attached(chains, "cam0_ingress", "cam0"));
        assert!(!is_attached(chains, "cam0_ingress", "cam"));
        assert!(!is_attached(chains, "cam1_ingress", "cam1"));
        assert!(!is_attached(chains, "cam2_ingress", "cam2"));
        assert!(!is_attached("", "cam0_ingress", "cam0"));
    }

    /// Printed by nft 1.0.6 for a table as this crate makes it, shortened.
    const LISTING: &str = r#"{"nftables": [
        {"metainfo": {"version": "1.0.6", "json_schema_version": 1}},
        {"table": {"family": "netdev", "name": "sealgate", "handle": 1}},
        {"counter": {"family": "netdev", "name": "cam0_dropped_other", "table": "sealgate", "handle": 8, "packets": 2, "bytes": 152}},
        {"set": {"family": "netdev", "name": "admitted", "table": "sealgate", "type": ["ether_addr", "ipv4_addr"], "handle": 10, "size": 1024,
          "elem": [{"elem": {"val": {"concat": ["02:00:00:00:00:0a", "10.0.0.1"]}, "counter": {"packets": 7, "bytes": 9000}}}], "stmt": [{"counter": null}]}},
        {"set": {"family": "netdev", "name": "admitted_ip", "table": "sealgate", "type": "ipv4_addr", "handle": 11, "size": 1024, "elem": ["10.0.0.1"]}},
        {"set": {"family": "inet", "name": "admitted_rtsp", "table": "sealgate", "elem": [{"concat": ["10.0.0.1", 554]}]}},
        {"chain": {"family": "netdev", "table": "sealgate", "name": "cam0_ingress", "handle": 5, "dev": "cam0", "type": "filter", "hook": "ingress", "prio": -500, "policy": "drop"}},
        {"rule": {"family": "netdev", "table": "sealgate", "chain": "cam0_ingress", "handle": 20, "expr": [{"counter": "cam0_dropped_other"}, {"counter": {"packets": 7, "bytes": 9}}, {"drop": null}]}}
    ]}"#;

    #[test]
    fn reads_what_nft_prints() {
        let table = Table::parse(LISTING.as_bytes()).unwrap();
        let admitted = &table.set("admitted")[0];
        assert_eq!(
            admitted.binding(),
            Some((
                "02:00:00:00:00:0a".parse().unwrap(),
                "10.0.0.1".parse().unwrap()
            ))
        );
        assert_eq!((admitted.count.packets, admitted.count.bytes), (7, 9000));
        assert_eq!(admitted.text(), "02:00:00:00:00:0a . 10.0.0.1");
        assert_eq!(table.set("admitted_ip")[0].text(), "10.0.0.1");
        assert_eq!(table.set("admitted_rtsp")[0].text(), "10.0.0.1 . 554");
        assert_eq!(table.counter("cam0_dropped_other").packets, 2);
        assert!(table.chains.contains("cam0_ingress"));
        assert!(table.set("no_such_set").is_empty());
        assert_eq!(
            table.rules["cam0_ingress"],
            "drop\n[{\"counter\":\"cam0_dropped_other\"},{\"counter\":null},{\"drop\":null}]"
        );
    }

    #[test]
    fn other_text_is_an_error_and_no_panic() {
        for text in ["", "{}", "[]", "{\"nftables\": [{\"set\": {}}]}", "\u{0}"] {
            assert!(
                matches!(
                    Table::parse(text.as_bytes()),
                    Err(KernelGateError::Listing(_))
                ),
                "{text:?}"
            );
        }
        let odd = r#"{"nftables": [{"set": {"name": "admitted", "elem": [{"elem": 1}, null, {"concat": [[]]}]}}]}"#;
        assert!(
            Table::parse(odd.as_bytes())
                .unwrap()
                .set("admitted")
                .is_empty()
        );
    }
}

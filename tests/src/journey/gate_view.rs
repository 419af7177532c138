//! Reading `GET gate`.

use anyhow::{Context, Result};
use serde_json::Value;

/// What no sender without a place may get past the gate with, at the camera port.
const PAST_THE_GATE: [&str; 4] = ["passed_udp", "passed_tcp_syn", "passed_tcp", "passed_other"];

/// Packets of senders without a place that were seen behind the gate, discovery apart.
pub fn past_the_gate(gate: &Value) -> Result<u64> {
    PAST_THE_GATE
        .iter()
        .map(|counter| {
            gate["counters"][format!("cam0/{counter}")]["packets"]
                .as_u64()
                .with_context(|| format!("the gate has no counter cam0/{counter}: {gate}"))
        })
        .sum()
}

/// Packets of this sender that were dropped.
pub fn dropped(gate: &Value, mac: &str) -> u64 {
    senders(gate)
        .find(|sender| sender["mac"] == mac)
        .and_then(|sender| sender["dropped"]["packets"].as_u64())
        .unwrap_or(0)
}

/// The hardware addresses that the gate lets through.
pub fn admitted(gate: &Value) -> Result<Vec<String>> {
    gate["cameras"].as_array().context("the gate's senders")?;
    Ok(senders(gate)
        .filter(|sender| !sender["ip"].is_null())
        .filter_map(|sender| sender["mac"].as_str().map(str::to_owned))
        .collect())
}

fn senders(gate: &Value) -> impl Iterator<Item = &Value> {
    gate["cameras"].as_array().into_iter().flatten()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn reads_what_matters() {
        let packets = |packets: u64| json!({ "packets": packets, "bytes": 0 });
        let gate = json!({
            "counters": {
                "cam0/passed_discovery": packets(9),
                "cam0/passed_udp": packets(1),
                "cam0/passed_tcp_syn": packets(2),
                "cam0/passed_tcp": packets(3),
                "cam0/passed_other": packets(4),
            },
            "cameras": [
                { "mac": "02:00:00:00:00:0a", "ip": "192.168.77.11", "dropped": packets(0) },
                { "mac": "02:00:00:00:00:0b", "ip": null, "dropped": packets(400) },
            ],
        });
        assert_eq!(past_the_gate(&gate).unwrap(), 10);
        assert_eq!(dropped(&gate, "02:00:00:00:00:0b"), 400);
        assert_eq!(dropped(&gate, "02:00:00:00:00:0c"), 0);
        assert_eq!(admitted(&gate).unwrap(), ["02:00:00:00:00:0a"]);
    }

    #[test]
    fn a_gate_without_counters_proves_nothing() {
        let gate = json!({ "in_force": false, "counters": {}, "cameras": [] });
        assert!(past_the_gate(&gate).is_err());
    }
}

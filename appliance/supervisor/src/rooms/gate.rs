//! The kernel gate's counters for the pages.

use std::collections::BTreeMap;
use std::sync::Arc;

use async_trait::async_trait;
use sealgate_kernel_gate::{GateCounters, KernelGate, KernelGateError};
use sealgate_web::rooms::{CounterView, GateCameraView, GateRoom, GateView};
use sealgate_words::Problem;

use crate::rooms::entry;

/// The gate, to look at.
pub struct Gate {
    gate: Arc<KernelGate>,
}

impl Gate {
    /// Over this gate.
    pub fn new(gate: Arc<KernelGate>) -> Self {
        Self { gate }
    }
}

#[async_trait]
impl GateRoom for Gate {
    async fn counters(&self) -> Result<GateView, Problem> {
        match self.gate.counters().await {
            Ok(counters) => Ok(view(&counters)),
            Err(KernelGateError::NotInForce { .. }) => Ok(GateView::default()),
            Err(error) => {
                tracing::error!(error = &error as &dyn std::error::Error, "gate counters");
                Err(entry(error.code(), &[]))
            }
        }
    }
}

/// Counters are named `interface/what`, so that a port more is no change of form.
fn view(counters: &GateCounters) -> GateView {
    let mut named = BTreeMap::new();
    let mut packets = |interface: &str, what: &str, packets: u64, bytes: u64| {
        named.insert(
            format!("{interface}/{what}"),
            CounterView { packets, bytes },
        );
    };
    for port in &counters.ports {
        let name = port.interface.as_str();
        packets(name, "dropped", port.dropped_packets, port.dropped_bytes);
        packets(
            name,
            "dropped_other_protocols",
            port.dropped_other_packets,
            0,
        );
        packets(name, "dropped_arp", port.dropped_arp_packets, 0);
        packets(name, "admitted", port.admitted_packets, 0);
        packets(name, "passed_discovery", port.passed.discovery_packets, 0);
        packets(name, "passed_pages", port.passed.pages_packets, 0);
        packets(name, "passed_udp", port.passed.udp_packets, 0);
        packets(name, "passed_tcp_syn", port.passed.tcp_syn_packets, 0);
        packets(name, "passed_tcp", port.passed.tcp_packets, 0);
        packets(name, "passed_other", port.passed.other_packets, 0);
    }
    packets("recorder", "refused", counters.recorder_refused_packets, 0);
    packets("gate", "mended", counters.mended, 0);
    GateView {
        in_force: true,
        counters: named,
        cameras: counters
            .cameras
            .iter()
            .map(|camera| GateCameraView {
                mac: camera.mac,
                ip: camera.ip,
                passed: CounterView {
                    packets: camera.accepted_packets,
                    bytes: camera.accepted_bytes,
                },
                dropped: CounterView {
                    packets: camera.dropped_packets,
                    bytes: camera.dropped_bytes,
                },
            })
            .collect(),
    }
}

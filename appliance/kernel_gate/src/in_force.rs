//! What was found in the kernel.

use std::collections::{BTreeMap, BTreeSet};

use sealgate_camera::MacAddress;

use crate::admission::{Admission, Elements, change};
use crate::ruleset::ingress_table;
use crate::tables::{Element, Table, is_attached};
use crate::{CameraCounters, CameraPort, GateCounters, PassedPackets, PortCounters};

/// Both tables of this gate, as found in force.
pub(crate) struct InForce {
    pub netdev: Table,
    pub inet: Table,
    /// What `nft list chains netdev` prints.
    pub chains: String,
}

impl InForce {
    /// Ports whose chain is gone or is attached to nothing: with its interface goes the chain
    /// or its hook, by the kernel's version.
    pub fn detached<'a>(&self, ports: &'a [CameraPort]) -> Vec<&'a CameraPort> {
        ports
            .iter()
            .filter(|port| !is_attached(&self.chains, &format!("{port}_ingress"), port.interface()))
            .collect()
    }

    /// The transaction that puts a port's chain back, the rest staying as it is.
    pub fn attach(&self, port: &CameraPort) -> String {
        let mut text = String::new();
        if self.netdev.chains.contains(&format!("{port}_ingress")) {
            text += &format!("delete chain netdev sealgate {port}_ingress\n");
        }
        text + &ingress_table(port)
    }

    /// The transaction that leads from what is in force to what is wanted; empty if
    /// there is nothing to do.
    pub fn difference(&self, wanted: &BTreeSet<Admission>) -> String {
        let mut text = String::new();
        for ((family, set), elements) in Elements::of(wanted).by_set() {
            let table = if family == "netdev" {
                &self.netdev
            } else {
                &self.inet
            };
            let present: BTreeSet<String> = table.set(set).iter().map(Element::text).collect();
            change(
                &mut text,
                "delete",
                (family, set),
                present.difference(elements),
            );
            change(
                &mut text,
                "add",
                (family, set),
                elements.difference(&present),
            );
        }
        text
    }

    /// What is counted, by port and by sender.
    pub fn counters(&self, ports: &[CameraPort], mended: u64) -> GateCounters {
        GateCounters {
            ports: ports.iter().map(|port| self.port(port)).collect(),
            cameras: self.cameras(),
            recorder_refused_packets: self.inet.counter("recorder_refused").packets,
            mended,
        }
    }

    fn port(&self, port: &CameraPort) -> PortCounters {
        let netdev = |name: &str| self.netdev.counter(&format!("{port}_{name}"));
        let inet = |name: &str| self.inet.counter(&format!("{port}_{name}"));
        // A shared port drops at both places, each packet at one of them.
        let (early, late) = (netdev("dropped_ipv4"), inet("dropped"));
        PortCounters {
            interface: port.interface().to_owned(),
            dropped_packets: early.packets + late.packets,
            dropped_bytes: early.bytes + late.bytes,
            dropped_other_packets: netdev("dropped_other").packets,
            dropped_arp_packets: netdev("dropped_arp").packets,
            admitted_packets: inet("admitted").packets,
            passed: PassedPackets {
                discovery_packets: inet("discovery").packets,
                pages_packets: inet("pages").packets,
                udp_packets: inet("udp").packets,
                tcp_syn_packets: inet("tcp_syn").packets,
                tcp_packets: inet("tcp").packets,
                other_packets: inet("other").packets,
            },
        }
    }

    fn cameras(&self) -> Vec<CameraCounters> {
        let mut cameras: BTreeMap<MacAddress, CameraCounters> = BTreeMap::new();
        for element in self.netdev.set("admitted") {
            if let Some((mac, ip)) = element.binding() {
                let camera = entry(&mut cameras, mac);
                camera.ip = Some(ip);
                camera.accepted_packets = element.count.packets;
                camera.accepted_bytes = element.count.bytes;
            }
        }
        for table in [&self.netdev, &self.inet] {
            for element in table.set("dropped_ipv4") {
                if let Some(mac) = element.mac() {
                    let camera = entry(&mut cameras, mac);
                    camera.dropped_packets += element.count.packets;
                    camera.dropped_bytes += element.count.bytes;
                }
            }
        }
        for element in self.netdev.set("dropped_other") {
            if let Some(mac) = element.mac() {
                entry(&mut cameras, mac).dropped_other_packets = element.count.packets;
            }
        }
        cameras.into_values().collect()
    }
}

fn entry(
    cameras: &mut BTreeMap<MacAddress, CameraCounters>,
    mac: MacAddress,
) -> &mut CameraCounters {
    cameras.entry(mac).or_insert(CameraCounters {
        mac,
        ip: None,
        accepted_packets: 0,
        accepted_bytes: 0,
        dropped_packets: 0,
        dropped_bytes: 0,
        dropped_other_packets: 0,
    })
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::admission::checked;
    use crate::admission::tests::admission;

    fn element(key: &[&str]) -> Element {
        Element {
            key: key.iter().map(|part| (*part).to_owned()).collect(),
            count: Default::default(),
        }
    }

    #[test]
    fn only_the_difference_is_written() {
        let mut netdev = Table::default();
        for set in ["admitted", "admitted_arp"] {
            netdev.sets.insert(
                set.into(),
                vec![
                    element(&["02:00:00:00:00:01", "192.0.2.1"]),
                    element(&["02:00:00:00:00:02", "192.0.2.2"]),
                ],
            );
        }
        netdev.sets.insert(
            "admitted_ip".into(),
            vec![element(&["192.0.2.1"]), element(&["192.0.2.2"])],
        );
        let in_force = InForce {
            netdev,
            inet: Table::default(),
            chains: String::new(),
        };
        let text = in_force.difference(&checked(&[admission(1, 1), admission(3, 3)]).unwrap());
        let netdev: Vec<&str> = text
            .lines()
            .filter(|line| line.contains("netdev"))
            .collect();
        assert_eq!(
            netdev,
            [
                "delete element netdev sealgate admitted { 02:00:00:00:00:02 . 192.0.2.2 }",
                "add element netdev sealgate admitted { 02:00:00:00:00:03 . 192.0.2.3 }",
                "delete element netdev sealgate admitted_arp { 02:00:00:00:00:02 . 192.0.2.2 }",
                "add element netdev sealgate admitted_arp { 02:00:00:00:00:03 . 192.0.2.3 }",
                "delete element netdev sealgate admitted_ip { 192.0.2.2 }",
                "add element netdev sealgate admitted_ip { 192.0.2.3 }",
            ]
        );
    }

    #[test]
    fn a_port_that_came_back_is_detached_until_its_chain_is() {
        let ports = [
            CameraPort::new("cam0").unwrap(),
            CameraPort::new("cam1").unwrap(),
        ];
        let mut netdev = Table::default();
        netdev.chains.insert("cam1_ingress".into());
        let in_force = InForce {
            netdev,
            inet: Table::default(),
            chains: "table netdev sealgate {\nchain cam0_ingress {\n device \"cam0\" }\n\
                     chain cam1_ingress {\n }\n}\n"
                .to_owned(),
        };
        let detached = in_force.detached(&ports);
        assert_eq!(detached, [&ports[1]]);
        let text = in_force.attach(detached[0]);
        assert!(text.starts_with("delete chain netdev sealgate cam1_ingress\n"));
        assert!(text.contains("hook ingress device \"cam1\""));
        assert!(!text.contains("cam0"));
    }
}

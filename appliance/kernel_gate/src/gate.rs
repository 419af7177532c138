//! Closing, filling and reading the gate.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;
use std::net::Ipv4Addr;

use sealgate_camera::MacAddress;
use tokio::sync::Mutex;

use crate::ruleset::{SET_SIZE, marker_of, ruleset};
use crate::tables::{Element, Table};
use crate::{
    CameraCounters, CameraPort, GateCounters, KernelGateError, Nft, PassedPackets, PortCounters,
};

/// One camera that may stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Admission {
    /// The MAC address that its frames carry.
    pub mac: MacAddress,
    /// The address that its packets come from.
    pub ip: Ipv4Addr,
    /// TCP port of its RTSP server, which the recorder may connect to.
    pub port: u16,
}

/// The gate in the kernel of this machine, or of one network namespace.
#[derive(Debug)]
pub struct KernelGate {
    ports: Vec<CameraPort>,
    ruleset: String,
    nft: Nft,
    /// A change reads before it writes; two at once would undo each other.
    change: Mutex<()>,
}

/// Both tables, as found in force.
struct InForce {
    netdev: Table,
    inet: Table,
}

impl KernelGate {
    /// A gate on these ports. The recorder, if it runs under a user of its own, is held
    /// to admitted cameras.
    pub fn new(ports: Vec<CameraPort>, recorder_uid: Option<u32>) -> Self {
        let ports: Vec<CameraPort> = ports
            .iter()
            .enumerate()
            .filter(|(at, port)| !ports[..*at].contains(port))
            .map(|(_, port)| port.clone())
            .collect();
        Self {
            ruleset: ruleset(&ports, recorder_uid),
            ports,
            nft: Nft::default(),
            change: Mutex::new(()),
        }
    }

    /// Runs `nft` in another way than `/usr/sbin/nft`.
    pub fn with_nft(mut self, nft: Nft) -> Self {
        self.nft = nft;
        self
    }

    /// Puts the closed gate in force, unless this gate is in force already: then it
    /// stays as it is, with the cameras it admits and what it has counted.
    ///
    /// Meant for the start of the machine, after the ports have their names and before
    /// they are up; harmless at any other time.
    ///
    /// # Errors
    /// If `nft` can't be run or refuses; before Linux 6.16 also if a port does not exist.
    pub async fn close_all(&self) -> Result<(), KernelGateError> {
        let _change = self.change.lock().await;
        match self.read().await {
            Ok(_) => Ok(()),
            Err(KernelGateError::NotInForce { missing }) => {
                tracing::info!(%missing, "the gate was not in force and is now closed");
                self.nft.commit(&self.whole(&BTreeSet::new())).await
            }
            Err(error) => Err(error),
        }
    }

    /// Admits these cameras and no others, in one transaction. What is admitted already
    /// stays untouched, with its counters. Rules that were flushed are put back.
    ///
    /// # Errors
    /// If an address has two partners, there are too many cameras, or `nft` can't be run
    /// or refuses. The gate is then as it was before.
    pub async fn apply(&self, admissions: &[Admission]) -> Result<(), KernelGateError> {
        let wanted = checked(admissions)?;
        let _change = self.change.lock().await;
        let transaction = match self.read().await {
            Ok(in_force) => in_force.difference(&wanted),
            Err(KernelGateError::NotInForce { missing }) => {
                tracing::warn!(%missing, "the gate was not in force and is put back");
                self.whole(&wanted)
            }
            Err(error) => return Err(error),
        };
        if transaction.is_empty() {
            return Ok(());
        }
        match self.nft.commit(&transaction).await {
            // The tables changed between reading and writing, by another hand than ours.
            Err(KernelGateError::Refused { message }) => {
                tracing::warn!(%message, "the gate is put back as a whole");
                self.nft.commit(&self.whole(&wanted)).await?;
            }
            result => result?,
        }
        tracing::info!(admitted = wanted.len(), "the gate was changed");
        Ok(())
    }

    /// What the gate counts.
    ///
    /// # Errors
    /// [`KernelGateError::NotInForce`] if the rules were flushed or are not this gate's:
    /// [`apply`](Self::apply) puts them back. Otherwise if `nft` can't be run.
    pub async fn counters(&self) -> Result<GateCounters, KernelGateError> {
        let in_force = self.read().await?;
        Ok(in_force.counters(&self.ports))
    }

    async fn read(&self) -> Result<InForce, KernelGateError> {
        let netdev = self.read_table("netdev").await?;
        let inet = self.read_table("inet").await?;
        for port in &self.ports {
            let chain = format!("{port}_ingress");
            let attached = netdev.devices.get(&chain).is_none_or(|devices| {
                devices
                    .iter()
                    .any(|device| device.as_str() == port.interface())
            });
            if !netdev.chains.contains(&chain) || !attached {
                return Err(KernelGateError::NotInForce {
                    missing: format!("chain {chain} at {port}"),
                });
            }
        }
        Ok(InForce { netdev, inet })
    }

    async fn read_table(&self, family: &str) -> Result<Table, KernelGateError> {
        let not_in_force = |missing: String| KernelGateError::NotInForce { missing };
        let listing = self
            .nft
            .list_table(family, "sealgate")
            .await?
            .ok_or_else(|| not_in_force(format!("table {family} sealgate")))?;
        let table = Table::parse(&listing)?;
        let marker = marker_of(&self.ruleset).expect("the ruleset's text has its marker");
        if !table.counters.contains_key(marker) {
            return Err(not_in_force(format!("{marker} in table {family} sealgate")));
        }
        Ok(table)
    }

    /// One transaction that replaces whatever is there. `delete` needs a table to delete,
    /// so one is added before.
    fn whole(&self, wanted: &BTreeSet<Admission>) -> String {
        let mut text = String::new();
        for family in ["netdev", "inet"] {
            let _ = writeln!(text, "add table {family} sealgate");
            let _ = writeln!(text, "delete table {family} sealgate");
        }
        text.push_str(&self.ruleset);
        for (set, elements) in Elements::of(wanted).by_set() {
            change(&mut text, "add", set, elements.iter());
        }
        text
    }
}

/// The elements of each set for a list of admissions, as written in a transaction.
struct Elements {
    bindings: BTreeSet<String>,
    addresses: BTreeSet<String>,
    rtsp: BTreeSet<String>,
}

impl Elements {
    fn of(admissions: &BTreeSet<Admission>) -> Self {
        Self {
            bindings: admissions
                .iter()
                .map(|a| format!("{} . {}", a.mac, a.ip))
                .collect(),
            addresses: admissions.iter().map(|a| a.ip.to_string()).collect(),
            rtsp: admissions
                .iter()
                .map(|a| format!("{} . {}", a.ip, a.port))
                .collect(),
        }
    }

    fn by_set(&self) -> [((&'static str, &'static str), &BTreeSet<String>); 6] {
        [
            (("netdev", "admitted"), &self.bindings),
            (("netdev", "admitted_arp"), &self.bindings),
            (("netdev", "admitted_ip"), &self.addresses),
            (("inet", "admitted"), &self.bindings),
            (("inet", "admitted_ip"), &self.addresses),
            (("inet", "admitted_rtsp"), &self.rtsp),
        ]
    }
}

impl InForce {
    /// The transaction that leads from what is in force to what is wanted; empty if
    /// there is nothing to do.
    fn difference(&self, wanted: &BTreeSet<Admission>) -> String {
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

    fn counters(&self, ports: &[CameraPort]) -> GateCounters {
        GateCounters {
            ports: ports.iter().map(|port| self.port(port)).collect(),
            cameras: self.cameras(),
            recorder_refused_packets: self.inet.counter("recorder_refused").packets,
        }
    }

    fn port(&self, port: &CameraPort) -> PortCounters {
        let netdev = |name: &str| self.netdev.counter(&format!("{port}_{name}"));
        let inet = |name: &str| self.inet.counter(&format!("{port}_{name}")).packets;
        PortCounters {
            interface: port.interface().to_owned(),
            dropped_packets: netdev("dropped_ipv4").packets,
            dropped_bytes: netdev("dropped_ipv4").bytes,
            dropped_other_packets: netdev("dropped_other").packets,
            dropped_arp_packets: netdev("dropped_arp").packets,
            admitted_packets: inet("admitted"),
            passed: PassedPackets {
                discovery_packets: inet("discovery"),
                udp_packets: inet("udp"),
                tcp_syn_packets: inet("tcp_syn"),
                tcp_packets: inet("tcp"),
                other_packets: inet("other"),
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
        for element in self.netdev.set("dropped_ipv4") {
            if let Some(mac) = element.mac() {
                let camera = entry(&mut cameras, mac);
                camera.dropped_packets = element.count.packets;
                camera.dropped_bytes = element.count.bytes;
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

/// Adds one line to a transaction, if there is something to say.
fn change<'a>(
    text: &mut String,
    verb: &str,
    (family, set): (&str, &str),
    elements: impl Iterator<Item = &'a String>,
) {
    let elements: Vec<&str> = elements.map(String::as_str).collect();
    if !elements.is_empty() {
        let _ = writeln!(
            text,
            "{verb} element {family} sealgate {set} {{ {} }}",
            elements.join(", ")
        );
    }
}

/// One MAC address at one IP address, and room for all.
fn checked(admissions: &[Admission]) -> Result<BTreeSet<Admission>, KernelGateError> {
    let mut by_mac = BTreeMap::new();
    let mut by_ip = BTreeMap::new();
    for Admission { mac, ip, .. } in admissions {
        if by_mac.insert(*mac, *ip).is_some_and(|known| known != *ip)
            || by_ip.insert(*ip, *mac).is_some_and(|known| known != *mac)
        {
            return Err(KernelGateError::Ambiguous { mac: *mac, ip: *ip });
        }
    }
    let wanted: BTreeSet<Admission> = admissions.iter().copied().collect();
    if wanted.len() > SET_SIZE {
        return Err(KernelGateError::TooMany {
            count: wanted.len(),
            limit: SET_SIZE,
        });
    }
    Ok(wanted)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn admission(mac: u8, ip: u8) -> Admission {
        Admission {
            mac: MacAddress::from_octets([2, 0, 0, 0, 0, mac]).unwrap(),
            ip: Ipv4Addr::new(192, 0, 2, ip),
            port: 554,
        }
    }

    #[test]
    fn one_mac_is_at_one_ip() {
        assert!(checked(&[admission(1, 1), admission(1, 1), admission(2, 2)]).is_ok());
        for pair in [
            [admission(1, 1), admission(1, 2)],
            [admission(1, 1), admission(2, 1)],
        ] {
            assert!(matches!(
                checked(&pair),
                Err(KernelGateError::Ambiguous { .. })
            ));
        }
    }

    #[test]
    fn only_the_difference_is_written() {
        let element = |key: &[&str]| Element {
            key: key.iter().map(|part| (*part).to_owned()).collect(),
            count: Default::default(),
        };
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
}

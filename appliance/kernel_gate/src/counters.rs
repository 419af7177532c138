//! What the kernel counted.

use std::net::Ipv4Addr;

use sealgate_camera::MacAddress;
use serde::{Deserialize, Serialize};

/// Everything the gate counts, at one moment.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct GateCounters {
    /// By camera port, in the order they were configured.
    pub ports: Vec<PortCounters>,
    /// By MAC address: every admitted camera, and every other sender with drops.
    pub cameras: Vec<CameraCounters>,
    /// Packets of the recorder to addresses that are not admitted: refused.
    pub recorder_refused_packets: u64,
    /// How often another hand had changed the rules and they were put back, since this
    /// process started. Each is an alarm.
    pub mended: u64,
}

/// What one camera port counted since the rules were put in force.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct PortCounters {
    /// The port's interface.
    pub interface: String,
    /// IPv4 packets dropped.
    pub dropped_packets: u64,
    /// Their bytes, from the IP header on.
    pub dropped_bytes: u64,
    /// Frames dropped that carry no IPv4: IPv6, VLAN tags and other EtherTypes.
    pub dropped_other_packets: u64,
    /// ARP dropped: too fast, or in the name of an admitted camera's address.
    pub dropped_arp_packets: u64,
    /// Packets of admitted cameras that reached the box.
    pub admitted_packets: u64,
    /// Packets of other senders that reached the box past the gate, by class.
    pub passed: PassedPackets,
}

/// Packets from senders that are not admitted, seen behind the gate.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct PassedPackets {
    /// DHCP, NTP, IGMP, WS-Discovery, and replies of ONVIF services: the metered trickle by
    /// which a camera is found. On a shared port also ICMP, and replies of DHCP, DNS and NTP
    /// servers.
    pub discovery_packets: u64,
    /// To the owner's pages, on a shared port.
    pub pages_packets: u64,
    /// Any other UDP, which is how a camera sends video. 0 while the gate holds.
    pub udp_packets: u64,
    /// TCP connection requests. 0 while the gate holds.
    pub tcp_syn_packets: u64,
    /// Any other TCP. 0 while the gate holds.
    pub tcp_packets: u64,
    /// Anything else. 0 while the gate holds.
    pub other_packets: u64,
}

impl PassedPackets {
    /// Packets that the gate should have stopped: 0 while it holds.
    pub fn past_the_gate(&self) -> u64 {
        self.udp_packets + self.tcp_syn_packets + self.tcp_packets + self.other_packets
    }
}

/// What the gate counted for one MAC address.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CameraCounters {
    /// The sender.
    pub mac: MacAddress,
    /// The address it is admitted at; none if it is not admitted.
    pub ip: Option<Ipv4Addr>,
    /// Packets let through since it was admitted.
    pub accepted_packets: u64,
    /// Their bytes, from the IP header on.
    pub accepted_bytes: u64,
    /// IPv4 packets dropped; forgotten an hour after the last one.
    pub dropped_packets: u64,
    /// Their bytes, from the IP header on.
    pub dropped_bytes: u64,
    /// Frames dropped that carry no IPv4 or ARP; forgotten an hour after the last one.
    pub dropped_other_packets: u64,
}

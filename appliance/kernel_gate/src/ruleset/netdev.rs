//! The `netdev` table: what each port's ingress does before the kernel looks at a packet.

use std::fmt::Write;

use super::trickle::trickle;
use super::{MARKER, METER_SIZE, PASSED_MARK, SET_SIZE};
use crate::{CameraPort, PortKind};

pub(super) fn table(ports: &[CameraPort]) -> String {
    let mut text = format!(
        r#"table netdev sealgate {{
    # Tells which version of these rules is in force; counts nothing.
    {MARKER}

    # The cameras that may stream: this MAC address at this IP address, counted each.
    set admitted {{ type ether_addr . ipv4_addr; size {SET_SIZE}; counter; }}
    # The same again, as a look-up in the set above counts a packet.
    set admitted_arp {{ type ether_addr . ipv4_addr; size {SET_SIZE}; }}
    # Their IP addresses: nobody else may use them.
    set admitted_ip {{ type ipv4_addr; size {SET_SIZE}; }}

    # Who was dropped, and how often: IPv4 packets, and frames that carry neither IPv4 nor ARP.
    set dropped_ipv4 {{ type ether_addr; size {METER_SIZE}; flags dynamic,timeout; timeout 1h; }}
    set dropped_other {{ type ether_addr; size {METER_SIZE}; flags dynamic,timeout; timeout 1h; }}

    set arp_rate {{ type ether_addr; size {METER_SIZE}; flags dynamic,timeout; timeout 1m; }}
{}"#,
        trickle("tcp flags & (ack | rst) != 0x0", "")
    );
    for port in ports {
        let _ = write!(
            text,
            r#"
    counter {port}_dropped_ipv4 {{ }}
    counter {port}_dropped_other {{ }}
    counter {port}_dropped_arp {{ }}

    chain {port}_arp {{
        # Marked, as the kernel looks for a way to whoever asks before it answers (arp.c).
        # Both MAC addresses that it carries are the camera's: the kernel believes the inner one.
        ether saddr . arp saddr ip @admitted_arp arp saddr ether . arp saddr ip @admitted_arp meta mark set {PASSED_MARK:#x} accept
        # An admitted camera's address in another's name is an attempt to take its place.
        arp saddr ip != @admitted_ip update @arp_rate {{ ether saddr limit rate 1 kbytes/second burst 4 kbytes }} meta mark set {PASSED_MARK:#x} accept
        counter name {port}_dropped_arp drop
    }}
    chain {port}_other {{
        counter name {port}_dropped_other
        update @dropped_other {{ ether saddr counter }}
        drop
    }}
    chain {port}_drop {{
        counter name {port}_dropped_ipv4
        update @dropped_ipv4 {{ ether saddr counter }}
        drop
    }}
"#
        );
    }
    text.push_str("}\n");
    text
}

/// The chain at a port's ingress.
pub(super) fn ingress_chain(port: &CameraPort) -> String {
    let others = match port.kind() {
        PortKind::CameraOnly => format!(
            "        ip saddr != @admitted_ip meta mark set {PASSED_MARK:#x} jump trickle
        goto {port}_drop
"
        ),
        // What connections belong to is known only later: the table `inet` goes on.
        PortKind::Shared { .. } => format!(
            "        ip saddr @admitted_ip goto {port}_drop
        accept
"
        ),
    };
    // A camera never connects to the box; on a shared port, others may.
    let (syn_of_anyone, syn_of_admitted) = match port.kind() {
        PortKind::CameraOnly => (syn_drop(port, ""), String::new()),
        PortKind::Shared { .. } => (
            String::new(),
            syn_drop(port, "ether saddr . ip saddr @admitted_arp "),
        ),
    };
    format!(
        r#"    chain {port}_ingress {{
        type filter hook ingress device "{port}" priority -500; policy drop;
        ether type arp goto {port}_arp
        # IPv6, VLAN tags (also those the card has taken off) and everything else.
        ether type != ip goto {port}_other
        # TCP in fragments, which could hide the flags, is never sent by a stack that
        # discovers its path's MTU.
        ip protocol tcp ip frag-off & 0x3fff != 0 goto {port}_drop
{syn_of_anyone}{syn_of_admitted}        ether saddr . ip saddr @admitted meta mark set {PASSED_MARK:#x} accept
{others}    }}
"#
    )
}

fn syn_drop(port: &CameraPort, whose: &str) -> String {
    format!(
        "        # Cameras never connect to the box, admitted or not.
        {whose}tcp flags & (syn | ack) == syn goto {port}_drop
"
    )
}

//! The `inet` table: who may speak on a shared port, what came past the gate, and where
//! the recorder may go.

use std::fmt::Write;

use super::trickle::trickle;
use super::{MARKER, METER_SIZE, ONVIF_PORTS, PASSED_MARK, SET_SIZE};
use crate::{CameraPort, PortKind};

pub(super) fn table(ports: &[CameraPort], recorder_uid: Option<u32>) -> String {
    let mut text = format!(
        r#"table inet sealgate {{
    {MARKER}

    set admitted {{ type ether_addr . ipv4_addr; size {SET_SIZE}; }}
    set admitted_ip {{ type ipv4_addr; size {SET_SIZE}; }}
    # IP address and RTSP port of the admitted cameras.
    set admitted_rtsp {{ type ipv4_addr . inet_service; size {SET_SIZE}; }}

    counter recorder_refused {{ }}
"#
    );
    let shared: Vec<(&CameraPort, u16)> = ports
        .iter()
        .filter_map(|port| match port.kind() {
            PortKind::Shared { pages } => Some((port, pages)),
            PortKind::CameraOnly => None,
        })
        .collect();
    if !shared.is_empty() {
        text.push_str(&shared_chains(&shared));
    }
    for port in ports {
        text.push_str(&seen_chain(port));
    }
    text.push_str(
        r"
    chain input {
        type filter hook input priority -300; policy accept;
",
    );
    for port in ports {
        let _ = writeln!(text, "        iifname \"{port}\" jump {port}_seen");
    }
    text.push_str("    }\n");
    if let Some(uid) = recorder_uid {
        text.push_str(&recorder_chains(uid));
    }
    text.push_str("}\n");
    text
}

/// A shared port's own gate. It hooks in before the kernel decides where a packet goes, and
/// after the kernel knows which connection it belongs to.
fn shared_chains(ports: &[(&CameraPort, u16)]) -> String {
    // Answers to what the box asked: by the connection, and no more than they need. A
    // router's MAC address may carry answers of many hosts; 8 kB/s is far below video.
    let replies = "        # The box as a client: DHCP, DNS, time.
        udp sport 67 udp dport 68 update @dhcp_rate { ether saddr limit rate 2 kbytes/second burst 16 kbytes } accept
        meta l4proto { tcp, udp } th sport 53 ct direction reply update @reply_rate { ether saddr limit rate 8 kbytes/second burst 64 kbytes } accept
        udp sport 123 ct direction reply update @ntp_rate { ether saddr limit rate 1 kbytes/second burst 2 kbytes } accept
        ip protocol icmp update @reply_rate { ether saddr limit rate 8 kbytes/second burst 64 kbytes } accept
";
    let mut text = format!(
        r#"
    set dropped_ipv4 {{ type ether_addr; size {METER_SIZE}; flags dynamic,timeout; timeout 1h; }}
    set reply_rate {{ type ether_addr; size {METER_SIZE}; flags dynamic,timeout; timeout 1m; }}
{}"#,
        trickle("ct direction reply", replies)
    );
    for (port, pages) in ports {
        let _ = write!(
            text,
            r#"
    counter {port}_dropped {{ }}
    chain {port}_shared {{
        ether saddr . ip saddr @admitted accept
        meta mark set {PASSED_MARK:#x}
        # The owner's pages. Nothing that the box opened comes back this way.
        tcp dport {pages} ct direction original accept
        jump trickle
        counter name {port}_dropped
        update @dropped_ipv4 {{ ether saddr counter }}
        drop
    }}
"#
        );
    }
    text.push_str(
        r"
    # Streams of admitted cameras need no tracking of connections, and pay for none.
    chain untracked {
        type filter hook prerouting priority -300; policy accept;
",
    );
    for (port, _) in ports {
        let _ = writeln!(
            text,
            "        iifname \"{port}\" ether saddr . ip saddr @admitted notrack"
        );
    }
    text.push_str(
        r"    }
    chain untracked_output {
        type filter hook output priority -300; policy accept;
        ip daddr @admitted_ip notrack
    }
    chain shared {
        type filter hook prerouting priority -150; policy accept;
",
    );
    for (port, _) in ports {
        let _ = writeln!(text, "        iifname \"{port}\" goto {port}_shared");
    }
    text.push_str("    }\n");
    text
}

/// Counts what came past the gate, by class.
fn seen_chain(port: &CameraPort) -> String {
    let of_kind = match port.kind() {
        PortKind::CameraOnly => String::new(),
        PortKind::Shared { pages } => format!(
            "        tcp dport {pages} ct direction original counter name {port}_pages return
        ip protocol icmp counter name {port}_discovery return
        udp sport 67 udp dport 68 counter name {port}_discovery return
        meta l4proto {{ tcp, udp }} th sport {{ 53, 123 }} ct direction reply counter name {port}_discovery return
"
        ),
    };
    format!(
        r#"
    counter {port}_admitted {{ }}
    counter {port}_discovery {{ }}
    counter {port}_pages {{ }}
    counter {port}_udp {{ }}
    counter {port}_tcp_syn {{ }}
    counter {port}_tcp {{ }}
    counter {port}_other {{ }}
    # Only counts: what is seen here came past the rules above.
    chain {port}_seen {{
        ether saddr . ip saddr @admitted counter name {port}_admitted return
{of_kind}        ip protocol igmp counter name {port}_discovery return
        udp dport {{ 67, 123, 3702 }} counter name {port}_discovery return
        udp sport 3702 counter name {port}_discovery return
        tcp flags & (syn | ack) == syn counter name {port}_tcp_syn return
        tcp sport {ONVIF_PORTS} counter name {port}_discovery return
        meta l4proto tcp counter name {port}_tcp return
        meta l4proto udp counter name {port}_udp return
        counter name {port}_other
    }}
"#
    )
}

/// The recorder reads what cameras send, so it is held to them, on whatever port.
fn recorder_chains(uid: u32) -> String {
    format!(
        r"
    # RTSP to the enrolled port, RTP's receiver reports and hole punching by UDP, and
    # nothing else: no IPv6, no other protocol, not the box itself.
    chain recorder {{
        ip daddr . tcp dport @admitted_rtsp accept
        meta l4proto udp ip daddr @admitted_ip accept
        counter name recorder_refused drop
    }}
    chain output {{
        type filter hook output priority 0; policy accept;
        meta skuid {uid} goto recorder
    }}
"
    )
}

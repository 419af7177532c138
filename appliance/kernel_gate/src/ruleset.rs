//! The whole ruleset, as text.

use std::fmt::Write;

use crate::CameraPort;

/// How many MAC addresses the admitted set and each meter hold. A flood of made-up
/// addresses fills the meters and is dropped; admitted cameras need no meter.
pub(crate) const SET_SIZE: usize = 1024;

/// The two tables without admitted cameras: the closed gate.
///
/// The rates are per source MAC address. 4 kB/s is 32 kbit/s: a camera can announce
/// itself and answer ONVIF requests, but video needs ten times that at the least.
pub fn ruleset(ports: &[CameraPort], recorder_uid: Option<u32>) -> String {
    let body = format!(
        "{}\n{}",
        netdev_table(ports),
        inet_table(ports, recorder_uid)
    );
    let marker = format!("counter {} {{ }}", marker_name(&body));
    body.replace(MARKER, &marker)
}

/// Stands in the text where the marker counter goes.
const MARKER: &str = "@MARKER@";

/// The counter by which a ruleset in the kernel is known as this text and no other:
/// with other ports, another recorder or another version it has another name.
pub(crate) fn marker_of(ruleset: &str) -> Option<&str> {
    let start = ruleset.find("ruleset_")?;
    ruleset[start..].split(' ').next()
}

fn marker_name(body: &str) -> String {
    // FNV-1a: tells our own texts apart, and protects against nothing.
    let digest = body.bytes().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
    });
    format!("ruleset_{digest:016x}")
}

fn netdev_table(ports: &[CameraPort]) -> String {
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
    set dropped_ipv4 {{ type ether_addr; size {SET_SIZE}; flags dynamic,timeout; timeout 1h; }}
    set dropped_other {{ type ether_addr; size {SET_SIZE}; flags dynamic,timeout; timeout 1h; }}

    # Meters by source MAC address.
    set arp_rate {{ type ether_addr; size {SET_SIZE}; flags dynamic,timeout; timeout 1m; }}
    set dhcp_rate {{ type ether_addr; size {SET_SIZE}; flags dynamic,timeout; timeout 1m; }}
    set igmp_rate {{ type ether_addr; size {SET_SIZE}; flags dynamic,timeout; timeout 1m; }}
    set discovery_rate {{ type ether_addr; size {SET_SIZE}; flags dynamic,timeout; timeout 1m; }}
    set onvif_rate {{ type ether_addr; size {SET_SIZE}; flags dynamic,timeout; timeout 1m; }}

    # How a camera is found before it is admitted.
    chain trickle {{
        # DHCP, to the box's own server (RFC 2131, 4.1).
        udp sport 68 udp dport 67 update @dhcp_rate {{ ether saddr limit rate 2 kbytes/second burst 16 kbytes }} accept
        ip protocol igmp update @igmp_rate {{ ether saddr limit rate 1 kbytes/second burst 4 kbytes }} accept
        # WS-Discovery: Hello and Bye to the port, answers from it (WS-Discovery 1.1, 3.1.1).
        udp sport 3702 update @discovery_rate {{ ether saddr limit rate 4 kbytes/second burst 32 kbytes }} accept
        udp dport 3702 update @discovery_rate {{ ether saddr limit rate 4 kbytes/second burst 32 kbytes }} accept
        # Replies of ONVIF services to connections that the box opened.
        tcp sport {{ 80, 8000, 8080, 8899 }} tcp flags & (ack | rst) != 0x0 update @onvif_rate {{ ether saddr limit rate 4 kbytes/second burst 64 kbytes }} accept
    }}
"#
    );
    for port in ports {
        let _ = write!(
            text,
            r#"
    counter {port}_dropped_ipv4 {{ }}
    counter {port}_dropped_other {{ }}
    counter {port}_dropped_arp {{ }}

    chain {port}_arp {{
        ether saddr . arp saddr ip @admitted_arp accept
        # An admitted camera's address in another's name is an attempt to take its place.
        arp saddr ip != @admitted_ip update @arp_rate {{ ether saddr limit rate 1 kbytes/second burst 4 kbytes }} accept
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
    chain {port}_ingress {{
        type filter hook ingress device "{port}" priority -500; policy drop;
        ether type arp goto {port}_arp
        # IPv6, VLAN tags (also those the card has taken off) and everything else.
        ether type != ip goto {port}_other
        # Cameras never connect to the box, admitted or not; and TCP in fragments, which
        # could hide the flags, is never sent by a stack that discovers its path's MTU.
        ip protocol tcp ip frag-off & 0x3fff != 0 goto {port}_drop
        tcp flags & (syn | ack) == syn goto {port}_drop
        ether saddr . ip saddr @admitted accept
        ip saddr != @admitted_ip jump trickle
        goto {port}_drop
    }}
"#
        );
    }
    text.push_str("}\n");
    text
}

fn inet_table(ports: &[CameraPort], recorder_uid: Option<u32>) -> String {
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
    for port in ports {
        let _ = write!(
            text,
            r#"
    counter {port}_admitted {{ }}
    counter {port}_discovery {{ }}
    counter {port}_udp {{ }}
    counter {port}_tcp_syn {{ }}
    counter {port}_tcp {{ }}
    counter {port}_other {{ }}
    # Only counts: what is seen here came past the netdev table.
    chain {port}_seen {{
        ether saddr . ip saddr @admitted counter name {port}_admitted return
        ip protocol igmp counter name {port}_discovery return
        udp dport {{ 67, 3702 }} counter name {port}_discovery return
        udp sport 3702 counter name {port}_discovery return
        tcp flags & (syn | ack) == syn counter name {port}_tcp_syn return
        tcp sport {{ 80, 8000, 8080, 8899 }} counter name {port}_discovery return
        meta l4proto tcp counter name {port}_tcp return
        meta l4proto udp counter name {port}_udp return
        counter name {port}_other
    }}
"#
        );
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
        let _ = write!(
            text,
            r#"
    # The recorder reads what cameras send, so it is held to them: RTSP to the enrolled
    # port, RTP's receiver reports and hole punching by UDP, and nothing else. Datagrams reach its
    # RTSP client through a relay of its own, from one ephemeral port to another: no service
    # of the box listens on any of those.
    chain recorder {{
        oifname "lo" tcp sport 32768-60999 tcp dport 32768-60999 accept
        ip daddr . tcp dport @admitted_rtsp accept
        meta l4proto udp ip daddr @admitted_ip accept
        counter name recorder_refused drop
    }}
    chain output {{
        type filter hook output priority 0; policy accept;
        meta skuid {uid} goto recorder
    }}
"#
        );
    }
    text.push_str("}\n");
    text
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn port(name: &str) -> CameraPort {
        CameraPort::new(name).unwrap()
    }

    #[test]
    fn the_marker_tells_rulesets_apart() {
        let one = ruleset(&[port("cam0")], None);
        let two = ruleset(&[port("cam0"), port("cam1")], None);
        let held = ruleset(&[port("cam0")], Some(990));
        assert!(marker_of(&one).unwrap().len() == "ruleset_".len() + 16);
        assert_ne!(marker_of(&one), marker_of(&two));
        assert_ne!(marker_of(&one), marker_of(&held));
        assert_eq!(one, ruleset(&[port("cam0")], None));
        assert!(!one.contains(MARKER));
    }

    #[test]
    fn every_port_drops_by_default() {
        let text = ruleset(&[port("cam0"), port("cam1")], None);
        for name in ["cam0", "cam1"] {
            assert!(text.contains(&format!(
                "type filter hook ingress device \"{name}\" priority -500; policy drop;"
            )));
        }
        assert!(!text.contains("skuid"));
    }
}

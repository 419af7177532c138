//! How a camera is found before it is admitted: meters by source MAC address.

use super::{METER_SIZE, ONVIF_PORTS};

/// The sets of the meters, and the chain `trickle`, which accepts what is within them.
///
/// `more` are rules of one kind of port.
pub(super) fn trickle(onvif_condition: &str, more: &str) -> String {
    let meters: String = [
        "dhcp_rate",
        "ntp_rate",
        "igmp_rate",
        "discovery_rate",
        "onvif_rate",
    ]
    .iter()
    .map(|name| {
        format!(
            "    set {name} {{ type ether_addr; size {METER_SIZE}; flags dynamic,timeout; timeout 1m; }}\n"
        )
    })
    .collect();
    format!(
        r#"
    # Meters by source MAC address.
{meters}
    # How a camera is found before it is admitted.
    chain trickle {{
        # DHCP, to the box's own server (RFC 2131, 4.1).
        udp sport 68 udp dport 67 update @dhcp_rate {{ ether saddr limit rate 2 kbytes/second burst 16 kbytes }} accept
        # Time, so that a camera's clock is right before it is admitted: 76 bytes a request.
        udp dport 123 update @ntp_rate {{ ether saddr limit rate 1 kbytes/second burst 2 kbytes }} accept
        ip protocol igmp update @igmp_rate {{ ether saddr limit rate 1 kbytes/second burst 4 kbytes }} accept
        # WS-Discovery: Hello and Bye to the port, answers from it (WS-Discovery 1.1, 3.1.1).
        udp sport 3702 update @discovery_rate {{ ether saddr limit rate 4 kbytes/second burst 32 kbytes }} accept
        udp dport 3702 update @discovery_rate {{ ether saddr limit rate 4 kbytes/second burst 32 kbytes }} accept
        # Replies of ONVIF services to connections that the box opened.
        tcp sport {ONVIF_PORTS} {onvif_condition} update @onvif_rate {{ ether saddr limit rate 4 kbytes/second burst 64 kbytes }} accept
{more}    }}
"#
    )
}

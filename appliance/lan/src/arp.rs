//! ARP frames (RFC 826) on Ethernet. Pure.

use std::net::Ipv4Addr;

use sealgate_camera::MacAddress;

/// An Ethernet header and an ARP packet for IPv4.
pub(crate) const FRAME_BYTES: usize = 42;
/// Hardware type Ethernet, protocol IPv4, lengths 6 and 4.
const FOR_IPV4: [u8; 6] = [0, 1, 8, 0, 6, 4];

/// Who says that an address is its own: every ARP packet does, request or reply.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct ArpClaim {
    pub mac: MacAddress,
    pub ip: Ipv4Addr,
}

/// Reads a frame. None: no ARP for IPv4; an address probe (RFC 5227, 1.1), which claims
/// nothing yet; or one that names another sender than the frame itself, which is no claim
/// of either.
pub(crate) fn claim(frame: &[u8]) -> Option<ArpClaim> {
    let frame = frame.get(..FRAME_BYTES)?;
    let is_arp = frame[12..14] == [0x08, 0x06]
        && frame[14..20] == FOR_IPV4
        && matches!(frame[20..22], [0, 1 | 2]);
    if !is_arp || frame[6..12] != frame[22..28] {
        return None;
    }
    let mac: [u8; 6] = frame[22..28].try_into().ok()?;
    let ip: [u8; 4] = frame[28..32].try_into().ok()?;
    let ip = Ipv4Addr::from(ip);
    let is_host =
        !(ip.is_unspecified() || ip.is_multicast() || ip.is_broadcast() || ip.is_loopback());
    Some(ArpClaim {
        mac: MacAddress::from_octets(mac).ok()?,
        ip,
    })
    .filter(|_| is_host)
}

/// Asks everybody on the cable who has an address: unlike the kernel's own question, it is
/// answered by all who think they do, and changes no table.
pub(crate) fn question(own_mac: MacAddress, own_ip: Ipv4Addr, ip: Ipv4Addr) -> [u8; FRAME_BYTES] {
    let mut frame = [0; FRAME_BYTES];
    frame[..6].fill(0xff);
    frame[6..12].copy_from_slice(&own_mac.octets());
    frame[12..14].copy_from_slice(&[0x08, 0x06]);
    frame[14..20].copy_from_slice(&FOR_IPV4);
    frame[21] = 1;
    frame[22..28].copy_from_slice(&own_mac.octets());
    frame[28..32].copy_from_slice(&own_ip.octets());
    frame[38..42].copy_from_slice(&ip.octets());
    frame
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn frame() -> [u8; FRAME_BYTES] {
        question(
            "02:00:00:00:00:0a".parse().unwrap(),
            Ipv4Addr::new(192, 168, 77, 11),
            Ipv4Addr::new(192, 168, 77, 1),
        )
    }

    #[test]
    fn a_question_claims_its_senders_address() {
        let read = claim(&frame()).unwrap();
        assert_eq!(read.mac.to_string(), "02:00:00:00:00:0a");
        assert_eq!(read.ip, Ipv4Addr::new(192, 168, 77, 11));
        let mut reply = frame();
        reply[21] = 2;
        assert_eq!(claim(&reply), Some(read));
        let mut padded = frame().to_vec();
        padded.resize(60, 0);
        assert_eq!(claim(&padded), Some(read), "as short frames arrive");
    }

    #[test]
    fn what_claims_nothing() {
        let check = |what: &str, at: usize, value: u8| {
            let mut changed = frame();
            changed[at] = value;
            assert_eq!(claim(&changed), None, "{what}");
        };
        check("another sender in the frame", 11, 0x0b);
        check("another sender in the packet", 27, 0x0b);
        check("no ARP", 13, 0x00);
        check("no IPv4", 17, 0x01);
        check("longer addresses", 18, 8);
        check("RARP", 21, 3);
        let mut probe = frame();
        probe[28..32].fill(0);
        assert_eq!(claim(&probe), None, "a probe");
        let mut group = frame();
        group[6] |= 1;
        group[22] |= 1;
        assert_eq!(claim(&group), None, "a group's address");
        for length in 0..FRAME_BYTES {
            assert_eq!(claim(&frame()[..length]), None);
        }
    }
}

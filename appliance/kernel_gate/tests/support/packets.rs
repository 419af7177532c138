//! Packets and frames, as bytes.

use std::net::Ipv4Addr;

use super::{B_MAC, BOX_IP, BOX_MAC};

/// `count` RTP-like UDP packets.
pub fn rtp(from: Ipv4Addr, count: usize) -> Vec<Vec<u8>> {
    let mut payload = vec![0x80, 96];
    payload.resize(1200, 0);
    vec![udp(from, 5004, 5004, &payload); count]
}

/// `count` connection requests to the owner's pages.
pub fn syn(from: Ipv4Addr, count: usize) -> Vec<Vec<u8>> {
    vec![tcp(from, 40_000, 443, 0x02, &[]); count]
}

pub fn udp(from: Ipv4Addr, source: u16, destination: u16, payload: &[u8]) -> Vec<u8> {
    let length = u16::try_from(8 + payload.len()).unwrap();
    let mut datagram = Vec::new();
    for word in [source, destination, length, 0] {
        datagram.extend(word.to_be_bytes());
    }
    datagram.extend(payload);
    ip(from, 17, 0x4000, &datagram)
}

/// TCP with these flags: FIN 1, SYN 2, RST 4, ACK 16.
pub fn tcp(from: Ipv4Addr, source: u16, destination: u16, flags: u8, payload: &[u8]) -> Vec<u8> {
    let mut segment = Vec::new();
    segment.extend(source.to_be_bytes());
    segment.extend(destination.to_be_bytes());
    segment.extend([0, 0, 0, 1, 0, 0, 0, 1, 0x50, flags, 0x20, 0, 0, 0, 0, 0]);
    segment.extend(payload);
    ip(from, 6, 0x4000, &segment)
}

/// An IPv4 packet to the box; the kernel fills in identification and checksum.
pub fn ip(from: Ipv4Addr, protocol: u8, fragment: u16, payload: &[u8]) -> Vec<u8> {
    let length = u16::try_from(20 + payload.len()).unwrap();
    let mut packet = vec![0x45, 0];
    packet.extend(length.to_be_bytes());
    packet.extend([0, 1]);
    packet.extend(fragment.to_be_bytes());
    packet.extend([64, protocol, 0, 0]);
    packet.extend(from.octets());
    packet.extend(BOX_IP.octets());
    packet.extend(payload);
    packet
}

/// Bytes of a MAC address with colons.
pub fn octets(mac: &str) -> Vec<u8> {
    hex(&mac.replace(':', ""))
}

/// Bytes of hexadecimal digits.
pub fn hex(digits: &str) -> Vec<u8> {
    (0..digits.len())
        .step_by(2)
        .map(|at| u8::from_str_radix(&digits[at..at + 2], 16).unwrap())
        .collect()
}

/// A frame of camera B to the box: these header bytes (in hexadecimal) after the addresses.
pub fn frame(header: &str, payload: &[u8]) -> Vec<u8> {
    framed(BOX_MAC, B_MAC, header, payload)
}

/// A frame between any two addresses.
pub fn framed(to: &str, from: &str, header: &str, payload: &[u8]) -> Vec<u8> {
    [octets(to), octets(from), hex(header), payload.to_vec()].concat()
}

/// An IPv4 packet whose header checksum is right, for frames that no kernel completes.
pub fn with_checksum(mut packet: Vec<u8>) -> Vec<u8> {
    packet[10..12].fill(0);
    let sum: u32 = packet[..20]
        .chunks(2)
        .map(|pair| u32::from(u16::from_be_bytes([pair[0], pair[1]])))
        .sum();
    let folded = (sum & 0xffff) + (sum >> 16);
    let checksum = !u16::try_from((folded & 0xffff) + (folded >> 16)).unwrap();
    packet[10..12].copy_from_slice(&checksum.to_be_bytes());
    packet
}

/// The same packet to another address.
pub fn to(mut packet: Vec<u8>, destination: Ipv4Addr) -> Vec<u8> {
    packet[16..20].copy_from_slice(&destination.octets());
    packet
}

/// An ARP packet (RFC 826): 1 asks, 2 answers.
pub fn arp(operation: u8, mac: &str, ip: Ipv4Addr, target: Ipv4Addr) -> Vec<u8> {
    [
        vec![0, 1, 8, 0, 6, 4, 0, operation],
        octets(mac),
        ip.octets().to_vec(),
        vec![0; 6],
        target.octets().to_vec(),
    ]
    .concat()
}

/// UDP in IPv6 between the two addresses (in hexadecimal), with its checksum (RFC 8200, 8.1).
pub fn udp6(from: &str, to: &str, port: u16, payload: &[u8]) -> Vec<u8> {
    let length = u16::try_from(8 + payload.len()).unwrap();
    let mut datagram = Vec::new();
    for word in [port, port, length, 0] {
        datagram.extend(word.to_be_bytes());
    }
    datagram.extend(payload);
    let mut summed = [
        hex(from),
        hex(to),
        vec![0, 0],
        length.to_be_bytes().to_vec(),
    ]
    .concat();
    summed.extend([0, 0, 0, 17]);
    summed.extend(&datagram);
    summed.resize(summed.len().next_multiple_of(2), 0);
    let mut sum: u32 = summed
        .chunks(2)
        .map(|pair| u32::from(u16::from_be_bytes([pair[0], pair[1]])))
        .sum();
    while sum > 0xffff {
        sum = (sum & 0xffff) + (sum >> 16);
    }
    let checksum = !u16::try_from(sum).unwrap();
    datagram[6..8].copy_from_slice(&checksum.to_be_bytes());
    let header = format!("60000000{length:04x}1140{from}{to}");
    [hex(&header), datagram].concat()
}

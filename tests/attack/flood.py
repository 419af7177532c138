#!/usr/bin/env python3
"""What a camera without a place on the license might try: push video at the box, and
knock at its pages. Runs in that camera's own network namespace.

Sends COUNT RTP packets and COUNT TCP SYNs as raw Ethernet frames, so that exactly these
frames leave and no address resolution beside them, and listens meanwhile for anything
the box sends back. Prints one line of JSON.

--listen instead plays the victim of a control experiment: a UDP socket and a TCP socket
that count what reaches them until standard input closes.
"""

import argparse
import json
import select
import socket
import struct
import sys
import time

ETH_P_ALL = 0x0003
ETH_P_IP = 0x0800
TCP_SYN, TCP_RST, TCP_ACK = 0x02, 0x04, 0x10
# RFC 3550 5.1: version 2; payload type 96 is the first dynamic one (RFC 3551 6).
RTP_FIRST_BYTES = bytes([0x80, 96])
RTP_PAYLOAD_BYTES = 1200


def checksum(data: bytes) -> int:
    """The Internet checksum (RFC 1071)."""
    if len(data) % 2:
        data += b"\0"
    total = sum(struct.unpack(f"!{len(data) // 2}H", data))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return ~total & 0xFFFF


def ethernet(source_mac: str, target_mac: str, packet: bytes) -> bytes:
    def raw(mac):
        return bytes.fromhex(mac.replace(":", ""))

    return raw(target_mac) + raw(source_mac) + struct.pack("!H", ETH_P_IP) + packet


def ipv4(source: str, target: str, protocol: int, payload: bytes, number: int) -> bytes:
    """RFC 791 3.1, without options."""
    head = struct.pack(
        "!BBHHHBBH4s4s",
        0x45, 0, 20 + len(payload), number & 0xFFFF, 0x4000, 64, protocol, 0,
        socket.inet_aton(source), socket.inet_aton(target),
    )
    return head[:10] + struct.pack("!H", checksum(head)) + head[12:] + payload


def pseudo_header(source: str, target: str, protocol: int, length: int) -> bytes:
    return socket.inet_aton(source) + socket.inet_aton(target) + struct.pack("!BBH", 0, protocol, length)


def rtp(source: str, target: str, port: int, number: int) -> bytes:
    """One RTP packet in UDP."""
    payload = RTP_FIRST_BYTES + struct.pack("!HII", number & 0xFFFF, number * 9000, 0x5EA1) + bytes(RTP_PAYLOAD_BYTES)
    length = 8 + len(payload)
    head = struct.pack("!HHHH", 40000, port, length, 0)
    # RFC 768: a computed checksum of zero is sent as all ones.
    sum_ = checksum(pseudo_header(source, target, 17, length) + head + payload) or 0xFFFF
    return head[:6] + struct.pack("!H", sum_) + payload


def syn(source: str, target: str, port: int, number: int) -> bytes:
    """One TCP SYN, each from a source port of its own (RFC 9293 3.1)."""
    head = struct.pack("!HHIIBBHHH", 20000 + number, port, 1000 + number, 0, 5 << 4, TCP_SYN, 64240, 0, 0)
    sum_ = checksum(pseudo_header(source, target, 6, len(head)) + head)
    return head[:16] + struct.pack("!H", sum_) + head[18:]


def classify(frame: bytes, box_mac: bytes, own_ip: bytes):
    """What kind of answer a frame from the box is, or None."""
    if len(frame) < 34 or frame[6:12] != box_mac or frame[12:14] != struct.pack("!H", ETH_P_IP):
        return None
    packet = frame[14:]
    if packet[16:20] != own_ip:
        return None
    protocol, payload = packet[9], packet[(packet[0] & 0xF) * 4:]
    if protocol == 1:
        return "icmp"
    if protocol == 6 and len(payload) >= 14:
        # Only answers to our own source ports; the box may talk to the camera itself.
        if not 20000 <= struct.unpack("!H", payload[2:4])[0] < 40000:
            return None
        flags = payload[13]
        if flags & TCP_SYN and flags & TCP_ACK:
            return "syn_ack"
        if flags & TCP_RST:
            return "reset"
    return None


def attack(arguments) -> dict:
    own_mac = open(f"/sys/class/net/{arguments.interface}/address").read().strip()
    box_mac = bytes.fromhex(arguments.box_mac.replace(":", ""))
    own_ip = socket.inet_aton(arguments.source_ip)
    line = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(ETH_P_ALL))
    line.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 22)
    line.bind((arguments.interface, 0))
    answers = {"syn_ack": 0, "reset": 0, "icmp": 0}

    def listen(seconds: float) -> None:
        end = time.monotonic() + seconds
        while (left := end - time.monotonic()) > 0:
            if not select.select([line], [], [], left)[0]:
                return
            kind = classify(line.recv(65535), box_mac, own_ip)
            if kind:
                answers[kind] += 1

    sent = {"rtp": 0, "syn": 0}
    for number in range(arguments.count):
        packets = [
            ("rtp", 17, rtp(arguments.source_ip, arguments.box_ip, arguments.rtp_port, number)),
            ("syn", 6, syn(arguments.source_ip, arguments.box_ip, arguments.tcp_port, number)),
        ]
        for kind, protocol, payload in packets:
            packet = ipv4(arguments.source_ip, arguments.box_ip, protocol, payload, number)
            line.send(ethernet(own_mac, arguments.box_mac, packet))
            sent[kind] += 1
        listen(arguments.pause_ms / 1000)
    listen(arguments.listen_s)
    return {"rtp_sent": sent["rtp"], "syn_sent": sent["syn"], "answers": answers}


def victim(arguments) -> dict:
    udp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    udp.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 22)
    udp.bind(("0.0.0.0", arguments.rtp_port))
    tcp = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    tcp.bind(("0.0.0.0", arguments.tcp_port))
    tcp.listen(1024)
    print("listening", flush=True)
    received = 0
    while True:
        ready = select.select([udp, sys.stdin], [], [])[0]
        if udp in ready:
            udp.recv(65535)
            received += 1
        elif sys.stdin in ready:
            return {"rtp_received": received}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--listen", action="store_true", help="be the victim of a control experiment")
    parser.add_argument("--interface", default="eth0")
    parser.add_argument("--source-ip", help="address the frames come from")
    parser.add_argument("--box-mac")
    parser.add_argument("--box-ip")
    parser.add_argument("--rtp-port", type=int, default=50000)
    parser.add_argument("--tcp-port", type=int, default=443)
    parser.add_argument("--count", type=int, default=200, help="packets of each kind")
    parser.add_argument("--pause-ms", type=float, default=2, help="between two pairs")
    parser.add_argument("--listen-s", type=float, default=2, help="after the last packet")
    arguments = parser.parse_args()
    print(json.dumps(victim(arguments) if arguments.listen else attack(arguments)), flush=True)


if __name__ == "__main__":
    main()

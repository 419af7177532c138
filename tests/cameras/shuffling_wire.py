#!/usr/bin/python3
"""A cable between two namespaces that changes the order of UDP packets, as some networks do.

    shuffling_wire.py LEFT RIGHT

makes two point-to-point interfaces of these names, prints 'ready', and carries IP packets
between them for as long as it runs: the caller moves the interfaces into their namespaces. Every
seventh UDP packet is held back until three more have passed, or for 30 ms. Nothing is lost.
"""

import fcntl
import os
import select
import struct
import sys
import time

TUNSETIFF = 0x400454CA
IFF_TUN, IFF_NO_PI = 0x0001, 0x1000
UDP = 17
HELD_BACK_S = 0.03


def interface(name):
    tun = os.open("/dev/net/tun", os.O_RDWR)
    fcntl.ioctl(tun, TUNSETIFF, struct.pack("16sH22x", name.encode(), IFF_TUN | IFF_NO_PI))
    return tun


def main():
    ends = [interface(name) for name in sys.argv[1:3]]
    print("ready", flush=True)
    held = []  # [packet, packets to pass first, deadline, where to]
    seen = shuffled = 0
    while True:
        wait = max(0, min((entry[2] for entry in held), default=1e9) - time.monotonic())
        readable = select.select(ends, [], [], wait if held else None)[0]
        for end in readable:
            other = ends[1 - ends.index(end)]
            packet = os.read(end, 65536)
            is_udp = len(packet) > 9 and packet[0] >> 4 == 4 and packet[9] == UDP
            seen += is_udp
            if is_udp and seen % 7 == 0:
                held.append([packet, 3, time.monotonic() + HELD_BACK_S, other])
                shuffled += 1
                continue
            send(other, packet)
            if is_udp:
                for entry in held:
                    entry[1] -= 1
        now = time.monotonic()
        for entry in [entry for entry in held if entry[1] <= 0 or entry[2] <= now]:
            held.remove(entry)
            send(entry[3], entry[0])


def send(end, packet):
    try:
        os.write(end, packet)
    except OSError:
        pass  # The interface is not up yet.


if __name__ == "__main__":
    main()

"""Report the packets that leave through an interface.

For each line on standard input, write one JSON array to standard output with `protocol address` for every packet
since the last line.

    python3 capture.py INTERFACE

Before each answer a datagram to MARK leaves through the interface, and what was seen before it is told. So
nothing that is still on its way is missed, and a capture that sees nothing at all is not taken for silence.
"""

from __future__ import annotations

import ipaddress
import json
import socket
import sys

ALL, IPV4, IPV6 = 0x0003, 0x0800, 0x86DD
OUTGOING = 4
MARK = ("198.18.0.99", 9)
PROTOCOLS = {1: "icmp", 6: "tcp", 17: "udp", 58: "icmp6"}


def destination(packet: bytes, kind: int) -> str:
    """Return `protocol address` of *packet*."""
    if kind == IPV4:
        protocol, address = packet[9], packet[16:20]
    elif kind == IPV6:
        protocol, address = packet[6], packet[24:40]
    else:
        return f"ethertype {kind:#06x}"
    return f"{PROTOCOLS.get(protocol, protocol)} {ipaddress.ip_address(address)}"


def main(interface: str) -> None:
    """Answer until standard input ends."""
    with (
        socket.socket(socket.AF_PACKET, socket.SOCK_DGRAM, socket.htons(ALL)) as link,
        socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as marker,
    ):
        link.bind((interface, ALL))
        print("capturing", flush=True)
        for _ in sys.stdin:
            marker.sendto(b"", MARK)
            seen: list[str] = []
            while True:
                packet, (_name, kind, way, *_rest) = link.recvfrom(65535)
                if way != OUTGOING:
                    continue
                where = destination(packet, kind)
                if where == f"udp {MARK[0]}":
                    break
                seen.append(where)
            print(json.dumps(seen), flush=True)


main(sys.argv[1])

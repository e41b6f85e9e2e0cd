"""Ask a server over sockets of this process, and keep count of the packets that are not the reply."""

from __future__ import annotations

import socket
import time
from typing import TYPE_CHECKING

from namewise.stub.blocking import read_octets, seconds_left
from namewise.stub.lookup import reason
from namewise.stub.servers import parse_server

from .judge import Outcome

if TYPE_CHECKING:
    from namewise.engine import Message
    from namewise.stub.servers import ServerAddress

MAX_DISCARDED = 1000
"""Packets that are looked at for one reply: a flood ends the wait."""


def direct(address: str, query: Message, tcp: bool, timeout_s: float) -> Outcome:
    """Send *query* to *address* over UDP or TCP and return the reply, whatever it says."""
    started = time.monotonic()
    discarded: list[str] = []
    wire, failure = None, ""
    try:
        server = parse_server(address)
        wire = (_over_tcp if tcp else _over_udp)(query, server, started + timeout_s, discarded)
    except TimeoutError:
        failure = "timeout"
    except OSError as error:
        failure = reason(error)
    except ValueError as error:
        failure = str(error)
    return Outcome(wire, failure, int((time.monotonic() - started) * 1e6), tuple(discarded))


def _over_udp(query: Message, server: ServerAddress, deadline: float, discarded: list[str]) -> bytes:
    with socket.socket(server.family, socket.SOCK_DGRAM) as link:
        # Connected: the system drops what comes from elsewhere and reports a closed port.
        link.connect(server.socket_address)
        link.send(query.wire)
        while len(discarded) < MAX_DISCARDED:
            link.settimeout(seconds_left(deadline))
            wire = link.recv(65535)
            why = why_not(query, wire)
            if why is None:
                return wire
            discarded.append(why)
    raise ConnectionError(f"{MAX_DISCARDED} packets that are not the reply")


def _over_tcp(query: Message, server: ServerAddress, deadline: float, discarded: list[str]) -> bytes:
    with socket.socket(server.family, socket.SOCK_STREAM) as link:
        link.settimeout(seconds_left(deadline))
        link.connect(server.socket_address)
        link.sendall(len(query.wire).to_bytes(2, "big") + query.wire)
        while len(discarded) < MAX_DISCARDED:
            wire = read_octets(link, int.from_bytes(read_octets(link, 2, deadline), "big"), deadline)
            why = why_not(query, wire)
            if why is None:
                return wire
            discarded.append(why)
    raise ConnectionError(f"{MAX_DISCARDED} messages that are not the reply")


def why_not(query: Message, wire: bytes) -> str | None:
    """Return why *wire* is not the reply to *query*, or None if it may be (RFC 5452 §9.1).

    A question in another case is the same question (RFC 4343 §3), and an error without a question is a reply.
    """
    if len(wire) < 12:
        return "shorter than a header"
    if wire[:2] != query.wire[:2]:
        return "wrong id"
    if not wire[2] & 0x80:
        return "not a response"
    if (wire[2] ^ query.wire[2]) & 0x78:
        return "other opcode"
    if wire[4:6] == b"\0\0" and wire[3] & 15:
        return None
    asked = query.questions[0].name.wire
    end = 12 + len(asked)
    same = wire[12:end].lower() == asked.lower() and wire[end : end + 4] == query.wire[end : end + 4]
    return None if wire[4:6] == b"\0\1" and same else "other question"

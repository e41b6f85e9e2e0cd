"""The driver of lookups for blocking sockets."""

from __future__ import annotations

import socket
import time
from typing import TYPE_CHECKING, TypeVar

from ..stream import read_message, seconds_left
from .lookup import TIMEOUT, Failure, Reply, lookup, one_question, reason
from .servers import choose

if TYPE_CHECKING:
    from collections.abc import Generator, Sequence

    from ..engine import Message, Name
    from .answer import Answer
    from .lookup import Exchange
    from .servers import ServerAddress

MAX_MESSAGE = 65535
T = TypeVar("T")


def resolve(
    name: str | Name,
    rtype: str | int = "A",
    *,
    rclass: str | int = "IN",
    server: str | Sequence[str] | None = None,
    port: int = 53,
    timeout_s: float | None = None,
    attempts: int | None = None,
    tcp: bool | None = None,
    dnssec_ok: bool = False,
) -> Answer:
    """Return the records of `rtype` at the absolute `name`. Aliases in the response are followed.

    server: address or addresses (`192.0.2.1`, `[2001:db8::1]:5300`); default: the servers in
    /etc/resolv.conf
    timeout_s: seconds to wait for each reply; attempts: number of rounds over all servers
    tcp: never use UDP; dnssec_ok: request signatures as well

    Raises NXDOMAIN, NoAnswer, Timeout or ServersFailed. All are ResolutionError and have every attempt.
    """
    servers = choose(server, port, timeout_s, attempts, tcp)
    return drive(lookup(name, rtype, rclass, servers, dnssec_ok=dnssec_ok))


def query(
    message: Message,
    server: str,
    *,
    port: int = 53,
    timeout_s: float = 5.0,
    tcp: bool = False,
    retry_truncated: bool = True,
) -> Message:
    """Send `message` to one server and return its reply, whatever its response code.

    message: for example `namewise.message.make_query("example.com", "AAAA")`

    If the reply is truncated, the query is repeated over TCP unless `retry_truncated` is false. Raises
    Timeout or ServersFailed if there is no reply, and WireError if it is malformed.
    """
    return drive(one_question(message, server, port, timeout_s, tcp, retry_truncated))


def drive(steps: Generator[Exchange, Reply | Failure, T]) -> T:
    """Carry out the exchanges that `steps` yields and return its result."""
    try:
        wanted = next(steps)
        while True:
            wanted = steps.send(exchange(wanted))
    except StopIteration as done:
        value: T = done.value
        return value


def exchange(wanted: Exchange) -> Reply | Failure:
    """Carry out one exchange."""
    started = time.monotonic()
    deadline = started + wanted.timeout_s
    try:
        send = _over_tcp if wanted.transport == "tcp" else _over_udp
        wire = send(wanted.query, wanted.server, deadline)
    except TimeoutError:
        return Failure(TIMEOUT, time.monotonic() - started)
    except OSError as error:
        return Failure(reason(error), time.monotonic() - started)
    return Reply(wire, time.monotonic() - started)


def _over_udp(query: Message, server: ServerAddress, deadline: float) -> bytes:
    with socket.socket(server.family, socket.SOCK_DGRAM) as link:
        # The socket is connected: the system drops packets from other addresses and reports a closed port.
        link.connect(server.socket_address)
        link.send(query.wire)
        while True:
            link.settimeout(seconds_left(deadline))
            datagram = link.recv(MAX_MESSAGE)
            if query.accepts(datagram):
                return datagram


def _over_tcp(query: Message, server: ServerAddress, deadline: float) -> bytes:
    with socket.socket(server.family, socket.SOCK_STREAM) as link:
        link.settimeout(seconds_left(deadline))
        link.connect(server.socket_address)
        link.sendall(len(query.wire).to_bytes(2, "big") + query.wire)
        while True:
            reply = read_message(link, deadline)
            if query.accepts(reply):
                return reply

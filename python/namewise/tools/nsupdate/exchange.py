"""One request and its verified reply, over UDP with repetitions or over TCP."""

from __future__ import annotations

import socket
import time
from typing import TYPE_CHECKING

from namewise.engine import Message, Verifier
from namewise.engine.errors import NamewiseError, TsigError
from namewise.stream import read_message, seconds_left

if TYPE_CHECKING:
    from namewise.tools.keys import ClientKey

MOST_UDP = 512
"""Octets of a request that UDP carries without EDNS (RFC 1035 §4.2.1)."""


class Settings:
    """How requests are sent: the options of the command line."""

    def __init__(self) -> None:
        self.tcp = False
        self.timeout_s = 300
        """For an update over TCP, and for all tries over UDP together."""
        self.udp_timeout_s = 3
        self.udp_retries = 3
        self.family = 0
        self.local: tuple[str, int] | None = None


class Failed(Exception):
    """No server gave a reply that counts. `lines` say why."""

    def __init__(self, *lines: str) -> None:
        super().__init__("; ".join(lines))
        self.lines = lines


def addresses(host: str, port: int, family: int = 0) -> list[tuple[str, int]]:
    """Return the addresses of *host*. Raises `Failed`."""
    wanted = {4: socket.AF_INET, 6: socket.AF_INET6}.get(family, socket.AF_UNSPEC)
    try:
        found = socket.getaddrinfo(host, port, wanted, socket.SOCK_DGRAM)
    except (OSError, UnicodeError):
        raise Failed(f"couldn't get address for '{host}': not found") from None
    return list(dict.fromkeys((str(entry[4][0]), port) for entry in found))


def exchange(
    request: bytes, server: tuple[str, int], key: ClientKey | None, how: Settings
) -> tuple[Message, str]:
    """Return the reply of *server* to *request*, and the error of TSIG that it reports. Raises `Failed`.

    A reply that is not authentic does not count, except one in which the server says that it cannot verify the request.
    """
    verifier = None
    if key is not None:
        signed = key.sign(request, time.time())
        request, verifier = signed.wire, Verifier(key.key, signed.mac)
    where = f"{server[0]}#{server[1]}"
    try:
        reply = _sent(request, server, how)
    except OSError as error:
        reason = "timed out" if isinstance(error, TimeoutError) else (error.strerror or str(error)).lower()
        raise Failed(f"; Communication with {where} failed: {reason}") from None
    except NamewiseError as error:
        raise Failed(f"; Communication with {where} failed: {error}") from None
    if verifier is None:
        return reply, ""
    try:
        verifier.read(reply.wire, int(time.time()))
    except TsigError as error:
        if error.reported is None:
            raise Failed(f"; TSIG error with server: {error}") from None
        return reply, error.reported
    return reply, ""


def _sent(request: bytes, server: tuple[str, int], how: Settings) -> Message:
    deadline = time.monotonic() + how.timeout_s
    if how.tcp or len(request) > MOST_UDP:
        return _over_tcp(request, server, how, deadline)
    for _ in range(how.udp_retries + 1):
        with _connected(server, socket.SOCK_DGRAM, how) as link:
            link.send(request)
            end = min(deadline, time.monotonic() + how.udp_timeout_s)
            try:
                while True:
                    link.settimeout(seconds_left(end))
                    reply = _reply(request, link.recv(65535))
                    if reply is not None:
                        return _over_tcp(request, server, how, deadline) if reply.truncated else reply
            except TimeoutError:
                continue
    raise TimeoutError


def _over_tcp(request: bytes, server: tuple[str, int], how: Settings, deadline: float) -> Message:
    with _connected(server, socket.SOCK_STREAM, how) as link:
        link.sendall(len(request).to_bytes(2, "big") + request)
        while True:
            reply = _reply(request, read_message(link, deadline))
            if reply is not None:
                return reply


def _connected(server: tuple[str, int], kind: socket.SocketKind, how: Settings) -> socket.socket:
    link = socket.socket(socket.AF_INET6 if ":" in server[0] else socket.AF_INET, kind)
    try:
        link.settimeout(how.timeout_s)
        if how.local is not None:
            link.bind(how.local)
        link.connect(server)
    except BaseException:
        link.close()
        raise
    return link


def _reply(request: bytes, wire: bytes) -> Message | None:
    """Return the message in *wire*, or None if it does not reply to *request*."""
    if len(wire) < 12 or wire[:2] != request[:2] or not wire[2] & 0x80 or (wire[2] ^ request[2]) & 0x78:
        return None
    return Message.parse(wire)

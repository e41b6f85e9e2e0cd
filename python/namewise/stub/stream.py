"""Messages from a stream within a deadline (RFC 7766 §8). Imports nothing slow: `nw dig` starts with it."""

from __future__ import annotations

import time

TYPE_CHECKING = False  # typing costs more time to import than a question takes
if TYPE_CHECKING:
    from _socket import socket


class EndOfStream(ConnectionError):
    """The server closed the connection within a message or instead of one."""


def seconds_left(deadline: float) -> float:
    """Return the seconds until *deadline* of the monotonic clock, or raise TimeoutError when it has passed."""
    left = deadline - time.monotonic()
    if left <= 0:
        raise TimeoutError
    return left


def read_message(link: socket, deadline: float) -> bytes:
    """Return the next message, or raise TimeoutError at *deadline*, `EndOfStream` at the end."""
    return _read(link, int.from_bytes(_read(link, 2, deadline), "big"), deadline)


def _read(link: socket, length: int, deadline: float) -> bytes:
    parts = bytearray()
    while len(parts) < length:
        # A server that sends an octet now and then does not prolong the wait.
        link.settimeout(seconds_left(deadline))
        part = link.recv(length - len(parts))
        if not part:
            raise EndOfStream(f"connection closed after {len(parts)} of {length} octets")
        parts += part
    return bytes(parts)

"""Read messages from a stream within a deadline (RFC 7766 §8). Imports only fast modules, because `nw dig`
uses it.
"""

from __future__ import annotations

import time

TYPE_CHECKING = False  # typing costs more time to import than a question takes
if TYPE_CHECKING:
    from _socket import socket


class EndOfStream(ConnectionError):
    """The server closed the connection before or within a message."""


def seconds_left(deadline: float) -> float:
    """Return the seconds until *deadline* of the monotonic clock. Raises TimeoutError if it has passed."""
    left = deadline - time.monotonic()
    if left <= 0:
        raise TimeoutError
    return left


def read_message(link: socket, deadline: float) -> bytes:
    """Return the next message. Raises TimeoutError at *deadline*, and `EndOfStream` at the end."""
    return _read(link, int.from_bytes(_read(link, 2, deadline), "big"), deadline)


def _read(link: socket, length: int, deadline: float) -> bytes:
    parts = bytearray()
    while len(parts) < length:
        # A server that sends single octets slowly does not extend the deadline.
        link.settimeout(seconds_left(deadline))
        part = link.recv(length - len(parts))
        if not part:
            raise EndOfStream(f"connection closed after {len(parts)} of {length} octets")
        parts += part
    return bytes(parts)

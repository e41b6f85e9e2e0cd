"""Readers of configuration values: durations, sizes, endpoints, prefixes.

Each reader takes text as a person writes it and returns a valid value, or raises `ValueError` with what is wrong and an example
of what is right. Command-line flags use the same readers, so `--listen ::1` and `address = "::1"` mean the same. This module does
not import the models.
"""

from __future__ import annotations

import ipaddress
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterable

DNS_PORT = 53

_DURATION_MS = {"ms": 1, "s": 1_000, "m": 60_000, "h": 3_600_000, "d": 86_400_000}
_SIZE_BYTES = {"B": 1, "KiB": 1 << 10, "MiB": 1 << 20, "GiB": 1 << 30, "kB": 10**3, "MB": 10**6, "GB": 10**9}


class Endpoint(NamedTuple):
    """An address and a port."""

    address: str
    port: int

    def __str__(self) -> str:
        return f"[{self.address}]:{self.port}" if ":" in self.address else f"{self.address}:{self.port}"


def duration_ms(value: object) -> int:
    """Return *value* (`"10s"`, `"500ms"`, `"1h30m"`, or an integer of seconds) in milliseconds."""
    if isinstance(value, bool) or not isinstance(value, (int, str)):
        raise ValueError('expected a duration such as "10s", "500ms" or "1h30m"')
    if isinstance(value, int):
        if value < 0:
            raise ValueError("a duration cannot be negative")
        return value * 1_000
    rest, total = value.strip(), 0
    if not rest:
        raise ValueError('an empty text is not a duration; write "10s"')
    while rest:
        digits = len(rest) - len(rest.lstrip("0123456789"))
        tail = rest[digits:]
        letters = len(tail) - len(tail.lstrip("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"))
        unit = tail[:letters]
        if digits == 0 or unit not in _DURATION_MS:
            raise ValueError(
                f'{value!r} is not a duration; write a number and ms, s, m, h or d, as in "1h30m"'
            )
        total += int(rest[:digits]) * _DURATION_MS[unit]
        rest = tail[letters:].lstrip()
    return total


def duration_text(ms: int) -> str:
    """Return *ms* in the shortest form that `duration_ms` reads back to the same number."""
    if ms == 0:
        return "0s"
    parts: list[str] = []
    for unit in ("d", "h", "m", "s", "ms"):
        count, ms = divmod(ms, _DURATION_MS[unit])
        if count:
            parts.append(f"{count}{unit}")
    return "".join(parts)


def size_bytes(value: object) -> int:
    """Return *value* (`"64MiB"`, `"1GB"`, or an integer of bytes) in bytes."""
    if isinstance(value, bool) or not isinstance(value, (int, str)):
        raise ValueError('expected a size such as "64MiB"')
    if isinstance(value, int):
        if value < 0:
            raise ValueError("a size cannot be negative")
        return value
    text = value.strip()
    digits = len(text) - len(text.lstrip("0123456789"))
    unit = text[digits:].strip() or "B"
    if digits == 0 or unit not in _SIZE_BYTES:
        raise ValueError(f"{value!r} is not a size; write a number and one of {', '.join(_SIZE_BYTES)}")
    return int(text[:digits]) * _SIZE_BYTES[unit]


def size_text(count: int) -> str:
    """Return *count* bytes in the shortest form that `size_bytes` reads back to the same number."""
    for unit in ("GiB", "MiB", "KiB"):
        if count and count % _SIZE_BYTES[unit] == 0:
            return f"{count // _SIZE_BYTES[unit]}{unit}"
    return f"{count}B"


def address(text: str) -> str:
    """Return the IP address *text* in its shortest form (RFC 5952 for IPv6)."""
    try:
        return str(ipaddress.ip_address(text))
    except ValueError:
        raise ValueError(f"{text!r} is not an IP address; names are not looked up here") from None


def port(value: object, least: int = 1) -> int:
    """Return *value* as a port, *least* to 65535."""
    try:
        number = int(value) if isinstance(value, (int, str)) else -1
    except ValueError:
        number = -1
    if not least <= number <= 65535:
        raise ValueError(f"{value!r} is not a port; ports are {least} to 65535")
    return number


def endpoint(value: object, default_port: int = DNS_PORT, *, least_port: int = 1) -> Endpoint:
    """Return *value* (`"192.0.2.1"`, `"192.0.2.1:53"`, `"2001:db8::1"`, `"[2001:db8::1]:53"`) as an endpoint."""
    if isinstance(value, Endpoint):
        return value
    if not isinstance(value, str) or not value.strip():
        raise ValueError('expected an address such as "192.0.2.1:53" or "[2001:db8::1]:53"')
    text = value.strip()
    if text.startswith("["):
        host, closed, tail = text[1:].partition("]")
        if not closed or (tail and not tail.startswith(":")):
            raise ValueError(f'{text!r}: write an IPv6 address with a port as "[2001:db8::1]:53"')
        return Endpoint(address(host), port(tail[1:], least_port) if tail else default_port)
    if text.count(":") == 1:
        host, _, tail = text.partition(":")
        return Endpoint(address(host), port(tail, least_port))
    if "#" in text:
        host, _, tail = text.partition("#")
        return Endpoint(address(host), port(tail, least_port))
    return Endpoint(address(text), default_port)


def prefix(value: object) -> str:
    """Return *value* (`"10.0.0.0/8"`, `"2001:db8::1"`) as a CIDR prefix; host bits that are set are an
    error."""
    if not isinstance(value, str):
        raise ValueError('expected a prefix such as "10.0.0.0/8"')
    try:
        return str(ipaddress.ip_network(value.strip()))
    except ValueError as error:
        try:
            loose = ipaddress.ip_network(value.strip(), strict=False)
        except ValueError:
            raise ValueError(
                f"{value!r} is not an address prefix; write 10.0.0.0/8 or 2001:db8::/32"
            ) from None
        raise ValueError(f"{value!r} has bits set after its length; did you mean {loose}?") from error


def is_loopback(text: str) -> bool:
    """Return whether *text* is a loopback address."""
    return ipaddress.ip_address(text).is_loopback


def is_no_server(text: str) -> str | None:
    """Return what the address *text* is if no server can have it, else None."""
    address = ipaddress.ip_address(text)
    if address.is_unspecified:
        return "the unspecified address"
    if address.is_multicast:
        return "a multicast address"
    return "the broadcast address" if text == "255.255.255.255" else None


def printable(text: str) -> str:
    """Return *text* with control characters as `\\x1b`, so that what a file or a server says cannot control a terminal."""
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() or c == "\n" else c.encode("unicode_escape").decode() for c in text)


def nearest(word: str, known: Iterable[str]) -> str | None:
    """Return the word of *known* that a person who wrote *word* most likely meant, or None."""
    import difflib

    matches = difflib.get_close_matches(word.lower(), list(known), n=1, cutoff=0.6)
    return matches[0] if matches else None

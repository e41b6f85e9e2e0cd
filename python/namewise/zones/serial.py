"""Serials of zones (RFC 1982)."""

from __future__ import annotations

_MOD = 1 << 32
_HALF = 1 << 31


def is_newer(serial: int, than: int) -> bool:
    """Return whether *serial* follows *than* (RFC 1982 §3.2)."""
    return 0 < (serial - than) % _MOD < _HALF


def successor(serial: int) -> int:
    """Return the serial after *serial*. It is never 0, which some servers take for "no serial"."""
    return (serial + 1) % _MOD or 1


def way(present: int, wanted: int) -> tuple[int, ...]:
    """Return the serials to set one after the other, each once every secondary server has the one before, so that a zone with the
    serial *present* gets the serial *wanted*."""
    if present == wanted:
        return ()
    if is_newer(wanted, present):
        return (wanted,)
    between = (present + _HALF - 1) % _MOD
    return (between, wanted) if is_newer(wanted, between) else (between, successor(between), wanted)

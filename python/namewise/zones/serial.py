"""Serials of zones (RFC 1982), and the methods by which they are chosen.

| method | the next serial |
|---|---|
| `increment` | one more |
| `date` | YYYYMMDD00 of today (UTC), if that is newer; otherwise one more |
| `unixtime` | the seconds since 1970, if they are newer; otherwise one more |
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Literal

from namewise.engine.errors import NamewiseError

if TYPE_CHECKING:
    from namewise.engine import Zone

Method = Literal["increment", "date", "unixtime"]
DAY_S = 86_400

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


class SerialError(NamewiseError):
    """A new version of a zone has a serial that does not follow the present one. Nothing was changed."""

    code = "SERIAL"

    def __init__(self, zone: str, present: int, wanted: int) -> None:
        steps = " then ".join(map(str, way(present, wanted)))
        super().__init__(
            f"serial {wanted} does not follow {present} (RFC 1982 §3.2): secondary servers would not fetch the zone.\nSet {steps}, each "
            f"once every secondary server has the one before; `nw zone serial {zone} --to {wanted}` does one step each time"
        )


def of_clock(method: Method, now: float) -> int | None:
    """Return the first serial of the day or of the second *now* (seconds since 1970) by *method*; None: it does not use the clock."""
    if method == "date":
        return int(time.strftime("%Y%m%d00", time.gmtime(now)))
    return int(now) % _MOD if method == "unixtime" else None


def reached(serial: int, method: Method, now: float) -> bool:
    """Return whether *serial* is one that *method* has chosen at most a day before *now*."""
    wanted = of_clock(method, now)
    if wanted is None:
        return True
    return serial // 100 == wanted // 100 if method == "date" else abs(wanted - serial) <= DAY_S


def following(serial: int, method: Method, now: float) -> int:
    """Return the serial after *serial* by *method*. It is newer, even if *serial* is ahead of the clock."""
    wanted = of_clock(method, now)
    return wanted if wanted is not None and is_newer(wanted, serial) else successor(serial)


def numbered(before: Zone, zone: Zone, method: Method, now: float) -> Zone:
    """Return *zone*, which follows *before*, with its serial.

    A producer that leaves the serial as it was, or takes one step, leaves the choice to *method*. A serial that is further ahead is
    meant. Raises `SerialError` for one that goes back.
    """
    if zone.serial not in (before.serial, successor(before.serial)):
        if not is_newer(zone.serial, before.serial):
            raise SerialError(str(before.name), before.serial, zone.serial)
        return zone
    wanted = following(before.serial, method, now)
    if zone.serial == wanted or (zone.serial == before.serial and not before.difference(zone)):
        return zone
    return zone.edit().commit(wanted)

"""Negative trust anchors with an end (RFC 7646): names below which nothing is validated for a while.

The operator adds one when a zone is bogus by mistake of its owner. It ends by itself, or as soon as the zone validates again. The
file of them survives a restart.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from namewise.dnssec.anchors import FileError

if TYPE_CHECKING:
    from collections.abc import Iterable

LIFETIME_S = 3600
"""The default lifetime: that of BIND."""
MOST_LIFETIME_S = 7 * 86400
"""The longest lifetime (RFC 7646 §2 and BIND: a week)."""
PROBE_S = 300
"""After this time, it is tried again whether the zone validates: as in BIND (`nta-recheck`)."""
MOST = 1000
"""Negative trust anchors of one server; each query that is validated is compared with them."""
HEAD = "namewise negative trust anchors, version 1"


class Negative(NamedTuple):
    """A negative trust anchor: the name, and when it ends and is tried next, in seconds since 1970."""

    name: str
    until: int
    probe: int

    def probed(self, now: int) -> Negative:
        """Return the same, tried at *now*."""
        return self._replace(probe=now + PROBE_S)

    @property
    def due(self) -> int:
        """When something is to be done about it."""
        return min(self.until, self.probe)


def new(name: str, lifetime_s: int, now: int) -> Negative:
    """Return a negative trust anchor at *name* that begins *now*."""
    return Negative(name, now + lifetime_s, now + PROBE_S)


def to_text(anchors: Iterable[Negative]) -> str:
    """Return the text of the file that `from_text` reads."""
    lines = [f"; {HEAD}", *(f"{one.name} until {one.until}" for one in anchors)]
    return "\n".join(lines) + "\n"


def from_text(text: str, now: int) -> list[Negative]:
    """Return those in the text of a file that have not ended at *now*. Raises `FileError`."""
    from namewise.engine import Name

    lines = text.splitlines()
    if not lines or lines[0].strip() != f"; {HEAD}":
        raise FileError(1, f"expected `; {HEAD}`")
    found = []
    for number, line in enumerate(lines[1:], 2):
        words = line.split(";", 1)[0].split()
        if not words:
            continue
        try:
            name, word, until = words
            if word != "until":
                raise ValueError("expected NAME until SECONDS")
            # A clock that was wrong when the file was written must not make it last for years.
            end = min(int(until), now + MOST_LIFETIME_S)
            found.append(Negative(str(Name(name)), end, now + PROBE_S))
        except ValueError as error:
            raise FileError(number, str(error)) from None
    return [one for one in found if one.until > now]

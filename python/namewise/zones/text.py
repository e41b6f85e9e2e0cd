"""A zone as master-file text for people: one `$ORIGIN` and `$TTL`, relative owners, columns (RFC 1035 §5).

    Zone -> lines -> text -> Zone again: equal, or `NotTheSame`

Names in data stay absolute, so that a record can be copied into another file.
"""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from namewise.engine import Zone
from namewise.engine.errors import NamewiseError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from namewise.engine import Name, RRset

_MOST_OWNER = 32
"""Longer owners do not widen their column."""


class NotTheSame(NamewiseError):
    """The text of a zone is not the same zone: a bug."""

    code = "NOT_THE_SAME"


def rrsets(zone: Zone) -> Iterator[RRset]:
    """Yield every RRset, the SOA first, then in canonical order."""
    soa = zone.rrset(zone.name, "SOA")
    if soa is not None:
        yield soa
    after: Name | None = None
    while page := zone.page(after):
        for rrset in page:
            if rrset.type != "SOA":
                yield rrset
        after = page[-1].owner


def relative(owner: Name, apex: Name) -> str:
    """Return *owner* as it is written below `$ORIGIN` *apex*."""
    text, origin = str(owner), str(apex)
    if owner == apex:
        return "@"
    return text[: -1 if origin == "." else -len(origin) - 1]


def proved_text(zone: Zone) -> str:
    """Return *zone* as text that has been read again. Raises `NotTheSame`."""
    text = "".join(lines(zone))
    if Zone.from_text(zone.name, text, rclass=zone.rclass).to_text() != zone.to_text():
        raise NotTheSame(f"the text of zone {zone.name} is another zone")
    return text


def lines(zone: Zone) -> Iterator[str]:
    """Yield the lines of the text."""
    ttls = Counter(rrset.ttl for rrset in rrsets(zone))
    usual = max(ttls, key=lambda ttl: (ttls[ttl], ttl)) if ttls else 0
    yield f"$ORIGIN {zone.name}\n$TTL {usual}\n"
    owners = {relative(rrset.owner, zone.name) for rrset in rrsets(zone)}
    width = max((len(owner) for owner in owners if len(owner) <= _MOST_OWNER), default=1)
    digits = max((len(str(ttl)) for ttl in ttls if ttl != usual), default=0)
    types = max((len(rrset.type) for rrset in rrsets(zone)), default=1)
    rclass = "" if zone.rclass == "IN" else f"{zone.rclass} "
    before = ""
    for rrset in rrsets(zone):
        owner = relative(rrset.owner, zone.name)
        ttl = "" if rrset.ttl == usual else str(rrset.ttl)
        column = f"{ttl:<{digits}} " if digits else ""
        for rdata in rrset:
            shown = "" if owner == before else owner
            before = owner
            yield f"{shown:<{width}} {column}{rclass}{rrset.type:<{types}} {rdata}\n"

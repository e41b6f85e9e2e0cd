"""One server and its reply, as the resolver reads it (`namewise.engine.read_reply`)."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from namewise.engine import Message, Name, read_reply

if TYPE_CHECKING:
    from collections.abc import Iterable

    from namewise.engine import Record

DECISIVE = ("answer", "alias", "nxdomain", "nodata", "name-too-long")
"""Outcomes that end the search in a zone: its servers must agree."""
GOOD = (*DECISIVE, "referral")
BAD = frozenset({"no-reply", "lame", "failure", "truncated", "malformed", "unusable", "unauthoritative"})


@dataclass(frozen=True, slots=True)
class Server:
    """A name server: its name, its address, and where the address came from (`hints`, `glue`, `lookup`)."""

    name: str
    address: str
    source: str

    def __str__(self) -> str:
        return f"{self.name.rstrip('.') or '.'} ({self.address})"


@dataclass(frozen=True, slots=True)
class Reading:
    """What the resolver makes of one reply.

    outcome, says, reason: as `read_reply` returns them; child and servers: the zone of a referral and its name
    servers with the addresses that may be used; aliases: the names that the aliases lead to; notes: what the
    resolver ignores; message: the reply as far as it can be shown
    """

    outcome: str
    says: str
    reason: str
    child: Name | None
    servers: dict[Name, list[str]]
    aliases: list[Name]
    notes: tuple[str, ...]
    message: Message | None


@dataclass(frozen=True, slots=True)
class Asked:
    """One server and what came of asking it.

    outcome: an outcome of the reading, or `no-reply`; detail: the same in words; notes: what it took to get there
    (`without EDNS`); inferred: a pattern that no reply states; discarded: packets that were not the reply
    """

    server: Server
    outcome: str
    detail: str
    took_us: int
    reading: Reading | None = None
    notes: tuple[str, ...] = ()
    inferred: str = ""
    discarded: tuple[tuple[str, int], ...] = ()

    def records(self, section: str) -> tuple[Record, ...]:
        """Return the records of a section of the reply, as far as it can be shown."""
        message = self.reading.message if self.reading is not None else None
        return message.records(section) if message is not None else ()


def read(query: Message, wire: bytes, zone: Name) -> Reading:
    """Return what the resolver makes of *wire*, which a server of *zone* sent after *query*."""
    found: dict[str, Any] = json.loads(read_reply(query.wire, wire, zone))
    referral = found["referral"]
    return Reading(
        found["outcome"],
        found["says"],
        found["reason"],
        Name(referral["zone"]) if referral else None,
        {Name(one["name"]): one["addresses"] for one in referral["servers"]} if referral else {},
        [Name(name) for name in found["aliases"]],
        tuple(_oddities(found)),
        _shown(wire),
    )


def _oddities(found: dict[str, Any]) -> Iterable[str]:
    odd = found["oddities"]
    if octets := odd["trailing_octets"]:
        yield f"{count(octets, 'octet')} after the reply ignored"
    if more := odd["extra_opt"]:
        yield f"{count(more, 'OPT record')} too many ignored"
    if bad := odd["malformed_records"]:
        yield f"{count(bad, 'malformed record')} ignored"
    if found["case_changed"]:
        yield "the reply changes the case of the question"


def _shown(wire: bytes) -> Message | None:
    """Return what of *wire* can be shown: the reader of `nw dig` repairs what our codec does not take."""
    from namewise.tools.dig import besteffort

    try:
        return besteffort.read(wire, best_effort=True).message
    except besteffort.Fault:
        return None


def count(number: int, noun: str) -> str:
    """Return `1 server`, `2 servers`."""
    return f"{number} {noun}{'' if number == 1 else 's'}"

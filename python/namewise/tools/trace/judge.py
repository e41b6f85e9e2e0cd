"""What one reply of one server means, for a walk that follows delegations.

A reply with octets behind its end, two OPT records or a record that cannot be read is read as far as it goes,
as the resolver and `nw dig` do.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

    from namewise.engine import Message, Name

GOOD = ("answer", "alias", "referral", "nxdomain", "nodata", "alias-loop")
"""Outcomes that say something about the name."""
BAD = frozenset({"no-reply", "lame", "failure", "truncated", "unreadable"})


@dataclass(frozen=True, slots=True)
class Outcome:
    """What one exchange brought: the octets of a reply, or why there is none; how long it took; and why each
    packet that arrived before was not the reply.
    """

    wire: bytes | None
    failure: str
    took_us: int
    discarded: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Server:
    """A name server: its name, its address, and where the address came from (`hints`, `glue`, `lookup`)."""

    name: str
    address: str
    source: str

    def __str__(self) -> str:
        return f"{self.name.rstrip('.') or '.'} ({self.address})"


@dataclass(frozen=True, slots=True)
class Asked:
    """One server and what it said, classified.

    outcome: one of `GOOD` or `BAD`; detail: the same in words; notes: what it took to get there (`without
    EDNS`, discarded packets); inferred: a pattern that no reply states
    """

    server: Server
    outcome: str
    detail: str
    took_us: int
    reply: Message | None = None
    child: Name | None = None
    notes: tuple[str, ...] = ()
    inferred: str = ""
    discarded: tuple[str, ...] = field(default=())


def read(wire: bytes) -> tuple[Message | None, str]:
    """Return the message in *wire*, as far as it can be read, and what is wrong with it."""
    from namewise.tools.dig.besteffort import HEADER, Fault
    from namewise.tools.dig.besteffort import read as read_tolerantly

    if len(wire) < HEADER:
        return None, f"the reply has {len(wire)} octets, fewer than a header"
    try:
        reading = read_tolerantly(wire, best_effort=True)
    except Fault as fault:
        return None, f"the reply cannot be read: {fault}"
    if reading.malformed:
        return reading.message, "the reply is malformed, read as far as it goes"
    return reading.message, f"{reading.extra} octets behind the reply" if reading.extra else ""


def judge(reply: Message, name: Name, rtype: str, zone: Name) -> tuple[str, str, Name | None]:
    """Return the outcome, its words, and the child zone of a referral, for a reply of a server of *zone* to the
    question for *name*.
    """
    answers = reply.records("answer")
    if reply.rcode == "YXDOMAIN" and any(record.type == "DNAME" for record in answers):
        return "failure", "YXDOMAIN: a DNAME makes the name longer than 255 octets (RFC 6672 §2.2)", None
    if reply.rcode in ("REFUSED", "NOTAUTH"):
        return "lame", reply.rcode, None
    if reply.rcode not in ("NOERROR", "NXDOMAIN"):
        return "failure", _FAILURES.get(reply.rcode, reply.rcode), None
    if answers or reply.authoritative:
        return _authoritative(reply, name, rtype)
    for record in reply.records("authority"):
        if record.type != "NS":
            continue
        child = record.owner
        if child != zone and child.is_at_or_below(zone) and name.is_at_or_below(child):
            servers = sum(1 for one in reply.records("authority") if one.type == "NS")
            return "referral", f"to {child}, {count(servers, 'server')}", child
        where = "to itself" if child == zone else f"to {child}, which leads nowhere"
        return "lame", f"refers {where}", None
    return "lame", "empty reply without authority", None


_FAILURES = {
    "SERVFAIL": "SERVFAIL: the server could not answer",
    "FORMERR": "FORMERR: the server did not understand the question",
    "NOTIMP": "NOTIMP: the server does not support the question",
    "YXDOMAIN": "YXDOMAIN without a DNAME (RFC 6672 §2.2)",
}


def _authoritative(reply: Message, name: Name, rtype: str) -> tuple[str, str, Name | None]:
    answers = reply.records("answer")
    if not reply.authoritative:
        return "lame", "answers without authority", None
    chain, loops = aliases(reply, name)
    if loops:
        return "alias-loop", chain_text(chain), None
    wanted = chain[-1]
    found = [one for one in answers if one.owner == wanted and (one.type == rtype or rtype == "ANY")]
    if found:
        return "answer", count(len(answers), "record"), None
    if len(chain) > 1:
        return "alias", f"to {wanted}", None
    if answers:
        return "lame", f"answers with records of {answers[0].owner}, which was not asked for", None
    return ("nxdomain", "NXDOMAIN", None) if reply.rcode == "NXDOMAIN" else ("nodata", "no such record", None)


def aliases(reply: Message, name: Name) -> tuple[list[Name], bool]:
    """Return *name* and where the aliases in *reply* lead from it, and whether they come back."""
    targets = {one.owner: one.rdata.names[0] for one in reply.records("answer") if one.type == "CNAME"}
    chain = [name]
    while chain[-1] in targets:
        following = targets[chain[-1]]
        loops = following in chain
        chain.append(following)
        if loops:
            return chain, True
    return chain, False


def chain_text(chain: Iterable[Name]) -> str:
    """Return `a. -> b. -> a.`."""
    return " -> ".join(str(name) for name in chain)


def count(number: int, noun: str) -> str:
    """Return `1 server`, `2 servers`."""
    return f"{number} {noun}{'' if number == 1 else 's'}"

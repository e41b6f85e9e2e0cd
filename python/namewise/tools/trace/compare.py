"""What is odd about the servers of one zone, and where they differ from each other and from the parent.

What replies state is a remark. A pattern that they only suggest begins with `inferred:`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from .reading import GOOD, Asked, Server, count

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from namewise.engine import Name

_FAILED = "the server failed: "
_FAULTS = {
    "no-reply": "gave no reply: ",
    "lame": "is lame: ",
    "unauthoritative": "answers without authority, from recursion: ",
    "failure": "failed: ",
    "truncated": "failed: ",
    "malformed": "failed: the reply is malformed: ",
    "unusable": "failed: ",
}
MAX_SHOWN = 6
"""Records or names that one remark lists."""


def remarks(asked: Sequence[Asked]) -> list[str]:
    """Return what is wrong with the servers of a cut, and where they differ."""
    found = [] if asked else ["has no server that could be asked"]
    for one in asked:
        said = []
        if fault := _FAULTS.get(one.outcome):
            said.append(fault + one.detail.removeprefix("lame: ").removeprefix(_FAILED))
        if one.discarded:
            said.append(discarded_text(one.discarded))
        if said:
            found.append(f"server {one.server} {', '.join(said)}")
        if one.inferred:
            found.append(f"inferred: {one.inferred}")
    return found + _differences(asked)


def discarded_text(reasons: Sequence[tuple[str, int]]) -> str:
    """Return `sent 3 other packets: the id is not that of the query (2), shorter than a header (1)`."""
    each = ", ".join(f"{reason} ({packets})" for reason, packets in reasons)
    return f"sent {count(sum(packets for _, packets in reasons), 'other packet')}: {each}"


def _differences(asked: Sequence[Asked]) -> list[str]:
    groups: dict[tuple[str, frozenset[str]], list[Server]] = {}
    for one in asked:
        if one.outcome in GOOD:
            groups.setdefault((one.outcome, _essence(one)), []).append(one.server)
    if len(groups) < 2:
        return []
    common = frozenset.intersection(*(records for _, records in groups))
    said = []
    for (outcome, records), servers in groups.items():
        own = _some(records - common) or ("nothing more" if records else "no record")
        who = ", ".join(str(server) for server in servers)
        verb = "says" if len(servers) == 1 else "say"
        said.append(f"{who} {verb} {outcome}: {own}")
    return [f"servers differ: {'; '.join(said)}"]


def _essence(one: Asked) -> frozenset[str]:
    """Return what two servers of a zone have to agree on: the answer, or the servers that they refer to. TTLs may
    differ.
    """
    section = "authority" if one.outcome == "referral" else "answer"
    return frozenset(
        f"{record.owner} {record.type} {record.rdata}".lower()
        for record in one.records(section)
        if (section == "answer" and record.type != "RRSIG") or record.type == "NS"
    )


def _some(lines: Iterable[str]) -> str:
    listed = sorted(lines)
    more = f" and {len(listed) - MAX_SHOWN} more" if len(listed) > MAX_SHOWN else ""
    return ", ".join(listed[:MAX_SHOWN]) + more


def parent_and_child(parent: Iterable[Name], child: Iterable[Name]) -> list[str]:
    """Return where the NS sets of both sides of a cut differ (RFC 1034 §4.2.2: they should be the same)."""
    above, below = {str(name).lower() for name in parent}, {str(name).lower() for name in child}
    found = []
    if above - below:
        found.append(f"the parent names servers that the zone does not: {_some(above - below)}")
    if below - above:
        found.append(f"the zone names servers that the parent does not: {_some(below - above)}")
    return found


def glue_and_own(name: Name, glue: Iterable[str], own: Iterable[str], source: str) -> list[str]:
    """Return where the parent's addresses of a name server differ from its *own*, which *source* has."""
    above, below = set(glue), set(own)
    if above == below:
        return []
    return [f"glue of {name} is {_some(above) or 'none'}, {source} says {_some(below) or 'none'}"]


def serials(found: dict[int, list[Server]]) -> list[str]:
    """Return that SOA serials differ, if they do (RFC 1034 §4.3.5)."""
    if len(found) < 2:
        return []
    each = "; ".join(
        f"{serial} at {', '.join(str(server) for server in servers)}"
        for serial, servers in sorted(found.items())
    )
    return [f"SOA serials differ: {each}"]

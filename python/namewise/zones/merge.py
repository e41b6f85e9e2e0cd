"""The three-way merge of a zone file with changes that were made since it was read.

```text
 base: the file as it was ──▶ theirs: the file now        changed in the file
        └───────────────────▶ ours: what is served        changed by commands, updates
 merged: ours with what changed in the file, unless an RRset changed differently on both sides
```
Serials take no part: a version that neither side has gets one that follows both. The other fields of the SOA are one RRset.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from namewise.engine import RRset
from namewise.engine.errors import NamewiseError
from namewise.zones.serial import is_newer, successor

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import TypeAlias

    from namewise.engine import Difference, Zone

    Key: TypeAlias = tuple[str, str]
    """Owner in lower case, and type."""

MOST_SHOWN = 20
"""Conflicts that are printed: a file that was replaced as a whole has as many as RRsets."""


class MergeConflict(NamewiseError):
    """RRsets were changed differently in the file and in the served zone. Nothing was changed.

    conflicts: for each, the owner, the type, the lines of the file's records and those of the served ones; empty: deleted
    """

    code = "MERGE_CONFLICT"

    def __init__(self, zone: str, place: str, conflicts: list[tuple[str, str, str, str]]) -> None:
        self.conflicts = conflicts
        lines = [f"{place} was changed, and so was the served zone:"]
        for owner, rtype, theirs, ours in conflicts[:MOST_SHOWN]:
            lines += [f"{owner} {rtype}", *_side("file", theirs), *_side("served", ours)]
        if len(conflicts) > MOST_SHOWN:
            lines.append(f"and {len(conflicts) - MOST_SHOWN} more")
        lines.append(
            f"Make the file agree and reload, or choose a side: `nw zone sync {zone} --force` writes the served zone to the "
            f"file, `nw zone restore {zone} --file` serves the file."
        )
        super().__init__("\n".join(lines))


def merge(
    base: Zone,
    theirs: Zone,
    ours: Zone,
    place: str = "the file",
    number: Callable[[int], int] = successor,
) -> Zone:
    """Return *ours* with what differs between *base* and *theirs*. It is *theirs* or *ours* if that has all of the result.

    number: returns the serial that follows one

    Raises `MergeConflict`, and `ZoneFileError` if the result is not a zone.
    """
    edit = ours.edit()
    conflicts: list[tuple[str, str, str, str]] = []
    # Signatures last: a changed RRset drops those that are not put after it.
    for owner, rtype in sorted(_changed(base.difference(theirs)), key=lambda key: (key[1] == "RRSIG", key)):
        wanted, present = theirs.rrset(owner, rtype), ours.rrset(owner, rtype)
        if wanted == present:
            continue
        if base.rrset(owner, rtype) != present:
            conflicts.append((owner, rtype, _text(wanted), _text(present)))
        elif wanted is None:
            edit.delete(owner, rtype)
        else:
            edit.put(wanted)
    newest = theirs.serial if is_newer(theirs.serial, ours.serial) else ours.serial
    soas = [_soa(zone, newest) for zone in (base, theirs, ours)]
    if soas[1] not in (soas[0], soas[2]):
        if soas[2] != soas[0]:
            conflicts.append((str(ours.name), "SOA", str(soas[1]), str(soas[2])))
        soas[2] = soas[1]
    if conflicts:
        raise MergeConflict(str(ours.name), place, conflicts)
    if soas[2] != ours.rrset(ours.name, "SOA"):
        # It drops the signature.
        edit.put(soas[2])
    merged = edit.commit("keep")
    for side in (theirs, ours):
        if not merged.difference(side):
            return side
    edit = merged.edit()
    edit.put(_soa(merged, number(newest)))
    return edit.commit("keep")


def _changed(difference: Difference) -> set[Key]:
    """Return the RRsets that differ, without the SOA."""
    sides = (*difference.removed, *difference.added)
    return {(str(rrset.owner).lower(), rrset.type) for rrset in sides if rrset.type != "SOA"}


def _soa(zone: Zone, serial: int) -> RRset:
    """Return the SOA of *zone* with *serial*."""
    soa = zone.rrset(zone.name, "SOA")
    assert soa is not None, "every zone has one"
    words = str(soa.rdatas[0]).split(" ")
    words[2] = str(serial)
    return RRset(zone.name, "SOA", soa.ttl, [" ".join(words)])


def _text(rrset: RRset | None) -> str:
    return "" if rrset is None else str(rrset)


def _side(name: str, text: str) -> list[str]:
    return [f"  {name:>6}: {line}" for line in text.splitlines() or ["(deleted)"]]

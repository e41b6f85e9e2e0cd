"""Catalog zones (RFC 9432): what one says, and how one is written. Pure.

```text
 consumer:  catalog zone ─▶ read: Listed by name of the zone, doubts ─┐
                            members that there are ───────────────────┴─▶ compare: put, drop, reset, what waits for permission
 producer:  zones of the configuration ─▶ written: the catalog zone with new, changed and without old members
```

A *broken* catalog zone is one whose version or whose list of members cannot be trusted; a consumer does nothing then (§3).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from namewise.engine import RRset, Zone
from namewise.engine.errors import NamewiseError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

VERSION = "2"
"""The version of RFC 9432 (§4.2.1)."""
PAGE = 1000
"""RRsets that are read of a zone at a time."""
FIRST_SOA = "invalid. invalid. 1 3600 600 2147483646 0"
"""The SOA of a new catalog zone: its names mean nothing (§4.1), and its expiry is as late as it can be."""


class CatalogError(NamewiseError):
    """The catalog zone is broken: nothing of it is used."""

    code = "BROKEN_CATALOG"


class Listed(NamedTuple):
    """A member zone, as a catalog zone lists it."""

    name: str
    """Absolute."""
    label: str
    """The `<unique-N>`, in lower case."""
    groups: tuple[str, ...] = ()
    """The values of the property `group` (§4.3.2), in order."""
    moves_to: str = ""
    """The catalog zone that may take it over: the property `coo` (§4.3.1); empty: none."""


class Contents(NamedTuple):
    """What a catalog zone lists, by name in lower case."""

    members: dict[str, Listed]
    doubts: tuple[str, ...]
    """What is ignored, and why."""


def read(zone: Zone, most: int) -> Contents:
    """Return what the catalog *zone* lists. Raises `CatalogError` if it is broken, or has more than *most* members."""
    apex = str(zone.name).lower()
    version = zone.rrset(f"version.{apex}", "TXT")
    texts = [] if version is None else [str(rdata) for rdata in version.rdatas]
    if texts != [f'"{VERSION}"']:
        said = "has no TXT record" if not texts else f"is {' and '.join(texts)}"
        raise CatalogError(f'version.{apex} {said}; a catalog zone of RFC 9432 has one, "{VERSION}"')
    below = f".zones.{apex}"
    names: dict[str, str] = {}
    properties: dict[str, dict[str, list[str]]] = {}
    for rrset in _rrsets(zone):
        owner = str(rrset.owner).lower()
        if not owner.endswith(below) or rrset.type not in ("PTR", "TXT"):
            continue
        *property_labels, label = _labels(owner.removesuffix(below))
        values = [str(rdata) for rdata in rrset.rdatas]
        if not property_labels and rrset.type == "PTR":
            if len(values) > 1:
                raise CatalogError(f"{owner} has {len(values)} PTR records: a member zone has one")
            names[label] = values[0]
            if len(names) > most:
                raise CatalogError(f"it has more than {most} members, which [[catalog]] members allows")
        elif property_labels == ["coo"] and rrset.type == "PTR":
            properties.setdefault(label, {})["coo"] = values
        elif property_labels == ["group"] and rrset.type == "TXT":
            properties.setdefault(label, {})["group"] = values
    members: dict[str, Listed] = {}
    doubts: list[str] = []
    for label, name in names.items():
        folded = name.lower()
        if folded in members:
            raise CatalogError(f"zone {name} is listed twice, at {members[folded].label} and {label}")
        of = properties.get(label, {})
        coo = of.get("coo", [])
        if len(coo) > 1:
            doubts.append(f"coo.{label}{below} has {len(coo)} records and is ignored")
        groups = tuple(text for text in (_text(value) for value in of.get("group", ())) if text is not None)
        members[folded] = Listed(name, label, groups, coo[0].lower() if len(coo) == 1 else "")
    return Contents(members, tuple(doubts))


class Held(NamedTuple):
    """A zone that is served as a member of a catalog zone, or otherwise."""

    name: str
    catalog: str
    """In lower case; empty: it is no member of any."""
    label: str = ""
    groups: tuple[str, ...] = ()


class Step(NamedTuple):
    """What follows from a version of a catalog zone. Names are in lower case."""

    put: tuple[Listed, ...]
    """New members, and those with other properties."""
    drop: tuple[str, ...]
    """Members that it lists no more."""
    reset: tuple[str, ...]
    """Those of *put* of which nothing may stay (§5.4)."""
    doubts: tuple[str, ...]


def compare(
    catalog: str,
    contents: Contents,
    held: Mapping[str, Held],
    released: Callable[[str, str], str],
) -> Step:
    """Return what changes for the members of *catalog*.

    held: all zones that are served, by name. released: returns the catalog that the zone may move to, as the catalog that has it says.
    """
    put: list[Listed] = []
    reset: list[str] = []
    doubts = list(contents.doubts)
    for name, listed in contents.members.items():
        now = held.get(name)
        if now is None:
            put.append(listed)
        elif now.catalog == catalog:
            if now.label != listed.label:
                reset.append(name)
            if now.label != listed.label or now.groups != listed.groups:
                put.append(listed)
        elif now.catalog and released(now.catalog, name) == catalog:
            # The zone moves; with another label, nothing of it stays (§4.3.1).
            put.append(listed)
            if now.label != listed.label:
                reset.append(name)
        else:
            by = (
                f"the catalog zone {now.catalog}, which does not release it (coo)"
                if now.catalog
                else "the configuration"
            )
            doubts.append(f"zone {listed.name} is ignored: it is served already, by {by}")
    drop = tuple(
        name for name, one in held.items() if one.catalog == catalog and name not in contents.members
    )
    return Step(tuple(put), drop, tuple(reset), tuple(doubts))


def first(name: str) -> Zone:
    """Return the catalog zone *name* without members (§4.1)."""
    text = f'{name} 0 SOA {FIRST_SOA}\n{name} 0 NS invalid.\nversion.{name} 0 TXT "{VERSION}"\n'
    return Zone.from_text(name, text, file="catalog")


def written(zone: Zone, wanted: Mapping[str, tuple[str, str]], label: Callable[[], str]) -> Zone:
    """Return the catalog *zone* with the members *wanted*; *zone* itself if it has them.

    wanted: name and group (empty: none) of each zone, by name in lower case. label: returns a new `<unique-N>`. A member keeps the one that
    it has.
    """
    apex = str(zone.name)
    below = f".zones.{apex.lower()}"
    labels: dict[str, str] = {}
    groups: dict[str, str] = {}
    edit, changed = zone.edit(), False
    version = zone.rrset(f"version.{apex}", "TXT")
    if version is None or [str(one) for one in version.rdatas] != [f'"{VERSION}"']:
        edit.put(RRset(f"version.{apex}", "TXT", 0, [f'"{VERSION}"']))
        changed = True
    for rrset in _rrsets(zone):
        owner = str(rrset.owner).lower()
        if not owner.endswith(below):
            continue
        *property_labels, one = _labels(owner.removesuffix(below))
        if not property_labels and rrset.type == "PTR" and len(rrset.rdatas) == 1:
            name = str(rrset.rdatas[0]).lower()
            if name in wanted and name not in labels:
                labels[name] = one
                continue
        elif property_labels == ["group"] and rrset.type == "TXT":
            groups[one] = " ".join(str(rdata) for rdata in rrset.rdatas)
    kept = set(labels.values())
    for rrset in _rrsets(zone):
        owner = str(rrset.owner).lower()
        if owner.endswith(below) and _labels(owner.removesuffix(below))[-1] not in kept:
            edit.delete(rrset.owner, rrset.type)
            changed = True
    for folded, (name, group) in wanted.items():
        one = labels.get(folded) or label()
        if folded not in labels:
            edit.put(RRset(f"{one}{below}", "PTR", 0, [name]))
            changed = True
        text = _quoted(group) if group else ""
        if groups.get(one, "") != text:
            changed = True
            if text:
                edit.put(RRset(f"group.{one}{below}", "TXT", 0, [text]))
            else:
                edit.delete(f"group.{one}{below}", "TXT")
    return edit.commit("keep") if changed else zone


def _rrsets(zone: Zone) -> Iterator[RRset]:
    after = None
    while page := zone.page(after, PAGE):
        yield from page
        after = page[-1].owner


def _labels(owner: str) -> list[str]:
    """Return the labels of *owner*, a part of a name in presentation form."""
    if "\\" not in owner:
        return owner.split(".")
    labels, escaped = [""], False
    for char in owner:
        if char == "." and not escaped:
            labels.append("")
        else:
            labels[-1] += char
        escaped = char == "\\" and not escaped
    return labels


def _text(rdata: str) -> str | None:
    """Return the text of a TXT record of one string; None if it has more, or characters that a name of a group has not."""
    if len(rdata) < 2 or rdata.count('"') != 2 or "\\" in rdata:
        return None
    return rdata[1:-1]


def _quoted(text: str) -> str:
    return f'"{text}"'

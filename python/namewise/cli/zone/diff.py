"""`nw zone diff`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from namewise.cli.options import Options
from namewise.cli.zone.source import guess_origin, load

if TYPE_CHECKING:
    from collections.abc import Iterator

    from namewise.engine import RRset, Zone

HELP = """\
usage: nw zone diff OLD NEW [--origin NAME] [--ignore-serial] [--ignore-dnssec] [--json]

Compare two zones by RRset, whatever their files look like. OLD and NEW are zone files or `@ADDRESS[:PORT]`: the
zone of a server, transferred with AXFR.

  --origin NAME     name of the zone (default: as for `nw zone check`, from the first file)
  --ignore-serial   an SOA that differs in its serial only does not count
  --ignore-dnssec   RRSIG, NSEC, NSEC3, NSEC3PARAM, DNSKEY, CDS, CDNSKEY and ZONEMD do not count
  --json            one JSON object: zone, serial (old, new), equal, changes[]; a change has owner, type, ttl (old, new),
                    removed[], added[]; ttl is null on the side without the RRset

Exit codes: 0 the zones are equal, 1 a zone cannot be read, or wrong usage, 3 they differ.

  $ nw zone diff db.example.com db.example.com --origin example.com
"""

DIFFER = 3
_DNSSEC = {"RRSIG", "NSEC", "NSEC3", "NSEC3PARAM", "DNSKEY", "CDS", "CDNSKEY", "ZONEMD"}


def run(args: list[str]) -> int:
    """Compare two zones."""
    import json

    flags = ("--ignore-serial", "--ignore-dnssec", "--json")
    parsed = Options(values=("--origin",), flags=flags, words=(2, 2)).read(args)
    first, second = parsed.words
    origin = parsed.one("--origin")
    if origin is None:
        origin = next((guess_origin(one) for one in (first, second) if not one.startswith("@")), None)
    old, new = load(first, origin), load(second, origin)
    changes = [
        change
        for change in compare(old, new)
        if not ("--ignore-dnssec" in parsed and change["type"] in _DNSSEC)
        and not ("--ignore-serial" in parsed and _is_serial(change))
    ]
    if "--json" in parsed:
        serial = {"old": old.serial, "new": new.serial}
        report = {"zone": str(old.name), "serial": serial, "equal": not changes, "changes": changes}
        print(json.dumps(report, indent=2))
    else:
        for change in changes:
            print("\n".join(_lines(change)))
    return DIFFER if changes else 0


def compare(old: Zone, new: Zone) -> list[dict[str, Any]]:
    """Return the RRsets that differ, in canonical order of their owners."""
    difference = old.difference(new)
    # The difference begins with the SOA of both, even if they are equal.
    keys = {(rrset.owner, rrset.type) for rrset in (*difference.removed, *difference.added)}
    found = (
        (owner, rtype, old.rrset(owner, rtype), new.rrset(owner, rtype)) for owner, rtype in sorted(keys)
    )
    return [_change(*change) for change in found if change[2] != change[3]]


def _change(owner: Any, rtype: str, old: RRset | None, new: RRset | None) -> dict[str, Any]:
    before = [str(rdata) for rdata in old] if old else []
    after = [str(rdata) for rdata in new] if new else []
    return {
        "owner": str(owner),
        "type": rtype,
        "ttl": {"old": old.ttl if old else None, "new": new.ttl if new else None},
        "removed": [text for text in before if text not in set(after)],
        "added": [text for text in after if text not in set(before)],
    }


def _is_serial(change: dict[str, Any]) -> bool:
    """Return whether only the serial of the SOA differs."""
    if change["type"] != "SOA" or change["ttl"]["old"] != change["ttl"]["new"]:
        return False
    fields = [text.split(" ") for text in (*change["removed"], *change["added"])]
    return len(fields) == 2 and [*fields[0][:2], *fields[0][3:]] == [*fields[1][:2], *fields[1][3:]]


def _lines(change: dict[str, Any]) -> Iterator[str]:
    owner, rtype = change["owner"], change["type"]
    old, new = change["ttl"]["old"], change["ttl"]["new"]
    for text in change["removed"]:
        yield f"- {owner} {old} {rtype} {text}"
    for text in change["added"]:
        yield f"+ {owner} {new} {rtype} {text}"
    if None not in (old, new) and old != new:
        yield f"~ {owner} {rtype}: TTL {old} -> {new}"

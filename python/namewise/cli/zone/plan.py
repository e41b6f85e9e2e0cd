"""`nw zone plan`: what a new version of a served zone would change, and what clients notice. `nw zone apply` uses it."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any, NamedTuple

from namewise.cli.failure import Failure
from namewise.cli.options import Options
from namewise.cli.zone.running import moment, pages, show
from namewise.config.values import printable

if TYPE_CHECKING:
    from namewise.cli.options import Parsed
    from namewise.engine import Difference, Zone

HELP = """\
usage: nw zone plan ZONE FILE [--json] [--control PATH]

Compare a zone file with the served zone and print what `nw zone apply` would change, and what clients would notice: names that
vanish, until when caches may have the old records, how long a new name may stay unknown, signatures.

Exit codes: 0 nothing would change, 1 wrong usage or an invalid file, 3 something would change, 9 no server.

  $ nw zone plan example.com db.example.com
"""
DIFFERS = 3
FREE_NAMES = 10
"""So many names may vanish without a confirmation, and a fifth of a larger zone."""


class Plan(NamedTuple):
    """A new version of a served zone."""

    served: Zone | None
    """None: the zone has no data yet."""
    zone: Zone
    difference: Difference | None
    names: int
    """Names of the served zone."""
    vanishing: list[str]
    new: list[str]

    @property
    def confirmation(self) -> int | None:
        """How many names vanish, if that needs a confirmation: more than 10, and more than a fifth."""
        count = len(self.vanishing)
        return count if count > FREE_NAMES and count * 5 > self.names else None


def run(args: list[str]) -> int:
    """Print the plan."""
    parsed = Options(values=("--control",), flags=("--json",), words=(2, 2)).read(args)
    plan = planned(parsed)
    report = described(plan)
    show(parsed, report, print_report)
    first = report["serial"] is None
    return DIFFERS if first or report["removed"] or report["added"] else 0


def planned(parsed: Parsed) -> Plan:
    """Read both versions. A file whose serial is not newer gets the next one."""
    from namewise.cli.ctl import name
    from namewise.cli.zone.running import request
    from namewise.engine import Zone
    from namewise.engine.errors import ZoneFileError
    from namewise.zones.serial import is_newer, successor

    word, file = parsed.words
    apex = name(word)
    state = request(parsed, "status", apex)
    try:
        zone = Zone.from_file(apex, file)
    except (ZoneFileError, OSError) as error:
        raise Failure(str(error)) from None
    if state["condition"] == "waiting" and state["serial"] is None:
        return Plan(None, zone, None, 0, [], sorted(owners(zone)))
    text = "".join(page["text"] for page in pages(parsed, apex))
    served = Zone.from_text(apex, text, file="served")
    if state["dnssec"] is not None:
        from namewise.dnssec.zone_signer import unsigned

        # The server signs what it is given.
        served = unsigned(served)
    if not is_newer(zone.serial, served.serial):
        same = zone.edit().commit(served.serial)
        zone = same if not served.difference(same) else zone.edit().commit(successor(served.serial))
    before, after = owners(served), owners(zone)
    vanishing, new = sorted(before - after), sorted(after - before)
    return Plan(served, zone, served.difference(zone), len(before), vanishing, new)


def owners(zone: Zone) -> set[str]:
    """Return the names that have records."""
    found, after = set(), None
    while page := zone.page(after):
        found |= {str(rrset.owner).lower() for rrset in page}
        after = page[-1].owner
    return found


def described(plan: Plan, now: float | None = None) -> dict[str, Any]:
    """Return the plan as an object: what changes, and what clients notice."""
    now = time.time() if now is None else now
    difference, served = plan.difference, plan.served
    removed = [] if difference is None or not difference else list(difference.removed)
    added = [] if difference is None or not difference else list(difference.added)
    gone = {(str(one.owner).lower(), one.type): one.ttl for one in removed if one.type != "SOA"}
    cached = max(gone.values(), default=None)
    negative = None
    if served is not None and plan.new:
        soa = served.rrset(served.name, "SOA")
        assert soa is not None, "every zone has one"
        negative = min(soa.ttl, int(str(soa.rdatas[0]).split(" ")[6]))
    return {
        "name": str(plan.zone.name),
        "serial": None if served is None else served.serial,
        "new_serial": plan.zone.serial,
        "removed": [line for one in removed for line in str(one).splitlines()],
        "added": [line for one in added for line in str(one).splitlines()],
        "vanishing": plan.vanishing,
        "new": plan.new,
        "cached": [
            {"owner": owner, "type": rtype, "ttl": ttl, "until": moment(now + ttl)}
            for (owner, rtype), ttl in sorted(gone.items(), key=lambda item: (-item[1], item[0]))
        ],
        "cached_until": None if cached is None else moment(now + cached),
        "negative_ttl": negative,
        "loses_signatures": served is not None and served.is_signed and not plan.zone.is_signed,
        "confirmation": plan.confirmation,
    }


def print_report(report: dict[str, Any]) -> None:
    """Print a plan for people."""
    for sign, side in (("-", "removed"), ("+", "added")):
        for record in report[side]:
            print(printable(f"{sign} {record}".replace("\t", " ")))
    if report["serial"] is None:
        print(f"zone {report['name']} gets its first records, serial {report['new_serial']}")
        return
    if not report["removed"]:
        print(f"zone {report['name']}: nothing differs, serial {report['serial']}")
        return
    print(f"zone {report['name']}: serial {report['serial']} -> {report['new_serial']}")
    if report["vanishing"]:
        shown = ", ".join(report["vanishing"][:10]) + (" ..." if len(report["vanishing"]) > 10 else "")
        print(printable(f"names that vanish: {len(report['vanishing'])}: {shown}"))
    if report["cached_until"] is not None:
        longest = report["cached"][0]
        print(
            f"caches may have old records until {report['cached_until']} ({longest['owner']} {longest['type']}, TTL "
            f"{longest['ttl']} s), from when the change is applied"
        )
    if report["negative_ttl"] is not None:
        print(
            f"new names: {len(report['new'])}; where somebody asked for one already, it may stay unknown for {report['negative_ttl']} s"
        )
    if report["loses_signatures"]:
        print(
            "the zone loses its signatures: with a DS record at the parent, validating resolvers fail for all of it"
        )
    if report["confirmation"] is not None:
        print(f"more than a fifth of the names vanish: apply needs --yes-delete {report['confirmation']}")

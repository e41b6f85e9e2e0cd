"""`nw zone export`."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from namewise.cli.failure import Failure
from namewise.cli.options import Options
from namewise.cli.zone.source import load

if TYPE_CHECKING:
    from collections.abc import Iterator

    from namewise.engine import Zone

HELP = """\
usage: nw zone export SOURCE [--to FORM] [--origin NAME]

Print a zone in another form. SOURCE is a zone file, or `@ADDRESS[:PORT]`: the zone of a server, transferred with AXFR.

  --to FORM       text: a master file with one $ORIGIN and $TTL (default); json: zone, serial, class, rrsets[] with
                  owner, type, ttl, records[]; octodns: YAML of octoDNS. What a form cannot hold is named on
                  standard error
  --origin NAME   name of the zone (default: as for `nw zone check`)

Exit codes: 0 done, 1 the zone cannot be read, or wrong usage, 3 octodns: some RRsets have no form and are left out.

  $ nw zone export db.example.com --origin example.com --to json
"""

_FORMS = ("text", "json", "octodns")
INCOMPLETE = 3


def run(args: list[str]) -> int:
    """Print one zone."""
    parsed = Options(values=("--to", "--origin"), words=(1, 1)).read(args)
    form = parsed.one("--to") or "text"
    if form not in _FORMS:
        raise Failure(f"--to: no form {form!r}", hint=f"Known forms: {', '.join(_FORMS)}.")
    zone = load(parsed.words[0], parsed.one("--origin"))
    if form == "text":
        from namewise.zones.text import proved_text

        sys.stdout.write(proved_text(zone))
        return 0
    if form == "json":
        sys.stdout.writelines(_json(zone))
        return 0
    from namewise.zones import octodns

    text, left_out = octodns.from_zone(zone)
    sys.stdout.write(text)
    for rrset in left_out:
        print(f"nw zone: left out, because octoDNS has no form for it: {rrset}", file=sys.stderr)
    return INCOMPLETE if left_out else 0


def _json(zone: Zone) -> Iterator[str]:
    """Yield the parts of the JSON object, one line for each RRset, so that a large zone is never one text."""
    import json

    from namewise.zones.text import rrsets

    head = {"zone": str(zone.name), "serial": zone.serial, "class": zone.rclass}
    yield json.dumps(head)[:-1] + ', "rrsets": ['
    for number, rrset in enumerate(rrsets(zone)):
        row = {
            "owner": str(rrset.owner),
            "type": rrset.type,
            "ttl": rrset.ttl,
            "records": [str(rdata) for rdata in rrset],
        }
        yield f"{',' if number else ''}\n  {json.dumps(row)}"
    yield "\n]}\n"

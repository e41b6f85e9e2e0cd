"""`nw zone soa`."""

from __future__ import annotations

from typing import Any

from namewise.cli.options import Options
from namewise.cli.zone.running import CHANGE, CHANGE_HELP, change, request, show

FIELDS = ("mname", "rname", "serial", "refresh", "retry", "expire", "minimum", "ttl")
HELP = f"""\
usage: nw zone soa ZONE [--FIELD VALUE ...] [--if-serial N] [--note TEXT] [--json] [--control PATH]

Show the SOA of a served zone, or change fields of it: {", ".join(FIELDS)}. A serial that does not follow the present one is
refused, with the steps that lead to it (RFC 1982 §3.2).

{CHANGE_HELP}
  $ nw zone soa example.com --minimum 60
"""


def run(args: list[str]) -> int:
    """Show or change the SOA."""
    values = (*CHANGE, *(f"--{field}" for field in FIELDS))
    parsed = Options(values=values, flags=("--json",), words=(1, 1)).read(args)
    fields: dict[str, Any] = {}
    for field in FIELDS:
        text = parsed.one(f"--{field}")
        if text is not None:
            fields[field] = text if field in ("mname", "rname") else parsed.number(f"--{field}")
    if fields:
        return change(parsed, "soa", parsed.words[0], fields=fields)

    def printed(answer: dict[str, Any]) -> None:
        for field, value in answer["soa"].items():
            print(f"{field}: {value}")

    return show(parsed, request(parsed, "soa", parsed.words[0]), printed)

"""`nw zone list`."""

from __future__ import annotations

from namewise.cli.options import Options
from namewise.cli.zone.running import line, request, show
from namewise.config.values import printable

HELP = """\
usage: nw zone list [--json] [--control PATH]

List the zones of the running server: kind, serial, records, changes that the file lacks, place, template, catalog zone, error.

Exit codes: 0 done, 9 no server.

  $ nw zone list
"""


def run(args: list[str]) -> int:
    """List the zones."""
    parsed = Options(values=("--control",), flags=("--json",)).read(args)

    def printed(answer: dict[str, list[dict[str, str]]]) -> None:
        for zone in answer["zones"]:
            print(line(zone))
            if zone["error"]:
                print(f"  {printable(zone['error'].splitlines()[0])}")

    return show(parsed, request(parsed, "list", None), printed)

"""`nw zone show`."""

from __future__ import annotations

import sys
from typing import Any

from namewise.cli.options import Options
from namewise.cli.zone.running import pages, seconds

HELP = """\
usage: nw zone show ZONE [--at TIME | --serial N] [--control PATH]

Print the records of a served zone, or of a version that its history has, one for each line, in canonical order.

  --at TIME    the version at this time: 2026-11-30T15:04:05Z, or --at=-2h for two hours ago
  --serial N   the newest version with the serial N

Exit codes: 0 done, 1 no such zone or version, 9 no server.

  $ nw zone show example.com --at=-2h
"""


def run(args: list[str]) -> int:
    """Print a version of a zone."""
    parsed = Options(values=("--control", "--at", "--serial"), words=(1, 1)).read(args)
    version: dict[str, Any] = {}
    at, serial = parsed.one("--at"), parsed.number("--serial")
    if serial is not None:
        version["serial"] = serial
    elif at is not None:
        version["at"] = seconds(at)
    for page in pages(parsed, parsed.words[0], **version):
        sys.stdout.write(page["text"])
    return 0

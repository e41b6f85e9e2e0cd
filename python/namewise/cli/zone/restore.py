"""`nw zone restore`."""

from __future__ import annotations

from typing import Any

from namewise.cli.failure import Failure
from namewise.cli.options import Options
from namewise.cli.zone.running import CHANGE, CHANGE_HELP, change, seconds

HELP = f"""\
usage: nw zone restore ZONE (--at TIME | --serial N) [--if-serial N] [--note TEXT] [--json] [--control PATH]
       nw zone restore ZONE (--entry N | --file) [--json] [--control PATH]

Serve the records of an earlier version again, as a new version with the next serial.

  --at TIME       the version at this time: 2026-11-30T15:04:05Z, or --at=-2h for two hours ago
  --serial N      the newest version with the serial N
  --entry N       go on with the version after the entry N and delete what the state database has of later ones: for a
                  journal that cannot be read
  --file          go on with the zone file and delete what the state database has: changes that the file lacks are lost
{CHANGE_HELP}
  $ nw zone restore example.com --at=-2h --note 'undo the move'
"""


def run(args: list[str]) -> int:
    """Restore a version."""
    values = (*CHANGE, "--at", "--serial", "--entry")
    parsed = Options(values=values, flags=("--json", "--file"), words=(1, 1)).read(args)
    at = parsed.one("--at")
    given: dict[str, Any] = {
        "at": None if at is None else seconds(at),
        "serial": parsed.number("--serial"),
        "entry": parsed.number("--entry"),
        "file": True if "--file" in parsed else None,
    }
    wanted = {key: value for key, value in given.items() if value is not None}
    if len(wanted) != 1:
        raise Failure("restore needs one of --at, --serial, --entry, --file", hint=HELP.split("\n\n", 1)[0])
    return change(parsed, "restore", parsed.words[0], **wanted)

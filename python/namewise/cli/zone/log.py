"""`nw zone log`."""

from __future__ import annotations

from typing import Any

from namewise.cli.failure import Failure
from namewise.cli.options import Options
from namewise.cli.zone.running import moment, request, show
from namewise.config.values import printable

HELP = """\
usage: nw zone log ZONE [A..B] [--last N] [--json] [--control PATH]

List the changes of a zone, newest first: entry, time, serials, why (edit, update, reload ...), who, RRsets changed, note.
With A..B, print the records that differ between the versions with the serials A and B; without A or B, the served version.

  --last N   at most N changes (default: 20)

Exit codes: 0 done, 1 no such zone or version, 9 no server.

  $ nw zone log example.com
  $ nw zone log example.com 2026113001..2026113004
"""


def run(args: list[str]) -> int:
    """List the changes of a zone, or the difference of two versions."""
    parsed = Options(values=("--control", "--last"), flags=("--json",), words=(1, 2)).read(args)
    zone, *versions = parsed.words
    if not versions:
        limit = parsed.number("--last", 1) or 20
        return show(parsed, request(parsed, "log", zone, limit=limit), _entries)
    former, dots, later = versions[0].partition("..")
    if not dots or not all(side == "" or side.isdigit() for side in (former, later)):
        raise Failure(f"{versions[0]!r} is not a pair of serials", hint="Write 2026113001..2026113004.")
    wanted = {key: int(side) for key, side in (("from", former), ("to", later)) if side}
    return show(parsed, request(parsed, "diff", zone, **wanted), _difference)


def _entries(answer: dict[str, Any]) -> None:
    if not answer["entries"]:
        print(f"no changes of {answer['name']} are stored")
    for one in answer["entries"]:
        former = "" if one["serial_from"] is None else f"{one['serial_from']} -> "
        by = f" by {one['who']}" if one["who"] else ""
        counts = f"+{one['added']} ~{one['changed']} -{one['removed']}"
        note = f": {one['note']}" if one["note"] else ""
        text = f"{one['sequence']:>5}  {moment(one['time'])}  {former}{one['serial_to']}  {one['why']}{by}  {counts}{note}"
        print(printable(text))


def _difference(answer: dict[str, Any]) -> None:
    for sign, side in (("-", "removed"), ("+", "added")):
        for record in answer[side].splitlines():
            print(printable(f"{sign} {record}".replace("\t", " ")))

"""`nw zone serial`."""

from __future__ import annotations

from typing import Any

from namewise.cli.failure import Failure
from namewise.cli.options import Options
from namewise.cli.zone.running import CHANGE, CHANGE_HELP, request, show

HELP = f"""\
usage: nw zone serial ZONE [--method M | --recover | --to N] [--dry-run] [--if-serial N] [--note TEXT] [--json] [--control PATH]

Show the serial of a served zone, how the next one is chosen (`serial` of its [[zone]]), and what it will be.

A serial never goes back, because secondary servers would not fetch the zone (RFC 1982). Another one is reached in one or two steps,
each once every secondary server has the one before. With one of the options that follow, the command prints the way and takes its
first step; call it again, when they have that, for the next one.

  --method M      lead to the serials of increment, date or unixtime; change `serial` of the [[zone]], too
  --recover       lead back to the serials of the method of the zone, after a serial that is ahead of the clock
  --to N          lead to the serial N
  --dry-run       print the way only
{CHANGE_HELP}
  $ nw zone serial example.com --method date --dry-run
"""


def run(args: list[str]) -> int:
    """Show or change the serial."""
    flags = ("--json", "--recover", "--dry-run")
    parsed = Options(values=(*CHANGE, "--method", "--to"), flags=flags, words=(1, 1)).read(args)
    given: dict[str, Any] = {"method": parsed.one("--method"), "to": parsed.number("--to")}
    given = {key: value for key, value in given.items() if value is not None}
    if "--recover" in parsed:
        given["recover"] = True
    if len(given) > 1:
        raise Failure("--method, --recover and --to exclude each other", hint=HELP.split("\n\n", 1)[0])
    if "--dry-run" in parsed:
        given["dry"] = True
    for option, key in (("--if-serial", "if_serial"), ("--note", "note")):
        value = parsed.number(option) if key == "if_serial" else parsed.one(option)
        if value is not None:
            given[key] = value
    return show(parsed, request(parsed, "serial", parsed.words[0], **given), _print)


def _print(answer: dict[str, Any]) -> None:
    if answer["changed"]:
        print(f"zone {answer['name']}: {answer['change']}")
    if answer["wanted"] is None:
        print(f"serial {answer['serial']}, method {answer['method']}: the next one is {answer['next']}")
    elif answer["way"]:
        print(
            f"to {answer['wanted']}: set {' then '.join(map(str, answer['way']))}, each once every secondary server has the one before; "
            "the same command takes the next step"
        )
    else:
        print(f"serial {answer['serial']}: the goal is reached")

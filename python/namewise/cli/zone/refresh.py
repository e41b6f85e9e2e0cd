"""`nw zone refresh`."""

from __future__ import annotations

from typing import Any

from namewise.cli.options import Options
from namewise.cli.zone.running import request, show

HELP = """\
usage: nw zone refresh ZONE [--remove] [--json] [--control PATH]

Let the primaries of a secondary zone be asked now whether they have a newer version, which is then transferred. The command does not
wait for that: `nw zone status` shows what came of it.

  --remove  let a catalog zone remove or reset as many members as it says, once. Without it, more than `most_removed` stay

Exit codes: 0 done, 1 refused, 9 no server.

  $ nw zone refresh example.com
"""


def run(args: list[str]) -> int:
    """Let the primaries of a zone be asked."""
    parsed = Options(values=("--control",), flags=("--json", "--remove"), words=(1, 1)).read(args)
    remove = "--remove" in parsed
    answer = request(parsed, "refresh", parsed.words[0], **({"remove": True} if remove else {}))
    return show(parsed, answer, _permitted if remove else _print)


def _print(done: dict[str, Any]) -> None:
    print(f"zone {done['name']}: its primaries are asked")


def _permitted(done: dict[str, Any]) -> None:
    print(f"catalog zone {done['name']}: members that it does not list are removed")

"""`nw zone retransfer`."""

from __future__ import annotations

from typing import Any

from namewise.cli.options import Options
from namewise.cli.zone.running import request, show

HELP = """\
usage: nw zone retransfer ZONE [--json] [--control PATH]

Let a secondary zone be transferred whole (AXFR), even if the primary has the same serial or an older one. The command does not wait
for that: `nw zone status` shows what came of it.

Exit codes: 0 done, 1 refused, 9 no server.

  $ nw zone retransfer example.com
"""


def run(args: list[str]) -> int:
    """Let a zone be transferred whole."""
    parsed = Options(values=("--control",), flags=("--json",), words=(1, 1)).read(args)
    return show(parsed, request(parsed, "retransfer", parsed.words[0]), _print)


def _print(done: dict[str, Any]) -> None:
    print(f"zone {done['name']} is transferred anew")

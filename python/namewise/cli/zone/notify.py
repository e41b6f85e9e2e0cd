"""`nw zone notify`."""

from __future__ import annotations

from typing import Any

from namewise.cli.options import Options
from namewise.cli.zone.running import request, show

HELP = """\
usage: nw zone notify ZONE [--json] [--control PATH]

Tell the servers that `notify` of a [[zone]] names which version is served (RFC 1996). The command does not wait for answers:
`nw zone status` shows them.

Exit codes: 0 done, 1 refused, 9 no server.

  $ nw zone notify example.com
"""


def run(args: list[str]) -> int:
    """Notify other servers of a zone."""
    parsed = Options(values=("--control",), flags=("--json",), words=(1, 1)).read(args)
    return show(parsed, request(parsed, "notify", parsed.words[0]), _print)


def _print(done: dict[str, Any]) -> None:
    for server in done["notified"]:
        print(f"{server['server']}: {server['error'] or 'notified of serial ' + str(server['serial'])}")

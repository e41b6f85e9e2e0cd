"""`nw zone remove`."""

from __future__ import annotations

from namewise.cli.options import Options
from namewise.cli.zone.running import request, show

HELP = """\
usage: nw zone remove ZONE [--json] [--control PATH]

Stop serving a zone that was added with `nw zone add`, and delete its records and its history. A zone that the configuration names
is removed there.

Exit codes: 0 done, 1 refused, 9 no server.

  $ nw zone remove example.com
"""


def run(args: list[str]) -> int:
    """Remove a zone."""
    parsed = Options(values=("--control",), flags=("--json",), words=(1, 1)).read(args)
    answer = request(parsed, "remove", parsed.words[0])
    return show(parsed, answer, lambda done: print(f"zone {done['removed']} is removed"))

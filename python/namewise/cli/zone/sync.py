"""`nw zone sync`."""

from __future__ import annotations

from typing import Any

from namewise.cli.options import Options
from namewise.cli.zone.running import request, show

HELP = """\
usage: nw zone sync ZONE [--force] [--plain] [--json] [--control PATH]

Write the served zone to its file, in one step: the file is the old one or the new one at any moment. Comments and layout stay where
records did not change. The text is read again before it replaces the file.

  --force   also if the file has changes that are not served; they are lost
  --plain   write the records alone, without comments and directives

Exit codes: 0 done, 1 refused: the file is as it was, 9 no server.

  $ nw zone sync example.com
"""


def run(args: list[str]) -> int:
    """Write a zone to its file."""
    parsed = Options(values=("--control",), flags=("--json", "--force", "--plain"), words=(1, 1)).read(args)
    flags = {flag: f"--{flag}" in parsed for flag in ("force", "plain")}

    def printed(done: dict[str, Any]) -> None:
        if done["written"]:
            print(f"{done['path']}: written with serial {done['serial']}, {done['rrsets']} RRsets differed")
        else:
            print(f"{done['path']}: has serial {done['serial']} already")

    return show(parsed, request(parsed, "sync", parsed.words[0], **flags), printed)

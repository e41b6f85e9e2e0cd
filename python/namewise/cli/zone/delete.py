"""`nw zone delete`."""

from __future__ import annotations

from namewise.cli.options import Options
from namewise.cli.zone.running import CHANGE, CHANGE_HELP, change
from namewise.cli.zone.set import owner

HELP = f"""\
usage: nw zone delete ZONE OWNER [TYPE [DATA]] [--if-serial N] [--note TEXT] [--json] [--control PATH]

Delete all records at OWNER in a served zone, those of TYPE, or one record. OWNER is as in `nw zone set`.

{CHANGE_HELP}
  $ nw zone delete example.com www A
"""


def run(args: list[str]) -> int:
    """Delete a name, an RRset or a record."""
    parsed = Options(values=CHANGE, flags=("--json",), words=(2, 4)).read(args)
    zone, word, *rest = parsed.words
    at = owner(word, zone)
    step = {"delete": " ".join([at, *rest])}
    if len(rest) == 2:
        step = {"remove": f"{at} 0 IN {rest[0]} {rest[1]}"}
    return change(parsed, "edit", zone, steps=[step])

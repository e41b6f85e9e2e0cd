"""`nw zone set`."""

from __future__ import annotations

from namewise.cli.options import Options
from namewise.cli.zone.running import CHANGE, CHANGE_HELP, change

HELP = f"""\
usage: nw zone set ZONE OWNER TTL TYPE DATA [DATA ...] [--add] [--if-serial N] [--note TEXT] [--json] [--control PATH]

Replace the records of TYPE at OWNER in a served zone. Each DATA is the data of one record; names in it are absolute. OWNER is
relative to ZONE unless it ends with a dot; @ is ZONE itself.

  --add           keep the other records of the RRset
{CHANGE_HELP}
  $ nw zone set example.com www 300 A 192.0.2.1 192.0.2.2
  $ nw zone set example.com @ 300 MX '10 mail.example.com.' --note 'new mail server'
"""


def run(args: list[str]) -> int:
    """Set an RRset."""
    parsed = Options(values=CHANGE, flags=("--json", "--add"), words=(5, None)).read(args)
    zone, word, ttl, rtype, *datas = parsed.words
    lines = [f"{owner(word, zone)} {ttl} IN {rtype} {data}" for data in datas]
    return change(parsed, "edit", zone, steps=[{"add" if "--add" in parsed else "set": "\n".join(lines)}])


def owner(word: str, zone: str) -> str:
    """Return the owner that *word* means in *zone*."""
    from namewise.cli.ctl import name

    apex = name(zone)
    if word == "@":
        return apex
    return name(word if word.endswith(".") else f"{word}.{apex.removeprefix('.')}")

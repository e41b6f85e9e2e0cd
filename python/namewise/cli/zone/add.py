"""`nw zone add`."""

from __future__ import annotations

from typing import Any

from namewise.cli.failure import Failure
from namewise.cli.options import Options
from namewise.cli.zone.running import CHANGE_HELP, request, show

HELP = f"""\
usage: nw zone add ZONE [--template NAME] (--from FILE | --ns NAME ... [--contact NAME]) [--note TEXT] [--json] [--control PATH]

Serve a zone that the configuration does not name, and keep it in the state database. It survives a restart.

  --template NAME use the settings of this [[template]]; one for secondary zones takes no records
  --from FILE     take the records of a zone file; the file is not needed afterwards
  --ns NAME       begin with an SOA and these name servers
  --contact NAME  the contact in the SOA (default: hostmaster of the zone)
{CHANGE_HELP.split(chr(10), 1)[1]}
  $ nw zone add example.com --ns ns1.example.net --ns ns2.example.net
"""


def run(args: list[str]) -> int:
    """Add a zone."""
    from namewise.cli.ctl import name
    from namewise.engine import Zone
    from namewise.engine.errors import ZoneFileError

    values = ("--control", "--note", "--from", "--ns", "--contact", "--template")
    parsed = Options(values=values, flags=("--json",), words=(1, 1)).read(args)
    zone, file, servers = name(parsed.words[0]), parsed.one("--from"), parsed.all("--ns")
    template = parsed.one("--template")
    text: str | None = None
    if template is None and file is None and not servers:
        raise Failure("a new zone needs --from FILE or --ns NAME", hint=HELP.split("\n\n", 1)[0])
    if file is not None and servers:
        raise Failure("a new zone needs --from FILE or --ns NAME", hint=HELP.split("\n\n", 1)[0])
    if file is not None:
        try:
            text = Zone.from_file(zone, file).to_text()
        except (ZoneFileError, OSError) as error:
            raise Failure(str(error)) from None
    elif servers:
        contact = name(parsed.one("--contact") or f"hostmaster.{zone.removeprefix('.')}")
        text = f"{zone} 3600 SOA {name(servers[0])} {contact} 1 7200 900 1209600 300\n"
        text += "".join(f"{zone} 3600 NS {name(server)}\n" for server in servers)
    answer = request(parsed, "add", zone, (text or "").encode(), template=template, note=parsed.one("--note"))
    return show(parsed, answer, _print)


def _print(done: dict[str, Any]) -> None:
    what = f"serial {done['serial']}" if done["serial"] is not None else str(done["condition"])
    print(f"zone {done['name']} is served: {what}")

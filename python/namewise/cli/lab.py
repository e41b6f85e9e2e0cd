"""`nw lab up|play|attacks`."""

from __future__ import annotations

from namewise.cli.failure import Failure
from namewise.cli.options import Options, verb

HELP = """\
usage: nw lab up [--zone NAME=FILE] [--root-zone FILE] [--port N] [--control PATH] [--once]
       nw lab play FILE ... [--json]
       nw lab attacks [ID ...] [--json]

up     start a private internet on this machine: root, TLD, registry and hosting servers, a resolver that uses
       them, and one more authoritative server for a zone from a file. Explain one name, print example commands, and serve until Ctrl-C.
       No packet leaves the loopback interface.
  --zone NAME=FILE   the zone of that server (default: example.com from the package)
  --root-zone FILE   a root zone file (default: $NAMEWISE_ROOT_ZONE, else the root zone in the package)
  --port N           the resolver's port (default 5300; if it is in use, 5400, 5500, ...)
  --control PATH     the control socket (default: lab.sock in the default directory of nw serve's control socket)
  --once             exit after the explanation

play   run scenario files (.toml, .rpl) against the engine in simulated time. Report for each file: passed, failed
       with the first difference, or unsupported with the reason.
  --json             one JSON object for each file

attacks  play known attacks (A1 NXNSAttack, B1 KeyTrap, C1 Kaminsky, ...; default: all) on the resolver in simulated
       time. Report for each: the queries to servers and the computing that one query costs, the success of other
       clients, and the limit of each number.
  --json             one JSON object for each attack

Exit codes:
  up     0 ended by Ctrl-C (instead of 130), 1 wrong usage, 4 cannot listen
  play   0 all passed, 1 some failed, 2 a file cannot be read, 3 none failed and some are unsupported
  attacks  0 every limit held, 1 a limit was exceeded

  $ nw lab up --once
"""

CANNOT_LISTEN = 4


def run(args: list[str]) -> int:
    """Run the sub-command."""
    return {"up": _up, "play": _play, "attacks": _attacks}[verb(args, ("up", "play", "attacks"))](args[1:])


def _up(args: list[str]) -> int:
    parsed = Options(values=("--zone", "--root-zone", "--port", "--control"), flags=("--once",)).read(args)
    zone, port = parsed.one("--zone"), parsed.number("--port", 1)

    from namewise.config.environment import zone_item
    from namewise.control.client import ControlError
    from namewise.control.sockets import ListenError
    from namewise.engine.errors import ZoneFileError
    from namewise.lab.up import Settings, default_control, up

    try:
        item = zone_item(zone) if zone else {"name": None, "file": None}
    except ValueError as error:
        raise Failure(f"--zone: {error}") from None
    settings = Settings(
        zone_name=item["name"],
        zone_file=item["file"],
        root_zone=parsed.one("--root-zone"),
        port=port,
        control=parsed.one("--control") or default_control(),
        once="--once" in parsed,
    )
    try:
        return up(settings)
    except (ControlError, ListenError) as error:
        raise Failure(str(error), hint=error.hint, code=CANNOT_LISTEN) from None
    except ZoneFileError as error:
        raise Failure(str(error)) from None


def _play(args: list[str]) -> int:
    from namewise.lab.play import main

    parsed = Options(flags=("--json",), words=(1, None)).read(args)
    return main(parsed.words, as_json="--json" in parsed)


def _attacks(args: list[str]) -> int:
    from namewise.lab.attacks import UnknownAttack, main

    parsed = Options(flags=("--json",), words=(0, None)).read(args)
    try:
        return main(parsed.words, as_json="--json" in parsed)
    except UnknownAttack as error:
        raise Failure(str(error)) from None

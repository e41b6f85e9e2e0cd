"""`nw lab up`: the private internet, a resolver, and a zone from a file. Explains one name, then serves.

    clients ──> resolver 127.0.0.1:5300 ──routes──> root, tld, registry, hosting ... (loopback, any free ports)
            └─> example.com from a file, 127.0.0.1:5310

No packet leaves 127.0.0.0/8 and ::1: the resolver's routing table has no other targets, and packets to
other addresses are dropped. The lab needs no privileged port and no root permissions.
"""

from __future__ import annotations

import os
import shutil
import socket
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from namewise.config import Origin, Overlay, load
from namewise.config.values import Endpoint
from namewise.control.arguments import Arguments
from namewise.control.client import ControlError
from namewise.control.daemon import Daemon
from namewise.control.log import Log
from namewise.control.notify import Notifier
from namewise.control.verbs import explain
from namewise.engine import Engine, Snapshot, Zone
from namewise.lab.internet import Internet, authoritative_plan, loopbacks
from namewise.lab.ports import free_port
from namewise.lab.topology import ZONES, root_zone_file
from namewise.tools.explain import in_colour, tree

if TYPE_CHECKING:
    from namewise.config import Loaded

RESOLVER_PORT, ZONE_PORT = 5300, 5310
STEP = 100
"""The distance between the ports that are tried if a port is in use."""
EXAMPLE = "shop.example.com."
MORE = (
    ("shop.example.com", "an alias into another zone"),
    ("github.com", "servers under another name, without glue"),
    ("www.google.co.uk", "four zones deep"),
    ("www.example.org", "one server silent, one lame, one good; and an alias"),
    ("-x 93.184.216.34", "from an address to its name"),
    ("example.com HTTPS", "a name without that type"),
    ("nosuchname.example.com", "no such name"),
)


@dataclass(frozen=True, slots=True)
class Settings:
    """The arguments of `nw lab up`."""

    zone_name: str | None
    zone_file: str | None
    root_zone: str | None
    port: int | None
    control: str
    once: bool


def up(settings: Settings) -> int:
    """Run the lab until Ctrl-C, or with `once` until the example has been explained."""
    root_zone = settings.root_zone or root_zone_file(os.environ)
    with Internet(root_zone) as internet:
        port = settings.port or _free_port(RESOLVER_PORT)
        zone = _zone(settings)
        zone_port = _free_port(ZONE_PORT)
        engine = _serve_zone(zone, zone_port)
        daemon = Daemon(
            lambda: _config(internet, port, settings.control),
            settings.control,
            Log("warning"),
            Notifier({}),
            {},
        )
        try:
            daemon.start()
            _introduce(internet, root_zone, zone, port, zone_port)
            _explain(daemon, settings.control)
            _suggest(zone, port, zone_port, settings.control)
            if settings.once:
                daemon.stop()
            else:
                daemon.run()
        finally:
            engine.close(0.5)
    return 0


def _config(internet: Internet, port: int, control: str) -> Loaded:
    flags = Overlay()
    lab = Origin("flag", "lab")
    for address in loopbacks():
        flags.set(("listen",), {"address": address, "port": port}, lab)
    flags.set(("resolver", "routes"), internet.routes, lab)
    flags.set(("server", "workers"), 1, lab)
    flags.set(("control", "socket"), control, lab)
    flags.set(("log", "slow"), "300ms", lab)
    return load(None, environ={}, flags=flags)


def _zone(settings: Settings) -> Zone:
    if settings.zone_name and settings.zone_file:
        return Zone.from_file(settings.zone_name, settings.zone_file)
    return Zone.from_file("example.com.", str(ZONES / "example.com.zone"))


def _serve_zone(zone: Zone, port: int) -> Engine:
    engine = Engine(1)
    sockets = [one for address in loopbacks() for one in _bound(address, port)]
    engine.publish(Snapshot.build(authoritative_plan((zone,)), [zone]), [one.fileno() for one in sockets])
    for one in sockets:
        one.close()
    return engine


def _introduce(internet: Internet, root_zone: str | None, zone: Zone, port: int, zone_port: int) -> None:
    say = sys.stdout.write
    source = root_zone or "the public one of 2021-05-19, from the package"
    say(f"The private internet is up; no packet leaves this machine. Root zone: {source}\n")
    for server in internet.servers:
        say(f"  {server.role.name:<10} {server.endpoints[0]!s:<18} {server.role.purpose}\n")
    say(f"  {'resolver':<10} {Endpoint('127.0.0.1', port)!s:<18} recursion over it\n")
    place = f"the zone {zone.name} from a file"
    say(f"  {'zone':<10} {Endpoint('127.0.0.1', zone_port)!s:<18} {place}\n\n")
    sys.stdout.flush()


def _explain(daemon: Daemon, control: str) -> None:
    sys.stdout.write(f"$ {command()} explain {EXAMPLE.rstrip('.')} --control {control}\n")
    answer = explain.run(daemon, Arguments("explain", {"name": EXAMPLE, "type": "A"}))
    sys.stdout.write(tree(answer["explanation"], colour=in_colour(sys.stdout)) + "\n")
    sys.stdout.flush()


def _suggest(zone: Zone, port: int, zone_port: int, control: str) -> None:
    say = sys.stdout.write
    say("Ask it yourself:\n")
    for words, purpose in MORE:
        say(f"  {f'dig @127.0.0.1 -p {port} {words}':<52} # {purpose}\n")
    apex = str(zone.name).rstrip(".")
    say(f"  {f'dig @127.0.0.1 -p {zone_port} {apex} SOA +norecurse':<52} # from the file, authoritative\n")
    say(f"  {command()} explain www.example.org --control {control}\n")
    say(f"  {command()} trace github.com --control {control}\n")
    say("Ctrl-C ends it.\n")
    sys.stdout.flush()


def command() -> str:
    """Return how a user calls this program: by its name only if the PATH leads here."""
    called = Path(sys.argv[0])
    if called.name not in ("nw", "namewise"):
        return f"{sys.executable} -m namewise"
    found = shutil.which(called.name)
    if found is not None and Path(found).samefile(called):
        return called.name
    return os.path.relpath(called) if called.is_relative_to(Path.cwd()) else str(called)


def _free_port(first: int) -> int:
    """Return *first*, or the next port in steps of `STEP` that is free."""
    try:
        return free_port(range(first, first + 50 * STEP, STEP))
    except OSError:
        raise ControlError(
            f"no port is free near {first}", "Stop what holds them, or choose one with --port.", "LISTEN"
        ) from None


def _bound(address: str, port: int) -> list[socket.socket]:
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    opened: list[socket.socket] = []
    try:
        for kind in (socket.SOCK_DGRAM, socket.SOCK_STREAM):
            one = socket.socket(family, kind)
            opened.append(one)
            if kind == socket.SOCK_STREAM:
                one.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            one.bind((address, port))
            if kind == socket.SOCK_STREAM:
                one.listen(128)
    except OSError:
        for one in opened:
            one.close()
        raise
    return opened


def default_control() -> str:
    """Return the lab's own control socket, which does not conflict with that of a server."""
    from namewise.config.paths import control_socket

    return str(Path(control_socket()).with_name("lab.sock"))

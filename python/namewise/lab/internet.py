"""Starts the servers of the lab: one engine for each server, on free loopback ports."""

from __future__ import annotations

import json
import socket
from dataclasses import dataclass
from typing import TYPE_CHECKING

from namewise.config.values import Endpoint
from namewise.engine import Engine, Snapshot
from namewise.lab.topology import SILENT_PREFIX, roles

if TYPE_CHECKING:
    from namewise.engine import Zone
    from namewise.lab.topology import Role

CLOSE_S = 0.5


@dataclass(frozen=True, slots=True)
class Server:
    """A running server of the lab."""

    role: Role
    endpoints: tuple[Endpoint, ...]
    engine: Engine


class Internet:
    """All servers of the lab, and the routes to them. Use it as a context manager."""

    def __init__(self, root_zone: str | None) -> None:
        self.servers = [_start(role) for role in roles(root_zone)]
        # This socket is bound and never read, so that queries to it get no answer.
        self._silent = _udp("127.0.0.1")

    @property
    def routes(self) -> dict[str, str]:
        """Return the routing table: prefixes, with loopback address and port."""
        table = {SILENT_PREFIX: str(Endpoint("127.0.0.1", self._silent.getsockname()[1]))}
        for server in self.servers:
            by_family = {":" in endpoint.address: str(endpoint) for endpoint in server.endpoints}
            for prefix in server.role.prefixes:
                target = by_family.get(":" in prefix)
                if target is not None:
                    table[prefix] = target
        return table

    def close(self) -> None:
        """Stop every server."""
        for server in self.servers:
            server.engine.close(CLOSE_S)
        self._silent.close()

    def __enter__(self) -> Internet:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def authoritative_plan(zones: tuple[Zone, ...]) -> bytes:
    """Return the plan of a server that serves *zones* to all clients and nothing else."""
    named = [{"name": str(zone.name)} for zone in zones]
    return json.dumps({"version": 1, "server": {"workers": 1}, "zones": named}).encode()


def _start(role: Role) -> Server:
    snapshot = Snapshot.build(authoritative_plan(role.zones), list(role.zones))
    sockets: list[socket.socket] = []
    for address in loopbacks():
        # UDP first: the port that it gets is nearly always free for TCP too.
        udp, tcp = _pair(address)
        sockets += [udp, tcp]
    engine = Engine(1)
    engine.publish(snapshot, [one.fileno() for one in sockets])
    endpoints = tuple(dict.fromkeys(Endpoint(*one.getsockname()[:2]) for one in sockets))
    for one in sockets:
        one.close()
    return Server(role, endpoints, engine)


def loopbacks() -> tuple[str, ...]:
    """Return the loopback addresses of this machine: 127.0.0.1, and ::1 if IPv6 is available."""
    try:
        _udp("::1").close()
    except OSError:
        return ("127.0.0.1",)
    return ("127.0.0.1", "::1")


def _udp(address: str) -> socket.socket:
    one = socket.socket(socket.AF_INET6 if ":" in address else socket.AF_INET, socket.SOCK_DGRAM)
    try:
        one.bind((address, 0))
    except OSError:
        one.close()
        raise
    return one


def _pair(address: str) -> tuple[socket.socket, socket.socket]:
    """Return a UDP and a listening TCP socket on the same port of *address*."""
    for _ in range(100):
        udp = _udp(address)
        port = udp.getsockname()[1]
        tcp = socket.socket(udp.family, socket.SOCK_STREAM)
        try:
            tcp.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            tcp.bind((address, port))
            tcp.listen(128)
        except OSError:
            udp.close()
            tcp.close()
            continue
        return udp, tcp
    raise OSError(f"no port of {address} is free for UDP and TCP at once")

"""`status`: what is served where, the state of each zone, counters."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

from namewise.config.values import Endpoint

if TYPE_CHECKING:
    from namewise.control.arguments import Arguments
    from namewise.control.daemon import Daemon
    from namewise.zones.state import ZoneState

ARGUMENTS = ()


def run(daemon: Daemon, _: Arguments) -> dict[str, Any]:
    """Return the state of the server."""
    service = daemon.service
    return {
        "pid": os.getpid(),
        "uptime_s": round(service.uptime_s, 3),
        "generation": service.engine.generation,
        "workers": service.workers,
        "files": list(service.loaded.files),
        "listen": [
            f"{Endpoint(address, port)}/{transport}" for address, port, transport in service.sockets.open
        ],
        "recursion": service.config.resolver is not None,
        "zones": [_zone(name, state) for name, state in service.registry.states.items()],
        "lists": [] if service.lists is None else service.lists.status(),
        "local_root": None if service.root is None else service.root.status(),
        "stats": {**service.engine.stats(), "log.lost": daemon.log.lost},
    }


def _zone(name: str, state: ZoneState) -> dict[str, Any]:
    zone = state.current
    return {
        "name": name,
        "condition": state.condition,
        "serial": None if zone is None else zone.serial,
        "records": 0 if zone is None else len(zone),
        "place": state.source.place,
        "change": None if state.change is None else str(state.change),
        "error": state.error or None,
    }

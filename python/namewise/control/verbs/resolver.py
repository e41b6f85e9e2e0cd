"""`resolver`: how the server resolves names, and the state of the servers that it asks."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from namewise.control.verbs import needs_resolver

if TYPE_CHECKING:
    from namewise.control.arguments import Arguments
    from namewise.control.daemon import Daemon

ARGUMENTS = ()


def run(daemon: Daemon, _: Arguments) -> dict[str, Any]:
    """Return root hints and how they differ from what the root servers say, forwarders with their state, servers that are not asked
    for a while, and whether packets are routed to a private internet."""
    needs_resolver(daemon)
    service = daemon.service
    resolver = service.config.resolver
    state = service.engine.upstreams()
    return {
        "hints": [{"name": hint.name, "addresses": list(hint.addresses)} for hint in service.inputs.hints],
        "hint_differences": state["hint_differences"],
        "forward": [
            {
                "suffix": forward.suffix,
                "servers": list(forward.servers),
                "authoritative": forward.authoritative,
                "race": forward.race,
                "fallback": forward.fallback,
                "prime": forward.prime,
                "state": known["servers"],
            }
            for forward, known in zip(service.config.forward, state["forward"], strict=False)
        ],
        "resting": state["resting"],
        "lame": state["lame"],
        "routed": resolver is not None and resolver.routes is not None,
    }

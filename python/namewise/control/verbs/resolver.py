"""`resolver`: how the server resolves names, for tools that do the same."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from namewise.control.verbs import needs_resolver

if TYPE_CHECKING:
    from namewise.control.arguments import Arguments
    from namewise.control.daemon import Daemon


def run(daemon: Daemon, _: Arguments) -> dict[str, Any]:
    """Return root hints, forwarders, and whether packets are routed to a private internet."""
    needs_resolver(daemon)
    service = daemon.service
    resolver = service.config.resolver
    return {
        "hints": [{"name": hint.name, "addresses": list(hint.addresses)} for hint in service.inputs.hints],
        "forward": [
            {"suffix": forward.suffix, "servers": list(forward.servers)} for forward in service.config.forward
        ],
        "routed": resolver is not None and resolver.routes is not None,
    }

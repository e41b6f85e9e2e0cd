"""`cache`: what the cache holds of a name."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from namewise.control.verbs import needs_resolver

if TYPE_CHECKING:
    from namewise.control.arguments import Arguments
    from namewise.control.daemon import Daemon

ARGUMENTS = ("name", "type")


def run(daemon: Daemon, arguments: Arguments) -> dict[str, Any]:
    """Return the entries of `name`, of `type` if it is given."""
    needs_resolver(daemon)
    entries = daemon.service.engine.cached(arguments.name("name"))
    rtype = arguments.optional_type("type")
    return {"entries": [entry for entry in entries if rtype is None or entry["type"] in (rtype, None)]}

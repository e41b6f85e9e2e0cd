"""`route`: where the server would answer a name from."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from namewise.control.client import ControlError

if TYPE_CHECKING:
    from namewise.control.arguments import Arguments
    from namewise.control.daemon import Daemon

ARGUMENTS = ("name", "type")


def run(daemon: Daemon, arguments: Arguments) -> dict[str, Any]:
    """Return the sources for `name` and `type` (default A) in the order in which they are considered. Nobody is asked."""
    name, rtype = arguments.name("name"), arguments.text("type", "A")
    try:
        return {"name": str(name), "type": rtype, "sources": daemon.service.engine.decide(name, rtype)}
    except ValueError as error:
        raise ControlError(f"route: {error}", code="BAD_ARGUMENT") from None

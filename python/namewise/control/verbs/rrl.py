"""`rrl`: the state of the response rate limit."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from namewise.control.client import ControlError

if TYPE_CHECKING:
    from namewise.control.arguments import Arguments
    from namewise.control.daemon import Daemon

ARGUMENTS = ()


def run(daemon: Daemon, arguments: Arguments) -> dict[str, Any]:
    """Return size and use of the table, the numbers of responses that were dropped and truncated, and the networks that were limited
    recently."""
    found: dict[str, Any] | None = daemon.service.engine.rrl()
    if found is None:
        raise ControlError("responses are not limited", "Add an [rrl] table to the configuration.", "NO_RRL")
    return found

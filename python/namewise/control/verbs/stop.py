"""`stop`: let queries in progress finish, then end the server."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from namewise.control.arguments import Arguments
    from namewise.control.daemon import Daemon

ARGUMENTS = ()


def run(daemon: Daemon, _: Arguments) -> dict[str, Any]:
    """Begin to stop; the answer does not wait for the end."""
    daemon.request_stop()
    return {"stopping": True}

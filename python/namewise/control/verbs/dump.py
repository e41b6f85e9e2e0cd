"""`dump`: the cache as text, piece by piece."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from namewise.control.verbs import needs_resolver

if TYPE_CHECKING:
    from namewise.control.arguments import Arguments
    from namewise.control.daemon import Daemon

ARGUMENTS = ("cursor",)


def run(daemon: Daemon, arguments: Arguments) -> dict[str, Any]:
    """Return the piece that begins at `cursor` (default: the first), and the cursor of the next one, None after the last."""
    needs_resolver(daemon)
    text, cursor = daemon.service.engine.dump(arguments.number("cursor", 0, 0, 1 << 62))
    return {"text": text, "cursor": cursor}

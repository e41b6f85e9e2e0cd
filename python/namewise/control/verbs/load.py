"""`load`: take entries into the cache that `dump` has written."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from namewise.control.client import ControlError
from namewise.control.verbs import needs_resolver

if TYPE_CHECKING:
    from namewise.control.arguments import Arguments
    from namewise.control.daemon import Daemon

ARGUMENTS = ("text",)


def run(daemon: Daemon, arguments: Arguments) -> dict[str, Any]:
    """Return the number of entries of `text` that were taken. What the cache has learned since stays."""
    needs_resolver(daemon)
    try:
        return {"loaded": daemon.service.engine.load(arguments.text("text"))}
    except ValueError as error:
        raise ControlError(str(error), "nothing of this piece was loaded", "BAD_ARGUMENT") from None

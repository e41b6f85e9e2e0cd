"""`flush`: remove answers from the cache."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from namewise.control.verbs import needs_resolver

if TYPE_CHECKING:
    from namewise.control.arguments import Arguments
    from namewise.control.daemon import Daemon


def run(daemon: Daemon, arguments: Arguments) -> dict[str, Any]:
    """Return the number of answers that were removed: of `name`, with `below` of all names below it too, or all."""
    needs_resolver(daemon)
    name, below = arguments.optional_name("name"), arguments.flag("below")
    return {"flushed": daemon.service.engine.flush(name, below=below)}

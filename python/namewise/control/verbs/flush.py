"""`flush`: remove entries from the cache."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from namewise.control.verbs import needs_resolver
from namewise.engine import type_value

if TYPE_CHECKING:
    from namewise.control.arguments import Arguments
    from namewise.control.daemon import Daemon

ARGUMENTS = ("name", "below", "type", "only")
ONLY = ("negative", "bogus", "failures")


def run(daemon: Daemon, arguments: Arguments) -> dict[str, Any]:
    """Return the number of entries that were removed: of `name`, with `below` of all names below it too, or of all names; of
    `type` and of the kind `only`, if given."""
    needs_resolver(daemon)
    name, below = arguments.optional_name("name"), arguments.flag("below")
    rtype, only = arguments.optional_type("type"), arguments.optional_text("only")
    if only is not None and only not in ONLY:
        raise arguments.wrong("only", f"one of {', '.join(ONLY)}")
    if below and name is None:
        raise arguments.wrong("name", "a name, since below is set")
    number = None if rtype is None else type_value(rtype)
    return {"flushed": daemon.service.engine.flush(name, below=below, type=number, only=only)}

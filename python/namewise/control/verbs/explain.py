"""`explain`: resolve a name now and return every step."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from namewise.control.client import ControlError
from namewise.engine import Resolve

if TYPE_CHECKING:
    from namewise.control.arguments import Arguments
    from namewise.control.daemon import Daemon


def run(daemon: Daemon, arguments: Arguments) -> dict[str, Any]:
    """Return the `namewise.explain/1` document for `name`, `type` and `class`."""
    name, rtype, rclass = arguments.name("name"), arguments.text("type", "A"), arguments.text("class", "IN")
    try:
        request = Resolve(name, rtype, rclass)
    except ValueError as error:
        raise ControlError(f"explain: {error}", code="BAD_ARGUMENT") from None
    done = daemon.service.events.submit(request).result()
    if done.explanation is None:
        raise ControlError(f"the resolver could not accept the question: {done.error}", code="UNABLE")
    return {"explanation": json.loads(done.explanation)}

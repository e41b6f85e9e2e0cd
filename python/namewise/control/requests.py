"""What the daemon asks of its engine, as awaitables: a ticket out, an event back.

The engine keeps a place in its queue for the outcome of every request it takes, and refuses further ones
while
65,536 are under way; other events are dropped when the queue is full, and the log says how many.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

from namewise.control.client import ControlError
from namewise.observe.explain import document

if TYPE_CHECKING:
    import asyncio

    from namewise.control.log import Log
    from namewise.engine import Engine, Message

MOST_EVENTS = 256
"""Events handled at a time, so that the control socket is served in between."""


class Requests:
    """The tickets that are out."""

    def __init__(self, engine: Engine, log: Log) -> None:
        self.engine = engine
        self.log = log
        self._waiting: dict[int, asyncio.Future[Any]] = {}
        self._last = 0

    def drain(self) -> None:
        """Take events from the engine and hand them to who waits for them."""
        for event in self.engine.drain(MOST_EVENTS):
            ticket = getattr(event, "ticket", None)
            if ticket is not None:
                future = self._waiting.pop(ticket, None)
                if future is not None and not future.done():
                    future.set_result(event)
            elif hasattr(event, "text"):
                self.log.event("error", "fault", event.text)
            elif hasattr(event, "count"):
                self.log.event(
                    "warning", "events-dropped", f"{event.count} events were dropped", count=event.count
                )

    async def explain(self, name: str, rtype: str, rclass: str) -> dict[str, Any]:
        """Resolve *name* and return the explanation."""
        raise NotImplementedError

    async def exchange(self, server: str, query: Message, tcp: bool, timeout_s: float) -> dict[str, Any]:
        """Ask *server* over the resolver's own routes; return its reply in hex, or what came of it."""
        raise NotImplementedError


_ = (time, ControlError, document)

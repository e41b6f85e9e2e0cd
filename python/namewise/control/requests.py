"""What the daemon asks of its engine, as awaitables: a ticket out, an event back.

The engine keeps a place in its queue for the outcome of every request it takes, and refuses further ones
while 65,536 are under way; other events are dropped when the queue is full, and the log says how many.
"""

from __future__ import annotations

import asyncio
import json
from typing import TYPE_CHECKING, Any

from namewise.config.values import Endpoint
from namewise.control.client import ControlError
from namewise.engine import Done, Dropped, Exchange, Fault, Resolve

if TYPE_CHECKING:
    from namewise.control.log import Log
    from namewise.engine import Engine, Message
    from namewise.observe.explain import Document

MOST_EVENTS = 256
"""Events handled at a time, so that the control socket is served in between."""
DNS_PORT = 53


class Requests:
    """The tickets that are out."""

    def __init__(self, engine: Engine, log: Log) -> None:
        self.engine = engine
        self.log = log
        self._waiting: dict[int, asyncio.Future[Done]] = {}
        self._last = 0

    def drain(self) -> None:
        """Take events from the engine and hand them to who waits for them."""
        for event in self.engine.drain(MOST_EVENTS):
            if isinstance(event, Done):
                future = self._waiting.pop(event.ticket, None)
                if future is not None and not future.done():
                    future.set_result(event)
            elif isinstance(event, Fault):
                self.log.event("error", "fault", event.text)
            elif isinstance(event, Dropped):
                self.log.event(
                    "warning", "events-dropped", f"{event.count} events were dropped", count=event.count
                )

    async def explain(self, name: str, rtype: str, rclass: str) -> Document:
        """Resolve *name* and return the explanation."""
        done = await self._done(Resolve(name, rtype, rclass))
        if done.explanation is None:
            raise ControlError(f"the resolver could not take the question: {done.error}", code="UNABLE")
        document: Document = json.loads(done.explanation)
        return document

    async def exchange(self, server: str, query: Message, tcp: bool, timeout_s: float) -> dict[str, Any]:
        """Ask *server*, an address, over the resolver's own routes; return its reply in hex, or why there
        is none."""
        wanted = Exchange(str(Endpoint(server, DNS_PORT)), query.wire, tcp=tcp, timeout_s=timeout_s)
        done = await self._done(wanted)
        reply = done.wire.hex() if done.wire is not None else None
        return {"reply": reply, "failure": done.error, "took_us": done.took_us}

    async def _done(self, request: Resolve | Exchange) -> Done:
        self._last += 1
        ticket = self._last
        future: asyncio.Future[Done] = asyncio.get_running_loop().create_future()
        self._waiting[ticket] = future
        try:
            self.engine.submit(ticket, request)
            return await future
        finally:
            self._waiting.pop(ticket, None)

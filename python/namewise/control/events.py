"""Events of the engine: outcomes of requests go to their futures, requests of clients to handlers, faults to the log.

The engine reserves a place in its queue for the outcome of every request that it accepts, and refuses further requests while
65,536 are in progress. Other events are dropped when the queue is full, and the log says how many.

A request of a client comes here if its opcode is among `control.opcodes` of the plan, or if the engine leaves it to the control
plane for another reason. The handler of its opcode answers it, at once or later, from any thread. The engine answers SERVFAIL
for what is not answered in time.
"""

from __future__ import annotations

import itertools
import os
import select
import threading
from typing import TYPE_CHECKING

from namewise.engine import Asked, Done, Dropped, Fault, Message, Notice, make_response
from namewise.engine.errors import EngineClosed

if TYPE_CHECKING:
    from collections.abc import Callable
    from concurrent.futures import Future

    from namewise.control.log import Log
    from namewise.engine import Engine, Exchange, Resolve

MAX_EVENTS = 256
"""Events handled at a time, so that the queue of an engine is not copied at once."""


class ClientRequest:
    """A request of a client that waits for its answer."""

    def __init__(self, engine: Engine, asked: Asked) -> None:
        self.message = Message.parse(asked.query)
        """The request."""
        self.client = asked.client
        """The client: `ADDRESS:PORT`."""
        self.transport = asked.transport
        """`udp` or `tcp`."""
        self.key = asked.key
        """The name of the TSIG key that it is signed with and was verified by, or None."""
        self._engine = engine
        self._ticket = asked.ticket

    def answer(self, response: Message) -> bool:
        """Answer with rcode, AA, records and extended errors of *response*; return whether the request still waited."""
        return self._engine.answer(self._ticket, response.wire)

    def relay(self, response: bytes) -> bool:
        """Answer with the octets of *response*, which another server made, with its signature; return whether the request still waited.
        Raises `WireError` for what is no message."""
        return self._engine.answer(self._ticket, response, relay=True)

    def fail(self, rcode: str) -> bool:
        """Answer without records."""
        return self.answer(make_response(self.message, rcode))


class Events:
    """The event queue of one engine. `submit` may be called from any thread; one thread drains."""

    def __init__(self, log: Log) -> None:
        self.log = log
        self.on_fatal: Callable[[], None] | None = None
        """Called when a thread of the engine has ended by a fault: the process cannot serve as configured any more."""
        self.on_revoked: Callable[[str], None] | None = None
        """Called with a zone that has revoked one of its trust anchors; it must not block."""
        self.handlers: dict[int, Callable[[ClientRequest], None]] = {}
        """By opcode, what is called with each request of a client; it must not block. Other opcodes get NOTIMP."""
        self._engine: Engine | None = None
        self._waiting: dict[int, Future[Done]] = {}
        self._tickets = itertools.count(1)

    def connect(self, engine: Engine) -> None:
        """Take events from *engine* from now on."""
        self._engine = engine

    def submit(self, request: Resolve | Exchange) -> Future[Done]:
        """Give *request* to the engine and return the future of its outcome."""
        if self._engine is None:
            raise EngineClosed("the server is not running")
        # Imported when the first request is made: most servers make none, and the module brings `logging` along.
        from concurrent.futures import Future

        ticket, future = next(self._tickets), Future[Done]()
        self._waiting[ticket] = future
        try:
            self._engine.submit(ticket, request)
        except BaseException:
            del self._waiting[ticket]
            raise
        return future

    def drain(self) -> None:
        """Handle the events that wait."""
        if self._engine is None:
            return
        for event in self._engine.drain(MAX_EVENTS):
            if isinstance(event, Done):
                future = self._waiting.pop(event.ticket, None)
                if future is not None and future.set_running_or_notify_cancel():
                    future.set_result(event)
            elif isinstance(event, Asked):
                self._handle(ClientRequest(self._engine, event))
            elif isinstance(event, Fault):
                self.log.event("error", "fault", event.text, fatal=event.fatal)
                if event.fatal and self.on_fatal is not None:
                    self.on_fatal()
            elif isinstance(event, Notice):
                self.log.event("warning", event.slug, event.text)
                if event.zone is not None and self.on_revoked is not None:
                    self.on_revoked(event.zone)
            elif isinstance(event, Dropped):
                self.log.event(
                    "warning", "events-dropped", f"{event.count} events were dropped", count=event.count
                )

    def _handle(self, request: ClientRequest) -> None:
        opcode = request.message.wire[2] >> 3 & 15
        handler = self.handlers.get(opcode)
        if handler is None:
            request.fail("NOTIMP")
            return
        try:
            handler(request)
        except Exception as error:
            self.log.event(
                "error", "fault", f"the handler of opcode {opcode} failed: {error!r}", opcode=opcode
            )
            request.fail("SERVFAIL")


class EventThread:
    """Drains *events* in a thread of its own."""

    def __init__(self, events: Events, engine: Engine) -> None:
        self._events = events
        self._fd = engine.event_fd()
        self._wake, self._end = os.pipe()
        self._thread = threading.Thread(target=self._run, name="namewise-events", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """End the thread."""
        os.close(self._end)
        self._thread.join()
        os.close(self._wake)

    def _run(self) -> None:
        poll = select.poll()
        poll.register(self._fd, select.POLLIN)
        poll.register(self._wake, select.POLLIN | select.POLLHUP)
        while all(fd != self._wake for fd, _ in poll.poll()):
            self._events.drain()

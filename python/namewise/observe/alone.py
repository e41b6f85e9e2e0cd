"""An engine in this process that serves nothing: for one question, or for queries to servers of the caller's choice."""

from __future__ import annotations

import itertools
import json
import os
import select
import threading
from concurrent.futures import Future
from typing import TYPE_CHECKING

from msgspec.structs import replace

from namewise.compile import plan_bytes, read_inputs
from namewise.engine import Done, Engine, Resolve, Snapshot
from namewise.policy.lists import ARTIFACT, refresh
from namewise.policy.report import located

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import TracebackType

    from namewise.config import Config
    from namewise.engine import Exchange, Policies
    from namewise.observe.explain import Document

WAIT_S = 30.0
"""Longer than any budget lets a question take."""


class Alone:
    """The engine, until the context ends. `ask` may be called from several threads."""

    def __init__(self, plan: bytes = b'{"version":1}') -> None:
        self._snapshot = Snapshot.build(plan, [])
        self._engine = Engine(1)
        self._tickets = itertools.count(1)
        self._waiting: dict[int, Future[Done]] = {}
        self._wake, self._end = os.pipe()
        self._thread = threading.Thread(target=self._drain, name="namewise-alone", daemon=True)

    def __enter__(self) -> Alone:
        self._engine.publish(self._snapshot, [])
        self._thread.start()
        return self

    def __exit__(self, *_: type[BaseException] | BaseException | TracebackType | None) -> None:
        os.close(self._end)
        self._thread.join()
        os.close(self._wake)
        self._engine.close(0.0)

    def use(self, policies: Policies | None) -> None:
        """Let these lists change answers."""
        self._engine.swap({ARTIFACT: policies})

    def ask(self, request: Resolve | Exchange, wait_s: float = WAIT_S) -> Done:
        """Return the outcome of *request*. Raises TimeoutError if there is none within *wait_s* seconds."""
        ticket, future = next(self._tickets), Future[Done]()
        self._waiting[ticket] = future
        self._engine.submit(ticket, request)
        return future.result(wait_s)

    def _drain(self) -> None:
        fd = self._engine.event_fd()
        while self._wake not in select.select([fd, self._wake], [], [])[0]:
            for event in self._engine.drain():
                if isinstance(event, Done):
                    self._waiting.pop(event.ticket).set_result(event)


def explain(config: Config, name: str, rtype: str, failed: Callable[[str], None]) -> Document:
    """Return the `namewise.explain/1` document for *name*, resolved by *config* with an empty cache.

    failed: receives the error of each list that cannot be read, and that does not apply therefore.
    """
    # Zones and keys of a server are left out: only its resolver is wanted.
    only = replace(config, zone=(), key=(), view=())
    lists = refresh(config)
    for failure in lists.failures:
        failed(failure.text())
    with Alone(plan_bytes(only, read_inputs(only), 1)) as engine:
        engine.use(lists.policies())
        done = engine.ask(Resolve(name, rtype))
    if done.explanation is None:
        raise TimeoutError(f"the resolver could not resolve {name}: {done.error}")
    document: Document = json.loads(done.explanation)
    return located(document, lists)

"""A resolver in this process, for one question: no server runs, or other settings than its own are wanted."""

from __future__ import annotations

import json
import select
from typing import TYPE_CHECKING

from namewise.compile import plan_bytes, read_inputs
from namewise.engine import Done, Engine, Resolve, Snapshot

if TYPE_CHECKING:
    from namewise.config import Config
    from namewise.observe.explain import Document

TICKET = 1
WAIT_S = 30.0
"""Longer than any budget lets a question take."""


def explain(config: Config, name: str, rtype: str) -> Document:
    """Return the `namewise.explain/1` document for *name*, resolved by *config* with an empty cache."""
    engine = Engine(1)
    try:
        # Zones and keys of a server are left out: only its resolver is wanted.
        alone = config.model_copy(update={"zone": (), "key": ()})
        engine.publish(Snapshot.build(plan_bytes(alone, read_inputs(alone), 1), []), [])
        engine.submit(TICKET, Resolve(name, rtype))
        ready, _, _ = select.select([engine.event_fd()], [], [], WAIT_S)
        for event in engine.drain(10) if ready else ():
            if isinstance(event, Done) and event.explanation is not None:
                document: Document = json.loads(event.explanation)
                return document
        raise TimeoutError(f"the resolver said nothing about {name} within {WAIT_S:.0f} s")
    finally:
        engine.close(0.0)

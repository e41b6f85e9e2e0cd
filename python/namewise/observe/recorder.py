"""The flight recorder: what the engine kept of questions that failed or were slow, as explanations."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from namewise.observe.explain import SCHEMA, stamp

if TYPE_CHECKING:
    from namewise.engine import Engine


def records(engine: Engine, name: str | None, number: int | None, most: int) -> list[dict[str, Any]]:
    """Return at most *most* records, newest first: about *name*, or with the number *number*, or the latest.

    Each is a `namewise.explain/1` document with two more keys: `id`, and `client` (address and transport,
    or None).
    """
    return [document(record) for record in json.loads(engine.recorder(name, number, most))]


def document(record: dict[str, Any]) -> dict[str, Any]:
    """Return the engine's *record* as an explanation. The recorder does not keep the answer's records."""
    return {
        "schema": SCHEMA,
        "id": record["id"],
        "client": record["client"],
        "question": record["question"],
        "started": stamp(record["unix_s"] - record["took_us"] / 1e6),
        "total_us": record["took_us"],
        "result": {"rcode": record["rcode"], "ede": record["ede"], "answer": []},
        "steps": record["steps"],
    }

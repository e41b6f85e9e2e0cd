"""The flight recorder: explanations of queries that failed or were slow."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from namewise.engine import Engine
    from namewise.observe.explain import Document


def records(engine: Engine, name: str | None, number: int | None, most: int) -> list[Document]:
    """Return at most *most* records, newest first.

    *name* selects the records about a name, and *number* the record with that number.

    Each is a `namewise.explain/1` document with two more keys: `id`, and `client`, the address of the
    client. The recorder does not store the records of the answer.
    """
    found = engine.recorded(name, number, most)
    return [{**json.loads(document), "id": record, "client": client} for record, client, document in found]

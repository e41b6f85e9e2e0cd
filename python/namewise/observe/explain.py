"""`namewise.explain/1`: one question, its result, and every step that led there, as one JSON document.

The steps are written by the engine's resolver while it works; here they only get their frame. The schema is
`docs/schema/explain-1.json`; changes to it are additions.

**Times.** `at_us` counts from the arrival of the question. Steps that are not `parallel` follow each other,
so that
their `took_us` add up to `total_us` within 1 %; a parallel step ran inside the time of another (its parent).
"""

from __future__ import annotations

import json
import time
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from namewise.engine import Message

SCHEMA = "namewise.explain/1"


def document(
    reply: Message, steps: str, total_us: int, started: float, *, more: dict[str, Any] | None = None
) -> dict[str, Any]:
    """Return the document for *reply*; *steps* is the engine's JSON, *started* seconds since 1970."""
    question = reply.question
    name, rtype, rclass = (
        (str(question.name), question.type, question.rclass) if question else (".", "A", "IN")
    )
    made: dict[str, Any] = {
        "schema": SCHEMA,
        "question": {"name": name, "type": rtype, "class": rclass},
        "started": stamp(started),
        "total_us": total_us,
        "result": {
            "rcode": reply.rcode,
            "ede": extended_errors(reply),
            "answer": [_record(record) for record in reply.records("answer")],
        },
        "steps": json.loads(steps),
    }
    made.update(more or {})
    return made


def extended_errors(reply: Message) -> list[dict[str, Any]]:
    """Return the extended errors of *reply*."""
    from namewise.engine import registry

    edns = reply.edns
    found: list[dict[str, Any]] = []
    for option in edns.options if edns is not None else ():
        if option.code == 15 and len(option.data) >= 2:
            code = int.from_bytes(option.data[:2], "big")
            text = option.data[2:].decode("utf-8", "replace")
            found.append({"code": code, "name": registry("ede").get(code, f"EDE{code}"), "text": text})
    return found


def stamp(at: float) -> str:
    """Return *at*, seconds since 1970, in UTC as ISO 8601 with milliseconds."""
    return time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(at)) + f".{int(at * 1000) % 1000:03d}Z"


def _record(record: Any) -> dict[str, Any]:
    return {
        "name": str(record.owner),
        "ttl": record.ttl,
        "class": record.rclass,
        "type": record.type,
        "data": str(record.rdata),
    }

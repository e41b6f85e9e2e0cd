"""`namewise.explain/1`: a question, its result and all steps of the lookup, as one JSON document.

The engine records the steps while it resolves, and writes the document at the end. This module has the name
of the format and its Python type. The schema `docs/schema/explain-1.json` describes every field. Later
versions only add fields.
"""

from __future__ import annotations

import time
from typing import Any

SCHEMA = "namewise.explain/1"

Document = dict[str, Any]
"""A `namewise.explain/1` document, as returned by `json.loads`."""


def stamp(at: float) -> str:
    """Return *at*, seconds since 1970, in UTC as ISO 8601 with milliseconds."""
    return time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(at)) + f".{int(at * 1000) % 1000:03d}Z"

"""`namewise.explain/1`: one question, its result, and every step that led there, as one JSON document.

The engine writes the steps while it resolves and the document when it is done. This module has the name of the format and the
type for Python. The schema, with the meaning of every field, is `docs/schema/explain-1.json`; it only changes by additions.
"""

from __future__ import annotations

import time
from typing import Any

SCHEMA = "namewise.explain/1"

Document = dict[str, Any]
"""A `namewise.explain/1` document, as `json.loads` gives it."""


def stamp(at: float) -> str:
    """Return *at*, seconds since 1970, in UTC as ISO 8601 with milliseconds."""
    return time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(at)) + f".{int(at * 1000) % 1000:03d}Z"

"""Events on standard error: one line each, text or JSON, with a slug and fields."""

from __future__ import annotations

import json
import sys
import time
from typing import TextIO

LEVELS = ("error", "warning", "info", "debug")


class Log:
    """Writes events of *level* and more important ones, as `text` or `json`."""

    def __init__(self, level: str = "info", form: str = "text", stream: TextIO | None = None) -> None:
        self.level = level
        self.form = form
        self.stream = stream

    def set(self, level: str, form: str) -> None:
        """Change level and form from now on."""
        self.level, self.form = level, form

    def shows(self, level: str) -> bool:
        """Say whether events of *level* are written."""
        return LEVELS.index(level) <= LEVELS.index(self.level)

    def event(self, level: str, slug: str, text: str, **fields: object) -> None:
        """Write the event *slug*: *text* for people, *fields* for programs."""
        if not self.shows(level):
            return
        stream = self.stream or sys.stderr
        if self.form == "json":
            stamp = (
                time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime()) + f".{time.time_ns() // 10**6 % 1000:03d}Z"
            )
            line = json.dumps({"time": stamp, "level": level, "event": slug, "text": text, **fields})
        else:
            line = f"namewise: {'' if level in ('info', 'debug') else level + ': '}{text}"
        stream.write(line + "\n")
        stream.flush()

"""The log: events on standard error, one line each, text or JSON, with a slug and fields.

A log that cannot be written (closed, full, nobody reads the pipe) never changes what the server does: the event is lost and
counted.
"""

from __future__ import annotations

import json
import sys
import time
from typing import TextIO

from namewise.config.values import printable

LEVELS = ("error", "warning", "info", "debug")


class Log:
    """Writes events of *level* and more important ones, as `text` or `json`."""

    def __init__(self, level: str = "info", form: str = "text", stream: TextIO | None = None) -> None:
        self.level = level
        self.form = form
        self.stream = stream
        self.lost = 0
        """Events that could not be written."""

    def set(self, level: str, form: str) -> None:
        """Change level and form from now on."""
        self.level, self.form = level, form

    def shows(self, level: str) -> bool:
        """Return whether events of *level* are written."""
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
        try:
            stream.write(printable(line) + "\n")
            stream.flush()
        except (OSError, ValueError, AttributeError):
            # AttributeError: sys.stderr is None where the descriptor was closed before the process began.
            self.lost += 1

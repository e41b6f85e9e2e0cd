"""The log: events on standard error, one line each, text or JSON, with a slug and fields.

A log that cannot be written (closed, full, a pipe that nobody reads) never changes what the server does, and the server never
waits for it: the event is lost and counted. The next event that can be written is preceded by one that says how many were lost.
"""

from __future__ import annotations

import json
import os
import select
import sys
import threading
import time
from collections.abc import Callable
from typing import TextIO

from namewise.config.values import printable

LEVELS = ("error", "warning", "info", "debug")
CHUNK = select.PIPE_BUF
"""Octets that a pipe or socket which is ready takes without waiting."""


Output = Callable[[str, str, str, dict[str, object]], None]
"""Receives level, slug, text and fields of an event."""


class Log:
    """Writes events of *level* and more important ones, as `text` or `json`, to *stream* (default: standard error).

    output: receives every event, whatever its level, in place of the stream.
    """

    def __init__(
        self,
        level: str = "info",
        form: str = "text",
        stream: TextIO | None = None,
        output: Output | None = None,
    ) -> None:
        self.level = level
        self.form = form
        self.stream = stream
        self.output = output
        self.lost = 0
        """Events that could not be written."""
        self._reported = 0
        self._writing = threading.Lock()

    def set(self, level: str, form: str) -> None:
        """Change level and form from now on."""
        self.level, self.form = level, form

    def shows(self, level: str) -> bool:
        """Return whether events of *level* are written."""
        return LEVELS.index(level) <= LEVELS.index(self.level)

    def event(self, level: str, slug: str, text: str, **fields: object) -> None:
        """Write the event *slug*: *text* for people, *fields* for programs."""
        if self.output is not None:
            self.output(level, slug, text, fields)
            return
        if not self.shows(level):
            return
        with self._writing:
            if self.lost > self._reported:
                lost = self.lost - self._reported
                text_lost = f"{lost} event{'' if lost == 1 else 's'} before this one could not be written"
                if not self._write(self._line("warning", "log-lost", text_lost, {"count": lost})):
                    self.lost += 1
                    return
                self._reported = self.lost
            self.lost += not self._write(self._line(level, slug, text, fields))

    def _line(self, level: str, slug: str, text: str, fields: dict[str, object]) -> str:
        if self.form == "json":
            stamp = (
                time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime()) + f".{time.time_ns() // 10**6 % 1000:03d}Z"
            )
            line = json.dumps({"time": stamp, "level": level, "event": slug, "text": text, **fields})
        else:
            line = f"namewise: {'' if level in ('info', 'debug') else level + ': '}{text}"
        return printable(line) + "\n"

    def _write(self, line: str) -> bool:
        """Write *line* if that needs no waiting; return whether all of it was written."""
        stream = self.stream or sys.stderr
        try:
            number = stream.fileno()
        except (OSError, ValueError, AttributeError):
            # A stream in memory, or a closed one. AttributeError: sys.stderr is None where the descriptor was closed before the
            # process began.
            return _write_to(stream, line)
        ready = select.poll()
        ready.register(number, select.POLLOUT)
        rest = memoryview(line.encode(errors="backslashreplace"))
        try:
            while rest:
                if not ready.poll(0):
                    return False
                rest = rest[os.write(number, rest[:CHUNK]) :]
        except OSError:
            return False
        return True


def _write_to(stream: TextIO | None, line: str) -> bool:
    try:
        stream.write(line)  # type: ignore[union-attr]  # None is one of the streams that cannot be written
        stream.flush()  # type: ignore[union-attr]
    except (OSError, ValueError, AttributeError):
        return False
    return True

"""Work beside the changes that producers wait for: folding zones, reading a source that reported a change."""

from __future__ import annotations

import sys
import threading
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable


class Background:
    """Runs jobs one after the other, in a thread that ends when there is none left.

    One job at a time bounds what the jobs occupy: a fold needs about as much memory as the zone.
    """

    def __init__(self) -> None:
        self._jobs: dict[Hashable, Callable[[], object]] = {}
        self._thread: threading.Thread | None = None
        self._lock = threading.Lock()

    def add(self, key: Hashable, job: Callable[[], object]) -> None:
        """Run *job* later; it replaces a job with the same *key* that has not begun."""
        with self._lock:
            self._jobs[key] = job
            if self._thread is None:
                # Not a daemon thread: one that the end of the interpreter stops inside the engine would end the process.
                self._thread = threading.Thread(target=self._run, name="namewise-zones")
                self._thread.start()

    def join(self) -> None:
        """Wait until no job is left."""
        while (thread := self._thread) is not None:
            thread.join()

    def _run(self) -> None:
        while True:
            with self._lock:
                if not self._jobs:
                    self._thread = None
                    return
                job = self._jobs.pop(next(iter(self._jobs)))
            try:
                job()
            except Exception:
                # A fault of one job is reported as that of a thread, and the others still run.
                threading.excepthook(threading.ExceptHookArgs((*sys.exc_info(), threading.current_thread())))

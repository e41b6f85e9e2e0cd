"""A thread that does what is due, waits for what is due next, and can be woken before: for work that goes on beside queries."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

from namewise.engine.errors import EngineClosed

if TYPE_CHECKING:
    from collections.abc import Callable

    from namewise.control.log import Log

LONGEST_WAIT_S = 600.0
"""After this time the clock is looked at again: it may have been set."""


class Follower:
    """Calls *act* again and again; it returns for how many seconds nothing is due.

    What *act* raises is logged as a fault of *what*, and it is called again after `LONGEST_WAIT_S`; `EngineClosed` ends the thread. All
    methods may be called from any thread.
    """

    def __init__(self, what: str, thread: str, act: Callable[[], float], log: Log) -> None:
        self.ended = False
        """Whether `close` was called: *act* changes nothing any more."""
        self._what, self._name, self._act, self._log = what, thread, act, log
        self._wake = threading.Event()
        self._thread: threading.Thread | None = None

    @property
    def started(self) -> bool:
        """Whether `start` was called."""
        return self._thread is not None

    def start(self) -> None:
        """Start the thread, unless that was done before."""
        if self._thread is None:
            self._thread = threading.Thread(target=self._run, name=self._name, daemon=True)
            self._thread.start()

    def wake(self) -> None:
        """Let *act* see now what is due."""
        self._wake.set()

    def close(self, wait_s: float | None = 1.0) -> None:
        """End the thread, and wait for it for at most *wait_s* seconds; None: for as long as it takes."""
        self.ended = True
        self._wake.set()
        if self._thread is not None:
            self._thread.join(wait_s)

    def _run(self) -> None:
        while not self.ended:
            try:
                wait_s = self._act()
            except EngineClosed:
                return
            except Exception as error:
                self._log.event("error", "fault", f"{self._what}: {error!r}")
                wait_s = LONGEST_WAIT_S
            self._wake.wait(wait_s)
            self._wake.clear()

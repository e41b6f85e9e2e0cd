"""A piece of work that many may ask for at once: those who ask before it begins share one run of it.

    asked ──┬─ none waits to begin: wait for the one that runs, then run ──> outcome
            └─ one waits to begin ────────────────────────────────────────> its outcome

Whoever asks while the work runs gets another run, because this one may have passed what is new to them. So no request is lost,
and a thousand requests cost two runs.
"""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Generic, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable

T = TypeVar("T")


class _Run(Generic[T]):
    """A run that has not ended, with its outcome afterwards."""

    def __init__(self) -> None:
        self.requests = 0
        self.ended = threading.Event()
        self.outcome: T
        self.error: BaseException | None = None


class Shared(Generic[T]):
    """Calls *work*, one call at a time. May be called from any thread."""

    def __init__(self, work: Callable[[], T]) -> None:
        self._work = work
        self._next: _Run[T] | None = None
        self._asking = threading.Lock()
        self._running = threading.Lock()

    @property
    def waiting(self) -> int:
        """The number of calls that share the run that has not begun. A signal handler may ask this."""
        run = self._next
        return 0 if run is None else run.requests

    def __call__(self) -> T:
        """Return the outcome of a call that began after this one, or raise its error."""
        with self._asking:
            joined = self._next
            run = joined or _Run[T]()
            run.requests += 1
            self._next = run
        if joined is None:
            self._begin(run)
        else:
            run.ended.wait()
        if run.error is not None:
            raise run.error
        return run.outcome

    def _begin(self, run: _Run[T]) -> None:
        with self._running:
            with self._asking:
                self._next = None
            try:
                run.outcome = self._work()
            except BaseException as error:
                run.error = error
            finally:
                run.ended.set()

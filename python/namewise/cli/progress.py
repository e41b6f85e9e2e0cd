"""Say that something is still going on, when it takes longer than a second and somebody is watching."""

from __future__ import annotations

TYPE_CHECKING = False  # typing costs more time to import than it is worth here
if TYPE_CHECKING:
    import threading

PATIENCE_S = 1.0


class Progress:
    """While the block runs, *what* and the seconds so far stand on standard error, if that is a terminal.

    Nothing is written in the first second, and the line is wiped at the end. Programs that read our output
    never see it.
    """

    def __init__(self, what: str) -> None:
        self.what = what
        self._ended: threading.Event | None = None
        self._thread: threading.Thread | None = None

    def __enter__(self) -> None:
        import sys

        if not sys.stderr.isatty():
            return
        import threading

        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._run, args=(self._ended,), daemon=True)
        self._thread.start()

    def __exit__(self, *_: object) -> None:
        if self._ended is not None and self._thread is not None:
            self._ended.set()
            self._thread.join()

    def _run(self, ended: threading.Event) -> None:
        import sys

        seconds = 0
        while not ended.wait(PATIENCE_S):
            seconds += 1
            sys.stderr.write(f"\r{self.what} ... {seconds} s")
            sys.stderr.flush()
        if seconds:
            sys.stderr.write("\r\x1b[K")
            sys.stderr.flush()

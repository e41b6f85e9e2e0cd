"""A progress line on the terminal for work that takes longer than a second."""

from __future__ import annotations

TYPE_CHECKING = False  # typing costs more time to import than it is worth here
if TYPE_CHECKING:
    import threading

FIRST_AFTER_S = 1.0


class Progress:
    """While the block runs, standard error shows *what* and the elapsed seconds, if it is a terminal.

    Nothing is written in the first second, and the line is erased at the end. If standard error is not a
    terminal, nothing is written.
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
        while not ended.wait(FIRST_AFTER_S):
            seconds += 1
            sys.stderr.write(f"\r{self.what} ... {seconds} s")
            sys.stderr.flush()
        if seconds:
            sys.stderr.write("\r\x1b[K")
            sys.stderr.flush()

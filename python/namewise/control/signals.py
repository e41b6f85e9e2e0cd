"""Signals that arrive before the server is ready.

The default action of SIGHUP, SIGUSR1 and SIGUSR2 is to kill the process; a supervisor may send one at any time. `catch` is
called before anything else is imported, and the event loop takes over when the server is ready.
"""

from __future__ import annotations

import signal

TYPE_CHECKING = False  # typing costs time before the first signal is safe
if TYPE_CHECKING:
    from types import FrameType


class EarlySignals:
    """What was asked for before the server was ready."""

    def __init__(self) -> None:
        self.reload_wanted = False

    def catch(self) -> None:
        """Keep SIGHUP until the server is ready, ignore SIGUSR1 and SIGUSR2, and end the start by SIGTERM."""
        signal.signal(signal.SIGHUP, self._hangup)
        signal.signal(signal.SIGTERM, _terminate)
        for number in (signal.SIGUSR1, signal.SIGUSR2):
            signal.signal(number, signal.SIG_IGN)

    def _hangup(self, _number: int, _frame: FrameType | None) -> None:
        self.reload_wanted = True


def _terminate(_number: int, _frame: FrameType | None) -> None:
    raise SystemExit(0)

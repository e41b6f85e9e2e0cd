"""Report the state of the server to systemd (sd_notify(3)); `Type=notify-reload` works with it.

Without systemd nothing is sent.
"""

from __future__ import annotations

import os
import socket
import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping


class Notifier:
    """Sends states to the socket that `$NOTIFY_SOCKET` names."""

    def __init__(self, environ: Mapping[str, str]) -> None:
        self.path = environ.get("NOTIFY_SOCKET", "")

    def ready(self, status: str) -> None:
        """The server answers queries; after `reloading`: by the new configuration, or still by the former."""
        self._send(f"READY=1\nSTATUS={status}\nMAINPID={os.getpid()}")

    def reloading(self) -> None:
        """A reload has begun; `ready` ends it, whether it succeeded or not."""
        self._send(f"RELOADING=1\nMONOTONIC_USEC={time.monotonic_ns() // 1000}")

    def stopping(self) -> None:
        """No more queries are accepted."""
        self._send("STOPPING=1")

    def _send(self, state: str) -> None:
        if not self.path:
            return
        address = "\0" + self.path[1:] if self.path.startswith("@") else self.path
        try:
            with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as link:
                link.connect(address)
                link.sendall(state.encode())
        except OSError:
            # The server works without a supervisor that listens.
            return

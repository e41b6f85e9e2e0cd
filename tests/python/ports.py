"""Ports for servers that a test starts as processes."""

from __future__ import annotations

import random
import socket

LOWEST, HIGHEST = 20000, 32000
"""Below the ports that systems give to clients: no connection of another program takes one in between."""
_held: list[socket.socket] = []


def free_port() -> int:
    """Return a port that is free for UDP and TCP on every address. No other test gets the same, in any process.

    The claim is a socket with an abstract name (unix(7)): it ends with this process and leaves no file.
    """
    for port in random.sample(range(LOWEST, HIGHEST), 1000):
        claim = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        try:
            claim.bind(f"\0namewise-test-port-{port}")
        except OSError:
            claim.close()
            continue
        _held.append(claim)
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as udp, socket.socket() as tcp:
            try:
                udp.bind(("0.0.0.0", port))
                tcp.bind(("0.0.0.0", port))
            except OSError:
                continue
        return port
    raise OSError("no port is free")

"""Ports for servers that a test starts as processes."""

from __future__ import annotations

import random

from namewise.lab import ports

CANDIDATES = range(20000, 32000)
"""Below the ports that systems give to clients: no connection of another program takes one in between."""


def free_port() -> int:
    """Return a port that is free for UDP and TCP. No other test gets the same, in any process."""
    return ports.free_port(random.sample(CANDIDATES, 1000))

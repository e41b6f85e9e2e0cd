"""File descriptors: how many the configured limits may need, how many the system grants.

Every connection of a client and every query to a server needs a descriptor. Without one, connections wait and queries fail,
but only under load; so the server warns at start and at every reload.
"""

from __future__ import annotations

import resource
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from namewise.config import Config

OURS = 64
"""Descriptors of the process itself: standard streams, control socket and its connections, event loops, files that are
being read."""
IDLE_PORTS = 512
"""Sockets to servers that one worker keeps for the next question."""


def raise_limit() -> int:
    """Raise the soft limit of open files (RLIMIT_NOFILE) to the hard limit, and return it."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft != hard:
        try:
            resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
        except (OSError, ValueError):
            # The hard limit may be above what the kernel grants any process (fs.nr_open); the soft limit then stays.
            return soft
    return hard


def needed(config: Config, workers: int, limits: dict[str, int] | None, sockets: int) -> int:
    """Return how many descriptors *config* may need at once with *workers* and *sockets* to listen on.

    limits: the budget of the resolver, None without recursion.
    """
    tcp = any("tcp" in listen.transports for listen in config.listen)
    each = config.server.tcp_connections if tcp else 0
    if limits is not None:
        each += IDLE_PORTS + limits["max_in_flight"]
    # The engine works on a duplicate of every socket.
    return OURS + 2 * sockets + workers * each


def shortage(
    config: Config, workers: int, limits: dict[str, int] | None, sockets: int, granted: int
) -> str | None:
    """Return a warning if *granted* descriptors are fewer than may be needed, or None."""
    wanted = needed(config, workers, limits, sockets)
    if granted == resource.RLIM_INFINITY or granted >= wanted:
        return None
    lower = "[server] workers or tcp_connections" + (
        "" if limits is None else ", [resolver.budget] max_in_flight"
    )
    return (
        f"{granted} files may be open at once, but the configured limits may need {wanted}: under load "
        f"connections would wait and queries fail. Raise the hard limit (LimitNOFILE={wanted} in a systemd "
        f"unit, ulimit -Hn {wanted} as root), or lower {lower}"
    )

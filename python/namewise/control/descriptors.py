"""File descriptors: how many the configured limits may need, how many the system grants.

Every connection of a client and every question to a server is a descriptor. Without one, connections wait
unaccepted and questions fail, under load and nowhere else; so it is said at start and at every reload.
"""

from __future__ import annotations

import resource
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from namewise.config import Config

OURS = 64
"""The process's own: standard streams, control socket and its connections, event loops, files while they are
read."""
IDLE_PORTS = 256
"""Sockets to servers that one worker keeps for the next question."""


def raise_limit() -> int:
    """Raise the soft limit of open files (RLIMIT_NOFILE) to the hard one, and return it."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft != hard:
        try:
            resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
        except (OSError, ValueError):
            # Where the hard limit is more than the kernel lets anybody have (fs.nr_open), the soft one stays.
            return soft
    return hard


def needed(config: Config, limits: dict[str, int] | None, sockets: int) -> int:
    """Return how many descriptors *config* may need at once: *sockets* are listened on, *limits* are the
    resolver's (None: no recursion)."""
    tcp = any("tcp" in listen.transports for listen in config.listen)
    each = config.server.tcp_connections if tcp else 0
    if limits is not None:
        each += IDLE_PORTS + limits["max_in_flight"]
    # The engine works on a duplicate of every socket that it is given.
    return OURS + 2 * sockets + config.worker_count() * each


def shortage(config: Config, limits: dict[str, int] | None, sockets: int, granted: int) -> str | None:
    """Return what to tell when *granted* descriptors are fewer than may be needed, or None."""
    wanted = needed(config, limits, sockets)
    if granted == resource.RLIM_INFINITY or granted >= wanted:
        return None
    lower = "[server] workers or tcp_connections" + (
        "" if limits is None else ", [resolver.budget] max_in_flight"
    )
    return (
        f"{granted} files may be open at once, but the configured limits may need {wanted}: under load "
        f"connections would wait and questions fail. Raise the hard limit (LimitNOFILE={wanted} in a systemd "
        f"unit, ulimit -Hn {wanted} as root), or lower {lower}"
    )

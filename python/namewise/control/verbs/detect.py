"""`detect`: the domains that look most like tunnels now, with every feature."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from namewise.control.verbs import needs_resolver

if TYPE_CHECKING:
    from namewise.control.arguments import Arguments
    from namewise.control.daemon import Daemon

ARGUMENTS = ()
MOST = 20
"""Domains that are shown."""


def run(daemon: Daemon, _: Arguments) -> dict[str, Any]:
    """Return what is watched, and the domains, the most suspicious first."""
    needs_resolver(daemon)
    config, engine = daemon.service.config, daemon.service.engine
    return {
        "tunnels": None if config.tunnels is None else config.tunnels.action,
        "amplification": None if config.amplification is None else config.amplification.action,
        "domains": engine.suspicions(MOST) or [],
        "refused": engine.stats()["detect.refused"],
        "truncated": engine.stats()["detect.truncated"],
        "dropped": engine.stats()["detect.dropped"],
    }

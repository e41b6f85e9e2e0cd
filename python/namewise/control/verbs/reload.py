"""`reload`: take configuration and zones as they are now into use."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from namewise.control.arguments import Arguments
    from namewise.control.daemon import Daemon

ARGUMENTS = ()


def run(daemon: Daemon, _: Arguments) -> dict[str, Any]:
    """Return the new generation, the differences, warnings, and the zones and the lists that could not be loaded."""
    outcome = daemon.reload()
    return {
        "generation": outcome.generation,
        "changes": list(outcome.changes),
        "warnings": list(outcome.warnings),
        "failures": list(outcome.failures),
        "list_failures": list(outcome.list_failures),
    }

"""`reload`: take configuration and zones as they are now into use."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from namewise.control.arguments import Arguments
    from namewise.control.daemon import Daemon

ARGUMENTS = ("remove",)


def run(daemon: Daemon, arguments: Arguments) -> dict[str, Any]:
    """Return the new generation, the differences, warnings, and the zones and the lists that could not be loaded.

    `remove`: remove the zones whose files are gone, however many they are.
    """
    outcome = daemon.reload_removing() if arguments.flag("remove") else daemon.reload()
    return {
        "generation": outcome.generation,
        "changes": list(outcome.changes),
        "warnings": list(outcome.warnings),
        "failures": list(outcome.failures),
        "list_failures": list(outcome.list_failures),
    }

"""The verbs of the control socket: one file for each, with `ARGUMENTS`, the names of its arguments, and `def run(daemon, arguments)`.

A verb is imported when it is first called: a server that is never asked starts faster. It runs in the thread of the
connection that asked, so it may block.
"""

from __future__ import annotations

from functools import partial
from importlib import import_module
from typing import TYPE_CHECKING, Any

from namewise.control.arguments import Arguments
from namewise.control.client import ControlError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from namewise.control.daemon import Daemon

VERBS = (
    "anchors",
    "cache",
    "detect",
    "dump",
    "exchange",
    "explain",
    "flush",
    "load",
    "nta",
    "policy",
    "reload",
    "resolver",
    "route",
    "rrl",
    "signing",
    "status",
    "stop",
    "why",
    "zone",
)


def table(daemon: Daemon) -> dict[str, Callable[..., dict[str, Any]]]:
    """Return what the control socket calls for each verb."""
    return {verb: partial(_call, daemon, verb) for verb in VERBS}


def _call(daemon: Daemon, verb: str, given: Mapping[str, Any], uid: int = -1) -> dict[str, Any]:
    module = import_module(f"namewise.control.verbs.{verb}")
    arguments = Arguments(verb, given, uid)
    arguments.only(module.ARGUMENTS)
    answer: dict[str, Any] = module.run(daemon, arguments)
    return answer


def needs_resolver(daemon: Daemon) -> None:
    """Raise `ControlError` if the server does not resolve names."""
    if daemon.service.config.resolver is None:
        hint = "Add a [resolver] table to the configuration, or start with --recursive."
        raise ControlError("this server does not resolve names", hint, "NO_RESOLVER")

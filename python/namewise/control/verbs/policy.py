"""`policy`: read the lists again, pause them, show them, test a name."""

from __future__ import annotations

import ipaddress
from typing import TYPE_CHECKING, Any

from namewise.control.client import ControlError
from namewise.policy.report import verdict

if TYPE_CHECKING:
    from namewise.control.arguments import Arguments
    from namewise.control.daemon import Daemon

MOST_PAUSE_S = 7 * 86400.0
"""A pause is at most this long, so that lists which were paused by mistake come back."""


def run(daemon: Daemon, arguments: Arguments) -> dict[str, Any]:
    """Do what `do` says: `reload`, `pause`, `resume`, `status` or `test`. Return the state of the lists, or the verdict."""
    service, do = daemon.service, arguments.text("do")
    if do == "test":
        client = arguments.text("client", "127.0.0.1")
        try:
            ipaddress.ip_address(client)
        except ValueError:
            raise arguments.wrong("client", "an IP address") from None
        paused = tuple(service.pauses)
        return verdict(service.lists, arguments.name("name"), client, arguments.optional_name("key"), paused)
    failures: tuple[str, ...] = ()
    if do == "reload":
        failures = service.reload_lists()
    elif do in ("pause", "resume"):
        group = arguments.optional_text("group")
        if group is not None and group not in {one.name for one in service.config.group}:
            raise ControlError(f"no [[group]] is named {group!r}", code="BAD_ARGUMENT")
        if do == "pause":
            service.pause_lists(group, arguments.seconds("seconds", MOST_PAUSE_S))
        else:
            service.resume_lists(group)
    elif do != "status":
        raise arguments.wrong("do", "reload, pause, resume, status or test")
    return {"lists": lists(daemon), "paused": service.paused(), "failures": list(failures)}


def lists(daemon: Daemon) -> list[dict[str, Any]]:
    """Return the state of each list: its rules, their memory, and how often they applied."""
    return [
        {
            "name": one.settings.name,
            "file": one.settings.file,
            "rules": len(one.rules),
            "octets": one.rules.octets,
            "without_effect": one.rules.fault_count,
            "groups": list(one.settings.groups),
            "log_only": one.settings.log_only,
            "hits": one.rules.hits,
        }
        for one in daemon.service.lists.lists
    ]

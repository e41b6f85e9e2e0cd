"""`nta`: add, remove and list negative trust anchors (RFC 7646)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from namewise.control.client import ControlError
from namewise.control.verbs import needs_resolver
from namewise.dnssec.negative import LIFETIME_S, MOST_LIFETIME_S

if TYPE_CHECKING:
    from namewise.control.arguments import Arguments
    from namewise.control.daemon import Daemon

OF = {"add": ("name", "lifetime_s"), "remove": ("name",), "list": ()}
"""What can be done, and the arguments of each besides `action`."""
ARGUMENTS = ("action", "name", "lifetime_s")


def run(daemon: Daemon, arguments: Arguments) -> dict[str, Any]:
    """Return the negative trust anchors: those of the configuration, and those of the run time with their ends."""
    needs_resolver(daemon)
    trust = daemon.service.trust
    assert trust is not None, "needs_resolver has seen the resolver"
    action = arguments.text("action")
    if action not in OF:
        raise arguments.wrong("action", ", ".join(OF))
    arguments.only(("action", *OF[action]), when=action)
    if action == "add":
        name = arguments.name("name")
        if name == ".":
            hint = 'validation = "off" in [resolver] does that.'
            raise ControlError("nta: the root as a whole is not excepted", hint, "BAD_ARGUMENT")
        try:
            trust.add(name, arguments.number("lifetime_s", LIFETIME_S, 1, MOST_LIFETIME_S))
        except ValueError as error:
            raise ControlError(f"nta: {error}", code="LIMIT") from None
    elif action == "remove":
        name = arguments.name("name")
        if not trust.remove(name):
            hint = "nw ctl nta list shows them; those of the configuration are removed there."
            raise ControlError(f"nta: there is none at {name} that was added at run time", hint, "NOT_FOUND")
    resolver = daemon.service.config.resolver
    configured = resolver.negative_trust_anchors if resolver is not None else ()
    return {
        "configured": list(configured),
        "added": [{"name": one.name, "until": one.until, "probe": one.probe} for one in trust.now.negative],
    }

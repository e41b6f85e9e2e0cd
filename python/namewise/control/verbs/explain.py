"""`explain`: answer a question as a client would be answered, and return every step."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from namewise.control.client import ControlError
from namewise.engine import Resolve
from namewise.policy.report import located

if TYPE_CHECKING:
    from namewise.control.arguments import Arguments
    from namewise.control.daemon import Daemon

ARGUMENTS = (
    "name",
    "type",
    "class",
    "client",
    "transport",
    "checking_disabled",
    "empty_cache",
    "forwarder",
    "policy_off",
)


def run(daemon: Daemon, arguments: Arguments) -> dict[str, Any]:
    """Return the `namewise.explain/1` document for `name`, `type` and `class`, as the address `client` (default: this machine)
    would be answered over `transport` (`udp`, `tcp`; default TCP).

    Counterfactuals: `checking_disabled` (CD, no validation), `empty_cache`, and `forwarder` (`ADDRESS:PORT`), which replaces the
    configured forwarders of the name, and `policy_off`, without lists.
    """
    forwarder = arguments.optional_text("forwarder")
    name, rtype, rclass = arguments.name("name"), arguments.text("type", "A"), arguments.text("class", "IN")
    try:
        request = Resolve(
            name,
            rtype,
            rclass,
            client=arguments.text("client", "127.0.0.1"),
            transport=arguments.text("transport", "tcp"),
            checking_disabled=arguments.flag("checking_disabled"),
            empty_cache=arguments.flag("empty_cache"),
            forwarders=[] if forwarder is None else [forwarder],
            policy_off=arguments.flag("policy_off"),
        )
    except ValueError as error:
        raise ControlError(f"explain: {error}", code="BAD_ARGUMENT") from None
    done = daemon.service.events.submit(request).result()
    if done.explanation is None:
        raise ControlError(f"no response can be explained: {done.error}", code="UNABLE")
    return {"explanation": located(json.loads(done.explanation), daemon.service.lists_in_use)}

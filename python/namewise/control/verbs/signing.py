"""`signing`: how zones are signed here, and roll-overs of their keys."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from namewise.control.client import ControlError
from namewise.dnssec.policy import Role

if TYPE_CHECKING:
    from namewise.control.arguments import Arguments
    from namewise.control.daemon import Daemon

OF: dict[str, tuple[str, ...]] = {
    "status": (),
    "start": ("role", "emergency"),
    "ignored": ("key",),
    "parent": (),
}
"""What can be done, and the arguments of each besides `do` and `name`."""
ARGUMENTS = ("do", "name", *dict.fromkeys(word for words in OF.values() for word in words))
ROLES = tuple(role.value for role in Role)


def run(daemon: Daemon, arguments: Arguments) -> dict[str, Any]:
    """Return how the zone `name` is signed, after what `do` has done."""
    do = arguments.text("do")
    if do not in OF:
        raise arguments.wrong("do", f"one of {', '.join(OF)}")
    arguments.only(("do", "name", *OF[do]), when=do)
    name, signing = arguments.name("name"), daemon.service.signing
    if daemon.service.registry.find(name) is None:
        raise ControlError(f"zone {name} is not served here", "`nw zone list` shows the zones.", "NO_ZONE")
    if signing is None or signing.status(name) is None:
        raise ControlError(
            f"zone {name} is not signed here",
            'Set `dnssec = "default"` or the name of a [[dnssec]] table in its [[zone]], then `nw ctl reload`.',
            "NOT_SIGNED",
        )
    try:
        if do == "start":
            role = arguments.text("role")
            if role not in ROLES:
                raise arguments.wrong("role", f"one of {', '.join(ROLES)}")
            signing.request(name, Role(role), compromised=arguments.flag("emergency"))
        elif do == "ignored":
            signing.ignored(name, arguments.text("key"))
        elif do == "parent" and signing.look(name) is None:
            raise ControlError(
                f"the servers of the parent of {name} are not known",
                "Set `parent` in its [[zone]], or let this server resolve names ([resolver]).",
                "NO_PARENT",
            )
    except KeyError as error:
        raise ControlError(f"zone {name} has no key {error.args[0]}", code="NO_KEY") from None
    except ValueError as error:
        raise ControlError(f"zone {name}: {error}", code="NO_KEY") from None
    found = signing.status(name)
    assert found is not None, "it was there a moment ago"
    return {"name": name, **found}

"""`policy`: read the lists again, pause them, show them, test a name."""

from __future__ import annotations

import ipaddress
from typing import TYPE_CHECKING, Any

from namewise.control.client import ControlError
from namewise.engine import Message, Resolve
from namewise.policy.report import Question, check_key, followed, verdict

if TYPE_CHECKING:
    from collections.abc import Iterable

    from namewise.config import Config
    from namewise.control.arguments import Arguments
    from namewise.control.daemon import Daemon

OF = {
    "status": (),
    "reload": (),
    "pause": ("group", "seconds"),
    "resume": ("group",),
    "test": ("name", "client", "key", "type", "answer", "aliases", "servers"),
}
"""What can be done, and the arguments of each besides `do`."""
ARGUMENTS = ("do", *dict.fromkeys(key for keys in OF.values() for key in keys))
MOST_PAUSE_S = 7 * 86400.0
"""A pause is at most this long, so that lists which were paused by mistake come back."""


def run(daemon: Daemon, arguments: Arguments) -> dict[str, Any]:
    """Do what `do` says: `reload`, `pause`, `resume`, `status` or `test`. Return the state of the lists, or the verdict."""
    service, do = daemon.service, arguments.text("do")
    if do not in OF:
        raise arguments.wrong("do", ", ".join(OF))
    arguments.only(("do", *OF[do]), when=do)
    lists = service.lists
    if do == "test":
        question = _question(arguments)
        _known_key(service.config, question.key)
        return {**_test(daemon, question), "paused": {} if lists is None else lists.paused()}
    if lists is None:
        if do in ("pause", "resume"):
            hint = "Add a [[list]] table to the configuration and reload."
            raise ControlError("this server has no lists", hint, "NO_LISTS")
        return {"lists": [], "paused": {}, "failures": []}
    failures: tuple[str, ...] = ()
    ended: dict[str, bool] = {}
    if do == "reload":
        failures = lists.reload()
    elif do in ("pause", "resume"):
        group = arguments.optional_text("group")
        known = {one.name for one in service.config.group} | set(lists.pauses)
        if group is not None and group not in known:
            raise ControlError(f"no [[group]] is named {group!r}", code="BAD_ARGUMENT")
        if do == "pause":
            lists.pause(group, arguments.seconds("seconds", MOST_PAUSE_S))
        else:
            ended["ended"] = lists.resume(group)
    return {"lists": lists.status(), "paused": lists.paused(), "failures": list(failures), **ended}


def _known_key(config: Config, key: str | None) -> None:
    try:
        check_key(config, key)
    except ValueError as error:
        raise ControlError(f"policy test: {error}", code="BAD_ARGUMENT") from None


def _test(daemon: Daemon, question: Question) -> dict[str, Any]:
    """Return what the lists do with *question*. Its aliases and addresses are looked up if none are given and they may decide;
    `looked_up` is the response code then. Its name servers are those that the cache knows, unless they are given."""
    service = daemon.service
    lists, known = service.lists_in_use, service.engine.name_servers
    paused = () if service.lists is None else tuple(service.lists.pauses)
    found = verdict(lists, question, paused)
    given = question.aliases or question.addresses or question.servers
    if given or service.config.resolver is None or (found["winner"] and not found["waits"]):
        return verdict(lists, question, paused, known)
    request = Resolve(question.name, question.type or "A", client=question.client, policy_off=True)
    done = service.events.submit(request).result()
    if done.wire is None:
        return {**verdict(lists, question, paused, known), "looked_up": done.error or "no response"}
    answer = Message.parse(done.wire)
    return {**verdict(lists, followed(question, answer), paused, known), "looked_up": answer.rcode}


def _question(arguments: Arguments) -> Question:
    def addresses(key: str, given: Iterable[str]) -> tuple[str, ...]:
        try:
            return tuple(str(ipaddress.ip_address(text)) for text in given)
        except ValueError:
            raise arguments.wrong(key, "an IP address") from None

    (client,) = addresses("client", [arguments.text("client", "127.0.0.1")])
    answer = addresses("answer", (arguments.optional_text("answer") or "").split())
    servers = []
    for server in (arguments.optional_text("servers") or "").split():
        name, *given = server.split("=")
        servers.append((name, addresses("servers", given)))
    name, key, rtype = arguments.name("name"), arguments.optional_name("key"), arguments.optional_text("type")
    return Question(name, client, key, rtype, answer, arguments.names("aliases"), tuple(servers))

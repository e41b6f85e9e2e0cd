"""What the lists say about one name: every list and line that holds it, and what decides.

Refreshed, Question ─> verdict ─> `nw policy test`
explanation, Refreshed ─> located ─> `nw explain`, `nw why`: with file and line of each rule
ReadList ─> unused, doubtful ─> `nw policy check`, log: lines without effect or with another meaning than meant

The engine keeps no lines. They are found in the file as it is now.
"""

from __future__ import annotations

import ipaddress
from typing import TYPE_CHECKING, Any, NamedTuple

from namewise.config.values import nearest
from namewise.engine import Name, PolicyList
from namewise.engine.errors import BadName

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from namewise.config import Config
    from namewise.engine import Message
    from namewise.policy.lists import ReadList, Refreshed

ANCESTORS = 128
"""Labels of a name, at most."""
BLOCKS = ("rpz-client-ip", "rpz-ip", "rpz-nsip")
"""The last labels of triggers that are address blocks."""

Document = dict[str, Any]
"""A `namewise.explain/1` document."""


class Question(NamedTuple):
    """What the lists are asked about."""

    name: str
    client: str = "127.0.0.1"
    key: str | None = None
    type: str | None = None
    """The type of the query."""
    addresses: tuple[str, ...] = ()
    """The addresses of the answer: of the last name of the alias chain."""
    aliases: tuple[str, ...] = ()
    """The targets of the alias chain that starts at the name."""
    servers: tuple[tuple[str, tuple[str, ...]], ...] = ()
    """Name servers of the zone of the name, each with its addresses."""


Servers = list[tuple[int, str, list[str]]]
"""Name servers of a name: labels of the zone, name, addresses."""


def check_key(config: Config, key: str | None) -> None:
    """Raise `ValueError` if *key* is not the name of a `[[key]]`: no request can be signed with it."""
    known = [one.name for one in config.key]
    if key is not None and key.lower() not in map(str.lower, known):
        guess = nearest(key, known)
        raise ValueError(f"no [[key]] is named {key!r}" + (f"; did you mean {guess!r}?" if guess else ""))


def verdict(
    lists: Refreshed,
    question: Question,
    paused: tuple[str | None, ...] = (),
    known: Callable[[str], Servers] = lambda _: [],
) -> dict[str, Any]:
    """Return what the lists do with a query, as the server decides.

    Lists apply to every name of the alias chain: rules of the first name come first. The rules of the lists that apply come in the
    order of precedence, each with the name that it is for, with file and line; `held` has every line of every list that holds a name
    of the chain, also of lists for other clients.

    known: returns the name servers of a name, unless *question* has some. `unjudged` has the lists that could decide if a name server of
    the name were known.
    """
    policies = lists.policies(paused)
    # The number of labels of the zone is not known: no zone is spared.
    given = [(ANCESTORS - 1, name, list(addresses)) for name, addresses in question.servers]
    places = Places(lists)
    chain = (question.name, *question.aliases)
    rules: list[dict[str, Any]] = []
    judged = False
    for at, name in enumerate(chain if policies is not None else ()):
        assert policies is not None
        addresses = question.addresses if at == len(chain) - 1 else ()
        servers = known(name) if not given else given if at == 0 else []
        # Where only the root and a top-level domain are known, the servers of the name are not.
        judged = judged or any(labels > 1 for labels, *_ in servers)
        applies = policies.test(
            name,
            question.client,
            question.key,
            question.type,
            list(addresses),
            servers,
            queried=at == 0,
        )
        for listed, trigger, owner, action, log_only in applies:
            rule = {"list": listed, "name": name, "trigger": trigger, "action": action, "log_only": log_only}
            rules.append({**rule, **places.of(listed, owner)})
    winner = next((rule for rule in rules if not rule["log_only"]), None)
    held = [line for name in chain for one in lists.lists for line in _lines(one, name)]
    waits = [] if question.addresses or judged else lists.lists
    # In one list, a rule about the name precedes those about its servers.
    before = [one.settings.name for one in lists.lists]
    before = before[: before.index(winner["list"])] if winner is not None else before
    unjudged = [] if judged else [one for one in lists.lists if one.settings.name in before]
    return {
        "name": question.name,
        "client": question.client,
        "chain": list(chain),
        "action": "none" if winner is None else winner["action"],
        "winner": winner,
        "rules": rules,
        "held": held,
        "waits": [one.settings.name for one in waits if one.rules.reads_answers],
        "unjudged": [one.settings.name for one in unjudged if one.rules.reads_servers],
    }


def followed(question: Question, answer: Message) -> Question:
    """Return *question* with the alias chain and the addresses of *answer*."""
    aliases = {
        str(rrset.owner).lower(): str(rrset.rdatas[0]) for rrset in answer.answer if rrset.type == "CNAME"
    }
    chain = [question.name]
    while (target := aliases.get(chain[-1].lower())) and target.lower() not in map(str.lower, chain):
        chain.append(target)
    addresses = tuple(
        str(rdata)
        for rrset in answer.answer
        if rrset.type in ("A", "AAAA") and str(rrset.owner).lower() == chain[-1].lower()
        for rdata in rrset.rdatas
    )
    return question._replace(aliases=tuple(chain[1:]), addresses=addresses)


def located(document: Document, lists: Refreshed) -> Document:
    """Return *document* with file and line of each rule of a list that it names, in the steps and in the diagnosis."""
    steps = [step for step in document["steps"] if "rule" in step]
    if not steps:
        return document
    places = Places(lists)
    for step in steps:
        rule = step["rule"]
        rule.update(places.of(rule["list"], rule["owner"]))
        if rule["file"] is None:
            continue
        place = f" ({rule['file']}:{rule['line']})"
        step["text"] += place
        said = document.get("diagnosis")
        if said and said.startswith(("blocked: ", "truncated: ")) and step is steps[-1]:
            document["diagnosis"] = said + place
    return document


def unused(one: ReadList, most: int | None = None) -> Iterator[str]:
    """Yield the lines, or the rules of a policy zone, without effect, each with its place and the reason; at most *most* of them."""
    yield from one.skipped[:most]
    faults = [*one.rules.wrong, *one.rules.faults]
    faults = faults[: None if most is None else max(0, most - len(one.skipped))]
    yield from _placed(one, faults)


def doubtful(one: ReadList) -> Iterator[str]:
    """Yield the rules of a policy zone that probably mean something else, each with its place and the reason."""
    yield from _placed(one, one.rules.warnings)


def _placed(one: ReadList, findings: Sequence[tuple[int | str, str]]) -> Iterator[str]:
    """Yield *findings* with file and line. Findings name a line, or the owner of a rule in a policy zone."""
    zone, file = one.settings.zone, one.settings.file
    lines: dict[str, int] = {}
    if zone is not None and findings:
        wanted = {_trigger(str(owner).lower()) for owner, _ in findings}
        for line, _, _, trigger in _records(_read(file), zone, wanted):
            lines.setdefault(trigger, line)
    for place, message in findings:
        if isinstance(place, int):
            yield f"{file}:{place}: {message}"
        else:
            at = lines.get(_trigger(place.lower()))
            yield f"{file}{'' if at is None else f':{at}'}: {place}: {message}"


class Places:
    """The places of rules in the files of lists. Each file is read at most once."""

    def __init__(self, lists: Refreshed) -> None:
        self._lists = {one.settings.name: one for one in lists.lists}
        self._texts: dict[str, bytes] = {}

    def of(self, listed: str, owner: str) -> dict[str, Any]:
        """Return `file` and `line` of the rule with *owner* of the list called *listed*; None if there is none any more."""
        one = self._lists.get(listed)
        line = None if one is None else self._line(one, owner)
        return {"file": None if one is None or line is None else one.settings.file, "line": line}

    def _line(self, one: ReadList, owner: str) -> int | None:
        text = self._texts.setdefault(one.settings.file, _read(one.settings.file))
        if one.settings.zone is None:
            below = owner.startswith("*.")
            name = owner.removeprefix("*.") or "."
            lines = PolicyList.lines_for(text, f"a.{name}" if below and name != "." else name)
            found = [line for line, held, _ in lines if held.lower() == name.lower()]
        else:
            wanted = {_trigger(owner.lower())}
            found = [line for line, *_ in _records(text, one.settings.zone, wanted)]
        return found[0] if found else None


def _lines(one: ReadList, name: str) -> Iterator[dict[str, Any]]:
    """Yield each line of the file of a list that holds *name*. A file that cannot be read any more has none."""
    text = _read(one.settings.file)
    zone = one.settings.zone
    if zone is None:
        found: Iterable[tuple[int, str, str]] = PolicyList.lines_for(text, name)
    else:
        labels = name.lower().rstrip(".").split(".")
        wanted = {name.lower()}
        wanted |= {f"*.{'.'.join([*labels[at:], ''])}" for at in range(1, min(len(labels), ANCESTORS) + 1)}
        records = _records(text, zone, {_trigger(owner) for owner in wanted})
        found = ((line, owner, data) for line, owner, data, _ in records)
    for line, listed, rule in found:
        yield {
            "list": one.settings.name,
            "file": one.settings.file,
            "line": line,
            "listed": listed,
            "rule": rule,
        }


def _read(path: str) -> bytes:
    try:
        with open(path, "rb") as opened:
            return opened.read().removeprefix(b"\xef\xbb\xbf")
    except OSError:
        return b""


def _records(text: bytes, apex: str, wanted: set[str]) -> Iterator[tuple[int, str, str, str]]:
    """Yield line, owner, data and trigger of the records of the policy zone *apex* whose trigger is one of *wanted*."""
    zone = apex.lower()
    origin = zone
    for number, raw in enumerate(text.decode("ascii", "replace").splitlines(), 1):
        words = raw.split(";", 1)[0].split()
        if not words or raw[0].isspace():
            continue
        if words[0].upper() == "$ORIGIN" and len(words) > 1:
            origin = words[1].lower()
            continue
        owner = words[0].lower()
        if not owner.endswith("."):
            owner = f"{owner}.{origin}"
        relative = owner.removesuffix(zone)
        trigger = _trigger(relative)
        if relative != owner and trigger in wanted:
            yield number, _shown(relative), " ".join(words[1:]), trigger


def _trigger(owner: str) -> str:
    """Return *owner*, without the name of the zone, in one form: an IPv6 block can be written in several ways."""
    block, _, kind = owner.rstrip(".").rpartition(".")
    if kind not in BLOCKS:
        return owner
    length, *parts = block.split(".")
    parts.reverse()
    text = ".".join(parts)
    if len(parts) != 4 or not all(part.isdecimal() for part in parts):
        text = ":".join("" if part == "zz" else part for part in parts)
        text = f"{':' if parts[:1] == ['zz'] else ''}{text}{':' if parts[-1:] == ['zz'] else ''}"
    try:
        return f"{ipaddress.ip_network(f'{text}/{length}')} {kind}"
    except ValueError:
        return owner


def _shown(owner: str) -> str:
    try:
        return str(Name(owner or "."))
    except BadName:
        return owner

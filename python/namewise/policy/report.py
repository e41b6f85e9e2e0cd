"""What the lists say about one name: every list and line that holds it, and what decides.

Refreshed, name, client ─> verdict ─> `nw policy test`
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from namewise.engine import Name, PolicyList
from namewise.engine.errors import BadName

if TYPE_CHECKING:
    from collections.abc import Iterator

    from namewise.policy.lists import ReadList, Refreshed

ANCESTORS = 128
"""Labels of a name, at most."""


def verdict(
    lists: Refreshed, name: str, client: str, key: str | None, paused: tuple[str | None, ...] = ()
) -> dict[str, Any]:
    """Return what the lists do with queries for *name* from *client*, as the server decides before a lookup.

    The rules of the lists that apply to the client come in the order of precedence; `held` has every line of every list that
    holds the name, also of lists for other clients.
    """
    policies = lists.policies(paused)
    applies = [] if policies is None else policies.test(name, client, key)
    rules = [
        {"list": listed, "trigger": trigger, "action": action, "log_only": log_only}
        for listed, trigger, action, log_only in applies
    ]
    winner = next((rule for rule in rules if not rule["log_only"]), None)
    held = [line for one in lists.lists for line in _lines(one, name)]
    return {
        "name": name,
        "client": client,
        "action": "none" if winner is None else winner["action"],
        "winner": winner,
        "rules": rules,
        "held": held,
        "waits": [one.settings.name for one in lists.lists if one.rules.reads_answers],
    }


def _lines(one: ReadList, name: str) -> Iterator[dict[str, Any]]:
    """Yield each line of the file of a list that holds *name*. A file that cannot be read any more has none."""
    try:
        with open(one.settings.file, "rb") as opened:
            text = opened.read()
    except OSError:
        return
    found = PolicyList.lines_for(text, name) if one.settings.zone is None else _records(text, one, name)
    for line, listed, rule in found:
        yield {
            "list": one.settings.name,
            "file": one.settings.file,
            "line": line,
            "listed": listed,
            "rule": rule,
        }


def _records(text: bytes, one: ReadList, name: str) -> Iterator[tuple[int, str, str]]:
    """Yield line, owner and data of the records of a policy zone whose trigger is *name*, or a wildcard above it."""
    zone = (one.settings.zone or "").lower()
    labels = name.lower().rstrip(".").split(".")
    wanted = {f"{name.lower()}{zone}"}
    wanted |= {f"*.{'.'.join([*labels[at:], ''])}{zone}" for at in range(1, min(len(labels), ANCESTORS) + 1)}
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
        if owner in wanted:
            yield number, _shown(owner, zone), " ".join(words[1:])


def _shown(owner: str, zone: str) -> str:
    try:
        return str(Name(owner.removesuffix(zone) or "."))
    except BadName:
        return owner

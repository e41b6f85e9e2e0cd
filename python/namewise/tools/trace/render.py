"""A walk as text for people and as JSON (`namewise.trace/1`)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from .compare import discarded_text
from .descent import milliseconds
from .reading import BAD, Asked, count

if TYPE_CHECKING:
    from .descent import Walk

FEW = 4
"""Servers that say the same and still get a line each."""


def as_json(done: Walk) -> dict[str, Any]:
    """Return the walk as one JSON object."""
    return {
        "schema": "namewise.trace/1",
        "outcome": done.outcome,
        "verdict": done.verdict,
        "took_us": done.took_us,
        "answer": done.answer,
        "cuts": [
            {
                "zone": cut.zone,
                "question": cut.question,
                "took_us": cut.took_us,
                "remarks": cut.remarks,
                "servers": [_server(one) for one in cut.asked],
            }
            for cut in done.cuts
        ],
    }


def _server(one: Asked) -> dict[str, Any]:
    return {
        "name": one.server.name,
        "address": one.server.address,
        "source": one.server.source,
        "outcome": one.outcome,
        "detail": one.detail,
        "notes": list(one.notes),
        "inferred": one.inferred,
        "discarded": [{"reason": reason, "packets": packets} for reason, packets in one.discarded],
        "took_us": one.took_us,
    }


def text(done: Walk, *, colour: bool = False, every: bool = False) -> str:
    """Return the walk for people: the verdict, then a block for each zone cut with a line for each server.

    More than a few servers that say the same share a line, unless *every* one is wanted.
    """
    from namewise.tools.explain import BOLD, GREEN, OFF, RED, YELLOW

    def paint(code: str, words: str) -> str:
        return f"{code}{words}{OFF}" if colour else words

    good = done.exit_code == 0
    lines = [paint(GREEN if good else YELLOW, f"verdict: {done.verdict}")]
    for cut in done.cuts:
        lines.append(f"{paint(BOLD, cut.zone)}  asked {cut.question}")
        for group in _groups(cut.asked, most=len(cut.asked) if every else FEW):
            one = group[0]
            words = f"no reply: {one.detail}" if one.outcome == "no-reply" else one.detail
            notes = [*one.notes, *([discarded_text(one.discarded)] if one.discarded else [])]
            said = paint(RED if one.outcome in BAD else GREEN, words) + "".join(f"; {note}" for note in notes)
            lines.append(f"  {_who(group):<48} {said}, {_took(group)} ({one.server.source})")
        lines += [f"  ! {remark}" for remark in cut.remarks]
    return "\n".join([*lines, *done.answer]) + "\n"


def _groups(asked: list[Asked], most: int) -> list[list[Asked]]:
    """Return *asked* one by one, or put together what is alike where that is more than *most*."""
    alike: dict[tuple[object, ...], list[Asked]] = {}
    for one in asked:
        key = (one.outcome, one.detail, one.server.source, one.notes, one.discarded)
        alike.setdefault(key, []).append(one)
    groups: list[list[Asked]] = []
    for group in alike.values():
        together = len(group) > most and group[0].outcome not in BAD
        groups += [group] if together else [[one] for one in group]
    return groups


def _who(group: list[Asked]) -> str:
    if len(group) == 1:
        return str(group[0].server)
    names = len({one.server.name for one in group})
    return f"{count(names, 'server')}, {len(group)} addresses"


def _took(group: list[Asked]) -> str:
    least, most = min(one.took_us for one in group), max(one.took_us for one in group)
    return milliseconds(least) if len(group) == 1 else f"{milliseconds(least)} to {milliseconds(most)}"

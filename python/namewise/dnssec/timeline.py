"""A roll-over as a list of what happens, and as a picture: text and SVG.

csk1 DNSKEY     ██████████████▒▒▒
csk2 DNSKEY        ▒▒▒███████████     one row for each record of a key, one colour for each state
"""

from __future__ import annotations

from itertools import groupby
from typing import TYPE_CHECKING
from xml.sax.saxutils import escape

from namewise.config.values import duration_text
from namewise.dnssec.safety import RECORD_NAMES, RECORDS, Presence

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from namewise.dnssec.simulate import Event, Mark

_SAYS = {
    Presence.RUMOURED: {"dnskey": "is published", "zrrsig": "is made", "ds": "is asked for (CDS)"},
    Presence.OMNIPRESENT: {
        "dnskey": "is in all caches",
        "zrrsig": "is in all caches",
        "ds": "is in all caches",
    },
    Presence.UNRETENTIVE: {"dnskey": "is withdrawn", "zrrsig": "is withdrawn", "ds": "is to be removed"},
    Presence.HIDDEN: {"dnskey": "is in no cache", "zrrsig": "is in no cache", "ds": "is in no cache"},
}
COLOURS = {
    Presence.HIDDEN: "none",
    Presence.RUMOURED: "#9ecae1",
    Presence.OMNIPRESENT: "#3182bd",
    Presence.UNRETENTIVE: "#fdae6b",
}


def lines(events: Sequence[Event], marks: Sequence[Mark], begin: int) -> Iterator[str]:
    """Yield what happened from *begin* on, one line for each time and key."""
    said = [(event.at, 0, event.text) for event in events if event.at >= begin]
    of = [mark for mark in marks if mark.at >= begin and mark.record != "krrsig"]
    for (at, key), some in groupby(
        sorted(of, key=lambda mark: (mark.at, mark.key)), lambda mark: (mark.at, mark.key)
    ):
        words = (f"{RECORD_NAMES[one.record]} {_SAYS[one.presence][one.record]}" for one in some)
        said.append((at, 1, f"{key}: {', '.join(words)}"))
    for at, _, text in sorted(said):
        yield f"T+{duration_text((at - begin) * 1000):<12} {text}"


def spans(marks: Sequence[Mark], end: int) -> dict[tuple[str, str], list[tuple[int, int, Presence]]]:
    """Return by key and record when it was in which state: from, until, state. Hidden is left out."""
    rows: dict[tuple[str, str], list[Mark]] = {}
    for mark in marks:
        rows.setdefault((mark.key, mark.record), []).append(mark)
    made: dict[tuple[str, str], list[tuple[int, int, Presence]]] = {}
    for row, some in rows.items():
        ends = [*(mark.at for mark in some[1:]), end]
        whole = zip(some, ends, strict=True)
        made[row] = [
            (mark.at, until, mark.presence)
            for mark, until in whole
            if until > mark.at and mark.presence is not Presence.HIDDEN
        ]
    return {row: some for row, some in sorted(made.items(), key=lambda item: _order(item[0])) if some}


def _order(row: tuple[str, str]) -> tuple[int, str, int]:
    key, record = row
    number = "".join(filter(str.isdigit, key))
    return int(number or 0), key, RECORDS.index(record)


def svg(
    title: str, rows: Mapping[tuple[str, str], list[tuple[int, int, Presence]]], begin: int, end: int
) -> str:
    """Return the states of *rows* between *begin* and *end* as an SVG document without scripts or references."""
    left, width, height, top = 170, 760, 18, 46
    scale = width / max(1, end - begin)
    bottom = top + height * len(rows)
    out = [
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{left + width + 20}" height="{bottom + 50}" '
        'font-family="sans-serif" font-size="12">',
        f"<title>{escape(title)}</title>",
        f'<rect width="100%" height="100%" fill="white"/><text x="10" y="20" font-size="14">{escape(title)}</text>',
    ]
    tick = next((one for one in _TICKS if (end - begin) / one <= 10), _TICKS[-1])
    for at in range(0, end - begin + 1, tick):
        x = left + at * scale
        out.append(f'<line x1="{x:.1f}" y1="{top - 6}" x2="{x:.1f}" y2="{bottom}" stroke="#ddd"/>')
        out.append(
            f'<text x="{x:.1f}" y="{top - 10}" text-anchor="middle" fill="#555">{duration_text(at * 1000)}</text>'
        )
    for number, ((key, record), some) in enumerate(rows.items()):
        y = top + number * height
        out.append(f'<text x="10" y="{y + 13}">{escape(key)} {RECORD_NAMES[record]}</text>')
        for since, until, presence in some:
            first, last = max(since, begin), min(until, end)
            if last <= first:
                continue
            x = left + (first - begin) * scale
            out.append(
                f'<rect x="{x:.1f}" y="{y + 2}" width="{max(1.0, (last - first) * scale):.1f}" height="{height - 4}" '
                f'fill="{COLOURS[presence]}"><title>{escape(key)} {RECORD_NAMES[record]}: {presence.value}, '
                f"{duration_text((last - first) * 1000)}</title></rect>"
            )
    x = left
    for presence, colour in COLOURS.items():
        if presence is not Presence.HIDDEN:
            out.append(f'<rect x="{x}" y="{bottom + 18}" width="12" height="12" fill="{colour}"/>')
            out.append(f'<text x="{x + 18}" y="{bottom + 28}">{presence.value}</text>')
            x += 130
    return "\n".join([*out, "</svg>", ""])


_TICKS = (60, 300, 900, 3600, 6 * 3600, 12 * 3600, 86400, 7 * 86400, 30 * 86400, 365 * 86400, 3650 * 86400)

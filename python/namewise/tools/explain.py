"""Show an explanation (`namewise.explain/1`): as a tree for people, as a Mermaid diagram, as JSON.

Every line of the tree is one step of the resolver, in its own words, with when it began and how long it
took. A step that ran inside the time of another hangs below it and is marked `(meanwhile)`; the others add
up to the total.
"""

from __future__ import annotations

TYPE_CHECKING = False  # typing costs more time to import than a question takes
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any

    Document = dict[str, Any]

BOLD, DIM, RED, GREEN, YELLOW, OFF = "\x1b[1m", "\x1b[2m", "\x1b[31m", "\x1b[32m", "\x1b[33m", "\x1b[0m"
BAD_REASONS = frozenset(
    [
        "timeout",
        "unreachable",
        "connection-refused",
        "no-route",
        "closed",
        "lame",
        "server-failure",
        "malformed",
        "truncated-over-tcp",
        "too-many-records",
        "too-large",
        "unasked",
        "alias-loop",
        "addresses-missing",
        "cycle",
        "limit-reached",
        "no-reachable-authority",
        "nobody-replies",
        "no-servers",
        "no-hints",
        "cached-failure",
        "name-too-long",
    ]
)
"""Reasons that a person looks for first."""


DELEGATIONS, KEYS, RRSETS = range(3)
LINKS = {
    "signed-delegation": DELEGATIONS,
    "unsigned-delegation": DELEGATIONS,
    "insecure-zone": DELEGATIONS,
    "keys-trusted": KEYS,
    "verified": RRSETS,
    "absence-proved": RRSETS,
    "bogus": RRSETS,
}
"""Reasons of the steps that are links of a chain of trust, with their order in one zone."""
STATE_COLOURS = {"secure": GREEN, "insecure": YELLOW, "bogus": RED, "indeterminate": DIM}
SVG_COLOURS = {"secure": "#2a7", "insecure": "#b80", "bogus": "#c22", "indeterminate": "#777"}


def in_colour(stream: Any) -> bool:
    """Say whether *stream* takes colour: a terminal, and NO_COLOR (no-color.org) is not set."""
    import os

    return stream.isatty() and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"


def tree(document: Document, *, colour: bool = False) -> str:
    """Return *document* as a tree: the cause of a failure or delay, the verdict, then one line a step."""
    paint = _Paint(colour)
    question, result = document["question"], document["result"]
    good = result["rcode"] in ("NOERROR", "NXDOMAIN")
    asked = f"{question['name']} {question['class']} {question['type']}"
    rcode = paint(GREEN if good else RED, result["rcode"] or "no response")
    client = f", client {document['client']}" if document.get("client") else ""
    took = milliseconds(document["total_us"])
    lines = [f"{paint(BOLD, asked)}: {rcode} in {took}, {document['started']}{client}"]
    if document.get("verdict"):
        lines.insert(0, paint(BOLD, document["verdict"]))
    if document.get("diagnosis"):
        lines.insert(0, paint(YELLOW if good else RED, document["diagnosis"]))
    children = _children(document["steps"])
    _branch(lines, children, None, "", paint)
    lines += _chain(document, paint)
    lines += result["answer"]
    for ede in result["ede"]:
        text = f": {ede['text']}" if ede.get("text") else ""
        lines.append(paint(YELLOW, f"EDE {ede['code']} ({ede['purpose']}){text}"))
    return "\n".join(lines) + "\n"


def chain(document: Document, *, colour: bool = False) -> str:
    """Return the chain of trust of *document* alone: one line for each link, from the trust anchor to the RRset."""
    paint = _Paint(colour)
    question = document["question"]
    asked = f"{question['name']} {question['class']} {question['type']}"
    state = _state(document)
    lines = [f"{paint(BOLD, asked)}: {paint(STATE_COLOURS[state], state)}", *_chain(document, paint)]
    return "\n".join(lines) + "\n"


def chain_svg(document: Document) -> str:
    """Return the chain of trust as an SVG document without scripts or references: a box for each link, in the colour of its state."""
    import textwrap
    from xml.sax.saxutils import escape

    question, height, width = document["question"], 16, 900
    title = f"{question['name']} {question['class']} {question['type']}: {_state(document)}"
    y, out = 36, []
    for number, (what, state, text) in enumerate(_links(document)):
        lines = textwrap.wrap(text, 120) or [""]
        if number:
            out.append(f'<path d="M40 {y - 16}V{y - 2}m-4 -6l4 6l4 -6" fill="none" stroke="#555"/>')
        tall = height * (len(lines) + 1) + 8
        out.append(
            f'<rect x="10" y="{y}" width="{width - 20}" height="{tall}" rx="4" fill="white" stroke="{SVG_COLOURS[state]}" '
            'stroke-width="2"/>'
        )
        head = f'<tspan font-weight="bold">{escape(what)}</tspan> <tspan fill="{SVG_COLOURS[state]}">{state}</tspan>'
        out.append(f'<text x="20" y="{y + height}">{head}</text>')
        for row, line in enumerate(lines, 2):
            out.append(f'<text x="20" y="{y + height * row}">{escape(line)}</text>')
        y += tall + 16
    start = (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{y}" font-family="sans-serif" font-size="12">',
        f"<title>{escape(title)}</title>",
        f'<rect width="100%" height="100%" fill="white"/><text x="10" y="22" font-size="14">{escape(title)}</text>',
    )
    return "\n".join([*start, *out, "</svg>", ""])


def mermaid(document: Document) -> str:
    """Return *document* as a Mermaid sequence diagram: the client, the resolver, and each server that was
    asked."""
    question, result = document["question"], document["result"]
    lines = ["sequenceDiagram", "    participant client", "    participant resolver"]
    names: dict[str, str] = {}
    for step in document["steps"]:
        server = step.get("server")
        if server and server not in names:
            names[server] = f"s{len(names) + 1}"
            zone = f" ({step['zone']})" if step.get("zone") else ""
            name = f"{step['server_name'].rstrip('.')} " if step.get("server_name") else ""
            lines.append(f"    participant {names[server]} as {_quiet(name + server + zone)}")
    lines.append(f"    client->>resolver: {_quiet(question['name'])} {question['type']}")
    for step in document["steps"]:
        server = step.get("server")
        took = milliseconds(step["took_us"])
        if server:
            here = names[server]
            lines.append(f"    resolver->>{here}: {_quiet(step['name'])} {step['type']}")
            arrow = "--x" if step["reason"] in BAD_REASONS else "-->>"
            lines.append(f"    {here}{arrow}resolver: {_quiet(_outcome(step))} ({took})")
        else:
            lines.append(f"    Note over resolver: {_quiet(step['text'])} ({took})")
    count = _count(len(result["answer"]), "record")
    answer = f"{result['rcode']}, {count}, {milliseconds(document['total_us'])}"
    if result["rcode"] is None:
        lines.append("    Note over client: no response")
    else:
        lines.append(f"    resolver-->>client: {answer}")
    return "\n".join(lines) + "\n"


def milliseconds(us: int) -> str:
    """Return *us* microseconds as people read them."""
    return f"{us / 1000:.1f} ms" if us < 10_000_000 else f"{us / 1_000_000:.1f} s"


def exit_code(document: Document) -> int:
    """Return 0 for an answer or a proven absence, 3 when the resolution is broken."""
    return 0 if document["result"]["rcode"] in ("NOERROR", "NXDOMAIN") else 3


def _state(document: Document) -> str:
    """Return what is known of the signatures of the answer (RFC 4035 §4.3)."""
    if (
        any(step["reason"] == "bogus" for step in document["steps"])
        and document["result"]["rcode"] == "SERVFAIL"
    ):
        return "bogus"
    last = [step["validation"] for step in document["steps"] if step["parent"] is None and step["validation"]]
    return str(last[-1]) if last else "indeterminate"


def _chain(document: Document, paint: _Paint) -> Iterator[str]:
    """Yield the links of the chain of trust, indented by their depth."""
    for depth, (what, state, text) in enumerate(_links(document)):
        if not depth:
            yield paint(BOLD, "chain of trust:")
        yield f"  {'  ' * depth}{'└─ ' if depth else ''}{what} {paint(STATE_COLOURS[state], state)}: {text}"


def _links(document: Document) -> Iterator[tuple[str, str, str]]:
    """Yield owner and type, state, and reason of each link of the chain of trust: keys and delegations from the root on, then RRsets.

    Keys that the server has in memory leave no step.
    """
    links: dict[tuple[str, str, str], dict[str, Any]] = {}
    for step in document["steps"]:
        if step["reason"] in LINKS:
            links[step["name"], step["type"], step["reason"]] = step
    question = document["question"]
    for name, rtype, reason in list(links):
        signed = links.get((name, "DS", "signed-delegation"))
        if rtype == "DS" != question["type"] and LINKS[reason] == RRSETS:
            # The signature or the proof of a link that has its own line.
            link = links.pop((name, rtype, reason))
            if signed is not None and reason == "verified" and ", signed by" not in signed["text"]:
                what = f"{name} DS: "
                text = f"{signed['text']}, {link['text'].removeprefix(what)}"
                links[name, "DS", "signed-delegation"] = {**signed, "text": text}
        elif reason == "absence-proved" and question["name"].endswith("." + name.lstrip(".")):
            # A question with fewer labels, on the way to the whole name (RFC 9156).
            del links[name, rtype, reason]

    def place(step: dict[str, Any]) -> tuple[bool, int, int]:
        kind = LINKS[step["reason"]]
        return kind == RRSETS, step["name"].rstrip(".").count(".") + (step["name"] != "."), kind

    for step in sorted(links.values(), key=place):
        what = f"{step['name']} {step['type']}"
        text = step["text"].removeprefix(f"{what}: ")
        # The last step of a bogus answer gives its reason, and no state of its own.
        state = step["validation"] or ("bogus" if step["reason"] == "bogus" else "indeterminate")
        yield what, state, text.removeprefix(f"{state}: ")


class _Paint:
    """Puts text in a colour, or leaves it as it is."""

    def __init__(self, colour: bool) -> None:
        self.colour = colour

    def __call__(self, code: str, text: str) -> str:
        return f"{code}{text}{OFF}" if self.colour else text


def _children(steps: list[dict[str, Any]]) -> dict[int | None, list[dict[str, Any]]]:
    known = {step["id"] for step in steps}
    found: dict[int | None, list[dict[str, Any]]] = {}
    for step in steps:
        parent = step["parent"] if step["parent"] in known else None
        found.setdefault(parent, []).append(step)
    return found


def _branch(
    lines: list[str],
    children: dict[int | None, list[dict[str, Any]]],
    parent: int | None,
    indent: str,
    paint: _Paint,
) -> None:
    steps = children.get(parent, [])
    for step in steps:
        last = step is steps[-1]
        lines.append(f"{indent}{'└─ ' if last else '├─ '}{_line(step, paint)}")
        _branch(lines, children, step["id"], indent + ("   " if last else "│  "), paint)


def _line(step: dict[str, Any], paint: _Paint) -> str:
    when = paint(DIM, f"+{milliseconds(step['at_us'])}")
    took = f"{milliseconds(step['took_us'])}{' (meanwhile)' if step['parallel'] else ''}"
    text = paint(RED, step["text"]) if step["reason"] in BAD_REASONS else step["text"]
    notes = "".join(f" [{note}]" for note in _notes(step))
    return f"{when} {step['layer']}: {text}{notes}, {took}"


def _notes(step: dict[str, Any]) -> Iterator[str]:
    if step["validation"] and step["validation"] != "indeterminate":
        yield str(step["validation"])
    for ede in step["ede"]:
        yield f"EDE {ede['code']} {ede['purpose'] or ''}".rstrip()


def _outcome(step: dict[str, Any]) -> str:
    """Return what came of a question to a server: the step's text without who was asked what."""
    text: str = step["text"]
    return text.split(": ", 1)[-1]


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}{'' if number == 1 else 's'}"


def _quiet(text: str) -> str:
    """Return *text* without what Mermaid takes for syntax."""
    return text.replace(";", ",").replace("#", "").replace('"', "'")

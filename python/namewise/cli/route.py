"""`nw route`."""

from __future__ import annotations

from typing import Any

from namewise.cli.options import Options

HELP = """\
usage: nw route NAME [TYPE] [--json] [--control PATH]

Show where the running server would answer NAME from, without asking any other server. It considers its sources in this
order: zones that it serves, local data ([[local]], [[hosts]]), lists, reserved names, the cache, locally served zones,
conditional forwarders, forwarders for all names, the root servers. The line with the arrow is the source that it takes;
each line says why or why not. View and lists are those of a client on this machine.

  --control PATH  the control socket of the server (default: as for nw serve)
  --json          the same as one JSON object

Exit codes: 0 a source answers, 1 wrong usage, 3 none does: the server would refuse, fail or send nothing,
9 no server.

  $ nw route www.example.com
  $ nw route db.corp.example AAAA --json
"""

NO_SOURCE = 3
_OPTIONS = Options(values=("--control",), flags=("--json",), words=(1, 2))


def run(args: list[str]) -> int:
    """Print the decision."""
    from namewise.cli.ctl import ask, name, rtype

    parsed = _OPTIONS.read(args)
    question = {"name": name(parsed.words[0]), "type": rtype(parsed.words[1:]) or "A"}
    answer = ask(parsed.one("--control"), "route", question)
    if "--json" in parsed:
        import json

        print(json.dumps(answer, indent=2))
    else:
        print(text(answer), end="")
    answers = any(source["taken"] and not source["fails"] for source in answer["sources"])
    return 0 if answers else NO_SOURCE


def text(answer: dict[str, Any]) -> str:
    """Return the decision for people, one line a source."""
    width = max(len(source["source"]) for source in answer["sources"])
    lines = [f"{answer['name']} {answer['type']}"]
    for number, source in enumerate(answer["sources"], 1):
        mark = "->" if source["taken"] else "  "
        lines.append(f"{mark} {number}. {source['source']:<{width}}  {source['why']}")
    return "\n".join(lines) + "\n"

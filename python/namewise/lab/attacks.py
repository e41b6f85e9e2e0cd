"""`nw lab attacks`: play attacks on the resolver and print what each costs, beside its limit.

The attacks are the scenarios in the folder `attacks` of this package. The simulation of the engine plays them; each
expectation with an upper bound yields a measured number. The time that the engine computes for one query is measured on this
machine.
"""

from __future__ import annotations

import json
import re
import sys
from importlib.resources import as_file, files
from typing import TYPE_CHECKING, Any, TextIO

from namewise.engine import play

if TYPE_CHECKING:
    from collections.abc import Iterable
    from importlib.resources.abc import Traversable

    Report = dict[str, Any]

SCHEMA = "namewise.attacks/1"
FILES = files("namewise.lab").joinpath("attacks")
"""The folder of the scenarios. The name of each begins with the identifier of its attack."""


class UnknownAttack(Exception):
    """No scenario has this identifier."""

    def __init__(self, name: str, known: Iterable[str]) -> None:
        super().__init__(f"no attack {name!r}; known are {', '.join(known)}")


def order(identifier: str) -> tuple[str, int, str]:
    """Return the sort key of an identifier: A2 comes before A10."""
    parts = re.fullmatch(r"([A-Za-z]*)(\d*)(.*)", identifier)
    assert parts is not None, "each part may be empty"
    return parts[1], int(parts[2] or 0), parts[3]


def scenarios() -> list[tuple[str, Traversable]]:
    """Return the identifier and the file of each scenario, in order."""
    found = [(file.name.partition("-")[0], file) for file in FILES.iterdir() if file.name.endswith(".toml")]
    return sorted(found, key=lambda pair: (order(pair[0]), pair[1].name))


def measured(identifier: str, file: Traversable) -> Report:
    """Play the scenario in *file* and return its row of the table."""
    with as_file(file) as path:
        report: Report = json.loads(play(path, measure=True))
    run, attack = report["run"], report.get("attack")
    row = {"id": identifier, "scenario": file.name, "about": report["title"], "outcome": report["outcome"]}
    if report["outcome"] != "pass":
        keys = ("step", "field", "expected", "got", "problem", "reasons")
        row["why"] = {key: report[key] for key in keys if key in report}
    if attack is None:
        return row | {"verdict": "broken"}
    questions = max(run["questions"], 1)
    per_question = run["engine_us"] / questions
    row |= {
        "attack": attack["name"],
        "questions": run["questions"],
        "upstream_per_question": round(run["upstream_queries"] / questions, 3),
        "peers_sent": attack["peers_sent"],
        "upstream": run["upstream_queries"],
        "upstream_without_floods": run["upstream_without_floods"],
        "engine_us_per_question": round(per_question),
        "max_us_per_question": attack["max_us_per_question"],
        "cache_octets": run["cache_octets"],
        "measures": run.get("measures", []),
        "peers_keep": attack["peers_keep"],
    }
    slow = per_question > attack["max_us_per_question"]
    row["verdict"] = "slow" if slow and row["outcome"] == "pass" else "held"
    if row["outcome"] != "pass":
        row["verdict"] = "broken"
    return row


def main(wanted: list[str], *, as_json: bool, progress: TextIO = sys.stderr) -> int:
    """Play the attacks with the identifiers *wanted*, or all, and print a row for each; return the exit code."""
    known = scenarios()
    identifiers = list(dict.fromkeys(identifier for identifier, _ in known))
    for name in wanted:
        if name.upper() not in identifiers:
            raise UnknownAttack(name, identifiers)
    chosen = {name.upper() for name in wanted}
    playing = [pair for pair in known if not chosen or pair[0] in chosen]
    verdicts: dict[str, int] = {}
    for number, (identifier, file) in enumerate(playing, start=1):
        if progress.isatty():
            progress.write(f"\r\x1b[K{number}/{len(playing)} {file.name}")
            progress.flush()
        row = measured(identifier, file)
        verdicts[row["verdict"]] = verdicts.get(row["verdict"], 0) + 1
        if progress.isatty():
            progress.write("\r\x1b[K")
            progress.flush()
        sys.stdout.write(json.dumps({"schema": SCHEMA} | row) + "\n" if as_json else text(row))
        sys.stdout.flush()
    if not as_json:
        counts = ", ".join(f"{count} {verdict}" for verdict, count in sorted(verdicts.items()))
        sys.stdout.write(f"{len(playing)} scenarios: {counts}\n")
    return 0 if set(verdicts) <= {"held"} else 1


def text(row: Report) -> str:
    """Return the lines of the table for one attack."""
    lines = [f"{row['id']:<4} {row['verdict']:<7} {row['about']}"]
    if "why" in row:
        why = row["why"]
        said = "step {step}, {field}: expected {expected}, got {got}" if "step" in why else "{problem}"
        lines.append("     " + (said.format(**why) if "reasons" not in why else ", ".join(why["reasons"])))
    if "attack" in row:
        peers = ", ".join(f"{peer} {count}" for peer, count in row["peers_sent"].items())
        upstream = (
            f"{row['upstream_per_question']:g} queries to servers for each of {row['questions']} queries"
        )
        lines.append(f"     {upstream}")
        if peers:
            lines.append(f"     without floods {row['upstream_without_floods']} queries to servers, {peers}")
        cpu = f"{row['engine_us_per_question']} us of computing for each (limit {row['max_us_per_question']})"
        lines.append(f"     {cpu}, cache {row['cache_octets']} octets")
        worst: dict[tuple[str, str], int] = {}
        for measure in row["measures"]:
            key = (measure["what"], measure["bound"])
            worst[key] = max(measure["measured"], worst.get(key, 0))
        lines += [f"     {what}: {number} (limit: {bound})" for (what, bound), number in worst.items()]
        lines.append(f"     peers keep: {row['peers_keep']}")
    return "\n".join(lines) + "\n"

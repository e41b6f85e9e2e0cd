"""`nw lab play`: play scenario files on virtual time and print a report for each.

The simulation of the engine plays the scenarios; this module prints the reports.
"""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING, Any

from namewise.engine import play

if TYPE_CHECKING:
    from collections.abc import Iterable

    Report = dict[str, Any]


def main(files: Iterable[str], *, as_json: bool) -> int:
    """Play *files* in order and print a report for each; return the exit code."""
    outcomes: dict[str, int] = {}
    for file in files:
        report: Report = json.loads(play(file))
        outcomes[report["outcome"]] = outcomes.get(report["outcome"], 0) + 1
        sys.stdout.write((json.dumps(report) if as_json else line(report)) + "\n")
        sys.stdout.flush()
    if not as_json and sum(outcomes.values()) > 1:
        counts = ", ".join(f"{count} {outcome}" for outcome, count in sorted(outcomes.items()))
        sys.stdout.write(f"{counts}\n")
    return exit_code(outcomes)


def exit_code(outcomes: dict[str, int]) -> int:
    """Return 2 if a file was unreadable, 1 if a scenario failed, 3 if some were unsupported, else 0."""
    for outcome, code in (("unreadable", 2), ("fail", 1), ("unsupported", 3)):
        if outcomes.get(outcome):
            return code
    return 0


def line(report: Report) -> str:
    """Return a line for people: outcome, file, and the first difference or the reasons."""
    outcome, name = report["outcome"], report["file"] or report["title"]
    said = ""
    if outcome == "fail":
        where = f"step {report['step']} (line {report['line']})"
        said = f": {where}, {report['field']}: expected {report['expected']}, got {report['got']}"
    elif outcome == "unsupported":
        said = f": {', '.join(report['reasons'])}"
    elif outcome == "unreadable":
        said = f": {report['problem']}"
    return f"{outcome:<11}  {name}{said}"

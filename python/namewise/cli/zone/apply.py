"""`nw zone apply`."""

from __future__ import annotations

from typing import Any

from namewise.cli.failure import Failure
from namewise.cli.options import Options
from namewise.cli.zone.plan import described, planned, print_report
from namewise.cli.zone.running import CHANGE, CHANGE_HELP, changed, request, show

HELP = f"""\
usage: nw zone apply ZONE FILE [--yes-delete N] [--if-serial N] [--note TEXT] [--json] [--control PATH]

Make the served zone equal to a zone file, in one change, after printing the plan (`nw zone plan`). A file whose serial is not newer
gets the next serial. If more than 10 names and more than a fifth of all vanish, --yes-delete with their number is needed.

  --yes-delete N  confirm that N names vanish
{CHANGE_HELP}
  $ nw zone apply example.com db.example.com --note 'new office'
"""


def run(args: list[str]) -> int:
    """Apply a file."""
    parsed = Options(values=(*CHANGE, "--yes-delete"), flags=("--json",), words=(2, 2)).read(args)
    plan = planned(parsed)
    report = described(plan)
    if "--json" not in parsed:
        print_report(report)
    if plan.confirmation is not None and parsed.number("--yes-delete") != plan.confirmation:
        raise Failure(
            f"{plan.confirmation} of {plan.names} names of {report['name']} would vanish",
            hint=f"If that is meant: --yes-delete {plan.confirmation}",
            report=report,
        )
    serial = parsed.number("--if-serial")
    args_of: dict[str, Any] = {"note": parsed.one("--note")}
    if plan.difference is None:
        args_of["first"], body = True, plan.zone.to_text().encode()
    else:
        # The difference was made from this version: a change that came between is a conflict.
        args_of["if_serial"] = serial if serial is not None else report["serial"]
        if not plan.difference and args_of["if_serial"] == report["serial"]:
            return show(parsed, {**report, "changed": False}, lambda _: None)
        body = plan.difference.wire
    return show(parsed, {**report, **request(parsed, "apply", report["name"], body, **args_of)}, changed)

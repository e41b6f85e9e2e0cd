"""`nw zone check`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from namewise.cli.failure import Failure
from namewise.cli.options import Options
from namewise.cli.progress import Progress
from namewise.cli.zone.source import readable, zone_name

if TYPE_CHECKING:
    from collections.abc import Iterable

    from namewise.cli.options import Parsed
    from namewise.engine.errors import ZoneFault

HELP = """\
usage: nw zone check FILE [--origin NAME] [--only ID,...] [--ignore ID,...] [--strict] [--at TIME] [--json]

Read a zone file (RFC 1035 §5) with the files that it includes and report what is wrong: file, line, column,
message, RFC, remedy. The server does not serve a zone with an error. It serves a zone with warnings; a warning
marks records without effect, or with an effect that is rarely intended. An info marks what differs from what is usual.
`nw zone rules` lists all rules.

  --origin NAME   name of the zone (default: the absolute name in $ORIGIN or in the owner of the SOA, whichever
                  comes first in the file; else the file name without db., .zone, .db or .txt)
  --only ID,...   report these rules only
  --ignore ID,... do not report these rules; errors cannot be ignored
  --strict        fail if there are warnings
  --at TIME       the time by which signatures and serials are judged: 2026-01-31, +7d, -1h or seconds since 1970
                  (default: now)
  --json          one JSON object: ok, zone, serial, records, errors, warnings, infos, counts, findings[]; a finding has
                  id, severity, file, line, column, message, expected, rfc, remedy; counts is the number of all findings
                  by id, and findings[] has at most 100 of each

Exit codes: 0 the zone can be served (there may be warnings), 1 it cannot, or wrong usage; with --strict also if there
are warnings.

  $ nw zone check db.example.com --origin example.com
  $ nw zone check db.example.com --origin example.com --ignore soa-refresh,address-documentation
"""

_OPTIONS = Options(
    values=("--origin", "--only", "--ignore", "--at"), flags=("--json", "--strict"), words=(1, 1)
)
_SHOWN = 10
"""Findings of one rule that the text shows."""


def run(args: list[str]) -> int:
    """Check one zone file and print the result."""
    return check(_OPTIONS.read(args))


def check(parsed: Parsed) -> int:
    """Check one zone file and print the result."""
    import json
    import time

    from namewise.cli.dnssec import moment
    from namewise.engine import Zone

    path = parsed.words[0]
    reported = _reported(parsed.all("--only"), parsed.all("--ignore"))
    at = moment(parsed.one("--at") or "+0s", time.time())
    readable(path)
    name = zone_name(path, parsed.one("--origin"))
    with Progress(f"reading {path}"):
        zone, listed, counts = Zone.check_file(name, path, now=at)
    findings = [finding for finding in listed if finding.severity == "error" or finding.id in reported]
    totals = _totals(findings, counts)
    report = {
        "ok": not totals["error"],
        "file": path,
        "zone": str(name),
        "serial": zone.serial if zone else None,
        "records": len(zone) if zone else None,
        "errors": totals["error"],
        "warnings": totals["warning"],
        "infos": totals["info"],
        "counts": {finding.id: counts[finding.id] for finding in findings},
        "findings": [finding._asdict() for finding in findings],
    }
    if "--json" not in parsed:
        _show_all(findings, counts)
    if zone is None:
        raise _failure(path, _count(totals["error"], "error"), f"zone {name} cannot be served", report)
    if "--strict" in parsed and totals["warning"]:
        report["ok"] = False
        raise _failure(
            path, _count(totals["warning"], "warning"), f"zone {name} is refused by --strict", report
        )
    if "--json" in parsed:
        print(json.dumps(report, indent=2))
        return 0
    signed = ", signed" if zone.is_signed else ""
    verdict = ", ".join(["OK", *(_count(totals[kind], kind) for kind in ("warning", "info") if totals[kind])])
    print(f"{path}: zone {name} serial {zone.serial}, {len(zone)} records{signed}: {verdict}")
    return 0


def _reported(only: list[str], ignored: list[str]) -> set[str]:
    """Return the ids of the rules to report. Raises `Failure`."""
    from namewise.config.values import nearest
    from namewise.engine import zone_rules

    severities = {rule.id: rule.severity for rule in zone_rules()}

    def ids(flag: str, given: list[str]) -> set[str]:
        found = {one.strip() for text in given for one in text.split(",") if one.strip()}
        for one in sorted(found - severities.keys()):
            guess = nearest(one, tuple(severities))
            hint = f"Did you mean {guess}? " if guess else ""
            raise Failure(f"{flag}: no rule {one!r}", hint=f"{hint}`nw zone rules` lists all.")
        return found

    hidden = ids("--ignore", ignored)
    for one in sorted(hidden):
        if severities[one] == "error":
            raise Failure(f"--ignore: {one} is an error, and the server does not serve a zone with an error")
    return (ids("--only", only) or set(severities)) - hidden


def _totals(findings: Iterable[ZoneFault], counts: dict[str, int]) -> dict[str, int]:
    """Return the number of findings by severity, including those that are not listed."""
    totals = {"error": 0, "warning": 0, "info": 0}
    for severity, one in {(finding.severity, finding.id) for finding in findings}:
        totals[severity] += counts[one]
    return totals


def _count(number: int, what: str) -> str:
    return f"{number} {what}{'' if number == 1 else 's'}"


def _failure(path: str, count: str, verdict: str, report: dict[str, Any]) -> Failure:
    return Failure(f"{path}: {count}: {verdict}", report=report)


def _show_all(findings: list[ZoneFault], counts: dict[str, int]) -> None:
    """Print the first findings of each rule, and how many more there are."""
    shown: dict[str, int] = {}
    for finding in findings:
        shown[finding.id] = shown.get(finding.id, 0) + 1
        if finding.severity == "error" or shown[finding.id] <= _SHOWN:
            _show(finding)
    for one, number in shown.items():
        severity = next(finding.severity for finding in findings if finding.id == one)
        more = counts[one] - (number if severity == "error" else min(number, _SHOWN))
        if more > 0:
            print(f"and {more} more [{severity}: {one}]")


def _show(finding: ZoneFault) -> None:
    """Print *finding*, the line with a mark below the column, and the remedy."""
    source = f"{finding.id}, {finding.rfc}" if finding.rfc else finding.id
    print(_printable(f"{finding} [{finding.severity}: {source}]"))
    _show_line(finding)
    if finding.remedy:
        print(f"  remedy: {finding.remedy}")


def _show_line(finding: ZoneFault) -> None:
    """Print the line of *finding*, if it can still be read, with a mark below the column, if there is one."""
    line = _line(finding.file, finding.line)
    if line is None:
        return
    text = _printable(line.rstrip("\n").replace("\t", " "))
    print(f"  {finding.line} | {text}")
    if finding.column:
        width = len(_printable(line[: finding.column - 1].replace("\t", " ")))
        print(f"  {' ' * len(str(finding.line))} | {' ' * width}^")


def _line(path: str, number: int) -> str | None:
    """Return the line *number* of the file, or None if it cannot be read."""
    if not number:
        return None
    try:
        with open(path, encoding="utf-8", errors="backslashreplace") as file:
            return next((line for at, line in enumerate(file, 1) if at == number), None)
    except OSError:
        return None


def _printable(text: str) -> str:
    """Return *text* with control characters replaced by escapes, so that they cannot control the terminal."""
    return "".join(char if char.isprintable() else repr(char)[1:-1] for char in text)

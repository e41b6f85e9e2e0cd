"""`nw zone check`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from namewise.cli.failure import Failure
from namewise.cli.options import Options
from namewise.cli.progress import Progress
from namewise.cli.zone.source import readable, zone_name

if TYPE_CHECKING:
    from namewise.cli.options import Parsed
    from namewise.engine import Name
    from namewise.engine.errors import ZoneFault

HELP = """\
usage: nw zone check FILE [--origin NAME] [--json]

Read a zone file (RFC 1035 §5) with the files that it includes and report every error and warning: file,
line, column, message, RFC, remedy. The server does not serve a zone with an error. It serves a zone with
warnings; a warning marks records without effect, or with an effect that is rarely intended.

  --origin NAME   name of the zone (default: the absolute name in $ORIGIN or in the owner of the SOA, whichever
                  comes first in the file; else the file name without db., .zone, .db or .txt)
  --json          one JSON object: ok, zone, serial, records, errors, warnings, findings[]; a finding has id,
                  severity, file, line, column, message, expected, rfc, remedy

Exit codes: 0 the zone can be served (there may be warnings), 1 it cannot, or wrong usage.

  $ nw zone check db.example.com --origin example.com
"""


def run(args: list[str]) -> int:
    """Check one zone file and print the result."""
    return check(Options(values=("--origin",), flags=("--json",), words=(1, 1)).read(args))


def check(parsed: Parsed) -> int:
    """Check one zone file and print the result."""
    from namewise.engine import Zone

    path = parsed.words[0]
    readable(path)
    name = zone_name(path, parsed.one("--origin"))
    with Progress(f"reading {path}"):
        zone, findings, errors = Zone.check_file(name, path)
    if "--json" in parsed:
        import json

        report = {
            "ok": not errors,
            "file": path,
            "zone": str(name),
            "serial": zone.serial if zone else None,
            "records": len(zone) if zone else None,
            "errors": errors,
            "warnings": len(findings) - min(errors, len(findings)),
            "findings": [finding._asdict() for finding in findings],
        }
        if errors:
            raise _cannot_serve(path, name, errors, report)
        print(json.dumps(report, indent=2))
        return 0
    for finding in findings:
        _show(finding)
    shown = sum(1 for finding in findings if finding.severity == "error")
    if errors > shown:
        print(f"and {errors - shown} more errors")
    if zone is None or errors:
        raise _cannot_serve(path, name, errors, {})
    signed = ", signed" if zone.is_signed else ""
    warnings = len(findings)
    verdict = "OK" if not warnings else f"OK, {warnings} warning{'' if warnings == 1 else 's'}"
    print(f"{path}: zone {name} serial {zone.serial}, {len(zone)} records{signed}: {verdict}")
    return 0


def _cannot_serve(path: str, name: Name, errors: int, report: dict[str, Any]) -> Failure:
    count = f"{errors} error{'' if errors == 1 else 's'}"
    return Failure(f"{path}: {count}: zone {name} cannot be served", report=report)


def _show(finding: ZoneFault) -> None:
    """Print *finding*, the line with a mark below the column, and the remedy."""
    source = f"{finding.id}, {finding.rfc}" if finding.rfc else finding.id
    print(_printable(f"{finding} [{finding.severity}: {source}]"))
    _show_line(finding)
    if finding.remedy:
        print(f"  remedy: {finding.remedy}")


def _show_line(finding: ZoneFault) -> None:
    """Print the line of *finding*, if it can still be read, with a mark below the column, if there is one."""
    try:
        with open(finding.file, encoding="utf-8", errors="backslashreplace") as file:
            for number, line in enumerate(file, 1):
                if number == finding.line:
                    text = _printable(line.rstrip("\n").replace("\t", " "))
                    print(f"  {number} | {text}")
                    if finding.column:
                        width = len(_printable(line[: finding.column - 1].replace("\t", " ")))
                        print(f"  {' ' * len(str(number))} | {' ' * width}^")
                    return
    except OSError:
        return


def _printable(text: str) -> str:
    """Return *text* with control characters replaced by escapes, so that they cannot control the terminal."""
    return "".join(char if char.isprintable() else repr(char)[1:-1] for char in text)

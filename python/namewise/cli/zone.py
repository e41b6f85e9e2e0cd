"""`nw zone check`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from namewise.cli.failure import Failure, bad_name
from namewise.cli.options import Options, verb
from namewise.cli.progress import Progress

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
    """Run the sub-command."""
    verb(args, ("check",))
    parsed = Options(values=("--origin",), flags=("--json",), words=(1, 1)).read(args[1:])
    return check(parsed)


def check(parsed: Parsed) -> int:
    """Check one zone file and print the result."""
    from namewise.engine import Name, Zone
    from namewise.engine.errors import BadName

    path = parsed.words[0]
    readable(path)
    origin = parsed.one("--origin") or guess_origin(path)
    try:
        name = Name(origin)
    except BadName as error:
        raise bad_name(error) from None
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


def readable(path: str) -> None:
    """Raise `Failure` if the file cannot be read."""
    try:
        with open(path, "rb"):
            pass
    except OSError as error:
        raise Failure(f"{path}: {error.strerror}") from None


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


def guess_origin(path: str) -> str:
    """Return the name of the zone in *path*: its `$ORIGIN` or SOA owner at the top, or else the file name."""
    import os

    try:
        with open(path, encoding="utf-8", errors="replace") as file:
            for _, line in zip(range(50), file, strict=False):
                words = line.split(";", 1)[0].split()
                if len(words) > 1 and words[0].upper() == "$ORIGIN" and words[1].endswith("."):
                    return words[1]
                if len(words) > 2 and "SOA" in (word.upper() for word in words) and words[0].endswith("."):
                    return words[0]
    except OSError:
        pass
    name = os.path.basename(path)
    name = name.removeprefix("db.")
    for end in (".zone", ".db", ".txt"):
        name = name.removesuffix(end)
    return name or "."

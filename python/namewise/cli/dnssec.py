"""`nw dnssec verify`."""

from __future__ import annotations

from namewise.cli.failure import Failure, bad_name
from namewise.cli.options import Options
from namewise.cli.progress import Progress

HELP = """\
usage: nw dnssec verify FILE [--origin NAME] [--at TIME] [--json]

Verifies a signed zone file: every signature, the NSEC or NSEC3 chain, and that nothing is signed that must
not be.

  --origin NAME   name of the zone (default: as for nw zone check)
  --at TIME       verify as of this time, seconds since 1970 or YYYYMMDDHHMMSS in UTC (default: now)
  --json          one JSON object

Exit codes: 0 all signatures hold, 1 something does not, or wrong usage.

  $ nw dnssec verify db.example.com.signed --origin example.com
"""


def run(args: list[str]) -> int:
    """Run the sub-command."""
    if args[:1] != ["verify"]:
        raise Failure("say what to do: nw dnssec verify FILE", hint="nw dnssec --help says more.")
    import sys
    import time

    from namewise.cli.zone import guess_origin
    from namewise.engine import Name, Zone
    from namewise.engine.errors import BadName, ZoneFileError
    from namewise.observe.explain import stamp
    from namewise.tools.verify import verify_zone

    parsed = Options(values=("--origin", "--at"), flags=("--json",), words=(1, 1)).read(args[1:])
    path = parsed.words[0]
    at = parsed.one("--at")
    now = int(time.time()) if at is None else _time(at)
    try:
        with open(path, "rb"):
            pass
        zone = Zone.from_file(Name(parsed.one("--origin") or guess_origin(path)), path)
    except OSError as error:
        raise Failure(f"{path}: {error.strerror}") from None
    except BadName as error:
        raise bad_name(error) from None
    except ZoneFileError as error:
        raise Failure(str(error)) from None
    with Progress(f"verifying {path}"):
        report = verify_zone(zone, now)
    if "--json" in parsed:
        import json

        print(json.dumps(report.as_json(), indent=2))
        return 1 if report.errors else 0
    for finding in report.findings:
        print(finding)
    if report.errors > len(report.findings):
        print(f"and {report.errors - len(report.findings)} more")
    sys.stdout.flush()
    if report.errors:
        count = f"{report.errors} mistake{'' if report.errors == 1 else 's'}"
        sys.stderr.write(f"nw dnssec: {path}: {count} in zone {report.zone}\n")
        return 1
    total = sum(report.keys.values())
    by = ", ".join(f"key {tag}: {count}" for tag, count in report.keys.items())
    print(f"{path}: zone {report.zone}, {report.rrsets} RRsets, {total} good signatures ({by})")
    expires = stamp(report.expires) if report.expires is not None else "never"
    print(f"{report.chain} chain of {report.names} names is closed; the first signature expires {expires}")
    return 0


def _time(text: str) -> int:
    import calendar
    import time

    if text.isdigit() and len(text) == 14:
        return calendar.timegm(time.strptime(text, "%Y%m%d%H%M%S"))
    if text.isdigit():
        return int(text)
    raise Failure(f"--at {text!r} is no time", hint="Write seconds since 1970, or YYYYMMDDHHMMSS in UTC.")

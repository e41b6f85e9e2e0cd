"""`nw zone fmt`."""

from __future__ import annotations

import os
import sys

from namewise.cli.failure import Failure
from namewise.cli.options import Options
from namewise.cli.zone.source import readable, zone_name

HELP = """\
usage: nw zone fmt FILE [--origin NAME] [--write | --check] [--expand]

Print the zone file with its records in columns. Comments, directives, the order of lines, names and numbers stay as they
are; blanks, parentheses and the case of classes and types change. Each run proves that the result is the same
zone, and that it is formatted to itself. Included files are not formatted.

  --origin NAME   name of the zone (default: as for `nw zone check`)
  --write         replace the file, if it changes
  --check         print nothing, and exit with 3 if the file would change
  --expand        execute $ORIGIN, $TTL, $INCLUDE and $GENERATE: one $ORIGIN and $TTL, all records in canonical order,
                  without comments

Exit codes: 0 done, 1 the zone has errors, or wrong usage, 3 with --check: the file would change.

  $ nw zone fmt db.example.com --origin example.com
  $ nw zone fmt db.example.com --origin example.com --write
"""

CHANGES = 3


def run(args: list[str]) -> int:
    """Format one zone file."""
    from namewise.engine import Zone, format_zone
    from namewise.engine.errors import ZoneFileError

    parsed = Options(values=("--origin",), flags=("--write", "--check", "--expand"), words=(1, 1)).read(args)
    if "--write" in parsed and "--check" in parsed:
        raise Failure("--write and --check exclude each other")
    path = parsed.words[0]
    readable(path)
    name = zone_name(path, parsed.one("--origin"))
    try:
        if "--expand" in parsed:
            from namewise.zones.text import proved_text

            formatted = proved_text(Zone.from_file(name, path)).encode()
        else:
            formatted = format_zone(name, path)
    except ZoneFileError as error:
        raise Failure(f"{path} is not formatted, because the zone has errors\n{error}") from None
    with open(path, "rb") as file:
        changes = file.read() != formatted
    if "--check" in parsed:
        if changes:
            raise Failure(f"{path} is not formatted", code=CHANGES)
        return 0
    if "--write" in parsed:
        if changes:
            _replace(path, formatted)
        return 0
    sys.stdout.flush()
    sys.stdout.buffer.write(formatted)
    return 0


def _replace(path: str, content: bytes) -> None:
    """Replace the file in one step, with its owner and mode. A link keeps leading to the file."""
    import tempfile

    path = os.path.realpath(path)
    status = os.stat(path)
    handle, temporary = tempfile.mkstemp(dir=os.path.dirname(path), prefix=f".{os.path.basename(path)}.")
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(content)
            file.flush()
            os.fchmod(file.fileno(), status.st_mode & 0o7777)
            if (status.st_uid, status.st_gid) != (os.geteuid(), os.getegid()):
                os.fchown(file.fileno(), status.st_uid, status.st_gid)
            os.fsync(file.fileno())
        os.replace(temporary, path)
    except BaseException:
        os.unlink(temporary)
        raise

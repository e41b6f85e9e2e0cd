"""`nw zone import`."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from namewise.cli.failure import Failure
from namewise.cli.options import Options
from namewise.cli.zone.source import readable, transferred, zone_name

if TYPE_CHECKING:
    from namewise.cli.options import Parsed
    from namewise.engine import Zone

HELP = """\
usage: nw zone import SOURCE [--from FORM] [--origin NAME] [--soa TEXT] [--ns NAME]... [--output FILE]

Convert a zone to a zone file of this server: one $ORIGIN and $TTL, all records in canonical order. SOURCE is a file, or
`@ADDRESS[:PORT]`: the zone of a server, transferred with AXFR. What cannot be converted is named on standard error.

  --from FORM     bind: a master file of BIND, NSD, Knot, PowerDNS and others; windows: a file of a Windows DNS server;
                  octodns: YAML of octoDNS (needs PyYAML). Default: by the ending .dns, .yaml or .yml, and by the content
  --origin NAME   name of the zone (default: as for `nw zone check`; 0.168.192.in-addr.arpa.dns and example.com.yaml
                  name it, too)
  --soa TEXT      octodns: the data of the SOA: MNAME RNAME, or all seven fields (default: the first NS, hostmaster,
                  1 14400 3600 1209600 3600)
  --ns NAME       octodns: a name server of the zone, if the file has none for its apex
  --output FILE   write the file, which must not exist (default: standard output)

Exit codes: 0 done, 1 the source is not such a zone, or wrong usage.

  $ nw zone import db.example.com --origin example.com
"""

_FORMS = ("bind", "windows", "octodns")
_NUMBERS = "1 14400 3600 1209600 3600"


def run(args: list[str]) -> int:
    """Convert one zone."""
    from namewise.zones.text import proved_text

    parsed = Options(values=("--from", "--origin", "--soa", "--ns", "--output"), words=(1, 1)).read(args)
    source, form = parsed.words[0], parsed.one("--from")
    if form is not None and form not in _FORMS:
        raise Failure(f"--from: no form {form!r}", hint=f"Known forms: {', '.join(_FORMS)}.")
    if source.startswith("@"):
        if form is not None:
            raise Failure("--from is for files; a server sends records")
        zone = transferred(source, parsed.one("--origin"))
    else:
        readable(source)
        zone = _read(source, form, parsed)
    text = proved_text(zone)
    path = parsed.one("--output")
    if path is None:
        sys.stdout.write(text)
        return 0
    try:
        with open(path, "x", encoding="utf-8") as file:
            file.write(text)
    except OSError as error:
        raise Failure(f"{path}: {error.strerror}") from None
    return 0


def _read(path: str, form: str | None, parsed: Parsed) -> Zone:
    """Return the zone in the file *path*. Raises `Failure`."""
    from namewise.engine import Zone
    from namewise.engine.errors import ZoneFileError
    from namewise.zones import windows

    name = zone_name(path, parsed.one("--origin"))
    with open(path, "rb") as file:
        octets = file.read()
    if octets[:4] in (b"\0\0\0\2", b"\0\0\0\3"):
        raise Failure(
            f"{path} is a zone of BIND in raw form",
            hint="named-compilezone -f raw -F text -o FILE ZONE RAW converts it.",
        )
    text = windows.decode(octets)
    form = form or _form(path, text)
    if form != "octodns" and (parsed.one("--soa") or parsed.all("--ns")):
        raise Failure("--soa and --ns are for octodns; this file has its own")
    try:
        if form == "bind":
            return Zone.from_file(name, path)
        if form == "octodns":
            return Zone.from_text(name, _octodns(text, str(name), parsed), file=path)
        text, left_out = windows.zone_text(text)
        for line in left_out:
            print(f"nw zone: left out, because other servers have no such record: {line}", file=sys.stderr)
        # Without a TTL, a record has the minimum of the SOA, which the first reading finds.
        soa = Zone.from_text(name, text, file=path).rrset(name, "SOA")
        minimum = str(next(iter(soa))).split(" ")[-1] if soa else "3600"
        return Zone.from_text(name, f"$TTL {minimum}\n{text}", file=path)
    except ZoneFileError as error:
        raise Failure(f"{path} is not a zone of {name} in the form {form}\n{error}") from None


def _form(path: str, text: str) -> str:
    from namewise.zones import windows

    if path.endswith((".yaml", ".yml")) or text.startswith("---"):
        return "octodns"
    return "windows" if path.endswith(".dns") or windows.is_windows(text) else "bind"


def _octodns(text: str, name: str, parsed: Parsed) -> str:
    """Return the octoDNS zone *text* as a master file with SOA. Raises `Failure`."""
    from namewise.zones import octodns

    try:
        records = octodns.zone_text(text, name)
    except octodns.OctodnsError as error:
        raise Failure(f"{parsed.words[0]}: {error}") from None
    servers = [
        line.split(" ")[3]
        for line in records.splitlines()
        if line.startswith("@ ") and line.split(" ")[2] == "NS"
    ]
    given = [server if server.endswith(".") else f"{server}." for server in parsed.all("--ns")]
    if not servers and not given:
        raise Failure(
            f"{parsed.words[0]} has no NS at the apex",
            hint="--ns NAME, once for each name server, adds them.",
        )
    soa = (parsed.one("--soa") or f"{(servers + given)[0]} hostmaster").split()
    if len(soa) not in (2, 7):
        raise Failure("--soa needs MNAME RNAME, or all seven fields")
    fields = " ".join(soa if len(soa) == 7 else [*soa, _NUMBERS])
    more = "".join(f"@ 3600 NS {server}\n" for server in given)
    return f"$ORIGIN {name}\n@ 3600 SOA {fields}\n{more}{records}"

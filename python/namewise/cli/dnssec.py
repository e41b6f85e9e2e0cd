"""`nw dnssec verify`, `nw dnssec chain`, `nw dnssec anchors`; `sign` is in `sign.py`, `keys` and `rollover` in `rollover.py`, `ds` in
`signing.py`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from namewise.cli.failure import Failure
from namewise.cli.options import Options, verb

if TYPE_CHECKING:
    from namewise.cli.options import Parsed
    from namewise.engine import Name, RRset, Zone

HELP = """\
usage: nw dnssec verify FILE [--origin NAME] [--anchor FILE] [--at TIME] [--json]
       nw dnssec sign FILE [--origin NAME] [--output FILE] [--keys DIR] [--roles WHICH] [--algorithm NAME] [--bits N]
                      [--nsec3 [--opt-out]] [--inception TIME] [--expiration TIME] [--jitter TIME] [--refresh TIME]
                      [--zonemd HASH] [--serial WHICH] [--unverified] [--json]
       nw dnssec chain NAME [TYPE] [--config FILE] [--svg FILE] [--json]
       nw dnssec anchors [--control PATH] [--json]
       nw dnssec keys DIR [--zone NAME] [--json]
       nw dnssec keys import FILE PRIVATE... [--origin NAME] [--output DIR|--state DIR] [--json]
       nw dnssec keys ZONE [--control PATH] [--json]
       nw dnssec ds ZONE [--check-parent] [--control PATH] [--json]
       nw dnssec rollover plan [--policy NAME] [--config FILE] [--roll WHAT] [--algorithm NAME] [--emergency]
                               [--parent TIME] [--svg FILE] [--json]
       nw dnssec rollover status DIR [--zone NAME] [--policy NAME] [--config FILE] [--json]
       nw dnssec rollover start DIR [--zone NAME] (--role WHICH [--emergency] | --ignored KEY) [--json]
       nw dnssec rollover status|start ZONE ... [--control PATH] [--json]
       nw dnssec rollover simulate [--plans N] [--seed N] [--days N] [--json]

Verify a complete signed zone file. Every authoritative RRset needs a signature of each algorithm for
which the zone has keys. The NSEC or NSEC3 chain must contain every authoritative name and every delegation,
with the correct types, and no other name; with opt-out, insecure delegations may be missing. CDS and CDNSKEY
must match keys that sign the zone.

  --origin NAME   name of the zone (default: as for `nw zone check`)
  --anchor FILE   DS or DNSKEY records: a dsset- file, a K*.key file, or the DS records of the parent; one of them
                  must match a key that signs the DNSKEY RRset
  --at TIME       the time at which signatures must be valid: 2026-01-31, 20260131235959, +7d, -1h or seconds
                  since 1970 (default: now)
  --json          one JSON object: ok, zone, serial, at, rrsets, signatures, keys[], chains[], first_expiration,
                  errors, warnings, problems[]

`nw dnssec sign` signs a zone file with the keys in a folder of key files (K*.key and K*.private), makes them if there are none, verifies
the result, writes it, and prints the DS records for the parent, which it also writes to a dsset- file beside the output. A zone that is
signed already keeps the signatures of these keys that are right and do not end soon. Keys sign by their times, as dnssec-keygen writes
them, or by the states of `nw dnssec rollover`; a key without either signs.
  --output FILE   the signed zone (default: FILE.signed)
  --keys DIR      folder of the keys (default: that of the output)
  --roles WHICH   the keys to make: csk (one key, the default) or ksk-zsk
  --algorithm A   of new keys: rsasha256, rsasha512, ecdsap256sha256 (the default), ecdsap384sha384, ed25519, ed448; --bits: of RSA keys
  --nsec3         deny names by NSEC3, without salt and extra iterations; --opt-out leaves out delegations without DS
  --inception T   begin of the signatures (default: -1h); --expiration: their end (default: +30d)
  --jitter T      signatures end up to this earlier, depending on the owner (default: 0)
  --refresh T     signatures that end within this time are made again (default: a quarter of the time until --expiration)
  --zonemd HASH   add a digest of the zone: sha384 or sha512 (RFC 8976)
  --serial WHICH  keep (the default), increment, date (YYYYMMDDnn), unixtime, or a number
  --unverified    do not verify the result before it is written

`nw dnssec chain` resolves NAME in this process with an empty cache and shows the chain of trust: from the trust anchor along
DS records and keys to the RRset, each link with its state, key tags, algorithms and the times of its signature. It exits with 3
if the answer is bogus or there is none, and with 0 otherwise. --svg FILE also draws it.

`nw dnssec anchors` shows what the running server trusts, as `nw ctl anchors`.

`nw dnssec keys` lists the keys in a folder of key files (K*.key and K*.private, as dnssec-keygen writes them), or those of a zone
that the running server signs.
`nw dnssec keys import` makes such files in DIR from private keys of another signer: PKCS#8 files (Knot) or private key files of BIND (which
`pdnsutil export-zone-key` prints). FILE is the zone that is signed with them; each key belongs to one of its DNSKEY records.
With --state, the keys go to the state directory of a server that has not been started yet; it signs with them from its start.

`nw dnssec ds` prints the DS records that the parent of a zone of the running server is to have. With --check-parent, the server asks
all servers of the parent for those that they have, and the command exits with 3 if one has others.

`nw dnssec rollover plan` shows what happens when, from a [[dnssec]] table, and checks at each step whether a validator could find the
zone bogus, whatever it has in its cache. It exits with 3 if so.
  --policy NAME   `default`, `insecure`, or a [[dnssec]] table of the configuration file (default: the only table)
  --roll WHAT     first (signing of an unsigned zone), csk, ksk, zsk, algorithm, insecure (to an unsigned zone)
  --emergency     the key is compromised: no safety margins
  --parent TIME   how long the parent takes to follow CDS (default: 1h)
  --svg FILE      also draw the states of all records

`nw dnssec rollover status` shows the keys of a zone with the states of their records, and what they wait for. `start` asks for a
roll-over, which the next step begins; --ignored KEY says that the parent will not publish the DS of this key any more.
With the name of a zone in place of a folder, they are about a zone that the running server signs; its next step follows at once.
`simulate` runs random plans with late, silent and broken surroundings, from seed N on.

Exit codes: 0 verified (there may be warnings), 1 verification failed, or wrong usage, 2 a file
cannot be read or does not contain the zone.

  $ nw dnssec verify example.com.zone.signed --anchor dsset-example.com.
  $ nw dnssec verify example.com.zone.signed --at +7d
  $ nw dnssec sign example.com.zone --keys keys --serial increment
"""

PROBLEMS = 1
UNREADABLE = 2
_SHOWN = 50
_CHAIN = Options(values=("--config", "--svg"), flags=("--json",), words=(1, 2))
_OPTIONS = Options(values=("--origin", "--anchor", "--at"), flags=("--json",), words=(1, 1))


def run(args: list[str]) -> int:
    """Run the sub-command."""
    said = verb(args, ("verify", "sign", "chain", "anchors", "keys", "ds", "rollover"))
    if said == "sign":
        from namewise.cli.sign import run as sign

        return sign(args[1:])
    if args[:2] == ["keys", "import"]:
        from namewise.cli.import_keys import run as import_keys

        return import_keys(args[2:])
    if said in ("keys", "rollover"):
        from namewise.cli import rollover

        return rollover.run(args[1:]) if said == "rollover" else rollover.read_keys(args[1:])
    if said == "ds":
        from namewise.cli.signing import ds

        return ds(args[1:])
    if said == "anchors":
        from namewise.cli.ctl import run as control

        return control(["anchors", *args[1:]])
    if said == "chain":
        return chain(_CHAIN.read(args[1:]))
    return verify(_OPTIONS.read(args[1:]))


def chain(parsed: Parsed) -> int:
    """Resolve one name and print its chain of trust."""
    import json
    import sys

    from namewise.cli.explain import alone
    from namewise.cli.progress import Progress
    from namewise.tools import explain

    with Progress(f"resolving {parsed.words[0]}"):
        document = alone(parsed)
    picture = parsed.one("--svg")
    if picture is not None:
        try:
            with open(picture, "w", encoding="utf-8") as file:
                file.write(explain.chain_svg(document))
        except OSError as error:
            raise Failure(f"{picture}: {error.strerror}") from None
    if "--json" in parsed:
        print(json.dumps(document, indent=2))
    else:
        sys.stdout.write(explain.chain(document, colour=explain.in_colour(sys.stdout)))
    return explain.exit_code(document)


def verify(parsed: Parsed) -> int:
    """Verify one zone file and print the result."""
    import json
    import time

    from namewise.cli.progress import Progress
    from namewise.engine import verify_zone

    path = parsed.words[0]
    at = moment(parsed.one("--at") or "+0s", time.time())
    zone = load_zone(path, parsed.one("--origin"))
    anchors = _anchors(parsed.one("--anchor"), zone.name)
    most = 1_000_000 if "--json" in parsed else _SHOWN
    with Progress(f"verifying {path}"):
        report: dict[str, Any] = json.loads(verify_zone(zone, at, anchors=anchors, most=most))
    head = {
        "ok": not report["errors"],
        "file": path,
        "zone": str(zone.name),
        "serial": zone.serial,
        "at": stamp(at),
    }
    document = {**head, **report}
    if "--json" not in parsed:
        _show(report)
    if report["errors"]:
        count = f"{report['errors']} error{'' if report['errors'] == 1 else 's'}"
        text = f"{path}: {count}: zone {zone.name} does not verify at {stamp(at)}"
        raise Failure(text, code=PROBLEMS, report=document)
    if "--json" in parsed:
        print(json.dumps(document, indent=2))
        return 0
    print(
        f"{path}: zone {zone.name} serial {zone.serial}, {report['signatures']} signatures over "
        f"{report['rrsets']} RRsets: verified"
    )
    return 0


def moment(text: str, now: float, flag: str = "--at") -> int:
    """Return the time in *text*, absolute or relative to *now*, as seconds since 1970. Raises `Failure`."""
    import datetime

    from namewise.config.values import duration_ms

    try:
        if text[:1] in ("+", "-"):
            return int(now) + (1 if text[0] == "+" else -1) * (duration_ms(text[1:]) // 1000)
        if text.isdigit() and len(text) != 14:
            return int(text)
        form = "%Y%m%d%H%M%S" if text.isdigit() else None
        when = datetime.datetime.strptime(text, form) if form else datetime.datetime.fromisoformat(text)
    except ValueError:
        raise Failure(
            f"{flag}: {text!r} is not a time",
            hint="For instance 2026-01-31, 2026-01-31T12:00:00, 20260131120000, +7d or -1h; all in UTC.",
        ) from None
    return int((when if when.tzinfo else when.replace(tzinfo=datetime.UTC)).timestamp())


def stamp(seconds: int) -> str:
    """Return a time in ISO 8601."""
    import time

    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(seconds))


def load_zone(path: str, origin: str | None) -> Zone:
    """Return the zone in the file. Raises `Failure` with its first errors."""
    from namewise.cli.zone.source import readable, zone_name
    from namewise.engine import Zone

    try:
        readable(path)
    except Failure as failure:
        raise Failure(failure.message, code=UNREADABLE) from None
    name = zone_name(path, origin)
    zone, findings, counts = Zone.check_file(name, path)
    if zone is None:
        mistakes = [str(finding) for finding in findings if finding.severity == "error"]
        errors = sum(
            counts[one] for one in {finding.id for finding in findings if finding.severity == "error"}
        )
        first = "\n".join(mistakes[:5])
        raise Failure(
            f"{path} is not a zone file of {name}: {errors} error{'' if errors == 1 else 's'}\n{first}",
            hint=f"nw zone check {path} --origin {name} shows all; --origin names another zone.",
            code=UNREADABLE,
        )
    return zone


def _anchors(path: str | None, zone: Name) -> list[RRset]:
    """Return the trust anchors of *zone* in the file. Raises `Failure`."""
    from namewise.compile.inputs import read_anchors
    from namewise.config import ConfigError
    from namewise.engine import RRset

    if path is None:
        return []
    try:
        found = [RRset.from_text(line) for line in read_anchors(path)]
    except ConfigError as error:
        text = "\n".join(problem.message for problem in error.problems)
        raise Failure(text, code=UNREADABLE) from None
    wanted = [anchor for anchor in found if anchor.owner == zone]
    if not wanted:
        others = ", ".join(sorted({str(anchor.owner) for anchor in found})) or "nothing"
        raise Failure(f"{path} has no DS or DNSKEY of {zone}: it has those of {others}", code=UNREADABLE)
    return wanted


def _show(report: dict[str, Any]) -> None:
    for problem in report["problems"]:
        what = f"{problem['owner']} {problem['type']}" if problem["type"] else problem["owner"]
        print(f"{problem['severity']}: {what}: {problem['message']}")
    more = report["errors"] + report["warnings"] - len(report["problems"])
    if more > 0:
        print(f"and {more} more; --json lists all")
    for key in report["keys"]:
        kind = "entry key" if key["flags"] & 1 else "zone key"
        kind = f"revoked {kind}" if key["flags"] & 0x80 else kind
        count = key["signs"]
        trusted = ", named by the anchor" if key["anchored"] else ""
        signs = f"signs {count} RRset{'' if count == 1 else 's'}" if count else "signs nothing"
        print(f"key {key['tag']} ({key['algorithm']}, {kind}): {signs}{trusted}")
    for chain in report["chains"]:
        opt_out = ", opt-out" if chain.get("opt_out") else ""
        print(f"chain: {chain['records']} {chain['type']} records{opt_out}")
    if report["zonemd"] is not None:
        print(f"zonemd: the {report['zonemd']} digest is that of the zone")
    if report["first_expiration"] is not None:
        print(f"first signature to expire: {stamp(report['first_expiration'])}")

"""`nw dnssec keys import`: private keys of another signer, as key files for `nw dnssec sign`; the help is that of `nw dnssec`.

A private key alone says neither its zone nor its role. The signed zone has the DNSKEY records; each private key belongs to the record
with its public key. Knot keeps PKCS#8 (RFC 5958), PowerDNS exports the private key files of BIND.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from namewise.cli.failure import Failure
from namewise.cli.options import Options

if TYPE_CHECKING:
    from collections.abc import Sequence

    from namewise.engine import Name, Rdata, ZoneKey

UNREADABLE = 2
MOST_OCTETS = 64 * 1024
"""Of a file with a private key: one of RSA with 4096 bits has 4 KiB."""
_OPTIONS = Options(values=("--origin", "--output"), flags=("--json",), words=(2, None))


def run(args: list[str]) -> int:
    """Write key files for the private keys in the files."""
    from namewise.cli.dnssec import load_zone
    from namewise.dnssec.keystore import FolderStore

    parsed = _OPTIONS.read(args)
    path, *files = parsed.words
    zone = load_zone(path, parsed.one("--origin"))
    known = zone.rrset(zone.name, "DNSKEY")
    if known is None:
        raise Failure(f"{path}: zone {zone.name} has no DNSKEY record: give the signed zone", code=UNREADABLE)
    # All are read before any is written.
    found = {file: _found(zone.name, known.rdatas, file) for file in files}
    store = FolderStore(parsed.one("--output") or ".")
    try:
        for key in found.values():
            store.add(key.file_stem, key)
    except OSError as error:
        raise Failure(f"{error.filename or store.path}: {error.strerror}", code=UNREADABLE) from None
    held = {key.dnskey for key in found.values()}
    missing = [str(one) for one in known.rdatas if one not in held]
    if "--json" in parsed:
        keys = {file: key.file_stem for file, key in found.items()}
        report = {"ok": True, "zone": str(zone.name), "folder": store.path, "keys": keys, "missing": missing}
        print(json.dumps(report, indent=2))
        return 0
    for file, key in found.items():
        print(f"{file}: {key.file_stem}, {'entry key' if key.flags & 1 else 'zone key'}")
    for one in missing:
        print(f"no private key of DNSKEY {one}")
    return 0


def _found(zone: Name, public: Sequence[Rdata], file: str) -> ZoneKey:
    """Return the key of *zone* whose private part is in *file*. Raises `Failure`."""
    from namewise.engine import ZoneKey
    from namewise.engine.errors import KeyFileError

    try:
        with open(file, encoding="ascii") as opened:
            text = opened.read(MOST_OCTETS)
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or "not a text"
        raise Failure(f"{file}: {reason}", code=UNREADABLE) from None
    said = ""
    for one in public:
        flags, _, algorithm, _ = str(one).split(None, 3)
        try:
            if "-----BEGIN" in text:
                key = ZoneKey.from_pem(zone, int(flags), int(algorithm), text)
            else:
                key = ZoneKey.from_files(f"{zone} IN DNSKEY {one}\n", text)
        except KeyFileError as error:
            said = f": {error.message}"
            continue
        if key.dnskey == one:
            return key
    raise Failure(
        f"{file}: not the private key of any of the {len(public)} DNSKEY records of {zone}{said}",
        hint="Give a PKCS#8 file (PEM, unencrypted) or a private key file of BIND, and the zone that is signed with it.",
        code=UNREADABLE,
    )

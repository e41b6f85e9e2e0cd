"""`nw dnssec keys import`: private keys of another signer, as key files for `nw dnssec sign` or in the state database of a server that goes
on signing with them; the help is that of `nw dnssec`.

A private key alone says neither its zone nor its role. The signed zone has the DNSKEY records; each private key belongs to the record
with its public key. Knot keeps PKCS#8 (RFC 5958), PowerDNS exports the private key files of BIND.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from namewise.cli.failure import Failure
from namewise.cli.options import Options

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from namewise.dnssec.policy import Role
    from namewise.engine import Name, Rdata, Zone, ZoneKey

UNREADABLE = 2
MOST_OCTETS = 64 * 1024
"""Of a file with a private key: one of RSA with 4096 bits has 4 KiB."""
_OPTIONS = Options(values=("--origin", "--output", "--state"), flags=("--json",), words=(2, None))


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
    state = parsed.one("--state")
    if state is not None and parsed.one("--output") is not None:
        raise Failure("--output and --state exclude each other")
    folder = parsed.one("--output") or "." if state is None else state
    try:
        if state is not None:
            _adopt(state, zone, list(found.values()))
        else:
            store = FolderStore(folder)
            for key in found.values():
                store.add(key.file_stem, key)
    except OSError as error:
        raise Failure(f"{error.filename or folder}: {error.strerror}", code=UNREADABLE) from None
    held = {key.dnskey for key in found.values()}
    missing = [str(one) for one in known.rdatas if one not in held]
    if "--json" in parsed:
        keys = {file: key.file_stem for file, key in found.items()}
        report = {"ok": True, "zone": str(zone.name), "folder": folder, "keys": keys, "missing": missing}
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


def _adopt(folder: str, zone: Zone, keys: list[ZoneKey]) -> None:
    """Keep *keys* and what is known of them in the state database, for a server that does not run. Raises `Failure`."""
    import os
    import time

    from namewise.dnssec import zone_keys
    from namewise.dnssec.keystore import DatabaseStore, public
    from namewise.dnssec.zone_keys import ZoneKeys
    from namewise.zones.chain import Limits, StoreError
    from namewise.zones.store import Store

    name = str(zone.name).lower()
    os.makedirs(folder, mode=0o700, exist_ok=True)
    try:
        store = Store(folder, Limits())
        try:
            database = DatabaseStore(store)
            if database.load(name) is not None:
                raise Failure(f"{store.path} has keys of {name} already", code=UNREADABLE)
            state = ZoneKeys(name)
            for key in keys:
                role, signs = _role(zone, key, keys)
                state = zone_keys.adopt(
                    state, key.file_stem, role, public(key), int(time.time()), signs=signs
                )
            for key in keys:
                database.add(key.file_stem, key)
            # Last: without states, the keys are not used.
            database.save(state)
        finally:
            store.close()
    except (StoreError, ValueError) as error:
        raise Failure(str(error), code=UNREADABLE) from None


def _role(zone: Zone, key: ZoneKey, keys: list[ZoneKey]) -> tuple[Role, bool]:
    """Return the role of a key, and whether it signs: the signatures in the zone say so, not the times that the other signer kept."""
    from namewise.dnssec.policy import Role

    rrsigs = (rdata.split() for rdata in _signatures(zone))
    signed = {words[0] for words in rrsigs if (int(words[1]), int(words[6])) == (key.algorithm, key.tag)}
    if not key.flags & 1:
        return Role.ZSK, bool(signed)
    others = any(not one.flags & 1 for one in keys)
    alone = bool(signed - {"DNSKEY", "CDS", "CDNSKEY"}) or (not signed and not others)
    return Role.CSK if alone else Role.KSK, bool(signed)


def _signatures(zone: Zone) -> Iterator[str]:
    """Return the rdata of each signature of a zone, as text."""
    after = None
    while page := zone.page(after, 10_000):
        after = page[-1].owner
        for rrset in page:
            if rrset.type == "RRSIG":
                yield from map(str, rrset)

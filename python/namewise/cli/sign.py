"""`nw dnssec sign`; the help is that of `nw dnssec`."""

from __future__ import annotations

import json
import os
import sys
from typing import TYPE_CHECKING, Any, NamedTuple

from namewise.cli.failure import Failure
from namewise.cli.options import Options

if TYPE_CHECKING:
    from namewise.cli.options import Parsed
    from namewise.dnssec.keystore import FolderStore
    from namewise.engine import Signing, Zone, ZoneKey
    from namewise.zones.serial import Method

UNREADABLE = 2
OPTIONS = Options(
    values=(
        "--origin",
        "--output",
        "--keys",
        "--roles",
        "--algorithm",
        "--bits",
        "--inception",
        "--expiration",
        "--jitter",
        "--refresh",
        "--zonemd",
        "--serial",
    ),
    flags=("--nsec3", "--opt-out", "--unverified", "--json"),
    words=(1, 1),
)
_METHODS: dict[str, Method] = {"increment": "increment", "date": "date", "unixtime": "unixtime"}
_HASHES = {"sha384": 1, "sha512": 2}


class Keys(NamedTuple):
    """The keys of the zone in the folder, by what they do now."""

    zone: list[ZoneKey]
    entry: list[ZoneKey] | None
    """The keys that sign DNSKEY, CDS and CDNSKEY; None: by their flags."""
    published: list[ZoneKey]
    removed: list[ZoneKey]
    made: bool


def run(args: list[str]) -> int:
    """Sign one zone file and print the DS records."""
    import time

    from namewise.cli.dnssec import load_zone, stamp
    from namewise.cli.progress import Progress
    from namewise.dnssec.keystore import FolderStore
    from namewise.engine.errors import KeyFileError, SigningFailed, ZoneFileError

    parsed = OPTIONS.read(args)
    path, output = parsed.words[0], parsed.one("--output")
    output = f"{path}.signed" if output is None else output
    now = int(time.time())
    zone = load_zone(path, parsed.one("--origin"))
    name = str(zone.name)
    store = FolderStore(parsed.one("--keys") or os.path.dirname(output) or ".")
    try:
        keys = _keys(store, name, parsed, now)
        how, until = _signing(keys, parsed, now)
        with Progress(f"signing {path}"):
            signed = how.sign(_prepared(zone, keys, parsed, now))
    except (KeyFileError, SigningFailed, ZoneFileError) as error:
        raise Failure(str(error), code=UNREADABLE) from None
    except OSError as error:
        raise Failure(f"{error.filename or store.path}: {error.strerror}", code=UNREADABLE) from None
    report = _verified(signed, now, parsed)
    ds = _ds(name, keys)
    dsset = os.path.join(os.path.dirname(output), f"dsset-{name.lower()}")
    _write(output, signed.to_text())
    _write(dsset, "".join(f"{name} IN DS {one}\n" for one in ds))
    signatures, kept = signed.signatures(zone)
    document = {
        "ok": True,
        "zone": name,
        "serial": signed.serial,
        "output": output,
        "keys": [key.file_stem for key in keys.published],
        "keys_made": keys.made,
        "folder": store.path,
        "ds": ds,
        "dsset": dsset,
        "records": len(signed),
        "signatures": signatures,
        "kept": kept,
        "expiration": stamp(until),
        "verified": report is not None,
    }
    if "--json" in parsed:
        print(json.dumps(document, indent=2))
        return 0
    for key in keys.published:
        made = " (new)" if keys.made else ""
        print(f"key {key.file_stem}{made}")
    for one in ds:
        print(f"{name} IN DS {one}")
    checked = "" if report is None else ", verified"
    print(
        f"{output}: zone {name} serial {signed.serial}, {signatures} signatures, {kept} of them kept{checked}"
    )
    return 0


def _prepared(zone: Zone, keys: Keys, parsed: Parsed, now: int) -> Zone:
    """Return *zone* with its new serial, and with the DNSKEY records of keys that are published but do not sign."""
    from namewise.engine import RRset
    from namewise.zones.serial import following

    said = parsed.one("--serial") or "keep"
    if said != "keep" and said not in _METHODS and not said.isdigit():
        raise Failure(f"--serial: {said!r} is none of keep, {', '.join(_METHODS)}, and no number")
    if said.isdigit() and int(said) >= 1 << 32:
        raise Failure(f"--serial: {said} does not fit 32 bits")
    edit = zone.edit()
    known = zone.rrset(zone.name, "DNSKEY")
    ttl, there = (known.ttl, set(known.rdatas)) if known else (3600, set())
    published = {key.dnskey for key in keys.published}
    # An edit drops the signatures of what it changes.
    if missing := published - there:
        edit.add(RRset(zone.name, "DNSKEY", ttl, list(missing)))
    if gone := {key.dnskey for key in keys.removed} & there - published:
        edit.remove(RRset(zone.name, "DNSKEY", ttl, list(gone)))
    serial: Any = int(said) if said.isdigit() else said
    if said in _METHODS:
        serial = following(zone.serial, _METHODS[said], now)
    return edit.commit(serial)


def _signing(keys: Keys, parsed: Parsed, now: int) -> tuple[Signing, int]:
    """Return how the zone is signed, and until when."""
    from namewise.cli.dnssec import moment
    from namewise.config.values import duration_ms
    from namewise.engine import Signing

    begin = moment(parsed.one("--inception") or "-1h", now, "--inception")
    end = moment(parsed.one("--expiration") or "+30d", now, "--expiration")
    life = end - now
    if end <= begin or life <= 0:
        raise Failure("--expiration must be later than now and than --inception")

    def span(flag: str, otherwise: int) -> int:
        text = parsed.one(flag)
        try:
            return otherwise if text is None else duration_ms(text) // 1000
        except ValueError as error:
            raise Failure(f"{flag}: {error}") from None

    jitter, refresh = span("--jitter", 0), span("--refresh", life // 4)
    if jitter >= life:
        raise Failure("--jitter must be less than the time until --expiration")
    if "--opt-out" in parsed and "--nsec3" not in parsed:
        raise Failure("--opt-out needs --nsec3")
    hashed = parsed.one("--zonemd")
    if hashed is not None and hashed not in _HASHES:
        raise Failure(f"--zonemd: {hashed!r} is none of {', '.join(_HASHES)}")
    how = Signing(
        keys.zone,
        begin,
        end,
        key_signers=keys.entry,
        published=keys.published,
        jitter=jitter,
        nsec3="--nsec3" in parsed,
        opt_out="--opt-out" in parsed,
        zonemd=_HASHES[hashed] if hashed else None,
        keep=(now, now + refresh),
    )
    return how, end


def _keys(store: FolderStore, zone: str, parsed: Parsed, now: int) -> Keys:
    """Return the keys of *zone* in the folder, or make them."""
    from namewise.dnssec.keystore import read_folder

    if parsed.one("--keys") is not None or os.path.isdir(store.path):
        state = store.load(zone)
        if state is not None and state.keys:
            own = {key.id: store.key(zone, key.id) for key in state.keys if not key.foreign}
            here = [key for key in state.keys if not key.foreign]
            return Keys(
                [own[key.id] for key in here if key.zrrsig.published],
                [own[key.id] for key in here if key.krrsig.published],
                [own[key.id] for key in here if key.dnskey.published],
                [own[key.id] for key in here if not key.dnskey.published],
                made=False,
            )
        found = read_folder(store, zone) if os.path.isdir(store.path) else []
        if found:
            handles = {one.id: store.key(zone, one.id) for one in found}
            # A key without times, or with another tool's, signs.
            states = {one.id: one.state(now) if one.times.keys() & _TIMES else "active" for one in found}
            active = [handles[id] for id, says in states.items() if says == "active"]
            if not active:
                raise Failure(f"{store.path}: no key of {zone} is active: {states}", code=UNREADABLE)
            shown = [handles[id] for id, says in states.items() if says in ("active", "published", "retired")]
            gone = [handles[id] for id, says in states.items() if says == "removed"]
            return Keys(active, None, shown, gone, made=False)
    made = _made(zone, parsed)
    for key in made:
        store.add(key.file_stem, key)
    return Keys(made, None, made, [], made=True)


_TIMES = {"Publish", "Activate", "Inactive", "Delete"}


def _made(zone: str, parsed: Parsed) -> list[ZoneKey]:
    """Return new keys of *zone*."""
    from namewise.config.dnssec import ALGORITHMS
    from namewise.engine import ZoneKey

    algorithm = (parsed.one("--algorithm") or "ecdsap256sha256").lower()
    numbers = {str(number): number for number in ALGORITHMS.values()}
    number = ALGORITHMS.get(algorithm, numbers.get(algorithm, 0))
    if not number:
        raise Failure(f"--algorithm: {algorithm!r} is none of {', '.join(ALGORITHMS)}")
    roles = parsed.one("--roles") or "csk"
    flags = {"csk": (257,), "ksk-zsk": (257, 256)}.get(roles)
    if flags is None:
        raise Failure(f"--roles: {roles!r} is none of csk, ksk-zsk")
    bits = parsed.number("--bits", 2048)
    keys = [ZoneKey.generate(zone, flag, number, bits) for flag in flags]
    while len({key.tag for key in keys}) < len(keys):
        keys[-1] = ZoneKey.generate(zone, flags[-1], number, bits)
    return keys


def _ds(zone: str, keys: Keys) -> list[str]:
    """Return the DS records that the parent is to have."""
    from namewise.dnssec.keystore import public
    from namewise.dnssec.zone_keys import ds_of

    active = keys.entry if keys.entry is not None else [key for key in keys.zone if key.flags & 1]
    return [str(ds_of(zone, public(key))) for key in active or keys.zone]


def _verified(zone: Zone, now: int, parsed: Parsed) -> dict[str, Any] | None:
    """Return the report on the signed zone. Raises Failure if it does not verify; nothing was written then."""
    from namewise.cli.progress import Progress
    from namewise.engine import verify_zone

    if "--unverified" in parsed:
        return None
    with Progress("verifying the signatures"):
        report: dict[str, Any] = json.loads(verify_zone(zone, now, most=5))
    if report["errors"]:
        first = "\n".join(f"{one['owner']}: {one['message']}" for one in report["problems"])
        raise Failure(
            f"the signed zone does not verify, and is not written:\n{first}",
            hint="--unverified writes it all the same. Signatures of a future --inception do not verify now.",
        )
    for one in report["problems"]:
        sys.stderr.write(f"warning: {one['owner']}: {one['message']}\n")
    return report


def _write(path: str, text: str) -> None:
    """Replace a file by *text* in one piece. Raises Failure."""
    partial = f"{path}.new"
    try:
        with open(partial, "w", encoding="utf-8") as file:
            file.write(text)
        os.replace(partial, path)
    except OSError as error:
        raise Failure(f"{path}: {error.strerror}", code=UNREADABLE) from None

"""Keys of zones on disk: private keys, and the states of their roll-over, which have no secrets.

A private key is a handle (`ZoneKey`) from the moment it is read or generated. It is never part of a plan, a log line or a state; only
`FolderStore` writes it, to files that no other user can read. What signs asks the store for handles by the ids in `Publication`.

`KeyStore` is what roll-overs need of a store. `FolderStore` keeps the keys of zones in one folder, in the files of BIND (`K*.key`,
`K*.private`), with the states beside them. `DatabaseStore` keeps them in the state database of the server.

RFCs: 5958 (PKCS#8, by `ZoneKey`).
"""

from __future__ import annotations

import contextlib
import json
import os
import stat
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

from namewise.dnssec import rollover, zone_keys
from namewise.dnssec.anchors import Key
from namewise.dnssec.policy import Policy, Role
from namewise.dnssec.safety import RECORD_NAMES, RECORDS, Presence, Reach, RolloverKey
from namewise.dnssec.zone_keys import Held, Outcome, Parent, ZoneFacts, ZoneKeys
from namewise.engine import Name, RRset, ZoneKey
from namewise.engine.errors import KeyFileError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from namewise.zones.store import Store

FORMAT = 1
"""The version of the states in JSON."""
TRIES = 20
"""Keys that are generated until one has a key tag of its own; a tag is one of 65536."""


class KeyStore(Protocol):
    """Where keys of zones are kept. Every method is durable when it returns, and none may be called on an event loop."""

    def load(self, zone: str) -> ZoneKeys | None:
        """Return the states of the keys of *zone*, or None if it has none."""

    def save(self, state: ZoneKeys) -> None:
        """Replace the states of the keys of a zone, as a whole."""

    def add(self, id: str, key: ZoneKey) -> None:
        """Keep a private key. It is added before the state that names it is saved."""

    def key(self, zone: str, id: str) -> ZoneKey:
        """Return the handle of a private key. Raises KeyFileError."""

    def remove(self, zone: str, id: str) -> None:
        """Delete a private key; it may be gone already."""


class MemoryStore:
    """A store that ends with its process."""

    def __init__(self) -> None:
        self._states: dict[str, ZoneKeys] = {}
        self._keys: dict[tuple[str, str], ZoneKey] = {}

    def load(self, zone: str) -> ZoneKeys | None:
        return self._states.get(_folded(zone))

    def save(self, state: ZoneKeys) -> None:
        self._states[_folded(state.zone)] = state

    def add(self, id: str, key: ZoneKey) -> None:
        self._keys[_folded(str(key.owner)), id] = key

    def key(self, zone: str, id: str) -> ZoneKey:
        try:
            return self._keys[_folded(zone), id]
        except KeyError:
            raise KeyFileError(f"no private key {id} of {zone}") from None

    def remove(self, zone: str, id: str) -> None:
        self._keys.pop((_folded(zone), id), None)


class FolderStore:
    """A private folder: `K*.key` and `K*.private` of each key, and `ZONE.rollover.json`. An id is the name of its files."""

    def __init__(self, path: str) -> None:
        self.path = path

    def load(self, zone: str) -> ZoneKeys | None:
        """Return the states of the keys of *zone*. Raises KeyFileError for a file that cannot be read."""
        path = self._states(zone)
        try:
            with open(path, encoding="utf-8") as file:
                return from_json(file.read())
        except FileNotFoundError:
            return None
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise KeyFileError(
                f"{path}: not the states of keys: {error}; restore it, or remove it and import the keys"
            ) from None

    def save(self, state: ZoneKeys) -> None:
        self._write(self._states(state.zone), to_json(state))

    def add(self, id: str, key: ZoneKey, fields: Sequence[tuple[str, str]] | None = None) -> None:
        """Write the files of a key. *fields*: those of the private key file besides the key; None: those that it was read with."""
        self._write(self._file(id, ".private"), key.private_file(key.fields if fields is None else fields))
        self._write(self._file(id, ".key"), key.key_file(), mode=0o644)

    def key(self, zone: str, id: str) -> ZoneKey:
        private = self._file(id, ".private")
        try:
            with open(private, encoding="ascii") as file:
                if stat.S_IMODE(os.fstat(file.fileno()).st_mode) & 0o077:
                    raise KeyFileError(f"{private} can be read by other users: chmod 600 {private}")
                secret = file.read()
            with open(self._file(id, ".key"), encoding="ascii") as file:
                found = ZoneKey.from_files(file.read(), secret)
        except (OSError, UnicodeDecodeError) as error:
            raise KeyFileError(f"{private}: {getattr(error, 'strerror', None) or 'not a text'}") from None
        except KeyFileError as error:
            raise KeyFileError(
                error.message if private in error.message else f"{private}: {error.message}"
            ) from None
        if _folded(str(found.owner)) != _folded(zone):
            raise KeyFileError(f"{private}: a key of {found.owner}, not of {zone}")
        return found

    def remove(self, zone: str, id: str) -> None:
        for end in (".private", ".key"):
            with contextlib.suppress(FileNotFoundError):
                os.unlink(self._file(id, end))
        self._sync()

    def files(self, zone: str) -> list[str]:
        """Return the ids of the keys of *zone* that have files, sorted."""
        start = f"K{_folded(zone).replace('/', '%2F')}+"
        names = os.listdir(self.path)
        return sorted(name[:-4] for name in names if name.startswith(start) and name.endswith(".key"))

    def zones(self) -> list[str]:
        """Return the zones with keys in the folder, sorted."""
        names = os.listdir(self.path)
        known = {name[: -len(".rollover.json")] for name in names if name.endswith(".rollover.json")}
        known |= {
            name[1:].split("+", 1)[0] for name in names if name.startswith("K") and name.endswith(".key")
        }
        return sorted(name.replace("%2F", "/") for name in known)

    def _states(self, zone: str) -> str:
        return os.path.join(self.path, f"{_folded(zone).replace('/', '%2F')}.rollover.json")

    def _file(self, id: str, end: str) -> str:
        if not id.startswith("K") or "/" in id:
            raise KeyFileError(f"{id!r} is not the name of a key file")
        return os.path.join(self.path, id + end)

    def _write(self, path: str, text: str, mode: int = 0o600) -> None:
        """Replace a file by *text* in one piece."""
        os.makedirs(self.path, mode=0o700, exist_ok=True)
        partial = f"{path}.new"
        with contextlib.suppress(FileNotFoundError):
            os.unlink(partial)
        with open(
            os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode), "w", encoding="utf-8"
        ) as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        os.replace(partial, path)
        self._sync()

    def _sync(self) -> None:
        folder = os.open(self.path, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)


class DatabaseStore:
    """The state database: the tables `key` and `rollover`. Raises `StoreError` besides."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def load(self, zone: str) -> ZoneKeys | None:
        """Return the states of the keys of *zone*. Raises KeyFileError if they cannot be read."""
        rows = self._store.select("select states from rollover where zone = ?", (_folded(zone),))
        try:
            return from_json(rows[0][0]) if rows else None
        except (ValueError, KeyError, TypeError) as error:
            raise KeyFileError(f"{self._store.path}: the states of the keys of {zone}: {error}") from None

    def save(self, state: ZoneKeys) -> None:
        self._do("insert or replace into rollover values (?, ?)", (_folded(state.zone), to_json(state)))

    def add(self, id: str, key: ZoneKey) -> None:
        row = (_folded(str(key.owner)), id, key.key_file(), key.private_file(key.fields))
        self._do("insert or replace into key values (?, ?, ?, ?)", row)

    def key(self, zone: str, id: str) -> ZoneKey:
        rows = self._store.select(
            "select dnskey, private from key where zone = ? and id = ?", (_folded(zone), id)
        )
        if not rows:
            raise KeyFileError(f"{self._store.path}: no private key {id} of {zone}")
        try:
            return ZoneKey.from_files(*rows[0])
        except KeyFileError as error:
            raise KeyFileError(f"{self._store.path}: key {id} of {zone}: {error.message}") from None

    def remove(self, zone: str, id: str) -> None:
        self._do("delete from key where zone = ? and id = ?", (_folded(zone), id))

    def _do(self, statement: str, values: tuple[str, ...]) -> None:
        self._store.submit(lambda db: db.execute(statement, values)).result()


def advance(
    store: KeyStore,
    zone: str,
    policy: Policy,
    facts: ZoneFacts,
    parent: Parent | None,
    now: int,
    elapsed: int | None,
    random: Callable[[], float],
) -> Outcome:
    """Take a step with the keys of *zone* in *store*, generate what is wanted, and save the result.

    Nothing is signed or published before this returns: a crash before repeats the step. random: returns a number from 0 to 1.
    """
    state = store.load(zone) or ZoneKeys(_folded(zone))
    while True:
        out = rollover.step(state, policy, facts, parent, now, elapsed)
        state, elapsed = out.keys, 0
        for wanted in out.wanted:
            state = _generate(store, state, wanted, now, random())
        if not out.wanted:
            break
    store.save(state)
    for id in out.purge:
        store.remove(zone, id)
    return out


def _generate(
    store: KeyStore, state: ZoneKeys, wanted: zone_keys.Wanted, now: int, jitter: float
) -> ZoneKeys:
    refused = ""
    for _ in range(TRIES):
        key = ZoneKey.generate(state.zone, wanted.role.flags, wanted.algorithm, wanted.bits)
        try:
            changed = zone_keys.with_key(state, wanted, key.file_stem, public(key), now, jitter)
        except ValueError as error:
            refused = str(error)
            continue
        store.add(key.file_stem, key)
        return changed
    raise KeyFileError(f"no key for {state.zone} after {TRIES} tries: {refused}")


def public(key: ZoneKey) -> Key:
    """Return the public part of a key."""
    return Key.parse(str(key.dnskey))


# Import.


class Imported(NamedTuple):
    """A key from files of BIND: its role, and BIND's times, seconds since 1970."""

    id: str
    role: Role
    public: Key
    times: dict[str, int]
    """`Created`, `Publish`, `Activate`, `Inactive`, `Delete`."""

    def state(self, now: int) -> str:
        """Return what its times say of it, as `dnssec-settime` would: future, published, active, retired or removed."""
        past = [
            name
            for name in ("Publish", "Activate", "Inactive", "Delete")
            if self.times.get(name, now + 1) <= now
        ]
        words = {"Publish": "published", "Activate": "active", "Inactive": "retired", "Delete": "removed"}
        return words[past[-1]] if past else "future"


def read_folder(store: FolderStore, zone: str) -> list[Imported]:
    """Return the keys of *zone* that have files in the folder. Raises KeyFileError.

    A key with the SEP flag is a CSK if its `.state` file says so, or if there is no other key of its algorithm without this flag.
    """
    ids = store.files(zone)
    handles = {id: store.key(zone, id) for id in ids}
    zsk = {key.algorithm for key in handles.values() if not key.flags & 1}
    found = []
    for id, key in handles.items():
        if key.flags & ~0x0101 or not key.flags & 0x0100:
            raise KeyFileError(
                f"{id}: flags {key.flags}; expected 256 or 257 (a revoked key cannot be imported)"
            )
        said = dict(_state_file(os.path.join(store.path, f"{id}.state")))
        alone = key.algorithm not in zsk if not said else said.get("ZSK") == said.get("KSK") == "yes"
        role = Role.ZSK if not key.flags & 1 else Role.CSK if alone else Role.KSK
        times = {name: at for name, value in key.fields if (at := _moment(value)) is not None}
        found.append(Imported(id, role, public(key), times))
    return found


def import_folder(store: FolderStore, zone: str, now: int) -> ZoneKeys:
    """Return the states of the keys of *zone* whose files are in the folder, for a zone that is signed with them. Raises KeyFileError.

    No time of BIND is relied on: every record becomes omnipresent after the usual waits. Keys of the future and removed ones are left out.
    """
    state = ZoneKeys(_folded(zone))
    for one in read_folder(store, zone):
        says = one.state(now)
        if says in ("published", "active"):
            try:
                state = zone_keys.adopt(
                    state,
                    one.id,
                    one.role,
                    one.public,
                    one.times.get("Activate", now),
                    signs=says == "active",
                )
            except ValueError as error:
                raise KeyFileError(str(error)) from None
    return state


def export_folder(store: KeyStore, zone: str, folder: FolderStore, now: int) -> list[str]:
    """Write the keys of *zone* in *store* to *folder* with times for BIND, which then publishes and signs with the same keys as now.

    Returns their ids. Keys of other signers and keys that have left are not written. Raises KeyFileError.
    """
    state = store.load(zone) or ZoneKeys(zone)
    written = []
    for key in state.keys:
        if key.foreign or key.gone:
            continue
        signs = key.zrrsig.published or key.krrsig.published
        times = [("Created", key.created)]
        times += [("Publish", key.created)] if key.dnskey.published else []
        times += [("Activate", now if key.active is None else key.active)] if signs else []
        fields = [(name, _stamp(at)) for name, at in times]
        folder.add(key.id, store.key(zone, key.id), fields)
        written.append(key.id)
    return written


def _stamp(at: int) -> str:
    import time

    return time.strftime("%Y%m%d%H%M%S", time.gmtime(at))


def _state_file(path: str) -> Iterator[tuple[str, str]]:
    with contextlib.suppress(OSError), open(path, encoding="utf-8", errors="replace") as file:
        for line in file:
            name, colon, value = line.partition(":")
            if colon and not line.startswith(";"):
                yield name.strip(), value.strip()


def _moment(text: str) -> int | None:
    import datetime

    try:
        return int(
            datetime.datetime.strptime(text[:14], "%Y%m%d%H%M%S").replace(tzinfo=datetime.UTC).timestamp()
        )
    except ValueError:
        return None


def foreign_key(text: str) -> tuple[str, Role, Key]:
    """Return zone, role and public part of a DNSKEY record of another signer. Raises ValueError."""
    record = RRset.from_text(text)
    key = Key.parse(str(record.rdatas[0]))
    return str(record.owner), Role.KSK if key.may_anchor else Role.ZSK, key


# States as JSON.


def to_json(state: ZoneKeys) -> str:
    """Return *state* as JSON, which `from_json` reads."""
    held = {name: [getattr(state, name).now, *map(list, getattr(state, name).before)] for name in _HELD}
    document = {
        "format": FORMAT,
        "zone": state.zone,
        "requested": sorted(role.value for role in state.requested),
        **held,
        "no_ds_since": state.no_ds_since,
        "had_ds": state.had_ds,
        "stepped": state.stepped,
        "keys": [_key_tree(key) for key in state.keys],
    }
    return json.dumps(document, indent=1) + "\n"


def from_json(text: str) -> ZoneKeys:
    """Return the states in *text*. Raises ValueError, KeyError or TypeError."""
    tree = json.loads(text)
    if tree.get("format") != FORMAT:
        raise ValueError(f"format {tree.get('format')!r}; this version reads {FORMAT}")
    held = {name: Held(tree[name][0], tuple((ttl, until) for ttl, until in tree[name][1:])) for name in _HELD}
    return ZoneKeys(
        zone=str(Name(tree["zone"])),
        keys=tuple(map(_key_of, tree["keys"])),
        requested=frozenset(map(Role, tree["requested"])),
        no_ds_since=tree["no_ds_since"],
        had_ds=tree["had_ds"],
        stepped=tree["stepped"],
        **held,
    )


_HELD = ("max_ttl", "dnskey_ttl", "ds_ttl")
_PLAIN = (
    "id",
    "created",
    "jitter",
    "active",
    "retired",
    "compromised",
    "foreign",
    "predecessor",
    "asked",
    "removed",
)


def _key_tree(key: RolloverKey) -> dict[str, Any]:
    records = {record: [key.reach(record).presence.value, key.reach(record).since] for record in RECORDS}
    plain = {name: getattr(key, name) for name in _PLAIN}
    return {**plain, "role": key.role.value, "public": str(key.public), "records": records}


def _key_of(tree: dict[str, Any]) -> RolloverKey:
    values: dict[str, Any] = {name: tree[name] for name in _PLAIN}
    for record in RECORDS:
        presence, since = tree["records"][record]
        values[record] = Reach(Presence(presence), since)
    return RolloverKey(role=Role(tree["role"]), public=Key.parse(tree["public"]), **values)


def to_tree(state: ZoneKeys, policy: Policy) -> dict[str, Any]:
    """Return the keys with the states of their records, and what they wait for, as an object to show. Times are seconds since 1970."""
    shown = [
        {
            "id": key.id,
            "role": key.role.value,
            "dnskey": str(key.public),
            "ds": str(zone_keys.ds_of(state.zone, key.public)) if key.role.entry else None,
            "retired": key.retired,
            "compromised": key.compromised,
            "foreign": key.foreign,
            "active": key.active,
            "next": None if key.retired or key.foreign else zone_keys.start_of_successor(state, policy, key),
            "records": {
                RECORD_NAMES[record]: [key.reach(record).presence.value, key.reach(record).since]
                for record in RECORDS
                if key.has(record)
            },
        }
        for key in state.keys
    ]
    return {
        "zone": state.zone,
        "stepped": state.stepped,
        "requested": sorted(role.value for role in state.requested),
        "keys": shown,
        "waits": [
            wait._asdict() | {"record": RECORD_NAMES[wait.record]} for wait in zone_keys.waits(state, policy)
        ],
    }


def _folded(zone: str) -> str:
    return str(Name(zone).lower())

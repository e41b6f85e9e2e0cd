"""The state database: the versions of zones that must survive a restart, and how each came to be.

```text
 write ─▶ queue ─▶ writer thread: BEGIN, every write that waits, COMMIT: one fsync ─▶ the futures of the writes
 load, version, entries ─▶ a connection of the calling thread
```

The *chain* of a zone consists of a snapshot (all records after one entry of the journal, compressed) and journal entries, each
with the difference to the version before it. The versions that follow the snapshot are made forwards, those before it
backwards. A file zone with changes that its file does not have also keeps its *base*: the records of the file that the changes
were made to.

A write that fails changes nothing: not the database, and not the chain that later writes extend. After an I/O error it is unknown
what is on disk: the transaction may be there, although it was refused. Until the disk holds exactly what was acknowledged
(`Store.doubt`), every write is refused; a process that is killed before may find the refused version at its start.

A chain with unreadable octets concerns its zone alone. Formats: `user_version` of the database, and the first octet of each difference.

*Limitations*: one process uses a database at a time. The tip of the chain is compared with each write, so that a second process
is refused and nothing is lost.
"""

from __future__ import annotations

import contextlib
import json
import os
import queue
import sqlite3
import threading
import time
import zlib
from typing import TYPE_CHECKING

from namewise.engine import Difference, Zone
from namewise.engine.errors import NamewiseError
from namewise.zones.chain import FILE, MEMBER, Chain, ChainError, Entry, Limits, StoreError, Write, image

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from concurrent.futures import Future
    from typing import Any, TypeVar

    from namewise.zones.chain import Image

    T = TypeVar("T")

SCHEMAS = (
    """
create table zone (
    name text primary key,
    kind text not null,
    added integer not null,
    tip integer not null,
    serial integer not null,
    snapshot integer not null,
    snapshot_at integer not null,
    snapshot_octets integer not null,
    pending integer not null,
    history integer not null,
    base integer,
    base_at integer,
    source text
) without rowid;
create table image (
    zone text not null, id integer not null, chunk integer not null, data blob not null, crc integer not null,
    primary key (zone, id, chunk)
);
create table journal (
    zone text not null, sequence integer not null, serial_from integer, serial_to integer not null, time real not null,
    why text not null, who text not null, client text not null, note text not null,
    added integer not null, changed integer not null, removed integer not null,
    octets integer not null, crc integer not null, difference blob,
    primary key (zone, sequence)
);
create index journal_serial on journal (zone, serial_from);
""",
    """
create table key (zone text not null, id text not null, dnskey text not null, private text not null, primary key (zone, id));
create table rollover (zone text primary key, states text not null) without rowid;
""",
    """
create table note (zone text not null, key text not null, value text not null, primary key (zone, key)) without rowid;
""",
)
"""What makes each format of the database from the one before. The number of the last one is the `user_version`."""
BUSY_S = 2.0
"""How long a write waits for another process that has locked the database."""
MOST_WRITES = 1000
"""Writes that share a transaction."""
ENTRY_OCTETS = 256
"""What an entry counts besides its difference: a flood of tiny changes must not fill the disk with their descriptions."""


_CHAIN = ", ".join(Chain._fields)
_ENTRY = ", ".join(Entry._fields)


class Store:
    """The state database in *folder*. All methods may be called from any thread, and block unless they say otherwise.

    Raises `StoreError`.
    """

    def __init__(self, folder: str, limits: Limits) -> None:
        self.path = os.path.join(folder, FILE)
        self.limits = limits
        self.commits = 0
        """Transactions with changes so far."""
        self.doubt = ""
        """The I/O error since which changes are refused, because it is unknown what is on disk; empty: none."""
        self._jobs: queue.SimpleQueue[tuple[Callable[[sqlite3.Connection], Any], Future[Any]] | None] = (
            queue.SimpleQueue()
        )
        self._closed = False
        self._writer: sqlite3.Connection | None = None
        try:
            # Private keys and zones that nobody may query are in it.
            os.close(os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600))
        except OSError as error:
            raise StoreError(
                f"{self.path}: {error.strerror}",
                "The user of the server needs to write to [server] state.",
                "READ_ONLY",
            ) from None
        with self._errors():
            self._writer = self._open()
            _prepare(self._writer, self.path)
        self._thread = threading.Thread(target=self._run, name="namewise-store", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Finish what waits and close the database. Idempotent."""
        if not self._closed:
            self._closed = True
            self._jobs.put(None)
            self._thread.join()

    def submit(self, job: Callable[[sqlite3.Connection], T]) -> Future[T]:
        """Let the writer call *job* with its connection, in a transaction with others; the future has its result once that is
        durable. What *job* raises undoes what it did, and nothing else. Never blocks."""
        # Imported when something is written: most servers write nothing, and the module brings `logging` along.
        from concurrent.futures import Future

        future: Future[T] = Future()
        if self._closed:
            future.set_exception(StoreError("the server is stopping", code="CLOSED"))
        else:
            self._jobs.put((job, future))
        return future

    def select(self, query: str, values: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
        """Return the rows of *query*, which only reads."""
        with self._reader() as db:
            return db.execute(query, values).fetchall()

    def signed_zones(self) -> list[str]:
        """Return the names of the zones with states of keys, in lower case."""
        return [name for (name,) in self.select("select zone from rollover order by zone")]

    def write(self, writes: Sequence[Write]) -> list[Chain | StoreError]:
        """Write each of *writes*, in order and in one transaction. Return the chain that each leads to, or why it was refused, once
        that is durable. Raises `StoreError` if nothing could be written."""

        def job(db: sqlite3.Connection) -> list[Chain | StoreError]:
            found: list[Chain | StoreError] = []
            for one in writes:
                db.execute("savepoint one")
                try:
                    found.append(_write(db, one, self.limits))
                except StoreError as error:
                    db.execute("rollback to one")
                    found.append(error)
                db.execute("release one")
            return found

        return self.submit(job).result()

    def chains(self) -> dict[str, Chain]:
        """Return what is stored, by zone."""
        with self._reader() as db:
            return {row[0]: _chain(row) for row in db.execute(f"select {_CHAIN} from zone")}

    def chain(self, name: str) -> Chain | None:
        """Return what is stored of the zone *name*, or None."""
        with self._reader() as db:
            return _find(db, name)

    def load(self, name: str, at: int | None = None) -> Zone:
        """Return the version of the zone *name* after the entry *at* (None: the newest).

        Raises `KeyError` if the zone or the version is not stored, `ChainError` if it cannot be read.
        """
        with self._reader() as db:
            chain = _find(db, name)
            if chain is None:
                raise KeyError(name)
            goal = chain.tip if at is None else at
            forwards = goal >= chain.snapshot_at
            rows = db.execute(
                "select sequence, crc, difference from journal where zone = ? and sequence > ? and sequence <= ? "
                f"order by sequence {'asc' if forwards else 'desc'}",
                (name, *sorted((goal, chain.snapshot_at))),
            )
            reached: int | None = None
            try:
                zone = self._image(db, name, chain.snapshot)
                reached = chain.snapshot_at
                for sequence, crc, octets in rows:
                    if sequence != (reached + 1 if forwards else reached):
                        break
                    if octets is None:
                        break
                    if zlib.crc32(octets) != crc:
                        raise ValueError("its checksum is wrong")
                    difference = Difference.from_wire(octets)
                    zone = zone.apply(difference if forwards else difference.reversed)
                    reached += 1 if forwards else -1
            except sqlite3.Error as error:
                raise self._unreadable(chain, reached, _text(error)) from None
            except (NamewiseError, ValueError, zlib.error) as error:
                raise self._unreadable(chain, reached, str(error)) from None
            if reached != goal:
                if at is not None and (at > chain.tip or not forwards):
                    raise KeyError(at)
                raise self._unreadable(chain, reached, "it is missing")
            if at is None and zone.serial != chain.serial:
                raise self._unreadable(
                    chain, reached, f"it leads to serial {zone.serial}, not {chain.serial}"
                )
            return zone

    def base(self, name: str) -> Zone:
        """Return the records of the file that the changes of the zone *name* were made to. Raises as `load`."""
        with self._reader() as db:
            chain = _find(db, name)
            if chain is None or chain.base is None:
                raise KeyError(name)
            try:
                return self._image(db, name, chain.base)
            except sqlite3.Error as error:
                what = _text(error)
            except (NamewiseError, ValueError, zlib.error) as error:
                what = str(error)
        raise ChainError(name, self.path, f"the base of its changes cannot be read: {what}", None, chain.kind)

    def entries(self, name: str, limit: int = 100, before: int | None = None) -> list[Entry]:
        """Return the newest *limit* entries of the journal of the zone *name* (those before the entry *before*), newest first."""
        with self._reader() as db:
            rows = db.execute(
                f"select {_ENTRY} from journal where zone = ? and sequence < ? order by sequence desc limit ?",
                (name, 1 << 62 if before is None else before, limit),
            )
            return [Entry(*row) for row in rows]

    def find(self, name: str, *, serial: int | None = None, at: float | None = None) -> int | None:
        """Return the entry after which the zone *name* had *serial* the last time, or that was the newest one *at* a time (seconds
        since 1970); None: the history does not go back so far."""
        with self._reader() as db:
            if serial is not None:
                rows = db.execute(
                    "select sequence from journal where zone = ? and serial_to = ? union all "
                    "select sequence - 1 from journal where zone = ? and serial_from = ? order by 1 desc limit 1",
                    (name, serial, name, serial),
                )
            else:
                # Nothing before the first entry is known of a zone whose oldest entries were deleted.
                rows = db.execute(
                    "select max(sequence) from journal where zone = ? and time <= ? having max(sequence) is not null "
                    "union all select 0 from journal where zone = ? and sequence = 1 and time > ? and serial_from is not null",
                    (name, at, name, at),
                )
            row = rows.fetchone()
            return None if row is None else int(row[0])

    def differences(self, name: str, most_octets: int) -> list[Difference]:
        """Return the newest differences of the zone *name* that have at most *most_octets* together, oldest first: they lead to
        its newest version without a gap."""
        found: list[Difference] = []
        with self._reader() as db, contextlib.suppress(NamewiseError, sqlite3.DatabaseError):
            rows = db.execute(
                "select sequence, octets, crc, difference from journal where zone = ? order by sequence desc",
                (name,),
            )
            following = None
            for sequence, octets, crc, wire in rows:
                most_octets -= octets
                gap = following is not None and sequence != following - 1
                if gap or wire is None or most_octets < 0 or zlib.crc32(wire) != crc:
                    break
                found.append(Difference.from_wire(wire))
                following = sequence
        return found[::-1]

    def notes(self, key: str) -> dict[str, dict[str, Any]]:
        """Return what `put_note` stored under *key*, by zone."""
        rows = self.select("select zone, value from note where key = ?", (key,))
        return {zone: json.loads(value) for zone, value in rows}

    def put_note(self, name: str, key: str, value: Mapping[str, Any]) -> None:
        """Store *value*, which JSON can hold, of the zone *name* under *key*."""
        text = json.dumps(value)

        def job(db: sqlite3.Connection) -> None:
            db.execute("insert or replace into note values (?, ?, ?)", (name, key, text))

        self.submit(job).result()

    def put_notes(self, key: str, values: Mapping[str, Mapping[str, Any] | None]) -> None:
        """Store each of *values* as `put_note`, by zone and in one transaction; None deletes the note."""
        given = {name: None if value is None else json.dumps(value) for name, value in values.items()}

        def job(db: sqlite3.Connection) -> None:
            gone = [(name, key) for name, text in given.items() if text is None]
            put = [(name, key, text) for name, text in given.items() if text is not None]
            db.executemany("delete from note where zone = ? and key = ?", gone)
            db.executemany("insert or replace into note values (?, ?, ?)", put)

        self.submit(job).result()

    def forget(self, *names: str) -> None:
        """Delete the versions of the zones *names*; their keys stay, and that they are served."""

        def job(db: sqlite3.Connection) -> None:
            for table in ("zone", "image", "journal"):
                column = "name" if table == "zone" else "zone"
                db.executemany(f"delete from {table} where {column} = ?", [(name,) for name in names])
            db.executemany("delete from note where zone = ? and key != ?", [(name, MEMBER) for name in names])

        self.submit(job).result()

    def cut(self, name: str, tip: int) -> Chain:
        """Make the version after the entry *tip* the newest one of the zone *name*: what follows it is deleted."""
        zone = self.load(name, tip)
        pictured = image(zone)

        def job(db: sqlite3.Connection) -> Chain:
            db.execute("delete from journal where zone = ? and sequence > ?", (name, tip))
            (history,) = db.execute(
                "select coalesce(sum(octets + ?), 0) from journal where zone = ?", (ENTRY_OCTETS, name)
            ).fetchone()
            db.execute(
                "update zone set tip = ?, serial = ?, history = ? where name = ?",
                (tip, zone.serial, history, name),
            )
            chain = _find(db, name)
            assert chain is not None, "load() found it"
            return _write(
                db,
                Write(name, chain.kind, chain.added, tip, snapshot=pictured, snapshot_at=tip),
                self.limits,
            )

        return self.submit(job).result()

    # Inside.

    def _image(self, db: sqlite3.Connection, name: str, number: int) -> Zone:
        rows = db.execute(
            "select chunk, data, crc from image where zone = ? and id = ? order by chunk", (name, number)
        )
        chunks = []
        for at, (chunk, data, crc) in enumerate(rows):
            octets = zlib.decompress(data)
            if chunk != at or zlib.crc32(octets) != crc:
                raise ValueError(f"chunk {at} of the snapshot is damaged")
            chunks.append(octets)
        return Zone.from_wire(name, chunks)

    def _unreadable(self, chain: Chain, reached: int | None, what: str) -> ChainError:
        part = "the snapshot" if reached is None else f"entry {reached + 1} of the journal"
        return ChainError(chain.name, self.path, f"{part} cannot be read: {what}", reached, chain.kind)

    def _open(self) -> sqlite3.Connection:
        # Autocommit: transactions begin and end where the code says so.
        db = sqlite3.connect(self.path, timeout=BUSY_S, isolation_level=None, check_same_thread=False)
        try:
            db.execute("pragma journal_mode = wal")
            db.execute("pragma synchronous = full")
            db.execute("pragma journal_size_limit = 8388608")
        except BaseException:
            db.close()
            raise
        return db

    @contextlib.contextmanager
    def _reader(self) -> Iterator[sqlite3.Connection]:
        with self._errors(), contextlib.closing(sqlite3.connect(self.path, timeout=BUSY_S)) as db:
            db.execute("pragma query_only = on")
            yield db

    @contextlib.contextmanager
    def _errors(self) -> Iterator[None]:
        try:
            yield
        except sqlite3.Error as error:
            raise _refused(self.path, error) from None

    def _run(self) -> None:
        while True:
            job = self._jobs.get()
            jobs = []
            while job is not None:
                jobs.append(job)
                if len(jobs) == MOST_WRITES:
                    break
                try:
                    job = self._jobs.get_nowait()
                except queue.Empty:
                    break
            if jobs:
                self._commit(jobs)
            if job is None:
                if self._writer is not None:
                    self._writer.close()
                return

    def _commit(self, jobs: list[tuple[Callable[[sqlite3.Connection], Any], Future[Any]]]) -> None:
        """Do *jobs* in one transaction and settle their futures."""
        done: list[tuple[Future[Any], Any]] = []
        try:
            if self._writer is None:
                self._writer = self._open()
            db = self._writer
            if self.doubt:
                self._settle(db)
            db.execute("begin immediate")
            for job, future in jobs:
                db.execute("savepoint job")
                try:
                    result = job(db)
                except sqlite3.Error:
                    raise
                except Exception as error:
                    db.execute("rollback to job")
                    future.set_exception(error)
                else:
                    done.append((future, result))
                db.execute("release job")
            db.execute("commit")
        except (sqlite3.Error, StoreError) as error:
            refused = error if isinstance(error, StoreError) else _refused(self.path, error)
            if refused.code == "IO":
                self.doubt = self.doubt or refused.message
            self._reset()
            for _, future in jobs:
                if not future.done():
                    future.set_exception(refused)
            return
        self.commits += 1
        for future, result in done:
            future.set_result(result)

    def _settle(self, db: sqlite3.Connection) -> None:
        """Make the disk hold what was acknowledged and nothing else, or raise `StoreError`: move the acknowledged transactions from
        the write-ahead log to the database, and empty the log, which may have the refused one behind them."""
        try:
            (busy, _, _) = db.execute("pragma wal_checkpoint(truncate)").fetchone()
        except sqlite3.Error as error:
            busy, why = True, _text(error)
        else:
            why = "it is being read"
        if busy:
            raise StoreError(
                f"{self.doubt}; changes are refused since, and its log cannot be emptied: {why}", _DOUBT
            )
        self.doubt = ""

    def _reset(self) -> None:
        """Undo the open transaction; without that, open the database anew with the next write."""
        db = self._writer
        try:
            if db is not None and db.in_transaction:
                db.execute("rollback")
        except sqlite3.Error:
            self._writer = None
            with contextlib.suppress(sqlite3.Error):
                if db is not None:
                    db.close()


def _prepare(db: sqlite3.Connection, path: str) -> None:
    """Bring the database to the newest format, or raise `StoreError` if it has a newer one."""
    (version,) = db.execute("pragma user_version").fetchone()
    if version > len(SCHEMAS):
        raise StoreError(
            f"{path} has format {version}, but this version of namewise reads formats up to {len(SCHEMAS)}",
            "Start the newer version of namewise again, or move the file away: zones of kind database and unsaved changes of "
            "file zones are then not served until it is back.",
            "FORMAT",
        )
    for number, schema in enumerate(SCHEMAS[version:], version + 1):
        # A script commits what is open, so that the transaction is part of it.
        db.executescript(f"begin immediate;{schema}pragma user_version = {number};commit;")


def _chain(row: tuple[Any, ...]) -> Chain:
    chain = Chain(*row)
    return chain._replace(added=bool(chain.added))


def _find(db: sqlite3.Connection, name: str) -> Chain | None:
    row = db.execute(f"select {_CHAIN} from zone where name = ?", (name,)).fetchone()
    return None if row is None else _chain(row)


def _write(db: sqlite3.Connection, write: Write, limits: Limits) -> Chain:
    """Write *write* in the open transaction and return the chain as it is then."""
    name = write.name
    chain = _find(db, name)
    if (None if chain is None else chain.tip) != write.expected:
        raise StoreError(
            f"zone {name}: the state database has another version than the one that is served",
            "Another process may use the same [server] state: stop it, then restart this server.",
            "OUT_OF_STEP",
        )
    if chain is None:
        assert write.snapshot is not None, "a chain begins with a snapshot"
        # The snapshot is the version before the entry, or the first one.
        tip = write.snapshot_at - (write.entry is not None and write.difference is None)
        serial = write.snapshot_serial
        chain = Chain(name, write.kind, write.added, tip, serial, 0, 0, 0, 0, 0, None, None, None)
    chain = chain._replace(kind=write.kind, added=write.added)
    change = write.entry
    if change is not None:
        octets = len(write.difference or b"")
        crc = zlib.crc32(write.difference or b"")
        sequence = chain.tip + 1
        entry = Entry(
            sequence, change.before, change.serial, time.time(), change.why, change.who, change.client,
            change.note, change.added, change.changed, change.removed, octets,
        )  # fmt: skip
        db.execute(
            f"insert into journal (zone, {_ENTRY}, crc, difference) values (?{', ?' * (len(entry) + 2)})",
            (name, *entry, crc, write.difference),
        )
        counted = octets + ENTRY_OCTETS
        chain = chain._replace(
            tip=sequence,
            serial=change.serial,
            pending=chain.pending + counted,
            history=chain.history + counted,
        )
    if write.snapshot is not None:
        number = _put(db, name, write.snapshot)
        size = sum(len(data) for data, _ in write.snapshot)
        (pending,) = db.execute(
            "select coalesce(sum(octets + ?), 0) from journal where zone = ? and sequence > ?",
            (ENTRY_OCTETS, name, write.snapshot_at),
        ).fetchone()
        chain = chain._replace(
            snapshot=number, snapshot_at=write.snapshot_at, snapshot_octets=size, pending=pending
        )
    if write.base == "none":
        chain = chain._replace(base=None, base_at=None)
    elif write.base == "snapshot":
        chain = chain._replace(base=chain.snapshot)
    elif write.base is not None:
        chain = chain._replace(base=_put(db, name, write.base))
    if write.base_at is not None and chain.base is not None:
        chain = chain._replace(base_at=write.base_at)
    if write.source is not None:
        chain = chain._replace(source=write.source)
    if write.snapshot is not None or write.base is not None:
        db.execute(
            "delete from image where zone = ? and id not in (?, ?)",
            (name, chain.snapshot, chain.snapshot if chain.base is None else chain.base),
        )
    chain = _bounded(db, chain, limits)
    db.execute(f"insert or replace into zone ({_CHAIN}) values (?{', ?' * (len(chain) - 1)})", tuple(chain))
    return chain


def _put(db: sqlite3.Connection, name: str, pictured: Image) -> int:
    """Store an image of the zone *name* and return its number."""
    (number,) = db.execute("select coalesce(max(id), 0) + 1 from image where zone = ?", (name,)).fetchone()
    rows = ((name, number, chunk, data, crc) for chunk, (data, crc) in enumerate(pictured))
    db.executemany("insert into image values (?, ?, ?, ?, ?)", rows)
    return int(number)


def _bounded(db: sqlite3.Connection, chain: Chain, limits: Limits) -> Chain:
    """Delete the oldest entries above the limit. Those that follow the snapshot stay: the newest version is made of them."""
    excess = chain.history - limits.history
    if excess <= 0:
        return chain
    last, freed = None, 0
    rows = db.execute(
        "select sequence, octets from journal where zone = ? and sequence <= ? order by sequence",
        (chain.name, chain.snapshot_at),
    )
    for sequence, octets in rows:
        if freed >= excess:
            break
        last, freed = sequence, freed + octets + ENTRY_OCTETS
    if last is not None:
        db.execute("delete from journal where zone = ? and sequence <= ?", (chain.name, last))
    return chain._replace(history=chain.history - freed)


_CORRUPT = (
    "Stop the server and put a copy from a backup in its place; or move the file away: zone files are then served without the "
    "changes that they lack, and zones of kind database not at all."
)
_DOUBT = (
    "It is unknown whether the refused change is on disk: it is not served, but a server that is killed now may find it at its next "
    "start. Examine the disk; changes are accepted again when it works."
)
_CODES = {
    sqlite3.SQLITE_FULL: ("FULL", "Free space on that file system; changes are accepted again at once."),
    sqlite3.SQLITE_READONLY: (
        "READ_ONLY",
        "Make the state directory and its files writable for the user of the server.",
    ),
    sqlite3.SQLITE_CANTOPEN: (
        "READ_ONLY",
        "Make the state directory and its files writable for the user of the server.",
    ),
    sqlite3.SQLITE_BUSY: ("LOCKED", "Another process has locked the file; end it, then try again."),
    sqlite3.SQLITE_LOCKED: ("LOCKED", "Another process has locked the file; end it, then try again."),
    sqlite3.SQLITE_PROTOCOL: ("LOCKED", "Another process has locked the file; end it, then try again."),
    sqlite3.SQLITE_CORRUPT: ("CORRUPT", _CORRUPT),
    sqlite3.SQLITE_NOTADB: ("CORRUPT", _CORRUPT),
}
"""By result code of SQLite: the code of the error and the remedy."""


def _refused(path: str, error: sqlite3.Error) -> StoreError:
    number = getattr(error, "sqlite_errorcode", 0) & 0xFF
    code, hint = _CODES.get(number, ("IO", _DOUBT))
    return StoreError(f"{path}: {_text(error)}", hint, code)


def _text(error: sqlite3.Error) -> str:
    return str(error) or type(error).__name__

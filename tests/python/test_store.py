"""The state database of zones: order of acknowledgement, group commit, bounds, and what it does when the disk does not."""

from __future__ import annotations

import os
import shutil
import sqlite3
import subprocess
import sys
import threading
from typing import TYPE_CHECKING

import pytest

from namewise.engine import RRset, Zone
from namewise.zones.chain import Chain, ChainError, Limits, StoreError, Write, image
from namewise.zones.state import Change
from namewise.zones.store import Store

if TYPE_CHECKING:
    from collections.abc import Iterator
    from concurrent.futures import Future
    from pathlib import Path

TEXT = "$TTL 60\n@ SOA ns1 admin 1 3600 900 604800 300\n@ NS ns1\nns1 A 192.0.2.53\n"


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    store = Store(str(tmp_path), Limits())
    yield store
    store.close()


class Versions:
    """Makes versions of one zone, and the writes that store them."""

    def __init__(self, name: str = "z.") -> None:
        self.name = name
        self.all = [Zone.from_text(name, TEXT)]
        self.tip: int | None = None

    def next(self, text: str = "x") -> Write:
        """Return the write of a version with one more record."""
        old = self.all[-1]
        edit = old.edit()
        edit.add(RRset(f"n{len(self.all)}.{self.name}", "TXT", 60, [f'"{text}"']))
        new = edit.commit()
        self.all.append(new)
        change = Change("edit", new.serial, old.serial, 1, who="test")
        write = Write(self.name, "database", True, self.tip, change, old.difference(new).wire)
        if self.tip is None:
            write = write._replace(snapshot=image(old), snapshot_serial=old.serial)
        self.tip = (self.tip or 0) + 1
        return write


def fill(store: Store, versions: Versions, count: int) -> list[Chain]:
    results = store.write([versions.next() for _ in range(count)])
    assert all(isinstance(one, Chain) for one in results), results
    return [one for one in results if isinstance(one, Chain)]


def same(one: Zone, other: Zone) -> bool:
    return not one.difference(other)


def test_every_version_can_be_made_again(store: Store) -> None:
    versions = Versions()
    fill(store, versions, 5)
    for at, zone in enumerate(versions.all):
        assert same(store.load("z.", at), zone), at
    assert same(store.load("z."), versions.all[-1])
    # A snapshot in the middle: later ones are made forwards from it, earlier ones backwards.
    (chain,) = store.write([Write("z.", "database", True, 5, snapshot=image(versions.all[3]), snapshot_at=3)])
    assert isinstance(chain, Chain) and chain.snapshot_at == 3
    for at, zone in enumerate(versions.all):
        assert same(store.load("z.", at), zone), at
    entries = store.entries("z.", 3)
    assert [(one.sequence, one.serial_from, one.serial_to, one.who) for one in entries] == [
        (5, 5, 6, "test"),
        (4, 4, 5, "test"),
        (3, 3, 4, "test"),
    ]
    assert [one.sequence for one in store.entries("z.", 9, before=3)] == [2, 1]
    differences = store.differences("z.", 1 << 20)
    assert [one.serial_after for one in differences] == [2, 3, 4, 5, 6]
    assert len(store.differences("z.", differences[0].octets * 2)) == 2
    with pytest.raises(KeyError):
        store.load("z.", 6)
    with pytest.raises(KeyError):
        store.load("other.")
    store.forget("z.")
    assert store.chains() == {} and store.entries("z.") == []


def test_writes_that_wait_share_one_transaction(store: Store) -> None:
    """While one transaction runs, others wait; all of them are in the next one, and each is acknowledged after it."""
    running, go = threading.Event(), threading.Event()

    def slow(_: sqlite3.Connection) -> None:
        running.set()
        assert go.wait(10)

    first = store.submit(slow)
    assert running.wait(10)
    versions = [Versions(f"z{number}.") for number in range(50)]
    order: list[str] = []
    futures: list[Future[None]] = []
    for one in versions:
        write = one.next()

        def job(db: sqlite3.Connection, write: Write = write) -> None:
            from namewise.zones.store import _write

            order.append("written")
            _write(db, write, Limits())

        futures.append(store.submit(job))
        futures[-1].add_done_callback(lambda _: order.append("acknowledged"))
    assert not any(future.done() for future in futures)
    go.set()
    first.result(10)
    for future in futures:
        future.result(10)
    assert store.commits == 2, "one fsync for fifty changes"
    assert order == ["written"] * 50 + ["acknowledged"] * 50
    assert len(store.chains()) == 50


def test_what_is_acknowledged_is_in_the_file(store: Store, tmp_path: Path) -> None:
    """At the moment of the acknowledgement, another connection sees the change, and the writer asks for an fsync."""
    versions = Versions()
    fill(store, versions, 1)
    with sqlite3.connect(tmp_path / "zones.sqlite3") as other:
        assert other.execute("select tip from zone").fetchone() == (1,)
    assert store.submit(lambda db: db.execute("pragma synchronous").fetchone()).result() == (2,), "FULL"
    assert store.submit(lambda db: db.execute("pragma journal_mode").fetchone()).result() == ("wal",)
    assert os.stat(tmp_path / "zones.sqlite3").st_mode & 0o777 == 0o600


def test_a_write_that_fails_leaves_the_others_alone(store: Store) -> None:
    good, bad = Versions("good."), Versions("bad.")
    fill(store, good, 1)
    fill(store, bad, 1)
    first, outdated, third = good.next(), bad.next()._replace(expected=7), good.next()
    results = store.write([first, outdated, third])
    assert [type(one) for one in results] == [Chain, StoreError, Chain]
    assert isinstance(results[1], StoreError) and results[1].code == "OUT_OF_STEP"
    assert same(store.load("good."), good.all[-1])
    assert store.load("bad.").serial == 2

    def broken(_: sqlite3.Connection) -> None:
        raise RuntimeError("broken")

    with pytest.raises(RuntimeError):
        store.submit(broken).result()


def test_the_history_is_bounded(tmp_path: Path) -> None:
    store = Store(str(tmp_path), Limits(history=20_000))
    versions = Versions()
    fill(store, versions, 40)
    chain = store.chains()["z."]
    assert chain.history < 20_000 and not chain.wants_compaction(store.limits)
    chain = fill(store, versions, 40)[-1]
    assert chain.wants_compaction(store.limits), "the differences alone exceed the bound"
    (result,) = store.write(
        [Write("z.", "database", True, 80, snapshot=image(versions.all[-1]), snapshot_at=80)]
    )
    assert isinstance(result, Chain) and 0 < result.history <= 20_000 and result.pending == 0
    oldest = store.entries("z.", 1000)[-1].sequence
    assert oldest > 1
    assert same(store.load("z.", oldest - 1), versions.all[oldest - 1])
    with pytest.raises(KeyError):
        store.load("z.", oldest - 2)
    with sqlite3.connect(store.path) as db:
        (images,) = db.execute("select count(distinct id) from image").fetchone()
        assert images == 1, "the former snapshot is deleted"
    store.close()


def test_a_newer_format_is_refused_with_a_recipe(tmp_path: Path) -> None:
    Store(str(tmp_path), Limits()).close()
    with sqlite3.connect(tmp_path / "zones.sqlite3") as db:
        db.execute("pragma user_version = 7")
    with pytest.raises(
        StoreError, match="has format 7, but this version of namewise reads formats up to 3"
    ) as caught:
        Store(str(tmp_path), Limits())
    assert caught.value.code == "FORMAT" and "newer version" in caught.value.hint


def test_a_file_that_is_no_database_is_refused(tmp_path: Path) -> None:
    (tmp_path / "zones.sqlite3").write_bytes(b"no database" * 1000)
    with pytest.raises(StoreError, match="file is not a database") as caught:
        Store(str(tmp_path), Limits())
    assert caught.value.code == "CORRUPT" and "backup" in caught.value.hint


DAMAGE: list[tuple[str, str, int | None, str]] = [
    ("update image set data = x'00' where zone = 'bad.'", "the snapshot cannot be read", None, ""),
    ("update image set crc = crc + 1 where zone = 'bad.'", "chunk 0 of the snapshot is damaged", None, ""),
    ("delete from image where zone = 'bad.'", "the snapshot cannot be read", None, ""),
    (
        "delete from journal where zone = 'bad.' and sequence = 2",
        "entry 2 of the journal cannot be read",
        1,
        "--entry 1",
    ),
    (
        "update journal set difference = x'07' where zone = 'bad.' and sequence = 3",
        "its checksum is wrong",
        2,
        "--entry 2",
    ),
    (
        "update journal set difference = x'07', crc = 4210033613 where zone = 'bad.' and sequence = 3",
        "entry 3 of the journal cannot be read",
        2,
        "--entry 2",
    ),
    ("update zone set serial = 9 where name = 'bad.'", "leads to serial 4, not 9", 3, "--entry 3"),
]


@pytest.mark.parametrize(("damage", "what", "readable", "recipe"), DAMAGE)
def test_damage_concerns_one_zone(
    store: Store, damage: str, what: str, readable: int | None, recipe: str
) -> None:
    good, bad = Versions("good."), Versions("bad.")
    fill(store, good, 3)
    fill(store, bad, 3)
    store.submit(lambda db: db.execute(damage)).result()
    with pytest.raises(ChainError) as caught:
        store.load("bad.")
    text = str(caught.value)
    assert what in text and recipe in text and "backup" in text, text
    assert caught.value.readable == readable
    assert same(store.load("good."), good.all[-1])
    if readable is not None:
        chain = store.cut("bad.", readable)
        assert (chain.tip, chain.serial) == (readable, bad.all[readable].serial)
        assert same(store.load("bad."), bad.all[readable])
        bad.all, bad.tip = bad.all[: readable + 1], readable
        fill(store, bad, 2)
        assert same(store.load("bad."), bad.all[-1])


def test_a_database_that_another_process_has_locked(store: Store) -> None:
    versions = Versions()
    fill(store, versions, 1)
    store.submit(lambda db: db.execute("pragma busy_timeout = 50")).result()
    write = versions.next()
    other = sqlite3.connect(store.path, isolation_level=None)
    other.execute("begin immediate")
    with pytest.raises(StoreError, match="locked") as caught:
        store.write([write])
    assert caught.value.code == "LOCKED"
    assert store.load("z.").serial == 2, "reading goes on"
    other.execute("rollback")
    other.close()
    (result,) = store.write([write])
    assert isinstance(result, Chain) and result.tip == 2


def test_a_second_process_is_out_of_step(store: Store, tmp_path: Path) -> None:
    versions = Versions()
    fill(store, versions, 1)
    other = Store(str(tmp_path), Limits())
    other.write([versions.next()])
    other.close()
    (result,) = store.write([versions.next()._replace(expected=1)])
    assert isinstance(result, StoreError) and result.code == "OUT_OF_STEP"


CHILD = """
import os, resource, sys
sys.path[:0] = [{tests!r}]
from test_store import Versions, fill, same
from namewise.zones.chain import Chain, Limits, StoreError
from namewise.zones.store import Store
store = Store({folder!r}, Limits())
versions = Versions()
fill(store, versions, 3)
{before}
codes = set()
for _ in range(50):
    saved = (versions.tip, len(versions.all))
    try:
        (result,) = store.write([versions.next(os.urandom(100).hex())])
        assert isinstance(result, Chain)
    except StoreError as error:
        codes.add(error.code)
        versions.tip = saved[0]
        del versions.all[saved[1]:]
        assert same(store.load("z."), versions.all[-1]), "what was refused has changed nothing"
print(sorted(codes))
{after}
(result,) = store.write([versions.next()])
assert isinstance(result, Chain), result
assert same(store.load("z."), versions.all[-1]), "accepted again at once"
store.close()
store = Store({folder!r}, Limits())
assert same(store.load("z."), versions.all[-1])
"""


def child(
    folder: Path, before: str, after: str, prefix: tuple[str, ...] = ()
) -> subprocess.CompletedProcess[str]:
    code = CHILD.format(tests=os.path.dirname(__file__), folder=str(folder), before=before, after=after)
    return subprocess.run(
        [*prefix, sys.executable, "-c", code], capture_output=True, text=True, timeout=120, check=False
    )


def test_a_limit_of_the_file_size_refuses_changes_until_it_is_lifted(tmp_path: Path) -> None:
    before = (
        f"size = os.path.getsize({str(tmp_path / 'zones.sqlite3-wal')!r}); "
        "resource.setrlimit(resource.RLIMIT_FSIZE, (size + 10000, resource.RLIM_INFINITY))"
    )
    after = "resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))"
    done = child(tmp_path, before, after)
    assert done.returncode == 0, done.stderr
    assert done.stdout in ("['FULL']\n", "['IO']\n")


def namespaces() -> bool:
    done = subprocess.run(["unshare", "-rm", "true"], capture_output=True, check=False)
    return done.returncode == 0


needs_namespaces = pytest.mark.skipif(not namespaces(), reason="needs user and mount namespaces")


@needs_namespaces
def test_a_full_disk_refuses_changes_until_there_is_space(tmp_path: Path) -> None:
    """A small file system of its own."""
    script = f'mount -t tmpfs -o size=400k none {tmp_path} && exec "$@"'
    before = (
        f"filler = open({str(tmp_path / 'filler')!r}, 'wb'); filler.write(bytes(200 << 10)); filler.flush()"
    )
    after = "os.ftruncate(filler.fileno(), 0)"
    done = child(tmp_path, before, after, ("unshare", "-rm", "sh", "-c", script, "sh"))
    assert done.returncode == 0, done.stderr
    assert done.stdout == "['FULL']\n"


READ_ONLY = """
import subprocess, sys
from namewise.zones.chain import Limits, StoreError
from namewise.zones.store import Store
Store(sys.argv[1], Limits()).close()
subprocess.run(["mount", "-o", "remount,ro", sys.argv[1]], check=True)
try:
    Store(sys.argv[1], Limits())
except StoreError as error:
    print(error.code, error)
"""


@needs_namespaces
def test_a_read_only_disk_is_named(tmp_path: Path) -> None:
    script = f'mount -t tmpfs none {tmp_path} && exec "$@"'
    command = ["unshare", "-rm", "sh", "-c", script, "sh", sys.executable, "-c", READ_ONLY, str(tmp_path)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith(f"READ_ONLY {tmp_path}/zones.sqlite3: Read-only file system"), done.stdout


FSYNC = """
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <stdlib.h>
#include <unistd.h>
static int fails(void) { return access(getenv("FAIL_FSYNC"), F_OK) == 0; }
int fsync(int fd) { if (fails()) { errno = EIO; return -1; } return ((int (*)(int))dlsym(RTLD_NEXT, "fsync"))(fd); }
int fdatasync(int fd) { if (fails()) { errno = EIO; return -1; } return ((int (*)(int))dlsym(RTLD_NEXT, "fdatasync"))(fd); }
"""
IN_DOUBT = """
import os, sys
sys.path[:0] = [sys.argv[1]]
from test_store import Versions, fill, same
from namewise.zones.chain import Chain, Limits, StoreError
from namewise.zones.store import Store
fails = os.environ["FAIL_FSYNC"]
store, versions = Store(sys.argv[2], Limits()), Versions()
fill(store, versions, 3)
open(fails, "w").close()
for attempt in range(3):
    tip = versions.tip
    try:
        print(store.write([versions.next("refused")]))
    except StoreError as error:
        print(error.code, "unknown" in error.hint, "since" in error.message, bool(store.doubt))
    versions.tip = tip
    versions.all.pop()
    assert same(store.load("z."), versions.all[-1]), "what was refused is not served"
if sys.argv[3] == "kill":
    os.kill(os.getpid(), 9)
os.unlink(fails)
(result,) = store.write([versions.next("accepted")])
assert isinstance(result, Chain) and result.tip == 4 and not store.doubt
os.kill(os.getpid(), 9)
"""


@pytest.mark.skipif(shutil.which("cc") is None, reason="needs a C compiler")
@pytest.mark.parametrize("end", ["kill", "mend"])
def test_an_error_of_the_disk_after_the_commit_frame_leaves_no_doubt(tmp_path: Path, end: str) -> None:
    """The frames of a transaction are written, and then fsync fails. It was not acknowledged, and later ones are not until what was
    acknowledged is on disk alone."""
    source, library, state = tmp_path / "fsync.c", tmp_path / "fsync.so", tmp_path / "state"
    source.write_text(FSYNC)
    state.mkdir()
    subprocess.run(["cc", "-shared", "-fPIC", "-o", library, source, "-ldl"], check=True)
    environment = {**os.environ, "LD_PRELOAD": str(library), "FAIL_FSYNC": str(tmp_path / "fails")}
    done = subprocess.run(
        [sys.executable, "-c", IN_DOUBT, os.path.dirname(__file__), str(state), end],
        capture_output=True, text=True, env=environment, timeout=120, check=False,
    )  # fmt: skip
    assert done.returncode == -9, done.stderr
    assert done.stdout.splitlines() == ["IO True False True", "IO True True True", "IO True True True"]
    store = Store(str(state), Limits())
    chain, zone = store.chain("z."), store.load("z.")
    store.close()
    assert chain is not None
    if end == "kill":
        assert chain.tip in (3, 4), "what was acknowledged, and perhaps what was refused"
        assert all(zone.rrset(f"n{number}.z.", "TXT") for number in (1, 2, 3))
    else:
        rrset = zone.rrset("n4.z.", "TXT")
        assert chain.tip == 4 and rrset is not None and str(rrset.rdatas[0]) == '"accepted"'

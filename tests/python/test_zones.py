"""Zone sources: the suite that every backend has to pass."""

from __future__ import annotations

import ast
import os
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest
from test_registry import Engineless, Later, publish

from namewise.backends.database import DatabaseSource
from namewise.backends.file import FileSource
from namewise.engine import RRset, Zone
from namewise.engine.errors import ZoneFileError
from namewise.zones import Cause, Registry
from namewise.zones.journal import Journal

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from namewise.zones import ZoneState
    from namewise.zones.source import ZoneSource

TEXT = (
    "$TTL 60\n@ IN SOA ns1 admin {serial} 3600 900 604800 300\n@ NS ns1\nns1 A 192.0.2.53\nwww A 192.0.2.1\n"
)


class FileBackend:
    """How the suite writes a zone for the backend under test. A further backend adds a class like this."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / "example.com.zone"
        self.clock = 1_700_000_000

    def write(self, text: str) -> None:
        self.path.write_text(text)
        # Two writes within a tick of the file system's clock must differ all the same.
        self.clock += 1
        os.utime(self.path, (self.clock, self.clock))

    def source(self) -> ZoneSource:
        return FileSource("example.com.", str(self.path))


class Kept:
    """A registry that keeps the changes of one zone. The suite restarts it; each backend that keeps changes is one of `KEPT`."""

    name = "example.com."

    def __init__(self, folder: Path, kind: str) -> None:
        self.folder, self.kind = folder, kind
        self.file = FileBackend(folder)
        if kind == "file":
            self.file.write(TEXT.format(serial=1))
        self.start()
        if kind == "database":
            first = Zone.from_text(self.name, TEXT.format(serial=1))
            self.registry.change(self.registry.states[self.name], first)

    def start(self) -> None:
        self.registry, self.engine = Registry(Later(), Journal(str(self.folder))), Engineless()
        self.registry.connect(self.engine)  # type: ignore[arg-type]  # all that it uses
        source = self.file.source() if self.kind == "file" else DatabaseSource(self.name)
        publish(self.registry, self.engine, self.registry.refresh([source]))

    def restart(self) -> None:
        self.registry.close()
        self.start()

    def add(self, owner: str) -> None:
        def make(state: ZoneState) -> Zone:
            assert state.current is not None
            edit = state.current.edit()
            edit.add(RRset(f"{owner}.{self.name}", "A", 60, ["192.0.2.9"]))
            return edit.commit()

        self.registry.edit(self.name, make, Cause("edit", "test"))

    @property
    def zone(self) -> Zone:
        zone = self.registry.states[self.name].current
        assert zone is not None
        return zone


KEPT = ("file", "database")


@pytest.fixture(params=KEPT)
def kept(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Kept]:
    made = Kept(tmp_path, request.param)
    yield made
    made.registry.close()


def test_a_change_is_kept(kept: Kept) -> None:
    kept.add("one")
    kept.add("two")
    text = kept.zone.to_text()
    for _ in range(2):
        kept.restart()
        assert (kept.zone.to_text(), kept.zone.serial) == (text, 3)
    kept.add("three")
    kept.restart()
    assert kept.zone.rrset("three.example.com.", "A") is not None


def test_earlier_versions_are_kept(kept: Kept) -> None:
    versions = [kept.zone]
    for owner in ("one", "two", "three"):
        kept.add(owner)
        versions.append(kept.zone)
    store = kept.registry.journal.store
    for zone in versions:
        sequence = store.find(kept.name, serial=zone.serial)
        assert not store.load(kept.name, sequence).difference(zone)


def test_a_snapshot_changes_nothing(kept: Kept) -> None:
    kept.add("one")
    kept.registry.compact(kept.name)
    kept.add("two")
    text = kept.zone.to_text()
    kept.restart()
    assert kept.zone.to_text() == text


def test_a_reload_keeps_changes(kept: Kept) -> None:
    kept.add("one")
    source = kept.registry.states[kept.name].source
    refresh = kept.registry.refresh([source])
    assert (refresh.changed, refresh.warnings, refresh.failures) == ((), (), ())
    publish(kept.registry, kept.engine, refresh)
    assert kept.zone.rrset("one.example.com.", "A") is not None


def test_what_is_stored_and_unreadable_is_not_served(kept: Kept) -> None:
    kept.add("one")
    kept.add("two")
    kept.registry.journal.store.submit(lambda db: db.execute("update image set crc = 1")).result()
    kept.restart()
    state = kept.registry.states[kept.name]
    assert (state.condition, state.current) == ("failed", None) and "backup" in state.error


@pytest.fixture(params=[FileBackend])
def backend(request: pytest.FixtureRequest, tmp_path: Path) -> FileBackend:
    made: Callable[[Path], FileBackend] = request.param
    return made(tmp_path)


def test_load_returns_the_current_zone(backend: FileBackend) -> None:
    backend.write(TEXT.format(serial=1))
    source = backend.source()
    assert (source.load().serial, len(source.load())) == (1, 4)
    backend.write(TEXT.format(serial=2))
    assert source.load().serial == 2


def test_the_version_changes_only_with_the_zone(backend: FileBackend) -> None:
    backend.write(TEXT.format(serial=1))
    source = backend.source()
    first = source.version()
    assert source.version() == first
    backend.write(TEXT.format(serial=2))
    assert source.version() != first


def test_a_broken_zone_is_never_served_in_part(backend: FileBackend) -> None:
    backend.write(TEXT.format(serial=1) + "bad A 192.0.2.300\nworse MX ten mail\n")
    with pytest.raises(ZoneFileError) as caught:
        backend.source().load()
    assert len(caught.value.faults) == 2


def test_storage_that_is_not_there_is_an_os_error(backend: FileBackend) -> None:
    source = backend.source()
    with pytest.raises(OSError):
        source.version()


WRITER = """
import os, sys, threading
from namewise.backends.file import FileSource

path = sys.argv[1]
head = b"$TTL 60\\n@ IN SOA ns1 admin 1 3600 900 604800 300\\n@ NS ns1\\nns1 A 192.0.2.53\\n"
lines = [b"h%d TXT \\"$\\"\\n" % number for number in range(200_000)]
text = head + b"".join(lines)
stop = threading.Event()

def disturb():
    while not stop.is_set():
        with open(path, "wb") as file:
            file.write(text)
        os.truncate(path, 100)

with open(path, "wb") as file:
    file.write(text)
writer = threading.Thread(target=disturb)
writer.start()
outcomes = set()
for _ in range(40):
    source = FileSource("example.com.", path)
    source.version()
for _ in range(2):
    try:
        outcomes.add(len(source.load()))
    except Exception as error:
        outcomes.add(type(error).__name__)
stop.set()
writer.join()
print(sorted(map(str, outcomes)))
"""


def test_a_file_that_is_overwritten_meanwhile_is_loaded_whole_or_reported(tmp_path: Path) -> None:
    """A writer that truncates and fills the file in a loop must neither end the process nor have half a zone
    loaded. A writer that pauses for long leaves a truncated file at rest: its contents are an error."""
    path = str(tmp_path / "busy.zone")
    done = subprocess.run(  # a separate process: a mapped file would end it with SIGBUS
        [sys.executable, "-c", WRITER, path], capture_output=True, text=True, timeout=120, check=False
    )
    assert done.returncode == 0, (done.returncode, done.stderr)
    assert set(ast.literal_eval(done.stdout)) <= {"200003", "ZoneFileError"}


def test_the_version_covers_the_files_that_are_included(tmp_path: Path) -> None:
    backend = FileBackend(tmp_path)
    (tmp_path / "more").write_text('$include "deep er"\nmore A 192.0.2.2\n')
    (tmp_path / "deep er").write_text("deeper A 192.0.2.3\n")
    backend.write(TEXT.format(serial=1) + "; $INCLUDE none\n$Include more ; and a comment\n")
    source = backend.source()
    first = source.version()
    assert source.version() == source.version(first) == first
    assert len(source.load()) == 6
    (tmp_path / "deep er").write_text("deeper A 192.0.2.4\nx A 192.0.2.5\n")
    second = source.version(first)
    assert second != first
    (tmp_path / "more").unlink()
    assert source.version(second) != second


def test_many_zones_that_are_read_together_have_the_versions_of_single_reads(tmp_path: Path) -> None:
    """A zone that `load_many` read is not read again at the next reload; a bad one keeps its error to itself."""
    text = TEXT.format(serial=1)
    (tmp_path / "part").write_text("extra A 192.0.2.9\n")
    files = {"a.example.": text, "b.example.": text + "$INCLUDE part\n", "c.example.": text + "x A 1.2\n"}
    for name, content in files.items():
        (tmp_path / name).write_text(content)
    sources = [FileSource(name, str(tmp_path / name)) for name in files]
    missing = FileSource("d.example.", str(tmp_path / "nowhere"))
    first, second, third, fourth = FileSource.load_many([*sources, missing])
    assert first is not None and second is not None and third is not None and fourth is None
    assert isinstance(third[1], ZoneFileError)
    assert [first[0], second[0]] == [source.version() for source in sources[:2]]
    registry = Registry()
    refresh = registry.refresh([*sources, missing])
    assert refresh.added == ("a.example.", "b.example.")
    assert [source.name for source, _ in refresh.failures] == ["c.example.", "d.example."]

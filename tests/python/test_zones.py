"""Zone sources: the common suite for every backend, and the registry."""

from __future__ import annotations

import ast
import json
import os
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from namewise.backends.file import FileSource
from namewise.engine import Engine, Snapshot, Unavailable, Zone
from namewise.engine.errors import EngineClosed, GenerationConflict, ZoneFileError
from namewise.zones import Refresh, Registry
from namewise.zones.registry import ZoneConflict

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping
    from pathlib import Path

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
        outcomes.add(type(error).__name__ + ("" if "keeps changing" in str(error) else str(error)[:200]))
stop.set()
writer.join()
print(sorted(map(str, outcomes)))
"""


def test_a_file_that_is_overwritten_meanwhile_is_loaded_whole_or_reported(tmp_path: Path) -> None:
    """A writer that truncates and fills the file in a loop must neither end the process nor have half a zone
    loaded."""
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


class Engineless:
    """What a registry needs of an engine: generations and a set of zones, without threads. Verified by `test_registry_serves`."""

    def __init__(self) -> None:
        self.generation = 0
        self.zones: dict[str, Zone | Unavailable] = {}
        self.named: set[str] = set()

    def publish(self, named: Iterable[str], data: Iterable[Zone]) -> int:
        """Like `Engine.publish` of a plan that names *named*, with *data*."""
        given = {str(zone.name): zone for zone in data}
        names = set(named)
        for name in self.named - names:
            self.zones.pop(name, None)
        for name in names:
            self.zones.setdefault(name, given.get(name, Unavailable("waiting")))
        self.named = names
        self.generation += 1
        return self.generation

    def change(self, zones: Mapping[str, Zone | Unavailable | None], expected: int) -> int:
        if expected != self.generation:
            raise GenerationConflict(expected, self.generation)
        for name, entry in zones.items():
            if entry is None:
                self.zones.pop(name, None)
            else:
                self.zones[name] = entry
        self.generation += 1
        return self.generation


class MemorySource:
    """A zone whose text is in memory."""

    def __init__(self, name: str, serial: int, text: str = TEXT) -> None:
        self.name, self.place, self.serial, self.text = name, "memory", serial, text

    def version(self, former: object = None) -> tuple[int, str]:
        return (self.serial, self.text)

    def load(self) -> Zone:
        return Zone.from_text(self.name, self.text.format(serial=self.serial), file="memory")


def connected() -> tuple[Registry, Engineless]:
    registry, engine = Registry(), Engineless()
    registry.connect(engine)  # type: ignore[arg-type]  # all that it uses
    return registry, engine


def publish(registry: Registry, engine: Engineless, refresh: Refresh) -> None:
    registry.publish(refresh, lambda: engine.publish(refresh.after, refresh.new_data()))


def served(engine: Engineless) -> dict[str, int | str]:
    return {
        name: entry.cause if isinstance(entry, Unavailable) else entry.serial
        for name, entry in engine.zones.items()
    }


def test_only_changed_zones_are_loaded(tmp_path: Path) -> None:
    backend = FileBackend(tmp_path)
    backend.write(TEXT.format(serial=1))
    registry, engine = connected()
    first = registry.refresh([backend.source()])
    assert (first.added, first.changed, first.removed) == (("example.com.",), (), ())
    publish(registry, engine, first)
    same = registry.refresh([backend.source()])
    assert same.after["example.com."] is first.after["example.com."]
    backend.write(TEXT.format(serial=1))
    touched = registry.refresh([backend.source()])
    assert (touched.changed, touched.warnings) == ((), ()), "another date, the same content"
    backend.write(TEXT.format(serial=2))
    second = registry.refresh([backend.source()])
    assert (second.added, second.changed, second.removed) == ((), ("example.com.",), ())
    assert served(engine) == {"example.com.": 1}, "nothing is served before it is published"
    publish(registry, engine, second)
    assert served(engine) == {"example.com.": 2}
    gone = registry.refresh([])
    assert gone.removed == ("example.com.",)
    publish(registry, engine, gone)
    assert (served(engine), registry.states) == ({}, {})


def test_one_bad_zone_leaves_the_others_alone(tmp_path: Path) -> None:
    """The bad zone keeps its old version, or is SERVFAIL with its first error."""
    (tmp_path / "bad.zone").write_text("@ A 192.0.2.300\n")
    good = MemorySource("good.", 1)
    gone, bad = FileSource("a.", str(tmp_path / "gone.zone")), FileSource("b.", str(tmp_path / "bad.zone"))
    registry, engine = connected()
    refresh = registry.refresh([good, gone, bad])
    assert [source.name for source, _ in refresh.failures] == ["a.", "b."]
    publish(registry, engine, refresh)
    assert served(engine) == {"good.": 1, "a.": "failed", "b.": "failed"}
    entry = engine.zones["b."]
    assert isinstance(entry, Unavailable) and entry.detail.startswith("bad.zone:1:5: "), entry
    assert f"{tmp_path}/gone.zone: No such file or directory" in registry.states["a."].error
    # Mended, it is served; broken again, its last good version stays.
    (tmp_path / "bad.zone").write_text(TEXT.format(serial=5))
    publish(registry, engine, registry.refresh([good, gone, bad]))
    assert served(engine) == {"good.": 1, "a.": "failed", "b.": 5}
    (tmp_path / "bad.zone").write_text("nonsense\n")
    again = registry.refresh([good, gone, bad])
    assert [source.name for source, _ in again.failures] == ["a.", "b."]
    publish(registry, engine, again)
    assert served(engine) == {"good.": 1, "a.": "failed", "b.": 5}
    assert registry.states["b."].error
    assert [source.name for source, _ in registry.refresh([good, bad]).failures] == ["b."], "at each reload"


@pytest.mark.parametrize(
    ("old", "new", "warned"), [(5, 5, "is still 5"), (5, 4, "went back from 5 to 4"), (5, 6, None)]
)
def test_a_serial_that_does_not_rise_is_reported(old: int, new: int, warned: str | None) -> None:
    registry, engine = connected()
    publish(registry, engine, registry.refresh([MemorySource("z.", old)]))
    refresh = registry.refresh([MemorySource("z.", new, TEXT + "x A 192.0.2.9\n")])
    assert refresh.changed == ("z.",)
    assert (warned in refresh.warnings[0]) if warned else refresh.warnings == ()


def test_a_changed_file_does_not_overwrite_a_change() -> None:
    registry, engine = connected()
    publish(registry, engine, registry.refresh([MemorySource("z.", 1)]))
    first = registry.states["z."].current
    registry.change("z.", MemorySource("z.", 7).load(), first)
    with pytest.raises(ZoneConflict):
        registry.change("z.", MemorySource("z.", 8).load(), first)
    refresh = registry.refresh([MemorySource("z.", 2)])
    assert (refresh.changed, len(refresh.warnings)) == ((), 1)
    assert "1 change made since would be lost" in refresh.warnings[0]
    publish(registry, engine, refresh)
    assert served(engine) == {"z.": 7}
    registry.expire("z.")
    assert (served(engine), registry.states["z."].condition) == ({"z.": "expired"}, "expired")


NAMES = ["a.", "b.", "c."]


class Interleaving(RuleBasedStateMachine):
    """Reloads in two halves (read, publish) with changes, additions and removals in between, in any order.

    Whatever is acknowledged stays until the settings or a removal take the zone away.
    """

    def __init__(self) -> None:
        super().__init__()
        self.registry, self.engine = connected()
        self.pending: Refresh | None = None
        self.serial = 0
        self.acknowledged: dict[str, int] = {}
        self.configured: set[str] = set()

    def next(self) -> int:
        self.serial += 1
        return self.serial

    @rule(names=st.sets(st.sampled_from(NAMES)), broken=st.sets(st.sampled_from(NAMES)))
    def read(self, names: set[str], broken: set[str]) -> None:
        self.pending = self.registry.refresh(
            MemorySource(name, self.next(), "broken" if name in broken else TEXT) for name in sorted(names)
        )

    @precondition(lambda self: self.pending is not None)
    @rule()
    def publish_settings(self) -> None:
        assert self.pending is not None
        before = self.registry.states
        publish(self.registry, self.engine, self.pending)
        names = set(self.pending.after)
        for name in self.configured - names:
            self.acknowledged.pop(name, None)
        for name in names:
            read, former = self.pending.after[name].current, before.get(name)
            if former is None or former is self.pending.before.get(name):
                # Nothing came between: what was read is served, unless it would undo changes of the zone.
                if former is None or former.journal == 0:
                    self.acknowledged.pop(name, None)
                if read is not None:
                    assert served(self.engine)[name] == read.serial
        self.configured = names
        self.pending = None

    @rule(name=st.sampled_from(NAMES))
    def change(self, name: str) -> None:
        state = self.registry.states.get(name)
        if state is not None:
            serial = self.next()
            self.registry.change(name, MemorySource(name, serial).load(), state.current)
            self.acknowledged[name] = serial

    @rule(name=st.sampled_from(NAMES))
    def add(self, name: str) -> None:
        serial = self.next()
        if name in self.registry.states:
            with pytest.raises(ZoneConflict):
                self.registry.add(MemorySource(name, serial))
        else:
            self.registry.add(MemorySource(name, serial))
            self.acknowledged[name] = serial

    @rule(name=st.sampled_from(NAMES))
    def remove(self, name: str) -> None:
        if name in self.registry.states:
            self.registry.remove(name)
            self.acknowledged.pop(name, None)

    @invariant()
    def nothing_acknowledged_is_lost(self) -> None:
        found = served(self.engine)
        for name, serial in self.acknowledged.items():
            assert found.get(name) == serial
        assert set(found) == set(self.registry.states), "engine and registry agree"
        for name, state in self.registry.states.items():
            assert found[name] == (state.condition if state.current is None else state.current.serial)


TestInterleaving = Interleaving.TestCase
TestInterleaving.settings = settings(max_examples=60, stateful_step_count=30, deadline=None)


def test_registry_serves(tmp_path: Path) -> None:
    """The same steps with a real engine: what the stand-in above does is what the engine does."""
    registry, engine = Registry(), Engine(1)
    registry.connect(engine)

    def settings_for(*names: str) -> None:
        refresh = registry.refresh(MemorySource(name, 1) for name in names)
        plan = json.dumps({"version": 1, "zones": [{"name": name} for name in names]}).encode()
        registry.publish(refresh, lambda: engine.publish(Snapshot.build(plan, refresh.new_data()), []))

    settings_for("a.", "b.")
    registry.change("a.", MemorySource("a.", 7).load(), registry.states["a."].current)
    registry.add(MemorySource("c.", 3))
    settings_for("a.", "b.")
    settings_for("a.")
    assert {name: state.current and state.current.serial for name, state in registry.states.items()} == {
        "a.": 7,
        "c.": 3,
    }
    registry.remove("c.")
    assert engine.generation == 6
    engine.close()
    with pytest.raises(EngineClosed):
        registry.remove("a.")
    assert "a." in registry.states


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

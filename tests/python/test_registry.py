"""The registry: no interleaving of reloads, changes, folds, additions and removals loses an acknowledged change."""

from __future__ import annotations

import json
import os
import socket
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from namewise.backends.file import FileSource
from namewise.engine import Engine, Message, RRset, Snapshot, Unavailable, Zone, make_query
from namewise.engine.errors import EngineClosed, GenerationConflict
from namewise.zones import Change, Refresh, Registry
from namewise.zones.background import Background
from namewise.zones.registry import Fold, ZoneConflict

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable, Iterable, Mapping

TEXT = (
    "$TTL 60\n@ IN SOA ns1 admin {serial} 3600 900 604800 300\n@ NS ns1\nns1 A 192.0.2.53\nwww A 192.0.2.1\n"
)


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

    def change(
        self, zones: Mapping[str, Zone | Unavailable | None], expected: int, history: object = None
    ) -> int:
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


class Later(Background):
    """Keeps the jobs; a test runs them when it wants to."""

    def __init__(self) -> None:
        super().__init__()
        self.jobs: dict[Hashable, Callable[[], object]] = {}

    def add(self, key: Hashable, job: Callable[[], object]) -> None:
        self.jobs[key] = job


def connected() -> tuple[Registry, Engineless]:
    registry, engine = Registry(Later()), Engineless()
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
    source = FileSource("example.com.", str(tmp_path / "example.com.zone"))

    def write(serial: int, when: int) -> None:
        Path(source.place).write_text(TEXT.format(serial=serial))
        os.utime(source.place, (when, when))  # two writes within a tick of the clock must differ

    write(1, 1_700_000_001)
    registry, engine = connected()
    first = registry.refresh([source])
    assert (first.added, first.changed, first.removed) == (("example.com.",), (), ())
    publish(registry, engine, first)
    same = registry.refresh([source])
    assert same.after["example.com."] is first.after["example.com."]
    write(1, 1_700_000_002)
    touched = registry.refresh([source])
    assert (touched.changed, touched.warnings) == ((), ()), "another date, the same content"
    write(2, 1_700_000_003)
    second = registry.refresh([source])
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
    first = registry.states["z."]
    registry.change(first, MemorySource("z.", 7).load())
    with pytest.raises(ZoneConflict):
        registry.change(first, MemorySource("z.", 8).load())
    refresh = registry.refresh([MemorySource("z.", 2)])
    assert (refresh.changed, len(refresh.warnings)) == ((), 1)
    assert "1 change made since would be lost" in refresh.warnings[0]
    publish(registry, engine, refresh)
    assert served(engine) == {"z.": 7}
    registry.expire("z.")
    assert (served(engine), registry.states["z."].condition) == ({"z.": "expired"}, "expired")


NAMES = ["a.", "b.", "c."]


class Interleaving(RuleBasedStateMachine):
    """Reloads and folds in two halves (read, publish) with changes, additions and removals in between, in any order.

    Whatever is acknowledged stays, record by record, until the settings or a removal take the zone away.
    """

    def __init__(self) -> None:
        super().__init__()
        self.registry, self.engine = connected()
        self.pending: Refresh | None = None
        self.folds: list[Fold] = []
        self.serial = 0
        self.acknowledged: dict[str, str] = {}
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
            seen = self.pending.before.get(name)
            if former is None or (seen is not None and former.revision == seen.revision):
                # Nothing came between: what was read is served, unless it would undo changes of the zone.
                if former is None or former.journal == 0:
                    self.acknowledged.pop(name, None)
                if read is not None:
                    assert served(self.engine)[name] == read.serial
        self.configured = names
        self.pending = None

    @rule(name=st.sampled_from(NAMES))
    def replace(self, name: str) -> None:
        state = self.registry.states.get(name)
        if state is not None:
            zone = MemorySource(name, self.next()).load()
            self.registry.change(state, zone)
            self.acknowledged[name] = zone.to_text()

    @rule(name=st.sampled_from(NAMES), count=st.integers(1, 5), again=st.booleans())
    def edit(self, name: str, count: int, again: bool) -> None:
        state = self.registry.states.get(name)
        if state is None or state.current is None:
            return
        edit = state.current.edit()
        for _ in range(count):
            edit.add(RRset(f"n{self.next() % 20}.{name}", "A", 60, [f"192.0.2.{self.serial % 250}"]))
        zone = edit.commit()
        self.registry.change(state, zone)
        self.acknowledged[name] = zone.to_text()
        if again:
            with pytest.raises(ZoneConflict):
                self.registry.change(state, zone)

    @rule(name=st.sampled_from(NAMES))
    def begin_fold(self, name: str) -> None:
        state = self.registry.states.get(name)
        fold = self.registry.fold(name)
        if state is not None and state.current is not None and state.current.wants_fold:
            assert ("fold", name) in self.jobs, "what is worth a fold is planned"
            assert fold is not None
        if fold is not None:
            self.folds.append(fold)

    @precondition(lambda self: self.folds)
    @rule(first=st.booleans())
    def finish_fold(self, first: bool) -> None:
        fold = self.folds.pop(0 if first else -1)
        present = self.registry.states.get(fold.before.source.name)
        taken = self.registry.take(fold)
        if present is not None and present.current is fold.before.current:
            assert taken, "nothing came between"

    @property
    def jobs(self) -> dict[Hashable, Callable[[], object]]:
        assert isinstance(self.registry.background, Later)
        return self.registry.background.jobs

    @rule(name=st.sampled_from(NAMES))
    def add(self, name: str) -> None:
        source = MemorySource(name, self.next())
        if name in self.registry.states:
            with pytest.raises(ZoneConflict):
                self.registry.add(source)
        else:
            self.registry.add(source)
            self.acknowledged[name] = source.load().to_text()

    @rule(name=st.sampled_from(NAMES))
    def remove(self, name: str) -> None:
        if name in self.registry.states:
            self.registry.remove(name)
            self.acknowledged.pop(name, None)

    @rule(name=st.sampled_from(NAMES))
    def expire(self, name: str) -> None:
        if name in self.registry.states:
            self.registry.expire(name)
            self.acknowledged.pop(name, None)

    @invariant()
    def nothing_acknowledged_is_lost(self) -> None:
        found = self.engine.zones
        for name, text in self.acknowledged.items():
            zone = found[name]
            assert isinstance(zone, Zone) and zone.to_text() == text
        assert set(found) == set(self.registry.states), "engine and registry agree"
        for name, state in self.registry.states.items():
            zone = found[name]
            assert zone is state.current or (isinstance(zone, Unavailable) and zone.cause == state.condition)


TestInterleaving = Interleaving.TestCase
TestInterleaving.settings = settings(max_examples=40, stateful_step_count=30, deadline=None)


def test_two_thousand_changes_fold_beside_queries() -> None:
    """Each change is acknowledged while a client asks; the zone is folded in the background. Nothing is lost, and the changes
    that a version carries beside its store stay few."""
    registry, engine = Registry(), Engine(1)
    registry.connect(engine)
    source = MemorySource("z.", 1, TEXT + "".join(f"n{number} TXT {number}\n" for number in range(2000)))
    refresh = registry.refresh([source])
    plan = json.dumps({"version": 1, "zones": [{"name": "z."}]}).encode()
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as server:
        server.bind(("127.0.0.1", 0))
        registry.publish(
            refresh, lambda: engine.publish(Snapshot.build(plan, refresh.new_data()), [server.fileno()])
        )
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as client:
            client.connect(server.getsockname())
            client.settimeout(10)
            lines = []
            for number in range(2000):
                state = registry.states["z."]
                assert state.current is not None
                edit = state.current.edit()
                line = f"{number % 256}.{number}"
                edit.add(RRset(f"m{number}.z.", "TXT", 60, [line]))
                registry.change(state, edit.commit())
                lines.append(f"m{number} 60 TXT {line}\n")
                client.send(make_query(f"m{number}.z.", "TXT").wire)
                reply = Message.parse(client.recv(4096))
                assert reply.rcode == "NOERROR" and len(reply.answer) == 1, "acknowledged means served"
    registry.close()
    state = registry.states["z."]
    assert state.current is not None and state.journal == 2000
    assert not state.current.wants_fold
    built = Zone.from_text("z.", source.text.format(serial=2001) + "".join(lines))
    assert state.current.succeed(built) is None and built.succeed(state.current) is None
    assert state.current.octets < 1.2 * built.octets
    engine.close()


def test_a_fold_that_a_new_file_overtakes_is_dropped() -> None:
    registry, engine = connected()
    publish(registry, engine, registry.refresh([MemorySource("z.", 1)]))

    def edited() -> None:
        state = registry.states["z."]
        assert state.current is not None
        edit = state.current.edit()
        for number in range(8):
            edit.add(RRset(f"n{number}.z.", "A", 60, ["192.0.2.1"]))
        registry.change(state, edit.commit())

    edited()
    fold = registry.fold("z.")
    assert fold is not None
    registry.remove("z.")
    assert not registry.take(fold)
    registry.add(MemorySource("z.", 5))
    assert not registry.take(fold)
    assert served(engine) == {"z.": 5}


def test_a_change_that_was_computed_before_a_fold_is_taken() -> None:
    registry, engine = connected()
    publish(registry, engine, registry.refresh([MemorySource("z.", 1)]))
    state = registry.states["z."]
    assert state.current is not None
    edit = state.current.edit()
    for number in range(8):
        edit.add(RRset(f"n{number}.z.", "A", 60, ["192.0.2.1"]))
    registry.change(state, edit.commit())
    before = registry.states["z."]
    assert before.current is not None
    late = before.current.edit()
    late.add(RRset("late.z.", "A", 60, ["192.0.2.1"]))
    fold = registry.fold("z.")
    assert fold is not None and registry.take(fold)
    registry.change(before, late.commit())
    current = registry.states["z."].current
    assert current is not None and len(current) == 13 and not current.wants_fold
    assert str(registry.states["z."].change) == "serial 2 -> 3: 1 RRset added"


def test_a_reload_publishes_and_reports_the_difference(tmp_path: Path) -> None:
    """A file in which little changed keeps the memory of the zone that is served."""
    many = "".join(f"n{number} A 192.0.2.1\n" for number in range(1000))
    registry, engine = connected()
    source = MemorySource("z.", 1, TEXT + many)
    publish(registry, engine, registry.refresh([source]))
    first = registry.states["z."].current
    text = (
        TEXT
        + many.replace("n5 A 192.0.2.1", "n5 A 192.0.2.5").replace("n6 A 192.0.2.1\n", "")
        + "m TXT new\n"
    )
    publish(registry, engine, registry.refresh([MemorySource("z.", 2, text)]))
    state = registry.states["z."]
    assert first is not None and state.current is not None
    assert str(state.change) == "serial 1 -> 2: 1 RRset changed, 1 added, 1 removed"
    assert state.change == Change("reload", 2, 1, added=1, changed=1, removed=1)
    # A version on the same store is rebased; one that was built anew is not.
    assert first.fold().rebase(first, state.current) is not None
    assert state.current.succeed(Zone.from_text("z.", text.format(serial=2))) is None


def test_registry_serves(tmp_path: Path) -> None:
    """The same steps with a real engine: what the stand-in above does is what the engine does."""
    registry, engine = Registry(), Engine(1)
    registry.connect(engine)

    def settings_for(*names: str) -> None:
        refresh = registry.refresh(MemorySource(name, 1) for name in names)
        plan = json.dumps({"version": 1, "zones": [{"name": name} for name in names]}).encode()
        registry.publish(refresh, lambda: engine.publish(Snapshot.build(plan, refresh.new_data()), []))

    settings_for("a.", "b.")
    registry.change(registry.states["a."], MemorySource("a.", 7).load())
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

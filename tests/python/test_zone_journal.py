"""Zones whose changes are kept: journal, restart, merge with a changed file, conflict, refusal, bounds."""

from __future__ import annotations

import os
import sqlite3
import threading
from itertools import pairwise
from random import Random
from typing import TYPE_CHECKING

import pytest
from test_registry import Engineless, Later, publish, served

from namewise.backends.database import DatabaseSource
from namewise.backends.file import FileSource
from namewise.engine import RRset, Zone
from namewise.zones import Registry
from namewise.zones.chain import Limits, StoreError, image
from namewise.zones.journal import DEFAULTS, Journal
from namewise.zones.registry import ZoneConflict, ZonesError
from namewise.zones.serial import SerialError, following, is_newer, way
from namewise.zones.state import Cause

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from namewise.zones import ZoneState
    from namewise.zones.chain import Image
    from namewise.zones.serial import Method

TEXT = (
    "$TTL 60\n@ IN SOA ns1 admin {serial} 3600 900 604800 300\n@ NS ns1\nns1 A 192.0.2.53\nwww A 192.0.2.1\n"
)


class Server:
    """A registry with its state directory and one file zone `z.`; `restart` makes another one of what is on disk."""

    def __init__(
        self, folder: Path, limits: Limits = DEFAULTS, *, durable: bool = True, new: bool = True
    ) -> None:
        self.folder, self.limits, self.durable = folder, limits, durable
        self.file = folder / "z.zone"
        self.method: Method = "increment"
        self.clock = 1_700_000_000
        if new:
            self.write(TEXT.format(serial=1))
        self.start()

    def start(self) -> None:
        journal = Journal(str(self.folder) if self.durable else None, self.limits)
        self.registry, self.engine = Registry(Later(), journal), Engineless()
        self.registry.connect(self.engine)  # type: ignore[arg-type]  # all that it uses
        self.warnings: tuple[str, ...] = ()
        self.reload()

    def restart(self) -> None:
        self.registry.close()
        self.start()

    def reload(self) -> None:
        refresh = self.registry.refresh(
            [FileSource("z.", str(self.file), self.method), DatabaseSource("db.")]
        )
        self.warnings = refresh.warnings
        publish(self.registry, self.engine, refresh)

    def write(self, text: str) -> None:
        self.file.write_text(text)
        # Two writes within a tick of the file system's clock must differ all the same.
        self.clock += 1
        os.utime(self.file, (self.clock, self.clock))

    def add(self, owner: str, rdata: str = "192.0.2.9", zone: str = "z.", why: str = "edit") -> ZoneState:
        def make(state: ZoneState) -> Zone:
            assert state.current is not None
            edit = state.current.edit()
            edit.add(RRset(f"{owner}.{zone}", "A", 60, [rdata]))
            return edit.commit()

        return self.registry.edit(zone, make, Cause(why, who="test", note=f"add {owner}"))

    @property
    def state(self) -> ZoneState:
        return self.registry.states["z."]

    @property
    def zone(self) -> Zone:
        found = self.engine.zones["z."]
        assert isinstance(found, Zone) and found is self.state.current
        return found

    def has(self, owner: str) -> list[str]:
        rrset = self.zone.rrset(f"{owner}.z.", "A")
        return [] if rrset is None else sorted(map(str, rrset))


@pytest.fixture
def server(tmp_path: Path) -> Server:
    return Server(tmp_path)


def test_a_change_survives_a_restart(server: Server) -> None:
    assert not (server.folder / "zones.sqlite3").exists(), "it is made with the first change"
    server.add("new")
    server.add("newer")
    text, serial = server.zone.to_text(), server.zone.serial
    server.restart()
    assert (server.zone.to_text(), server.zone.serial, server.state.journal) == (text, serial, 2)
    server.add("newest")
    server.restart()
    assert server.has("newest") and server.zone.serial == 4
    assert [
        (one.serial_to, one.why, one.who, one.note) for one in server.registry.journal.store.entries("z.")
    ] == [
        (4, "edit", "test", "add newest"),
        (3, "edit", "test", "add newer"),
        (2, "edit", "test", "add new"),
    ]


def test_without_a_state_directory_changes_are_refused(tmp_path: Path) -> None:
    server = Server(tmp_path, durable=False)
    with pytest.raises(StoreError, match=r"no state directory\nSet `state") as caught:
        server.add("new")
    assert caught.value.code == "NO_STATE"
    assert not server.has("new") and server.engine.generation == 2
    server.write(TEXT.format(serial=2))
    server.reload()
    assert server.zone.serial == 2


def test_a_changed_file_is_merged(server: Server) -> None:
    server.add("new")
    server.write(TEXT.format(serial=10) + "file A 192.0.2.7\n")
    server.reload()
    assert (server.has("new"), server.has("file"), server.zone.serial) == (["192.0.2.9"], ["192.0.2.7"], 11)
    assert (server.state.journal, server.state.error, server.warnings) == (1, "", ())
    text = server.zone.to_text()
    server.restart()
    assert server.zone.to_text() == text
    # The base is the file as it was merged: its next change is the only one.
    server.write(TEXT.format(serial=12) + "file A 192.0.2.8\n")
    server.reload()
    assert (server.has("new"), server.has("file")) == (["192.0.2.9"], ["192.0.2.8"])
    assert [one.why for one in server.registry.journal.store.entries("z.")] == ["reload", "reload", "edit"]


def test_a_file_that_changed_while_the_server_was_down_is_merged(server: Server) -> None:
    server.add("new")
    server.registry.close()
    server.write(TEXT.format(serial=1).replace("2.1\n", "2.2\n"))
    server.start()
    assert (server.has("new"), server.has("www"), server.zone.serial) == (["192.0.2.9"], ["192.0.2.2"], 3)
    server.restart()
    assert (server.has("www"), server.zone.serial) == (["192.0.2.2"], 3), "merged once"


def test_a_conflict_changes_nothing_and_shows_both_sides(server: Server) -> None:
    server.add("www", "192.0.2.5")
    server.add("other")
    text = server.zone.to_text()
    server.write(TEXT.format(serial=9).replace("www A 192.0.2.1\n", "www A 192.0.2.6\nmore A 192.0.2.7\n"))
    for step in (server.reload, server.reload, server.restart, lambda: server.add("another")):
        step()
        assert server.has("more") == [] and server.has("www") == ["192.0.2.1", "192.0.2.5"]
        for line in (
            "www.z. A",
            "file: www.z.\t60\tIN\tA\t192.0.2.6",
            "served: www.z.\t60\tIN\tA\t192.0.2.5",
        ):
            assert line in server.state.error, server.state.error
    assert server.zone.serial == 4 and text != server.zone.to_text()
    # The file agrees: the rest of it is merged.
    server.write(TEXT.format(serial=9) + "www A 192.0.2.5\nmore A 192.0.2.7\n")
    server.reload()
    assert (server.state.error, server.has("more"), server.has("other")) == ("", ["192.0.2.7"], ["192.0.2.9"])


def test_a_file_with_all_changes_is_the_truth_again(server: Server) -> None:
    server.add("new")
    server.write(server.zone.to_text())
    server.reload()
    assert (server.state.journal, server.zone.serial) == (0, 2)
    server.restart()
    assert (server.state.journal, server.zone.serial, server.has("new")) == (0, 2, ["192.0.2.9"])
    server.add("newer")
    server.write(TEXT.format(serial=5) + "new A 192.0.2.9\nfile A 192.0.2.7\n")
    server.reload()
    assert (server.has("newer"), server.has("file"), server.zone.serial) == (["192.0.2.9"], ["192.0.2.7"], 6)
    # And so is a file without changes: reloads are in the history.
    server.write(server.zone.to_text())
    server.reload()
    server.write(TEXT.format(serial=7))
    server.reload()
    assert (server.has("newer"), server.zone.serial) == ([], 7)
    server.registry.close()
    server.write(TEXT.format(serial=8))
    server.start()
    entries = server.registry.journal.store.entries("z.")
    assert [(one.why, one.serial_to) for one in entries[:2]] == [("reload", 8), ("reload", 7)]
    assert not server.registry.journal.store.load("z.").difference(server.zone)


def test_a_note_that_the_file_was_written(server: Server) -> None:
    """As `nw zone sync` does it: the file gets what is served, and changes go on meanwhile."""
    server.add("new")
    before = server.state
    assert before.current is not None
    server.write(server.zone.to_text())
    server.add("meanwhile")
    server.registry.saved(before, FileSource("z.", str(server.file)).version(), before.current)
    assert server.state.journal == 1
    server.restart()
    assert (server.state.journal, server.has("meanwhile"), server.zone.serial) == (1, ["192.0.2.9"], 3)
    before = server.state
    assert before.current is not None
    server.write(server.zone.to_text())
    server.registry.saved(before, FileSource("z.", str(server.file)).version(), before.current)
    assert server.state.journal == 0
    server.restart()
    assert (server.state.journal, server.zone.serial) == (0, 3)


def test_a_change_that_breaks_the_zone_is_refused_alone(server: Server) -> None:
    def broken(state: ZoneState) -> Zone:
        assert state.current is not None
        edit = state.current.edit()
        edit.put(RRset("www.z.", "CNAME", 60, ["ns1.z."]))
        return edit.commit()

    with pytest.raises(ValueError, match="CNAME"):
        server.registry.edit("z.", broken)
    with pytest.raises(KeyError):
        server.registry.edit("other.", broken)
    assert server.state.journal == 0


def test_changes_that_wait_share_a_transaction(server: Server) -> None:
    """While one change is written, others come: all of them are published together after one commit, each with its own entry."""
    server.add("first")
    store = server.registry.journal.store
    running, go = threading.Event(), threading.Event()

    def slow(_: sqlite3.Connection) -> None:
        running.set()
        assert go.wait(10)

    waiting = store.submit(slow)
    assert running.wait(10)
    before, generation = store.commits, server.engine.generation

    def make(number: int) -> Callable[[ZoneState], Zone]:
        def made(state: ZoneState) -> Zone:
            assert state.current is not None
            edit = state.current.edit()
            edit.add(RRset(f"n{number}.z.", "A", 60, ["192.0.2.9"]))
            return edit.commit()

        return made

    lead = server.registry.submit("z.", make(0))  # it takes the lock and waits for the disk
    while not server.registry._changing.locked():
        pass
    futures = [server.registry.submit("z.", make(number)) for number in range(1, 51)]
    assert not lead.done() and not any(future.done() for future in futures)
    go.set()
    waiting.result(10)
    states = [future.result(10) for future in [lead, *futures]]
    assert [state.change.serial for state in states if state.change] == list(range(3, 54))
    assert store.commits - before <= 3, "the slow job, the first change, and all others together"
    assert server.engine.generation == generation + 2
    assert len(store.entries("z.", 100)) == 52
    server.restart()
    assert all(server.has(f"n{number}") for number in range(51)) and server.zone.serial == 53


def test_a_refused_write_changes_nothing(server: Server) -> None:
    server.add("new")
    store = server.registry.journal.store
    store.submit(lambda db: db.execute("pragma busy_timeout = 10")).result()
    other = sqlite3.connect(store.path, isolation_level=None)
    other.execute("begin immediate")
    generation, text = server.engine.generation, server.zone.to_text()
    with pytest.raises(StoreError, match="locked"):
        server.add("newer")
    assert (server.engine.generation, server.zone.to_text(), server.state.journal) == (generation, text, 1)
    # A merge is not durable either: the served version stays, and the file is read again.
    server.write(TEXT.format(serial=10) + "file A 192.0.2.7\n")
    server.reload()
    assert server.zone.to_text() == text and "locked" in server.state.error
    other.execute("rollback")
    other.close()
    server.reload()
    assert (server.has("new"), server.has("file"), server.state.error) == (["192.0.2.9"], ["192.0.2.7"], "")
    server.add("newer")
    server.restart()
    assert server.has("newer") == server.has("new") == ["192.0.2.9"]


def test_a_refused_history_does_not_stop_a_reload(server: Server) -> None:
    """The file has everything: it is served, the history has a gap, and the next change closes it with a snapshot."""
    server.add("new")
    server.write(server.zone.to_text())
    server.reload()
    store = server.registry.journal.store
    store.submit(lambda db: db.execute("pragma busy_timeout = 10")).result()
    other = sqlite3.connect(store.path, isolation_level=None)
    other.execute("begin immediate")
    server.write(TEXT.format(serial=10))
    server.reload()
    assert (server.zone.serial, server.state.stale) == (10, True) and "locked" in server.state.error
    other.execute("rollback")
    other.close()
    server.add("newer")
    server.restart()
    assert (server.zone.serial, server.has("newer"), server.has("new")) == (11, ["192.0.2.9"], [])


def test_an_unreadable_journal_stops_that_zone_alone(server: Server) -> None:
    server.registry.create(DatabaseSource("added."), Zone.from_text("added.", TEXT.format(serial=1)))
    server.add("new")
    server.add("newer")
    store = server.registry.journal.store
    store.submit(
        lambda db: db.execute("update journal set crc = 1 where zone = 'z.' and sequence = 2")
    ).result()
    server.restart()
    assert served(server.engine) == {"z.": "failed", "db.": "waiting"}
    assert "entry 2 of the journal cannot be read" in server.state.error
    assert (
        "nw zone restore z. --entry 1" in server.state.error
        and "nw zone restore z. --file" in server.state.error
    )
    server.registry.add(DatabaseSource("added."))
    assert served(server.engine)["added."] == 1
    with pytest.raises(ZonesError):
        server.registry.reread("z.")
    server.registry.journal.store.cut("z.", 1)
    server.registry.reread("z.")
    assert (server.zone.serial, server.has("new"), server.has("newer")) == (2, ["192.0.2.9"], [])
    server.add("newest")
    server.restart()
    assert (server.zone.serial, server.has("newest")) == (3, ["192.0.2.9"])


def test_a_zone_of_the_database(server: Server) -> None:
    """It waits for its first version, and keeps each; one that was added at run time is deleted when it is removed."""
    assert served(server.engine)["db."] == "waiting"
    first = Zone.from_text("db.", TEXT.format(serial=1))
    server.registry.change(server.registry.states["db."], first, Cause("edit"))
    server.add("new", zone="db.")
    server.reload()
    server.restart()
    assert served(server.engine)["db."] == 2
    state = server.registry.create(DatabaseSource("Added."), Zone.from_text("Added.", TEXT.format(serial=4)))
    assert state.tip == 1 and not state.configured
    with pytest.raises(ZoneConflict):
        server.registry.create(DatabaseSource("added."), Zone.from_text("added.", TEXT.format(serial=4)))
    server.add("x", zone="Added.")
    chains = server.registry.journal.chains()
    assert {name: (chain.kind, chain.added) for name, chain in chains.items()} == {
        "db.": ("database", False),
        "added.": ("database", True),
    }
    server.registry.remove("Added.")
    assert set(server.registry.journal.chains()) == {"db."}


def test_a_large_difference_becomes_a_snapshot(tmp_path: Path) -> None:
    server = Server(tmp_path, Limits(history=2000))
    server.add("new")

    def make(state: ZoneState) -> Zone:
        assert state.current is not None
        edit = state.current.edit()
        for number in range(100):
            edit.put(RRset(f"n{number}.z.", "A", 60, ["192.0.2.9"]))
        return edit.commit()

    server.registry.edit("z.", make)
    assert server.registry.journal.store.entries("z.")[0].octets == 0
    server.restart()
    assert server.has("n99") and server.has("new") and server.zone.serial == 3


def test_the_journal_is_compacted_in_the_background(tmp_path: Path) -> None:
    server = Server(tmp_path, Limits(history=4000))
    for number in range(20):
        server.add(f"n{number}")
    jobs = server.registry.background.jobs  # type: ignore[attr-defined]  # of `Later`
    assert ("compact", "z.") in jobs
    server.add("meanwhile")
    jobs.pop(("compact", "z."))()
    chain = server.registry.journal.store.chains()["z."]
    assert (chain.snapshot_at, chain.tip, chain.base_at) == (21, 21, 0) and chain.history <= 4000
    server.restart()
    assert all(server.has(f"n{number}") for number in range(20)) and server.state.journal == 21
    # The base is still that of the file.
    server.write(TEXT.format(serial=1).replace("2.1\n", "2.2\n"))
    server.reload()
    assert (server.has("www"), server.has("n3")) == (["192.0.2.2"], ["192.0.2.9"])


def test_a_zone_that_the_configuration_names_again_has_its_changes(server: Server) -> None:
    server.add("new")
    publish(server.registry, server.engine, server.registry.refresh([]))
    assert served(server.engine) == {}
    server.reload()
    assert server.has("new") == ["192.0.2.9"]


def test_the_method_of_the_zone_chooses_serials(server: Server) -> None:
    """Every change gets the serial of its zone's method, a merge too; one that goes back is refused, with the steps that lead there."""
    server.write(TEXT.format(serial=7))
    server.method = "date"
    server.reload()
    server.registry.clock = lambda: 1_796_000_000.0  # 2026-11-30
    assert server.add("a").current.serial == 2026113000  # type: ignore[union-attr]
    assert server.add("b").current.serial == 2026113001  # type: ignore[union-attr]
    server.write(TEXT.format(serial=7).replace("192.0.2.1", "192.0.2.2"))
    server.registry.clock = lambda: 1_796_000_000.0 + 86_400
    server.reload()
    assert server.zone.serial == 2026120100
    assert server.has("a") and server.has("b")

    def back(state: ZoneState) -> Zone:
        assert state.current is not None
        return state.current.edit().commit(2026113009)

    with pytest.raises(SerialError, match="Set 4173603747 then 2026113009, each once every secondary"):
        server.registry.edit("z.", back)
    assert server.zone.serial == 2026120100
    server.method = "unixtime"
    server.reload()
    assert server.add("c").current.serial == 2026120101, "ahead of the clock"  # type: ignore[union-attr]


@pytest.mark.parametrize("method", ["increment", "date", "unixtime"])
def test_serials_never_go_back(method: Method) -> None:
    random = Random(1)
    for _ in range(2000):
        serial, now = random.getrandbits(32), random.randrange(1 << 33)
        assert is_newer(following(serial, method, now), serial)
        wanted = random.getrandbits(32)
        steps = (serial, *way(serial, wanted))
        assert steps[-1] == wanted
        assert all(is_newer(step, former) for former, step in pairwise(steps))


def test_other_zones_change_while_the_first_image_of_a_large_zone_is_made(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The first change of a zone stores all of it. That is made without the lock, and changes of the zone keep their order."""
    server.registry.create(DatabaseSource("added."), Zone.from_text("added.", TEXT.format(serial=1)))
    server.write(TEXT.format(serial=1) + "".join(f"n{number} A 192.0.2.1\n" for number in range(2000)))
    server.reload()
    begun, go, drawn = threading.Event(), threading.Event(), []

    def slow(zone: Zone) -> Image:
        begun.set()
        assert go.wait(10)
        drawn.append(zone)
        return image(zone)

    def make(number: int) -> Callable[[ZoneState], Zone]:
        def made(state: ZoneState) -> Zone:
            assert state.current is not None
            edit = state.current.edit()
            edit.put(RRset("last.z.", "TXT", 60, [f'"{number}"']))
            edit.add(RRset(f"new{number}.z.", "A", 60, ["192.0.2.9"]))
            return edit.commit()

        return made

    monkeypatch.setattr("namewise.zones.waiting.image", slow)
    before = server.zone
    futures = [server.registry.submit("z.", make(number)) for number in range(5)]
    assert begun.wait(10)
    assert server.add("other", zone="added.").change is not None, "no lock is held"
    futures.append(server.registry.submit("z.", make(5)))
    assert not any(future.done() for future in futures) and server.zone is before
    assert "z." not in server.registry.journal.chains(), "nothing is acknowledged, and nothing is stored"
    go.set()
    for future in futures:
        future.result(10)
    assert drawn == [before], "one image for all of them"
    server.restart()
    last = server.zone.rrset("last.z.", "TXT")
    assert last is not None and str(last.rdatas[0]) == '"5"'
    assert all(server.has(f"new{number}") for number in range(6)) and server.state.journal == 6


def test_an_image_that_fails_refuses_its_change_alone(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    server.write(TEXT.format(serial=1) + "".join(f"n{number} A 192.0.2.1\n" for number in range(2000)))
    server.reload()
    with monkeypatch.context() as patch:
        patch.setattr("namewise.zones.waiting.image", lambda zone: (_ for _ in ()).throw(MemoryError))
        with pytest.raises(MemoryError):
            server.add("new")
    assert server.zone.serial == 1
    assert server.add("newer").tip == 1 and server.has("new") == []

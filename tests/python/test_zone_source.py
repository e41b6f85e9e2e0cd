"""A zone source as ARCHITECTURE.md and `namewise.zones.source` describe it, in one class: zones in an SQLite database.

The database reports its changes, a zone may have to wait for its data, and it may expire.
"""

from __future__ import annotations

import sqlite3
from typing import TYPE_CHECKING

import pytest

from namewise.engine import Engine, Message, RRset, Snapshot, Zone, make_query
from namewise.engine.errors import ZoneFileError
from namewise.zones import Registry, ZoneUnavailable
from namewise.zones.registry import ZoneConflict

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable
    from pathlib import Path

SOA = "@ 60 SOA ns admin {serial} 3600 900 604800 300\n@ 60 NS ns\nns 60 A 192.0.2.53\n"


class Database:
    """Records by zone. It calls who watches a zone after each change of that zone."""

    def __init__(self, path: Path) -> None:
        self.path = str(path)
        self.watchers: dict[str, Callable[[], None]] = {}
        with self.open() as connection:
            connection.execute("create table zones (name text primary key, number integer, expired integer)")
            connection.execute("create table records (zone text, line text)")

    def open(self) -> sqlite3.Connection:
        return sqlite3.connect(self.path)

    def write(self, zone: str, *lines: str, expired: bool = False) -> None:
        with self.open() as connection:
            connection.execute(
                "insert into zones values (?, 1, ?) on conflict do update set number = number + 1, expired = excluded.expired",
                (zone, expired),
            )
            connection.execute("delete from records where zone = ?", (zone,))
            connection.executemany("insert into records values (?, ?)", [(zone, line) for line in lines])
        self.watchers.get(zone, lambda: None)()


class DatabaseSource:
    """The zone *name* in *database*. This class is the whole source."""

    def __init__(self, name: str, database: Database) -> None:
        self.name, self.place, self.database = name, f"{database.path}: {name}", database

    def version(self, former: Hashable = None) -> Hashable:
        with self.database.open() as connection:
            return connection.execute("select number from zones where name = ?", (self.name,)).fetchone()

    def load(self) -> Zone:
        with self.database.open() as connection:
            row = connection.execute("select expired from zones where name = ?", (self.name,)).fetchone()
            lines = connection.execute("select line from records where zone = ?", (self.name,)).fetchall()
        if row is None:
            raise ZoneUnavailable("waiting", "the database does not have the zone yet")
        if row[0]:
            raise ZoneUnavailable("expired", "the data is too old")
        return Zone.from_text(self.name, "\n".join(line for (line,) in lines), file=self.place)

    def watch(self, changed: Callable[[], None]) -> Callable[[], None]:
        self.database.watchers[self.name] = changed
        return lambda: self.database.watchers.__delitem__(self.name)


class Running:
    """A registry with an engine, and what the engine would answer."""

    def __init__(self) -> None:
        self.registry, self.engine = Registry(), Engine(1)
        self.registry.connect(self.engine)
        self.engine.publish(Snapshot.build(b'{"version": 1, "zones": []}', []), [])

    def condition(self, name: str) -> tuple[str, int | None]:
        self.registry.background.join()
        state = self.registry.states[name]
        return state.condition, None if state.current is None else state.current.serial

    def close(self) -> None:
        self.registry.close()
        self.engine.close()


@pytest.fixture
def running() -> Running:
    return Running()


def test_a_source_in_one_class_has_all_that_a_file_has(tmp_path: Path, running: Running) -> None:
    database, registry = Database(tmp_path / "zones.db"), running.registry
    registry.add(DatabaseSource("a.", database))
    assert running.condition("a.") == ("waiting", None)

    # The database reports that the data has come, and each change of it.
    database.write("a.", SOA.format(serial=1), "www 60 A 192.0.2.1")
    assert running.condition("a.") == ("loaded", 1)
    database.write("a.", SOA.format(serial=2), "www 60 A 192.0.2.2", "new 60 A 192.0.2.3")
    assert running.condition("a.") == ("loaded", 2)
    assert str(registry.states["a."].change) == "serial 1 -> 2: 1 RRset changed, 1 added"

    # A zone with a mistake leaves the served version in place, and says why.
    database.write("a.", SOA.format(serial=3), "www 60 A 192.0.2.300")
    assert running.condition("a.") == ("loaded", 2)
    assert "zone a. is not loaded" in registry.states["a."].error

    # It expires, and comes back.
    database.write("a.", expired=True)
    assert running.condition("a.") == ("expired", None)
    assert registry.states["a."].detail == "the data is too old"
    database.write("a.", SOA.format(serial=4))
    assert running.condition("a.") == ("loaded", 4)

    registry.remove("a.")
    assert database.watchers == {}, "nobody listens any more"
    running.close()


def test_an_acknowledged_change_is_not_lost_to_the_source(tmp_path: Path, running: Running) -> None:
    database, registry = Database(tmp_path / "zones.db"), running.registry
    database.write("a.", SOA.format(serial=1))
    registry.add(DatabaseSource("a.", database))
    state = registry.states["a."]
    assert state.current is not None
    edit = state.current.edit()
    edit.add(RRset("new.a.", "A", 60, ["192.0.2.9"]))
    registry.change(state, edit.commit())
    with pytest.raises(ZoneConflict):
        registry.change(state, state.current)
    database.write("a.", SOA.format(serial=7))
    assert running.condition("a.") == ("loaded", 2)
    running.close()


def test_a_source_beside_the_files_of_a_configuration(tmp_path: Path, running: Running) -> None:
    """`refresh` takes sources of several classes; one that fails leaves the others alone."""
    database = Database(tmp_path / "zones.db")
    database.write("a.", SOA.format(serial=5))
    database.write("b.", "nonsense")
    refresh = running.registry.refresh([DatabaseSource(name, database) for name in ("a.", "b.", "c.")])
    assert [(source.name, type(error)) for source, error in refresh.failures] == [("b.", ZoneFileError)]
    plan = b'{"version": 1, "zones": [{"name": "a."}, {"name": "b."}, {"name": "c."}]}'
    snapshot = Snapshot.build(plan, refresh.new_data())
    running.registry.publish(refresh, lambda: running.engine.publish(snapshot, []))
    found = [running.condition(name) for name in ("a.", "b.", "c.")]
    assert found == [("loaded", 5), ("failed", None), ("waiting", None)]
    reply = snapshot.answer(make_query("c.", "SOA").wire, "127.0.0.1", "udp")
    assert reply is not None and Message.parse(reply).rcode == "SERVFAIL"
    running.close()

"""The zones of a running server: one state (`state.py`) for each, and the only caller of `Engine.change`.

```text
 refresh (files, other sources) ─┐
 change (edit, UPDATE, IXFR) ────┼─▶ state before, zone, why ─▶ succeed ─▶ [sign, journal] ─▶ Engine.change ─▶ acknowledge
 source that reports a change ───┘                             what differs                   ▲
 fold (background) ───────────────────────────────────────────────────────────────────────────┘  the same records
```

`refresh` reads the sources and changes nothing; `publish` takes its outcome into use together with new settings.
Between the two a zone may change (`change`, `add`, `remove`): that version then stays, because it was acknowledged.
`fold` and `take` are the same two halves for a version that is stored anew.

*Limitations*: signing and the journal do not exist yet.
"""

from __future__ import annotations

import contextlib
import threading
from functools import partial
from typing import TYPE_CHECKING, NamedTuple

from namewise.engine.errors import EngineClosed, NamewiseError, ZoneFileError
from namewise.zones.background import Background
from namewise.zones.source import ZoneUnavailable
from namewise.zones.state import Change, ZoneState, failure_text

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable, Iterable, Mapping

    from namewise.engine import Engine, Unavailable, Zone
    from namewise.zones.source import ZoneSource


class ZonesError(NamewiseError):
    """Zones cannot be loaded. `failures` has the source and the error of each."""

    code = "BAD_ZONES"

    def __init__(self, failures: Iterable[tuple[ZoneSource, Exception]]) -> None:
        self.failures = tuple(failures)
        super().__init__("\n".join(failure_text(source, error) for source, error in self.failures))


class ZoneConflict(NamewiseError):
    """A change was computed from an outdated version of the zone. Nothing was changed."""

    code = "CONFLICT"


class Refresh(NamedTuple):
    """The effect of reading the sources of the configuration, with the states from which it was computed."""

    before: Mapping[str, ZoneState]
    after: dict[str, ZoneState]
    added: tuple[str, ...]
    changed: tuple[str, ...]
    removed: tuple[str, ...]
    failures: tuple[tuple[ZoneSource, Exception], ...]
    warnings: tuple[str, ...]

    def new_data(self) -> list[Zone]:
        """Return the zones that were read from their sources, both new zones and new versions."""
        found = (self.after[name].current for name in (*self.added, *self.changed))
        return [zone for zone in found if zone is not None]


class Fold(NamedTuple):
    """A version of a zone that is stored anew, beside the state that it was computed from."""

    before: ZoneState
    zone: Zone


class Registry:
    """The zones of one server. All methods may be called from any thread."""

    def __init__(self, background: Background | None = None) -> None:
        self.states: Mapping[str, ZoneState] = {}
        """By name, in the order of the configuration. The dictionary is replaced, never changed."""
        self.background = background or Background()
        self._engine: Engine | None = None
        self._named: frozenset[str] = frozenset()
        """The zones that the current settings name."""
        self._watched: dict[str, tuple[ZoneSource, Callable[[], None]]] = {}
        """Sources that report changes, each with the function that ends the reports."""
        self._changing = threading.Lock()

    def connect(self, engine: Engine) -> None:
        """Serve the zones with *engine*."""
        self._engine = engine

    def close(self) -> None:
        """End the reports of all sources, and wait for what runs in the background."""
        with self._changing:
            watched, self._watched = self._watched, {}
        for _, end in watched.values():
            end()
        self.background.join()

    def refresh(self, sources: Iterable[ZoneSource]) -> Refresh:
        """Read the changed ones of *sources* and return the effect. Changes nothing."""
        before = self.states
        reading = Reading()
        for source in sources:
            state = before.get(source.name)
            if state is None:
                state = ZoneState(source)
            elif state.source.place != source.place or not state.configured:
                state = state._replace(source=source, configured=True, version=None)
            reading.look(state, source)
        reading.read()
        removed = tuple(
            name for name, state in before.items() if state.configured and name not in reading.after
        )
        added: list[str] = []
        changed: list[str] = []
        for name in reading.new_data:
            (changed if name in before else added).append(name)
        failures, warnings = tuple(reading.failures), tuple(reading.warnings)
        return Refresh(before, reading.after, tuple(added), tuple(changed), removed, failures, warnings)

    def unchanged(self) -> Refresh:
        """Return the effect of settings that change no zone."""
        after = {name: state for name, state in self.states.items() if state.configured}
        return Refresh(self.states, after, (), (), (), (), ())

    def publish(self, refresh: Refresh, publish: Callable[[], int]) -> int:
        """Put new settings and *refresh* into effect, and return the generation.

        publish: publishes the settings and returns the generation. It adds the zones that are new with the data of
        `Refresh.new_data`, and removes the zones that the settings no longer name.
        """
        with self._changing:
            engine = self._running()
            generation = publish()
            now, states = self.states, {}
            changes: dict[str, Zone | Unavailable | None] = {}
            published = frozenset(refresh.added)
            for name, after in refresh.after.items():
                before, present = refresh.before.get(name), now.get(name)
                if present is None:
                    states[name] = after
                    if name not in published or after.current is None:
                        changes[name] = after.entry()  # not published with the settings
                    continue
                if before is None or present.revision != before.revision:
                    # It changed after its source was read: the acknowledged version stays. The next reload reads again.
                    states[name] = present._replace(source=after.source, configured=True)
                    continue
                if present is not before and after.revision == present.revision:
                    after = after.folded(present.current) if present.current is not None else after
                states[name] = after
                if _served(present) != _served(after):
                    changes[name] = after.entry()
            for name, present in now.items():
                if name not in states and not present.configured:
                    states[name] = present
                    if name in self._named:
                        # Removed with the settings that named it, and added since.
                        changes[name] = present.entry()
            self.states, self._named = states, frozenset(refresh.after)
            if changes:
                generation = engine.change(changes, generation)
            for name in {*states, *self._watched}:
                self._watch(name)
            for name in refresh.changed:
                self._fold_later(name)
            return generation

    def change(self, before: ZoneState, zone: Zone, why: str = "edit") -> int:
        """Serve *zone*, which was made from the version of *before*, and return the generation.

        Returns once every worker uses the new version. Raises `ZoneConflict` when other records than those of *before* are
        served by now: begin again with the current state. Raises `KeyError` for a zone that is not served.
        """
        name = before.source.name
        after = _succeeding(before, zone, why)
        with self._changing:
            present = self.states[name]
            if present.revision != before.revision:
                raise ZoneConflict(
                    f"zone {name} has changed meanwhile: compute the change from its current version"
                )
            if after is None:
                return self._running().generation
            zone, change = after
            if present.current is not before.current and present.current is not None and before.current:
                # It was folded meanwhile.
                zone = present.current.rebase(before.current, zone) or zone
            return self._put(name, present.changed(zone, change))

    def add(self, source: ZoneSource) -> int:
        """Load the zone of *source* and serve it until `remove`, whatever the configuration names; return the
        generation. Raises `ZonesError` if it cannot be loaded, `ZoneConflict` if a zone of that name is served."""
        reading = Reading()
        reading.look(ZoneState(source, configured=False), source)
        reading.read()
        if reading.failures:
            raise ZonesError(reading.failures)
        with self._changing:
            if source.name in self.states:
                raise ZoneConflict(f"zone {source.name} is served already")
            return self._put(source.name, reading.after[source.name])

    def remove(self, name: str) -> int:
        """Stop serving the zone *name* and return the generation. Raises `KeyError` if it is not served."""
        with self._changing:
            self.states[name]
            return self._put(name, None)

    def expire(self, name: str) -> int:
        """Answer SERVFAIL for the zone *name* until it is loaded or changed again; return the generation."""
        with self._changing:
            return self._put(name, self.states[name].expired())

    def fold(self, name: str) -> Fold | None:
        """Store the current version of the zone *name* anew, and return it for `take`; None if that is not worth its
        time. Changes nothing, and takes as long as loading the zone."""
        state = self.states.get(name)
        if state is None or state.current is None or not state.current.wants_fold:
            return None
        zone = state.current.fold()
        return None if zone.wants_fold else Fold(state, zone)

    def take(self, fold: Fold) -> bool:
        """Serve *fold* with the changes that were made meanwhile, and return whether it is of use: not if the zone was
        replaced or removed."""
        name, old = fold.before.source.name, fold.before.current
        with self._changing:
            present = self.states.get(name)
            if present is None or present.current is None or old is None:
                return False
            zone = fold.zone if present.current is old else fold.zone.rebase(old, present.current)
            if zone is not None:
                self._put(name, present.folded(zone))
            return zone is not None

    def _put(self, name: str, state: ZoneState | None) -> int:
        """Change one zone in the engine, and then in the states. The caller holds the lock."""
        engine, present = self._running(), self.states.get(name)
        generation = engine.generation
        if state is None or present is None or _served(present) != _served(state):
            generation = engine.change({name: None if state is None else state.entry()}, generation)
        states = dict(self.states)
        if state is None:
            del states[name]
        else:
            states[name] = state
        self.states = states
        self._watch(name)
        self._fold_later(name)
        return generation

    def _fold_later(self, name: str) -> None:
        state = self.states.get(name)
        if state is not None and state.current is not None and state.current.wants_fold:
            self.background.add(("fold", name), partial(self._fold, name))

    def _fold(self, name: str) -> None:
        fold = self.fold(name)
        if fold is not None:
            with contextlib.suppress(EngineClosed):
                self.take(fold)

    def _watch(self, name: str) -> None:
        """Ask the source of the zone *name* for reports, and end those of its former source. The lock is held."""
        state = self.states.get(name)
        if name in self._watched and (state is None or state.source is not self._watched[name][0]):
            self._watched.pop(name)[1]()
        watch = getattr(state.source, "watch", None) if state is not None else None
        if state is not None and watch is not None and name not in self._watched:
            report = partial(self.background.add, ("read", name), partial(self._reread, name))
            self._watched[name] = (state.source, watch(report))

    def _reread(self, name: str) -> None:
        """Read the source of the zone *name*, which reported a change."""
        before = self.states.get(name)
        if before is None:
            return
        reading = Reading()
        reading.look(before, before.source)
        reading.read()
        after = reading.after[name]
        with self._changing:
            present = self.states.get(name)
            # Otherwise it was read by another reader, or has changes that the source does not have.
            if present is not None and present.revision == before.revision and after is not before:
                if present is not before and after.revision == present.revision and present.current:
                    after = after.folded(present.current)
                with contextlib.suppress(EngineClosed):
                    self._put(name, after._replace(source=present.source, configured=present.configured))

    def _running(self) -> Engine:
        if self._engine is None:
            raise EngineClosed("the server is not running")
        return self._engine


class Reading:
    """Reads sources and finds the state that follows for each."""

    def __init__(self) -> None:
        self.after: dict[str, ZoneState] = {}
        self.new_data: list[str] = []
        """Zones with another version than before."""
        self.failures: list[tuple[ZoneSource, Exception]] = []
        self.warnings: list[str] = []
        self._unread: list[ZoneState] = []

    def look(self, state: ZoneState, source: ZoneSource) -> None:
        """Find out whether *source* has another version than the one that *state* was read from, and plan to read it."""
        self.after[source.name] = state
        if state.version is not None or state.journal:
            try:
                version = source.version(state.version)
            except (ZoneFileError, OSError) as error:
                self._fail(state, error, None)
                return
            if version == state.version and not state.error:
                return
            if state.journal:
                self.warnings.append(_ignored(state))
                return
        self._unread.append(state if state.source is source else state._replace(source=source))

    def read(self) -> None:
        """Read the planned sources, those of one class together where that class can."""
        for state, version, outcome in _read(self._unread):
            if isinstance(outcome, ZoneUnavailable):
                self.after[state.source.name] = getattr(state, outcome.condition)(str(outcome))
            elif isinstance(outcome, Exception):
                self._fail(state, outcome, version)
            else:
                self._take(state, version, outcome)

    def _take(self, state: ZoneState, version: Hashable, zone: Zone) -> None:
        name, old = state.source.name, state.current
        after = _succeeding(state, zone, "load" if old is None else "reload")
        if after is None:
            self.after[name] = state.confirmed(version)
            return
        if old is not None and not _newer(zone.serial, old.serial):
            self.warnings.append(_serial_warning(name, old.serial, zone.serial))
        self.after[name] = state.loaded(after[0], version, after[1])
        self.new_data.append(name)

    def _fail(self, state: ZoneState, error: Exception, version: Hashable) -> None:
        self.failures.append((state.source, error))
        self.after[state.source.name] = state.failed(error, version)


def _succeeding(before: ZoneState, zone: Zone, why: str) -> tuple[Zone, Change] | None:
    """Return *zone* as the version that follows that of *before*, with what differs; None if no record does."""
    if before.current is None:
        return zone, Change(why, zone.serial)
    following = before.current.succeed(zone)
    if following is None:
        return None
    zone, added, changed, removed = following
    return zone, Change(why, zone.serial, before.current.serial, added, changed, removed)


def _read(states: list[ZoneState]) -> Iterable[tuple[ZoneState, Hashable, Zone | Exception]]:
    """Read the source of each of *states* and yield its version and the zone, or why there is none."""
    kinds: dict[type[ZoneSource], list[ZoneState]] = {}
    for state in states:
        kinds.setdefault(type(state.source), []).append(state)
    for kind, group in kinds.items():
        load_many = getattr(kind, "load_many", None)
        together = [None] * len(group)
        if load_many is not None:
            together = load_many([state.source for state in group])
        for state, read in zip(group, together, strict=True):
            yield (state, *(read or _read_one(state.source)))


def _read_one(source: ZoneSource) -> tuple[Hashable, Zone | Exception]:
    version: Hashable = None
    try:
        version = source.version(None)
        return version, source.load()
    except (ZoneFileError, ZoneUnavailable, OSError) as error:
        return version, error


def _served(state: ZoneState) -> tuple[object, ...]:
    """Return the part of *state* that the engine uses."""
    return (id(state.current), state.condition, state.detail if state.current is None else "")


def _ignored(state: ZoneState) -> str:
    count = f"{state.journal} change{'' if state.journal == 1 else 's'}"
    return (
        f"zone {state.source.name}: {state.source.place} has changed but was not loaded, because {count} made since would "
        "be lost"
    )


def _newer(serial: int, than: int) -> bool:
    """Return whether *serial* is newer than *than* (RFC 1982 §3.2)."""
    return 0 < (serial - than) & 0xFFFF_FFFF < 1 << 31


def _serial_warning(name: str, old: int, new: int) -> str:
    how = "is still" if old == new else f"went back from {old} to"
    return (
        f"zone {name}: the content has changed, but the serial {how} {new}: secondary servers will not fetch it "
        "(RFC 1996 §4.7); raise the serial"
    )

"""The zones of a running server: a state machine per zone. This is the only caller of `Engine.change`.

```text
            load fails                      load succeeds
 waiting ──────────────▶ failed     any ──────────────────▶ loaded ──┐ change, reload: loaded, a new version
                                                              ▲  │   └ load fails: loaded, the old version, error set
                                                              │  ▼
                                                             expired      (not confirmed for longer than SOA EXPIRE)
```

`refresh` reads the sources and changes nothing. `publish` puts its result into effect together with new
settings. If a zone changes in between (`change`, `add`, `remove`), the changed version stays, because it
was acknowledged.
"""

from __future__ import annotations

import os
import threading
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Literal

from namewise.engine import Unavailable
from namewise.engine.errors import EngineClosed, NamewiseError, ZoneFileError

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable, Iterable, Mapping

    from namewise.engine import Engine, Zone
    from namewise.zones.source import ZoneSource

Condition = Literal["waiting", "failed", "loaded", "expired"]


class ZonesError(NamewiseError):
    """Zones cannot be loaded. `failures` has the source and the error of each."""

    code = "BAD_ZONES"

    def __init__(self, failures: Iterable[tuple[ZoneSource, Exception]]) -> None:
        self.failures = tuple(failures)
        super().__init__("\n".join(failure_text(source, error) for source, error in self.failures))


class ZoneConflict(NamewiseError):
    """A change was computed from an outdated version of the zone. Nothing was changed."""

    code = "CONFLICT"


@dataclass(frozen=True, slots=True)
class ZoneState:
    """One zone with its source and its served data. Each transition returns a new state."""

    source: ZoneSource
    configured: bool = True
    """Whether the configuration names the zone; otherwise it was added while the server was running."""
    condition: Condition = "waiting"
    current: Zone | None = None
    """The version that is served; None unless *condition* is `loaded`."""
    version: Hashable = None
    """The version of the source that was read last, whether it was valid or not."""
    journal: int = 0
    """The number of changes since the source was read. The source does not contain them."""
    error: str = ""
    """The error of the last attempt to read the source; empty if it succeeded."""
    detail: str = ""
    """The first error in short form, without folder names. Clients see it if the zone has no data."""

    def loaded(self, zone: Zone, version: Hashable) -> ZoneState:
        """Return the state after *zone* was read from *version* of the source."""
        return replace(
            self, condition="loaded", current=zone, version=version, journal=0, error="", detail=""
        )

    def failed(self, error: Exception, version: Hashable) -> ZoneState:
        """Return the state after reading *version* of the source failed. A served version stays."""
        condition: Condition = "failed" if self.current is None else self.condition
        return replace(
            self,
            condition=condition,
            version=version,
            error=failure_text(self.source, error),
            detail=_first_error(error),
        )

    def changed(self, zone: Zone) -> ZoneState:
        """Return the state after a change that is not in the source replaced the current version by *zone*."""
        return replace(self, condition="loaded", current=zone, journal=self.journal + 1, error="", detail="")

    def expired(self) -> ZoneState:
        """Return the state of a zone whose data is too old to be served."""
        return replace(self, condition="expired", current=None, version=None, journal=0)

    def entry(self) -> Zone | Unavailable:
        """Return the data for the engine."""
        if self.condition == "loaded":
            assert self.current is not None, "loaded() and changed() set both"
            return self.current
        return Unavailable(self.condition, self.detail)


@dataclass(frozen=True, slots=True)
class Refresh:
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


class Registry:
    """The zones of one server. All methods may be called from any thread."""

    def __init__(self) -> None:
        self.states: Mapping[str, ZoneState] = {}
        """By name, in the order of the configuration. The dictionary is replaced, never changed."""
        self._engine: Engine | None = None
        self._named: frozenset[str] = frozenset()
        """The zones that the current settings name."""
        self._changing = threading.Lock()

    def connect(self, engine: Engine) -> None:
        """Serve the zones with *engine*."""
        self._engine = engine

    def refresh(self, sources: Iterable[ZoneSource]) -> Refresh:
        """Read the changed ones of *sources* and return the effect. Changes nothing."""
        before, after = self.states, {}
        added: list[str] = []
        changed: list[str] = []
        failures: list[tuple[ZoneSource, Exception]] = []
        warnings: list[str] = []
        sources = list(sources)
        first_reads = _read_many([source for source in sources if source.name not in before])
        for source in sources:
            name, present = source.name, before.get(source.name)
            if present is None or present.source.place != source.place or not present.configured:
                state = ZoneState(source) if present is None else replace(present, source=source)
                state = replace(state, configured=True, version=None)
            else:
                state = present
            after[name] = state
            version: Hashable = None
            try:
                if name in first_reads:
                    version, outcome = first_reads[name]
                    if isinstance(outcome, ZoneFileError):
                        raise outcome
                    after[name] = state.loaded(outcome, version)
                    added.append(name)
                    continue
                version = source.version(state.version)
                if state.version is not None and version == state.version and not state.error:
                    continue
                if state.journal:
                    warnings.append(_ignored(state))
                    continue
                zone = source.load()
            except (ZoneFileError, OSError) as error:
                failures.append((source, error))
                after[name] = state.failed(error, version)
                continue
            old = state.current
            if old is not None:
                gone, new = old.diff(zone)
                if not gone and not new:
                    after[name] = replace(state.loaded(old, version), source=source)
                    continue
                if not _newer(zone.serial, old.serial):
                    warnings.append(_serial_warning(name, old.serial, zone.serial))
            after[name] = state.loaded(zone, version)
            (added if present is None else changed).append(name)
        removed = tuple(name for name, state in before.items() if state.configured and name not in after)
        return Refresh(before, after, tuple(added), tuple(changed), removed, tuple(failures), tuple(warnings))

    def publish(self, refresh: Refresh, publish: Callable[[], int]) -> int:
        """Put new settings and *refresh* into effect, and return the generation.

        *publish* publishes the settings and returns the generation. It adds the zones that are new with the
        data of `Refresh.new_data`, and removes the zones that the settings no longer name.
        """
        with self._changing:
            engine = self._running()
            generation = publish()
            now, states = self.states, {}
            changes: dict[str, Zone | Unavailable | None] = {}
            for name, after in refresh.after.items():
                before, present = refresh.before.get(name), now.get(name)
                if present is not None and present is not before:
                    # The zone changed after its source was read: keep the acknowledged version. The next
                    # reload reads it again.
                    states[name] = replace(present, source=after.source, configured=True)
                    continue
                states[name] = after
                if present is None:
                    if name not in refresh.added or after.current is None:
                        changes[name] = after.entry()  # not published with the settings
                elif _served(present) != _served(after):
                    changes[name] = after.entry()
            for name, present in now.items():
                if name not in states and not present.configured:
                    states[name] = present
                    if name in self._named:
                        changes[name] = (
                            present.entry()
                        )  # removed with the settings that named it, and added since
            self.states, self._named = states, frozenset(refresh.after)
            if changes:
                generation = engine.change(changes, generation)
            return generation

    def change(self, name: str, zone: Zone, based_on: Zone | None) -> int:
        """Replace *based_on*, from which the change was computed, by *zone*, and return the generation.

        Returns once every worker uses the new version. Raises `ZoneConflict` if *based_on* is no longer
        current, and `KeyError` for a zone that is not served.
        """
        with self._changing:
            state = self.states[name]
            if state.current is not based_on:
                raise ZoneConflict(
                    f"zone {name} has changed meanwhile: compute the change from its current version"
                )
            return self._put(name, state.changed(zone))

    def add(self, source: ZoneSource) -> int:
        """Load the zone of *source* and return the generation.

        The zone is served until `remove`, even if the configuration does not name it. Raises `ZonesError` if it
        cannot be loaded, and `ZoneConflict` if a zone of that name is served.
        """
        try:
            version = source.version(None)
            state = ZoneState(source, configured=False).loaded(source.load(), version)
        except (ZoneFileError, OSError) as error:
            raise ZonesError([(source, error)]) from error
        with self._changing:
            if source.name in self.states:
                raise ZoneConflict(f"zone {source.name} is served already")
            return self._put(source.name, state)

    def remove(self, name: str) -> int:
        """Stop serving the zone *name* and return the generation. Raises `KeyError` if it is not served."""
        with self._changing:
            self.states[name]
            return self._put(name, None)

    def expire(self, name: str) -> int:
        """Answer SERVFAIL for the zone *name* until it is loaded or changed again. Returns the generation."""
        with self._changing:
            return self._put(name, self.states[name].expired())

    def _put(self, name: str, state: ZoneState | None) -> int:
        """Change one zone in the engine, and then in the states. The caller holds the lock."""
        engine = self._running()
        generation = engine.change({name: state.entry() if state is not None else None}, engine.generation)
        states = dict(self.states)
        if state is None:
            del states[name]
        else:
            states[name] = state
        self.states = states
        return generation

    def _running(self) -> Engine:
        if self._engine is None:
            raise EngineClosed("the server is not running")
        return self._engine


def _read_many(sources: list[ZoneSource]) -> dict[str, tuple[Hashable, Zone | ZoneFileError]]:
    """Read *sources* together if their class supports it (`load_many`). Returns version and result by name.

    Sources without a result are read one by one.
    """
    kinds: dict[type[ZoneSource], list[ZoneSource]] = {}
    for source in sources:
        kinds.setdefault(type(source), []).append(source)
    read: dict[str, tuple[Hashable, Zone | ZoneFileError]] = {}
    for kind, group in kinds.items():
        load_many = getattr(kind, "load_many", None)
        if load_many is not None and len(group) > 1:
            for source, outcome in zip(group, load_many(group), strict=True):
                if outcome is not None:
                    read[source.name] = outcome
    return read


def failure_text(source: ZoneSource, error: Exception) -> str:
    """Return a message that explains why the zone of *source* is not loaded."""
    text = f"{source.place}: {error.strerror or error}" if isinstance(error, OSError) else str(error)
    lines = "\n".join(f"  {line}" for line in text.splitlines())
    return f"zone {source.name} is not loaded:\n{lines}"


def _served(state: ZoneState) -> tuple[object, ...]:
    """Return the part of *state* that the engine uses."""
    return (id(state.current), state.condition, state.detail)


def _first_error(error: Exception) -> str:
    if isinstance(error, ZoneFileError) and error.faults:
        fault = error.faults[0]
        return str(fault._replace(file=os.path.basename(fault.file)))
    return (error.strerror or "") if isinstance(error, OSError) else str(error)


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

"""The zones of a running server: one state (`state.py`) for each, and the only caller of `Engine.change`.

```text
 refresh (files, other sources) ─┐
 change, edit, submit ───────────┼─▶ state before, zone, cause ─▶ succeed ─▶  sign  ─▶ journal ─▶ Engine.change ─▶ acknowledge
 source that reports a change ───┘                                what differs                ▲
 fold (background) ───────────────────────────────────────────────────────────────────────────┘  the same records
```

`refresh` (`reading.py`) reads the sources and changes nothing; `publish` takes its outcome into use together with new settings.
Between the two a zone may change (`change`, `add`, `remove`): that version then stays, because it was acknowledged.
`fold` and `take` are the same two halves for a version that is stored anew.

Changes that wait while others are written share the next transaction of the state database (`journal.py`), one publication and
one acknowledgement: a caller that gets the lock takes all of them. A change that was refused has changed nothing.

The serial of a version that a change makes is chosen here, by the method of its source (`serial.py`).

A zone that is signed here (`signers`) has two sides: its source and those who change it give the records without signatures, and
`succeed` makes the signed version of them. Its file never has signatures.
"""

from __future__ import annotations

import contextlib
import threading
import time
from collections import deque
from functools import partial
from typing import TYPE_CHECKING, NamedTuple

from namewise.engine.errors import EngineClosed, NamewiseError
from namewise.zones.background import Background
from namewise.zones.chain import Chain, StoreError, image
from namewise.zones.journal import Journal, kept, write_of_change, write_of_reading, write_of_snapshot
from namewise.zones.reading import Reading, Refresh, succeeding
from namewise.zones.serial import numbered
from namewise.zones.state import SIGNING, Cause, Change, ZoneState, failure_text
from namewise.zones.waiting import Unpictured, Waiting

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Hashable, Iterable, Mapping
    from concurrent.futures import Future
    from typing import TypeAlias

    from namewise.engine import Difference, Engine, Unavailable, Zone
    from namewise.zones.chain import Write
    from namewise.zones.reading import Read, Signer, Signers
    from namewise.zones.source import ZoneSource

    Make: TypeAlias = Callable[[ZoneState], Zone]
    """Makes the next version of a zone from its state."""

EDIT = Cause()
MOST_TOGETHER = 1000
"""Changes that are published together."""


class ZonesError(NamewiseError):
    """Zones cannot be loaded. `failures` has the source and the error of each."""

    code = "BAD_ZONES"

    def __init__(self, failures: Iterable[tuple[ZoneSource, Exception]]) -> None:
        self.failures = tuple(failures)
        super().__init__("\n".join(failure_text(source, error) for source, error in self.failures))


class ZoneConflict(NamewiseError):
    """A change was computed from an outdated version of the zone, or its name is taken. Nothing was changed."""

    code = "CONFLICT"


class Fold(NamedTuple):
    """A version of a zone that is stored anew, beside the state that it was computed from."""

    before: ZoneState
    zone: Zone


class Registry:
    """The zones of one server. All methods may be called from any thread, and block unless they say otherwise."""

    def __init__(self, background: Background | None = None, journal: Journal | None = None) -> None:
        self.states: Mapping[str, ZoneState] = {}
        """By name, in the order of the configuration. The dictionary is replaced, never changed."""
        self.background = background or Background()
        self.journal = journal or Journal(None)
        self.on_change: Callable[[ZoneState], None] | None = None
        """Called with the new state after a zone has changed by `change`, `edit` or `submit`; it must not block."""
        self.clock: Callable[[], float] = time.time
        """Seconds since 1970, for serials."""
        self.signers: Signers | None = None
        """Returns what signs a zone. New versions of zones from any source pass through it."""
        self._engine: Engine | None = None
        self._named: frozenset[str] = frozenset()
        """The zones that the current settings name."""
        self._watched: dict[str, tuple[ZoneSource, Callable[[], None]]] = {}
        """Sources that report changes, each with the function that ends the reports."""
        self._waiting: deque[Waiting] = deque()
        self._held: dict[str, list[Waiting]] = {}
        """By zone: the changes that wait for an image. The first of them needs it."""
        self._committing = Background()
        """Commits what `submit` leaves."""
        self._drawing = Background()
        """Makes images, one at a time: each occupies about as much as the zone."""
        self._changing = threading.Lock()

    def connect(self, engine: Engine) -> None:
        """Serve the zones with *engine*."""
        self._engine = engine

    def close(self) -> None:
        """End the reports of all sources, wait for what runs in the background, and close the state database."""
        with self._changing:
            watched, self._watched = self._watched, {}
        for _, end in watched.values():
            end()
        # What is committed may need an image, and is then committed with it.
        for background in (self._committing, self._drawing, self._committing, self.background):
            background.join()
        self.journal.close()

    def refresh(self, sources: Iterable[ZoneSource], kept: Collection[str] = ()) -> Refresh:
        """Read the changed ones of *sources* and return the effect. Changes nothing. kept: zones that stay, besides those of *sources*;
        their sources are not looked at."""
        before = self.states
        reading = self._reading()
        reading.after.update((name, before[name]) for name in kept if name in before)
        for source in sources:
            state = before.get(source.name)
            if state is None:
                state = ZoneState(source)
            elif state.source.place != source.place or not state.configured:
                state = state._replace(source=source, configured=True, version=None)
            elif _settings(state.source) != _settings(source):
                state = state._replace(source=source)
            reading.look(state, source)
        reading.read()
        removed = tuple(
            name for name, state in before.items() if state.configured and name not in reading.after
        )
        added: list[str] = []
        changed: list[str] = []
        for name in reading.new_data:
            (changed if name in before else added).append(name)
        history = {
            name: [reading.differences[name]]
            for name in changed
            if name in reading.differences and before[name].current is not None
        }
        failures, warnings = tuple(reading.failures), tuple(reading.warnings)
        return Refresh(
            before,
            reading.after,
            tuple(added),
            tuple(changed),
            removed,
            failures,
            warnings,
            reading.recorded,
            history,
        )

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
            history: dict[str, list[Difference]] = {}
            published = frozenset(refresh.added)
            recorded: dict[str, Read] = {}
            for name, after in refresh.after.items():
                before, present = refresh.before.get(name), now.get(name)
                if present is None:
                    states[name] = after
                    if name not in published or after.current is None:
                        changes[name] = after.entry()  # not published with the settings
                    if name in refresh.recorded:
                        recorded[name] = refresh.recorded[name]
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
                    if name in refresh.history:
                        history[name] = refresh.history[name]
                if name in refresh.recorded:
                    recorded[name] = refresh.recorded[name]
            for name, present in now.items():
                if name not in states and not present.configured:
                    states[name] = present
                    if name in self._named:
                        # Removed with the settings that named it, and added since.
                        changes[name] = present.entry()
            self.states, self._named = states, frozenset(refresh.after)
            if changes:
                generation = engine.change(changes, generation, history)
            for name in {*states, *self._watched}:
                self._watch(name)
            for name in refresh.changed:
                self._fold_later(name)
            if recorded:
                self._record(recorded)
            return engine.generation

    def change(self, before: ZoneState, zone: Zone, cause: Cause = EDIT) -> ZoneState:
        """Serve *zone*, which was made from the version of *before*, and return the new state.

        Returns once it is durable and every worker uses it; until then, clients get the old version. Raises `ZoneConflict` when
        other records than those of *before* are served by now: begin again with the current state. Raises `KeyError` for a zone
        that is not served, and `StoreError` if the change cannot be made durable.
        """
        after = self._succeeding(before, zone, cause)

        def make(present: ZoneState) -> tuple[Zone, Change] | None:
            if present.revision != before.revision:
                raise ZoneConflict(
                    f"zone {before.source.name} has changed meanwhile: compute the change from its current version"
                )
            if after is None:
                return None
            made, change = after
            if present.current is not before.current and present.current is not None and before.current:
                # It was folded meanwhile.
                made = present.current.rebase(before.current, made) or made
            return made, change

        return self._commit_until(self._wait(before.source.name, make))

    def edit(self, name: str, make: Make, cause: Cause = EDIT) -> ZoneState:
        """Serve what *make* makes of the state that the zone *name* has then, and return the new state.

        *make* runs with the lock of the registry: it computes, does not wait and calls nothing here. What it raises ends this
        change. Otherwise as `change`; there is no conflict.
        """
        return self._commit_until(self._wait(name, self._made_by(make, cause)))

    def submit(self, name: str, make: Make, cause: Cause = EDIT) -> Future[ZoneState]:
        """As `edit`, from a thread of the registry. Never blocks."""
        waiting = self._wait(name, self._made_by(make, cause))
        self._committing.add("commit", self._commit)
        return waiting.future

    def add(self, source: ZoneSource) -> int:
        """Load the zone of *source* and serve it until `remove`, whatever the configuration names; return the
        generation. Raises `ZonesError` if it cannot be loaded, `ZoneConflict` if a zone of that name is served."""
        reading = self._reading()
        reading.look(ZoneState(source, configured=False), source)
        reading.read()
        if reading.failures:
            raise ZonesError(reading.failures)
        with self._changing:
            if self.find(source.name) is not None:
                raise ZoneConflict(f"zone {source.name} is served already")
            return self._put(source.name, reading.after[source.name])

    def resume(self, source: ZoneSource) -> ZoneState:
        """Serve a zone that is stored and that the configuration does not name, as `add`; one that cannot be loaded gets SERVFAIL.
        Return its state."""
        reading = self._reading()
        reading.look(ZoneState(source, configured=False), source)
        reading.read()
        with self._changing:
            self._put(source.name, reading.after[source.name])
            return self.states[source.name]

    def create(self, source: ZoneSource, zone: Zone, cause: Cause = EDIT) -> ZoneState:
        """Serve *zone* under the name of *source* until `remove`, and keep it in the state database. Raises `ZoneConflict` if a zone
        of that name is served, `StoreError`."""
        make = self._made_by(lambda _: zone, cause)
        return self._commit_until(self._wait(source.name, make, source))

    def remove(self, name: str) -> int:
        """Stop serving the zone *name* and return the generation. What is stored of a zone that the configuration does not name is
        deleted. Raises `KeyError` if it is not served, `StoreError`."""
        with self._changing:
            state = self.states[name]
            if state.tip is not None and not state.configured:
                self.journal.store.forget(name.lower())
            return self._put(name, None)

    def expire(self, name: str, detail: str = "") -> int:
        """Answer SERVFAIL for the zone *name* until it is loaded or changed again; return the generation. Clients see *detail*."""
        with self._changing:
            return self._put(name, self.states[name].expired(detail))

    def find(self, name: str) -> ZoneState | None:
        """Return the state of the zone *name*, in any case of letters, or None."""
        state = self.states.get(name)
        if state is not None:
            return state
        return next((state for other, state in self.states.items() if other.lower() == name.lower()), None)

    def reread(self, name: str) -> ZoneState:
        """Read the source of the zone *name* and what is stored of it, and return the state that follows. Raises `ZonesError` if
        that fails."""
        failures = self._reread(name)
        if failures:
            raise ZonesError(failures)
        return self.states[name]

    def reset(self, name: str, tip: int | None) -> None:
        """Go on with the version of the zone *name* after the entry *tip*, or with its source alone (None): the rest of what is
        stored is deleted. Raises `ChainError` if that version cannot be read, `ZonesError` if the source cannot."""
        with self._changing:
            state = self.states[name]
            if tip is None:
                self.journal.store.forget(name.lower())
            else:
                self.journal.store.cut(name.lower(), tip)
            # The served version stays until the one that follows is loaded.
            again = ZoneState(state.source, state.configured, state.condition, state.current, state.revision)
            self.states = {**self.states, name: again}
        self.reread(name)

    def saved(self, before: ZoneState, version: Hashable, written: Zone) -> None:
        """Take note that *version* of the source has the records of *before*. Raises `StoreError`.

        written: these records, without those that signing makes if the zone is signed here
        """
        name, zone = before.source.name, before.current
        waiting = Waiting(name, lambda _: None)
        while zone is not None and before.tip is not None:
            try:
                with self._changing:
                    present = self.states[name]
                    if present.tip is None:
                        return
                    after = present.confirmed(
                        version, present.tip - before.tip, based=self._signer(name) is not None
                    )
                    # Changes that were made meanwhile have what was saved as their base.
                    limits = self.journal.limits
                    write = write_of_reading(present, after, written, None, limits, waiting.image)
                    _settled(self.journal.store.write([write]))
                    self.states = {**self.states, name: after}
                    return
            except Unpictured as lacking:
                waiting.draw(lacking.zone)

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
                self._put(name, present.folded(zone), [])
            return zone is not None

    def recall(self, names: Iterable[str], most_octets: int) -> int:
        """Give the engine what the state database has of the latest differences of the zones *names*, for IXFR after a restart.
        Return the generation."""
        with self._changing:
            engine = self._running()
            history: dict[str, list[Difference]] = {}
            for name in names if self.journal.exists else ():
                state = self.states.get(name)
                if (
                    state is not None
                    and state.current is not None
                    and state.tip is not None
                    and not state.stale
                ):
                    # Without them, IXFR sends the whole zone.
                    with contextlib.suppress(StoreError):
                        history[name] = self.journal.store.differences(name.lower(), most_octets)
            history = {name: differences for name, differences in history.items() if differences}
            if history:
                engine.change(
                    {name: self.states[name].entry() for name in history}, engine.generation, history
                )
            return engine.generation

    # Commits.

    def _wait(
        self,
        name: str,
        make: Callable[[ZoneState], tuple[Zone, Change] | None],
        source: ZoneSource | None = None,
    ) -> Waiting:
        waiting = Waiting(name, make, source)
        self._waiting.append(waiting)
        return waiting

    def _made_by(self, make: Make, cause: Cause) -> Callable[[ZoneState], tuple[Zone, Change] | None]:
        return lambda state: self._succeeding(state, make(state), cause)

    def _succeeding(self, before: ZoneState, zone: Zone, cause: Cause) -> tuple[Zone, Change] | None:
        """Return *zone* with its serial as the version that follows that of *before*, with what differs; None if nothing does."""
        method, signer = getattr(before.source, "serial", None), self._signer(before.source.name)
        if method is not None and before.current is not None and (signer is None or cause.why not in SIGNING):
            zone = numbered(before.current, zone, method, self.clock())
        return succeeding(before, zone, cause.why, cause, signer)

    def _commit_until(self, waiting: Waiting) -> ZoneState:
        self._commit()
        # What is not done now waits for an image, or for the next batch.
        return waiting.future.result()

    def _commit(self) -> None:
        """Commit the changes that wait. Another thread may have done it before this one gets the lock."""
        with self._changing:
            batch: list[Waiting] = []
            while self._waiting and len(batch) < MOST_TOGETHER:
                batch.append(self._waiting.popleft())
            if batch:
                try:
                    self._commit_together(batch)
                except BaseException as error:
                    for waiting in batch:
                        if not waiting.future.done():
                            waiting.future.set_exception(error)
                    if not isinstance(error, Exception):
                        raise
        if self._waiting:
            self._committing.add("commit", self._commit)

    def _commit_together(self, batch: list[Waiting]) -> None:
        """Make, journal, publish and acknowledge *batch*. The caller holds the lock."""
        engine = self._running()
        heads: dict[str, ZoneState] = {}
        done: list[tuple[Waiting, ZoneState]] = []
        history: dict[str, list[Difference]] = {}
        writes: list[tuple[str, Write | None]] = []
        for waiting in batch:
            if waiting.name in self._held:
                self._held[waiting.name].append(waiting)
                continue
            try:
                head = self._head(waiting, heads)
                after, write, difference = self._next(head, waiting)
            except Unpictured as missing:
                self._held[waiting.name] = [waiting]
                self._drawing.add(waiting.name, partial(self._draw, waiting, missing.zone))
                continue
            except Exception as error:
                waiting.future.set_exception(error)
                continue
            if after is head:
                done.append((waiting, after))
                continue
            after = after._replace(refusal="")
            heads[waiting.name] = after
            done.append((waiting, after))
            if difference is not None:
                history.setdefault(waiting.name, []).append(difference)
            writes.append((waiting.name, write))
        refused = self._journalled(writes)
        changed = {name: state for name, state in heads.items() if name not in refused}
        for name in refused.keys() & self.states.keys():
            refusal = f"the last change was not stored: {refused[name]}"
            self.states = {**self.states, name: self.states[name]._replace(refusal=refusal)}
        if changed:
            entries = {name: state.entry() for name, state in changed.items()}
            engine.change(entries, engine.generation, history)
            self.states = {**self.states, **changed}
        for waiting, state in done:
            if waiting.name in refused:
                waiting.future.set_exception(refused[waiting.name])
            else:
                waiting.future.set_result(state)
        for name, state in changed.items():
            self._watch(name)
            self._fold_later(name)
            if self.on_change is not None:
                self.on_change(state)

    def _draw(self, waiting: Waiting, zone: Zone) -> None:
        """Make the image of *zone* that *waiting* needs, and commit what was held for it."""
        try:
            waiting.draw(zone)
        except Exception as error:
            waiting.future.set_exception(error)
        with self._changing:
            held = [one for one in self._held.pop(waiting.name) if not one.future.done()]
            self._waiting.extendleft(reversed(held))
        self._commit()

    def _head(self, waiting: Waiting, heads: Mapping[str, ZoneState]) -> ZoneState:
        """Return the state that the change *waiting* is made from."""
        name, source = waiting.name, waiting.source
        state = heads.get(name) or self.states.get(name)
        if source is None:
            if state is None:
                raise KeyError(name)
            return state
        if state is not None or self.find(name) is not None:
            raise ZoneConflict(f"zone {name} is served already")
        if self.journal.exists and name.lower() in self.journal.chains():
            raise ZoneConflict(
                f"zone {name} is in the state database, with changes from when the configuration named it: name it again"
            )
        return ZoneState(source, configured=False)

    def _next(self, head: ZoneState, waiting: Waiting) -> tuple[ZoneState, Write | None, Difference | None]:
        """Return the state after *waiting*, *head* itself if nothing differs, what stores it, and what differs."""
        made = waiting.version(head)
        if made is None:
            return head, None, None
        zone, change = made
        after = head.changed(zone, change)
        difference = None if head.current is None else head.current.difference(zone)
        if not kept(head.source):
            return after, None, difference
        write = write_of_change(head, zone, change, difference, self.journal.limits, waiting.image)
        return after._replace(tip=(head.tip or 0) + 1, stale=False), write, difference

    def _journalled(self, writes: list[tuple[str, Write | None]]) -> dict[str, Exception]:
        """Store *writes*, by zone, and return the zones for which that was refused, with the reason."""
        stored = [(name, write) for name, write in writes if write is not None]
        if not stored:
            return {}
        try:
            results = self.journal.store.write([write for _, write in stored])
        except StoreError as error:
            return {name: error for name, _ in stored}
        refused: dict[str, Exception] = {}
        for (name, _), result in zip(stored, results, strict=True):
            if isinstance(result, StoreError):
                refused.setdefault(name, result)
            else:
                self._compact_later(name, result)
        return refused

    # The state database.

    def _record(self, recorded: Mapping[str, Read]) -> None:
        """Store what the sources of *recorded* have become, now that it is served. The caller holds the lock.

        The difference of a file that has everything is history: without it, the file is still true. A merged version is not
        durable without it, so the version before it is served again.
        """
        names = list(recorded)
        writes = [read.write for read in recorded.values()]
        results: list[Chain | StoreError]
        try:
            results = self.journal.store.write(writes)
        except StoreError as error:
            results = [error] * len(writes)
        states = dict(self.states)
        changes: dict[str, Zone | Unavailable | None] = {}
        for name, write, result in zip(names, writes, results, strict=True):
            state, before = states[name], recorded[name].before
            if isinstance(result, Chain):
                states[name] = state._replace(tip=result.tip, stale=False)
                self._compact_later(name, result)
            elif write.base == "none":
                states[name] = state._replace(
                    stale=state.stale or write.entry is not None, error=failure_text(state.source, result)
                )
            else:
                states[name] = before.failed(result, before.version)
                changes[name] = states[name].entry()
        self.states = states
        if changes:
            engine = self._running()
            engine.change(changes, engine.generation)

    def _compact_later(self, name: str, chain: Chain) -> None:
        if chain.wants_compaction(self.journal.limits):
            self.background.add(("compact", name), partial(self.compact, name))

    def compact(self, name: str) -> None:
        """Replace the snapshot of the zone *name* by its current version. Takes as long as loading the zone, and changes wait only
        while it is written."""
        state = self.states.get(name)
        if state is None or state.current is None or state.tip is None or state.stale:
            return
        pictured = image(state.current)
        with self._changing:
            present = self.states.get(name)
            if present is None or present.source is not state.source or present.tip is None:
                return
            if present.tip >= state.tip:
                _settled(self.journal.store.write([write_of_snapshot(present, pictured, state.tip)]))

    # Inside.

    def _reading(self) -> Reading:
        return Reading(self.journal, self.clock, self.signers)

    def _signer(self, name: str) -> Signer | None:
        return None if self.signers is None else self.signers(name)

    def _put(self, name: str, state: ZoneState | None, history: list[Difference] | None = None) -> int:
        """Change one zone in the engine, and then in the states. The caller holds the lock. history: as for `Engine.change`."""
        engine, present = self._running(), self.states.get(name)
        generation = engine.generation
        if state is None or present is None or _served(present) != _served(state):
            entry = None if state is None else state.entry()
            generation = engine.change(
                {name: entry}, generation, None if history is None else {name: history}
            )
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

    def _reread(self, name: str) -> list[tuple[ZoneSource, Exception]]:
        """Read the source of the zone *name*, which reported a change, and return what failed."""
        before = self.states.get(name)
        if before is None:
            return []
        reading = self._reading()
        reading.look(before, before.source)
        reading.read()
        after = reading.after[name]
        differences = [reading.differences[name]] if name in reading.differences and before.current else None
        with self._changing:
            present = self.states.get(name)
            # Otherwise it was read by another reader, or has changes that the source does not have.
            if present is not None and present.revision == before.revision and after is not before:
                if present is not before and after.revision == present.revision and present.current:
                    after = after.folded(present.current)
                with contextlib.suppress(EngineClosed):
                    after = after._replace(source=present.source, configured=present.configured)
                    self._put(name, after, differences)
                    if reading.recorded:
                        self._record(reading.recorded)
        return reading.failures

    def _running(self) -> Engine:
        if self._engine is None:
            raise EngineClosed("the server is not running")
        return self._engine


def _settled(results: list[Chain | StoreError]) -> None:
    for result in results:
        if isinstance(result, StoreError):
            raise result


def _settings(source: ZoneSource) -> object:
    """Return what a source has besides its place."""
    return getattr(source, "serial", None)


def _served(state: ZoneState) -> tuple[object, ...]:
    """Return the part of *state* that the engine uses."""
    return (id(state.current), state.condition, state.detail if state.current is None else "")

"""Reading the sources of zones, and what follows for the state of each.

```text
 nothing stored:      source ──▶ zone, as before it was compared by version
 changes stored:      snapshot + journal ──▶ zone as it was served ──▶ source has another version? merge (`merge.py`)
 nothing but history: source ──▶ zone; if it has another version, the stored one is the version before it
```
"""

from __future__ import annotations

import time
from functools import partial
from typing import TYPE_CHECKING, NamedTuple, Protocol

from namewise.engine.errors import NamewiseError, ZoneFileError
from namewise.zones.chain import ChainError, StoreError
from namewise.zones.journal import in_source, kept, stamp, write_of_reading
from namewise.zones.serial import following, is_newer, successor, way
from namewise.zones.source import ZoneUnavailable
from namewise.zones.state import SIGNING, Change, ZoneState

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable, Iterable, Mapping
    from typing import Any, TypeAlias

    from namewise.engine import Difference, Zone
    from namewise.zones.chain import Chain, Write
    from namewise.zones.journal import Journal
    from namewise.zones.serial import Method
    from namewise.zones.source import ZoneSource
    from namewise.zones.state import Cause

    Signers: TypeAlias = "Callable[[str], Signer | None]"
    """Returns what signs the zone of a name; None: it is served as it is."""
    Number: TypeAlias = Callable[[int], int]


class Signer(Protocol):
    """What signs new versions of a zone."""

    def follow(self, before: Zone | None, made: Zone, number: Number) -> Zone:
        """Return the signed version with the other records of *made*, from the served version *before*; *before* itself if nothing but
        the serial differs. number: returns the serial that follows one. Raises `NamewiseError`."""


MOST_COMPARED = 50_000
"""RRsets that may differ between two versions of a file for IXFR to send the difference."""


class Read(NamedTuple):
    """A source whose content is to be recorded: the state before it was read, and what records it."""

    before: ZoneState
    write: Write


class Refresh(NamedTuple):
    """The effect of reading the sources of the configuration, with the states from which it was computed."""

    before: Mapping[str, ZoneState]
    after: dict[str, ZoneState]
    added: tuple[str, ...]
    changed: tuple[str, ...]
    removed: tuple[str, ...]
    failures: tuple[tuple[ZoneSource, Exception], ...]
    warnings: tuple[str, ...]
    recorded: Mapping[str, Read] = {}
    """What is to be recorded in the state database, by zone."""
    history: Mapping[str, list[Difference]] = {}
    """What differs in the changed zones, for IXFR."""

    def new_data(self) -> list[Zone]:
        """Return the zones that were read from their sources, both new zones and new versions."""
        found = (self.after[name].current for name in (*self.added, *self.changed))
        return [zone for zone in found if zone is not None]


class Reading:
    """Reads sources and finds the state that follows for each."""

    def __init__(
        self, journal: Journal, clock: Callable[[], float] = time.time, signers: Signers | None = None
    ) -> None:
        self.after: dict[str, ZoneState] = {}
        self.new_data: dict[str, None] = {}
        """Zones with another version than before, in order."""
        self.differences: dict[str, Difference] = {}
        """What differs from the version before, unless that is too much to be worth its memory."""
        self.failures: list[tuple[ZoneSource, Exception]] = []
        self.warnings: list[str] = []
        self.recorded: dict[str, Read] = {}
        """What is to be recorded in the state database once it is served."""
        self._journal = journal
        self._clock = clock
        self._signers = signers
        self._chains: Mapping[str, Chain] | None = None
        self._noted: Mapping[str, Mapping[str, Any]] | None = None
        self._unread: list[ZoneState] = []

    def look(self, state: ZoneState, source: ZoneSource) -> None:
        """Find out whether *source* has another version than the one that *state* was read from, and plan to read it."""
        self.after[source.name] = state
        if state.tip is None and kept(source) and (chain := self._chain(source.name)) is not None:
            self._resume(state._replace(source=source), chain)
            return
        if state.tip is not None and not in_source(source):
            return
        if state.version is not None or state.based:
            try:
                version = source.version(state.version)
            except (ZoneFileError, OSError) as error:
                self._fail(state, error, None)
                return
            if version == state.version and not state.error:
                return
            if state.based and state.tip is None:
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

    def _chain(self, name: str) -> Chain | None:
        if self._chains is None:
            self._chains = self._journal.chains()
        return self._chains.get(name.lower())

    def _notes(self) -> Mapping[str, Mapping[str, Any]]:
        """Return what is noted of secondary zones."""
        from namewise.zones.secondary import NOTE

        if self._noted is None:
            self._noted = self._journal.notes(NOTE)
        return self._noted

    def _resume(self, state: ZoneState, chain: Chain) -> None:
        """Begin with what is stored of a zone: its newest version, unless the source has that."""
        source, version, missing = state.source, None, None
        if in_source(source):
            try:
                version = source.version(None)
            except OSError as error:
                missing = error
            if version is not None and stamp(version) == chain.source and chain.base is None:
                # It is read like any other.
                self._unread.append(state._replace(tip=chain.tip))
                return
        try:
            zone = self._journal.store.load(chain.name)
        except (ChainError, StoreError) as error:
            if isinstance(error, ChainError) and chain.kind == "secondary":
                # The truth is with the primary, and is transferred anew.
                self.warnings.append(str(error))
                self.after[source.name] = state.failed(error, None)
            else:
                self._fail(state, error, None)
            return
        same = version is not None and stamp(version) == chain.source
        state = state.resumed(
            zone, chain.tip, version if same else None, chain.unsaved, based=chain.base is not None
        )
        if getattr(source, "kind", None) == "secondary":
            from namewise.zones.secondary import lapsed

            why = lapsed(self._notes().get(chain.name), time.time())
            if why:
                self.after[source.name] = state.expired(why)
                return
        self.new_data[source.name] = None
        self.after[source.name] = state
        if missing is not None:
            self._fail(state, missing, None)
        elif in_source(source) and not same:
            self._unread.append(state)

    def _take(self, state: ZoneState, version: Hashable, zone: Zone) -> None:
        source, old, read = state.source, state.current, zone
        name, journal, based = source.name, 0, False
        method: Method = getattr(source, "serial", "increment")
        number = partial(following, method=method, now=self._clock())
        if old is not None and state.based:
            from namewise.zones.merge import MergeConflict, merge

            try:
                own = self._own_version(state, read)
                if own is not None:
                    # As `nw zone sync` writes it. The server may have ended before it took note of that.
                    zone, journal, based = old, (state.tip or 0) - own, False
                else:
                    zone = merge(self._journal.store.base(name.lower()), read, old, source.place, number)
                    journal, based = (0, False) if zone is read else (state.journal, True)
            except (MergeConflict, ZoneFileError, ChainError, StoreError) as error:
                self._fail(state, error, version)
                return
        signer = None if self._signers is None else self._signers(name)
        try:
            after = succeeding(state, zone, "load" if old is None else "reload", signer=signer, number=number)
        except NamewiseError as error:
            self._fail(state, error, version)
            return
        difference, based = None, based or signer is not None
        if after is None:
            self.after[name] = state.confirmed(version, journal, based=based)
        else:
            if signer is None and old is not None and not is_newer(zone.serial, old.serial):
                self.warnings.append(_serial_warning(name, old.serial, zone.serial))
            self.after[name] = state.loaded(after[0], version, after[1], journal, based=based)
            self.new_data[name] = None
            few = after[1].added + after[1].changed + after[1].removed <= MOST_COMPARED
            if old is not None and (few or state.tip is not None):
                difference = old.difference(after[0])
                if few:
                    self.differences[name] = difference
        if signer is not None or (state.tip is not None and old is not None):
            # Made here, where no lock is held: it may need images of the zone.
            write = write_of_reading(state, self.after[name], read, difference, self._journal.limits)
            self.recorded[name] = Read(state, write)

    def _own_version(self, state: ZoneState, read: Zone) -> int | None:
        """Return the entry of the journal after which the records of *read* were served, if they were."""
        store, name = self._journal.store, state.source.name.lower()
        sequence = store.find(name, serial=read.serial)
        if sequence is None:
            return None
        try:
            return None if store.load(name, sequence).difference(read) else sequence
        except (ChainError, KeyError):
            return None

    def _fail(self, state: ZoneState, error: Exception, version: Hashable) -> None:
        self.failures.append((state.source, error))
        self.after[state.source.name] = state.failed(error, version)


def succeeding(
    before: ZoneState,
    zone: Zone,
    why: str,
    cause: Cause | None = None,
    signer: Signer | None = None,
    number: Number = successor,
) -> tuple[Zone, Change] | None:
    """Return *zone* as the version that follows that of *before*, with what differs; None if no record does.

    signer: signs it; *zone* says what the other records are. What it raises is a `NamewiseError`. number: returns the serial that
    follows one, for a signed version whose other records bring none.
    """
    if signer is not None and why not in SIGNING:
        zone = signer.follow(before.current, zone, number)
    made = ("", "", "") if cause is None else (cause.who, cause.client, cause.note)
    if before.current is None:
        return zone, Change(why, zone.serial, None, 0, 0, 0, *made)
    following = before.current.succeed(zone)
    if following is None:
        return None
    zone, added, changed, removed = following
    return zone, Change(why, zone.serial, before.current.serial, added, changed, removed, *made)


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


def _ignored(state: ZoneState) -> str:
    count = f"{state.journal} change{'' if state.journal == 1 else 's'}"
    return (
        f"zone {state.source.name}: {state.source.place} has changed but was not loaded, because {count} made since would "
        "be lost"
    )


def _serial_warning(name: str, old: int, new: int) -> str:
    how = "is still" if old == new else f"went back from {old} to"
    steps = way(old, new)
    remedy = (
        f", or set {' then '.join(map(str, steps))}, each once every secondary server has the one before"
        if steps
        else ""
    )
    return (
        f"zone {name}: the content has changed, but the serial {how} {new}: secondary servers will not fetch it "
        f"(RFC 1996 §4.7); raise the serial{remedy}"
    )

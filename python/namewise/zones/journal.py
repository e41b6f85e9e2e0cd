"""What the registry keeps of zones in the state database (`store.py`), in terms of its states.

A source says with `kind` that the changes of its zone are kept: `file` (the truth is the file and the changes made since) or
`database` (the truth is the database). Sources without it have their truth elsewhere, and nothing of them is kept.

The database is opened when it exists at the start, or with the first change.
"""

from __future__ import annotations

import json
import os
import threading
from typing import TYPE_CHECKING

from namewise.zones.chain import FILE, Limits, StoreError, Write, image
from namewise.zones.state import SIGNING

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable, Mapping, Sequence
    from typing import Any, TypeAlias

    from namewise.engine import Difference, Zone
    from namewise.zones.chain import Chain, Image
    from namewise.zones.source import ZoneSource
    from namewise.zones.state import Change, ZoneState
    from namewise.zones.store import Store

    Picture: TypeAlias = Callable[[Zone], Image]
    """Returns the image of a zone, or raises to say that it has to be made first."""

DEFAULTS = Limits()


def kept(source: ZoneSource) -> bool:
    """Return whether the changes of the zone of *source* are kept."""
    return getattr(source, "kind", None) is not None


def in_source(source: ZoneSource) -> bool:
    """Return whether *source* holds records, apart from those that are kept here."""
    return getattr(source, "kind", None) not in ("database", "secondary")


class Journal:
    """The state database in *folder* (None: there is none), opened when it is needed. Raises `StoreError`."""

    def __init__(self, folder: str | None, limits: Limits = DEFAULTS) -> None:
        self.folder = folder
        self.limits = limits
        self._store: Store | None = None
        self._opening = threading.Lock()

    @property
    def exists(self) -> bool:
        """Whether something may be stored."""
        return self.folder is not None and os.path.exists(os.path.join(self.folder, FILE))

    @property
    def store(self) -> Store:
        """The open database. Raises `StoreError` (`NO_STATE`) without a state directory."""
        with self._opening:
            if self._store is None:
                if self.folder is None:
                    raise StoreError(
                        "changes of zones are not kept: the server has no state directory",
                        'Set `state = "DIR"` in [server], or start with --state DIR, and restart.',
                        "NO_STATE",
                    )
                # Imported when it is needed: most servers keep nothing of their zones.
                from namewise.zones.store import Store

                self._store = Store(self.folder, self.limits)
            return self._store

    def close(self) -> None:
        """Close the database."""
        if self._store is not None:
            self._store.close()

    def notes(self, key: str) -> Mapping[str, Mapping[str, Any]]:
        """Return what was noted of zones under *key* (`Store.put_note`), by the name of the zone in lower case."""
        return self.store.notes(key) if self.exists else {}

    def chains(self) -> dict[str, Chain]:
        """Return what is stored, by the name of the zone in lower case."""
        return self.store.chains() if self.exists else {}


def stamp(version: Hashable) -> str:
    """Return the *version* of a source as it is stored."""
    return json.dumps(version)


def write_of_change(
    before: ZoneState,
    zone: Zone,
    change: Change,
    difference: Difference | None,
    limits: Limits,
    picture: Picture = image,
) -> Write:
    """Return what stores *zone* as the version that follows that of *before* by a change that the source lacks.

    difference: None for the first version
    """
    write = _version(_write(before), before, zone, change, difference, limits, picture)
    if before.based or write.kind != "file" or before.current is None:
        # Without changes that the file lacks, there are none after this one either.
        signing = before.based and not before.journal and change.why in SIGNING and write.kind == "file"
        return write._replace(base_at=(before.tip or 0) + 1) if signing else write
    # The first change since the file was read: the file is the base. One that could not be read is read after a restart.
    at, source = before.tip or 0, "" if before.error else stamp(before.version)
    if write.snapshot is not None and write.snapshot_at == at:
        return write._replace(base="snapshot", base_at=at, source=source)
    if write.snapshot is None:
        write = write._replace(snapshot=picture(before.current), snapshot_at=at)
        return write._replace(base="snapshot", base_at=at, source=source)
    return write._replace(base=picture(before.current), base_at=at, source=source)


def write_of_reading(
    before: ZoneState,
    after: ZoneState,
    read: Zone,
    difference: Difference | None,
    limits: Limits,
    picture: Picture = image,
) -> Write:
    """Return what stores that *read* is the content of the source now, and that it has led from *before* to *after*.

    difference: what differs between the zones of both; None: nothing does
    """
    write = _write(before)._replace(
        source=stamp(after.version), base=picture(read) if after.based else "none"
    )
    change, new = after.change, after.current
    version = after.revision != before.revision and change is not None
    if after.based:
        write = write._replace(base_at=(before.tip or 0) + version - after.journal)
    if not version or change is None or new is None:
        return write
    if before.tip is None:
        return _version(write, before, new, change, None, limits, picture)
    if before.current is None:
        return write
    return _version(write, before, new, change, difference, limits, picture)


def _version(
    write: Write,
    before: ZoneState,
    zone: Zone,
    change: Change,
    difference: Difference | None,
    limits: Limits,
    picture: Picture,
) -> Write:
    """Return *write* with the version *zone*, and with a snapshot if a difference does not do."""
    current, tip = before.current, before.tip or 0
    if difference is None or current is None or difference.octets > limits.history:
        return write._replace(
            entry=change, snapshot=picture(zone), snapshot_at=tip + 1, snapshot_serial=zone.serial
        )
    write = write._replace(entry=change, difference=difference.wire)
    if before.tip is None or before.stale:
        return write._replace(snapshot=picture(current), snapshot_at=tip, snapshot_serial=current.serial)
    return write


def write_of_snapshot(state: ZoneState, pictured: Sequence[tuple[bytes, int]], at: int) -> Write:
    """Return what replaces the snapshot by *pictured*, the version *at* of the zone."""
    return _write(state)._replace(snapshot=list(pictured), snapshot_at=at)


def _write(state: ZoneState) -> Write:
    source = state.source
    kind: str = getattr(source, "kind", "database")
    return Write(source.name.lower(), kind, not state.configured, state.tip)

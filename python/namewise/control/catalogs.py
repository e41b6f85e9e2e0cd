"""The catalog zones (RFC 9432) of a running server: those whose members it serves, and those that list zones of its own.

```text
 consumer:  [[catalog]] ─▶ zone changes ─▶ zones/catalog.py: read, compare ─▶ Service.change_members
 producer:  zones with `catalog` ─▶ settings change ─▶ zones/catalog.py: written ─▶ Registry.edit (then NOTIFY, IXFR as of any zone)
```

Which members there are is in the state database (`members.py`), not only in the catalog zone: what waits for permission, or a catalog zone
that is broken, changes nothing over a restart either.
"""

from __future__ import annotations

import secrets
import threading
import time
from typing import TYPE_CHECKING, Any, NamedTuple

from namewise.control.follower import LONGEST_WAIT_S, Follower
from namewise.control.members import Member
from namewise.engine.errors import EngineClosed, NamewiseError
from namewise.zones.catalog import CatalogError, Held, compare, first, read, written
from namewise.zones.state import Cause

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from namewise.config.catalogs import Catalog
    from namewise.control.log import Log
    from namewise.control.service import Service
    from namewise.engine import Zone
    from namewise.zones.catalog import Listed, Step
    from namewise.zones.state import ZoneState

NOTE = "catalog"
"""The key of the note in the state database that a zone is a catalog zone of this server."""
RETRY_S = 60.0
"""When a version that could not be applied is tried again."""
LABEL_OCTETS = 8
"""Octets of a random `<unique-N>`."""


class Read(NamedTuple):
    """What has become of a catalog zone."""

    basis: tuple[object, ...] = ()
    """What it was read from, to see whether that has changed."""
    members: Mapping[str, Listed] = {}
    """What the last version that was not broken lists."""
    error: str = ""
    """Why the present version is not applied; empty if it is."""
    doubts: tuple[str, ...] = ()
    waiting: tuple[str, ...] = ()
    """Members that are removed or reset with permission only."""
    applied: float = float("-inf")
    """When a version was last applied, by the clock."""


class Catalogs:
    """The catalog zones of one service. All methods may be called from any thread."""

    def __init__(self, service: Service, log: Log, clock: Callable[[], float] = time.monotonic) -> None:
        self.service = service
        self.log = log
        self._clock = clock
        self._read: dict[str, Read] = {}
        """By name in lower case."""
        self._permitted: set[str] = set()
        """Those whose next step may remove any number of members."""
        self._written: dict[str, tuple[object, ...]] = {}
        """By catalog zone of this server: what it was written from."""
        self._produced: set[str] | None = None
        """Catalog zones that this server has ever written."""
        self._acting = threading.Lock()
        self._follower = Follower("catalog zones", "namewise-catalogs", self.act, log)

    def start(self) -> None:
        """Begin to follow them in a thread, if that was not done before."""
        if not self._follower.started:
            self._follower.start()

    def close(self) -> None:
        """End the thread."""
        self._follower.close()

    def reloaded(self) -> None:
        """Take new settings into account."""
        self._follower.wake()

    def changed(self, _: ZoneState) -> None:
        """Look at what may have changed. Does not block."""
        self._follower.wake()

    def permit(self, name: str) -> bool:
        """Let the catalog zone *name* remove as many members as it says, once; return whether it is one of `[[catalog]]`."""
        known = any(one.name.lower() == name.lower() for one in self.service.config.catalog)
        if known:
            self._permitted.add(name.lower())
            self._follower.wake()
        return known

    def status(self, name: str) -> dict[str, Any] | None:
        """Return the state of the catalog zone *name* for `nw zone status`; None if it is none."""
        folded = name.lower()
        if any(one.name.lower() == folded for one in self.service.config.catalog):
            found = self._read.get(folded, Read())
            members = [one for one in self.service.members.values() if one.catalog == folded]
            return {
                "role": "consumer",
                "members": sorted(one.name for one in members),
                "error": found.error or None,
                "doubts": list(found.doubts),
                "waiting": list(found.waiting),
            }
        own = [zone.name for zone in self.service.config.zone if (zone.catalog or "").lower() == folded]
        if own or folded in self._written:
            return {"role": "producer", "members": sorted(own), "error": None, "doubts": [], "waiting": []}
        return None

    def act(self) -> float:
        """Do what follows from the catalog zones as they are, and return for how many seconds nothing is due."""
        with self._acting:
            waits = [LONGEST_WAIT_S]
            for catalog in self.service.config.catalog:
                wait = self._consume(catalog)
                if wait is not None:
                    waits.append(wait)
            self._produce()
            return min(waits)

    # Consumer.

    def _consume(self, catalog: Catalog) -> float | None:
        """Apply the present version of *catalog*, if that is due; return the seconds until it is."""
        name, service = catalog.name.lower(), self.service
        state, former = service.registry.find(catalog.name), self._read.get(name, Read())
        zone = None if state is None else state.current
        permitted = name in self._permitted
        # What other catalog zones list may release a member of theirs to this one.
        others = tuple(one.members for other, one in self._read.items() if other != name)
        basis = (None if state is None else state.revision, service.configured, catalog, others)
        if zone is None or (basis == former.basis and not permitted):
            # Without a zone nothing changes: it has not come yet, or has expired.
            return None
        wait = former.applied + catalog.interval / 1000 - self._clock()
        if former.applied > float("-inf") and wait > 0 and not permitted:
            return wait
        self._permitted.discard(name)
        try:
            after = self._apply(catalog, zone, former, permitted=permitted)
        except EngineClosed:
            raise
        except NamewiseError as error:
            what = "is broken" if isinstance(error, CatalogError) else "cannot be applied"
            text = f"catalog zone {catalog.name} {what}: {error}; its members stay as they are"
            self.log.event("error", "catalog-failed", text, zone=catalog.name)
            after = former._replace(error=str(error), doubts=(), waiting=())
            if not isinstance(error, CatalogError):
                # A full disk, for example: tried again, while a broken catalog zone stays broken until it changes.
                self._read[name] = after._replace(basis=(), applied=self._clock())
                return RETRY_S
        self._read[name] = after._replace(basis=basis, applied=self._clock())
        # Others may take over what this one releases now.
        self._follower.wake()
        return None

    def _apply(self, catalog: Catalog, zone: Zone, former: Read, *, permitted: bool) -> Read:
        name = catalog.name.lower()
        contents = read(zone, catalog.members)
        self._read[name] = former._replace(members=contents.members)
        step = compare(name, contents, self._held(), self._released)
        waiting: tuple[str, ...] = ()
        gone = (*step.drop, *step.reset)
        if gone and not permitted and (len(gone) > catalog.most_removed or not contents.members):
            waiting = tuple(sorted(gone))
            step = step._replace(
                put=tuple(one for one in step.put if one.name.lower() not in step.reset), drop=(), reset=()
            )
            listed = ", ".join(waiting[:3]) + (f" and {len(waiting) - 3} others" if len(waiting) > 3 else "")
            text = (
                f"catalog zone {catalog.name} would remove or reset {len(waiting)} members at once ({listed}): they stay; if it is "
                f"right, `nw zone refresh {catalog.name} --remove` removes them"
            )
            self.log.event("warning", "catalog-waits", text, zone=catalog.name)
        self._take(name, step)
        for doubt in step.doubts:
            if doubt not in former.doubts:
                self.log.event(
                    "warning", "catalog-doubt", f"catalog zone {catalog.name}: {doubt}", zone=catalog.name
                )
        return Read((), contents.members, "", step.doubts, waiting)

    def _take(self, catalog: str, step: Step) -> None:
        service = self.service
        put = [Member(one.name, "", catalog, one.label, one.groups) for one in step.put]
        if step.reset:
            # Nothing of them may stay, so that they go before they come.
            service.change_members((), step.reset)
            if service.secondaries is not None:
                for name in step.reset:
                    service.secondaries.check(name)
        if put or step.drop:
            service.change_members(put, step.drop)
            counts = ((len(put), "served"), (len(step.drop), "removed"))
            text = ", ".join(f"{count} {what}" for count, what in counts if count)
            self.log.event("info", "catalog", f"catalog zone {catalog}: members {text}", zone=catalog)

    def _held(self) -> dict[str, Held]:
        """Return the zones that are served, and the members that are known, by name in lower case."""
        service = self.service
        catalogs = {one.name.lower() for one in service.config.catalog}
        held = {
            name: Held(one.name, one.catalog, one.label, one.groups)
            for name, one in service.members.items()
            if one.catalog in catalogs
        }
        for state in service.registry.states.values():
            held.setdefault(state.source.name.lower(), Held(state.source.name, ""))
        named = {zone.name.lower(): zone.name for zone in service.configured.config.zone}
        return held | {name: Held(text, "") for name, text in named.items()}

    def _released(self, catalog: str, name: str) -> str:
        """Return the catalog zone to which *catalog* lets its member *name* move."""
        listed = self._read.get(catalog, Read()).members.get(name)
        return "" if listed is None else listed.moves_to

    # Producer.

    def _produce(self) -> None:
        """Make each catalog zone of this server list the zones that name it."""
        service, registry = self.service, self.service.registry
        wanted: dict[str, dict[str, tuple[str, str]]] = {}
        for zone in service.config.zone:
            if zone.catalog is not None:
                of = wanted.setdefault(zone.catalog.lower(), {})
                of[zone.name.lower()] = (zone.name, zone.group or "")
        if self._produced is None:
            self._produced = {*registry.journal.notes(NOTE)}
        for name in {*wanted, *self._produced}:
            state, of = registry.find(name), wanted.get(name, {})
            if state is None or getattr(state.source, "kind", "") != "database":
                continue
            basis = (state.revision, tuple(of.items()))
            if self._written.get(name) == basis:
                continue
            if name not in self._produced:
                registry.journal.store.put_note(name, NOTE, {})
                self._produced.add(name)
            after = registry.edit(
                state.source.name,
                lambda present, of=of: written(  # type: ignore[misc]  # of: that of this round
                    present.current or first(present.source.name), of, lambda: secrets.token_hex(LABEL_OCTETS)
                ),
                Cause("catalog", "", "", ""),
            )
            self._written[name] = (after.revision, basis[1])

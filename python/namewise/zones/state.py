"""The state of one zone: where it comes from, which version of it is served, and how that version came to be.

```text
            load fails                      load succeeds
 waiting ──────────────▶ failed     any ──────────────────▶ loaded ──┐ change, reload: loaded, a new version
                                                              ▲  │   └ load fails: loaded, the old version, error set
                                                              │  ▼
                                                             expired      (not confirmed for longer than SOA EXPIRE)
```

A state never changes: each transition returns a new one.
"""

from __future__ import annotations

import itertools
import os
from typing import TYPE_CHECKING, Literal, NamedTuple

from namewise.engine import Unavailable
from namewise.engine.errors import ZoneFileError

if TYPE_CHECKING:
    from collections.abc import Hashable

    from namewise.engine import Zone
    from namewise.zones.source import ZoneSource

Condition = Literal["waiting", "failed", "loaded", "expired"]

SIGNING = ("sign", "rollover")
"""Why the records change that signing makes, and no others."""

_revisions = itertools.count(1)


class Cause(NamedTuple):
    """What a change of a zone is made for, and by whom."""

    why: str = "edit"
    """What produces it: `edit`, `update`, `ixfr`, `axfr`, `sign`, `rollover`, `restore`."""
    who: str = ""
    """The user of the control socket, the TSIG key, or the primary."""
    client: str = ""
    """The address that the change came from."""
    note: str = ""
    """A remark of the person who made it."""


class Change(NamedTuple):
    """How a version of a zone differs from the one before, and who made it."""

    why: str
    """What produced it: `load`, `reload`, or as in `Cause`."""
    serial: int
    before: int | None = None
    """The serial of the version before; None for the first."""
    added: int = 0
    """RRsets, as the next two."""
    changed: int = 0
    removed: int = 0
    who: str = ""
    client: str = ""
    note: str = ""

    def __str__(self) -> str:
        if self.before is None:
            return f"serial {self.serial}"
        counts = {"changed": self.changed, "added": self.added, "removed": self.removed}
        parts = [f"{count} {word}" for word, count in counts.items() if count]
        if parts:
            count, _, word = parts[0].partition(" ")
            parts[0] = f"{count} RRset{'' if count == '1' else 's'} {word}"
        return f"serial {self.before} -> {self.serial}" + (f": {', '.join(parts)}" if parts else "")


class ZoneState(NamedTuple):
    """One zone with its source and its served data."""

    source: ZoneSource
    configured: bool = True
    """Whether the configuration names the zone; otherwise it was added while the server was running."""
    condition: Condition = "waiting"
    current: Zone | None = None
    """The version that is served; None unless *condition* is `loaded`."""
    revision: int = 0
    """A number that no other content of any zone has; 0 before the first. A fold keeps it: the records stay the same."""
    change: Change | None = None
    """How *current* came to be."""
    version: Hashable = None
    """The version of the source that was read last, whether it was valid or not."""
    journal: int = 0
    """The number of changes since the source was read. The source does not contain them. Signing does not count."""
    based: bool = False
    """Whether *current* is more than the source: it has changes or signatures that the source lacks. The state database then has the
    records of the source, too."""
    tip: int | None = None
    """The sequence of *current* in the state database; None: nothing of the zone is stored."""
    stale: bool = False
    """Whether *current* differs from that version, because the source was read and the database refused the difference."""
    error: str = ""
    """The error of the last attempt to read the source; empty if it succeeded."""
    detail: str = ""
    """The first error in short form, without folder names. Clients see it if the zone has no data."""
    refusal: str = ""
    """Why the state database refused the last change; empty if it took it. The version before it is served."""

    def loaded(
        self, zone: Zone, version: Hashable, change: Change, journal: int = 0, *, based: bool = False
    ) -> ZoneState:
        """Return the state after *zone* was made of *version* of the source, and of *journal* changes that it lacks. based: or of
        signatures that it lacks."""
        return self._replace(
            condition="loaded",
            current=zone,
            revision=next(_revisions),
            change=change,
            version=version,
            journal=journal,
            based=based or journal > 0,
            error="",
            detail="",
        )

    def confirmed(self, version: Hashable, journal: int = 0, *, based: bool = False) -> ZoneState:
        """Return the state after *version* of the source was found to lead to the served records, with *journal* changes that it
        lacks. based: or signatures."""
        return self._replace(
            version=version, journal=journal, based=based or journal > 0, error="", detail=""
        )

    def resumed(
        self, zone: Zone, tip: int, version: Hashable, journal: int, *, based: bool = False
    ) -> ZoneState:
        """Return the state of a zone that the state database has as *zone*. *version* of the source lacks *journal* changes.
        based: or signatures."""
        after = self.loaded(zone, version, Change("load", zone.serial), journal, based=based)
        return after._replace(tip=tip)

    def failed(self, error: Exception, version: Hashable) -> ZoneState:
        """Return the state after reading *version* of the source failed. A served version stays."""
        condition: Condition = "failed" if self.current is None else self.condition
        return self._replace(
            condition=condition,
            version=version,
            error=failure_text(self.source, error),
            detail=_first_error(error),
        )

    def changed(self, zone: Zone, change: Change) -> ZoneState:
        """Return the state after a change that is not in the source replaced the current version by *zone*."""
        after = self.loaded(
            zone, self.version, change, self.journal + (change.why not in SIGNING), based=True
        )
        if self.condition in ("waiting", "expired"):
            return after
        # What is wrong with the source stays wrong.
        return after._replace(error=self.error, detail=self.detail)

    def folded(self, zone: Zone) -> ZoneState:
        """Return the state with *zone*, which has the records of the current version, stored anew."""
        return self._replace(current=zone)

    def waiting(self, detail: str = "") -> ZoneState:
        """Return the state of a zone whose source has no data yet. A served version stays."""
        if self.current is not None:
            return self
        return self._replace(condition="waiting", version=None, error="", detail=detail)

    def expired(self, detail: str = "") -> ZoneState:
        """Return the state of a zone whose data is too old to be served."""
        return self._replace(
            condition="expired",
            current=None,
            revision=next(_revisions),
            change=None,
            version=None,
            journal=0,
            based=False,
            error="",
            detail=detail,
        )

    def entry(self) -> Zone | Unavailable:
        """Return the data for the engine."""
        if self.condition == "loaded":
            assert self.current is not None, "loaded() and changed() set both"
            return self.current
        return Unavailable(self.condition, self.detail)


def failure_text(source: ZoneSource, error: Exception) -> str:
    """Return a message that explains why the zone of *source* is not loaded."""
    text = f"{source.place}: {error.strerror or error}" if isinstance(error, OSError) else str(error)
    lines = "\n".join(f"  {line}" for line in text.splitlines())
    return f"zone {source.name} is not loaded:\n{lines}"


def _first_error(error: Exception) -> str:
    if isinstance(error, ZoneFileError) and error.faults:
        fault = error.faults[0]
        return str(fault._replace(file=os.path.basename(fault.file)))
    return (error.strerror or "") if isinstance(error, OSError) else str(error)

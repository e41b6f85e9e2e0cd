"""The source of a zone: a file, later a database, a cluster, another server.

A source has one zone and two operations: `version` (cheap, called at every reload) and `load` (as expensive as the zone is
large). It keeps no copy of the zone; `namewise.zones.Registry` does.

    files, databases, clusters ──> ZoneSource ──version()──> equal: the loaded zone stays
                                              └─load()─────> Zone ──> publish

A backend is one file in `namewise.backends` with a class that has these members; it inherits nothing and is registered
nowhere. `FileSource` is the example. Run the common suite in `tests/python/test_zones.py` on a new one.

A class may also have the static method `load_many(sources)`: for each source a pair of version and zone or
`ZoneFileError`, or None where it cannot say. The registry calls it for the zones that are new, so that
thousands of zones are read together.

*Limitations*: sources are read when the server starts and at a reload. No source reports a change by itself yet.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Hashable

    from namewise.engine import Zone


class ZoneSource(Protocol):
    """One zone in some storage. All members may be called from any thread, by one thread at a time."""

    @property
    def name(self) -> str:
        """The zone's name: absolute, in presentation form, as the configuration has it."""

    @property
    def place(self) -> str:
        """Where the zone is, for people: a file name, a database and table."""

    def version(self, former: Hashable = None) -> Hashable:
        """Return a value that differs from *former*, an earlier one, whenever `load` would return another zone.

        It may differ although nothing changed; then the zone is loaded once too often. *former* may spare the source work.
        Raises `OSError` when the storage cannot be reached.
        """

    def load(self) -> Zone:
        """Return the zone as it is now, complete and checked.

        Raises `ZoneFileError` with every mistake in its text, `OSError` when the storage cannot be reached.
        It never returns a part of a zone.
        """

"""The source of a zone: a file, later a database, a cluster, another server.

A source has one zone and two operations: `version` (cheap, called at every reload) and `load` (its cost
depends on the size of the zone). It does not store the zone; `namewise.zones.Registry` does.

    files, databases, clusters ──> ZoneSource ──version()──> equal: the loaded zone stays
                                              └─load()─────> Zone ──> publish

A backend is a file in `namewise.backends` with a class that has these members. The class inherits nothing
and needs no registration. `FileSource` is an example. Run the common suite in `tests/python/test_zones.py`
on every new backend.

A class may also have the static method `load_many(sources)`. It returns, for each source, a pair of version
and zone or `ZoneFileError`, or None if it cannot load the source. The registry calls it for new zones, so
that thousands of zones are read together.

*Limitations*: sources are read at start and at a reload. No source reports changes yet.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Hashable

    from namewise.engine import Zone


class ZoneSource(Protocol):
    """One zone in a storage. Any thread may call the members, but only one thread at a time does."""

    @property
    def name(self) -> str:
        """The name of the zone: absolute, in presentation form, as in the configuration."""

    @property
    def place(self) -> str:
        """The location of the zone in readable form, such as a file name, or a database and table."""

    def version(self, former: Hashable = None) -> Hashable:
        """Return a value that differs from the earlier value *former* if the zone has changed.

        The value may also differ if nothing changed; the zone is then loaded unnecessarily. *former* can
        save the source work. Raises `OSError` if the storage cannot be reached.
        """

    def load(self) -> Zone:
        """Return the current zone, complete and checked.

        Raises `ZoneFileError` with every error in its text, and `OSError` if the storage cannot be reached.
        It never returns part of a zone.
        """

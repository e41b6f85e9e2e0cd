"""The source of a zone: a file, later a database, a cluster, another server.

A source has one zone and two operations: `version` (cheap, called at every reload) and `load` (as expensive as the zone is
large). It keeps no copy of the zone; `namewise.zones.Registry` does.

    files, databases, clusters ──> ZoneSource ──version()──> equal: the loaded zone stays
                                              └─load()─────> Zone ──> compared with the served version ──> publish

A backend is one file in `namewise.backends` with a class that has these members, and one line in the table `SOURCES` there.
The class inherits nothing. `FileSource` is the example. Run the common suite in `tests/python/test_zones.py` on a new one.

Four members are optional:

`kind`: `file`, `database` or `secondary` for a zone whose changes are kept in the state database (`journal.py`): those that a file
lacks, or all of them. Without it, the truth is elsewhere, and a change lasts until the source has another version.

`serial`: how the serials of versions that are made by changes are chosen (`serial.py`). Without it, a change has its own serial.

`watch(changed)`: call *changed* whenever `version` may return another value, and return a function that ends this. The
registry then reads the source, in a thread of its own. *changed* returns at once and may be called from any thread, but not
before `watch` returns. Without `watch`, a source is read when the server starts and at a reload.

`load_many(sources)`, a static method: for each source a pair of version and zone or `ZoneFileError`, or None where it cannot
say. The registry then calls it instead of `version` and `load` when sources are to be read, so that thousands of zones are
read together.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, Protocol

from namewise.engine.errors import NamewiseError

if TYPE_CHECKING:
    from collections.abc import Hashable

    from namewise.engine import Zone


class ZoneUnavailable(NamewiseError):
    """The source works and has no zone to serve. The text is short, and clients see it in the extended error.

    condition: `waiting` if the data has not come yet (a version that is served stays), `expired` if it is too old to be served
    """

    code = "ZONE_UNAVAILABLE"

    def __init__(self, condition: Literal["waiting", "expired"], text: str = "") -> None:
        self.condition = condition
        super().__init__(text)


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

        It may differ although nothing changed; then the zone is loaded once too often. *former* may spare the source work.
        Raises `OSError` when the storage cannot be reached.
        """

    def load(self) -> Zone:
        """Return the current zone, complete and checked.

        Raises `ZoneFileError` with every mistake in its text, `OSError` when the storage cannot be reached,
        `ZoneUnavailable` when it has no zone to serve. It never returns a part of a zone.
        """

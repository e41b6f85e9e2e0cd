"""Where a zone comes from.

A source knows one zone and answers two questions: *which version do you have?* (cheap, asked at every
reload) and *give it to me* (as expensive as the zone is large). It holds no copy and does no caching;
`namewise.zones.Registry` does.

    files, databases, clusters ──> ZoneSource ──version()──> unchanged: the loaded zone stays
                                              └─load()─────> Zone ──> publish

A backend is one file in `namewise.backends` with a class that has these members; nothing is inherited and
nothing registered. `FileSource` is the model. To try a new one, run the common suite in
`tests/python/test_zones.py` on it.

*Limitations*: sources are read when the server starts and at a reload. None of them reports a change by
itself yet.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Hashable

    from namewise.engine import Zone


class ZoneSource(Protocol):
    """One zone in some storage. All members may be called from any thread, one at a time."""

    @property
    def name(self) -> str:
        """The zone's name: absolute, in presentation form, as the configuration has it."""

    @property
    def place(self) -> str:
        """Where the zone is, for people: a file name, a database and table."""

    def version(self) -> Hashable:
        """Return a value that differs from an earlier one whenever `load` would return another zone.

        It may differ although nothing changed; then the zone is loaded once too often. Raises `OSError`
        when the storage cannot be reached.
        """

    def load(self) -> Zone:
        """Return the zone as it is now, complete and checked.

        Raises `ZoneFileError` with every mistake in its text, `OSError` when the storage cannot be reached.
        Never returns a part of a zone.
        """

"""The zones of a running server: for each its source, the version that is loaded, and the zone itself.

`refresh` is all or nothing: it returns the set of zones that follows from the sources, loading only what
changed, and leaves the registry as it was; `adopt` makes the outcome current, after it has been published.
So a mistake in one file never takes down a zone that is being served.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from namewise.engine.errors import NamewiseError, ZoneFileError

if TYPE_CHECKING:
    from collections.abc import Hashable, Iterable

    from namewise.engine import Zone
    from namewise.zones.source import ZoneSource


class ZonesError(NamewiseError):
    """Zones that cannot be loaded: `failures` has the source and the error of each."""

    code = "BAD_ZONES"

    def __init__(self, failures: list[tuple[ZoneSource, Exception]]) -> None:
        self.failures = tuple(failures)
        parts = []
        for source, error in failures:
            text = str(error)
            if isinstance(error, OSError):
                text = f"{source.place}: {error.strerror or error}"
            parts.append(f"zone {source.name} is not loaded:\n{_indented(text)}")
        super().__init__("\n".join(parts))


@dataclass(frozen=True, slots=True)
class Entry:
    """A loaded zone and the version of its source that it was loaded from."""

    place: str
    version: Hashable
    zone: Zone


@dataclass(frozen=True, slots=True)
class Refreshed:
    """The zones that follow from the sources, by name, and which of them are new, changed or gone."""

    entries: dict[str, Entry]
    added: tuple[str, ...]
    changed: tuple[str, ...]
    removed: tuple[str, ...]

    def zones(self) -> list[Zone]:
        """Return every zone, in the order of the sources."""
        return [entry.zone for entry in self.entries.values()]


class Registry:
    """The zones that are being served."""

    def __init__(self) -> None:
        self.entries: dict[str, Entry] = {}

    def refresh(self, sources: Iterable[ZoneSource]) -> Refreshed:
        """Return the zones of *sources*, or raise `ZonesError` with everything that is wrong with any of
        them."""
        entries: dict[str, Entry] = {}
        added: list[str] = []
        changed: list[str] = []
        failures: list[tuple[ZoneSource, Exception]] = []
        for source in sources:
            present = self.entries.get(source.name)
            try:
                version = source.version()
                if present is not None and (present.place, present.version) == (source.place, version):
                    entries[source.name] = present
                    continue
                entries[source.name] = Entry(source.place, version, source.load())
            except (ZoneFileError, OSError) as error:
                failures.append((source, error))
                continue
            (added if present is None else changed).append(source.name)
        if failures:
            raise ZonesError(failures)
        removed = tuple(name for name in self.entries if name not in entries)
        return Refreshed(entries, tuple(added), tuple(changed), removed)

    def adopt(self, refreshed: Refreshed) -> None:
        """Take *refreshed* as what is being served now."""
        self.entries = refreshed.entries


def _indented(text: str) -> str:
    return "\n".join(f"  {line}" for line in text.splitlines())

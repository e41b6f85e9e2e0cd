"""Backends that store zones, one file each. `namewise.zones.source` describes their interface."""

from __future__ import annotations

from typing import TYPE_CHECKING

from namewise.backends.file import FileSource
from namewise.config.model import FileZone

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from namewise.config.model import Zone
    from namewise.zones.source import ZoneSource

SOURCES: Mapping[type, Callable[[Zone], ZoneSource]] = {
    FileZone: lambda zone: FileSource(zone.name, zone.file),
}
"""The source of a zone by the model of its `[[zone]]` table."""


def source(zone: Zone) -> ZoneSource:
    """Return the source that *zone* names."""
    return SOURCES[type(zone)](zone)

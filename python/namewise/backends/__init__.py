"""Backends that store zones, one file each. `namewise.zones.source` describes their interface."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from namewise.backends.database import DatabaseSource
from namewise.backends.file import FileSource
from namewise.backends.secondary import SecondarySource
from namewise.config.model import DatabaseZone, FileZone, SecondaryZone

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from namewise.config.model import Zone
    from namewise.zones.source import ZoneSource

SOURCES: Mapping[type, Callable[[Any], ZoneSource]] = {
    FileZone: lambda zone: FileSource(zone.name, zone.file, zone.serial),
    DatabaseZone: lambda zone: DatabaseSource(zone.name, serial=zone.serial),
    SecondaryZone: lambda zone: SecondarySource(zone.name, zone.primaries),
}
"""The source of a zone by the model of its `[[zone]]` table."""


def source(zone: Zone) -> ZoneSource:
    """Return the source that *zone* names."""
    return SOURCES[type(zone)](zone)

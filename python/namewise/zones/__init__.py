"""The zones of a server: their sources, and the versions that are served."""

from __future__ import annotations

from namewise.zones.reading import Refresh
from namewise.zones.registry import Registry
from namewise.zones.source import ZoneSource, ZoneUnavailable
from namewise.zones.state import Cause, Change, ZoneState

__all__ = ["Cause", "Change", "Refresh", "Registry", "ZoneSource", "ZoneState", "ZoneUnavailable"]

"""The zones of a server: their sources, and the versions that are served."""

from __future__ import annotations

from namewise.zones.registry import Refresh, Registry, ZoneState
from namewise.zones.source import ZoneSource

__all__ = ["Refresh", "Registry", "ZoneSource", "ZoneState"]

"""The zones of a server: where each comes from, and which version of it is served."""

from __future__ import annotations

from namewise.zones.registry import Refresh, Registry, ZoneState
from namewise.zones.source import ZoneSource

__all__ = ["Refresh", "Registry", "ZoneSource", "ZoneState"]

"""Zones as the server keeps them: where each comes from, which version of it is loaded."""

from __future__ import annotations

from namewise.zones.registry import Refreshed, Registry
from namewise.zones.source import ZoneSource

__all__ = ["Refreshed", "Registry", "ZoneSource"]

"""A zone in the state database of the server (`namewise.zones.store`): its only truth.

It has no data until it gets its first version, by `nw zone apply` or `nw zone add`. The registry reads what is stored and
writes each change; nothing else does, so that this source never reports a version.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NoReturn

from namewise.zones.source import ZoneUnavailable

if TYPE_CHECKING:
    from collections.abc import Hashable

    from namewise.zones.serial import Method


class DatabaseSource:
    """The zone *name* in the state database."""

    __slots__ = ("name", "place", "serial")

    kind = "database"

    def __init__(self, name: str, place: str = "the state database", serial: Method = "increment") -> None:
        self.name = name
        self.place = place
        self.serial: Method = serial

    def version(self, former: Hashable = None) -> Hashable:
        """Return None: the registry knows the version."""
        return None

    def load(self) -> NoReturn:
        """Raise `ZoneUnavailable`: nothing is stored of the zone yet."""
        raise ZoneUnavailable("waiting", "the zone has no data yet")

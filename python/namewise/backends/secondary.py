"""A zone that is a copy of its primary's: the registry reads what is stored, and `control/secondaries.py` keeps it true."""

from __future__ import annotations

from typing import TYPE_CHECKING, NoReturn

from namewise.zones.source import ZoneUnavailable

if TYPE_CHECKING:
    from collections.abc import Hashable, Sequence


class SecondarySource:
    """The zone *name*, a copy of what *primaries* have."""

    __slots__ = ("name", "place")

    kind = "secondary"

    def __init__(self, name: str, primaries: Sequence[str]) -> None:
        self.name = name
        self.place = f"primary {', '.join(primaries)}"

    def version(self, former: Hashable = None) -> Hashable:
        """Return None: the registry knows the version."""
        return None

    def load(self) -> NoReturn:
        """Raise `ZoneUnavailable`: no primary has given the zone yet."""
        raise ZoneUnavailable("waiting", "the zone has not been transferred yet")

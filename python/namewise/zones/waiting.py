"""A change of a zone that waits for its turn in the registry, with the images that storing it needs.

An image of a large zone takes seconds. It is therefore made without the lock of the registry, between two attempts: the first one
raises `Unpictured`, `draw` makes the image, and the second one finds it. Other changes of the zone wait meanwhile, and those of
other zones do not.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from namewise.zones.chain import image

if TYPE_CHECKING:
    from collections.abc import Callable

    from namewise.engine import Zone
    from namewise.zones.chain import Image
    from namewise.zones.source import ZoneSource
    from namewise.zones.state import Change, ZoneState

MOST_AT_ONCE = 1000
"""Records of a zone whose image is made at once: that takes less time than to wait for another thread."""


class Unpictured(Exception):
    """Storing a change needs the image of *zone*."""

    def __init__(self, zone: Zone) -> None:
        super().__init__(zone)
        self.zone = zone


class Waiting:
    """A change of the zone *name*.

    make: returns the next version and what differs from the given state; None: nothing does. source: that of a zone to be added.
    """

    def __init__(
        self,
        name: str,
        make: Callable[[ZoneState], tuple[Zone, Change] | None],
        source: ZoneSource | None = None,
    ) -> None:
        # Imported when a zone is changed: most servers change none, and the module brings `logging` along.
        from concurrent.futures import Future

        self.name = name
        self.source = source
        self.future: Future[ZoneState] = Future()
        self._make = make
        self._made: tuple[ZoneState, tuple[Zone, Change] | None] | None = None
        self._images: list[tuple[Zone, Image]] = []

    def version(self, head: ZoneState) -> tuple[Zone, Change] | None:
        """Return what is made of *head*. A second attempt with the same state has the same version."""
        if self._made is None or self._made[0] is not head:
            self._made = head, self._make(head)
        return self._made[1]

    def image(self, zone: Zone) -> Image:
        """Return the image of *zone*. Raises `Unpictured` if `draw` has to make it first."""
        for known, pictured in self._images:
            if known is zone:
                return pictured
        if len(zone) <= MOST_AT_ONCE:
            return image(zone)
        raise Unpictured(zone)

    def draw(self, zone: Zone) -> None:
        """Make the image of *zone*, from a thread without the lock of the registry."""
        self._images.append((zone, image(zone)))

"""What holds for all tests: Ctrl-C works in the programs that they start. A fixture that tests of several folders use."""

from __future__ import annotations

import signal
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from signing_world import World

# A background job (`nohup make test &`) is started with SIGINT ignored, and its children inherit that: a server
# that a test ends with Ctrl-C would run for ever.
signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture
def worlds(tmp_path: Path) -> Iterator[Callable[..., World]]:
    """Makes servers that sign a zone on a virtual clock (`signing_world.py`)."""
    from signing_world import World

    made: list[World] = []

    def make(**how: Any) -> World:
        made.append(World(tmp_path, **how))
        return made[-1]

    yield make
    for world in made:
        world.service.close(0.0)

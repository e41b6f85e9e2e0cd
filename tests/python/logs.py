"""Collect the events of a log in tests."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from namewise.control.log import Log

Logged = list[tuple[str, str]]
"""Slug and text of each event."""


def collect(log: Log) -> Logged:
    """Return the list that gets all further events of *log*, which are written nowhere else."""
    logged: Logged = []

    def output(_level: str, slug: str, text: str, _fields: dict[str, object]) -> None:
        logged.append((slug, text))

    log.output = output
    return logged

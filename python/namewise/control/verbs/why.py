"""`why`: records of the flight recorder."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from namewise.observe.recorder import records
from namewise.policy.report import located

if TYPE_CHECKING:
    from namewise.control.arguments import Arguments
    from namewise.control.daemon import Daemon

ARGUMENTS = ("name", "id", "most")
MAX_RECORDS = 1_000_000


def run(daemon: Daemon, arguments: Arguments) -> dict[str, Any]:
    """Return at most `most` records about `name`, or the record `id`, or the latest."""
    name = arguments.optional_name("name")
    number = arguments.optional_number("id", 0, (1 << 64) - 1)
    most = arguments.number("most", 10, 1, MAX_RECORDS)
    found = records(daemon.service.engine, name, number, most)
    return {"records": [located(record, daemon.service.lists_in_use) for record in found]}

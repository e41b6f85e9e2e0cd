"""The lists of a running server: the version of each that is in use, and the clients for whom they pause.

    start, reload ────┐
    `nw ctl policy` ──┴─> Refreshed ─┐
    pauses ──────────────────────────┴─> Policies ─> Engine.swap

`namewise.policy.lists` reads the files. A server without `[[list]]` has no `Lists`.
"""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING, Any

from namewise.policy.lists import ARTIFACT, NOTHING, refresh

if TYPE_CHECKING:
    from namewise.config.lists import List
    from namewise.control.log import Log
    from namewise.control.service import Service
    from namewise.engine import Engine
    from namewise.policy.lists import ReadList, Refreshed


class Lists:
    """The lists of one service. All methods may be called from any thread, except that the caller of `use`, `adopt` and `close` holds
    `Service.changing`."""

    def __init__(self, service: Service, log: Log) -> None:
        self.service = service
        self.log = log
        self.now: Refreshed = NOTHING
        """The lists in use."""
        self.pauses: dict[str | None, threading.Timer] = {}
        """Groups to which no list applies now; None stands for all clients."""
        self._ends: dict[str | None, float] = {}

    def show(self, text: str) -> None:
        """Log *text*, a line about a list that takes long to read."""
        self.log.event("info", "list-progress", text)

    def use(self, engine: Engine, lists: Refreshed | None) -> None:
        """Give *lists* to *engine*, with the pauses as they are. None: there are none any more."""
        policies = None if lists is None else lists.policies(tuple(self.pauses))
        if policies is not None or ARTIFACT in engine.artifacts:
            engine.swap({ARTIFACT: policies})

    def adopt(self, engine: Engine, lists: Refreshed | None, groups: set[str]) -> None:
        """Keep *lists*, which *engine* uses, as those in use, and end the pauses of groups that are not in *groups*."""
        self.now = NOTHING if lists is None else lists
        gone = [group for group in self.pauses if group is not None and group not in groups]
        for group in gone:
            self.pauses.pop(group).cancel()
            self.log.event("info", "lists-resumed", f"the pause for {_whom(group)} ends: the group is gone")
        if gone:
            self.use(engine, lists)
        self._log_notes()

    def reload(self) -> tuple[str, ...]:
        """Read lists whose files have changed. Return why some could not be read; their last versions stay in use, if there are any."""
        with self.service.changing:
            engine = self.service.engine
            refreshed = refresh(self.service.config, self.now, self.show)
            self.use(engine, refreshed)
            self.now = refreshed
            self._log_notes()
            failures = tuple(failure.text() for failure in refreshed.failures)
            for failure in failures:
                self.log.event("error", "list-failed", failure)
            engine.trim()
            return failures

    def pause(self, group: str | None, seconds: float) -> None:
        """Let no list apply to the clients of *group* (None: to any client) for some time."""
        with self.service.changing:
            timer = threading.Timer(seconds, lambda: self._resume(group, timer))
            timer.daemon = True
            former = self.pauses.get(group)
            if former is not None:
                former.cancel()
            self._ends[group] = time.monotonic() + seconds
            self.pauses[group] = timer
            self.use(self.service.engine, self.now)
            timer.start()
            self.log.event("warning", "lists-paused", f"lists paused for {_whom(group)}, {seconds:.0f} s")

    def resume(self, group: str | None) -> bool:
        """End the pause for *group* (None: that for all clients). Return whether there was one."""
        with self.service.changing:
            return self._end(group)

    def paused(self) -> dict[str, int]:
        """Return the seconds that each pause lasts, by group; `*` stands for all clients."""
        now = time.monotonic()
        return {group or "*": max(0, round(self._ends[group] - now)) for group in self.pauses}

    def status(self) -> list[dict[str, Any]]:
        """Return the state of each list of the configuration: whether it is in use, its rules, their memory, how often they applied,
        and why it could not be read the last time."""
        used = {one.settings.name: one for one in self.now.lists}
        errors = {failure.name: failure.error for failure in self.now.failures}
        return [
            _status(settings, used.get(settings.name), errors.get(settings.name))
            for settings in self.service.config.list
        ]

    def close(self) -> None:
        """End all pauses."""
        for timer in self.pauses.values():
            timer.cancel()

    def _log_notes(self) -> None:
        for note in self.now.notes():
            self.log.event("info", "list", note)

    def _resume(self, group: str | None, timer: threading.Timer) -> None:
        with self.service.changing:
            if self.pauses.get(group) is timer and self.service.running:
                self._end(group)

    def _end(self, group: str | None) -> bool:
        timer = self.pauses.pop(group, None)
        if timer is None:
            return False
        timer.cancel()
        self.use(self.service.engine, self.now)
        self.log.event("info", "lists-resumed", f"lists in use again for {_whom(group)}")
        return True


def _whom(group: str | None) -> str:
    return "all clients" if group is None else f"the group {group}"


def _status(settings: List, one: ReadList | None, error: str | None) -> dict[str, Any]:
    return {
        "name": settings.name,
        "file": settings.file,
        "loaded": one is not None,
        "rules": 0 if one is None else len(one.rules),
        "octets": 0 if one is None else one.rules.octets,
        "without_effect": 0 if one is None else one.without_effect,
        "groups": list(settings.groups),
        "log_only": settings.log_only,
        "hits": 0 if one is None else one.rules.hits,
        "error": error,
    }

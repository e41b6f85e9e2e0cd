"""Which work with other servers begins when: what is due, paced, and without letting one slow server take every place.

    plan(name, server, due) ─▶ due ─▶ queue of its server ─▶ take(now): while there is a place, of all and of that server, and
                                                              not faster than `rate` ─▶ done(name): the place is free

It decides and does nothing: *now* and *due* are seconds of one clock.
"""

from __future__ import annotations

import heapq
import itertools
from collections import deque
from typing import Generic, TypeVar

Key = TypeVar("Key")
"""What names work: hashable."""


class Agenda(Generic[Key]):
    """Work by name. Each name has one entry, and is not taken again before `done`."""

    def __init__(self, places: int, per_server: int, rate: float) -> None:
        self.places = places
        """Work that may be under way at a time: stops many zones from taking all memory and descriptors."""
        self.per_server = per_server
        """Of these, with one server: one that does not answer must not hold up what others would give."""
        self.rate = rate
        """How many may begin in a second: a thousand zones that are due together do not ask together."""
        self.running: dict[Key, str] = {}
        """What is under way, with its server."""
        self._due: dict[Key, tuple[float, str]] = {}
        self._heap: list[tuple[float, int, Key]] = []
        """With a number, so that names are not compared."""
        self._numbers = itertools.count()
        self._ready: dict[str, deque[Key]] = {}
        self._next = 0.0

    def plan(self, name: Key, server: str, due: float) -> None:
        """Let *name*, which is not under way, be due at *due* and at no other time."""
        self._due[name] = (due, server)
        heapq.heappush(self._heap, (due, next(self._numbers), name))

    def drop(self, name: Key) -> None:
        """Forget *name*."""
        self._due.pop(name, None)

    def done(self, name: Key) -> None:
        """Take note that the work on *name* has ended."""
        self.running.pop(name, None)

    def take(self, now: float) -> list[Key]:
        """Return what begins now."""
        self._collect(now)
        taken: list[Key] = []
        busy: dict[str, int] = {}
        for server in self.running.values():
            busy[server] = busy.get(server, 0) + 1
        for server in list(self._ready):
            queue = self._ready[server]
            while queue and now >= self._next and len(self.running) < self.places:
                if busy.get(server, 0) >= self.per_server:
                    break
                name = queue.popleft()
                found = self._due.get(name)
                if found is None or found[1] != server or found[0] > now:
                    continue
                if name in self.running:
                    # It was dropped and planned anew before its work ended.
                    self.plan(name, server, now + 1.0)
                    continue
                del self._due[name]
                self.running[name] = server
                busy[server] = busy.get(server, 0) + 1
                self._next = max(self._next, now) + 1 / self.rate
                taken.append(name)
            # The server that was served goes to the end, so that each gets its turn.
            del self._ready[server]
            if queue:
                self._ready[server] = queue
        return taken

    def wait(self, now: float) -> float | None:
        """Return in how many seconds `take` may return something, unless a place becomes free before; None: never."""
        moments = []
        if self._heap:
            moments.append(self._heap[0][0])
        if self._ready and len(self.running) < self.places:
            busy = list(self.running.values())
            if any(busy.count(server) < self.per_server for server in self._ready):
                moments.append(self._next)
        return max(0.0, min(moments) - now) if moments else None

    def _collect(self, now: float) -> None:
        """Move what is due to the queues of its servers."""
        while self._heap and self._heap[0][0] <= now:
            due, _, name = heapq.heappop(self._heap)
            found = self._due.get(name)
            # Otherwise it was planned anew.
            if found is not None and found[0] == due:
                self._ready.setdefault(found[1], deque()).append(name)

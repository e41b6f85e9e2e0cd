"""What serves: engine, zones, sockets and events, with one lock for changes. `Daemon` and `namewise.Server` both use it.

    read configuration -> plan + zones -> Snapshot.build -> dry run -> sockets -> publish       start and every reload
                                          any error: nothing has changed, the former settings stay in force

All methods block and may be called from any thread; an event loop calls them through `asyncio.to_thread`. Zones change through
`Service.registry` alone.
"""

from __future__ import annotations

import os
import threading
import time
from typing import TYPE_CHECKING, NamedTuple

from namewise.config.paths import private_folder
from namewise.config.values import Endpoint
from namewise.control.candidate import build, rebuild
from namewise.control.client import ControlError
from namewise.control.descriptors import shortage
from namewise.control.events import Events
from namewise.control.local_root import RootCopy
from namewise.control.sockets import descriptors
from namewise.control.trust import Trust
from namewise.engine import Engine
from namewise.engine.errors import EngineClosed, EngineError
from namewise.policy.detect import use_suffixes
from namewise.policy.lists import ARTIFACT, NOTHING, ListsError, refresh
from namewise.zones.registry import Registry, ZonesError

if TYPE_CHECKING:
    from collections.abc import Callable

    from namewise.compile.inputs import Inputs
    from namewise.config import Config, Loaded
    from namewise.control.candidate import Candidate
    from namewise.control.log import Log
    from namewise.control.sockets import Sockets
    from namewise.policy.lists import Refreshed


class Outcome(NamedTuple):
    """What a start or a reload did."""

    generation: int
    """The generation that the engine serves afterwards. The publication of the settings takes one generation, and adds and
    removes zones. New versions of other zones take one more."""
    changes: tuple[str, ...]
    """Differences to what was served before, one line each."""
    warnings: tuple[str, ...]
    failures: tuple[str, ...]
    """Zones that could not be loaded, each with its errors; the versions that were served stay."""
    list_failures: tuple[str, ...]
    """Lists that could not be read, each with its errors and what is used instead."""


class Service:
    """One server. *load* reads the configuration anew each time it is called.

    strict: a zone that cannot be loaded, or a list that cannot be read, is an error of the whole start or reload, instead of an error
    of that zone or list.
    files: the number of descriptors that the process may have open, or None if that is not to be checked.
    """

    def __init__(
        self,
        load: Callable[[], Loaded],
        sockets: Sockets,
        log: Log,
        *,
        strict: bool = False,
        files: int | None = None,
    ) -> None:
        self.load = load
        self.sockets = sockets
        self.log = log
        self.strict = strict
        self.files = files
        self.registry = Registry()
        self.events = Events(log)
        self.trust = Trust(self, log)
        """What is trusted beyond the configuration; `follow` starts its thread."""
        self.events.on_revoked = self.trust.revoked
        self.root = RootCopy(self, log)
        """The local copy of the root; `follow` starts its thread."""
        self.loaded: Loaded
        self.inputs: Inputs
        self.lists: Refreshed = NOTHING
        """The lists in use."""
        self.pauses: dict[str | None, threading.Timer] = {}
        """Groups to which no list applies now; None stands for all clients."""
        self.workers = 0
        self.state: str | None = None
        """The state directory. A reload does not change it."""
        self._engine: Engine | None = None
        self._started = time.monotonic()
        self._pause_ends: dict[str | None, float] = {}
        self._changing = threading.Lock()

    @property
    def engine(self) -> Engine:
        """The running engine. Raises `EngineClosed` before `start` and after `close`."""
        if self._engine is None:
            raise EngineClosed("the server is not running")
        return self._engine

    @property
    def config(self) -> Config:
        """The configuration in force."""
        return self.loaded.config

    @property
    def uptime_s(self) -> float:
        """Seconds since the service was made; a step of the system clock does not change it."""
        return time.monotonic() - self._started

    def start(self) -> Outcome:
        """Start the engine and serve; on any error raise it and leave nothing behind.

        Raises `ZonesError` if nothing would be served: every zone failed, and there is no resolver.
        """
        with self._changing:
            outcome = self._start()
            self.engine.trim()
            return outcome

    def follow(self) -> None:
        """Begin what goes on beside queries, in threads: follow the trust anchors and the root, if names are resolved. What has begun goes
        on."""
        if self.config.resolver is not None:
            self.trust.start()
            self.root.start()

    def followed(self) -> None:
        """Let the threads of `follow` take new settings into account."""
        self.follow()
        self.trust.reloaded()
        self.root.reloaded()

    def _start(self) -> Outcome:
        loaded = self.load()
        self.state = state = loaded.config.server.state
        # A reload may add a resolver.
        self.trust.load(state)
        candidate = build(loaded, self.registry, worker_count, self.trust.apply, self.lists, self._told)
        config = candidate.loaded.config
        zones = candidate.zones
        if zones.failures and (self.strict or not (zones.added or config.resolver is not None)):
            raise ZonesError(zones.failures)
        self._check_lists(candidate)
        if state is not None:
            _make_state(state)
        self.workers = worker_count(config)
        try:
            engine = Engine(self.workers)
        except OSError as error:
            raise EngineError(f"the engine cannot start {self.workers} workers: {error}") from error
        try:
            self.registry.connect(engine)
            self.events.connect(engine)
            outcome = self._publish(engine, candidate)
        except BaseException:
            engine.close(0.0)
            raise
        self._engine = engine
        return outcome

    def reload(self, check: Callable[[Candidate], None] | None = None) -> Outcome:
        """Take configuration and zones as they are now into use, or raise and change nothing.

        check: called with what would be served, before it is published; what it raises ends the reload.
        """
        with self._changing:
            outcome = self._reload(check)
            self.engine.trim()
            return outcome

    def _reload(self, check: Callable[[Candidate], None] | None) -> Outcome:
        candidate = build(
            self.load(), self.registry, lambda _: self.workers, self.trust.apply, self.lists, self._told
        )
        if candidate.zones.failures and self.strict:
            raise ZonesError(candidate.zones.failures)
        self._check_lists(candidate)
        if check is not None:
            check(candidate)
        return self._publish(self.engine, candidate)

    def _check_lists(self, candidate: Candidate) -> None:
        if candidate.lists.failures and self.strict:
            raise ListsError(candidate.lists.failures)

    def republish(self) -> int:
        """Publish the settings in force with the trust anchors as they are now, and return the generation. No file is read, and
        nothing but what is trusted changes."""
        with self._changing:
            inputs = self.inputs._replace(anchors=self.inputs.configured)
            inputs = self.trust.apply(inputs, self.config)
            candidate = rebuild(self.loaded, inputs, self.registry.unchanged(), self.workers)
            candidate = candidate._replace(lists=self.lists._replace(changed=()))
            generation = self._publish(self.engine, candidate).generation
        self.root.reloaded()
        return generation

    def reload_lists(self) -> tuple[str, ...]:
        """Read lists whose files have changed. Return why some could not be read; their last versions stay in use, if there are any."""
        with self._changing:
            refreshed = refresh(self.config, self.lists, self._told)
            self._use(self.engine, refreshed)
            self.lists = refreshed
            for note in refreshed.notes():
                self.log.event("info", "list", note)
            failures = tuple(failure.text() for failure in refreshed.failures)
            for failure in failures:
                self.log.event("error", "list-failed", failure)
            self.engine.trim()
            return failures

    def pause_lists(self, group: str | None, seconds: float) -> None:
        """Let no list apply to the clients of *group* (None: to any client) for some time."""
        with self._changing:
            timer = threading.Timer(seconds, lambda: self._resume(group, timer))
            timer.daemon = True
            former = self.pauses.get(group)
            if former is not None:
                former.cancel()
            self._pause_ends[group] = time.monotonic() + seconds
            self.pauses[group] = timer
            self._use(self.engine, self.lists)
            timer.start()
            self.log.event("warning", "lists-paused", f"lists paused for {_whom(group)}, {seconds:.0f} s")

    def resume_lists(self, group: str | None) -> bool:
        """End the pause for *group* (None: that for all clients). Return whether there was one."""
        with self._changing:
            return self._end_pause(group)

    def paused(self) -> dict[str, int]:
        """Return the seconds that each pause lasts, by group; `*` stands for all clients."""
        now = time.monotonic()
        return {group or "*": max(0, round(self._pause_ends[group] - now)) for group in self.pauses}

    def _resume(self, group: str | None, timer: threading.Timer) -> None:
        with self._changing:
            if self.pauses.get(group) is timer and self._engine is not None:
                self._end_pause(group)

    def _end_pause(self, group: str | None) -> bool:
        timer = self.pauses.pop(group, None)
        if timer is None:
            return False
        timer.cancel()
        self._use(self.engine, self.lists)
        self.log.event("info", "lists-resumed", f"lists in use again for {_whom(group)}")
        return True

    def _forget_pauses(self, engine: Engine, groups: set[str]) -> None:
        """End the pauses of groups that are gone."""
        gone = [group for group in self.pauses if group is not None and group not in groups]
        for group in gone:
            self.pauses.pop(group).cancel()
            self.log.event("info", "lists-resumed", f"the pause for {_whom(group)} ends: the group is gone")
        if gone:
            self._use(engine, self.lists)

    def _told(self, text: str) -> None:
        self.log.event("info", "list-progress", text)

    def _use(self, engine: Engine, lists: Refreshed) -> None:
        policies = lists.policies(tuple(self.pauses))
        if policies is not None or ARTIFACT in engine.artifacts:
            engine.swap({ARTIFACT: policies})

    def close(self, grace_s: float | None = None) -> None:
        """Stop serving; let queries in progress finish for at most *grace_s* (default: `[server] drain`). A reload in
        progress is finished first. Idempotent."""
        self.trust.close()
        self.root.close()
        with self._changing:
            engine, self._engine = self._engine, None
            for timer in self.pauses.values():
                timer.cancel()
            if engine is not None:
                engine.close(self.config.server.drain / 1000 if grace_s is None else grace_s)
                self.registry.close()
                self.events.drain()
            self.sockets.close()

    def addresses(self) -> tuple[str, ...]:
        """Return each `ADDRESS:PORT` that is served."""
        return tuple(dict.fromkeys(str(Endpoint(address, port)) for address, port, _ in self.sockets.open))

    def unavailable(self) -> tuple[str, ...]:
        """Return the names of zones whose last loading failed, or that have no data."""
        return tuple(
            name for name, state in self.registry.states.items() if state.error or state.condition != "loaded"
        )

    def _publish(self, engine: Engine, candidate: Candidate) -> Outcome:
        config = candidate.loaded.config
        changes = tuple(candidate.changes(self.config, self.inputs)) if self._engine is not None else ()
        prepared, missing = self.sockets.prepare(
            config.listen, self.workers, optional=not candidate.loaded.sets("listen")
        )
        try:
            # Before the settings, so that no query is answered without the lists.
            self._use(engine, candidate.lists)
            use_suffixes(engine, wanted=config.tunnels is not None)
            generation = self.registry.publish(
                candidate.zones, lambda: engine.publish(candidate.snapshot, descriptors(prepared))
            )
        except BaseException:
            self._use(engine, self.lists)
            self.sockets.discard(prepared)
            raise
        self.lists = candidate.lists
        self._forget_pauses(engine, {group.name for group in config.group})
        for note in self.lists.notes():
            self.log.event("info", "list", note)
        self.sockets.adopt(prepared)
        self.loaded, self.inputs = candidate.loaded, candidate.inputs
        self.log.set(config.log.level, config.log.format)
        warnings = (*missing, *candidate.warnings(), *self._shortage(candidate, len(descriptors(prepared))))
        failed = tuple(failure.text() for failure in candidate.lists.failures)
        return Outcome(generation, changes, warnings, candidate.failures(), failed)

    def _shortage(self, candidate: Candidate, sockets: int) -> tuple[str, ...]:
        if self.files is None:
            return ()
        limits = candidate.snapshot.budget
        short = shortage(candidate.loaded.config, self.workers, limits, sockets, self.files)
        return (short,) if short else ()


def _whom(group: str | None) -> str:
    return "all clients" if group is None else f"the group {group}"


def worker_count(config: Config) -> int:
    """Return the number of workers that *config* asks for: 0 means one for each core that this process may use."""
    return config.server.workers or len(os.sched_getaffinity(0))


def _make_state(folder: str) -> None:
    try:
        private_folder(folder)
    except OSError as error:
        raise ControlError(
            f"{folder}: {error.strerror or error}",
            "Use another directory: [server] state, or --state DIR.",
            "STATE",
        ) from None

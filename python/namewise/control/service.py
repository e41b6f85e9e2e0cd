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

from namewise.backends import source
from namewise.backends.database import DatabaseSource
from namewise.config import ConfigError
from namewise.config.model import PrimaryZone, SecondaryZone
from namewise.config.paths import private_folder
from namewise.config.templates import vanished
from namewise.config.values import Endpoint
from namewise.control.candidate import build, rebuild
from namewise.control.client import ControlError
from namewise.control.descriptors import shortage
from namewise.control.events import Events
from namewise.control.sockets import descriptors
from namewise.engine import Engine, TsigKey
from namewise.engine.errors import EngineClosed, EngineError
from namewise.zones.chain import MEMBER, ChainError, Limits
from namewise.zones.journal import Journal
from namewise.zones.registry import Registry, ZonesError

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping, Sequence

    from namewise.compile.inputs import Inputs
    from namewise.config import Config, Loaded
    from namewise.control.candidate import Candidate
    from namewise.control.catalogs import Catalogs
    from namewise.control.events import ClientRequest
    from namewise.control.forwards import Forwards
    from namewise.control.lists import Lists
    from namewise.control.local_root import RootCopy
    from namewise.control.log import Log
    from namewise.control.members import Member
    from namewise.control.notices import Notices
    from namewise.control.secondaries import Secondaries
    from namewise.control.signing import Signing
    from namewise.control.sockets import Sockets
    from namewise.control.trust import Trust
    from namewise.control.update import Updates
    from namewise.policy.lists import Refreshed
    from namewise.zones.state import ZoneState

NOTIFY = 4
"""The opcode."""


UPDATE = 5
"""The opcode of dynamic updates (RFC 2136)."""


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
        self.trust: Trust | None = None
        """What is trusted beyond the configuration; made by `_equip`, as the next two. `follow` starts its thread."""
        self.root: RootCopy | None = None
        """The local copy of the root; `follow` starts its thread."""
        self.signing: Signing | None = None
        """The zones that are signed here; `follow` starts its thread."""
        self.lists: Lists | None = None
        """The lists in use and their pauses."""
        self.secondaries: Secondaries | None = None
        """The secondary zones; `follow` starts its thread."""
        self.catalogs: Catalogs | None = None
        """The catalog zones; `follow` starts its thread."""
        self.notices: Notices | None = None
        """The NOTIFY messages that are sent; `follow` starts its thread."""
        self.members: dict[str, Member] = {}
        """The zones that have a template although no `[[zone]]` names them, by name in lower case."""
        self.configured: Loaded
        """What was loaded, without these zones."""
        self._updates: Updates | None = None
        self._forwards: Forwards | None = None
        self.loaded: Loaded
        self.inputs: Inputs
        self.workers = 0
        self.state: str | None = None
        """The state directory. A reload does not change it."""
        self._engine: Engine | None = None
        self._started = time.monotonic()
        self._use_suffixes: Callable[..., None] | None = None
        self.changing = threading.Lock()
        """Held while settings, lists or their pauses change."""

    @property
    def engine(self) -> Engine:
        """The running engine. Raises `EngineClosed` before `start` and after `close`."""
        if self._engine is None:
            raise EngineClosed("the server is not running")
        return self._engine

    @property
    def running(self) -> bool:
        """Whether there is an engine: after `start` and before `close`."""
        return self._engine is not None

    @property
    def lists_in_use(self) -> Refreshed:
        """The lists in use."""
        if self.lists is not None:
            return self.lists.now
        from namewise.policy.lists import NOTHING

        return NOTHING

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

        Raises `ZonesError` if nothing would be served: every zone failed, none of them because what is stored of it cannot be read,
        and there is no resolver.
        """
        with self.changing:
            outcome = self._start()
            self.engine.trim()
            return outcome

    def follow(self) -> None:
        """Begin what goes on beside queries, in threads: follow the trust anchors and the root, if names are resolved, and the primaries
        of secondary zones; sign zones. What has begun goes on."""
        for part in self._followers:
            part.start()

    def followed(self) -> None:
        """Let the threads of `follow` take new settings into account."""
        self.follow()
        for part in self._followers:
            part.reloaded()

    @property
    def _followers(self) -> list[Trust | RootCopy | Secondaries | Catalogs | Notices | Signing]:
        """The parts that have a thread."""
        parts = (self.trust, self.root, self.secondaries, self.catalogs, self.notices, self.signing)
        return [part for part in parts if part is not None]

    def _equip(self, config: Config) -> None:
        """Make the parts that *config* needs and that this service does not have yet. They stay when a reload removes what they serve.

        A server with zones only has none of these parts, and does not import their modules.
        """
        if config.resolver is not None and self.trust is None:
            from namewise.control.trust import Trust

            self.trust = Trust(self, self.log)
            self.trust.load(self.state)
            self.events.on_revoked = self.trust.revoked
        if config.local_root is not None and self.root is None:
            from namewise.control.local_root import RootCopy

            self.root = RootCopy(self, self.log)
        if self.secondaries is None and any(isinstance(zone, SecondaryZone) for zone in config.zone):
            from namewise.control.secondaries import Secondaries

            self.secondaries = Secondaries(self, self.log)
            self.events.handlers[NOTIFY] = self.secondaries.notified
        if self.notices is None and any(zone.notify for zone in config.zone):
            from namewise.control.notices import Notices

            self.notices = Notices(self, self.log)
        if self.signing is None and self._signs(config):
            from namewise.control.parent import Parents
            from namewise.control.signing import Signing

            self.signing = Signing(self, self.log, observe=Parents(self).observe)
        if self.signing is not None:
            self.signing.load(config)
        if self.catalogs is None and (config.catalog or any(zone.catalog for zone in config.zone)):
            from namewise.control.catalogs import Catalogs

            self.catalogs = Catalogs(self, self.log)
        if config.list and self.lists is None:
            from namewise.control.lists import Lists

            self.lists = Lists(self, self.log)
        if config.update and self._updates is None:
            from namewise.control.update import Updates

            self._updates = Updates(self, self.log)
            self.events.handlers[UPDATE] = self._update
        if self._forwards is None and any(
            isinstance(zone, SecondaryZone) and zone.forward_updates for zone in config.zone
        ):
            from namewise.control.forwards import Forwards

            self._forwards = Forwards(self, self.log)
            self.events.handlers[UPDATE] = self._update
        if config.tunnels is not None and self._use_suffixes is None:
            from namewise.policy.detect import use_suffixes

            self._use_suffixes = use_suffixes

    def _signs(self, config: Config) -> bool:
        """Return whether zones are to be signed, or were."""
        journal = self.registry.journal
        wanted = any(isinstance(zone, PrimaryZone) and zone.dnssec is not None for zone in config.zone)
        return wanted or (journal.exists and bool(journal.store.signed_zones()))

    def _update(self, request: ClientRequest) -> None:
        """Handle an update: forward it, or make it."""
        if self._forwards is not None and self._forwards.take(request):
            return
        if self._updates is not None:
            self._updates.handle(request)
        else:
            request.fail("REFUSED")

    def _build(self, loaded: Loaded, workers: Callable[[Config], int]) -> Candidate:
        self._equip(loaded.config)
        trust, lists = self.trust, self.lists
        return build(
            loaded,
            self.registry,
            workers,
            None if trust is None else trust.apply,
            None if lists is None else lists.now,
            None if lists is None else lists.show,
        )

    def _start(self) -> Outcome:
        loaded = self.load()
        self.state = state = loaded.config.server.state
        self.registry.journal = Journal(state, Limits(loaded.config.server.zone_history))
        notes = self.registry.journal.notes(MEMBER)
        if notes:
            from namewise.control.members import of_notes

            self.members = of_notes(notes)
        self.configured = loaded
        candidate = self._build(self._extended(loaded, self.members), worker_count)
        config = candidate.loaded.config
        zones = candidate.zones
        # What is stored and unreadable is mended with a running server.
        mended = any(isinstance(error, ChainError) for _, error in zones.failures)
        if zones.failures and (self.strict or not (zones.added or mended or config.resolver is not None)):
            raise ZonesError(zones.failures)
        if self.strict:
            candidate.require_lists()
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
            failures = self._resume_added()
        except BaseException:
            engine.close(0.0)
            raise
        self._engine = engine
        self.registry.on_change = self._changed
        return outcome._replace(failures=(*outcome.failures, *failures))

    def _resume_added(self) -> list[str]:
        """Serve the zones that were added at run time, and return why some cannot be loaded."""
        found = []
        for name, chain in self.registry.journal.chains().items():
            if chain.added and self.registry.find(name) is None:
                state = self.registry.resume(DatabaseSource(name))
                found += [state.error] if state.error else []
        return found

    def _changed(self, state: ZoneState) -> None:
        name, change = state.source.name, state.change
        if change is not None:
            by = f" by {change.who}" if change.who else ""
            self.log.event("info", "zone-changed", f"zone {name} {change}, {change.why}{by}", zone=name)
        if self.notices is not None:
            self.notices.changed(state)
        if self.signing is not None:
            self.signing.changed(state)
        if self.catalogs is not None:
            self.catalogs.changed(state)

    def reload(self, check: Callable[[Candidate], None] | None = None, *, remove: bool = False) -> Outcome:
        """Take configuration and zones as they are now into use, or raise and change nothing.

        check: called with what would be served, before it is published; what it raises ends the reload.
        remove: remove all zones whose files are gone, however many those of a template are.
        """
        with self.changing:
            outcome = self._reload(check, remove=remove)
            self.engine.trim()
            return outcome

    def _reload(self, check: Callable[[Candidate], None] | None, *, remove: bool) -> Outcome:
        loaded = self.load()
        if loaded.patterns and not remove:
            gone = vanished(loaded.config.template, self.loaded.patterns, loaded.patterns)
            problems = [loaded.problem(path, message) for path, message in gone]
            if problems:
                raise ConfigError(problems)
        candidate = self._build(self._extended(loaded, self.members), lambda _: self.workers)
        if self.strict:
            if candidate.zones.failures:
                raise ZonesError(candidate.zones.failures)
            candidate.require_lists()
        if check is not None:
            check(candidate)
        outcome = self._publish(self.engine, candidate)
        self.configured = loaded
        return outcome

    def change_members(self, put: Sequence[Member], drop: Collection[str]) -> None:
        """Serve the zones *put*, and no more those of the names *drop*, of which nothing stays; both durably. Raises `ConfigError` or
        `StoreError`, and then nothing has changed."""
        with self.changing:
            members = {name: one for name, one in self.members.items() if name not in drop}
            members |= {one.name.lower(): one for one in put}
            loaded = self._extended(self.configured, members)
            former = {zone.name: zone for zone in self.config.zone}
            now = {zone.name: zone for zone in loaded.config.zone}
            self._equip(loaded.config)
            same = {name for name, zone in now.items() if former.get(name) == zone}
            new = (source(zone) for name, zone in now.items() if name not in same)
            zones = self.registry.refresh(new, same)
            candidate = rebuild(loaded, self.inputs, zones, self.workers)
            if self.lists is not None:
                candidate = candidate._replace(lists=self.lists.now._replace(changed=()))
            store = self.registry.journal.store
            changed = {*drop, *(one.name.lower() for one in put)}

            def note(among: Mapping[str, Member]) -> None:
                store.put_notes(
                    MEMBER, {name: among[name].note() if name in among else None for name in changed}
                )

            note(members)
            try:
                self._publish(self.engine, candidate)
            except BaseException:
                note(self.members)
                raise
            self.members = members
            store.forget(*drop)
        self.followed()

    def _extended(self, loaded: Loaded, members: Mapping[str, Member]) -> Loaded:
        if not members:
            return loaded
        from namewise.control.members import extended

        return extended(loaded, members)

    def republish(self) -> int:
        """Publish the settings in force with the trust anchors as they are now, and return the generation. No file is read, and
        nothing but what is trusted changes."""
        with self.changing:
            inputs = self.inputs._replace(anchors=self.inputs.configured)
            if self.trust is not None:
                inputs = self.trust.apply(inputs, self.config)
            candidate = rebuild(self.loaded, inputs, self.registry.unchanged(), self.workers)
            if self.lists is not None:
                candidate = candidate._replace(lists=self.lists.now._replace(changed=()))
            generation = self._publish(self.engine, candidate).generation
        if self.root is not None:
            self.root.reloaded()
        return generation

    def close(self, grace_s: float | None = None) -> None:
        """Stop serving; let queries in progress finish for at most *grace_s* (default: `[server] drain`). A reload in
        progress is finished first. Idempotent."""
        for part in self._followers:
            part.close()
        if self._forwards is not None:
            self._forwards.close()
        with self.changing:
            engine, self._engine = self._engine, None
            if self.lists is not None:
                self.lists.close()
            if engine is not None:
                engine.close(self.config.server.drain / 1000 if grace_s is None else grace_s)
                self.events.drain()
            self.registry.close()
            self.sockets.close()

    def key(self, name: str | None) -> TsigKey | None:
        """Return the `[[key]]` *name* with its secret as it was read last; None for None. Raises `KeyError` if there is none any more."""
        if name is None:
            return None
        key = next((one for one in self.config.key if one.name.lower() == name.lower()), None)
        if key is None:
            raise KeyError(name)
        return TsigKey(key.name, key.algorithm, self.inputs.secrets[key.name])

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
        changes = tuple(candidate.changes(self.config, self.inputs)) if self.running else ()
        prepared, missing = self.sockets.prepare(
            config.listen, self.workers, optional=not candidate.loaded.sets("listen")
        )
        try:
            # Before the settings, so that no query is answered without the lists.
            if self.lists is not None:
                self.lists.use(engine, candidate.lists)
            if self._use_suffixes is not None:
                self._use_suffixes(engine, wanted=config.tunnels is not None)
            self.registry.publish(
                candidate.zones, lambda: engine.publish(candidate.snapshot, descriptors(prepared))
            )
            # A zone that may be transferred already has a history in the engine.
            known = self.config.zone if self.running else ()
            known_names = {zone.name for zone in known if zone.transfer}
            sent = [zone.name for zone in config.zone if zone.transfer and zone.name not in known_names]
            generation = self.registry.recall(sent, config.transfers.history)
        except BaseException:
            if self.lists is not None:
                self.lists.use(engine, self.lists.now)
            self.sockets.discard(prepared)
            raise
        if self.lists is not None:
            self.lists.adopt(engine, candidate.lists, {group.name for group in config.group})
        self.sockets.adopt(prepared)
        self.loaded, self.inputs = candidate.loaded, candidate.inputs
        if self.notices is not None:
            for name in (*candidate.zones.added, *candidate.zones.changed):
                state = self.registry.find(name)
                if state is not None:
                    self.notices.changed(state)
        self.log.set(config.log.level, config.log.format)
        warnings = (*missing, *candidate.warnings(), *self._shortage(candidate, len(descriptors(prepared))))
        return Outcome(generation, changes, warnings, candidate.failures(), candidate.list_failures())

    def _shortage(self, candidate: Candidate, sockets: int) -> tuple[str, ...]:
        if self.files is None:
            return ()
        limits = candidate.snapshot.budget
        short = shortage(candidate.loaded.config, self.workers, limits, sockets, self.files)
        return (short,) if short else ()


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

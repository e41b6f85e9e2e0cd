"""The secondary zones of a running server: checks, transfers, NOTIFY that arrives, expiry.

```text
 SOA times, NOTIFY, commands ─▶ zones/secondary.py: due ─▶ zones/agenda.py: begins ─▶ a thread: fetch from the primaries in turn
                                       ▲                                                  │ Registry.change: journal, engine
                                       └──────────────── confirmed, or failed ◀───────────┘
```

One thread waits for what is due next; each check has a thread of its own, as many as `[secondaries] transfers`. What a primary
sends replaces the zone only once it is complete and durable. The state database keeps when a zone expires: after a restart it is
served at once, for as long as it would have been.
"""

from __future__ import annotations

import contextlib
import heapq
import random
import threading
import time
from typing import TYPE_CHECKING, NamedTuple

from namewise.config.model import SecondaryZone
from namewise.config.zones import peer
from namewise.control.follower import LONGEST_WAIT_S, Follower
from namewise.engine import make_response
from namewise.engine.errors import EngineClosed, NamewiseError, TransferError
from namewise.zones.agenda import Agenda
from namewise.zones.chain import StoreError
from namewise.zones.registry import ZoneConflict
from namewise.zones.secondary import NOTE, Contact, Pace, Secondary, begin, times
from namewise.zones.state import Cause
from namewise.zones.transfer import Limits, Line, fetch

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from typing import Any

    from namewise.config import Config
    from namewise.config.secondaries import Secondaries as Settings
    from namewise.config.zones import Peer
    from namewise.control.events import ClientRequest
    from namewise.control.log import Log
    from namewise.control.service import Service
    from namewise.zones.state import ZoneState
    from namewise.zones.transfer import Found

CLOSE_S = 5.0
"""How long a stop waits for threads whose connections it has closed."""


class Check(NamedTuple):
    """A check that is under way."""

    settings: SecondaryZone
    peers: tuple[Peer, ...]
    state: Secondary
    line: Line


class Secondaries:
    """The secondary zones of one service. All methods may be called from any thread."""

    def __init__(
        self,
        service: Service,
        log: Log,
        clock: Callable[[], float] = time.time,
        chance: Callable[[], float] = random.random,
    ) -> None:
        self.service = service
        self.log = log
        self._clock = clock
        self._chance = chance
        self._config: Config | None = None
        self._pace = Pace()
        self._agenda: Agenda[str] = Agenda(1, 1, 1)
        self._settings: dict[str, SecondaryZone] = {}
        """By name in lower case, as the next ones."""
        self._states: dict[str, Secondary] = {}
        self._moments: list[tuple[float, str]] = []
        """When alerts and expiries may be due: a heap."""
        self._earliest: dict[str, float] = {}
        """The entry of each zone there that counts."""
        self._checks: dict[str, Check] = {}
        self._threads: set[threading.Thread] = set()
        self._lock = threading.RLock()
        self._follower = Follower("secondary zones", "namewise-secondaries", self.act, log)

    def start(self) -> None:
        """Begin to follow the primaries in threads, if that was not done before."""
        if not self._follower.started:
            self._follower.start()

    def close(self) -> None:
        """End the threads: transfers that are under way are broken off and change nothing any more."""
        self._follower.close()
        with self._lock:
            threads = list(self._threads)
            for check in self._checks.values():
                check.line.close()
        for thread in threads:
            thread.join(CLOSE_S)

    def reloaded(self) -> None:
        """Take new settings into account."""
        self._follower.wake()

    def act(self) -> float:
        """Begin what is due, and return for how many seconds nothing is."""
        with self._lock:
            now = self._clock()
            if self._config is not self.service.config:
                self._adopt(self.service.config, now)
            while self._moments and self._moments[0][0] <= now:
                moment, name = heapq.heappop(self._moments)
                if self._earliest.get(name) == moment:
                    del self._earliest[name]
                    self._moment(name, now)
            for name in self._agenda.take(now):
                self._begin(name, now)
            waits = [LONGEST_WAIT_S]
            if self._moments:
                waits.append(self._moments[0][0] - now)
            wait = self._agenda.wait(now)
            if wait is not None:
                waits.append(wait)
            return max(0.0, min(waits))

    def notified(self, request: ClientRequest) -> None:
        """Answer a NOTIFY and let the zone be checked (RFC 1996 §4.7). The engine has checked who sent it."""
        question = request.message.question
        name = "" if question is None or question.rclass != "IN" else str(question.name).lower()
        with self._lock:
            state = self._states.get(name)
            if state is not None and not self._follower.ended:
                serial = _serial(request, name)
                address = request.client.rpartition(":")[0].strip("[]")
                peers = [peer(text) for text in self._settings[name].primaries]
                by_address = [at for at, one in enumerate(peers) if one.where.address == address]
                by_key = [at for at, one in enumerate(peers) if _same(one.key, request.key)]
                index = next(iter((*by_address, *by_key)), None)
                self._keep(name, state.notified(self._clock(), self._pace, index, serial))
        request.answer(make_response(request.message, "NOTAUTH" if state is None else "NOERROR", flags="aa"))
        self._follower.wake()

    def check(self, name: str, *, whole: bool = False) -> bool:
        """Let the zone *name* be checked as soon as the pace allows, and return whether it is a secondary. whole: transfer it, whatever
        its serial; a transfer that is under way ends."""
        with self._lock:
            if self._config is not self.service.config:
                self._adopt(self.service.config, self._clock())
            state = self._states.get(name.lower())
            if state is not None:
                self._keep(name.lower(), state.wanted(self._clock(), self._pace, whole=whole))
            running = self._checks.get(name.lower())
            if whole and running is not None:
                # The transfer that is under way may hang.
                running.line.close()
        self._follower.wake()
        return state is not None

    def status(self, name: str) -> dict[str, Any] | None:
        """Return the state of the zone *name* for `nw zone status`; None if it is no secondary. Times are seconds since 1970."""
        with self._lock:
            state = self._states.get(name.lower())
            settings = self._settings.get(name.lower())
        if state is None or settings is None:
            return None
        source = None if state.source is None else settings.primaries[state.source]
        return {
            "serial": state.serial,
            "checking": state.checking,
            "checked": state.started,
            "due": state.due,
            "confirmed": state.confirmed,
            "confirmed_by": source,
            "expires": state.expires,
            "failures": state.failures,
            "primaries": [
                {"primary": text, "checked": one.when, "serial": one.serial, "error": one.error or None}
                for text, one in zip(settings.primaries, state.contacts, strict=True)
            ],
        }

    # Inside. The lock is held.

    def _adopt(self, config: Config, now: float) -> None:
        """Take the zones and limits of *config*."""
        self._config = config
        limits = config.secondaries
        self._pace = _pace(limits)
        self._agenda.places = limits.transfers
        self._agenda.per_server = limits.transfers_per_primary
        self._agenda.rate = limits.checks_per_second
        registry = self.service.registry
        notes: Mapping[str, Mapping[str, Any]] = {}
        try:
            notes = registry.journal.notes(NOTE)
        except StoreError as error:
            self.log.event("error", "zone-note", f"when secondary zones expire cannot be read: {error}")
        wanted = {zone.name.lower(): zone for zone in config.zone if isinstance(zone, SecondaryZone)}
        for name in [name for name in self._states if name not in wanted]:
            del self._states[name], self._settings[name]
            with contextlib.suppress(EngineClosed):
                self.service.engine.set_expiry(name, None)
            self._checks.pop(name, None)
            self._earliest.pop(name, None)
            self._agenda.drop(name)
        for name, zone in wanted.items():
            former, state = self._settings.get(name), self._states.get(name)
            self._settings[name] = zone
            if former is None or state is None:
                served = registry.find(zone.name)
                current = None if served is None else served.current
                state = begin(len(zone.primaries), now, self._chance(), self._pace, current, notes.get(name))
                self._keep(name, state)
            elif former.primaries != zone.primaries:
                self._keep(name, state.with_primaries(len(zone.primaries), now))

    def _keep(self, name: str, state: Secondary) -> None:
        """Keep *state* as that of the zone *name*, and plan what it says."""
        former = self._states.get(name)
        self._states[name] = state
        if former is None or former.expires != state.expires:
            expires = None if state.expires is None else int(state.expires)
            with contextlib.suppress(EngineClosed):
                self.service.engine.set_expiry(name, expires)
        if not state.checking and not (
            former is not None and former.due == state.due and not former.checking
        ):
            self._agenda.plan(name, self._settings[name].primaries[state.order[0]], state.due)
        self._expect(name, state)

    def _expect(self, name: str, state: Secondary) -> None:
        """Look at the zone *name* when an alert or the expiry may be due."""
        moment = state.next_moment
        if moment is not None and moment < self._earliest.get(name, float("inf")):
            self._earliest[name] = moment
            heapq.heappush(self._moments, (moment, name))

    def _moment(self, name: str, now: float) -> None:
        """Say that the zone *name* will expire, or let it expire, if that is due."""
        state = self._states.get(name)
        moment = None if state is None else state.next_moment
        if state is None or moment is None:
            return
        if moment > now:
            # It was confirmed meanwhile.
            self._expect(name, state)
            return
        zone = self._settings[name].name
        errors = "; ".join(
            f"{text}: {_standing(one, state)}"
            for text, one in zip(self._settings[name].primaries, state.contacts, strict=True)
        )
        if state.has_expired(now):
            self._states[name] = state.expired()
            text = f"zone {zone} has expired and is answered SERVFAIL: no primary has confirmed it in time ({errors})"
            self.log.event("error", "zone-expired", text, zone=zone)
            self.service.registry.expire(zone, "no primary has confirmed the zone in time")
            return
        assert state.expires is not None, "there is a moment"
        left = int(state.expires - now)
        text = f"zone {zone} expires in {left} s: no primary confirms it ({errors}); `nw zone status {zone}` shows more"
        self.log.event("warning", "zone-expires", text, zone=zone, seconds=left)
        state = state._replace(alerted=True)
        self._states[name] = state
        self._expect(name, state)

    def _begin(self, name: str, now: float) -> None:
        state = self._states[name].begun(now)
        self._states[name] = state
        settings = self._settings[name]
        peers = tuple(peer(text) for text in settings.primaries)
        check = Check(settings, peers, state, Line())
        thread = threading.Thread(target=self._run, args=(name, check), name="namewise-transfer", daemon=True)
        self._checks[name] = check
        self._threads.add(thread)
        thread.start()

    # A check, in its thread.

    def _run(self, name: str, check: Check) -> None:
        try:
            found = self._ask(name, check)
        except EngineClosed:
            found = None
        except Exception as error:
            found = None
            self.log.event(
                "error", "fault", f"zone {check.settings.name}: {error!r}", zone=check.settings.name
            )
        confirmed = None
        with self._lock:
            self._agenda.done(name)
            state = self._states.get(name)
            if self._checks.get(name) is check:
                del self._checks[name]
                if state is not None:
                    confirmed = self._ended(name, check, state, found)
        if confirmed is not None:
            try:
                self.service.registry.journal.store.put_note(name, NOTE, confirmed.note())
            except StoreError as error:
                text = f"zone {check.settings.name}: when it expires cannot be stored: {error}"
                self.log.event("error", "zone-note", text, zone=check.settings.name)
        with self._lock:
            self._threads.discard(threading.current_thread())
        self._follower.wake()

    def _ended(
        self, name: str, check: Check, state: Secondary, found: tuple[int, Found, ZoneState] | None
    ) -> Secondary | None:
        """Keep what a check found, and return the state if it confirmed the zone."""
        now, zone = self._clock(), check.settings.name
        current = None if found is None else found[2].current
        if check.settings.primaries != self._settings[name].primaries:
            # What was found is of other primaries.
            self._keep(name, state._replace(checking=False, due=now))
            return None
        if found is None or current is None:
            state = state.failed(now, self._chance(), self._pace)
            self._keep(name, state)
            if not self._follower.ended:
                errors = "; ".join(
                    f"{text}: {state.contacts[at].error}"
                    for at, text in enumerate(check.settings.primaries)
                    if state.contacts[at].error
                )
                text = f"zone {zone}: {errors}; tried again in {max(0, round(state.due - now))} s"
                self.log.event("warning", "zone-not-refreshed", text, zone=zone)
            return None
        source, what, _ = found
        state = state.succeeded(
            now,
            self._chance(),
            self._pace,
            serial=what.serial,
            times=times(current, self._pace),
            source=source,
            expire_s=what.expire_s,
        )
        self._keep(name, state)
        return state

    def _ask(self, name: str, check: Check) -> tuple[int, Found, ZoneState] | None:
        """Ask the primaries in turn; return the one that has the zone, what it has, and the state of the zone then."""
        for index in check.state.order:
            if self._follower.ended:
                return None
            serial, error = None, ""
            try:
                found, state = self._fetch(check, index)
                serial = found.serial
                return index, found, state
            except TimeoutError:
                error = "no reply in time"
            except OSError as failure:
                error = failure.strerror or str(failure)
            except (TransferError, ZoneConflict, StoreError) as failure:
                error = str(failure)
            except KeyError:
                # The zone is not served any more.
                return None
            finally:
                with self._lock:
                    state_now = self._states.get(name)
                    if state_now is not None and index < len(state_now.contacts):
                        self._states[name] = state_now.asked(index, self._clock(), serial, error)
        return None

    def _fetch(self, check: Check, index: int) -> tuple[Found, ZoneState]:
        """Return what the primary *index* has, and the state of the zone once that is served."""
        registry, zone = self.service.registry, check.settings.name
        served = registry.states[zone]
        if served.current is None and served.tip is None and served.error:
            # What is stored cannot be read. The truth is with the primary.
            registry.reset(zone, None)
            served = registry.states[zone]
        limits = self.service.config.secondaries
        primary = check.peers[index]
        found = fetch(
            zone,
            primary.where,
            None if check.state.whole else served.current,
            Limits(
                limits.max_size,
                limits.max_records,
                limits.timeout / 1000,
                limits.max_differences,
                limits.idle / 1000,
            ),
            key=self.service.key(primary.key),
            ixfr=check.settings.ixfr,
            line=check.line,
        )
        if self._follower.ended:
            raise EngineClosed("the server is stopping")
        if found.refused:
            text = f"zone {zone}: {primary.where} was asked for the whole zone: {found.refused}"
            self.log.event("warning", "ixfr-refused", text, zone=zone, primary=str(primary.where))
        if found.zone is None:
            return found, served
        return found, registry.change(served, found.zone, Cause(found.how, str(primary.where)))


def _standing(contact: Contact, state: Secondary) -> str:
    """Return what the last contact with a primary came to, in words."""
    if state.checking and state.started is not None and (contact.when or 0.0) < state.started:
        return "the check of it has not ended" if contact.when is None else "it is asked again at present"
    if contact.when is None:
        return "not asked yet"
    return contact.error or f"had serial {contact.serial}"


def _pace(limits: Settings) -> Pace:
    return Pace(
        limits.refresh_least / 1000,
        limits.refresh_most / 1000,
        limits.expire_least / 1000,
        limits.expire_most / 1000,
        limits.notify_interval / 1000,
    )


def _same(configured: str | None, verified: str | None) -> bool:
    return configured is not None and verified is not None and configured.lower() == verified.lower()


def _serial(request: ClientRequest, name: str) -> int | None:
    """Return the serial that a NOTIFY says that the sender has."""
    try:
        for rrset in request.message.answer:
            if rrset.type == "SOA" and str(rrset.owner).lower() == name:
                return int(str(next(iter(rrset))).split()[2])
    except NamewiseError:
        pass
    return None

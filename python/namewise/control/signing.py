"""The zones that a running server signs: when their keys take a step, and when signatures are made again.

```text
 state database: states, private keys
        │   ▲                       ┌─ facts of the served zone, DS at the parent
        ▼   │                       ▼
   keystore.advance (a step) ─▶ Publication ─▶ ZoneSigner ─▶ registry: signs every new version of the zone
        ▲                                         │
        └── whole zone signed so and served ◀─────┘ signatures that end or are of other keys, in batches
```
One thread visits each zone when something is due: a step of its keys (`rollover.py` says when), or the first signature that is to be made
again. Changes of a zone wait for no thread: the registry signs them with the same `ZoneSigner`.

If private keys cannot be read, signatures stay until they end, changes of the zone are refused, and warnings say when the end is.

A clock that was set makes no signature invalid: for a day, new ones are valid by both settings. Waits of roll-overs count CLOCK_BOOTTIME.

RFCs: 6781 §4.4.2 (signatures in time), 7583.

*Limitations*: zones are visited one after the other.
"""

from __future__ import annotations

import random
import threading
import time
from functools import partial
from typing import TYPE_CHECKING, Any, NamedTuple

from namewise.config.dnssec import Dnssec
from namewise.config.model import PrimaryZone, SecondaryZone
from namewise.control.follower import LONGEST_WAIT_S, Follower
from namewise.dnssec import keystore, rollover, zone_keys
from namewise.dnssec.keystore import DatabaseStore
from namewise.dnssec.policy import policies
from namewise.dnssec.rollover import PARENT_POLL_S
from namewise.dnssec.zone_keys import Notice, Publication, ZoneFacts, ZoneKeys
from namewise.dnssec.zone_signer import Now, ZoneSigner, first_expiration, unsigned
from namewise.engine.errors import EngineClosed, KeyFileError, NamewiseError
from namewise.zones.registry import ZoneConflict
from namewise.zones.serial import Method, following, successor
from namewise.zones.state import SIGNING, Cause

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from namewise.config import Config
    from namewise.control.log import Log
    from namewise.control.service import Service
    from namewise.dnssec.policy import Policy, Role
    from namewise.dnssec.zone_keys import Outcome, Parent
    from namewise.engine import Due, Zone
    from namewise.zones.state import ZoneState

MOST_STEPS = 8
"""Steps of one visit: each follows from what the one before has published."""
MOST_CONFLICTS = 3
"""Attempts to change a zone that others change, before they have to wait."""
RETRY_S = 300
"""How long after a failure a zone is visited again."""
STEP_S = 3600
"""At least so often the keys take a step, so that a restart loses no more of a wait."""
DAY_S = 86_400
SET_S = 2.0
"""A clock that is off by more since it was last read was set."""


class Clock:
    """The wall clock with the time that it showed before it was set."""

    def __init__(self, wall: Callable[[], float], boot: Callable[[], float]) -> None:
        self._wall, self._boot = wall, boot
        self._offset = wall() - boot()
        self._former: list[tuple[float, float]] = []
        """Former offsets of the wall clock, each with the time of the other clock at which it was given up."""

    def now(self) -> Now:
        """Return the present time by both settings, if the clock was set within the last day."""
        boot = self._boot()
        offset = self._wall() - boot
        if abs(offset - self._offset) > SET_S:
            self._former.append((self._offset, boot))
        self._offset = offset
        self._former = [one for one in self._former if boot - one[1] < DAY_S]
        known = [offset, *(former for former, _ in self._former)]
        return Now(int(boot + min(known)), int(boot + max(known)))

    @property
    def seconds(self) -> int:
        """The wall clock."""
        return int(self._wall())

    @property
    def boot(self) -> int:
        """A clock that nobody sets."""
        return int(self._boot())


class Settings(NamedTuple):
    """What the configuration says of a zone."""

    table: Dnssec
    policy: Policy
    servers: tuple[str, ...] = ()
    """Those of the parent; none: the resolver finds them."""


INSECURE = Settings(Dnssec(name="-"), policies(())["insecure"])
"""Of a signed zone for which the configuration has no policy any more."""


class _Signed:
    """What is known of one zone that is signed here."""

    def __init__(self, name: str, settings: Settings) -> None:
        self.name = name
        """In lower case."""
        self.settings = settings
        self.signer: ZoneSigner | None = None
        self.served: Publication | None = None
        """What the whole served zone is known to have."""
        self.stepped: int | None = None
        """When its keys took a step last, by the clock that nobody sets."""
        self.step_at = 0
        """When the next step is due, seconds since 1970, as the next ones."""
        self.event_at: int | None = None
        """When a key is expected to change."""
        self.renew_at = 0
        self.denies = True
        """Whether opt-out is as the settings say."""
        self.ends: int | None = None
        """When the first signature of the zone ends."""
        self.parent: Parent | None = None
        self.outcome: Outcome | None = None
        self.notices: tuple[Notice, ...] = ()
        self.fault = ""
        """Why the last visit failed."""
        self.looked = 0
        """The revision of the zone whose TTLs were looked at."""
        self.highest_ttl = 0


class Signing:
    """The signed zones of one service. All methods may be called from any thread.

    observe: asks the parent of a zone: its name, the servers from the configuration, and the time; None if nothing is known.
    """

    def __init__(
        self,
        service: Service,
        log: Log,
        *,
        wall: Callable[[], float] = time.time,
        boot: Callable[[], float] = lambda: time.clock_gettime(time.CLOCK_BOOTTIME),
        observe: Callable[[str, tuple[str, ...], int], Parent | None] | None = None,
    ) -> None:
        self.service = service
        self.log = log
        self.clock = Clock(wall, boot)
        self._observe = observe
        self._random = random.SystemRandom().random
        self._zones: dict[str, _Signed] = {}
        self._wanted: frozenset[str] = frozenset()
        """The zones that the configuration has signed."""
        self._acting = threading.Lock()
        service.registry.signers = self.signer
        self._follower = Follower("signing", "namewise-signing", self.act, log)

    @property
    def store(self) -> DatabaseStore:
        """Where the keys are."""
        return DatabaseStore(self.service.registry.journal.store)

    def start(self) -> None:
        """Begin to follow the zones in a thread."""
        if not self._follower.started:
            self._follower.start()

    def close(self) -> None:
        """End the thread, after the change that it makes."""
        self._follower.close(None)

    def reloaded(self) -> None:
        """Take new settings into account."""
        self._follower.wake()

    def signer(self, name: str) -> ZoneSigner | None:
        """Return what signs the zone *name*; None if its keys sign nothing. Never blocks."""
        zone = self._zones.get(name.lower())
        return None if zone is None else zone.signer

    def load(self, config: Config) -> None:
        """Read the keys of zones that were signed before, so that what is read of their sources is signed. Raises `StoreError`."""
        settings = settings_of(config)
        self._wanted = frozenset(settings)
        copies = {zone.name.lower() for zone in config.zone if isinstance(zone, SecondaryZone)}
        for name in copies:
            # Its primary signs it.
            self._zones.pop(name, None)
        for name in self.known():
            if name in self._zones or name in copies:
                continue
            zone = _Signed(name, settings.get(name, INSECURE))
            try:
                state = self.store.load(name)
            except KeyFileError as error:
                zone.signer = self._faulty(zone, error)
            else:
                if state is not None:
                    self._use(zone, state, rollover.publication_of(state, zone.settings.policy))
            self._zones.setdefault(name, zone)

    def changed(self, state: ZoneState) -> None:
        """Take note that a zone has changed: one that is to be signed may have its first records. Never blocks."""
        name = state.source.name.lower()
        if name in self._wanted and self.signer(name) is None:
            self._follower.wake()

    def known(self) -> list[str]:
        """Return the zones with states of keys."""
        journal = self.service.registry.journal
        return journal.store.signed_zones() if journal.exists else []

    def act(self) -> float:
        """Do what is due for each zone, and return for how many seconds nothing is."""
        with self._acting:
            times = []
            wanted = settings_of(self.service.config)
            for state in list(self.service.registry.states.values()):
                zone = self._of(state, wanted)
                if zone is None or state.current is None:
                    continue
                if self._follower.ended:
                    return LONGEST_WAIT_S
                self._visit(zone, state.source.name)
                times += [zone.step_at, zone.renew_at]
            wait = min(times, default=0) - self.clock.seconds if times else LONGEST_WAIT_S
            return min(LONGEST_WAIT_S, max(1.0, float(wait)))

    # Operators.

    def request(self, name: str, role: Role, *, compromised: bool = False) -> None:
        """Begin a roll-over. Raises `KeyError` for a zone that is not signed here, `ValueError` if it has no such key."""
        self._edit(name, lambda state: zone_keys.request(state, role, compromised=compromised))

    def ignored(self, name: str, key: str) -> None:
        """Take note that the parent will not publish the DS of *key* any more. Raises `KeyError`."""
        self._edit(name, lambda state: zone_keys.parent_ignored(state, key))

    def look(self, name: str) -> Parent | None:
        """Ask the parent of the zone *name* now, and return what it shows. Raises `KeyError`."""
        with self._acting:
            zone = self._zones[name.lower()]
            parent = self._ask_parent(zone)
            zone.step_at = 0
        self._follower.wake()
        return parent

    def status(self, name: str) -> dict[str, Any] | None:
        """Return how the zone *name* is signed; None if it is not. Times are seconds since 1970."""
        zone = self._zones.get(name.lower())
        state = self.service.registry.find(name)
        if zone is None or state is None:
            return None
        try:
            keys = self.store.load(zone.name)
        except KeyFileError:
            keys = None  # as `error` says
        return {
            "policy": zone.settings.policy.name,
            "next_step": zone.step_at or None,
            "next_event": zone.event_at,
            "next_signature": zone.renew_at or None,
            "first_expiration": zone.ends
            if zone.ends is not None or state.current is None
            else first_expiration(state.current),
            "complete": zone.signer is None or zone.served == zone.signer.publication,
            "error": zone.fault or None,
            "notices": [notice._asdict() for notice in zone.notices],
            "parent": None if zone.parent is None else shown(zone.parent),
            **keystore.to_tree(keys or ZoneKeys(zone.name), zone.settings.policy),
        }

    def _edit(self, name: str, change: Callable[[ZoneKeys], ZoneKeys]) -> None:
        with self._acting:
            zone = self._zones[name.lower()]
            state = self.store.load(zone.name)
            if state is None:
                raise KeyError(name)
            self.store.save(change(state))
            zone.step_at = 0
        self._follower.wake()

    # One zone.

    def _of(self, state: ZoneState, wanted: Mapping[str, Settings]) -> _Signed | None:
        """Return what is known of the zone of *state*, if it is or was signed here."""
        name = state.source.name.lower()
        zone, settings = self._zones.get(name), wanted.get(name)
        if zone is None:
            if settings is None or not settings.policy.roles:
                return None
            zone = self._zones[name] = _Signed(name, settings)
        settings = settings or INSECURE
        if zone.settings != settings:
            # The signatures follow with this visit.
            zone.denies = zone.settings.table.opt_out == settings.table.opt_out
            zone.settings, zone.step_at, zone.renew_at, zone.served = settings, 0, 0, None
        return zone

    def _visit(self, zone: _Signed, name: str) -> None:
        now = self.clock.seconds
        jumped = zone.outcome is not None and abs(now - zone.outcome.keys.stepped - self._elapsed(zone)) > 60
        try:
            if now >= zone.step_at or jumped:
                self._step(zone, name)
            if now >= zone.renew_at or jumped:
                self._sign(zone, name, "sign")
            zone.fault = ""
        except EngineClosed:
            raise
        except (NamewiseError, OSError) as error:
            zone.step_at = zone.renew_at = now + RETRY_S
            self._failed(zone, name, error)

    def _step(self, zone: _Signed, name: str) -> None:
        """Let the keys take steps until nothing more follows, and publish what they order."""
        for _ in range(MOST_STEPS):
            state = self.service.registry.states.get(name)
            if state is None or state.current is None:
                return
            before = self.store.load(zone.name)
            if state.current.is_signed and (before is None or not before.keys):
                text = f"zone {name} is signed already, by keys that are not here: remove its DNSSEC records from {state.source.place}"
                raise KeyFileError(text)
            facts = self._facts(zone, state)
            now, boot = self.clock.seconds, self.clock.boot
            elapsed = None if zone.stepped is None else boot - zone.stepped
            out = keystore.advance(
                self.store, zone.name, zone.settings.policy, facts, zone.parent, now, elapsed, self._random
            )
            zone.outcome, zone.stepped = out, boot
            zone.step_at, zone.event_at = min(out.due or now + STEP_S, now + STEP_S), out.due
            self._use(zone, out.keys, out.publication)
            if zone.served != out.publication:
                self._sign(zone, name, "rollover")
            moving = out.publication.delete or any(key.ds.changes for key in out.keys.keys)
            # Of a time that has not come: the clock was set back.
            if moving and (zone.parent is None or not 0 <= now - zone.parent.at < PARENT_POLL_S):
                asked = self._ask_parent(zone)
                if asked is not None:
                    continue
            if facts.served == zone.served:
                break
        self._tell(zone, name, out.notices)

    def _facts(self, zone: _Signed, state: ZoneState) -> ZoneFacts:
        current = state.current
        assert current is not None, "only zones with data are visited"
        signing = state.change is not None and state.change.why in SIGNING
        if zone.looked != state.revision and not (zone.looked and signing):
            zone.highest_ttl = max((rrset.ttl for rrset in _rrsets(current)), default=0)
        zone.looked = state.revision
        highest = zone.highest_ttl
        if zone.signer is not None:
            # Also of RRsets that have come and gone since the last step.
            highest, zone.signer.highest_ttl = max(highest, zone.signer.highest_ttl), 0
        soa, keys = current.rrset(current.name, "SOA"), current.rrset(current.name, "DNSKEY")
        assert soa is not None, "every zone has one"
        negative = min(soa.ttl, int(str(soa.rdatas[0]).split(" ")[6]))
        return ZoneFacts(highest, 0 if keys is None else keys.ttl, negative, zone.served)

    def _use(self, zone: _Signed, state: ZoneKeys, publication: Publication) -> None:
        """Sign new versions of the zone as *publication* says."""
        signer = zone.signer
        if not publication.zone_signers:
            zone.signer = None
            return
        if (
            signer is not None
            and signer.fault is None
            and (signer.publication, signer.table) == (publication, zone.settings.table)
        ):
            return
        handles, fault = {}, None
        for id in publication.zone_signers | publication.key_signers:
            try:
                handles[id] = self.store.key(zone.name, id)
                if keystore.public(handles[id]) != state.key(id).public:
                    said, known = keystore.public(handles[id]), state.key(id).public
                    raise KeyFileError(
                        f"key {id} of {zone.name}: the private key belongs to the DNSKEY {said}, and not to {known}: restore the file "
                        f"of the private key"
                    )
            except KeyFileError as error:
                fault = error
        zone.signer = ZoneSigner(state, publication, zone.settings.table, handles, self.clock.now, fault)

    def _faulty(self, zone: _Signed, error: KeyFileError) -> ZoneSigner:
        """Return a signer that refuses: the states of the keys cannot be read."""
        return ZoneSigner(ZoneKeys(zone.name), Publication(), zone.settings.table, {}, self.clock.now, error)

    def _sign(self, zone: _Signed, name: str, why: str) -> None:
        """Make the signatures that are due, and take note of what the whole zone has then."""
        signer, registry = zone.signer, self.service.registry
        if signer is None:
            self._unsign(zone, name)
            return
        after: str | None = None
        ends: list[int] = []
        fresh, conflicts = True, 0
        while True:
            state = registry.states.get(name)
            if state is None or state.current is None or self._follower.ended:
                return
            due = signer.due(state.current, after)
            if len(due) or (fresh and not (zone.denies and signer.publishes(state.current))):
                cause = Cause(why, note=f"{len(due)} RRsets signed")
                try:
                    if conflicts < MOST_CONFLICTS:
                        registry.change(state, self._renewed(signer, due, state), cause)
                    else:
                        registry.edit(name, partial(self._renewed, signer, due), cause)
                except ZoneConflict:
                    conflicts += 1
                    continue
            fresh, conflicts, zone.denies = False, 0, True
            if due.next is not None:
                ends.append(_near(due.next, self.clock.seconds))
            after = None if due.after is None else str(due.after)
            if after is None:
                break
        now = self.clock.now().latest
        lifetime = (
            min(zone.settings.table.signatures_validity, zone.settings.table.signatures_validity_dnskey)
            // 1000
        )
        earliest = min([*ends, now + lifetime - zone.settings.table.signatures_jitter // 1000])
        zone.renew_at = max(self.clock.seconds + 1, earliest - zone.settings.table.signatures_refresh // 1000)
        zone.ends, zone.served = earliest, signer.publication

    def _renewed(self, signer: ZoneSigner, due: Due, state: ZoneState) -> Zone:
        """Return the next version of the zone of *state*, with its serial."""
        current = _current(state)
        method: Method = getattr(state.source, "serial", "increment")
        return signer.renewed(current, due, following(current.serial, method, self.service.registry.clock()))

    def _unsign(self, zone: _Signed, name: str) -> None:
        """Serve the zone without signatures: its keys have left."""
        registry = self.service.registry
        state = registry.states.get(name)
        if state is not None and state.current is not None and state.current.is_signed:
            registry.edit(name, _unsigned, Cause("rollover", note="unsigned"))
        zone.served, zone.renew_at, zone.ends = Publication(), self.clock.seconds + DAY_S, None

    # The parent.

    def _ask_parent(self, zone: _Signed) -> Parent | None:
        if self._observe is None:
            return None
        found = self._observe(zone.name, zone.settings.servers, self.clock.seconds)
        zone.parent = found or zone.parent
        return found

    # What operators see.

    def _failed(self, zone: _Signed, name: str, error: Exception) -> None:
        """Log why a visit failed, once, and when the signatures end."""
        text, urgent = str(error), False
        state = self.service.registry.states.get(name)
        end = zone.ends
        if end is None and state is not None and state.current is not None:
            end = first_expiration(state.current)
        if end is not None:
            left = end - self.clock.seconds
            urgent = left < zone.settings.table.signatures_refresh // 2000
            text += f"; its signatures stay, and {'have ended' if left <= 0 else 'end'} at {_stamp(end)}"
        if urgent or zone.fault != text:
            self.log.event("error", "signing-failed", f"zone {name}: {text}", zone=name)
        zone.fault = text

    def _tell(self, zone: _Signed, name: str, notices: tuple[Notice, ...]) -> None:
        for notice in notices:
            if notice not in zone.notices:
                self.log.event(notice.severity, notice.slug, f"zone {name}: {notice.text}", zone=name)
        zone.notices = notices

    def _elapsed(self, zone: _Signed) -> int:
        return 0 if zone.stepped is None else self.clock.boot - zone.stepped


def settings_of(config: Config) -> dict[str, Settings]:
    """Return what *config* says of each zone that has a policy, by its name in lower case."""
    named = {name.lower(): policy for name, policy in policies(config.dnssec).items()}
    tables = {table.name.lower(): table for table in config.dnssec}
    return {
        zone.name.lower(): Settings(
            tables.get(zone.dnssec.lower(), Dnssec(name="-")), named[zone.dnssec.lower()], zone.parent
        )
        for zone in config.zone
        if isinstance(zone, PrimaryZone) and zone.dnssec is not None
    }


def shown(parent: Parent) -> dict[str, Any]:
    """Return what the parent shows as an object."""
    servers = {
        server: None if ds is None else sorted(map(str, ds)) for server, ds in sorted(parent.servers.items())
    }
    return {"at": parent.at, "ds_ttl": parent.ds_ttl, "servers": servers}


def _rrsets(zone: Zone) -> Iterator[Any]:
    after = None
    while page := zone.page(after):
        yield from page
        after = page[-1].owner


def _current(state: ZoneState) -> Zone:
    if state.current is None:
        raise ZoneConflict(f"zone {state.source.name} has no data any more")
    return state.current


def _unsigned(state: ZoneState) -> Zone:
    zone = _current(state)
    return unsigned(zone, successor(zone.serial))


def _near(seconds: int, now: int) -> int:
    """Return the time with these low 32 bits that is nearest to *now* (RFC 4034 §3.1.5)."""
    return now + ((seconds - now + (1 << 31)) % (1 << 32)) - (1 << 31)


def _stamp(seconds: int) -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(seconds))

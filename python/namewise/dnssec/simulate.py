"""Roll-overs on a virtual clock: a zone with its servers, a parent with its servers, and every cache that there could be.

    step ──> signing (takes time) ──> primary ──> servers of the zone ─────┐
      ^ └──> CDS ──> parent (some day) ──> servers of the parent ──────────┤
      └── what is served, what the parent shows                            v
                                                      caches: any RRset from any server at any instant, for its TTL

`World` runs `step` against such a zone. `World.check` decides for one instant whether a validator could find the zone bogus that has any
mixture of DS RRset, DNSKEY RRset and data in its cache. It knows only what the servers have sent and when, not the states of the
roll-over: what it finds is independent of `safety.py`.

`random_plan` makes a world from a seed: delays of signing, publication and parent up to their bounds, other policies in between, parents
that do not reply or do not follow, clocks that jump, and restarts.

*Limitations*: data is a few RRsets with signatures that do not end. The records themselves are not signed or validated.
"""

from __future__ import annotations

import random
from functools import partial
from itertools import product
from typing import TYPE_CHECKING, NamedTuple, TypeVar

from namewise.dnssec import zone_keys
from namewise.dnssec.anchors import Ds, Key
from namewise.dnssec.policy import Policy, Role, policies
from namewise.dnssec.rollover import step
from namewise.dnssec.safety import RECORDS, Presence
from namewise.dnssec.zone_keys import Parent, Publication, ZoneFacts, ZoneKeys, ds_of, with_key

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

HOUR, DAY = 3600, 86400
BEGIN = 1_800_000_000
ZONE = "example."
_FAR = 1 << 62
_T = TypeVar("_T")


class Version(NamedTuple):
    """What one server of the zone sends, keys as their ids."""

    dnskeys: frozenset[str] = frozenset()
    key_signers: frozenset[str] = frozenset()
    data: tuple[frozenset[str], ...] = ()
    """By RRset: the keys that sign it."""
    cds: frozenset[str] = frozenset()
    delete: bool = False
    max_ttl: int = 0
    dnskey_ttl: int = 0


class Bogus(NamedTuple):
    """A mixture of cached RRsets that a validator refuses."""

    at: int
    ds: frozenset[str]
    dnskeys: frozenset[str]
    signers: frozenset[str]

    def __str__(self) -> str:
        ds, keys, signers = (", ".join(sorted(one)) or "nothing" for one in self[1:])
        return f"at {self.at}: DS {ds}; DNSKEY {keys}; data signed by {signers}"


class Event(NamedTuple):
    """Something that happened."""

    at: int
    text: str


class Mark(NamedTuple):
    """A record of a key that went to another state."""

    at: int
    key: str
    record: str
    presence: Presence


class Delays:
    """How long each part takes, seconds; by default, no time, except for the parent."""

    def __init__(self, parent: int = HOUR) -> None:
        self._parent = parent

    def signing(self) -> list[int]:
        """Return for each RRset of data, and last for DNSKEY, after what time it is signed anew."""
        return [0, 0]

    def publication(self, most: int) -> int:
        """Return after what time a server serves a version: at most *most*."""
        return 0

    def parent(self) -> int:
        """Return after what time the parent follows CDS."""
        return self._parent

    def reply(self, at: int) -> bool:
        """Return whether a server of the parent replies."""
        return True


class World:
    """A zone, its parent, and what was ever sent by their servers. Times are true seconds; the server's clock may differ."""

    def __init__(
        self,
        policy: Policy,
        delays: Delays,
        *,
        servers: int = 1,
        max_ttl: int | None = None,
        begin: int = BEGIN,
    ) -> None:
        self.policy = policy
        self.delays = delays
        self.now = begin
        self.off = 0
        """By what the clock of the server differs from the true time."""
        self.max_ttl = policy.max_zone_ttl if max_ttl is None else max_ttl
        self.state = ZoneKeys(ZONE)
        self.events: list[Event] = []
        self.marks: list[Mark] = []
        self.notices: dict[str, tuple[int, str, str]] = {}
        self.finished = 0
        """Keys that have left completely."""
        self.moments: set[int] = set()
        """When something changed: what a check should look at."""
        self.rng = random.Random(0)
        self.ids: dict[str, Key] = {}
        self._made = 0
        self._ordered = Publication()
        self._served: Publication | None = Publication()
        self._stepped: int | None = None
        rrsets = len(delays.signing()) - 1
        start = Version(data=(frozenset(),) * rrsets, max_ttl=self.max_ttl, dnskey_ttl=policy.dnskey_ttl)
        self._primary = start
        self._zone: list[list[tuple[int, Version]]] = [[(0, start)] for _ in range(servers)]
        # Of each server of the parent, the step sees the first instance; the other one is late.
        self._parent: list[list[list[tuple[int, frozenset[str]]]]] = [
            [[(0, frozenset())] for _ in range(2)] for _ in range(servers)
        ]
        self._queue: list[tuple[int, int, Callable[[], None]]] = []
        self._queued = 0
        self._due: int | None = None
        self._asked: frozenset[str] = frozenset()

    # Time.

    def at(self, when: int, action: Callable[[], None]) -> None:
        """Call *action* at *when*."""
        import heapq

        self._queued += 1
        heapq.heappush(self._queue, (when, self._queued, action))

    def run(self, until: int, longest: int = DAY) -> None:
        """Let the time pass. A step is taken at least every *longest* seconds while something is on its way."""
        import heapq

        if self._stepped is None:
            self.take_step()
        while True:
            due = min(
                _FAR if self._due is None else self._due, self.now + longest if self._moving() else _FAR
            )
            queued = self._queue[0][0] if self._queue else _FAR
            if min(due, queued) > until:
                self.now = until
                return
            if queued <= due:
                self.now, _, action = heapq.heappop(self._queue)
                action()
            else:
                self.now = max(due, self.now + 1)
            self.take_step()

    def _moving(self) -> bool:
        return any(key.reach(record).changes for key in self.state.keys for record in RECORDS)

    # The server.

    def take_step(self, *, known: bool = True) -> None:
        """Let the roll-over take a step. *known*: whether the server knows how much time has passed."""
        before = self.state
        elapsed = self.now - self._stepped if known and self._stepped is not None else None
        facts = ZoneFacts(self.max_ttl, self.policy.dnskey_ttl, min(HOUR, self.max_ttl), self._served)
        for _ in range(8):
            out = step(self.state, self.policy, facts, self._look(), self.now + self.off, elapsed)
            elapsed, self.state = 0, out.keys
            if not out.wanted:
                break
            for wanted in out.wanted:
                id, public = self._generate(wanted.role, wanted.algorithm)
                self.state = with_key(self.state, wanted, id, public, self.now + self.off, self.rng.random())
                self.note(f"{id} is generated")
        self._stepped = self.now
        self._due = None if out.due is None else out.due - self.off
        for notice in out.notices:
            self.notices.setdefault(notice.slug, (self.now, notice.severity, notice.text))
        self.finished += len(out.purge)
        self._compare(before)
        if out.publication != self._ordered:
            self._sign(out.publication)

    def _generate(self, role: Role, algorithm: int) -> tuple[str, Key]:
        self._made += 1
        key = Key(role.flags, 3, algorithm, self._made.to_bytes(4, "big") * 8)
        id = f"{role.value}{self._made}"
        self.ids[id] = key
        return id, key

    def _compare(self, before: ZoneKeys) -> None:
        old = {key.id: key for key in before.keys}
        for key in self.state.keys:
            for record in RECORDS:
                was = old[key.id].reach(record).presence if key.id in old else Presence.HIDDEN
                now = key.reach(record).presence
                if was is not now:
                    self.marks.append(Mark(self.now, key.id, record, now))
                    self.moments.add(self.now)

    def note(self, text: str) -> None:
        """Record an event."""
        self.events.append(Event(self.now, text))

    def _sign(self, publication: Publication) -> None:
        """Sign the zone anew: RRset by RRset, each version reaching the servers in its own time."""
        changed = publication._replace(cds=frozenset(), delete=False) != self._ordered._replace(
            cds=frozenset(), delete=False
        )
        self._ordered, self._served = publication, self._served if changed else publication
        *data, keys = self.delays.signing() if changed else [0] * (len(self._primary.data) + 1)
        for index, delay in enumerate(data):
            self._later(
                self.now + delay, publication, partial(_signed, index=index, signers=publication.zone_signers)
            )
        self._later(self.now + keys, publication, partial(_with_keys, publication=publication))

        def complete() -> None:
            if self._ordered == publication:
                self._served = publication

        self.at(self.now + max([*data, keys]), complete)

    def _later(self, when: int, publication: Publication, change: Callable[[Version], Version]) -> None:
        def apply() -> None:
            if self._ordered == publication:
                self.publish(change(self._primary))

        self.at(when, apply) if when > self.now else apply()

    def publish(self, version: Version) -> None:
        """Let the primary serve *version*."""
        if version == self._primary:
            return
        asks = (version.cds, version.delete) != (self._primary.cds, self._primary.delete)
        self._primary = version
        for history in self._zone:
            self._append(
                history, self.now + self.delays.publication(self.policy.zone_propagation_delay), version
            )
        if asks:
            self.at(self.now + self.delays.parent(), self._parent_follows)

    def set_ttl(self, ttl: int) -> None:
        """Change the highest TTL of the zone."""
        self.max_ttl = ttl
        self.publish(self._primary._replace(max_ttl=ttl))

    def _append(self, history: list[tuple[int, _T]], when: int, value: _T) -> None:
        """Let a server send *value* from *when* on: not before what it was to send until then."""
        history.append((max(when, history[-1][0]), value))
        self.moments.add(history[-1][0])

    # The parent.

    def _parent_follows(self) -> None:
        """The parent reads CDS from one of the zone's servers and follows (RFC 7344 §6)."""
        history = self.rng.choice(self._zone)
        version = [one for begin, one in history if begin <= self.now][-1]
        shown = self._parent[0][0][-1][1]
        wanted = frozenset() if version.delete else version.cds
        # It accepts CDS that a key of its DS has signed; without DS it may accept any (RFC 8078 §3).
        signed = version.key_signers & shown if shown else version.key_signers
        late = (version.cds, version.delete) != (self._primary.cds, self._primary.delete)
        if (version.delete or wanted) and wanted != shown and signed and wanted <= version.dnskeys:
            self.note(
                f"the parent publishes the DS of {', '.join(sorted(wanted))}"
                if wanted
                else "the parent removes the DS"
            )
            self._set_ds(wanted)
        if late:
            self.at(self.now + HOUR, self._parent_follows)

    def _set_ds(self, ids: frozenset[str]) -> None:
        for first, other in self._parent:
            when = self.now + self.delays.publication(self.rng.choice([0, 4 * HOUR, 4 * DAY]))
            self._append(first, when, ids)
            self._append(
                other, first[-1][0] + self.delays.publication(self.policy.parent_propagation_delay), ids
            )
            self.at(first[-1][0], lambda: None)

    def _look(self) -> Parent | None:
        shown: dict[str, frozenset[Ds] | None] = {}
        for number, (first, _) in enumerate(self._parent):
            ids = [one for begin, one in first if begin <= self.now][-1]
            reply = self.delays.reply(self.now)
            shown[f"ns{number}"] = frozenset(ds_of(ZONE, self.ids[id]) for id in ids) if reply else None
        return Parent(self.now + self.off, self.policy.parent_ds_ttl, shown)

    # Caches.

    def check(self, at: int) -> Bogus | None:
        """Return a mixture of RRsets that a cache may hold at *at* and that does not validate, or None."""
        trusts = {
            ids
            for instances in self._parent
            for one in instances
            for ids in _cached(one, at, lambda _: self.policy.parent_ds_ttl)
        }
        keys = {
            (version.dnskeys, version.key_signers)
            for one in self._zone
            for version in _cached(one, at, lambda version: version.dnskey_ttl)
        }
        data = {
            signers
            for one in self._zone
            for version in _cached(one, at, lambda version: version.max_ttl)
            for signers in version.data
        }
        for trust, (dnskeys, entry), signers in product(trusts, keys, data):
            if trust and not self._secure(trust, dnskeys, entry, signers):
                return Bogus(at, trust, dnskeys, signers)
        return None

    def _secure(
        self, trust: frozenset[str], dnskeys: frozenset[str], entry: frozenset[str], signers: frozenset[str]
    ) -> bool:
        """Return whether each algorithm of the DS RRset and of the DNSKEY RRset leads to both RRsets (RFC 4035 §2.2)."""
        start, known = {}, {}
        for id in trust & dnskeys & entry:
            start[self.ids[id].algorithm] = id
        for id in signers & dnskeys:
            known[self.ids[id].algorithm] = id
        above, below = ({self.ids[id].algorithm for id in ids} for ids in (trust, dnskeys))
        return above <= start.keys() and above | below <= known.keys() and bool(known)

    def secure(self) -> bool:
        """Return whether the parent has a DS now."""
        return bool(self._parent[0][0][-1][1])


def _cached(history: Sequence[tuple[int, _T]], at: int, ttl: Callable[[_T], int]) -> Iterator[_T]:
    """Yield the values of a server that were sent at an instant whose TTL has not passed at *at*."""
    for (begin, value), end in zip(history, [*(one[0] for one in history[1:]), _FAR], strict=True):
        if begin <= at and end > at - ttl(value) and end > begin:
            yield value


def _signed(version: Version, *, index: int, signers: frozenset[str]) -> Version:
    return version._replace(data=(*version.data[:index], signers, *version.data[index + 1 :]))


def _with_keys(version: Version, *, publication: Publication) -> Version:
    dnskeys, key_signers, _, cds, delete = publication
    return version._replace(dnskeys=dnskeys, key_signers=key_signers, cds=cds, delete=delete)


# Plans from a seed.


class RandomDelays(Delays):
    """Delays up to their bounds; a parent that sometimes does not reply, and sometimes takes days to follow."""

    def __init__(self, rng: random.Random, rrsets: int) -> None:
        self.rng = rng
        self.rrsets = rrsets
        self.silent: list[tuple[int, int]] = []

    def signing(self) -> list[int]:
        most = self.rng.choice([0, 60, HOUR, DAY])
        return [self.rng.randint(0, most) for _ in range(self.rrsets + 1)]

    def publication(self, most: int) -> int:
        return self.rng.choice([0, most, self.rng.randint(0, most)])

    def parent(self) -> int:
        return self.rng.choice([60, 6 * HOUR, DAY, 5 * DAY, self.rng.randint(1, 3 * DAY)])

    def reply(self, at: int) -> bool:
        silent = any(begin <= at < end for begin, end in self.silent)
        return self.rng.random() < (0.3 if silent else 0.98)


def random_policy(rng: random.Random) -> Policy:
    """Return a policy with random keys and times."""
    times = [60, 300, HOUR, 6 * HOUR, DAY, 2 * DAY]
    zsk_lifetime, ksk_lifetime = rng.choice([0, 20 * DAY, 40 * DAY]), rng.choice([0, 0, 30 * DAY, 60 * DAY])
    return policies(())["default"]._replace(
        name="random",
        roles=rng.choice([(Role.CSK,), (Role.KSK, Role.ZSK)]),
        algorithm=rng.choice([8, 13, 15]),
        ksk_lifetime=ksk_lifetime,
        zsk_lifetime=zsk_lifetime,
        lifetime_jitter=rng.choice([0, DAY]),
        dnskey_ttl=rng.choice(times),
        max_zone_ttl=rng.choice(times),
        zone_propagation_delay=rng.choice(times[:5]),
        parent_propagation_delay=rng.choice(times[:5]),
        parent_ds_ttl=rng.choice(times),
        publish_safety=rng.choice([0, 0, HOUR]),
        retire_safety=rng.choice([0, 0, HOUR]),
        purge_keys=1,
    )


def random_plan(seed: int, days: int = 150) -> tuple[World, list[int], Bogus | None]:
    """Run the plan of *seed*. Return its world, the instants that were checked, and the first mixture that is bogus, if there is one."""
    rng = random.Random(seed)
    world = World(random_policy(rng), RandomDelays(rng, 3), servers=2)
    world.rng = rng
    for _ in range(rng.randint(3, 8)):
        # Close together, so that they meet while something is on its way.
        at = BEGIN + rng.randint(DAY, days * DAY)
        for _ in range(rng.randint(1, 4)):
            world.at(at, _action(world, rng))
            at += rng.randint(1, 3 * DAY)
    end = BEGIN + days * DAY
    world.run(end, longest=rng.choice([6 * HOUR, DAY]))
    looked = instants(world, BEGIN, end)
    bogus = next((found for at in looked if (found := world.check(at)) is not None), None)
    return world, looked, bogus


def instants(world: World, begin: int, end: int) -> list[int]:
    """Return when to check: at each change and when a TTL has passed since, a second before and after, and at 200 random instants."""
    ttls = (0, world.policy.dnskey_ttl, world.policy.parent_ds_ttl, world.max_ttl)
    near = {at + ttl + by for at in world.moments for ttl in ttls for by in (-1, 0, 1)}
    some = {world.rng.randint(begin, end) for _ in range(200)}
    return sorted(at for at in near | some if begin <= at <= end)


def planned(
    policy: Policy, roll: str, *, algorithm: int, parent: int = HOUR, emergency: bool = False
) -> tuple[World, int, int]:
    """Return a world in which *roll* has happened without any delay but that of the parent, and when it began and ended.

    roll: `first`, `csk`, `ksk`, `zsk`, `algorithm` or `insecure`.
    """
    plain = policy._replace(ksk_lifetime=0, zsk_lifetime=0, purge_keys=0)
    signed = plain if plain.roles else plain._replace(roles=(Role.CSK,))
    world = World(signed, Delays(parent))
    if roll != "first":
        _settle(world)
    begin = world.now + (roll != "first")
    if roll == "insecure":
        world.policy = signed._replace(roles=())
    elif roll == "algorithm":
        world.policy = signed._replace(algorithm=algorithm)
    elif roll != "first":
        world.state = zone_keys.request(world.state, Role(roll), compromised=emergency)
    return world, begin, _settle(world)


def _settle(world: World) -> int:
    """Let the time pass until nothing changes any more, and a day longer. Return when the last change was."""
    last = -1
    while last != len(world.marks):
        last = len(world.marks)
        world.run(world.now + 1)
        world.take_step()
        world.run(world.now + 60 * DAY)
    return max(mark.at for mark in world.marks)


def _action(world: World, rng: random.Random) -> Callable[[], None]:
    """Return something that an operator or the surroundings do."""

    def roll() -> None:
        role, bad = rng.choice(world.policy.roles or (Role.CSK,)), rng.random() < 0.3
        try:
            world.state = zone_keys.request(world.state, role, compromised=bad)
        except ValueError:
            return
        world.note(f"{'emergency: ' if bad else ''}roll-over of the {role.value.upper()} is asked for")

    def algorithm() -> None:
        world.policy = world.policy._replace(algorithm=rng.choice([8, 13, 15]))
        world.note(f"the policy has algorithm {world.policy.algorithm}")

    def roles() -> None:
        world.policy = world.policy._replace(roles=rng.choice([(Role.CSK,), (Role.KSK, Role.ZSK), ()]))
        world.note(f"the policy has {', '.join(role.value for role in world.policy.roles) or 'no keys'}")

    def ttl() -> None:
        world.set_ttl(rng.choice([60, HOUR, DAY, 3 * DAY]))
        world.note(f"the highest TTL is {world.max_ttl}")

    def silence() -> None:
        assert isinstance(world.delays, RandomDelays)
        world.delays.silent.append((world.now, world.now + rng.randint(HOUR, 10 * DAY)))

    def jump() -> None:
        world.off += rng.choice([-1, 1]) * rng.choice([1, 30, HOUR, 400 * DAY])
        world.note(f"the clock is off by {world.off} s")

    def restart() -> None:
        world.off += rng.choice([0, 0, HOUR, 30 * DAY])
        world.note("the server restarts")
        world.take_step(known=False)

    return rng.choice([roll, roll, roll, algorithm, algorithm, roles, roles, ttl, silence, jump, restart])

"""The keys of a zone as a roll-over sees them: states and times, what was seen of zone and parent, and what operators ask for.

`ZoneKeys` is all that is kept between the steps of `rollover.py`. The functions here change it: a key that was generated (`with_key`),
keys of a zone that is signed already (`adopt`), keys of other signers (`with_foreign`), and requests.
"""

from __future__ import annotations

from functools import cache, lru_cache
from typing import TYPE_CHECKING, NamedTuple

from namewise.dnssec.anchors import HASHES, Ds, Key
from namewise.dnssec.safety import RECORDS, Presence, Reach, RolloverKey

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from namewise.dnssec.policy import Policy, Role

HIDDEN, RUMOURED, OMNIPRESENT, UNRETENTIVE = Presence
MOST_KEYS = 16
"""Keys of one zone with any record in caches; stops requests for roll-overs from making the DNSKEY RRset too large for validators, which
look at few keys (CVE-2023-50387)."""


class Held(NamedTuple):
    """A TTL that caches may still use after it was lowered: the TTL now, and higher ones of before, each with its end."""

    now: int = 0
    before: tuple[tuple[int, int], ...] = ()

    def seen(self, ttl: int, at: int, late: int) -> Held:
        """Return the TTL after *ttl* was seen; servers may send the one of before for *late* seconds."""
        held = ((self.now, at + self.now + late), *self.before) if ttl < self.now else self.before
        return Held(ttl, tuple(one for one in held if one[1] > at and one[0] > ttl))

    @property
    def most(self) -> int:
        """The highest TTL that a cache may use."""
        return max([self.now, *(ttl for ttl, _ in self.before)])


class ZoneKeys(NamedTuple):
    """The keys of a zone and what else is remembered between steps."""

    zone: str
    keys: tuple[RolloverKey, ...] = ()
    requested: frozenset[Role] = frozenset()
    """Roles that an operator wants to roll over now."""
    max_ttl: Held = Held()
    dnskey_ttl: Held = Held()
    ds_ttl: Held = Held()
    no_ds_since: int | None = None
    """Since when no server of the parent shows any DS; None: one does, or it is not known."""
    had_ds: bool = False
    """Whether any server of the parent has shown a DS since all were without."""
    stepped: int = 0
    """The time of the last step; 0: none."""

    def key(self, id: str) -> RolloverKey:
        """Return the key *id*. Raises KeyError."""
        for key in self.keys:
            if key.id == id:
                return key
        raise KeyError(id)

    def replace(self, *changed: RolloverKey) -> ZoneKeys:
        """Return the same with keys of the same id replaced."""
        by_id = {key.id: key for key in changed}
        return self._replace(keys=tuple(by_id.get(key.id, key) for key in self.keys))


class Publication(NamedTuple):
    """What the zone is to contain, as ids of keys."""

    dnskeys: frozenset[str] = frozenset()
    key_signers: frozenset[str] = frozenset()
    """Keys that sign DNSKEY, CDS and CDNSKEY."""
    zone_signers: frozenset[str] = frozenset()
    """Keys that sign everything else."""
    cds: frozenset[str] = frozenset()
    """Keys with CDS and CDNSKEY records."""
    delete: bool = False
    """Whether CDS and CDNSKEY ask the parent to remove the DS RRset (RFC 8078 §4)."""


class ZoneFacts(NamedTuple):
    """The zone as it is served, seconds."""

    max_ttl: int
    """The highest TTL of any RRset."""
    dnskey_ttl: int
    negative_ttl: int
    """How long caches keep that something does not exist (RFC 9077)."""
    served: Publication | None
    """What the served version contains, all of it signed. None: not known. The DNSKEY RRset of a restored zone is what counts, not what
    was ordered."""


class Parent(NamedTuple):
    """What the servers of the parent show: the DS RRset of each, or None for one without a usable reply."""

    at: int
    ds_ttl: int
    servers: Mapping[str, frozenset[Ds] | None]

    @property
    def complete(self) -> bool:
        """Whether every server has replied."""
        return bool(self.servers) and all(shown is not None for shown in self.servers.values())


class Notice(NamedTuple):
    """What an operator should know: a stable slug, `error`, `warning` or `info`, and a sentence."""

    slug: str
    severity: str
    text: str


class Wanted(NamedTuple):
    """A key to generate; `with_key` adds it."""

    role: Role
    algorithm: int
    bits: int
    predecessor: str | None


class Wait(NamedTuple):
    """Why a record of a key is still on its way; until when, if a time ends it."""

    key: str
    record: str
    why: str
    until: int | None


class Outcome(NamedTuple):
    """The result of a step."""

    keys: ZoneKeys
    publication: Publication
    wanted: tuple[Wanted, ...]
    due: int | None
    """When the next step is due at the latest, seconds since 1970; None: when something changes."""
    notices: tuple[Notice, ...]
    waits: tuple[Wait, ...]
    purge: tuple[str, ...]
    """Keys whose private part may be deleted. They are no longer in `keys`."""


def with_key(
    state: ZoneKeys, wanted: Wanted, id: str, public: Key, now: int, jitter: float = 0.0
) -> ZoneKeys:
    """Return *state* with the key that was *wanted*; its predecessor is to leave. Raises ValueError for a key tag that is taken.

    jitter: a random number from 0 to 1, by which the lifetime is shortened.
    """
    _check_new(state, id, public)
    if (public.algorithm, public.flags) != (wanted.algorithm, wanted.role.flags):
        raise ValueError(
            f"key {id} has algorithm {public.algorithm} and flags {public.flags}; "
            f"wanted are {wanted.algorithm} and {wanted.role.flags}"
        )
    new = RolloverKey(id, wanted.role, public, now, jitter, predecessor=wanted.predecessor)
    old = [key._replace(retired=True) for key in state.keys if key.id == wanted.predecessor]
    changed = state.replace(*old)
    return changed._replace(keys=(*changed.keys, new), requested=state.requested - {wanted.role})


def adopt(state: ZoneKeys, id: str, role: Role, public: Key, created: int, *, signs: bool) -> ZoneKeys:
    """Return *state* with a key of a zone that is signed already; it becomes omnipresent after the usual waits.

    signs: whether it signs now; false for a key that is only published.
    """
    _check_new(state, id, public)
    seen = Reach(RUMOURED)
    zrrsig = seen if signs and role.zone else Reach()
    # What the parent shows is not known: until it is, the DS may be in caches.
    entry = seen if signs and role.entry else Reach()
    ds = (entry if signs else Reach(UNRETENTIVE)) if role.entry else Reach()
    active = created if signs else None
    new = RolloverKey(
        id, role, public, created, active=active, dnskey=seen, krrsig=entry, zrrsig=zrrsig, ds=ds
    )
    return state._replace(keys=(*state.keys, new))


def with_foreign(state: ZoneKeys, id: str, role: Role, public: Key, now: int) -> ZoneKeys:
    """Return *state* with a key of another signer of the zone (RFC 8901 §2.1.2). Raises ValueError.

    The other signer may serve the zone from when its key is omnipresent. `without_foreign` is the way back.
    """
    _check_new(state, id, public)
    own = {key.public.algorithm for key in state.keys if not key.foreign and not key.retired}
    if own and own != {public.algorithm}:
        raise ValueError(
            f"key {id} has algorithm {public.algorithm}, the zone has {', '.join(map(str, sorted(own)))}: all signers need the "
            "same algorithms (RFC 8901 §4)"
        )
    return state._replace(keys=(*state.keys, RolloverKey(id, role, public, now, foreign=True)))


def without_foreign(state: ZoneKeys, id: str) -> ZoneKeys:
    """Return *state* after the signer of the foreign key *id* has ceased to serve the zone. Raises KeyError, ValueError."""
    key = state.key(id)
    if not key.foreign:
        raise ValueError(f"key {id} is not a key of another signer")
    return state.replace(key._replace(retired=True))


def request(state: ZoneKeys, role: Role, *, compromised: bool = False) -> ZoneKeys:
    """Return *state* with a roll-over of *role* asked for. Raises ValueError if there is no such key."""
    keys = [key for key in state.keys if key.role is role and not key.retired and not key.foreign]
    if not keys:
        raise ValueError(f"there is no {role.value.upper()} to roll over")
    if compromised:
        state = state.replace(*(key._replace(compromised=True) for key in keys))
    return state._replace(requested=state.requested | {role})


def parent_ignored(state: ZoneKeys, id: str) -> ZoneKeys:
    """Return *state* after the operator has made sure that the parent will not publish the DS of *id* any more. Raises KeyError.

    A parent that was asked for a DS may publish it days later. Until it has followed a later wish the key therefore stays.
    """
    return state.replace(state.key(id)._replace(asked=None))


def _check_new(state: ZoneKeys, id: str, public: Key) -> None:
    for key in state.keys:
        if key.id == id or (key.public.tag, key.public.algorithm) == (public.tag, public.algorithm):
            raise ValueError(f"key {id}: tag {public.tag} is that of key {key.id}; generate another key")
    if sum(not key.gone for key in state.keys) >= MOST_KEYS:
        raise ValueError(f"the zone {state.zone} has {MOST_KEYS} keys: wait until old ones have left")


def wait_of(state: ZoneKeys, policy: Policy, key: RolloverKey, record: str) -> int:
    """Return how long caches need to follow a change of *record* after it was seen (RFC 7583 §3.2, §3.3)."""
    hurry = any(one.compromised for one in state.keys if not one.gone)
    margin = policy.publish_safety if key.reach(record).presence is RUMOURED else policy.retire_safety
    margin = 0 if hurry else margin
    if record == "ds":
        return state.ds_ttl.most + policy.parent_propagation_delay + margin
    ttl = state.max_ttl.most if record == "zrrsig" else state.dnskey_ttl.most
    return ttl + policy.zone_propagation_delay + margin


def start_of_successor(state: ZoneKeys, policy: Policy, key: RolloverKey) -> int | None:
    """Return when the successor of *key* is to be made, so that it is ready at the end of the lifetime; None: never."""
    life = policy.lifetime(key.role)
    if not life or key.active is None:
        return None
    lead = state.dnskey_ttl.most + policy.zone_propagation_delay + policy.publish_safety
    return key.active + life - int(key.jitter * policy.lifetime_jitter) - lead


def waits(state: ZoneKeys, policy: Policy) -> Iterator[Wait]:
    """Yield why each record that changes has not arrived."""
    for key in state.keys:
        for record in RECORDS:
            reach, appears = key.reach(record), key.reach(record).presence is RUMOURED
            if not reach.changes:
                continue
            if reach.since is not None:
                until = reach.since + wait_of(state, policy, key, record)
                if record == "ds" and until <= state.stepped:
                    yield Wait(key.id, record, "until every server of the parent replies", None)
                else:
                    yield Wait(
                        key.id,
                        record,
                        f"until all caches {'have' if appears else 'have forgotten'} it",
                        until,
                    )
            elif record == "ds" and not appears and key.asked is not None:
                why = "until the parent follows a later CDS, since it may still publish this DS"
                yield Wait(key.id, record, why, None)
            elif record == "ds":
                why = f"until every server of the parent {'shows' if appears else 'has dropped'} the DS"
                yield Wait(key.id, record, why, None)
            else:
                yield Wait(
                    key.id, record, f"until the served zone {'has' if appears else 'is without'} it", None
                )


def moved_by(state: ZoneKeys, off: int) -> ZoneKeys:
    """Return *state* with the begin of every wait moved by *off* seconds."""

    def moved(reach: Reach) -> Reach:
        return reach if reach.since is None else Reach(reach.presence, reach.since + off)

    def held(ttl: Held) -> Held:
        return Held(ttl.now, tuple((one, until + off) for one, until in ttl.before))

    keys = tuple(
        key._replace(
            dnskey=moved(key.dnskey), krrsig=moved(key.krrsig), zrrsig=moved(key.zrrsig), ds=moved(key.ds)
        )
        for key in state.keys
    )
    since = state.no_ds_since
    return state._replace(
        keys=keys,
        max_ttl=held(state.max_ttl),
        dnskey_ttl=held(state.dnskey_ttl),
        ds_ttl=held(state.ds_ttl),
        no_ds_since=None if since is None else since + off,
    )


@cache
def _owner(zone: str) -> bytes:
    from namewise.engine import Name

    return bytes(Name(zone.lower()).wire)


@lru_cache(maxsize=4096)
def is_ds_of(zone: str, ds: Ds, key: Key) -> bool:
    return ds.tag == key.tag and ds.names(_owner(zone), key)


@lru_cache(maxsize=4096)
def ds_of(zone: str, key: Key, digest_type: int = 2) -> Ds:
    """Return the DS record of *key* (RFC 4034 §5.1.4)."""
    import hashlib

    digest = hashlib.new(HASHES[digest_type], _owner(zone) + key.rdata()).hexdigest().upper()
    return Ds(key.tag, key.algorithm, digest_type, digest)


def signal_name(zone: str, server: str) -> str:
    """Return the name at which a name server publishes the CDS of a zone without DS (RFC 9615 §2)."""
    return f"_dsboot.{zone.rstrip('.')}._signal.{server.rstrip('.')}."

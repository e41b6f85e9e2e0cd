"""What validators may have in their caches, and whether every mixture of it validates.

    DS RRset       {a}, {a b}     \\
    DNSKEY RRset   {a}, {a b}      >  every combination must be secure (or insecure, if there is no DS)
    RRSIG          {a}            /

Each record of a key is in one of the four states of BIND's key manager, with the waits of RFC 7583: a cache either has it, cannot have
it, or may have it while the record appears or disappears. From these states and their times follow the versions of each RRset that a
cache can hold. A step of a roll-over is allowed if all combinations of versions validate after it, with the state that is meant as soon
as the step is ordered. No kind of roll-over needs an order of its own: pre-publication, double signatures and the order of an algorithm
roll-over follow from this (RFC 6781 §4.1).

A combination validates for a strict validator: one that wants every algorithm of the DS RRset and of the DNSKEY RRset to sign (RFC 4035
§2.2). Validators that accept any path (RFC 6840 §5.11) then accept it, too.
"""

from __future__ import annotations

import enum
from itertools import combinations
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from namewise.dnssec.anchors import Key
    from namewise.dnssec.policy import Role

T = TypeVar("T")


class Presence(enum.Enum):
    """Whether caches have a record, if they have its RRset at all."""

    HIDDEN = "hidden"
    """No cache has it."""
    RUMOURED = "rumoured"
    """It is or will be published; a cache may still have a version without it."""
    OMNIPRESENT = "omnipresent"
    """Every cache has it."""
    UNRETENTIVE = "unretentive"
    """It is or will be withdrawn; a cache may still have a version with it."""


class Reach(NamedTuple):
    """The presence of one record; since when it was seen where it is published, seconds. None: not seen there yet."""

    presence: Presence = Presence.HIDDEN
    since: int | None = None

    @property
    def published(self) -> bool:
        """Whether the record is to be published."""
        return self.presence in (Presence.RUMOURED, Presence.OMNIPRESENT)

    @property
    def possible(self) -> bool:
        """Whether a cache may have it."""
        return self.presence is not Presence.HIDDEN

    @property
    def changes(self) -> bool:
        """Whether caches may differ about it."""
        return self.presence in (Presence.RUMOURED, Presence.UNRETENTIVE)


RECORDS = ("dnskey", "krrsig", "zrrsig", "ds")
"""The records of a key: itself, its signature of the DNSKEY RRset, its signatures of the other data, its DS."""
RECORD_NAMES = {"dnskey": "DNSKEY", "krrsig": "RRSIG of DNSKEY", "zrrsig": "RRSIG of data", "ds": "DS"}


class RolloverKey(NamedTuple):
    """A key of a zone with the presence of its records. It has no secret: `id` names the key in the key store."""

    id: str
    role: Role
    public: Key
    created: int
    jitter: float = 0.0
    """By which part of the policy's jitter its lifetime is shortened, 0 to 1."""
    active: int | None = None
    """When it began to sign."""
    retired: bool = False
    """Whether its records are to disappear."""
    compromised: bool = False
    foreign: bool = False
    """Whether another signer has the private key (RFC 8901, model 2)."""
    predecessor: str | None = None
    asked: int | None = None
    """The number of the wish for its DS, as long as the parent has not followed it or a later one."""
    removed: int | None = None
    """When no cache had any record of it any more."""
    dnskey: Reach = Reach()
    krrsig: Reach = Reach()
    zrrsig: Reach = Reach()
    ds: Reach = Reach()

    def reach(self, record: str) -> Reach:
        """Return the presence of one of its `RECORDS`."""
        reach: Reach = getattr(self, record)
        return reach

    def with_reach(self, record: str, reach: Reach) -> RolloverKey:
        """Return the key with another presence of one of its `RECORDS`."""
        changed: dict[str, Any] = {record: reach}
        return self._replace(**changed)

    def has(self, record: str) -> bool:
        """Return whether a key of its role has such a record."""
        return record == "dnskey" or (self.role.zone if record == "zrrsig" else self.role.entry)

    @property
    def gone(self) -> bool:
        """Whether no cache has any record of it."""
        return not any(self.reach(record).possible for record in RECORDS)


def safe(keys: Sequence[RolloverKey], *, leaving: bool = False) -> bool:
    """Return whether every validator accepts the zone, whatever versions of its RRsets it has in its cache.

    leaving: the zone has no DS at the parent and becomes unsigned, so that nothing has to match any more.
    """
    every = {key.id: key for key in keys}
    data = list(_signers(keys))
    for trust in _trusts(keys):
        if not trust and leaving:
            continue
        for published, entry in _key_sets(keys):
            if not all(_validates(every, trust, published, published & entry, signers) for signers in data):
                return False
    return True


def _validates(
    every: dict[str, RolloverKey],
    trust: frozenset[str],
    published: frozenset[str],
    entry: frozenset[str],
    signers: frozenset[str],
) -> bool:
    """Return whether a strict validator accepts these DS, DNSKEY, signatures of the DNSKEY RRset and signatures of data."""

    def algorithms(ids: frozenset[str]) -> set[int]:
        return {every[one].public.algorithm for one in ids}

    start = trust & entry if trust else entry
    known = signers & published
    wanted = algorithms(trust) | algorithms(published)
    return (
        bool(start)
        and algorithms(trust) <= algorithms(start)
        and wanted <= algorithms(known)
        and wanted <= algorithms(entry)
    )


def _trusts(keys: Sequence[RolloverKey]) -> Iterator[frozenset[str]]:
    """Yield the sets of keys whose DS a cache may have; the empty set if it may have none.

    The parent decides when it publishes and removes a DS: every subset of those that change is possible. DS records of other signers do
    not matter: their keys do not sign the DNSKEY RRset of this one.
    """
    own = [key for key in keys if not key.foreign]
    fixed = frozenset(key.id for key in own if key.ds.presence is Presence.OMNIPRESENT)
    changing = [key.id for key in own if key.ds.changes]
    for count in range(len(changing) + 1):
        for some in combinations(changing, count):
            yield fixed | frozenset(some)


def _signers(keys: Sequence[RolloverKey]) -> Iterator[frozenset[str]]:
    """Yield the sets of keys that may have signed an RRset in a cache: versions of this signer, and each key of another one."""
    yield from versions({key.id: key.zrrsig for key in keys if not key.foreign})
    for key in keys:
        if key.foreign and key.zrrsig.possible:
            yield frozenset([key.id])


def _key_sets(keys: Sequence[RolloverKey]) -> Iterator[tuple[frozenset[str], frozenset[str]]]:
    """Yield the versions of the DNSKEY RRset with its signatures: the keys in it, and those that sign it."""
    reaches = {(key.id, record): key.reach(record) for key in keys for record in ("dnskey", "krrsig")}
    for version in versions(reaches):
        published, entry = (
            frozenset(id for id, one in version if one == record) for record in ("dnskey", "krrsig")
        )
        yield published, entry


def versions(reaches: Mapping[T, Reach]) -> list[frozenset[T]]:
    """Return the versions of an RRset that a cache may have, as the records in it, the oldest first.

    Changes with the same time, and all that were not seen yet, were or will be published together.
    """
    before = (Presence.OMNIPRESENT, Presence.UNRETENTIVE)
    now = frozenset(one for one, reach in reaches.items() if reach.presence in before)
    made = [now]
    moments = {reach.since for reach in reaches.values() if reach.changes}
    for moment in sorted(moments, key=lambda since: (since is None, since or 0)):
        for one, reach in reaches.items():
            if reach.changes and reach.since == moment:
                now = now | {one} if reach.presence is Presence.RUMOURED else now - {one}
        made.append(now)
    return made

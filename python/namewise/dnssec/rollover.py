"""Roll-over of the keys of a zone: a state machine without clock, network, files and secrets.

    keys, policy, zone facts, parent, now ──> step ──> keys, publication, wanted keys, next time, notices
                                               ^                 │
                            what the zone serves, what the parent shows

`step` is called after every change of what it takes, and at the time that it returned. It first takes in what the zone serves and what
every server of the parent shows, then lets the waits end that are over, and then orders the next changes. `safe` decides which are allowed.
A change counts from the moment at which it was *seen*: in the served zone, complete and signed, or at all servers of the parent. What
cannot be seen does not happen: with an unreachable parent, a failed signing, or a clock that jumps, the keys stay as they are.

| roll-over | how |
|---|---|
| ZSK | pre-publication (RFC 7583 §3.2.1): DNSKEY, then the signatures are replaced, then the old DNSKEY leaves |
| KSK | Double-KSK (RFC 7583 §3.3.1): both keys sign the DNSKEY RRset, then the DS is replaced, then the old key leaves |
| CSK | both at once: DNSKEY, then signatures and DS are replaced |
| algorithm | signatures, then DNSKEY, then DS is replaced; then DNSKEY and, last, signatures of the old one leave (RFC 6781 §4.1.4) |
| emergency | the same steps without the safety margins, at once: the chain of trust is never broken (RFC 6781 §4.2.1.1) |
| to unsigned | CDS and CDNSKEY with algorithm 0 (RFC 8078 §4); when no cache has a DS any more, everything else leaves |

RFCs: 7583, 6781 §4, 7344 (CDS and CDNSKEY), 8078 §4, 8901 §2.1.2 (keys of other signers), 9859 (`Publication.cds` has changed: NOTIFY).

*Seam*: the registry signs with the keys that `Publication` names, and returns it as `ZoneFacts.served` once the whole zone is signed so and
served by its primary. `elapsed` is time since the last step by a clock that nobody sets (CLOCK_BOOTTIME); without it no wait proceeds.

*Limitations*: RFC 5011 revocation, offline KSKs and roll-overs of the algorithm with several signers are not implemented.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from namewise.dnssec.policy import Policy, Role
from namewise.dnssec.safety import RECORDS, Presence, Reach, RolloverKey, safe
from namewise.dnssec.zone_keys import (
    Notice,
    Outcome,
    Parent,
    Publication,
    Wanted,
    ZoneFacts,
    ZoneKeys,
    ds_of,
    is_ds_of,
    moved_by,
    start_of_successor,
    wait_of,
    waits,
)

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from namewise.dnssec.anchors import Ds

HIDDEN, RUMOURED, OMNIPRESENT, UNRETENTIVE = Presence
PARENT_POLL_S = 1800
"""How often the parent is asked while a DS is to change."""
PARENT_AGE_S = 3600
"""An older observation of the parent says nothing about now."""
JUMP_S = 60
"""A clock that is off by more is reported."""
_NAMES = {"dnskey": "DNSKEY", "krrsig": "signature of the keys", "zrrsig": "signatures"}


def step(
    state: ZoneKeys, policy: Policy, facts: ZoneFacts, parent: Parent | None, now: int, elapsed: int | None
) -> Outcome:
    """Return what becomes of the keys at *now*, seconds since 1970.

    elapsed: seconds since the last step, by a clock that nobody sets; None: not known. parent: None if it was not asked.
    """
    run = _Run(state, policy, facts, parent, now)
    run.clock(elapsed)
    run.hold()
    run.see_zone()
    run.see_parent()
    run.settle()
    run.retire()
    run.order()
    run.finish()
    return run.outcome()


def publication_of(state: ZoneKeys, policy: Policy) -> Publication:
    """Return what the zone is to contain with these states: what the last step ordered."""
    keys = state.keys
    own = [key for key in keys if not key.foreign]
    publication = Publication(
        frozenset(key.id for key in keys if key.dnskey.published),
        frozenset(key.id for key in own if key.krrsig.published),
        frozenset(key.id for key in own if key.zrrsig.published),
        frozenset(key.id for key in keys if key.ds.published and key.dnskey.published),
    )
    if not policy.roles and not publication.cds and publication.key_signers:
        return publication._replace(delete=True)
    return publication


def _published(key: RolloverKey) -> list[str]:
    """Return the records that the zone's own publication of *key* consists of, without signatures of data."""
    return ["dnskey", "krrsig"] if key.has("krrsig") and not key.foreign else ["dnskey"]


class _Run:
    """One step."""

    def __init__(
        self, state: ZoneKeys, policy: Policy, facts: ZoneFacts, parent: Parent | None, now: int
    ) -> None:
        self.state = state
        self.policy = policy
        self.facts = facts
        self.now = now
        self.parent = parent if parent is not None and 0 <= now - parent.at <= PARENT_AGE_S else None
        self.notices: list[Notice] = []
        self.purge: list[str] = []

    # What is seen.

    def clock(self, elapsed: int | None) -> None:
        """Move all waits by what the clock is off, so that they count time that has passed."""
        before = self.state.stepped
        off = self.now - before - max(0, elapsed or 0) if before else 0
        if off:
            self.state = moved_by(self.state, off)
        if before and abs(off) > JUMP_S:
            said = (
                "the clock jumped" if elapsed is not None else "it is not known how long the server was down"
            )
            self.note("clock", "warning", f"{said}: {off:+} s do not count towards any wait")
        self.state = self.state._replace(stepped=self.now)

    def hold(self) -> None:
        """Take in the TTLs."""
        state, facts, policy, now = self.state, self.facts, self.policy, self.now
        late = policy.zone_propagation_delay
        ds_ttl = max(policy.parent_ds_ttl, self.parent.ds_ttl if self.parent else 0)
        self.state = state._replace(
            max_ttl=state.max_ttl.seen(max(facts.max_ttl, facts.negative_ttl), now, late),
            dnskey_ttl=state.dnskey_ttl.seen(max(facts.dnskey_ttl, policy.dnskey_ttl), now, late),
            ds_ttl=state.ds_ttl.seen(ds_ttl, now, policy.parent_propagation_delay),
        )

    def see_zone(self) -> None:
        """Take in what the zone serves: changes that were ordered count from now on."""
        served = self.facts.served
        if served is None:
            return
        sets = {"dnskey": served.dnskeys, "krrsig": served.key_signers, "zrrsig": served.zone_signers}
        for key in self.state.keys:
            for record, ids in sets.items():
                reach = key.reach(record)
                if not key.has(record) or (key.foreign and record != "dnskey"):
                    continue
                if key.id in ids:
                    if reach == Reach(RUMOURED):
                        self.put(key.id, record, Reach(RUMOURED, self.now))
                    elif reach.presence is HIDDEN or (
                        reach.presence is UNRETENTIVE and reach.since is not None
                    ):
                        self.put(key.id, record, Reach(UNRETENTIVE))
                        self.note(
                            "served-differs", "error", f"the zone has again the {_NAMES[record]} of {key.id}"
                        )
                elif reach == Reach(UNRETENTIVE):
                    self.put(key.id, record, Reach(UNRETENTIVE, self.now))
                elif reach.presence is OMNIPRESENT or (
                    reach.presence is RUMOURED and reach.since is not None
                ):
                    self.put(key.id, record, Reach(RUMOURED))
                    self.note(
                        "served-differs",
                        "error",
                        f"the zone lacks the {_NAMES[record]} of {key.id}: publish it again",
                    )

    def see_parent(self) -> None:
        """Take in what the parent shows."""
        parent, moving = self.parent, any(key.ds.changes for key in self.state.keys)
        if parent is None:
            if moving:
                self.note(
                    "parent-unknown",
                    "warning",
                    "the DS RRset at the parent is not known: no DS changes its state",
                )
            return
        silent = sorted(name for name, shown in parent.servers.items() if shown is None)
        if silent and moving:
            self.note(
                "parent-silent",
                "warning",
                f"no reply from {', '.join(silent)} of the parent: no DS changes its state",
            )
        shown = [ds for ds in parent.servers.values() if ds is not None]
        if any(shown):
            self.state = self.state._replace(no_ds_since=None, had_ds=True)
        elif parent.complete:
            if self.state.had_ds and not self.policy.roles:
                self.answered(None)  # every server has followed the wish for no DS, which came last
            since = self.state.no_ds_since
            self.state = self.state._replace(no_ds_since=self.now if since is None else since, had_ds=False)
        known: set[Ds] = set()
        for key in self.state.keys:
            if key.has("ds"):
                mine = {ds for one in shown for ds in one if is_ds_of(self.state.zone, ds, key.public)}
                known |= mine
                self.see_ds(key, [bool(mine & one) for one in shown], parent)
        for ds in sorted({ds for one in shown for ds in one} - known):
            self.note("ds-unknown", "error", f"the parent has a DS of no key of the zone: {ds}")

    def see_ds(self, key: RolloverKey, has: list[bool], parent: Parent) -> None:
        """Take in on which of the servers that replied the parent has the DS of *key*."""
        presence, since = key.ds
        every, none = parent.complete and all(has), parent.complete and not any(has)
        if every and key.asked is not None:
            self.answered(key.asked)
        if presence is HIDDEN and any(has):
            self.put(key.id, "ds", Reach(RUMOURED, self.now if every else None))
            if not key.foreign:
                bad = key.dnskey.presence is not OMNIPRESENT
                why = (
                    "although caches lack its DNSKEY: validators may find the zone bogus"
                    if bad
                    else "unasked"
                )
                self.note(
                    "ds-early", "error" if bad else "warning", f"the parent has the DS of {key.id}, {why}"
                )
        elif presence is RUMOURED:
            if not all(has):
                self.put(key.id, "ds", Reach(RUMOURED))
            elif every and since is None:
                self.put(key.id, "ds", Reach(RUMOURED, self.now))
        elif presence is UNRETENTIVE:
            if any(has):
                self.put(key.id, "ds", Reach(UNRETENTIVE))
            elif none and since is None and self.state.key(key.id).asked is None:
                self.put(key.id, "ds", Reach(UNRETENTIVE, self.now))
        elif presence is OMNIPRESENT and not all(has):
            self.put(key.id, "ds", Reach(RUMOURED))
            self.note(
                "ds-missing", "error", f"the parent no longer has the DS of {key.id} on all its servers"
            )

    def answered(self, asked: int | None) -> None:
        """Note that the parent has followed the wish with this number (None: the last one), and so all before it."""
        for key in self.state.keys:
            if key.asked is not None and (asked is None or key.asked <= asked):
                self.state = self.state.replace(self.state.key(key.id)._replace(asked=None))

    def settle(self) -> None:
        """End the waits that are over."""
        for key in self.state.keys:
            for record in RECORDS:
                reach = key.reach(record)
                if (
                    reach.since is None
                    or not reach.changes
                    or self.now < reach.since + self.wait(key, record)
                ):
                    continue
                if record == "ds" and not (self.parent and self.parent.complete):
                    continue
                end = OMNIPRESENT if reach.presence is RUMOURED else HIDDEN
                self.put(key.id, record, Reach(end, self.now))

    def wait(self, key: RolloverKey, record: str) -> int:
        first = not any(one.dnskey.presence is OMNIPRESENT for one in self.state.keys)
        wait = wait_of(self.state, self.policy, key, record)
        # A cache may still have the answer that there is no DNSKEY.
        absence = self.facts.negative_ttl if first and record in ("dnskey", "krrsig") else 0
        return wait + max(0, absence - self.state.dnskey_ttl.most)

    # What is to become of the keys.

    def retire(self) -> None:
        """Retire keys that the policy has no place for. (`with_key` retires predecessors.)"""
        for key in self.state.keys:
            fits = key.role in self.policy.roles and key.public.algorithm == self.policy.algorithm
            if not key.foreign and not key.retired and not fits:
                self.state = self.state.replace(self.state.key(key.id)._replace(retired=True))

    def wanted(self) -> Iterator[Wanted]:
        """Yield the keys that are missing, and successors of those whose time has come."""
        policy, own = self.policy, [key for key in self.state.keys if not key.foreign]
        for role in policy.roles:
            current = [key for key in own if key.role is role and not key.retired]
            if not current:
                older = [key for key in own if key.role is role and not key.gone]
                yield Wanted(role, policy.algorithm, policy.rsa_bits, older[-1].id if older else None)
                continue
            key = current[-1]
            start = start_of_successor(self.state, self.policy, key)
            asked = role in self.state.requested or key.compromised
            if not asked and (start is None or self.now < start):
                continue
            if not key.compromised and self.rolling(role):
                why = f"the roll-over of {key.id} waits: the one before it is not finished"
                self.note("postponed", "info" if asked else "warning", why)
                continue
            yield Wanted(role, policy.algorithm, policy.rsa_bits, key.id)

    def rolling(self, role: Role) -> bool:
        """Return whether a key of *role* has not arrived or not left yet."""
        keys = [key for key in self.state.keys if key.role is role and not key.foreign]
        return any(
            not key.gone
            if key.retired
            else any(key.has(one) and key.reach(one).presence is not OMNIPRESENT for one in RECORDS)
            for key in keys
        )

    # Orders.

    def order(self) -> None:
        """Order every change that is allowed now.

        The zone changes in one piece: nothing more is ordered before the last change was seen in it. A record of the zone is withdrawn
        only once it is omnipresent and published again only once it is hidden, so that `versions` knows every version. The DS has no
        such limits, since the parent follows at its own time.
        """
        moving = [
            key.reach(record)
            for key in self.state.keys
            for record in RECORDS[:3]
            if not (key.foreign and record != "dnskey")
        ]
        unconfirmed = any(reach.changes and reach.since is None for reach in moving)
        unsigned = not any(key.dnskey.possible for key in self.state.keys)
        if not unconfirmed:
            self.introduce(free=unsigned)
        for key in self.state.keys:
            if self.wants_ds(key) and self.attempt([(key.id, "ds", Reach(RUMOURED))]) and not key.foreign:
                last = max((one.asked or 0 for one in self.state.keys), default=0)
                self.state = self.state.replace(self.state.key(key.id)._replace(asked=last + 1))
        for key in self.state.keys:
            if key.retired and key.ds.published and not key.foreign and self.may_lose_ds(key):
                self.attempt([(key.id, "ds", Reach(UNRETENTIVE))])
        if not unconfirmed:
            self.withdraw()

    def introduce(self, *, free: bool) -> None:
        """Publish keys and begin to sign with them. *free*: the zone is unsigned, so that the order does not matter."""
        fresh = [key for key in self.state.keys if not key.retired]
        for key in fresh:
            if key.has("zrrsig") and not key.foreign and not key.zrrsig.possible and self.may_sign(key):
                self.attempt([(key.id, "zrrsig", Reach(RUMOURED))], free=free)
        changes = {
            key.id: [(key.id, one, Reach(RUMOURED)) for one in _published(key)]
            for key in fresh
            if not key.dnskey.possible
        }
        self.together(changes, free=free)
        for key in self.state.keys:
            new = key.foreign and not key.retired and key.has("zrrsig") and not key.zrrsig.possible
            if new and key.dnskey.presence is OMNIPRESENT:
                # The other signer may serve the zone from now on.
                self.put(key.id, "zrrsig", Reach(OMNIPRESENT, self.now))
                self.note(
                    "foreign-ready", "info", f"{key.id} is in all caches: its signer may serve the zone"
                )

    def may_sign(self, key: RolloverKey) -> bool:
        """Return whether *key* is to sign data: once it is known everywhere, unless its algorithm is new."""
        same = [
            one
            for one in self.state.keys
            if one.public.algorithm == key.public.algorithm and not one.foreign and one.id != key.id
        ]
        return key.dnskey.presence is OMNIPRESENT or not any(one.zrrsig.possible for one in same)

    def wants_ds(self, key: RolloverKey) -> bool:
        """Return whether the parent is to be asked for the DS of *key*: when the zone can be validated with it."""
        if key.retired or not key.has("ds") or key.ds.published:
            return False
        if key.foreign:
            return key.dnskey.presence is OMNIPRESENT
        signed = any(
            one.zrrsig.presence is OMNIPRESENT and one.public.algorithm == key.public.algorithm
            for one in self.state.keys
        )
        return signed and key.dnskey.presence is OMNIPRESENT and key.krrsig.presence is OMNIPRESENT

    def may_lose_ds(self, key: RolloverKey) -> bool:
        """Return whether the DS of *key* has a successor, or is not to have one."""
        others = (one for one in self.state.keys if not one.retired and not one.foreign and one.has("ds"))
        return not self.policy.roles or any(one.ds.published for one in others)

    def withdraw(self) -> None:
        """Let retired keys cease to sign, and leave."""
        leaving = self.leaving()
        old = [key for key in self.state.keys if key.retired]
        for key in old:
            if key.foreign:
                self.dismiss(key)
            elif key.zrrsig.presence is OMNIPRESENT:
                self.attempt([(key.id, "zrrsig", Reach(UNRETENTIVE))], leaving=leaving)
        changes = {
            key.id: [
                (key.id, one, Reach(UNRETENTIVE)) for one in ("dnskey", "krrsig") if key.reach(one).published
            ]
            for key in old
            if key.dnskey.presence is OMNIPRESENT
            and not (key.ds.possible and not leaving)
            and not (key.foreign and key.zrrsig.possible)
        }
        self.together(changes, leaving=leaving)

    def dismiss(self, key: RolloverKey) -> None:
        """Let caches forget what the signer of a foreign *key* signed: it has ceased to serve the zone."""
        for record in ("zrrsig", "ds"):
            if key.reach(record).published:
                self.put(key.id, record, Reach(UNRETENTIVE, self.now if record == "zrrsig" else None))

    def leaving(self) -> bool:
        """Return whether the zone is to be unsigned and no cache has any DS of it."""
        own = [key for key in self.state.keys if not key.foreign]
        if self.policy.roles or any(not key.retired or key.ds.possible for key in own):
            return False
        until = self.no_ds_until()
        return until is not None and self.now >= until and self.parent is not None and self.parent.complete

    def no_ds_until(self) -> int | None:
        """Return when no cache has any DS of the zone, whatever key it is of; None: as long as the parent has one."""
        since = self.state.no_ds_since
        wait = self.state.ds_ttl.most + self.policy.parent_propagation_delay + self.policy.retire_safety
        return None if since is None else since + wait

    def together(
        self,
        changes: Mapping[str, list[tuple[str, str, Reach]]],
        *,
        free: bool = False,
        leaving: bool = False,
    ) -> None:
        """Attempt changes of keys: those of one algorithm at once, so that none of its keys is without the others; else each alone."""
        by_algorithm: dict[int, list[tuple[str, str, Reach]]] = {}
        for id, some in changes.items():
            by_algorithm.setdefault(self.state.key(id).public.algorithm, []).extend(some)
        for all_of_them in by_algorithm.values():
            if self.attempt(all_of_them, free=free, leaving=leaving):
                continue
            for id in dict.fromkeys(one[0] for one in all_of_them):
                self.attempt(changes[id], free=free, leaving=leaving)

    def attempt(
        self, changes: Iterable[tuple[str, str, Reach]], *, free: bool = False, leaving: bool = False
    ) -> bool:
        """Make *changes* if every validator accepts the zone with them. Return whether they were made."""
        before = self.state
        for id, record, reach in changes:
            self.put(id, record, reach)
        if free or safe(self.state.keys, leaving=leaving):
            return True
        self.state = before
        return False

    def put(self, id: str, record: str, reach: Reach) -> None:
        self.state = self.state.replace(self.state.key(id).with_reach(record, reach))

    def note(self, slug: str, severity: str, text: str) -> None:
        self.notices.append(Notice(slug, severity, text))

    # The result.

    def finish(self) -> None:
        """Note when keys begin to sign and when they have left; forget those that left long ago."""
        kept = []
        for key in self.state.keys:
            signs = key.zrrsig.published or (key.role is Role.KSK and key.krrsig.published)
            active = self.now if key.active is None and signs else key.active
            removed = (self.now if key.removed is None else key.removed) if key.retired and key.gone else None
            purge = self.policy.purge_keys
            if removed is not None and purge and self.now >= removed + purge:
                self.purge.append(key.id)
            else:
                kept.append(key._replace(active=active, removed=removed))
        self.state = self.state._replace(keys=tuple(kept))

    def outcome(self) -> Outcome:
        keys, wanted = self.state.keys, tuple(self.wanted())
        own = [key for key in keys if not key.foreign]
        publication = publication_of(self.state, self.policy)
        for key in own:
            if key.ds == Reach(RUMOURED):
                text = f"the parent is to publish the DS of {key.id}: {ds_of(self.state.zone, key.public)}"
                self.note("ds-wanted", "info", text)
            elif key.ds == Reach(UNRETENTIVE):
                self.note("ds-unwanted", "info", f"the parent is to remove the DS of {key.id}")
        waits_now = tuple(waits(self.state, self.policy))
        times = [wait.until for wait in waits_now if wait.until is not None]
        times += [
            start
            for key in own
            if not key.retired and (start := start_of_successor(self.state, self.policy, key)) is not None
        ]
        if any(key.ds.changes for key in keys) or publication.delete:
            times.append(self.now + PARENT_POLL_S)
        if publication.delete and (until := self.no_ds_until()) is not None:
            times.append(until)
        if self.policy.purge_keys:
            times += [key.removed + self.policy.purge_keys for key in keys if key.removed is not None]
        later = [time for time in times if time > self.now]
        due = min(later, default=None)
        return Outcome(
            self.state, publication, wanted, due, tuple(self.notices), waits_now, tuple(self.purge)
        )

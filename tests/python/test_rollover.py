"""Roll-overs of keys: each kind step by step, what makes them wait, and random plans on a virtual clock.

`NAMEWISE_PLANS=200` runs that many random plans instead of ten. A failure names the seed, which
`nw dnssec rollover simulate --plans 1 --days 100 --seed N` repeats.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from namewise.dnssec import rollover, simulate, zone_keys
from namewise.dnssec.anchors import Key
from namewise.dnssec.policy import Policy, Role, policies
from namewise.dnssec.rollover import step
from namewise.dnssec.safety import Presence, Reach, RolloverKey, safe, versions
from namewise.dnssec.simulate import DAY, HOUR, Delays, World, instants, planned, random_plan
from namewise.dnssec.zone_keys import (
    MOST_KEYS,
    Held,
    Outcome,
    Parent,
    Publication,
    Wanted,
    ZoneFacts,
    ZoneKeys,
    adopt,
    ds_of,
    parent_ignored,
    request,
    signal_name,
    with_foreign,
    with_key,
    without_foreign,
)

if TYPE_CHECKING:
    from collections.abc import Iterable

PLANS = int(os.environ.get("NAMEWISE_PLANS", "10"))
CSK = policies(())["default"]
SPLIT = CSK._replace(roles=(Role.KSK, Role.ZSK))
INSECURE = policies(())["insecure"]
NOW = 1_800_000_000
HIDDEN, RUMOURED, OMNIPRESENT, UNRETENTIVE = Presence


def made(number: int, role: Role = Role.CSK, algorithm: int = 13) -> Key:
    """A public key; nobody can sign with it."""
    return Key(role.flags, 3, algorithm, number.to_bytes(4, "big") * 8)


class Driver:
    """A zone whose publication is served at once, with a parent that the test moves."""

    def __init__(self, policy: Policy, servers: Iterable[str] = ("a", "b")) -> None:
        self.policy = policy
        self.state = ZoneKeys("example.")
        self.now = NOW
        self.served: Publication | None = Publication()
        self.ds: dict[str, frozenset[str] | None] = dict.fromkeys(servers, frozenset())
        self.follows = True
        self.ttl = HOUR
        self.made = 0
        self.out: Outcome
        self.slugs: set[str] = set()
        """Of the notices of the last step."""

    def step(self, passed: int = 0, elapsed: int | None = -1, jump: int = 0) -> Outcome:
        """Let time pass and take a step; *jump*: what the clock moves besides."""
        self.now += passed + jump
        known = passed if elapsed == -1 else elapsed
        self.slugs = set()
        for _ in range(4):
            shown = {
                name: None
                if ids is None
                else frozenset(ds_of("example.", self.state.key(id).public) for id in ids)
                for name, ids in self.ds.items()
            }
            facts = ZoneFacts(self.ttl, HOUR, 300, self.served)
            self.out = step(self.state, self.policy, facts, Parent(self.now, DAY, shown), self.now, known)
            known, self.state = 0, self.out.keys
            self.slugs |= {notice.slug for notice in self.out.notices}
            for wanted in self.out.wanted:
                self.made += 1
                id = f"k{self.made}"
                self.state = with_key(
                    self.state, wanted, id, made(self.made, wanted.role, wanted.algorithm), self.now
                )
            if self.follows:
                self.served = self.out.publication
        return self.out

    def at_parent(self, *ids: str, servers: Iterable[str] | None = None) -> None:
        """Let servers of the parent show the DS of these keys."""
        for name in self.ds if servers is None else servers:
            self.ds[name] = frozenset(ids)

    def settle(self) -> None:
        """Let the parent follow and the time pass until nothing changes."""
        for _ in range(60):
            self.step(6 * HOUR)
            if self.out.publication.delete or self.out.publication.cds:
                self.at_parent(*self.out.publication.cds)

    def of(self, id: str, record: str) -> Presence:
        return self.state.key(id).reach(record).presence


@pytest.fixture
def signed() -> Driver:
    """A zone that is signed by one CSK, which the parent knows."""
    driver = Driver(CSK)
    driver.settle()
    assert [driver.of("k1", record) for record in ("dnskey", "zrrsig", "ds")] == [OMNIPRESENT] * 3
    return driver


# What caches may hold.


def test_versions_follow_the_order_of_changes() -> None:
    a, b, c = Reach(OMNIPRESENT), Reach(RUMOURED, 5), Reach(UNRETENTIVE, 9)
    assert versions({"a": a, "b": b, "c": c}) == [{"a", "c"}, {"a", "b", "c"}, {"a", "b"}]
    swap = {"old": Reach(UNRETENTIVE), "new": Reach(RUMOURED)}
    assert versions(swap) == [{"old"}, {"new"}], "what is published together is one version"


def test_a_ds_without_its_key_is_never_safe() -> None:
    key = RolloverKey("a", Role.CSK, made(1), 0, ds=Reach(RUMOURED))
    every = {"dnskey": Reach(OMNIPRESENT), "krrsig": Reach(OMNIPRESENT), "zrrsig": Reach(OMNIPRESENT)}
    whole = key._replace(**every)
    assert safe([whole]) and not safe([key])
    for record in every:
        assert not safe([whole.with_reach(record, Reach(RUMOURED, 1))]), record


# Each kind of roll-over.


@pytest.mark.parametrize(
    ("policy", "roll", "algorithm"),
    [
        *((CSK, roll, 13) for roll in ("first", "csk", "insecure")),
        *((SPLIT, roll, 13) for roll in ("first", "ksk", "zsk", "insecure")),
        (CSK, "algorithm", 8),
        (SPLIT, "algorithm", 15),
    ],
)
@pytest.mark.parametrize("emergency", [False, True])
def test_planned_roll_overs_are_never_bogus(
    policy: Policy, roll: str, algorithm: int, emergency: bool
) -> None:
    world, begin, end = planned(policy, roll, algorithm=algorithm, emergency=emergency)
    assert world.secure() == (roll != "insecure")
    current = [key for key in world.state.keys if not key.retired]
    assert {key.role for key in current} == (set() if roll == "insecure" else set(policy.roles))
    assert all(key.gone == key.retired for key in world.state.keys)
    assert end > begin
    assert [found for at in instants(world, begin, end) if (found := world.check(at))] == []


def moments(world: World, begin: int) -> dict[tuple[str, str, Presence], int]:
    """When each record of a key came into each state."""
    return {(mark.key, mark.record, mark.presence): mark.at for mark in world.marks if mark.at >= begin}


def test_a_zsk_is_published_before_it_signs() -> None:
    world, begin, _ = planned(SPLIT, "zsk", algorithm=13)
    when = moments(world, begin)
    assert (
        when["zsk3", "dnskey", OMNIPRESENT]
        == when["zsk3", "zrrsig", RUMOURED]
        == when["zsk2", "zrrsig", UNRETENTIVE]
    )
    assert when["zsk2", "zrrsig", HIDDEN] == when["zsk2", "dnskey", UNRETENTIVE]
    assert not any(key == "ksk1" for key, _, _ in when)


def test_a_ksk_signs_before_the_ds_changes() -> None:
    world, begin, _ = planned(SPLIT, "ksk", algorithm=13)
    when = moments(world, begin)
    assert when["ksk3", "krrsig", RUMOURED] == when["ksk3", "dnskey", RUMOURED] == begin
    assert (
        when["ksk3", "dnskey", OMNIPRESENT] == when["ksk3", "ds", RUMOURED] == when["ksk1", "ds", UNRETENTIVE]
    )
    assert (
        when["ksk1", "ds", HIDDEN]
        == when["ksk1", "dnskey", UNRETENTIVE]
        == when["ksk1", "krrsig", UNRETENTIVE]
    )
    assert not any(key == "zsk2" for key, _, _ in when)


def test_an_algorithm_signs_before_its_keys_are_published_and_after_they_are_withdrawn() -> None:
    world, begin, _ = planned(SPLIT, "algorithm", algorithm=15)
    when = moments(world, begin)
    assert when["zsk4", "zrrsig", OMNIPRESENT] <= when["zsk4", "dnskey", RUMOURED]
    assert when["ksk3", "dnskey", RUMOURED] == when["zsk4", "dnskey", RUMOURED]
    assert when["ksk3", "dnskey", OMNIPRESENT] <= when["ksk3", "ds", RUMOURED]
    assert when["ksk1", "ds", HIDDEN] <= when["ksk1", "dnskey", UNRETENTIVE]
    assert when["ksk1", "dnskey", UNRETENTIVE] == when["zsk2", "dnskey", UNRETENTIVE]
    assert when["zsk2", "dnskey", HIDDEN] <= when["zsk2", "zrrsig", UNRETENTIVE]


def test_a_compromised_key_leaves_without_safety_margins() -> None:
    slow, begin, end = planned(CSK, "csk", algorithm=13)
    _, start, stop = planned(CSK, "csk", algorithm=13, emergency=True)
    assert (end - begin) - (stop - start) == 3 * HOUR, "publish, retire the DS, retire the key"
    assert slow.state.keys[0].gone


def test_policies_change_the_kind_of_keys(signed: Driver) -> None:
    signed.policy = SPLIT
    signed.settle()
    assert {key.role for key in signed.state.keys if not key.gone} == {Role.KSK, Role.ZSK}
    assert signed.state.key("k1").gone


def test_lifetimes_begin_roll_overs_in_time(signed: Driver) -> None:
    signed.policy = CSK._replace(ksk_lifetime=30 * DAY)
    active = signed.state.key("k1").active
    assert active is not None
    out = signed.step()
    lead = HOUR + CSK.zone_propagation_delay + CSK.publish_safety
    assert out.due == active + 30 * DAY - lead and not signed.state.key("k1").retired
    signed.step(out.due - signed.now)
    assert signed.state.key("k1").retired and signed.of("k2", "dnskey") is RUMOURED


def test_a_gone_key_is_purged(signed: Driver) -> None:
    signed.state = request(signed.state, Role.CSK)
    signed.settle()
    assert signed.state.key("k1").removed is not None
    assert signed.step(CSK.purge_keys).purge == () and [key.id for key in signed.state.keys] == ["k2"]


# What makes a roll-over wait.


def roll(driver: Driver) -> None:
    """Begin a roll-over, up to the change of the DS."""
    driver.state = request(driver.state, Role.CSK)
    driver.step()
    driver.step(3 * HOUR)
    driver.step(2 * DAY)
    assert (driver.of("k1", "ds"), driver.of("k2", "ds")) == (UNRETENTIVE, RUMOURED)
    assert driver.out.publication.cds == {"k2"}


def test_the_ds_must_be_at_all_servers_of_the_parent(signed: Driver) -> None:
    roll(signed)
    signed.at_parent("k2", servers=["a"])
    for _ in range(5):
        signed.step(10 * DAY)
        assert signed.of("k1", "dnskey") is OMNIPRESENT and signed.of("k2", "ds") is RUMOURED
    signed.at_parent("k2")
    signed.step()
    signed.step(DAY + HOUR + HOUR - 1)
    assert signed.of("k1", "ds") is UNRETENTIVE
    signed.step(1)
    assert (signed.of("k1", "ds"), signed.of("k2", "ds")) == (HIDDEN, OMNIPRESENT)
    assert signed.of("k1", "dnskey") is UNRETENTIVE


def test_a_silent_server_of_the_parent_stops_the_roll_over(signed: Driver) -> None:
    roll(signed)
    signed.at_parent("k2", servers=["a"])
    signed.ds["b"] = None
    for _ in range(5):
        signed.step(10 * DAY)
        assert signed.of("k1", "dnskey") is OMNIPRESENT and "parent-silent" in signed.slugs
    signed.at_parent("k2")
    signed.step()
    signed.ds["a"] = signed.ds["b"] = None
    signed.step(100 * DAY)
    assert signed.of("k1", "ds") is UNRETENTIVE, "at the end of the wait the parent has to confirm"
    assert [wait.why for wait in signed.out.waits if wait.record == "ds"] == [
        "until every server of the parent replies"
    ] * 2


def test_an_observation_of_long_ago_says_nothing(signed: Driver) -> None:
    roll(signed)
    facts = ZoneFacts(HOUR, HOUR, 300, signed.served)
    shown = frozenset([ds_of("example.", signed.state.key("k2").public)])
    old = Parent(signed.now, DAY, {"a": shown})
    out = step(signed.state, CSK, facts, old, signed.now + 2 * HOUR, 2 * HOUR)
    assert out.keys.key("k2").ds == Reach(RUMOURED) and "parent-unknown" in {one.slug for one in out.notices}


@pytest.mark.parametrize("jump", [400 * DAY, -400 * DAY, HOUR])
def test_a_clock_that_jumps_ends_no_wait(signed: Driver, jump: int) -> None:
    signed.state = request(signed.state, Role.CSK)
    signed.step()
    wait = HOUR + CSK.zone_propagation_delay + CSK.publish_safety
    signed.step(wait - 1, jump=jump)
    assert signed.of("k2", "dnskey") is RUMOURED and "clock" in signed.slugs
    signed.step(1)
    assert signed.of("k2", "dnskey") is OMNIPRESENT


def test_time_that_a_server_was_down_does_not_count(signed: Driver) -> None:
    signed.state = request(signed.state, Role.CSK)
    signed.step()
    signed.step(90 * DAY, elapsed=None)
    assert signed.of("k2", "dnskey") is RUMOURED


def test_nothing_more_is_ordered_before_the_zone_serves_it(signed: Driver) -> None:
    signed.follows = False
    signed.state = request(signed.state, Role.CSK)
    signed.step()
    for _ in range(5):
        signed.step(10 * DAY)
    assert signed.of("k2", "dnskey") is RUMOURED and signed.state.key("k2").dnskey.since is None
    assert [wait.why for wait in signed.out.waits] == ["until the served zone has it"] * 2


def test_a_restored_zone_is_published_again(signed: Driver) -> None:
    roll(signed)
    signed.at_parent("k2")
    signed.settle()
    assert signed.state.key("k1").gone
    signed.follows = False
    signed.served = Publication(*[frozenset(["k1"])] * 4)
    signed.step()
    assert "served-differs" in signed.slugs
    assert (signed.of("k2", "dnskey"), signed.of("k1", "dnskey")) == (RUMOURED, UNRETENTIVE)
    assert signed.out.publication.dnskeys == {"k2"}


def test_a_lowered_ttl_still_counts_for_its_time() -> None:
    held = Held().seen(DAY, 0, 300).seen(60, 1000, 300)
    assert held.most == DAY
    assert held.seen(60, 1000 + DAY + 299, 300).most == DAY
    assert held.seen(60, 1000 + DAY + 300, 300).most == 60
    assert held.seen(2 * DAY, 2000, 300).most == 2 * DAY


def test_a_ds_that_the_parent_may_still_publish_keeps_its_key(signed: Driver) -> None:
    roll(signed)
    signed.state = request(signed.state, Role.CSK, compromised=True)
    for _ in range(6):
        signed.step(5 * DAY)
    assert signed.of("k2", "ds") is UNRETENTIVE and signed.of("k2", "dnskey") is OMNIPRESENT
    late = signed.state
    signed.at_parent("k2")
    signed.step()
    assert signed.of("k2", "dnskey") is OMNIPRESENT
    signed.at_parent("k3")
    signed.settle()
    assert signed.state.key("k2").gone and signed.of("k3", "ds") is OMNIPRESENT
    signed.state = parent_ignored(late, "k2")
    signed.at_parent("k1")
    signed.step()
    signed.step(3 * DAY)
    assert signed.of("k2", "ds") is HIDDEN, "the operator knows better"


def test_a_zone_becomes_unsigned_only_when_the_parent_has_no_ds_at_all(signed: Driver) -> None:
    signed.policy = INSECURE
    signed.step()
    assert signed.out.publication.delete and signed.out.publication.dnskeys == {"k1"}
    stranger = ds_of("example.", made(99))
    facts = ZoneFacts(HOUR, HOUR, 300, signed.out.publication)
    state = signed.state
    for day in range(1, 30):
        now = signed.now + day * DAY
        state = step(state, INSECURE, facts, Parent(now, DAY, {"a": frozenset([stranger])}), now, DAY).keys
    assert state.key("k1").ds.presence is HIDDEN and state.key("k1").dnskey.presence is OMNIPRESENT
    signed.settle()
    assert signed.state.key("k1").gone and signed.out.publication == Publication()


def test_only_a_parent_without_any_ds_has_followed_the_wish_for_none(signed: Driver) -> None:
    """One server has followed, another one may still publish the DS that was asked for before."""
    roll(signed)
    signed.policy = INSECURE
    signed.step()
    signed.state = adopt(signed.state, "k0", Role.CSK, made(90), NOW, signs=False)
    signed.at_parent(servers=["a"])
    for _ in range(5):
        signed.step(5 * DAY)
        assert signed.of("k2", "ds") is UNRETENTIVE and signed.of("k2", "dnskey") is OMNIPRESENT
    signed.at_parent("k2", servers=["b"])
    signed.step()
    assert signed.of("k2", "dnskey") is OMNIPRESENT
    signed.settle()
    assert all(key.gone for key in signed.state.keys)


def test_a_zone_is_signed_although_the_parent_has_a_ds_too_early() -> None:
    driver = Driver(CSK)
    driver.step()
    driver.at_parent("k1")
    driver.served = None
    driver.state = ZoneKeys("example.")
    driver.state = with_key(driver.state, Wanted(Role.CSK, 13, 2048, None), "k1", made(1), NOW)
    driver.step()
    assert "ds-early" in driver.slugs and driver.out.publication.zone_signers == {"k1"}


def test_the_operator_of_a_parent_without_cds_learns_what_to_do(signed: Driver) -> None:
    roll(signed)
    said = {notice.slug: notice.text for notice in signed.out.notices}
    assert said["ds-wanted"].endswith(f"of k2: {ds_of('example.', signed.state.key('k2').public)}")
    assert said["ds-unwanted"] == "the parent is to remove the DS of k1"
    signed.at_parent("k2")
    signed.step()
    assert not {"ds-wanted", "ds-unwanted"} & signed.slugs


def test_a_ds_that_vanishes_is_reported(signed: Driver) -> None:
    signed.at_parent("k1", servers=["a"])
    signed.ds["b"] = frozenset()
    signed.step()
    assert "ds-missing" in signed.slugs and signed.of("k1", "ds") is RUMOURED


def test_a_second_roll_over_waits_for_the_first(signed: Driver) -> None:
    roll(signed)
    signed.state = request(signed.state, Role.CSK)
    signed.step(HOUR)
    assert "postponed" in signed.slugs and len(signed.state.keys) == 2
    signed.settle()
    assert signed.state.key("k3").ds.presence is OMNIPRESENT and signed.state.key("k2").gone


# Other keys.


def test_adopted_keys_are_relied_on_after_the_usual_waits() -> None:
    driver = Driver(CSK)
    driver.state = adopt(driver.state, "k1", Role.CSK, made(1), NOW - DAY, signs=True)
    driver.state = adopt(driver.state, "k9", Role.CSK, made(9), NOW, signs=False)
    driver.made = 9
    driver.served = Publication(frozenset(["k1", "k9"]), frozenset(["k1"]), frozenset(["k1"]))
    driver.at_parent("k1")
    driver.step()
    assert driver.of("k1", "dnskey") is RUMOURED and driver.out.publication.zone_signers == {"k1"}
    driver.settle()
    assert driver.of("k1", "ds") is OMNIPRESENT or driver.state.key("k1").gone


def test_keys_of_another_signer_are_published_before_it_serves(signed: Driver) -> None:
    signed.state = with_foreign(signed.state, "other", Role.ZSK, made(50, Role.ZSK), NOW)
    signed.step()
    assert signed.out.publication.dnskeys == {"k1", "other"} and signed.out.publication.zone_signers == {"k1"}
    assert signed.of("other", "zrrsig") is HIDDEN
    signed.step(3 * HOUR)
    assert signed.of("other", "zrrsig") is OMNIPRESENT and "foreign-ready" in signed.slugs
    signed.state = without_foreign(signed.state, "other")
    signed.step()
    assert signed.of("other", "dnskey") is OMNIPRESENT, "caches still have its signatures"
    signed.settle()
    assert signed.state.key("other").gone
    with pytest.raises(ValueError, match="same algorithms"):
        with_foreign(signed.state, "x", Role.ZSK, made(51, Role.ZSK, 8), NOW)


def test_key_tags_are_unique_and_keys_few(signed: Driver) -> None:
    with pytest.raises(ValueError, match="tag"):
        with_key(signed.state, Wanted(Role.CSK, 13, 2048, None), "other", made(1), NOW)
    state = signed.state
    for number in range(2, MOST_KEYS + 1):
        state = with_foreign(state, f"f{number}", Role.ZSK, made(number, Role.ZSK), NOW)
        state = state.replace(state.key(f"f{number}")._replace(dnskey=Reach(OMNIPRESENT)))
    with pytest.raises(ValueError, match="16 keys"):
        with_foreign(state, "one more", Role.ZSK, made(99, Role.ZSK), NOW)


def test_names_of_signals() -> None:
    assert (
        signal_name("example.co.uk.", "ns1.example.net.") == "_dsboot.example.co.uk._signal.ns1.example.net."
    )


# Random plans.


def test_random_plans_are_never_bogus() -> None:
    finished = 0
    for seed in range(PLANS):
        world, _, bogus = random_plan(seed, days=100)
        assert bogus is None, f"seed {seed}: {bogus}\n" + "\n".join(f"{e.at} {e.text}" for e in world.events)
        finished += world.finished
    print(f"seeds 0 to {PLANS - 1}: {finished} keys were replaced")
    assert finished >= 3 * PLANS, "roll-overs come to an end, too"


def test_plans_that_were_bogus_once() -> None:
    """Plan 120: one server of the parent had followed the wish for no DS, and another one was to publish an older DS."""
    assert random_plan(120)[2] is None


@pytest.mark.parametrize("record", ["dnskey", "zrrsig", "ds"])
def test_the_check_finds_waits_that_are_too_short(monkeypatch: pytest.MonkeyPatch, record: str) -> None:
    whole = rollover.wait_of

    def half(state: ZoneKeys, policy: Policy, key: RolloverKey, of: str) -> int:
        wait = whole(state, policy, key, of)
        return wait // 2 if of == record else wait

    monkeypatch.setattr(rollover, "wait_of", half)
    assert any(random_plan(seed, days=40)[2] for seed in range(12))


def test_the_check_finds_a_wrong_order(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rollover, "safe", lambda *_, **__: True)
    assert any(random_plan(seed, days=40)[2] for seed in range(6))


def test_a_late_server_of_the_zone_is_found() -> None:
    """The propagation delay of the policy is a promise: a zone that breaks it can be bogus, and the check says so."""

    class Late(Delays):
        turn = 0

        def publication(self, most: int) -> int:
            if most != CSK.zone_propagation_delay:
                return 0
            self.turn += 1
            return 20 * DAY * (self.turn % 2)

    world = World(CSK, Late(), servers=2)
    world.run(world.now + 100 * DAY)
    world.state = zone_keys.request(world.state, Role.CSK)
    world.run(world.now + 100 * DAY)
    assert any(world.check(at) for at in instants(world, simulate.BEGIN, world.now))

"""Trust anchors that follow their zone: the tables of RFC 5011, the roll of the root's keys, and the file."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest

from namewise.compile.roots import ROOT_ANCHORS
from namewise.control.trust import signal_name
from namewise.dnssec import anchors, negative
from namewise.dnssec.anchors import (
    DAY,
    HOLD_DOWN_S,
    HOUR,
    FileError,
    Key,
    Observation,
    Seen,
    State,
    TrustPoint,
    configured,
    failed,
    from_text,
    observe,
    resumed,
    to_text,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

# The keys of the public root, as IANA publishes them. Only their digests and tags matter here: nobody can sign with them.
KSK_2017 = Key.parse(
    "257 3 8 AwEAAaz/tAm8yTn4Mfeh5eyI96WSVexTBAvkMgJzkKTOiW1vkIbzxeF3+/4RgWOq7HrxRixHlFlExOLAJr5emLvN7SWXgnLh4+B5xQlNVz8Og8kv"
    "ArMtNROxVQuCaSnIDdD5LKyWbRd2n9WGe2R8PzgCmr3EgVLrjyBxWezF0jLHwVN8efS3rCj/EWgvIWgb9tarpVUDK/b58Da+sqqls3eNbuv7pr+eoZG+SrDK"
    "6nWeL3c6H5Apxz7LjVc1uTIdsIXxuOLYA4/ilBmSVIzuDWfdRUfhHdY6+cn8HFRm+2hM8AnXGXws9555KrUB5qihylGa8subX2Nn6UwNR1AkUTV74bU="
)
KSK_2024 = Key.parse(
    "257 3 8 AwEAAa96jeuknZlaeSrvyAJj6ZHv28hhOKkx3rLGXVaC6rXTsDc449/cidltpkyGwCJNnOAlFNKF2jBosZBU5eeHspaQWOmOElZsjICMQMC3aeHb"
    "GiShvZsx4wMYSjH8e7Vrhbu6irwCzVBApESjbUdpWWmEnhathWu1jo+siFUiRAAxm9qyJNg/wOZqqzL/dL/q8PkcRU5oUKEpUge71M3ej2/7CPqpdVwuMoTv"
    "oB+ZOT4YeGyxMvHmbrxlFzGOHOijtzN+u1TQNatX2XBuzZNQ1K+s2CXkPIZo7s6JgZyvaBevYtxPvYLw4z9mR7K2vaF18UYH9Z9GNUUeayffKC73PYc="
)
OLD, NEW, OTHER = (Key(257, 3, 13, bytes([number]) * 64) for number in (1, 2, 3))
ZSK = Key(256, 3, 13, bytes([9]) * 64)
BEGIN = 1_800_000_000


def point(*keys: Key) -> TrustPoint:
    """A trust point with *keys* as anchors."""
    return configured([f". IN DNSKEY {key}" for key in keys])[0]


def seen(
    signing: Sequence[Key],
    others: Sequence[Key] = (),
    revoked: Sequence[Key] = (),
    now: int = BEGIN,
    ttl: int = 2 * DAY,
) -> Observation:
    """An RRset of *signing* keys, *others* that do not sign, and *revoked* ones that sign."""
    found = [Seen(key, False, True) for key in signing] + [Seen(key, False, False) for key in others]
    return Observation((*found, *(Seen(key, True, True) for key in revoked)), ttl, now + 14 * DAY)


def step(at: TrustPoint, observation: Observation, now: int) -> TrustPoint:
    """The trust point after an observation that counts."""
    outcome = observe(at, observation, now)
    assert outcome is not None
    return outcome[0]


def states(at: TrustPoint) -> dict[int, State]:
    return {one.key.tag: one.state for one in at.keys}


def trusted(at: TrustPoint) -> set[int]:
    """The tags of the keys and digests that validation begins with."""
    return {
        int(record.split()[3]) if " DS " in record else Key.parse(record.split(None, 3)[3]).tag
        for record in at.anchors
    }


def test_the_keys_of_the_root_are_those_that_the_built_in_digests_name() -> None:
    assert (KSK_2017.tag, KSK_2024.tag, KSK_2017.revoked_tag) == (20326, 38696, 20454)
    (root,) = configured(ROOT_ANCHORS)
    for ds, key in zip(root.configured, (KSK_2017, KSK_2024), strict=True):
        assert ds.names(b"\0", key) and not ds.names(b"\1a\0", key)


def test_a_new_key_is_trusted_after_the_hold_down_time() -> None:
    at = step(point(OLD), seen([OLD], [NEW]), BEGIN)
    assert states(at) == {OLD.tag: State.VALID, NEW.tag: State.ADD_PEND} and trusted(at) == {OLD.tag}
    almost = BEGIN + HOLD_DOWN_S - 1
    at = step(at, seen([OLD], [NEW], now=almost), almost)
    assert states(at)[NEW.tag] is State.ADD_PEND
    at = step(at, seen([OLD], [NEW], now=almost + 1), almost + 1)
    assert trusted(at) == {OLD.tag, NEW.tag}


def test_the_hold_down_time_is_at_least_the_ttl() -> None:
    at = step(point(OLD), seen([OLD], [NEW], ttl=40 * DAY), BEGIN)
    assert next(one.until for one in at.keys if one.key == NEW) == BEGIN + 40 * DAY


def test_a_new_key_that_vanishes_begins_anew() -> None:
    at = step(point(OLD), seen([OLD], [NEW]), BEGIN)
    at = step(at, seen([OLD], now=BEGIN + DAY), BEGIN + DAY)
    assert states(at) == {OLD.tag: State.VALID}
    late = BEGIN + HOLD_DOWN_S + DAY
    at = step(at, seen([OLD], [NEW], now=late), late)
    assert states(at)[NEW.tag] is State.ADD_PEND


def test_only_entry_keys_of_the_zone_become_anchors() -> None:
    at = step(point(OLD), seen([OLD], [ZSK, Key(1, 3, 13, b"x"), Key(257, 2, 13, b"x")]), BEGIN)
    assert states(at) == {OLD.tag: State.VALID}


def test_a_key_that_is_missing_stays_trusted_and_comes_back() -> None:
    at = step(point(OLD, NEW), seen([OLD]), BEGIN)
    assert states(at)[NEW.tag] is State.MISSING and NEW.tag in trusted(at)
    at = step(at, seen([NEW]), BEGIN + DAY)
    assert states(at) == {OLD.tag: State.MISSING, NEW.tag: State.VALID}


def test_a_revoked_key_is_trusted_no_more_and_never_again() -> None:
    at = step(point(OLD, NEW), seen([NEW], revoked=[OLD]), BEGIN)
    assert states(at)[OLD.tag] is State.REVOKED and trusted(at) == {NEW.tag}
    later = BEGIN + HOLD_DOWN_S
    at = step(at, seen([NEW], now=later), later)
    assert states(at)[OLD.tag] is State.REMOVED
    at = step(at, seen([NEW, OLD], now=later + DAY), later + DAY)
    assert states(at)[OLD.tag] is State.REMOVED and observe(at, seen([OLD]), later + DAY) is None


def test_a_missing_key_can_be_revoked() -> None:
    at = step(point(OLD, NEW), seen([NEW]), BEGIN)
    at = step(at, seen([NEW], revoked=[OLD]), BEGIN + DAY)
    assert states(at)[OLD.tag] is State.REVOKED


def test_a_revocation_counts_only_if_the_key_itself_signs() -> None:
    observation = Observation((Seen(NEW, False, True), Seen(OLD, True, False)), DAY, BEGIN + 14 * DAY)
    at = step(point(OLD, NEW), observation, BEGIN)
    assert states(at)[OLD.tag] is State.MISSING and OLD.tag in trusted(at)


def test_a_revocation_counts_although_nobody_else_signs_and_nothing_else_is_believed() -> None:
    at = step(point(OLD, NEW), seen([], [OTHER], revoked=[OLD]), BEGIN)
    assert states(at) == {OLD.tag: State.REVOKED, NEW.tag: State.VALID}
    assert at.due == BEGIN + HOUR


def test_without_any_anchor_left_the_trust_point_is_deleted() -> None:
    at = step(point(OLD), seen([], revoked=[OLD]), BEGIN)
    assert at.anchors == () and at.deleted
    assert not point(OLD).deleted and not TrustPoint("a.").deleted


def test_a_pending_key_that_is_revoked_is_forgotten() -> None:
    at = step(point(OLD), seen([OLD], [NEW]), BEGIN)
    assert states(step(at, seen([OLD], revoked=[NEW]), BEGIN + DAY)) == {OLD.tag: State.VALID}


def test_what_no_trusted_key_signs_changes_nothing() -> None:
    assert observe(point(OLD), seen([NEW], [OLD]), BEGIN) is None
    pending = step(point(OLD), seen([OLD], [NEW]), BEGIN)
    assert observe(pending, seen([NEW], [OLD]), BEGIN + DAY) is None


def test_a_stolen_key_cannot_announce_keys_without_end() -> None:
    many = [Key(257, 3, 13, number.to_bytes(64, "big")) for number in range(100)]
    assert len(step(point(OLD), seen([OLD], many), BEGIN).keys) == anchors.MOST_KEYS


@pytest.mark.parametrize(
    ("ttl", "life", "query", "retry"),
    [
        (2 * DAY, 14 * DAY, DAY, 2 * DAY // 10),
        (60 * DAY, 90 * DAY, 15 * DAY, DAY),
        (60 * DAY, 4 * DAY, 2 * DAY, 4 * DAY // 10),
        (60, 14 * DAY, HOUR, HOUR),
    ],
)
def test_queries_follow_the_intervals_of_section_2_3(ttl: int, life: int, query: int, retry: int) -> None:
    observation = Observation((Seen(OLD, False, True),), ttl, BEGIN + life)
    at = step(point(OLD), observation, BEGIN)
    assert (at.due - BEGIN, at.retry_s) == (query, retry)
    assert failed(at, at.due).due == at.due + retry


def test_a_key_about_to_be_trusted_is_looked_at_in_time() -> None:
    at = step(point(OLD), seen([OLD], [NEW], ttl=60 * DAY), BEGIN)
    near = BEGIN + 60 * DAY - 2 * HOUR
    at = step(at, seen([OLD], [NEW], now=near, ttl=60 * DAY), near)
    assert at.due == near + 2 * HOUR


ROOT_ROLL = {
    "2026-09, before": ([KSK_2017], [KSK_2024], []),
    "2026-11, rolled": ([KSK_2024], [KSK_2017], []),
    "2027-01, revoked": ([KSK_2024], [], [KSK_2017]),
    "2027-06, gone": ([KSK_2024], [], []),
}


@pytest.mark.parametrize("when", ROOT_ROLL)
def test_a_cold_start_at_each_time_of_the_root_roll_trusts_the_key_that_signs(when: str) -> None:
    signing, others, revoked = ROOT_ROLL[when]
    at = step(configured(ROOT_ANCHORS)[0], seen(signing, others, revoked), BEGIN)
    assert signing[0].tag in trusted(at)
    if revoked:
        assert trusted(at) == {38696} and states(at)[20326] is State.REVOKED and at.configured == ()
    else:
        # The key of 2017 is not seen any more at the end; its digest does no harm, and its revocation was missed.
        assert trusted(at) == {20326, 38696}


def test_a_server_that_runs_through_the_root_roll_ends_with_the_new_key() -> None:
    at, now = configured(ROOT_ANCHORS)[0], BEGIN
    for signing, others, revoked in ROOT_ROLL.values():
        for _ in range(90):
            at = step(at, seen(signing, others, revoked, now=now), now)
            assert signing[0].tag in trusted(at)
            now = at.due
    assert states(at) == {20326: State.REMOVED, 38696: State.VALID} and trusted(at) == {38696}


def test_a_server_that_only_knows_the_old_key_learns_the_new_one() -> None:
    at, now = configured(ROOT_ANCHORS[:1])[0], BEGIN
    assert trusted(at) == {20326}
    while now < BEGIN + 31 * DAY:
        at = step(at, seen([KSK_2017], [KSK_2024], now=now), now)
        now = at.due
    assert trusted(step(at, seen([KSK_2024], [], [KSK_2017], now=now), now)) == {38696}


def test_the_file_holds_everything() -> None:
    at = step(configured(ROOT_ANCHORS)[0], seen([KSK_2017], [NEW]), BEGIN)
    others = step(point(OLD, NEW), seen([NEW], revoked=[OLD]), BEGIN)._replace(zone="example.")
    assert from_text(to_text([at, others])) == [at, others]
    assert from_text(to_text([])) == []


@pytest.mark.parametrize(
    ("line", "text", "message"),
    [
        (1, "", "expected `; namewise trust anchors, version 1`"),
        (1, "; namewise trust anchors, version 2\n", "version 1"),
        (3, "zone . checked 0 due 0 retry 3600\nkey Valid since 1 until 0 257 3 8 !!", "base64"),
        (3, "zone . checked 0 due 0 retry 3600\nkey Good since 1 until 0 257 3 8 AwEA", "Good"),
        (3, "zone . checked 0 due 0 retry 3600\nds 20326 8 2 XYZ", "hexadecimal"),
        (2, "ds 20326 8 2 AB", "below it"),
        (2, "zone . checked x due 0 retry 3600", "invalid literal"),
    ],
)
def test_a_broken_file_is_reported_with_its_line(line: int, text: str, message: str) -> None:
    whole = text if line == 1 else f"; {anchors.HEAD}\n{text}"
    with pytest.raises(FileError, match=re.escape(message)) as caught:
        from_text(whole)
    assert caught.value.line == line


def test_what_was_saved_continues_and_new_configured_anchors_count() -> None:
    (root,) = configured(ROOT_ANCHORS)
    saved = step(root, seen([KSK_2024], revoked=[KSK_2017]), BEGIN)
    assert resumed(root, saved) == saved and resumed(root, None) == root
    # The release that was started before knew only the old key.
    (old,) = configured(ROOT_ANCHORS[:1])
    known = step(old, seen([KSK_2017]), BEGIN)
    assert trusted(resumed(root, known)) == {20326, 38696}


def test_the_root_is_told_which_keys_are_trusted() -> None:
    (root,) = configured(ROOT_ANCHORS)
    assert signal_name(root) == "_ta-4f66-9728."
    at = step(root, seen([KSK_2024], revoked=[KSK_2017]), BEGIN)
    assert signal_name(at) == "_ta-9728." and signal_name(TrustPoint(".")) is None


def test_negative_anchors_end_and_survive_a_restart() -> None:
    one = negative.new("example.com.", 7200, BEGIN)
    text = negative.to_text([one])
    assert negative.from_text(text, BEGIN + 100) == [one._replace(probe=BEGIN + 100 + negative.PROBE_S)]
    assert negative.from_text(text, BEGIN + 7200) == []
    # A file from a wrong clock.
    (found,) = negative.from_text(text, BEGIN - 365 * DAY)
    assert found.until == BEGIN - 365 * DAY + negative.MOST_LIFETIME_S
    with pytest.raises(FileError, match="line 2"):
        negative.from_text(f"; {negative.HEAD}\nexample.com. 7\n", BEGIN)

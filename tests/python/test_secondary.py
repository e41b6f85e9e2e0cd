"""When a secondary zone is checked and when it expires, on a virtual clock; and the agenda of many."""

from __future__ import annotations

import itertools

from namewise.engine import Zone
from namewise.zones.agenda import Agenda
from namewise.zones.secondary import Pace, Secondary, Times, begin, lapsed, times

PACE = Pace()
HOUR, DAY = 3600.0, 86_400.0
TIMES = Times(2 * HOUR, 600.0, 7 * DAY)


def zone(serial: int = 5, soa: str = "7200 600 604800") -> Zone:
    return Zone.from_text("e.", f"@ 60 SOA ns h {serial} {soa} 60\n@ 60 NS ns\nns 60 A 192.0.2.1\n")


def confirmed(state: Secondary, now: float, serial: int = 5, chance: float = 0.0, **how: float) -> Secondary:
    return state.begun(now).succeeded(now, chance, PACE, serial=serial, times=TIMES, source=0, **how)  # type: ignore[arg-type]


def new(primaries: int = 1, now: float = 0.0) -> Secondary:
    return begin(primaries, now, 0.0, PACE, None, None)


def test_a_zone_follows_the_times_of_its_soa() -> None:
    state = confirmed(new(), 100.0)
    assert (state.due, state.expires, state.confirmed) == (100.0 + 2 * HOUR, 100.0 + 7 * DAY, 100.0)
    failed = state.begun(state.due).failed(state.due, 0.0, PACE)
    assert failed.due == state.due + 600.0 and failed.expires == state.expires
    assert confirmed(failed, failed.due).failures == 0
    assert confirmed(new(), 100.0, chance=1.0).due == 100.0 + 0.9 * 2 * HOUR


def test_a_zone_without_data_is_asked_for_less_and_less_often() -> None:
    state, waits, now = new(), [], 0.0
    for _ in range(9):
        state = state.begun(now).failed(now, 0.0, PACE)
        waits.append(state.due - now)
        now = state.due
    assert waits == [10, 20, 40, 80, 160, 320, 600, 600, 600]


def test_times_of_the_soa_are_kept_within_bounds() -> None:
    assert times(zone(soa="7200 600 604800"), PACE) == TIMES
    assert times(zone(soa="0 0 0"), PACE) == Times(60.0, 60.0, HOUR)
    assert times(zone(soa="4000000000 4000000000 4000000000"), PACE) == Times(DAY, DAY, 120 * DAY)


def test_primaries_are_asked_in_order_and_first_the_one_that_notified() -> None:
    state = confirmed(new(3), 0.0)
    assert state.order == (0, 1, 2)
    notified = state.notified(100.0, PACE, 2, 6)
    assert notified.order == (2, 0, 1) and notified.due == 100.0
    assert confirmed(notified, 100.0, 6).order == (0, 1, 2)
    failed = notified.begun(100.0).asked(2, 101.0, None, "refused").failed(101.0, 0.0, PACE)
    assert failed.contacts[2].error == "refused" and failed.contacts[0].when is None


def test_a_notify_of_a_version_that_is_not_newer_changes_nothing() -> None:
    state = confirmed(new(), 0.0)
    assert state.notified(100.0, PACE, 0, 5) is state
    assert state.notified(100.0, PACE, 0, 4) is state
    assert state.notified(100.0, PACE, 0, None).due == 100.0


def test_a_storm_of_notify_leads_to_one_check_in_an_interval() -> None:
    state, now = confirmed(new(), 0.0), 0.0
    checks: list[float] = []
    while now < 60.0:
        now += 0.25
        state = state.notified(now, PACE, 0, None)
        if state.checking and now >= (state.started or 0) + 1.0:
            state = state.succeeded(now, 0.0, PACE, serial=5, times=TIMES, source=0)
        elif not state.checking and state.due <= now:
            checks.append(now)
            state = state.begun(now)
    assert all(later - earlier >= PACE.interval_s for earlier, later in itertools.pairwise(checks))
    assert len(checks) == 12


def test_a_notify_that_comes_while_checking_is_not_lost() -> None:
    state = confirmed(new(), 0.0).begun(100.0).notified(101.0, PACE, 0, 7)
    assert state.checking and state.again
    done = state.succeeded(102.0, 0.0, PACE, serial=6, times=TIMES, source=0)
    assert done.due == 105.0 and not done.again
    assert state.failed(102.0, 0.0, PACE).due == 105.0


def test_a_zone_expires_after_an_alert() -> None:
    state = confirmed(new(), 0.0)
    assert state.next_moment == 0.8 * (7 * DAY)
    state = state._replace(alerted=True)
    assert state.next_moment == 7 * DAY
    assert not state.has_expired(7 * DAY - 1) and state.has_expired(7 * DAY)
    gone = state.expired()
    assert gone.serial is None and gone.next_moment is None and not gone.has_expired(9 * DAY)
    assert gone.failed(8 * DAY, 0.0, PACE).due == 8 * DAY + gone.times.retry_s if gone.times else False


def test_the_expire_option_shortens_a_life_and_never_prolongs_it() -> None:
    state = confirmed(new(), 0.0, expire_s=3 * DAY)
    assert state.expires == 3 * DAY
    # Another server has it for a shorter time: what the first one said holds (RFC 7314 §4).
    assert confirmed(state, 10.0, expire_s=DAY).expires == 3 * DAY
    assert confirmed(state, 10.0, 6, expire_s=DAY).expires == 10.0 + DAY
    assert confirmed(state, 10.0, expire_s=90 * DAY).expires == 10.0 + 7 * DAY


def test_a_zone_is_due_after_a_restart_as_it_would_have_been() -> None:
    note = confirmed(new(), 1000.0).note()
    state = begin(1, 2000.0, 0.0, PACE, zone(), note)
    assert (state.serial, state.due, state.expires) == (5, 1000.0 + 2 * HOUR, 1000.0 + 7 * DAY)
    late = begin(1, 1000.0 + DAY, 0.0, PACE, zone(), note)
    assert late.due == 1000.0 + DAY
    assert begin(1, 2000.0, 0.0, PACE, zone(), None).due == 2000.0
    # The clock was set back.
    back = begin(1, 500.0, 0.0, PACE, zone(), note)
    assert back.confirmed == 500.0 and back.expires == 500.0 + 7 * DAY
    assert lapsed(note, 1000.0 + 7 * DAY) and not lapsed(note, 999.0 + 7 * DAY) and not lapsed(None, 0.0)


def test_a_thousand_zones_that_are_due_together_are_paced() -> None:
    agenda = Agenda(places=10, per_server=10, rate=20)
    for number in range(1000):
        agenda.plan(f"z{number}.", "primary", 100.0)
    now = 100.0
    begun: list[tuple[float, str]] = []
    ends: dict[str, float] = {}
    while len(begun) < 1000:
        for name in [name for name, end in ends.items() if end <= now]:
            agenda.done(name)
            del ends[name]
        for name in agenda.take(now):
            begun.append((now, name))
            ends[name] = now + 0.25
        assert len(ends) <= 10
        wait = agenda.wait(now)
        now = min([now + (1.0 if wait is None else wait), *ends.values()])
    assert len({name for _, name in begun}) == 1000
    for at, (start, _) in enumerate(begun):
        assert sum(start <= other < start + 1.0 for other, _ in begun[at:]) <= 21
    assert 45 < begun[-1][0] - 100.0 < 51


def test_a_primary_that_does_not_answer_leaves_places_for_others() -> None:
    agenda = Agenda(places=10, per_server=4, rate=1000)
    for number in range(100):
        agenda.plan(f"dead{number}.", "dead", 0.0)
    for number in range(100):
        agenda.plan(f"live{number}.", "live", 0.0)
    now, live = 0.0, 0
    while live < 100:
        for name in agenda.take(now):
            if name.startswith("live"):
                agenda.done(name)
                live += 1
        now += 0.01
    assert sum(server == "dead" for server in agenda.running.values()) == 4


def test_work_is_planned_anew_and_forgotten() -> None:
    agenda = Agenda(2, 2, 1000)
    agenda.plan("a.", "p", 10.0)
    agenda.plan("b.", "p", 10.0)
    agenda.plan("a.", "p", 5.0)
    assert agenda.wait(0.0) == 5.0 and agenda.take(5.0) == ["a."]
    agenda.drop("b.")
    assert agenda.take(20.0) == [] and agenda.running == {"a.": "p"}
    agenda.plan("a.", "p", 20.0)
    assert agenda.take(21.0) == []
    agenda.done("a.")
    assert agenda.take(23.0) == ["a."]

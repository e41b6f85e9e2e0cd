"""A secondary zone: when it is compared with its primaries, and when it expires (RFC 1034 §4.3.5, RFC 1035 §3.3.13, RFC 1996).

```text
            begin              succeeded: due after REFRESH, expires after EXPIRE
   idle ───────────▶ checking ─────────────────────────────────────────────────▶ idle
    ▲  NOTIFY: due at once      failed on every primary: due after RETRY
    │  (at most once in `Pace.interval_s`; one that comes while checking: due again afterwards)
    └─ expires: SERVFAIL until a primary has the zone again; before that, at four fifths of EXPIRE, an alert
```

The states decide and do nothing: times are seconds since 1970, *chance* is a random number from 0 to 1 that spreads the checks of
zones that were loaded together. A state never changes: each transition returns a new one.

RFCs: 1034 §4.3.5, 1996 §3, 1982, 7314 (EXPIRE).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from namewise.zones.serial import is_newer

if TYPE_CHECKING:
    from collections.abc import Mapping

    from namewise.engine import Zone

NOTE = "secondary"
"""The key of `Secondary.note` in the state database."""
ALERT_AT = 0.8
"""The part of EXPIRE without a confirmation after which the operator hears of it."""
SPREAD = 0.1
"""The part of an interval by which chance shortens it."""
FIRST_RETRY_S = 10.0
"""Seconds to the second attempt for a zone that never had data; each further wait is twice as long, up to `MOST_RETRY_S`."""
MOST_RETRY_S = 600.0


class Pace(NamedTuple):
    """Bounds of what the SOA of a primary, or a NOTIFY, can make this server do."""

    refresh_least_s: float = 60.0
    """Stops a primary that asks to be asked all the time; of RETRY too."""
    refresh_most_s: float = 86_400.0
    """Stops a mistake in the SOA from making a zone old for ever."""
    expire_least_s: float = 3_600.0
    """Stops a mistake in the SOA from taking a zone out of service between two checks."""
    expire_most_s: float = 10_368_000.0
    interval_s: float = 5.0
    """At most one check in this time, however many NOTIFY messages come (a storm of forged ones, a primary that changes all the time)."""


class Times(NamedTuple):
    """What the SOA of a zone says, in seconds."""

    refresh_s: float
    retry_s: float
    expire_s: float


def times(zone: Zone, pace: Pace) -> Times:
    """Return the times of *zone* within the bounds of *pace*."""
    soa = zone.rrset(zone.name, "SOA")
    assert soa is not None, "every zone has one"
    refresh, retry, expire = (float(word) for word in str(next(iter(soa))).split()[3:6])
    refresh = min(max(refresh, pace.refresh_least_s), pace.refresh_most_s)
    retry = min(max(retry, pace.refresh_least_s), refresh)
    return Times(refresh, retry, min(max(expire, pace.expire_least_s), pace.expire_most_s))


class Contact(NamedTuple):
    """What is known of one primary."""

    when: float | None = None
    """When it was asked last."""
    serial: int | None = None
    """What it had then; None: it did not say."""
    error: str = ""
    """Why the zone was not confirmed or transferred then; empty if it was."""


class Secondary(NamedTuple):
    """One zone. `contacts` has an entry for each primary, in the order of the configuration."""

    contacts: tuple[Contact, ...]
    due: float
    """When the primaries are to be asked next."""
    serial: int | None = None
    """Of the version at hand; None: there is none."""
    times: Times | None = None
    """Of the last version; None: there was none since the start."""
    confirmed: float | None = None
    """When a primary last had this version, or gave it."""
    expires: float | None = None
    source: int | None = None
    """The primary that confirmed it."""
    started: float | None = None
    """When the last check began."""
    checking: bool = False
    again: bool = False
    """Whether a NOTIFY came while checking."""
    first: int | None = None
    """The primary to ask first: one that sent a NOTIFY."""
    failures: int = 0
    """Checks that failed since the last that did not."""
    alerted: bool = False
    whole: bool = False
    """Whether the whole zone is wanted, whatever its serial."""

    @property
    def order(self) -> tuple[int, ...]:
        """The primaries in the order in which they are asked."""
        rest = range(len(self.contacts))
        return (
            tuple(rest) if self.first is None else (self.first, *(one for one in rest if one != self.first))
        )

    def with_primaries(self, count: int, now: float) -> Secondary:
        """Return the state after other primaries were configured, which are asked at once."""
        return self._replace(
            contacts=(Contact(),) * count, first=None, source=None, due=now if not self.checking else self.due
        )

    def begun(self, now: float) -> Secondary:
        """Return the state when a check begins."""
        return self._replace(checking=True, again=False, started=now)

    def asked(self, primary: int, now: float, serial: int | None, error: str = "") -> Secondary:
        """Return the state after one primary was asked."""
        contacts = list(self.contacts)
        contacts[primary] = Contact(now, serial, error)
        return self._replace(contacts=tuple(contacts))

    def succeeded(
        self,
        now: float,
        chance: float,
        pace: Pace,
        *,
        serial: int,
        times: Times,
        source: int,
        expire_s: float | None = None,
    ) -> Secondary:
        """Return the state after the primary *source* confirmed or gave the version *serial*.

        expire_s: in how many seconds the zone expires there (RFC 7314 §4): it does not live longer here, and a confirmation by a
        server that has it not much longer does not shorten what another one said.
        """
        expires = now + (times.expire_s if expire_s is None else min(expire_s, times.expire_s))
        if expire_s is not None and serial == self.serial and self.expires is not None:
            expires = max(expires, self.expires)
        state = self._replace(
            serial=serial,
            times=times,
            confirmed=now,
            expires=expires,
            source=source,
            checking=False,
            first=None,
            failures=0,
            alerted=False,
            whole=False,
            due=now + times.refresh_s * (1 - SPREAD * chance),
        )
        return state._again(now, pace)

    def failed(self, now: float, chance: float, pace: Pace) -> Secondary:
        """Return the state after no primary confirmed or gave the zone."""
        if self.times is None:
            wait = min(FIRST_RETRY_S * 2 ** min(self.failures, 10), MOST_RETRY_S)
        elif self.serial is None:
            # It has expired: nobody wants to wait for a RETRY of hours.
            wait = min(self.times.retry_s, MOST_RETRY_S)
        else:
            wait = self.times.retry_s
        due = now + wait * (1 - SPREAD * chance)
        state = self._replace(checking=False, first=None, failures=self.failures + 1, due=due)
        return state._again(now, pace)

    def _again(self, now: float, pace: Pace) -> Secondary:
        return self.wanted(now, pace) if self.again else self

    def notified(self, now: float, pace: Pace, primary: int | None, serial: int | None) -> Secondary:
        """Return the state after a NOTIFY from *primary*. serial: what it says that the primary has; a NOTIFY for a version that is not
        newer changes nothing (RFC 1996 §3.7)."""
        if serial is not None and self.serial is not None and not is_newer(serial, self.serial):
            return self
        return self._replace(first=primary).wanted(now, pace)

    def wanted(self, now: float, pace: Pace, *, whole: bool = False) -> Secondary:
        """Return the state after a check is wanted as soon as the pace allows. whole: a transfer, whatever the serial."""
        state = self._replace(whole=self.whole or whole)
        if self.checking:
            return state._replace(again=True)
        earliest = now if self.started is None else max(now, self.started + pace.interval_s)
        return state._replace(again=False, due=min(self.due, earliest))

    def has_expired(self, now: float) -> bool:
        """Return whether the version at hand must not be served."""
        return self.serial is not None and self.expires is not None and now >= self.expires

    def expired(self) -> Secondary:
        """Return the state without a version at hand. Its SOA still says when to try again."""
        return self._replace(serial=None)

    @property
    def alert_at(self) -> float | None:
        """When the operator is to hear that the zone will expire; None: not at all, or it was said."""
        if self.alerted or self.serial is None or self.expires is None or self.confirmed is None:
            return None
        return self.confirmed + ALERT_AT * (self.expires - self.confirmed)

    @property
    def next_moment(self) -> float | None:
        """When an alert or the expiry is due."""
        if self.serial is None:
            return None
        return self.expires if self.alerted else self.alert_at

    def note(self) -> dict[str, Any]:
        """Return what must survive a restart."""
        return {"serial": self.serial, "confirmed": self.confirmed, "expires": self.expires}


def begin(
    primaries: int, now: float, chance: float, pace: Pace, zone: Zone | None, note: Mapping[str, Any] | None
) -> Secondary:
    """Return the state of a zone at the start. zone: what the state database has; note: `Secondary.note` of that time.

    It is due when it would have been. Without a note, nothing says that a primary confirmed it: it is due at once.
    """
    state = Secondary((Contact(),) * primaries, now)
    if zone is None:
        return state
    span = times(zone, pace)
    note = note or {}
    confirmed, expires = note.get("confirmed"), note.get("expires")
    # A clock that was set back does not prolong a life.
    confirmed = now if confirmed is None else min(float(confirmed), now)
    expires = now + span.expire_s if expires is None else min(float(expires), now + span.expire_s)
    due = now if not note else confirmed + span.refresh_s * (1 - SPREAD * chance)
    return state._replace(
        serial=zone.serial, times=span, confirmed=confirmed, expires=expires, due=max(now, due)
    )


def lapsed(note: Mapping[str, Any] | None, now: float) -> str:
    """Return why what the state database has of a zone must not be served *now*, by its `Secondary.note`; empty: it may be."""
    expires = None if note is None else note.get("expires")
    return "no primary has confirmed the zone in time" if expires is not None and now >= expires else ""

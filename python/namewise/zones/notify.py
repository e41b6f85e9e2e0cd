"""Decides which servers get a NOTIFY for a changed zone, and when (RFC 1996).

```text
 changed ─▶ due, at most one in `interval_s` ─▶ sent ─▶ acknowledged
                    ▲                             │ no answer in `retry_s`, at most `attempts` times
                    └─────────────────────────────┘ then the server is left to its REFRESH
```

An answer that is not authentic does not count: the NOTIFY is repeated, and the state says why.

A change that comes while a NOTIFY is under way replaces it: the newest serial is what matters. The states decide and do nothing;
times are seconds since 1970. A state never changes: each transition returns a new one.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from namewise.config.values import DNS_PORT, Endpoint
from namewise.config.zones import NAME_SERVERS, Peer, peer

if TYPE_CHECKING:
    from collections.abc import Iterable

    from namewise.engine import Zone


class Pace(NamedTuple):
    """When and how often."""

    interval_s: float = 5.0
    """At most one NOTIFY to a server about a zone in this time: a zone that changes all the time must not flood it."""
    retry_s: float = 60.0
    attempts: int = 6


class Notice(NamedTuple):
    """What one server knows of one zone."""

    serial: int | None = None
    """The version that the next, or last, NOTIFY is about."""
    due: float | None = None
    """The time of the next NOTIFY to it; None: none is due."""
    sent: float | None = None
    """The time of the last NOTIFY to it."""
    attempts: int = 0
    """The number of NOTIFY messages about this version."""
    acknowledged: float | None = None
    """When it answered last."""
    doubt: str = ""
    """Why an answer did not count; empty if there was none."""
    error: str = ""
    """Why it does not know of the version; empty if it does, or has time to answer."""

    def changed(self, serial: int, now: float, pace: Pace) -> Notice:
        """Return the state after the zone has got *serial*."""
        earliest = now if self.sent is None else max(now, self.sent + pace.interval_s)
        return self._replace(serial=serial, due=earliest, attempts=0, doubt="", error="")

    def notified(self, now: float, pace: Pace) -> Notice:
        """Return the state after a NOTIFY was sent, or after the time to do so if it could not be sent."""
        attempts = self.attempts + 1
        error = "" if attempts == 1 else self._unanswered
        return self._replace(sent=now, attempts=attempts, due=now + pace.retry_s, error=error)

    def given_up(self, pace: Pace) -> Notice | None:
        """Return the state when this was due after the last attempt; None: there is another one."""
        if self.attempts < pace.attempts:
            return None
        return self._replace(due=None, error=self._unanswered)

    @property
    def _unanswered(self) -> str:
        return self.doubt or f"no answer to {self.attempts} NOTIFY"

    def doubted(self, why: str) -> Notice:
        """Return the state after an answer that does not count."""
        return self._replace(doubt=why, error=why)

    def answered(self, serial: int, now: float, rcode: str) -> Notice:
        """Return the state after the answer to the NOTIFY of *serial*."""
        if serial != self.serial:
            # Of an earlier version.
            return self
        if rcode == "NOERROR":
            return self._replace(due=None, acknowledged=now, doubt="", error="")
        # It will not take the next one either (RFC 1996 §3.12).
        return self._replace(due=None, error=f"answers {rcode}")


def targets(zone: Zone, named: Iterable[str]) -> tuple[list[Peer], list[str]]:
    """Return the servers to notify of *zone* that *named* (`[[zone]] notify`) says, and the name servers whose address the zone does not
    have. The primary that the SOA names is not notified as a name server (RFC 1996 §2.1)."""
    found: dict[Peer, None] = {}
    unknown: list[str] = []
    for text in named:
        if text != NAME_SERVERS:
            found[peer(text)] = None
            continue
        soa, servers = zone.rrset(zone.name, "SOA"), zone.rrset(zone.name, "NS")
        primary = "" if soa is None else str(next(iter(soa))).split()[0].lower()
        for server in () if servers is None else map(str, servers):
            if server.lower() == primary:
                continue
            addresses = [
                str(data)
                for rtype in ("A", "AAAA")
                for rrset in [zone.rrset(server, rtype)]
                if rrset is not None
                for data in rrset
            ]
            if not addresses:
                unknown.append(server)
            found.update({Peer(Endpoint(address, DNS_PORT)): None for address in addresses})
    return list(found), unknown

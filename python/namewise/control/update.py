"""Dynamic updates (RFC 2136): who may change what, and the way of a permitted change to the registry.

```text
UPDATE ─ engine: key, address ─▶ handle ─ rate, address of the key ─▶ Registry.submit ─ permission, update ─▶ journal ─▶ answer
              │                     │                                                       │                    │
              ▼ REFUSED, NOTAUTH    ▼ REFUSED                                               ▼ rcode of the RFC   ▼ SERVFAIL
```

Changes that wait together share one transaction of the state database. A client gets its answer when its change is durable and served.
Permission is checked before prerequisites, so that a client learns nothing of records that it may not change.

| refused | rcode, extended error | event |
|---|---|---|
| no rule permits a record, or one denies it | REFUSED, Prohibited | update-refused |
| too many updates in a minute | REFUSED, Prohibited | update-rate |
| another address than the key has used, much more often than before, with `unusual = "refuse"` | REFUSED, Prohibited | update-unusual |
| a change would break the zone: it has no effect, the others have theirs (RFC 2136 §3.4.2) | NOERROR, Other | update-ignored |
| a prerequisite does not hold, or the update is malformed | as RFC 2136 says | update-refused |
| the zone has no data, or is signed by somebody else | SERVFAIL, Not Ready; REFUSED, Not Supported | update-refused |
| the state database cannot be written | SERVFAIL, Other | update-failed |

*Limitations.* The server does not sign zones yet, so that signed zones take no updates: their signatures would be wrong.
"""

from __future__ import annotations

import ipaddress
import time
from typing import TYPE_CHECKING, NamedTuple

from namewise.engine import EdnsOption, Name, Update, make_response
from namewise.engine.errors import EngineClosed, UpdateRefused
from namewise.zones.chain import StoreError
from namewise.zones.state import Cause

if TYPE_CHECKING:
    from collections.abc import Callable
    from concurrent.futures import Future

    from namewise.config import Config
    from namewise.config.zones import Update as Settings
    from namewise.control.events import ClientRequest
    from namewise.control.log import Log
    from namewise.control.service import Service
    from namewise.engine import Zone
    from namewise.zones.state import ZoneState

OTHER, NOT_READY, PROHIBITED, NOT_SUPPORTED = 0, 14, 18, 21
"""Extended errors (RFC 8914 §4)."""
EDE = 15
NOT_BY_DEFAULT = frozenset({"SOA", "NS", "RRSIG", "NSEC", "NSEC3"})
"""Types that a rule without types is not about."""
MOST_SHOWN = 8
"""Changes of an update that the log shows."""
MOST_ADDRESSES = 1000
"""Addresses that are remembered for one key, and keys. A key that is used from more counts each further one as new."""
SUDDEN = 10
"""How many times as frequent as before is sudden, if there are as many updates in a minute as SUDDEN_LEAST."""
SUDDEN_LEAST = 60


class Refused(Exception):
    """The update is refused. `args`: the reason."""

    def __init__(self, rcode: str, ede: int, why: str, slug: str = "update-refused") -> None:
        super().__init__(why)
        self.rcode = rcode
        self.ede = ede
        self.slug = slug


class Rule(NamedTuple):
    """A rule of one zone, prepared for comparing."""

    settings: Settings
    key: Name | None
    clients: tuple[ipaddress.IPv4Network | ipaddress.IPv6Network, ...] | None
    names: tuple[Name, ...]

    def concerns(self, key: Name | None, client: ipaddress.IPv4Address | ipaddress.IPv6Address) -> bool:
        """Return whether the rule is about requests of *key* from *client*."""
        if self.key is not None and self.key != key:
            return False
        return self.clients is None or any(client in network for network in self.clients)

    def matches(self, owner: Name, rtype: str) -> bool:
        """Return whether the rule is about the records of *rtype* at *owner*."""
        types = self.settings.types
        if types:
            if rtype not in types and "ANY" not in types:
                return False
        elif rtype in NOT_BY_DEFAULT:
            return False
        match = self.settings.match
        if match == "zonesub":
            return True
        if match == "name":
            return owner in self.names
        if match == "wildcard":
            return any(_is_below(owner, name.parent) for name in self.names)
        names = self.names if match == "subdomain" else (self.key,)
        below = match in ("subdomain", "selfsub", "selfwild")
        exact = match in ("subdomain", "self", "selfsub")
        return any(
            name is not None and ((exact and owner == name) or (below and _is_below(owner, name)))
            for name in names
        )


def _is_below(owner: Name, above: Name | None) -> bool:
    return above is not None and owner != above and owner.is_at_or_below(above)


class Pace:
    """Updates of one key or address: how many in this minute, and how many there usually are."""

    def __init__(self, minute: int) -> None:
        self.minute = minute
        self.count = 0
        self.usual: float | None = None
        """The mean of earlier minutes, in which younger ones weigh more; None before the second minute."""

    def add(self, minute: int) -> int:
        """Count an update, and return how many there are in this minute."""
        while self.minute < minute:
            idle = minute - self.minute > 60
            self.usual = self.count if self.usual is None else self.usual * 0.8 + self.count * 0.2
            self.usual = 0.0 if idle else self.usual
            self.minute, self.count = minute if idle else self.minute + 1, 0
        self.count += 1
        return self.count


class Updates:
    """Handles the updates of one server. `handle` is called by the thread of the engine's events."""

    def __init__(self, service: Service, log: Log, clock: Callable[[], float] = time.monotonic) -> None:
        self._service = service
        self._log = log
        self._clock = clock
        self._config: Config | None = None
        self._rules: dict[str, list[Rule]] = {}
        self._seen: dict[tuple[str, str], set[str]] = {}
        """By zone and key, the addresses that have updated."""
        self._pace: dict[str, Pace] = {}

    def handle(self, request: ClientRequest) -> None:
        """Answer *request*, later."""
        try:
            update = Update(request.message)
        except UpdateRefused as refused:
            self._refuse(request, "", Refused(refused.rcode, OTHER, f"{refused} (RFC 2136 {refused.rule})"))
            return
        zone = str(update.zone)
        try:
            state = self._service.registry.find(zone)
            if state is None or update.rclass != "IN":
                raise Refused("NOTAUTH", OTHER, f"zone {zone} {update.rclass} is not served here")
            address = ipaddress.ip_address(request.client.rpartition(":")[0].strip("[]").partition("%")[0])
            key = None if request.key is None else Name(request.key)
            rules = [rule for rule in self._rules_of(zone) if rule.concerns(key, address)]
            permitting = next((rule.settings for rule in rules if not rule.settings.deny), None)
            if permitting is None:
                raise Refused("REFUSED", PROHIBITED, "no [[update]] permits its key and its address")
            self._usual(request, update, state, permitting, str(address))
            make = _Make(update, rules)
            cause = Cause("update", request.key or "", str(address), "")
            future = self._service.registry.submit(state.source.name, make, cause)
        except Refused as refused:
            self._refuse(request, zone, refused)
            return
        future.add_done_callback(lambda done: self._done(request, zone, update, make, done))

    def _rules_of(self, zone: str) -> list[Rule]:
        config = self._service.config
        if config is not self._config:
            self._rules = {}
            for settings in config.update:
                clients = None if settings.clients is None else config.prefixes(settings.clients)
                rule = Rule(
                    settings,
                    None if settings.key is None else Name(settings.key),
                    None if clients is None else tuple(ipaddress.ip_network(one) for one in clients),
                    tuple(map(Name, settings.names)),
                )
                for name in settings.zones:
                    self._rules.setdefault(name.lower(), []).append(rule)
            self._config = config
        return self._rules.get(zone.lower(), [])

    def _usual(
        self, request: ClientRequest, update: Update, state: ZoneState, rule: Settings, address: str
    ) -> None:
        """Raise `Refused` if there are too many updates, or unusual ones that *rule* refuses; log unusual ones."""
        who = request.key or address
        if len(self._pace) > MOST_ADDRESSES:
            self._pace.clear()
        minute = int(self._clock() // 60)
        pace = self._pace.setdefault(who, Pace(minute))
        count, most = pace.add(minute), rule.rate
        if count > most:
            if count == most + 1:
                text = f"{who} sends more than {most} updates in a minute: the rest is refused"
                self._log.event("warning", "update-rate", text, who=who, limit=most)
            raise Refused("REFUSED", PROHIBITED, f"more than {most} updates in a minute", "")
        unusual = ""
        if pace.usual is not None and count >= max(SUDDEN_LEAST, SUDDEN * pace.usual):
            if count == int(max(SUDDEN_LEAST, SUDDEN * pace.usual)) or rule.unusual == "refuse":
                unusual = f"{count} updates in this minute, usually {pace.usual:.0f}"
        elif request.key is not None and rule.clients is None:
            seen = self._addresses(state, request.key)
            if address not in seen:
                unusual = f"the key comes from {address} for the first time" if seen else ""
                if len(seen) < MOST_ADDRESSES and not (unusual and rule.unusual == "refuse"):
                    seen.add(address)
        if not unusual:
            return
        shown = [*update.changes[:MOST_SHOWN], *(["..."] if len(update.changes) > MOST_SHOWN else [])]
        text = f"update of zone {state.source.name} by {who}: {unusual}: {'; '.join(shown)}"
        refuse = rule.unusual == "refuse"
        remedy = " (refused; permit the address with `clients` in [[update]])" if refuse else ""
        self._log.event(
            "warning",
            "update-unusual",
            text + remedy,
            zone=state.source.name,
            who=who,
            client=address,
            changes=shown,
        )
        if refuse:
            raise Refused("REFUSED", PROHIBITED, unusual, "")

    def _addresses(self, state: ZoneState, key: str) -> set[str]:
        """Return the addresses that have updated the zone with *key*, from the history of the zone at first."""
        place = (state.source.name.lower(), key.lower())
        seen = self._seen.get(place)
        if seen is None:
            if len(self._seen) > MOST_ADDRESSES:
                self._seen.clear()
            seen = self._seen[place] = set()
            journal = self._service.registry.journal
            if journal.exists:
                for entry in journal.store.entries(place[0], MOST_ADDRESSES):
                    if entry.why == "update" and entry.who.lower() == key.lower():
                        seen.add(entry.client)
        return seen

    def _done(
        self, request: ClientRequest, zone: str, update: Update, make: _Make, done: Future[ZoneState]
    ) -> None:
        error = done.exception()
        if error is None:
            count = len(update.changes)
            text = f"update of zone {zone} {_who(request)}: {count} record{'' if count == 1 else 's'}, permitted by {make.by}"
            self._log.event("debug", "update", text, zone=zone, **_whose(request), rules=make.by)
            if make.ignored:
                text = f"update of zone {zone} by {_who(request)}: without effect: {'; '.join(make.ignored)}"
                self._log.event(
                    "info", "update-ignored", text, zone=zone, **_whose(request), changes=make.ignored
                )
                answer(request, "NOERROR", OTHER, f"without effect: {'; '.join(make.ignored)}")
                return
            request.answer(make_response(request.message, "NOERROR"))
        elif isinstance(error, Refused):
            self._refuse(request, zone, error)
        elif isinstance(error, UpdateRefused):
            text = f"{error} (RFC 2136 {error.rule})"
            self._refuse(request, zone, Refused(error.rcode, OTHER, text))
        elif isinstance(error, KeyError):
            self._refuse(request, zone, Refused("NOTAUTH", OTHER, f"zone {zone} is not served here"))
        elif isinstance(error, (StoreError, EngineClosed)):
            text = f"update of zone {zone} {_who(request)} failed, and changed nothing: {error}"
            self._log.event("error", "update-failed", text, zone=zone, **_whose(request))
            answer(request, "SERVFAIL", OTHER, "the change cannot be stored")
        else:
            text = f"update of zone {zone} {_who(request)} failed: {error!r}"
            self._log.event("error", "fault", text, zone=zone, **_whose(request))
            answer(request, "SERVFAIL", OTHER, "")

    def _refuse(self, request: ClientRequest, zone: str, refused: Refused) -> None:
        """Answer with the rcode, and log why unless that has happened."""
        if refused.slug:
            of = f" of zone {zone}" if zone else ""
            text = f"update{of} {_who(request)} refused with {refused.rcode}: {refused}"
            level = "warning" if refused.ede == PROHIBITED else "info"
            self._log.event(level, refused.slug, text, zone=zone, rcode=refused.rcode, **_whose(request))
        answer(request, refused.rcode, refused.ede, str(refused))


class _Make:
    """Makes the next version of a zone. `by`: the rules that permit the changes. `ignored`: changes without effect."""

    def __init__(self, update: Update, rules: list[Rule]) -> None:
        self.update = update
        self.rules = rules
        self.by = "[[update]]"
        self.ignored: list[str] = []

    def __call__(self, state: ZoneState) -> Zone:
        zone = state.current
        if zone is None:
            raise Refused("SERVFAIL", NOT_READY, "the zone has no data")
        by = {self._permitting(owner, rtype): None for owner, rtype in self.update.touched(zone)}
        self.by = ", ".join(by) or self.by
        if zone.is_signed:
            why = "the zone is signed elsewhere: its signatures would be wrong; update it where it is signed"
            raise Refused("REFUSED", NOT_SUPPORTED, why)
        changed, self.ignored = self.update.apply(zone)
        return changed or zone

    def _permitting(self, owner: Name, rtype: str) -> str:
        for rule in self.rules:
            if rule.matches(owner, rtype):
                if rule.settings.deny:
                    raise Refused(
                        "REFUSED", PROHIBITED, f"[[update]] {rule.settings.name} denies {owner} {rtype}"
                    )
                return f"[[update]] {rule.settings.name}"
        raise Refused("REFUSED", PROHIBITED, f"no [[update]] permits {owner} {rtype}")


def answer(request: ClientRequest, rcode: str, ede: int, text: str) -> None:
    """Answer *request* with *rcode* and the extended error *ede*."""
    option = EdnsOption(EDE, ede.to_bytes(2, "big") + text.encode()[:200])
    request.answer(make_response(request.message, rcode, options=[option]))


def _who(request: ClientRequest) -> str:
    signed = f"by key {request.key} " if request.key else ""
    return f"{signed}from {request.client}"


def _whose(request: ClientRequest) -> dict[str, object]:
    return {"key": request.key, "client": request.client}

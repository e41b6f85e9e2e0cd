"""What a running server trusts: anchors that follow their zones (RFC 5011) and negative ones that end (RFC 7646).

    configured anchors ─┐
    DIR/trust-anchors ──┴─> TrustPoint ── DNSKEY lookup, observe ──> changed ──> save ──> publish the settings anew

One thread waits for what is due next: a DNSKEY query of a zone with trust anchors, by its schedule or since the validator has seen a
revocation; the end of a negative trust anchor; or a try whether its zone validates again. The states are those of
`namewise.dnssec`; here are clock, files and engine. A file that cannot be read is reported with its line and left as it is: the
configured anchors are used, and nothing is saved.

With the queries for keys, the server tells the root which keys it trusts (RFC 8145 §5.1), if `trust_anchor_telemetry` says so.
"""

from __future__ import annotations

import contextlib
import os
import threading
import time
from typing import TYPE_CHECKING, Any, NamedTuple

from namewise.config.paths import read_text
from namewise.control.follower import LONGEST_WAIT_S, Follower
from namewise.dnssec import anchors as rfc5011
from namewise.dnssec import negative
from namewise.dnssec.anchors import Change, FileError, Observation, Seen, TrustPoint
from namewise.engine import Message, Resolve, verify_keys
from namewise.engine.errors import NamewiseError

if TYPE_CHECKING:
    from collections.abc import Callable

    from namewise.compile.inputs import Inputs
    from namewise.config import Config
    from namewise.control.log import Log
    from namewise.control.service import Service
    from namewise.dnssec.negative import Negative

SETTLE_S = 60
"""How long after the start the first query for keys waits: the start of a server has better things to do."""
AT_ONCE_S = 60
"""How often a zone that the validator sees as revoked is looked up: if the lookup does not confirm it, others of the validator follow."""
ANSWER_S = 30.0
"""Longer than any budget lets a question take."""
ANCHORS, NEGATIVE = "trust-anchors", "negative-trust-anchors"


class Trusted(NamedTuple):
    """What is trusted at one time."""

    points: tuple[TrustPoint, ...] = ()
    negative: tuple[Negative, ...] = ()


class Trust:
    """The trust of one service. All methods may be called from any thread."""

    def __init__(self, service: Service, log: Log, clock: Callable[[], float] = time.time) -> None:
        self.service = service
        self.log = log
        self.now = Trusted()
        """Replaced, never changed."""
        self.failures: dict[str, str] = {}
        """By zone, why its keys could not be checked the last time. Only `act` changes it."""
        self._clock = clock
        self._folder: str | None = None
        self._unreadable: set[str] = set()
        self._at_once: set[str] = set()
        """Zones whose keys are looked up whatever their schedule says. Only `act` removes names."""
        self._noticed: dict[str, float] = {}
        """When a revocation in a zone was last noticed, seconds since 1970. Only zones with trust anchors are."""
        self._changing = threading.Lock()
        """Held while `now` is replaced, and never while settings are published: a reload asks what is trusted."""
        self._editing = threading.Lock()
        self._follower = Follower("trust anchors", "namewise-trust", self.act, log)

    def load(self, folder: str | None) -> None:
        """Read what was saved in *folder*; None: nothing is kept."""
        self._folder = folder
        points = self._read(ANCHORS, rfc5011.from_text)
        kept = self._read(NEGATIVE, lambda text: negative.from_text(text, self._seconds()))
        self.now = Trusted(tuple(points or ()), tuple(kept or ()))

    def apply(self, inputs: Inputs, config: Config) -> Inputs:
        """Return *inputs* of *config* with the anchors as they have become, and the negative ones that were added at run time."""
        with self._changing:
            followed = inputs.anchors
            if config.resolver is not None and config.resolver.trust_anchor_updates:
                points = self._merged(inputs.anchors)
                followed = tuple(anchor for point in points for anchor in point.anchors)
            names = tuple(one.name for one in self.now.negative)
            return inputs._replace(anchors=followed, configured=inputs.anchors, negative=names)

    def start(self) -> None:
        """Begin to follow, in a thread of its own, unless that was done before."""
        if self._follower.started:
            return
        with self._changing:
            soon = self._seconds() + SETTLE_S
            points = self._merged(self.service.inputs.configured)
            # What is due already waits a little.
            points = tuple(point._replace(due=max(point.due, soon)) for point in points)
            self.now = self.now._replace(points=points)
        self._follower.start()

    def close(self) -> None:
        """End the thread."""
        self._follower.close()

    def reloaded(self) -> None:
        """Take the anchors of new settings into account."""
        with self._changing:
            self.now = self.now._replace(points=self._merged(self.service.inputs.configured))
        self._follower.wake()

    def revoked(self, zone: str) -> None:
        """Look up the keys of *zone* now: the validator has seen that one of its trust anchors is revoked (RFC 5011 §2.1)."""
        now = self._clock()
        if not 0 <= now - self._noticed.get(zone, -AT_ONCE_S) < AT_ONCE_S:
            self._noticed[zone] = now
            self._at_once.add(zone.lower())
            self._follower.wake()

    def add(self, name: str, lifetime_s: int) -> Negative:
        """Validate nothing at and below *name* for *lifetime_s* seconds. Raises what publishing raises."""
        one = negative.new(name, lifetime_s, self._seconds())
        with self._editing:
            others = [known for known in self.now.negative if known.name != name]
            if len(others) >= negative.MOST:
                raise ValueError(f"there are {negative.MOST} negative trust anchors already")
            self._negate([*others, one])
        self.log.event(
            "warning", "nta-added", f"nothing is validated below {name} for {lifetime_s} s", name=name
        )
        self._forget(name)
        self._follower.wake()
        return one

    def remove(self, name: str, why: str = "by request") -> bool:
        """Validate again at and below *name*; return whether there was a negative trust anchor."""
        with self._editing:
            others = [known for known in self.now.negative if known.name != name]
            if len(others) == len(self.now.negative):
                return False
            self._negate(others)
        self.log.event("info", "nta-removed", f"the negative trust anchor at {name} ended {why}", name=name)
        self._forget(name)
        return True

    def act(self) -> float:
        """Do what is due, and return for how many seconds nothing is."""
        for one in self.now.negative:
            self._tend(one)
        for point in self.now.points:
            at_once = point.zone in self._at_once
            self._at_once.discard(point.zone)
            if (at_once or point.due <= self._seconds()) and self._follows:
                self._look(point)
        due = [one.due for one in self.now.negative]
        if self._follows:
            due += [point.due for point in self.now.points]
        return min([LONGEST_WAIT_S, *(max(1.0, moment - self._clock()) for moment in due)])

    @property
    def _follows(self) -> bool:
        resolver = self.service.config.resolver
        return resolver is not None and resolver.trust_anchor_updates

    def _seconds(self) -> int:
        return int(self._clock())

    def _merged(self, configured: tuple[str, ...]) -> tuple[TrustPoint, ...]:
        """Return the trust points of the *configured* anchors as they have become."""
        points = rfc5011.configured(configured)
        saved = {point.zone: point for point in self.now.points}
        return tuple(rfc5011.resumed(point, saved.get(point.zone)) for point in points)

    # RFC 5011

    def _look(self, point: TrustPoint) -> None:
        no_changes: list[Change] = []
        seen = self._seen(point.zone)
        now = self._seconds()
        outcome = rfc5011.observe(point, seen, now) if seen is not None else None
        if outcome is None:
            after, changes = rfc5011.failed(point, now), no_changes
            why = "no usable reply" if seen is None else "no trusted key signs them"
            self.failures[point.zone] = why
            text = f"the keys of {point.zone} could not be checked: {why}; tried again in {point.retry_s} s"
            self.log.event("warning", "anchors-unchecked", text, zone=point.zone)
        else:
            self.failures.pop(point.zone, None)
            after, changes = outcome
        with self._changing:
            self.now = self.now._replace(
                points=tuple(after if one.zone == point.zone else one for one in self.now.points)
            )
            self._save(ANCHORS, rfc5011.to_text(self.now.points))
        for change in changes:
            self.log.event("warning", "anchor", f"trust anchors of {point.zone}: {change}", zone=point.zone)
        if after.deleted:
            text = f"all trust anchors of {point.zone} are revoked: its names are not validated any more"
            self.log.event("error", "anchors-deleted", text, zone=point.zone)
        if after.anchors != point.anchors:
            self.service.republish()
        self._tell(after)

    def _seen(self, zone: str) -> Observation | None:
        """Return the DNSKEY RRset of *zone* with what its signatures say, or None."""
        # A cached copy would hide for days what has changed.
        self.service.engine.flush(zone)
        message = self._ask(Resolve(zone, "DNSKEY", dnssec_ok=True, checking_disabled=True, steps=False))
        if message is None:
            return None
        keys = next((one for one in message.answer if one.type == "DNSKEY" and str(one.owner) == zone), None)
        signatures = next((one for one in message.answer if one.type == "RRSIG"), None)
        if keys is None or signatures is None:
            return None
        valid = {place: (ttl, end) for place, ttl, end in verify_keys(keys, signatures, self._seconds())}
        if not valid:
            return None
        seen = []
        for place, rdata in enumerate(keys):
            text = str(rdata)
            revoked = bool(int(text.split(None, 1)[0]) & rfc5011.REVOKE)
            seen.append(Seen(rfc5011.Key.parse(text), revoked, place in valid))
        ttls, ends = zip(*valid.values(), strict=True)
        return Observation(tuple(seen), min(ttls), min(ends))

    def _tell(self, point: TrustPoint) -> None:
        """Tell the servers of the root which keys are trusted (RFC 8145 §5.1)."""
        resolver = self.service.config.resolver
        if point.zone == "." and resolver is not None and resolver.trust_anchor_telemetry:
            name = signal_name(point)
            if name is not None:
                self._ask(Resolve(name, "NULL", steps=False))

    def _ask(self, request: Resolve) -> Message | None:
        try:
            done = self.service.events.submit(request).result(ANSWER_S)
            return Message.parse(done.wire) if done.wire is not None else None
        except (NamewiseError, TimeoutError):
            return None

    # RFC 7646

    def _tend(self, one: Negative) -> None:
        now = self._seconds()
        if one.until <= now:
            self.remove(one.name, "after its lifetime")
        elif one.probe <= now:
            if self._recovered(one.name):
                self.remove(one.name, "since the zone validates again")
                return
            with self._changing:
                kept = (other.probed(now) if other == one else other for other in self.now.negative)
                self.now = self.now._replace(negative=tuple(kept))

    def _recovered(self, name: str) -> bool:
        """Return whether *name* resolves with validation: asked by an engine of its own, which knows no negative trust anchors."""
        from msgspec.structs import replace

        from namewise.compile import plan_bytes
        from namewise.observe.alone import Alone

        config = replace(self.service.config, zone=(), key=(), view=())
        inputs = self.service.inputs._replace(negative=(), secrets={})
        try:
            with Alone(plan_bytes(config, inputs, 1)) as engine:
                done = engine.ask(Resolve(name, "SOA", steps=False))
        except (NamewiseError, TimeoutError, OSError):
            return False
        return done.wire is not None and Message.parse(done.wire).rcode in ("NOERROR", "NXDOMAIN")

    def _negate(self, anchors: list[Negative]) -> None:
        before = self._set_negative(tuple(anchors))
        try:
            self.service.republish()
        except BaseException:
            self._set_negative(before)
            raise
        self._save(NEGATIVE, negative.to_text(anchors))

    def _set_negative(self, anchors: tuple[Negative, ...]) -> tuple[Negative, ...]:
        with self._changing:
            before, self.now = self.now.negative, self.now._replace(negative=anchors)
        return before

    def _forget(self, name: str) -> None:
        """Remove from the cache what was judged otherwise."""
        self.service.engine.flush(name, below=True)

    # Files

    def _read(self, name: str, parse: Callable[[str], list[Any]]) -> list[Any] | None:
        if self._folder is None:
            return None
        path = os.path.join(self._folder, name)
        try:
            return parse(read_text(path))
        except FileNotFoundError:
            return None
        except (OSError, UnicodeDecodeError, FileError) as error:
            self._unreadable.add(name)
            reason = error.strerror if isinstance(error, OSError) else error
            text = (
                f"{path}: {reason}; the configured trust anchors are used, and changes are not saved. "
                "Mend the line, or remove the file to begin anew, and restart."
            )
            self.log.event("error", "trust-file", text)
            return None

    def _save(self, name: str, text: str) -> None:
        """Replace a file as a whole."""
        if self._folder is None or name in self._unreadable:
            return
        path = os.path.join(self._folder, name)
        part = f"{path}.new"
        try:
            with open(part, "w", encoding="utf-8") as file:
                file.write(text)
                file.flush()
                os.fsync(file.fileno())
            os.replace(part, path)
        except OSError as error:
            with contextlib.suppress(OSError):
                os.unlink(part)
            text = f"{path} cannot be written: {error.strerror}; a restart forgets what has changed"
            self.log.event("error", "trust-file", text)


def signal_name(point: TrustPoint) -> str | None:
    """Return the name that tells which keys of *point* are trusted: `_ta-4f66-9728.` (RFC 8145 §5.1); None if there are none."""
    tags = {ds.tag for ds in point.configured}
    tags |= {one.key.tag for one in point.keys if one.state in rfc5011.TRUSTED}
    # A label has 63 octets: room for twelve tags.
    label = "-".join(f"{tag:04x}" for tag in sorted(tags)[:11])
    return f"_ta-{label}.{'' if point.zone == '.' else point.zone}" if tags else None

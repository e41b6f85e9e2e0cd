"""Trust anchors that follow the keys of their zone (RFC 5011): a state machine without clock, network and files.

    Start --NewKey--> AddPend --AddTime--> Valid <--KeyPres-- Missing
                         |KeyRem            | --KeyRem------> |
                       (forgotten)          +--RevBit--> Revoked --RemTime--> Removed

`observe` takes what the servers of the zone sent, `failed` that nothing usable came; both return the next state of the trust
point, and what has changed. `TrustPoint.anchors` are the records that validation begins with.

Before the first observation these are the configured DS and DNSKEY records. A key that they name is Valid as soon as it is seen.
A DS record whose key has not been seen stays an anchor, so that a machine that was off while the root rolled its keys starts with
whichever of them still signs.

RFCs: 5011 §2 to §5. As in Unbound, a revocation counts as soon as the revoked key signs it; no other signature is needed.

*Limitations*: keys with another algorithm than those of `HASHES` or a length that the engine cannot parse never verify, and so
never become anchors.
"""

from __future__ import annotations

import binascii
import enum
import struct
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterable

HOUR, DAY = 3600, 86400
HOLD_DOWN_S = 30 * DAY
"""How long a new key must be there before it is trusted, and a revoked one is remembered (RFC 5011 §2.4.1, §2.4.2)."""
MOST_KEYS = 16
"""Keys of one trust point that are followed. A stolen key could announce others without end."""
ZONE_KEY, REVOKE, ENTRY = 0x0100, 0x0080, 0x0001
HASHES = {1: "sha1", 2: "sha256", 4: "sha384"}
"""The digest types of DS records (RFC 4034 appendix A.2, RFC 4509, RFC 6605), by their names in hashlib."""


class State(enum.Enum):
    """The states of RFC 5011 §4.1; a key in Start is one that is not known."""

    ADD_PEND = "AddPend"
    VALID = "Valid"
    MISSING = "Missing"
    REVOKED = "Revoked"
    REMOVED = "Removed"


TRUSTED = frozenset([State.VALID, State.MISSING])


class Key(NamedTuple):
    """A DNSKEY without its REVOKE bit: what stays the same when it is revoked."""

    flags: int
    protocol: int
    algorithm: int
    public: bytes

    @classmethod
    def parse(cls, text: str) -> Key:
        """Return the key in the rdata *text*: `257 3 8 AwEA...`. Raises ValueError."""
        flags, protocol, algorithm, *parts = text.split()
        try:
            public = binascii.a2b_base64("".join(parts), strict_mode=True)
        except binascii.Error as error:
            raise ValueError(f"the public key is not base64 text: {error}") from None
        if not public:
            raise ValueError("the public key is empty")
        return cls(int(flags) & ~REVOKE, int(protocol), int(algorithm), public)

    def __str__(self) -> str:
        return f"{self.flags} {self.protocol} {self.algorithm} {binascii.b2a_base64(self.public, newline=False).decode()}"

    @property
    def may_anchor(self) -> bool:
        """Whether it is an entry key of its zone (RFC 5011 §2.2 and §3)."""
        return bool(self.flags & ZONE_KEY and self.flags & ENTRY) and self.protocol == 3

    def rdata(self, flags: int | None = None) -> bytes:
        """Return the rdata, with other *flags* if they are given."""
        return struct.pack("!HBB", self.flags if flags is None else flags, *self[1:3]) + self.public

    @property
    def tag(self) -> int:
        """The key tag (RFC 4034 App. B)."""
        return _tag(self.rdata())

    @property
    def revoked_tag(self) -> int:
        """The key tag once it is revoked."""
        return _tag(self.rdata(self.flags | REVOKE))


class Ds(NamedTuple):
    """A configured DS record."""

    tag: int
    algorithm: int
    digest_type: int
    digest: str

    @classmethod
    def parse(cls, text: str) -> Ds:
        """Return the DS in the rdata *text*. Raises ValueError."""
        tag, algorithm, digest_type, *parts = text.split()
        digest = "".join(parts).upper()
        bytes.fromhex(digest)
        return cls(int(tag), int(algorithm), int(digest_type), digest)

    def __str__(self) -> str:
        return " ".join(map(str, self))

    def names(self, owner: bytes, key: Key) -> bool:
        """Return whether it is the digest of *key* at *owner* (wire form, lower case)."""
        hash_name = HASHES.get(self.digest_type)
        if hash_name is None or (self.tag, self.algorithm) != (key.tag, key.algorithm):
            return False
        import hashlib  # Only a server that follows trust anchors needs it.

        return hashlib.new(hash_name, owner + key.rdata()).hexdigest().upper() == self.digest


class Followed(NamedTuple):
    """A key with its state, since when it is in it, and until when a timer holds it there (seconds since 1970; 0: none)."""

    key: Key
    state: State
    since: int
    until: int = 0


class Seen(NamedTuple):
    """A key of a DNSKEY RRset: with its REVOKE bit, and with the signature by it that is valid, if there is one."""

    key: Key
    revoked: bool
    signs: bool


class Observation(NamedTuple):
    """A DNSKEY RRset as it came from the zone, with what its valid signatures say."""

    keys: tuple[Seen, ...]
    original_ttl: int
    """The TTL that the signatures cover, seconds."""
    expiration: int
    """When the first of the valid signatures ends, seconds since 1970."""


class TrustPoint(NamedTuple):
    """The trust anchors of one zone, all that is persisted of it."""

    zone: str
    configured: tuple[Ds, ...] = ()
    """Configured DS records whose keys have not been seen."""
    keys: tuple[Followed, ...] = ()
    checked: int = 0
    """When the keys were last seen, seconds since 1970; 0: never."""
    due: int = 0
    """When they are to be looked up next."""
    retry_s: int = HOUR
    """After what time a failed query is repeated."""

    @property
    def anchors(self) -> tuple[str, ...]:
        """The trust anchors, as `ZONE IN TYPE RDATA`. None are left once all keys were revoked (RFC 5011 §5)."""
        keys = (f"{self.zone} IN DNSKEY {one.key}" for one in self.keys if one.state in TRUSTED)
        return (*(f"{self.zone} IN DS {ds}" for ds in self.configured), *keys)

    @property
    def deleted(self) -> bool:
        """Whether all its trust anchors were revoked: the zone counts as one without trust anchor (RFC 5011 §5)."""
        return not self.anchors and any(one.state in (State.REVOKED, State.REMOVED) for one in self.keys)


class Change(NamedTuple):
    """A key that went from one state to another; None is Start."""

    key: Key
    before: State | None
    after: State | None

    def __str__(self) -> str:
        before, after = (state.value if state else "Start" for state in (self.before, self.after))
        return f"key {self.key.tag}: {before} -> {after}"


def configured(anchors: Iterable[str]) -> list[TrustPoint]:
    """Return the trust points of the records *anchors*, `ZONE IN DS ...` or `ZONE IN DNSKEY ...`. Raises ValueError."""
    points: dict[str, TrustPoint] = {}
    for record in anchors:
        zone, _, rtype, data = record.split(None, 3)
        point = points.get(zone.lower(), TrustPoint(zone.lower()))
        if rtype == "DS":
            point = point._replace(configured=(*point.configured, Ds.parse(data)))
        else:
            point = point._replace(keys=(*point.keys, Followed(Key.parse(data), State.VALID, 0)))
        points[point.zone] = point
    return list(points.values())


def resumed(point: TrustPoint, saved: TrustPoint | None) -> TrustPoint:
    """Return the configured *point* with what was *saved* of the zone.

    A configured anchor that is new since then counts; one that has been seen, revoked or removed meanwhile stays what it became.
    """
    if saved is None:
        return point
    owner = _wire(point.zone)
    known = {one.key for one in saved.keys}
    ds = (ds for ds in point.configured if not any(ds.names(owner, key) for key in known))
    keys = (one for one in point.keys if one.key not in known)
    return saved._replace(configured=tuple(ds), keys=(*saved.keys, *keys))


def observe(point: TrustPoint, seen: Observation, now: int) -> tuple[TrustPoint, list[Change]] | None:
    """Return *point* after the observation, and the changes; None if no trusted key signs what was seen.

    A revocation needs only the signature of the key that is revoked (RFC 5011 §2.1).
    """
    owner = _wire(point.zone)
    changes: list[Change] = []
    known = {one.key: one for one in point.keys}

    def move(key: Key, state: State | None, until: int = 0) -> None:
        before = known.get(key)
        changes.append(Change(key, before.state if before else None, state))
        if state is None:
            del known[key]
        else:
            known[key] = Followed(key, state, now, until)

    unseen = list(point.configured)
    for one in seen.keys:
        if one.key not in known and any(ds.names(owner, one.key) for ds in unseen):
            if one.revoked and not one.signs:
                continue
            move(one.key, State.VALID)
        if one.key in known:
            unseen = [ds for ds in unseen if not ds.names(owner, one.key)]
    for one in seen.keys:
        if one.revoked and one.signs and one.key in known:
            if known[one.key].state in TRUSTED:
                move(one.key, State.REVOKED, now + HOLD_DOWN_S)
            elif known[one.key].state is State.ADD_PEND:
                move(one.key, None)
    revocations = any(change.after is State.REVOKED for change in changes)
    trusted = any(
        one.signs and not one.revoked and one.key in known and known[one.key].state in TRUSTED
        for one in seen.keys
    )
    if not trusted:
        if not revocations:
            return None
        # The rest of the RRset says nothing: it is asked for again soon.
        after = point._replace(configured=tuple(unseen), keys=tuple(known.values()), due=now + point.retry_s)
        return after, changes
    present = {one.key for one in seen.keys if not one.revoked}
    for key in present:
        before = known.get(key)
        if before is None:
            if key.may_anchor and len(known) < MOST_KEYS:
                move(key, State.ADD_PEND, now + max(HOLD_DOWN_S, seen.original_ttl))
        elif before.state is State.MISSING or (before.state is State.ADD_PEND and now >= before.until):
            move(key, State.VALID)
    for key, before in list(known.items()):
        if key not in present and before.state is State.ADD_PEND:
            move(key, None)
        elif key not in present and before.state is State.VALID:
            move(key, State.MISSING)
        elif before.state is State.REVOKED and now >= before.until:
            move(key, State.REMOVED)
    life = max(0, seen.expiration - now)
    query_s = max(HOUR, min(15 * DAY, seen.original_ttl // 2, life // 2))
    pending = [one.until - now for one in known.values() if one.state is State.ADD_PEND]
    after = point._replace(
        configured=tuple(unseen),
        keys=tuple(known.values()),
        checked=now,
        due=now + max(HOUR, min([query_s, *pending])),
        retry_s=max(HOUR, min(DAY, seen.original_ttl // 10, life // 10)),
    )
    return after, changes


def failed(point: TrustPoint, now: int) -> TrustPoint:
    """Return *point* after a query without a usable reply: it is repeated after the retry time (RFC 5011 §2.3)."""
    return point._replace(due=now + point.retry_s)


def next_change(point: TrustPoint, one: Followed) -> tuple[str, int] | None:
    """Return what becomes of a key next, and when, if nothing else happens; None where nothing does."""
    if one.state is State.ADD_PEND:
        return "trusted", max(one.until, point.due)
    if one.state is State.REVOKED:
        return "removed", max(one.until, point.due)
    return None


# The file. One line each: words separated by spaces, times as seconds since 1970 with the date in a comment.

HEAD = "namewise trust anchors, version 1"


class FileError(ValueError):
    """The file of trust anchors cannot be used: the line, and why."""

    def __init__(self, line: int, message: str) -> None:
        super().__init__(f"line {line}: {message}")
        self.line = line


def to_text(points: Iterable[TrustPoint]) -> str:
    """Return the text of the file that `from_text` reads."""
    lines = [
        f"; {HEAD}",
        "; Written by the server (RFC 5011). A configured anchor that is missing here is added at the start.",
    ]
    for point in points:
        lines.append(f"zone {point.zone} checked {point.checked} due {point.due} retry {point.retry_s}")
        lines += (f"ds {ds}" for ds in point.configured)
        for one in point.keys:
            lines.append(
                f"key {one.state.value} since {one.since} until {one.until} {one.key} ; tag {one.key.tag}"
            )
    return "\n".join(lines) + "\n"


def from_text(text: str) -> list[TrustPoint]:
    """Return the trust points in the text of a file. Raises `FileError`."""
    lines = text.splitlines()
    if not lines or lines[0].strip() != f"; {HEAD}":
        raise FileError(1, f"expected `; {HEAD}`")
    points: list[TrustPoint] = []
    for number, line in enumerate(lines, 1):
        words = line.split(";", 1)[0].split()
        if not words:
            continue
        try:
            match words:
                case ["zone", zone, "checked", checked, "due", due, "retry", retry]:
                    points.append(TrustPoint(zone, (), (), int(checked), int(due), int(retry)))
                case ["ds", *data] if points:
                    points[-1] = points[-1]._replace(
                        configured=(*points[-1].configured, Ds.parse(" ".join(data)))
                    )
                case ["key", state, "since", since, "until", until, *data] if points:
                    one = Followed(Key.parse(" ".join(data)), State(state), int(since), int(until))
                    points[-1] = points[-1]._replace(keys=(*points[-1].keys, one))
                case _:
                    raise ValueError("expected `zone`, and below it `ds` or `key`")
        except ValueError as error:
            raise FileError(number, str(error)) from None
    return points


def _tag(rdata: bytes) -> int:
    padded = rdata + bytes(len(rdata) % 2)
    total: int = sum(struct.unpack(f"!{len(padded) // 2}H", padded))
    return (total + (total >> 16)) & 0xFFFF


def _wire(name: str) -> bytes:
    from namewise.engine import Name

    return bytes(Name(name.lower()).wire)

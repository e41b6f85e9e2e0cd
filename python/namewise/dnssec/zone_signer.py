"""Signs the versions of one zone with the keys that a roll-over orders.

```text
 records without signatures ─▶ follow ─▶ signed version           each change, by the registry
 served version ─▶ due ─▶ renewed ─▶ version with new signatures   a batch at a time, by `control/signing.py`
```
A zone that is signed here has DNSKEY, CDS and CDNSKEY records of its keys alone, and whatever signatures and denial of existence its
source has are replaced.

RFCs: 4034 §3.1.5 (times), 7344 (CDS and CDNSKEY), 8078 §4 (their removal form), 9276 §3.1 (no iterations, no salt).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from namewise.dnssec.signing import MOST_SIGNED, publish, signing
from namewise.engine import RRset, Zone
from namewise.zones.serial import is_newer, successor

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from namewise.config.dnssec import Dnssec
    from namewise.dnssec.zone_keys import Publication, ZoneKeys
    from namewise.engine import Due, Signing, ZoneEdit, ZoneKey
    from namewise.engine.errors import KeyFileError

MADE = frozenset({"RRSIG", "NSEC", "NSEC3", "NSEC3PARAM"})
"""Types that signing makes at any name."""
BY_KEYS = ("DNSKEY", "CDS", "CDNSKEY")
MADE_AT_APEX = frozenset({*BY_KEYS, "ZONEMD"})
"""Types that signing makes at the name of the zone."""
HASHES = {None: None, "sha384": 1, "sha512": 2}
"""Hash algorithms of ZONEMD by the setting (RFC 8976 §5.3)."""
SLICES = 8
"""Signatures that end within one of so many parts of the jitter are made again together."""


class Now(NamedTuple):
    """The present time, seconds since 1970: between these two, if the clock was set lately and it is not known which setting is right."""

    earliest: int
    latest: int


class ZoneSigner:
    """Signs one zone. *publication* says with which keys; *handles* are their private keys by id.

    now: returns the present time. fault: why a private key is missing; then every signature is refused with it.
    """

    def __init__(
        self,
        state: ZoneKeys,
        publication: Publication,
        table: Dnssec,
        handles: Mapping[str, ZoneKey],
        now: Callable[[], Now],
        fault: KeyFileError | None = None,
    ) -> None:
        self.zone = state.zone
        self.publication = publication
        self.table = table
        self.fault = fault
        self.highest_ttl = 0
        """The highest TTL among the RRsets that changed."""
        self._handles = handles
        self._now = now
        self._state = state

    def follow(self, before: Zone | None, made: Zone, number: Callable[[int], int] = successor) -> Zone:
        """Return the signed version with the other records of *made*, from the served version *before*; *before* itself if nothing but
        the serial differs. number: returns the serial that follows one. Raises `KeyFileError`, `SigningFailed`, `ZoneFileError`."""
        if before is None:
            before, serial = made, made.serial
            edit = made.edit()
        else:
            edit = before.edit()
            newer = is_newer(made.serial, before.serial)
            serial = made.serial if newer else number(before.serial)
            if not self._change(edit, before, made) and not newer:
                return before
        self._publish(edit)
        return self._signing().commit(edit, serial)

    def due(self, zone: Zone, after: str | None = None) -> Due:
        """Return which signatures of *zone* after the owner *after* are to be made again now."""
        return self._signing().due(zone, self.renewal + self._now().latest, after, MOST_SIGNED)

    def renewed(self, zone: Zone, due: Due, serial: int) -> Zone:
        """Return *zone* as its next version *serial*, with the records of the keys and new signatures of what is *due*."""
        edit = zone.edit()
        self._publish(edit)
        return self._signing().commit(edit, serial, due)

    def publishes(self, zone: Zone) -> bool:
        """Return whether *zone* has the records of the keys, and what the policy says of denial and digest."""
        edit = zone.edit()
        self._publish(edit)
        present = [zone.rrset(self.zone, rtype) is not None for rtype in ("NSEC3PARAM", "ZONEMD")]
        return present == [self.table.denial == "nsec3", self.table.zonemd is not None] and all(
            edit.rrset(self.zone, rtype) == zone.rrset(self.zone, rtype) for rtype in BY_KEYS
        )

    @property
    def renewal(self) -> int:
        """How long before its end a signature is made again, seconds: those that are made together included."""
        return (self.table.signatures_refresh + self.table.signatures_jitter // SLICES) // 1000

    def _change(self, edit: ZoneEdit, before: Zone, made: Zone) -> bool:
        """Put what differs between *before* and *made* into *edit*, and return whether anything does."""
        difference, some = before.difference(made), False
        present = set()
        for rrset in difference.added:
            if not self._is_made(rrset):
                present.add((str(rrset.owner).lower(), rrset.type))
                self.highest_ttl = max(self.highest_ttl, rrset.ttl)
                some = some or rrset.type != "SOA" or _beside_serial(before, rrset)
                edit.put(rrset)
        for rrset in difference.removed:
            if not self._is_made(rrset) and (str(rrset.owner).lower(), rrset.type) not in present:
                some = True
                edit.delete(rrset.owner, rrset.type)
        return some

    def _is_made(self, rrset: RRset) -> bool:
        return is_made(self.zone, rrset)

    def _publish(self, edit: ZoneEdit) -> None:
        publish(edit, self._state, self.publication, self.table)

    def _signing(self) -> Signing:
        if self.fault is not None:
            raise self.fault
        earliest, latest = self._now()
        return signing(
            self.publication,
            self._handles.__getitem__,
            self.table,
            latest,
            zonemd=HASHES[self.table.zonemd],
            since=earliest,
        )


def is_made(zone: str, rrset: RRset) -> bool:
    """Return whether signing makes *rrset* of *zone* (lower case)."""
    return rrset.type in MADE or (rrset.type in MADE_AT_APEX and str(rrset.owner).lower() == zone)


def unsigned(zone: Zone, serial: int | None = None) -> Zone:
    """Return *zone* without what signing makes, and with another *serial*."""
    apex, kept, after = str(zone.name).lower(), [], None
    while page := zone.page(after):
        kept += [rrset for rrset in page if not is_made(apex, rrset)]
        after = page[-1].owner
    plain = Zone.from_rrsets(zone.name, kept, rclass=zone.rclass)
    return plain if serial is None else plain.edit().commit(serial)


def first_expiration(zone: Zone) -> int | None:
    """Return when the first signature at the name of *zone* ends, seconds since 1970; None: it is not signed."""
    import calendar
    import time

    signatures = zone.rrset(zone.name, "RRSIG")
    if signatures is None:
        return None
    return min(
        calendar.timegm(time.strptime(str(rdata).split(" ")[4], "%Y%m%d%H%M%S")) for rdata in signatures
    )


def _beside_serial(before: Zone, soa: RRset) -> bool:
    """Return whether *soa* differs from that of *before* in more than the serial."""
    present = before.rrset(before.name, "SOA")
    assert present is not None, "every zone has one"
    was, now = str(present.rdatas[0]).split(" "), str(soa.rdatas[0]).split(" ")
    return present.ttl != soa.ttl or was[:2] + was[3:] != now[:2] + now[3:]

"""Signing of zones as a policy and a roll-over want it: which keys, until when, and what is to be signed again by when.

    Publication, private keys, [[dnssec]], now ──> signing ──> Signing      edits and renewals are committed with it
                                                   publish ──> DNSKEY, CDS and CDNSKEY of the apex
    served zone, Signing, Renewal ────────────────> renewed ──> next version, Renewal, when to go on

An edit costs what it changes. Signatures are renewed in batches: `renewed` looks at the zone once from the apex to the end, a batch at a
time, and signs what ends soon, or what other keys have signed. Between the batches the zone may change. Since signatures of different
owners end at different times (`signatures_jitter`), a zone that was signed in one piece is renewed in many small ones.

RFCs: 4035 §2, 6781 §4.4.2 (times), 7344 (CDS, CDNSKEY), 8078 §4 (their deletion).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from namewise.dnssec.zone_keys import ds_of
from namewise.engine import RRset, Signing

if TYPE_CHECKING:
    from collections.abc import Callable

    from namewise.config.dnssec import Dnssec
    from namewise.dnssec.zone_keys import Publication, ZoneKeys
    from namewise.engine import Name, Zone, ZoneEdit, ZoneKey

LATE_S = 3600
"""Signatures are valid since this long ago, for validators whose clocks are late (RFC 6781 §4.4.2)."""
MOST_SIGNED = 1000
"""RRsets that one commit renews. It bounds the time for which a commit holds up other changes."""
_DIGESTS = {"sha-256": 2, "sha-384": 4}
_CYCLE = 1 << 32


def signing(
    publication: Publication,
    key: Callable[[str], ZoneKey],
    table: Dnssec,
    now: int,
    *,
    zonemd: int | None = None,
    since: int | None = None,
) -> Signing:
    """Return how a zone is signed at *now*, seconds since 1970. key: returns the private key with an id. Raises KeyFileError.

    zonemd: hash algorithm of its ZONEMD record (RFC 8976 §5.3); None: it has none. since: the present time by a clock that may be
    right as well; signatures are valid at both.
    """
    keys = {id: key(id) for id in sorted(publication.key_signers | publication.zone_signers)}
    first = now if since is None else min(now, since)
    return Signing(
        [keys[id] for id in sorted(publication.zone_signers)],
        first - LATE_S,
        now + table.signatures_validity // 1000,
        key_signers=[keys[id] for id in sorted(publication.key_signers)],
        dnskey_expiration=now + table.signatures_validity_dnskey // 1000,
        jitter=table.signatures_jitter // 1000,
        nsec3=table.denial == "nsec3",
        opt_out=table.opt_out,
        dnskey_ttl=table.dnskey_ttl // 1000,
        zonemd=zonemd,
        keep=(first, now + table.signatures_refresh // 1000),
    )


def publish(edit: ZoneEdit, state: ZoneKeys, publication: Publication, table: Dnssec) -> None:
    """Set the DNSKEY, CDS and CDNSKEY RRsets of the apex to those of *publication*, in *edit*.

    All of them are replaced: keys of other signers are part of *state* (`with_foreign`).
    """
    zone, ttl = state.zone, table.dnskey_ttl // 1000
    dnskeys = [str(state.key(id).public) for id in sorted(publication.dnskeys)]
    parents = [state.key(id).public for id in sorted(publication.cds)]
    cds = [str(ds_of(zone, key, _DIGESTS[digest])) for key in parents for digest in table.cds_digests]
    cdnskeys = [str(key) for key in parents] if table.cdnskey else []
    if publication.delete:
        cds, cdnskeys = ["0 0 0 00"], ["0 3 0 AA=="]
    for rtype, rdatas in (("DNSKEY", dnskeys), ("CDS", cds), ("CDNSKEY", cdnskeys)):
        if rdatas:
            edit.put(RRset(zone, rtype, ttl, rdatas))
        else:
            edit.delete(zone, rtype)


class Renewal(NamedTuple):
    """How far a look at the signatures of a zone has come."""

    after: Name | None = None
    """The owner after which it goes on; None: at the apex."""
    first: int | None = None
    """The earliest end of the signatures seen so far that stay, seconds since 1970."""


class Renewed(NamedTuple):
    """The result of a batch."""

    zone: Zone | None
    """The next version; None: nothing was due."""
    made: int
    """RRsets that were signed again."""
    renewal: Renewal
    whole: bool
    """Whether the end of the zone was reached: every RRset has signatures of the keys of *signing*, valid until the next time."""
    due: int
    """When to go on, seconds since 1970."""


def renewed(
    zone: Zone,
    signing: Signing,
    renewal: Renewal,
    table: Dnssec,
    now: int,
    *,
    serial: str | int = "next",
    most: int = MOST_SIGNED,
) -> Renewed:
    """Renew the next signatures of *zone* that end within `signatures_refresh`, or that other keys have made. Raises SigningFailed.

    A new look (`Renewal()`) belongs to each change of keys. A look that finds nothing costs a walk through the zone.
    """
    refresh = table.signatures_refresh // 1000
    found = signing.due(zone, now + refresh, renewal.after, most)
    made = len(found)
    version = signing.commit(zone.edit(), serial, found) if made else None
    firsts = [] if renewal.first is None else [renewal.first]
    if found.next is not None:
        # The end is after now: times wrap at 32 bits (RFC 4034 §3.1.5).
        firsts.append(now + (found.next - now) % _CYCLE)
    first = min(firsts, default=None)
    if found.after is not None:
        return Renewed(version, made, Renewal(found.after, first), whole=False, due=now)
    life = min(table.signatures_validity, table.signatures_validity_dnskey)
    ends = now + (life - table.signatures_jitter) // 1000
    # What was signed just now is looked at with the rest.
    due = min(ends if first is None else first, ends) - refresh
    return Renewed(version, made, Renewal(), whole=True, due=max(due, now + 1))

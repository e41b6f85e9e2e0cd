"""How zones are signed, and how their keys change over time: `[[dnssec]]`.

Names and meanings are those of BIND's `dnssec-policy` wherever it has the setting. There are no settings for the iterations and the
salt of NSEC3: they are 0 and empty (RFC 9276 §3.1).
"""

from collections.abc import Iterator
from typing import Annotated, Literal

from namewise.config.schema import Duration, Table, setting, written_as
from namewise.config.values import duration_text

ALGORITHMS = {
    "rsasha256": 8,
    "rsasha512": 10,
    "ecdsap256sha256": 13,
    "ecdsap384sha384": 14,
    "ed25519": 15,
    "ed448": 16,
}
"""The algorithms that sign, by their names (RFC 8624 §3.1)."""
BUILT_IN = ("default", "insecure")
"""Names of policies that exist without a table: the defaults of all settings, and no keys."""
HOUR, DAY, YEAR = 3_600_000, 86_400_000, 365 * 86_400_000


def _policy_name(name: object) -> object:
    if isinstance(name, str) and name in BUILT_IN:
        raise ValueError(f"{name!r} is built in and cannot be defined again")
    return name


PolicyName = Annotated[str, written_as("text", _policy_name)]


class Dnssec(Table, frozen=True, kw_only=True):
    """A DNSSEC policy: the keys of a zone, their lifetimes, and the times that the servers and caches around the zone need. `[[zone]]
    dnssec` names it; `nw dnssec rollover` plans, checks and simulates what it does. `default` is a policy with all
    defaults; `insecure` makes a signed zone unsigned without a time in which it is bogus."""

    name: Annotated[
        PolicyName, setting("Name of the policy; `default` and `insecure` are built in.", min_length=1)
    ]
    algorithm: Annotated[
        Literal["rsasha256", "rsasha512", "ecdsap256sha256", "ecdsap384sha384", "ed25519", "ed448"],
        setting(
            "Algorithm of all keys (RFC 8624 §3.1). A change rolls the algorithm over (RFC 6781 §4.1.4)."
        ),
    ] = "ecdsap256sha256"
    rsa_bits: Annotated[Literal[2048, 3072, 4096], setting("Size of RSA keys.")] = 2048
    keys: Annotated[
        Literal["csk", "ksk-zsk"],
        setting(
            "`csk`: one key signs everything; `ksk-zsk`: one key signs the keys, and another one everything else."
        ),
    ] = "csk"
    ksk_lifetime: Annotated[
        Duration,
        setting(
            "How long a key that the parent knows (KSK or CSK) signs before its successor; 0: until a roll-over is started.",
            le=100 * YEAR,
        ),
    ] = 0
    zsk_lifetime: Annotated[
        Duration,
        setting("How long a ZSK signs before its successor; 0: until a roll-over is started.", le=100 * YEAR),
    ] = 0
    lifetime_jitter: Annotated[
        Duration,
        setting(
            "A lifetime is shortened at random by up to this, so that the keys of many zones do not roll at once.",
            le=YEAR,
        ),
    ] = 0
    dnskey_ttl: Annotated[Duration, setting("TTL of DNSKEY, CDS and CDNSKEY.", ge=1000, le=7 * DAY)] = HOUR
    max_zone_ttl: Annotated[
        Duration,
        setting(
            "Highest TTL in the zone, for planning; a zone that has a higher one waits for that.", le=7 * DAY
        ),
    ] = DAY
    zone_propagation_delay: Annotated[
        Duration,
        setting("Time until every server of the zone serves a new version.", ge=1000, le=30 * DAY),
    ] = 300_000
    parent_propagation_delay: Annotated[
        Duration,
        setting(
            "Time until every instance of the parent's servers serves a new version, once each server was seen with it.",
            ge=1000,
            le=30 * DAY,
        ),
    ] = HOUR
    parent_ds_ttl: Annotated[
        Duration,
        setting("TTL of the DS RRset at the parent, if its servers send no higher one.", le=30 * DAY),
    ] = DAY
    publish_safety: Annotated[
        Duration, setting("Further wait before a new key is relied on.", le=30 * DAY)
    ] = HOUR
    retire_safety: Annotated[
        Duration, setting("Further wait before a key that is no longer needed is removed.", le=30 * DAY)
    ] = HOUR
    purge_keys: Annotated[
        Duration,
        setting(
            "How long a key that is in no cache any more is kept in the key store; 0: forever.", le=10 * YEAR
        ),
    ] = 90 * DAY
    signatures_validity: Annotated[Duration, setting("Validity of signatures.", ge=HOUR, le=10 * YEAR)] = (
        14 * DAY
    )
    signatures_validity_dnskey: Annotated[
        Duration, setting("Validity of the signatures of DNSKEY, CDS and CDNSKEY.", ge=HOUR, le=10 * YEAR)
    ] = 14 * DAY
    signatures_refresh: Annotated[
        Duration, setting("How long before its end a signature is made again.", ge=1000, le=10 * YEAR)
    ] = 5 * DAY
    signatures_jitter: Annotated[
        Duration,
        setting(
            "Signatures end up to this earlier, so that they are not all made again at once.", le=10 * YEAR
        ),
    ] = 12 * HOUR
    denial: Annotated[
        Literal["nsec", "nsec3"],
        setting(
            "Records that deny names. `nsec3` has no extra iterations and no salt (RFC 9276 §3.1); it hides names from "
            "enumeration only."
        ),
    ] = "nsec"
    opt_out: Annotated[
        bool,
        setting(
            "Leave delegations without DS out of the NSEC3 chain (RFC 5155 §6), for zones with many of them."
        ),
    ] = False
    zonemd: (
        Annotated[
            Literal["sha384", "sha512"],
            setting(
                "Hash of the digest of the zone in a ZONEMD record (RFC 8976). Each change reads the whole zone then. Not set: no ZONEMD."
            ),
        ]
        | None
    ) = None
    cds_digests: Annotated[
        tuple[Literal["sha-256", "sha-384"], ...],
        setting("Digests of the CDS records (RFC 7344); empty: no CDS."),
    ] = ("sha-256",)
    cdnskey: Annotated[bool, setting("Publish CDNSKEY records (RFC 7344).")] = True


def mistakes(table: Dnssec) -> Iterator[tuple[str, str]]:
    """Yield what is wrong between the settings of a table: the setting to change, and why."""
    # A cache must not keep data longer than its signature lasts, and a server may be late.
    late = table.max_zone_ttl + table.zone_propagation_delay
    if table.signatures_refresh < late:
        yield (
            "signatures_refresh",
            f"signatures could end in caches: max_zone_ttl and zone_propagation_delay are {duration_text(late)} together",
        )
    early = table.signatures_refresh + table.signatures_jitter
    for key in ("signatures_validity", "signatures_validity_dnskey"):
        life = getattr(table, key)
        if early >= life:
            yield (
                key,
                f"signatures would be made again at once: signatures_refresh and signatures_jitter are {duration_text(early)} together",
            )
    for key, entry in (("ksk_lifetime", True), ("zsk_lifetime", False)):
        life = getattr(table, key)
        least = _shortest(table, entry=entry) + table.lifetime_jitter
        if life and life < least:
            yield (
                key,
                f"shorter than a roll-over takes: with these delays it must be at least {duration_text(least)}",
            )
    if table.keys == "csk" and table.zsk_lifetime:
        yield "zsk_lifetime", 'keys = "csk" has no ZSK; ksk_lifetime is that of the CSK'
    if table.opt_out and table.denial == "nsec":
        yield "opt_out", 'only NSEC3 has opt-out: set denial = "nsec3"'
    if not table.cds_digests and not table.cdnskey:
        yield "cdnskey", "the parent could not learn of new keys: publish CDS, CDNSKEY, or both"


def _shortest(table: Dnssec, *, entry: bool) -> int:
    """Return the time in which a key can be replaced, milliseconds. *entry*: the parent has its DS."""
    zone = table.zone_propagation_delay
    publish = table.dnskey_ttl + zone + table.publish_safety
    parent = table.parent_ds_ttl + table.parent_propagation_delay
    signatures = table.max_zone_ttl + zone
    sign = max(parent * entry, signatures * (table.keys == "csk" or not entry))
    return publish + sign + table.dnskey_ttl + zone + 2 * table.retire_safety

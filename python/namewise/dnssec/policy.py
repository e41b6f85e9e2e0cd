"""A DNSSEC policy in the terms of the roll-over: seconds, roles of keys, and the waits of RFC 7583.

`Policy` is what `[[dnssec]]` says.
"""

from __future__ import annotations

import enum
from typing import TYPE_CHECKING, NamedTuple

from namewise.config.dnssec import ALGORITHMS, Dnssec

if TYPE_CHECKING:
    from collections.abc import Iterable


class Role(enum.Enum):
    """What a key signs: KSK the keys, ZSK everything else, CSK both."""

    KSK = "ksk"
    ZSK = "zsk"
    CSK = "csk"

    @property
    def entry(self) -> bool:
        """Whether the parent has a DS of such a key, and it signs the DNSKEY RRset."""
        return self is not Role.ZSK

    @property
    def zone(self) -> bool:
        """Whether such a key signs the data of the zone."""
        return self is not Role.KSK

    @property
    def flags(self) -> int:
        """The flags of its DNSKEY: ZONE, and SEP if the parent has its DS (RFC 4034 §2.1.1)."""
        return 257 if self.entry else 256


class Policy(NamedTuple):
    """The keys of a zone and the times around them, seconds. `insecure` is the policy without keys."""

    name: str
    roles: tuple[Role, ...]
    algorithm: int
    rsa_bits: int
    ksk_lifetime: int
    zsk_lifetime: int
    lifetime_jitter: int
    dnskey_ttl: int
    max_zone_ttl: int
    zone_propagation_delay: int
    parent_propagation_delay: int
    parent_ds_ttl: int
    publish_safety: int
    retire_safety: int
    purge_keys: int

    def lifetime(self, role: Role) -> int:
        """Return the lifetime of a key before jitter; 0: without end."""
        return self.ksk_lifetime if role.entry else self.zsk_lifetime


def policy_of(table: Dnssec, name: str | None = None) -> Policy:
    """Return the policy that a table describes."""
    roles = {"csk": (Role.CSK,), "ksk-zsk": (Role.KSK, Role.ZSK)}[table.keys]
    seconds = (-(-getattr(table, field) // 1000) for field in Policy._fields[4:])
    return Policy(name or table.name, roles, ALGORITHMS[table.algorithm], table.rsa_bits, *seconds)


def policies(tables: Iterable[Dnssec]) -> dict[str, Policy]:
    """Return the policies by name, with those that are built in."""
    plain = policy_of(Dnssec(name="-"), "default")
    built_in = {"default": plain, "insecure": plain._replace(name="insecure", roles=())}
    return built_in | {table.name: policy_of(table) for table in tables}

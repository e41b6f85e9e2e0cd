"""Unbound and BIND resolve and validate names in a root, a top level and zones that `nw serve` serves."""

from __future__ import annotations

from typing import TYPE_CHECKING

import asking
import pytest

if TYPE_CHECKING:
    from collections.abc import Sequence

    from peers import Where

PLAIN = {
    "address": ("www.example.lab", "A", "NOERROR", ["a"]),
    "alias into another zone": ("alias.example.lab", "A", "NOERROR", ["a", "cname"]),
    "dname": ("www.old.example.lab", "A", "NOERROR", ["a", "cname", "dname"]),
    "glueless delegation": ("www.glueless.lab", "A", "NOERROR", ["a"]),
    "no such name": ("missing.example.lab", "A", "NXDOMAIN", []),
    "no such type": ("only4.example.lab", "AAAA", "NOERROR", []),
    "over TCP": ("big.example.lab", "TXT", "NOERROR", ["txt"]),
    "wildcard": ("any.wild.example.lab", "TXT", "NOERROR", ["txt"]),
}
SIGNED = {
    "address": ("www", "A", "NOERROR", ["a", "rrsig"]),
    "keys": ("", "DNSKEY", "NOERROR", ["dnskey", "rrsig"]),
    "no such name": ("no.such", "A", "NXDOMAIN", []),
    "no such type": ("only4", "AAAA", "NOERROR", []),
    "empty non-terminal": ("b.deep", "A", "NOERROR", []),
    "wildcard": ("any.wild", "TXT", "NOERROR", ["rrsig", "txt"]),
    "no such type at the wildcard": ("any.wild", "A", "NOERROR", []),
    "no such zone": ("ds", "DS", "NXDOMAIN", []),
    "over TCP": ("big", "TXT", "NOERROR", ["rrsig", "txt"]),
}


@pytest.mark.parametrize("case", PLAIN)
def test_resolvers_resolve_our_zones(their_resolver: Where, inside: Sequence[str], case: str) -> None:
    name, rtype, rcode, types = PLAIN[case]
    reply = asking.ask("dig", their_resolver, name, rtype, inside=inside)
    assert (reply.rcode, reply.types("ANSWER")) == (rcode, types), reply.text
    assert "ad" not in reply.flags, "there is no DS for this zone"


@pytest.mark.parametrize("zone", ["nsec.lab", "nsec3.lab"])
@pytest.mark.parametrize("case", SIGNED)
def test_validators_accept_our_zones(
    their_resolver: Where, inside: Sequence[str], zone: str, case: str
) -> None:
    label, rtype, rcode, types = SIGNED[case]
    reply = asking.ask("dig", their_resolver, f"{label}.{zone}".lstrip("."), rtype, "+dnssec", inside=inside)
    assert (reply.rcode, reply.types("ANSWER")) == (rcode, types), reply.text
    assert "ad" in reply.flags, f"not proved\n{reply.text}"


def test_the_top_is_validated_too(their_resolver: Where, inside: Sequence[str]) -> None:
    for name, rtype in ((".", "SOA"), ("lab", "DS"), ("lab", "SOA"), ("nsec.lab", "DS"), ("missing", "A")):
        reply = asking.ask("dig", their_resolver, name, rtype, "+dnssec", inside=inside)
        assert "ad" in reply.flags, reply.text


def test_validators_refuse_tampered_zones(their_resolver: Where, inside: Sequence[str]) -> None:
    assert asking.ask("dig", their_resolver, "www.bogus.lab", inside=inside).rcode == "SERVFAIL"
    assert asking.ask("dig", their_resolver, "only4.bogus.lab", inside=inside).rcode == "NOERROR"

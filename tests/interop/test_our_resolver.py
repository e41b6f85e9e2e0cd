"""`nw serve --recursive` with BIND (root), NSD (top level) and Knot (below), queried with dig, kdig and drill."""

from __future__ import annotations

from typing import TYPE_CHECKING

import asking
import pytest
from internet import BIG

if TYPE_CHECKING:
    from peers import Where

ADDRESS = "www.hoster.far. a 198.51.100.2"
CASES = {
    # name, type: rcode, what the answer section holds
    "address": ("www.example.lab", "A", "NOERROR", {"www.example.lab. a 198.51.100.1"}),
    "alias into another zone": (
        "alias.example.lab",
        "A",
        "NOERROR",
        {"alias.example.lab. cname www.hoster.far.", ADDRESS},
    ),
    "alias to nothing": (
        "astray.example.lab",
        "A",
        "NXDOMAIN",
        {"astray.example.lab. cname missing.hoster.far."},
    ),
    "dname": (
        "www.old.example.lab",
        "A",
        "NOERROR",
        {"old.example.lab. dname hoster.far.", "www.old.example.lab. cname www.hoster.far.", ADDRESS},
    ),
    "no such name": ("no.such.name.example.lab", "A", "NXDOMAIN", set()),
    "no such top level": ("www.nowhere", "A", "NXDOMAIN", set()),
    "no such type": ("only4.example.lab", "AAAA", "NOERROR", set()),
    "empty non-terminal": ("b.deep.example.lab", "A", "NOERROR", set()),
    "glueless delegation": ("www.glueless.lab", "A", "NOERROR", {"www.glueless.lab. a 198.51.100.1"}),
    "wildcard": ("any.wild.example.lab", "TXT", "NOERROR", {'any.wild.example.lab. txt "from the wildcard"'}),
    "name servers": ("example.lab", "NS", "NOERROR", {"example.lab. ns ns1.example.lab."}),
    "mail": ("mail.nsec.lab", "MX", "NOERROR", {"mail.nsec.lab. mx 10 www.nsec.lab."}),
}


@pytest.mark.parametrize("tool", asking.TOOLS)
@pytest.mark.parametrize("case", CASES)
def test_resolves_through_bind_nsd_and_knot(our_resolver: Where, tool: str, case: str) -> None:
    name, rtype, rcode, answer = CASES[case]
    reply = asking.ask(tool, our_resolver, name, rtype)
    assert (reply.rcode, reply.answer) == (rcode, answer), reply.text
    assert {"qr", "ra"} <= reply.flags and "aa" not in reply.flags, reply.text
    if rcode == "NXDOMAIN" or not answer:
        assert reply.types("AUTHORITY") == ["soa"], reply.text


@pytest.mark.parametrize("tool", asking.TOOLS)
def test_an_answer_too_large_for_udp_comes_over_tcp(our_resolver: Where, tool: str) -> None:
    # dig and kdig ask again over TCP when they see TC, as a stub does; so does the resolver upstream.
    options = ("+tcp",) if tool == "drill" else ()
    reply = asking.ask(tool, our_resolver, "big.example.lab", "TXT", *options)
    assert reply.answer == {f"big.example.lab. txt {BIG}"}, reply.text


def test_truncated_udp_replies_set_tc(our_resolver: Where) -> None:
    reply = asking.ask("dig", our_resolver, "big.example.lab", "TXT", "+ignore")
    assert "tc" in reply.flags and not reply.answer, reply.text


@pytest.mark.parametrize("tool", asking.TOOLS)
@pytest.mark.parametrize("zone", ["nsec.lab", "nsec3.lab"])
def test_signatures_and_proofs_pass_through(our_resolver: Where, tool: str, zone: str) -> None:
    proof = zone.split(".", maxsplit=1)[0]
    found = asking.ask(tool, our_resolver, f"www.{zone}", "A", "+dnssec")
    assert found.types("ANSWER") == ["a", "rrsig"], found.text
    missing = asking.ask(tool, our_resolver, f"missing.{zone}", "A", "+dnssec")
    assert (missing.rcode, missing.types("AUTHORITY")) == ("NXDOMAIN", sorted([proof, "rrsig", "soa"]))
    empty = asking.ask(tool, our_resolver, f"only4.{zone}", "AAAA", "+dnssec")
    assert (empty.rcode, empty.types("AUTHORITY")) == ("NOERROR", sorted([proof, "rrsig", "soa"]))
    expanded = asking.ask(tool, our_resolver, f"any.wild.{zone}", "TXT", "+dnssec")
    assert expanded.types("ANSWER") == ["rrsig", "txt"] and proof in expanded.types("AUTHORITY")
    plain = asking.ask(tool, our_resolver, f"www.{zone}", "A")
    assert plain.types("ANSWER") == ["a"], "without DO no signatures (RFC 4035 §3.2.1)"


def test_ds_and_dnskey_are_queried_on_the_right_side_of_the_cut(our_resolver: Where) -> None:
    assert asking.ask("dig", our_resolver, "nsec.lab", "DS").types("ANSWER") == ["ds"]
    assert asking.ask("dig", our_resolver, "nsec.lab", "DNSKEY").types("ANSWER") == ["dnskey"]
    assert asking.ask("dig", our_resolver, "example.lab", "DS").types("AUTHORITY") == ["soa"]


def test_the_second_answer_comes_from_the_cache_with_less_time(our_resolver: Where) -> None:
    first = asking.ask("dig", our_resolver, "ns1.nsec3.lab")
    second = asking.ask("dig", our_resolver, "NS1.nsec3.LAB")
    assert first.answer == second.answer
    assert "NS1.nsec3.LAB." in second.text, "the question comes back in its own case"

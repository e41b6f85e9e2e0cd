"""The rdata codec compared with dnspython and BIND on generated rdata: wire, text, canonical form."""

from __future__ import annotations

from typing import TYPE_CHECKING

import dns.exception
import dns.name
import dns.rdata
import dns.rdataclass
import dns.rdatatype
import pytest

from .rdata_oracles import (
    NOT_IN_RRCHECKER,
    REGISTRY,
    TABLE,
    Codec,
    dnspython_has,
    have_rrchecker,
    oracles,
    rrchecker,
    table,
    vectors,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

SAMPLES = 60
IN = dns.rdataclass.IN

# Where dnspython's text is not that of the RFC or of BIND; wire and canonical form are compared all the same.
THEY_READ_OTHERWISE = {
    "TKEY": "no lengths, BIND and dig write them",
    "TSIG": "takes a MAC even where its length is 0",
    "LOC": "takes centimetres through floats and loses one now and then",
    "NID": "takes groups of four digits only; BIND and dig write them without leading zeros",
    "L64": "as NID",
    "SIG": "takes no bare number for a type; BIND and RFC 2535 §5.3 write them",
}
THEY_WRITE_OTHERWISE = {"TKEY": "no lengths"}
# Service parameters that a peer knows by number only.
NEW_KEYS = ("tls-supported-groups",)
NEW_KEYS_FOR_BIND = (*NEW_KEYS, "docpath", "ohttp")
# BIND 9.18 reads dohpath and writes it as key7; it has no names for the youngest types.
NUMBERED_BY_BIND = (*NEW_KEYS_FOR_BIND, "dohpath", "CLA", "IPN")

# Octets that one of us refuses: (type, we accept) and why.
ACCEPTED: dict[tuple[str, bool], str] = {
    ("GPOS", True): "strings are not held to be numbers (BIND does not either)",
    ("LOC", True): "other versions are kept, RFC 1876 §2",
    **{
        (mnemonic, True): "the length of a digest is for those who compare it to judge"
        for mnemonic in ("DS", "CDS", "TA", "DLV", "SSHFP", "TLSA", "SMIMEA", "ZONEMD")
    },
    ("SVCB", False): "dnspython does not look into dohpath, BIND and RFC 9461 §5 do",
    ("HTTPS", False): "as SVCB",
    ("NSEC3", True): "BIND refuses hashes of some lengths that no algorithm has",
    ("X25", False): "dnspython does not look for digits, BIND and RFC 1183 §3.1 do",
    **{
        (mnemonic, False): "an empty digest or certificate says nothing"
        for mnemonic in ("SSHFP", "TLSA", "SMIMEA", "CERT")
    },
}


# Algorithms that dnspython spells otherwise than BIND.
THEIR_WORDS = {"NSEC3RSASHA1": "RSASHA1NSEC3SHA1", "NSEC3DSA": "DSANSEC3SHA1"}


def for_dnspython(text: str) -> str:
    """`text` with the mnemonics that dnspython lacks as TYPE123."""
    return " ".join(TYPE_NUMBERS.get(word) or THEIR_WORDS.get(word, word) for word in text.split(" "))


def _type_numbers() -> dict[str, str]:
    rows = (
        line.split("\t") for line in REGISTRY.read_text().splitlines() if line and not line.startswith("#")
    )
    unknown = {}
    for number, mnemonic, *_ in rows:
        if mnemonic == "-":
            continue
        try:
            dns.rdatatype.from_text(mnemonic)
        except dns.rdatatype.UnknownRdatatype:
            unknown[mnemonic] = f"TYPE{number}"
    return unknown


TYPE_NUMBERS = _type_numbers()


@pytest.fixture(scope="module")
def codec() -> Iterator[Codec]:
    codec = Codec()
    yield codec
    codec.close()


@pytest.fixture(scope="module")
def types(codec: Codec) -> list[str]:
    return codec.ask("types").split()


def test_every_type_has_an_oracle(types: list[str]) -> None:
    assert [mnemonic for mnemonic in types if not oracles(mnemonic)] == []


def test_table_of_oracles_is_current(types: list[str]) -> None:
    assert TABLE.read_text() == table(types), "run python tests/boundary/rdata_oracles.py"


def test_generated_rdata_agrees_with_dnspython(codec: Codec, types: list[str]) -> None:
    differences = []
    for mnemonic in filter(dnspython_has, types):
        rdtype = dns.rdatatype.from_text(mnemonic)
        for seed in range(SAMPLES):
            wire = bytes.fromhex(codec.ask("sample", mnemonic, str(seed)))
            text = codec.ask("text", mnemonic, wire.hex())
            try:
                theirs = dns.rdata.from_wire(IN, rdtype, wire, 0, len(wire))
                if theirs.to_wire() != wire:
                    differences.append(f"{mnemonic} wire {wire.hex()}")
                if theirs.to_digestable().hex() != codec.ask("canonical", mnemonic, wire.hex()):
                    differences.append(f"{mnemonic} canonical {wire.hex()}")
                if (
                    mnemonic not in THEY_READ_OTHERWISE
                    and not any(key in text for key in NEW_KEYS)
                    and dns.rdata.from_text(IN, rdtype, for_dnspython(text)).to_wire() != wire
                ):
                    differences.append(f"{mnemonic} they read {text}")
                if (
                    mnemonic not in THEY_WRITE_OTHERWISE
                    and codec.ask("wire", mnemonic, theirs.to_text()) != wire.hex()
                ):
                    differences.append(f"{mnemonic} we read {theirs.to_text()}")
            except (dns.exception.DNSException, ValueError, UnicodeError) as error:
                differences.append(f"{mnemonic} {wire.hex()} {text}: {error!r}")
    assert not differences, "\n".join(differences)


def test_damaged_rdata_is_judged_as_dnspython_does(codec: Codec, types: list[str]) -> None:
    """Whatever dnspython reads from the wire we read, and the reverse, but for what is listed."""
    differences = []
    for mnemonic in filter(dnspython_has, types):
        rdtype = dns.rdatatype.from_text(mnemonic)
        for seed in range(60):
            wire = bytearray.fromhex(codec.ask("sample", mnemonic, str(seed)))
            if not wire:
                continue
            position = seed * 7919 % len(wire)
            match seed % 3:
                case 0:
                    wire[position] ^= 1 << seed % 8
                case 1:
                    del wire[position:]
                case 2:
                    wire.insert(position, seed)
            try:
                dns.rdata.from_wire(IN, rdtype, bytes(wire), 0, len(wire))
                theirs = True
            except (dns.exception.DNSException, ValueError, UnicodeError):
                theirs = False
            try:
                codec.ask("check", mnemonic, wire.hex())
                ours = True
            except ValueError:
                ours = False
            if ours != theirs and (mnemonic, ours) not in ACCEPTED:
                differences.append(f"{mnemonic} ours {ours} theirs {theirs} {wire.hex()}")
    assert not differences, "\n".join(differences)


@pytest.mark.skipif(not have_rrchecker(), reason="named-rrchecker is not installed")
def test_generated_rdata_agrees_with_bind(codec: Codec, types: list[str]) -> None:
    differences = []
    for mnemonic in types:
        if mnemonic in NOT_IN_RRCHECKER:
            continue
        for seed in range(4 if dnspython_has(mnemonic) else 40):
            wire = codec.ask("sample", mnemonic, str(seed))
            text = codec.ask("text", mnemonic, wire)
            if any(key in text for key in NEW_KEYS_FOR_BIND):
                continue
            theirs = rrchecker(mnemonic, text)
            if theirs != wire:
                differences.append(f"{mnemonic} {text}: {wire} theirs {theirs}")
                continue
            their_text = rrchecker(mnemonic, text, generic=False)
            assert their_text is not None
            try:
                if codec.ask("wire", mnemonic, their_text) != wire:
                    differences.append(f"{mnemonic} we read {their_text}")
            except ValueError as error:
                differences.append(f"{mnemonic} we refuse {their_text}: {error}")
    assert not differences, "\n".join(differences)


@pytest.mark.skipif(not have_rrchecker(), reason="named-rrchecker is not installed")
def test_text_equals_bind_s(codec: Codec, types: list[str]) -> None:
    """The text of every type, letter for letter but for the case of hex and the width of its words."""

    def plain(text: str) -> str:
        return text.replace(" ", "").upper()

    differences = []
    for mnemonic in types:
        if mnemonic in NOT_IN_RRCHECKER:
            continue
        for seed in range(100, 108):
            wire = codec.ask("sample", mnemonic, str(seed))
            text = codec.ask("text", mnemonic, wire)
            generic = f"\\# {len(wire) // 2} {wire}"
            theirs = rrchecker(mnemonic, generic, generic=False)
            if any(key in text.split() or f"{key}=" in text for key in NUMBERED_BY_BIND):
                continue
            # BIND refuses digests whose length is not that of their type; see the rules of zones.
            refused = theirs is None and (mnemonic, True) in ACCEPTED
            if not refused and (theirs is None or plain(theirs) != plain(text)):
                differences.append(f"{mnemonic} {text}: theirs {theirs}")
    assert not differences, "\n".join(differences)


def test_vectors(codec: Codec) -> None:
    for mnemonic, wire, text, section in vectors():
        assert codec.ask("wire", mnemonic, text) == wire, f"{mnemonic} {text} ({section})"
        if mnemonic not in NOT_IN_RRCHECKER and have_rrchecker():
            assert rrchecker(mnemonic, text) in (wire, None), f"BIND: {mnemonic} {text} ({section})"
        if dnspython_has(mnemonic) and mnemonic not in THEY_READ_OTHERWISE and NEW_KEYS[0] not in text:
            theirs = dns.rdata.from_text(IN, dns.rdatatype.from_text(mnemonic), text, dns.name.root, False)
            assert theirs.to_wire().hex() == wire, f"dnspython: {mnemonic} {text} ({section})"

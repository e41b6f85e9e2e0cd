"""BIND's rdata parser accepts every record that our zone check accepts, so that dig shows it correctly."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from namewise.engine import Zone

from .rdata_oracles import NOT_IN_RRCHECKER, Codec, have_rrchecker, rrchecker

if TYPE_CHECKING:
    from collections.abc import Iterator

HEAD = "$TTL 60\n@ SOA ns h 1 2 3 4 5\n@ NS ns\nns A 192.0.2.1\n"

# What BIND refuses in spite of the RFC.
THEY_REFUSE = {
    "NSEC3": "hashes of some lengths that no algorithm has",
}


@pytest.fixture(scope="module")
def codec() -> Iterator[Codec]:
    codec = Codec()
    yield codec
    codec.close()


def accepted(mnemonic: str, rdata: str) -> bool:
    """Whether a zone with this record can be served."""
    zone, findings, _ = Zone.check_text("example.com", f"{HEAD}x.sub {mnemonic} {rdata}\nsub NS ns\n")
    return zone is not None and not any(finding.severity == "error" for finding in findings)


@pytest.mark.skipif(not have_rrchecker(), reason="named-rrchecker is not installed")
def test_bind_reads_what_the_check_accepts(codec: Codec) -> None:
    """Generated rdata of every type, whole and damaged, in the generic form, which BIND reads as dig reads a packet."""
    differences = []
    for mnemonic in codec.ask("types").split():
        if mnemonic in NOT_IN_RRCHECKER or mnemonic in THEY_REFUSE:
            continue
        for seed in range(200, 206):
            wire = bytearray.fromhex(codec.ask("sample", mnemonic, str(seed)))
            if seed % 2 and wire:
                position = seed * 7919 % len(wire)
                wire[position] ^= 1 << seed % 8
            generic = f"\\# {len(wire)} {wire.hex()}"
            if accepted(mnemonic, generic) and rrchecker(mnemonic, generic) is None:
                differences.append(f"{mnemonic} {generic}")
    assert not differences, "\n".join(differences)


@pytest.mark.skipif(not have_rrchecker(), reason="named-rrchecker is not installed")
@pytest.mark.parametrize(
    "record",
    [
        "DS 1 8 2 00",
        "CDS 1 8 1 00",
        "DLV 1 8 1 00",
        "SSHFP 1 2 00",
        "ZONEMD 1 1 1 00",
        "X25 123",
        "SVCB 1 . ALPN=h2",
        "SVCB 1 . port=8 port=8",
        "HTTPS 1 . key7=/dns-query",
        'MX 10 "mail.example."',
        "LOC 90 0 0.001 N 0 E 0m",
        "LOC 1 N 1 E 0 99999999m",
        "SOA a. b. 1 1h30 2 3 4",
    ],
)
def test_the_check_refuses_what_bind_refuses(record: str) -> None:
    mnemonic, rdata = record.split(" ", 1)
    assert rrchecker(mnemonic, rdata) is None
    assert not accepted(mnemonic, rdata)

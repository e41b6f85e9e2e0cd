"""Rdata compared with dnspython, for every type that both support: wire, text, canonical form, refused values."""

from __future__ import annotations

import dns.exception
import dns.rdata
import dns.rdataclass
import dns.rdatatype
import pytest
from hypothesis import given
from hypothesis import strategies as st

from namewise.rdata import Rdata, TextError, WireError, rr_types

from .strategies import RDATA_TEXT

IN = dns.rdataclass.IN
# Printed as BIND does, which dnspython does not read: mnemonics of algorithms, groups of fewer than four digits.
BIND_TEXT = {"CERT", "NID", "L64"}
TYPES = sorted(RDATA_TEXT)


def theirs_from_text(rtype: str, text: str) -> dns.rdata.Rdata:
    return dns.rdata.from_text(IN, rtype, text, origin=None, relativize=False)


@pytest.mark.parametrize("rtype", TYPES)
@given(data=st.data())
def test_text_wire_and_canonical_agree(rtype: str, data: st.DataObject) -> None:
    text = data.draw(RDATA_TEXT[rtype])
    theirs = theirs_from_text(rtype, text)
    wire = theirs.to_wire()
    ours = Rdata(rtype, text)
    assert ours.wire == wire
    assert Rdata.from_wire(rtype, wire) == ours
    # What each prints, the other reads as the same octets.
    if rtype not in BIND_TEXT:
        assert theirs_from_text(rtype, str(ours)).to_wire() == wire
    assert Rdata(rtype, theirs.to_text()).wire == wire
    assert Rdata(rtype, str(ours)).wire == wire
    assert ours.canonical == theirs.to_digestable()
    assert Rdata.from_dnspython(theirs) == ours
    assert ours.to_dnspython() == theirs


@pytest.mark.parametrize("rtype", TYPES)
@given(data=st.data())
def test_generic_form_agrees(rtype: str, data: st.DataObject) -> None:
    """RFC 3597 §5: every type can be written and read as octets."""
    wire = Rdata(rtype, data.draw(RDATA_TEXT[rtype])).wire
    generic = f"\\# {len(wire)} {wire.hex()}"
    assert Rdata(rtype, generic).wire == wire
    assert Rdata(f"TYPE{Rdata(rtype, generic).type_value}", generic).wire == wire


@pytest.mark.parametrize("rtype", TYPES)
@given(data=st.data())
def test_wire_that_is_read_round_trips_through_text(rtype: str, data: st.DataObject) -> None:
    wire = bytearray(Rdata(rtype, data.draw(RDATA_TEXT[rtype])).wire)
    for _ in range(data.draw(st.integers(0, 3))):
        if wire:
            wire[data.draw(st.integers(0, len(wire) - 1))] = data.draw(st.integers(0, 255))
    cut = data.draw(st.integers(0, len(wire) + 2))
    wire = bytearray(bytes(wire[:cut]).ljust(cut, b"\0"))
    try:
        ours = Rdata.from_wire(rtype, bytes(wire))
    except WireError as error:
        assert error.offset is not None and 0 <= error.offset <= len(wire)
        return
    assert Rdata(rtype, str(ours)).wire == wire
    assert Rdata.from_wire(rtype, ours.canonical).canonical == ours.canonical


@pytest.mark.parametrize("rtype", TYPES)
@given(
    words=st.lists(
        st.sampled_from(["1", "-1", "a.", '"', "\\", "(", ")", ";", "\\# 1 0", "99999999999", "é"]),
        max_size=6,
    )
)
def test_arbitrary_text_is_handled(rtype: str, words: list[str]) -> None:
    text = " ".join(words)
    try:
        ours = Rdata(rtype, text)
    except TextError as error:
        assert 1 <= error.column <= len(text.encode()) + 1
    else:
        assert Rdata(rtype, str(ours)) == ours


def test_every_type_that_both_know_is_compared() -> None:
    """A type that dnspython learns, or that we add, must get its strategy, or a reason here."""
    elsewhere = {
        "SIG": "dnspython prints no SIG that is data",
        "KEY": "obsolete; dnspython reads it as generic only",
        "OPT": "tests/boundary/test_edns.py",
        "TKEY": "message only",
        "TSIG": "message only",
        "WKS": "dnspython prints protocol numbers, checked by tests/vectors",
    }
    both = {
        name
        for value, name in rr_types().items()
        if dns.rdata.get_rdata_class(IN, dns.rdatatype.RdataType.make(value)) is not dns.rdata.GenericRdata
    }
    assert both - set(RDATA_TEXT) - set(elsewhere) == set()

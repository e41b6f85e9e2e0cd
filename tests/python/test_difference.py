"""`Difference`: what a journal keeps of a change."""

from __future__ import annotations

import pytest

from namewise.engine import Difference, RRset, Zone
from namewise.engine.errors import DifferenceMismatch, WireError, ZoneFileError

TEXT = "$TTL 60\n@ SOA ns h 1 2 3 4 5\n@ NS ns\nns A 192.0.2.1\n"


@pytest.fixture
def old() -> Zone:
    return Zone.from_text("example.com.", TEXT)


@pytest.fixture
def new() -> Zone:
    return Zone.from_text(
        "example.com.", TEXT.replace("h 1", "h 2").replace("2.1", "2.9") + "www A 192.0.2.2\n"
    )


def test_it_leads_from_one_version_to_the_other_and_back(old: Zone, new: Zone) -> None:
    difference = old.difference(new)
    assert repr(difference) == "<Difference of example.com., serial 1 to 2, 2 records removed, 3 added>"
    assert (str(difference.name), difference.serial_before, difference.serial_after) == ("example.com.", 1, 2)
    assert [(str(one.owner), one.type) for one in difference.added] == [
        ("example.com.", "SOA"),
        ("ns.example.com.", "A"),
        ("www.example.com.", "A"),
    ]
    assert old.apply(difference).to_text() == new.to_text()
    assert new.apply(difference.reversed).to_text() == old.to_text()
    again = Difference.from_wire(difference.wire)
    assert again == difference and again.octets == len(difference.wire)
    assert difference and not old.difference(old)


def test_it_fits_its_own_version_only(old: Zone, new: Zone) -> None:
    difference = old.difference(new)
    with pytest.raises(DifferenceMismatch, match="made from serial 1, but the zone has serial 2") as caught:
        new.apply(difference)
    assert caught.value.code == "SERIAL"
    with pytest.raises(ValueError, match="cannot follow"):
        old.difference(Zone.from_text("other.", TEXT))
    edit = old.edit()
    edit.put(RRset("www.example.com.", "A", 60, ["192.0.2.2"]))
    with pytest.raises(DifferenceMismatch) as caught:
        edit.commit("keep").apply(difference)
    assert caught.value.code == "PRESENT"


@pytest.mark.parametrize(
    ("octets", "code"),
    [(b"", "TRUNCATED"), (b"\2", "FORMAT"), (b"\1\0\0\0\1", "BAD_RECORD"), (b"\1" + bytes(8), "NO_SOA")],
)
def test_octets_that_are_none_are_refused(octets: bytes, code: str) -> None:
    with pytest.raises(WireError) as caught:
        Difference.from_wire(octets)
    assert caught.value.code == code


def test_a_zone_round_trips_through_octets(new: Zone) -> None:
    for octets in (1, 50, 1 << 20):
        chunks = new.to_wire(octets)
        assert Zone.from_wire("example.com.", chunks).to_text() == new.to_text()
    assert len(new.to_wire(1)) == 4 and len(new.to_wire()) == 1
    with pytest.raises(ZoneFileError):
        Zone.from_wire("example.com.", [])
    with pytest.raises(WireError, match="chunk 0: the record at offset"):
        Zone.from_wire("example.com.", [new.to_wire()[0][:-1]])

"""Zones as handles: load, inspect, change, compare, query without a server."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from namewise.engine import Zone
from namewise.engine.errors import ZoneFileError
from namewise.message import make_query
from namewise.rdata import RRset

if TYPE_CHECKING:
    from pathlib import Path

ZONE = """\
$TTL 1h
@ IN SOA ns hostmaster 7 1d 2h 4w 5m
@ NS ns
ns A 192.0.2.53
www 300 A 192.0.2.1
www 300 A 192.0.2.2
alias CNAME www
sub NS ns.sub
ns.sub A 192.0.2.54
*.wild TXT "any"
"""


@pytest.fixture(scope="module")
def zone() -> Zone:
    return Zone.from_text("example.com", ZONE)


def test_properties_of_a_zone(zone: Zone) -> None:
    assert (str(zone.name), zone.serial, zone.rclass, len(zone), zone.is_signed) == (
        "example.com.", 7, "IN", 9, False,
    )  # fmt: skip
    assert zone.rrset("www.example.com", "A") == RRset(
        "www.example.com", "A", 300, ["192.0.2.2", "192.0.2.1"]
    )
    assert zone.rrset("www.example.com", "AAAA") is None
    assert zone.rrset("example.org", "A") is None


def test_pages_are_in_canonical_order(zone: Zone) -> None:
    seen: list[RRset] = []
    while page := zone.page(after=seen[-1].owner if seen else None, limit=2):
        assert len(page) >= 2 or page[-1].owner == seen[-1].owner or len(page) == 1
        seen += page
    owners = [rrset.owner for rrset in seen]
    assert owners == sorted(owners)
    assert sum(len(rrset) for rrset in seen) == len(zone)
    assert seen == list(zone.page(limit=100))


def test_text_reads_back(zone: Zone) -> None:
    text = zone.to_text()
    assert text.startswith("example.com.\t3600\tIN\tSOA\t")
    assert not zone.difference(Zone.from_text("example.com", text))


def test_all_errors_are_reported_at_once(tmp_path: Path) -> None:
    path = tmp_path / "broken.zone"
    path.write_text(
        "@ 60 SOA ns host 1 1 1 1 1\n@ 60 NS ns\nns A 192.0.2.300\nx NOSUCH 1\n$INCLUDE missing\n"
    )
    with pytest.raises(ZoneFileError) as caught:
        Zone.from_file("example.com", path)
    faults = caught.value.faults
    assert [fault.line for fault in faults if fault.line] == [3, 4, 5]
    assert all(fault.file == str(path) and fault.severity == "error" for fault in faults)
    assert faults[0].column > 1 and faults[0].expected
    zone, findings, counts = Zone.check_file("example.com", path)
    assert zone is None and [finding for finding in findings if finding.severity == "error"] == list(faults)
    assert sum(counts[one] for one in {fault.id for fault in faults}) == len(faults)
    with pytest.raises(ZoneFileError, match="nowhere"):
        Zone.from_file("example.com", tmp_path / "nowhere")


def test_warnings_do_not_stop_a_zone(zone: Zone) -> None:
    loaded, findings, counts = Zone.check_text("example.com", ZONE)
    assert loaded is not None
    assert {finding.severity for finding in findings} <= {"warning", "info"}
    assert counts.keys() == {finding.id for finding in findings}


@pytest.mark.parametrize(
    ("name", "rtype", "rcode", "flags", "counts"),
    [
        ("www.example.com", "A", "NOERROR", "qr aa rd", (1, 2, 0, 1)),
        ("alias.example.com", "A", "NOERROR", "qr aa rd", (1, 3, 0, 1)),
        ("a.sub.example.com", "A", "NOERROR", "qr rd", (1, 0, 1, 2)),
        ("www.example.com", "AAAA", "NOERROR", "qr aa rd", (1, 0, 1, 1)),
        ("no.example.com", "A", "NXDOMAIN", "qr aa rd", (1, 0, 1, 1)),
        ("b.wild.example.com", "TXT", "NOERROR", "qr aa rd", (1, 1, 0, 1)),
    ],
)
def test_a_dry_run_answers_as_a_server_would(
    zone: Zone, name: str, rtype: str, rcode: str, flags: str, counts: tuple[int, ...]
) -> None:
    """RFC 1034 §4.3.2, RFC 4592 §3.3.1."""
    query = make_query(name, rtype)
    reply = zone.answer(query)
    assert reply.replies_to(query)
    assert (reply.rcode, reply.flags) == (rcode, flags)
    assert (*reply.counts[:2], *reply.counts[2:]) == counts


def test_a_dry_run_of_another_zone_s_name_is_refused(zone: Zone) -> None:
    with pytest.raises(ValueError, match=r"not a question for the zone example\.com\."):
        zone.answer(make_query("example.org"))


def test_edits_make_another_zone(zone: Zone) -> None:
    edit = zone.edit()
    edit.put(RRset("new.example.com", "A", 60, ["192.0.2.9"]))
    edit.add(RRset("www.example.com", "A", 60, ["192.0.2.3"]))
    edit.delete("alias.example.com")
    www = edit.rrset("www.example.com", "A")
    assert www is not None and len(www) == 3
    newer = edit.commit()
    assert (newer.serial, len(newer), len(zone)) == (8, 10, 9)
    assert newer.rrset("alias.example.com", "CNAME") is None
    difference = zone.difference(newer)
    removed, added = difference.removed, difference.added
    assert {str(rrset.owner) for rrset in removed} >= {"alias.example.com.", "example.com."}
    assert {str(rrset.owner) for rrset in added} >= {"new.example.com.", "www.example.com."}
    with pytest.raises(ValueError, match="committed"):
        edit.put(RRset("new.example.com", "A", 60, ["192.0.2.9"]))
    assert zone.edit().commit(2026112201).serial == 2026112201


def test_an_edit_that_breaks_the_zone_is_refused(zone: Zone) -> None:
    edit = zone.edit()
    edit.put(RRset("www.example.com", "CNAME", 60, ["ns.example.com."]))
    with pytest.raises(ZoneFileError, match="CNAME"):
        edit.commit()


def test_a_zone_from_rrsets(zone: Zone) -> None:
    again = Zone.from_rrsets("example.com", zone.page()[::-1])
    assert not zone.difference(again)


def test_many_zones_are_loaded_at_once(tmp_path: Path) -> None:
    """Each zone has its own outcome, and the version of the files that it was read from."""
    (tmp_path / "good").write_text(ZONE + "$INCLUDE part\n")
    (tmp_path / "part").write_text("extra 60 A 192.0.2.77\n")
    (tmp_path / "bad").write_text("@ 60 SOA ns host 1 1 1 1 1\n@ 60 NS ns\nns 60 A 192.0.2.300\n")
    sources = [("example.com", tmp_path / name) for name in ("good", "bad", "missing")]
    os.mkfifo(tmp_path / "pipe")
    sources.append(("example.com", tmp_path / "pipe"))
    good, bad, missing, pipe = Zone.load_files(sources)
    assert good is not None and isinstance(good[1], Zone)
    assert [str(path) for path, *_ in good[0]] == [str(tmp_path / "good"), str(tmp_path / "part")]
    found = (tmp_path / "good").stat()
    assert good[0][0][1:] == (found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns)
    assert bad is not None and isinstance(bad[1], ZoneFileError) and bad[1].faults[0].line == 3
    assert missing is None and pipe is None, "a pipe would have to wait for a writer"

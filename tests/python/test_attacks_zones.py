"""Attacks on a server of zones, by packets that are really sent, with the bound of the table of attacks and the figure that was seen.

    D2 amplification   D4 forged signatures   D5 forged updates   D9 endless aliases   D10 denial with NSEC3   D13 corners of class and type

Data that are attacks (D6, D7, D8) are in `test_attacks_data.py`, floods with forged sources (D1) in `tests/interop/rrl_peers.py`, starved
connections (D3) in `test_tcp_attacks.py`, forged cookies (D11) in `nw lab attacks`.
"""

from __future__ import annotations

import itertools
import struct
import time
from typing import TYPE_CHECKING, Any

import pytest
from attackers import (
    ADD,
    HERE,
    NOTIFY,
    TEXT,
    UPDATE,
    Client,
    cpu_s,
    name,
    record,
    serial,
    serving,
    show,
    update,
)
from ports import free_port
from servers import running

from namewise import Server
from namewise.engine import Message, Signing, TsigKey, Zone, ZoneKey, make_query

if TYPE_CHECKING:
    from pathlib import Path

SECRET = b"0123456789abcdef0123456789abcdef"


# ------------------------------------------------------------------------------------------------------------------ D2


def test_no_answer_over_udp_is_longer_than_1232_octets(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    big = "".join(f'big 60 TXT "{number:02}{"x" * 200}"\n' for number in range(40))
    many = "".join(
        f"many 60 MX {number} h{number}\nh{number} 60 A 192.0.2.{number}\n" for number in range(60)
    )
    sub = "".join(f"sub 60 NS n{number}.sub\nn{number}.sub 60 A 192.0.2.{number}\n" for number in range(60))
    plain = Zone.from_text("e.", TEXT + big + many + sub + "*.w 60 TXT x\n")
    keys = [ZoneKey.generate("e.", flags, 8, 2048) for flags in (257, 256)]
    now = int(time.time())
    signed = Signing(keys, now - 3600, now + 86_400, nsec3=True).sign(plain)
    with serving(tmp_path, signed.to_text()) as (_, client):
        worst = (0.0, 0, "")
        names = ["e.", "www.e.", "big.e.", "many.e.", "x.sub.e.", "no.e.", "x.w.e.", "a.b.c.no.e."]
        types = ["ANY", "DNSKEY", "TXT", "MX", "A", "RRSIG", "NSEC3PARAM", "NS", "DS"]
        for asked, rtype, payload in itertools.product(names, types, (512, 1232, 4096, 65535)):
            query = make_query(asked, rtype, udp_payload=payload, dnssec_ok=True)
            answer = client.send(query.wire)
            limit = min(1232, payload)
            assert len(answer) <= limit, (asked, rtype, payload, len(answer))
            if rtype == "ANY":
                kinds = {rrset.type for rrset in Message.parse(answer).answer} - {"RRSIG"}
                assert len(kinds) <= 1, (asked, kinds)
            worst = max(worst, (len(answer) / len(query.wire), len(answer), f"{asked} {rtype}"))
    show(
        capsys,
        "D2",
        f"worst of {len(names) * len(types) * 4} queries: {worst[1]} octets (limit 1232), "
        f"{worst[0]:.1f} times its query, {worst[2]}; ANY: one RRset",
    )


# ------------------------------------------------------------------------------------------------------------------ D4

KEYS: dict[str, Any] = {
    "key": [{"name": "k1", "secret": "MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY="}],
    "update": [{"name": "all", "zones": ["e"], "key": "k1", "types": ["ANY"], "rate": 1_000_000}],
}
RIGHT = TsigKey("k1.", "hmac-sha256", SECRET)


def tsig(wire: bytes) -> tuple[int, int]:
    """The rcode of a reply and the error of its TSIG record, which is the last one; 0 if it has none."""
    found = wire.rfind(b"\x00\xfa\x00\xff")
    if struct.unpack_from("!H", wire, 10)[0] == 0 or found < 0:
        return wire[3] & 15, 0
    at = found + 10
    while wire[at]:
        at += wire[at] + 1
    (mac,) = struct.unpack_from("!H", wire, at + 9)
    return wire[3] & 15, struct.unpack_from("!H", wire, at + 13 + mac)[0]


def with_field(wire: bytes, at: int, octets: bytes) -> bytes:
    """*wire* with *octets* at *at*, counted from the end of the message if negative."""
    at = at % len(wire)
    return wire[:at] + octets + wire[at + len(octets) :]


def test_forged_signatures_change_nothing(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Unknown keys, wrong secrets, other times, cut MACs, altered messages: none is processed (RFC 8945 §5.2)."""
    now = int(time.time())
    bare = update(ADD)
    signed = RIGHT.sign(bare, now).wire
    # The end: time (6), fudge, size of the MAC, MAC (32), original id, error, size of other data.
    mac_at, fudge_at, time_at = -6 - 32, -6 - 32 - 4, -6 - 32 - 4 - 6
    forged: dict[str, tuple[bytes, int, int]] = {
        "unknown key": (TsigKey("k2.", "hmac-sha256", SECRET).sign(bare, now).wire, 9, 17),
        "wrong secret": (TsigKey("k1.", "hmac-sha256", b"x" * 32).sign(bare, now).wire, 9, 16),
        "other algorithm": (TsigKey("k1.", "hmac-sha512", SECRET).sign(bare, now).wire, 9, 17),
        "too early": (RIGHT.sign(bare, now - 3600).wire, 9, 18),
        "too late": (RIGHT.sign(bare, now + 3600).wire, 9, 18),
        "cut MAC": (RIGHT.sign(bare, now, 16).wire, 9, 22),
        "zero MAC": (with_field(signed, mac_at, bytes(32)), 9, 16),
        # CVE-2017-11104: a validity window that the attacker widens, at a time that it moves.
        "wide window": (with_field(RIGHT.sign(bare, now - 3600).wire, fudge_at, b"\xff\xff"), 9, 16),
        "other time": (with_field(RIGHT.sign(bare, now - 3600).wire, time_at, now.to_bytes(6, "big")), 9, 16),
        "class IN": (signed.replace(b"\x00\xfa\x00\xff", b"\x00\xfa\x00\x01"), 1, 0),
        "no MAC": (signed[: mac_at - 2] + b"\0\0" + signed[-6:], 1, 0),
    }
    with serving(tmp_path, **KEYS) as (_, client):
        for case, (wire, rcode, error) in forged.items():
            if case == "no MAC":
                # The length of the record agrees with what is left.
                at = wire.rfind(b"\x00\xfa\x00\xff") + 8
                wire = with_field(wire, at, struct.pack("!H", len(wire) - at - 2))
            assert tsig(client.send(wire)) == (rcode, error), case
            assert tsig(client.stream(wire)) == (rcode, error), case
        flips = 0
        for at in range(2, len(signed)):
            # Not the bit of the case of letters, which names do not count.
            altered = with_field(signed, at, bytes([signed[at] ^ 1 << at % 5]))
            answer = client.reaction(altered)
            flips += 1
            assert answer is None or answer[2] & 0x78 != UPDATE << 3 or answer[3] & 15 != 0, at
        assert serial(client) == 5
        # The right one counts, and its replay changes nothing more.
        assert [tsig(client.send(signed)) for _ in range(3)] == [(0, 0)] * 3
        assert serial(client) == 6
        old = RIGHT.sign(update(record("new.e.", 1, 255, 0, b"")), now - 301).wire
        assert tsig(client.send(old)) == (9, 18) and serial(client) == 6
    show(
        capsys,
        "D4",
        f"{len(forged)} forgeries over UDP and TCP and {flips} altered octets: none processed, zone unchanged",
    )


# ------------------------------------------------------------------------------------------------------------------ D5


def test_forged_updates_change_nothing(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Games with classes and types, prerequisites that spy, SOA of older versions (RFC 2136 §3)."""
    rules: dict[str, Any] = {
        "update": [
            {"name": "some", "zones": ["e"], "clients": ["127.0.0.1"], "types": ["ANY"], "rate": 1_000_000}
        ]
    }

    def soa(serial: int) -> bytes:
        return name("ns.e.") + name("h.e.") + struct.pack("!5I", serial, 1, 2, 3, 4)

    def zone_of(rtype: int, rclass: int) -> bytes:
        return name("e.") + struct.pack("!HH", rtype, rclass)

    games: dict[str, tuple[bytes, set[int]]] = {
        "zone of class ANY": (update(ADD, zones=zone_of(6, 255)), {1, 5, 9}),
        "zone of class NONE": (update(ADD, zones=zone_of(6, 254)), {1, 5, 9}),
        "zone of class CH": (update(ADD, zones=zone_of(6, 3)), {1, 5, 9}),
        "zone of type A": (update(ADD, zones=zone_of(1, 1)), {1}),
        "no zone": (update(ADD, zones=b"", count=0), {1}),
        "two zones": (update(ADD, zones=zone_of(6, 1) * 2, count=2), {1}),
        "zone below": (update(ADD, zones=name("www.e.") + struct.pack("!HH", 6, 1)), {9}),
        "owner outside": (update(record("x.f.", 1, 1, 60, b"\xc0\0\2\7")), {10}),
        "add class CH": (update(record("new.e.", 1, 3, 60, b"\xc0\0\2\7")), {1}),
        "delete with TTL": (update(record("www.e.", 1, 255, 60, b"")), {1}),
        "delete with data": (update(record("www.e.", 1, 255, 0, b"\xc0\0\2\2")), {1}),
        "delete ANY of class NONE": (update(record("www.e.", 255, 254, 0, b"")), {1}),
        "add type ANY": (update(record("new.e.", 255, 1, 60, b"")), {1}),
        **{
            f"add type {rtype}": (update(record("new.e.", rtype, 1, 60, b"\0" * 4)), {1})
            for rtype in (41, 249, 250, 251, 252, 253, 254)
        },
        "prerequisite with TTL": (update(ADD, before=(record("www.e.", 1, 255, 1, b""),)), {1}),
        "prerequisite of class CH": (update(ADD, before=(record("www.e.", 1, 3, 0, b""),)), {1}),
        "prerequisite with data": (update(ADD, before=(record("www.e.", 1, 255, 0, b"\xc0\0\2\2"),)), {1}),
        "prerequisite outside": (update(ADD, before=(record("www.f.", 255, 255, 0, b""),)), {10}),
        "prerequisite unmet": (update(ADD, before=(record("no.e.", 255, 255, 0, b""),)), {3}),
        # Without effect, which the answer says (§3.4.2).
        "SOA goes back": (update(record("e.", 6, 1, 60, soa(4))), {0}),
        "SOA goes round": (update(record("e.", 6, 1, 60, soa(5 + (1 << 31)))), {0}),
        "SOA deleted": (update(record("e.", 6, 255, 0, b"")), {0}),
        "SOA record deleted": (update(record("e.", 6, 254, 0, soa(5))), {0}),
        "NS deleted": (update(record("e.", 2, 255, 0, b"")), {0}),
        "last NS deleted": (update(record("e.", 2, 254, 0, name("ns.e."))), {0}),
        "CNAME beside data": (update(record("www.e.", 5, 1, 60, name("ns.e."))), {0}),
    }
    with serving(tmp_path, **rules) as (server, client):
        for case, (wire, rcodes) in games.items():
            answer = client.stream(wire)
            assert answer[3] & 15 in rcodes, (case, answer[3] & 15)
            if rcodes == {0}:
                assert b"without effect: " in answer and "RFC 2136 §3.4.2".encode() in answer, case
        assert serial(client) == 5
        # A client without permission learns nothing of records: each prerequisite gets the same answer.
        stranger = Client(client.port, "127.0.0.2")
        spying = [
            record(owner, rtype, rclass, 0, b"")
            for owner in ("www.e.", "no.e.")
            for rtype in (1, 255)
            for rclass in (255, 254)
        ]
        answers = {stranger.send(update(ADD, before=(one,)))[3:4] for one in spying}
        assert {octet[0] & 15 for octet in answers} == {5}
        # Many records at one name.
        many = [record("many.e.", 1, 1, 60, struct.pack("!I", 0x0A000000 + at)) for at in range(1000)]
        began = time.process_time()
        assert client.stream(update(*many))[3] & 15 == 0
        took = time.process_time() - began
        assert serial(client) == 6 and server.addresses
    show(
        capsys,
        "D5",
        f"{len(games)} malformed or harmful updates: zone unchanged, prerequisites of strangers REFUSED; "
        f"{len(many)} records at one name in {took * 1000:.0f} ms of CPU",
    )
    assert took < 10


# ------------------------------------------------------------------------------------------------------------------ D9

CHAINS: dict[str, tuple[str, str]] = {
    "10,000 links": (
        "c0.e.",
        "".join(f"c{at} 60 CNAME c{at + 1}\n" for at in range(10_000)) + "c10000 60 A 192.0.2.1\n",
    ),
    "a loop of two": ("a.e.", "a 60 CNAME b\nb 60 CNAME a\n"),
    "a loop of one": ("a.e.", "a 60 CNAME a\n"),
    "a wildcard that leads to itself": ("x.w.e.", "*.w 60 CNAME y.w\n"),
    "a DNAME below itself": ("x.d.e.", "d 60 DNAME d.d\n"),
    "a DNAME that doubles": ("x.d.e.", "d 60 DNAME d.d.d.d.d.d.d.d.d.d.d.d.d.d.d.d.d.d.d.d\n"),
    "DNAMEs that grow in turn": ("x.a.e.", "a 60 DNAME x.b\nb 60 DNAME x.a\n"),
    "a DNAME into a CNAME into the DNAME": ("x.d.e.", "d 60 DNAME f\n*.f 60 CNAME y.d\n"),
}


@pytest.mark.parametrize("case", CHAINS)
def test_aliases_without_end_are_bounded(
    tmp_path: Path, case: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """At most 20 links are followed; the answer is the chain so far with NOERROR, or YXDOMAIN for a name that gets too long."""
    asked, text = CHAINS[case]
    with serving(tmp_path, TEXT + text) as (_, client):
        query = make_query(asked, "A", udp_payload=1232, dnssec_ok=True).wire
        began = time.process_time()
        answers = [client.send(query) for _ in range(200)]
        plain = time.process_time()
        for _ in range(200):
            client.send(make_query("www.e.", "A").wire)
        took, usual = plain - began, time.process_time() - plain
        whole = Message.parse(client.stream(query))
    links = [rrset for rrset in whole.answer if rrset.type == "CNAME"]
    assert whole.rcode in ("NOERROR", "YXDOMAIN") and 1 <= len(links) <= 21
    assert max(map(len, answers)) <= 1232
    show(
        capsys,
        "D9",
        f"{case}: {len(links)} links (limit 21), {whole.rcode}, {took / 200 * 1e6:.0f} us of CPU for a query "
        f"and its reading, a usual one {usual / 200 * 1e6:.0f}",
    )
    assert took < 20 * usual + 1


def test_aliases_between_zones_are_bounded(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A chain that changes the zone at each link, and a loop of two zones, for a client that may recurse."""
    chain = {"e": "", "f": ""}
    for at in range(2000):
        here, there = ("e", "f") if at % 2 == 0 else ("f", "e")
        chain[here] += f"c{at} 60 CNAME c{at + 1}.{there}.\n"
    zones = []
    for at, (apex, text) in enumerate(chain.items()):
        file = tmp_path / f"{apex}.zone"
        file.write_text(TEXT + text + f"loop 60 CNAME loop.{'fe'[at]}.\n")
        zones.append({"name": apex, "kind": "file", "file": str(file)})
    config = {
        "listen": [{"address": HERE, "port": 0}],
        "server": {"workers": 1},
        "zone": zones,
        "resolver": {},
    }
    with Server(config) as server:
        client = Client(int(server.addresses[0].rpartition(":")[2]))
        found = {}
        for asked in ("c0.e.", "loop.e."):
            answer = Message.parse(client.send(make_query(asked, "A", udp_payload=1232).wire))
            found[asked] = len([rrset for rrset in answer.answer if rrset.type == "CNAME"])
            assert answer.rcode in ("NOERROR", "SERVFAIL") and answer.authoritative
    show(
        capsys,
        "D9",
        f"a chain through two zones: {found['c0.e.']} links, a loop of two zones: {found['loop.e.']} links (limit 21)",
    )
    assert 1 <= found["c0.e."] <= 21 and found["loop.e."] == 2


# ----------------------------------------------------------------------------------------------------------------- D10


def test_denial_with_nsec3_has_a_bounded_price(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Random names that do not exist: CPU for each query, unsigned and with NSEC3 of 0 to 100 iterations.

    The bound of the table (half the rate of an unsigned zone) is for a release build and is measured by `tests/interop`; a development
    build hashes several times slower, so that here only growth is bounded: at most three hashes for a name, each of 1 + iterations.
    """
    plain = Zone.from_text("e.", TEXT + "".join(f"n{at} 60 A 192.0.2.1\n" for at in range(200)))
    key = ZoneKey.generate("e.", 257, 13)
    now = int(time.time())
    prices: dict[str, float] = {}
    for label, iterations in (("unsigned", None), ("0", 0), ("10", 10), ("50", 50), ("100", 100)):
        folder, port = tmp_path / label, free_port()
        folder.mkdir()
        made = plain
        if iterations is not None:
            made = Signing([key], now - 3600, now + 86_400, nsec3=True, iterations=iterations).sign(plain)
        (folder / "zone").write_text(made.to_text())
        command = [
            "serve",
            "--listen",
            f"{HERE}:{port}",
            "--zone",
            f"e={folder / 'zone'}",
            "--control",
            str(folder / "c"),
        ]
        with running(*command, "--workers", "1", "--state", str(folder / "state"), ready="ready") as (
            process,
            _,
        ):
            client = Client(port)
            # So that ten clock ticks are not noise.
            asked, began = 0, cpu_s(process.pid)
            while asked < 2000 or cpu_s(process.pid) - began < 0.1:
                for at in range(asked, asked + 500):
                    wire = make_query(f"x{at}.no.e.", "A", udp_payload=1232, dnssec_ok=True).wire
                    answer = client.send(wire)
                asked += 500
            assert answer[3] & 15 == 3
            prices[label] = (cpu_s(process.pid) - began) / asked * 1e6
    shown = ", ".join(f"{label} {price:.0f}" for label, price in prices.items())
    show(
        capsys,
        "D10",
        f"us of CPU for a name that does not exist, by iterations: {shown}; "
        f"rate with 0 iterations {prices['unsigned'] / prices['0']:.0%} of unsigned",
    )
    assert prices["100"] < 100 * prices["0"]
    assert prices["100"] < 5000


# ----------------------------------------------------------------------------------------------------------------- D13

SIG, TKEY, OPT, TSIG = 24, 249, 41, 250
META = (SIG, TKEY, OPT, TSIG, 0, 128, 251, 252, 253, 254, 255, 65535)


def test_corners_of_class_and_type_crash_nothing(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Meta types in the question and beside it, in every class and opcode: FORMERR, NOTIMP, REFUSED, or an answer; never silence alone."""
    counts: dict[int | None, int] = {}
    with serving(tmp_path, **KEYS) as (_, client):
        for rtype, rclass, opcode in itertools.product(
            META, (1, 3, 4, 254, 255, 0, 65280), (0, 1, 2, 3, 4, 5, 6, 15)
        ):
            wire = (
                struct.pack("!6H", 1, opcode << 11, 1, 0, 0, 0)
                + name("www.e.")
                + struct.pack("!HH", rtype, rclass)
            )
            answer = client.reaction(wire)
            rcode = None if answer is None else answer[3] & 15
            counts[rcode] = counts.get(rcode, 0) + 1
            assert rcode in (0, 1, 3, 4, 5, 9), (rtype, rclass, opcode, rcode)
            if opcode == 0 and rtype in (TKEY, OPT, TSIG, 0, 128, 251, 252, 253, 254):
                assert rcode in (1, 4, 5, 9), (rtype, rclass, rcode)
            if rtype == 255 and rclass != 1 and opcode == 0:
                assert rcode in (0, 1, 4, 5), (rclass, rcode)
        # A SIG(0), TKEY or TSIG record in each section, with data of each length, in each class.
        beside = 0
        for rtype, section, rclass, size in itertools.product(
            (SIG, TKEY, TSIG), (1, 2, 3), (1, 3, 254, 255), (0, 1, 17, 18, 19, 40, 300)
        ):
            extra = b"\0" + struct.pack("!HHIH", rtype, rclass, 0, size) + bytes(size)
            sections = [1, 0, 0, 0]
            sections[section] = 1
            for opcode, asked in ((0, 1), (UPDATE, 6), (NOTIFY, 6)):
                question = name("e.") + struct.pack("!HH", asked, 1)
                client.reaction(struct.pack("!6H", 1, opcode << 11, *sections) + question + extra)
                beside += 1
        assert serial(client) == 5
    shown = ", ".join(f"{count} rcode {rcode}" for rcode, count in sorted(counts.items(), key=str))
    show(
        capsys,
        "D13",
        f"{sum(counts.values())} questions of meta types: {shown}; "
        f"{beside} SIG, TKEY and TSIG records beside questions; server and zone unharmed",
    )

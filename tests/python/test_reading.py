"""Replies are classified by the code of the resolver."""

from __future__ import annotations

import json
from typing import Any

import pytest

from namewise.engine import Message, Name, make_query, read_reply


def query(name: str, rtype: str = "A") -> bytes:
    return bytes(make_query(name, rtype, id=7).wire)


def reply(asked: bytes, flags: int, counts: tuple[int, int, int] = (0, 0, 0), body: bytes = b"") -> bytes:
    question = Message.parse(asked).question
    assert question is not None
    end = 12 + len(question.name.wire) + 4
    header = asked[:2] + flags.to_bytes(2, "big") + b"\0\1" + b"".join(n.to_bytes(2, "big") for n in counts)
    return header + asked[12:end] + body


def read(asked: bytes, got: bytes, zone: str = "example.com.", **options: bool) -> dict[str, Any]:
    read: dict[str, Any] = json.loads(read_reply(asked, got, Name(zone), **options))
    return read


ADDRESS = b"\xc0\x0c\0\1\0\1\0\0\1\x2c\0\4\xc0\0\2\1"
ALIAS = b"\xc0\x0c\0\5\0\1\0\0\1\x2c\0\x06\3new\xc0\x10"
CUT = b"\xc0\x10\0\2\0\1\0\0\1\x2c\0\5\2ns\xc0\x10"
GLUE = b"\2ns\xc0\x10\0\1\0\1\0\0\1\x2c\0\4\xc0\0\2\1"
ROOT = b"\0\0\2\0\1\0\0\1\x2c\0\3\1a\0"


@pytest.mark.parametrize(
    ("flags", "counts", "body", "outcome"),
    [
        (0x8400, (1, 0, 0), ADDRESS, "answer"),
        (0x8080, (1, 0, 0), ADDRESS, "unauthoritative"),
        (0x8400, (1, 0, 0), ALIAS, "alias"),
        (0x8400, (0, 0, 0), b"", "nodata"),
        (0x8403, (0, 0, 0), b"", "nxdomain"),
        (0x8400, (0, 1, 0), ROOT, "lame"),
        (0x8005, (0, 0, 0), b"", "lame"),
        (0x8002, (0, 0, 0), b"", "failure"),
        (0x8006, (0, 0, 0), b"", "failure"),
        (0x8001, (0, 0, 0), b"", "edns-refused"),
        (0x8600, (0, 0, 0), b"", "truncated"),
        (0x8400, (2, 0, 0), ADDRESS, "malformed"),
        (0x0000, (0, 0, 0), b"", "discarded"),
    ],
)
def test_outcomes(flags: int, counts: tuple[int, int, int], body: bytes, outcome: str) -> None:
    asked = query("www.example.com.")
    judged = read(asked, reply(asked, flags, counts, body))
    assert judged["outcome"] == outcome
    assert judged["reason"]


def test_a_referral_shows_its_servers() -> None:
    asked = query("www.example.com.")
    judged = read(asked, reply(asked, 0x8000, (0, 1, 1), CUT + GLUE), "com.")
    servers = [{"name": "ns.example.com.", "addresses": ["192.0.2.1"]}]
    assert (judged["outcome"], judged["referral"]) == (
        "referral",
        {"zone": "example.com.", "servers": servers},
    )


def test_aliases_are_those_that_the_resolver_follows() -> None:
    asked = query("www.example.com.")
    there = b"\3new\xc0\x10\0\1\0\1\0\0\1\x2c\0\4\xc0\0\2\1"
    judged = read(asked, reply(asked, 0x8080, (2, 0, 0), ALIAS + there))
    assert (judged["outcome"], judged["says"]) == ("unauthoritative", "answer")
    assert judged["aliases"] == ["new.example.com."]


@pytest.mark.parametrize("flags", [0x8001, 0x8004])
def test_an_error_with_an_opt_record_means_that_edns_is_refused(flags: int) -> None:
    asked = query("www.example.com.")
    opt = b"\0\0\x29\4\xd0\0\0\0\0\0\0"
    assert read(asked, reply(asked, flags, (0, 0, 1), opt))["outcome"] == "edns-refused"


def test_discarded_replies_have_a_reason() -> None:
    asked = query("www.example.com.")
    good = reply(asked, 0x8400, (1, 0, 0), ADDRESS)
    for bad, reason in [
        (b"\0\0" + good[2:], "id"),
        (good[:12] + b"\3xww" + good[16:], "question"),
        (reply(asked, 0xA400), "opcode"),
        (good[:11], "header"),
        (good[:4] + bytes(8), "question"),
    ]:
        judged = read(asked, bad)
        assert (judged["outcome"], reason in judged["reason"]) == ("discarded", True), judged


def test_oddities_are_shown() -> None:
    asked = query("www.example.com.")
    good = reply(asked, 0x8400, (1, 0, 0), ADDRESS)
    judged = read(asked, good[:12] + good[12:28].upper() + good[28:] + b"junk")
    assert judged["outcome"] == "answer"
    assert judged["case_changed"]
    assert judged["oddities"] == {"trailing_octets": 4, "extra_opt": 0, "malformed_records": 0}
    # Twelve octets: a server that cannot read the query.
    judged = read(asked, asked[:2] + b"\x80\5" + bytes(8))
    assert (judged["outcome"], judged["rcode"]) == ("edns-refused", "REFUSED")

"""Transfers that are signed (RFC 8945): what is verified, and what ends them."""

from __future__ import annotations

import time
from functools import partial
from typing import TYPE_CHECKING

import dns.message
import dns.name
import dns.rcode
import dns.tsig
import pytest
from test_transfer import LIMITS, Primary, lines, reply, wires, zone

from namewise.engine import TsigKey
from namewise.engine.errors import TransferError
from namewise.zones.transfer import fetch

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

SECRET = b"0123456789abcdef0123456789abcdef"
KEY = TsigKey("xfr.", "hmac-sha256", SECRET)
THEIRS = dns.tsig.Key("xfr.", SECRET, "hmac-sha256")


@pytest.fixture
def primary() -> Iterator[Primary]:
    hosts = [f"h{number}" for number in range(300)]
    one = Primary(zone(1, "a", "b"), zone(2, *hosts), key=THEIRS)
    yield one
    one.close()


def many(primary: Primary, query: dns.message.Message) -> list[dns.message.Message]:
    """Return the AXFR in one message for each record."""
    found = lines(primary.versions[-1])
    return [reply(query, [line]) for line in [*found, found[0]]]


def refusal(primary: Primary, *, ixfr: bool = False) -> TransferError:
    with pytest.raises(TransferError) as caught:
        fetch("e.", primary.where, primary.versions[0] if ixfr else None, LIMITS, key=KEY)
    assert caught.value.code == "TSIG"
    return caught.value


@pytest.mark.parametrize("ixfr", ["off", "tcp", "udp"])
def test_a_signed_transfer_is_verified(primary: Primary, ixfr: str) -> None:
    def at_once(query: dns.message.Message) -> list[dns.message.Message]:
        first, last = primary.ixfr(query)
        first.answer += last.answer
        return [first]

    if ixfr == "udp":
        primary.versions = zone(1, "a", "b"), zone(2, "a")
        primary.answers["IXFR"] = at_once
    found = fetch("e.", primary.where, primary.versions[0], LIMITS, key=KEY, ixfr=ixfr)  # type: ignore[arg-type]
    assert found.zone is not None and found.zone.to_text() == primary.versions[1].to_text()
    expected = {"off": ["SOA", "AXFR"], "tcp": ["SOA", "IXFR"], "udp": ["UDP", "IXFR"]}
    assert primary.asked == expected[ixfr]


def test_ninety_nine_unsigned_messages_may_follow_each_other(primary: Primary) -> None:
    primary.answers["AXFR"] = lambda query: many(primary, query)
    last = len(lines(primary.versions[-1]))
    signed = {*range(0, last, 100), last}
    primary.wires = partial(wires, unsigned=set(range(last)) - signed)
    found = fetch("e.", primary.where, None, LIMITS, key=KEY)
    assert found.zone is not None and found.zone.to_text() == primary.versions[-1].to_text()
    # One more.
    primary.wires = partial(wires, unsigned=set(range(1, 101)))
    assert "is not signed (its rcode is NOERROR)" in str(refusal(primary))


@pytest.mark.parametrize("unsigned", [{0}, {303}, set(range(304))], ids=["first", "last", "all"])
def test_the_first_and_the_last_message_are_signed(primary: Primary, unsigned: set[int]) -> None:
    assert len(lines(primary.versions[-1])) == 303
    primary.answers["AXFR"] = lambda query: many(primary, query)
    only = unsigned

    def of_transfer(replies: list[dns.message.Message]) -> list[bytes]:
        return wires(replies, only if len(replies) > 1 else ())

    primary.wires = of_transfer
    assert "not signed" in str(refusal(primary))
    assert primary.asked == ["SOA", "AXFR"]


@pytest.mark.parametrize("what", ["added", "changed", "removed"])
@pytest.mark.parametrize("ixfr", [False, True])
def test_one_forged_message_refuses_the_whole_transfer(primary: Primary, what: str, *, ixfr: bool) -> None:
    """ATTACKS D6b: one unsigned message inside of a signed transfer."""
    rtype = "IXFR" if ixfr else "AXFR"
    queries: list[dns.message.Message] = []

    def answer(query: dns.message.Message) -> list[dns.message.Message]:
        queries.append(query)
        if not ixfr:
            return many(primary, query)
        first, last = primary.ixfr(query)
        parts = [*first.answer, *last.answer]
        return [reply(query, [line]) for rrset in parts for line in rrset.to_text().splitlines()]

    def forge(replies: list[dns.message.Message]) -> list[bytes]:
        made = wires(replies)
        if len(made) > 1:
            query = queries[-1]
            query.tsig = None
            forged = reply(query, ["h9.e. 60 IN A 203.0.113.66"]).to_wire()
            made[5:6] = {"added": [forged, made[5]], "changed": [forged], "removed": []}[what]
        return made

    primary.answers[rtype] = answer
    primary.wires = forge
    assert "added or changed on their way" in str(refusal(primary, ixfr=ixfr))
    assert primary.asked == ["SOA", rtype]


def _error(rcode: int, tsig_error: int) -> Callable[[dns.message.Message], list[dns.message.Message]]:
    def answer(query: dns.message.Message) -> list[dns.message.Message]:
        made = dns.message.make_response(query, tsig_error=tsig_error)
        made.set_rcode(rcode)
        return [made]

    return answer


def test_what_the_primary_says_of_the_signature_is_shown_with_a_remedy(primary: Primary) -> None:
    primary.answers["SOA"] = _error(dns.rcode.NOTAUTH, dns.rcode.BADTIME)
    assert "BADTIME" in str(refusal(primary))
    # A server that does not know the key cannot sign, and says so without a MAC.
    bad_key = dns.tsig.Key("xfr.", b"other", "hmac-sha256")

    def unsigned(replies: list[dns.message.Message]) -> list[bytes]:
        (made,) = replies
        name = dns.name.from_text("xfr.")
        made.tsig = made._make_tsig(name, bad_key.algorithm, int(time.time()), 300, b"", made.id, 17, b"")
        made.want_tsig_sign = False
        return [made.to_wire()]

    primary.answers["SOA"] = _error(dns.rcode.NOTAUTH, 0)
    primary.wires = unsigned
    assert "BADKEY: it does not know the key, or not with this algorithm" in str(refusal(primary))


def test_another_secret_is_told_from_a_missing_one(primary: Primary) -> None:
    def other(replies: list[dns.message.Message]) -> list[bytes]:
        for one in replies:
            one.keyring = dns.tsig.Key("xfr.", b"another secret", "hmac-sha256")
        return wires(replies)

    primary.wires = other
    assert "compare the secrets of both sides" in str(refusal(primary))
    primary.wires = lambda replies: wires(replies, range(1000))
    assert "let the primary know the key xfr. and sign with it" in str(refusal(primary))


def test_a_datagram_that_is_not_authentic_is_asked_for_over_tcp(primary: Primary) -> None:
    def forged_by_udp(query: dns.message.Message) -> list[dns.message.Message]:
        if "AXFR" in primary.asked or primary.asked.count("IXFR") > 1:
            return primary.ixfr(query)
        query.tsig = None
        return [reply(query, lines(zone(9, "forged"))[:1])]

    primary.answers["IXFR"] = forged_by_udp
    found = fetch("e.", primary.where, primary.versions[0], LIMITS, key=KEY, ixfr="udp")
    assert found.serial == 2 and primary.asked == ["UDP", "IXFR", "SOA", "IXFR"]

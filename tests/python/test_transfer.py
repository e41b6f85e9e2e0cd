"""Transfers from a scripted primary: differences, what stands in their place, and what is refused."""

from __future__ import annotations

import contextlib
import socket
import threading
from typing import TYPE_CHECKING, Any

import dns.edns
import dns.flags
import dns.message
import dns.rcode
import dns.rrset
import dns.tsig
import pytest

from namewise.config.values import Endpoint
from namewise.engine import Zone
from namewise.engine.errors import TransferError
from namewise.zones.transfer import Limits, fetch

if TYPE_CHECKING:
    from collections.abc import Callable, Container, Iterator

LIMITS = Limits(1 << 20, 1000, 20.0)
REST = "@ 60 NS ns\nns 60 A 192.0.2.1\n"


def text(serial: int, *hosts: str) -> str:
    return f"@ 60 SOA ns h {serial} 3600 600 86400 60\n{REST}" + "".join(f"{host} 60 A 192.0.2.9\n" for host in hosts)  # fmt: skip


def zone(serial: int, *hosts: str) -> Zone:
    return Zone.from_text("e.", text(serial, *hosts))


def lines(one: Zone) -> list[str]:
    found = one.to_text().splitlines()
    return sorted(
        (line for line in found if line and line[0] not in "$;"), key=lambda line: "SOA" not in line
    )


class Primary:
    """A primary of e. with *versions*, on TCP and UDP. `answers`: what it says to a type, in place of what is right. `wires`: makes
    the octets of the messages of a reply. key: verifies queries and signs replies."""

    def __init__(self, *versions: Zone, key: dns.tsig.Key | None = None) -> None:
        self.versions = versions
        self.key = key
        self.wires: Callable[[list[dns.message.Message]], list[bytes]] = wires
        self.asked: list[str] = []
        self.answers: dict[str, Callable[[dns.message.Message], list[dns.message.Message]]] = {}
        self.expire: int | None = None
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.where = Endpoint(*self._listener.getsockname()[:2])
        self._udp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._udp.bind(("127.0.0.1", self.where.port))
        threading.Thread(target=self._run, daemon=True).start()
        threading.Thread(target=self._run_udp, daemon=True).start()

    def close(self) -> None:
        for one in (self._listener, self._udp):
            with contextlib.suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)
            one.close()

    def _run(self) -> None:
        while True:
            try:
                link, _ = self._listener.accept()
            except OSError:
                return
            with link, link.makefile("rb") as stream, contextlib.suppress(OSError):
                while length := stream.read(2):
                    octets = stream.read(int.from_bytes(length, "big"))
                    query = dns.message.from_wire(octets, keyring=self.key or {})
                    for wire in self.wires(self.replies(query)):
                        link.sendall(len(wire).to_bytes(2, "big") + wire)
                    if query.question[0].rdtype.name != "SOA":
                        break

    def _run_udp(self) -> None:
        while True:
            try:
                octets, client = self._udp.recvfrom(4096)
            except OSError:
                return
            if octets:
                query = dns.message.from_wire(octets, keyring=self.key or {})
                self.asked.append("UDP")
                self._udp.sendto(self.replies(query)[0].to_wire(), client)

    def replies(self, query: dns.message.Message) -> list[dns.message.Message]:
        rtype = query.question[0].rdtype.name
        self.asked.append(rtype)
        return (self.answers.get(rtype) or getattr(self, rtype.lower()))(query)

    def soa(self, query: dns.message.Message) -> list[dns.message.Message]:
        made = reply(query, lines(self.versions[-1])[:1])
        if self.expire is not None:
            assert any(option.otype == 9 for option in query.options)
            made.use_edns(
                0,
                options=[dns.edns.GenericOption(dns.edns.OptionType.make(9), self.expire.to_bytes(4, "big"))],
            )
        return [made]

    def axfr(self, query: dns.message.Message) -> list[dns.message.Message]:
        found = lines(self.versions[-1])
        return [reply(query, found[:2]), reply(query, [*found[2:], found[0]])]

    def ixfr(self, query: dns.message.Message) -> list[dns.message.Message]:
        have = query.authority[0][0].serial
        at = [one.serial for one in self.versions].index(have)
        found = lines(self.versions[-1])[:1]
        for older, newer in zip(self.versions[at:], self.versions[at + 1 :], strict=False):
            difference = older.difference(newer)
            for side in (difference.removed, difference.added):
                found += [line for rrset in side for line in str(rrset).splitlines()]
        return [reply(query, found), reply(query, found[:1])]


def wires(replies: list[dns.message.Message], unsigned: Container[int] = ()) -> list[bytes]:
    """Return the octets of the messages of a stream, signed if the query was, but those at *unsigned*, which the next signature covers."""
    made: list[bytes] = []
    context = None
    for at, one in enumerate(replies):
        if one.tsig is None or at in unsigned:
            one.tsig = None
            made.append(one.to_wire(max_size=65535))
            if context is not None:
                context.update(made[-1])
        else:
            made.append(one.to_wire(max_size=65535, multi=len(replies) > 1, tsig_ctx=context))
            context = one.tsig_ctx
    return made


def reply(query: dns.message.Message, found: list[str]) -> dns.message.Message:
    made = dns.message.make_response(query)
    made.flags |= dns.flags.AA
    made.answer = []
    for line in found:
        owner, ttl, _, rtype, data = _fields(line)
        made.answer.append(dns.rrset.from_text_list(owner, int(ttl), "IN", rtype, [data]))
    return made


def _fields(line: str) -> list[str]:
    return line.split(None, 4)


@pytest.fixture
def primary() -> Iterator[Primary]:
    one = Primary(zone(1, "a", "b"), zone(2, "a", "c"), zone(4, "c", "d"))
    yield one
    one.close()


def test_differences_lead_to_the_newest_version(primary: Primary) -> None:
    found = fetch("e.", primary.where, primary.versions[0], LIMITS)
    assert found.zone is not None and found.zone.to_text() == primary.versions[2].to_text()
    assert (found.how, found.serial, found.expire_s, found.refused) == ("ixfr", 4, None, "")
    assert primary.asked == ["SOA", "IXFR"]


def test_a_zone_without_version_at_hand_is_transferred_whole(primary: Primary) -> None:
    found = fetch("e.", primary.where, None, LIMITS)
    assert found.zone is not None and found.zone.to_text() == primary.versions[2].to_text()
    assert found.how == "axfr" and primary.asked == ["SOA", "AXFR"]
    primary.asked.clear()
    assert fetch("e.", primary.where, primary.versions[0], LIMITS, ixfr="off").how == "axfr"
    assert primary.asked == ["SOA", "AXFR"]


def test_nothing_is_transferred_without_a_newer_version(primary: Primary) -> None:
    primary.expire = 77
    found = fetch("e.", primary.where, primary.versions[2], LIMITS)
    assert (found.zone, found.how, found.serial, found.expire_s) == (None, "same", 4, 77)
    with pytest.raises(TransferError, match="serial 4, which is older than 9") as caught:
        fetch("e.", primary.where, zone(9), LIMITS)
    assert caught.value.code == "OLDER" and primary.asked == ["SOA", "SOA"]


def test_a_primary_without_edns_is_asked_without(primary: Primary) -> None:
    def formerr(query: dns.message.Message) -> list[dns.message.Message]:
        if query.edns < 0:
            return primary.soa(query)
        made = dns.message.make_response(query)
        made.set_rcode(dns.rcode.FORMERR)
        return [made]

    primary.answers["SOA"] = formerr
    assert fetch("e.", primary.where, primary.versions[0], LIMITS).how == "ixfr"


REFUSED: dict[str, tuple[Callable[[Primary], Any], str]] = {
    "not implemented": (lambda _: _error(dns.rcode.NOTIMP), "NOTIMP"),
    "out of sequence": (lambda one: lambda query: Primary.ixfr(_with(one, zone(1), zone(3), zone(3), zone(4)), query), "does not follow"),
    "of another zone": (lambda one: lambda query: Primary.ixfr(_with(one, zone(1, "x"), zone(4)), query), "does not fit"),
    "empty": (lambda _: lambda query: [reply(query, [])], "no records"),
}  # fmt: skip


def _error(rcode: int) -> Callable[[dns.message.Message], list[dns.message.Message]]:
    def answer(query: dns.message.Message) -> list[dns.message.Message]:
        made = reply(query, [])
        made.set_rcode(dns.rcode.Rcode(rcode))
        return [made]

    return answer


class _With:
    def __init__(self, versions: tuple[Zone, ...]) -> None:
        self.versions = versions


def _with(_: Primary, *versions: Zone) -> Any:
    return _With(versions)


@pytest.mark.parametrize("case", REFUSED)
def test_the_whole_zone_replaces_differences_that_are_refused(primary: Primary, case: str) -> None:
    make, why = REFUSED[case]
    primary.answers["IXFR"] = make(primary)
    found = fetch("e.", primary.where, primary.versions[0], LIMITS)
    assert found.zone is not None and found.zone.to_text() == primary.versions[2].to_text()
    assert found.how == "axfr" and why in found.refused
    assert primary.asked == ["SOA", "IXFR", "AXFR"]


def test_a_transfer_with_records_outside_of_the_zone_is_refused(primary: Primary) -> None:
    def smuggles(query: dns.message.Message) -> list[dns.message.Message]:
        made = primary.ixfr(query)
        made[0].answer.insert(2, dns.rrset.from_text("www.bank.example.", 60, "IN", "A", "192.0.2.66"))
        return made

    primary.answers["IXFR"] = smuggles
    with pytest.raises(TransferError) as caught:
        fetch("e.", primary.where, primary.versions[0], LIMITS)
    assert caught.value.code == "OUT_OF_ZONE" and primary.asked == ["SOA", "IXFR"]


def test_a_zone_that_goes_back_after_its_soa_is_refused(primary: Primary) -> None:
    old = zone(0xFFFFFFF0)
    primary.answers["AXFR"] = lambda query: [reply(query, [*lines(old), lines(old)[0]])]
    with pytest.raises(TransferError) as caught:
        fetch("e.", primary.where, primary.versions[0], LIMITS, ixfr="off")
    assert caught.value.code == "OLDER"


def test_differences_that_fit_in_a_datagram_need_no_connection(primary: Primary) -> None:
    def at_once(query: dns.message.Message) -> list[dns.message.Message]:
        first, last = primary.ixfr(query)
        first.answer += last.answer
        return [first]

    primary.answers["IXFR"] = at_once
    found = fetch("e.", primary.where, primary.versions[0], LIMITS, ixfr="udp")
    assert found.zone is not None and found.zone.to_text() == primary.versions[2].to_text()
    primary.answers["IXFR"] = lambda query: [reply(query, lines(primary.versions[2])[:1])]
    assert fetch("e.", primary.where, primary.versions[2], LIMITS, ixfr="udp").how == "same"
    assert primary.asked == ["UDP", "IXFR", "UDP", "IXFR"]


@pytest.mark.parametrize("case", ["cut", "the SOA alone"])
def test_differences_that_do_not_fit_in_a_datagram_come_over_tcp(primary: Primary, case: str) -> None:
    def answer(query: dns.message.Message) -> list[dns.message.Message]:
        if primary.asked.count("IXFR") > 1:
            return primary.ixfr(query)
        made = reply(query, lines(primary.versions[2])[:1])
        if case == "cut":
            made.flags |= dns.flags.TC
        return [made]

    primary.answers["IXFR"] = answer
    assert fetch("e.", primary.where, primary.versions[0], LIMITS, ixfr="udp").how == "ixfr"
    assert primary.asked == ["UDP", "IXFR", "SOA", "IXFR"]

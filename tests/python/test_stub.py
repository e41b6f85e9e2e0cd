"""Lookups: without I/O from a list of replies, and over loopback sockets in both drivers."""

from __future__ import annotations

import asyncio
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest
from dnsserver import DnsServer, on_ipv6
from ports import free_port

import namewise
from namewise.engine.errors import NXDOMAIN, NoAnswer, ServersFailed, Timeout
from namewise.message import Message, make_query, make_response
from namewise.rdata import RRset
from namewise.stub import Answer, Servers, parse_server, system_servers
from namewise.stub.lookup import Exchange, Failure, Reply, lookup
from namewise.stub.servers import ServerAddress

A = RRset("www.example.com", "A", 300, ["192.0.2.1"])
ALIAS = RRset("www.example.com", "CNAME", 60, ["host.example.net."])
TARGET = RRset("host.example.net", "A", 30, ["192.0.2.7"])
TWO = Servers((parse_server("192.0.2.53"), parse_server("2001:db8::53")), timeout_s=1.0, attempts=2)

Script = list[Callable[[Message], Message] | str | bytes]


def play(
    script: Script, name: str = "www.example.com", servers: Servers = TWO
) -> tuple[Answer, list[Exchange]]:
    """Carry the exchanges of a lookup from `script`: replies made of the query, or reasons of failure."""
    steps, asked = lookup(name, "A", "IN", servers), []
    outcome: Reply | Failure | None = None
    try:
        while True:
            exchange = steps.send(outcome) if outcome else next(steps)  # type: ignore[arg-type]
            asked.append(exchange)
            move = script.pop(0)
            if isinstance(move, str):
                outcome = Failure(move, 1.0)
            else:
                outcome = Reply(move if isinstance(move, bytes) else move(exchange.query).wire, 0.01)
    except StopIteration as done:
        assert not script
        return done.value, asked


def reply(rcode: str = "NOERROR", **parts: object) -> Callable[[Message], Message]:
    return lambda query: make_response(query, rcode, **parts)  # type: ignore[arg-type]


def test_an_answer() -> None:
    answer, asked = play([reply(answer=[A], flags="ra")])
    assert [str(record) for record in answer] == ["192.0.2.1"]
    assert (answer.ttl, str(answer.canonical_name), answer.rcode) == (300, "www.example.com.", "NOERROR")
    assert (answer.server, answer.attempts[-1].transport, len(asked)) == ("192.0.2.53:53", "udp", 1)


def test_aliases_are_followed_inside_the_response() -> None:
    answer, _ = play([reply(answer=[ALIAS, TARGET])])
    assert (answer.ttl, str(answer.canonical_name)) == (30, "host.example.net.")
    assert answer.aliases == (ALIAS,)


def test_a_loop_of_aliases_ends() -> None:
    back = RRset("host.example.net", "CNAME", 60, ["www.example.com."])
    with pytest.raises(NoAnswer, match="alias"):
        play([reply(answer=[ALIAS, back])])


def test_truncation_goes_to_tcp() -> None:
    answer, asked = play([reply(flags="tc"), reply(answer=[A])])
    assert [exchange.transport for exchange in asked] == ["udp", "tcp"]
    assert asked[0].server == asked[1].server
    assert asked[0].query.id != asked[1].query.id or asked[0].query != asked[1].query
    assert [attempt.outcome for attempt in answer.attempts] == ["NOERROR, truncated", "NOERROR"]


def test_a_server_that_refuses_edns_is_queried_without_edns() -> None:
    """RFC 6891 §7."""
    _, asked = play([reply("FORMERR"), reply(answer=[A])])
    assert [exchange.query.edns is not None for exchange in asked] == [True, False]


def test_the_next_server_is_asked() -> None:
    answer, asked = play(["timeout", reply("SERVFAIL"), b"\0" * 12 + b"junk", reply(answer=[A])])
    assert [str(exchange.server) for exchange in asked] == ["192.0.2.53:53", "[2001:db8::53]:53"] * 2
    assert [attempt.outcome for attempt in answer.attempts][:2] == ["timeout", "SERVFAIL"]


def test_each_failure_raises_its_error() -> None:
    with pytest.raises(NXDOMAIN) as missing:
        play([reply("NXDOMAIN")])
    assert missing.value.code == "NXDOMAIN" and str(missing.value.question.name) == "www.example.com."
    with pytest.raises(NoAnswer) as nodata:
        play([reply()])
    assert nodata.value.response is not None
    with pytest.raises(TimeoutError) as late:
        play(["timeout"] * 4)
    assert isinstance(late.value, Timeout) and len(late.value.attempts) == 4
    with pytest.raises(ServersFailed, match="REFUSED"):
        play([reply("REFUSED")] * 4)


def test_servers_are_addresses() -> None:
    assert parse_server("192.0.2.1#5300") == ("192.0.2.1", 5300)
    assert parse_server("[2001:db8::1]:5300") == parse_server("2001:db8::1", 5300) == ("2001:db8::1", 5300)
    assert parse_server("fe80::1%lo") == ("fe80::1%lo", 53)
    for wrong in ("ns.example", "192.0.2.1:0", "192.0.2.1:x", "[::1]x", ""):
        with pytest.raises(ValueError, match="is not a server"):
            parse_server(wrong)
    with pytest.raises(TypeError, match="53 is not a server: expected a text"):
        namewise.resolve("example.com", server=("192.0.2.1", 53))  # type: ignore[arg-type]


def test_the_resolver_file_of_the_system(tmp_path) -> None:  # type: ignore[no-untyped-def]
    path = tmp_path / "resolv.conf"
    path.write_text(
        "# a comment\nsearch example.com\nnameserver 192.0.2.1\nnameserver ::1\nnameserver bad\n"
        "nameserver 192.0.2.2\nnameserver 192.0.2.3\noptions timeout:3 attempts:9 use-vc ndots:2\n"
    )
    servers = system_servers(path)
    assert [address.host for address in servers.addresses] == ["192.0.2.1", "::1", "192.0.2.2"]
    assert (servers.timeout_s, servers.attempts, servers.tcp) == (3.0, 5, True)
    assert system_servers(tmp_path / "none").addresses == (ServerAddress("127.0.0.1", 53),)


@contextmanager
def server(respond: Callable[[Message, str], list[bytes]]) -> Iterator[str]:
    """A name server on loopback: UDP and TCP on one port, answering with what `respond` returns."""
    udp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    tcp = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    udp.bind(("127.0.0.1", free_port()))
    tcp.bind(udp.getsockname())
    tcp.listen()

    def datagrams() -> None:
        while True:
            wire, client = udp.recvfrom(65535)
            if not wire:
                return
            for part in respond(Message.parse(wire), "udp"):
                udp.sendto(part, client)

    def streams() -> None:
        while True:
            link, _ = tcp.accept()
            with link:
                wire = link.recv(65535)
                if not wire:
                    return
                for part in respond(Message.parse(wire[2:]), "tcp"):
                    link.sendall(len(part).to_bytes(2, "big") + part)

    threads = [threading.Thread(target=work) for work in (datagrams, streams)]
    for thread in threads:
        thread.start()
    host, port = udp.getsockname()
    try:
        yield f"{host}:{port}"
    finally:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as bye:
            bye.sendto(b"", (host, port))
        socket.create_connection((host, port)).close()
        for thread in threads:
            thread.join()
        udp.close()
        tcp.close()


def big(query: Message, via: str) -> list[bytes]:
    """Junk first, as an attacker would send it; a truncated answer over UDP, the answer over TCP."""
    forged = make_response(query.with_new_id(), answer=[RRset("www.example.com", "A", 1, ["203.0.113.66"])])
    other = make_response(make_query("other.example", "A", id=query.id))
    real = make_response(query, flags="tc") if via == "udp" else make_response(query, answer=[A])
    return [b"x", forged.wire, other.wire, query.wire, real.wire]


@pytest.mark.parametrize("driver", ["blocking", "asyncio"])
def test_over_sockets(driver: str) -> None:
    with server(big) as address:
        if driver == "blocking":
            answer = namewise.resolve("www.example.com", "A", server=address, timeout_s=5)
        else:
            answer = asyncio.run(namewise.aio.resolve("www.example.com", "A", server=address, timeout_s=5))
    assert [str(record.address) for record in answer] == ["192.0.2.1"]
    assert [attempt.transport for attempt in answer.attempts] == ["udp", "tcp"]


@pytest.mark.parametrize("driver", ["blocking", "asyncio"])
def test_one_question(driver: str) -> None:
    query = make_query("www.example.com", "A")
    with server(big) as address:
        if driver == "blocking":
            reply = namewise.query(query, address, retry_truncated=False)
        else:
            reply = asyncio.run(namewise.aio.query(query, address, retry_truncated=False))
    assert reply.truncated and reply.replies_to(query)


@pytest.mark.parametrize("driver", ["blocking", "asyncio"])
@pytest.mark.parametrize("tcp", [False, True])
def test_a_closed_port_is_named(driver: str, tcp: bool) -> None:
    wanted = {"server": f"127.0.0.1:{free_port()}", "timeout_s": 5.0, "attempts": 1, "tcp": tcp}
    with pytest.raises(ServersFailed, match="connection refused"):
        if driver == "blocking":
            namewise.resolve("www.example.com", **wanted)  # type: ignore[arg-type]
        else:
            asyncio.run(namewise.aio.resolve("www.example.com", **wanted))  # type: ignore[arg-type]


@pytest.mark.parametrize("tcp", [False, True])
def test_an_address_with_a_zone_is_asked(tcp: bool) -> None:
    def answer(query: Message, _transport: str) -> bytes:
        return make_response(query, answer=[RRset("a.test", "A", 60, ["192.0.2.1"])]).wire

    with on_ipv6(answer) as running:
        server = f"[::1%1]:{running.port}"
        assert str(namewise.resolve("a.test", server=server, tcp=tcp).records[0]) == "192.0.2.1"
        found = asyncio.run(namewise.aio.resolve("a.test", server=server, tcp=tcp))
        assert str(found.records[0]) == "192.0.2.1"


@pytest.mark.parametrize(
    ("server", "said"),
    [
        ("fe80::53%nolink", "there is no interface 'nolink'"),
        ("fe80::53%", "expected an IP address"),
        ("192.0.2.1%lo", "expected an IP address"),
    ],
)
def test_a_zone_that_cannot_be_used_is_refused_with_the_reason(server: str, said: str) -> None:
    with pytest.raises(ValueError, match=said):
        namewise.resolve("a.test", server=server)


def test_resolv_conf_may_name_an_address_with_a_zone(tmp_path) -> None:  # type: ignore[no-untyped-def]
    file = tmp_path / "resolv.conf"
    file.write_text("nameserver fe80::53%lo\nnameserver 192.0.2.1%lo\n")
    (server,) = system_servers(file).addresses
    assert (str(server), server.socket_address[3]) == ("[fe80::53%lo]:53", 1)


def test_truncation_over_tcp_is_no_answer() -> None:
    def answer(query: Message, _transport: str) -> bytes:
        return make_response(query, flags="tc").wire

    with DnsServer(answer) as server, pytest.raises(namewise.ServersFailed, match="NOERROR, truncated"):
        namewise.resolve("a.test", server=f"127.0.0.1:{server.port}", attempts=1)


@pytest.mark.parametrize("timeout_s", [0, -1, float("nan"), float("inf"), 1e9, "5"])
def test_a_time_that_cannot_be_waited_is_refused_by_name(timeout_s: float) -> None:
    query = make_query("a.test", "A")
    with pytest.raises(ValueError, match=r"timeout_s is .*: expected seconds, above 0 and at most 86400"):
        namewise.resolve("a.test", server="127.0.0.1", timeout_s=timeout_s)
    with pytest.raises(ValueError, match="timeout_s is"):
        namewise.query(query, "127.0.0.1", timeout_s=timeout_s)


@pytest.mark.parametrize("attempts", [0, -1, 1.5])
def test_no_attempts_are_refused_by_name(attempts: int) -> None:
    with pytest.raises(ValueError, match=r"attempts is .*: expected a number of rounds, at least 1"):
        namewise.resolve("a.test", server="127.0.0.1", attempts=attempts)

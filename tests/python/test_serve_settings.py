"""Settings of `namewise.toml`, tested by a client of a server that uses them."""

from __future__ import annotations

import socket
from contextlib import contextmanager
from typing import TYPE_CHECKING

import pytest
from dnsserver import DnsServer
from ports import free_port
from servers import running, zone_file

import namewise
from namewise.control.client import call
from namewise.engine import Message, make_query, make_response

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

HERE, THERE = "127.0.0.1", "127.0.0.2"
KNOWN = "192.0.2.99"


def answer(query: Message, _: str) -> bytes:
    question = query.question
    assert question is not None
    records = [namewise.RRset(str(question.name), "A", 60, [KNOWN])] if question.type == "A" else []
    return make_response(query, flags="ra", answer=records).wire


@pytest.fixture
def upstream() -> Iterator[DnsServer]:
    """A resolver that knows one address for every name."""
    with DnsServer(answer) as server:
        yield server


@contextmanager
def serving(folder: Path, text: str) -> Iterator[int]:
    """Serve the configuration *text* and yield the port on 127.0.0.1."""
    port = free_port()
    file = folder / "namewise.toml"
    file.write_text(f'[[listen]]\naddress = "{HERE}"\nport = {port}\n[server]\nworkers = 1\n{text}')
    args = ("serve", "--config", str(file), "--control", str(folder / "control.sock"))
    with running(*args, ready="ready: "):
        yield port


def forwarding(upstream: DnsServer, resolver: str = "") -> str:
    """Return the tables that forward everything to *upstream*, with *resolver* inside of `[resolver]`."""
    return f'[resolver]\n{resolver}\n[[forward]]\nservers = ["127.0.0.1:{upstream.port}"]\n'


def ask(port: int, name: str, source: str = HERE, flags: str = "rd") -> tuple[str, list[str]]:
    """Return the rcode and the addresses that the server on *port* answers a client at *source*."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as client:
        client.bind((source, 0))
        client.settimeout(30)
        client.sendto(make_query(name, "A", flags=flags).wire, (HERE, port))
        reply = Message.parse(client.recv(65535))
    return reply.rcode, [str(data) for rrset in reply.answer for data in rrset.rdatas]


@pytest.mark.parametrize(
    ("overlay", "other"), [("true", ("NOERROR", [KNOWN])), ("false", ("NXDOMAIN", []))], ids=["on", "off"]
)
def test_zone_overlay(
    tmp_path: Path, upstream: DnsServer, overlay: str, other: tuple[str, list[str]]
) -> None:
    """With an overlay the resolver answers for the names that the zone does not hold."""
    file = zone_file(tmp_path, "example.com", "192.0.2.1")
    zone = f'[[zone]]\nname = "example.com"\nfile = "{file}"\noverlay = {overlay}\n'
    with serving(tmp_path, forwarding(upstream) + zone) as port:
        assert ask(port, "www.example.com") == ("NOERROR", ["192.0.2.1"])
        assert ask(port, "other.example.com") == other


def test_view(tmp_path: Path) -> None:
    """The first view that matches a client has all its zones; a client without a view is refused."""
    tables = [
        f'[[zone]]\nname = "{name}"\nfile = "{zone_file(tmp_path, name, address)}"\n'
        for name, address in (("a.example", "192.0.2.1"), ("b.example", "192.0.2.2"))
    ]
    acl = f'[[acl]]\nname = "here"\nprefixes = ["{HERE}"]\n'
    views = (
        '[[view]]\nname = "inside"\nclients = ["here"]\n'
        f'[[view]]\nname = "outside"\nclients = ["{THERE}"]\nzones = ["b.example"]\n'
    )
    with serving(tmp_path, "".join(tables) + acl + views) as port:
        assert ask(port, "www.a.example", HERE) == ("NOERROR", ["192.0.2.1"])
        assert ask(port, "www.b.example", HERE) == ("NOERROR", ["192.0.2.2"])
        assert ask(port, "www.a.example", THERE) == ("REFUSED", [])
        assert ask(port, "www.b.example", THERE) == ("NOERROR", ["192.0.2.2"])
        assert ask(port, "www.b.example", "127.0.0.3") == ("REFUSED", [])


def test_policy_on_cache(tmp_path: Path, upstream: DnsServer) -> None:
    """A query without RD is answered from the cache for the clients of this list only."""
    policy = f'[[policy]]\npolicy = "acl"\non = "cache"\nallow = ["{THERE}"]\n'
    with serving(tmp_path, forwarding(upstream) + policy) as port:
        assert ask(port, "www.example.org", HERE) == ("NOERROR", [KNOWN])
        assert ask(port, "www.example.org", HERE, flags="") == ("REFUSED", [])
        assert ask(port, "www.example.org", THERE, flags="") == ("NOERROR", [KNOWN])


def test_without_a_policy_on_cache_that_on_recursion_holds(tmp_path: Path, upstream: DnsServer) -> None:
    policy = f'[[policy]]\npolicy = "acl"\non = "recursion"\nallow = ["{HERE}"]\n'
    with serving(tmp_path, forwarding(upstream) + policy) as port:
        assert ask(port, "www.example.org", HERE) == ("NOERROR", [KNOWN])
        assert ask(port, "www.example.org", HERE, flags="") == ("NOERROR", [KNOWN])
        assert ask(port, "www.example.org", THERE, flags="") == ("REFUSED", [])


@pytest.mark.parametrize(
    ("off", "answered"),
    [("[]", ("NXDOMAIN", [])), ('["test"]', ("NOERROR", [KNOWN])), ('["."]', ("NOERROR", [KNOWN]))],
)
def test_local_zones_off(
    tmp_path: Path, upstream: DnsServer, off: str, answered: tuple[str, list[str]]
) -> None:
    """RFC 6761 §6.2: `test.` is answered here, unless the operator wants it looked up."""
    with serving(tmp_path, forwarding(upstream, f"local_zones_off = {off}")) as port:
        assert ask(port, "www.test") == answered
        assert len(upstream.asked) == len(answered[1])


def test_streams(tmp_path: Path) -> None:
    """Connections to servers are kept for the next query; one above `max_connections` ends the one that was silent longest."""

    def over_tcp(query: Message, transport: str) -> bytes:
        return answer(query, transport) if transport == "tcp" else make_response(query, flags="tc ra").wire

    with DnsServer(over_tcp) as one, DnsServer(over_tcp) as other:
        forward = "".join(
            f'[[forward]]\nsuffix = "{suffix}"\nservers = ["127.0.0.1:{server.port}"]\n'
            for suffix, server in (("one.example", one), ("other.example", other))
        )
        for most in (2, 1):
            streams = f'[resolver.streams]\nidle = "10m"\nlifetime = "1d"\nmax_connections = {most}\n'
            before = one.connections
            with serving(tmp_path, f"[resolver]\n{streams}{forward}") as port:
                for name in ("a.one.example", "a.other.example"):
                    assert ask(port, name) == ("NOERROR", [KNOWN])
                if most == 1:
                    assert one.ended.acquire(timeout=60), (
                        "the connection of the first server has to make room"
                    )
                assert ask(port, "b.one.example") == ("NOERROR", [KNOWN])
                assert one.connections - before == (1 if most == 2 else 2)
            assert one.ended.acquire(timeout=60) and other.ended.acquire(timeout=60)


def test_log_recorder_bytes(tmp_path: Path) -> None:
    """The memory of the recorder bounds the records, besides their number."""

    def kept(size: str) -> int:
        with serving(tmp_path, f'[resolver]\n[log]\nrecorder = 10000\nrecorder_bytes = "{size}"\n') as port:
            for number in range(300):
                assert ask(port, f"name{number}.example.org", THERE, flags="") == ("REFUSED", [])
            control = str(tmp_path / "control.sock")
            return len(call(control, "why", {"most": 1000})["records"])

    assert 0 < kept("64KiB") < kept("8MiB") == 300


@pytest.mark.parametrize("minimal", [False, True])
def test_minimal_responses_have_no_additional_records_but_glue(tmp_path: Path, minimal: bool) -> None:
    (tmp_path / "e.zone").write_text(
        "$TTL 60\n@ SOA ns h 1 3600 900 604800 300\n@ NS ns\nns A 192.0.2.1\n@ MX 1 mail\nmail A 192.0.2.2\nmail AAAA 2001:db8::2\n"
        "sub NS ns.sub\nns.sub A 192.0.2.3\n"
    )
    zone = f'[[zone]]\nname = "e"\nkind = "file"\nfile = "{tmp_path}/e.zone"\n'
    with serving(tmp_path, f"minimal_responses = {str(minimal).lower()}\n{zone}") as port:
        found = {}
        for name, rtype in (("e.", "MX"), ("e.", "NS"), ("x.sub.e.", "A"), ("no.e.", "A")):
            with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as client:
                client.settimeout(30)
                client.sendto(make_query(name, rtype).wire, (HERE, port))
                response = Message.parse(client.recv(65535))
            found[name, rtype] = [
                len(part) for part in (response.answer, response.authority, response.additional)
            ]
    assert found["e.", "MX"] == [1, 0, 0 if minimal else 2]
    assert found["e.", "NS"] == [1, 0, 0 if minimal else 1]
    assert found["x.sub.e.", "A"] == [0, 1, 1] and found["no.e.", "A"] == [0, 1, 0]

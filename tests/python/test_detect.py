"""Detection of tunnels and amplification in a running server: what is refused, what is logged, and what `nw ctl detect` shows."""

from __future__ import annotations

import json
import random
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

import dns.edns
import dns.flags
import dns.message
import dns.query
import dns.rdatatype
import dns.rrset
import pytest
from commands import nw
from dnsserver import DnsServer
from logs import collect
from servers import running

from namewise import Server
from namewise.config.detect import ALLOW
from namewise.policy.detect import suffixes

if TYPE_CHECKING:
    from collections.abc import Iterator

    from namewise.engine import Message

DATA = Path(__file__).parent.parent / "vectors/detect/names.tsv"


def answer(asked: Message, _transport: str) -> bytes:
    """Answer each TXT query with 200 octets; with TTL 0, except below c2.example."""
    query = dns.message.from_wire(asked.wire)
    reply = dns.message.make_response(query, recursion_available=True)
    name = query.question[0].name.to_text()
    if query.question[0].rdtype == dns.rdatatype.TXT:
        reply.answer = [
            dns.rrset.from_text(name, 60 * name.endswith(".c2.example."), "IN", "TXT", f'"{"x" * 200}"')
        ]
    return reply.to_wire()


@pytest.fixture
def forwarder() -> Iterator[DnsServer]:
    with DnsServer(answer) as server:
        yield server


def config(forwarder: DnsServer, **tables: dict[str, Any]) -> dict[str, Any]:
    return {
        "listen": [{"address": "127.0.0.1", "port": 0}],
        "resolver": {"validation": "off"},
        "forward": [{"servers": [f"127.0.0.1:{forwarder.port}"]}],
        **tables,
    }


def ask(server: Server, name: str, rtype: str = "TXT") -> dns.message.Message:
    host, _, port = server.addresses[0].rpartition(":")
    query = dns.message.make_query(name, rtype, use_edns=0)
    return dns.query.udp(query, host, port=int(port), timeout=10)


def tunnel(server: Server, domain: str, count: int) -> list[dns.message.Message]:
    digits = random.Random(7)
    labels = ("".join(digits.choices("abcdefghijklmnopqrstuvwxyz234567", k=50)) for _ in range(count))
    return [ask(server, f"{label}.{domain}") for label in labels]


def test_a_tunnel_is_logged_and_blocked(forwarder: DnsServer) -> None:
    with Server(config(forwarder, tunnels={"action": "block", "window": "1h"})) as server:
        logged = collect(server._service.log)
        replies = tunnel(server, "t.tunnel.co.uk", 70)
        refused = [reply for reply in replies if reply.rcode() == 5]
        # Subdomains whose keyed hashes collide count as one: in 50, about one does.
        assert 12 <= len(refused) <= 20, len(refused)
        (ede,) = [option for option in refused[0].options if isinstance(option, dns.edns.EDEOption)]
        assert (ede.code, ede.text) == (15, "tunnel suspected: tunnel.co.uk.")
        # Other domains below the same public suffix are not affected.
        assert ask(server, "www.example.co.uk").rcode() == 0
        server._service.events.drain()
        found = [text for slug, text in logged if slug == "tunnel-suspected"]
        assert len(found) == 1
        assert found[0].startswith(
            "tunnel suspected: tunnel.co.uk. from 127.0.0.1: about 51 distinct subdomains in 3600 s"
        )
        assert "100 % TXT, NULL or private types (limit 50)" in found[0]
        assert server.stats()["detect.refused"] == len(refused)
        (first, *_) = server._service.engine.suspicions(5) or []
        assert first.startswith("tunnel.co.uk. from 127.0.0.1")


def watching(forwarder: DnsServer, folder: Path, action: str) -> tuple[Path, Path]:
    """Return a configuration that watches for tunnels, and the place of its control socket."""
    file = folder / "namewise.toml"
    file.write_text(
        f"""\
[[listen]]
address = "127.0.0.1"
port = 0
[resolver]
validation = "off"
[[forward]]
servers = ["127.0.0.1:{forwarder.port}"]
[tunnels]
window = "1h"
action = "{action}"
"""
    )
    return file, folder / "control.sock"


def test_an_explanation_is_refused_like_a_query(forwarder: DnsServer, tmp_path: Path) -> None:
    file, control = watching(forwarder, tmp_path, "block")
    with running("serve", "--config", str(file), "--control", str(control), ready="ready:") as (_, lines):
        port = int(lines[-1].split("127.0.0.1:")[1].split(",")[0])
        digits = random.Random(1)
        labels = ["".join(digits.choices("0123456789abcdef", k=40)) for _ in range(60)]
        for label in labels:
            query = dns.message.make_query(f"{label}.c2.example", "TXT")
            last = dns.query.udp(query, "127.0.0.1", port=port, timeout=10)
        assert last.rcode() == 5
        first, second, *rest = nw(
            "explain", "x.c2.example", "TXT", "--control", str(control)
        ).stdout.splitlines()
        said = 'tunnel suspected, lookups are refused (action = "block"): c2.example. from 127.0.0.1: '
        assert first.startswith(f"refused: {said}"), first
        assert second.startswith("x.c2.example. TXT failed with REFUSED"), second
        assert "EDE 15 (Blocked): tunnel suspected: c2.example." in rest
        assert nw("why", f"{labels[-1]}.c2.example", "--control", str(control)).stdout.startswith(
            f"refused: {said}"
        )
        # Clients still get what the cache holds.
        cached = nw("explain", f"{labels[0]}.c2.example", "TXT", "--control", str(control)).stdout
        assert "TXT failed" not in cached and '(action = "block"), but not this one: ' in cached


def test_by_default_a_tunnel_is_only_logged(forwarder: DnsServer) -> None:
    with Server(config(forwarder, tunnels={"window": "1h"})) as server:
        assert {reply.rcode() for reply in tunnel(server, "t.tunnel.com", 70)} == {0}
        assert server._service.engine.suspicions(5) != []


def test_nothing_is_watched_without_the_tables(forwarder: DnsServer) -> None:
    with Server(config(forwarder)) as server:
        assert {reply.rcode() for reply in tunnel(server, "t.tunnel.com", 70)} == {0}
        assert server._service.engine.suspicions(5) is None
        assert "suffixes" not in server._service.engine.artifacts


def test_names_of_the_default_allow_list_are_not_watched(forwarder: DnsServer) -> None:
    with Server(
        config(forwarder, tunnels={"action": "block", "window": "1h", "allow": ["fine.example."]})
    ) as server:
        for domain in ("ebl.msbl.org", "x.fine.example"):
            assert {reply.rcode() for reply in tunnel(server, domain, 70)} == {0}
    with Server(config(forwarder, tunnels={"action": "block", "allow_default": False})) as server:
        assert 5 in {reply.rcode() for reply in tunnel(server, "ebl.msbl.org", 70)}


def test_the_default_allow_list_has_what_the_data_need() -> None:
    rows = [line.split("\t") for line in DATA.read_text().splitlines() if not line.startswith("#")]
    for verdict, *_, name in rows:
        listed = any(name == allowed or name.endswith(f".{allowed}") for allowed in ALLOW)
        assert listed == (verdict == "allowed"), name


def test_a_victim_of_amplification_gets_truncated_responses(forwarder: DnsServer) -> None:
    table = {"action": "rate-limit", "window": "1h", "octets": "10kB", "ratio": 2}
    with Server(config(forwarder, amplification=table)) as server:
        logged = collect(server._service.log)
        replies = [ask(server, "large.example") for _ in range(400)]
        assert replies[0].answer and replies[-1].flags & dns.flags.TC and not replies[-1].answer
        server._service.events.drain()
        (found,) = [text for slug, text in logged if slug == "amplification-suspected"]
        assert found.startswith("amplification suspected: 127.0.0.0/24 gets about ")
        assert server.stats()["detect.truncated"] > 0
        documents = [
            json.loads(document) for *_, document in server._service.engine.recorded("large.example")
        ]
        assert len(documents) == 1, "one in ten seconds"
        assert documents[0]["diagnosis"] == (
            "limited: large.example.: amplification suspected: 127.0.0.0/24 gets no full responses over UDP "
            '([amplification] action = "rate-limit"); sent empty with TC: the client has to ask over TCP'
        )


def test_the_state_survives_a_reload(forwarder: DnsServer) -> None:
    tables = config(forwarder, tunnels={"action": "block", "window": "1h"})
    with Server(tables) as server:
        tunnel(server, "t.tunnel.com", 70)
        server.reload()
        assert {reply.rcode() for reply in tunnel(server, "t.tunnel.com", 3)} == {5}


def test_the_list_has_the_rules_of_the_package() -> None:
    assert len(suffixes()) > 5000


def test_the_command_shows_the_most_suspicious_domains(forwarder: DnsServer, tmp_path: Path) -> None:
    file, control = watching(forwarder, tmp_path, "log")
    with running("serve", "--config", str(file), "--control", str(control), ready="ready:") as (_, lines):
        port = int(lines[-1].split("127.0.0.1:")[1].split(",")[0])
        digits = random.Random(1)
        for _ in range(60):
            label = "".join(digits.choices("0123456789abcdef", k=40))
            query = dns.message.make_query(f"{label}.c2.example", "TXT")
            dns.query.udp(query, "127.0.0.1", port=port, timeout=10)
        shown = nw("ctl", "detect", "--control", str(control))
        assert shown.returncode == 0, shown.stderr
        first, second, domain, *_ = shown.stdout.splitlines()
        assert (first, second.split(":")[0]) == ("tunnels: log", "amplification")
        assert domain.startswith("c2.example. from 127.0.0.1: "), shown.stdout
        explained = nw("explain", "x.c2.example", "TXT", "--control", str(control)).stdout
        step = re.search(
            r"tunnel suspected, only logged: c2\.example\. from 127\.0\.0\.1: about (\d+) distinct", explained
        )
        # Counted by keyed hashes: an estimate of 60 with a standard error of about 1.3.
        assert step is not None and 51 <= int(step[1]) <= 62, explained

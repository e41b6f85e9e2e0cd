"""Forwarders: loops between processes, the state of each server, and where a name is answered from."""

from __future__ import annotations

import re
import socket
import time
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING, NamedTuple

import pytest
from commands import nw
from dnsserver import DnsServer
from ports import free_port
from servers import read_until, running, zone_file
from test_serve_settings import answer

from namewise.control.client import call
from namewise.engine import EdnsOption, Message, make_query

if TYPE_CHECKING:
    import subprocess
    from collections.abc import Iterator
    from pathlib import Path

HERE = "127.0.0.1"


class Serving(NamedTuple):
    """A server of a test."""

    process: subprocess.Popen[str]
    control: str


@contextmanager
def serving(folder: Path, port: int, text: str) -> Iterator[Serving]:
    """Serve the configuration *text* on *port*."""
    folder.mkdir(exist_ok=True)
    file, control = folder / "namewise.toml", str(folder / "control.sock")
    file.write_text(f'[[listen]]\naddress = "{HERE}"\nport = {port}\n[server]\nworkers = 2\n{text}')
    with running("serve", "--config", str(file), "--control", control, ready="ready: ") as (process, _):
        yield Serving(process, control)


def forwarding(port: int) -> str:
    return f'[resolver]\n[[forward]]\nservers = ["{HERE}:{port}"]\n'


def ask(port: int, name: str) -> tuple[str, str, float]:
    """Return the rcode, the texts of the extended errors, and how long the answer took in seconds."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as client:
        client.settimeout(30)
        began = time.monotonic()
        client.sendto(make_query(name, "A", udp_payload=1232).wire, (HERE, port))
        reply = Message.parse(client.recv(65535))
        took = time.monotonic() - began
    assert reply.edns is not None
    texts = [option.data[2:].decode() for option in reply.edns.options if option.code == EXTENDED_ERROR]
    return reply.rcode, "; ".join(texts), took


LOOP = re.compile(
    r"forwarding loop for \.: own query to 127\.0\.0\.1:(?P<port>\d+) came back from (?P<back>127\.0\.0\.1)"
)
EXTENDED_ERROR = EdnsOption("EDE", b"\0\0").code


@pytest.mark.parametrize("count", [1, 2, 3], ids=["itself", "each-other", "a-third"])
def test_a_forwarding_loop_is_found_and_both_ends_are_named(tmp_path: Path, count: int) -> None:
    ports = [free_port() for _ in range(count)]
    with ExitStack() as stack:
        servers = [
            stack.enter_context(serving(tmp_path / str(at), port, forwarding(ports[(at + 1) % count])))
            for at, port in enumerate(ports)
        ]
        rcode, texts, took = ask(ports[0], "www.example.com.")
        assert rcode == "SERVFAIL"
        assert took < 2
        # Any of the servers may be the first to find it; the others pass on what it says.
        found = LOOP.search(texts)
        if found is None and count > 2:
            return  # The one that found it is not next to the one that was asked.
        assert found is not None, texts
        assert found["back"] == HERE
        finder = (ports.index(int(found["port"])) - 1) % count
        lines = read_until(servers[finder].process.stdout, "forwarding loop for")
        assert found[0] in lines[-1]
        # While the loop is known, the server that found it sends no packet.
        before = call(servers[finder].control, "status", {})["stats"]["upstream.udp"]
        rcode, texts, took = ask(ports[finder], "other.example.com.")
        assert (rcode, found[0] in texts) == ("SERVFAIL", True)
        assert took < 1
        assert call(servers[finder].control, "status", {})["stats"]["upstream.udp"] == before
        state = call(servers[finder].control, "resolver", {})
        (server,) = state["forward"][0]["state"]
        assert server["trouble"] == "forwarding-loop"
        assert 0 < server["next_probe_s"] <= 30
        shown = nw("ctl", "--control", servers[finder].control, "resolver")
        assert f"{server['server']}, " in shown.stdout
        assert "forwarding-loop" in shown.stdout


def test_the_state_of_each_forwarder_is_shown(tmp_path: Path) -> None:
    port, dead = free_port(), free_port()
    with DnsServer(answer) as upstream:
        text = (
            f'[resolver]\n[[forward]]\nservers = ["{HERE}:{dead}", "{HERE}:{upstream.port}"]\nfallback = true\n'
            '[[forward]]\nsuffix = "public.corp."\nservers = []\n'
            # Each server is asked for certain; which of the two above is asked first is drawn at random.
            f'[[forward]]\nsuffix = "down.corp."\nservers = ["{HERE}:{dead}"]\n'
        )
        with serving(tmp_path, port, text) as server:
            assert ask(port, "www.down.corp.")[0] == "SERVFAIL"
            assert ask(port, "www.example.")[0] == "NOERROR"
            first, second = call(server.control, "resolver", {})["forward"][0]["state"]
            assert (first["server"], first["trouble"]) == (f"{HERE}:{dead}", "unreachable")
            assert first["next_probe_s"] is not None
            assert (second["trouble"], second["next_probe_s"]) == (None, None)
            assert second["rtt_us"] > 0
            shown = nw("ctl", "--control", server.control, "resolver").stdout
            assert "forward . first, then the root servers" in shown
            assert "forward public.corp. is an exception: resolved from the root" in shown
            assert f"resting: {HERE}:{dead}" in shown


def test_route_shows_the_decision_without_a_query(tmp_path: Path) -> None:
    port = free_port()
    zone = zone_file(tmp_path, "served.example", "192.0.2.1")
    with DnsServer(answer) as upstream:
        text = (
            f'[[zone]]\nname = "served.example."\nfile = "{zone}"\n{forwarding(upstream.port)}'
            f'[[forward]]\nsuffix = "corp."\nservers = ["{HERE}:{upstream.port}"]\n'
            '[[forward]]\nsuffix = "public.corp."\nservers = []\n[[local]]\nname = "no.lan"\ntype = "refuse"\n'
        )
        with serving(tmp_path, port, text) as server:

            def route(*args: str) -> list[str]:
                shown = nw("route", "--control", server.control, *args)
                assert shown.returncode == 0, shown.stderr
                return [line for line in shown.stdout.splitlines() if line.startswith("->")]

            assert route("www.served.example") == [
                "-> 1. zones                   served.example. is served here"
            ]
            assert route("localhost")[0].startswith("-> 4. reserved-names")
            assert route("1.0.0.10.in-addr.arpa", "PTR")[0].startswith("-> 6. local-zones")
            assert "suffix corp.: 127.0.0.1:" in route("a.corp")[0]
            assert route("a.public.corp")[0].startswith("-> 9. root-servers")
            assert route("www.example.com")[0].startswith("-> 8. forwarders")
            assert call(server.control, "status", {})["stats"].get("upstream.udp", 0) == 0
            assert ask(port, "www.example.com.")[0] == "NOERROR"
            assert "the cache holds the answer" in route("www.example.com")[0]
            refused = nw("route", "--control", server.control, "a.no.lan")
            assert (refused.returncode, "refuses queries for the name" in refused.stdout) == (3, True)
            explained = nw("explain", "--control", server.control, "new.corp")
            assert "the conditional forwarder for corp. is asked" in explained.stdout
            bad = nw("route", "--control", server.control, "a..b")
            assert bad.returncode == 1
    assert nw("route", "--control", str(tmp_path / "none.sock"), "x").returncode == 9

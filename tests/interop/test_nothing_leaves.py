"""With `[resolver] routes`, no packet leaves 127.0.0.0/8 and ::1. A packet capture verifies this.

The servers run in a network of their own that has a way out: an interface with default routes for IPv4 and
IPv6. Every server has an address that is not of this machine. Without routes the same questions do go out.
"""

from __future__ import annotations

import ipaddress
import json
import subprocess
import sys
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING

import asking
import peers
import pytest
from conftest import network

import namewise.lab

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from peers import Where

OUT = (
    "ip link set lo up && ip link add out type veth peer name away && ip link set away up && "
    # Nobody answers there: without ARP the packets themselves show, not the search for a neighbour.
    "ip link set out arp off && ip link set out up && "
    "ip addr add 198.18.0.1/24 dev out && ip route add default dev out && "
    "ip -6 addr add 2001:db8:f::1/64 dev out nodad && ip -6 route add default dev out && "
)
ROOT, LAB, DARK, UPSTREAM = "192.0.2.1", "192.0.2.10", "203.0.113.7", "203.0.113.9"
ZONES = {
    ".": f"""\
$TTL 300
@ SOA ns.root. hostmaster.root. 1 3600 600 86400 60
@ NS ns.root.
ns.root. A {ROOT}
         AAAA 2001:db8::1
lab. NS ns.lab.
ns.lab. A {LAB}
        AAAA 2001:db8::10
dark. NS ns.dark.
ns.dark. A {DARK}
         AAAA 2001:db8:dead::7
""",
    "lab.": f"""\
$TTL 300
@ SOA ns hostmaster 1 3600 600 86400 60
@ NS ns
ns A {LAB}
   AAAA 2001:db8::10
www A 198.51.100.1
big TXT {" ".join(f'"{str(number) * 200}"' for number in range(8))}
astray CNAME www.dark.
sub NS ns.dark.
""",
}
SERVERS = {"127.0.0.2": ".", "127.0.0.3": "lab."}
ROUTES = f"""\
[resolver.routes]
"{ROOT}/32" = "127.0.0.2:53"
"2001:db8::1/128" = "127.0.0.2:53"
"{LAB}/32" = "127.0.0.3:53"
"2001:db8::10/128" = "127.0.0.3:53"
"""
RESOLVER: Where = ("127.0.0.1", 5300)


class Capture:
    """What leaves through the interface `out`."""

    def __init__(self, inside: Sequence[str]) -> None:
        command = [*inside, sys.executable, str(Path(__file__).with_name("capture.py")), "out"]
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        assert self._line() == "capturing\n", "no raw socket, although the network is ours"

    def left(self) -> list[str]:
        """Return `protocol address` of every packet since the last call, but those of the kernel's own
        housekeeping (MLD and router solicitation, all to link-local multicast)."""
        assert self.process.stdin is not None, "asked for above"
        self.process.stdin.write("\n")
        self.process.stdin.flush()
        rows: list[str] = json.loads(self._line())
        return [row for row in rows if not _housekeeping(row)]

    def close(self) -> None:
        self.process.terminate()
        self.process.communicate()

    def _line(self) -> str:
        assert self.process.stdout is not None, "asked for above"
        return self.process.stdout.readline()


def _housekeeping(row: str) -> bool:
    protocol, address = row.split()
    return (
        protocol in ("icmp6", "0")
        and address.startswith("ff02:")
        and ipaddress.ip_address(address).is_multicast
    )


@pytest.fixture(scope="module")
def inside() -> Iterator[tuple[str, ...]]:
    """The prefix of commands that run in a network with a way out."""
    with network(OUT) as prefix:
        yield prefix


@pytest.fixture
def capture(inside: tuple[str, ...]) -> Iterator[Capture]:
    """A capture at the way out."""
    watching = Capture(inside)
    watching.left()
    yield watching
    watching.close()


@pytest.fixture(scope="module")
def small_internet(inside: tuple[str, ...], tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """The zones, each on its own loopback address."""
    folder = tmp_path_factory.mktemp("small")
    with ExitStack() as stack:
        for address, zone in SERVERS.items():
            file = folder / f"{address}.zone"
            file.write_text(ZONES[zone])
            server = peers.authoritative(folder / address, (address, 53), {zone: file}, inside=inside)
            stack.enter_context(peers.running(server)).answers(zone)
        yield


def resolver(folder: Path, inside: Sequence[str], routes: str) -> peers.Server:
    """Start a resolver over the small internet, with a forwarder that is not there and *routes*."""
    (folder / "hints").write_text(f". 3600000 NS ns.root.\nns.root. 3600000 A {ROOT}\n")
    config = folder / "namewise.toml"
    config.write_text(
        f'[resolver]\nhints = "hints"\n[resolver.budget]\nwall_clock = "1s"\nfirst_timeout = "100ms"\n{routes}'
        f'[[forward]]\nsuffix = "away."\nservers = ["{UPSTREAM}"]\n'
    )
    return peers.namewise(folder / "run", RESOLVER, "--config", config, inside=inside)


QUESTIONS = {
    # name, type: the rcode with routes
    ("www.lab", "A"): "NOERROR",
    ("big.lab", "TXT"): "NOERROR",  # too large for UDP: over TCP
    ("www.dark", "A"): "SERVFAIL",  # its server has no route
    ("astray.lab", "A"): "SERVFAIL",  # an alias to there
    ("www.sub.lab", "AAAA"): "SERVFAIL",  # a delegation to there
    ("www.away", "A"): "SERVFAIL",  # a forwarder without a route
}


def test_with_routes_no_packet_leaves(
    inside: tuple[str, ...], small_internet: None, capture: Capture, tmp_path: Path
) -> None:
    def nw(*words: str) -> subprocess.CompletedProcess[str]:
        command = [*inside, str(peers.NW), *words, "--control", str(tmp_path / "run/control.sock")]
        return subprocess.run(command, capture_output=True, text=True, check=False)

    with peers.running(resolver(tmp_path, inside, ROUTES)) as server:
        server.says("ready:")
        for (name, rtype), rcode in QUESTIONS.items():
            reply = asking.ask("dig", RESOLVER, name, rtype, inside=inside)
            assert reply.rcode == rcode, reply.text
            assert capture.left() == [], f"{name} {rtype}"
        # The tools that ask servers one by one take the same way.
        assert "no route" in nw("explain", "other.dark").stdout
        assert "www.lab. 300 IN A 198.51.100.1" in nw("trace", "www.lab").stdout
        assert "www.dark" in nw("trace", "www.dark").stdout
    assert capture.left() == []


def test_without_routes_the_same_questions_leave(
    inside: tuple[str, ...], small_internet: None, capture: Capture, tmp_path: Path
) -> None:
    with peers.running(resolver(tmp_path, inside, "")) as server:
        server.says("ready:")
        for name, rtype in QUESTIONS:
            assert asking.ask("dig", RESOLVER, name, rtype, inside=inside).rcode == "SERVFAIL"
    assert {f"udp {ROOT}", f"udp {UPSTREAM}"} <= set(capture.left())


def test_no_packet_of_the_lab_leaves(inside: tuple[str, ...], capture: Capture, tmp_path: Path) -> None:
    root = tmp_path / "root.zone"
    shipped = Path(namewise.lab.__file__).with_name("zones") / "root.zone"
    root.write_text(shipped.read_text() + f"dark. 300 IN NS ns.dark.\nns.dark. 300 IN A {DARK}\n")
    flags = ["--port", RESOLVER[1], "--control", tmp_path / "lab.sock", "--root-zone", root]
    with peers.running(
        peers.Server([peers.NW, "lab", "up", *flags], tmp_path, RESOLVER, inside=inside)
    ) as server:
        server.says("Ctrl-C ends it.")
        for name, rtype, rcode in (
            ("www.example.org", "A", "NOERROR"),  # one server silent, one lame, one good
            ("github.com", "AAAA", "NOERROR"),
            ("nosuchname.example.com", "A", "NXDOMAIN"),
            ("www.dark", "A", "SERVFAIL"),  # delegated to an address without a host
        ):
            reply = asking.ask("dig", RESOLVER, name, rtype, inside=inside)
            assert reply.rcode == rcode, reply.text
    assert capture.left() == []

"""Flood namewise, BIND, NSD and Knot with equal queries, each with a limit on responses, and count what is sent, truncated and dropped.

    python3 tests/interop/rrl_peers.py [--queries N]

Each case is a flood from the addresses of one network, or of several, as if an attacker had forged them. After each batch, a query from
another network has to be answered before the next batch begins: so no query is lost in a full socket. The limit is 200 responses per
second to one network (IPv4: /24; IPv6: /56, NSD /64), and every second limited response is truncated. Printed is for each case and
server how many responses were sent, truncated and dropped. Exit status: 0 namewise limits each case that a peer limits, at its rate,
truncates half of the limited responses, and sends none that is longer than its query; 1 not.
"""

from __future__ import annotations

import argparse
import contextlib
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from scenarios_peers import ROOT, enter_namespace, use_addresses

# The helpers of tests are on the path of pytest only.
sys.path.insert(0, str(ROOT / "tests" / "python"))

import internet
import peers
from asking import query

if TYPE_CHECKING:
    from collections.abc import Callable

RATE, SLIP, BATCH = 200, 2, 50
SERVERS = {4: "198.51.100.53", 6: "2001:db8:53::53"}
PROGRAMS = {"bind": "named", "nsd": "nsd", "knot": "knotd"}
# Clients have any address of these.
CLIENTS = ("198.18.0.0/15", "2001:db8::/32")
# IP_FREEBIND, IPV6_FREEBIND: the system knows the prefix only.
FREEBIND = {4: (socket.IPPROTO_IP, 15), 6: (socket.IPPROTO_IPV6, 78)}
ZONE = """\
$TTL 300
@ SOA ns1 hostmaster 1 7200 900 1209600 300
@ NS ns1
ns1 A 198.51.100.53
www A 192.0.2.1
www AAAA 2001:db8::1
*.wild TXT "from the wildcard"
*.walias CNAME www.elsewhere.
old DNAME elsewhere.
sub NS ns1.sub
ns1.sub A 192.0.2.2
"""
A, MX, TXT, DNSKEY, ANY = 1, 15, 16, 48, 255
CHAOS, HESIOD = 3, 4


@dataclass(frozen=True)
class Case:
    """A flood: the query with a number, and the address from which it comes."""

    query: Callable[[int], bytes]
    source: Callable[[int, int], str] = lambda case, at: f"198.18.{case}.{at % 16 + 1}"
    limited: bool = True
    """Whether namewise limits it."""

    @property
    def family(self) -> int:
        """The version of IP."""
        return 6 if ":" in self.source(0, 0) else 4


def to(name: str, rtype: int = A, **how: int) -> Callable[[int], bytes]:
    """Queries for *name*, in which `{}` is the number of the query."""
    return lambda at: query(at, name.format(at), rtype, **how)


def in_any_case(at: int) -> bytes:
    """A query for www.rrl.lab whose letters are in upper case where the number has a bit."""
    letters = [one.upper() if at >> bit & 1 else one for bit, one in enumerate("wwwrrllab")]
    return query(at, ".".join("".join(letters[part : part + 3]) for part in (0, 3, 6)), A)


def two_opt_records(at: int) -> bytes:
    """A query with two OPT records (RFC 6891 §6.1.1)."""
    wire = query(at, "www.rrl.lab", A, edns=0)
    return wire[:11] + b"\2" + wire[12:] + wire[-11:]


CASES = {
    "names of their own": Case(to("h{}.rrl.lab"), limited=False),
    "one name from networks /24": Case(
        to("www.rrl.lab"), lambda _, at: f"198.19.{at % 64}.{at % 7 + 1}", limited=False
    ),
    "one name from networks /56": Case(
        to("www.rrl.lab"), lambda case, at: f"2001:db8:{case}:{at % 64:02x}00::1", limited=False
    ),
    "one name": Case(to("www.rrl.lab")),
    "one name from a /64": Case(to("www.rrl.lab"), lambda case, at: f"2001:db8:{case}:1::{at % 16 + 1:x}"),
    "one name from /64s of a /56": Case(
        to("www.rrl.lab"), lambda case, at: f"2001:db8:{case}:1{at % 64:02x}::1"
    ),
    "one name in any case": Case(in_any_case),
    "type ANY": Case(to("www.rrl.lab", ANY)),
    "DNSKEY records": Case(to("signed.lab", DNSKEY, edns=0, dnssec_ok=True)),
    "no data": Case(to("www.rrl.lab", MX)),
    "names of a wildcard": Case(to("x{}.wild.rrl.lab", TXT)),
    "names of a wildcard, no data": Case(to("x{}.wild.rrl.lab", MX)),
    "names of a wildcard alias": Case(to("x{}.walias.rrl.lab")),
    "names below a DNAME": Case(to("x{}.old.rrl.lab")),
    "names that do not exist": Case(to("x{}.rrl.lab")),
    "the same in a signed zone": Case(to("x{}.signed.lab", edns=0, dnssec_ok=True)),
    "referral": Case(to("x{}.sub.rrl.lab")),
    "REFUSED": Case(to("x{}.example.org")),
    "class HS": Case(to("x{}.rrl.lab", qclass=HESIOD)),
    "class CH": Case(to("version.bind", TXT, qclass=CHAOS)),
    "BADVERS": Case(to("x{}.rrl.lab", edns=1)),
    "NOTIMP": Case(to("x{}.rrl.lab", flags=2 << 11)),
    "FORMERR": Case(two_opt_records),
}


@dataclass
class Count:
    """The responses to a flood."""

    sent: int = 0
    truncated: int = 0
    dropped: int = 0
    longest: float = 0.0
    """Octets of a truncated response, divided by those of its query: the largest."""
    seconds: float = 0.0

    def __str__(self) -> str:
        return f"{self.sent:5}{self.truncated:5}{self.dropped:5}"


def flood(server: peers.Server, number: int, case: Case, queries: int) -> Count:
    """Send so many queries of *case*, which has this number, and count the responses."""
    count, began = Count(), time.monotonic()
    asked: dict[int, bytes] = {}
    sockets: dict[str, socket.socket] = {}
    with contextlib.ExitStack() as stack:

        def client(address: str) -> socket.socket:
            if address not in sockets:
                family = socket.AF_INET6 if ":" in address else socket.AF_INET
                made = stack.enter_context(socket.socket(family, socket.SOCK_DGRAM))
                made.setsockopt(*FREEBIND[case.family], 1)
                made.bind((address, 0))
                made.connect(server.where)
                made.setblocking(False)
                sockets[address] = made
            return sockets[address]

        # Of a network of its own, so that the limit does not reach it.
        witness = client(f"198.18.{128 + number}.1" if case.family == 4 else f"2001:db8:ff{number:02x}::1")
        witness.settimeout(peers.PATIENCE_S)
        # Servers read many packets at once, and NSD does not answer them in order: two more rounds than there are batches.
        for start in range(0, queries + 2 * BATCH, BATCH):
            for at in range(start, min(start + BATCH, queries)):
                asked[at] = case.query(at)
                client(case.source(number, at)).send(asked[at])
            # BIND writes each limited response to its log, and waits if nobody reads.
            server.read()
            witness.send(query(0xFFFF, f"witness{number}-{start}.wild.rrl.lab", TXT))
            assert witness.recv(4096)[:2] == b"\xff\xff"
            for one in sockets.values():
                with contextlib.suppress(BlockingIOError):
                    while one is not witness:
                        take(one.recv(4096), asked, count)
    count.dropped, count.seconds = len(asked), time.monotonic() - began
    return count


def take(reply: bytes, asked: dict[int, bytes], count: Count) -> None:
    """Count *reply*, and take its query from *asked*."""
    wire = asked.pop(int.from_bytes(reply[:2], "big"))
    if reply[2] & 2:
        count.truncated += 1
        count.longest = max(count.longest, len(reply) / len(wire))
    else:
        count.sent += 1


def start(server: str, family: int, folder: Path, zones: dict[str, Path]) -> peers.Server:
    """Start *server* with the limit."""
    where = (SERVERS[family], 53)
    match server:
        case "bind":
            limit = f"rate-limit {{ responses-per-second {RATE}; slip {SLIP}; }};"
            return peers.bind(folder, where, zones, f"recursion no; dnssec-validation no; {limit}")
        case "nsd":
            return peers.nsd(folder, where, zones, [f"rrl-ratelimit: {RATE}", f"rrl-slip: {SLIP}"])
        case "knot":
            return peers.knot(folder, where, zones, f"rate-limit: {RATE}\n    slip: {SLIP}")
        case _:
            config = folder.with_suffix(".toml")
            rates = ("responses_per_second", "nxdomains_per_second", "errors_per_second")
            config.write_text(
                "[rrl]\n" + "".join(f"{rate} = {RATE}\n" for rate in rates) + f"slip = {SLIP}\n"
            )
            return peers.authoritative(folder, where, zones, "--config", config)


def faults(what: str, counts: dict[str, Count], queries: int) -> list[str]:
    """What is wrong with the responses of namewise to the case *what*."""
    ours, theirs = counts["namewise"], [count for server, count in counts.items() if server != "namewise"]
    limited = ours.truncated + ours.dropped
    if not CASES[what].limited:
        return [f"{limited} responses are limited"] if limited else []
    found = []
    if not any(count.dropped for count in theirs):
        found.append("no peer limits it")
    # The first second at once, and what each moment since then allows.
    most = RATE * (1 + ours.seconds) + 1
    if not RATE <= ours.sent <= most:
        found.append(f"{ours.sent} responses are sent, not {RATE} to {most:.0f}")
    # More than five standard deviations of as many draws.
    if not 0.4 * limited < ours.truncated < 0.6 * limited:
        found.append(f"{ours.truncated} of {limited} limited responses are truncated, not one of {SLIP}")
    if ours.longest > 1:
        found.append(f"a truncated response has {ours.longest:.2f} times the octets of its query")
    if ours.sent + limited != queries:
        found.append(f"{ours.sent + limited} of {queries} queries are counted")
    return found


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--queries", type=int, default=1500)
    options = parser.parse_args()
    path = "/usr/sbin:/usr/bin"
    servers = [
        "namewise",
        *(server for server, program in PROGRAMS.items() if shutil.which(program, path=path)),
    ]
    if len(servers) == 1 or shutil.which("dnssec-signzone") is None:
        print("skipped: no server with a limit on responses is installed, or dnssec-signzone is missing")
        return 0
    enter_namespace()
    subprocess.run(["ip", "link", "set", "lo", "up"], check=True)
    use_addresses(set(SERVERS.values()))
    for prefix in CLIENTS:
        family = "-6" if ":" in prefix else "-4"
        subprocess.run(["ip", family, "route", "add", "local", prefix, "dev", "lo"], check=True)
    counts: dict[str, dict[str, Count]] = {what: {} for what in CASES}
    with tempfile.TemporaryDirectory(prefix="rrl-") as name:
        folder = Path(name)
        names = "".join(f"h{number} A 192.0.2.3\n" for number in range(options.queries))
        zones = {
            "rrl.lab.": internet.write(folder, "rrl.lab.", ZONE + names),
            "signed.lab.": internet.sign(folder, "signed.lab.", ZONE),
        }
        for server in servers:
            for family in SERVERS:
                with peers.running(start(server, family, folder / f"{server}{family}", zones)) as started:
                    started.answers("rrl.lab.")
                    for number, (what, case) in enumerate(CASES.items()):
                        if case.family == family:
                            counts[what][server] = flood(started, number, case, options.queries)
    print(f"{'sent, truncated, dropped':30}" + "".join(f"{server:>18}" for server in servers))
    wrong = []
    for what, by_server in counts.items():
        print(f"{what:30}" + "".join(f"   {by_server[server]}" for server in servers))
        wrong += [f"{what}: {fault}" for fault in faults(what, by_server, options.queries)]
    print("\n".join(wrong) or f"{len(CASES)} cases, {len(servers) - 1} peers: as expected")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())

"""DNS64 with lookups that fail: what namewise, BIND and Unbound make of them, over scripted servers.

    python3 tests/interop/dns64_peers.py [--all]

Each case is a zone with a server of its own, signed or not, whose lookup of AAAA or of A fails in one way, and a client with certain
flags. Compared are response code, AD (unless CD is set) and the answer section. Differences that `ACCEPTED` explains with a section of
RFC 6147 are counted apart; an explanation that nothing needs is an error, too. Exit status: 0 nothing is left, 1 something is.
"""

from __future__ import annotations

import argparse
import itertools
import os
import shutil
import sys
import tempfile
import types
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Any

from differential import named, recorded, seen, write
from scenarios_peers import INSIDE, build_hosts, enter_namespace

if TYPE_CHECKING:
    from collections.abc import Callable

PREFIX = "64:ff9b::/96"
FAILS: dict[str, Any] = {"rcode": "SERVFAIL", "flags": []}
SOA = ["{apex} 300 SOA ns.{apex} h. 1 7200 3600 604800 300"]
DENIES: dict[str, Any] = {"rcode": "NXDOMAIN", "authority": SOA}
# What the server of a zone does with a type of query for its name; "forged": the signature of its records does not match.
FAULTS: dict[str, dict[str, Any]] = {
    "empty": {},
    "aaaa-servfail": {"AAAA": FAILS},
    "aaaa-refused": {"AAAA": {"rcode": "REFUSED", "flags": []}},
    "aaaa-notimp": {"AAAA": {"rcode": "NOTIMP", "flags": []}},
    "aaaa-formerr": {"AAAA": {"rcode": "FORMERR", "flags": []}},
    "aaaa-silent": {"AAAA": {"drop": True}},
    "aaaa-upward": {"AAAA": {"flags": [], "authority": [". 518400 NS a.root-servers.net."]}},
    "aaaa-nxdomain": {"AAAA": DENIES},
    "aaaa-unproved": {"AAAA": {"authority": SOA}},
    "aaaa-forged": {"AAAA": "forged"},
    "a-servfail": {"A": FAILS},
    "a-silent": {"A": {"drop": True}},
    "a-nxdomain": {"A": DENIES},
    "a-forged": {"A": "forged"},
    "a-nxdomain-aaaa-servfail": {"A": DENIES, "AAAA": FAILS},
}
CLIENTS: dict[str, dict[str, Any]] = {
    "plain": {},
    "ad": {"flags": ["RD", "AD"]},
    "do": {"dnssec_ok": True},
    "cd": {"flags": ["RD", "CD"]},
    "docd": {"flags": ["RD", "CD"], "dnssec_ok": True},
}
Answer = dict[str, Any]


class Case:
    """A fault, whether the zone is signed, and the flags of the client."""

    def __init__(self, fault: str, how: str, client: str) -> None:
        self.fault, self.signed, self.client = fault, how == "signed", client
        self.zone = f"{fault}-{how}-{client}."

    def rules(self) -> list[dict[str, Any]]:
        """The rules of the server."""
        faults = FAULTS[self.fault].items()
        return [
            {"qname": f"www.{self.zone}", "qtype": rtype, **rule}
            for rtype, rule in faults
            if rule != "forged"
        ]

    def forged(self) -> list[str]:
        """The RRsets whose signature does not match."""
        return [f"www.{self.zone} {rtype}" for rtype, rule in FAULTS[self.fault].items() if rule == "forged"]


def made(answer: Answer) -> bool:
    """Whether the answer has an address that was made."""
    return any(" AAAA 64:ff9b:" in record for record in answer.get("answer", []))


# Accepted differences: the peer, the section that permits our answer, and when.
ACCEPTED: list[tuple[str, str, Callable[[Case, Answer, Answer], bool]]] = [
    (
        "unbound",
        "RFC 6147 §5.5 item 3 forbids addresses to clients that set DO and CD, not to those that set CD",
        lambda case, ours, theirs: case.client == "cd" and not made(theirs),
    ),
    (
        "named",
        "RFC 6147 §5.5 item 3, clients that set DO and CD validate; BIND makes addresses because of `break-dnssec`",
        lambda case, ours, _: case.client == "docd" and not made(ours),
    ),
    (
        "unbound",
        "RFC 6147 §5.5 item 2, in a signed zone the absence of addresses has to be proved",
        lambda case, ours, theirs: (
            case.signed and case.fault.startswith("aaaa-") and ours["rcode"] == "SERVFAIL" and made(theirs)
        ),
    ),
    (
        "unbound",
        "RFC 6147 §5.1.2, a name error is the answer",
        lambda case, ours, theirs: (
            case.fault == "aaaa-nxdomain" and ours["rcode"] == "NXDOMAIN" and made(theirs)
        ),
    ),
    (
        "unbound",
        "RFC 6147 §5.1, the error of the A lookup is the answer",
        lambda case, ours, theirs: (
            case.fault in ("a-servfail", "a-silent") and ours["rcode"] == "SERVFAIL" and not made(theirs)
        ),
    ),
    (
        "named",
        "RFC 6147 §5.1.2 and §5.1.3, another error or no answer counts as an empty answer",
        lambda case, ours, theirs: (
            case.fault.startswith("aaaa-") and made(ours) and theirs["rcode"] == "SERVFAIL"
        ),
    ),
    (
        "named",
        "RFC 6147 §5.1, the denial of the A lookup is the answer",
        lambda case, ours, _: case.fault == "a-nxdomain-aaaa-servfail" and ours["rcode"] == "NXDOMAIN",
    ),
]


def internet() -> tuple[list[dict[str, Any]], list[dict[str, Any]], list[Case]]:
    """The hosts, the queries, and the case of each query."""
    root = ". 86400 SOA a.root-servers.net. h. 1 1800 900 604800 86400\n. 518400 NS a.root-servers.net.\n"
    root += "a.root-servers.net. 518400 A 198.41.0.4\n"
    cases = [Case(*parts) for parts in itertools.product(FAULTS, ("signed", "unsigned"), CLIENTS)]
    cases = [case for case in cases if case.signed or not case.forged()]
    hosts, steps = [], []
    for number, case in enumerate(cases):
        zone, address = case.zone, f"192.0.2.{number + 1}"
        root += f"{zone} 3600 NS ns.{zone}\nns.{zone} 3600 A {address}\n"
        text = f"{SOA[0]}\n{{apex}} 300 NS ns.{{apex}}\nns.{{apex}} 300 A {address}\nwww.{{apex}} 300 A 1.2.3.4\n"
        text += "www.{apex} 300 AAAA 2001:db8::1\n" if case.fault == "aaaa-forged" else ""
        host = {
            "name": f"h{number}",
            "addresses": [address],
            "zones": {zone: text},
            "sign": {zone: {"forged": case.forged()}} if case.signed else {},
            "rule": case.rules(),
        }
        hosts.append(named(host, zone))
        steps.append({"query": f"www.{zone} AAAA", "edns": True, **CLIENTS[case.client]})
    hosts.append({"name": "root", "addresses": ["198.41.0.4"], "zones": {".": root}, "sign": {".": {}}})
    return hosts, steps, cases


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--all", action="store_true", help="print every answer")
    options = parser.parse_args()
    os.environ["PATH"] += ":/usr/sbin:/sbin"
    peers = [peer for peer in ("unbound", "named") if shutil.which(peer)]
    if not peers:
        print("skipped: neither unbound nor named is installed")
        return 0
    program = build_hosts() if not os.environ.get(INSIDE) else Path(os.environ[INSIDE + "_HOSTS"])
    os.environ[INSIDE + "_HOSTS"] = str(program)
    enter_namespace()
    hosts, steps, cases = internet()
    with tempfile.TemporaryDirectory(prefix="dns64-") as name:
        file = Path(name) / "scenario.toml"
        write(types.SimpleNamespace(hosts=hosts), steps, file, {"dns64": [{"prefix": PREFIX}]})
        answers = {
            server: [line for line in recorded(program, file, server, 300) if "rcode" in line]
            for server in ("namewise", *peers)
        }
    left, explained = [], Counter[str]()
    agreeing = 0
    for at, case in enumerate(cases):
        ours = answers["namewise"][at]
        for peer in peers:
            theirs = answers[peer][at]
            why = [section for who, section, holds in ACCEPTED if who == peer and holds(case, ours, theirs)]
            if seen(ours) == seen(theirs):
                agreeing += 1
            elif theirs["rcode"] is None:
                explained["RFC 1035 §7.2, a resolver bounds the time for a request"] += 1
            elif why:
                explained[why[0]] += 1
            else:
                left.append(f"{case.zone}\n    namewise {seen(ours)}\n    {peer} {seen(theirs)}")
        if options.all:
            print(
                case.zone,
                *(f"{server}: {seen(given[at])}" for server, given in answers.items()),
                sep="\n    ",
            )
    left += [
        f"nothing needs: {who}, {text}" for who, text, _ in ACCEPTED if who in peers and not explained[text]
    ]
    for section, count in sorted(explained.items()):
        print(f"accepted: {count} by {section}")
    print(
        "\n".join(
            [*left, f"{len(cases)} queries, {len(peers)} peers: {agreeing} agree, {len(left)} unexplained"]
        )
    )
    return 1 if left else 0


if __name__ == "__main__":
    sys.exit(main())

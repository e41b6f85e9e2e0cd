"""Send random but legal questions, with random header bits and EDNS options, to namewise, Unbound and BIND over the same internet.

    python3 tests/interop/random_questions.py [--seed N] [--questions N]

The internet is one of `differential.py`, whose servers all answer. The questions differ in opcode, class, type and flags (also AA, TC,
RA and the reserved one), and in EDNS version, flags, payload size and options: NSID, cookies, padding, key tags, client subnet, unknown
ones. Compared are response code, opcode, all flags, the number of questions, whether there is a SOA record, and the OPT record: its
version, flags, and the codes of its options. `ACCEPTED` has the section of an RFC that permits our reply to differ. Besides, no reply is
longer than the client accepts. Exit status: 0 all differences are explained, 1 some are not.
"""

from __future__ import annotations

import argparse
import os
import random
import shutil
import socket
import struct
import subprocess
import sys
import tempfile
import time
import tomllib
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import dns.name
from differential import STARTS, Internet, write
from scenarios_peers import (
    CLIENT,
    INSIDE,
    RESOLVER,
    build_hosts,
    enter_namespace,
    trust_anchors,
    use_addresses,
    wait_for,
)

if TYPE_CHECKING:
    from collections.abc import Callable

AA, TC, RD, RA, Z, AD, CD = 0x400, 0x200, 0x100, 0x80, 0x40, 0x20, 0x10
FLAGS = {"AA": AA, "TC": TC, "RD": RD, "RA": RA, "Z": Z, "AD": AD, "CD": CD}
IN, CH, HS, NONE, ANY = 1, 3, 4, 254, 255
OPT = 41
TYPES = {
    "A": 1,
    "NS": 2,
    "CNAME": 5,
    "SOA": 6,
    "MX": 15,
    "TXT": 16,
    "AAAA": 28,
    "DS": 43,
    "RRSIG": 46,
    "NSEC": 47,
}
TYPES |= {
    "DNSKEY": 48,
    "NSEC3PARAM": 51,
    "HTTPS": 65,
    "TYPE65280": 65280,
    "ANY": 255,
    "AXFR": 252,
    "MAILB": 253,
}
NSID, SUBNET, EXPIRE, COOKIE, KEEPALIVE, PADDING, KEY_TAG, UNKNOWN = 3, 8, 9, 10, 11, 12, 14, 65001
OPTIONS = {
    NSID: b"",
    SUBNET: bytes([0, 1, 0, 0]),
    EXPIRE: b"",
    COOKIE: b"01234567",
    KEEPALIVE: b"",
    PADDING: bytes(20),
    KEY_TAG: b"\x4f\x66",
    UNKNOWN: b"\xc0\xff\xee",
}
SPECIAL = [
    "localhost.",
    "1.0.0.127.in-addr.arpa.",
    "1.0.0.10.in-addr.arpa.",
    "x.invalid.",
    "x.test.",
    "x.onion.",
]
NAMES = [*SPECIAL, "version.bind.", "id.server.", "."]


@dataclass(frozen=True)
class Edns:
    """The OPT record of a question."""

    version: int
    flags: int
    payload: int
    options: tuple[int, ...]


@dataclass(frozen=True)
class Question:
    """A question and all that is beside it."""

    name: str
    rtype: str
    qclass: int
    opcode: int
    flags: int
    edns: Edns | None

    def wire(self, number: int) -> bytes:
        """The message."""
        head = struct.pack("!6H", number, self.opcode << 11 | self.flags, 1, 0, 0, self.edns is not None)
        body = dns.name.from_text(self.name).to_wire() + struct.pack("!2H", TYPES[self.rtype], self.qclass)
        if self.edns is None:
            return head + body
        options = b"".join(
            struct.pack("!2H", code, len(OPTIONS[code])) + OPTIONS[code] for code in self.edns.options
        )
        opt = (OPT, self.edns.payload, 0, self.edns.version, self.edns.flags, len(options))
        return head + body + b"\0" + struct.pack("!2H2B2H", *opt) + options

    def accepts(self) -> int:
        """The octets that a reply may have (RFC 6891 §6.2.3)."""
        return max(512, self.edns.payload) if self.edns else 512

    def __str__(self) -> str:
        flags = " ".join(name for name, bit in FLAGS.items() if self.flags & bit)
        qclass = {IN: "IN", CH: "CH", HS: "HS", NONE: "NONE", ANY: "ANY"}[self.qclass]
        return f"{self.name} {qclass} {self.rtype}, opcode {self.opcode}, {flags or 'no flag'}, {self.edns or 'no OPT'}"


def drawn(rng: random.Random, names: list[str]) -> Question:
    """A random question: most parts of it are the usual ones."""

    def usually(usual: Any, *others: Any, of: int = 10) -> Any:
        return rng.choice(others) if rng.randrange(of) == 0 else usual

    flags = usually(RD, 0, of=5)
    for bit, of in ((AD, 3), (CD, 4), (AA, 12), (TC, 12), (RA, 12), (Z, 12)):
        flags |= bit if rng.randrange(of) == 0 else 0
    edns = None
    if rng.randrange(4):
        codes = rng.sample(sorted(OPTIONS), rng.choice([0, 0, 1, 1, 2, 4]))
        edns = Edns(
            usually(0, 1, 255, of=15),
            rng.choice([0, 0x8000]) | usually(0, 0x4000, 1, of=8),
            rng.choice([0, 512, 1232, 1232, 1400, 4096, 65535]),
            tuple(codes),
        )
    return Question(
        usually(rng.choice(names), *NAMES),
        rng.choice(["A", "A", "A", "AAAA", *TYPES]),
        usually(IN, CH, HS, NONE, ANY),
        usually(0, *range(1, 16), of=12),
        flags,
        edns,
    )


@dataclass(frozen=True)
class Reply:
    """The parts of a reply that are compared."""

    rcode: int
    opcode: int
    flags: frozenset[str]
    questions: int
    opt: tuple[int, int, frozenset[int]] | None
    """Version, flags, codes of the options."""
    soa: bool
    """Whether the authority section has a SOA record."""
    octets: int


def exchange(link: socket.socket, wire: bytes) -> Reply | None:
    """Ask, like a stub resolver several times, and return what is compared of the reply."""
    for _ in range(4):
        link.send(wire)
        end = time.monotonic() + 5
        while (left := end - time.monotonic()) > 0:
            link.settimeout(left)
            try:
                reply = link.recv(65535)
            except TimeoutError:
                break
            if reply[:2] == wire[:2]:
                return read(reply)
    return None


def read(wire: bytes) -> Reply:
    """The parts of the message *wire*."""
    _, flags, questions, *counts = struct.unpack_from("!6H", wire)
    at, opt, soa, rcode = 12, None, False, flags & 15
    for index in range(questions + sum(counts)):
        _, used = dns.name.from_wire(wire, at)
        at += used
        if index < questions:
            at += 4
            continue
        rtype, _, high, version, bits, length = struct.unpack_from("!2H2B2H", wire, at)
        soa |= rtype == TYPES["SOA"] and index in range(questions + counts[0], questions + sum(counts[:2]))
        if rtype == OPT:
            codes, inside = set(), at + 10
            while inside < at + 10 + length:
                code, size = struct.unpack_from("!2H", wire, inside)
                codes.add(code)
                inside += 4 + size
            opt, rcode = (version, bits, frozenset(codes)), rcode | high << 4
        at += 10 + length
    named = frozenset(name for name, bit in FLAGS.items() if flags & bit)
    return Reply(rcode, flags >> 11 & 15, named, questions, opt, soa, len(wire))


def differences(ours: Reply, theirs: Reply) -> list[str]:
    """The fields that differ."""
    fields = [
        name
        for name in ("rcode", "opcode", "questions", "soa")
        if getattr(ours, name) != getattr(theirs, name)
    ]
    fields += sorted(ours.flags ^ theirs.flags)
    if (ours.opt is None) != (theirs.opt is None):
        return [*fields, "OPT"]
    if ours.opt is not None and theirs.opt is not None:
        fields += ["version"] if ours.opt[0] != theirs.opt[0] else []
        fields += ["EDNS flags"] if ours.opt[1] != theirs.opt[1] else []
        fields += [f"option {code}" for code in sorted(ours.opt[2] ^ theirs.opt[2])]
    return fields


NOERROR, FORMERR, SERVFAIL, NXDOMAIN, NOTIMP, REFUSED, NOTAUTH, BADVERS = 0, 1, 2, 3, 4, 5, 9, 16
# What a reply has besides its response code.
CONTENTS = {"soa", "AA", "TC", "RA", "AD", "options"}


def repeats_the_query(question: Question, _: Reply, theirs: Reply) -> bool:
    """Unbound makes error replies of a query by changing QR and the response code alone."""
    return theirs.rcode in (FORMERR, NOTIMP, REFUSED) and theirs.octets == len(question.wire(0))


def without_recursion(question: Question, ours: Reply, theirs: Reply) -> bool:
    """Each server has other data to answer from when it may not ask: none, what earlier questions left, or referrals."""
    return not question.flags & RD and NOTIMP not in (ours.rcode, theirs.rcode)


# Accepted differences: the peer, the fields, the section that permits our reply, and when.
ACCEPTED: list[tuple[str, set[str], str, Callable[[Question, Reply, Reply], bool]]] = [
    (
        "unbound",
        {"questions", "Z", "CD", "OPT", "version", "EDNS flags", *CONTENTS},
        "RFC 1035 §4.1.1, flags and options of a query have no place in an error",
        repeats_the_query,
    ),
    (
        "unbound",
        {"rcode", *CONTENTS},
        "RFC 1035 §4.1.1, TC in a query says nothing",
        lambda asked, _, theirs: bool(asked.flags & TC) and theirs.rcode == FORMERR,
    ),
    (
        "any",
        {"rcode", *CONTENTS},
        "RFC 1034 §4.3.1, without RD a server answers from what it has",
        without_recursion,
    ),
    (
        "any",
        {"rcode", "RA", *CONTENTS},
        "RFC 5936 §2.2.1, a server without the zone refuses its transfer with NOTAUTH",
        lambda asked, ours, _: asked.rtype == "AXFR" and ours.rcode == NOTAUTH,
    ),
    (
        "any",
        {"rcode", *CONTENTS},
        "RFC 6895 §3.1 and RFC 5936 §4.2, a resolver has no answer to meta types",
        lambda asked, ours, _: asked.rtype in ("AXFR", "MAILB") and ours.rcode in (NOTIMP, BADVERS),
    ),
    (
        "any",
        {"rcode", "RD", "CD", "questions", *CONTENTS},
        "RFC 1035 §4.1.1, an opcode that is not implemented gets NOTIMP",
        lambda asked, ours, _: asked.opcode > 0 and ours.rcode == NOTIMP,
    ),
    (
        "named",
        {"rcode", *CONTENTS},
        "RFC 1035 §3.2.5, class ANY is any class, of which a resolver has IN",
        lambda asked, *_: asked.qclass == ANY,
    ),
    (
        "named",
        {"rcode", *CONTENTS},
        "RFC 2929 §3.2, a class that a resolver does not have is refused",
        lambda asked, ours, _: asked.qclass in (CH, HS, NONE) and ours.rcode in (REFUSED, BADVERS),
    ),
    (
        "any",
        {"rcode", *CONTENTS},
        "RFC 6761 §6 and RFC 7686 §2, special names are answered without a lookup",
        lambda asked, *_: asked.name in SPECIAL,
    ),
    (
        "named",
        {"RA"},
        "RFC 1035 §4.1.1, RA says whether recursion is available",
        lambda asked, ours, _: "RA" in ours.flags and (asked.rtype == "RRSIG" or ours.rcode == BADVERS),
    ),
    (
        "any",
        {"rcode", *CONTENTS},
        "RFC 8482 §4.1, any RRset is an answer to ANY",
        lambda asked, *_: asked.rtype == "ANY",
    ),
    (
        "any",
        {"rcode", *CONTENTS},
        "RFC 4035 §3.2.3, signatures are no data to validate",
        lambda asked, *_: asked.rtype == "RRSIG",
    ),
    (
        "any",
        {"AD"},
        "RFC 4035 §3.2.2, with CD nothing need be validated",
        lambda asked, *_: bool(asked.flags & CD),
    ),
    (
        "unbound",
        {"rcode", *CONTENTS},
        "RFC 4035 §2.5, NSEC stands beside CNAME, and is the answer to a query for it",
        lambda asked, ours, _: asked.rtype == "NSEC" and ours.rcode == NOERROR,
    ),
    (
        "any",
        {"soa"},
        "RFC 2181 §9, a truncated reply is not for use",
        lambda _, ours, theirs: "TC" in ours.flags and "TC" in theirs.flags,
    ),
    (
        "named",
        {"rcode", *CONTENTS},
        "RFC 4035 §5.5, bogus data are SERVFAIL, valid data are not",
        lambda _, ours, theirs: theirs.rcode == SERVFAIL,
    ),
    ("any", {"option 15"}, "RFC 8914 §2, a server may explain", lambda *_: True),
    ("named", {"option 10"}, "RFC 7873 §5.2, a server need not know cookies", lambda *_: True),
    ("named", {"option 8"}, "RFC 7871 §7.1, a server need not know client subnets", lambda *_: True),
]


def accepted(peer: str, field: str, asked: Question, ours: Reply, theirs: Reply) -> str | None:
    """The section that permits our reply to differ from that of *peer* in *field*, or None."""
    for who, fields, section, holds in ACCEPTED:
        named = field in fields or (field.startswith("option ") and "options" in fields)
        if who in (peer, "any") and named and holds(asked, ours, theirs):
            return section
    return None


def asked(hosts: Path, file: Path, server: str, questions: list[Question]) -> list[Reply | None]:
    """The replies of *server*, which resolves over the hosts in *file*."""
    scenario = tomllib.loads(file.read_text())
    addresses = {address for host in scenario["host"] for address in host["addresses"]}
    use_addresses(addresses | {RESOLVER, CLIENT})
    with tempfile.TemporaryDirectory(prefix="questions-") as name:
        actors = subprocess.Popen(
            [hosts, file, RESOLVER, "--record"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        process = None
        try:
            assert actors.stdout is not None
            if actors.stdout.readline().strip() != "ready":
                raise SystemExit("the hosts did not start")
            process = STARTS[server](Path(name), scenario, trust_anchors(hosts, file))
            if not wait_for(RESOLVER, process):
                raise SystemExit(f"{server} did not start")
            with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as link:
                link.bind((CLIENT, 0))
                link.connect((RESOLVER, 53))
                return [exchange(link, question.wire(at)) for at, question in enumerate(questions)]
        finally:
            for one in (actors, process):
                if one is not None and one.poll() is None:
                    one.terminate()
                    one.wait()


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seed", type=int, default=int(time.time()))
    parser.add_argument("--questions", type=int, default=1000)
    options = parser.parse_args()
    os.environ["PATH"] += ":/usr/sbin:/sbin"
    peers = [peer for peer in ("unbound", "named") if shutil.which(peer)]
    if not peers:
        print("skipped: neither unbound nor named is installed")
        return 0
    hosts = build_hosts() if not os.environ.get(INSIDE) else Path(os.environ[INSIDE + "_HOSTS"])
    os.environ[INSIDE + "_HOSTS"] = str(hosts)
    enter_namespace()
    print(f"seed {options.seed}: {options.questions} questions")
    internet = Internet(options.seed, 10)
    signs: dict[str, Any] = {}
    for host in internet.hosts:
        # Each server answers, and all servers of a zone say the same.
        host["rule"] = []
        host["sign"] = {zone: signs.setdefault(zone, how) for zone, how in host["sign"].items()}
    rng = random.Random(options.seed)
    questions = [drawn(rng, internet.names) for _ in range(options.questions)]
    replies: dict[str, list[Reply | None]] = {}
    with tempfile.TemporaryDirectory(prefix="questions-") as name:
        file = Path(name) / "scenario.toml"
        write(internet, internet.steps(1), file, {"server": {"nsid": b"lab".hex()}})
        for server in ("namewise", *peers):
            replies[server] = asked(hosts, file, server, questions)
    left, explained, agreeing = [], Counter[str](), 0
    for at, question in enumerate(questions):
        ours = replies["namewise"][at]
        if ours is None or ours.octets > question.accepts():
            left.append(f"{question}: {ours}")
            continue
        for peer in peers:
            theirs = replies[peer][at]
            if theirs is None:
                explained["RFC 1035 §7.2, a resolver bounds the time for a request"] += 1
                continue
            fields = differences(ours, theirs)
            agreeing += not fields
            for field in fields:
                section = accepted(peer, field, question, ours, theirs)
                if section is None:
                    left.append(f"{field}: {question}\n    namewise {ours}\n    {peer} {theirs}")
                else:
                    explained[section] += 1
    for section, count in sorted(explained.items()):
        print(f"accepted: {count} by {section}")
    print("\n".join(left))
    replied = len(questions) * len(peers)
    print(
        f"{len(questions)} questions: {agreeing} of {replied} replies of peers are the same, {len(left)} unexplained"
    )
    return 1 if left else 0


if __name__ == "__main__":
    sys.exit(main())

"""Send NSD, Knot and namewise the same queries for the same zone, and compare every part of the answers.

    python3 tests/interop/authoritative.py [--zone FILE] [--questions 20000]
                                           [--variant unsigned,nsec,nsec3] [--show 10]

The zone is the root zone of `--zone` (default `../shared/data/root-*.zone`, else a generated zone of
delegations), and a small zone with every feature an answer can have. Each is served three times: unsigned,
and signed by dnssec-signzone with NSEC and with NSEC3. Compared are rcode, AA, TC and the three sections as
sets of (owner, type, TTL, rdata).

What differs and may is named in ACCEPTED with its RFC section; anything else is a failure and is printed.
"""

from __future__ import annotations

import argparse
import glob
import random
import shutil
import socket
import struct
import subprocess
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent.parent / "python"))
from ports import free_port

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent.parent

ACCEPTED = {
    "apex-ns": "the peer adds the zone's own NS, and their addresses, to a positive answer; none is required "
    "(RFC 1034 §4.3.2 step 6 'additional information that may be useful')",
    "extra": "additional records that are useful but not required are chosen differently (RFC 1034 §4.3.2 step 6, RFC 9471 §3: only "
    "in-domain glue is a must)",
    "truncated": "both say TC; what a truncated reply still carries is not specified (RFC 2181 §9)",
    "any": "which RRset answers ANY is the server's choice (RFC 8482 §4.1)",
    "dname-proof": "the peer proves less about the name that a DNAME leads to; RFC 4035 §3.1.3.2 and RFC 6672 §5.3.4.1 ask for all of it",
    "wildcard-proof": "asked for the wildcard by its own name, the peer also proves what encloses it; RFC 5155 §7.2.3 asks for the "
    "matching record only",
    "tc-glue": "glue below the delegation does not fit whole: we say TC as RFC 9471 §3 demands, the peer does not yet",
    "room": "the peer leaves out optional records, or says TC, where the reply of the other still fits: compression differs "
    "(RFC 1035 §4.1.4 makes it optional)",
}

TYPES = {
    "A": 1,
    "NS": 2,
    "CNAME": 5,
    "SOA": 6,
    "PTR": 12,
    "MX": 15,
    "TXT": 16,
    "AAAA": 28,
    "SRV": 33,
    "DNAME": 39,
    "DS": 43,
    "RRSIG": 46,
    "NSEC": 47,
    "DNSKEY": 48,
    "NSEC3": 50,
    "NSEC3PARAM": 51,
    "ANY": 255,
}
NAMES = {number: text for text, number in TYPES.items()}
# Rdata layout of types with names: octets before, number of names.
NAMED = {
    2: (0, 1),
    5: (0, 1),
    6: (0, 2),
    12: (0, 1),
    15: (2, 1),
    33: (6, 1),
    39: (0, 1),
    46: (18, 1),
    47: (0, 1),
}


#
# ---------------------------------------------------------------------------------------------------------------- codec
def to_wire(name: str) -> bytes:
    labels = [label for label in name.rstrip(".").split(".") if label]
    return b"".join(bytes([len(label)]) + label.encode("latin-1") for label in labels) + b"\0"


def read_name(packet: bytes, at: int) -> tuple[str, int]:
    labels, end, jumps = [], None, 0
    while True:
        length = packet[at]
        if length >= 0xC0:
            if end is None:
                end = at + 2
            at = struct.unpack_from("!H", packet, at)[0] & 0x3FFF
            jumps += 1
            if jumps > 100:
                raise ValueError("pointer loop")
            continue
        at += 1
        if length == 0:
            return ".".join(labels).lower() + ".", end if end is not None else at
        labels.append(packet[at : at + length].decode("latin-1").replace(".", "\\."))
        at += length


class Reply:
    def __init__(self, packet: bytes) -> None:
        self.id, flags, questions, *counts = struct.unpack_from("!HHHHHH", packet)
        self.rcode, self.aa, self.tc, self.octets = (
            flags & 15,
            bool(flags & 0x400),
            bool(flags & 0x200),
            len(packet),
        )
        at = 12
        for _ in range(questions):
            _, at = read_name(packet, at)
            at += 4
        self.sections: list[set] = []
        for count in counts:
            records = set()
            for _ in range(count):
                owner, at = read_name(packet, at)
                rtype, _, ttl, length = struct.unpack_from("!HHIH", packet, at)
                at += 10
                if rtype != 41:
                    records.add((owner, rtype, ttl, self.rdata(packet, rtype, at, length)))
                at += length
            self.sections.append(records)

    @staticmethod
    def rdata(packet: bytes, rtype: int, at: int, length: int):
        end = at + length
        before, names = NAMED.get(rtype, (0, 0))
        parts: list = [packet[at : at + before]]
        at += before
        for _ in range(names):
            name, at = read_name(packet, at)
            parts.append(name)
        return (*parts, packet[at:end])


def query(qid: int, name: str, rtype: int, edns: int | None, dnssec_ok: bool) -> bytes:
    packet = (
        struct.pack("!HHHHHH", qid, 0, 1, 0, 0, int(edns is not None))
        + to_wire(name)
        + struct.pack("!HH", rtype, 1)
    )
    if edns is not None:
        packet += b"\0" + struct.pack("!HHIH", 41, edns, 0x8000 if dnssec_ok else 0, 0)
    return packet


def ask_all(port: int, questions: list) -> list[Reply]:
    """Ask each question over UDP, 64 at a time."""
    sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 20)
    sock.connect(("127.0.0.1", port))
    replies: list = [None] * len(questions)
    for start in range(0, len(questions), 64):
        waiting = set(range(start, min(start + 64, len(questions))))
        for _attempt in range(8):
            for i in waiting:
                sock.send(query(i & 0xFFFF, *questions[i]))
            sock.settimeout(2)
            try:
                while waiting:
                    packet = sock.recv(65535)
                    found = next(
                        (i for i in waiting if i & 0xFFFF == struct.unpack_from("!H", packet)[0]), None
                    )
                    if found is not None:
                        replies[found] = Reply(packet)
                        waiting.discard(found)
            except (TimeoutError, ConnectionRefusedError):
                continue
            break
        if waiting:
            raise SystemExit(f"port {port}: no reply to {[questions[i] for i in waiting][:3]}")
    return replies


#
# ---------------------------------------------------------------------------------------------------------------- zones
FEATURES = """$ORIGIN features.test.
$TTL 3600
@ SOA ns1 hostmaster 1 3600 900 604800 300
@ NS ns1
@ NS ns.glueless.example.
@ MX 10 mail
@ MX 20 mail2.sub
@ TXT "apex"
ns1 A 192.0.2.1
ns1 AAAA 2001:db8::1
mail A 192.0.2.2
mail AAAA 2001:db8::2
www CNAME mail
www2 CNAME www
far CNAME www.elsewhere.example.
tosub CNAME host.sub
tonothing CNAME nothing.at.all
towild CNAME made.wild
_sip._udp SRV 0 0 5060 mail
_sip._udp SRV 0 0 5060 elsewhere.example.
deep.ent TXT "below an empty name"
a.b.c.d.e A 192.0.2.7
*.wild TXT "made"
*.wild MX 5 mail
*.wildname CNAME mail
*.wildfar CNAME www.elsewhere.example.
x.*.wild A 192.0.2.9
there.wild A 192.0.2.10
sub NS ns.sub
sub NS ns1
sub NS ns.sibling
ns.sub A 198.51.100.1
mail2.sub A 198.51.100.9
sibling NS ns.sibling
ns.sibling A 198.51.100.2
ns.sibling AAAA 2001:db8:1::2
signed NS ns.signed
signed DS 12345 8 2 000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f
ns.signed A 198.51.100.3
below.the.cut NS ns.elsewhere.example.
old DNAME new
a.new A 192.0.2.3
out DNAME elsewhere.example.
large TXT {long}
large A 192.0.2.66
many NS {many}
{glue}
"""


def features() -> str:
    long = " ".join(f'"{chr(97 + i) * 250}"' for i in range(6))
    many = "\nmany NS ".join(f"ns{i}.many" for i in range(12))
    glue = "\n".join(f"ns{i}.many A 203.0.113.{i}\nns{i}.many AAAA 2001:db8:2::{i}" for i in range(12))
    return FEATURES.format(long=long, many=many, glue=glue)


def delegations(count: int) -> str:
    lines = [
        "$ORIGIN .",
        "$TTL 86400",
        ". SOA a.servers. nobody. 1 1800 900 604800 86400",
        ". NS a.servers.",
        "a.servers. A 192.0.2.1",
    ]
    for i in range(count):
        lines += [
            f"zone{i}. 172800 NS ns1.zone{i}.",
            f"zone{i}. 172800 NS ns.zone{(i + 1) % count}.",
            f"ns1.zone{i}. 172800 A 198.51.100.{i % 250}",
            f"ns.zone{i}. 172800 A 203.0.113.{i % 250}",
        ]
        if i % 2:
            lines.append(f"zone{i}. 86400 DS {i} 8 2 {i:064x}")
    return "\n".join(lines) + "\n"


def owners(path: Path, apex: str) -> dict[str, set[str]]:
    """Owner to types, out of a zone in the form of one whole record a line."""
    found: dict[str, set[str]] = {}
    for line in path.read_text().splitlines():
        fields = line.split()
        if len(fields) > 4 and not line.startswith((";", "$")):
            found.setdefault(fields[0].lower(), set()).add(fields[3])
    return found


def questions_for(found: dict[str, set[str]], apex: str, count: int, rng: random.Random) -> list:
    """40 % below delegations, 20 % glue names, 20 % DS, NS and SOA, 20 % missing; each with or without EDNS
    and DO."""
    cuts = [name for name, types in found.items() if "NS" in types and name != apex] or [apex]
    inside = (
        [name for name in found if any(name.endswith("." + cut) for cut in cuts)] if len(cuts) < 100 else None
    )
    if inside is None:
        cut_set = set(cuts)
        inside = [
            name
            for name in found
            if any(".".join(name.split(".")[i:]) in cut_set for i in range(1, name.count(".")))
        ]
    rest = [name for name in found if name not in set(inside)]
    hosts = ["A", "AAAA", "MX", "TXT", "NS", "SRV", "CNAME", "DS", "SOA", "ANY"]
    suffix = "" if apex == "." else apex
    questions = []
    for i in range(count):
        kind = i % 10
        if kind < 4:
            name = rng.choice(["", "www.", "a.b.", "_sip._tcp.", "ns."]) + rng.choice(cuts)
            rtype = rng.choice(["A", "AAAA", "MX", "TXT", "NS", "DS"])
        elif kind < 6:
            name, rtype = rng.choice(inside or rest), rng.choice(["A", "AAAA", "NS"])
        elif kind < 8:
            name = apex if rng.random() < 0.05 else rng.choice(cuts)
            rtype = rng.choice(
                ["DS", "NS", "SOA"] + (["DNSKEY", "NSEC3PARAM", "NSEC", "MX"] if name == apex else [])
            )
        elif apex == ".":
            label = "".join(
                rng.choice("abcdefghijklmnopqrstuvwxyz-0123456789") for _ in range(rng.randint(1, 20))
            )
            name = rng.choice(["", "www.", "x.y."]) + label.strip("-") + "x."
            rtype = rng.choice(["A", "AAAA", "NS", "DS", "SOA"])
        else:
            name = rng.choice(["nope.", "*.", "a.b.", "", "x.wild.", "zz."]) + rng.choice([*rest, suffix])
            rtype = rng.choice(hosts)
        if apex != "." and rng.random() < 0.5:
            name, rtype = rng.choice(["", "", "q.", "q.r."]) + rng.choice(rest), rng.choice(hosts)
        if apex != "." and len(to_wire(name)) > 200:
            name = apex
        edns, dnssec_ok = rng.choice(
            [(None, False), (1232, False), (1232, True), (1232, True), (4096, True), (512, True)]
        )
        questions.append((name, TYPES[rtype], edns, dnssec_ok))
    return questions


def sign(folder: Path, plain: Path, apex: str, nsec3: bool) -> Path:
    signed = plain.with_suffix(".nsec3" if nsec3 else ".nsec")
    more = (
        ["-3", "aabbccdd", "-H", "5", "-A"] if nsec3 == "optout" else ["-3", "-", "-H", "0"] if nsec3 else []
    )
    sign_with_bind(folder, plain, signed, apex, more)
    return signed


def sign_with_bind(folder: Path, plain: Path, signed: Path, apex: str, more: list[str]) -> None:
    """Sign the zone file *plain* with new keys, and the options *more* of dnssec-signzone."""
    for flags in (["-f", "KSK"], []):
        command = ["dnssec-keygen", "-q", "-a", "ECDSAP256SHA256", "-K", folder, *flags, apex]
        subprocess.run(command, check=True, capture_output=True)
    command = [
        "dnssec-signzone",
        "-q",
        "-S",
        "-K",
        folder,
        "-o",
        apex,
        "-O",
        "full",
        "-f",
        signed,
        "-x",
        "-d",
        folder,
    ]
    subprocess.run([*command, *more, plain], check=True, capture_output=True)
    for key in folder.glob("K*"):
        key.unlink()


#
# -------------------------------------------------------------------------------------------------------------- servers
def nsd(folder: Path, apex: str, zone: Path, port: int) -> list:
    (folder / "nsd.conf").write_text(
        f'server:\n ip-address: 127.0.0.1@{port}\n username: ""\n zonesdir: "{folder}"\n database: ""\n'
        f' pidfile: "{folder}/nsd.pid"\n xfrdir: "{folder}"\n zonelistfile: "{folder}/nsd.list"\n xfrdfile: ""\n'
        f" rrl-ratelimit: 0\n rrl-whitelist-ratelimit: 0\n ipv4-edns-size: 1232\n server-count: 1\n"
        f'remote-control:\n control-enable: no\nzone:\n name: "{apex}"\n zonefile: "{zone}"\n'
    )
    return ["/usr/sbin/nsd", "-d", "-c", folder / "nsd.conf"]


def knot(folder: Path, apex: str, zone: Path, port: int) -> list:
    (folder / "knot.conf").write_text(
        f'server:\n    rundir: "{folder}"\n    listen: 127.0.0.1@{port}\n    udp-max-payload: 1232\n'
        f"    udp-workers: 1\n    tcp-workers: 1\n    background-workers: 1\n    answer-rotation: off\n"
        f'database:\n    storage: "{folder}/knotdb"\n'
        f'zone:\n  - domain: "{apex}"\n    file: "{zone}"\n    zonefile-sync: -1\n    zonefile-load: whole\n'
        f"    journal-content: none\n    semantic-checks: off\n"
    )
    return ["/usr/sbin/knotd", "-c", folder / "knot.conf"]


def namewise(folder: Path, apex: str, zone: Path, port: int) -> list:
    values = {"address": f"127.0.0.1:{port}", "apex": apex, "zone": zone, "folder": folder}
    return [word.format(**values) for word in namewise.command]


namewise.command = []


class Server:
    """One server over one zone, ended by its process id."""

    def __init__(self, command, folder: Path, apex: str, zone: Path) -> None:
        self.port, self.name = free_port(), command.__name__
        folder.mkdir()
        self.log = (folder / "log").open("wb")
        self.process = subprocess.Popen(
            [str(word) for word in command(folder, apex, zone, self.port)], stdout=self.log, stderr=self.log
        )
        deadline = time.monotonic() + 60
        while time.monotonic() < deadline:
            try:
                with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
                    sock.settimeout(0.3)
                    sock.connect(("127.0.0.1", self.port))
                    sock.send(query(1, apex, TYPES["SOA"], None, False))
                    reply = Reply(sock.recv(65535))
                if reply.rcode == 0 and reply.sections[0]:
                    return
            except OSError:
                pass
            time.sleep(0.1)
        self.stop()
        raise SystemExit(
            f"{self.name} does not answer:\n{(folder / 'log').read_text(errors='replace')[-2000:]}"
        )

    def stop(self) -> None:
        self.process.terminate()
        try:
            self.process.wait(10)
        except subprocess.TimeoutExpired:
            self.process.kill()
        self.log.close()


# -----------------------------------------------------------------------------------------------------------
# comparison
def in_domain(reply: Reply) -> set:
    """The glue of a referral that lies at or below the delegation."""
    cut = next((owner for owner, kind, _, _ in reply.sections[1] if kind == 2), None)
    return {r for r in reply.sections[2] if cut and (r[0] == cut or r[0].endswith("." + cut))}


def judge(question, ours: Reply, theirs: Reply, apex: str) -> str | None:
    """None if the replies are the same, the key of an accepted difference, or 'unexplained: ...'."""
    name, rtype, edns, _ = question
    if (ours.rcode, ours.aa, ours.tc, ours.sections) == (theirs.rcode, theirs.aa, theirs.tc, theirs.sections):
        return None
    if rtype in (TYPES["ANY"], TYPES["RRSIG"]) and (ours.rcode, ours.aa) == (theirs.rcode, theirs.aa):
        return "any"
    if ours.rcode == theirs.rcode and ours.tc and theirs.tc:
        return "truncated"
    if ours.rcode != theirs.rcode or ours.aa != theirs.aa:
        return f"unexplained: rcode {theirs.rcode}/{ours.rcode} AA {theirs.aa}/{ours.aa}"
    if ours.tc and not theirs.tc and not ours.aa and edns != 65535:
        return "tc-glue"  # The same question over TCP, which follows, shows whether the glue is the same when there is room.
    if ours.tc != theirs.tc:
        limit = 65535 if edns == 65535 else min(edns or 512, 1232)
        return (
            "room"
            if limit - max(ours.octets, theirs.octets) < 200
            else f"unexplained: TC {theirs.tc}/{ours.tc}"
        )
    (answer, authority, additional), (their_answer, their_authority, their_additional) = (
        ours.sections,
        theirs.sections,
    )
    if answer != their_answer:
        return "unexplained: answer"
    accepted = None
    if authority != their_authority:
        more, less = their_authority - authority, authority - their_authority
        at_apex = all(
            owner == apex and (kind == 2 or (kind == 46 and rdata[0][:2] == b"\0\2"))
            for owner, kind, _, rdata in more
        )
        if not less and at_apex and answer:
            accepted = "apex-ns"
        elif not more and all(r[1] in (46, 47, 50) for r in less) and any(r[1] == 39 for r in answer):
            accepted = "dname-proof"
        elif name.startswith("*.") and not less and all(r[1] in (46, 50) for r in more):
            accepted = "wildcard-proof"
        else:
            return "unexplained: authority"
    if additional != their_additional:
        # Glue below the cut itself must be the same; all else is at the server's discretion.
        cut = next((owner for owner, kind, _, _ in authority if kind == 2), None)
        if cut and not ours.aa:
            if in_domain(theirs) - in_domain(ours):
                return "unexplained: in-domain glue"
            if not additional - their_additional or not their_additional - additional:
                limit = 65535 if edns == 65535 else min(edns or 512, 1232)
                if limit - max(ours.octets, theirs.octets) < 64:
                    return accepted or "room"
        accepted = accepted or "extra"
    return accepted


def show(records: set) -> str:
    return (
        "\n".join(f"      {o} {t} {NAMES.get(k, k)} {r}" for o, k, t, r in sorted(records, key=repr))
        or "      -"
    )


def ask_stream(port: int, questions: list) -> list[Reply]:
    """Ask each question over one TCP connection."""
    replies = []
    with socket.create_connection(("127.0.0.1", port), timeout=20) as sock:
        stream = sock.makefile("rb")
        for i, question in enumerate(questions):
            packet = query(i & 0xFFFF, *question)
            sock.sendall(struct.pack("!H", len(packet)) + packet)
            (length,) = struct.unpack("!H", stream.read(2))
            replies.append(Reply(stream.read(length)))
    return replies


def compare(apex: str, zone: Path, questions: list, folder: Path, limit: int, explain: str | None) -> int:
    servers: list[Server] = []
    try:
        for i, command in enumerate((namewise, nsd, knot)):
            servers.append(Server(command, folder / f"server{i}", apex, zone))
        replies = [ask_all(server.port, questions) for server in servers]
        # What did not fit for one of them is asked again where everything fits.
        short = [
            q
            for q, *answers in zip(questions, *replies, strict=False)
            if any(answer.tc for answer in answers)
        ][:2000]
        streamed = [ask_stream(server.port, short) for server in servers]
        questions = questions + [(name, rtype, 65535, do) for name, rtype, _, do in short]
        replies = [by_datagram + by_stream for by_datagram, by_stream in zip(replies, streamed, strict=False)]
    finally:
        for server in servers:
            server.stop()
            shutil.rmtree(folder / f"server{servers.index(server)}", ignore_errors=True)
    failures = 0
    for server, theirs in zip(servers[1:], replies[1:], strict=False):
        verdicts: Counter = Counter()
        shown = 0
        for question, mine, other, third in zip(
            questions, replies[0], theirs, replies[3 - replies.index(theirs)], strict=False
        ):
            verdict = judge(question, mine, other, apex)
            verdicts[verdict or "same"] += 1
            failed = bool(verdict and verdict.startswith("unexplained"))
            failures += failed
            if (failed or (verdict and verdict == explain)) and shown < limit:
                shown += 1
                name, rtype, edns, do = question
                third_verdict = judge(question, mine, third, apex)
                print(
                    f"  {server.name}: {name} {NAMES[rtype]} edns={edns} do={do}: {verdict} (the other: {third_verdict}) "
                    f"octets {other.octets}/{mine.octets} TC {other.tc}/{mine.tc}"
                )
                for label, at in (("answer", 0), ("authority", 1), ("additional", 2)):
                    if mine.sections[at] != other.sections[at]:
                        print(
                            f"    {label} of {server.name} only\n{show(other.sections[at] - mine.sections[at])}"
                        )
                        print(f"    {label} of namewise only\n{show(mine.sections[at] - other.sections[at])}")
        print(
            f"  {server.name:5}", ", ".join(f"{verdict} {count}" for verdict, count in verdicts.most_common())
        )
    return failures


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--zone", help="a root zone, one record a line")
    parser.add_argument("--questions", type=int, default=20_000)
    parser.add_argument("--variant", default="unsigned,nsec,nsec3,optout")
    parser.add_argument("--only", choices=["root", "features"])
    parser.add_argument("--show", type=int, default=10)
    parser.add_argument("--explain", help="print the differences accepted under this key as well")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument(
        "--command",
        help="our server with {address}, {apex}, {zone} and {folder} (default: `nw serve` if it is there, "
        "else the server around the zone in crates/zone/examples)",
    )
    options = parser.parse_args()
    missing = [
        tool
        for tool in ("nsd", "knotd", "dnssec-signzone")
        if not (shutil.which(tool) or Path("/usr/sbin", tool).exists())
    ]
    if missing:
        print("skipped: not installed:", ", ".join(missing))
        return 0
    nw = next(
        (path for path in (ROOT / ".venv/bin/nw", shutil.which("nw")) if path and Path(path).exists()), None
    )
    if options.command:
        namewise.command = options.command.split()
    elif nw:
        namewise.command = [
            str(nw),
            *[
                "serve",
                "--listen",
                "{address}",
                "--zone",
                "{apex}={zone}",
                "--control",
                "{folder}/control",
                "--state",
                "{folder}",
            ],
        ]
    else:
        subprocess.run(
            ["cargo", "build", "-q", "-p", "nw-zone", "--example", "answerd"], cwd=ROOT, check=True
        )
        namewise.command = [str(ROOT / "target/debug/examples/answerd"), "{address}", "{apex}={zone}"]
    print("namewise:", " ".join(namewise.command))
    failures = 0
    with tempfile.TemporaryDirectory(prefix="interop-") as scratch:
        folder = Path(scratch)
        zones = {}
        given = options.zone or next(
            iter(sorted(glob.glob(str(ROOT.parent / "shared/data/root-*.zone")))), None
        )
        root = folder / "root.zone"
        root.write_text(Path(given).read_text() if given else delegations(1000))
        zones["root"] = (".", root)
        small = folder / "features.zone"
        small.write_text(features())
        zones["features"] = ("features.test.", small)
        for label, (apex, path) in zones.items():
            if options.only and label != options.only:
                continue
            plain = path.with_suffix(".plain")
            subprocess.run(
                [
                    "named-compilezone",
                    "-q",
                    "-i",
                    "none",
                    "-k",
                    "ignore",
                    "-f",
                    "text",
                    "-s",
                    "full",
                    "-o",
                    plain,
                    apex,
                    path,
                ],
                check=True,
                stdout=subprocess.DEVNULL,
            )
            found = owners(plain, apex)
            rng = random.Random(options.seed)
            count = options.questions if label == "root" else max(options.questions // 5, 1000)
            questions = questions_for(found, apex, count, rng)
            for variant in options.variant.split(","):
                served = plain
                if variant != "unsigned":
                    served = sign(
                        folder, plain, apex, {"nsec": False, "nsec3": True, "optout": "optout"}[variant]
                    )
                print(f"{label} {variant}: {len(questions)} questions", flush=True)
                failures += compare(apex, served, questions, folder, options.show, options.explain)
    print("accepted differences:")
    for key, why in ACCEPTED.items():
        print(f"  {key}: {why}")
    print("unexplained differences:", failures)
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())

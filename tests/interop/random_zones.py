"""Serve random zones with namewise, BIND, NSD and Knot, and compare every part of the answers.

    python3 tests/interop/random_zones.py [--seed N] [--zones N] [--questions N] [--show N]

A zone has aliases, DNAMEs, wildcards, delegations with and without DS and glue, data below them, empty non-terminals and
odd labels, all of few labels, so that names meet. It is served unsigned, or signed with NSEC, NSEC3, salted NSEC3 or opt-out by
the engine of namewise, by dnssec-signzone or by kzonesign. The seed, which is printed, decides all but keys. Compared are rcode,
AA, TC and the three sections as in `authoritative.py`, over UDP, and over TCP what did not fit.

What differs and may is named in ACCEPTED with its RFC section. Exit status: 0 no difference without an explanation, 1 some are.
"""

from __future__ import annotations

import argparse
import contextlib
import random
import shutil
import subprocess
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parent.parent / "python"))

import authoritative
import peers
from authoritative import NAMES, TYPES, Reply, ask_all, ask_stream

from namewise.engine import Signing, Zone, ZoneKey

SERVFAIL = 2
BATCH = 50
"""Zones that the servers have at once."""
LABELS = ["a", "b", "c", "www", "mail", "ns", "*", "*", "_tcp", "1", "A-b", "\0", "é", "x" * 63]
VARIANTS = ["unsigned", "nsec", "nsec3", "salted", "optout"]
SIGNERS = {"namewise": None, "bind": "dnssec-signzone", "knot": "kzonesign"}
OUTSIDE = ["elsewhere.example.", "www.elsewhere.example."]
SIZES = [(None, False), (1232, False), (1232, True), (1232, True), (4096, True), (512, True)]

PEERS = ("bind", "nsd", "knot")
ACCEPTED = authoritative.ACCEPTED | {
    "nsec-alias": "asked for NSEC at an alias that has none, the peer does not follow the alias; it is followed unless the type is CNAME "
    "(RFC 1034 §4.3.2 step 3a)",
    "alias-loop": "the peer fails on aliases in a loop; a server copies each alias into the answer (RFC 1034 §4.3.2 step 3a), the resolver "
    "signals the loop as an error (§3.6.2)",
    "nsec-cut": "asked for NSEC at a delegation, the peer answers from the parent; only DS is an exception from the referral (RFC 4035 "
    "§3.1.4.1)",
    "any-alias": "asked for ANY below a DNAME, the peer stops at the alias, which is some RRset of the name (RFC 8482 §4.1)",
    "empty": "the peer leaves out AA and SOA of a denial, which RFC 1035 §4.1.1 and RFC 2308 §3 ask for; another peer sends what we send",
    "less-proof": "the peer leaves out a proof that RFC 4035 §3.1.3 or RFC 5155 §7.2 asks for; another peer sends what we send",
    "more-proof": "the peer proves more than RFC 4035 §3.1.3 or RFC 5155 §7.2 ask for; another peer sends what we send",
    "zero-label": "the peer sorts names with the octet 0 otherwise than RFC 4034 §6.1, and so sends other proofs",
}


class Made:
    """A random zone: `records` by owner, `cuts` and `dnames` are owners."""

    def __init__(self, rng: random.Random, apex: str) -> None:
        self.rng, self.apex = rng, apex
        self.records: dict[str, list[tuple[str, str]]] = {}
        self.cuts: set[str] = set()
        self.dnames: set[str] = set()
        self.put(apex, "SOA", f"ns.{apex} h.{apex} 1 3600 900 604800 300")
        servers = rng.sample([f"ns.{apex}", f"a.{apex}", OUTSIDE[0]], rng.choice([1, 2]))
        if rng.random() < 0.04:
            # Nothing is below a DNAME (RFC 6672 §2.4).
            servers = OUTSIDE[:1]
            self.put(apex, "DNAME", OUTSIDE[1])
            self.dnames.add(apex)
        for server in servers:
            self.put(apex, "NS", server)
            if server not in OUTSIDE:
                self.put(server, "A", "192.0.2.53")
        for _ in range(rng.randrange(3, 25)):
            self.name()

    def put(self, owner: str, rtype: str, data: str) -> None:
        self.records.setdefault(owner, []).append((rtype, data))

    def name(self) -> None:
        """Add a name with its records, if that is possible at the place that chance chooses."""
        rng = self.rng
        above = rng.choice([self.apex, *self.records])
        labels = [rng.choice(LABELS) for _ in range(rng.choice([1, 1, 1, 2, 3]))]
        owner = ".".join([*labels, above])
        if len(owner) > 200 or owner in self.records:
            return
        if any(self.encloses(dname, owner) for dname in self.dnames):
            return
        if any(self.encloses(cut, owner) for cut in self.cuts):
            self.put(owner, "A", "192.0.2.77")
            return
        kind = rng.random()
        if kind < 0.2:
            self.put(owner, "CNAME", self.somewhere())
        elif (
            kind < 0.28
            and labels[0] != "*"
            and not any(self.encloses(owner, other) for other in self.records)
        ):
            self.put(owner, "DNAME", self.somewhere())
            self.dnames.add(owner)
            if rng.random() < 0.3:
                self.put(owner, "A", "192.0.2.5")
        elif kind < 0.45 and labels[0] != "*":
            self.delegate(owner)
        else:
            for rtype in rng.sample(
                ["A", "AAAA", "TXT", "MX", "SRV", "PTR", "CAA", "HTTPS", "TYPE65300"],
                rng.choice([1, 1, 2, 3]),
            ):
                for number in range(rng.choice([1, 1, 2, 4])):
                    self.put(owner, rtype, self.data(rtype, number))

    @staticmethod
    def encloses(above: str, below: str) -> bool:
        return below.lower() == above.lower() or below.lower().endswith("." + above.lower())

    def delegate(self, owner: str) -> None:
        rng = self.rng
        self.cuts.add(owner)
        for number in range(rng.choice([1, 2, 2, 3])):
            server = rng.choice([f"ns{number}.{owner}", f"ns{number}.{owner}", owner, self.somewhere()])
            if ("NS", server) in self.records.get(owner, []):
                continue
            self.put(owner, "NS", server)
            if self.encloses(owner, server) and rng.random() < 0.9:
                for rtype, data in (("A", f"198.51.100.{number}"), ("AAAA", f"2001:db8::{number}")):
                    if rng.random() < 0.8:
                        self.put(server, rtype, data)
        if rng.random() < 0.4:
            self.put(owner, "DS", f"{rng.randrange(65536)} 13 2 {'5a' * 32}")

    def somewhere(self) -> str:
        rng = self.rng
        inside = rng.choice(list(self.records))
        made = f"{rng.choice(LABELS)}.{inside}"
        return rng.choice([inside, inside, inside, made if len(made) < 200 else inside, rng.choice(OUTSIDE)])

    def data(self, rtype: str, number: int) -> str:
        return {
            "A": f"192.0.2.{number}",
            "AAAA": f"2001:db8:1::{number}",
            "TXT": f'"{number}' + "t" * self.rng.choice([1, 1, 200]) + '"',
            "MX": f"{number} {escaped(self.somewhere())}",
            "SRV": f"0 {number} 443 {escaped(self.somewhere())}",
            "PTR": escaped(self.somewhere()) if number == 0 else f"p{number}.elsewhere.example.",
            "CAA": f'0 issue "ca{number}.example"',
            "HTTPS": f"{number + 1} {escaped(self.somewhere())} alpn=h2",
            "TYPE65300": rf"\# 2 00{number:02x}",
        }[rtype]

    def text(self) -> str:
        """The zone, one record a line."""
        lines = []
        for owner, found in self.records.items():
            for rtype, data in dict.fromkeys(found):
                shown = escaped(data) if rtype in ("NS", "CNAME", "DNAME") else data
                lines.append(f"{escaped(owner)} 3600 IN {rtype} {shown}\n")
        return "".join(lines)

    def questions(self, count: int) -> list[Any]:
        rng, found = self.rng, []
        owners = list(self.records)
        for _ in range(count):
            name = rng.choice(owners)
            types = [rtype for rtype, _ in self.records[name]]
            rtype = rng.choice(
                [*types, "A", "A", "AAAA", "MX", "NS", "DS", "SOA", "CNAME", "DNAME", "TXT", "ANY", "NSEC"]
            )
            how = rng.randrange(8)
            if how >= 4:
                before = [rng.choice([*LABELS, "nope", "zz"]) for _ in range(rng.choice([1, 1, 2]))]
                # Next to the name, or below it.
                base = name.partition(".")[2] if how == 7 and name != self.apex else name
                name = ".".join([*before, base])
            elif how == 3 and name != self.apex:
                # An empty non-terminal, perhaps.
                above = name.partition(".")[2]
                name = above if self.encloses(self.apex, above) else name
            if name == self.apex and rng.random() < 0.3:
                rtype = rng.choice(["DNSKEY", "NSEC3PARAM", "SOA", "NS", "RRSIG"])
            if len(authoritative.to_wire(name)) > 250:
                name = self.apex
            found.append((name, TYPES.get(rtype, 1), *rng.choice(SIZES)))
        return found


def escaped(name: str) -> str:
    """*name* in presentation form: what is not printable ASCII as `\\DDD`."""
    return "".join(one if " " < one < "\x7f" else f"\\{ord(one):03}" for one in name)


# ------------------------------------------------------------------------------------------------------------ signers
def by_namewise(plain: Path, signed: Path, apex: str, variant: str, _: Path) -> None:
    now = int(time.time())
    keys = [ZoneKey.generate(apex, flags, 13) for flags in (257, 256)]
    signing = Signing(
        keys,
        now - 3600,
        now + 86_400,
        nsec3=variant != "nsec",
        opt_out=variant == "optout",
        iterations=5 if variant == "salted" else 0,
        salt=b"\xaa\xbb" if variant == "salted" else b"",
    )
    signed.write_text(signing.sign(Zone.from_file(apex, plain)).to_text())


def by_bind(plain: Path, signed: Path, apex: str, variant: str, folder: Path) -> None:
    options = {"nsec": [], "nsec3": ["-3", "-", "-H", "0"], "salted": ["-3", "aabb", "-H", "5"]}
    more = options.get(variant, ["-3", "-", "-H", "0", "-A"])
    authoritative.sign_with_bind(folder, plain, signed, apex, more)


def by_knot(plain: Path, signed: Path, apex: str, variant: str, folder: Path) -> None:
    nsec3 = "" if variant == "nsec" else "    nsec3: on\n"
    nsec3 += "    nsec3-opt-out: on\n" if variant == "optout" else ""
    salted = variant == "salted"
    nsec3 += (
        f"    nsec3-iterations: {5 if salted else 0}\n    nsec3-salt-length: {2 if salted else 0}\n"
        if nsec3
        else ""
    )
    (folder / "sign.conf").write_text(
        f"database:\n    storage: {folder}/kasp\npolicy:\n  - id: p\n    algorithm: ecdsap256sha256\n{nsec3}"
        f"zone:\n  - domain: {apex}\n    file: {plain}\n    dnssec-signing: on\n    dnssec-policy: p\n    zonefile-load: whole\n"
        "    journal-content: none\n"
    )
    (folder / "kasp").mkdir(exist_ok=True)
    out = folder / "out"
    out.mkdir(exist_ok=True)
    done = subprocess.run(
        ["kzonesign", "-c", folder / "sign.conf", "-o", out, apex],
        capture_output=True,
        text=True,
        check=False,
    )
    made = next(out.iterdir(), None)
    if done.returncode or made is None:
        raise SystemExit(f"kzonesign: {done.stdout}{done.stderr}")
    made.rename(signed)


# ------------------------------------------------------------------------------------------------------------ servers
LENIENT = (
    "recursion no; dnssec-validation no; minimal-responses no-auth; check-names primary ignore; check-mx ignore; check-integrity no; "
    "check-sibling no; check-mx-cname ignore; check-srv-cname ignore; check-wildcard no; zero-no-soa-ttl no; zone-statistics none;"
)


def start(name: str, folder: Path, zones: dict[str, Path]) -> peers.Server:
    where = peers.free_address("127.0.0.1")
    if name == "namewise":
        return peers.authoritative(folder, where, zones, "--state", folder / "state")
    if name == "bind":
        return peers.bind(folder, where, zones, LENIENT)
    if name == "nsd":
        return peers.nsd(folder, where, zones)
    return peers.knot(folder, where, zones)


def loaded(server: peers.Server, zones: list[str]) -> None:
    """Wait until *server* has all *zones*."""
    server.answers(zones[-1])

    def complete() -> bool:
        replies = ask_all(server.where[1], [(zone, TYPES["SOA"], None, False) for zone in zones])
        return all(reply.rcode == 0 and reply.sections[0] for reply in replies)

    server.until(complete, "loading all zones")


# --------------------------------------------------------------------------------------------------------- comparison
def show(records: set[Any]) -> str:
    """The records, signatures and hashes shortened."""
    lines = [
        f"      {o} {t} {NAMES.get(k, k)} {' '.join(map(str, r))[:90]}"
        for o, k, t, r in sorted(records, key=repr)
    ]
    return "\n".join(lines) or "      -"


def judge(question: Any, peer: str, replies: dict[str, Reply], made: Made) -> str | None:
    """As `authoritative.judge`, with what differs only in such zones. *replies*: of each server."""
    ours, theirs = replies["namewise"], replies[peer]
    verdict = authoritative.judge(question, ours, theirs, made.apex)
    if verdict is None or not verdict.startswith("unexplained"):
        return verdict
    rtype = question[1]
    if ours.tc and theirs.tc:
        # The rcode is that of the last name that still fits.
        return "truncated"
    if peer == "nsd" and any("\0" in owner for owner in made.records):
        return "zero-label"
    aliases = {kind for _, kind, *_ in ours.sections[0]}
    owners = {owner for owner, *_ in ours.sections[0]}
    if theirs.rcode == SERVFAIL and any(
        kind == TYPES["CNAME"] and data[1] in owners for _, kind, _, data in ours.sections[0]
    ):
        return "alias-loop"
    if (
        rtype == TYPES["NSEC"]
        and not ours.aa
        and ours.sections[1]
        and {kind for _, kind, *_ in theirs.sections[0]} <= {46, 47}
    ):
        return "nsec-cut"
    if rtype == TYPES["NSEC"] and TYPES["CNAME"] in aliases and theirs.sections[0] < ours.sections[0]:
        return "nsec-alias"
    if rtype == TYPES["ANY"] and aliases >= {TYPES["CNAME"], TYPES["DNAME"]} and not theirs.sections[1]:
        return "any-alias"
    agreeing = [other for other in PEERS if replies[other].sections[1] == ours.sections[1]]
    if ours.rcode == theirs.rcode and agreeing and not any(theirs.sections):
        return "empty"
    room = 65535 if question[2] == 65535 else min(question[2] or 512, 1232)
    if theirs.sections[1] < ours.sections[1] and room - theirs.octets < 64:
        return "room"
    differs = ours.sections[1] ^ theirs.sections[1]
    proofs = all(kind in (TYPES["NSEC"], TYPES["NSEC3"], TYPES["RRSIG"]) for _, kind, *_ in differs)
    same = [(one.rcode, one.aa, one.tc, one.sections[0]) for one in (ours, theirs)]
    # BIND and Knot do not follow an alias for NSEC: then there is no other peer.
    alone = rtype == TYPES["NSEC"] and TYPES["CNAME"] in aliases and theirs.sections[1] > ours.sections[1]
    if same[0] == same[1] and proofs and (agreeing or alone):
        return "less-proof" if theirs.sections[1] < ours.sections[1] else "more-proof"
    return verdict


def differ(question: Any, peer: str, about: str, verdict: str, ours: Reply, theirs: Reply) -> str:
    name, rtype, edns, do = question
    lines = [
        f"  {peer}: {escaped(name)} {NAMES.get(rtype, rtype)} edns={edns} do={do} {about}: {verdict}, octets {theirs.octets}/{ours.octets}"
    ]
    for label, at in (("answer", 0), ("authority", 1), ("additional", 2)):
        if ours.sections[at] != theirs.sections[at]:
            lines.append(f"    {label} of {peer} only\n{show(theirs.sections[at] - ours.sections[at])}")
            lines.append(f"    {label} of namewise only\n{show(ours.sections[at] - theirs.sections[at])}")
    return "\n".join(lines)


def batch(
    rng: random.Random, first: int, count: int, per_zone: int, folder: Path, left: list[str]
) -> Counter[str]:
    """Compare *count* zones; return the number of each verdict, and add what is unexplained to *left*."""
    zones: dict[str, Path] = {}
    about: dict[str, str] = {}
    questions = []
    signers = [name for name, tool in SIGNERS.items() if tool is None or shutil.which(tool)]
    for number in range(first, first + count):
        apex = f"z{number}.test."
        made = Made(rng, apex)
        variant, signer = VARIANTS[number % len(VARIANTS)], rng.choice(signers)
        plain = folder / f"{apex}plain"
        plain.write_text(made.text())
        zones[apex], about[apex] = plain, f"({apex} {variant} by {signer})"
        if variant != "unsigned":
            zones[apex] = folder / f"{apex}signed"
            sign = {"namewise": by_namewise, "bind": by_bind, "knot": by_knot}[signer]
            sign(plain, zones[apex], apex, variant, folder)
        questions += [(made, question) for question in made.questions(per_zone)]
    verdicts: Counter[str] = Counter()
    replies: dict[str, list[Reply]] = {}
    asked = [question for *_, question in questions]
    with contextlib.ExitStack() as stack:
        servers = {}
        for name in ("namewise", *PEERS):
            server = stack.enter_context(peers.running(start(name, folder / name, zones)))
            servers[name] = server
        for name, server in servers.items():
            loaded(server, list(zones))
            replies[name] = ask_all(server.where[1], asked)
        # What did not fit for one of them is asked again where everything fits.
        short = [at for at in range(len(asked)) if any(replies[name][at].tc for name in replies)][:500]
        again = [(asked[at][0], asked[at][1], 65535, asked[at][3]) for at in short]
        for name, server in servers.items():
            replies[name] += ask_stream(server.where[1], again)
    questions += [(questions[at][0], question) for at, question in zip(short, again, strict=True)]
    for at, (made, question) in enumerate(questions):
        of = {name: found[at] for name, found in replies.items()}
        for peer in PEERS:
            verdict = judge(question, peer, of, made) or "same"
            kind = "unexplained" if verdict.startswith("unexplained") else verdict
            verdicts[f"{peer} {kind}"] += 1
            if kind == "unexplained":
                left.append(differ(question, peer, about[made.apex], verdict, of["namewise"], of[peer]))
    return verdicts


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seed", type=int, default=int(time.time()))
    parser.add_argument("--zones", type=int, default=BATCH)
    parser.add_argument("--questions", type=int, default=40, help="questions to each zone")
    parser.add_argument("--show", type=int, default=10)
    options = parser.parse_args()
    tools = ("named", "nsd", "knotd", "dig")
    missing = [tool for tool in tools if not (shutil.which(tool) or Path("/usr/sbin", tool).exists())]
    if missing:
        print("skipped: not installed:", ", ".join(missing))
        return 0
    print(f"seed {options.seed}: {options.zones} zones with {options.questions} questions each")
    rng = random.Random(options.seed)
    verdicts: Counter[str] = Counter()
    found: list[str] = []
    for first in range(0, options.zones, BATCH):
        with tempfile.TemporaryDirectory(prefix="zones-") as name:
            count = min(BATCH, options.zones - first)
            known = len(found)
            verdicts += batch(rng, first, count, options.questions, Path(name), found)
        print("\n".join(found[known : options.show]))
        print(f"{min(first + BATCH, options.zones)} zones, {len(found)} unexplained", flush=True)
    used = {verdict.split()[1] for verdict in verdicts}
    for key, why in ACCEPTED.items():
        if key in used:
            counts = ", ".join(f"{peer} {verdicts[f'{peer} {key}']}" for peer in PEERS)
            print(f"accepted: {key} ({counts}): {why}")
    same = ", ".join(f"{peer} {verdicts[f'{peer} same']}" for peer in PEERS)
    print(f"{sum(verdicts.values()) // 3} questions, the same answer: {same}; {len(found)} unexplained")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())

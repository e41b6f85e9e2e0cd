"""Resolve random questions over a generated private internet, and compare the answers with those of Unbound and BIND.

    python3 tests/interop/differential.py [--seed N] [--zones N] [--questions N] [--peer unbound|named] [--keep DIR]

The internet has a signed root, TLDs and zones with NSEC, NSEC3, opt-out and no signatures, also mixed on the
servers of one zone, unsigned children and signed zones below them. Signatures are expired, of the future, missing, by another
signer or key, with other labels, or do not match; data and TTLs are altered; NSEC and DNSKEY records are missing, unsigned or of
another zone; DS records are wrong, unknown or missing. Servers refuse, fail, are silent, lame or slow, truncate, lack EDNS, or
send junk first. Name servers and aliases form loops. It has wildcards, DNAME and empty non-terminals. The seed
decides everything; it is printed. Compared are response code, AD (unless CD is set) and the answer section. Differences that
`ACCEPTED` explains with a section of an RFC are counted apart. A difference from one peer alone is counted and
printed with `--all`. Exit status: 0 no question differs from all peers without an explanation, 1 some do.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import shutil
import subprocess
import sys
import tempfile
import time
import tomllib
from pathlib import Path
from typing import TYPE_CHECKING, Any

from scenarios_peers import (
    CLIENT,
    ELSEWHERE,
    INSIDE,
    RESOLVER,
    ROOT,
    enter_namespace,
    start_named,
    start_namewise,
    start_unbound,
    trust_anchors,
    use_addresses,
    wait_for,
)

if TYPE_CHECKING:
    from collections.abc import Callable

Step = dict[str, Any]
Answer = dict[str, Any]
STARTS = {"unbound": start_unbound, "named": start_named, "namewise": start_namewise}
DAY = 86_400
# How a zone is signed, and how often.
SIGNED = [
    (10, {}),
    (8, {"denial": "nsec3"}),
    (4, {"denial": "nsec3-opt-out"}),
    (2, {"denial": "nsec3", "iterations": 5}),
    (2, {"denial": "nsec3", "iterations": 300}),
    (5, None),
    (2, {"ds": "none"}),
    (2, {"ds": "wrong"}),
    (2, {"ds": "unknown"}),
    (2, {"expiration_s": -3 * DAY, "inception_s": -30 * DAY}),
    (2, {"inception_s": 3 * DAY, "expiration_s": 30 * DAY}),
    (2, {"absent": ["{apex} DNSKEY"]}),
    (2, {"unsigned": ["{apex} DNSKEY"]}),
    (2, {"forged": ["{apex} DNSKEY"]}),
    (3, {"forged": ["www.{apex} A", "alias.{apex} CNAME"]}),
    (3, {"unsigned": ["www.{apex} A", "moved.{apex} DNAME"]}),
    (2, {"forged": ["{apex} SOA"]}),
    (2, {"unsigned": ["*.wild.{apex} A"]}),
    (1, {"altered": ["www.{apex} A", "*.wild.{apex} A"]}),
    (1, {"signature": {"www.{apex} A": {"original_ttl": 60}}}),
    (1, {"signature": {"www.{apex} A": {"labels": 1}, "mail.{apex} A": {"labels": 9}}}),
    (1, {"signature": {"www.{apex} A": {"signer": "t0."}, "mail.{apex} A": {"signer": "."}}}),
    (1, {"signature": {"www.{apex} A": {"key": 2}, "{apex} SOA": {"key": 2}}}),
    (1, {"signature": {"www.{apex} A": {"algorithm": 13}, "mail.{apex} A": {"tag": 1}}}),
    (1, {"signature": {"www.{apex} A": {"expiration_s": -DAY, "beside": True}}}),
    (1, {"signature": {"{apex} DNSKEY": {"expiration_s": -DAY}}}),
    (1, {"absent": ["www.{apex} NSEC", "mail.{apex} NSEC", "{apex} NSEC"]}),
    (1, {"unsigned": ["www.{apex} NSEC", "mail.{apex} NSEC", "loop2.{apex} NSEC"]}),
    (1, {"instead": {"mail.{apex} NSEC": ["www.t0. A RRSIG NSEC"]}}),
    (1, {"key": 2}),
    (1, {"zsk": True}),
    (1, {"false_ds": 3, "colliding_keys": 2}),
    (1, {"false_signatures": {"www.{apex} A": 2}}),
]
# The rules of a bad server, and how often. The others of its zone are good.
BAD = [
    (3, {"rcode": "REFUSED", "flags": []}),
    (3, {"rcode": "SERVFAIL", "flags": []}),
    (1, {"rcode": "FORMERR", "flags": []}),
    (2, {"drop": True}),
    (2, {"flags": [], "authority": [". 518400 NS a.root-servers.net."]}),
    (1, {"truncate": True}),
]
# The rules of a server that gets by, and how often.
ODD = [
    (4, []),
    (1, [{"via": "udp", "truncate": True}]),
    (1, [{"edns": True, "rcode": "FORMERR", "flags": [], "without_opt": True}]),
    (1, [{"via": "udp", "junk": ["wrong-question", "wrong-port", "no-question"]}]),
    (1, [{"delay_ms": 60}]),
]


def signer_of_another_zone(_: Step, ours: Answer, theirs: Answer) -> bool:
    """The signer must be the zone that contains the RRset. Peers accept a zone above it."""
    cause = " ".join(text for _, text in ours.get("ede", []))
    return (
        ours["rcode"] == "SERVFAIL" and "not the zone of this name" in cause and theirs["rcode"] == "NOERROR"
    )


def no_answer_in_time(_: Step, ours: Answer, theirs: Answer) -> bool:
    """A server may leave a query that it cannot answer in time."""
    return ours["rcode"] == "SERVFAIL" and theirs["rcode"] is None


def denial_with_a_bogus_soa(_: Step, ours: Answer, theirs: Answer) -> bool:
    """AD needs every RRset of the authority section. BIND hands a denial with a bogus SOA on without AD; we fail."""
    cause = " ".join(text for _, text in ours.get("ede", []))
    return ours["rcode"] == "SERVFAIL" and " SOA by key " in cause and "AD" not in theirs["flags"]


def alias_from_a_secure_dname(step: Step, ours: Answer, theirs: Answer) -> bool:
    """A DNAME that is secure makes the alias that follows from it secure. Unbound answers a question for it without AD."""
    asked = step["query"].endswith(" CNAME") and " in dname " in " ".join(records(ours))
    return asked and records(ours) == records(theirs) and "AD" not in theirs["flags"]


# Accepted differences: the section that permits our answer, and what is said of ours and theirs.
ACCEPTED: list[tuple[str, Callable[[Step, Answer, Answer], bool]]] = [
    ("RFC 4035 §5.3.1, the signer is the zone that contains the RRset", signer_of_another_zone),
    ("RFC 4035 §3.2.3, AD needs every RRset of the authority section", denial_with_a_bogus_soa),
    ("RFC 6672 §5.3.1, a secure DNAME proves the alias", alias_from_a_secure_dname),
    ("RFC 1035 §7.2, a resolver bounds the time for a request", no_answer_in_time),
]


class Internet:
    """The generated hosts and questions."""

    def __init__(self, seed: int, zones: int) -> None:
        self.rng = random.Random(seed)
        self.hosts: list[dict[str, Any]] = []
        self.names: list[str] = []
        self.next_address = 1
        tlds = [f"t{n}." for n in range(max(2, zones // 12))]
        leaves: dict[str, list[str]] = {tld: [] for tld in tlds}
        for n in range(zones):
            tld = self.rng.choice(tlds)
            leaves[tld].append(f"z{n}.{tld}")
        self.leaves = [zone for zones_ in leaves.values() for zone in zones_]
        root = self.soa(".") + ". 518400 NS a.root-servers.net.\na.root-servers.net. 518400 A 198.41.0.4\n"
        for tld in tlds:
            servers = self.addresses(self.rng.choice([1, 2]))
            root += self.delegation(tld, servers)
            text = self.soa(tld) + self.delegation(tld, servers)
            for leaf in leaves[tld]:
                text += self.leaf(leaf)
            sign = self.rng.choice([{}, {"denial": "nsec3"}, {"denial": "nsec3-opt-out"}, None])
            for address in servers:
                self.host(address, {tld: text}, {tld: sign})
        self.host("198.41.0.4", {".": root}, {".": {}})

    def addresses(self, count: int) -> list[str]:
        found = []
        for _ in range(count):
            high, low = divmod(self.next_address, 250)
            found.append(f"192.0.{high}.{low + 1}")
            self.next_address += 1
        return found

    def host(
        self, address: str, zones: dict[str, str], sign: dict[str, Any], rules: list[Any] | None = None
    ) -> None:
        signed = {zone: how for zone, how in sign.items() if how is not None}
        self.hosts.append(
            {
                "name": f"h{len(self.hosts)}",
                "addresses": [address],
                "zones": zones,
                "sign": signed,
                "rule": rules or [],
            }
        )

    def soa(self, apex: str) -> str:
        return f"{apex} 3600 SOA ns.{'' if apex == '.' else apex} h. 1 7200 3600 604800 300\n"

    def delegation(self, apex: str, servers: list[str]) -> str:
        lines = ""
        for at, address in enumerate(servers):
            lines += f"{apex} 3600 NS ns{at}.{apex}\nns{at}.{apex} 3600 A {address}\n"
        return lines

    def leaf(self, apex: str) -> str:
        """Make the zone *apex* and return its delegation."""
        rng = self.rng
        weights = [weight for weight, _ in SIGNED]
        how = rng.choices([how for _, how in SIGNED], weights)[0]
        sign = None if how is None else named(how, apex)
        servers = self.addresses(rng.choice([1, 1, 2, 3]))
        other = rng.choice(self.leaves)
        text = self.soa(apex) + self.delegation(apex, servers)
        text += f"www.{apex} 300 A 203.0.113.{rng.randrange(1, 250)}\nwww.{apex} 300 AAAA 2001:db8::{rng.randrange(1, 9999)}\n"
        text += f'{apex} 300 MX 10 mail.{apex}\nmail.{apex} 300 A 203.0.113.1\n{apex} 300 TXT "a zone"\n'
        text += f"alias.{apex} 300 CNAME www.{apex}\nout.{apex} 300 CNAME www.{other}\nchain.{apex} 300 CNAME out.{other}\n"
        text += f"gone.{apex} 300 CNAME nothing.{other}\n"
        text += f'*.wild.{apex} 300 A 203.0.113.7\nwild.{apex} 300 TXT "wild"\n*.walias.{apex} 300 CNAME www.{other}\n'
        text += f"a.b.ent.{apex} 300 A 203.0.113.8\nmoved.{apex} 300 DNAME {other}\n"
        text += f"loop1.{apex} 300 CNAME loop2.{apex}\nloop2.{apex} 300 CNAME loop1.{apex}\n"
        below, inside = self.children(apex)
        text += below
        self.names += [
            f"{label}{apex}"
            for label in (
                "",
                "www.",
                "alias.",
                "out.",
                "chain.",
                "gone.",
                "x.wild.",
                "x.y.wild.",
                "wild.",
                "q.walias.",
                "b.ent.",
                "ent.",
                "nothing.",
                "a.nothing.",
                "www.moved.",
                "moved.",
                "nothing.moved.",
                "mail.",
                "loop1.",
                *inside,
            )
        ]
        bad = rng.randrange(len(servers)) if len(servers) > 1 and rng.random() < 0.5 else None
        # A zone without a good server, seldom: each peer waits long for it.
        dead = rng.random() < 0.02
        mixed = sign == {} and rng.random() < 0.3
        for at, address in enumerate(servers):
            if at == bad or dead:
                rule = rng.choices([rule for _, rule in BAD], [weight for weight, _ in BAD])[0]
                self.host(address, {}, {}, [rule])
            else:
                odd = rng.choices([rules for _, rules in ODD], [weight for weight, _ in ODD])[0]
                own = {"denial": rng.choice(["nsec", "nsec3"])} if mixed else sign
                self.host(address, {apex: text}, {apex: own}, odd)
        if rng.random() < 0.03:
            other = rng.choice(self.leaves)
            return f"{apex} 3600 NS ns.circle.{other}\n"
        return self.delegation(apex, servers)

    def children(self, apex: str) -> tuple[str, list[str]]:
        """Make zones below *apex*; return their delegations and names in them, without *apex*."""
        rng = self.rng
        text, names = "", []
        for label, sign in (
            ("plain", None),
            ("child", {}),
            ("nsec3", {"denial": "nsec3"}),
            ("cut.ent", None),
        ):
            if rng.random() < 0.75:
                continue
            child, (address,) = f"{label}.{apex}", self.addresses(1)
            zones = {child: self.zone(child, address)}
            signs: dict[str, Any] = {child: sign}
            names += [f"{label}.", f"www.{label}.", f"nothing.{label}."]
            if sign is None and rng.random() < 0.5:
                # A signed zone below an unsigned one: an island.
                island = f"island.{child}"
                zones[child] += self.delegation(island, [address])
                zones[island], signs[island] = self.zone(island, address), {}
                names += [f"island.{label}.", f"www.island.{label}.", f"nothing.island.{label}."]
            self.host(address, zones, signs)
            text += self.delegation(child, [address])
        return text, names

    def zone(self, apex: str, address: str) -> str:
        return self.soa(apex) + self.delegation(apex, [address]) + f"www.{apex} 300 A 203.0.113.9\n"

    def steps(self, questions: int) -> list[dict[str, Any]]:
        types = ["A", "A", "A", "AAAA", "MX", "TXT", "DS", "DNSKEY", "NS", "SOA", "CNAME"]
        steps = []
        for _ in range(questions):
            name, rtype = self.rng.choice(self.names), self.rng.choice(types)
            step: dict[str, Any] = {"query": f"{name} {rtype}", "dnssec_ok": True}
            if self.rng.random() < 0.1:
                step["flags"] = ["RD", "CD"]
            steps.append(step)
        return steps


def named(how: Any, apex: str) -> Any:
    """*how* with the name of the zone in place of `{apex}`."""
    if isinstance(how, dict):
        return {key.replace("{apex}", apex): named(value, apex) for key, value in how.items()}
    if isinstance(how, list):
        return [named(value, apex) for value in how]
    return how.replace("{apex}", apex) if isinstance(how, str) else how


def toml(value: Any) -> str:
    """*value* as an inline TOML value."""
    if isinstance(value, dict):
        return "{ " + ", ".join(f"{json.dumps(key)} = {toml(one)}" for key, one in value.items()) + " }"
    if isinstance(value, list):
        return "[" + ", ".join(toml(one) for one in value) + "]"
    return json.dumps(value)


def write(
    internet: Internet, steps: list[dict[str, Any]], file: Path, settings: dict[str, Any] | None = None
) -> None:
    lines = [
        'about = "generated"',
        "standard = false",
        f"settings = {toml(settings or {})}",
        "",
        "[resolver]",
        "",
    ]
    for host in internet.hosts:
        lines.append("[[host]]")
        lines += [f"{key} = {toml(value)}" for key, value in host.items()]
        lines.append("")
    for step in steps:
        lines.append("[[step]]")
        lines += [f"{key} = {toml(value)}" for key, value in step.items()]
        lines.append("")
    file.write_text("\n".join(lines))


def ours(player: Path, file: Path) -> list[dict[str, Any]]:
    done = subprocess.run([player, "--record", file], check=True, capture_output=True, text=True)
    return [json.loads(line) for line in done.stdout.splitlines()]


def recorded(hosts: Path, file: Path, peer: str, timeout_s: float) -> list[dict[str, Any]]:
    """Return what the actors of *file* record while *peer* resolves its queries: one object for each query, one with the number of
    queries that arrived at servers, and one with the CPU time of the peer (`cpu_us`), from its first query to its last answer."""
    scenario = tomllib.loads(file.read_text())
    addresses = {address for host in scenario["host"] for address in host["addresses"]}
    use_addresses(addresses | {RESOLVER, CLIENT, ELSEWHERE})
    with tempfile.TemporaryDirectory(prefix="recorded-") as name:
        actors = subprocess.Popen(
            [hosts, file, RESOLVER, "--record"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        server = None
        try:
            assert actors.stdin is not None and actors.stdout is not None
            if actors.stdout.readline().strip() != "ready":
                raise SystemExit("the hosts did not start")
            server = STARTS[peer](Path(name), scenario, trust_anchors(hosts, file))
            if not wait_for(RESOLVER, server):
                raise SystemExit(f"{peer} did not start")
            before = cpu_us(server.pid)
            printed, _ = actors.communicate("go\n", timeout=timeout_s)
            spent = {"cpu_us": cpu_us(server.pid) - before}
            return [json.loads(line) for line in printed.splitlines() if line.startswith("{")] + [spent]
        finally:
            for process in (actors, server):
                if process is not None and process.poll() is None:
                    process.terminate()
                    process.wait()


def cpu_us(pid: int) -> int:
    """Return the CPU time of all threads of a process, microseconds."""
    return (
        sum(int(task.read_text().split()[0]) for task in Path(f"/proc/{pid}/task").glob("*/schedstat"))
        // 1000
    )


def theirs(hosts: Path, file: Path, peer: str) -> list[dict[str, Any]]:
    return [line for line in recorded(hosts, file, peer, 3600) if "rcode" in line]


def seen(answer: dict[str, Any]) -> tuple[Any, ...]:
    """What is compared: code, AD, and the records of the answer section that are no signatures."""
    if answer["rcode"] in (None, "SERVFAIL"):
        return (answer["rcode"],)
    # With CD, a validator need not validate (RFC 4035 §3.2.2).
    secure = "AD" in answer["flags"] and "CD" not in answer["flags"]
    return answer["rcode"], secure, *records(answer)


def records(answer: Answer) -> list[str]:
    """The records of the answer section that are no signatures."""
    return sorted(record.lower() for record in answer.get("answer", []) if " RRSIG " not in record)


def accepted(step: Step, ours: Answer, theirs: Answer) -> str | None:
    """The section of an RFC that permits both answers, or None."""
    return next((section for section, holds in ACCEPTED if holds(step, ours, theirs)), None)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seed", type=int, default=int(time.time()))
    parser.add_argument("--zones", type=int, default=40)
    parser.add_argument("--questions", type=int, default=500)
    parser.add_argument("--peer", action="append", choices=["unbound", "named"])
    parser.add_argument("--all", action="store_true", help="print also where one peer agrees")
    parser.add_argument("--keep", type=Path, help="write the scenario and all answers here")
    options = parser.parse_args()
    os.environ["PATH"] += ":/usr/sbin:/sbin"
    peers = [peer for peer in options.peer or ["unbound", "named"] if shutil.which(peer)]
    if not peers:
        print("skipped: neither unbound nor named is installed")
        return 0
    if not os.environ.get(INSIDE):
        subprocess.run(["cargo", "build", "-q", "-p", "nw-sim", "--examples"], cwd=ROOT, check=True)
    enter_namespace()
    target = Path(os.environ.get("CARGO_TARGET_DIR", ROOT / "target")) / "debug" / "examples"
    print(f"seed {options.seed}: {options.zones} zones, {options.questions} questions")
    internet = Internet(options.seed, options.zones)
    steps = internet.steps(options.questions)
    with tempfile.TemporaryDirectory(prefix="differential-") as name:
        folder = options.keep or Path(name)
        folder.mkdir(parents=True, exist_ok=True)
        file = folder / "scenario.toml"
        write(internet, steps, file)
        answers = {"namewise": ours(target / "play", file)}
        for peer in peers:
            answers[peer] = theirs(target / "scenario_hosts", file, peer)
        if options.keep:
            (folder / "answers.json").write_text(json.dumps(answers, indent=1))
    counts, failed = dict.fromkeys(peers, 0), dict.fromkeys(peers, 0)
    explained: dict[str, int] = {}
    both = 0
    for at, step in enumerate(steps):
        own = answers["namewise"][at]
        differing = []
        for peer in peers:
            given = answers[peer][at]
            if seen(given) == seen(own):
                continue
            section = accepted(step, own, given)
            if section is not None:
                explained[section] = explained.get(section, 0) + 1
            else:
                counts[peer] += 1
                failed[peer] += given["rcode"] in (None, "SERVFAIL")
                differing.append(peer)
        all_differ = len(differing) == len(peers)
        both += all_differ
        if all_differ or (differing and options.all):
            flags = " ".join(step.get("flags", []))
            print(f"{at}: {step['query']} {flags}")
            for who, given in answers.items():
                print(f"    {who}: {seen(given[at])} {given[at].get('ede')}")
    for section, count in sorted(explained.items()):
        print(f"accepted: {count} by {section}")
    differences = ", ".join(
        f"{peer} {count} ({failed[peer]} times it fails)" for peer, count in counts.items()
    )
    print(f"{len(steps)} questions: {differences} different; different from all peers: {both}")
    return 1 if both else 0


if __name__ == "__main__":
    sys.exit(main())

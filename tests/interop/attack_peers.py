"""Play attacks against Unbound and BIND, and count the queries that they send to servers and the CPU time that they spend.

    python3 tests/interop/attack_peers.py [--peer unbound|named|namewise] [--rounds 5] [--write] [ID ...]
    python3 tests/interop/attack_peers.py --cpu [ID ...]
    python3 tests/interop/attack_peers.py --packets

The steps of an attack that are queries are sent to the peer, which is the resolver of the scenario in a network namespace, as in
`scenarios_peers.py`. Floods are left out. `--write` stores the numbers in the scenarios (`peers_sent`), where `nw lab attacks`
reads them; of several rounds, the median. Without identifiers, all attacks are played whose cost is a number of queries (A1 to
A7, B1 to B3).

`--cpu` plays the attacks on validators (B1 to B3), and prints the CPU time of each peer, and of the `nw serve` of this environment, for one
attacking query. Here the queries of floods are sent too, if each has a name of its own: `FLOOD` of them.

`--packets` sends malformed packets to NSD, Unbound and namewise, and prints what each replies (`attack_packets.py`).
"""

from __future__ import annotations

import argparse
import os
import re
import shutil
import statistics
import sys
import tempfile
import tomllib
from pathlib import Path

from differential import STARTS, recorded, toml
from scenarios_peers import (
    INSIDE,
    ROOT,
    build_hosts,
    enter_namespace,
)

ATTACKS = ROOT / "python/namewise/lab/attacks"
COUNTED = ("A1", "A2", "A3", "A4", "A5", "A6", "A7", "B1", "B2", "B3")
VALIDATORS = ("B1", "B2", "B3")
FLOOD = 100


def queries(scenario: dict, flood: int) -> list[dict]:
    """Return the steps of *scenario* that are queries, and *flood* queries of each attacking stream whose names differ."""
    steps = [step for step in scenario["step"] if "query" in step]
    for stream in (stream for step in scenario["step"] for stream in step.get("flood", [])):
        if flood and "{n}" in stream["query"] and "attack" in stream["query"]:
            same = {key: value for key, value in stream.items() if key in ("dnssec_ok", "edns")}
            steps += [
                {"query": stream["query"].replace("{n}", str(number)), **same} for number in range(flood)
            ]
    return [{key: value for key, value in step.items() if key != "expect"} for step in steps]


def short(scenario: dict, steps: list[dict], file: Path) -> None:
    """Write *scenario* with these steps to *file*."""
    lines = [f"{key} = {toml(scenario[key])}" for key in ("about", "standard", "resolver", "host")]
    file.write_text("\n".join([*lines, f"step = {toml(steps)}"]))


def measured(hosts: Path, file: Path, peer: str) -> tuple[int, int]:
    """Return the number of queries to servers that *peer* sends for the queries in *file*, and its CPU time in microseconds."""
    lines = recorded(hosts, file, peer, 300)
    return (
        next(int(line["arrived"]) for line in lines if "arrived" in line),
        next(int(line["cpu_us"]) for line in lines if "cpu_us" in line),
    )


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--peer", action="append", choices=list(STARTS))
    parser.add_argument("--rounds", type=int, default=1)
    parser.add_argument("--write", action="store_true")
    parser.add_argument("--cpu", action="store_true")
    parser.add_argument("--packets", action="store_true")
    parser.add_argument("ids", nargs="*")
    options = parser.parse_args()
    os.environ["PATH"] += ":/usr/sbin:/sbin"
    if options.packets:
        # The helpers of tests are on the path of pytest only.
        sys.path.insert(0, str(ROOT / "tests" / "python"))
        import attack_packets

        return attack_packets.main()
    wanted = options.peer or [*(["namewise"] if options.cpu else []), "unbound", "named"]
    peers = [peer for peer in wanted if peer == "namewise" or shutil.which(peer)]
    if not {"unbound", "named"} & set(peers):
        print("skipped: neither unbound nor named is installed")
        return 0
    hosts = build_hosts() if not os.environ.get(INSIDE) else Path(os.environ[INSIDE + "_HOSTS"])
    os.environ[INSIDE + "_HOSTS"] = str(hosts)
    enter_namespace()
    for file in sorted(ATTACKS.glob("*.toml")):
        if file.name.partition("-")[0] not in (options.ids or (VALIDATORS if options.cpu else COUNTED)):
            continue
        text = file.read_text()
        scenario = tomllib.loads(text)
        steps = queries(scenario, FLOOD if options.cpu else 0)
        if not steps:
            continue
        with tempfile.NamedTemporaryFile(suffix=".toml") as part:
            short(scenario, steps, Path(part.name))
            runs = {
                peer: [measured(hosts, Path(part.name), peer) for _ in range(options.rounds)]
                for peer in peers
            }
        if options.cpu:
            costs = {
                peer: statistics.median(cpu for _, cpu in some) / len(steps) for peer, some in runs.items()
            }
            shown = ", ".join(f"{peer} {cost:,.0f} us" for peer, cost in costs.items())
            print(f"{file.name}: CPU for each of {len(steps)} queries: {shown}", flush=True)
            continue
        counts = {peer: int(statistics.median(sent for sent, _ in some)) for peer, some in runs.items()}
        spread = {peer: sorted({sent for sent, _ in some}) for peer, some in runs.items()}
        shown = ", ".join(
            f"{peer} {counts[peer]}" + (f" of {some}" if len(some) > 1 else "")
            for peer, some in spread.items()
        )
        print(f"{file.name}: {shown}", flush=True)
        if options.write:
            text = re.sub(r"^peers_sent = .*\n", "", text, flags=re.MULTILINE)
            line = f"peers_sent = {toml(counts)}\n"
            file.write_text(re.sub(r"^(max_us_per_question = .*\n)", rf"\1{line}", text, flags=re.MULTILINE))
    return 0


if __name__ == "__main__":
    sys.exit(main())

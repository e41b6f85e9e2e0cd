"""Play attacks against Unbound and BIND, and count the queries that they send to servers.

    python3 tests/interop/attack_peers.py [--peer unbound|named] [--write] [ID ...]

The steps of an attack that are queries are sent to the peer, which is the resolver of the scenario in a network namespace, as in
`scenarios_peers.py`. Floods are left out. `--write` stores the numbers in the scenarios (`peers_sent`), where `nw lab attacks`
reads them. Without identifiers, all attacks are played whose cost is a number of queries (A1 to A7, B1 to B3).
"""

from __future__ import annotations

import argparse
import os
import re
import shutil
import sys
import tempfile
import tomllib
from pathlib import Path

from differential import recorded, toml
from scenarios_peers import (
    INSIDE,
    ROOT,
    build_hosts,
    enter_namespace,
)

ATTACKS = ROOT / "python/namewise/lab/attacks"
COUNTED = ("A1", "A2", "A3", "A4", "A5", "A6", "A7", "B1", "B2", "B3")


def without_floods(scenario: dict, file: Path) -> int:
    """Write *scenario* without its floods to *file*, and return the number of queries."""
    queries = [step for step in scenario["step"] if "query" in step]
    lines = [f"{key} = {toml(scenario[key])}" for key in ("about", "standard", "resolver", "host")]
    lines.append(f"step = {toml([{k: v for k, v in step.items() if k != 'expect'} for step in queries])}")
    file.write_text("\n".join(lines))
    return len(queries)


def sent(hosts: Path, file: Path, peer: str) -> int:
    """Return the number of queries to servers that *peer* sends for the queries in *file*."""
    return next(int(line["arrived"]) for line in recorded(hosts, file, peer, 300) if "arrived" in line)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--peer", action="append", choices=["unbound", "named"])
    parser.add_argument("--write", action="store_true")
    parser.add_argument("ids", nargs="*")
    options = parser.parse_args()
    os.environ["PATH"] += ":/usr/sbin:/sbin"
    peers = [peer for peer in options.peer or ["unbound", "named"] if shutil.which(peer)]
    if not peers:
        print("skipped: neither unbound nor named is installed")
        return 0
    hosts = build_hosts() if not os.environ.get(INSIDE) else Path(os.environ[INSIDE + "_HOSTS"])
    os.environ[INSIDE + "_HOSTS"] = str(hosts)
    enter_namespace()
    for file in sorted(ATTACKS.glob("*.toml")):
        if file.name.partition("-")[0] not in (options.ids or COUNTED):
            continue
        text = file.read_text()
        with tempfile.NamedTemporaryFile(suffix=".toml") as short:
            if not without_floods(tomllib.loads(text), Path(short.name)):
                continue
            counts = {peer: sent(hosts, Path(short.name), peer) for peer in peers}
        print(f"{file.name}: " + ", ".join(f"{peer} {count}" for peer, count in counts.items()), flush=True)
        if options.write:
            text = re.sub(r"^peers_sent = .*\n", "", text, flags=re.MULTILINE)
            line = f"peers_sent = {toml(counts)}\n"
            file.write_text(re.sub(r"^(max_us_per_question = .*\n)", rf"\1{line}", text, flags=re.MULTILINE))
    return 0


if __name__ == "__main__":
    sys.exit(main())

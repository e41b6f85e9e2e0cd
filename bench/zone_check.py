"""Row A5: `nw zone check` with all rules, and the checkers of other servers, on a zone of a million records.

    python -m bench.zone_check [--rounds N] [--records N] [--json FILE]

Each round runs every checker once, in turn. The rate is that of the median wall time; CPU is that of the process.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import shutil
import statistics
import subprocess
import sys
import time
from pathlib import Path

from bench import data
from bench.servers import PEERS_ROOT

_BIN = Path(sys.executable).parent


def checkers(origin: str, file: Path) -> dict[str, list[str]]:
    """Return the commands of the checkers that are installed."""
    known = {
        "namewise": [str(_BIN / "nw"), "zone", "check", str(file), "--origin", origin],
        "kzonecheck": ["kzonecheck", "-o", origin, str(file)],
        "nsd-checkzone": ["nsd-checkzone", origin, str(file)],
        "named-checkzone": ["named-checkzone", origin, str(file)],
        "named-checkzone -i none": ["named-checkzone", "-i", "none", origin, str(file)],
    }
    path = os.pathsep.join([os.environ.get("PATH", ""), "/usr/sbin", "/sbin"])
    found = {name: shutil.which(command[0], path=path) for name, command in known.items()}
    installed = {name: [where, *known[name][1:]] for name, where in found.items() if where}
    for name, tool in (
        ("kzonecheck D13", "usr/bin/kzonecheck"),
        ("nsd-checkzone D13", "usr/sbin/nsd-checkzone"),
    ):
        if PEERS_ROOT and (Path(PEERS_ROOT) / tool).exists():
            # The newer tools need the libraries beside them.
            root = Path(PEERS_ROOT)
            loader = next(root.glob("lib64/ld-linux*.so*"), None) or next(
                root.glob("lib/ld-linux*.so*"), None
            )
            libraries = os.pathsep.join(
                str(path) for path in (*root.glob("usr/lib/*-linux-gnu"), *root.glob("lib/*-linux-gnu"))
            )
            if loader:
                plain = known[name.split(" ")[0]]
                installed[name] = [str(loader), "--library-path", libraries, str(root / tool), *plain[1:]]
    return installed


def once(command: list[str]) -> tuple[float, float]:
    """Return wall and CPU seconds of one run."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    start = time.monotonic()
    done = subprocess.run(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, check=False)
    wall = time.monotonic() - start
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    if done.returncode:
        raise SystemExit(
            f"{command[0]}: exit code {done.returncode}: {done.stderr.decode(errors='replace')[:300]}"
        )
    return wall, after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--records", type=int, default=1_000_000)
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    origin, file = data.delegations_zone(options.records)
    commands = checkers(origin, file)
    runs: dict[str, list[tuple[float, float]]] = {name: [] for name in commands}
    for number in range(options.rounds):
        for name, command in commands.items():
            print(f"  round {number + 1}/{options.rounds}: {name}", file=sys.stderr, flush=True)
            runs[name].append(once(command))
    rows = {
        name: {
            "records_per_s": options.records / statistics.median(wall for wall, _ in one),
            "wall_s": statistics.median(wall for wall, _ in one),
            "cpu_s": statistics.median(cpu for _, cpu in one),
        }
        for name, one in runs.items()
    }
    ours = rows["namewise"]["records_per_s"]
    print(f"{'checker':<24} {'records/s':>12} {'wall s':>8} {'CPU s':>8}  namewise is")
    for name, row in rows.items():
        ratio = "" if name == "namewise" else f"{ours / row['records_per_s']:.2f} times as fast"
        print(
            f"{name:<24} {row['records_per_s']:>12,.0f} {row['wall_s']:>8.2f} {row['cpu_s']:>8.2f}  {ratio}"
        )
    if options.json:
        options.json.write_text(json.dumps(rows, indent=2) + "\n")


if __name__ == "__main__":
    main()

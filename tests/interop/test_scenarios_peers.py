"""The standard scenarios with Unbound and BIND: a peer agrees, or differs in the documented way."""

from __future__ import annotations

import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest

SCRIPT = Path(__file__).with_name("scenarios_peers.py")
# Peers wait most of the time: for servers of scenarios that do not answer.
PARTS = 2


def test_a_peer_agrees_with_each_standard_scenario(capsys: pytest.CaptureFixture[str]) -> None:
    # Built once, before the parts start.
    build = ["cargo", "build", "-q", "-p", "nw-sim", "--example", "scenario_hosts"]
    subprocess.run(build, check=True, timeout=900)
    runs = [
        subprocess.Popen(
            [sys.executable, SCRIPT, "--shard", f"{part}/{PARTS}"],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for part in range(PARTS)
    ]
    printed = [run.communicate(timeout=900) for run in runs]
    lines = [line for out, _ in printed for line in out.splitlines()]
    skipped = [line for line in lines if line.startswith("skipped: ")]
    if skipped:
        pytest.skip(skipped[0].removeprefix("skipped: "))
    total: Counter[str] = Counter()
    for line in lines:
        if " agree, " in line and line[0].isdigit():
            for count in line.split(", "):
                number, word = count.split(" ", 1)
                total[word] += int(number)
    with capsys.disabled():
        counts = ", ".join(f"{number} {word}" for word, number in total.items())
        print(f"\nscenarios against peers: {counts}")
    found = [line for line in lines if line.startswith(("differ", "no peer agrees"))]
    assert [run.returncode for run in runs] == [0] * PARTS, "\n".join([*found, *(err for _, err in printed)])
    assert total["agree"] > 0, lines

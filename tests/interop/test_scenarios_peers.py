"""The standard scenarios with Unbound and BIND: a peer agrees, or differs in the documented way."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

SCRIPT = Path(__file__).with_name("scenarios_peers.py")


def test_a_peer_agrees_with_each_standard_scenario(capsys: pytest.CaptureFixture[str]) -> None:
    run = subprocess.run(
        [sys.executable, SCRIPT], capture_output=True, text=True, timeout=900, stdin=subprocess.DEVNULL
    )
    lines = run.stdout.splitlines()
    if lines and lines[-1].startswith("skipped: "):
        pytest.skip(lines[-1].removeprefix("skipped: "))
    total = next((line for line in reversed(lines) if " agree, " in line), None)
    with capsys.disabled():
        print(f"\nscenarios against peers: {total}")
    found = [line for line in lines if line.startswith(("differ", "no peer agrees"))]
    assert run.returncode == 0, "\n".join([*found, run.stderr])
    assert total is not None and int(total.split()[0]) > 0, run.stdout

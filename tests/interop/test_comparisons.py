"""Comparisons with peers, each a script of its own: no answer differs without an explanation."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

FOLDER = Path(__file__).parent
SCRIPTS = {
    # Random names over a generated internet: no answer differs from those of both Unbound and BIND.
    "differential.py": ("--seed", "1", "--zones", "24", "--questions", "300"),
    # Random header bits and EDNS options: no part of a reply differs from those of Unbound or BIND.
    "random_questions.py": ("--seed", "1", "--questions", "300"),
    # Failed lookups for DNS64, with Unbound and BIND.
    "dns64_peers.py": (),
    # Zones of chance, unsigned and signed by each signer: no answer differs from those of BIND, NSD or Knot.
    "random_zones.py": ("--seed", "1", "--zones", "25", "--questions", "40"),
    # The limit on responses, with BIND, NSD and Knot.
    "rrl_peers.py": (),
}
TABLES = ("rrl_peers.py",)
"""Scripts whose whole output is shown."""


@pytest.mark.parametrize("script", SCRIPTS)
def test_nothing_differs_without_an_explanation(script: str, capsys: pytest.CaptureFixture[str]) -> None:
    command = [sys.executable, FOLDER / script, *SCRIPTS[script]]
    run = subprocess.run(command, capture_output=True, text=True, timeout=900, stdin=subprocess.DEVNULL)
    lines = run.stdout.splitlines()
    if lines and lines[-1].startswith("skipped: "):
        pytest.skip(lines[-1].removeprefix("skipped: "))
    with capsys.disabled():
        shown = lines if script in TABLES else lines[-1:]
        print(f"\n{script}: " + "\n".join(shown))
    assert run.returncode == 0, run.stdout + run.stderr

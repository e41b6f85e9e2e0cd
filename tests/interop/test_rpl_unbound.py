"""Unbound behaves as the `.rpl` scripts about its configuration say: views, local zones, access, stub and served zones, ZONEMD."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

SCRIPT = Path(__file__).with_name("rpl_unbound.py")
FOLDER = SCRIPT.parent.parent / "scenarios" / "rpl"
FILES = [
    *(f"{name}.rpl" for name in ("view", "local-zone", "local-zone-types", "access-control", "stub-prime")),
    *(f"{name}.rpl" for name in ("auth-zone", "auth-zone-upstream")),
    *sorted(f"zonemd/{file.name}" for file in (FOLDER / "zonemd").glob("*.rpl")),
]


def test_unbound_agrees_with_the_scripts() -> None:
    if shutil.which("unbound", path="/usr/sbin:/usr/bin") is None:
        pytest.skip("unbound is not installed")
    run = subprocess.run(
        [sys.executable, SCRIPT, *FILES], cwd=FOLDER, capture_output=True, text=True, timeout=300
    )
    if run.stdout.startswith("skipped: "):
        pytest.skip(run.stdout.removeprefix("skipped: ").strip())
    assert run.returncode == 0, run.stdout + run.stderr
    assert f"{len(FILES)} agree, 0 differ, 0 left out" in run.stdout

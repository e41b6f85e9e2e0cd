"""Compares the type stub with the binary: names, signatures, defaults."""

import subprocess
import sys
from pathlib import Path


def test_stub_matches_the_binary(tmp_path: Path) -> None:
    # PyO3 puts `__getattr__` into a slot of the type and not into its dictionary.
    allowed = tmp_path / "allowed"
    allowed.write_text("namewise\\._engine\\.Rdata\\.__getattr__\n")
    done = subprocess.run(
        [sys.executable, "-m", "mypy.stubtest", "--allowlist", str(allowed), "namewise._engine"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr

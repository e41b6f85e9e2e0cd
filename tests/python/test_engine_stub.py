"""The type stub says what the binary offers: names, signatures, defaults."""

import subprocess
import sys


def test_stub_matches_the_binary() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "mypy.stubtest", "namewise._engine"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr

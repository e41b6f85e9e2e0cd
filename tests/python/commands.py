"""Run `nw` as people do: a process of its own."""

from __future__ import annotations

import os
import subprocess
import sys

CODE = "import sys; from namewise.cli import main; sys.exit(main())"


def nw(
    *args: str, environ: dict[str, str] | None = None, timeout_s: float = 60
) -> subprocess.CompletedProcess[str]:
    """Return what `nw *args*` wrote and its exit code. NAMEWISE_ variables of the caller do not reach it."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("NAMEWISE_")}
    return subprocess.run(
        [sys.executable, "-c", CODE, *args],
        capture_output=True,
        text=True,
        check=False,
        env={**kept, **(environ or {})},
        timeout=timeout_s,
    )

"""Run `nw` in a separate process, like a user does."""

from __future__ import annotations

import os
import subprocess
import sys

CODE = "import sys; from namewise.cli import main; sys.exit(main())"


def environment(more: dict[str, str] | None = None) -> dict[str, str]:
    """Return the environment of a command: without NAMEWISE_ variables of the caller, and with a control socket that no
    server has, so that a server of this machine is not asked; *more* is added.
    """
    kept = {name: value for name, value in os.environ.items() if not name.startswith("NAMEWISE_")}
    return {**kept, "NAMEWISE_CONTROL": "/nonexistent/control.sock", **(more or {})}


def nw(
    *args: str, environ: dict[str, str] | None = None, timeout_s: float = 60
) -> subprocess.CompletedProcess[str]:
    """Return what `nw *args*` wrote and its exit code."""
    return subprocess.run(
        [sys.executable, "-c", CODE, *args],
        capture_output=True,
        text=True,
        check=False,
        env=environment(environ),
        timeout=timeout_s,
    )

"""Start namewise servers as processes for tests, and stop them at the end of the context."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from contextlib import contextmanager
from typing import IO, TYPE_CHECKING

from commands import CODE, environment, nw

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@contextmanager
def running(
    *args: str, ready: str, environ: dict[str, str] | None = None
) -> Iterator[tuple[subprocess.Popen[str], list[str]]]:
    """Yield `nw *args*` as a process, and the lines it wrote until one held *ready*; end it with SIGTERM."""
    with subprocess.Popen(
        [sys.executable, "-u", "-c", CODE, *args],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        env=environment(environ),
    ) as process:
        try:
            yield process, read_until(process.stdout, ready)
        finally:
            process.send_signal(signal.SIGTERM)
            process.wait(timeout=30)


def read_until(stream: IO[str] | None, wanted: str) -> list[str]:
    """Return the lines of *stream* up to the one that holds *wanted*."""
    assert stream is not None, "started with a pipe"
    lines: list[str] = []
    for line in stream:
        lines.append(line.rstrip("\n"))
        if wanted in line:
            return lines
    raise AssertionError(f"the process ended before it wrote {wanted!r}:\n" + "\n".join(lines))


def zone_file(folder: Path, name: str, address: str, serial: int = 1) -> Path:
    """Write a small zone with `www` at *address* into *folder* and return the file."""
    path = folder / f"{name}.zone"
    path.write_text(
        f"$ORIGIN {name}.\n$TTL 60\n@ IN SOA ns1 admin {serial} 3600 900 604800 300\n@ NS ns1\n"
        f"ns1 A 192.0.2.53\nwww A {address}\n"
    )
    return path


def listening(control: str) -> str:
    """Return the address of the server behind *control*."""
    document = json.loads(nw("ctl", "status", "--json", "--control", control).stdout)
    return str(next(one for one in document["listen"] if str(one).endswith("/udp"))).split("/")[0]

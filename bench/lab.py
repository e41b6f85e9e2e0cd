"""A network namespace in which every IPv4 address is ours, and the invented internet in it (`bench/load/src/internet.rs`).

In it a resolver runs as it is shipped: with the addresses of the real root servers, port 53, validation. Only its trust anchor is another.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING

from bench import measure

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

INTERNET = measure.ROOT / "target/bench/release/internet"
INSIDE = "BENCH_NETNS"
KNOWN = "h0.d1.t0."
"""A name that exists."""


def inside() -> bool:
    """Return whether this process is in the namespace."""
    return bool(os.environ.get(INSIDE))


def enter(module: str) -> None:
    """Go on in a network namespace of our own, by running *module* again with the same arguments. Return inside of it."""
    if not inside():
        unshare = ["unshare", "--net"] + ([] if os.geteuid() == 0 else ["--user", "--map-root-user"])
        if subprocess.run([*unshare, "true"], capture_output=True, check=False).returncode != 0:
            sys.exit("network namespaces cannot be made here: run it as root, or permit user namespaces")
        os.environ[INSIDE] = "1"
        os.execvp(unshare[0], [*unshare, sys.executable, "-m", module, *sys.argv[1:]])
    for command in ("link set lo up", "addr add 10.0.0.1/32 dev lo"):
        subprocess.run(["ip", *command.split()], check=True)
    connect(True)


def connect(up: bool) -> None:
    """Make every address local, or none but the loopback addresses: a query to a server then fails at once."""
    route = ["ip", "route", "add" if up else "del", "local", "0.0.0.0/0", "dev", "lo", "src", "10.0.0.1"]
    subprocess.run([*route, "table", "local"], check=True)


class Internet:
    """The running internet."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self.process = process

    def say(self, command: str) -> None:
        """Send it a command."""
        assert self.process.stdin is not None, "asked for below"
        self.process.stdin.write(command + "\n")
        self.process.stdin.flush()

    def counts(self) -> dict[str, int]:
        """Return the numbers of queries and replies so far."""
        self.say("counts")
        assert self.process.stdout is not None, "asked for below"
        counts: dict[str, int] = json.loads(self.process.stdout.readline())
        return counts


@contextmanager
def internet(private: Path, *options: str, prefix: tuple[str, ...] = ()) -> Iterator[Internet]:
    """Run the internet, signed with the key in the file *private*."""
    command = [*prefix, str(INTERNET), "--key", str(private), *options]
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout is not None, "asked for above"
        if process.stdout.readline().strip() != "ready":
            raise RuntimeError("the internet did not start")
        yield Internet(process)
    finally:
        process.kill()
        process.wait()

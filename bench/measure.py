"""Run a server with a load generator, and measure CPU per query, latency, memory and time to the first answer.

The machine is shared. Server and generator run under SCHED_RR if that is allowed, each pinned to its own core.
The steal time of every run is recorded, so that the runs with the most disturbance by the hypervisor can be dropped.
"""

from __future__ import annotations

import json
import os
import random
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from namewise.lab import ports

if TYPE_CHECKING:
    from collections.abc import Iterator

    from bench.servers import Server, Zone

ROOT = Path(__file__).resolve().parent.parent
LOAD = ROOT / "target/bench/release/load"
AUTHORITY = ROOT / "target/bench/release/authority"
TICK_S = 1 / os.sysconf("SC_CLK_TCK")
SERVER_CORE, LOAD_CORE = "0", "1"


def realtime(priority: int = 1) -> list[str]:
    """Return the prefix that runs a command under SCHED_RR, or nothing where that is not allowed."""
    allowed = (
        shutil.which("chrt")
        and subprocess.run(["chrt", "-r", "1", "true"], capture_output=True).returncode == 0
    )
    return ["chrt", "-r", str(priority)] if allowed else []


def build_load() -> None:
    """Build the load generator."""
    subprocess.run(
        ["cargo", "build", "--quiet", "--release", "--manifest-path", ROOT / "bench/load/Cargo.toml"],
        check=True, env={**os.environ, "CARGO_TARGET_DIR": str(ROOT / "target/bench")},
    )  # fmt: skip


@dataclass
class Run:
    """What one server did under one load. Times in seconds, latencies and CPU per query in microseconds."""

    server: str
    answered: int = 0
    lost: int = 0
    seconds: float = 0.0
    user_us: float = 0.0
    system_us: float = 0.0
    p50_us: float = 0.0
    p99_us: float = 0.0
    p999_us: float = 0.0
    pss_mib: float = 0.0
    octets_per_answer: float = 0.0
    first_answer_s: float = 0.0
    load_cpu_s: float = 0.0
    steal: float = 0.0
    rcodes: dict[str, int] = field(default_factory=dict)

    @property
    def rate(self) -> float:
        return self.answered / self.seconds if self.seconds else 0.0

    @property
    def cpu_us(self) -> float:
        return self.user_us + self.system_us


def free_port() -> int:
    """Return a port that is free for UDP and TCP, below those that the system gives to clients."""
    return ports.free_port(random.sample(range(20000, 32000), 1000))


def family(pid: int) -> list[int]:
    """Return *pid* and its descendants."""
    children: dict[int, list[int]] = {}
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = stat.read_text().rsplit(")", 1)[1].split()
        except OSError:
            continue
        children.setdefault(int(fields[1]), []).append(int(stat.parent.name))
    found, todo = [], [pid]
    while todo:
        found.append(todo.pop())
        todo += children.get(found[-1], [])
    return found


def cpu_s(pid: int) -> tuple[float, float]:
    """Return the user and system time of *pid* and its descendants."""
    user = system = 0
    for member in family(pid):
        try:
            fields = Path(f"/proc/{member}/stat").read_text().rsplit(")", 1)[1].split()
        except OSError:
            continue
        user, system = user + int(fields[11]), system + int(fields[12])
    return user * TICK_S, system * TICK_S


def pss_mib(pid: int) -> float:
    """Return the proportional set size of *pid* and its descendants."""
    total = 0
    for member in family(pid):
        try:
            rollup = Path(f"/proc/{member}/smaps_rollup").read_text()
        except OSError:
            continue
        total += next((int(line.split()[1]) for line in rollup.splitlines() if line.startswith("Pss:")), 0)
    return total / 1024


def settled_pss_mib(pid: int) -> float:
    """Return the proportional set size of *pid* and its descendants at rest: a server that answers may still be at work, and return
    memory that only its start needed."""
    last = -1.0
    for _ in range(20):
        size = pss_mib(pid)
        if abs(size - last) < 0.1:
            break
        last = size
        time.sleep(0.25)
    return size


def steal_s() -> float:
    """Return the time that the hypervisor has taken from this machine."""
    return int(Path("/proc/stat").read_text().split("\n", 1)[0].split()[8]) * TICK_S


def ask(port: int, query: bytes, timeout_s: float = 0.2) -> bytes | None:
    """Return the answer of the server at *port* to *query*, or None."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as client:
        client.settimeout(timeout_s)
        client.connect(("127.0.0.1", port))
        try:
            client.send(query)
            return client.recv(65535)
        except OSError:
            return None


@contextmanager
def serving(
    server: Server, zone: Zone, probe: bytes, upstream: int | None = None, core: str | None = SERVER_CORE
) -> Iterator[tuple[int, int, float]]:
    """Run *server* and yield its pid, its port and the seconds from its start to the first right answer to
    *probe*.

    Right is NOERROR with an answer or authority section. `core` None lets it use every core.
    """
    folder = Path(tempfile.mkdtemp(prefix="namewise-bench-"))
    port = free_port()
    command = (
        server.prepare(folder, port, zone)
        if upstream is None
        else server.prepare(folder, port, zone, upstream)
    )
    pinned = ["taskset", "-c", core] if core else []
    start = time.monotonic()
    with (folder / "output").open("wb") as output:
        # A server that is installed has its bytecode on disk; an environment that forbids writing it would time compiling.
        environment = {key: value for key, value in os.environ.items() if key != "PYTHONDONTWRITEBYTECODE"}
        process = subprocess.Popen(
            [*realtime(), *pinned, *command], stdout=output, stderr=output, cwd=folder, env=environment
        )
    try:
        while True:
            answer = ask(port, probe, 0.05)
            if answer and answer[3] & 15 == 0 and (answer[6:8] != b"\0\0" or answer[8:10] != b"\0\0"):
                break
            if process.poll() is not None or time.monotonic() - start > 120:
                raise RuntimeError(f"{server.name} did not answer: {(folder / 'output').read_text()[-2000:]}")
            time.sleep(0.002)
        yield process.pid, port, time.monotonic() - start
    finally:
        members = family(process.pid)
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            for member in members:
                os.kill(member, signal.SIGKILL)
            process.wait()
        shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def authority(address: str, zone: str, *options: str) -> Iterator[None]:
    """Run the authoritative server that invents its zone, at *address* (`IP:PORT`), on the core of the load."""
    # The generator never pauses: what shares its core must come first, or wait for whole time slices.
    command = [*realtime(2), "taskset", "-c", LOAD_CORE, str(AUTHORITY), address, zone, *options]
    process = subprocess.Popen(command, stderr=subprocess.PIPE)
    try:
        time.sleep(0.1)
        if process.poll() is not None:
            assert process.stderr is not None
            raise RuntimeError(process.stderr.read().decode().strip())
        yield
    finally:
        process.kill()
        process.wait()


def load(
    server: Server,
    pid: int,
    port: int,
    queries: Path,
    seconds: float,
    rate: int | None = None,
    outstanding: int = 200,
    fresh: tuple[int, int] | None = None,
) -> Run:
    """Put *queries* to the server and return what it did and what that cost.

    *fresh*, a label and a seed, makes every question a new one: that label counts up from a place that depends on the
    seed.
    """
    pace = ["--rate", str(rate)] if rate else ["--outstanding", str(outstanding)]
    if fresh is not None:
        pace += ["--fresh", str(fresh[0]), "--seed", str(fresh[1])]
    stolen, (user, system) = steal_s(), cpu_s(pid)
    done = subprocess.run(
        [*realtime(), "taskset", "-c", LOAD_CORE, LOAD, "--server", f"127.0.0.1:{port}", "--queries", queries,
         "--seconds", str(seconds), *pace],
        check=True, capture_output=True, text=True,
    )  # fmt: skip
    user_after, system_after = cpu_s(pid)
    result = json.loads(done.stdout)
    answered = max(result["answered"], 1)
    return Run(
        server=server.name,
        answered=result["answered"],
        lost=result["lost"],
        seconds=result["seconds"],
        user_us=(user_after - user) / answered * 1e6,
        system_us=(system_after - system) / answered * 1e6,
        p50_us=result["p50_us"],
        p99_us=result["p99_us"],
        p999_us=result["p999_us"],
        steal=(steal_s() - stolen) / result["seconds"],
        rcodes=result["rcodes"],
    )


def fill(port: int, queries: Path) -> None:
    """Ask each query once, in turn, so that a cache holds the answers; ask again what was lost."""
    bytes_ = queries.read_bytes()
    at = 0
    while at < len(bytes_):
        length = int.from_bytes(bytes_[at : at + 2], "big")
        query = bytes_[at + 2 : at + 2 + length]
        for _ in range(20):
            if ask(port, query, 1.0):
                break
        else:
            raise RuntimeError("the cache does not answer")
        at += 2 + length

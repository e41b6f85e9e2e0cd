"""Rows A2, A3, A4 and A6: a zone of a million records as a whole, beside other servers.

    python -m bench.million [--row A2]... [--records N] [--rounds N] [--updates N] [--peers NSD,Knot] [--json FILE]

A2 transfers the zone (AXFR). A3 signs it with two threads (P-256, NSEC). A4 changes it by updates with TSIG, of one record each, from
16 clients, then transfers the differences (IXFR) and starts the server anew. A6 gives the processor time and memory that one such
change costs. Without --row, all of them.

Servers take turns, and medians are printed. On a busy machine only processor times and ratios within one run mean something, so
the load average is printed.
"""

from __future__ import annotations

import argparse
import base64
import json
import os
import resource
import secrets
import selectors
import shutil
import socket
import statistics
import struct
import subprocess
import sys
import tempfile
import time
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from bench import data, measure
from bench.servers import write
from namewise.engine import TsigKey

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    Figures = dict[str, float]

CLIENTS = 16
SECRET = secrets.token_bytes(32)
KEY = TsigKey("bench.", "hmac-sha256.", SECRET)
KEY_TEXT = base64.b64encode(SECRET).decode()
SOA, AXFR, IXFR = 6, 252, 251
_BIN = Path(sys.executable).parent


# The servers: each function writes the configuration for a primary that takes updates, and returns the command.


def namewise(folder: Path, port: int, origin: str, file: Path) -> list[str]:
    config = write(
        folder / "namewise.toml",
        f"""[[key]]
name = "bench."
secret = "{KEY_TEXT}"
[[zone]]
name = "{origin}"
file = "{file}"
transfer = ["127.0.0.1"]
[[update]]
name = "bench"
zones = ["{origin}"]
key = "bench."
rate = 1000000
""",
    )
    return [
        str(_BIN / "nw"), "serve", "--config", str(config), "--listen", f"127.0.0.1:{port}", "--workers", "1",
        "--state", str(folder), "--control", str(folder / "control.sock"),
    ]  # fmt: skip


def knot(folder: Path, port: int, origin: str, file: Path) -> list[str]:
    config = write(
        folder / "knot.conf",
        f"""server:
  rundir: "{folder}"
  listen: 127.0.0.1@{port}
  udp-workers: 1
  tcp-workers: 1
  background-workers: 2
log:
  - target: stderr
    any: error
database:
  storage: "{folder}"
  journal-db-max-size: 1G
key:
  - id: bench.
    algorithm: hmac-sha256
    secret: {KEY_TEXT}
acl:
  - id: out
    address: 127.0.0.1
    action: transfer
  - id: change
    key: bench.
    action: update
zone:
  - domain: "{origin}"
    file: "{file}"
    storage: "{folder}"
    zonefile-sync: -1
    zonefile-load: whole
    journal-content: changes
    semantic-checks: off
    acl: [out, change]
""",
    )
    return ["knotd", "-c", str(config)]


def bind(folder: Path, port: int, origin: str, file: Path) -> list[str]:
    config = write(
        folder / "named.conf",
        f"""key "bench." {{ algorithm hmac-sha256; secret "{KEY_TEXT}"; }};
options {{
  directory "{folder}"; pid-file "{folder}/named.pid"; session-keyfile "{folder}/session.key";
  listen-on port {port} {{ 127.0.0.1; }}; listen-on-v6 {{ none; }};
  recursion no; dnssec-validation no; notify no; check-integrity no; transfers-out 100;
}};
controls {{ }};
zone "{origin}" {{ type primary; file "{file}"; check-names ignore; allow-transfer {{ 127.0.0.1; }};
  allow-update {{ key "bench."; }}; max-journal-size unlimited; }};
""",
    )
    return ["named", "-n", "1", "-f", "-c", str(config)]


def nsd(folder: Path, port: int, origin: str, file: Path) -> list[str]:
    config = write(
        folder / "nsd.conf",
        f"""server:
  server-count: 1
  ip-address: 127.0.0.1@{port}
  username: ""
  chroot: ""
  zonesdir: "{folder}"
  pidfile: "{folder}/nsd.pid"
  xfrdfile: "{folder}/xfrd.state"
  zonelistfile: "{folder}/zone.list"
  xfrdir: "{folder}"
  logfile: "{folder}/nsd.log"
remote-control:
  control-enable: no
zone:
  name: "{origin}"
  zonefile: "{file}"
  provide-xfr: 127.0.0.1 NOKEY
""",
    )
    return ["nsd", "-d", "-c", str(config)]


SERVERS = {"namewise": namewise, "NSD": nsd, "Knot": knot, "BIND": bind}
UPDATED = ("namewise", "Knot", "BIND")


def known(names: tuple[str, ...], peers: list[str]) -> list[str]:
    """Return those of *names* that are installed and wanted."""
    programs = {"NSD": "nsd", "Knot": "knotd", "BIND": "named"}
    return [name for name in names if name == "namewise" or (name in peers and shutil.which(programs[name]))]


class Running:
    """A server at work: its process and port."""

    def __init__(self, process: subprocess.Popen[bytes], port: int, ready_s: float) -> None:
        self.process, self.port, self.ready_s = process, port, ready_s

    @property
    def cpu_s(self) -> float:
        """User and system time so far."""
        return sum(measure.cpu_s(self.process.pid))

    @property
    def pss_mib(self) -> float:
        """Memory."""
        return measure.pss_mib(self.process.pid)


@contextmanager
def running(name: str, folder: Path, origin: str, file: Path) -> Iterator[Running]:
    """Run a server until it answers for the zone, and end it afterwards."""
    port = measure.free_port()
    command = SERVERS[name](folder, port, origin, file)
    environment = {key: value for key, value in os.environ.items() if key != "PYTHONDONTWRITEBYTECODE"}
    begin, probe = time.monotonic(), data.query(f"www.domain7.{origin}", "A")
    with (folder / "output").open("ab") as output:
        process = subprocess.Popen(command, stdout=output, stderr=output, cwd=folder, env=environment)
    try:
        while True:
            answer = measure.ask(port, probe, 0.1)
            if answer and answer[3] & 15 == 0 and answer[6:10] != bytes(4):
                break
            if process.poll() is not None or time.monotonic() - begin > 180:
                raise SystemExit(f"{name} did not answer: {(folder / 'output').read_text()[-2000:]}")
            time.sleep(0.002)
        yield Running(process, port, time.monotonic() - begin)
    finally:
        process.terminate()
        try:
            process.wait(60)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


# What is asked of them.


def name_wire(name: str) -> bytes:
    """Return *name* in wire format."""
    labels = [label.encode() for label in name.rstrip(".").split(".") if label]
    return b"".join(bytes([len(label)]) + label for label in labels) + b"\0"


def soa_wire(origin: str, serial: int) -> bytes:
    """Return an SOA record that says which version the client of an IXFR has (RFC 1995 §3)."""
    rdata = b"\0\0" + struct.pack("!5I", serial, 1, 1, 1, 1)
    return name_wire(origin) + struct.pack("!HHIH", SOA, 1, 0, len(rdata)) + rdata


def transferred(server: Running, origin: str, since: int | None = None, sample: int = 0) -> Figures:
    """Transfer the zone, or what differs since a serial. The records are counted; the SOA ends it.

    sample: after so many messages each, the memory of the server is looked at.
    """
    kind = AXFR if since is None else IXFR
    query = struct.pack("!6H", 1, 0, 1, 0, since is not None, 0) + name_wire(origin)
    query += struct.pack("!HH", kind, 1) + (b"" if since is None else soa_wire(origin, since))
    before, began = server.cpu_s, time.monotonic()
    records = octets = messages = 0
    pss = peak = server.pss_mib if sample else 0.0
    with (
        socket.create_connection(("127.0.0.1", server.port), 60) as link,
        link.makefile("rb", 1 << 20) as file,
    ):
        link.sendall(struct.pack("!H", len(query)) + query)
        link.settimeout(60)
        apex = struct.pack("!HH", SOA, 1)
        while True:
            (length,) = struct.unpack("!H", file.read(2))
            message = file.read(length)
            if message[3] & 15:
                raise SystemExit(f"the transfer was refused: rcode {message[3] & 15}")
            messages += 1
            octets += length
            records += int.from_bytes(message[6:8], "big")
            if sample and messages % sample == 0:
                peak = max(peak, server.pss_mib)
            # An SOA at the end of a message that is not the first record: its last 20 octets are the five numbers.
            at = message.rfind(apex)
            if at > 0 and records > 1 and ends_with_soa(message, at):
                break
    wall = time.monotonic() - began
    return {
        "records": records, "octets": octets, "messages": messages, "wall_s": wall,
        "cpu_s": server.cpu_s - before, "records_per_s": records / wall, "growth_mib": peak - pss,
    }  # fmt: skip


def ends_with_soa(message: bytes, at: int) -> bool:
    """Return whether the record whose type is at *at* is the last one of *message*, a TSIG or OPT record aside."""
    length = int.from_bytes(message[at + 8 : at + 10], "big")
    return at + 10 + length == len(message) and length >= 22


def serial_of(server: Running, origin: str) -> int:
    """Return the serial of the zone."""
    answer = measure.ask(
        server.port,
        struct.pack("!6H", 1, 0, 1, 0, 0, 0) + name_wire(origin) + struct.pack("!HH", SOA, 1),
        5.0,
    )
    if not answer:
        raise SystemExit("no answer for the SOA")
    at = answer.find(struct.pack("!HH", SOA, 1), 12 + len(name_wire(origin)) + 4)
    end = at + 10 + int.from_bytes(answer[at + 8 : at + 10], "big")
    return int.from_bytes(answer[end - 20 : end - 16], "big")


def update(origin: str, number: int) -> bytes:
    """Return a signed update that adds one record with a new owner (RFC 2136 §2.5.1)."""
    message = struct.pack("!6H", number & 0xFFFF, 5 << 11, 1, 0, 1, 0) + name_wire(origin)
    message += struct.pack("!HH", SOA, 1) + name_wire(f"new{number}.{origin}")
    message += struct.pack("!HHIH", 1, 1, 60, 4) + struct.pack("!I", number)
    return KEY.sign(message, int(time.time())).wire


def updated(server: Running, origin: str, count: int, first: int = 0, clients: int = CLIENTS) -> Figures:
    """Send *count* updates from as many *clients*, each of which waits for the answer to its last one."""
    waiting = iter(range(first, first + count))
    selector, took = selectors.DefaultSelector(), []
    prepared = {number: update(origin, number) for number in range(first, first + count)}
    before, pss, began = server.cpu_s, server.pss_mib, time.monotonic()

    def send(link: socket.socket) -> bool:
        number = next(waiting, None)
        if number is None:
            selector.unregister(link)
            link.close()
            return False
        link.send(prepared[number])
        selector.modify(link, selectors.EVENT_READ, time.monotonic())
        return True

    open_ = 0
    for _ in range(clients):
        link = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        link.connect(("127.0.0.1", server.port))
        selector.register(link, selectors.EVENT_READ, 0.0)
        open_ += send(link)
    while open_:
        ready = selector.select(60)
        if not ready:
            raise SystemExit("no answer to an update within 60 s")
        for key, _ in ready:
            link = key.fileobj
            assert isinstance(link, socket.socket)
            answer = link.recv(4096)
            if answer[3] & 15:
                raise SystemExit(f"an update was refused: rcode {answer[3] & 15}")
            took.append(time.monotonic() - key.data)
            open_ -= not send(link)
    wall = time.monotonic() - began
    return {
        "updates_per_s": count / wall, "wall_s": wall, "cpu_ms_each": (server.cpu_s - before) / count * 1e3,
        "p50_ms": statistics.median(took) * 1e3, "p99_ms": sorted(took)[int(len(took) * 0.99)] * 1e3,
        "growth_mib": server.pss_mib - pss,
    }  # fmt: skip


# The rows.


def a2(options: argparse.Namespace, name: str, folder: Path, origin: str, file: Path) -> Figures:
    """AXFR."""
    with running(name, folder, origin, file) as server:
        figures = transferred(server, origin)
        figures["growth_mib"] = transferred(server, origin, sample=50)["growth_mib"]
        figures["load_s"] = server.ready_s
    return figures


def a3(_: argparse.Namespace, name: str, folder: Path, origin: str, file: Path) -> Figures:
    """Signing."""
    command = signers(folder, origin, file)[name]
    before, began = resource.getrusage(resource.RUSAGE_CHILDREN), time.monotonic()
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    wall, after = time.monotonic() - began, resource.getrusage(resource.RUSAGE_CHILDREN)
    if done.returncode:
        raise SystemExit(f"{name}: exit code {done.returncode}: {done.stderr[-500:]}")
    signed = max((path for path in folder.rglob("*") if path.is_file()), key=lambda path: path.stat().st_size)
    with signed.open() as lines:
        signatures = sum("\tRRSIG\t" in line or " RRSIG " in line for line in lines)
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return {
        "signatures": signatures, "wall_s": wall, "cpu_s": cpu, "signatures_per_s": signatures / wall,
        "cpu_us_each": cpu / signatures * 1e6,
    }  # fmt: skip


def signers(folder: Path, origin: str, file: Path) -> dict[str, list[str]]:
    """Return the commands that sign *file* with one P-256 key and NSEC, without verifying the result."""
    keys = folder / "keys"
    keys.mkdir(exist_ok=True)
    if not list(keys.iterdir()):
        made = subprocess.run(
            ["dnssec-keygen", "-q", "-K", keys, "-a", "ECDSAP256SHA256", "-f", "KSK", origin],
            check=True, capture_output=True, text=True,
        )  # fmt: skip
        key = made.stdout.strip()
        (folder / "key").write_text(key)
    key = (folder / "key").read_text()
    shutil.copy(file, folder / "zone")
    config = write(
        folder / "sign.conf",
        f"""database:
  storage: "{folder}"
policy:
  - id: bench
    algorithm: ecdsap256sha256
    signing-threads: 2
    single-type-signing: on
    nsec3: off
zone:
  - domain: "{origin}"
    storage: "{folder}"
    file: "{folder}/zone"
    dnssec-signing: on
    dnssec-policy: bench
""",
    )
    (folder / "out").mkdir(exist_ok=True)
    return {
        "namewise": [
            str(_BIN / "nw"), "dnssec", "sign", "zone", "--origin", origin, "--keys", "keys", "--output", "zone.ours",
            "--unverified",
        ],
        "kzonesign": ["kzonesign", "-c", str(config), "-o", str(folder / "out"), origin],
        "dnssec-signzone": [
            "dnssec-signzone", "-S", "-q", "-P", "-z", "-n", "2", "-K", "keys", "-o", origin, "-f", "zone.bind", "zone",
        ],
        "ldns-signzone": ["ldns-signzone", "-o", origin, "-f", "zone.ldns", "zone", f"{keys}/{key}"],
    }  # fmt: skip


def a4(options: argparse.Namespace, name: str, folder: Path, origin: str, file: Path) -> Figures:
    """Updates, IXFR and the start afterwards. The first update is apart: some servers store the zone with it."""
    own = folder / "zone"
    shutil.copy(file, own)
    with running(name, folder, origin, own) as server:
        figures: Figures = {"load_s": server.ready_s}
        figures["first_s"] = updated(server, origin, 1, clients=1)["wall_s"]
        before = serial_of(server, origin)
        updated(server, origin, 1000, 1)
        ixfr = transferred(server, origin, before)
        figures |= {f"ixfr_{key}": ixfr[key] for key in ("records", "wall_s", "cpu_s")}
        figures |= updated(server, origin, options.updates, 1001)
        alone = updated(server, origin, 200, options.updates + 1001, clients=1)
        figures |= {"alone_ms": alone["wall_s"] / 200 * 1e3, "alone_cpu_ms": alone["cpu_ms_each"]}
        serial = serial_of(server, origin)
        server.process.kill()
        server.process.wait()
    with running(name, folder, origin, own) as server:
        figures["restart_s"] = server.ready_s
        if serial_of(server, origin) != serial:
            raise SystemExit(f"{name} has serial {serial_of(server, origin)} after the restart, not {serial}")
    return figures


def a6(options: argparse.Namespace) -> None:
    """Print what a commit of one RRset costs, unsigned and signed: `crates/zone/examples/commits.rs`."""
    for denial in ([], ["--denial", "nsec"]):
        command = [
            "cargo", "run", "--quiet", "--release", "-p", "nw-zone", "--example", "commits", "--",
            "--records", str(options.records), *denial,
        ]  # fmt: skip
        print("A6", *(denial or ["unsigned"]), flush=True)
        subprocess.run(command, check=True, cwd=measure.ROOT)


ROWS: dict[str, tuple[str, Callable[..., Figures], tuple[str, ...], str, float]] = {
    "A2": ("AXFR", a2, tuple(SERVERS), "records_per_s", 1.0),
    "A3": ("signing, P-256, NSEC", a3, ("namewise", "kzonesign", "dnssec-signzone", "ldns-signzone"),
           "signatures_per_s", 2.5),
    "A4": (f"updates of one record with TSIG from {CLIENTS} clients, IXFR of 1,000, restart", a4, UPDATED,
           "updates_per_s", 1.0),
}  # fmt: skip
"""By row: title, what runs a server once, the servers, the figure with a target, and the target for its ratio to the best peer."""


def table(row: str, runs: dict[str, list[Figures]]) -> Iterator[str]:
    """Yield the lines of one row: medians."""
    title, _, _, judged, target = ROWS[row]
    load = " ".join(f"{one:.1f}" for one in os.getloadavg())
    yield f"{row}  {title}  [load average {load}]"
    medians = {
        name: {key: statistics.median(one[key] for one in some) for key in some[0]}
        for name, some in runs.items()
    }
    width = max(len(name) for name in medians)
    for name, figures in medians.items():
        yield f"   {name:{width}}  " + "  ".join(f"{key} {value:,.6g}" for key, value in figures.items())
    peers = {name: figures[judged] for name, figures in medians.items() if name != "namewise"}
    if peers and "namewise" in medians:
        best = max(peers, key=lambda name: peers[name])
        ratio = medians["namewise"][judged] / peers[best]
        yield (
            f"   {judged}: {ratio:.2f} of {best} (target >= {target:.2f}: {'met' if ratio >= target else 'not met'})"
        )


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(prog="bench.million", description=__doc__.partition("\n")[0])
    parser.add_argument("--row", action="append", choices=[*ROWS, "A6"])
    parser.add_argument("--records", type=int, default=1_000_000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--updates", type=int, default=5000)
    parser.add_argument("--peers", default="NSD,Knot,BIND,kzonesign,dnssec-signzone,ldns-signzone")
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    origin, file = data.delegations_zone(options.records)
    peers, results = options.peers.split(","), {}
    for row in options.row or [*ROWS, "A6"]:
        if row == "A6":
            a6(options)
            continue
        _, one, names, _, _ = ROWS[row]
        chosen = (
            known(names, peers)
            if row != "A3"
            else [n for n in names if n == "namewise" or (n in peers and shutil.which(n))]
        )
        runs: dict[str, list[Figures]] = {}
        for number in range(options.rounds):
            for name in chosen:
                print(f"  {row} round {number + 1}/{options.rounds}: {name}", file=sys.stderr, flush=True)
                folder = Path(tempfile.mkdtemp(prefix="namewise-bench-"))
                try:
                    runs.setdefault(name, []).append(one(options, name, folder, origin, file))
                finally:
                    shutil.rmtree(folder, ignore_errors=True)
        results[row] = runs
        print("\n".join(table(row, runs)), flush=True)
    if options.json:
        options.json.write_text(json.dumps(results, indent=1) + "\n")


if __name__ == "__main__":
    main()

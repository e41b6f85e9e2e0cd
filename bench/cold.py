"""Row R8: names that nobody has asked before, over an internet with round-trip times: resolutions per second, as shipped.

    python -m bench.cold [--names 50000] [--rounds 5] [--outstanding 1000] [--peer NAME]...

Each name is in a zone of its own: a referral from a top-level zone, an answer from one of two servers of the zone. Each of 2,000 servers
has its round-trip time, log-normal with a median of 20 ms; 5 % of the second servers never answer; a fifth of the zones has its servers in
another zone. The root and the top-level zones are signed, and a quarter of the others. Every resolver has its own defaults, and
uses the cores that it wants. Only the trust anchor is ours. A name is lost if there is no answer within five seconds, or SERVFAIL.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bench import data, lab, measure
from bench.servers import PEERS_ROOT, Server, Zone, ds_of_key, inside, write
from namewise.message import Message

TARGET = 1.2
PATIENCE_S = 5
TOP_ZONES = 40
WARM_UP = 500


def namewise(folder: Path, port: int, zone: Zone) -> list[str]:
    anchor = write(folder / "anchor", zone.anchor or "")
    nw = Path(sys.executable).parent / "nw"
    return [
        str(nw), "serve", "--listen", f"127.0.0.1:{port}", "--trust-anchor", str(anchor), "--state", str(folder),
        "--control", str(folder / "control.sock"),
    ]  # fmt: skip


def unbound(folder: Path, port: int, zone: Zone) -> list[str]:
    write(folder / "anchor", (zone.anchor or "") + "\n")
    config = write(
        folder / "unbound.conf",
        f"""server:
  directory: "{folder}"
  chroot: ""
  username: ""
  pidfile: "{folder}/unbound.pid"
  use-syslog: no
  interface: 127.0.0.1@{port}
  trust-anchor-file: "{folder}/anchor"
remote-control:
  control-enable: no
""",
    )
    return ["unbound", "-d", "-c", str(config)]


def bind(folder: Path, port: int, zone: Zone) -> list[str]:
    key = (zone.anchor or "").split("DNSKEY", 1)[-1].split()
    config = write(
        folder / "named.conf",
        f"""options {{
  directory "{folder}"; pid-file "{folder}/named.pid"; session-keyfile "{folder}/session.key";
  listen-on port {port} {{ 127.0.0.1; }}; listen-on-v6 {{ none; }};
}};
controls {{ }};
trust-anchors {{ "." static-key {" ".join(key[:3])} "{"".join(key[3:])}"; }};
""",
    )
    return ["named", "-f", "-c", str(config)]


def knot_resolver(folder: Path, port: int, zone: Zone) -> list[str]:
    config = write(
        folder / "kresd.conf",
        f"""net.listen('127.0.0.1', {port}, {{ kind = 'dns' }})
trust_anchors.remove('.')
trust_anchors.add([[{zone.anchor}]])
modules.unload('ta_signal_query')
modules.unload('priming')
""",
    )
    return ["kresd", "-n", "-c", str(config), str(folder)]


def powerdns_recursor(folder: Path, port: int, zone: Zone) -> list[str]:
    key = (zone.anchor or "").split("DNSKEY", 1)[-1].strip()
    write(folder / "anchor.lua", f"clearTA()\naddTA('.', \"{ds_of_key(key)}\")\n")
    write(
        folder / "recursor.conf",
        f"""local-address=127.0.0.1
local-port={port}
lua-config-file={folder}/anchor.lua
socket-dir={folder}
daemon=no
quiet=yes
loglevel=0
enable-old-settings=yes
""",
    )
    return ["pdns_recursor", f"--config-dir={folder}"]


RESOLVERS = [
    Server("namewise", "python3", namewise),
    Server("Unbound", "unbound", unbound),
    Server("Knot Resolver", "kresd", knot_resolver),
]
if PEERS_ROOT:
    RESOLVERS += [
        Server("Unbound D13", "/usr/sbin/unbound", inside(unbound), PEERS_ROOT),
        Server("BIND D13", "/usr/sbin/named", inside(bind), PEERS_ROOT),
        Server("PowerDNS Recursor D13", "/usr/sbin/pdns_recursor", inside(powerdns_recursor), PEERS_ROOT),
    ]


@dataclass
class Run:
    """What one resolver did with all names."""

    rate: float
    lost: int
    cpu_us: float
    p50_ms: float
    p99_ms: float
    upstream: float
    failures: list[str]


def once(server: Server, names: int, outstanding: int, asked: Path, zone: Zone, net: lab.Internet) -> Run:
    """Start *server* with an empty cache and let it resolve *names* names."""
    with measure.serving(server, zone, data.query(lab.KNOWN, "A"), core=None) as (pid, port, _):
        # It learns the root and the top-level zones.
        command = [
            *measure.realtime(),
            str(measure.LOAD),
            "--server",
            f"127.0.0.1:{port}",
            "--queries",
            str(asked),
        ]
        command += ["--fresh", "1", "--patience", str(PATIENCE_S), "--seconds", "300"]
        warm = ["--seed", "1", "--count", str(WARM_UP), "--outstanding", "20"]
        subprocess.run([*command, *warm], check=True, capture_output=True)
        before, questions = sum(measure.cpu_s(pid)), net.counts()["queries"]
        cold = ["--seed", "2", "--count", str(names), "--outstanding", str(outstanding)]
        with tempfile.NamedTemporaryFile("r") as failed:
            cold += ["--failures", failed.name]
            done = subprocess.run([*command, *cold], check=True, capture_output=True, text=True)
            failures = [shown(line) for line in failed]
        cpu, questions = sum(measure.cpu_s(pid)) - before, net.counts()["queries"] - questions
    outcome: dict[str, Any] = json.loads(done.stdout)
    good = outcome["rcodes"].get("0", 0)
    return Run(
        rate=good / outcome["seconds"],
        lost=names - good,
        cpu_us=cpu / max(good, 1) * 1e6,
        p50_ms=outcome["p50_us"] / 1000,
        p99_ms=outcome["p99_us"] / 1000,
        upstream=questions / max(good, 1),
        failures=failures,
    )


def shown(line: str) -> str:
    """Return what a line of the load generator about a failure says: the name, and why."""
    kind, _, octets = line.split()
    message = Message.parse(bytes.fromhex(octets))
    why = (
        "no answer"
        if kind == "L"
        else "SERVFAIL " + " ".join(f"EDE {ede[0]} {ede[-1]!r}" for ede in message.ede)
    )
    return f"{message.question.name if message.question else '?'}: {why}"


def main() -> int:
    """Measure all resolvers in turn, print a table, return the exit code."""
    parser = argparse.ArgumentParser(prog="bench.cold", description=__doc__.partition("\n")[0])
    parser.add_argument("--names", type=int, default=10_000)
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--outstanding", type=int, default=1000)
    parser.add_argument("--peer", action="append", choices=[server.name for server in RESOLVERS])
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    if not lab.inside():
        measure.build_load()
    lab.enter("bench.cold")
    private, anchor = data.root_key()
    zone = Zone(".", Path(), anchor=anchor)
    templates = (data.query(f"www.00000000.t{number}.", "A") for number in range(TOP_ZONES))
    asked = data.queries("cold.queries", templates)
    chosen = [
        server for server in RESOLVERS if not options.peer or server.name in (*options.peer, "namewise")
    ]
    runs: dict[str, list[Run]] = {}
    with lab.internet(private, "--dead", "5", prefix=tuple(measure.realtime(2))) as net:
        for number in range(options.rounds + 1):
            for server in chosen:
                if not server.installed:
                    continue
                # The first run makes the signatures, which the internet keeps. It is not counted.
                if number == 0 and server is not chosen[0]:
                    break
                print(f"  R8 round {number}: {server.name}", file=sys.stderr, flush=True)
                try:
                    run = once(server, options.names, options.outstanding, asked, zone, net)
                except RuntimeError as error:
                    print(f"  R8: {error}", file=sys.stderr)
                    continue
                if number:
                    runs.setdefault(server.name, []).append(run)
    return report(runs, options.names, options.outstanding, options.json)


def report(runs: dict[str, list[Run]], names: int, outstanding: int, file: Path | None) -> int:
    print(f"R8  {names} cold names, round trips of 20 ms (median), {outstanding} outstanding, as shipped")
    rates = {name: statistics.median(run.rate for run in some) for name, some in runs.items()}
    for name, some in sorted(runs.items(), key=lambda one: -rates[one[0]]):
        spread = f"{min(run.rate for run in some):,.0f}-{max(run.rate for run in some):,.0f}"
        cells = {
            "CPU us": statistics.median(run.cpu_us for run in some),
            "p50 ms": statistics.median(run.p50_ms for run in some),
            "p99 ms": statistics.median(run.p99_ms for run in some),
            "queries to servers": statistics.median(run.upstream for run in some),
        }
        text = "  ".join(f"{label} {value:,.1f}" for label, value in cells.items())
        lost = max(run.lost for run in some)
        if name == "namewise":
            for failure in [failure for run in some for failure in run.failures][:10]:
                print(f"   not resolved: {failure}")
        print(f"   {name:22} {rates[name]:8,.0f}/s ({spread})  lost {lost}  {text}")
    if file:
        file.write_text(
            json.dumps({name: [vars(run) for run in some] for name, some in runs.items()}, indent=1)
        )
    ours = rates.pop("namewise", 0.0)
    if not rates or not ours:
        return 0
    best = max(rates, key=lambda name: rates[name])
    ratio, lost = ours / rates[best], max(run.lost for run in runs["namewise"])
    met = "met" if ratio >= TARGET and not lost else "not met"
    print(f"   ratio to {best} {ratio:.2f}, lost {lost} (target >= {TARGET}, lost 0: {met})")
    return 0


if __name__ == "__main__":
    sys.exit(main())

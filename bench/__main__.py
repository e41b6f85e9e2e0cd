"""`make bench`: namewise and the installed peers in the same run, as ratios.

On a shared machine, absolute figures vary by a fifth between runs. Only ratios within one run are meaningful,
and differences under 10 % are noise. Servers run alternately in several rounds. The runs with the most steal
time are dropped, and medians are printed.

    python -m bench [--row F1]... [--full] [--fresh] [--json FILE]

Results are stored in bench/out/results.json, so that a long run can be resumed; --fresh discards them.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from bench import data, measure
from bench.measure import Run
from bench.servers import AUTHORITATIVE, CACHES, PEERS_ROOT, RESOLVERS, ROOMY, VALIDATORS, Server, Zone

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

RESULTS = data.OUT / "results.json"
# The fastest peers of each row. The quick run measures only these, --full all that are installed.
BEST = {
    "F1": {"NSD", "Knot"},
    "F2": {"NSD", "Knot"},
    "F3": {"NSD D13", "Knot", "NSD"},
    "F4": {"BIND", "NSD"},
    "F5": {"Unbound", "dnsdist"},
    "F6": {"dnsdist", "Unbound"},
    "F8": {"dnsdist", "Unbound"},
    "F9": {"NSD", "Knot"},
    "SMALL": {"NSD", "Knot"},
    "START": {"NSD", "Knot"},
    "A1": {"NSD", "Knot"},
    "R1": {"Knot Resolver", "Unbound"},
    "R2": {"Knot Resolver", "Unbound"},
    "R3": {"Unbound", "Unbound D13"},
    "R4": {"Unbound", "Unbound D13"},
    "R5": {"Knot Resolver", "Unbound", "PowerDNS Recursor"},
}


# Rows with many short runs, of which two thirds can be dropped.
SHORT_RUNS = {"F6", "F8"}


def kept(row: str, runs: list[Run]) -> list[Run]:
    """Drop the runs with the most steal time, if any had some: a third, or two thirds of short runs."""
    calm = sorted(runs, key=lambda run: run.steal)
    dropped = len(calm) * (2 if row in SHORT_RUNS else 1) // 3
    return calm[: max(1, len(calm) - dropped)] if calm[-1].steal > 0.02 else calm


class Bench:
    """One benchmark: how many rounds and which peers."""

    def __init__(self, full: bool) -> None:
        self.full = full
        self.rounds = 5 if full else 2
        self.seconds = 5.0 if full else 3.0

    def servers(self, row: str, known: list[Server]) -> list[Server]:
        chosen = [s for s in known if s.name == "namewise" or self.full or s.name in BEST[row]]
        for server in chosen:
            if server.name != "namewise" and not server.installed:
                print(f"  {row}: {server.name} is not installed, skipped", file=sys.stderr)
        return [s for s in chosen if s.name == "namewise" or s.installed]

    def rotate(
        self, row: str, known: list[Server], one: Callable[[Server], list[Run]]
    ) -> dict[str, list[Run]]:
        """Run each server once a round: A B A B."""
        runs: dict[str, list[Run]] = {}
        for number in range(self.rounds):
            for server in self.servers(row, known):
                print(f"  {row} round {number + 1}/{self.rounds}: {server.name}", file=sys.stderr, flush=True)
                try:
                    done = one(server)
                    runs.setdefault(server.name, []).extend(done)
                except RuntimeError as error:
                    print(f"  {row}: {error}", file=sys.stderr)
        return runs

    # One method a row; each returns the runs by server.

    def f1(self) -> dict[str, list[Run]]:
        origin, file = data.names_zone()
        return self.authoritative(
            "F1", Zone(origin, file), data.query(f"host1.{origin}", "A"), data.names_queries()
        )

    def f2(self) -> dict[str, list[Run]]:
        origin, file = data.delegations_zone()
        return self.authoritative(
            "F2", Zone(origin, file), data.query(f"www.domain1.{origin}", "A"), data.delegations_queries()
        )

    def f3(self) -> dict[str, list[Run]]:
        origin, file = data.delegations_zone()
        probe = data.query(f"www.domain7.{origin}", "A")
        runs = variant("1M RRs, delegations", self.loaded("F3", Zone(origin, file), probe, AUTHORITATIVE))
        origin, file = data.names_zone()
        probe_names = data.query(f"host7.{origin}", "A")
        names = self.loaded("F3", Zone(origin, file), probe_names, AUTHORITATIVE)
        runs |= variant("400k RRs, 100k names", names)
        if self.full:
            origin, file = data.delegations_zone(5_000_000)
            best = [s for s in AUTHORITATIVE if s.name in BEST["F3"] | {"namewise"}]
            runs |= variant("5M RRs", self.loaded("F3", Zone(origin, file), probe, best))
        return runs

    f4 = f3

    def small(self) -> dict[str, list[Run]]:
        origin, file = data.small_zone()
        return self.loaded("SMALL", Zone(origin, file), data.query(f"ns1.{origin}", "A"), AUTHORITATIVE)

    def start(self) -> dict[str, list[Run]]:
        origin, file = data.root_like_zone()
        return self.loaded("START", Zone(origin, file), data.query(f"tld7.{origin}", "A"), AUTHORITATIVE)

    def a1(self) -> dict[str, list[Run]]:
        first, *more = (Zone(origin, file) for origin, file in data.many_zones())
        zones = Zone(first.origin, first.file, tuple(more))
        known = [s for s in AUTHORITATIVE if s.name in BEST["A1"] | {"namewise"}]
        return self.loaded("A1", zones, data.query(f"host1.{more[-1].origin}", "A"), known)

    def f5(self) -> dict[str, list[Run]]:
        return self.cached("F5", None)

    def f6(self) -> dict[str, list[Run]]:
        return self.cached("F6", 20_000)

    def f8(self) -> dict[str, list[Run]]:
        return self.cached("F8", 20_000)

    def f9(self) -> dict[str, list[Run]]:
        origin, file = data.names_zone()
        asked = data.names_queries(dnssec=True)
        runs: dict[str, list[Run]] = {}
        for nsec3 in (False, True):
            zone = Zone(origin, data.signed(origin, file, nsec3))
            some = self.authoritative("F9", zone, data.query(f"host1.{origin}", "A", dnssec=True), asked)
            runs |= variant("NSEC3" if nsec3 else "NSEC", some)
        return runs

    def r1(self) -> dict[str, list[Run]]:
        # `bench.` is delegated once; the warming-up learns it.
        return self.missed("R1", "probe.bench.", data.miss_queries("miss.bench."), 0)

    def r2(self) -> dict[str, list[Run]]:
        return self.missed("R2", "www.probe.", data.miss_queries(".", "www."), 1)

    def r3(self) -> dict[str, list[Run]]:
        return self.missed("R3", "probe.bench.", data.miss_queries("bench."), 0, signed=True)

    def r4(self) -> dict[str, list[Run]]:
        return self.missed("R4", "www.probe.", data.miss_queries(".", "www."), 1, signed=True)

    def r5(self) -> dict[str, list[Run]]:
        """Memory for each cached answer: what a server grows by while it learns new names, divided by their number."""
        zone, probe = Zone(".", Path()), data.query("probe.bench.", "A")
        asked, wanted = data.miss_queries("miss.bench."), 1_000_000 if self.full else 200_000

        def one(server: Server) -> list[Run]:
            with (
                measure.authority("127.0.0.2:53", ".", "--refer", "127.0.0.3"),
                measure.authority("127.0.0.3:53", "."),
                measure.serving(server, zone, probe, 53) as (pid, own, _),
            ):
                # What a server allocates once, such as sockets and tables, is there after the warming-up.
                measure.load(server, pid, own, asked, 1.0, fresh=(0, 1))
                before, learned, seed = measure.pss_mib(pid), 0, 1
                while learned < wanted:
                    seed += 1
                    run = measure.load(server, pid, own, asked, 5.0, fresh=(0, seed))
                    if run.rcodes.get("0", 0) < 0.95 * run.answered or not run.answered:
                        raise RuntimeError(f"{server.name} does not resolve: rcodes {run.rcodes}")
                    learned += run.answered
                run.pss_mib = measure.pss_mib(pid)
                run.octets_per_answer = (run.pss_mib - before) * (1 << 20) / learned
            return [run]

        return self.rotate("R5", ROOMY, one)

    def missed(
        self, row: str, known: str, asked: Path, label: int, signed: bool = False
    ) -> dict[str, list[Run]]:
        """Questions that no cache has the answer to: label *label* of each is new.

        A root at 127.0.0.2 delegates each of its children to 127.0.0.3. Every server gets it as its root, so that delegations
        are followed and cached as on the Internet. *known*: a name that exists. *signed*: all zones are, and the servers
        validate: a server that does not set AD for *known* is not measured.
        """
        zone, probe = Zone(".", Path()), data.query(known, "A", dnssec=signed)
        sign: tuple[str, ...] = ()
        known_servers = RESOLVERS
        if signed:
            private, anchor = data.root_key()
            sign, known_servers = ("--sign", str(private)), VALIDATORS
            zone = Zone(".", Path(), anchor=anchor)

        def one(server: Server) -> list[Run]:
            # Delegations name no port: these two need 53, and the right to bind it.
            with (
                measure.authority("127.0.0.2:53", ".", "--refer", "127.0.0.3", *sign),
                measure.authority("127.0.0.3:53", ".", *(["--children", *sign] if signed else [])),
                measure.serving(server, zone, probe, 53) as (pid, own, _),
            ):
                answer = measure.ask(own, probe, 1.0)
                if signed and not (answer and answer[3] & 0x20):
                    raise RuntimeError(f"{server.name} does not validate")
                measure.load(server, pid, own, asked, 0.5, fresh=(label, 1))
                run = measure.load(server, pid, own, asked, self.seconds, fresh=(label, 2))
            if run.rcodes.get("0", 0) < 0.95 * run.answered or run.lost > 0.01 * run.answered:
                raise RuntimeError(f"{server.name} does not resolve: {run.lost} lost, rcodes {run.rcodes}")
            return [run]

        return self.rotate(row, known_servers, one)

    def authoritative(self, row: str, zone: Zone, probe: bytes, queries: Path) -> dict[str, list[Run]]:
        def one(server: Server) -> list[Run]:
            with measure.serving(server, zone, probe) as (pid, port, first):
                measure.load(server, pid, port, queries, 0.5)
                run = measure.load(server, pid, port, queries, self.seconds)
                run.first_answer_s, run.pss_mib = first, measure.pss_mib(pid)
                return [run]

        return self.rotate(row, AUTHORITATIVE, one)

    def loaded(self, row: str, zone: Zone, probe: bytes, known: list[Server]) -> dict[str, list[Run]]:
        def one(server: Server) -> list[Run]:
            for each in zone.each:
                each.file.read_bytes()
            stolen = measure.steal_s()
            with measure.serving(server, zone, probe, core=None) as (pid, _, first):
                steal, cpu = (measure.steal_s() - stolen) / first, sum(measure.cpu_s(pid))
                pss = measure.settled_pss_mib(pid)
                return [Run(server.name, first_answer_s=first, load_cpu_s=cpu, pss_mib=pss, steal=steal)]

        return self.rotate(row, known, one)

    def cached(self, row: str, rate: int | None) -> dict[str, list[Run]]:
        origin, file = data.names_zone()
        zone, probe, asked = Zone(origin, file), data.query(f"host1.{origin}", "A"), data.cached_queries()
        back = next((s for s in AUTHORITATIVE if s.name != "namewise" and s.installed), AUTHORITATIVE[0])

        # Percentiles near the tail depend on single moments. Seconds without steal time show the server, others the machine.
        windows = int(self.seconds) if rate else 1

        def one(server: Server) -> list[Run]:
            with (
                measure.serving(back, zone, probe, core=measure.LOAD_CORE) as (_, upstream, _),
                measure.serving(server, zone, probe, upstream) as (pid, port, _),
            ):
                measure.fill(port, asked)
                measure.load(server, pid, port, asked, 0.5)
                return [
                    measure.load(server, pid, port, asked, self.seconds / windows, rate)
                    for _ in range(windows)
                ]

        return self.rotate(row, CACHES, one)


def variant(label: str, runs: dict[str, list[Run]]) -> dict[str, list[Run]]:
    """Name *runs* as those of a variant of the row, which has its own figures."""
    return {f"{name} [{label}]": some for name, some in runs.items()}


@dataclass
class Figure:
    """A figure of a row, and the target for the ratio of namewise to the best peer, or to specific peers."""

    label: str
    read: Callable[[Run], float]
    target: float | None = None
    more: bool = False
    against: dict[str, float] = field(default_factory=dict)


def cost(total: float) -> list[Figure]:
    """The figures of a server at its limit; *total* is the target for the CPU time of a query."""
    return [
        Figure("CPU us/q", lambda r: r.cpu_us, total),
        Figure("user us/q", lambda r: r.user_us, 0.35),
        Figure("q/s", lambda r: r.rate, more=True),
    ]


ROWS: dict[str, tuple[str, list[Figure]]] = {
    "F1": (
        "authoritative UDP, 100k names / 400k RRs",
        cost(0.78),
    ),
    "F2": (
        "authoritative UDP, 1M-RR delegation zone",
        cost(0.72),
    ),
    "F3": (
        "zone file to first right answer",
        [
            Figure("seconds", lambda r: r.first_answer_s, against={"NSD D13": 0.85, "Knot": 0.35}),
            Figure("CPU s", lambda r: r.load_cpu_s),
        ],
    ),
    "F4": ("memory after that load", [Figure("PSS MiB", lambda r: r.pss_mib, 0.75)]),
    "F5": (
        "cache hit UDP, 10k names",
        cost(0.80),
    ),
    "F6": (
        "hits at 20,000 q/s: latency",
        [
            Figure("p99 us", lambda r: r.p99_us, 0.80),
            Figure("p50 us", lambda r: r.p50_us),
            Figure("p99.9 us", lambda r: r.p999_us),
        ],
    ),
    "F8": (
        "hits at 20,000 q/s: CPU",
        [Figure("CPU us/q", lambda r: r.cpu_us, 1.00), Figure("user us/q", lambda r: r.user_us)],
    ),
    "SMALL": ("one small zone, idle", [Figure("PSS MiB", lambda r: r.pss_mib)]),
    "START": (
        "a zone of the root's size, start to first right answer",
        [Figure("seconds", lambda r: r.first_answer_s), Figure("PSS MiB", lambda r: r.pss_mib)],
    ),
    "A1": (
        "10,000 zones of ten records, start to first right answer",
        [Figure("seconds", lambda r: r.first_answer_s, 1.0), Figure("PSS MiB", lambda r: r.pss_mib)],
    ),
    "R1": ("miss, delegation known: one question upstream", cost(0.50)),
    "R2": ("miss, new delegation: two questions upstream", cost(0.50)),
    "R3": ("miss, validating P-256, delegation known: one question upstream", cost(0.60)),
    "R4": ("miss, validating P-256, new signed delegation: three questions upstream", cost(0.60)),
    "R5": (
        "memory for each cached answer",
        [
            Figure("octets/answer", lambda r: r.octets_per_answer, 0.60),
            Figure("PSS MiB", lambda r: r.pss_mib),
        ],
    ),
    "F9": (
        "signed 100k-name zone, DO set",
        [Figure("q/s", lambda r: r.rate, 1.40, more=True), Figure("CPU us/q", lambda r: r.cpu_us)],
    ),
}


# Rows without servers and peers. Each prints its own table.
ALONE = {
    "F7": ["cargo", "run", "--quiet", "--release", "-p", "nw-serve", "--example", "loadtest"],
    "R7": ["cargo", "run", "--quiet", "--release", "-p", "nw-dnssec", "--example", "rates", "0"],
    "P1": [sys.executable, "-m", "bench.py_codec", "--rounds", "3"],
    "R6": [sys.executable, "-m", "bench.lists"],
    "R8": [sys.executable, "-m", "bench.cold"],
    "A2": [sys.executable, "-m", "bench.million", "--row", "A2"],
    "A3": [sys.executable, "-m", "bench.million", "--row", "A3"],
    "A4": [sys.executable, "-m", "bench.million", "--row", "A4"],
    "A5": [sys.executable, "-m", "bench.zone_check"],
    "A6": [sys.executable, "-m", "bench.million", "--row", "A6"],
}
MORE = {"R6": ["--names", "5000000", "--rounds", "3"], "R8": ["--names", "50000", "--rounds", "5"]}
"""What the whole method adds to their arguments."""


def judge(figure: Figure, medians: dict[str, float]) -> str:
    """Return the ratios of namewise to the relevant peers, each with its target."""
    ours = medians.pop("namewise", 0.0)
    if not ours or not any(medians.values()):
        return ""
    best = (max if figure.more else min)(medians, key=lambda name: medians[name])
    verdict = ""
    for peer, target in (figure.against or {best: figure.target}).items():
        if not medians.get(peer):
            continue
        ratio = ours / medians[peer]
        verdict += f"  ratio to {peer} {ratio:.2f}"
        if target is not None:
            met = ratio >= target if figure.more else ratio <= target
            verdict += (
                f" (target {'>=' if figure.more else '<='} {target:.2f}: {'met' if met else 'not met'})"
            )
    return verdict


def table(row: str, runs: dict[str, list[dict[str, object]]], marks: list[str]) -> Iterable[str]:
    """Yield the lines of one row's table."""
    title, figures = ROWS[row]
    measured = {name: kept(row, [Run(**run) for run in some]) for name, some in runs.items()}  # type: ignore[arg-type]
    yield f"{row}  {title}{'  [' + '; '.join(marks) + ']' if marks else ''}"
    labels = {name: name.partition(" [")[2].rstrip("]") for name in measured}
    for label in sorted(set(labels.values())):
        group = {name.partition(" [")[0]: measured[name] for name in measured if labels[name] == label}
        if label:
            yield f"   {label}"
        for figure in figures:
            values = {name: [figure.read(run) for run in some] for name, some in group.items()}
            shown = "  ".join(
                f"{name} {statistics.median(some):,.2f} ({min(some):,.2f}-{max(some):,.2f})"
                for name, some in values.items()
            )
            verdict = judge(figure, {name: statistics.median(some) for name, some in values.items()})
            yield f"   {figure.label:10} {shown}{verdict}"
    lost = {
        name: sum(run.lost for run in some)
        for name, some in measured.items()
        if any(run.lost for run in some)
    }
    if lost:
        yield "   lost       " + "  ".join(f"{name} {count}" for name, count in lost.items())


def main() -> int:
    parser = argparse.ArgumentParser(prog="bench", description=__doc__.partition("\n")[0])
    parser.add_argument("--row", action="append", choices=[*ROWS, *ALONE], help="only this row (repeatable)")
    parser.add_argument("--full", action="store_true", help="five rounds, every installed peer")
    parser.add_argument("--fresh", action="store_true", help="forget rows measured earlier")
    parser.add_argument("--json", type=Path, default=data.OUT / "bench.json", help="where the figures go")
    options = parser.parse_args()
    measure.build_load()
    data.OUT.mkdir(exist_ok=True)
    results = {} if options.fresh or not RESULTS.exists() else json.loads(RESULTS.read_text())
    bench = Bench(options.full)
    marks = [] if measure.realtime() else ["without SCHED_RR"]
    wanted = options.row or [*ROWS, *ALONE]
    for row in wanted:
        if row in ALONE:
            print(f"{row}", flush=True)
            more = MORE.get(row, []) if options.full else []
            subprocess.run([*ALONE[row], *more], check=True, cwd=measure.ROOT)
            continue
        key = f"{row}{'-full' if options.full else ''}"
        if key not in results or options.row:
            if row == "F4" and f"F3{key[2:]}" in results:
                results[key] = results[f"F3{key[2:]}"]
            elif row == "F8" and f"F6{key[2:]}" in results:
                # One load answers both questions: F6 and F8 are read from the same runs.
                results[key] = results[f"F6{key[2:]}"]
            else:
                runs = getattr(bench, row.lower())()
                results[key] = {name: [asdict(run) for run in some] for name, some in runs.items()}
            RESULTS.write_text(json.dumps(results))
        extra = ["not judged against D13"] if row == "F3" and not PEERS_ROOT else []
        print("\n".join(table(row, results[key], marks + extra)), flush=True)
    options.json.write_text(
        json.dumps({row: results.get(f"{row}{'-full' if options.full else ''}") for row in wanted}, indent=1)
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())

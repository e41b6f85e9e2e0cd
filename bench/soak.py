"""A resolver as it is shipped, under mixed load, while servers fail in every way: does its memory stay flat, is each failure explained?

    python -m bench.soak [--minutes 30] [--rate N | --most N] [--json FILE]

Everything runs in a network namespace of its own: an invented internet (a signed root, ten signed top-level zones, a thousand zones below
each, a quarter of them signed; see `bench/load/src/internet.rs`), `nw serve` with validation, and a load generator. The load is half
of the measured maximum: cache hits, names that no cache has, missing names, aliases, in signed and unsigned zones.

Each kind of fault has its top-level zone, and some time: servers that are silent, half silent, lame, slow, that answer SERVFAIL, REFUSED,
FORMERR, TC also over TCP, with a wrong id, with bogus signatures. For some time the network is away. Settings are reloaded, and the
cache is flushed, which counts as a fault for a moment when all of it is. A report is printed each minute. At the end the run has failed
(exit code 1) if

- a SERVFAIL or a lost query is not explained: its name is not below a zone that had a fault at that time or up to `AFTER_S` before,
  and this machine let the servers run (what failed while it did not is counted apart);
- a SERVFAIL has no Extended DNS Error;
- `nw why` does not name the fault of a failed query of the sample;
- a fault that must be noticed was not: nothing failed below its zone;
- more than `LIMITED` of the answered queries failed because of a limit, which their extended error and `nw why` name;
- memory (RSS) grew by more than 5 % after the warm-up, apart from the seconds after a flush of the whole cache;
- the server ended, or answered less than 99 % of the queries for names without a fault.
"""

from __future__ import annotations

import argparse
import itertools
import json
import random
import re
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from bench import data, lab, measure
from namewise.control.client import ControlError, call
from namewise.message import Message

PORT = 5300
AFTER_S = 15.0
"""How long a fault may have consequences: a lookup of 7 s that begins at its end, and the 5 s for which its failure is kept."""
PATIENCE_S = 2.5
"""How long the load generator waits for an answer: no answer over UDP is sent after `discard_timeout`, 1.9 s."""
LATE_MS = 250
"""The servers of the internet have not run for so long: a resolver may have taken them for silent."""
FILL_S = 10.0
"""How long one round of queries takes that fills the cache, or the flight recorder."""
MOST_FILLS = 12
CLIENTS = 16
"""Networks of clients: what one of them may ask at once is limited."""
LIMITED = 1e-4
MOST_SAID = 50
"""How many failures that no fault covers are shown with what `nw why` says."""
MAXIMUM_S = 5.0
CACHE = "16MB"
WARM_UP = 0.5
"""The part of the run after which memory must stay flat: until then, each kind of fault has taken what it takes."""
GROWTH = 1.05
ZONES = 10
# Each kind with a pattern for what `nw why` says (the diagnosis and the steps), or None if nothing has to fail.
KINDS: dict[str, str | None] = {
    "silent": r"dead|did not answer|timeout|wait for a reply",
    "half": None,
    "lame": r"lame",
    "servfail": r"failing|SERVFAIL",
    "refused": r"lame|REFUSED",
    "formerr": r"FORMERR",
    "slow": None,
    "truncated": r"truncat|TC|wait for a reply",
    "wrong-id": r"another id|wrong id|dead|TCP|wait for a reply",
    "bogus": r"bogus",
}
AWAY, FLUSH, LIMIT = "away", "flush", "limit"
PATTERNS = KINDS | {
    AWAY: r"wait for a reply|dead|did not answer|could not be (reached|sent)|unreachable|this machine",
    # An empty cache under full load: what exceeds the limit of lookups fails.
    FLUSH: r"max_in_flight",
    LIMIT: r"limit max_",
}


@dataclass
class Fault:
    """A fault: its kind, the zone (presentation form), begin and end in seconds since 1970."""

    kind: str
    zone: str
    begin: float
    end: float
    failed: int = 0

    def covers(self, name: str, sent: float, failed: float) -> bool:
        """Whether the failure of a query for *name*, sent and failed then, can come from this fault."""
        below = self.zone == "." or name == self.zone or name.endswith("." + self.zone)
        return below and self.begin <= failed and sent <= self.end + AFTER_S


@dataclass
class Result:
    """What is known so far."""

    faults: list[Fault] = field(default_factory=list)
    rcodes: Counter[str] = field(default_factory=Counter)
    answered: int = 0
    lost: int = 0
    skipped: int = 0
    unexplained: list[str] = field(default_factory=list)
    said: list[str] = field(default_factory=list)
    """What `nw why` says about them."""
    by_machine: int = 0
    limited: int = 0
    without_ede: list[str] = field(default_factory=list)
    codes: Counter[str] = field(default_factory=Counter)
    asked_why: int = 0
    unnamed: list[str] = field(default_factory=list)
    rss_mib: list[tuple[float, float]] = field(default_factory=list)
    settled_mib: list[tuple[float, float]] = field(default_factory=list)
    """Those that no flush of the whole cache shortly precedes: for a moment, lookups up to their limits are in progress then."""
    parts_mib: list[dict[str, float]] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)


def schedule(seconds: float) -> list[tuple[float, float, str, str]]:
    """Return begin, length, kind and zone of each fault of a run of *seconds*."""
    rounds = 2 if seconds >= 480 else 1
    each = seconds / rounds
    found = []
    for number in range(rounds):
        first = number * each
        # Seven tenths of a round for the ten kinds, which overlap; then the network is away; the rest is for recovery.
        step = each * 0.7 / len(KINDS)
        length = min(60.0, step * 1.3)
        for place, kind in enumerate(KINDS):
            zone = f"t{(place + number) % ZONES}."
            found.append((first + each * 0.05 + place * step, length, kind, zone))
        found.append((first + each * 0.82, min(60.0, each * 0.08), AWAY, "."))
    return found


def questions() -> Path:
    """Write the queries of the load: of 100, 80 for 4,000 popular names, 8 new ones, 6 missing ones, 6 aliases."""
    rng = random.Random(7)
    asked = []
    for _ in range(20_000):
        zone = f"d{rng.randrange(1000)}.t{rng.randrange(ZONES)}."
        kind = rng.choices(("hit", "new", "missing", "alias"), (80, 8, 6, 6))[0]
        popular = f"d{rng.randrange(100)}.t{rng.randrange(ZONES)}."
        name = {
            "hit": f"h{rng.randrange(4)}.{popular}",
            "new": f"00000000.{zone}",
            "missing": f"x{rng.randrange(50)}.{popular}",
            "alias": f"c{rng.randrange(4)}.{popular}",
        }[kind]
        asked.append(data.query(name, "A", dnssec=rng.random() < 0.5))
    return data.queries("soak.queries", asked)


def rss_mib(pid: int) -> float:
    """Return the resident memory of *pid*."""
    status = Path(f"/proc/{pid}/status").read_text()
    return next(int(line.split()[1]) for line in status.splitlines() if line.startswith("VmRSS:")) / 1024


class Soak:
    """One run."""

    def __init__(self, folder: Path, internet: lab.Internet, server: subprocess.Popen[bytes]) -> None:
        self.folder, self.internet, self.server = folder, internet, server
        self.control = str(folder / "control.sock")
        self.failures = folder / "failures"
        self.result = Result()
        self.stop = threading.Event()
        self.lock = threading.Lock()
        self.read_to = 0
        self.seen: dict[str, tuple[float, float, bool]] = {}
        """Names of failed queries: when they were sent and failed, and whether because of a limit."""
        self.uncovered: set[str] = set()
        """Names of failed queries that no fault covers."""
        self.stalls: list[float] = []

    def load(self, asked: Path, seconds: float, seed: int, rate: float | None) -> dict[str, Any]:
        """Run the load generator once."""
        pace = ["--rate", f"{rate:.0f}"] if rate else ["--outstanding", "200"]
        report = ["--failures", str(self.failures), "--patience", str(PATIENCE_S)] if rate else []
        command = [str(measure.LOAD), "--server", f"127.0.0.1:{PORT}", "--queries", str(asked), "--seconds"]
        command += [f"{seconds:.1f}", "--fresh", "0", "--seed", str(seed), "--clients", str(CLIENTS)]
        command += [*pace, *report]
        done = subprocess.run(command, check=True, capture_output=True, text=True)
        answer: dict[str, Any] = json.loads(done.stdout)
        return answer

    def stats(self) -> dict[str, int]:
        """Return the counters of the server."""
        stats: dict[str, int] = call(self.control, "status")["stats"]
        return stats

    def fill(self, asked: Path, counter: str, seed: int) -> None:
        """Run the load generator with *asked*, each name once, until *counter* says that old data made room."""
        for number in range(MOST_FILLS):
            self.load(asked, FILL_S, seed + number, None)
            if self.stats()[counter]:
                return
        raise RuntimeError(f"{counter} is still 0 after {MOST_FILLS * FILL_S:.0f} s")

    # Threads beside the load.
    def break_things(self, start: float, seconds: float) -> None:
        """Begin and end the faults of the schedule."""
        events = []
        for at, length, kind, zone in schedule(seconds):
            fault = Fault(kind, zone, 0.0, 0.0)
            events += [(at, "begin", fault), (at + length, "end", fault)]
        active: list[Fault] = []
        for at, what, fault in sorted(events, key=lambda event: event[0]):
            if self.stop.wait(max(0.0, start + at - time.time())):
                return
            with self.lock:
                if what == "begin":
                    fault.begin, fault.end = time.time(), float("inf")
                    active.append(fault)
                    self.result.faults.append(fault)
                if fault.kind == AWAY:
                    lab.connect(what == "end")
                elif what == "begin":
                    self.internet.say(f"fault {fault.kind} {fault.zone}")
                if what == "end":
                    fault.end = time.time()
                    active.remove(fault)
                    self.internet.say("clear")
                    for other in active:
                        if other.kind != AWAY:
                            self.internet.say(f"fault {other.kind} {other.zone}")

    def operate(self, seconds: float) -> None:
        """Reload settings and flush parts of the cache, as an operator does."""
        number = 0
        while not self.stop.wait(seconds / 60):
            number += 1
            try:
                if number % 3 == 0:
                    self.configure(self.folder, slow_ms=1000 + number % 7)
                    call(self.control, "reload")
                elif number % 10 == 7:
                    call(self.control, "flush")
                    with self.lock:
                        self.result.faults.append(Fault(FLUSH, ".", time.time(), time.time()))
                elif number % 3 == 1:
                    call(self.control, "flush", {"name": f"t{number % ZONES}.", "below": True})
                else:
                    call(self.control, "flush", {"only": "failures"})
            except ControlError as error:
                self.result.problems.append(f"nw ctl: {error}")

    def ask_why(self) -> None:
        """Ask the server about a sample of the failed queries, soon after they failed."""
        done: set[tuple[str, str]] = set()
        while not self.stop.wait(1.0):
            with self.lock:
                if self.internet.counts()["late_ms"] > LATE_MS:
                    self.stalls.append(time.time())
            self.read_failures()
            for name in sorted(self.uncovered):
                self.explain(name)
            self.uncovered.clear()
            for name in random.sample(sorted(self.seen), min(3, len(self.seen))):
                sent, at, limited = self.seen[name]
                with self.lock:
                    causes = [fault for fault in self.result.faults if fault.covers(name, sent, at)]
                if limited and not causes:
                    causes = [Fault(LIMIT, name, at, at)]
                # Where two faults cover a name, either may be the cause.
                if not causes or (name, causes[0].kind) in done:
                    continue
                done.add((name, causes[0].kind))
                self.judge(name, causes)
            self.seen.clear()

    def explain(self, name: str) -> None:
        """Keep what `nw why` says about *name*, which failed without a fault."""
        try:
            records = call(self.control, "why", {"name": name, "most": 3})["records"]
        except ControlError as error:
            self.result.problems.append(f"nw why: {error}")
            return
        for record in records:
            steps = [step["text"] for step in record["steps"]]
            self.result.said.append(f"{name}: {record.get('diagnosis')}; {'; '.join(steps)}")

    def judge(self, name: str, causes: list[Fault]) -> None:
        """Compare the diagnosis of `nw why` with the faults that cover *name*."""
        try:
            records = call(self.control, "why", {"name": name, "most": 10})["records"]
        except ControlError as error:
            self.result.problems.append(f"nw why: {error}")
            return
        if not records:
            # The recorder keeps a limited number of records; the sample is what it still has.
            return
        self.result.asked_why += 1
        # The newest records may be about the failure that the cache keeps; an older one shows the lookup.
        said = [str(records[0].get("diagnosis"))]
        for record in records:
            said += [str(record.get("diagnosis")), *(step["text"] for step in record["steps"])]
        patterns = [PATTERNS[cause.kind] for cause in causes]
        if not any(pattern is None or re.search(pattern, "; ".join(said)) for pattern in patterns):
            kinds = ", ".join(cause.kind for cause in causes)
            self.result.unnamed.append(f"{name} ({kinds}): {'; '.join(said)[:500]}")

    def read_failures(self) -> None:
        """Judge the failures that the load generator has written since."""
        with self.lock:
            if not self.failures.exists():
                return
            with self.failures.open("rb") as file:
                file.seek(self.read_to)
                new = file.read()
            new = new[: new.rfind(b"\n") + 1]
            self.read_to += len(new)
            for line in new.decode("ascii").splitlines():
                kind, sent, at, octets = line.split()
                self.failed(kind, int(sent) / 1000, int(at) / 1000, Message.parse(bytes.fromhex(octets)))

    def failed(self, kind: str, sent: float, at: float, message: Message) -> None:
        question = message.question
        assert question is not None, "the load generator compares it"
        name = str(question.name)
        lost = kind == "L"
        causes = [fault for fault in self.result.faults if fault.covers(name, sent, at)]
        clock = time.strftime("%H:%M:%S", time.gmtime(sent)) + f".{sent % 1 * 1000:03.0f}"
        errors = [] if lost else [str(error[0]) for error in message.ede]
        limited = not lost and any(re.search(PATTERNS[LIMIT] or "", str(error[1])) for error in message.ede)
        if limited and not causes:
            self.result.limited += 1
        elif not causes and any(
            sent - 1 <= stall + AFTER_S and stall - 2 <= at for stall in self.stalls[-30:]
        ):
            self.result.by_machine += 1
        elif not causes:
            what = "lost" if lost else f"SERVFAIL, EDE {','.join(errors)}"
            self.result.unexplained.append(f"{clock} {name} {what}")
            if len(self.result.said) < MOST_SAID:
                self.uncovered.add(name)
        for cause in causes:
            cause.failed += 1
        if not lost:
            self.result.codes.update(errors)
            self.seen[name] = (sent, at, limited)
            if not errors:
                self.result.without_ede.append(f"{clock} {name}")

    @staticmethod
    def configure(folder: Path, slow_ms: int = 1000) -> Path:
        """Write the configuration: as shipped, except for the trust anchor, a small cache, and a recorder that keeps up."""
        config = folder / "namewise.toml"
        config.write_text(
            f'[resolver]\ntrust_anchor = "{folder}/anchor"\ncache = "{CACHE}"\n'
            f'[log]\nslow = "{slow_ms}ms"\nrecorder = 20000\nlevel = "warning"\n'
        )
        return config

    def run(self, asked: Path, seconds: float, rate: float) -> None:
        """Run the load for *seconds* and print a line each minute."""
        start = time.time()
        threads = [
            threading.Thread(target=self.break_things, args=(start, seconds)),
            threading.Thread(target=self.operate, args=(seconds,)),
            threading.Thread(target=self.ask_why),
        ]
        for thread in threads:
            thread.start()
        part = min(60.0, seconds / 6)
        print("  time    q/s answered     lost  rcodes" + " " * 34 + "RSS MiB  cache  recorder  faults")
        try:
            for number in itertools.count():
                begin = time.time()
                if begin >= start + seconds:
                    break
                outcome = self.load(asked, part, 20 + number, rate)
                self.minute(start, begin, outcome)
                if self.server.poll() is not None:
                    self.result.problems.append(f"the server ended with code {self.server.returncode}")
                    break
        finally:
            self.stop.set()
            for thread in threads:
                thread.join()
        self.read_failures()

    def minute(self, start: float, begin: float, outcome: dict[str, Any]) -> None:
        result = self.result
        self.read_failures()
        rss = rss_mib(self.server.pid) if self.server.poll() is None else 0.0
        result.rss_mib.append((time.time() - start, rss))
        if not any(one.kind == FLUSH and time.time() - one.end < AFTER_S for one in result.faults):
            result.settled_mib.append(result.rss_mib[-1])
        stats = self.stats() if rss else {}
        parts = {part: stats.get(f"{part}.octets", 0) / 2**20 for part in ("cache", "recorder")}
        result.parts_mib.append(parts)
        result.rcodes.update(outcome["rcodes"])
        result.answered += outcome["answered"]
        result.lost += outcome["lost"]
        result.skipped += outcome["skipped"]
        now = time.time()
        active = [f"{one.kind}@{one.zone}" for one in result.faults if one.begin < now and one.end > begin]
        minutes, left = divmod(int(now - start), 60)
        rcodes = " ".join(f"{rcode}:{count}" for rcode, count in outcome["rcodes"].items())
        line = f"{minutes:3}:{left:02} {outcome['answered'] / outcome['seconds']:6.0f} {outcome['answered']:8} {outcome['lost']:8}"
        memory = f"{rss:7.1f} {parts['cache']:6.1f} {parts['recorder']:9.1f}"
        print(f"{line}  {rcodes:40} {memory}  {' '.join(active)}", flush=True)


def verdict(result: Result, seconds: float) -> list[str]:
    """Return the conditions that do not hold."""
    bad = list(result.problems)
    for what, examples in (
        ("failures without a fault that covers them", result.unexplained),
        ("SERVFAIL without an extended error", result.without_ede),
        ("diagnoses of nw why that do not name the fault", result.unnamed),
    ):
        if examples:
            bad.append(f"{len(examples)} {what}: " + "; ".join(examples[:5]))
    for fault in result.faults:
        if not fault.failed and fault.kind != FLUSH and PATTERNS[fault.kind]:
            bad.append(f"nothing failed during {fault.kind} at {fault.zone}")
    if result.limited > result.answered * LIMITED:
        bad.append(f"{result.limited} of {result.answered} queries failed because of a limit")
    if not result.asked_why:
        bad.append("nw why knew none of the failed queries")
    samples = result.settled_mib or result.rss_mib
    warm = [rss for at, rss in samples if at <= seconds * WARM_UP] or [samples[0][1]]
    later = max(rss for _, rss in samples)
    if later > max(warm) * GROWTH:
        bad.append(f"memory grew from {max(warm):.1f} to {later:.1f} MiB after the warm-up")
    return bad


def main() -> int:
    """Run it; return the exit code."""
    parser = argparse.ArgumentParser(prog="bench.soak", description=__doc__.partition("\n")[0])
    parser.add_argument("--minutes", type=float, default=30.0)
    parser.add_argument(
        "--rate", type=float, help="queries per second; default: half of the measured maximum"
    )
    parser.add_argument("--most", type=float, default=20_000, help="the highest rate that is chosen")
    parser.add_argument("--json", type=Path, help="write the report to this file as well")
    options = parser.parse_args()
    if not lab.inside():
        measure.build_load()
    lab.enter("bench.soak")
    private, anchor = data.root_key()
    asked = questions()
    new = data.miss_queries("d0.t0.")
    with (
        tempfile.TemporaryDirectory(prefix="namewise-soak-") as name,
        lab.internet(private, "--ttl", "60", "--median-ms", "5") as internet,
    ):
        folder = Path(name)
        (folder / "anchor").write_text(anchor + "\n")
        nw = str(Path(sys.executable).parent / "nw")
        config = Soak.configure(folder)
        command = [nw, "serve", "--config", str(config), "--listen", f"127.0.0.1:{PORT}", "--state", name]
        with (folder / "log").open("wb") as log:
            server = subprocess.Popen(
                [*command, "--control", str(folder / "control.sock")], stdout=log, stderr=log
            )
            soak = Soak(folder, internet, server)
            try:
                known = data.query(lab.KNOWN, "A", dnssec=True)
                end = time.monotonic() + 20
                while not (answer := measure.ask(PORT, known, 1.0)) or answer[3] & 15:
                    if server.poll() is not None or time.monotonic() > end:
                        raise RuntimeError(f"the server does not resolve: {(folder / 'log').read_text()}")
                soak.fill(new, "cache.evicted", 100)
                # Failures, so that the flight recorder has reached its size as well.
                internet.say("fault servfail .")
                soak.fill(new, "recorder.dropped", 200)
                internet.say("clear")
                time.sleep(AFTER_S)
                soak.load(asked, MAXIMUM_S, 3, None)
                top = soak.load(asked, MAXIMUM_S, 4, None)
                maximum = top["answered"] / top["seconds"]
                rate = options.rate or min(maximum / 2, options.most)
                print(f"maximum {maximum:.0f} queries/s; the load is {rate:.0f} queries/s", flush=True)
                seconds = options.minutes * 60
                soak.run(asked, seconds, rate)
                stats = soak.stats() if server.poll() is None else {}
            finally:
                server.terminate()
                server.wait(20)
        text = (folder / "log").read_text()
    result = soak.result
    bad = verdict(result, seconds)
    print(
        f"answered {result.answered}, lost {result.lost}, rcodes {dict(result.rcodes)}, EDE of SERVFAIL {dict(result.codes)}"
    )
    for fault in result.faults:
        print(f"  {fault.kind:10} {fault.zone:4} {fault.end - fault.begin:5.0f} s  {fault.failed} failures")
    print(
        f"{result.by_machine} failures while this machine did not let the servers run ({len(soak.stalls)} times)"
    )
    print(f"{result.limited} failures because of a limit")
    print(f"nw why explained {result.asked_why - len(result.unnamed)} of {result.asked_why} sampled failures")
    for said in result.said:
        print(f"nw why {said}")
    for problem in bad:
        print(f"FAILED: {problem}")
    if not bad:
        print("passed")
    if options.json:
        report = {
            "maximum_qps": maximum,
            "rate_qps": rate,
            "seconds": seconds,
            "failed": bad,
            "log": text[-4000:],
        }
        report |= {
            "answered": result.answered,
            "lost": result.lost,
            "rcodes": result.rcodes,
            "ede": result.codes,
        }
        report |= {
            "faults": [vars(fault) for fault in result.faults],
            "rss_mib": result.rss_mib,
            "parts_mib": result.parts_mib,
            "limited": result.limited,
            "stats": stats,
        }
        report |= {"unexplained": result.unexplained, "said": result.said, "without_ede": result.without_ede}
        report |= {"why": {"asked": result.asked_why, "unnamed": result.unnamed}}
        options.json.write_text(json.dumps(report, indent=1))
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())

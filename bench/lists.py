"""Row R6: a list of millions of names that are blocked: seconds to load, octets for each name, CPU that it adds to a query.

    python -m bench.lists [--names 1000000] [--rounds 2] [--peer NAME]...

Each server gets the list in the form that it reads best: lines for namewise, `local-zone: NAME always_nxdomain` or a response
policy zone for Unbound, a response policy zone for PowerDNS Recursor. Each is started without the list and with it. Load time
and memory are the differences; `CPU` is that of all threads. The CPU that a query adds is measured with answers from the cache
for names that are not listed, which is what most queries ask. Differences below 0.1 us are noise on a shared machine.
"""

from __future__ import annotations

import argparse
import json
import random
import statistics
import sys
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from bench import data, measure
from bench.servers import (
    AUTHORITATIVE,
    PEERS_ROOT,
    Server,
    Zone,
    inside,
    namewise_cache,
    powerdns_recursor,
    unbound,
    write,
)

if TYPE_CHECKING:
    from collections.abc import Callable

TARGETS = {"load s": 0.3, "octets/name": 16.0, "added us/q": 0.3}
"""Ratio to the best peer; octets; microseconds."""
TOP = (
    "com",
    "net",
    "org",
    "ru",
    "de",
    "xyz",
    "top",
    "info",
    "online",
    "site",
    "club",
    "co.uk",
    "com.br",
    "cn",
    "io",
)
WEIGHTS = (50, 8, 8, *[1] * 12)
LABELS = ("www", "ads", "track", "cdn", "metrics", "stats", "pixel", "click", "api", "img", "s1", "m")
CONSONANTS, VOWELS = "bcdfghjklmnpqrstvwz", "aeiou"
RULE = "{} CNAME .\n*.{} CNAME .\n"
LOCAL = 'local-zone: "{}" always_nxdomain\n'
HEAD = "$TTL 60\n@ SOA ns h 1 3600 900 604800 60\n@ NS .\n"


def names(count: int) -> Path:
    """Return a file of *count* names in the form of public lists, with a listed name for the probe at its end."""
    path = data.OUT / f"names-{count}"
    if path.exists():
        return path
    rng = random.Random(1)

    def word(syllables: int) -> str:
        return "".join(rng.choice(CONSONANTS) + rng.choice(VOWELS) for _ in range(syllables))

    path.parent.mkdir(parents=True, exist_ok=True)
    with path.with_suffix(".part").open("w") as out:
        for _ in range(count):
            kind = rng.random()
            name = word(rng.randint(2, 4))
            if kind < 0.15:
                name += f"-{word(rng.randint(1, 2))}"
            elif kind > 0.85:
                name += str(rng.randint(1, 99))
            label = f"{rng.choice(LABELS)}." if rng.random() < 0.35 else ""
            out.write(f"{label}{name}.{rng.choices(TOP, WEIGHTS)[0]}\n")
    path.with_suffix(".part").rename(path)
    return path


def converted(source: Path, form: str, head: str = "") -> Path:
    """Return the list in another form, each name once."""
    path = source.with_name(f"{source.name}-{'rpz' if head else 'local'}")
    if not path.exists():
        with source.open() as lines, path.with_suffix(".part").open("w") as out:
            out.write(head)
            for name in dict.fromkeys(map(str.strip, lines)):
                out.write(form.replace("{}", name))
        path.with_suffix(".part").rename(path)
    return path


COPIES: list[Path] = []
"""Copies of the list that a run has made."""


def with_lines(folder: Path, port: int, zone: Zone, upstream: int, source: Path | None) -> list[str]:
    command = namewise_cache(folder, port, zone, upstream)
    lists = "" if source is None else f'[[list]]\nname = "big"\nfile = "{source}"\n'
    config = write(folder / "namewise.toml", lists)
    return [*command, "--config", str(config)]


def unbound_local(folder: Path, port: int, zone: Zone, upstream: int, source: Path | None) -> list[str]:
    command = unbound(folder, port, zone, upstream)
    config = Path(command[-1])
    if source is not None:
        include = converted(source, LOCAL)
        write(config, config.read_text().replace("stub-zone:", f'  include: "{include}"\nstub-zone:', 1))
    return command


def unbound_rpz(folder: Path, port: int, zone: Zone, upstream: int, source: Path | None) -> list[str]:
    command = unbound(folder, port, zone, upstream)
    config = Path(command[-1])
    text = config.read_text().replace('module-config: "iterator"', 'module-config: "respip iterator"')
    if source is not None:
        text += f'rpz:\n  name: "rpz.bench."\n  zonefile: "{converted(source, RULE, HEAD)}"\n'
    write(config, text)
    return command


def recursor(folder: Path, port: int, zone: Zone, upstream: int, source: Path | None) -> list[str]:
    command = powerdns_recursor(folder, port, zone, upstream)
    config = folder / "recursor.conf"
    lua = ""
    if source is not None:
        # The folder is all that the server sees of this machine.
        target = folder / "list.rpz"
        COPIES.append(target)
        with converted(source, RULE, HEAD).open("rb") as given, target.open("wb") as copy:
            copy.writelines(given)
        lua = f'rpzFile("{target}", {{policyName="big"}})\n'
    write(folder / "rpz.lua", lua)
    write(config, config.read_text() + f"lua-config-file={folder}/rpz.lua\nenable-old-settings=yes\n")
    return command


KNOWN: list[tuple[str, str, Callable[..., list[str]], str | None]] = [
    ("namewise", "python3", with_lines, None),
    ("Unbound local-zone", "unbound", unbound_local, None),
    ("Unbound rpz", "unbound", unbound_rpz, None),
    ("PowerDNS Recursor D13", "/usr/sbin/pdns_recursor", inside(recursor), PEERS_ROOT),
]


@dataclass
class Measured:
    """A server once, with the list or without it."""

    first_s: float
    cpu_s: float
    mib: float
    us_per_query: float


def once(server: Server, seconds: float) -> Measured:
    """Start *server* in front of an authoritative one, and ask it for names that its cache holds."""
    origin, file = data.names_zone()
    probe, asked = data.query(f"host1.{origin}", "A"), data.cached_queries()
    back = next((s for s in AUTHORITATIVE if s.name != "namewise" and s.installed), AUTHORITATIVE[0])
    with ExitStack() as stack:
        zone = Zone(origin, file)
        _, upstream, _ = stack.enter_context(measure.serving(back, zone, probe, core=measure.LOAD_CORE))
        pid, port, first = stack.enter_context(measure.serving(server, zone, probe, upstream, core=None))
        cpu, mib = sum(measure.cpu_s(pid)), measure.pss_mib(pid)
        measure.fill(port, asked)
        measure.load(server, pid, port, asked, 0.5)
        run = measure.load(server, pid, port, asked, seconds)
    return Measured(first, cpu, mib, run.cpu_us)


def main() -> int:
    """Measure, print a table and what misses its target."""
    parser = argparse.ArgumentParser(prog="bench.lists", description=__doc__.split("\n", 1)[0])
    parser.add_argument("--names", type=int, default=1_000_000)
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--seconds", type=float, default=3.0)
    parser.add_argument("--peer", action="append", help="only these peers")
    parser.add_argument("--json", type=Path)
    given = parser.parse_args()
    measure.build_load()
    source = names(given.names)
    count = len(set(source.read_text().split()))
    rows: dict[str, dict[str, float]] = {}
    for name, program, prepare, root in KNOWN:
        if name != "namewise" and given.peer and name not in given.peer:
            continue
        if not Server(name, program, prepare, root).installed:
            print(f"  R6: {name} is not installed, skipped", file=sys.stderr)
            continue
        runs: dict[bool, list[Measured]] = {False: [], True: []}
        for number in range(given.rounds):
            for listed in (False, True):
                print(
                    f"  R6 round {number + 1}/{given.rounds}: {name}, {count if listed else 0} names",
                    file=sys.stderr,
                    flush=True,
                )
                file = source if listed else None
                ready = Server(name, program, lambda *args, p=prepare, f=file: p(*args, f), root)
                try:
                    runs[listed].append(once(ready, given.seconds))
                except RuntimeError as error:
                    print(f"  R6: {error}", file=sys.stderr)
                while COPIES:
                    COPIES.pop().unlink(missing_ok=True)
        if not (runs[True] and runs[False]):
            continue

        def middle(read: Callable[[Measured], float], runs: dict[bool, list[Measured]] = runs) -> float:
            bare, full = (statistics.median(map(read, runs[listed])) for listed in (False, True))
            return full - bare

        rows[name] = {
            "load s": middle(lambda one: one.first_s),
            "load CPU s": middle(lambda one: one.cpu_s),
            "octets/name": middle(lambda one: one.mib) * (1 << 20) / count,
            "added us/q": middle(lambda one: one.us_per_query),
        }
    show(rows, count)
    if given.json:
        given.json.write_text(json.dumps({"names": count, "rows": rows}, indent=2))
    return 0


def show(rows: dict[str, dict[str, float]], count: int) -> None:
    """Print the table, and the targets that namewise misses."""
    labels = list(next(iter(rows.values())))
    print(f"R6: a list of {count:,} names")
    print(f"  {'':24}" + "".join(f"{label:>14}" for label in labels))
    for name, row in rows.items():
        print(f"  {name:24}" + "".join(f"{row[label]:14.2f}" for label in labels))
    ours, peers = rows.get("namewise"), [row for name, row in rows.items() if name != "namewise"]
    if ours is None:
        return
    found = {"octets/name": ours["octets/name"], "added us/q": ours["added us/q"]}
    if peers:
        found["load s"] = ours["load s"] / min(row["load s"] for row in peers)
    for label, value in found.items():
        verdict = "meets" if value <= TARGETS[label] else "MISSES"
        print(f"  {label}: {value:.2f} {verdict} the target of {TARGETS[label]}")


if __name__ == "__main__":
    sys.exit(main())

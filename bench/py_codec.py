"""Row P1: the Python interface of the codec compared with dnspython, alternately in one process.

    python -m bench.py_codec [--rounds 5] [--json FILE]

message: the wire of a response with four answers, parsed, its records read, and written again
text:    the same, printed as text instead
zone:    a zone file of 16,000 records (A, AAAA, MX, TXT), read into a zone

Each figure is the median of the rounds, in CPU seconds of the process, so that other load on the machine has little effect.
The zone row is also measured in wall time, because the engine reads a file on all cores.
"""

from __future__ import annotations

import argparse
import json
import statistics
import time
from pathlib import Path
from typing import TYPE_CHECKING

import dns.message
import dns.rrset
import dns.zone

from bench import data
from namewise import Message, Zone

if TYPE_CHECKING:
    from collections.abc import Callable

TARGETS = {"message": 40, "text": 40, "zone": 200}
NAMES = 4_000


def sample() -> bytes:
    """A response with four answers, an authority section and EDNS."""
    query = dns.message.make_query("www.example.com", "A", use_edns=0)
    response = dns.message.make_response(query)
    response.answer = [
        dns.rrset.from_text("www.example.com.", 300, "IN", "CNAME", "web.example.net."),
        dns.rrset.from_text("web.example.net.", 60, "IN", "A", "192.0.2.1", "192.0.2.2", "192.0.2.3"),
    ]
    return response.to_wire()


def ours_message(wire: bytes) -> bytes:
    message = Message.parse(wire)
    for rrset in message.answer:
        for rdata in rrset:
            _ = rdata.type
    return message.render()


def theirs_message(wire: bytes) -> bytes:
    message = dns.message.from_wire(wire)
    for rrset in message.answer:
        for rdata in rrset:
            _ = rdata.rdtype
    return message.to_wire()


def ours_text(wire: bytes) -> str:
    return Message.parse(wire).to_text()


def theirs_text(wire: bytes) -> str:
    return dns.message.from_wire(wire).to_text()


def rate(work: Callable[[], object], least_s: float = 0.3) -> float:
    """Return how often a CPU second runs `work`."""
    count, started = 0, time.process_time()
    while True:
        work()
        count += 1
        spent = time.process_time() - started
        if spent >= least_s:
            return count / spent


def zone_rate(load: Callable[[], int]) -> tuple[float, float]:
    """Return records per CPU second and per second."""
    cpu, wall = time.process_time(), time.perf_counter()
    records = load()
    return records / (time.process_time() - cpu), records / (time.perf_counter() - wall)


def measure(rounds: int) -> dict[str, dict[str, float]]:
    """Return the medians by row and codec."""
    wire = sample()
    assert dns.message.from_wire(ours_message(wire)) == dns.message.from_wire(theirs_message(wire))
    origin, path = data.names_zone(NAMES)
    text = path.read_text()

    def ours_zone() -> int:
        return len(Zone.from_text(origin, text))

    def theirs_zone() -> int:
        zone = dns.zone.from_text(text, origin=origin, relativize=False)
        return sum(len(rdataset) for _, rdataset in zone.iterate_rdatasets())

    assert ours_zone() == theirs_zone()
    runs: dict[str, dict[str, list[float]]] = {row: {} for row in (*TARGETS, "zone, wall")}
    for _ in range(rounds):
        for codec, message, show, zone in (
            ("namewise", ours_message, ours_text, ours_zone),
            ("dnspython", theirs_message, theirs_text, theirs_zone),
        ):
            runs["message"].setdefault(codec, []).append(rate(lambda m=message: m(wire)))
            runs["text"].setdefault(codec, []).append(rate(lambda s=show: s(wire)))
            cpu, wall = zone_rate(zone)
            runs["zone"].setdefault(codec, []).append(cpu)
            runs["zone, wall"].setdefault(codec, []).append(wall)
    return {
        row: {codec: statistics.median(rates) for codec, rates in codecs.items()}
        for row, codecs in runs.items()
    }


def main() -> None:
    """Measure, print the table, write JSON."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    figures = measure(options.rounds)
    print(f"{'P1':12} {'namewise/s':>14} {'dnspython/s':>14} {'ratio':>8} {'target':>8}")
    for row, codecs in figures.items():
        ratio = codecs["namewise"] / codecs["dnspython"]
        target = TARGETS.get(row)
        wanted = f">= {target}" if target else ""
        print(f"{row:12} {codecs['namewise']:14,.0f} {codecs['dnspython']:14,.0f} {ratio:8.1f} {wanted:>8}")
    if options.json:
        options.json.write_text(json.dumps(figures, indent=1))


if __name__ == "__main__":
    main()

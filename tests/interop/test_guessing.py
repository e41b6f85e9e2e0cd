"""What an attacker off path has to guess: the ids and the source ports of queries to servers (RFC 5452 §4, §9)."""

from __future__ import annotations

import itertools
import socket
import struct
import threading
from collections import Counter
from typing import TYPE_CHECKING

import peers
from asking import query

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

QUERIES, BATCH = 3000, 50
LEAST_PORT, MOST_USES = 1024, 8
"""Of `docs/decisions/0101-upstream-ports.md`."""


def assert_uniform(values: Iterable[int], bins: int) -> None:
    """Assert that *values*, from 0 to *bins*, are equally frequent: their chi-square is at most eight standard deviations above its
    mean, which happens by chance once in many thousand million runs."""
    counts = Counter(values)
    expected = counts.total() / bins
    squares = sum((counts[one] - expected) ** 2 for one in range(bins)) / expected
    assert squares < bins - 1 + 8 * (2 * (bins - 1)) ** 0.5, (
        f"chi-square {squares:.0f} of {bins} bins: {counts}"
    )


def test_ids_and_ports_are_random(tmp_path: Path) -> None:
    seen: list[tuple[int, int]] = []
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as server:
        server.bind(("127.0.0.1", 0))

        def serve() -> None:
            while wire := server.recvfrom(4096):
                asked, client = wire
                if not asked:
                    return
                seen.append((int.from_bytes(asked[:2], "big"), client[1]))
                # No data, with a SOA record of the root.
                end = asked.index(0, 12) + 5
                soa = (
                    b"\0" + struct.pack("!HHIH", 6, 1, 60, 22) + b"\0\0" + struct.pack("!5I", 1, 1, 1, 1, 60)
                )
                head = asked[:2] + struct.pack("!5H", 0x8580, 1, 0, 1, 0)
                server.sendto(head + asked[12:end] + soa, client)

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        config = tmp_path / "namewise.toml"
        port = server.getsockname()[1]
        config.write_text(
            f'[resolver]\nask_loopback = true\n[[forward]]\nsuffix = "."\nservers = ["127.0.0.1:{port}"]\n'
        )
        where = peers.free_address("127.0.0.1")
        with (
            peers.running(peers.namewise(tmp_path / "run", where, "--config", config)) as running,
            socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as client,
        ):
            running.says("ready")
            client.settimeout(peers.PATIENCE_S)
            client.connect(where)
            for start in range(0, QUERIES, BATCH):
                for number in range(start, start + BATCH):
                    client.send(query(number, f"x{number}.example", 1, flags=0x100))
                for _ in range(BATCH):
                    assert client.recv(4096)[3] & 15 == 0
        stop = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        with stop:
            stop.sendto(b"", server.getsockname())
        thread.join()
    ids = [one for one, _ in seen]
    assert len(ids) >= QUERIES
    assert_uniform((one >> 8 for one in ids), 256)
    assert_uniform((one & 0xFF for one in ids), 256)
    assert_uniform(((after - one) % 65536 >> 8 for one, after in itertools.pairwise(ids)), 256)
    ports = Counter(port for _, port in seen)
    assert min(ports) >= LEAST_PORT
    # A few are drawn again by chance, after they were closed.
    assert sum(uses > MOST_USES for uses in ports.values()) < len(ports) / 20
    assert len(ports) >= len(seen) / MOST_USES
    assert_uniform(((port - LEAST_PORT) * 32 // (65536 - LEAST_PORT) for port in ports), 32)

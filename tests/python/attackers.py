"""What attacks on a server of zones have in common: a server of the zone e., clients that send any octets, figures."""

from __future__ import annotations

import contextlib
import os
import random
import socket
import struct
from pathlib import Path
from typing import TYPE_CHECKING, Any

from namewise import Server
from namewise.engine import Message, make_query

if TYPE_CHECKING:
    from collections.abc import Iterator

    import pytest

HERE = "127.0.0.1"
TEXT = "@ 60 SOA ns h 5 3600 600 86400 60\n@ 60 NS ns\nns 60 A 192.0.2.1\nwww 60 A 192.0.2.2\n"
UPDATE, NOTIFY = 5, 4


def show(capsys: pytest.CaptureFixture[str], attack: str, figure: str) -> None:
    """Print a figure beside the identifier of its attack."""
    with capsys.disabled():
        print(f"\n{attack:<4} {figure}", end="")


def cpu_s(pid: int) -> float:
    """The CPU time that a process has used."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def rss_mib() -> float:
    """The resident memory of this process."""
    status = Path("/proc/self/status").read_text()
    return next(int(line.split()[1]) for line in status.splitlines() if line.startswith("VmRSS:")) / 1024


class Client:
    """A client of one server."""

    def __init__(self, port: int, source: str = HERE) -> None:
        self.port = port
        self.udp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.udp.bind((source, 0))
        self.udp.connect((HERE, port))
        self.udp.settimeout(20)

    def send(self, wire: bytes) -> bytes:
        """Send *wire* as a datagram and return the reply."""
        self.udp.send(wire)
        return self.udp.recv(65535)

    def stream(self, wire: bytes) -> bytes:
        """Send *wire* over TCP and return the first message of the reply; empty if there is none."""
        with socket.create_connection((HERE, self.port), 20) as link:
            link.sendall(struct.pack("!H", len(wire)) + wire)
            with link.makefile("rb") as found:
                return found.read(int.from_bytes(found.read(2), "big"))

    def reaction(self, wire: bytes) -> bytes | None:
        """Return the reply to *wire*, or None. The server has one worker, which answers in order: it must answer a query behind it."""
        last = make_query("www.e.", "A", id=0xFFFF).wire
        self.udp.send(wire)
        self.udp.send(last)
        got = self.udp.recv(65535)
        if got[:2] == last[:2]:
            return None
        assert self.udp.recv(65535)[:2] == last[:2]
        return got


@contextlib.contextmanager
def serving(folder: Path, text: str = TEXT, **more: Any) -> Iterator[tuple[Server, Client]]:
    """A server of the zone e. in this process."""
    (folder / "e.zone").write_text(text)
    config: dict[str, Any] = {
        "listen": [{"address": HERE, "port": 0}],
        "server": {"state": str(folder / "state"), "workers": 1},
        "zone": [{"name": "e", "kind": "file", "file": str(folder / "e.zone"), **more.pop("of_zone", {})}],
        **more,
    }
    with Server(config) as server:
        yield server, Client(int(server.addresses[0].rpartition(":")[2]))


def serial(client: Client) -> int:
    """The serial that the server has."""
    answer = Message.parse(client.send(make_query("e.", "SOA").wire)).answer
    return int(str(next(iter(answer[0]))).split()[2])


def name(text: str) -> bytes:
    """*text* in wire form."""
    return b"".join(bytes([len(label)]) + label.encode() for label in text.split(".") if label) + b"\0"


def record(owner: str, rtype: int, rclass: int, ttl: int, data: bytes) -> bytes:
    """A record in wire form."""
    return name(owner) + struct.pack("!HHIH", rtype, rclass, ttl, len(data)) + data


def update(
    *changes: bytes, before: tuple[bytes, ...] = (), zones: bytes | None = None, count: int = 1
) -> bytes:
    """An UPDATE of e. with prerequisites *before*."""
    question = name("e.") + struct.pack("!HH", 6, 1) if zones is None else zones
    head = struct.pack("!6H", random.randrange(65536), UPDATE << 11, count, len(before), len(changes), 1)
    # With EDNS, so that the server may explain (RFC 8914).
    opt = b"\0" + struct.pack("!HHIH", 41, 1232, 0, 0)
    return head + question + b"".join(before) + b"".join(changes) + opt


ADD = record("new.e.", 1, 1, 60, b"\xc0\0\2\7")

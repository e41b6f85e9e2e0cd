"""Attacks over TCP on the real process: clients that starve others of connections (D3), servers that drip octets (A12, A13).

The load is bounded: some hundred connections, less than a second of traffic each.
"""

from __future__ import annotations

import contextlib
import socket
import struct
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING

from ports import free_port
from servers import running

from namewise.control.client import call
from namewise.engine import Message, make_query, make_response
from namewise.engine.errors import WireError

if TYPE_CHECKING:
    from collections.abc import Iterator

HERE = "127.0.0.1"
SLOTS = 128
"""Connections that the server of these tests accepts at once."""
GROWTH_MIB = 64


def connected(port: int, source: str) -> socket.socket:
    """Return a connection to the server from the address *source*."""
    client = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    client.settimeout(5)
    client.bind((source, 0))
    client.connect((HERE, port))
    return client


def asked_over_tcp(client: socket.socket, name: str) -> Message:
    """Ask *name* on *client* and return the answer."""
    query = make_query(name, "A")
    client.sendall(struct.pack("!H", len(query.wire)) + query.wire)
    reader = client.makefile("rb")
    return Message.parse(reader.read(int.from_bytes(reader.read(2), "big")))


def answered(port: int, source: str) -> str | None:
    """Ask twice on one connection from *source* and return the rcode; None if the server closes the connection."""
    with connected(port, source) as client, contextlib.suppress(OSError, WireError):
        rcodes = {asked_over_tcp(client, "www.shop.test").rcode for _ in range(2)}
        return " ".join(rcodes)
    return None


def asked_over_udp(port: int, name: str) -> tuple[str, float]:
    """Ask *name* and return the rcode and the seconds that it took."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as client:
        client.settimeout(10)
        began = time.monotonic()
        client.sendto(make_query(name, "A").wire, (HERE, port))
        return Message.parse(client.recv(4096)).rcode, time.monotonic() - began


def rss_mib(pid: int) -> float:
    """Return the resident memory of a process."""
    status = Path(f"/proc/{pid}/status").read_text()
    return next(int(line.split()[1]) for line in status.splitlines() if line.startswith("VmRSS:")) / 1024


def zone(folder: Path) -> Path:
    """Write a zone with a name whose answer over TCP has 30,000 octets."""
    file = folder / "zone"
    big = "\n".join(f'big TXT "{number:03}{"x" * 230}"' for number in range(128))
    file.write_text(
        f"$TTL 60\n@ SOA ns h 1 3600 900 604800 300\n@ NS ns\nns A 192.0.2.1\nwww A 192.0.2.2\n{big}\n"
    )
    return file


def test_clients_that_hold_connections_starve_nobody(tmp_path: Path) -> None:
    port, control = free_port(), str(tmp_path / "control.sock")
    config = tmp_path / "namewise.toml"
    config.write_text(
        f'[[listen]]\naddress = "{HERE}"\nport = {port}\n[server]\nworkers = 1\ntcp_connections = {SLOTS}\n'
        f'tcp_per_client = 60\n[[zone]]\nname = "shop.test"\nfile = "{zone(tmp_path)}"\n'
    )
    command = ["serve", "--config", str(config), "--control", control]
    with running(*command, ready="ready: ") as (process, _), contextlib.ExitStack() as open_until_end:
        asked_over_tcp(connected(port, HERE), "www.shop.test")
        before = rss_mib(process.pid)

        def attack(source: str) -> socket.socket:
            return open_until_end.enter_context(connected(port, source))

        # Idle connections from many addresses, three times as many as there is room for.
        for number in range(3 * SLOTS):
            attack(f"127.66.{number % 3}.{1 + number % 50}")
        # Slow ones: one octet of the length, or a length without its message.
        for number in range(40):
            attack(f"127.67.0.{1 + number % 20}").sendall(b"\x00" if number % 2 else b"\x01\x00\x00")
        # Clients that ask for 30,000 octets again and again and never read.
        query = make_query("big.shop.test", "TXT").wire
        for number in range(20):
            client = attack(f"127.68.0.{1 + number}")
            client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            client.settimeout(0.2)
            with contextlib.suppress(OSError):
                client.sendall((struct.pack("!H", len(query)) + query) * 2000)
        # Resets in the middle of a query.
        for number in range(200):
            client = connected(port, f"127.69.0.{1 + number % 50}")
            client.sendall(struct.pack("!H", len(query)) + query[: number % len(query)])
            client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            client.close()

        answers = [asked_over_udp(port, "www.shop.test") for _ in range(100)]
        assert {rcode for rcode, _ in answers} == {"NOERROR"}
        assert sorted(took for _, took in answers)[50] < 0.1
        # A client in another network gets a connection and its answers. While each of the others has been active within 200 ms, it
        # is closed; after that no connection that does nothing keeps it out.
        end = time.monotonic() + 2
        while (first := answered(port, "127.99.0.1")) is None and time.monotonic() < end:
            pass
        assert first == "NOERROR"
        assert [answered(port, f"127.99.{number}.1") for number in range(1, 11)] == ["NOERROR"] * 10
        stats = call(control, "status")["stats"]
        assert stats["tcp.open"] <= SLOTS
        assert stats["tcp.evicted"] > 0
        assert rss_mib(process.pid) - before < GROWTH_MIB


@contextlib.contextmanager
def dripping() -> Iterator[int]:
    """Yield the port of a server that truncates over UDP, and over TCP sends an octet of its answer every 100 ms.

    Of answers to names that begin with `last`, it sends all octets but the last one at once.
    """
    udp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    tcp = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    udp.bind((HERE, 0))
    tcp.bind((HERE, udp.getsockname()[1]))
    tcp.listen(64)
    ended = threading.Event()

    def truncate() -> None:
        while True:
            wire, client = udp.recvfrom(4096)
            if ended.is_set():
                return
            udp.sendto(make_response(Message.parse(wire), flags="aa tc").wire, client)

    def drip(client: socket.socket) -> None:
        with client, contextlib.suppress(OSError):
            reader = client.makefile("rb")
            query = Message.parse(reader.read(int.from_bytes(reader.read(2), "big")))
            reply = make_response(query, flags="aa").wire
            octets = struct.pack("!H", len(reply)) + reply
            assert query.question is not None
            if str(query.question.name).startswith("last"):
                client.sendall(octets[:-1])
                ended.wait()
            for octet in octets:
                if ended.wait(0.1):
                    return
                client.sendall(bytes([octet]))

    def accept() -> None:
        while True:
            client, _ = tcp.accept()
            if ended.is_set():
                client.close()
                return
            threading.Thread(target=drip, args=(client,), daemon=True).start()

    threads = [threading.Thread(target=run, daemon=True) for run in (truncate, accept)]
    for thread in threads:
        thread.start()
    try:
        yield udp.getsockname()[1]
    finally:
        ended.set()
        # These wake the threads that wait.
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as last:
            last.sendto(b"", udp.getsockname())
        with socket.create_connection(tcp.getsockname()):
            pass
        for thread in threads:
            thread.join(5)
        udp.close()
        tcp.close()


def test_a_server_that_drips_octets_is_given_up(tmp_path: Path) -> None:
    """The timeout is for the whole reply: octets that arrive do not begin it anew."""
    port, good = free_port(), zone(tmp_path)
    with dripping() as slow:
        config = tmp_path / "namewise.toml"
        config.write_text(
            f'[[listen]]\naddress = "{HERE}"\nport = {port}\n[server]\nworkers = 1\n'
            '[resolver]\n[resolver.budget]\ntcp_timeout = "300ms"\ndiscard_timeout = "0s"\n'
            f'[[forward]]\nsuffix = "drip.test"\nservers = ["{HERE}:{slow}"]\n'
            f'[[zone]]\nname = "shop.test"\nfile = "{good}"\n'
        )
        command = ["serve", "--config", str(config), "--control", str(tmp_path / "control.sock")]
        with running(*command, ready="ready: "):
            done: list[tuple[str, float]] = []
            clients = [
                threading.Thread(
                    target=lambda name=name: done.append(asked_over_udp(port, f"{name}.drip.test"))
                )
                for name in [f"{word}{n}" for word in ("all", "last") for n in range(10)]
            ]
            for client in clients:
                client.start()
            # Others notice nothing.
            answers = [asked_over_udp(port, "www.shop.test") for _ in range(50)]
            for client in clients:
                client.join(15)
    assert {rcode for rcode, _ in answers} == {"NOERROR"}
    assert sorted(took for _, took in answers)[25] < 0.1
    assert len(done) == 20
    assert {rcode for rcode, _ in done} == {"SERVFAIL"}
    # At that rate an answer would take four seconds; a lookup may try five times.
    assert max(took for _, took in done) < 3.5

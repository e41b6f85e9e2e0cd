"""A small DNS server for tests: a function from query to reply, on its own loopback port, over UDP and TCP."""

from __future__ import annotations

import contextlib
import socket
import threading
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

import pytest

from namewise.engine import Message

if TYPE_CHECKING:
    from types import TracebackType

Answer = Callable[[Message, str], "bytes | list[bytes] | None"]
"""From a query and its transport (`udp` or `tcp`) to the reply, the replies, or None for silence."""


class DnsServer:
    """Serves *answer* until the context ends. Ready when the constructor returns: the sockets are bound
    then."""

    def __init__(self, answer: Answer, host: str = "127.0.0.1") -> None:
        self.answer = answer
        self.asked: list[tuple[str, Message]] = []
        self.connections = 0
        self.ended = threading.Semaphore(0)
        """Released once for each connection that has ended."""
        self.udp, self.tcp = _sockets(host)
        self.port: int = self.udp.getsockname()[1]
        self._threads = [
            threading.Thread(target=run, daemon=True) for run in (self._serve_udp, self._serve_tcp)
        ]

    def __enter__(self) -> DnsServer:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: type[BaseException] | BaseException | TracebackType | None) -> None:
        for one in (self.udp, self.tcp):
            # Wakes the thread that waits in recvfrom or accept.
            with contextlib.suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)
            one.close()
        for thread in self._threads:
            thread.join(timeout=5)

    def _replies(self, wire: bytes, transport: str) -> list[bytes]:
        query = Message.parse(wire)
        self.asked.append((transport, query))
        reply = self.answer(query, transport)
        return [] if reply is None else [reply] if isinstance(reply, bytes) else reply

    def _serve_udp(self) -> None:
        while True:
            try:
                wire, client = self.udp.recvfrom(65535)
                if not wire:
                    return
                for reply in self._replies(wire, "udp"):
                    self.udp.sendto(reply, client)
            except OSError:
                return

    def _serve_tcp(self) -> None:
        while True:
            try:
                link, _ = self.tcp.accept()
            except OSError:
                return
            self.connections += 1
            with link, link.makefile("rwb") as stream:
                while head := stream.read(2):
                    replies = self._replies(stream.read(int.from_bytes(head, "big")), "tcp")
                    if not replies:
                        break
                    stream.write(b"".join(len(reply).to_bytes(2, "big") + reply for reply in replies))
                    stream.flush()
            self.ended.release()


@contextlib.contextmanager
def on_ipv6(answer: Answer) -> Iterator[DnsServer]:
    """Serve *answer* on ::1. Skips the test on a machine without IPv6."""
    try:
        running = DnsServer(answer, host="::1")
    except OSError:
        pytest.skip("no IPv6 on this machine")
    with running:
        yield running


def _sockets(host: str) -> tuple[socket.socket, socket.socket]:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    while True:
        udp = socket.socket(family, socket.SOCK_DGRAM)
        udp.bind((host, 0))
        tcp = socket.socket(family, socket.SOCK_STREAM)
        try:
            tcp.bind(udp.getsockname())
            tcp.listen(8)
        except OSError:
            udp.close()
            tcp.close()
            continue
        return udp, tcp

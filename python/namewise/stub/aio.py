"""The driver of lookups for asyncio: `answer = await namewise.aio.resolve("example.com")`."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import time
from typing import TYPE_CHECKING, TypeVar

from .lookup import TIMEOUT, Failure, Reply, lookup, one_question, reason
from .servers import choose

if TYPE_CHECKING:
    from collections.abc import Generator, Sequence

    from ..engine import Message, Name
    from .answer import Answer
    from .lookup import Exchange
    from .servers import ServerAddress

T = TypeVar("T")


async def resolve(
    name: str | Name,
    rtype: str | int = "A",
    *,
    rclass: str | int = "IN",
    server: str | Sequence[str] | None = None,
    port: int = 53,
    timeout_s: float | None = None,
    attempts: int | None = None,
    tcp: bool | None = None,
    dnssec_ok: bool = False,
) -> Answer:
    """Return the records of `rtype` at the absolute `name`; see `namewise.resolve`."""
    servers = choose(server, port, timeout_s, attempts, tcp)
    return await drive(lookup(name, rtype, rclass, servers, dnssec_ok=dnssec_ok))


async def query(
    message: Message,
    server: str,
    *,
    port: int = 53,
    timeout_s: float = 5.0,
    tcp: bool = False,
    retry_truncated: bool = True,
) -> Message:
    """Send `message` to one server and return its reply; see `namewise.query`."""
    return await drive(one_question(message, server, port, timeout_s, tcp, retry_truncated))


async def drive(steps: Generator[Exchange, Reply | Failure, T]) -> T:
    """Carry out the exchanges that `steps` yields and return its result."""
    try:
        wanted = next(steps)
        while True:
            wanted = steps.send(await exchange(wanted))
    except StopIteration as done:
        value: T = done.value
        return value


async def exchange(wanted: Exchange) -> Reply | Failure:
    """Carry out one exchange."""
    started = time.monotonic()
    send = _over_tcp if wanted.transport == "tcp" else _over_udp
    try:
        async with asyncio.timeout(wanted.timeout_s):
            wire = await send(wanted.query, wanted.server)
    except TimeoutError:
        return Failure(TIMEOUT, time.monotonic() - started)
    except asyncio.IncompleteReadError as error:
        cut = f"connection closed after {len(error.partial)} of {error.expected} octets"
        return Failure(cut, time.monotonic() - started)
    except OSError as error:
        return Failure(reason(error), time.monotonic() - started)
    return Reply(wire, time.monotonic() - started)


class _Datagrams(asyncio.DatagramProtocol):
    """Sets the result of `reply` to the first datagram that is the reply to `query`. Ignores all others."""

    def __init__(self, query: Message) -> None:
        self.query = query
        self.reply: asyncio.Future[bytes] = asyncio.get_running_loop().create_future()

    def datagram_received(self, data: bytes, _from: object) -> None:
        if not self.reply.done() and self.query.accepts(data):
            self.reply.set_result(data)

    def error_received(self, error: Exception) -> None:
        if not self.reply.done():
            self.reply.set_exception(error)


def _connected(server: ServerAddress, kind: socket.SocketKind) -> socket.socket:
    """Return a connected datagram socket. The system drops packets from other addresses."""
    link = socket.socket(server.family, kind)
    try:
        link.setblocking(False)
        link.connect(server.socket_address)
    except BaseException:
        link.close()
        raise
    return link


async def _over_udp(query: Message, server: ServerAddress) -> bytes:
    loop = asyncio.get_running_loop()
    transport, protocol = await loop.create_datagram_endpoint(
        lambda: _Datagrams(query), sock=_connected(server, socket.SOCK_DGRAM)
    )
    try:
        transport.sendto(query.wire)
        return await protocol.reply
    finally:
        transport.close()


async def _over_tcp(query: Message, server: ServerAddress) -> bytes:
    link = socket.socket(server.family, socket.SOCK_STREAM)
    try:
        link.setblocking(False)
        await asyncio.get_running_loop().sock_connect(link, server.socket_address)
        reader, writer = await asyncio.open_connection(sock=link)
    except BaseException:
        link.close()
        raise
    try:
        writer.write(len(query.wire).to_bytes(2, "big") + query.wire)
        await writer.drain()
        while True:
            length = int.from_bytes(await reader.readexactly(2), "big")
            reply = await reader.readexactly(length)
            if query.accepts(reply):
                return reply
    finally:
        writer.close()
        with contextlib.suppress(OSError):
            await writer.wait_closed()

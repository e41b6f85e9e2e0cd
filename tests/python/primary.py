"""A primary on loopback from which tests transfer zones."""

from __future__ import annotations

import contextlib
import socket
import threading
from typing import TYPE_CHECKING, Any

import dns.flags
import dns.message
import dns.rrset

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable


def messages(query: dns.message.Message, text: str, size: int = 3) -> list[bytes]:
    """Return the AXFR of the zone in messages of *size* records."""
    records = [dns.rrset.from_text_list(*_fields(line)) for line in text.splitlines() if line]
    records.append(records[0])
    made = []
    for at in range(0, len(records), size):
        reply = dns.message.make_response(query)
        reply.flags |= dns.flags.AA
        reply.answer = records[at : at + size]
        made.append(reply.to_wire(max_size=65535))
    return made


def _fields(line: str) -> tuple[Any, ...]:
    owner, ttl, rclass, rtype, data = line.split(None, 4)
    return owner, int(ttl), rclass, rtype, [data]


class Primary:
    """A primary on loopback that answers SOA from *text*, and AXFR with what *answer* returns."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.answer: Callable[[dns.message.Message], Iterable[bytes]] = lambda query: messages(
            query, self.text
        )
        self.asked: list[str] = []
        self.close_after_soa = False
        self.soa: Callable[[dns.message.Message], Iterable[bytes]] = self._soa
        self._listener = socket.create_server(("127.0.0.1", 0))
        host, port = self._listener.getsockname()[:2]
        self.where = f"{host}:{port}"
        threading.Thread(target=self._run, daemon=True).start()

    def close(self) -> None:
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()

    def _run(self) -> None:
        while True:
            try:
                link, _ = self._listener.accept()
            except OSError:
                return
            with link, link.makefile("rb") as stream:
                while length := stream.read(2):
                    query = dns.message.from_wire(stream.read(int.from_bytes(length, "big")))
                    rtype = query.question[0].rdtype.name
                    self.asked.append(rtype)
                    replies = self.answer(query) if rtype == "AXFR" else self.soa(query)
                    with contextlib.suppress(BrokenPipeError, ConnectionResetError):
                        for reply in replies:
                            link.sendall(len(reply).to_bytes(2, "big") + reply)
                    if rtype == "AXFR" or self.close_after_soa:
                        break

    def _soa(self, query: dns.message.Message) -> list[bytes]:
        reply = dns.message.make_response(query)
        reply.flags |= dns.flags.AA
        reply.answer = [dns.rrset.from_text_list(*_fields(self.text.splitlines()[0]))]
        return [reply.to_wire()]

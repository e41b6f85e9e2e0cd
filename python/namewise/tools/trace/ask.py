"""Ask a server with an engine of this process: the code that sends the resolver's queries sends these."""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from namewise.engine import Exchange
from namewise.stub.servers import ServerAddress, parse_server

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from namewise.engine import Message

GRACE_S = 5.0
"""How much longer than the wait for a reply the engine may take to say that there is none."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What one exchange brought.

    wire: the octets of the reply, or None; failure: why there is none, as a slug (`timeout`, `wrong-id`);
    discarded: why packets that came were not the reply, each reason with the number of packets
    """

    wire: bytes | None
    failure: str
    took_us: int
    discarded: tuple[tuple[str, int], ...] = ()


@contextmanager
def direct() -> Iterator[Callable[[str, Message, bool, float], Outcome]]:
    """Yield a function that sends a query to an address over UDP or TCP and returns what came of it."""
    from namewise.observe.alone import Alone

    with Alone() as engine:

        def ask(address: str, query: Message, tcp: bool, timeout_s: float) -> Outcome:
            try:
                server = _numeric(parse_server(address))
                request = Exchange(server, query.wire, tcp=tcp, timeout_s=timeout_s)
            except (OSError, ValueError) as error:
                return Outcome(None, str(error), 0)
            done = engine.ask(request, timeout_s + GRACE_S)
            return Outcome(done.wire, done.error or "", done.took_us, tuple(done.discarded))

        yield ask


def _numeric(server: ServerAddress) -> str:
    """Return *server* with the number of its interface in place of the name (RFC 4007 §11)."""
    address = server.socket_address
    zone = f"%{address[3]}" if len(address) == 4 and address[3] else ""
    return str(ServerAddress(server.host.partition("%")[0] + zone, server.port))

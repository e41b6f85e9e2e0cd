"""`exchange`: send a message to a server over the resolver's own routes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from namewise.config.values import Endpoint, address
from namewise.control.client import ControlError
from namewise.control.verbs import needs_resolver
from namewise.engine import Exchange, Message
from namewise.engine.errors import WireError

if TYPE_CHECKING:
    from namewise.control.arguments import Arguments
    from namewise.control.daemon import Daemon

ARGUMENTS = ("query", "server", "tcp", "timeout_s")
DNS_PORT = 53
MAX_TIMEOUT_S = 60.0


def run(daemon: Daemon, arguments: Arguments) -> dict[str, Any]:
    """Send `query` (hexadecimal) to the address `server`; return its reply in hexadecimal, or why
    there is none, and why packets that came were not the reply.
    """
    needs_resolver(daemon)
    try:
        query = Message.parse(arguments.octets("query"))
        server = str(Endpoint(address(arguments.text("server")), DNS_PORT))
        timeout_s = arguments.seconds("timeout_s", MAX_TIMEOUT_S)
        request = Exchange(server, query.wire, tcp=arguments.flag("tcp"), timeout_s=timeout_s)
    except (WireError, ValueError) as error:
        raise ControlError(f"exchange: {error}", code="BAD_ARGUMENT") from None
    done = daemon.service.events.submit(request).result()
    reply = done.wire.hex() if done.wire is not None else None
    discarded = [{"reason": reason, "packets": packets} for reason, packets in done.discarded]
    return {"reply": reply, "failure": done.error, "discarded": discarded, "took_us": done.took_us}

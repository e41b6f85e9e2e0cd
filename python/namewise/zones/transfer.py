"""A zone from its primary: SOA and AXFR over one TCP connection (RFC 5936).

    connect -> SOA query -> serial not newer: None
                         -> AXFR query -> messages -> engine.Transfer -> Zone

The engine reads the messages and holds no more than the limits say; here are socket and deadline. The whole transfer has one
deadline, so that a primary that sends single octets slowly does not extend it.

Limitations: AXFR only, without TSIG.
"""

from __future__ import annotations

import os
import socket
import time
from typing import TYPE_CHECKING, NamedTuple

from namewise.engine import Message, Transfer, make_query
from namewise.engine.errors import TransferError, WireError
from namewise.stream import EndOfStream, read_message, seconds_left
from namewise.zones.serial import is_newer

if TYPE_CHECKING:
    from namewise.config.values import Endpoint
    from namewise.engine import Zone


class Limits(NamedTuple):
    """Bounds of one transfer: octets and records that arrive, and seconds that it takes."""

    octets: int
    records: int
    timeout_s: float


def transfer(zone: str, primary: Endpoint, serial: int | None, limits: Limits) -> Zone | None:
    """Return *zone* from *primary* if it is newer than *serial*, and None if it has the same serial. None as serial: any is newer.

    Raises `TransferError` if the primary has an older zone or sends anything that is not the zone, `OSError` if it cannot be reached,
    and `TimeoutError`.
    """
    deadline = time.monotonic() + limits.timeout_s
    with socket.create_connection((primary.address, primary.port), limits.timeout_s) as link:
        found = _serial(link, zone, deadline)
        if serial is not None and found == serial:
            return None
        if serial is not None and not is_newer(found, serial):
            raise TransferError(f"the primary has the serial {found}, which is older than {serial}", "OLDER")
        running = Transfer(zone, id=_id(), max_octets=limits.octets, max_records=limits.records)
        _send(link, running.query, deadline)
        try:
            while not running.read(read_message(link, deadline)):
                pass
        except EndOfStream:
            text = f"the primary closed the connection after {running.records} records"
            raise TransferError(text, "INCOMPLETE") from None
        return running.finish()


def _serial(link: socket.socket, zone: str, deadline: float) -> int:
    """Return the serial of *zone* at the other end of *link*."""
    query = make_query(zone, "SOA", id=_id(), flags="")
    _send(link, query.wire, deadline)
    try:
        reply = Message.parse(read_message(link, deadline))
    except EndOfStream:
        raise TransferError("the primary closed the connection", "INCOMPLETE") from None
    except WireError as error:
        raise TransferError(f"the SOA of the primary is malformed: {error}", "MALFORMED") from None
    if reply.id != query.id:
        raise TransferError("the id of the reply is not that of the query", "NOT_THE_REPLY")
    if reply.rcode != "NOERROR":
        raise TransferError(f"the primary answers {reply.rcode} for the SOA", "RCODE")
    for rrset in reply.answer:
        if rrset.type == "SOA" and str(rrset.owner).lower() == zone.lower():
            return int(str(next(iter(rrset))).split()[2])
    raise TransferError("the primary answers without the SOA of the zone", "NO_SOA")


def _id() -> int:
    """Return an id that nobody can predict."""
    return int.from_bytes(os.urandom(2), "big")


def _send(link: socket.socket, message: bytes, deadline: float) -> None:
    link.settimeout(seconds_left(deadline))
    link.sendall(len(message).to_bytes(2, "big") + message)

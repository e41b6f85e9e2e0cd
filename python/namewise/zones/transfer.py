"""A zone from its primary: SOA, then IXFR or AXFR over one TCP connection (RFC 1995, 5936); IXFR over UDP first if that is wanted.

    connect -> SOA query -> the same serial: nothing
                         -> IXFR query -> messages -> engine.Transfer -> differences, applied to the version at hand
                         -> AXFR query -> messages -> engine.Transfer -> Zone            (no version at hand, or IXFR refused)

The engine reads the messages and holds no more than the limits say; here are socket and deadline. The whole transfer has one
deadline, so that a primary that sends single octets slowly does not extend it.

With a key, each query is signed, and each reply verified before anything is taken from it (RFC 8945): the first and the last message
of a transfer are signed, and at most 99 between two signed ones are not, which the next signature covers. Anything else ends the
transfer, with no other attempt at this primary.
"""

from __future__ import annotations

import contextlib
import os
import socket
import time
from typing import TYPE_CHECKING, NamedTuple

from namewise.engine import EdnsOption, Message, Transfer, Verifier, Zone, make_query
from namewise.engine.errors import DifferenceMismatch, TransferError, TsigError, WireError, ZoneFileError
from namewise.stream import EndOfStream, read_message, seconds_left
from namewise.zones.serial import is_newer

if TYPE_CHECKING:
    from typing import Literal

    from namewise.config.values import Endpoint
    from namewise.engine import TsigKey

EXPIRE = 9
"""The number of the EDNS option EXPIRE (RFC 7314 §2)."""
CONNECT_S = 10.0
"""How long a connection may take: a primary that is gone must not hold up the next one for the time of a whole transfer."""
UDP_TIMEOUT_S = 2.0
"""How long a reply over UDP is waited for before TCP is used."""
UDP_OCTETS = 1232
"""The largest reply over UDP that is asked for: larger ones may be fragmented."""
WHOLE_INSTEAD = frozenset(
    {
        "RCODE",
        "EMPTY",
        "NO_SOA",
        "OTHER_SOA",
        "OUT_OF_SEQUENCE",
        "TOO_MANY_DIFFERENCES",
        "MISMATCH",
    }
)
"""Errors of an IXFR after which the whole zone is asked for: the primary cannot send differences, or they do not fit."""


class Line:
    """The connections of one transfer, which another thread may close: the transfer then fails with `OSError`."""

    def __init__(self) -> None:
        self._links: list[socket.socket] = []
        self._closed = False

    def __enter__(self) -> Line:
        return self

    def __exit__(self, *_: object) -> None:
        links, self._links = self._links, []
        for link in links:
            link.close()

    def close(self) -> None:
        """End the connections, and let no other begin."""
        self._closed = True
        for link in list(self._links):
            with contextlib.suppress(OSError):
                link.shutdown(socket.SHUT_RDWR)

    def connect(self, primary: Endpoint, deadline: float) -> socket.socket:
        """Return a new connection. Raises `OSError`."""
        link = socket.create_connection(
            (primary.address, primary.port), min(CONNECT_S, seconds_left(deadline))
        )
        self._links.append(link)
        if self._closed:
            raise ConnectionAbortedError("the transfer was broken off")
        return link


class Link:
    """One connection to a primary, or a socket for datagrams: what is sent is signed, and what arrives verified, if there is a *key*."""

    def __init__(self, link: socket.socket, key: TsigKey | None, idle_s: float = 30.0) -> None:
        self._link = link
        self._idle_s = idle_s
        self._key = key
        self._verifier: Verifier | None = None
        self._verified = 0
        self._query = b""

    def send(self, query: bytes, deadline: float, *, stream: bool = True) -> None:
        """Send *query*; the replies that are read next are replies to it."""
        self._verifier, self._verified = None, 0
        if self._key is not None:
            signed = self._key.sign(query, int(time.time()))
            query, self._verifier = signed.wire, Verifier(self._key, signed.mac)
        self._query = query
        self._link.settimeout(seconds_left(deadline))
        self._link.sendall(len(query).to_bytes(2, "big") + query if stream else query)

    def read(self, deadline: float) -> bytes:
        """Return the next message of a stream. Raises `TransferError` with the code TSIG for one that is not authentic, and with IDLE
        if it does not come in time."""
        try:
            reply = read_message(self._link, min(deadline, time.monotonic() + self._idle_s))
        except TimeoutError:
            if time.monotonic() >= deadline:
                raise
            raise TransferError(f"the primary sent nothing for {self._idle_s:g} s", "IDLE") from None
        return self._checked(reply)

    def read_datagram(self, deadline: float) -> bytes:
        """Return the datagram that has the id of the query. Raises as `read`."""
        while True:
            self._link.settimeout(seconds_left(deadline))
            reply = self._link.recv(65_535)
            if reply[:2] == self._query[:2]:
                return self._checked(reply)

    def close(self) -> None:
        """Close the connection: the rest of a transfer is not read."""
        self._link.close()

    def finish(self) -> None:
        """End the replies. Raises `TransferError` with the code TSIG unless the last one was signed."""
        if self._verifier is not None:
            try:
                self._verifier.finish()
            except TsigError:
                raise TransferError("the last message of the transfer is not signed", "TSIG") from None

    def _checked(self, reply: bytes) -> bytes:
        if self._verifier is not None:
            try:
                self._verified += self._verifier.read(reply, int(time.time()))
            except TsigError as error:
                raise TransferError(self._why(error, reply), "TSIG") from None
        return reply

    def _why(self, error: TsigError, reply: bytes) -> str:
        if error.code == "WRONG_MAC" and self._verified:
            return "the signature of a message is wrong: messages of the transfer were added or changed on their way"
        if error.code == "UNSIGNED":
            assert self._key is not None, "there is a verifier"
            what = f"a reply is not signed (its rcode is {_rcode(reply)})"
            return f"{what}: let the primary know the key {self._key.name} and sign with it, or remove the key from `primaries`"
        return str(error)


def _rcode(reply: bytes) -> str:
    try:
        return Message.parse(reply).rcode
    except WireError:
        return "unknown"


class Limits(NamedTuple):
    """Bounds of one transfer: octets, records and differences that arrive, and seconds that it takes."""

    octets: int
    records: int
    timeout_s: float
    differences: int = 10_000
    idle_s: float = 30.0
    """How long the next message may take."""


class Found(NamedTuple):
    """What a primary has."""

    zone: Zone | None
    """The newer version; None: the version at hand is the newest."""
    serial: int
    how: Literal["same", "ixfr", "axfr"]
    octets: int = 0
    """Octets of the messages of the transfer."""
    expire_s: int | None = None
    """In how many seconds the zone of the primary expires, if it said so (RFC 7314)."""
    refused: str = ""
    """Why differences were not used and the whole zone was transferred."""


def fetch(
    zone: str,
    primary: Endpoint,
    have: Zone | None,
    limits: Limits,
    *,
    key: TsigKey | None = None,
    ixfr: Literal["off", "tcp", "udp"] = "tcp",
    line: Line | None = None,
) -> Found:
    """Return what *primary* has of *zone*. have: the version at hand. key: signs the queries and verifies the replies. ixfr: whether
    and how differences are asked for. line: holds the connections.

    Raises `TransferError` if the primary has an older zone or sends anything that is not the zone, or not authentic (code TSIG),
    `OSError` if it cannot be reached, and `TimeoutError`. Nothing is kept of a transfer that fails.
    """
    deadline = time.monotonic() + limits.timeout_s
    if have is not None and ixfr == "udp":
        found = _by_udp(zone, primary, have, limits, key)
        if found is not None:
            return found
    refused = ""
    with line or Line() as links:
        link = Link(links.connect(primary, deadline), key, limits.idle_s)
        serial, expire_s = _soa(link, zone, deadline)
        if have is not None:
            if serial == have.serial:
                return Found(None, serial, "same", expire_s=expire_s)
            _require_newer(serial, have.serial)
            if ixfr != "off":
                try:
                    found = _transfer(link, zone, have, limits, deadline)
                except (TransferError, EndOfStream) as error:
                    if isinstance(error, TransferError) and error.code not in WHOLE_INSTEAD:
                        raise
                    refused = str(error)
                else:
                    return found._replace(expire_s=expire_s)
                # The rest of a transfer may still arrive on the first connection. A primary that serves one client at a time accepts
                # the next only when this one is closed.
                link.close()
                link = Link(links.connect(primary, deadline), key, limits.idle_s)
        found = _transfer(link, zone, None, limits, deadline)
        assert found.zone is not None, "an AXFR is a zone"
        if have is not None:
            _require_newer(found.serial, have.serial)
        return found._replace(expire_s=expire_s, refused=refused)


def transfer(zone: str, primary: Endpoint, serial: int | None, limits: Limits) -> Zone | None:
    """Return *zone* from *primary* (AXFR) if it is newer than *serial*, and None if it has the same serial. None as serial: any is newer.

    Raises as `fetch`.
    """
    deadline = time.monotonic() + limits.timeout_s
    with Line() as links:
        link = Link(links.connect(primary, deadline), None, limits.idle_s)
        found, _ = _soa(link, zone, deadline)
        if serial is not None:
            if found == serial:
                return None
            _require_newer(found, serial)
        return _transfer(link, zone, None, limits, deadline).zone


def _require_newer(found: int, held: int) -> None:
    if not is_newer(found, held):
        raise TransferError(f"the primary has the serial {found}, which is older than {held}", "OLDER")


def _transfer(link: Link, zone: str, have: Zone | None, limits: Limits, deadline: float) -> Found:
    """Transfer *zone*, or what is newer than *have*, over *link*."""
    running = _running(zone, have, limits)
    link.send(running.query, deadline)
    try:
        while not running.read(link.read(deadline)):
            pass
        link.finish()
    except EndOfStream:
        text = f"the primary closed the connection after {running.records} records"
        raise TransferError(text, "INCOMPLETE") from None
    return _finish(running, have)


def _running(zone: str, have: Zone | None, limits: Limits) -> Transfer:
    return Transfer(
        zone,
        id=_id(),
        max_octets=limits.octets,
        max_records=limits.records,
        max_differences=limits.differences,
        have=have,
    )


def _finish(running: Transfer, have: Zone | None) -> Found:
    """Return the outcome of a complete transfer."""
    octets = running.octets
    found = running.finish()
    if isinstance(found, Zone):
        return Found(found, found.serial, "axfr", octets)
    assert have is not None, "the reply to an AXFR is a zone"
    if found is None:
        return Found(None, have.serial, "same", octets)
    zone = have
    for difference in found:
        try:
            zone = zone.apply(difference)
        except (DifferenceMismatch, ZoneFileError) as error:
            what = f"{difference.serial_before} to {difference.serial_after}"
            raise TransferError(
                f"the difference from {what} does not fit the zone: {error}", "MISMATCH"
            ) from None
    return Found(zone, zone.serial, "ixfr", octets)


def _by_udp(zone: str, primary: Endpoint, have: Zone, limits: Limits, key: TsigKey | None) -> Found | None:
    """Return what is newer than *have*, if *primary* says so in one datagram (RFC 1995 §2); None: TCP is needed, which also tells what
    is wrong."""
    family = socket.AF_INET6 if ":" in primary.address else socket.AF_INET
    try:
        with socket.socket(family, socket.SOCK_DGRAM) as datagrams:
            # Connected: datagrams of others do not arrive.
            datagrams.connect((primary.address, primary.port))
            running = _running(zone, have, limits)
            deadline = time.monotonic() + min(UDP_TIMEOUT_S, limits.timeout_s)
            link = Link(datagrams, key)
            link.send(_asking_expire(running.query), deadline, stream=False)
            reply = link.read_datagram(deadline)
            if not running.read(reply):
                return None
            return _finish(running, have)._replace(expire_s=_expire(Message.parse(reply)))
    except (OSError, TransferError, WireError):
        return None


def _asking_expire(query: bytes) -> bytes:
    """Return *query*, which has no additional records, with an OPT record that asks when the zone expires (RFC 7314 §3.2)."""
    payload, option = UDP_OCTETS.to_bytes(2, "big"), EXPIRE.to_bytes(2, "big") + b"\0\0"
    opt = b"\0\0\x29" + payload + b"\0\0\0\0" + len(option).to_bytes(2, "big") + option
    return query[:10] + b"\0\1" + query[12:] + opt


def _soa(link: Link, zone: str, deadline: float) -> tuple[int, int | None]:
    """Return the serial of *zone* at the other end of *link*, and in how many seconds it expires there, if the server says so."""
    query = make_query(zone, "SOA", id=_id(), flags="", udp_payload=UDP_OCTETS, options=[EdnsOption(EXPIRE)])
    reply = _ask(link, query, deadline)
    if reply.rcode in ("FORMERR", "NOTIMP"):
        # A server without EDNS (RFC 6891 §7).
        query = make_query(zone, "SOA", id=_id(), flags="", udp_payload=None)
        reply = _ask(link, query, deadline)
    if reply.rcode != "NOERROR":
        raise TransferError(f"the primary answers {reply.rcode} for the SOA", "RCODE")
    if not reply.authoritative:
        # As when it is expired there, and it forwards the query (RFC 1034 §4.3.5 asks the authoritative server).
        raise TransferError("the primary is not authoritative for the zone", "NOT_AUTHORITATIVE")
    for rrset in reply.answer:
        if rrset.type == "SOA" and str(rrset.owner).lower() == zone.lower():
            return int(str(next(iter(rrset))).split()[2]), _expire(reply)
    raise TransferError("the primary answers without the SOA of the zone", "NO_SOA")


def _ask(link: Link, query: Message, deadline: float) -> Message:
    link.send(query.wire, deadline)
    try:
        reply = Message.parse(link.read(deadline))
    except EndOfStream:
        raise TransferError("the primary closed the connection", "INCOMPLETE") from None
    except WireError as error:
        raise TransferError(f"the SOA of the primary is malformed: {error}", "MALFORMED") from None
    if reply.id != query.id:
        raise TransferError("the id of the reply is not that of the query", "NOT_THE_REPLY")
    return reply


def _expire(reply: Message) -> int | None:
    """Return the value of the option EXPIRE in *reply*."""
    for option in () if reply.edns is None else reply.edns.options:
        if option.code == EXPIRE and len(option.data) == 4:
            return int.from_bytes(option.data, "big")
    return None


def _id() -> int:
    """Return an id that nobody can predict."""
    return int.from_bytes(os.urandom(2), "big")

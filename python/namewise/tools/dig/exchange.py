"""One lookup becomes a reply: servers in turn, tries, TCP where UDP was too small, EDNS version negotiation.

As dig does it: a connected UDP socket for each try, five seconds, three tries; a refused port counts as a
try. What goes wrong is told through `tell` at once, in dig's words, and kept as an `Attempt` for the final
account.
"""

from __future__ import annotations

# The socket module imports selectors and enum for its comforts: a third of the time that the whole question
# takes.
import _socket as socket
import os
import time

from namewise.engine import EdnsOption, Message, Name, make_query
from namewise.tools.dig.grammar import Usage

TYPE_CHECKING = False  # typing costs more time to import than a question takes
if TYPE_CHECKING:
    from collections.abc import Callable

    from namewise.tools.dig.grammar import Call, Lookup

RESOLV_CONF = "/etc/resolv.conf"
COOKIE, NSID, SUBNET, EXPIRE, KEEPALIVE, PADDING = 10, 3, 8, 9, 11, 12
_CLIENT_COOKIE = os.urandom(8)


class Server:
    """An address to ask, and the text under which it was named."""

    def __init__(self, address: str, port: int, named: str) -> None:
        self.address = address
        self.port = port
        self.named = named
        self.family = socket.AF_INET6 if ":" in address else socket.AF_INET

    def __str__(self) -> str:
        return f"{self.address}#{self.port}"


class Attempt:
    """One question to one server and what came of it."""

    def __init__(self, server: Server, transport: str, outcome: str, took_s: float) -> None:
        self.server = server
        self.transport = transport
        self.outcome = outcome
        self.took_s = took_s


class Exchange:
    """A reply, and how it was got."""

    def __init__(
        self,
        query: Message,
        reply: Message,
        server: Server,
        transport: str,
        sent: float,
        received: float,
        took_s: float,
    ) -> None:
        self.query = query
        self.reply = reply
        self.server = server
        self.transport = transport
        self.sent = sent
        self.received = received
        self.took_s = took_s


class NoReply(Exception):
    """No server replied. `attempts` says who was asked how, and for how long."""

    def __init__(self, attempts: list[Attempt]) -> None:
        super().__init__("no servers could be reached")
        self.attempts = attempts


def servers_of(lookup: Lookup, call: Call) -> list[Server]:
    """Return whom to ask: the named server (looked up by the system if it is a name), or those of the
    system."""
    if not lookup.servers:
        return [Server(address, call.port, address) for address in _system_servers(call.family)]
    wanted = {4: socket.AF_INET, 6: socket.AF_INET6}.get(call.family, socket.AF_UNSPEC)
    servers: list[Server] = []
    for host in lookup.servers:
        if _is_address(host):
            servers.append(Server(host, call.port, host))
            continue
        try:
            found = socket.getaddrinfo(host, call.port, wanted, socket.SOCK_DGRAM)
        except socket.gaierror:
            raise Usage(f"nw dig: couldn't get address for '{host}': not found") from None
        seen = dict.fromkeys(str(entry[4][0]) for entry in found)
        servers += [Server(address, call.port, host) for address in seen]
    return servers


def _is_address(text: str) -> bool:
    """Say whether *text* is an address: then nothing has to be looked up, nor the codec for host names
    loaded."""
    try:
        socket.inet_pton(socket.AF_INET6 if ":" in text else socket.AF_INET, text)
    except OSError:
        return False
    return True


def _system_servers(family: int) -> list[str]:
    found: list[str] = []
    try:
        with open(RESOLV_CONF, encoding="utf-8", errors="replace") as file:
            for line in file:
                words = line.split()
                if len(words) > 1 and words[0] == "nameserver":
                    found.append(words[1])
    except OSError:
        pass
    usable = [one for one in found or ["127.0.0.1", "::1"] if not family or (":" in one) == (family == 6)]
    if not usable:
        raise Usage("nw dig: no server of that address family in /etc/resolv.conf", 10)
    return usable


def query_of(lookup: Lookup, version: int | None) -> Message:
    """Return the query of *lookup* with EDNS *version*, or without EDNS if that is None."""
    options: list[EdnsOption] = []
    if version is not None:
        if lookup.nsid:
            options.append(EdnsOption(NSID, b""))
        if lookup.subnet is not None:
            options.append(EdnsOption(SUBNET, lookup.subnet))
        if lookup.cookie is not None:
            options.append(EdnsOption(COOKIE, lookup.cookie or _CLIENT_COOKIE))
        if lookup.expire:
            options.append(EdnsOption(EXPIRE, b""))
        if lookup.keepalive:
            options.append(EdnsOption(KEEPALIVE, b""))
        options += [EdnsOption(code, data) for code, data in lookup.options]
    query = _made(lookup, version, options, lookup.qid)
    if lookup.padding and version is not None:
        short = -(len(query.wire) + 4) % lookup.padding
        query = _made(lookup, version, [*options, EdnsOption(PADDING, bytes(short))], query.id)
    return query


def _made(lookup: Lookup, version: int | None, options: list[EdnsOption], number: int | None) -> Message:
    name, word = Name(lookup.name), _flag_word(lookup)
    if version is None:
        return make_query(
            name, lookup.rtype, lookup.rclass, id=number, flags=word, opcode=lookup.opcode, udp_payload=None
        )
    return make_query(
        name,
        lookup.rtype,
        lookup.rclass,
        id=number,
        flags=word,
        opcode=lookup.opcode,
        udp_payload=lookup.bufsize,
        dnssec_ok=lookup.dnssec,
        version=version,
        options=options,
    )


_BITS = {"aa": 0x0400, "tc": 0x0200, "rd": 0x0100, "ra": 0x0080, "z": 0x0040, "ad": 0x0020, "cd": 0x0010}


def _flag_word(lookup: Lookup) -> int:
    return sum(bit for flag, bit in _BITS.items() if lookup.flags.get(flag))


def ask(
    lookup: Lookup,
    call: Call,
    tell: Callable[[str], None],
    tell_query: Callable[[Message, Server, str, float], None],
) -> Exchange:
    """Return the reply to *lookup*, or raise `NoReply`.

    *tell* gets a line for everything that went wrong on the way, *tell_query* every query as it is sent.
    """
    attempts: list[Attempt] = []
    servers = servers_of(lookup, call)
    version = lookup.edns
    tcp = lookup.tcp if lookup.tcp is not None else lookup.rtype == "ANY"
    tries = 0
    while tries < lookup.tries:
        tries += 1
        for server in servers:
            found = _ask_one(lookup, call, server, tcp, version, tell, tell_query, attempts)
            if found is not None:
                return found
    raise NoReply(attempts)


def _ask_one(
    lookup: Lookup,
    call: Call,
    server: Server,
    tcp: bool,
    version: int | None,
    tell: Callable[[str], None],
    tell_query: Callable[[Message, Server, str, float], None],
    attempts: list[Attempt],
) -> Exchange | None:
    while True:
        query = query_of(lookup, version)
        sent, started = time.time(), time.perf_counter()
        tell_query(query, server, "TCP" if tcp else "UDP", sent)
        try:
            reply = (_over_tcp if tcp else _over_udp)(query, server, lookup.timeout_s, call, tell)
        except OSError as error:
            reason = (
                "timed out" if isinstance(error, TimeoutError) else (error.strerror or str(error)).lower()
            )
            attempts.append(Attempt(server, "TCP" if tcp else "UDP", reason, time.perf_counter() - started))
            if tcp and not isinstance(error, TimeoutError):
                name = lookup.name.rstrip(".") or "."
                tell(f";; Connection to {server}({server.named}) for {name} failed: {reason}.")
                tell(";; no servers could be reached")
            else:
                tell(f";; communications error to {server}: {reason}")
            return None
        took = time.perf_counter() - started
        try:
            message = Message.parse(reply)
        except ValueError as error:  # WireError, whose module is slow to import
            tell(f";; Got bad packet: {error}")
            attempts.append(Attempt(server, "TCP" if tcp else "UDP", f"bad packet: {error}", took))
            return None
        if message.truncated and not tcp and not lookup.ignore:
            if lookup.show["comments"] and lookup.format == "text" and not lookup.short:
                tell(";; Truncated, retrying in TCP mode.")
            tcp = True
            continue
        edns = message.edns
        if message.rcode == "BADVERS" and version and edns is not None and edns.version < version:
            version = edns.version
            if lookup.show["comments"] and lookup.format == "text":
                tell(f";; BADVERS, retrying with EDNS version {version}.")
            continue
        return Exchange(query, message, server, "TCP" if tcp else "UDP", sent, time.time(), took)


def _over_udp(
    query: Message, server: Server, timeout_s: float, call: Call, tell: Callable[[str], None]
) -> bytes:
    link = socket.socket(server.family, socket.SOCK_DGRAM)
    try:
        if call.source is not None:
            link.bind(call.source)
        link.connect((server.address, server.port))
        link.send(query.wire)
        return _first(query, timeout_s, link, lambda: link.recv(65535), tell)
    finally:
        link.close()


def _over_tcp(
    query: Message, server: Server, timeout_s: float, call: Call, tell: Callable[[str], None]
) -> bytes:
    link = socket.socket(server.family, socket.SOCK_STREAM)
    try:
        link.settimeout(timeout_s)
        if call.source is not None:
            link.bind(call.source)
        link.connect((server.address, server.port))
        link.sendall(len(query.wire).to_bytes(2, "big") + query.wire)
        return _first(
            query, timeout_s, link, lambda: _read(link, int.from_bytes(_read(link, 2), "big")), tell
        )
    finally:
        link.close()


def _first(
    query: Message,
    timeout_s: float,
    link: socket.socket,
    receive: Callable[[], bytes],
    tell: Callable[[str], None],
) -> bytes:
    """Return the first message that replies to *query*; others are told and passed over."""
    deadline = time.monotonic() + timeout_s
    while True:
        left = deadline - time.monotonic()
        if left <= 0:
            raise TimeoutError
        link.settimeout(left)
        reply = receive()
        if len(reply) >= 2 and reply[:2] != query.wire[:2]:
            tell(f";; Warning: ID mismatch: expected ID {query.id}, got {int.from_bytes(reply[:2], 'big')}")
        elif len(reply) < 12 or not reply[2] & 0x80:
            tell(";; Warning: short packet or no response, passed over")
        elif not _same_question(query, reply):
            tell(";; Question section mismatch")
        else:
            return reply


def _same_question(query: Message, reply: bytes) -> bool:
    """Say whether *reply* is about the question of *query*, or about none (FORMERR and the like)."""
    if reply[4:6] == b"\0\0":
        return True
    asked = query.wire
    end = 12
    while asked[end]:
        end += asked[end] + 1
    end += 5
    return asked[12:end].lower() == reply[12:end].lower()


def _read(link: socket.socket, length: int) -> bytes:
    parts = bytearray()
    while len(parts) < length:
        part = link.recv(length - len(parts))
        if not part:
            raise ConnectionError("end of file")
        parts += part
    return bytes(parts)

"""One lookup becomes a reply: servers in turn, tries, TCP where UDP was too small, EDNS version negotiation,
server cookies.

As dig does it: a connected UDP socket for each try, five seconds, three tries; a refused port counts as a
try. What goes wrong is reported through `warn` at once, in dig's words, and kept as an `Attempt` for the final
account.
"""

from __future__ import annotations

# The socket module imports selectors and enum for its comforts: a third of the time that the whole question
# takes.
import _socket as socket
import errno
import os
import time

from namewise.engine import EdnsOption, Message, Name, Verifier, make_query
from namewise.stream import EndOfStream, read_message, seconds_left
from namewise.tools.dig import besteffort
from namewise.tools.dig.grammar import Usage

TYPE_CHECKING = False  # typing costs more time to import than a question takes
if TYPE_CHECKING:
    from collections.abc import Callable

    from namewise.tools.dig.besteffort import Reading
    from namewise.tools.dig.grammar import Call, Lookup

    Address = tuple[str, int] | tuple[str, int, int, int]
    Warn = Callable[[str], None]
    """Gets a line of dig's, with its `;; `, for what went wrong on the way."""

RESOLV_CONF = "/etc/resolv.conf"
COOKIE, NSID, SUBNET, EXPIRE, KEEPALIVE, PADDING = 10, 3, 8, 9, 11, 12
_CLIENT_COOKIE = os.urandom(8)
_OPT = 41


class NoAddress(Exception):
    """A text that looks like an address and is none that can be asked."""


class Server:
    """An address to ask, and the text under which it was named."""

    def __init__(self, address: str, port: int, named: str) -> None:
        self.address = address
        self.port = port
        self.named = named
        self.family = socket.AF_INET6 if ":" in address else socket.AF_INET

    @property
    def socket_address(self) -> Address:
        """The address as sockets take it, with the index of the zone."""
        found = socket_address(self.address, self.port)
        assert found is not None, "made of an address"
        return found

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
        self, query: Message, reading: Reading, server: Server, transport: str, sent: float, took_s: float
    ) -> None:
        self.query = query
        self.reading = reading
        self.reply = reading.message
        self.server = server
        self.transport = transport
        self.sent = sent
        self.received = time.time()
        self.took_s = took_s
        self.verified: bool | None = None
        """Whether the signature of the reply is that of the key (RFC 8945). None: the query is not signed."""
        self.unverified = ""
        """Why it is not."""


class NoReply(Exception):
    """No server replied. `attempts` says who was asked how, and for how long; `already_said` that the last
    words were printed.
    """

    def __init__(self, attempts: list[Attempt], *, already_said: bool = False) -> None:
        super().__init__("no servers could be reached")
        self.attempts = attempts
        self.already_said = already_said


class BadPacket(Exception):
    """A reply came that cannot be read: `args[0]` is BIND's reason, `wire` the octets."""

    def __init__(self, why: str, wire: bytes) -> None:
        super().__init__(why)
        self.wire = wire


def socket_address(text: str, port: int) -> Address | None:
    """Return *text* as an address for sockets, or None if it is a name.

    An IPv6 address may have a zone, `fe80::53%eth0` or `fe80::53%2` (RFC 4007 §11). Raises `NoAddress` where
    there is no such interface.
    """
    host, zoned, zone = text.partition("%")
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        socket.inet_pton(family, host)
    except (OSError, ValueError):
        if zoned and ":" in host:
            raise NoAddress(f"{host} is not an IPv6 address") from None
        return None
    if family == socket.AF_INET:
        if zoned:
            raise NoAddress("an IPv4 address has no zone")
        return host, port
    if not zoned:
        return host, port, 0, 0
    if zone.isdecimal():
        return host, port, 0, int(zone)
    try:
        return host, port, 0, socket.if_nametoindex(zone)
    except OSError:
        raise NoAddress(f"there is no interface {zone!r}") from None


def servers_of(lookup: Lookup, call: Call) -> list[Server]:
    """Return the servers to ask: the named ones (a name is looked up by the system), or those of the system."""
    if not lookup.servers:
        return [Server(address, call.port, address) for address in system_servers(call.family)]
    wanted = {4: socket.AF_INET, 6: socket.AF_INET6}.get(call.family, socket.AF_UNSPEC)
    servers: list[Server] = []
    for host in lookup.servers:
        if socket_address(host, call.port) is not None:
            servers.append(Server(host, call.port, host))
            continue
        try:
            found = socket.getaddrinfo(host, call.port, wanted, socket.SOCK_DGRAM)
        except (socket.gaierror, UnicodeError):
            raise Usage(f"nw dig: couldn't get address for '{host}': not found") from None
        seen = dict.fromkeys(str(entry[4][0]) for entry in found)
        servers += [Server(address, call.port, host) for address in seen]
    return servers


def acceptable(servers: list[Server], lookup: Lookup, call: Call, warn: Warn) -> list[Server]:
    """Return those of *servers* that -6 lets through; IPv4 addresses in their mapped form with +mapped."""
    if call.family != 6:
        return servers
    kept = []
    for server in servers:
        if server.family == socket.AF_INET6:
            kept.append(server)
            continue
        mapped = f"::ffff:{server.address}"
        if lookup.mapped and call.source is None:
            kept.append(Server(mapped, server.port, server.named))
        else:
            warn(f";; Skipping mapped address '{mapped}'")
    return kept


def _system_lines() -> list[list[str]]:
    try:
        with open(RESOLV_CONF, encoding="utf-8", errors="replace") as file:
            return [words for line in file if len(words := line.split()) > 1]
    except OSError:
        return []


def system_servers(family: int) -> list[str]:
    found = [words[1] for words in _system_lines() if words[0] == "nameserver"]
    usable = [one for one in found or ["127.0.0.1", "::1"] if not family or (":" in one) == (family == 6)]
    if not usable:
        raise Usage("nw dig: no server of that address family in /etc/resolv.conf", 10)
    for address in usable:
        try:
            known = socket_address(address, 0)
        except NoAddress as error:
            raise Usage(f"nw dig: {RESOLV_CONF}: nameserver {address}: {error}") from None
        if known is None:
            raise Usage(f"nw dig: {RESOLV_CONF}: nameserver {address}: not an address")
    return usable


def names_of(lookup: Lookup, call: Call) -> list[str]:
    """Return the names to ask for in turn, while the reply is NXDOMAIN: the search list of the system or of
    `+domain` before or behind the name itself, by its dots (resolv.conf(5)).
    """
    name = lookup.name
    # +domain searches, whatever +search says.
    if not (call.search or call.domain is not None) or lookup.trace or name.endswith("."):
        return [name]
    search, ndots = [] if call.domain is None else [call.domain], 1
    for words in _system_lines():
        if words[0] in ("search", "domain") and call.domain is None:
            search = words[1:]
        elif words[0] == "options":
            for option in words[1:]:
                key, _, value = option.partition(":")
                ndots = min(int(value), 15) if key == "ndots" and value.isdecimal() else ndots
    ndots = ndots if call.ndots is None else call.ndots
    longer = [f"{name}.{domain.strip('.')}" if domain.strip(".") else name for domain in search]
    return [name, *longer] if name.count(".") >= ndots else [*longer, name]


def query_of(lookup: Lookup, name: str, version: int | None) -> Message:
    """Return the query of *lookup* for *name* with EDNS *version*, or without EDNS if that is None."""
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
    query = _made(lookup, name, version, options, lookup.qid)
    if lookup.padding and version is not None:
        short = -(len(query.wire) + 4) % lookup.padding
        query = _made(lookup, name, version, [*options, EdnsOption(PADDING, bytes(short))], query.id)
    return query


def _made(
    lookup: Lookup, text: str, version: int | None, options: list[EdnsOption], number: int | None
) -> Message:
    name, word = name_of(text), _flag_word(lookup)
    if version is None:
        query = make_query(name, lookup.rtype, lookup.rclass, id=number, flags=word, udp_payload=None)
    else:
        query = make_query(
            name,
            lookup.rtype,
            lookup.rclass,
            id=number,
            flags=word,
            udp_payload=lookup.bufsize,
            dnssec_ok=lookup.dnssec,
            version=version,
            options=options,
        )
    # What no query of the library has: any opcode, any EDNS flag, no question.
    question_end = 12 + len(name.wire) + 4
    wire = bytearray(query.wire)
    wire[2] |= lookup.opcode << 3
    if version is not None:
        # DO and CO have keywords of their own: dig takes no other way to them.
        flags = (lookup.edns_flags & 0x3FFF) | (0x4000 if lookup.compact else 0)
        wire[question_end + 7] |= flags >> 8
        wire[question_end + 8] |= flags & 0xFF
        wire[question_end + 3 : question_end + 5] = lookup.bufsize.to_bytes(2, "big")
    if lookup.header_only:
        wire[4:6] = b"\0\0"
        del wire[12:question_end]
    return Message.parse(bytes(wire))


def name_of(text: str) -> Name:
    """Return the name in *text*, an argument: octets outside ASCII are octets of the name, as in dig."""
    octets = os.fsencode(text)
    if octets.isascii():
        return Name(text)
    return Name("".join(chr(octet) if octet < 128 else f"\\{octet:03d}" for octet in octets))


_BITS = {"aa": 0x0400, "tc": 0x0200, "rd": 0x0100, "ra": 0x0080, "z": 0x0040, "ad": 0x0020, "cd": 0x0010}


def _flag_word(lookup: Lookup) -> int:
    return sum(bit for flag, bit in _BITS.items() if lookup.flags.get(flag))


def ask(
    lookup: Lookup,
    call: Call,
    warn: Warn,
    on_query: Callable[[Message, Server, str, float], None],
    on_badcookie: Callable[[Exchange], None] | None = None,
    name: str | None = None,
) -> Exchange:
    """Return the reply to *lookup*, or raise `NoReply`, or `BadPacket`.

    *on_query* gets every query as it is sent, *on_badcookie* a BADCOOKIE reply before the query is repeated.
    """
    one = _Asking(lookup, call, warn, on_query, on_badcookie, lookup.name if name is None else name)
    servers = acceptable(servers_of(lookup, call), lookup, call, warn)
    if not servers:
        warn(";; No acceptable nameservers")
        raise NoReply([], already_said=True)
    tries = 0
    while tries < lookup.tries:
        tries += 1
        for number, server in enumerate(servers):
            found = one.ask(server)
            if found is None:
                continue
            more = number + 1 < len(servers)
            if found.reply.rcode == "SERVFAIL" and not lookup.servfail_stops and more:
                warn(f";; Got SERVFAIL reply from {server.address}, trying next server")
                continue
            return found
    raise NoReply(one.attempts, already_said=one.setup_failed)


class _Asking:
    """The state of one lookup over all its servers and tries."""

    def __init__(
        self,
        lookup: Lookup,
        call: Call,
        warn: Warn,
        on_query: Callable[[Message, Server, str, float], None],
        on_badcookie: Callable[[Exchange], None] | None,
        name: str,
    ) -> None:
        self.lookup = lookup
        self.call = call
        self.warn = warn
        self.on_query = on_query
        self.on_badcookie = on_badcookie
        self.name = name
        self.version = lookup.edns
        self.tcp = lookup.tcp if lookup.tcp is not None else lookup.rtype == "ANY"
        self.attempts: list[Attempt] = []
        self.setup_failed = False

    def ask(self, server: Server) -> Exchange | None:
        lookup, warn = self.lookup, self.warn
        comments = lookup.show["comments"]
        badcookie = False
        while True:
            query = query_of(lookup, self.name, self.version)
            verifier = None
            if self.call.key is not None:
                signed = self.call.key.sign(query.wire, time.time())
                query, verifier = Message.parse(signed.wire), Verifier(self.call.key.key, signed.mac)
            transport = "TCP" if self.tcp else "UDP"
            sent, started = time.time(), time.perf_counter()
            self.on_query(query, server, transport, sent)
            try:
                wire, reading = self._exchange(query, server)
            except OSError as error:
                self._failed(server, transport, error, time.perf_counter() - started)
                return None
            took = time.perf_counter() - started
            if isinstance(reading, str):
                raise BadPacket(reading, wire)
            found = Exchange(query, reading, server, transport, sent, took)
            message = reading.message
            if verifier is not None:
                self._verify(verifier, wire, found)
            if message.truncated and not self.tcp and not lookup.ignore:
                if comments:
                    warn(";; Truncated, retrying in TCP mode.")
                self.tcp = True
                continue
            edns = message.edns
            if (
                message.rcode == "BADVERS"
                and lookup.negotiate
                and self.version
                and edns is not None
                and edns.version < self.version
            ):
                self.version = edns.version
                if comments:
                    warn(f";; BADVERS, retrying with EDNS version {edns.version}.")
                continue
            cookie = self._cookie(query, message)
            if message.rcode == "BADCOOKIE" and not self.tcp and lookup.badcookie and cookie is not None:
                if lookup.showbadcookie and self.on_badcookie is not None:
                    self.on_badcookie(found)
                if comments:
                    warn(f";; BADCOOKIE, retrying{' in TCP mode' if badcookie else ''}.")
                self.tcp, badcookie = badcookie, True
                lookup.cookie = cookie
                continue
            return found

    def _verify(self, verifier: Verifier, wire: bytes, found: Exchange) -> None:
        """Say, in dig's words, if the signature of the reply is not right, and keep the reason."""
        from namewise.engine.errors import TsigError

        try:
            found.verified = verifier.read(wire, int(time.time()))
        except TsigError as error:
            found.verified, found.unverified = False, str(error)
            words = {
                "REPORTED": "tsig indicates error",
                "UNSIGNED": "expected a TSIG or SIG(0)",
                "TIME": "clock is unsynchronized",
                "OTHER_KEY": "unexpected error",
                "MALFORMED": "FORMERR",
            }
            self.warn(f";; Couldn't verify signature: {words.get(error.code, 'tsig verify failure')}")

    def _cookie(self, query: Message, reply: Message) -> bytes | None:
        """Return the cookie for the next query, or None if the reply has none that fits ours (RFC 7873 §5.3)."""
        asked, replied = query.edns, reply.edns
        sent = asked.option("COOKIE") if asked is not None else None
        got = replied.option("COOKIE") if replied is not None else None
        if sent is None or got is None:
            return None
        if got.data[:8] != sent.data[:8]:
            self.warn(";; Warning: Client COOKIE mismatch")
            return None
        return got.data

    def _failed(self, server: Server, transport: str, error: OSError, took_s: float) -> None:
        reason = (error.strerror or str(error)).lower()
        if isinstance(error, TimeoutError):
            reason = "timed out"
        elif isinstance(error, EndOfStream):
            reason = "end of file"
        self.attempts.append(Attempt(server, transport, reason, took_s))
        name = self.name.rstrip(".") or "."
        if error.errno in (errno.EADDRNOTAVAIL, errno.ENETUNREACH, errno.EHOSTUNREACH):
            why = {
                errno.EADDRNOTAVAIL: "address not available",
                errno.ENETUNREACH: "network unreachable",
                errno.EHOSTUNREACH: "host unreachable",
            }[error.errno]
            self.warn(f";; {transport} setup with {server}({server.named}) for {name} failed: {why}.")
            if not self.setup_failed:
                self.lookup.greeting = ""
            self.setup_failed = True
            self.warn(";; no servers could be reached")
        elif self.tcp and not isinstance(error, TimeoutError):
            self.warn(f";; Connection to {server}({server.named}) for {name} failed: {reason}.")
            self.warn(";; no servers could be reached")
        else:
            self.warn(f";; communications error to {server}: {reason}")

    def _exchange(self, query: Message, server: Server) -> tuple[bytes, Reading | str]:
        """Return the first message that replies to *query*, and what can be read of it or why nothing can."""
        deadline = time.monotonic() + self.lookup.timeout_s
        link = self._connected(server)
        keep = False
        try:
            if self.tcp:
                link.sendall(len(query.wire).to_bytes(2, "big") + query.wire)
            else:
                link.send(query.wire)
            while True:
                if self.tcp:
                    wire = read_message(link, deadline)
                else:
                    link.settimeout(seconds_left(deadline))
                    wire = link.recv(65535)
                reading = self._accepted(query, wire)
                if reading is not None:
                    keep = self.tcp and self.lookup.keepopen
                    return wire, reading
        finally:
            if keep:
                _open[str(server)] = link
            else:
                link.close()

    def _connected(self, server: Server) -> socket.socket:
        if self.tcp and self.lookup.keepopen and (kept := _open.pop(str(server), None)) is not None:
            return kept
        link = socket.socket(server.family, socket.SOCK_STREAM if self.tcp else socket.SOCK_DGRAM)
        try:
            link.settimeout(self.lookup.timeout_s)
            if self.call.source is not None:
                host, _, port = self.call.source.partition("#")
                link.bind(socket_address(host, int(port or 0)) or ())
            link.connect(server.socket_address)
        except BaseException:
            link.close()
            raise
        return link

    def _accepted(self, query: Message, wire: bytes) -> Reading | str | None:
        """Return what *wire* says if it replies to *query*, else say why not and return None."""
        warn = self.warn
        if len(wire) < besteffort.HEADER:
            warn(";; Warning: short (< header size) message received")
            return None
        number = int.from_bytes(wire[:2], "big")
        if number != query.id:
            warn(f";; Warning: ID mismatch: expected ID {query.id}, got {number}")
            return None
        if not wire[2] & 0x80:
            warn(";; Warning: query response not set")
        try:
            reading = besteffort.read(wire, self.lookup.besteffort)
        except besteffort.Fault as fault:
            return str(fault.args[0])
        if reading.malformed:
            warn(";; Warning: Message parser reports malformed message packet.")
        opcode = wire[2] >> 3 & 15
        if opcode != self.lookup.opcode:
            from namewise.tools.dig.layout import OPCODES

            warn(
                f";; Warning: Opcode mismatch: expected {OPCODES[self.lookup.opcode]}, got {OPCODES[opcode]}"
            )
            return None
        asked = query.question
        for question in reading.message.questions if asked is not None else ():
            assert asked is not None, "checked above"
            if question != asked:
                name = str(question.name).rstrip(".") or "."
                warn(f";; ;; Question section mismatch: got {name}/{question.type}/{question.rclass}")
                return None
        return reading


_open: dict[str, socket.socket] = {}
"""TCP connections that +keepopen keeps, by server."""

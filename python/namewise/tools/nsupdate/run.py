"""Run nsupdate: read the arguments and the lines, send updates, and return the exit code.

| exit code | |
|---|---|
| 0 | every update was made |
| 1 | wrong usage, or a line that is no command (not in a terminal) |
| 2 | a server refused an update, or gave no reply that counts |
"""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING

from namewise.engine import VERSION as OF_PROGRAM
from namewise.engine import Name, make_query
from namewise.engine.errors import NamewiseError
from namewise.tools import keys
from namewise.tools.dig.exchange import system_servers
from namewise.tools.dig.layout import rcode_text
from namewise.tools.nsupdate import grammar, message
from namewise.tools.nsupdate.exchange import Failed, addresses, exchange
from namewise.tools.nsupdate.grammar import Session, SyntaxFault

if TYPE_CHECKING:
    from collections.abc import Iterable

    from namewise.engine import Message

USAGE = """\
usage: nw nsupdate [-46dDilvV] [-y [hmac:]name:secret | -k keyfile] [-p port] [-t timeout]
                   [-u udptimeout] [-r udpretries] [-L level] [filename]"""
SESSION_KEY = "/run/named/session.key"
"""Where BIND's named leaves the key for -l."""
FAILED = 2


class _Usage(Exception):
    """The arguments are wrong."""


def main(args: list[str]) -> int:
    """Run nsupdate with *args*."""
    session = Session()
    try:
        name, interactive = _arguments(args, session)
    except _Usage as error:
        sys.stderr.write(f"nw nsupdate: {error}\n{USAGE}\n")
        return 1
    except (keys.BadKey, Failed) as error:
        sys.stderr.write(f"nw nsupdate: {error}\n")
        return 1
    if name is None:
        return 0
    try:
        stream = sys.stdin if name == "-" else open(name, encoding="utf-8")  # noqa: SIM115  # closed below
    except OSError as error:
        sys.stderr.write(f"could not open '{name}': {error.strerror}\n")
        return 1
    with stream:
        return _lines(stream, session, interactive=interactive or (name == "-" and stream.isatty()))


def _arguments(args: list[str], session: Session) -> tuple[str | None, bool]:
    """Apply *args* to *session*; return the file, `-` for standard input or None for nothing, and whether to prompt."""
    interactive = local = False
    rest = list(args)
    while rest and rest[0].startswith("-") and rest[0] != "-":
        letters = rest.pop(0)[1:]
        while letters:
            letter, letters = letters[0], letters[1:]
            if letter in "46":
                session.how.family = int(letter)
            elif letter in "dD":
                session.debug = True
            elif letter == "v":
                session.how.tcp = True
            elif letter == "i":
                interactive = True
            elif letter == "l":
                local = True
            elif letter == "V":
                sys.stdout.write(f"nsupdate namewise-{OF_PROGRAM}\n")
                return None, False
            elif letter in "kyptruLRC":
                value = letters or (rest.pop(0) if rest else "")
                if not value:
                    raise _Usage(f"-{letter} needs a value")
                _option(session, letter, value)
                letters = ""
            else:
                raise _Usage(f"-{letter} is not supported")
    if local:
        session.servers = [("127.0.0.1", session.port)]
        session.key = session.key or keys.from_file(SESSION_KEY)
    if len(rest) > 1:
        raise _Usage("more than one file")
    return rest[0] if rest else "-", interactive


def _option(session: Session, letter: str, value: str) -> None:
    if letter == "y":
        session.key = keys.from_option(value)
        return
    if letter == "k":
        session.key = keys.from_file(value)
        return
    if letter in "LC":
        if letter == "C":
            raise _Usage("-C is not supported: the system's resolver is asked")
        return
    if not value.isdecimal():
        raise _Usage(f"-{letter} needs a number")
    number = int(value)
    if letter == "p":
        if not 0 < number < 65536:
            raise _Usage("-p needs a port")
        session.port = number
    elif letter == "t":
        session.how.timeout_s = number or 1 << 31
    elif letter == "u":
        session.how.udp_timeout_s = number
    else:
        session.how.udp_retries = number


def _lines(lines: Iterable[str], session: Session, *, interactive: bool) -> int:
    code = 0
    stream = iter(lines)
    while True:
        if interactive:
            sys.stdout.write("> ")
            sys.stdout.flush()
        line = next(stream, None)
        if line is None:
            return code
        try:
            what = grammar.read(line, session)
        except (SyntaxFault, Failed) as error:
            sys.stdout.flush()
            sys.stderr.write(f"{error}\n")
            if interactive:
                continue
            sys.stderr.write("syntax error\n")
            return 1
        if what == grammar.QUIT:
            return code
        if what == grammar.SEND:
            code = _send(session) or code
        elif what == grammar.SHOW:
            sys.stdout.write("Outgoing update query:\n" + _shown(session, 0))
        elif what == grammar.ANSWER:
            sys.stdout.write("" if session.answer is None else "Answer:\n" + message.answer(session.answer))
        elif what == grammar.HELP:
            sys.stdout.write(f"nsupdate namewise-{OF_PROGRAM}:\n{grammar.HELP_TEXT}")
        elif what == grammar.VERSION:
            sys.stdout.write(f"nsupdate namewise-{OF_PROGRAM}\n")


def _shown(session: Session, number: int) -> str:
    return message.shown(number, session.zone, session.rclass, session.prerequisites, session.updates)


def _send(session: Session) -> int:
    """Send the update, and return the exit code."""
    if not session.prerequisites and not session.updates:
        return 0
    try:
        zone, servers = _target(session)
        number = int.from_bytes(os.urandom(2), "big")
        request = message.made(number, zone, session.rclass, session.prerequisites, session.updates)
        if session.debug:
            asked = message.shown(number, zone, session.rclass, session.prerequisites, session.updates)
            sys.stdout.write("Outgoing update query:\n" + asked)
            sys.stderr.write(f"Sending update to {servers[0][0]}#{servers[0][1]}\n")
        reply, reported = _first(request, servers, session)
    except (Failed, NamewiseError, ValueError) as error:
        sys.stdout.flush()
        lines = error.lines if isinstance(error, Failed) else (str(error),)
        sys.stderr.write("".join(f"{line}\n" for line in lines))
        session.clear()
        return FAILED
    session.answer = reply
    session.clear()
    if session.debug:
        sys.stdout.flush()
        sys.stderr.write("\nReply from update query:\n" + message.answer(reply) + "\n")
    if reply.rcode == "NOERROR" and not reported:
        return 0
    sys.stdout.flush()
    if reported:
        sys.stderr.write(f"; TSIG error with server: the server reports {reported}\n")
    why = _reasons(reply)
    sys.stderr.write(f"update failed: {rcode_text(reply)}{f'({reported})' if reported else ''}{why}\n")
    return FAILED


def _reasons(reply: Message) -> str:
    """Return the texts of the extended errors, which say more than the rcode (RFC 8914)."""
    edns = reply.edns
    found = [] if edns is None else [option.data[2:] for option in edns.options if option.code == 15]
    texts = [data.decode("utf-8", "replace") for data in found if data]
    return f": {'; '.join(texts)}" if texts else ""


def _first(request: bytes, servers: list[tuple[str, int]], session: Session) -> tuple[Message, str]:
    """Return the reply of the first of *servers* that gives one."""
    lines: list[str] = []
    for server in servers:
        try:
            return exchange(request, server, session.key, session.how)
        except Failed as failed:
            lines += failed.lines
    raise Failed(*lines)


def _target(session: Session) -> tuple[Name, list[tuple[str, int]]]:
    """Return the zone and the servers of the update. What was not set is looked up: the closest zone, and its primary server."""
    if session.zone is not None and session.servers:
        return session.zone, session.servers
    first = (*session.updates, *session.prerequisites)[0].owner
    name: Name | None = session.zone or first
    resolvers = session.servers or [(address, session.port) for address in system_servers(session.how.family)]
    while name is not None:
        query = make_query(name, "SOA", session.rclass)
        reply, _ = _first(query.wire, resolvers, session)
        if reply.rcode not in ("NOERROR", "NXDOMAIN"):
            raise Failed(f"response to SOA query was unsuccessful: {rcode_text(reply)}")
        for section in ("answer", "authority"):
            for record in reply.records(section):
                if record.type == "SOA" and first.is_at_or_below(record.owner):
                    zone = session.zone or record.owner
                    if session.servers:
                        return zone, session.servers
                    primary = str(record.rdata).split(" ", 1)[0]
                    return zone, addresses(primary.rstrip("."), session.port, session.how.family)
        name = name.parent
    raise Failed(f"could not find enclosing zone of {first}")

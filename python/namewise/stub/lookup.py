"""A lookup without I/O: it decides which query comes next, and interprets replies.

`lookup()` is a generator. It yields an `Exchange`, receives the resulting `Reply` or `Failure`, and returns
the `Answer` or raises. The drivers `blocking` and `aio` perform the exchanges; tests supply replies from a
list.

    ask a server -> reply usable? -> answer, NXDOMAIN or no data: done
         ^              | truncated over UDP: the same server over TCP
         |              | FORMERR, NOTIMP or BADVERS to EDNS: the same server without EDNS (RFC 6891 §7)
         +--------------+ else, or truncated over TCP: the next server, until the attempts are used up
"""

from __future__ import annotations

from os import strerror
from typing import TYPE_CHECKING, NamedTuple

from ..engine import Message, make_query
from ..engine.errors import NXDOMAIN, Attempt, NoAnswer, ServersFailed, Timeout, WireError
from .answer import Answer
from .servers import parse_server, seconds

if TYPE_CHECKING:
    from collections.abc import Generator

    from ..engine import Name, Question, RRset
    from .servers import ServerAddress, Servers

UDP_PAYLOAD = 1232  # octets; fits an IPv6 packet of 1280 without fragments
TIMEOUT = "timeout"  # the note for a server that did not reply in time
MAX_ALIASES = 16  # CNAMEs followed inside one response; a longer chain is a loop or an attack


class Exchange(NamedTuple):
    """One query to one server. The driver must ignore every reply that `query.accepts` refuses."""

    server: ServerAddress
    transport: str  # 'udp' or 'tcp'
    query: Message
    timeout_s: float


class Reply(NamedTuple):
    """The reply to an exchange, and its duration."""

    wire: bytes
    took_s: float


class Failure(NamedTuple):
    """The reason why there is no reply: `timeout`, or the system's description of the connection error."""

    reason: str
    took_s: float


def reason(error: OSError) -> str:
    """Return the system's description of the error in lower case."""
    return (strerror(error.errno) if error.errno else str(error)).lower()


def lookup(
    name: str | Name,
    rtype: str | int,
    rclass: str | int,
    servers: Servers,
    *,
    dnssec_ok: bool = False,
) -> Generator[Exchange, Reply | Failure, Answer]:
    """Yield exchanges until a reply decides the lookup, and return its Answer.

    Raises NXDOMAIN, NoAnswer, Timeout (no server replied) or ServersFailed, each with every attempt.
    """
    with_edns = make_query(name, rtype, rclass, udp_payload=UDP_PAYLOAD, dnssec_ok=dnssec_ok)
    without_edns = make_query(name, rtype, rclass, udp_payload=None)
    question = with_edns.questions[0]
    attempts: list[Attempt] = []
    last: Message | None = None
    for _round in range(servers.attempts):
        for server in servers.addresses:
            transport, message = ("tcp" if servers.tcp else "udp"), with_edns
            while True:
                # Each query has a new id, so that an attacker who learns one id cannot use it for the next
                # query.
                outcome = yield Exchange(server, transport, message.with_new_id(), servers.timeout_s)
                response, seen = _read(outcome)
                attempts.append(Attempt(str(server), transport, seen, outcome.took_s))
                if response is None:
                    break
                last = response
                if response.truncated and transport == "tcp":
                    break  # the rest of the answer cannot be fetched
                if response.truncated:
                    transport = "tcp"
                elif message is with_edns and response.rcode in ("FORMERR", "NOTIMP", "BADVERS"):
                    message = without_edns
                elif response.rcode == "NXDOMAIN":
                    raise NXDOMAIN(f"{question.name} does not exist", question, attempts, response)
                elif response.rcode == "NOERROR":
                    return _answer(question, response, attempts)
                else:
                    break
    silent = last is None and any(attempt.outcome == TIMEOUT for attempt in attempts)
    error = Timeout if silent else ServersFailed
    text = f"no answer for {question.name} {question.type}: {_in_words(attempts)}{_causes(last)}"
    raise error(text, question, attempts, last)


def one_question(
    message: Message, server: str, port: int, timeout_s: float, tcp: bool, retry_truncated: bool
) -> Generator[Exchange, Reply | Failure, Message]:
    """Yield `message` for `server`, and again over TCP if the reply is truncated. Return the reply."""
    if not isinstance(message, Message):
        raise TypeError(
            f"query() sends a Message, not {message!r}: make one with namewise.message.make_query, or call namewise.resolve"
        )
    address, timeout_s = parse_server(server, port), seconds(timeout_s)
    attempts: list[Attempt] = []
    for transport in ("tcp",) if tcp else ("udp", "tcp"):
        outcome = yield Exchange(address, transport, message, timeout_s)
        attempts.append(Attempt(str(address), transport, getattr(outcome, "reason", "reply"), outcome.took_s))
        if isinstance(outcome, Failure):
            break
        response = Message.parse(outcome.wire)
        if not (response.truncated and transport == "udp" and retry_truncated):
            return response
    question = message.questions[0]
    error = Timeout if attempts[-1].outcome == TIMEOUT else ServersFailed
    raise error(f"no reply: {_in_words(attempts)}", question, attempts)


def _read(outcome: Reply | Failure) -> tuple[Message | None, str]:
    """Return the message, if there is one, and the note about it."""
    if isinstance(outcome, Failure):
        return None, outcome.reason
    try:
        response = Message.parse(outcome.wire)
    except WireError as error:
        return None, f"malformed reply: {error}"
    return response, f"{response.rcode}, truncated" if response.truncated else response.rcode


def _answer(question: Question, response: Message, attempts: list[Attempt]) -> Answer:
    name = question.name
    aliases: list[RRset] = []
    if question.type == "ANY":
        # Every RRset of the name is an answer, including an alias (RFC 1035 §3.2.3).
        found = tuple(rrset for rrset in response.answer if rrset.owner == name)
        if found:
            return Answer(question, found, (), response, tuple(attempts))
        raise NoAnswer(f"{name} has no records that the server shows", question, attempts, response)
    while len(aliases) <= MAX_ALIASES:
        here = {rrset.type: rrset for rrset in response.answer if rrset.owner == name}
        if rrset := here.get(question.type):
            return Answer(question, (rrset,), tuple(aliases), response, tuple(attempts))
        if not (alias := here.get("CNAME")):
            break
        aliases.append(alias)
        name = alias.rdatas[0].names[0]
    via = f" (an alias of {name})" if aliases else ""
    raise NoAnswer(f"{question.name}{via} has no {question.type} record", question, attempts, response)


def _in_words(attempts: list[Attempt]) -> str:
    counts: dict[str, int] = {}
    for attempt in attempts:
        text = f"{attempt.server} over {attempt.transport}: {attempt.outcome}"
        counts[text] = counts.get(text, 0) + 1
    return "; ".join(f"{text} ({count}x)" if count > 1 else text for text, count in counts.items())


def _causes(response: Message | None) -> str:
    """Return the extended errors of *response* in words (RFC 8914), or nothing."""
    found = response.ede if response is not None else []
    causes = [f"EDE {code} ({name})" + (f": {text}" if text else "") for code, name, text in found]
    return f"; the last server states {', '.join(causes)}" if causes else ""

"""Run a dig command line: each lookup in turn, printed as its settings say. Returns dig's exit code."""

from __future__ import annotations

import sys
import time

from namewise.engine import VERSION
from namewise.tools.dig import layout
from namewise.tools.dig.exchange import NoReply, Server, ask
from namewise.tools.dig.grammar import USAGE, Call, Lookup, Usage, parse

TYPE_CHECKING = False  # typing costs more time to import than a question takes
if TYPE_CHECKING:
    from namewise.engine import Message
    from namewise.tools.dig.exchange import Exchange

NO_REPLY = 9


def main(args: list[str]) -> int:
    """Run dig with *args*."""
    try:
        call = parse(args, f"namewise-{VERSION}")
    except Usage as usage:
        return _refuse(usage)
    if call.warnings:
        sys.stderr.write("".join(f"{line}\n" for line in call.warnings))
    code = 0
    for lookup in call.lookups:
        try:
            code = _one(lookup, call) or code
        except Usage as usage:
            return _refuse(usage)
        except ValueError as error:
            return _bad_name(error)
    return code


def _refuse(usage: Usage) -> int:
    stream = sys.stdout if usage.to_stdout else sys.stderr
    stream.write(usage.message + "\n" + (USAGE if usage.usage else ""))
    return usage.code


def _bad_name(error: ValueError) -> int:
    from namewise.engine.errors import BadName
    from namewise.tools import mark

    if not isinstance(error, BadName):
        raise error
    sys.stderr.write(f"nw dig: {error.message}\n{mark.label(error.text, error.at)}\n")
    return 1


def _one(lookup: Lookup, call: Call) -> int:
    if lookup.trace:
        from namewise.tools.dig.trace import walk

        return walk(lookup, call)
    out = sys.stdout.write
    told: list[str] = []

    def tell_query(query: Message, server: Server, transport: str, sent: float) -> None:
        if not lookup.qr or lookup.short:
            return
        if lookup.format == "yaml":
            from namewise.tools.dig import yaml

            out(yaml.message(query, lookup, server, transport, sent, None, None))
            return
        if lookup.format == "json":
            return
        _greet(lookup)
        comments = lookup.show["comments"]
        head = ";; Sending:\n" + layout.header(query, lookup, is_reply=False) if comments else ""
        out(head + layout.body(query, lookup, None) + f";; QUERY SIZE: {len(query.wire)}\n\n")

    def tell(line: str) -> None:
        told.append(line)
        if lookup.format == "text":
            out(line + "\n")

    try:
        found = ask(lookup, call, tell, tell_query)
    except NoReply as none:
        return _no_reply(lookup, none)
    print_reply(found, lookup, call)
    return 0


def _greet(lookup: Lookup) -> None:
    if lookup.greeting and lookup.show["cmd"] and lookup.format == "text":
        sys.stdout.write(lookup.greeting)
    lookup.greeting = ""


def _no_reply(lookup: Lookup, none: NoReply) -> int:
    out = sys.stdout.write
    over_tcp = bool(none.attempts) and none.attempts[-1].transport == "TCP"
    if lookup.greeting and lookup.format != "json" and not over_tcp:
        out(lookup.greeting)
    if lookup.format == "yaml":
        from namewise.tools.dig import yaml

        out(yaml.failure())
    elif lookup.format == "json":
        import json

        out(json.dumps({"error": "no servers could be reached"}) + "\n")
    elif not over_tcp:
        out(";; no servers could be reached\n")
    sys.stdout.flush()
    took = sum(attempt.took_s for attempt in none.attempts)
    tried: dict[str, int] = {}
    for attempt in none.attempts:
        key = f"{attempt.server} over {attempt.transport}: {attempt.outcome}"
        tried[key] = tried.get(key, 0) + 1
    said = "; ".join(f"{key} ({count}x)" if count > 1 else key for key, count in tried.items())
    sys.stderr.write(f"nw dig: no reply after {took:.1f} s: {said or 'nobody to ask'}\n")
    return NO_REPLY


def print_reply(found: Exchange, lookup: Lookup, call: Call) -> None:
    """Print the reply as *lookup* wants it."""
    out = sys.stdout.write
    reply = found.reply
    if lookup.format == "json":
        import json

        out(json.dumps(_json(found), indent=2) + "\n")
        return
    if lookup.format == "yaml":
        from namewise.tools.dig import yaml

        out(
            yaml.message(
                reply, lookup, found.server, found.transport, found.sent, found.received, found.query
            )
        )
        return
    if lookup.short:
        suffix = ""
        if lookup.identify:
            suffix = f" from server {found.server.address} in {_took(found.took_s, call)}."
        for record in reply.records("answer"):
            out(layout.rdata_text(record, lookup) + suffix + "\n")
        return
    _greet(lookup)
    if lookup.show["comments"]:
        out(";; Got answer:\n" + layout.header(reply, lookup, is_reply=True))
    out(layout.body(reply, lookup, found.query))
    if lookup.show["stats"]:
        server = found.server
        when = time.strftime("%a %b %d %H:%M:%S %Z %Y", time.localtime(found.received))
        out(f";; Query time: {_took(found.took_s, call)}ec\n")
        out(f";; SERVER: {server}({server.named}) ({found.transport})\n;; WHEN: {when}\n")
        out(f";; MSG SIZE  rcvd: {len(reply.wire)}\n\n")


def _took(seconds: float, call: Call) -> str:
    return f"{int(seconds * 1e6)} us" if call.usec else f"{int(seconds * 1e3)} ms"


def _json(found: Exchange) -> dict[str, object]:
    """Return the reply as RFC 8427 has it, with when and how large it was (§2.1 dateString and msgLength)."""
    stamp = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(found.received))
    head = {"dateString": stamp, "dateSeconds": int(found.received), "msgLength": len(found.reply.wire)}
    return {**head, **found.reply.to_dict()}

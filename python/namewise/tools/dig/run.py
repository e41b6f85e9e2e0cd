"""Run a dig command line: each lookup in turn, printed as its settings say. Returns dig's exit code."""

from __future__ import annotations

import sys
import time

from namewise.engine import VERSION
from namewise.tools.dig import layout
from namewise.tools.dig.besteffort import dump, sound
from namewise.tools.dig.exchange import BadPacket, NoReply, Server, ask, names_of
from namewise.tools.dig.grammar import USAGE, Call, Lookup, Usage, batch_lines, parse, parse_line

TYPE_CHECKING = False  # typing costs more time to import than a question takes
if TYPE_CHECKING:
    from namewise.engine import Message
    from namewise.tools.dig.exchange import Exchange

NO_REPLY = 9
BAD_NAME = 10
_VERSION = f"namewise-{VERSION}"


def main(args: list[str]) -> int:
    """Run dig with *args*."""
    code = 0
    try:
        call = parse(args, _VERSION)
        code = _all(call)
        if call.batch is not None:
            for line in batch_lines(call):
                parse_line(call, line, _VERSION)
                code = _all(call) or code
    except Usage as usage:
        sys.stdout.flush()
        stream = sys.stdout if usage.to_stdout else sys.stderr
        stream.write(usage.message + "\n" + (USAGE if usage.usage else ""))
        return usage.code
    except ValueError as error:
        return _bad_name(error)
    return code


def _all(call: Call) -> int:
    """Run the lookups of *call*; return the exit code."""
    if call.warnings:
        sys.stdout.flush()
        sys.stderr.write("".join(f"{line}\n" for line in call.warnings))
    code = 0
    for lookup in call.lookups:
        code = _one(lookup, call) or code
    return code


def _bad_name(error: ValueError) -> int:
    from namewise.engine.errors import BadName
    from namewise.tools import mark

    if not isinstance(error, BadName):
        raise error
    sys.stdout.flush()
    sys.stderr.write(f"nw dig: {error.message}\n{mark.label(error.text, error.at)}\n")
    return BAD_NAME


def _one(lookup: Lookup, call: Call) -> int:
    if lookup.trace:
        from namewise.tools.dig.trace import walk

        return walk(lookup, call)
    out = sys.stdout.write
    greeting = lookup.greeting

    def on_query(query: Message, server: Server, transport: str, sent: float) -> None:
        if not lookup.qr or call.short or call.format == "json":
            return
        if call.format == "yaml":
            from namewise.tools.dig import yaml

            out(yaml.query(query, lookup, server, transport, sent))
            return
        _greet(lookup, call)
        reading = sound(query)
        comments = lookup.show["comments"]
        head = ";; Sending:\n" + layout.header(reading, lookup, is_reply=False) if comments else ""
        size = f";; QUERY SIZE: {len(query.wire)}\n\n" if lookup.show["stats"] else ""
        out(head + layout.body(reading, lookup, None) + size)

    def warn(line: str) -> None:
        if call.format == "text":
            out(line + "\n")

    names = names_of(lookup, call)
    for name in names:
        lookup.greeting = greeting
        try:
            found = ask(lookup, call, warn, on_query, lambda reply: print_reply(reply, lookup, call), name)
        except NoReply as none:
            return _no_reply(lookup, call, none)
        except BadPacket as bad:
            return _bad_packet(call, bad)
        last = name is names[-1]
        if found.reply.rcode == "NXDOMAIN" and not last and not call.show_search:
            continue
        print_reply(found, lookup, call)
        if found.unverified:
            sys.stdout.flush()
            sys.stderr.write(f"nw dig: {found.unverified}\n")
        if found.reply.rcode != "NXDOMAIN":
            break
    return 0


def _greet(lookup: Lookup, call: Call) -> None:
    if lookup.greeting and call.cmd and not call.short and call.format == "text":
        sys.stdout.write(lookup.greeting)
    lookup.greeting = ""


def _bad_packet(call: Call, bad: BadPacket) -> int:
    """Show the octets of a reply that cannot be read. dig's exit code is that of a reply."""
    if call.format == "json":
        import json

        sys.stdout.write(json.dumps({"error": f"bad packet: {bad}", "octets": bad.wire.hex()}) + "\n")
    elif call.format == "yaml":
        from namewise.tools.dig import yaml

        sys.stdout.write(yaml.failure(f"Got bad packet: {bad}", *dump(bad.wire)))
    else:
        sys.stdout.write("\n".join((f";; Got bad packet: {bad}", *dump(bad.wire), "")))
    return 0


def _no_reply(lookup: Lookup, call: Call, none: NoReply) -> int:
    out = sys.stdout.write
    if none.already_said and not none.attempts:
        return 0
    over_tcp = bool(none.attempts) and none.attempts[-1].transport == "TCP"
    said = over_tcp or none.already_said
    if lookup.greeting and call.format == "text" and not said:
        out(lookup.greeting)
    if call.format == "yaml":
        from namewise.tools.dig import yaml

        out(yaml.failure("no servers could be reached"))
    elif call.format == "json":
        import json

        out(json.dumps({"error": "no servers could be reached"}) + "\n")
    elif not said:
        out(";; no servers could be reached\n")
    sys.stdout.flush()
    took = sum(attempt.took_s for attempt in none.attempts)
    tried: dict[str, int] = {}
    for attempt in none.attempts:
        key = f"{attempt.server} over {attempt.transport}: {attempt.outcome}"
        tried[key] = tried.get(key, 0) + 1
    each = "; ".join(f"{key} ({count}x)" if count > 1 else key for key, count in tried.items())
    sys.stderr.write(f"nw dig: no reply after {took:.1f} s: {each or 'there is no server to ask'}\n")
    return NO_REPLY


def print_reply(found: Exchange, lookup: Lookup, call: Call) -> None:
    """Print the reply by the settings of *lookup*."""
    out = sys.stdout.write
    reply = found.reply
    if call.format == "json":
        import json

        out(json.dumps(_json(found), indent=2) + "\n")
        return
    if call.format == "yaml":
        from namewise.tools.dig import yaml

        out(yaml.reply(found, lookup))
        return
    if call.short:
        suffix = ""
        if lookup.identify:
            suffix = f" from server {found.server.address} in {_took(found.took_s, call)}."
        for record in reply.records("answer"):
            out(layout.rdata_text(record, lookup, comments=False) + suffix + "\n")
        return
    _greet(lookup, call)
    if lookup.show["comments"]:
        out(";; Got answer:\n" + layout.header(found.reading, lookup, is_reply=True))
    out(layout.body(found.reading, lookup, found.query))
    if lookup.show["stats"]:
        server = found.server
        when = time.strftime("%a %b %d %H:%M:%S %Z %Y", time.localtime(found.received))
        out(f";; Query time: {_took(found.took_s, call)}ec\n")
        out(f";; SERVER: {server}({server.named}) ({found.transport})\n;; WHEN: {when}\n")
        out(f";; MSG SIZE  rcvd: {len(found.reading.wire)}\n")
        out(";; WARNING -- Some TSIG could not be validated\n\n" if found.unverified else "\n")


def _took(seconds: float, call: Call) -> str:
    return f"{int(seconds * 1e6)} us" if call.usec else f"{int(seconds * 1e3)} ms"


def _json(found: Exchange) -> dict[str, object]:
    """Return the reply as RFC 8427 has it, with when and how large it was (§2.1 dateString and msgLength). `tsig` is `verified`, or why
    the signature is not right."""
    stamp = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(found.received))
    head = {"dateString": stamp, "dateSeconds": int(found.received), "msgLength": len(found.reading.wire)}
    tsig = {} if found.verified is None else {"tsig": found.unverified or "verified"}
    return {**head, **tsig, **found.reply.to_dict()}

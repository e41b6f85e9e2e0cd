"""`+trace`: the walk from the root, each server's answer printed, as dig prints it.

The first question (the root's NS set) goes to the named or the system's server. Addresses of the servers
below come from glue where there is some, else from that first server. The port of `-p` is used throughout,
as dig does.
"""

from __future__ import annotations

import sys

from namewise.engine import Name
from namewise.tools.dig import layout
from namewise.tools.dig.besteffort import dump
from namewise.tools.dig.exchange import BadPacket, NoReply, ask

TYPE_CHECKING = False  # typing costs more time to import than a question takes
if TYPE_CHECKING:
    from namewise.engine import Message
    from namewise.tools.dig.exchange import Exchange
    from namewise.tools.dig.grammar import Call, Lookup

MAX_REFERRALS = 20
"""Referrals followed; a longer walk is a loop."""


def walk(lookup: Lookup, call: Call) -> int:
    """Print the walk for *lookup*; return dig's exit code."""
    out = sys.stdout.write
    if lookup.greeting and call.cmd and not call.short:
        out(lookup.greeting)
    root = lookup.copy()
    root.name, root.rtype, root.rclass = ".", "NS", "IN"
    root.flags = {**lookup.flags, "rd": True}
    try:
        found = ask(root, call, _warn, _silent)
    except BadPacket as bad:
        return _bad(bad)
    except NoReply:
        out(";; no servers could be reached\n")
        return 9
    _print(found, lookup, call, "answer")
    depth, servers = Name("."), _servers(found.reply, "answer", lookup, call)
    for _ in range(MAX_REFERRALS):
        if not servers:
            return 0
        try:
            step = _ask_any(lookup, call, servers)
        except BadPacket as bad:
            return _bad(bad)
        if step is None:
            out(";; no servers could be reached\n")
            return 9
        reply = step.reply
        referral = _referral(reply, depth)
        _print(step, lookup, call, "all")
        if referral is None:
            return 0
        depth, servers = referral, _servers(reply, "authority", lookup, call)
    return 0


def _bad(bad: BadPacket) -> int:
    sys.stdout.write("\n".join((f";; Got bad packet: {bad}", *dump(bad.wire), "")))
    return 0


def _ask_any(lookup: Lookup, call: Call, servers: list[tuple[str, str]]) -> Exchange | None:
    """Return the reply of the first of *servers*, (address, name), that replies at all."""
    for address, name in servers:
        one = lookup.copy()
        one.servers, one.tries = [address], max(lookup.tries - 1, 1)
        try:
            step = ask(one, call, _warn, _silent)
        except NoReply:
            continue
        step.server.named = name
        return step
    return None


def _referral(reply: Message, depth: Name) -> Name | None:
    """Return the zone that *reply* refers to, below *depth*, or None when it is no referral."""
    if reply.records("answer") or reply.authoritative:
        return None
    for record in reply.records("authority"):
        if record.type == "NS" and record.owner != depth and record.owner.is_at_or_below(depth):
            return record.owner
    return None


def _servers(reply: Message, section: str, lookup: Lookup, call: Call) -> list[tuple[str, str]]:
    names = [record.rdata.names[0] for record in reply.records(section) if record.type == "NS"]
    glue = [
        (str(record.rdata), str(record.owner).rstrip("."))
        for record in reply.records("additional")
        if record.type in ("A", "AAAA") and record.owner in names
    ]
    usable = [
        (address, name) for address, name in glue if not call.family or (":" in address) == (call.family == 6)
    ]
    usable.sort(key=lambda entry: ":" in entry[0])
    return usable or _addresses(names, lookup, call)


def _addresses(names: list[Name], lookup: Lookup, call: Call) -> list[tuple[str, str]]:
    for name in names:
        one = lookup.copy()
        one.name, one.rclass, one.dnssec = str(name), "IN", False
        one.flags = {**lookup.flags, "rd": True}
        for rtype in {4: ("A",), 6: ("AAAA",)}.get(call.family, ("A", "AAAA")):
            one.rtype = rtype
            try:
                reply = ask(one, call, _warn, _silent).reply
            except (NoReply, BadPacket):
                continue
            found = [str(record.rdata) for record in reply.records("answer") if record.type == rtype]
            if found:
                return [(address, str(name).rstrip(".")) for address in found]
    return []


def _print(step: Exchange, lookup: Lookup, call: Call, sections: str) -> None:
    out = sys.stdout.write
    if call.short:
        for record in step.reply.records("answer"):
            out(layout.rdata_text(record, lookup, comments=False) + "\n")
        return
    for section in ("answer", "authority", "additional") if sections == "all" else (sections,):
        if lookup.show[section]:
            out("".join(f"{line}\n" for line in layout.record_lines(step.reading, section, lookup)))
    took = int(step.took_s * 1000)
    server = f"{step.server}({step.server.named or step.server.address})"
    out(f";; Received {len(step.reading.wire)} bytes from {server} in {took} ms\n\n")


def _warn(line: str) -> None:
    sys.stdout.write(line + "\n")


def _silent(*_: object) -> None:
    return None

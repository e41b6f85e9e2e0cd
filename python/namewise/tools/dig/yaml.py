"""Messages as YAML, with the keys of `dig +yaml`."""

from __future__ import annotations

import time

from namewise.tools.dig.layout import option_text, rdata_text

TYPE_CHECKING = False  # typing costs more time to import than a question takes
if TYPE_CHECKING:
    from namewise.engine import Message
    from namewise.tools.dig.exchange import Server
    from namewise.tools.dig.grammar import Lookup


def message(
    message: Message,
    lookup: Lookup,
    server: Server,
    transport: str,
    sent: float,
    received: float | None,
    query: Message | None,
) -> str:
    """Return one message as a list item; *received* is None for a query."""
    is_query = received is None
    if is_query:
        kind = "RECURSIVE_QUERY" if message.recursion_desired else "AUTH_QUERY"
    else:
        both = message.recursion_desired and message.recursion_available
        kind = "RECURSIVE_RESPONSE" if both else "AUTH_RESPONSE"
    any_address = '"::"' if ":" in server.address else '"0.0.0.0"'
    lines = [
        "- type: MESSAGE",
        "  message:",
        f"    type: {kind}",
        f"    query_time: !!timestamp {_stamp(sent)}",
    ]
    if received is not None:
        lines.append(f"    response_time: !!timestamp {_stamp(received)}")
    lines += [
        f"    message_size: {len(message.wire)}b",
        f"    socket_family: {'INET6' if ':' in server.address else 'INET'}",
        f"    socket_protocol: {transport}",
        f'    response_address: "{server.address}"',
        f"    response_port: {server.port}",
        f"    query_address: {any_address}",
        "    query_port: 0",
        f"    {'query' if is_query else 'response'}_message_data:",
        f"      opcode: {message.opcode}",
        f"      status: {message.rcode}",
        f"      id: {message.id}",
        f"      flags:{' ' if message.flags else ''}{message.flags}",
    ]
    names = ("QUESTION", "ANSWER", "AUTHORITY", "ADDITIONAL")
    lines += [f"      {name}: {count}" for name, count in zip(names, message.counts, strict=True)]
    edns = message.edns
    if edns is not None and lookup.show["comments"]:
        lines += [
            "      OPT_PSEUDOSECTION:",
            "        EDNS:",
            f"          version: {edns.version}",
            f"          flags:{' do' if edns.dnssec_ok else ''}",
            f"          udp: {edns.udp_payload}",
        ]
        lines += [f"          {option_text(option, query)}" for option in edns.options]
    if lookup.show["question"] and message.counts[0]:
        lines.append("      QUESTION_SECTION:")
        lines += [f"        - {_quoted(str(question))}" for question in message.questions]
    for section in ("answer", "authority", "additional"):
        records = message.records(section) if lookup.show[section] else ()
        if records:
            lines.append(f"      {section.upper()}_SECTION:")
        for record in records:
            data = rdata_text(record, lookup)
            lines.append(
                f"        - {_quoted(f'{record.owner} {record.ttl} {record.rclass} {record.type} {data}')}"
            )
    return "\n".join(lines) + "\n"


def failure() -> str:
    """Return the item that stands for a lookup without a reply."""
    return "- type: DIG_ERROR\n  message: |\n    no servers could be reached\n"


def _quoted(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"


def _stamp(at: float) -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(at)) + f".{int(at * 1000) % 1000:03d}Z"

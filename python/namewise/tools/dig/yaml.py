"""Messages as YAML, with the keys of `dig +yaml`.

Values that could be read as YAML syntax are quoted, also where dig leaves them bare: the text of an option may
hold a colon, a quote or a `#`.
"""

from __future__ import annotations

import time

from namewise.tools.dig import layout
from namewise.tools.dig.besteffort import sound

TYPE_CHECKING = False  # typing costs more time to import than a question takes
if TYPE_CHECKING:
    from namewise.engine import EdnsOption, Message
    from namewise.tools.dig.besteffort import Reading
    from namewise.tools.dig.exchange import Exchange, Server
    from namewise.tools.dig.grammar import Lookup


def query(message: Message, lookup: Lookup, server: Server, transport: str, sent: float) -> str:
    """Return a query as a list item."""
    kind = "RECURSIVE_QUERY" if message.recursion_desired else "AUTH_QUERY"
    return _item(kind, sound(message), lookup, server, transport, [f"query_time: {_stamp(sent)}"], None)


def reply(found: Exchange, lookup: Lookup) -> str:
    """Return a reply as a list item."""
    message = found.reply
    both = message.recursion_desired and message.recursion_available
    times = [f"query_time: {_stamp(found.sent)}", f"response_time: {_stamp(found.received)}"]
    kind = "RECURSIVE_RESPONSE" if both else "AUTH_RESPONSE"
    return _item(kind, found.reading, lookup, found.server, found.transport, times, found.query)


def _item(
    kind: str,
    reading: Reading,
    lookup: Lookup,
    server: Server,
    transport: str,
    times: list[str],
    query: Message | None,
) -> str:
    message = reading.message
    reserved = layout.must_be_zero(message)
    any_address = "::" if ":" in server.address else "0.0.0.0"
    lines = [
        "- type: MESSAGE",
        "  message:",
        f"    type: {kind}",
        *(f"    {time}" for time in times),
        f"    message_size: {len(reading.wire)}b",
        f"    socket_family: {'INET6' if ':' in server.address else 'INET'}",
        f"    socket_protocol: {transport}",
        f'    response_address: "{server.address}"',
        f"    response_port: {server.port}",
        f'    query_address: "{any_address}"',
        "    query_port: 0",
        f"    {'query' if query is None else 'response'}_message_data:",
        f"      opcode: {layout.OPCODES[message.opcode_value]}",
        f"      status: {_plain(layout.rcode_text(message))}",
        f"      id: {message.id}",
        f"      flags:{' ' if message.flags else ''}{message.flags}",
        *([f"      MBZ: {reserved}"] if reserved else []),
    ]
    names = ("QUESTION", "ANSWER", "AUTHORITY", "ADDITIONAL")
    lines += [f"      {name}: {count}" for name, count in zip(names, reading.counts, strict=True)]
    edns = message.edns
    if edns is not None and lookup.show["comments"]:
        flags, mbz = layout.edns_flags(edns)
        lines += [
            "      OPT_PSEUDOSECTION:",
            "        EDNS:",
            f"          version: {edns.version}",
            f"          flags:{flags}",
            *([f"          MBZ: {mbz}"] if mbz else []),
            f"          udp: {reading.payload}",
        ]
        for option in edns.options:
            lines += [f"          {line}".rstrip(" ") for line in _option(option, query)]
    if lookup.show["question"] and message.counts[0]:
        lines.append("      QUESTION_SECTION:")
        lines += [f"        - {_quoted(str(question))}" for question in message.questions]
    for section in ("answer", "authority", "additional"):
        records = message.records(section) if lookup.show[section] else ()
        if records:
            lines.append(f"      {section.upper()}_SECTION:")
        for record, entry in zip(records, reading.entries.get(section, ()), strict=True):
            fields = [str(record.owner), str(entry.ttl), record.rclass, record.type]
            if entry.misplaced:
                fields[-1:] = ["OPT", record.rdata.wire.hex().upper()]
            else:
                fields.append(layout.rdata_text(record, lookup, comments=False))
            lines.append(f"        - {_quoted(' '.join(fields))}")
    return "\n".join(lines) + "\n"


def _option(option: EdnsOption, query: Message | None) -> list[str]:
    if option.code == 15 and len(option.data) >= 2:
        from namewise.engine import registry

        number = int.from_bytes(option.data[:2], "big")
        meaning = registry("ede").get(number)
        lines = ["EDE:", f"  INFO-CODE: {number}{f' ({meaning})' if meaning else ''}"]
        text = layout.ede_text(option.data)
        text = text.replace("\\", "\\\\").replace('"', '\\"')
        return [*lines, f'  EXTRA-TEXT: "{text}"' if text else ""]
    name, _, value = layout.option_text(option, query, yaml=True).partition(":")
    value = value.strip()
    return [f"{name}: {_plain(value)}" if value else f"{name}:"]


def failure(*lines: str) -> str:
    """Return the item that stands for a lookup without a reply that could be read."""
    return "- type: DIG_ERROR\n  message: |\n" + "".join(f"    {line}\n" for line in lines)


def _plain(text: str) -> str:
    """Return *text* as it is where YAML takes it for a string, else quoted."""
    risky = text[:1] in "?-!&*[]{}|>@`\"'%#," or ": " in text or " #" in text or text.endswith(":")
    return _quoted(text) if risky else text


def _quoted(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"


def _stamp(at: float) -> str:
    return time.strftime("!!timestamp %Y-%m-%dT%H:%M:%S", time.gmtime(at)) + f".{int(at * 1000) % 1000:03d}Z"

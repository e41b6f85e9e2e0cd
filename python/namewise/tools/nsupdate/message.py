"""An update as a message, and messages as nsupdate prints them."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from namewise.engine import Message, Name, Rdata, registry, type_value
from namewise.tools.dig.layout import Line, rcode_text

if TYPE_CHECKING:
    from collections.abc import Iterable

UPDATE, SOA = 5, 6
_CLASSES = {name: number for number, name in registry("classes").items()} | {"ANY": 255, "NONE": 254}


class Entry(NamedTuple):
    """A record of a prerequisite or an update (RFC 2136 §2.4, §2.5); `rdata` is None where there is none."""

    owner: Name
    ttl: int
    rclass: str
    rtype: str
    rdata: Rdata | None = None

    @property
    def wire(self) -> bytes:
        """The record as it is in the message."""
        data = b"" if self.rdata is None else self.rdata.wire
        fixed = type_value(self.rtype).to_bytes(2, "big") + class_value(self.rclass).to_bytes(2, "big")
        return self.owner.wire + fixed + self.ttl.to_bytes(4, "big") + len(data).to_bytes(2, "big") + data

    def __str__(self) -> str:
        line = Line(str(self.owner))
        data = "" if self.rdata is None else str(self.rdata)
        for column, field in ((24, str(self.ttl)), (32, self.rclass), (40, self.rtype), (48, data)):
            line.put(column, field)
        return line.text


def class_value(name: str) -> int:
    """Return the number of the class *name*. Raises `ValueError`."""
    word = name.upper()
    if word.startswith("CLASS") and word[5:].isdecimal():
        return int(word[5:])
    if word not in _CLASSES:
        raise ValueError(f"unknown class: {name}")
    return _CLASSES[word]


def made(number: int, zone: Name, rclass: str, prerequisites: list[Entry], updates: list[Entry]) -> bytes:
    """Return the message with the id *number*. Raises `ValueError` if no message can hold it."""
    counts = (1, len(prerequisites), len(updates), 0)
    if max(counts) > 65535:
        raise ValueError("more records than a message can hold; send them in parts")
    head = number.to_bytes(2, "big") + bytes((UPDATE << 3, 0))
    head += b"".join(count.to_bytes(2, "big") for count in counts)
    question = zone.wire + SOA.to_bytes(2, "big") + class_value(rclass).to_bytes(2, "big")
    wire = head + question + b"".join(entry.wire for entry in (*prerequisites, *updates))
    if len(wire) > 65535:
        raise ValueError(
            f"a message of {len(wire)} octets; at most 65535 can be sent: send the records in parts"
        )
    return wire


def shown(
    number: int, zone: Name | None, rclass: str, prerequisites: Iterable[Entry], updates: Iterable[Entry]
) -> str:
    """Return the update as `show` prints it."""
    before, after = list(map(str, prerequisites)), list(map(str, updates))
    asked = [] if zone is None else [_question(zone, rclass)]
    head = [
        f";; ->>HEADER<<- opcode: UPDATE, status: NOERROR, id: {number:>6}",
        f";; flags:; ZONE: {len(asked)}, PREREQ: {len(before)}, UPDATE: {len(after)}, ADDITIONAL: 0",
    ]
    return _text(head, asked, before, after, [])


def answer(message: Message) -> str:
    """Return a response as `answer` prints it."""
    flags = " ".join(("", *(word for word, bit in _FLAGS.items() if message.wire[2] & bit)))
    zone, prerequisites, updates, more = message.counts
    head = [
        f";; ->>HEADER<<- opcode: {message.opcode}, status: {rcode_text(message)}, id: {message.id:>6}",
        f";; flags:{flags}; ZONE: {zone}, PREREQ: {prerequisites}, UPDATE: {updates}, ADDITIONAL: {more}",
    ]
    asked = [_question(question.name, question.rclass) for question in message.questions]
    tsig = []
    if message.tsig is not None:
        owner, _, data = message.tsig.partition(" ")
        line = Line(owner)
        for column, field in ((24, "0"), (32, "ANY"), (40, "TSIG"), (48, data)):
            line.put(column, field)
        tsig.append(line.text + ("" if line.text.endswith(" ") else " "))
    return _text(head, asked, [], [], tsig)


_FLAGS = {"qr": 0x80, "aa": 4, "tc": 2, "rd": 1}


def _question(zone: Name, rclass: str) -> str:
    line = Line(f";{zone}")
    line.put(32, rclass)
    line.put(40, "SOA")
    return line.text


def _text(head: list[str], zone: list[str], before: list[str], after: list[str], tsig: list[str]) -> str:
    titled = (
        (";; ZONE SECTION:", zone),
        (";; PREREQUISITE SECTION:", before),
        (";; UPDATE SECTION:", after),
        (";; TSIG PSEUDOSECTION:", tsig),
    )
    lines = list(head)
    for title, section in titled:
        lines += [title, *section, ""] if section else []
    return "\n".join(lines) + "\n"

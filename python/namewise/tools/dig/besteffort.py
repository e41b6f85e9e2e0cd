"""What can be read of a reply, also where it breaks the rules: the judgement of BIND's parser in its
best-effort mode, so that the warnings, the text and the exit code are those of dig.

    octets -> sound message                         printed as it is
           -> cut off, or rdata that ends too soon  what came before, with a warning
           -> OPT twice or out of place             printed as a record, with a warning
           -> anything else                         ";; Got bad packet", and the octets

Our codec accepts whole valid messages only. This module walks the records, finds where the message stops making
sense and gives the codec a repaired copy: the counts say what is there and the rest is cut off.
"""

from __future__ import annotations

from namewise.engine import Message, Rdata

TYPE_CHECKING = False  # typing costs more time to import than a question takes
if TYPE_CHECKING:
    from collections.abc import Iterator

HEADER = 12
OPT, TSIG, SIG, KEY = 41, 250, 24, 25
_SERVICES = (64, 65)
_SECTIONS = ("answer", "authority", "additional")
_STAND_IN = b"\xff\xfe"
"""The type under which a misplaced OPT record passes our codec: private use (RFC 6895 §3.1)."""
_UNEXPECTED_END = "unexpected end of input"
_FORMERR = "FORMERR"
_BAD_OPTION = "malformed OPT option"
_EXTRA = "extra input data"
_BAD_POINTER = "bad compression pointer"
_BAD_LABEL = "bad label type"
_LONGER = (1, 2, 3, 4, 8, 12, 16, 20, 32, 64, 256)
"""By how many octets rdata is lengthened to find out whether it only ends too soon."""


class Fault(Exception):
    """The message stops making sense; `args[0]` is BIND's name for it."""


class Entry:
    """What the wire says about one record, before anything is made of it."""

    def __init__(self, start: int, owner_end: int, rtype: int, rclass: int, ttl: int, end: int) -> None:
        self.start = start
        self.owner_end = owner_end
        self.rtype = rtype
        self.rclass = rclass
        self.ttl = ttl
        self.end = end
        self.misplaced = False

    @property
    def rdata(self) -> int:
        """Where the data starts."""
        return self.owner_end + 10


class Reading:
    """A reply as far as it can be read.

    message: the readable part, valid; counts: as the header has them, true or not; size: octets received;
    malformed: the parser had to look away; extra: octets behind what was read; entries: the records of each
    section, without OPT, TSIG and SIG(0), as `Message.records` numbers them.
    """

    def __init__(self, message: Message, wire: bytes, extra: int, malformed: bool) -> None:
        self.message = message
        self.wire = wire
        self.extra = extra
        self.malformed = malformed
        self.counts = _counts(wire)
        self.entries: dict[str, list[Entry]] = {}
        self.payload = 0
        """The UDP payload size of OPT as it came: the codec takes less than 512 for 512 (RFC 6891 §6.2.3)."""

    def add(self, section: str, entry: Entry) -> None:
        """Take note of a record."""
        if entry.rtype == OPT and not entry.misplaced:
            self.payload = entry.rclass
        elif entry.rtype != TSIG:
            self.entries.setdefault(section, []).append(entry)


def sound(message: Message) -> Reading:
    """Return the reading of a message that is known to be valid."""
    wire = message.wire
    reading = Reading(message, wire, 0, malformed=False)
    for section, entry in _walk(wire)[1]:
        reading.add(section, entry)
    return reading


def read(wire: bytes, best_effort: bool) -> Reading:
    """Return what can be read of *wire*, at least a header, or raise `Fault`."""
    try:
        message = Message.parse(wire)
        whole = (
            _first_invalid(message, [(name, entry) for name, entry in _walk(wire)[1] if _is_data(entry)])
            is None
        )
    except ValueError:  # WireError, whose module is slow to import
        whole = False
    reading = sound(message) if whole else _repaired(wire, best_effort)
    _check_options(reading.message)
    reading.malformed = reading.malformed or _against_rules(reading)
    if reading.malformed and not best_effort:
        raise Fault(_FORMERR)
    return reading


def _repaired(wire: bytes, best_effort: bool) -> Reading:
    questions, entries, fault, stopped = _walk(wire)
    octets = bytearray(wire)
    for _, entry in entries:
        if entry.misplaced:
            octets[entry.owner_end : entry.owner_end + 2] = _STAND_IN
    try:
        message = _cut(octets, questions, entries)
    except ValueError as error:
        offset = getattr(error, "offset", None) or 0
        bad = next((at for at, (_, entry) in enumerate(entries) if entry.start <= offset < entry.end + 1), 0)
        if not entries:
            raise Fault(_FORMERR) from None
        fault = Fault(_rdata_fault(octets, questions, entries[: bad + 1]))
        stopped = entries[bad][1].rdata
        entries = entries[:bad]
        if fault.args[0] == _UNEXPECTED_END:
            message = _cut(octets, questions, entries)
    data = [(section, entry) for section, entry in entries if _is_data(entry)]
    invalid = _first_invalid(message, data) if fault is None or fault.args[0] == _UNEXPECTED_END else None
    if invalid is not None:
        bad = entries.index(data[invalid])
        fault = Fault(_opaque_fault(bytes(octets), data[invalid][1]))
        stopped = entries[bad][1].rdata
        entries = entries[:bad]
        message = _cut(octets, questions, entries)
    if fault is not None and (fault.args[0] != _UNEXPECTED_END or not best_effort):
        raise fault
    malformed = fault is not None or any(entry.misplaced for _, entry in entries)
    reading = Reading(message, wire, len(wire) - stopped, malformed)
    for section, entry in entries:
        reading.add(section, entry)
    return reading


def _walk(wire: bytes) -> tuple[int, list[tuple[str, Entry]], Fault | None, int]:
    """Return the number of whole questions, the whole records with their sections, why that is not all, and
    where reading stopped.
    """
    counts = _counts(wire)
    at, questions, seen_opt = HEADER, 0, False
    entries: list[tuple[str, Entry]] = []
    try:
        for _ in range(counts[0]):
            at = _name_end(wire, at)
            if at + 4 > len(wire):
                raise Fault(_UNEXPECTED_END)
            at, questions = at + 4, questions + 1
        for section, count in zip(_SECTIONS, counts[1:], strict=True):
            for _ in range(count):
                start = at
                at = _name_end(wire, at)
                if at + 10 > len(wire):
                    raise Fault(_UNEXPECTED_END)
                entry = _entry(wire, start, at)
                at = entry.rdata
                if entry.end > len(wire):
                    raise Fault(_UNEXPECTED_END)
                if entry.rtype == OPT:
                    entry.misplaced = seen_opt or section != "additional" or wire[start] != 0
                    seen_opt = seen_opt or not entry.misplaced
                at = entry.end
                entries.append((section, entry))
    except Fault as fault:
        return questions, entries, fault, at
    return questions, entries, None, at


def _cut(octets: bytearray, questions: int, entries: list[tuple[str, Entry]]) -> Message:
    """Return the message that ends with the last of *entries*, its counts set right; raise ValueError."""
    end = HEADER
    for _ in range(questions):
        end = _name_end(octets, end) + 4
    if entries:
        end = entries[-1][1].end
    copy = bytearray(octets[:end])
    counts = [questions, *(sum(name == section for name, _ in entries) for section in _SECTIONS)]
    copy[4:HEADER] = b"".join(count.to_bytes(2, "big") for count in counts)
    return Message.parse(bytes(copy))


def _rdata_fault(octets: bytearray, questions: int, entries: list[tuple[str, Entry]]) -> str:
    """Return BIND's name for what is wrong with the data of the last of *entries*."""
    section, entry = entries[-1]
    data = bytes(octets[entry.rdata : entry.end])
    if entry.rtype == OPT or (entry.rtype in _SERVICES and _parameters_end_too_soon(data)):
        return _UNEXPECTED_END

    def valid(data: bytes) -> bool:
        changed = octets[: entry.rdata - 2] + len(data).to_bytes(2, "big") + data
        one = Entry(
            entry.start, entry.owner_end, entry.rtype, entry.rclass, entry.ttl, entry.rdata + len(data)
        )
        try:
            _cut(changed, questions, [*entries[:-1], (section, one)])
        except ValueError:
            return False
        return True

    if any(valid(data + bytes(more)) for more in _LONGER):
        return _UNEXPECTED_END
    if any(valid(data[:length]) for length in range(len(data) - 1, 0, -1)):
        return _EXTRA
    if any(octet >= 192 for octet in data):
        return _BAD_POINTER
    return _FORMERR


def _is_data(entry: Entry) -> bool:
    """Say whether `Message.records` has the record: neither OPT nor TSIG."""
    return entry.misplaced or entry.rtype not in (OPT, TSIG)


def _first_invalid(message: Message, entries: list[tuple[str, Entry]]) -> int | None:
    """Return which of *entries*, the data records of *message*, has data that is not of its type.

    The codec accepts any octets for types without compressed names: they are opaque on their way (RFC 3597).
    """
    records = [record for section in _SECTIONS for record in message.records(section)]
    for at, (record, (_, entry)) in enumerate(zip(records, entries, strict=False)):
        if not entry.misplaced and not _is_valid(entry.rtype, record.rdata.wire):
            return at
    return None


def _is_valid(rtype: int, data: bytes) -> bool:
    try:
        Rdata.from_wire(rtype, data)
    except ValueError:
        return False
    return True


def _opaque_fault(octets: bytes, entry: Entry) -> str:
    """Return BIND's name for what is wrong with the data of *entry*, which holds no compressed name."""
    data = octets[entry.rdata : entry.end]
    if entry.rtype in _SERVICES and _parameters_end_too_soon(data):
        return _UNEXPECTED_END
    if any(_is_valid(entry.rtype, data + bytes(more)) for more in _LONGER):
        return _UNEXPECTED_END
    if any(_is_valid(entry.rtype, data[:length]) for length in range(len(data) - 1, 0, -1)):
        return _EXTRA
    return _FORMERR


def _parameters_end_too_soon(data: bytes) -> bool:
    """Say whether the last service parameter is longer than the data (RFC 9460 §2.2)."""
    try:
        at = _name_end(data, 2)
    except Fault:
        return False
    while at + 4 <= len(data):
        at += 4 + int.from_bytes(data[at + 2 : at + 4], "big")
    return at != len(data)


def _counts(wire: bytes) -> tuple[int, int, int, int]:
    questions, answers, authorities, additionals = (
        int.from_bytes(wire[at : at + 2], "big") for at in range(4, HEADER, 2)
    )
    return questions, answers, authorities, additionals


def _name_end(wire: bytes | bytearray, at: int) -> int:
    """Return where the name at *at* ends; raise `Fault` if it is none."""
    end, limit = 0, at
    while True:
        if at >= len(wire):
            raise Fault(_UNEXPECTED_END)
        length = wire[at]
        if length < 64:
            at += length + 1
            if length == 0:
                return end or at
        elif length >= 192:
            if at + 1 >= len(wire):
                raise Fault(_UNEXPECTED_END)
            to = (length & 63) << 8 | wire[at + 1]
            end = end or at + 2
            if to >= limit:
                raise Fault(_BAD_POINTER)
            at = limit = to
        else:
            raise Fault(_BAD_LABEL)


def _entry(wire: bytes, start: int, owner_end: int) -> Entry:
    """Return the record at *start* whose owner ends at *owner_end*, its data not looked at."""
    rtype, rclass, length = (
        int.from_bytes(wire[owner_end + at : owner_end + at + 2], "big") for at in (0, 2, 8)
    )
    ttl = int.from_bytes(wire[owner_end + 4 : owner_end + 8], "big")
    return Entry(start, owner_end, rtype, rclass, ttl, owner_end + 10 + length)


def _against_rules(reading: Reading) -> bool:
    """Say whether there is more than one question, or a record of another class than the question."""
    message = reading.message
    if message.counts[0] > 1:
        return True
    question = message.question
    if question is None or message.opcode == "UPDATE" or question.rclass_value == 255:
        return False
    return any(
        entry.rclass != question.rclass_value and entry.rtype not in (OPT, TSIG, SIG, KEY)
        for entries in reading.entries.values()
        for entry in entries
        if not entry.misplaced
    )


def _check_options(message: Message) -> None:
    """Raise `Fault` if an EDNS option is not what BIND takes it for."""
    edns = message.edns
    for option in edns.options if edns is not None else ():
        if not _option_is_sound(option.code, option.data):
            raise Fault(_BAD_OPTION)


def _option_is_sound(code: int, data: bytes) -> bool:
    size = len(data)
    if code in _SIZES:
        return size in _SIZES[code]
    if code == 8:
        return size == 0 or _subnet_is_sound(data)
    if code == 14:
        return size > 0 and size % 2 == 0
    if code == 15:
        if size < 2:
            return False
        try:
            data[2:].decode()
        except UnicodeDecodeError:
            return False
    return True


# LLQ, UPDATE-LEASE, EXPIRE, COOKIE, CLIENT-TAG, SERVER-TAG.
_SIZES = {1: (18,), 2: (4, 8), 9: (0, 4), 10: (8, *range(16, 41)), 16: (2,), 17: (2,)}


def _subnet_is_sound(data: bytes) -> bool:
    if len(data) < 4:
        return False
    family, source, scope = int.from_bytes(data[:2], "big"), data[2], data[3]
    most = {0: 0, 1: 32, 2: 128}.get(family)
    if most is None or source > most or scope > most:
        return False
    octets = data[4:]
    spare = -source % 8
    return len(octets) == (source + 7) // 8 and not (octets and octets[-1] & ((1 << spare) - 1))


def dump(wire: bytes) -> Iterator[str]:
    """Yield the lines in which dig shows a packet that it cannot read."""
    yield f"{len(wire)} bytes"
    for at in range(0, len(wire), 16):
        row = wire[at : at + 16]
        text = "".join(chr(octet) if 32 < octet < 127 else "." for octet in row)
        yield "".join(f"{octet:02x} " for octet in row).ljust(57) + text

"""A message as dig prints it.

Columns as in BIND's master-file style: TTL at 24, class at 32, type at 40, data at 48, tabs of eight, at
least one space. Long hex and base64 fields are cut into words of 56 characters; `+split` says otherwise.
"""

from __future__ import annotations

from namewise.engine import registry
from namewise.tools.dig.grammar import RECEIPT

TYPE_CHECKING = False  # typing costs more time to import than a question takes
if TYPE_CHECKING:
    from collections.abc import Iterator

    from namewise.engine import Edns, EdnsOption, Message, Record
    from namewise.tools.dig.besteffort import Entry, Reading
    from namewise.tools.dig.grammar import Lookup

# From which field on the data of a type is one long hex or base64 text.
LONG_FIELD = {
    "DNSKEY": 3, "CDNSKEY": 3, "KEY": 3, "RRSIG": 8, "SIG": 8, "DS": 3, "CDS": 3, "DLV": 3, "TA": 3, "TLSA":
    3,
    "SMIMEA": 3, "SSHFP": 2, "CERT": 3, "OPENPGPKEY": 0, "DHCID": 0, "ZONEMD": 3,
}  # fmt: skip
# Types whose long field is hexadecimal, which BIND writes in capitals.
_HEX = frozenset({"DS", "CDS", "DLV", "TA", "TLSA", "SMIMEA", "SSHFP", "ZONEMD"})
_CRYPTO = frozenset({"DNSKEY", "CDNSKEY", "KEY", "RRSIG", "SIG", "DS", "CDS", "DLV"})
_OPTIONS = {
    1: "LLQ", 3: "NSID", 8: "CLIENT-SUBNET", 9: "EXPIRE", 11: "TCP KEEPALIVE", 12: "PAD", 14: "KEY-TAG",
    15: "EDE", 16: "CLIENT-TAG", 17: "SERVER-TAG", RECEIPT: "RECEIPT",
}  # fmt: skip
_WORD = 56
_MULTILINE_WORD = 44


def stops(lookup: Lookup) -> tuple[int, int, int, int]:
    """Return the columns of TTL, class, type and data."""
    ttl, rclass = lookup.show["ttlid"], lookup.show["class"]
    if lookup.multiline or not (ttl or rclass):
        return 24, 24, 24, 32
    return (24, 32, 40, 48) if ttl and rclass else (24, 24, 32, 40)


OPCODES = (
    "QUERY", "IQUERY", "STATUS", "RESERVED3", "NOTIFY", "UPDATE", *(f"RESERVED{code}" for code in range(6, 16)),
)  # fmt: skip
_RCODES = (
    "NOERROR", "FORMERR", "SERVFAIL", "NXDOMAIN", "NOTIMP", "REFUSED", "YXDOMAIN", "YXRRSET", "NXRRSET",
    "NOTAUTH", "NOTZONE", *(f"RESERVED{code}" for code in range(11, 16)), "BADVERS",
)  # fmt: skip
BADCOOKIE = 23


def rcode_text(message: Message) -> str:
    """Return the response code by dig's name: its table is shorter than IANA's registry."""
    code = message.rcode_value
    return _RCODES[code] if code < len(_RCODES) else "BADCOOKIE" if code == BADCOOKIE else f"?{code}"


def must_be_zero(message: Message) -> str:
    """Return the reserved header bit (RFC 1035 §4.1.1), `0x4`, if it is set."""
    return "0x4" if message.flags_value & 0x40 else ""


def header(reading: Reading, lookup: Lookup, *, is_reply: bool) -> str:
    """Return the header lines, warnings included."""
    lines = []
    message = reading.message
    question = message.question
    if question is not None and is_reply:
        labels = str(question.name).lower().rstrip(".").rsplit(".", 1)
        if labels[-1] == "local":
            lines.append(";; WARNING: .local is reserved for Multicast DNS")
            lines.append(";; You are currently testing what happens when an mDNS query is leaked to DNS")
    flags, reserved = message.flags, must_be_zero(message)
    names = ("QUERY", "ANSWER", "AUTHORITY", "ADDITIONAL")
    counts = ", ".join(f"{name}: {n}" for name, n in zip(names, reading.counts, strict=True))
    opcode = OPCODES[message.opcode_value]
    lines.append(f";; ->>HEADER<<- opcode: {opcode}, status: {rcode_text(message)}, id: {message.id}")
    lines.append(f";; flags:{' ' if flags else ''}{flags}{'; MBZ: ' if reserved else ''}{reserved}; {counts}")
    if is_reply and message.recursion_desired and not message.recursion_available:
        lines.append(";; WARNING: recursion requested but not available")
    if is_reply and reading.extra:
        lines.append(f";; WARNING: Message has {reading.extra} extra bytes at end")
    if (
        is_reply
        and lookup.edns is not None
        and message.edns is None
        and message.rcode in ("FORMERR", "NOTIMP")
    ):
        wanted = "+nodnssec " if lookup.dnssec else ""
        lines.append("")
        lines.append(f";; WARNING: EDNS query returned status {message.rcode} - retry with '{wanted}+noedns'")
    return "\n".join(lines) + "\n"


def opt(reading: Reading, query: Message | None) -> list[str]:
    """Return the lines of the OPT pseudosection, without its heading."""
    edns = reading.message.edns
    if edns is None:
        return []
    flags, reserved = edns_flags(edns)
    mbz = f" MBZ: {reserved}," if reserved else ""
    lines = [f"; EDNS: version: {edns.version}, flags:{flags};{mbz} udp: {reading.payload}"]
    lines += [f"; {option_text(option, query)}" for option in edns.options]
    return lines


def edns_flags(edns: Edns) -> tuple[str, str]:
    """Return the names of the EDNS flags, each behind a space, and the bits without a name, `0x0001` or empty."""
    bits = edns.flags_value
    names = (" do" if bits & 0x8000 else "") + (" co" if bits & 0x4000 else "")
    return names, f"0x{bits & 0x3FFF:04x}" if bits & 0x3FFF else ""


def option_text(option: EdnsOption, query: Message | None, *, yaml: bool = False) -> str:
    """Return `NAME: value` as dig writes it for the option; *query* is None for an option of a query."""
    code, data = option.code, option.data
    if code == 10:
        return f"COOKIE: {data.hex()}{_cookie_verdict(data, query)}"
    name = _OPTIONS.get(code, f"OPT={code}")
    if yaml and code == 11:
        name = "TCP-KEEPALIVE"
    if not data or (code == 12 and query is None):
        return f"{name}:"
    if code == 8:
        return f"{name}: {_subnet_text(data) or data.hex(' ') + ' '}"
    if code == 15:
        number = int.from_bytes(data[:2], "big")
        meaning = registry("ede").get(number)
        shown = f" ({meaning})" if meaning else ""
        extra = ede_text(data)
        return f"{name}: {number}{shown}" + (f": ({extra})" if extra else "")
    if code == 11 and len(data) == 2:
        return f"{name}: {int.from_bytes(data, 'big') / 10:.1f} secs"
    if code == 9:
        seconds = int.from_bytes(data, "big")
        return f"{name}: {seconds} ({in_words(seconds)})"
    if code == RECEIPT and len(data) == 8:
        number = int.from_bytes(data, "big")
        return f"{name}: {number}" + ("" if yaml else f" (nw why {number})")
    if code == 12 and not yaml:
        return f"{name}: ({len(data)} bytes)"
    words = [int.from_bytes(data[at : at + 2], "big") for at in range(0, len(data), 2)]
    if code == 14:
        return f"{name}: {', '.join(str(word) for word in words)}"
    if code in (16, 17):
        return f"{name}: {words[0]}"
    if code == 1:
        identifier = int.from_bytes(data[6:14], "big")
        return (
            f"{name}: Version: {words[0]}, Opcode: {words[1]}, Error: {words[2]}, "
            f"Identifier: {identifier}, Lifetime: {int.from_bytes(data[14:], 'big')}"
        )
    text = "".join(chr(octet) if 32 <= octet < 127 else "." for octet in data)
    return f'{name}: {data.hex(" ")} ("{text}")'


def ede_text(data: bytes) -> str:
    """Return the text of an extended error (RFC 8914 §2), with a dot for what a terminal would obey."""
    text = data[2:].decode("utf-8", "replace")
    return "".join("." if ord(char) < 32 or 127 <= ord(char) < 160 else char for char in text)


def _cookie_verdict(data: bytes, query: Message | None) -> str:
    if query is None or query.edns is None:
        return ""
    sent = query.edns.option("COOKIE")
    if sent is None:
        return ""
    if data[:8] != sent.data[:8]:
        return " (bad)"
    return " (good)" if len(data) > 8 else " (echoed)"


def _subnet_text(data: bytes) -> str:
    """Return `ADDRESS/SOURCE/SCOPE` of a CLIENT SUBNET option, or an empty text if it is malformed (RFC 7871 §6)."""
    import _socket as socket

    if len(data) < 4:
        return ""
    family, source, scope = int.from_bytes(data[:2], "big"), data[2], data[3]
    most = {0: 0, 1: 32, 2: 128}.get(family)
    if most is None or source > most or scope > most or len(data) < 4 + (source + 7) // 8:
        return ""
    octets = data[4:].ljust(most // 8, b"\0")[: most // 8]
    shown = socket.inet_ntop(socket.AF_INET if family == 1 else socket.AF_INET6, octets) if family else "0"
    return f"{shown}/{source}/{scope}"


def question_lines(message: Message, lookup: Lookup) -> list[str]:
    """Return the lines of the question section."""
    _, class_at, type_at, _ = stops(lookup)
    lines = []
    for question in message.questions:
        line = Line(str(question.name))
        # +noclass is about records.
        line.put(class_at, f"CLASS{question.rclass_value}" if lookup.unknown else question.rclass)
        line.put(type_at, f"TYPE{question.type_value}" if lookup.unknown else question.type)
        lines.append(";" + line.text)
    return lines


def record_lines(reading: Reading, section: str, lookup: Lookup) -> Iterator[str]:
    """Yield each record of *section*; with `+multiline` a record may hold newlines."""
    entries = reading.entries.get(section, ())
    for record, entry in zip(reading.message.records(section), entries, strict=True):
        if not _is_sig0(record):
            yield record_line(record, entry, lookup)


def record_line(record: Record, entry: Entry, lookup: Lookup) -> str:
    """Return the record as dig prints it. *entry* has the values of the wire that the codec corrects."""
    ttl_at, class_at, type_at, data_at = stops(lookup)
    line = Line(str(record.owner))
    if lookup.show["ttlid"]:
        line.put(ttl_at, ttl_text(entry.ttl) if lookup.ttlunits else str(entry.ttl))
    if lookup.show["class"]:
        line.put(class_at, f"CLASS{record.rclass_value}" if lookup.unknown else record.rclass)
    if entry.misplaced:
        line.put(type_at, "OPT")
        line.put(data_at, record.rdata.wire.hex().upper())
        return line.text
    line.put(type_at, f"TYPE{record.type_value}" if lookup.unknown else record.type)
    data = rdata_text(record, lookup, multiline=lookup.multiline)
    if data:
        line.put(data_at, data)
    return line.text


def _is_sig0(record: Record) -> bool:
    """Say whether *record* signs the message (RFC 2931 §3): a SIG that covers type 0."""
    return record.type_value == 24 and record.rdata.wire[:2] == b"\0\0"


# Types whose data has its format in class IN only (RFC 1035 §3.4, and the RFCs of each).
_IN_ONLY = frozenset(
    {"A", "AAAA", "A6", "APL", "ATMA", "DHCID", "EID", "HTTPS", "KX", "NAPTR", "NIMLOC", "NSAP", "NSAP-PTR", "PX",
     "SRV", "SVCB", "WKS"}
)  # fmt: skip
_ALGORITHMS = {
    1: "RSAMD5", 2: "DH", 3: "DSA", 5: "RSASHA1", 6: "NSEC3DSA", 7: "NSEC3RSASHA1", 8: "RSASHA256", 10: "RSASHA512",
    12: "ECCGOST", 13: "ECDSAP256SHA256", 14: "ECDSAP384SHA384", 15: "ED25519", 16: "ED448", 252: "INDIRECT",
    253: "PRIVATEDNS", 254: "PRIVATEOID",
}  # fmt: skip


def algorithm_text(number: int) -> str:
    """Return BIND's mnemonic of a DNSSEC algorithm, or its number."""
    return _ALGORITHMS.get(number, str(number))


def rdata_text(record: Record, lookup: Lookup, *, multiline: bool = False, comments: bool = True) -> str:
    """Return the data of *record* by the settings of *lookup*, over several lines if *multiline*."""
    rdata = record.rdata
    if lookup.unknown or (record.rclass != "IN" and record.type in _IN_ONLY):
        octets = rdata.wire
        if multiline:
            from namewise.tools.dig.multiline import unknown

            return unknown(octets, lookup)
        words = _words(octets.hex().upper(), lookup.split)
        return f"\\# {len(octets)}" + (f" {words}" if words else "")
    text, kind = _as_bind(record.type, str(rdata), rdata.wire, lookup), record.type
    if multiline:
        from namewise.tools.dig.multiline import multiline as lay_out

        return lay_out(kind, text, lookup, rdata.wire)
    first = LONG_FIELD.get(kind)
    if text.startswith("\\# "):
        first = 2
    if first is None:
        return text
    fields = text.split(" ")
    comment = key_comment(kind, rdata.wire) if comments and lookup.rrcomments > 0 else ""
    if not lookup.show["crypto"] and kind in _CRYPTO:
        hidden = "[omitted]"
        if kind in KEYS:
            hidden = f"[key id = {key_tag(rdata.wire)}]"
        return " ".join([*fields[:first], hidden]) + comment
    long = "".join(fields[first:])
    return " ".join([*fields[:first], _words(long, lookup.split)]).rstrip(" ") + comment


KEYS = frozenset({"DNSKEY", "CDNSKEY", "KEY"})


def key_comment(kind: str, rdata: bytes) -> str:
    """Return the comment behind a key: its role, its algorithm, its tag."""
    if kind not in KEYS:
        return ""
    role = ""
    if kind != "KEY":
        flags = int.from_bytes(rdata[:2], "big")
        role = f" ; {'revoked ' if flags & 0x80 else ''}{'KSK' if flags & 1 else 'ZSK'}"
    return f" {role}; alg = {algorithm_text(rdata[3])} ; key id = {key_tag(rdata)}"


def _as_bind(kind: str, text: str, rdata: bytes, lookup: Lookup) -> str:
    """Return *text*, record data in our form, with the spellings that BIND has of its own."""
    if text.startswith("\\# "):
        return text.upper()
    if kind in ("NSEC3", "NSEC3PARAM"):
        return _salted(text)
    fields = text.split(" ")
    if kind in _HEX:
        first = LONG_FIELD[kind]
        return " ".join([*fields[:first], *(field.upper() for field in fields[first:])])
    if kind == "LOC":
        return " ".join([*fields[:-3], *(_whole_metres(field) for field in fields[-3:])])
    if kind == "CERT":
        fields[2] = algorithm_text(rdata[4])
    elif kind == "HIP":
        fields[1] = fields[1].upper()
    elif kind in ("NID", "L64"):
        fields[1] = ":".join(f"{int(part, 16):x}" for part in fields[1].split(":"))
    elif kind in ("SIG", "RRSIG") and rdata[:2] == b"\0\0":
        fields[0] = "0"
    elif kind == "AAAA" and lookup.expand_aaaa:
        return ":".join(rdata[at : at + 2].hex() for at in range(0, 16, 2))
    else:
        return text
    return " ".join(fields)


def _whole_metres(field: str) -> str:
    """Return a size or precision of LOC, without the decimals where it is a metre or more."""
    return field if field.startswith("0.") else field.replace(".00m", "m")


def _salted(text: str) -> str:
    """Return the data of NSEC3 or NSEC3PARAM with salt and hash in capitals, as BIND writes them."""
    fields = text.split(" ")
    return " ".join([*(field.upper() for field in fields[:5]), *fields[5:]])


def _words(text: str, split: int | None, default: int = _WORD) -> str:
    width = default if split is None else split
    if not width:
        return text
    return " ".join(text[at : at + width] for at in range(0, len(text), width))


def key_tag(rdata: bytes) -> int:
    """Return the key tag of DNSKEY data (RFC 4034 appendix B)."""
    total = sum(octet << 8 if at % 2 == 0 else octet for at, octet in enumerate(rdata))
    return (total + (total >> 16)) & 0xFFFF


def ttl_text(ttl: int) -> str:
    """Return *ttl* in units: `1h30m`."""
    if ttl == 0:
        return "0s"
    parts = ""
    for unit, seconds in (("w", 604800), ("d", 86400), ("h", 3600), ("m", 60), ("s", 1)):
        count, ttl = divmod(ttl, seconds)
        if count:
            parts += f"{count}{unit}"
    return parts


def in_words(seconds: int) -> str:
    """Return *seconds* as BIND's comments have them: `1 week 2 days`."""
    parts = []
    for unit, size in (("week", 604800), ("day", 86400), ("hour", 3600), ("minute", 60), ("second", 1)):
        count, seconds = divmod(seconds, size)
        if count:
            parts.append(f"{count} {unit}{'' if count == 1 else 's'}")
    return " ".join(parts) or "0 seconds"


_UPDATE_TITLES = {"question": "ZONE", "answer": "PREREQUISITE", "authority": "UPDATE"}
"""The sections of an UPDATE (RFC 2136 §2)."""


def body(reading: Reading, lookup: Lookup, query: Message | None) -> str:
    """Return the pseudosection and the sections that *lookup* shows."""
    message = reading.message
    comments = lookup.show["comments"]
    titles = _UPDATE_TITLES if message.opcode == "UPDATE" else {}
    out: list[str] = []

    def section(title: str, lines: list[str]) -> None:
        if comments:
            out.append(f";; {title}SECTION:")
        out.extend(lines)
        if comments:
            out.append("")

    if comments:
        lines = opt(reading, query)
        out += ["", ";; OPT PSEUDOSECTION:", *lines] if lines else [""]
    if lookup.show["question"] and (
        message.counts[0] or reading.counts[0] or (query is None and lookup.header_only)
    ):
        section(titles.get("question", "QUESTION") + " ", question_lines(message, lookup))
    for name in ("answer", "authority", "additional"):
        lines = list(record_lines(reading, name, lookup)) if lookup.show[name] else []
        if lines:
            section(titles.get(name, name.upper()) + " ", lines)
    if lookup.show["additional"]:
        tsig = message.tsig
        if tsig is not None:
            section("TSIG PSEUDO", [_tsig_line(tsig, lookup)])
        entries = reading.entries.get("additional", ())
        for record, entry in zip(message.records("additional"), entries, strict=True):
            if _is_sig0(record):
                section("SIG0 PSEUDO", [record_line(record, entry, lookup)])
    return "".join(f"{line}\n" for line in out)


def _tsig_line(text: str, lookup: Lookup) -> str:
    """Return the TSIG record *text*, `owner data`, as a line in columns (RFC 8945 §4.2)."""
    ttl_at, class_at, type_at, data_at = stops(lookup)
    owner, _, data = text.partition(" ")
    line = Line(owner)
    for column, field in ((ttl_at, "0"), (class_at, "ANY"), (type_at, "TSIG"), (data_at, data)):
        line.put(column, field)
    return line.text + ("" if line.text.endswith(" ") else " ")


class Line:
    """A line that is being built, with its current column."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.column = len(text)

    def put(self, column: int, field: str) -> None:
        """Add *field* at *column*, or after one space if the line is longer already."""
        to = max(column, self.column + 1)
        tabs = to // 8 - self.column // 8
        if tabs > 0:
            self.text += "\t" * tabs
            self.column = to // 8 * 8
        self.text += " " * (to - self.column) + field
        self.column = to + len(field)

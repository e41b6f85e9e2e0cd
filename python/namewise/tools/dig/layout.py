"""A message as dig prints it.

Columns as in BIND's master-file style: TTL at 24, class at 32, type at 40, data at 48, tabs of eight, at
least one space. Long hex and base64 fields are cut into words of 56 characters; `+split` says otherwise.
"""

from __future__ import annotations

from namewise.engine import registry

TYPE_CHECKING = False  # typing costs more time to import than a question takes
if TYPE_CHECKING:
    from collections.abc import Iterator

    from namewise.engine import EdnsOption, Message, Record
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
_EMPTY = {3: "NSID", 9: "EXPIRE", 11: "TCP KEEPALIVE", 12: "PAD"}
_WORD = 56
_MULTILINE_WORD = 44


def stops(lookup: Lookup) -> tuple[int, int, int, int]:
    """Return the columns of TTL, class, type and data."""
    ttl, rclass = lookup.show["ttlid"], lookup.show["class"]
    if lookup.multiline or not (ttl or rclass):
        return 24, 24, 24, 32
    return (24, 32, 40, 48) if ttl and rclass else (24, 24, 32, 40)


def header(message: Message, lookup: Lookup, *, is_reply: bool) -> str:
    """Return the header lines, warnings included."""
    lines = []
    question = message.question
    if question is not None and is_reply:
        labels = str(question.name).lower().rstrip(".").rsplit(".", 1)
        if labels[-1] == "local":
            lines.append(";; WARNING: .local is reserved for Multicast DNS")
            lines.append(";; You are currently testing what happens when an mDNS query is leaked to DNS")
    queries, answers, authorities, additionals = message.counts
    flags = message.flags
    must_be_zero = "; MBZ: 0x4" if message.flags_value & 0x40 else ""
    names = (
        ("ZONE", "PREREQ", "UPDATE", "ADDITIONAL")
        if message.opcode == "UPDATE"
        else ("QUERY", "ANSWER", "AUTHORITY", "ADDITIONAL")
    )
    counts = ", ".join(
        f"{name}: {n}" for name, n in zip(names, (queries, answers, authorities, additionals), strict=True)
    )
    lines.append(f";; ->>HEADER<<- opcode: {message.opcode}, status: {message.rcode}, id: {message.id}")
    lines.append(f";; flags:{' ' if flags else ''}{flags}{must_be_zero}; {counts}")
    if is_reply and message.recursion_desired and not message.recursion_available:
        lines.append(";; WARNING: recursion requested but not available")
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


def opt(message: Message, query: Message | None) -> list[str]:
    """Return the lines of the OPT pseudosection, without its heading."""
    edns = message.edns
    if edns is None:
        return []
    flags = " do" if edns.dnssec_ok else ""
    lines = [f"; EDNS: version: {edns.version}, flags:{flags}; udp: {edns.udp_payload}"]
    lines += [f"; {option_text(option, query)}" for option in edns.options]
    return lines


def option_text(option: EdnsOption, query: Message | None) -> str:
    """Return `NAME: value` as dig writes it for the option."""
    code, data = option.code, option.data
    if code == 10:
        return f"COOKIE: {data.hex()}{_cookie_verdict(data, query)}"
    if not data:
        return f"{_EMPTY.get(code, f'OPT={code}')}:"
    if code == 8 and len(data) >= 4:
        return f"CLIENT-SUBNET: {_subnet_text(data)}"
    if code == 15 and len(data) >= 2:
        number = int.from_bytes(data[:2], "big")
        meaning = registry("ede").get(number)
        shown = f" ({meaning})" if meaning else ""
        extra = data[2:].decode("utf-8", "replace")
        return f"EDE: {number}{shown}" + (f": ({extra})" if extra else "")
    if code == 11:
        return (
            f"TCP KEEPALIVE: {int.from_bytes(data, 'big') / 10:.1f} secs"
            if len(data) == 2
            else "TCP KEEPALIVE"
        )
    if code == 9:
        if len(data) != 4:
            return "EXPIRE:"
        seconds = int.from_bytes(data, "big")
        return f"EXPIRE: {seconds} ({in_words(seconds)})"
    if code == 12:
        return f"PAD: ({len(data)} bytes)" if any(data) else "PAD:"
    name = "NSID" if code == 3 else f"OPT={code}"
    text = "".join(chr(octet) if 32 <= octet < 127 else "." for octet in data)
    return f'{name}: {data.hex(" ")} ("{text}")' if data else name


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
    import _socket as socket

    family, source, scope = int.from_bytes(data[:2], "big"), data[2], data[3]
    size = 4 if family == 1 else 16
    octets = data[4:].ljust(size, b"\0")[:size]
    shown = socket.inet_ntop(socket.AF_INET if family == 1 else socket.AF_INET6, octets)
    return f"{shown}/{source}/{scope}"


def question_lines(message: Message, lookup: Lookup) -> list[str]:
    """Return the lines of the question section."""
    _, class_at, type_at, _ = stops(lookup)
    lines = []
    for question in message.questions:
        line = _Line(str(question.name))
        if lookup.show["class"]:
            line.put(class_at, question.rclass)
        line.put(type_at, question.type)
        lines.append(";" + line.text)
    return lines


def record_lines(message: Message, section: str, lookup: Lookup) -> Iterator[str]:
    """Yield each record of *section*; with `+multiline` a record may hold newlines."""
    ttl_at, class_at, type_at, data_at = stops(lookup)
    for record in message.records(section):
        line = _Line(str(record.owner))
        if lookup.show["ttlid"]:
            line.put(ttl_at, ttl_text(record.ttl) if lookup.ttlunits else str(record.ttl))
        if lookup.show["class"]:
            line.put(class_at, record.rclass)
        line.put(type_at, record.type)
        data = rdata_text(record, lookup)
        if data:
            line.put(data_at, data)
        yield line.text


def rdata_text(record: Record, lookup: Lookup) -> str:
    """Return the data of *record* as the settings of *lookup* want it."""
    rdata = record.rdata
    if lookup.unknown:
        octets = rdata.wire
        words = _words(octets.hex().upper(), lookup.split)
        return f"\\# {len(octets)}" + (f" {words}" if words else "")
    text, kind = str(rdata), record.type
    if lookup.multiline:
        from namewise.tools.dig.multiline import multiline

        return multiline(kind, text, lookup, rdata.wire)
    first = LONG_FIELD.get(kind)
    if kind in ("NSEC3", "NSEC3PARAM"):
        return _salted(text)
    if text.startswith("\\# "):
        first = 2
    if first is None:
        return text
    fields = text.split(" ")
    if not lookup.show["crypto"] and kind in _CRYPTO:
        hidden = "[key id = ]" if kind in ("DNSKEY", "KEY", "CDNSKEY") else "[omitted]"
        if kind in ("DNSKEY", "KEY", "CDNSKEY"):
            hidden = f"[key id = {key_tag(rdata.wire)}]"
        return " ".join([*fields[:first], hidden])
    long = "".join(fields[first:])
    if kind in _HEX or first == 2:
        long = long.upper()
    return " ".join([*fields[:first], _words(long, lookup.split)]).rstrip(" ")


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


def body(message: Message, lookup: Lookup, query: Message | None) -> str:
    """Return the pseudosection and the sections that *lookup* shows."""
    comments = lookup.show["comments"]
    out: list[str] = []
    if comments:
        lines = opt(message, query)
        if lines:
            out += ["", ";; OPT PSEUDOSECTION:", *lines]
        else:
            out.append("")
    if lookup.show["question"] and message.counts[0]:
        if comments:
            out.append(";; QUESTION SECTION:")
        out += question_lines(message, lookup)
        if comments:
            out.append("")
    for section in ("answer", "authority", "additional"):
        if not lookup.show[section]:
            continue
        lines = list(record_lines(message, section, lookup))
        if not lines:
            continue
        if comments:
            out.append(f";; {section.upper()} SECTION:")
        out += lines
        if comments:
            out.append("")
    return "".join(f"{line}\n" for line in out)


class _Line:
    """One line under construction; knows its column."""

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

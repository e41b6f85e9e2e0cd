"""Record data over several lines, for `+multiline`: SOA, keys and signatures as BIND lays them out.

Other types stay on one line, as they do there unless a field is very long.
"""

from __future__ import annotations

from namewise.tools.dig.layout import LONG_FIELD, in_words, key_tag

TYPE_CHECKING = False  # typing costs more time to import than a question takes
if TYPE_CHECKING:
    from namewise.tools.dig.grammar import Lookup

_INDENT = "\t\t\t\t"
_WIDTH = 44
_ALGORITHMS = {
    1: "RSAMD5", 3: "DSA", 5: "RSASHA1", 6: "NSEC3DSA", 7: "NSEC3RSASHA1", 8: "RSASHA256", 10: "RSASHA512",
    12: "ECCGOST",
    13: "ECDSAP256SHA256", 14: "ECDSAP384SHA384", 15: "ED25519", 16: "ED448",
}  # fmt: skip
_SOA = ("serial", "refresh", "retry", "expire", "minimum")


def multiline(kind: str, text: str, lookup: Lookup, rdata: bytes) -> str:
    """Return *text*, the data of a record of type *kind*, over several lines where BIND does so."""
    fields = text.split(" ")
    if kind == "SOA":
        return _soa(fields, comments=lookup.rrcomments is not False)
    if text.startswith("\\# "):
        return f"{' '.join(fields[:2])} ( {''.join(fields[2:])} )"
    first = LONG_FIELD.get(kind)
    if first is None:
        return text
    long = "".join(fields[first:])
    width = _WIDTH if lookup.split is None else lookup.split or len(long)
    lines = [long[at : at + width] for at in range(0, len(long), width)]
    if kind in ("RRSIG", "SIG"):
        return _rrsig(fields, lines, hidden=not lookup.show["crypto"])
    if kind in ("DNSKEY", "CDNSKEY", "KEY"):
        note = _key_note(fields, rdata) if lookup.rrcomments is not False else ""
        if not lookup.show["crypto"]:
            return f"{' '.join(fields[:first])} [key id = {key_tag(rdata)}]"
        return (
            f"{' '.join(fields[:first])} (\n"
            + "".join(f"{_INDENT}{line}\n" for line in lines)
            + f"{_INDENT}){note}"
        )
    if not lookup.show["crypto"] and kind in ("DS", "CDS", "DLV"):
        return f"{' '.join(fields[:first])} [omitted]"
    return f"{' '.join(fields[:first])} (\n" + "\n".join(f"{_INDENT}{line}" for line in lines) + " )"


def _soa(fields: list[str], *, comments: bool) -> str:
    out = f"{fields[0]} {fields[1]} (\n"
    for name, number in zip(_SOA, fields[2:], strict=True):
        note = ""
        if comments:
            note = f" ; {name}" + ("" if name == "serial" else f" ({in_words(int(number))})")
        out += f"{_INDENT}{number:<10}{note}\n" if comments else f"{_INDENT}{number}\n"
    return out + f"{_INDENT})"


def _rrsig(fields: list[str], lines: list[str], *, hidden: bool) -> str:
    head = f"{' '.join(fields[:4])} (\n{_INDENT}{' '.join(fields[4:8])}\n"
    if hidden:
        return head + f"{_INDENT}[omitted] )"
    return head + "\n".join(f"{_INDENT}{line}" for line in lines) + " )"


def _key_note(fields: list[str], rdata: bytes) -> str:
    flags, algorithm = int(fields[0]), int(fields[2])
    role = "ZSK" if not flags & 1 else "KSK"
    revoked = "revoked " if flags & 0x80 else ""
    return f" ; {revoked}{role}; alg = {_ALGORITHMS.get(algorithm, algorithm)} ; key id = {key_tag(rdata)}"

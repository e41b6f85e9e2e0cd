"""Record data over several lines, for `+multiline`: SOA, keys and signatures as BIND lays them out.

Other types stay on one line, as they do there unless a field is very long.
"""

from __future__ import annotations

from namewise.tools.dig.layout import KEYS, LONG_FIELD, in_words, key_comment, key_tag

TYPE_CHECKING = False  # typing costs more time to import than a question takes
if TYPE_CHECKING:
    from namewise.tools.dig.grammar import Lookup

_INDENT = "\t\t\t\t"
_WIDTH = 44
_SOA = ("serial", "refresh", "retry", "expire", "minimum")


def multiline(kind: str, text: str, lookup: Lookup, rdata: bytes) -> str:
    """Return *text*, the data of a record of type *kind*, over several lines where BIND does so."""
    fields = text.split(" ")
    comments = lookup.rrcomments >= 0
    if kind == "SOA":
        return _soa(fields, comments=comments)
    if text.startswith("\\# "):
        return unknown(rdata, lookup)
    if kind == "HIP":
        return f"( {' '.join(fields[:2])}\n" + "\n".join(f"{_INDENT}{field}" for field in fields[2:]) + " )"
    first = LONG_FIELD.get(kind)
    if first is None:
        return text
    long = "".join(fields[first:])
    width = _WIDTH if lookup.split is None else lookup.split or len(long)
    lines = [long[at : at + width] for at in range(0, len(long), width)]
    if kind in ("RRSIG", "SIG"):
        return _rrsig(fields, lines, hidden=not lookup.show["crypto"])
    if kind in KEYS:
        if not lookup.show["crypto"]:
            lines = [f"[key id = {key_tag(rdata)}]"]
        end = f"\n{_INDENT}){key_comment(kind, rdata)[1:]}" if comments else " )"
        return f"{' '.join(fields[:first])} (\n" + "\n".join(f"{_INDENT}{line}" for line in lines) + end
    if not lookup.show["crypto"] and kind in ("DS", "CDS", "DLV"):
        return f"{' '.join(fields[:first])} [omitted]"
    if first == 0:
        note = (
            f" ; {rdata[0] << 8 | rdata[1]} {rdata[2]} {len(rdata) - 3}"
            if kind == "DHCID" and comments
            else ""
        )
        return f"( {lines[0]}" + "".join(f"\n{_INDENT}{line}" for line in lines[1:]) + f" ){note}"
    return f"{' '.join(fields[:first])} (\n" + "\n".join(f"{_INDENT}{line}" for line in lines) + " )"


def unknown(rdata: bytes, lookup: Lookup) -> str:
    """Return *rdata* in the form of RFC 3597 §5, over several lines if it is long."""
    if not rdata:
        return "\\# 0"
    text = rdata.hex().upper()
    width = _WIDTH if lookup.split is None else lookup.split or len(text)
    lines = [text[at : at + width] for at in range(0, len(text), width)]
    return f"\\# {len(rdata)} ( " + f"\n{_INDENT}".join(lines) + " )"


def _soa(fields: list[str], *, comments: bool) -> str:
    lines = []
    for name, number in zip(_SOA, fields[2:], strict=True):
        note = "" if name == "serial" else f" ({in_words(int(number))})"
        lines.append(f"{_INDENT}{number:<10} ; {name}{note}" if comments else f"{_INDENT}{number}")
    end = f"\n{_INDENT})" if comments else ")"
    return f"{fields[0]} {fields[1]} (\n" + "\n".join(lines) + end


def _rrsig(fields: list[str], lines: list[str], *, hidden: bool) -> str:
    head = f"{' '.join(fields[:4])} (\n{_INDENT}{' '.join(fields[4:8])}\n"
    if hidden:
        return head + f"{_INDENT}[omitted] )"
    return head + "\n".join(f"{_INDENT}{line}" for line in lines) + " )"

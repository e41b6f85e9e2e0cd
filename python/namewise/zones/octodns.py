"""Zones in the YAML of octoDNS: names with one or more records, each with type, ttl, and value or values.

The file has no SOA and may lack the NS of the apex; both are given when it is read. `ALIAS` and other types that only
providers know have no records.

Limitations: reading needs PyYAML (`pip install namewise[yaml]`).
"""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any

from namewise.engine.errors import NamewiseError
from namewise.zones.text import relative, rrsets

if TYPE_CHECKING:
    from collections.abc import Iterator

    from namewise.engine import Rdata, Zone

_DEFAULT_TTL = 3600
"""The TTL of a record without one, as in octoDNS."""
_PLAIN = {"A", "AAAA", "CNAME", "DNAME", "NS", "PTR", "OPENPGPKEY"}
_TEXTS = {"TXT", "SPF"}
# The fields of the data, in the order of their text. A quoted field is a string.
_FIELDS: dict[str, tuple[str, ...]] = {
    "CAA": ("flags", "tag", '"value"'),
    "DS": ("key_tag", "algorithm", "digest_type", "digest"),
    "LOC": (
        "lat_degrees", "lat_minutes", "lat_seconds", "lat_direction",
        "long_degrees", "long_minutes", "long_seconds", "long_direction",
        "altitude", "size", "precision_horz", "precision_vert",
    ),
    "MX": ("preference", "exchange"),
    "NAPTR": ("order", "preference", '"flags"', '"service"', '"regexp"', "replacement"),
    "SRV": ("priority", "weight", "port", "target"),
    "SSHFP": ("algorithm", "fingerprint_type", "fingerprint"),
    "TLSA": ("certificate_usage", "selector", "matching_type", "certificate_association_data"),
    "URI": ("priority", "weight", '"target"'),
}  # fmt: skip
_SERVICES = {"SVCB", "HTTPS"}
_OLD_KEYS = {("MX", "preference"): "priority", ("MX", "exchange"): "value"}
_NUMBER = re.compile(r"-?\d+(\.\d+)?")
_WORD = re.compile(r'"((?:[^"\\]|\\.)*)"|(\S+)')


class OctodnsError(NamewiseError, ValueError):
    """A file is not one of octoDNS, or has a record that a zone cannot hold."""

    code = "BAD_OCTODNS"


# ---- reading ----


def zone_text(text: str, name: str) -> str:
    """Return the records of the zone *name* as master-file text, without SOA. Raises `OctodnsError`."""
    import msgspec

    try:
        document: Any = msgspec.yaml.decode(text)
    except ImportError:
        raise OctodnsError("octoDNS files need PyYAML: pip install namewise[yaml]") from None
    except msgspec.DecodeError as error:
        raise OctodnsError(f"the file is not YAML: {error}") from None
    if not isinstance(document, dict):
        raise OctodnsError("the file is not a table of names")
    origin = name if name.endswith(".") else f"{name}."
    lines = [f"$ORIGIN {origin}\n"]
    for owner, records in document.items():
        for record in records if isinstance(records, list) else [records]:
            lines += _lines("" if owner is None else str(owner), record)
    return "".join(lines)


def _lines(owner: str, record: Any) -> Iterator[str]:
    where = owner or "the apex"
    if not isinstance(record, dict) or not isinstance(record.get("type"), str):
        raise OctodnsError(f"{where}: a record is a table with a type")
    rtype = record["type"].upper()
    ttl = record.get("ttl", _DEFAULT_TTL)
    if isinstance(ttl, bool) or not isinstance(ttl, int):
        raise OctodnsError(f"{where} {rtype}: the ttl {ttl!r} is not a number of seconds")
    values = record["values"] if "values" in record else [record.get("value")]
    for value in values if isinstance(values, list) else [values]:
        try:
            yield f"{owner or '@'} {ttl} {rtype} {_rdata(rtype, value, where)}\n"
        except KeyError as error:
            raise OctodnsError(f"{where} {rtype}: {error.args[0]} is missing") from None


def _rdata(rtype: str, value: Any, where: str) -> str:
    if rtype in _PLAIN:
        if not isinstance(value, str):
            raise OctodnsError(f"{where} {rtype}: the value {value!r} is not a text")
        return value
    if rtype in _TEXTS:
        return " ".join(_quoted(part) for part in _parts(str(value).replace("\\;", ";")))
    if rtype not in _FIELDS and rtype not in _SERVICES:
        hint = "; use A and AAAA, or HTTPS with priority 0" if rtype == "ALIAS" else ""
        raise OctodnsError(
            f"{where}: {rtype} is not a type that a zone holds, or octoDNS has no form for it{hint}"
        )
    if not isinstance(value, dict):
        raise OctodnsError(f"{where} {rtype}: the value {value!r} is not a table")
    if rtype in _SERVICES:
        params = value.get("svcparams") or {}
        return " ".join(
            [
                str(value["svcpriority"]),
                str(value["targetname"]),
                *(_param(key, given) for key, given in params.items()),
            ]
        )
    words = []
    for field in _FIELDS[rtype]:
        key = field.strip('"')
        old = _OLD_KEYS.get((rtype, key), key)
        found = value[key] if key in value else value[old]
        words.append(_quoted(str(found).encode()) if field != key else str(found))
        if rtype == "LOC" and key in ("altitude", "size", "precision_horz", "precision_vert"):
            words[-1] += "m"
    return " ".join(words)


def _param(key: str, given: Any) -> str:
    if given is None or given == "":
        return str(key)
    text = ",".join(str(one) for one in given) if isinstance(given, list) else str(given)
    return f"{key}={_quoted(text.encode())}"


def _parts(text: str) -> Iterator[bytes]:
    """Yield the strings of a text: at most 255 octets each."""
    octets = text.encode()
    yield octets[:255]
    for start in range(255, len(octets), 255):
        yield octets[start : start + 255]


def _quoted(octets: bytes) -> str:
    """Return *octets* as a quoted string of a master file."""
    shown = (
        f"\\{chr(octet)}" if octet in b'"\\' else chr(octet) if 32 <= octet < 127 else f"\\{octet:03}"
        for octet in octets
    )
    return f'"{"".join(shown)}"'


# ---- writing ----


def from_zone(zone: Zone) -> tuple[str, list[str]]:
    """Return *zone* as YAML, and the RRsets that octoDNS has no form for, as `OWNER TYPE`. The SOA is neither."""
    document: dict[str, list[dict[str, Any]]] = {}
    left_out = []
    for rrset in rrsets(zone):
        if rrset.type == "SOA":
            continue
        values = [_value(rrset.type, rdata) for rdata in rrset]
        if any(value is None for value in values):
            left_out.append(f"{rrset.owner} {rrset.type}")
            continue
        owner = relative(rrset.owner, zone.name)
        record = {"ttl": rrset.ttl, "type": rrset.type, "values": values}
        if len(values) == 1:
            record = {"ttl": rrset.ttl, "type": rrset.type, "value": values[0]}
        document.setdefault("" if owner == "@" else owner, []).append(record)
    return "".join(_yaml(document)), left_out


def _value(rtype: str, rdata: Rdata) -> Any:
    if rtype in _PLAIN:
        return str(rdata)
    if rtype in _TEXTS:
        try:
            return _strings(rdata.wire).decode().replace(";", "\\;")
        except UnicodeDecodeError:
            return None
    words = [
        (re.sub(r"\\(\d{3}|.)", _unescaped, match[1]) if match[1] is not None else match[2])
        for match in _WORD.finditer(str(rdata))
    ]
    if rtype in _SERVICES:
        params: dict[str, Any] = {}
        for param in str(rdata).split(" ")[2:]:
            key, equals, text = param.partition("=")
            text = text.strip('"')
            several = key in ("alpn", "ipv4hint", "ipv6hint", "mandatory")
            params[key] = (text.split(",") if several else text) if equals else None
        head: dict[str, Any] = {"svcpriority": int(words[0]), "targetname": words[1]}
        return head | ({"svcparams": params} if params else {})
    fields = _FIELDS.get(rtype)
    if fields is None or len(fields) != len(words):
        return None
    if rtype == "LOC":
        words[8:] = [word.rstrip("m") for word in words[8:]]
    found: dict[str, Any] = {}
    for field, word in zip(fields, words, strict=True):
        hexadecimal = field in ("digest", "fingerprint", "certificate_association_data")
        number = not field.startswith('"') and not hexadecimal and _NUMBER.fullmatch(word)
        found[field.strip('"')] = (float(word) if "." in word else int(word)) if number else word
    return found


def _unescaped(match: re.Match[str]) -> str:
    return chr(int(match[1])) if match[1].isdigit() else match[1]


def _strings(wire: bytes) -> bytes:
    """Return the strings in *wire*, joined."""
    joined, at = b"", 0
    while at < len(wire):
        joined += wire[at + 1 : at + 1 + wire[at]]
        at += 1 + wire[at]
    return joined


def _yaml(document: dict[str, list[dict[str, Any]]]) -> Iterator[str]:
    """Yield the lines of *document*. A scalar of JSON is one of YAML."""
    yield "---\n"
    for owner in sorted(document):
        yield f"{json.dumps(owner)}:\n"
        for record in document[owner]:
            yield from _table(record, "  - ", "    ")


def _table(table: dict[str, Any], first: str, indent: str) -> Iterator[str]:
    for number, (key, value) in enumerate(table.items()):
        start = indent if number else first
        if isinstance(value, dict) and value:
            yield f"{start}{key}:\n"
            yield from _table(value, f"{indent}  ", f"{indent}  ")
        elif isinstance(value, list):
            yield f"{start}{key}:\n"
            for one in value:
                if isinstance(one, dict):
                    yield from _table(one, f"{indent}  - ", f"{indent}    ")
                else:
                    yield f"{indent}  - {json.dumps(one, ensure_ascii=False)}\n"
        else:
            yield f"{start}{key}: {json.dumps(value, ensure_ascii=False)}\n"

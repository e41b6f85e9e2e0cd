"""Strategies of hypothesis: names, rdata of every type that both codecs support, RRsets, options."""

from __future__ import annotations

import base64
import ipaddress
from typing import TYPE_CHECKING

import dns.name
from hypothesis import strategies as st

if TYPE_CHECKING:
    from hypothesis.strategies import SearchStrategy

U8, U16, U32 = st.integers(0, 255), st.integers(0, 65535), st.integers(0, 2**32 - 1)


def labels() -> SearchStrategy[bytes]:
    """Labels, mostly of letters, some of any octets."""
    usual = st.text(st.sampled_from("abcXYZ019-_*"), min_size=1, max_size=12).map(str.encode)
    return st.one_of(usual, usual, usual, st.binary(min_size=1, max_size=63))


@st.composite
def names(draw: st.DrawFn, most: int = 255) -> dns.name.Name:
    """Absolute names of up to `most` octets."""
    parts: list[bytes] = []
    length = 1
    for label in draw(st.lists(labels(), max_size=8)):
        length += 1 + len(label)
        if length > most:
            break
        parts.append(label)
    return dns.name.Name([*parts, b""])


def _text(*fields: SearchStrategy[str]) -> SearchStrategy[str]:
    return st.tuples(*fields).map(" ".join)


def _number(numbers: SearchStrategy[int]) -> SearchStrategy[str]:
    return numbers.map(str)


def _b64(least: int = 1) -> SearchStrategy[str]:
    return st.binary(min_size=least, max_size=48).map(lambda octets: base64.b64encode(octets).decode())


def _hex(least: int = 1, most: int = 48) -> SearchStrategy[str]:
    return st.binary(min_size=least, max_size=most).map(bytes.hex)


def _quote(octets: bytes) -> str:
    inner = "".join(chr(o) if 32 <= o < 127 and o not in b'"\\' else f"\\{o:03}" for o in octets)
    return f'"{inner}"'


NAME = names(100).map(lambda name: name.to_text())
STRING = st.binary(max_size=60).map(_quote)
STRINGS = st.lists(STRING, min_size=1, max_size=4).map(" ".join)
V4 = st.integers(0, 2**32 - 1).map(lambda value: str(ipaddress.IPv4Address(value)))
V6 = st.integers(0, 2**128 - 1).map(lambda value: str(ipaddress.IPv6Address(value)))
B64 = _b64()
TIME = st.integers(0, 2**32 - 1).map(str)
TYPES = st.lists(
    st.sampled_from(["A", "NS", "SOA", "MX", "TXT", "AAAA", "RRSIG", "NSEC", "DNSKEY", "CAA", "TYPE65534"]),
    min_size=1,
    max_size=6,
    unique=True,
).map(" ".join)
SALT = st.one_of(st.just("-"), _hex(1, 20))
HASH = st.binary(min_size=20, max_size=20).map(lambda octets: base64.b32hexencode(octets).decode().lower())
DIGEST = {1: 20, 2: 32, 4: 48}
DS = _text(
    _number(U16),
    st.sampled_from(["8", "13", "15"]),
    st.sampled_from(sorted(DIGEST)).flatmap(
        lambda kind: _hex(DIGEST[kind], DIGEST[kind]).map(lambda digest: f"{kind} {digest}")
    ),
)
DNSKEY = _text(st.sampled_from(["256", "257", "385"]), st.just("3"), st.sampled_from(["8", "13", "15"]), B64)
RRSIG = _text(
    st.sampled_from(["A", "MX", "TYPE999"]), st.sampled_from(["8", "13"]), _number(U8), _number(U32),
    TIME.map(lambda t: t.rjust(1)), TIME, _number(U16), NAME, B64,
)  # fmt: skip
TLSA = _text(
    _number(U8),
    _number(U8),
    st.sampled_from([(0, None), (1, 32), (2, 64)]).flatmap(
        lambda kind: _hex(kind[1] or 1, kind[1] or 48).map(lambda digits: f"{kind[0]} {digits}")
    ),
)


def _ech_config_list(contents: bytes) -> str:
    config = b"\xfe\x0d" + len(contents).to_bytes(2, "big") + contents
    return base64.b64encode(len(config).to_bytes(2, "big") + config).decode()


def _svcb() -> SearchStrategy[str]:
    values = {
        "alpn": st.lists(st.sampled_from(["h2", "h3", "dot"]), min_size=1, max_size=3).map(
            lambda ids: f"alpn={','.join(ids)}"
        ),
        "port": _number(U16).map(lambda port: f"port={port}"),
        "ipv4hint": st.lists(V4, min_size=1, max_size=3).map(lambda all_: f"ipv4hint={','.join(all_)}"),
        "ech": st.binary(max_size=30).map(_ech_config_list).map(lambda text: f"ech={text}"),
        "ipv6hint": st.lists(V6, min_size=1, max_size=3).map(lambda all_: f"ipv6hint={','.join(all_)}"),
        "key65000": st.text("abc123", min_size=1, max_size=9).map(lambda text: f"key65000={text}"),
    }
    params = st.lists(st.sampled_from(sorted(values)), unique=True, max_size=6).flatmap(
        lambda keys: st.tuples(*(values[key] for key in keys)).map(" ".join)
    )
    alias = NAME.map(lambda target: f"0 {target}")
    return st.one_of(alias, _text(_number(st.integers(1, 65535)), NAME, params).map(str.strip))


def _apl() -> SearchStrategy[str]:
    def prefixes(family: int, addresses: SearchStrategy[str], width: int) -> SearchStrategy[str]:
        parts = st.tuples(st.sampled_from(["", "!"]), addresses, st.integers(0, width))
        return parts.map(lambda part: f"{part[0]}{family}:{part[1]}/{part[2]}")

    return st.lists(st.one_of(prefixes(1, V4, 32), prefixes(2, V6, 128)), max_size=4).map(" ".join)


def _gateway(kinds: str) -> SearchStrategy[str]:
    """IPSECKEY's precedence, gateway type, algorithm, gateway and key."""
    gateway = {"0": st.just("."), "1": V4, "2": V6, "3": NAME}
    return st.sampled_from(kinds).flatmap(
        lambda kind: _text(_number(U8), st.just(kind), st.just("2"), gateway[kind], B64)
    )


def _amtrelay() -> SearchStrategy[str]:
    relay = {"0": st.just("."), "1": V4, "2": V6, "3": NAME}
    return st.sampled_from("0123").flatmap(
        lambda kind: _text(_number(U8), st.sampled_from("01"), st.just(kind), relay[kind])
    )


def _eui(octets: int) -> SearchStrategy[str]:
    return st.binary(min_size=octets, max_size=octets).map(lambda raw: raw.hex("-"))


NODE = st.integers(0, 2**64 - 1).map(lambda v: ":".join(f"{v >> s & 0xFFFF:04x}" for s in (48, 32, 16, 0)))


def _angle(most: int, halves: str) -> SearchStrategy[str]:
    parts = st.tuples(
        st.integers(0, most), st.integers(0, 59), st.integers(0, 59999), st.sampled_from(halves)
    )
    return parts.map(lambda part: f"{part[0]} {part[1]} {part[2] / 1000:.3f} {part[3]}")


METRES = st.integers(-9999, 99999).map(lambda altitude: f"{altitude}.00m 1m 10000m 10m")
LOC = _text(_angle(89, "NS"), _angle(179, "EW"), METRES)

RDATA_TEXT: dict[str, SearchStrategy[str]] = {
    "A": V4,
    "NS": NAME,
    "CNAME": NAME,
    "SOA": _text(NAME, NAME, *[_number(U32)] * 5),
    "PTR": NAME,
    "HINFO": _text(STRING, STRING),
    "MX": _text(_number(U16), NAME),
    "TXT": STRINGS,
    "RP": _text(NAME, NAME),
    "AFSDB": _text(_number(U16), NAME),
    "X25": st.from_regex(r"[0-9]{4,20}", fullmatch=True),
    # dnspython drops a sub-address that is empty but there.
    "ISDN": st.one_of(STRING, _text(STRING, STRING.filter(lambda text: text != '""'))),
    "RT": _text(_number(U16), NAME),
    "NSAP": _hex().map(lambda digits: f"0x{digits}"),
    "NSAP-PTR": NAME,
    "PX": _text(_number(U16), NAME, NAME),
    "GPOS": st.tuples(st.integers(-90, 90), st.integers(-180, 180), st.integers(0, 9999)).map(
        lambda f: f'"{f[0]}" "{f[1]}" "{f[2]}"'
    ),
    "AAAA": V6,
    "LOC": LOC,
    "SRV": _text(_number(U16), _number(U16), _number(U16), NAME),
    "NAPTR": _text(_number(U16), _number(U16), STRING, STRING, STRING, NAME),
    "KX": _text(_number(U16), NAME),
    "CERT": _text(_number(U16), _number(U16), _number(U8), B64),
    "DNAME": NAME,
    "APL": _apl(),
    "DS": DS,
    "SSHFP": _text(
        _number(U8),
        st.sampled_from([(1, 20), (2, 32), (9, 7)]).flatmap(
            lambda kind: _hex(kind[1], kind[1]).map(lambda digits: f"{kind[0]} {digits}")
        ),
    ),
    "IPSECKEY": _gateway("0123"),
    "RRSIG": RRSIG,
    "NSEC": _text(NAME, TYPES),
    "DNSKEY": DNSKEY,
    "DHCID": B64,
    "NSEC3": _text(st.just("1"), st.sampled_from("01"), _number(U16), SALT, HASH, TYPES),
    "NSEC3PARAM": _text(st.just("1"), st.sampled_from("01"), _number(U16), SALT),
    "TLSA": TLSA,
    "SMIMEA": TLSA,
    "HIP": st.tuples(
        _number(U8), _hex(1, 16), B64, st.lists(NAME, max_size=3)
    ).map(lambda f: " ".join([f[0], f[1], f[2], *f[3]])),
    "NINFO": STRINGS,
    "CDS": DS,
    "CDNSKEY": DNSKEY,
    "OPENPGPKEY": B64,
    "CSYNC": _text(_number(U32), _number(U16), TYPES),
    "ZONEMD": _text(_number(U32), st.just("1"), st.just("1"), _hex(48, 48)),
    "SVCB": _svcb(),
    "HTTPS": _svcb(),
    "DSYNC": _text(st.sampled_from(["CDS", "CSYNC"]), st.just("1"), _number(U16), NAME),
    "SPF": STRINGS,
    "NID": _text(_number(U16), NODE),
    "L32": _text(_number(U16), V4),
    "L64": _text(_number(U16), NODE),
    "LP": _text(_number(U16), NAME),
    "EUI48": _eui(6),
    "EUI64": _eui(8),
    "URI": _text(_number(U16), _number(U16), st.binary(min_size=1, max_size=60).map(_quote)),
    "CAA": _text(_number(U8), st.text("abcXYZ059", min_size=1, max_size=15), STRING),
    "AVC": STRINGS,
    "AMTRELAY": _amtrelay(),
    "RESINFO": STRINGS,
    "WALLET": STRINGS,
    "HHIT": B64,
    "BRID": B64,
    "DLV": DS,
    "TYPE65280": st.binary(max_size=40).map(lambda octets: f"\\# {len(octets)} {octets.hex()}".strip()),
}  # fmt: skip

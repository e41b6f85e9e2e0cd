# ruff: noqa: E501 - the zone has long lines
"""A server for both digs: a zone with many record types, and replies that violate the RFCs.

A name `<label>.hostile.test` gets the reply that `HOSTILE[label]` makes of the query. Everything is a function
of the query, so that both programs receive the same octets, apart from the id and the cookie.
"""

from __future__ import annotations

import struct
from contextlib import contextmanager
from typing import TYPE_CHECKING

from dnsserver import DnsServer

from namewise.engine import EdnsOption, Message, Zone, make_response

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

ZONE = """\
$ORIGIN example.com.
$TTL 3600
@ IN SOA ns1 admin 2024010501 3600 900 604800 300
@ NS ns1
@ NS ns2
@ A 93.184.216.34
@ AAAA 2606:2800:220:1:248:1893:25c8:1946
@ MX 10 mail
@ TXT "v=spf1 include:sendgrid.net ~all" "second \\"string\\""
@ CAA 0 issue "letsencrypt.org"
ns1 A 127.0.0.1
ns2 300 A 127.0.0.2
mail A 192.0.2.1
www CNAME @
ttl 788645 A 192.0.2.77
ttl0 0 A 192.0.2.78
_https._tcp SRV 10 5 443 server1
averyveryverylongnameindeedtoseewhathappens.with.more A 192.0.2.9
sub NS ns.sub
sub DS 60485 13 2 D4B7D520E7BB5F0F67674A0CCEB1E3E0614B93C4F9E99B8383F6A1E4469DA50A
ns.sub A 127.0.0.3
https HTTPS 1 . alpn=h2,h3 ipv4hint=192.0.2.1
https2 HTTPS 0 www
svcb SVCB 16 www port=8443 mandatory=port,alpn alpn=h2 key667="hello\\210"
k DNSKEY 256 3 13 mdsswUyr3DPW132mOi8V9xESWE8jTo0dxCjjnopKl+GqJxpVXckHAeF+KkxLbxILfDLUT0rAK9iUzy1L53eKGQ==
ksk DNSKEY 257 3 8 AwEAAcGQxlOd6QMv9VOJ1mTQX+jIIWjQ0IKG
revoked DNSKEY 385 3 13 mdsswUyr3DPW132mOi8V9xESWE8jTo0dxCjjnopKl+GqJxpVXckHAeF+KkxLbxILfDLUT0rAK9iUzy1L53eKGQ==
cdk CDNSKEY 257 3 13 mdsswUyr3DPW132mOi8V9xESWE8jTo0dxCjjnopKl+GqJxpVXckHAeF+KkxLbxILfDLUT0rAK9iUzy1L53eKGQ==
cds CDS 60485 13 2 D4B7D520E7BB5F0F67674A0CCEB1E3E0614B93C4F9E99B8383F6A1E4469DA50A
sig RRSIG A 13 3 3600 20300101000000 20240101000000 12345 example.com. mdsswUyr3DPW132mOi8V9xESWE8jTo0dxCjjnopKl+GqJxpVXckHAeF+KkxLbxILfDLUT0rAK9iUzy1L53eKGQ==
nsec NSEC nsed.example.com. A NS RRSIG NSEC TYPE1234
n3 NSEC3PARAM 1 0 10 AABBCCDD
n3e NSEC3PARAM 1 0 0 -
unk TYPE65333 \\# 4 01020304
unk0 TYPE65333 \\# 0
loc LOC 52 22 23.000 N 4 53 32.000 E -2.00m 0.00m 10000m 10m
loc2 LOC 42 21 54 N 71 06 18 W -24m 30m
cert CERT PGP 0 0 mdsswUyr3DPW132mOi8V9xESWE8jTo0dxCjjnopKl+GqJxpVXckHAeF+
cert2 CERT 1 12345 RSASHA256 mdsswUyr3DPW132mOi8V9xESWE8jTo0dxCjjnopKl+GqJxpVXckHAeF+KkxLbxILfDLUT0rAK9iUzy1L53eKGQ==
sshfp SSHFP 4 2 123456789abcdef67890123456789abcdef67890123456789abcdef123456789
tlsa TLSA 3 1 1 0c72ac70b745ac19998811b131d662c9ac69dbdbe7cb23e5b514b56664c5d3d6
smimea SMIMEA 3 1 1 0c72ac70b745ac19998811b131d662c9ac69dbdbe7cb23e5b514b56664c5d3d6
naptr NAPTR 100 10 "u" "E2U+sip" "!^.*$!sip:info@example.com!" .
naptr2 NAPTR 100 50 "s" "z3950+I2L+I2C" "" _z3950._tcp.gatech.edu.
uri URI 10 1 "https://www.example.com/path"
hinfo HINFO "PC-Intel 700mhz" "Linux"
rp RP admin.example.com. txt.example.com.
afsdb AFSDB 1 afs.example.com.
dname DNAME other.example.net.
ptr PTR host\\.with\\.dots.example.com.
john\\.doe A 192.0.2.20
o'brien A 192.0.2.21
b\\228r A 192.0.2.22
esc TXT "\\027[31mred\\007" "tab\\009x" "semi;colon" "back\\\\slash"
empty TXT ""
eui48 EUI48 00-00-5e-00-53-2a
eui64 EUI64 00-00-5e-ef-10-00-00-2a
openpgp OPENPGPKEY mdsswUyr3DPW132mOi8V9xESWE8jTo0dxCjjnopKl+GqJxpVXckHAeF+KkxLbxILfDLUT0rAK9iUzy1L53eKGQ==
dhcid DHCID AAIBY2/AuCccgoJbsaxcQc9TUapptP69lOjxfNuVAA2kjEA=
csync CSYNC 66 3 A NS AAAA
zonemd ZONEMD 2018031500 1 1 62e6cf51b02e54b9b5f967d547ce43136792901f9f88e637493daaf401c92c279dd10f0edb1c56f8080211f8480ee306
kx KX 10 kx.example.com.
px PX 10 map822.example.com. mapx400.example.com.
apl APL 1:192.168.32.0/21 !1:192.168.38.0/28 2:2001:db8::/32
nid NID 10 0014:4fff:ff20:ee64
l32 L32 10 10.1.2.0
l64 L64 10 2001:0db8:1140:1000
lp LP 10 l64-subnet1.example.com.
x25 X25 "311061700956"
isdn ISDN "150862028003217" "004"
rt RT 10 relay.prime.com.
gpos GPOS "-22.6882" "116.8652" "250.0"
a6 AAAA ::ffff:192.0.2.1
a6b AAAA 2001:db8::
hip HIP 2 200100107B1A74DF365639CC39F1D578 AwEAAbdxyhNuSutc5EMzxTs9LBPCIkOFH8cIvM4p9+LrV4e19WzK00+CI6zBCQTdtWsuxKbWIy87UOoJTwkUs7lBu+Upr1gsNrut79ryra+bSRGQb1slImA8YVJyuIDsj7kwzG7jnERNqnWxZ48AWkskmdHaVDP4BcelrTI3rMXdXF5D rvs.example.com.
""" + "".join(f'big TXT "{letter}{"123456789" * 11}"\n' for letter in "0123456789ab")


def _header(query: Message, flags: int = 0x8580, counts: tuple[int, int, int, int] = (1, 1, 0, 0)) -> bytes:
    return struct.pack("!6H", query.id, flags | (query.flags_value & 0x0100), *counts)


def _question(query: Message) -> bytes:
    wire = query.wire
    end = wire.index(b"\0", 12) + 5
    return wire[12:end]


def _record(rtype: int, rdata: bytes, ttl: int = 60, owner: bytes = b"\xc0\x0c", rclass: int = 1) -> bytes:
    return owner + struct.pack("!HHIH", rtype, rclass, ttl, len(rdata)) + rdata


A = _record(1, b"\xc0\0\2\1")
OPT = b"\0" + struct.pack("!HHIH", 41, 1232, 0, 0)


def opt(*options: tuple[int, bytes], flags: int = 0, payload: int = 1232) -> bytes:
    """Return an OPT record with *options*; *flags* is the whole TTL field."""
    data = b"".join(struct.pack("!HH", code, len(value)) + value for code, value in options)
    return b"\0" + struct.pack("!HHIH", 41, payload, flags, len(data)) + data


def plain(
    records: bytes, counts: tuple[int, int, int, int] = (1, 1, 0, 0), flags: int = 0x8480
) -> Callable[[Message], bytes]:
    """Return a function that answers with *records* behind the question."""
    return lambda query: _header(query, flags, counts) + _question(query) + records


def _cookie(query: Message) -> bytes:
    edns = query.edns
    found = edns.option("COOKIE") if edns else None
    return found.data[:8] if found else b"12345678"


def _with_ede(text: bytes, code: int = 15) -> Callable[[Message], bytes]:
    return plain(opt((15, struct.pack("!H", code) + text)), (1, 0, 0, 1), 0x8182)


HOSTILE: dict[str, Callable[[Message], bytes | list[bytes]]] = {
    "trailing1": plain(A + b"\0"),
    "trailing3": plain(A + b"abc"),
    "trailingopt": plain(A + OPT + b"xyz", (1, 1, 0, 1)),
    "twoopt": plain(A + OPT + OPT, (1, 1, 0, 2)),
    "optinanswer": plain(OPT + A, (1, 2, 0, 0)),
    "optnotroot": plain(A + b"\x01x" + OPT, (1, 1, 0, 1)),
    "morecount": plain(A, (1, 2, 0, 0)),
    "moreadditional": plain(A, (1, 1, 0, 1)),
    "fewercount": plain(A + A, (1, 1, 0, 0)),
    "twoquestions": lambda query: _header(query, 0x8480, (2, 1, 0, 0)) + _question(query) * 2 + A,
    "badaddress": plain(_record(1, b"\xc0\0\2")),
    "longaddress": plain(_record(1, b"\xc0\0\2\1\1")),
    "badmx": plain(_record(15, b"\0")),
    "badmxpointer": plain(_record(15, b"\0\x0a\xc0\xff")),
    "badbehindgood": plain(A + _record(1, b"\xc0\0\2"), (1, 2, 0, 0)),
    "badinadditional": plain(A + _record(1, b"\xc0\0\2"), (1, 1, 0, 1)),
    "badtxt": plain(_record(16, b"\x05abc")),
    "badsvcb": plain(_record(65, b"\0\1\0\0\1\0\xff")),
    "badrrsig": plain(_record(46, b"\0\1\x0d")),
    "loop": plain(_record(1, b"\xc0\0\2\1", owner=b"\xc0\x2a")),
    "badlabel": plain(_record(1, b"\xc0\0\2\1", owner=b"\x80\0")),
    "cutinrecord": plain(A[:-2]),
    "cutinheader": plain(A[:7]),
    "cutinquestion": lambda query: _header(query) + _question(query)[:-3],
    "headeronly": lambda query: _header(query, 0x8580, (0, 0, 0, 0)),
    "formerr12": lambda query: _header(query, 0x8081, (0, 0, 0, 0)),
    "servfail12": lambda query: _header(query, 0x8082, (0, 0, 0, 0)),
    "notimp12": lambda query: _header(query, 0x8084, (0, 0, 0, 0)),
    "refused": plain(b"", (1, 0, 0, 0), 0x8085),
    "yxdomain": plain(b"", (1, 0, 0, 0), 0x8086),
    "rcode11": plain(b"", (1, 0, 0, 0), 0x808B),
    "badvers": plain(opt(flags=0x01000000), (1, 0, 0, 1), 0x8080),
    "rcode3841": plain(opt(flags=0xF0010000), (1, 0, 0, 1), 0x8081),
    "rcode17": plain(opt(flags=0x01000000), (1, 0, 0, 1), 0x8081),
    "norecursion": plain(A + b"xyz", (1, 1, 0, 0), 0x8400),
    "mbz": plain(A, (1, 1, 0, 0), 0x84C0),
    "optflags": plain(A + opt(flags=0x0000A001), (1, 1, 0, 1)),
    "optco": plain(A + opt(flags=0x0000C000), (1, 1, 0, 1)),
    "optversion": plain(A + opt(flags=0x00010000), (1, 1, 0, 1)),
    "badopt": plain(A + b"\0" + struct.pack("!HHIH", 41, 1232, 0, 5) + b"\0\3\0\x09a", (1, 1, 0, 1)),
    "opcode": plain(A, flags=0xA480),
    "classes": plain(A + _record(1, b"\xc0\0\2\2", rclass=3), (1, 2, 0, 0)),
    "ttlhigh": plain(_record(1, b"\xc0\0\2\1", ttl=0x80000001)),
    "ttls": plain(_record(1, b"\xc0\0\2\1", 60) + _record(1, b"\xc0\0\2\2", 50), (1, 2, 0, 0)),
    "duplicates": plain(A + A, (1, 2, 0, 0)),
    "notresponse": lambda query: [
        _header(query, 0x0480) + _question(query) + A,
        _header(query, 0x8480) + _question(query) + A,
    ],
    "wrongid": lambda query: [
        (query.id ^ 1).to_bytes(2, "big") + (_header(query, 0x8480) + _question(query) + A)[2:],
        _header(query, 0x8480) + _question(query) + A,
    ],
    "wrongcase": lambda query: (
        _header(query, 0x8480) + _question(query).replace(b"wrongcase", b"WRONGcase") + A
    ),
    "otherquestion": lambda query: [
        _header(query, 0x8480) + _question(query).replace(b"otherquestion", b"OtherQUESTioN")[:-4] + b"\0\2\0\1" + A,
        _header(query, 0x8480) + _question(query) + A,
    ],
    "othername": lambda query: [
        _header(query, 0x8480) + _question(query).replace(b"othername", b"someother") + A,
        _header(query, 0x8480) + _question(query) + A,
    ],
    "shortpacket": lambda query: [query.wire[:5], _header(query, 0x8480) + _question(query) + A],
    "ede": _with_ede(b"blocked"),
    "edecolon": _with_ede(b"reason: it's \"blocked\" # by policy"),
    "edenewline": _with_ede(b"one\ntwo: three"),
    "edeescape": _with_ede(b"\x1b[31mred\x07"),
    "edelatin": _with_ede(b"caf\xe9"),
    "edeutf8": _with_ede("café".encode()),
    "edenul": _with_ede(b"ends with nul\0"),
    "edeempty": _with_ede(b""),
    "edeunknown": _with_ede(b"x", 4242),
    "edeshort": plain(opt((15, b"\0")), (1, 0, 0, 1), 0x8182),
    "nsid": plain(A + opt((3, b"ns1: 'a'\"\x1b")), (1, 1, 0, 1)),
    "nsidempty": plain(A + opt((3, b"")), (1, 1, 0, 1)),
    "cookiegood": lambda query: plain(A + opt((10, _cookie(query) + b"serverco")), (1, 1, 0, 1))(query),
    "cookieecho": lambda query: plain(A + opt((10, _cookie(query))), (1, 1, 0, 1))(query),
    "cookiebad": plain(A + opt((10, b"abcdefghijklmnop")), (1, 1, 0, 1)),
    "cookieshort": plain(A + opt((10, b"abcd")), (1, 1, 0, 1)),
    "options": plain(
        A
        + opt(
            (11, b"\0\x64"), (9, b"\0\0\x0e\x10"), (8, b"\0\1\x18\x10\xc0\0\2"), (12, b"\0\0\0\0"),
            (5, b"\x08\x0a\x0d"), (6, b"\1\2"), (7, b"\1"), (13, b"\7example\0"), (14, b"\x4f\x66"),
            (65001, b"ab\x1b"), (1, b"\0\1\0\0\0\0\0\0\0\0\0\0\0\0\0\1\0\0"), (2, b"\0\0\0\1"), (4242, b""),
            (16, b"\0\1"), (18, b"\5agent\0"), (20, b"x"),
        ),
        (1, 1, 0, 1),
    ),
    "subnetodd": plain(A + opt((8, b"\0\3\x18\0\xc0")), (1, 1, 0, 1)),
    "subnet6": plain(A + opt((8, b"\0\2\x38\0\x20\1\x0d\xb8\0\0\1")), (1, 1, 0, 1)),
    "padding": plain(A + opt((12, b"\0\0\0\0ab")), (1, 1, 0, 1)),
    "keepalive0": plain(A + opt((11, b"")), (1, 1, 0, 1)),
    "escape": plain(_record(16, b"\x08\x1b[31mred") + _record(5, b"\x04\x1b[1m\0"), (1, 2, 0, 0)),
    "emptyrdata": plain(_record(1, b"")),
    "emptytxt": plain(_record(16, b"")),
    "update": plain(b"", (1, 0, 0, 0), 0xA880),
    "unknowntype": plain(_record(65280, b"\1\2\3")),
    "unknownclass": plain(_record(1, b"\xc0\0\2\1", rclass=4242)),
    "any255": plain(_record(1, b"\xc0\0\2\1", rclass=255)),
    "tsig": plain(
        A
        + _record(
            250,
            b"\x09hmac-sha1\0" + b"\0\0\x65\x92\0\x80\x01\x2c\0\4abcd\x12\x34\0\0\0\0",
            0, b"\3key\0", 255,
        ),
        (1, 1, 0, 1),
    ),
    "sig0": plain(A + _record(24, b"\0" * 18 + b"\0" + b"sig!", 0, b"\0", 255), (1, 1, 0, 1)),
}  # fmt: skip


@contextmanager
def server() -> Iterator[DnsServer]:
    """Serve the zone and the hostile names on its own port."""
    zone = Zone.from_text("example.com.", ZONE)
    badcookies: dict[int, int] = {}

    def answer(query: Message, transport: str) -> bytes | list[bytes]:
        question = query.question
        if question is None:
            return struct.pack("!6H", query.id, 0x8180, 0, 0, 0, 0)
        labels = question.name.labels
        if query.opcode != "QUERY":
            return make_response(query, "NOTIMP").wire
        if question.name.is_at_or_below("hostile.test.") and len(labels) > 2:
            label = labels[-3].decode("latin-1").lower()
            if label == "tctcp":
                return plain(b"", (1, 0, 0, 0), 0x8680)(query)
            if label == "badcookie":
                # BADCOOKIE until the client sends a server cookie (RFC 7873 §5.3).
                edns = query.edns
                sent = edns.option("COOKIE") if edns else None
                if sent is not None and len(sent.data) > 8:
                    return plain(A + opt((10, sent.data)), (1, 1, 0, 1))(query)
                return plain(opt((10, _cookie(query) + b"serverco"), flags=0x01000000), (1, 0, 0, 1), 0x8087)(
                    query
                )
            if label == "badcookies":
                badcookies[query.id] = 1
                return plain(opt((10, _cookie(query) + b"serverco"), flags=0x01000000), (1, 0, 0, 1), 0x8087)(
                    query
                )
            if label in HOSTILE:
                return HOSTILE[label](query)
        if question.rclass != "IN" or not question.name.is_at_or_below("example.com."):
            ede = [EdnsOption("EDE", b"\0\x14not here")] if query.edns else []
            return make_response(query, "REFUSED", options=ede).wire
        return zone.answer(query, transport=transport).wire

    with DnsServer(answer) as running:
        yield running

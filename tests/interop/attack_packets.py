"""Malformed packets (D1): what NSD, Unbound and namewise reply to them, and whether each goes on answering.

    python3 tests/interop/attack_peers.py --packets

Each packet is followed by an ordinary query from the same port. Servers with one worker answer in order, so that what arrives before the
answer to the ordinary query is the reply to the packet, and silence needs no wait.
"""

from __future__ import annotations

import contextlib
import random
import socket
import struct
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import peers

if TYPE_CHECKING:
    from collections.abc import Iterator

ZONE = """$ORIGIN shop.test.
$TTL 60
@ SOA ns admin 1 3600 900 604800 300
@ NS ns
ns A 192.0.2.53
www A 192.0.2.80
"""
NAME = b"\x03www\x04shop\x04test\x00"
QUESTION = NAME + struct.pack("!HH", 1, 1)
LAST = 0xFFFF
RCODES = ["NOERROR", "FORMERR", "SERVFAIL", "NXDOMAIN", "NOTIMP", "REFUSED"]


def packet(
    body: bytes = QUESTION,
    *,
    number: int = 1,
    flags: int = 0,
    counts: tuple[int, int, int, int] = (1, 0, 0, 0),
) -> bytes:
    """Return a message with *body* behind the header."""
    return struct.pack("!6H", number, flags, *counts) + body


def opt(
    rdata: bytes = b"", *, owner: bytes = b"\x00", size: int = 1232, ttl: int = 0, length: int | None = None
) -> bytes:
    """Return an OPT record, perhaps with a wrong *length*."""
    return owner + struct.pack("!HHIH", 41, size, ttl, len(rdata) if length is None else length) + rdata


WITH_OPT = (1, 0, 0, 1)
PACKETS = {
    "nothing": b"",
    "an octet": b"\x00",
    "half a header": packet()[:11],
    "a header that promises a question": packet(b""),
    "no question": packet(b"", counts=(0, 0, 0, 0)),
    "two questions": packet(QUESTION * 2, counts=(2, 0, 0, 0)),
    "65535 questions": packet(counts=(65535, 0, 0, 0)),
    "65535 answers": packet(counts=(1, 65535, 0, 0)),
    "65535 of each": packet(counts=(65535, 65535, 65535, 65535)),
    "a cut name": packet(NAME[:6]),
    "a cut type": packet(NAME + b"\x00"),
    "octets after the end": packet(QUESTION + b"\x00" * 40),
    "a pointer to itself": packet(b"\xc0\x0c" + QUESTION[-4:]),
    "a pointer to the header": packet(b"\xc0\x00" + QUESTION[-4:]),
    "a pointer forward": packet(b"\xc0\xff" + QUESTION[-4:]),
    "two pointers in a circle": packet(b"\xc0\x0e\xc0\x0c" + QUESTION[-4:]),
    "a reserved label": packet(b"\x41x\x00" + QUESTION[-4:]),
    "a name of 256 octets": packet((b"\x3f" + b"x" * 63) * 3 + b"\x3e" + b"x" * 62 + b"\x00" + QUESTION[-4:]),
    "a reply": packet(flags=0x8000),
    "a reply with an error": packet(flags=0x8001),
    "a query with TC": packet(flags=0x0200),
    "a query with AA": packet(flags=0x0400),
    "an rcode": packet(flags=0x0005),
    "the reserved bit": packet(flags=0x0040),
    "opcode IQUERY": packet(flags=1 << 11),
    "opcode STATUS": packet(flags=2 << 11),
    "opcode 3": packet(flags=3 << 11),
    "opcode 15": packet(flags=15 << 11),
    "a NOTIFY": packet(NAME + struct.pack("!HH", 6, 1), flags=4 << 11),
    "an empty UPDATE": packet(b"", flags=5 << 11, counts=(0, 0, 0, 0)),
    "class 0": packet(NAME + struct.pack("!HH", 1, 0)),
    "class NONE": packet(NAME + struct.pack("!HH", 1, 254)),
    "type 0": packet(NAME + struct.pack("!HH", 0, 1)),
    "type OPT": packet(NAME + struct.pack("!HH", 41, 1)),
    "type TSIG": packet(NAME + struct.pack("!HH", 250, 1)),
    "type MAILA": packet(NAME + struct.pack("!HH", 254, 1)),
    "an OPT record": packet(QUESTION + opt(), counts=WITH_OPT),
    "two OPT records": packet(QUESTION + opt() * 2, counts=(1, 0, 0, 2)),
    "an OPT record with a name": packet(QUESTION + opt(owner=NAME), counts=WITH_OPT),
    "an OPT record in the answer": packet(QUESTION + opt(), counts=(1, 1, 0, 0)),
    "EDNS version 1": packet(QUESTION + opt(ttl=1 << 16), counts=WITH_OPT),
    "EDNS size 0": packet(QUESTION + opt(size=0), counts=WITH_OPT),
    "a cut OPT record": packet(QUESTION + opt()[:7], counts=WITH_OPT),
    "an OPT record that is too long": packet(QUESTION + opt(length=400), counts=WITH_OPT),
    "an option that is too long": packet(QUESTION + opt(struct.pack("!HH", 3, 200)), counts=WITH_OPT),
    "half an option": packet(QUESTION + opt(b"\x00\x03"), counts=WITH_OPT),
    "a cookie of 3 octets": packet(QUESTION + opt(struct.pack("!HH", 10, 3) + b"abc"), counts=WITH_OPT),
    "a client subnet of family 9": packet(
        QUESTION + opt(struct.pack("!HHHBB", 8, 5, 9, 8, 0) + b"\x0a"), counts=WITH_OPT
    ),
    "a record in the authority": packet(
        QUESTION + NAME + struct.pack("!HHIH", 1, 1, 60, 4) + b"\xc0\x00\x02\x01", counts=(1, 0, 1, 0)
    ),
    "a TSIG record without data": packet(
        QUESTION + NAME + struct.pack("!HHIH", 250, 255, 0, 0), counts=WITH_OPT
    ),
}
ALONE = {
    "octets after the end": "FORMERR, as BIND: a message that says less than it holds is malformed",
    "a NOTIFY": "NOTIMP: the server is secondary for no zone (RFC 1996 §3.10 leaves the error open)",
    "type 0": "FORMERR: no question can have this type (RFC 6895 §3.1)",
    "type MAILA": "NOTIMP, as BIND: obsolete since RFC 973",
    "a record in the authority": "it is ignored: questions such as IXFR have records there",
}
"""Packets to which namewise alone replies as it does, and why."""


class Asking:
    """A client of one server."""

    def __init__(self, where: tuple[str, int]) -> None:
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.socket.connect(where)
        self.socket.settimeout(10)

    def reaction(self, wire: bytes) -> bytes | None:
        """Return the reply to *wire*, or None if there is none. The server must answer the query behind it."""
        self.socket.send(wire)
        self.socket.send(packet(number=LAST))
        reply = None
        while True:
            got = self.socket.recv(65535)
            if got[:2] == LAST.to_bytes(2, "big") and len(got) > 30:
                return reply
            reply = got


def shown(reply: bytes | None) -> str:
    """Return a word for a reply."""
    if reply is None:
        return "silence"
    rcode = reply[3] & 15
    return RCODES[rcode] if rcode < len(RCODES) else f"rcode {rcode}"


@contextlib.contextmanager
def servers(folder: Path) -> Iterator[dict[str, Asking]]:
    """Yield clients of NSD, Unbound and namewise, which serve the same zone."""
    file = folder / "shop.test.zone"
    file.write_text(ZONE)
    zones = {"shop.test.": file}
    local = [' local-zone: "test." nodefault', f'auth-zone:\n name: "shop.test."\n zonefile: "{file}"']
    # Nothing is looked up elsewhere.
    local += ['forward-zone:\n name: "."\n forward-addr: 127.0.0.1@9']
    starts = {
        "nsd": lambda where: peers.nsd(folder / "nsd", where, zones),
        "unbound": lambda where: peers.unbound(folder / "unbound", where, local),
        "namewise": lambda where: peers.authoritative(folder / "namewise", where, zones),
    }
    with contextlib.ExitStack() as stack:
        clients = {}
        for name, start in starts.items():
            where = peers.free_address("127.0.0.1")
            stack.enter_context(peers.running(start(where))).answers("shop.test.")
            clients[name] = Asking(where)
        yield clients


def mutated(count: int, seed: int) -> Iterator[bytes]:
    """Yield *count* packets, each a packet of the list with some octets changed, removed or repeated."""
    rng = random.Random(seed)
    known = list(PACKETS.values())
    for _ in range(count):
        wire = bytearray(rng.choice(known) or b"\x00" * 12)
        for _ in range(rng.randint(1, 4)):
            at = rng.randrange(len(wire))
            match rng.randrange(3):
                case 0:
                    wire[at] = rng.randrange(256)
                case 1 if len(wire) > 1:
                    del wire[at]
                case _:
                    wire[at:at] = wire[at : at + rng.randint(1, 20)]
        # The id of the ordinary query is its own.
        wire[:2] = b"\x00\x01"
        yield bytes(wire)


def main() -> int:
    """Print the reply of each server to each packet; return 1 if namewise is alone and `ALONE` does not say why."""
    with tempfile.TemporaryDirectory() as name, servers(Path(name)) as clients:
        alone = set()
        for what, wire in PACKETS.items():
            words = {server: shown(client.reaction(wire)) for server, client in clients.items()}
            own = words.pop("namewise")
            if own not in words.values():
                alone.add(what)
            mark = "alone: " if what in alone else ""
            rest = ", ".join(f"{server} {word}" for server, word in words.items())
            print(f"{mark}{what}: namewise {own}, {rest}", flush=True)
    print(f"{len(PACKETS)} packets, {len(alone)} to which namewise alone replies as it does")
    return 0 if alone <= set(ALONE) else 1

"""Corner cases of the protocol at `nw serve`, with the usual tools and with packets that no tool sends."""

from __future__ import annotations

import random
import socket
import struct
import subprocess
from typing import TYPE_CHECKING

import asking
import peers
import pytest
from asking import query

if TYPE_CHECKING:
    from collections.abc import Iterator

    import internet
    from peers import Where

CONFIG = """\
[server]
identity = "ns1.example"
version = "namewise"
nsid = "corner"
[[zone]]
name = "example.lab."
file = "{zone}"
[[zone]]
name = "nsec.lab."
file = "{signed}"
"""


@pytest.fixture(scope="module")
def server(net: internet.Internet, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Where]:
    """Our server of two zones, with identity, version and NSID."""
    folder, where = tmp_path_factory.mktemp("corners"), peers.free_address()
    config = folder / "namewise.toml"
    config.write_text(CONFIG.format(zone=net.zones["example.lab."], signed=net.zones["nsec.lab."]))
    with peers.running(peers.namewise(folder, where, "--config", config)) as running:
        yield running.answers("example.lab").where


@pytest.mark.parametrize("tool", ["dig", "kdig"])
def test_the_server_reports_its_identity(server: Where, tool: str) -> None:
    assert "corner" in asking.ask(tool, server, "example.lab", "SOA", "+nsid").text
    for name, text in (("version.bind", "namewise"), ("id.server", "ns1.example")):
        reply = asking.ask(tool, server, name, "TXT", "CH")
        assert reply.answer == {f'{name}. txt "{text}"'}, reply.text
    assert asking.ask(tool, server, "example.lab", "A", "CH").rcode == "REFUSED"


@pytest.mark.parametrize("tool", asking.TOOLS)
def test_names_outside_the_zones_are_refused(server: Where, tool: str) -> None:
    assert asking.ask(tool, server, "example.org").rcode == "REFUSED"
    assert asking.ask(tool, server, "www.hoster.far", "A", "+norecurse").rcode == "REFUSED"


def test_one_connection_carries_many_questions(server: Where) -> None:
    names = ("www.example.lab", "big.example.lab", "missing.example.lab", "www.nsec.lab")
    questions = [word for name in names for word in ("-q", name, "-t", "TXT" if "big" in name else "A")]
    command = ["kdig", f"@{server[0]}", "-p", str(server[1]), "+tcp", "+keepopen", *questions]
    done = subprocess.run(command, capture_output=True, text=True, timeout=30, check=False)
    assert done.stdout.count("status: NOERROR") == 3 and done.stdout.count("status: NXDOMAIN") == 1
    assert "77777" in done.stdout and "198.51.100.1" in done.stdout


def test_questions_in_one_segment_are_all_answered(server: Where) -> None:
    packets = [
        query(number, "www.example.lab" if number % 3 else "big.example.lab", 16) for number in range(40)
    ]
    with socket.create_connection(server, timeout=10) as link:
        link.sendall(b"".join(struct.pack("!H", len(packet)) + packet for packet in packets))
        replies = {struct.unpack_from("!H", framed(link))[0] for _ in packets}
    assert replies == set(range(40))


def test_any_gets_a_minimal_answer(server: Where) -> None:
    assert len(asking.ask("dig", server, "www.example.lab", "ANY", "+notcp").answer) == 1, "RFC 8482 §4.1"


def test_transfers_are_refused(server: Where) -> None:
    done = asking.ask("dig", server, "example.lab", "AXFR")
    assert "Transfer failed" in done.text and "198.51.100" not in done.text
    reply = exchange(server, query(7, "example.lab", 252), tcp=True)
    assert reply is not None and reply[3] & 15 in (4, 5), "NOTIMP or REFUSED"


def test_a_query_with_a_later_edns_version_gets_badvers_and_ours(server: Where) -> None:
    reply = exchange(server, query(7, "www.example.lab", 1, edns=1))
    assert reply is not None and (reply[3] & 15, reply[-6]) == (0, 1), "BADVERS is 16 (RFC 6891 §6.1.3)"
    assert asking.ask("dig", server, "www.example.lab", "A", "+edns=5", "+noednsneg").rcode == "BADVERS"
    unknown = asking.ask("dig", server, "www.example.lab", "A", "+ednsopt=65001:c0ffee", "+ednsflags=0x40")
    assert unknown.rcode == "NOERROR" and len(unknown.answer) == 1, "unknown options and flags are ignored"


@pytest.mark.parametrize("opcode", [1, 2, 3, 6, 9, 15])
def test_an_unknown_opcode_is_not_implemented(server: Where, opcode: int) -> None:
    reply = exchange(server, query(7, "www.example.lab", 1, flags=opcode << 11))
    assert reply is not None and reply[3] & 15 == 4
    assert struct.unpack_from("!H", reply, 2)[0] & 0xF800 == 0x8000 | opcode << 11


@pytest.mark.parametrize("qclass", [2, 4, 254, 1000])
def test_another_class_is_refused(server: Where, qclass: int) -> None:
    reply = exchange(server, query(7, "www.example.lab", 1, qclass=qclass))
    assert reply is not None and reply[3] & 15 == 5


GOOD = b"\x12\x34\x01\x00\0\1\0\0\0\0\0\0\3www\7example\3lab\0\0\1\0\1"
FORMERR = {
    # what the header lets be answered
    "header only": GOOD[:12],
    "no question": GOOD[:4] + b"\0\0" + GOOD[6:12],
    "two questions": GOOD[:4] + b"\0\2" + GOOD[6:] + GOOD[12:],
    "question cut short": GOOD[:-3],
    "more records than there are": GOOD[:10] + b"\0\1" + GOOD[12:],
    "trailing octets": GOOD + b"\0\0\0",
    "label of the reserved form": GOOD[:12] + b"\x43www\0\0\1\0\1",
    "pointer to itself": GOOD[:12] + b"\xc0\x0c\0\1\0\1",
    "pointer forward": GOOD[:12] + b"\xc0\x20\0\1\0\1" + b"\0" * 20,
    "name of 256 octets": GOOD[:12] + (b"\x3f" + b"a" * 63) * 4 + b"\0\0\1\0\1",
    "two OPT records": GOOD[:10] + b"\0\2" + GOOD[12:] + (b"\0\0\x29\x04\xd0" + b"\0" * 6) * 2,
    "OPT with a name": GOOD[:10] + b"\0\1" + GOOD[12:] + b"\1a\0\0\x29\x04\xd0" + b"\0" * 6,
    "option beyond the OPT": GOOD[:10] + b"\0\1" + GOOD[12:] + b"\0\0\x29\x04\xd0\0\0\0\0\0\4\0\3\0\x09",
}
SILENCE = {
    "nothing": b"",
    "eleven octets": GOOD[:11],
    "a reply": GOOD[:2] + b"\x81\x80" + GOOD[4:],
    "a broken reply": GOOD[:2] + b"\x81\x80" + GOOD[4:14],
}


@pytest.mark.parametrize("packet", FORMERR)
def test_a_malformed_question_gets_formerr(server: Where, packet: str) -> None:
    reply = exchange(server, FORMERR[packet])
    assert reply is not None and reply[:2] == GOOD[:2]
    assert (reply[2] & 0x80, reply[3] & 15) == (0x80, 1)


@pytest.mark.parametrize("packet", SILENCE)
def test_packets_without_a_question_get_no_reply(server: Where, packet: str) -> None:
    # A good question behind it, from the same port: its answer is the first that comes.
    reply = exchange(server, SILENCE[packet], GOOD[:1] + b"\xff" + GOOD[2:])
    assert reply is not None and reply[1] == 0xFF


def test_unrelated_packets_do_not_stop_the_server(server: Where) -> None:
    dice = random.Random(35)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as link:
        link.connect(server)
        for _ in range(2000):
            packet = bytearray(GOOD + b"\0\0\x29\x04\xd0" + b"\0" * 6)
            for _ in range(dice.randrange(1, 6)):
                packet[dice.randrange(len(packet))] = dice.randrange(256)
            link.send(packet[: dice.randrange(len(packet) + 1)])
    with socket.create_connection(server, timeout=10) as link:
        link.sendall(dice.randbytes(300))
    assert asking.ask("dig", server, "www.example.lab").answer == {"www.example.lab. a 198.51.100.1"}


def exchange(server: Where, *packets: bytes, tcp: bool = False) -> bytes | None:
    """Send *packets* and return the first reply."""
    if tcp:
        with socket.create_connection(server, timeout=10) as link:
            link.sendall(b"".join(struct.pack("!H", len(packet)) + packet for packet in packets))
            return framed(link)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as link:
        link.settimeout(10)
        link.connect(server)
        for packet in packets:
            link.send(packet)
        return link.recv(65535)


def framed(link: socket.socket) -> bytes:
    """Return the next message of a TCP connection."""

    def octets(count: int) -> bytes:
        got = b""
        while len(got) < count:
            part = link.recv(count - len(got))
            assert part, "the server closed the connection"
            got += part
        return got

    return octets(struct.unpack("!H", octets(2))[0])

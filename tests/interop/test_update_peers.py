"""Dynamic updates: the same random ones to BIND and to our function, and every nsupdate against every server."""

from __future__ import annotations

import base64
import random
import socket
import subprocess
import time
from typing import TYPE_CHECKING

import peers
import pytest

from namewise.engine import Message, Name, Rdata, Transfer, TsigKey, Update, Verifier, Zone
from namewise.engine.errors import UpdateRefused
from namewise.stream import read_message
from namewise.tools.nsupdate.message import Entry, made

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

SECRET = b"0123456789abcdef0123456789abcdef"
TEXT = """\
$ORIGIN example.
$TTL 3600
@ SOA ns hostmaster 10 3600 900 604800 300
@ NS ns
@ NS ns2
ns A 192.0.2.1
ns2 A 192.0.2.2
www A 192.0.2.80
www A 192.0.2.81
alias CNAME www
a.b TXT "deep"
sub NS ns.sub
ns.sub A 192.0.2.3
"""
APEX = Name("example")
UPDATES = 400


@pytest.fixture
def zone_file(tmp_path: Path) -> Path:
    path = tmp_path / "example.zone"
    path.write_text(TEXT)
    return path


@pytest.fixture
def named(tmp_path: Path, zone_file: Path) -> Iterator[peers.Server]:
    text = base64.b64encode(SECRET).decode()
    more = (
        f'key "k1" {{ algorithm hmac-sha256; secret "{text}"; }};\n'
        f'zone "example" {{ type primary; file "{zone_file}"; allow-update {{ key k1; }}; allow-transfer {{ any; }};'
        " check-names ignore; check-mx ignore; };\n"
    )
    with peers.running(
        peers.bind(tmp_path / "bind", peers.free_address("127.0.0.1"), {}, more=more)
    ) as server:
        yield server.answers("example")


class Updater:
    """A connection that sends signed updates to a server, and fetches its zone."""

    def __init__(self, server: peers.Server) -> None:
        self.server = server
        self.key = TsigKey("k1", "hmac-sha256", SECRET)
        self.link = socket.create_connection(server.where, timeout=20)

    def send(self, request: bytes) -> str:
        """Return the rcode of the verified response to *request*. BIND does not sign FORMERR for records that it cannot read."""
        now = int(time.time())
        signed = self.key.sign(request, now)
        self.link.sendall(len(signed.wire).to_bytes(2, "big") + signed.wire)
        reply = read_message(self.link, time.monotonic() + 20)
        self.server.read()  # What it says must not fill the pipe.
        message = Message.parse(reply)
        assert (message.rcode == "FORMERR" and message.tsig is None) or Verifier(self.key, signed.mac).read(
            reply, now
        )
        return message.rcode

    def zone(self) -> Zone:
        """Return the zone as the server has it."""
        transfer = Transfer(APEX, id=7, max_octets=1 << 20, max_records=10000)
        with socket.create_connection(self.server.where, timeout=20) as link:
            link.sendall(len(transfer.query).to_bytes(2, "big") + transfer.query)
            while not transfer.read(read_message(link, time.monotonic() + 20)):
                pass
        return transfer.finish()


NAMES = [Name(name) for name in ("example", "www.example", "alias.example", "x.example", "b.example", "a.b.example",
                                 "*.example", "WWW.example", "sub.example", "ns.sub.example", "www.other", "y.x.example")]  # fmt: skip
INSIDE = [name for name in NAMES if name.is_at_or_below(APEX)]
DATA = {
    "A": ["192.0.2.1", "192.0.2.80", "192.0.2.81", "192.0.2.99"],
    "AAAA": ["2001:db8::1"],
    "TXT": ['"deep"', '"b" "c"'],
    "CNAME": ["www.example.", "x.example.", "ns.example."],
    "AFSDB": ["1 www.example.", "1 WWW.EXAMPLE."],
    "NS": ["ns.example.", "ns2.example.", "ns.other."],
    "DNAME": ["other.", "another."],
    "SOA": [
        f"ns.example. hostmaster.example. {serial} 1 2 3 4" for serial in (1, 20, 2147483650, 4294967295)
    ],
    "TYPE65280": ["\\# 2 0102"],
    "HINFO": ['"a" "b"'],
}


def random_update(some: random.Random) -> bytes:
    """Return an update, of which some are malformed."""

    def entry(ttl: int, rclass: str, *, data: bool, rtype: str | None = None) -> Entry:
        rtype = rtype or some.choice([*DATA, "A", "CNAME", "NS"])
        owner = some.choice(INSIDE)
        if owner == APEX and rtype == "DNAME":
            # BIND refuses what leaves the name servers without addresses.
            rtype = "A"
        if owner.is_wildcard and rtype in ("NS", "DNAME"):
            # BIND ignores them; RFC 4592 §4.2, §4.4 discourages and does not forbid them.
            rtype = "A"
        return Entry(owner, ttl, rclass, rtype, Rdata(rtype, some.choice(DATA[rtype])) if data else None)

    def wrong() -> Entry:
        rclass, rtype = some.choice(["ANY", "NONE", "CH", "IN"]), some.choice(["A", "ANY", "AXFR", "MAILB"])
        data = Rdata("A", "192.0.2.1") if rtype == "A" and some.random() < 0.5 else None
        # The parser accepts empty data in the classes ANY and NONE only.
        if data is None and rclass in ("CH", "IN"):
            rclass = "ANY"
        return Entry(some.choice(NAMES), some.choice([0, 60]), rclass, rtype, data)

    def prerequisite() -> Entry:
        return some.choice(
            [
                lambda: entry(0, "ANY", data=False),
                lambda: entry(0, "NONE", data=False),
                lambda: entry(0, "IN", data=True),
                lambda: Entry(some.choice(INSIDE), 0, some.choice(["ANY", "NONE"]), "ANY"),
            ]
        )()

    def change() -> Entry:
        return some.choice(
            [
                lambda: entry(some.choice([60, 3600]), "IN", data=True),
                lambda: entry(some.choice([60, 3600]), "IN", data=True),
                lambda: entry(0, "ANY", data=False),
                lambda: entry(0, "NONE", data=True),
                lambda: Entry(some.choice(INSIDE), 0, "ANY", "ANY"),
            ]
        )()

    before = [prerequisite() for _ in range(some.choice([0, 0, 0, 1, 2]))]
    after = [change() for _ in range(some.randrange(1, 7))]
    if some.random() < 0.1:
        # One fault at a time: RFC 2136 checks each prerequisite in turn (§3.2), then the form of the update (§3.4.1); BIND all forms first.
        before, after = some.choice([([wrong()], after), ([], [*after, wrong()])])
    return made(some.randrange(65536), APEX, "IN", before, after)


def ours(request: bytes, zone: Zone) -> tuple[str, Zone]:
    """Return the rcode and the zone that our function makes."""
    try:
        return "NOERROR", Update(Message.parse(request)).apply(zone)[0] or zone
    except UpdateRefused as refused:
        return refused.rcode, zone


@pytest.mark.parametrize("seed", [1, 2])
def test_random_updates_have_the_effects_that_bind_gives(named: peers.Server, seed: int) -> None:
    some, updater = random.Random(seed), Updater(named)
    zone = updater.zone()
    rcodes: dict[str, int] = {}
    changed = 0
    for number in range(UPDATES):
        request = random_update(some)
        text = f"seed {seed}, update {number}:\n{Update(Message.parse(request)).changes}\nbefore:\n{zone.to_text()}"
        rcode, after = ours(request, zone)
        if rcode == "REFUSED":
            continue  # NS beside DNAME, for example (RFC 6672 §2.4), which BIND permits.
        assert rcode == updater.send(request), text
        theirs = updater.zone()
        difference = after.difference(theirs)
        if (
            difference
            and after is zone
            and "WWW" in text
            and len(difference.removed) == len(difference.added) == 1
        ):
            # The same record in another case: BIND raises the serial for the new spelling.
            zone = theirs
            continue
        assert not difference, f"{text}\nBIND removes {difference.removed}, adds {difference.added}"
        rcodes[rcode] = rcodes.get(rcode, 0) + 1
        changed += after is not zone
        # BIND spells owners as the first record of the name did: go on from the same zone.
        zone = theirs
    assert changed > UPDATES / 4
    assert {"NOERROR", "NXDOMAIN", "YXDOMAIN", "NXRRSET", "YXRRSET", "FORMERR", "NOTZONE"} <= set(rcodes), (
        rcodes
    )


# Every nsupdate against every server.


@pytest.fixture
def namewise(tmp_path: Path, zone_file: Path) -> Iterator[peers.Server]:
    folder = tmp_path / "ours"
    folder.mkdir()
    text = base64.b64encode(SECRET).decode()
    (folder / "namewise.toml").write_text(
        f'[server]\nstate = "{folder}/state"\n[[zone]]\nname = "example"\nkind = "file"\nfile = "{zone_file}"\n'
        f'[[key]]\nname = "k1"\nsecret = "{text}"\n'
        '[[update]]\nname = "all"\nzones = ["example"]\nkey = "k1"\ntypes = ["ANY"]\n'
    )
    where = peers.free_address("127.0.0.1")
    with peers.running(peers.namewise(folder, where, "--config", folder / "namewise.toml")) as server:
        yield server.answers("example")


@pytest.fixture
def knot(tmp_path: Path, zone_file: Path) -> Iterator[peers.Server]:
    folder, where = tmp_path / "knot", peers.free_address("127.0.0.1")
    text = base64.b64encode(SECRET).decode()
    folder.mkdir()
    (folder / "knot.conf").write_text(
        f"server:\n    listen: {where[0]}@{where[1]}\n    rundir: {folder}\nlog:\n  - target: stderr\n    any: info\n"
        f"database:\n    storage: {folder}/db\nkey:\n  - id: k1\n    algorithm: hmac-sha256\n    secret: {text}\n"
        "acl:\n  - id: up\n    key: k1\n    action: update\n"
        f"zone:\n  - domain: example\n    file: {zone_file}\n    acl: up\n    journal-content: none\n    zonefile-sync: -1\n"
    )
    command = ["/usr/sbin/knotd", "-c", folder / "knot.conf"]
    with peers.running(peers.Server(command, folder, where)) as server:
        yield server.answers("example")


# Over TCP: a busy machine must not make them repeat an update.
TOOLS = {
    "BIND": ["nsupdate", "-v"],
    "Knot": ["knsupdate", "-v", "-t", "60"],
    "namewise": [str(peers.NW), "nsupdate", "-v"],
}


@pytest.mark.parametrize("tool", TOOLS)
@pytest.mark.parametrize("of", ["namewise", "named", "knot"])
def test_every_nsupdate_updates_every_server(of: str, tool: str, request: pytest.FixtureRequest) -> None:
    server: peers.Server = request.getfixturevalue(of)
    host, port = server.where
    text = base64.b64encode(SECRET).decode()

    def run(*lines: str) -> subprocess.CompletedProcess[str]:
        said = "\n".join((f"server {host} {port}", "zone example.", f"key hmac-sha256:k1 {text}", *lines, ""))
        return subprocess.run(
            TOOLS[tool], input=said, capture_output=True, text=True, check=False, timeout=60
        )

    def records(name: str, rtype: str) -> list[str]:
        command = ["dig", f"@{host}", "-p", str(port), name, rtype, "+short", "+norec"]
        return sorted(subprocess.run(command, capture_output=True, text=True, check=True).stdout.split("\n"))[
            1:
        ]

    done = run("prereq nxdomain new.example.", "update add new.example. 60 A 192.0.2.9", "send")
    assert (done.returncode, done.stderr) == (0, "")
    assert records("new.example", "A") == ["192.0.2.9"]
    done = run("prereq nxdomain new.example.", "update add new.example. 60 A 192.0.2.10", "send")
    assert done.returncode != 0 and "YXDOMAIN" in done.stderr + done.stdout
    done = run("update delete www.example. A 192.0.2.80", "update add www.example. 60 TXT hello", "send")
    assert done.returncode == 0
    assert (records("www.example", "A"), records("www.example", "TXT")) == (["192.0.2.81"], ['"hello"'])
    assert run("update delete new.example.", "send").returncode == 0
    assert records("new.example", "A") == []
    serial = records("example", "SOA")[0].split()[2]
    assert int(serial) == 13

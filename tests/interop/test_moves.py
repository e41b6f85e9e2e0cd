"""A signed zone moves from BIND, Knot or PowerDNS with two secondaries to namewise, as docs/migrate describes, while Unbound validates its
names without pause.

    old primary ─▶ BIND, NSD     the secondaries are replaced first, then the primary, each at its address
"""

from __future__ import annotations

import json
import shutil
import signal
import socket
import struct
import subprocess
import threading
from collections import Counter
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import peers
import pytest

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from peers import Server, Where

APEX = "shop.example"
ZONE = f"""\
$ORIGIN {APEX}.
$TTL 60
@ SOA ns1 hostmaster 100 3600 600 86400 60
@ NS ns1
@ NS ns2
@ NS ns3
@ MX 10 mail
ns1 A 127.0.0.1
ns2 A 127.0.0.1
ns3 A 127.0.0.1
www A 192.0.2.1
mail AAAA 2001:db8::1
*.wild TXT "from the wildcard"
"""
QUESTIONS = {(f"www.{APEX}", 1), (APEX, 15), (f"mail.{APEX}", 28), (f"a.wild.{APEX}", 16)}
HOST = "127.0.0.1"


def run(*command: object, **how: Any) -> str:
    """Run a command and return what it prints. The exception contains its error messages."""
    done = subprocess.run(list(map(str, command)), text=True, capture_output=True, check=False, **how)
    assert done.returncode == 0, f"{command}: {done.stdout}{done.stderr}"
    return done.stdout


# The signers that the zone comes from.


def bind(folder: Path, where: Where, others: Sequence[Where]) -> Server:
    (folder.parent / "db").write_text(ZONE)
    notified = " ".join(f"{at} port {port};" for at, port in others)
    zone = (
        f'zone "{APEX}" {{ type primary; file "{folder}/db"; dnssec-policy default; inline-signing yes; key-directory "{folder}"; '
        f"allow-transfer {{ any; }}; notify explicit; also-notify {{ {notified} }}; }};\n"
    )
    server = peers.bind(folder, where, {}, more=zone)
    shutil.copy(folder.parent / "db", folder / "db")
    return server


def bind_keys(folder: Path) -> list[Path]:
    return sorted(folder.glob("K*.private"))


def knot(folder: Path, where: Where, others: Sequence[Where]) -> Server:
    (folder / "kasp").mkdir(parents=True)
    (folder / "db").write_text(ZONE)
    remotes = "".join(f"  - id: r{port}\n    address: {at}@{port}\n" for at, port in others)
    (folder / "knot.conf").write_text(
        f"server:\n    listen: {where[0]}@{where[1]}\n    rundir: {folder}\nlog:\n  - target: stderr\n    any: info\n"
        f"database:\n    storage: {folder}/kasp\nremote:\n{remotes}acl:\n  - id: all\n    address: 127.0.0.0/8\n    action: transfer\n"
        f"policy:\n  - id: denial\n    nsec3: on\n    nsec3-salt-length: 8\n"
        f"zone:\n  - domain: {APEX}\n    dnssec-policy: denial\n    file: {folder}/db\n    zonefile-sync: -1\n"
        "    zonefile-load: difference-no-serial\n"
        f"    journal-content: all\n    dnssec-signing: on\n    acl: all\n    notify: [{', '.join(f'r{port}' for _, port in others)}]\n"
    )
    return peers.Server(["/usr/sbin/knotd", "-c", folder / "knot.conf"], folder, where)


def knot_keys(folder: Path) -> list[Path]:
    return sorted((folder / "kasp").rglob("*.pem"))


def pdns(folder: Path, where: Where, others: Sequence[Where]) -> Server:
    folder.mkdir()
    (folder / "db").write_text(ZONE)
    schema = "/usr/share/pdns-backend-sqlite3/schema/schema.sqlite3.sql"
    if shutil.which("pdnsutil") is None or not Path(schema).exists():
        pytest.skip("PowerDNS with SQLite is not installed")
    import sqlite3

    with sqlite3.connect(folder / "pdns.sqlite") as db:
        db.executescript(Path(schema).read_text())
    notified = ",".join(f"{at}:{port}" for at, port in others)
    (folder / "pdns.conf").write_text(
        f"launch=gsqlite3\ngsqlite3-database={folder}/pdns.sqlite\ngsqlite3-dnssec=yes\nlocal-address={where[0]}\n"
        f"local-port={where[1]}\nsocket-dir={folder}\nallow-axfr-ips=127.0.0.0/8\nprimary=yes\nonly-notify=\n"
        f"also-notify={notified}\nguardian=no\ndaemon=no\nwrite-pid=no\nsetuid=\nsetgid=\nxfr-cycle-interval=1\n"
        "cache-ttl=0\nquery-cache-ttl=0\nnegquery-cache-ttl=0\nzone-cache-refresh-interval=0\n"
    )
    for words in (("load-zone", APEX, folder / "db"), ("secure-zone", APEX), ("set-kind", APEX, "primary")):
        run("pdnsutil", f"--config-dir={folder}", *words)
    return peers.Server(["/usr/sbin/pdns_server", f"--config-dir={folder}"], folder, where)


def pdns_keys(folder: Path) -> list[Path]:
    listed = run("pdnsutil", f"--config-dir={folder}", "list-keys", APEX)
    ids = [word[6] for word in map(str.split, listed.splitlines()) if word[:1] in ([APEX], [f"{APEX}."])]
    for id in ids:
        text = run("pdnsutil", f"--config-dir={folder}", "export-zone-key", APEX, id)
        (folder / f"{id}.private").write_text(text)
    return sorted(folder.glob("*.private"))


SIGNERS: dict[str, tuple[Callable[[Path, Where, Sequence[Where]], Server], Callable[[Path], list[Path]]]] = {
    "bind": (bind, bind_keys),
    "knot": (knot, knot_keys),
    "pdns": (pdns, pdns_keys),
}


def bind_secondary(folder: Path, where: Where, primary: Where) -> Server:
    zone = f'zone "{APEX}" {{ type secondary; primaries {{ {primary[0]} port {primary[1]}; }}; file "{folder}/db"; }};\n'
    return peers.bind(folder, where, {}, "recursion no; dnssec-validation no; request-expire no;", more=zone)


def nsd_secondary(folder: Path, where: Where, primary: Where) -> Server:
    of_zone = ["allow-notify: 127.0.0.0/8 NOKEY", f"request-xfr: {primary[0]}@{primary[1]} NOKEY"]
    return peers.nsd(folder, where, {APEX: folder / "db"}, of_zone=of_zone)


# Ours.


def policy_like(zone: str) -> str:
    """Return the DNSSEC policy that fits the text of a signed zone."""
    keys = "ksk-zsk" if "DNSKEY 256 " in zone else "csk"
    denial = "nsec3" if "NSEC3PARAM" in zone else "nsec"
    return f'[[dnssec]]\nname = "own"\nalgorithm = "ecdsap256sha256"\nkeys = "{keys}"\ndenial = "{denial}"\ndnskey_ttl = "1m"\n'


def ours(folder: Path, where: Where, zone: str) -> Server:
    folder.mkdir(exist_ok=True)
    (folder / "namewise.toml").write_text(
        f'[server]\nstate = "{folder}/state"\n[[zone]]\nname = "{APEX}"\n{zone}'
    )
    return peers.namewise(folder, where, "--config", folder / "namewise.toml")


def dig(where: Where, *query: str) -> str:
    """Return the data of the answer."""
    return run("dig", f"@{where[0]}", "-p", where[1], "+short", "+norec", *query)


def serial(where: Where) -> int:
    shown = dig(where, APEX, "SOA").split()
    return int(shown[2]) if shown else 0


class Questions:
    """Asks Unbound one question after the other in a thread, and notes each answer that is not the right one."""

    def __init__(self, resolver: Where) -> None:
        self.resolver, self.wrong, self.phase = resolver, [], "before"
        self.right: Counter[str] = Counter()
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run)

    def __enter__(self) -> Questions:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()

    def _run(self) -> None:
        number = 0
        while not self._stop.is_set():
            for name, rtype in sorted(QUESTIONS):
                number += 1
                phase, said = self.phase, validated(self.resolver, name, rtype, number & 0xFFFF)
                if said:
                    self.wrong.append(f"{phase}: {name} {rtype}: {said}")
                else:
                    self.right[phase] += 1


def validated(resolver: Where, name: str, rtype: int, number: int = 1) -> str:
    """Return what is wrong with the answer of *resolver*: it must be there and validated."""
    labels = b"".join(bytes([len(label)]) + label.encode() for label in name.split("."))
    # RD and AD (RFC 6840 §5.7): the response says whether it was validated.
    query = struct.pack("!6H", number, 0x0120, 1, 0, 0, 0) + labels + struct.pack("!BHH", 0, rtype, 1)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as asks:
        asks.settimeout(5)
        asks.connect(resolver)
        for _ in range(6):
            asks.send(query)
            try:
                reply = asks.recv(4096)
                break
            except TimeoutError:
                continue
        else:
            return "no reply"
    _, flags, _, answers = struct.unpack_from("!4H", reply)
    if flags & 15:
        return f"rcode {flags & 15}"
    return "" if answers and flags & 0x20 else f"{answers} answers, AD {bool(flags & 0x20)}"


@dataclass
class Old:
    """The signer, its secondaries, and the resolver that asks all three."""

    places: list[Where]
    primary: Server
    secondaries: list[Server]
    unbound: Server


@contextmanager
def old_servers(folder: Path, start: Callable[[Path, Where, Sequence[Where]], Server]) -> Iterator[Old]:
    """Run what is there before the move."""
    for program in ("unbound", "dig", "named", "nsd"):
        if shutil.which(program) is None and not Path("/usr/sbin", program).exists():
            pytest.skip(f"{program} is not installed")
    places = [peers.free_address(HOST) for _ in range(3)]
    with ExitStack() as stack:
        enter = stack.enter_context
        primary = enter(peers.running(start(folder / "old", places[0], places[1:]))).answers(APEX)
        secondaries = [
            enter(peers.running(make(folder / make.__name__, at, places[0]))).answers(APEX)
            for make, at in zip((bind_secondary, nsd_secondary), places[1:], strict=True)
        ]
        for at in places:
            primary.until(
                lambda at=at: "TXT 13 " in dig(at, f"a.wild.{APEX}", "TXT", "+dnssec"), "signatures"
            )
        anchors = [line for line in dig(places[0], APEX, "DNSKEY").splitlines() if line.startswith("257 ")]
        stubs = "".join(f"\n stub-addr: {host}@{port}" for host, port in places)
        lines = [
            # Nothing from the cache, and no server is given up.
            *(
                " cache-max-ttl: 0",
                " cache-max-negative-ttl: 0",
                " infra-host-ttl: 1",
                " infra-keep-probing: yes",
            ),
            *(f' trust-anchor: "{APEX}. 60 IN DNSKEY {one}"' for one in anchors),
            f"stub-zone:\n name: {APEX}\n stub-no-cache: yes{stubs}",
        ]
        unbound = enter(peers.running(peers.unbound(folder / "unbound", peers.free_address(HOST), lines)))
        unbound.answers(APEX).until(lambda: not validated(unbound.where, f"www.{APEX}", 1), "validation")
        yield Old(places, primary, secondaries, unbound)


@pytest.mark.parametrize(
    ("name", "automatic"), [("bind", True), ("knot", True), ("pdns", True), ("bind", False)]
)
def test_a_signed_zone_moves_without_a_wrong_answer(name: str, automatic: bool, tmp_path: Path) -> None:
    """automatic: the new primary signs the zone; else `nw dnssec sign` does."""
    start, keys_of = SIGNERS[name]
    work = tmp_path / "work"
    work.mkdir()
    with (
        old_servers(tmp_path, start) as old,
        ExitStack() as stack,
        Questions(old.unbound.where) as asking,
    ):
        first, *others = old.places

        def during(phase: str) -> None:
            """Go on when all names have been asked twice in *phase*."""
            asking.phase = phase
            enough = 2 * len(QUESTIONS)
            old.unbound.until(lambda: asking.right[phase] >= enough or bool(asking.wrong), phase)
            assert not asking.wrong

        during("all old")
        keys_before = set(dig(first, APEX, "DNSKEY").splitlines())
        # 1. The secondaries.
        text = f'kind = "secondary"\nprimaries = ["{HOST}:{first[1]}"]\n'
        for number, (secondary, at) in enumerate(zip(old.secondaries, others, strict=True), 1):
            secondary.stop()
            stack.enter_context(peers.running(ours(tmp_path / f"ours{number}", at, text))).answers(APEX)
            assert serial(at) == serial(first)
            during(f"secondary {number} is new")
        # 2. The zone with its signatures, and its keys.
        shown = run(peers.NW, "zone", "show", APEX, "--control", tmp_path / "ours1/control.sock")
        (work / "transferred").write_text(shown)
        folder = tmp_path / "new"
        where = ("--state", folder / "state") if automatic else ("--output", work / "keys")
        keys = keys_of(tmp_path / "old")
        run(peers.NW, "dnssec", "keys", "import", work / "transferred", *keys, "--origin", APEX, *where)
        if automatic:
            # The secondaries have this serial, with the signatures of the old primary.
            old_soa = f" {serial(first)} 3600 600 "
            assert shown.count(old_soa) == 1
            (work / "zone").write_text(shown.replace(old_soa, f" {serial(first) + 1} 3600 600 "))
            dnssec = 'dnssec = "own"\n' + policy_like(shown)
        else:
            report = sign(work, "transferred")
            assert report["keys_made"] is False and report["verified"]
            dnssec = ""
        # 3. The primary.
        before = serial(first)
        old.primary.stop()
        during("there is no primary")
        notified = ", ".join(f'"{host}:{port}"' for host, port in others)
        text = f'file = "{work}/zone"\ntransfer = ["127.0.0.0/8"]\nnotify = [{notified}]\n{dnssec}'
        primary = stack.enter_context(peers.running(ours(folder, first, text))).answers(APEX)
        primary.until(
            lambda: serial(first) > before and len({*map(serial, old.places)}) == 1, "the secondaries"
        )
        during("all new")
        # 4. A change.
        before = serial(first)
        if automatic:
            change = ("set", APEX, "new", "60", "A", "192.0.2.9", "--control", folder / "control.sock")
            run(peers.NW, "zone", *change)
        else:
            with (work / "zone").open("a") as file:
                file.write(f"new.{APEX}. 60 IN A 192.0.2.9\n")
            sign(work, "zone")
            primary.process.send_signal(signal.SIGHUP)
        primary.until(lambda: serial(first) > before and len({*map(serial, old.places)}) == 1, "the change")
        assert set(dig(first, APEX, "DNSKEY").splitlines()) == keys_before
        assert not validated(old.unbound.where, f"new.{APEX}", 1)
        during("the zone has changed")
    assert not asking.wrong
    assert len(asking.right) >= 6


def sign(work: Path, file: str) -> dict[str, Any]:
    """Sign the zone in *file*, and write it to the file `zone`."""
    how = (
        "--origin",
        APEX,
        "--keys",
        work / "keys",
        "--serial",
        "increment",
        "--output",
        work / "zone",
        "--json",
    )
    report: dict[str, Any] = json.loads(run(peers.NW, "dnssec", "sign", work / file, *how))
    return report

"""dig, kdig, BIND, Knot, NSD and PowerDNS transfer zones from namewise: AXFR and IXFR, plain and signed."""

from __future__ import annotations

import signal
import socket
import struct
import subprocess
from contextlib import contextmanager
from typing import TYPE_CHECKING

import peers
import pytest

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    import internet
    from peers import Server, Where

ZONES = ("lab.", "nsec3.lab.", "example.lab.")
"""Delegations with glue and NSEC, NSEC3, and a plain zone whose file changes."""
KEY = peers.Key()
SECRET = KEY.secret


@contextmanager
def primary(
    net: internet.Internet, folder: Path, who: str, key: peers.Key = KEY
) -> Iterator[tuple[Server, Path]]:
    """Run namewise with ZONES, which *who* may transfer; yield it and the file of example.lab."""
    where, changing = peers.free_address("127.0.0.1"), folder / "example.zone"
    changing.write_text(net.zones["example.lab."].read_text())
    files = {**net.zones, "example.lab.": changing}
    tables = "".join(
        f'[[zone]]\nname = "{name}"\nfile = "{files[name]}"\ntransfer = ["{who}"]\n' for name in ZONES
    )
    (folder / "namewise.toml").write_text(key.namewise + tables)
    with peers.running(peers.namewise(folder / "nw", where, "--config", folder / "namewise.toml")) as server:
        yield server.answers("example.lab"), changing


def change(server: Server, changing: Path, serial: int, name: str) -> None:
    """Let the file of example.lab. have *serial* and the name *name*, and have it read again."""
    text = changing.read_text().replace(f"example.lab. {serial - 1} ", f"example.lab. {serial} ")
    changing.write_text(f"{text}{name} A 198.51.100.77\n")
    server.process.send_signal(signal.SIGHUP)
    server.says(f"serial {serial - 1} -> {serial}")


def records(where: Where, *query: str, key: str = "", algorithm: str = "hmac-sha256") -> list[str]:
    """Return the records that dig gets for *query*, in their order."""
    command = [
        "dig",
        f"@{where[0]}",
        "-p",
        str(where[1]),
        "+noall",
        "+answer",
        "+onesoa",
        "+nocookie",
        *query,
    ]
    if key:
        command += ["-y", f"{algorithm}:xfr.:{key}"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    lines = [
        " ".join(line.split()).lower() if "NSEC3" in line or "RRSIG" in line else " ".join(line.split())
        for line in done.stdout.splitlines()
        if line and not line.startswith(";")
    ]
    assert lines, f"{command}: {done.stdout}"
    return [line for line in lines if " TSIG " not in line]


def notify(sender: Server, secondary: Server, zone: str) -> None:
    """Send NOTIFY for *zone* from the address of *sender* (RFC 1996)."""
    wire = b"".join(bytes([len(label)]) + label.encode() for label in zone.split("."))
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as out:
        out.bind((sender.where[0], 0))
        out.sendto(
            struct.pack("!6H", 7, 0x2400, 1, 0, 0, 0) + wire + struct.pack("!HH", 6, 1), secondary.where
        )


@pytest.mark.parametrize("key", ["", SECRET], ids=["plain", "signed"])
def test_dig_gets_what_another_primary_sends(net: internet.Internet, tmp_path: Path, key: str) -> None:
    other = peers.free_address("127.0.0.1")
    served = {name: net.zones[name] for name in ZONES}
    options = "recursion no; dnssec-validation no; allow-transfer { any; };"
    with (
        primary(net, tmp_path, "key xfr." if key else "127.0.0.0/8") as (server, _),
        peers.running(peers.bind(tmp_path / "bind", other, served, options)) as peer,
    ):
        peer.answers("example.lab")
        for zone in ZONES:
            ours, theirs = records(server.where, zone, "AXFR", key=key), records(peer.where, zone, "AXFR")
            assert sorted(ours) == sorted(theirs), zone
            assert " SOA " in ours[0]
        if key:
            refused = subprocess.run(
                ["dig", f"@{server.where[0]}", "-p", str(server.where[1]), "lab.", "AXFR"],
                capture_output=True,
                text=True,
                check=False,
            )
            assert "Transfer failed" in refused.stdout


def soas(lines: list[str]) -> list[str]:
    """Return the serials of the SOA records in *lines*, in their order."""
    return [line.split()[6] for line in lines if " SOA " in line]


def test_ixfr_over_tcp_and_udp(net: internet.Internet, tmp_path: Path) -> None:
    with primary(net, tmp_path, "127.0.0.0/8") as (server, changing):
        change(server, changing, 2, "second")
        change(server, changing, 3, "third")
        for transport in ("+tcp", "+notcp"):
            whole = records(server.where, "example.lab.", "IXFR=1", transport)
            assert soas(whole)[:1] == ["3"] and soas(whole)[1:5] == ["1", "2", "2", "3"]
            assert [line.split()[0] for line in whole if " A " in line] == [
                "second.example.lab.",
                "third.example.lab.",
            ]
            assert len(records(server.where, "example.lab.", "IXFR=3", transport)) == 1
        kdig = [
            "kdig",
            f"@{server.where[0]}",
            "-p",
            str(server.where[1]),
            "example.lab.",
            "IXFR=2",
            "+noall",
            "+answer",
        ]
        said = subprocess.run(kdig, capture_output=True, text=True, timeout=60, check=False).stdout
        assert "third.example.lab." in said and "second.example.lab." not in said, said
        everything = records(server.where, "example.lab.", "AXFR")
        assert set(records(server.where, "example.lab.", "IXFR=0", "+tcp")) == set(everything)
        assert " SOA " in records(server.where, "example.lab.", "IXFR=0", "+notcp")[0]


def bind(folder: Path, where: Where, server: Server) -> Server:
    address, port = server.where
    listed = "".join(
        f'zone "{name}" {{ type secondary; file "{folder}/{name}db"; primaries port {port} {{ {address} key xfr.; }}; '
        f"allow-notify {{ {address}; }}; allow-transfer {{ any; }}; }};\n"
        for name in ZONES
    )
    return peers.bind(folder, where, {}, more=KEY.bind + listed)


def knot(folder: Path, where: Where, server: Server) -> Server:
    address, port = server.where
    more = (
        f"{KEY.knot}remote:\n  - id: up\n    address: {address}@{port}\n    key: {KEY.name}\n"
        "acl:\n  - id: all\n    address: 127.0.0.0/8\n    action: [transfer, notify]\n"
    )
    zones = {name: folder / f"{name}db" for name in ZONES}
    return peers.knot(folder, where, zones, of_zone=["master: up", "acl: all"], more=more)


def nsd(folder: Path, where: Where, server: Server) -> Server:
    address, port = server.where
    of_zone = [
        f"request-xfr: {address}@{port} xfr.",
        f"allow-notify: {address} NOKEY",
        "provide-xfr: 127.0.0.0/8 NOKEY",
    ]
    zones = {name: folder / f"{name}db" for name in ZONES}
    return peers.nsd(folder, where, zones, ["verbosity: 3"], of_zone=of_zone, keys=KEY.nsd)


@pytest.mark.parametrize("start", [bind, knot, nsd], ids=["bind", "knot", "nsd"])
def test_a_secondary_follows(
    net: internet.Internet, tmp_path: Path, start: Callable[[Path, Where, Server], Server]
) -> None:
    with (
        primary(net, tmp_path, "127.0.0.0/8 key xfr.") as (server, changing),
        peers.running(start(tmp_path / "peer", peers.free_address("127.0.0.1"), server)) as peer,
    ):
        for zone in ZONES:
            peer.answers(zone)
            ours = records(server.where, zone, "AXFR", key=SECRET)
            assert sorted(records(peer.where, zone, "AXFR")) == sorted(ours), zone
        change(server, changing, 2, "second")

        def has_it() -> bool:
            notify(server, peer, "example.lab.")
            return " 2 3600 " in records(peer.where, "example.lab.", "SOA")[0]

        peer.until(has_it, "the new version")
        ours = records(server.where, "example.lab.", "AXFR", key=SECRET)
        assert sorted(records(peer.where, "example.lab.", "AXFR")) == sorted(ours)
        # BIND does not log the type: a difference of one record has five, the zone has more. NSD logs nothing.
        if start is not nsd:
            peer.says(", 5 records" if start is bind else "IXFR")


@pytest.mark.parametrize("key", [None, KEY, peers.Key("hmac-sha512")], ids=["plain", "sha256", "sha512"])
def test_powerdns_is_a_secondary(net: internet.Internet, tmp_path: Path, key: peers.Key | None) -> None:
    who = "127.0.0.0/8" if key is None else f"127.0.0.0/8 key {KEY.name}"
    with primary(net, tmp_path, who, key or KEY) as (server, _):
        where, folder = peers.free_address("127.0.0.1"), tmp_path / "pdns"
        folder.mkdir()
        zones = "".join(
            f'zone "{name[:-1]}" {{ type slave; file "{folder}/{name}db"; '
            f"masters {{ {server.where[0]}:{server.where[1]}; }}; }};\n"
            for name in ZONES
        )
        (folder / "named.conf").write_text(zones)
        (folder / "pdns.conf").write_text(
            f"launch=bind\nbind-config={folder}/named.conf\nbind-dnssec-db={folder}/keys.db\n"
            f"local-address={where[0]}\nlocal-port={where[1]}\n"
            f"secondary=yes\nsocket-dir={folder}\nguardian=no\ndaemon=no\nwrite-pid=no\nsetuid=\nsetgid=\n"
            "allow-axfr-ips=127.0.0.0/8\nxfr-cycle-interval=1\nquery-cache-ttl=0\ncache-ttl=0\n"
        )
        commands = [["create-bind-db", f"{folder}/keys.db"]]
        if key is not None:
            commands.append(["import-tsig-key", key.name, key.algorithm, key.secret])
            commands += [["activate-tsig-key", name[:-1], key.name, "secondary"] for name in ZONES]
        for command in commands:
            subprocess.run(["pdnsutil", f"--config-dir={folder}", *command], check=True, capture_output=True)
        start = ["/usr/sbin/pdns_server", f"--config-dir={folder}"]
        with peers.running(peers.Server(start, folder, where)) as peer:
            for zone in ZONES:
                peer.answers(zone)
            algorithm = "" if key is None else key.algorithm
            ours = records(
                server.where, "example.lab.", "AXFR", key=SECRET if key else "", algorithm=algorithm
            )
            assert sorted(records(peer.where, "example.lab.", "AXFR")) == sorted(ours)


def test_dig_learns_when_a_zone_expires(net: internet.Internet, tmp_path: Path) -> None:
    """RFC 7314."""
    with primary(net, tmp_path, "127.0.0.0/8") as (server, _):
        at = [f"@{server.where[0]}", "-p", str(server.where[1]), "example.lab."]

        def expire(*query: str) -> bool:
            done = subprocess.run(["dig", *at, *query], capture_output=True, text=True, check=False)
            assert "example.lab." in done.stdout
            return "; EXPIRE: " in done.stdout

        soa = subprocess.run(["dig", *at, "SOA", "+short"], capture_output=True, text=True, check=False)
        said = subprocess.run(["dig", *at, "SOA", "+expire"], capture_output=True, text=True, check=False)
        assert f"; EXPIRE: {soa.stdout.split()[5]} (" in said.stdout
        assert not expire("SOA") and not expire("NS", "+expire")

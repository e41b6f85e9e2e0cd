"""namewise as a secondary of BIND, Knot, NSD and PowerDNS: AXFR, NOTIFY, IXFR, plain and signed; and NOTIFY from namewise to them."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import time
from functools import partial
from typing import TYPE_CHECKING, Any

import peers
import pytest

from namewise.engine import Zone

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

HOST = "127.0.0.1"
"""All servers have this address: NOTIFY is taken from the address of a primary."""


def text(serial: int) -> str:
    hosts = "".join(f"host{number} 60 A 192.0.2.{number}\n" for number in range(serial, serial + 50))
    return (
        f"$TTL 60\n@ SOA ns1 h {serial} 3600 600 86400 60\n@ NS ns1\nns1 A 192.0.2.1\nsub NS ns.sub\nns.sub A 192.0.2.99\n"
        f'*.wild TXT "version {serial}"\n{hosts}'
    )


def bind(
    folder: Path, where: peers.Where, file: Path, target: peers.Where, key: peers.Key | None
) -> peers.Server:
    signed, who = ("", "any") if key is None else (f" key {key.name}", f"key {key.name}")
    zone = (
        f'zone "e.test" {{ type primary; file "{file}"; allow-transfer {{ {who}; }}; notify explicit; '
        f"also-notify {{ {target[0]} port {target[1]}{signed}; }}; ixfr-from-differences yes; }};\n"
    )
    return peers.bind(folder, where, {}, more=("" if key is None else key.bind) + zone)


def knot_peer(other: peers.Where, key: peers.Key | None) -> str:
    """Return the sections of Knot for *other*, which signs with *key*."""
    signed = "" if key is None else f"    key: {key.name}\n"
    return (
        f"{'' if key is None else key.knot}remote:\n  - id: other\n    address: {other[0]}@{other[1]}\n{signed}"
        f"acl:\n  - id: all\n    action: [transfer, notify]\n    address: 127.0.0.0/8\n{signed}"
    )


def knot(
    folder: Path, where: peers.Where, file: Path, target: peers.Where, key: peers.Key | None
) -> peers.Server:
    of_zone = ["zonefile-load: difference", "journal-content: all", "notify: other", "acl: all"]
    return peers.knot(folder, where, {"e.test": file}, of_zone=of_zone, more=knot_peer(target, key))


def nsd(
    folder: Path, where: peers.Where, file: Path, target: peers.Where, key: peers.Key | None
) -> peers.Server:
    name = "NOKEY" if key is None else key.name
    notified = f"notify: {target[0]}@{target[1]} {name}"
    of_zone = [f"provide-xfr: 127.0.0.0/8 {name}", notified, "store-ixfr: yes", "create-ixfr: yes"]
    return peers.nsd(folder, where, {"e.test": file}, of_zone=of_zone, keys="" if key is None else key.nsd)


def pdns(
    folder: Path, where: peers.Where, file: Path, target: peers.Where, key: peers.Key | None
) -> peers.Server:
    folder.mkdir()
    (folder / "named.conf").write_text(f'zone "e.test" {{ type master; file "{file}"; }};\n')
    (folder / "pdns.conf").write_text(
        f"""\
launch=bind
bind-config={folder}/named.conf
bind-dnssec-db={folder}/keys.db
bind-check-interval=1
local-address={where[0]}
local-port={where[1]}
socket-dir={folder}
allow-axfr-ips={"127.0.0.0/8" if key is None else ""}
primary=yes
only-notify=
also-notify={target[0]}:{target[1]}
xfr-cycle-interval=1
cache-ttl=0
query-cache-ttl=0
negquery-cache-ttl=0
zone-cache-refresh-interval=0
guardian=no
daemon=no
"""
    )
    commands = [["create-bind-db", f"{folder}/keys.db"]]
    if key is not None:
        commands.append(["import-tsig-key", key.name, key.algorithm, key.secret])
        commands.append(["activate-tsig-key", "e.test", key.name, "primary"])
    for command in commands:
        subprocess.run(["pdnsutil", f"--config-dir={folder}", *command], check=True, capture_output=True)
    return peers.Server(["/usr/sbin/pdns_server", f"--config-dir={folder}"], folder, where)


PRIMARIES: dict[str, tuple[Callable[..., peers.Server], str]] = {
    "bind": (bind, "ixfr"),
    "knot": (knot, "ixfr"),
    "nsd": (nsd, "ixfr"),
    "pdns": (pdns, "axfr"),
}
"""The server, and what it sends to a secondary that has the version before."""
SIGNED, SHA512 = peers.Key(), peers.Key("hmac-sha512")
# PowerDNS does not always see that its file has changed.
FOLLOWED = [
    ("bind", None),
    ("knot", None),
    ("nsd", None),
    ("bind", SIGNED),
    ("knot", SIGNED),
    ("nsd", SIGNED),
    ("knot", SHA512),
]


def labelled(cases: list[tuple[str, peers.Key | None]]) -> list[str]:
    return [name if key is None else f"{name}-{key.algorithm}" for name, key in cases]


def named(where: peers.Where, key: peers.Key | None) -> str:
    """Return the server as `primaries` and `notify` name it."""
    return f"{where[0]}:{where[1]}" if key is None else f"{where[0]}:{where[1]} key {key.name}"


def serve(folder: Path, where: peers.Where, config: str) -> peers.Server:
    folder.mkdir()
    (folder / "state").mkdir(mode=0o700)
    (folder / "namewise.toml").write_text(config)
    return peers.namewise(folder, where, "--config", folder / "namewise.toml", "--state", folder / "state")


def status(folder: Path) -> dict[str, Any]:
    command = [peers.NW, "zone", "status", "e.test", "--json", "--control", folder / "control.sock"]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def has_serial(folder: Path, serial: int) -> bool:
    return bool(status(folder)["serial"] == serial)


@pytest.mark.parametrize(("name", "key"), FOLLOWED, ids=labelled(FOLLOWED))
def test_zones_of_peers_are_followed(name: str, key: peers.Key | None, tmp_path: Path) -> None:
    make, how = PRIMARIES[name]
    ours, theirs = peers.free_address(HOST), peers.free_address(HOST)
    file = tmp_path / "e.test.zone"
    file.write_text(text(1))
    folder = tmp_path / "ours"
    config = (
        f'[secondaries]\nnotify_interval = "100ms"\n[[zone]]\nname = "e.test"\nkind = "secondary"\n'
        f'primaries = ["{named(theirs, key)}"]\n{"" if key is None else key.namewise}'
    )
    with peers.running(make(tmp_path / name, theirs, file, ours, key)) as primary:
        primary.answers("e.test")
        with peers.running(serve(folder, ours, config)) as secondary:
            secondary.answers("e.test")
            assert status(folder)["serial"] == 1
            for serial in (2, 3):
                # Some servers look at the time of the file, in seconds, and at any moment.
                new = tmp_path / "new"
                new.write_text(text(serial))
                moment = time.time() + 10 * serial
                os.utime(new, (moment, moment))
                new.replace(file)
                primary.process.send_signal(signal.SIGHUP)
                # The SOA has an hour: only a NOTIFY leads to a check.
                secondary.until(partial(has_serial, folder, serial), f"serial {serial}")
            show = [peers.NW, "zone", "show", "e.test", "--control", folder / "control.sock"]
            shown = subprocess.run(show, capture_output=True, text=True, check=True).stdout
            assert Zone.from_text("e.test.", shown).to_text() == Zone.from_text("e.test.", text(3)).to_text()
            said = secondary.says("serial 2 -> 3").splitlines()
            (line,) = [line for line in said if "serial 2 -> 3" in line]
            assert line.endswith(f", {how} by {theirs[0]}:{theirs[1]}")
            found = status(folder)["secondary"]
            assert found["confirmed_by"] == named(theirs, key) and found["failures"] == 0


TRANSFERRED = [("pdns", None), ("pdns", SIGNED), ("bind", peers.Key("hmac-sha256-128"))]
"""The last cuts its MACs to 128 bits (RFC 8945 §5.2.2.1)."""


@pytest.mark.parametrize(("name", "key"), TRANSFERRED, ids=labelled(TRANSFERRED))
def test_zones_of_peers_are_transferred(name: str, key: peers.Key | None, tmp_path: Path) -> None:
    ours, theirs = peers.free_address(HOST), peers.free_address(HOST)
    file, folder = tmp_path / "e.test.zone", tmp_path / "ours"
    file.write_text(text(1))
    config = f'[[zone]]\nname = "e.test"\nkind = "secondary"\nprimaries = ["{named(theirs, key)}"]\n'
    if key is not None:
        config += key._replace(algorithm="hmac-sha256").namewise
    with peers.running(PRIMARIES[name][0](tmp_path / name, theirs, file, ours, key)) as primary:
        primary.answers("e.test")
        with peers.running(serve(folder, ours, config)) as secondary:
            secondary.answers("e.test")
            assert status(folder)["serial"] == 1


def test_another_secret_keeps_the_old_zone_and_is_shown(tmp_path: Path) -> None:
    ours, theirs = peers.free_address(HOST), peers.free_address(HOST)
    file, folder = tmp_path / "e.test.zone", tmp_path / "ours"
    file.write_text(text(1))
    config = f'[[zone]]\nname = "e.test"\nkind = "secondary"\nprimaries = ["{named(theirs, SIGNED)}"]\n'
    with peers.running(bind(tmp_path / "bind", theirs, file, ours, SIGNED)) as primary:
        primary.answers("e.test")
        with peers.running(serve(folder, ours, config + SIGNED.namewise)) as secondary:
            secondary.answers("e.test")
            other = SIGNED._replace(secret="b3RoZXJvdGhlcm90aGVyb3RoZXJvdGhlcg==")
            (folder / "namewise.toml").write_text(config + other.namewise)
            secondary.process.send_signal(signal.SIGHUP)
            secondary.says("reloaded, generation")
            command = [peers.NW, "zone", "retransfer", "e.test", "--control", folder / "control.sock"]
            subprocess.run(command, capture_output=True, check=False)
            secondary.says("the server reports BADSIG")
            found = status(folder)
            assert (
                found["serial"] == 1 and "compare the secrets" in found["secondary"]["primaries"][0]["error"]
            )
            secondary.answers("e.test")


def bind_secondary(
    folder: Path, where: peers.Where, primary: peers.Where, key: peers.Key | None
) -> peers.Server:
    signed = "" if key is None else f" key {key.name}"
    allowed = "" if key is None else f" allow-notify {{ key {key.name}; }};"
    zone = f'zone "e.test" {{ type secondary; primaries {{ {primary[0]} port {primary[1]}{signed}; }};{allowed} }};\n'
    return peers.bind(folder, where, {}, more=("" if key is None else key.bind) + zone)


def knot_secondary(
    folder: Path, where: peers.Where, primary: peers.Where, key: peers.Key | None
) -> peers.Server:
    zones = {"e.test": folder / "e.test.zone"}
    return peers.knot(
        folder, where, zones, of_zone=["master: other", "acl: all"], more=knot_peer(primary, key)
    )


def nsd_secondary(
    folder: Path, where: peers.Where, primary: peers.Where, key: peers.Key | None
) -> peers.Server:
    name = "NOKEY" if key is None else key.name
    of_zone = [
        f"allow-notify: 127.0.0.0/8 {name}",
        f"request-xfr: {primary[0]}@{primary[1]} {name}",
    ]
    keys = "" if key is None else key.nsd
    return peers.nsd(folder, where, {"e.test": folder / "e.test"}, of_zone=of_zone, keys=keys)


@pytest.mark.parametrize("key", [None, SIGNED], ids=["plain", "signed"])
@pytest.mark.parametrize("make", [bind_secondary, knot_secondary, nsd_secondary], ids=["bind", "knot", "nsd"])
def test_peers_acknowledge_notify(
    make: Callable[..., peers.Server], key: peers.Key | None, tmp_path: Path
) -> None:
    ours, theirs = peers.free_address(HOST), peers.free_address(HOST)
    file = tmp_path / "e.test.zone"
    file.write_text(text(1))
    folder = tmp_path / "ours"
    config = (
        '[secondaries]\nnotify_interval = "100ms"\nnotify_retry = "200ms"\nnotify_attempts = 100\n'
        f'[[zone]]\nname = "e.test"\nfile = "{file}"\nnotify = ["{named(theirs, key)}"]\n'
        f"{'' if key is None else key.namewise}"
    )
    with (
        peers.running(make(tmp_path / "theirs", theirs, ours, key)),
        peers.running(serve(folder, ours, config)) as primary,
    ):
        primary.answers("e.test")

        def acknowledged() -> bool:
            (server,) = status(folder)["notified"]
            return server["acknowledged"] is not None and server["due"] is None and not server["error"]

        primary.until(acknowledged, "the acknowledgement")

"""namewise as a secondary of BIND, Knot, NSD and PowerDNS: AXFR, NOTIFY, IXFR; and NOTIFY from namewise to BIND, Knot and NSD."""

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


def bind(folder: Path, where: peers.Where, file: Path, target: peers.Where) -> peers.Server:
    zone = (
        f'zone "e.test" {{ type primary; file "{file}"; allow-transfer {{ any; }}; notify explicit; '
        f"also-notify {{ {target[0]} port {target[1]}; }}; ixfr-from-differences yes; }};\n"
    )
    return peers.bind(folder, where, {}, more=zone)


def knot(folder: Path, where: peers.Where, file: Path, target: peers.Where) -> peers.Server:
    (folder / "db").mkdir(parents=True)
    (folder / "knot.conf").write_text(
        f"""\
server:
    listen: {where[0]}@{where[1]}
    rundir: {folder}
log:
  - target: stderr
    any: info
database:
    storage: {folder}/db
remote:
  - id: other
    address: {target[0]}@{target[1]}
acl:
  - id: all
    action: [transfer, notify]
    address: 127.0.0.0/8
zone:
  - domain: e.test
    file: {file}
    zonefile-sync: -1
    zonefile-load: difference
    journal-content: all
    notify: other
    acl: all
"""
    )
    return peers.Server(["/usr/sbin/knotd", "-c", folder / "knot.conf"], folder, where)


def nsd(folder: Path, where: peers.Where, file: Path, target: peers.Where) -> peers.Server:
    notified = f"notify: {target[0]}@{target[1]} NOKEY"
    of_zone = ["provide-xfr: 127.0.0.0/8 NOKEY", notified, "store-ixfr: yes", "create-ixfr: yes"]
    return peers.nsd(folder, where, {"e.test": file}, of_zone=of_zone)


def pdns(folder: Path, where: peers.Where, file: Path, target: peers.Where) -> peers.Server:
    folder.mkdir()
    (folder / "named.conf").write_text(f'zone "e.test" {{ type master; file "{file}"; }};\n')
    (folder / "pdns.conf").write_text(
        f"""\
launch=bind
bind-config={folder}/named.conf
bind-check-interval=1
local-address={where[0]}
local-port={where[1]}
socket-dir={folder}
allow-axfr-ips=127.0.0.0/8
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
    return peers.Server(["/usr/sbin/pdns_server", f"--config-dir={folder}"], folder, where)


PRIMARIES: dict[str, tuple[Callable[..., peers.Server], str]] = {
    "bind": (bind, "ixfr"),
    "knot": (knot, "ixfr"),
    "nsd": (nsd, "ixfr"),
    "pdns": (pdns, "axfr"),
}
"""The server, and what it sends to a secondary that has the version before."""


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


# PowerDNS does not always see that its file has changed.
@pytest.mark.parametrize("name", [name for name in PRIMARIES if name != "pdns"])
def test_zones_of_peers_are_followed(name: str, tmp_path: Path) -> None:
    make, how = PRIMARIES[name]
    ours, theirs = peers.free_address(HOST), peers.free_address(HOST)
    file = tmp_path / "e.test.zone"
    file.write_text(text(1))
    folder = tmp_path / "ours"
    config = (
        f'[secondaries]\nnotify_interval = "100ms"\n[[zone]]\nname = "e.test"\nkind = "secondary"\n'
        f'primaries = ["{theirs[0]}:{theirs[1]}"]\n'
    )
    with peers.running(make(tmp_path / name, theirs, file, ours)) as primary:
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
                if name != "pdns":
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
            assert found["confirmed_by"] == f"{theirs[0]}:{theirs[1]}" and found["failures"] == 0


def bind_secondary(folder: Path, where: peers.Where, primary: peers.Where) -> peers.Server:
    zone = f'zone "e.test" {{ type secondary; primaries {{ {primary[0]} port {primary[1]}; }}; }};\n'
    return peers.bind(folder, where, {}, more=zone)


def knot_secondary(folder: Path, where: peers.Where, primary: peers.Where) -> peers.Server:
    (folder / "db").mkdir(parents=True)
    (folder / "knot.conf").write_text(
        f"""\
server:
    listen: {where[0]}@{where[1]}
    rundir: {folder}
log:
  - target: stderr
    any: info
database:
    storage: {folder}/db
remote:
  - id: other
    address: {primary[0]}@{primary[1]}
acl:
  - id: all
    action: notify
    address: 127.0.0.0/8
zone:
  - domain: e.test
    storage: {folder}
    master: other
    acl: all
"""
    )
    return peers.Server(["/usr/sbin/knotd", "-c", folder / "knot.conf"], folder, where)


def nsd_secondary(folder: Path, where: peers.Where, primary: peers.Where) -> peers.Server:
    of_zone = ["allow-notify: 127.0.0.0/8 NOKEY", f"request-xfr: {primary[0]}@{primary[1]} NOKEY"]
    return peers.nsd(folder, where, {"e.test": folder / "e.test"}, of_zone=of_zone)


@pytest.mark.parametrize("make", [bind_secondary, knot_secondary, nsd_secondary], ids=["bind", "knot", "nsd"])
def test_peers_acknowledge_notify(make: Callable[..., peers.Server], tmp_path: Path) -> None:
    ours, theirs = peers.free_address(HOST), peers.free_address(HOST)
    file = tmp_path / "e.test.zone"
    file.write_text(text(1))
    folder = tmp_path / "ours"
    config = (
        '[secondaries]\nnotify_interval = "100ms"\nnotify_retry = "200ms"\nnotify_attempts = 100\n'
        f'[[zone]]\nname = "e.test"\nfile = "{file}"\nnotify = ["{theirs[0]}:{theirs[1]}"]\n'
    )
    with (
        peers.running(make(tmp_path / "theirs", theirs, ours)),
        peers.running(serve(folder, ours, config)) as primary,
    ):
        primary.answers("e.test")

        def acknowledged() -> bool:
            (server,) = status(folder)["notified"]
            return server["acknowledged"] is not None and server["due"] is None and not server["error"]

        primary.until(acknowledged, "the acknowledgement")

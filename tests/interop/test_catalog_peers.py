"""Catalog zones (RFC 9432) with BIND, Knot and PowerDNS, both ways, with and without TSIG: their members here, and ours there."""

from __future__ import annotations

import json
import sqlite3
import subprocess
from contextlib import closing
from pathlib import Path
from typing import Any

import peers
import pytest

from namewise.engine.errors import NamewiseError
from namewise.message import make_query
from namewise.stub import query

HOST = "127.0.0.1"
"""All servers have this address: NOTIFY is taken from the address of a primary."""
SCHEMA = Path("/usr/share/doc/pdns-backend-sqlite3/schema.sqlite3.sql")
SECRET = "c2VjcmV0IG9mIHRoZSBjYXRhbG9n"
ZONE = "$TTL 60\n@ SOA ns1 h 1 3600 600 86400 60\n@ NS ns1\nns1 A 192.0.2.1\n"
CATALOG = '@ 0 SOA invalid. invalid. {} 60 60 86400 0\n@ 0 NS invalid.\nversion 0 TXT "2"\n{}'
KNOT = """\
server:
    listen: {at}
    rundir: {folder}
log:
  - target: stderr
    any: info
database:
    storage: {folder}/db
key:
  - id: cat.
    algorithm: hmac-sha256
    secret: {secret}
remote:
  - id: other
    address: {other}
{key}acl:
  - id: all
    action: [transfer, notify]
    address: 127.0.0.0/8
template:
  - id: member
    {member}
zone:
  - domain: cat.test
    {catalog}
"""


def served(where: peers.Where, name: str) -> bool:
    try:
        return str(query(make_query(name, "SOA"), f"{where[0]}:{where[1]}").rcode) == "NOERROR"
    except (OSError, NamewiseError):
        return False


def with_keys(*makers: Any) -> list[tuple[Any, bool]]:
    """Return each of *makers* without and with TSIG."""
    return [(make, signed) for make in makers for signed in (False, True)]


def key_of(signed: bool) -> str:
    return " key cat." if signed else ""


def namewise(folder: Path, where: peers.Where, config: str) -> peers.Server:
    folder.mkdir(exist_ok=True)
    (folder / "state").mkdir(mode=0o700, exist_ok=True)
    (folder / "namewise.toml").write_text(
        f'[[key]]\nname = "cat."\nalgorithm = "hmac-sha256"\nsecret = "{SECRET}"\n'
        f'[secondaries]\nnotify_interval = "100ms"\nchecks_per_second = 1000\n{config}'
    )
    return peers.namewise(folder, where, "--config", folder / "namewise.toml", "--state", folder / "state")


def status(folder: Path) -> dict[str, Any]:
    command = [peers.NW, "zone", "status", "cat.test", "--json", "--control", folder / "control.sock"]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    found: dict[str, Any] = json.loads(done.stdout)["of_catalog"]
    return found


def bind_keys() -> str:
    return f'key "cat." {{ algorithm hmac-sha256; secret "{SECRET}"; }};\n'


def bind_producer(folder: Path, where: peers.Where, other: peers.Where, signed: bool) -> peers.Server:
    key = " key cat." if signed else ""
    catalog, member = folder.parent / "catalog", folder.parent / "member"
    catalog.write_text(CATALOG.format(1, "n1.zones 0 PTR a.test.\n"))
    member.write_text(ZONE)
    allowed = "key cat.;" if signed else "any;"
    of = f"allow-transfer {{ {allowed} }}; notify explicit; also-notify {{ {other[0]} port {other[1]}{key}; }};"
    zones = f'zone "cat.test" {{ type primary; file "{catalog}"; {of} }};\n'
    zones += f'zone "a.test" {{ type primary; file "{member}"; {of} }};\n'
    return peers.bind(folder, where, {}, more=bind_keys() + zones)


def bind_consumer(folder: Path, where: peers.Where, other: peers.Where, signed: bool) -> peers.Server:
    primaries = f"{other[0]} port {other[1]}{' key cat.' if signed else ''};"
    options = (
        f'recursion no; dnssec-validation no; allow-new-zones yes; catalog-zones {{ zone "cat.test" '
        f"default-primaries {{ {primaries} }} in-memory yes min-update-interval 1; }};"
    )
    zone = f'zone "cat.test" {{ type secondary; file "{folder}/cat"; primaries {{ {primaries} }}; }};\n'
    return peers.bind(folder, where, {}, options, bind_keys() + zone)


def knot(
    folder: Path, where: peers.Where, other: peers.Where, signed: bool, member: str, catalog: str
) -> peers.Server:
    folder.mkdir()
    (folder / "db").mkdir()
    (folder / "knot.conf").write_text(
        KNOT.format(
            at=f"{where[0]}@{where[1]}",
            other=f"{other[0]}@{other[1]}",
            folder=folder,
            secret=SECRET,
            key="    key: cat.\n" if signed else "",
            member=member,
            catalog=catalog,
        ).replace("    address: 127.0.0.0/8\n", "    key: cat.\n" if signed else "    address: 127.0.0.0/8\n")
    )
    return peers.Server(["/usr/sbin/knotd", "-c", folder / "knot.conf"], folder, where)


def knot_producer(folder: Path, where: peers.Where, other: peers.Where, signed: bool) -> peers.Server:
    file = folder.parent / "member"
    file.write_text(ZONE)
    common = "zonefile-sync: -1\n    journal-content: all\n    zonefile-load: difference\n    notify: other\n    acl: all\n"
    common += f"    file: {file}"
    generate = "catalog-role: generate\n    notify: other\n    acl: all\n    zonefile-sync: -1\n    journal-content: all"
    member = f"  - domain: a.test\n    {common}\n    catalog-role: member\n    catalog-zone: cat.test\n"
    return knot(folder, where, other, signed, "zonefile-sync: -1", f"{generate}\n{member}")


def knot_consumer(folder: Path, where: peers.Where, other: peers.Where, signed: bool) -> peers.Server:
    follow = "master: other\n    acl: all\n    zonefile-sync: -1\n    zonefile-load: none\n    journal-content: all"
    catalog = f"{follow}\n    catalog-role: interpret\n    catalog-template: member"
    return knot(folder, where, other, signed, f"{follow}\n    storage: {folder}", catalog)


def pdns(folder: Path, where: peers.Where, *commands: str) -> peers.Server:
    """Start PowerDNS with a database, in which `pdnsutil` did *commands*."""
    folder.mkdir()
    (folder / "pdns.conf").write_text(
        f"""\
launch=gsqlite3
gsqlite3-database={folder}/db
local-address={where[0]}
local-port={where[1]}
socket-dir={folder}
primary=yes
secondary=yes
allow-axfr-ips=127.0.0.0/8
allow-notify-from=127.0.0.0/8
xfr-cycle-interval=1
cache-ttl=0
query-cache-ttl=0
negquery-cache-ttl=0
zone-cache-refresh-interval=0
guardian=no
daemon=no
"""
    )
    if not SCHEMA.exists():
        pytest.skip("PowerDNS has no SQLite backend")
    with closing(sqlite3.connect(folder / "db")) as db:
        db.executescript(SCHEMA.read_text())
    for command in commands:
        words = ["pdnsutil", f"--config-dir={folder}", *command.split()]
        subprocess.run(words, check=True, capture_output=True, text=True)
    return peers.Server(["/usr/sbin/pdns_server", f"--config-dir={folder}"], folder, where)


def pdns_producer(folder: Path, where: peers.Where, other: peers.Where, _: bool) -> peers.Server:
    file = folder.parent / "member"
    file.write_text(ZONE)
    return pdns(
        folder,
        where,
        f"load-zone a.test {file}",
        "set-kind a.test primary",
        "create-zone cat.test",
        "set-kind cat.test producer",
        "set-catalog a.test cat.test",
        f"set-meta cat.test ALSO-NOTIFY {other[0]}:{other[1]}",
    )


def pdns_consumer(folder: Path, where: peers.Where, other: peers.Where, _: bool) -> peers.Server:
    return pdns(
        folder,
        where,
        f"create-secondary-zone cat.test {other[0]}:{other[1]}",
        "set-kind cat.test consumer",
    )


@pytest.mark.parametrize(
    ("make", "signed"), [*with_keys(bind_producer, knot_producer), (pdns_producer, False)]
)
def test_members_of_a_peer_are_served(make: Any, signed: bool, tmp_path: Path) -> None:
    ours, theirs = peers.free_address(HOST), peers.free_address(HOST)
    primary = f"{theirs[0]}:{theirs[1]}{key_of(signed)}"
    config = (
        f'[[catalog]]\nname = "cat.test"\nprimaries = ["{primary}"]\ntemplate = "copies"\n'
        '[[template]]\nname = "copies"\nkind = "secondary"\n'
    )
    with (
        peers.running(make(tmp_path / "theirs", theirs, ours, signed)) as peer,
        peers.running(namewise(tmp_path / "ours", ours, config)) as server,
    ):
        peer.answers("a.test")
        server.until(lambda: served(ours, "a.test"), "the member of the peer")
        assert status(tmp_path / "ours")["members"] == ["a.test."]


@pytest.mark.parametrize(
    ("make", "signed"), [*with_keys(bind_consumer, knot_consumer), (pdns_consumer, False)]
)
def test_a_peer_serves_our_members(make: Any, signed: bool, tmp_path: Path) -> None:
    ours, theirs = peers.free_address(HOST), peers.free_address(HOST)
    folder = tmp_path / "zones"
    folder.mkdir()
    (folder / "a.test.zone").write_text(ZONE)
    to = "key cat." if signed else "loopback"
    send = f'transfer = ["{to}"]\nnotify = ["{theirs[0]}:{theirs[1]}{key_of(signed)}"]\n'
    config = (
        f'[[zone]]\nname = "cat.test"\nkind = "database"\n{send}'
        f'[[template]]\nname = "ours"\nfiles = "{folder}/*.zone"\ncatalog = "cat.test"\n{send}'
    )
    with peers.running(namewise(tmp_path / "ours", ours, config)) as server:
        server.answers("a.test")
        server.until(lambda: (status(tmp_path / "ours") or {}).get("members") == ["a.test."], "the catalog")
        with peers.running(make(tmp_path / "theirs", theirs, ours, signed)) as peer:
            peer.until(lambda: served(theirs, "a.test"), "our member")
            # A zone that comes, and one that goes.
            (folder / "b.test.zone").write_text(ZONE)
            (folder / "a.test.zone").unlink()
            command = [peers.NW, "ctl", "reload", "--control", tmp_path / "ours" / "control.sock"]
            subprocess.run(command, check=True, capture_output=True)
            peer.until(lambda: served(theirs, "b.test") and not served(theirs, "a.test"), "the change")

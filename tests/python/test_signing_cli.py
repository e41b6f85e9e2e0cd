"""`nw dnssec keys`, `ds` and `rollover` with a running server that signs a zone and has its parent, and what secondaries get."""

from __future__ import annotations

import json
import os
import shutil
import tempfile
import time
from typing import TYPE_CHECKING, Any

import pytest
from commands import nw
from ports import free_port
from servers import running

from namewise.config.values import Endpoint
from namewise.engine import verify_zone
from namewise.zones.transfer import Limits, fetch

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

CONFIG = """\
[server]
workers = 1
state = "state"
[control]
socket = "{control}"
[[listen]]
address = "127.0.0.1"
port = {port}
[[zone]]
name = "com"
file = "com.zone"
[[zone]]
name = "example.com"
file = "example.com.zone"
transfer = ["127.0.0.1"]
serial = "unixtime"
dnssec = "quick"
parent = ["127.0.0.1:{port}"]
[[dnssec]]
name = "quick"
dnskey_ttl = "1s"
max_zone_ttl = "1s"
zone_propagation_delay = "1s"
parent_propagation_delay = "1s"
parent_ds_ttl = "1s"
publish_safety = "0s"
retire_safety = "0s"
zonemd = "sha384"
"""
ZONE = "@ 1 SOA ns h 1 3600 600 86400 1\n@ 1 NS ns\nns 1 A 192.0.2.1\n"
PATIENCE_S = 30.0


class Server:
    """The server, and what commands say of it."""

    def __init__(self, folder: Path, control: str) -> None:
        self.control, self.port = control, free_port()
        self.config = folder / "namewise.toml"
        self.config.write_text(CONFIG.format(control=control, port=self.port))
        (folder / "com.zone").write_text(ZONE + "example 1 NS ns.example\nns.example 1 A 192.0.2.1\n")
        (folder / "example.com.zone").write_text(ZONE)

    def run(self, *words: str, code: int = 0) -> str:
        done = nw(*words, "--control", self.control)
        assert done.returncode == code, (words, done.returncode, done.stdout, done.stderr)
        return done.stdout + done.stderr

    def status(self) -> dict[str, Any]:
        found: dict[str, Any] = json.loads(self.run("dnssec", "rollover", "status", "example.com", "--json"))
        return found

    def until(self, done: Callable[[], object], what: str) -> None:
        """Ask again until *done*."""
        end = time.monotonic() + PATIENCE_S
        while not done():
            assert time.monotonic() < end, f"{what}: not within {PATIENCE_S:.0f} s"


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    # A socket has a short path.
    folder = tempfile.mkdtemp(prefix="nw")
    try:
        made = Server(tmp_path, os.path.join(folder, "c.sock"))
        with running("serve", "--config", str(made.config), ready="ready: "):
            yield made
    finally:
        shutil.rmtree(folder)


def test_keys_ds_and_roll_overs_of_a_running_server(server: Server) -> None:
    server.until(lambda: server.run("dnssec", "ds", "example.com"), "the DS is wanted")
    (key,) = server.status()["keys"]
    assert f"{key['id']} csk: active" in server.run("dnssec", "keys", "example.com")
    ds = server.run("dnssec", "ds", "example.com").strip()
    assert ds == f"example.com. IN DS {key['ds']}"
    said = server.run("dnssec", "ds", "example.com", "--check-parent", code=3)
    assert f"127.0.0.1:{server.port}: no DS" in said
    server.run("zone", "set", "com", "example.com.", "1", "DS", key["ds"])
    assert "the same" in server.run("dnssec", "ds", "example.com", "--check-parent")
    server.until(lambda: server.status()["keys"][0]["records"]["DS"][0] == "omnipresent", "the DS is seen")
    status = server.run("zone", "status", "example.com")
    assert "dnssec: signed by policy quick" in status
    assert "next signature expiry: " in status and "next key event: none is planned" in status
    assert "rolls its CSK over" in server.run("dnssec", "rollover", "start", "example.com", "--role", "csk")
    server.until(lambda: len(server.status()["keys"]) == 2, "the successor is made")
    assert "(csk, retired)" in server.run("dnssec", "rollover", "status", "example.com")
    assert "next key event: none" not in server.run("zone", "status", "example.com")
    assert "has no key" in server.run("dnssec", "rollover", "start", "example.com", "--ignored", "K1", code=1)
    assert "is not signed here" in server.run("dnssec", "keys", "com", code=1)


def test_secondaries_get_signatures_by_ixfr(server: Server) -> None:
    server.until(lambda: server.status()["complete"], "the zone is signed")
    primary, limits = Endpoint("127.0.0.1", server.port), Limits(1 << 20, 1000, PATIENCE_S)
    first = fetch("example.com.", primary, None, limits).zone
    assert first is not None and first.is_signed and first.rrset("example.com.", "ZONEMD") is not None
    # By the clock, also for a version of which a command is the cause.
    assert abs(first.serial - time.time()) < 600
    server.run("zone", "set", "example.com", "www", "1", "A", "192.0.2.8")
    found = fetch("example.com.", primary, first, limits)
    assert found.how == "ixfr" and found.zone is not None
    for zone in (first, found.zone):
        report = json.loads(verify_zone(zone, int(time.time())))
        assert not report["errors"], report["problems"]
    assert found.zone.rrset("www.example.com.", "RRSIG") is not None

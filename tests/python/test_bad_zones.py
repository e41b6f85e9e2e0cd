"""Tests of an invalid zone among valid ones: it keeps its old version, or its names are answered SERVFAIL."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest
from commands import nw
from servers import running, zone_file

import namewise
from namewise.engine import make_query
from namewise.zones.registry import ZonesError

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def control(tmp_path: Path) -> str:
    return str(tmp_path / "control.sock")


def configured(folder: Path, *names: str) -> Path:
    file = folder / "namewise.toml"
    zones = "".join(f'[[zone]]\nname = "{name}"\nfile = "{name}.zone"\n' for name in names)
    file.write_text(f'[server]\nworkers = 1\n[[listen]]\naddress = "127.0.0.1"\nport = 0\n{zones}')
    return file


def address_of(lines: list[str]) -> str:
    """Return the address in the line that says that the server is ready."""
    return lines[-1].split(" on ")[1].split(",")[0]


def test_a_start_with_one_bad_zone_serves_the_others(tmp_path: Path, control: str) -> None:
    zone_file(tmp_path, "good.example", "192.0.2.1")
    (tmp_path / "bad.example.zone").write_text("@ IN SOA ns1 admin 1 2 3 4 5\nwww A 192.0.2.300\n")
    config = configured(tmp_path, "good.example", "bad.example")
    strict = nw("serve", "--config", str(config), "--control", control, "--strict")
    assert (strict.returncode, "zone bad.example. is not loaded:" in strict.stderr) == (1, True)
    with running("serve", "--config", str(config), "--control", control, ready="ready: ") as (process, lines):
        assert "ready: 1 of 2 zones on" in lines[-1]
        assert "error: zone bad.example. is not loaded:" in lines[0], lines
        server = address_of(lines)
        assert str(namewise.resolve("www.good.example", server=server).records[0]) == "192.0.2.1"
        reply = namewise.query(make_query("www.bad.example", udp_payload=1232), server)
        assert reply.rcode == "SERVFAIL" and reply.edns is not None
        (ede,) = [option.data for option in reply.edns.options if option.name == "EDE"]
        assert ede[:2] == b"\x00\x18", "RFC 8914 §4.25 Invalid Data"
        assert ede[2:].startswith(b"bad.example.zone:"), ede
        assert str(tmp_path).encode() not in ede, "clients see no folders"
        status = nw("ctl", "status", "--control", control).stdout
        assert "zone bad.example. failed, answered SERVFAIL" in status
        assert "the last attempt to load it failed: zone bad.example. is not loaded:" in status
        # Mended, it is served; the reload then has nothing to complain about.
        zone_file(tmp_path, "bad.example", "192.0.2.2")
        done = nw("ctl", "reload", "--control", control)
        assert (done.returncode, done.stderr) == (0, "")
        assert str(namewise.resolve("www.bad.example", server=server).records[0]) == "192.0.2.2"
    assert process.returncode == 0


def test_a_reload_with_a_bad_zone_keeps_its_old_version_and_takes_the_rest(
    tmp_path: Path, control: str
) -> None:
    zone_file(tmp_path, "one.example", "192.0.2.1")
    zone_file(tmp_path, "two.example", "192.0.2.2")
    config = configured(tmp_path, "one.example", "two.example")
    with running("serve", "--config", str(config), "--control", control, ready="ready: ") as (process, lines):
        server = address_of(lines)
        zone_file(tmp_path, "one.example", "192.0.2.11", serial=2)
        (tmp_path / "two.example.zone").write_text("nonsense\n")
        done = nw("ctl", "reload", "--control", control)
        assert done.returncode == 4
        assert "~ zone one.example. serial 1 -> 2" in done.stdout
        assert "1 zone could not be loaded" in done.stderr
        assert "served until it can be loaded: the version with serial 1" in done.stderr
        assert str(namewise.resolve("www.one.example", server=server).records[0]) == "192.0.2.11"
        assert str(namewise.resolve("www.two.example", server=server).records[0]) == "192.0.2.2"
        status = json.loads(nw("ctl", "status", "--json", "--control", control).stdout)
        assert [(zone["condition"], bool(zone["error"])) for zone in status["zones"]] == [
            ("loaded", False),
            ("loaded", True),
        ]
        process.terminate()
        assert process.stdout is not None
        assert "stopped; zones that could not be loaded: two.example." in process.stdout.read()


def test_a_reload_reports_serials_and_calls_only_changed_zones_changed(tmp_path: Path, control: str) -> None:
    (tmp_path / "shared").write_text("more A 192.0.2.9\n")
    for name in ("one.example", "two.example"):
        with zone_file(tmp_path, name, "192.0.2.1", serial=5).open("a") as file:
            file.write("$INCLUDE shared\n" if name == "one.example" else "$INCLUDE other\n")
    (tmp_path / "other").write_text("other A 192.0.2.8\n")
    config = configured(tmp_path, "one.example", "two.example")
    with running("serve", "--config", str(config), "--control", control, ready="ready: "):
        assert ": no changes\n" in nw("ctl", "reload", "--control", control).stdout
        (tmp_path / "shared").write_text("more A 192.0.2.10\nyet.more A 192.0.2.11\n")
        done = nw("ctl", "reload", "--control", control)
        assert "~ zone one.example. serial 5 -> 5" in done.stdout
        assert "two.example" not in done.stdout
        assert "warning: zone one.example.: the content has changed, but the serial is still 5" in done.stdout


def test_server_in_a_program_is_strict_as_serve_is(tmp_path: Path) -> None:
    zone_file(tmp_path, "good.example", "192.0.2.1")
    config = configured(tmp_path, "good.example", "gone.example")
    with pytest.raises(ZonesError, match=r"gone\.example\.zone: No such file"):
        namewise.Server(config, strict=True).__enter__()
    with namewise.Server(config) as server:
        assert server.failures[0].startswith("zone gone.example. is not loaded:")
        assert str(namewise.resolve("www.good.example", server=server.addresses[0]).records[0]) == "192.0.2.1"
        assert namewise.query(make_query("gone.example"), server.addresses[0]).rcode == "SERVFAIL"

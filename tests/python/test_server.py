"""`namewise.Server`: a server inside a Python program."""

from __future__ import annotations

import os
import socket
import threading
from contextlib import ExitStack
from typing import TYPE_CHECKING

import pytest
from ports import free_port
from servers import zone_file

import namewise
from namewise.config import ConfigError
from namewise.control.sockets import ListenError
from namewise.engine.errors import EngineClosed
from namewise.message import make_query

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture
def here() -> Iterator[socket.socket]:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as one:
        one.bind(("127.0.0.1", 0))
        yield one


def configured(folder: Path, *names: str) -> Path:
    zones = "".join(f'[[zone]]\nname = "{name}"\nfile = "{name}.zone"\n' for name in names)
    file = folder / "namewise.toml"
    file.write_text(f"[server]\nworkers = 1\n{zones}")
    return file


def address(server: namewise.Server, name: str = "www.example.com") -> str:
    return str(namewise.resolve(name, server=server.addresses[0]).records[0])


def test_a_file_is_served_reloaded_and_closed(tmp_path: Path, here: socket.socket) -> None:
    zone_file(tmp_path, "example.com", "192.0.2.1")
    config = configured(tmp_path, "example.com")
    with namewise.Server(config, sockets=[here]) as server:
        assert address(server) == "192.0.2.1"
        zone_file(tmp_path, "example.com", "192.0.2.2", serial=2)
        zone_file(tmp_path, "example.net", "192.0.2.3")
        configured(tmp_path, "example.com", "example.net")
        assert server.reload() == [
            "+ zone example.net. name = example.net.",
            f"+ zone example.net. file = {tmp_path}/example.net.zone",
            "+ zone example.net. serial 1",
            "~ zone example.com. serial 1 -> 2: 1 RRset changed",
        ]
        assert (address(server), address(server, "www.example.net")) == ("192.0.2.2", "192.0.2.3")
        assert server.stats()["queries.udp4"] == 3
    assert here.fileno() == -1, "the sockets are the server's to close"
    with pytest.raises(EngineClosed, match="inside its with block"):
        server.reload()


def test_dictionaries_are_a_configuration_and_servers_are_independent(tmp_path: Path) -> None:
    with ExitStack() as stack:
        found = []
        for number in (1, 2):
            port = free_port()
            zone = zone_file(tmp_path, "example.com", f"192.0.2.{number}")
            tables = {
                "server": {"workers": 1},
                "listen": [{"address": "127.0.0.1", "port": port}],
                "zone": [{"name": "example.com", "file": str(zone)}],
                "resolver": {},
            }
            found.append(stack.enter_context(namewise.Server(tables)))
            assert found[-1].addresses == (f"127.0.0.1:{port}",)
        assert [address(server) for server in found] == ["192.0.2.1", "192.0.2.2"]


def test_a_reload_that_fails_changes_nothing(tmp_path: Path, here: socket.socket) -> None:
    zone_file(tmp_path, "example.com", "192.0.2.1")
    config = configured(tmp_path, "example.com")
    with namewise.Server(config, sockets=[here], strict=True) as server:
        config.write_text("[sever]\n")
        with pytest.raises(ConfigError, match='did you mean "server"'):
            server.reload()
        configured(tmp_path, "example.com", "gone.example")
        with pytest.raises(namewise.NamewiseError, match=r"zone gone\.example\. is not loaded"):
            server.reload()
        assert address(server) == "192.0.2.1"


def test_zones_that_cannot_be_served_are_reported_with_position(tmp_path: Path, here: socket.socket) -> None:
    with pytest.raises(
        ConfigError, match=r'config: server.wokers: unknown key "wokers"; did you mean "workers"'
    ):
        namewise.Server({"server": {"wokers": 2}}, sockets=[here]).__enter__()
    for tables, message in (
        ({"listne": []}, 'unknown table "listne"; did you mean "listen"'),
        ({"listen": []}, "listen: needs at least one entry"),
        (
            {"zone": [{"name": "a.example", "file": "a"}, 5]},
            r"zone\[1\]: expected a table, as in \[\[zone\]\]",
        ),
    ):
        with pytest.raises(ConfigError, match=message):
            namewise.Server(tables, sockets=[here]).__enter__()
    with socket.socket() as deaf, pytest.raises(ListenError, match="does not listen"):
        namewise.Server({}, sockets=[deaf])
    taken = {"listen": [{"address": "127.0.0.1", "port": here.getsockname()[1]}]}
    with pytest.raises(ListenError, match=rf"\(pid {os.getpid()}\) holds the port"):
        namewise.Server(taken).__enter__()


def test_the_environment_is_not_read(
    tmp_path: Path, here: socket.socket, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NAMEWISE_SERVER_WOKERS", "2")
    with namewise.Server({}, sockets=[here]) as server:
        assert namewise.query(make_query("a.example"), server.addresses[0]).rcode == "REFUSED"


def test_trust_anchors_are_followed_inside_the_block_only(tmp_path: Path, here: socket.socket) -> None:
    anchor = tmp_path / "anchor"
    anchor.write_text(". DS 20326 8 2 E06D44B80B8F1D39A95C0B0D7C65D08458E880409BBC683457104237C7F8EC8D\n")
    state = tmp_path / "state"
    config = {
        "server": {"workers": 1, "state": str(state)},
        "resolver": {"trust_anchor": str(anchor)},
        "forward": [{"suffix": ".", "servers": ["192.0.2.1"]}],
    }

    def following() -> list[str]:
        return [thread.name for thread in threading.enumerate() if thread.name == "namewise-trust"]

    with namewise.Server(config, sockets=[here]) as server:
        assert following() and state.is_dir()
        server.reload()
        assert len(following()) == 1
    assert not following()

"""Reloads while zones change places: swapped files, parents above children, files that become something else."""

from __future__ import annotations

import os
import socket
import threading
from typing import TYPE_CHECKING

import pytest
from servers import zone_file
from test_server import address, configured

import namewise
from namewise.message import make_query

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path


@pytest.fixture
def here() -> Iterator[socket.socket]:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as one:
        one.bind(("127.0.0.1", 0))
        yield one


def relative(path: Path, address: str, serial: int) -> None:
    """Write a zone whose names are relative, so that it loads at any apex."""
    path.write_text(
        f"$TTL 60\n@ SOA ns1 admin {serial} 3600 900 604800 300\n@ NS ns1\nns1 A 192.0.2.53\nwww A {address}\n"
    )


def test_zones_that_swap_their_files_swap_their_content(tmp_path: Path, here: socket.socket) -> None:
    one, two = tmp_path / "one.example.zone", tmp_path / "two.example.zone"
    relative(one, "192.0.2.1", 1)
    relative(two, "192.0.2.2", 2)
    with namewise.Server(configured(tmp_path, "one.example", "two.example"), sockets=[here]) as server:
        for first, second in (("192.0.2.2", "192.0.2.1"), ("192.0.2.1", "192.0.2.2")):
            spare = tmp_path / "spare"
            one.rename(spare)
            two.rename(one)
            spare.rename(two)
            server.reload()
            assert (address(server, "www.one.example"), address(server, "www.two.example")) == (first, second)


def test_a_parent_above_a_child_leaves_the_child(tmp_path: Path, here: socket.socket) -> None:
    zone_file(tmp_path, "child.example.com", "192.0.2.1")
    zone_file(tmp_path, "example.com", "192.0.2.2")
    config = configured(tmp_path, "child.example.com")
    with namewise.Server(config, sockets=[here]) as server:

        def rcode(name: str) -> str:
            return namewise.query(make_query(name), server.addresses[0]).rcode

        for _ in range(2):
            assert rcode("www.example.com") == "REFUSED"
            configured(tmp_path, "child.example.com", "example.com")
            server.reload()
            assert address(server, "www.child.example.com") == "192.0.2.1"
            assert address(server, "www.example.com") == "192.0.2.2"
            assert rcode("absent.example.com") == "NXDOMAIN"
            configured(tmp_path, "child.example.com")
            server.reload()
            assert address(server, "www.child.example.com") == "192.0.2.1"
        configured(tmp_path, "example.com")
        server.reload()
        assert rcode("www.child.example.com") == "NXDOMAIN"


def directory(path: Path) -> None:
    path.mkdir()


def fifo(path: Path) -> None:
    os.mkfifo(path)


def loop(path: Path) -> None:
    path.symlink_to(path.name)


@pytest.mark.parametrize("become", [directory, fifo, loop])
def test_a_file_that_becomes_something_else_keeps_its_zone(
    tmp_path: Path, here: socket.socket, become: Callable[[Path], None]
) -> None:
    path = zone_file(tmp_path, "example.com", "192.0.2.1")
    zone_file(tmp_path, "example.net", "192.0.2.2")
    with namewise.Server(configured(tmp_path, "example.com", "example.net"), sockets=[here]) as server:
        path.unlink()
        become(path)
        zone_file(tmp_path, "example.net", "192.0.2.3", serial=2)
        server.reload()
        assert str(path) in server.failures[0]
        assert address(server) == "192.0.2.1"
        assert address(server, "www.example.net") == "192.0.2.3", "the other zones are reloaded"
        if become is directory:
            path.rmdir()
        else:
            path.unlink()
        zone_file(tmp_path, "example.com", "192.0.2.4", serial=2)
        server.reload()
        assert (address(server), address(server, "www.example.net")) == ("192.0.2.4", "192.0.2.3")


@pytest.mark.parametrize("others", [(), ("example.net",)])
def test_a_start_does_not_wait_for_the_writer_of_a_pipe(
    tmp_path: Path, here: socket.socket, others: tuple[str, ...]
) -> None:
    fifo(tmp_path / "example.com.zone")
    for name in others:
        zone_file(tmp_path, name, "192.0.2.1")
    server = namewise.Server(configured(tmp_path, "example.com", *others), sockets=[here], strict=True)
    with pytest.raises(namewise.NamewiseError, match=r"example\.com\.zone.*pipe"):
        server.__enter__()


def test_an_included_pipe_is_an_error_of_its_zone(tmp_path: Path, here: socket.socket) -> None:
    path = zone_file(tmp_path, "example.com", "192.0.2.1")
    zone_file(tmp_path, "example.net", "192.0.2.2")
    with namewise.Server(configured(tmp_path, "example.com", "example.net"), sockets=[here]) as server:
        fifo(tmp_path / "more")
        path.write_text(path.read_text() + "$INCLUDE more\n")
        server.reload()
        assert "not a regular file" in server.failures[0]
        assert address(server) == "192.0.2.1"


def test_queries_during_reloads_see_whole_versions(tmp_path: Path, here: socket.socket) -> None:
    names = ("one.example", "two.example")
    for name in names:
        zone_file(tmp_path, name, "192.0.2.1")
    with namewise.Server(configured(tmp_path, *names), sockets=[here]) as server:
        stop = threading.Event()
        seen: list[int] = []
        failed: list[Exception] = []

        def ask() -> None:
            try:
                while not (seen and stop.is_set()):
                    seen.append(int(address(server, "www.one.example").rsplit(".", 1)[1]))
            except Exception as error:
                failed.append(error)

        asking = threading.Thread(target=ask)
        asking.start()
        try:
            for serial in range(2, 42):
                for name in names:
                    zone_file(tmp_path, name, f"192.0.2.{serial}", serial)
                server.reload()
                assert {address(server, f"www.{name}") for name in names} == {f"192.0.2.{serial}"}
        finally:
            stop.set()
            asking.join()
        assert not failed
        assert seen == sorted(seen)

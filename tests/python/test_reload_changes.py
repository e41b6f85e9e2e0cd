"""Reloads while something else changes: included files, other zones, further requests, edits."""

from __future__ import annotations

import os
import signal
import socket
import threading
from collections import Counter
from typing import TYPE_CHECKING

import pytest
from commands import nw
from servers import read_until, running, zone_file
from test_bad_zones import address_of
from test_server import address, configured

import namewise
from namewise.control.log import Log
from namewise.control.service import Service
from namewise.control.shared import Shared
from namewise.control.sockets import Sockets
from namewise.message import make_query
from namewise.rdata import RRset
from namewise.zones.registry import ZonesError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from namewise.control.candidate import Candidate

MANY = 10_000


@pytest.fixture
def here() -> Iterator[socket.socket]:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as one:
        one.bind(("127.0.0.1", 0))
        yield one


def service(config: Path, here: socket.socket) -> Service:
    from namewise.config import load

    return Service(lambda: load(str(config), environ={}), Sockets([here]), Log("error"))


def records(of: Service, name: str) -> list[str]:
    return [str(one) for one in namewise.resolve(name, server=of.addresses()[0]).records]


def test_an_included_file_that_changes_during_a_reload_is_read_by_the_next(
    tmp_path: Path, here: socket.socket
) -> None:
    with zone_file(tmp_path, "example.com", "192.0.2.1").open("a") as file:
        file.write("$INCLUDE more\n")
    more = tmp_path / "more"
    more.write_text("more A 192.0.2.11\n")
    served = service(configured(tmp_path, "example.com"), here)
    served.start()
    try:
        more.write_text("more A 192.0.2.12\n")

        def meanwhile(candidate: Candidate) -> None:
            assert candidate.zones.changed == ("example.com.",)
            more.write_text("more A 192.0.2.13\n")

        served.reload(meanwhile)
        assert records(served, "more.example.com") == ["192.0.2.12"], "what was read is what is served"
        assert served.reload().changes == ("~ zone example.com. serial 1 -> 1: 1 RRset changed",), (
            "the change after the reading is seen, although no file has changed since that reload"
        )
        assert records(served, "more.example.com") == ["192.0.2.13"]
        assert served.reload().changes == ()
        more.unlink()
        assert "more" in served.reload().failures[0]
        assert records(served, "more.example.com") == ["192.0.2.13"]
    finally:
        served.close(0.0)


def test_an_edit_that_is_acknowledged_during_a_reload_is_kept(tmp_path: Path, here: socket.socket) -> None:
    zone_file(tmp_path, "example.com", "192.0.2.1")
    zone_file(tmp_path, "example.net", "192.0.2.2")
    config = configured(tmp_path, "example.com", "example.net")
    config.write_text(config.read_text().replace("[server]\n", '[server]\nstate = "state"\n'))
    served = service(config, here)
    served.start()
    try:
        registry = served.registry

        def edit(name: str, address: str) -> None:
            state = registry.states[name]
            assert state.current is not None
            change = state.current.edit()
            change.put(RRset(f"www.{name}", "A", 60, [address]))
            registry.change(state, change.commit())

        def meanwhile(_: Candidate) -> None:
            edit("example.com.", "192.0.2.21")
            edit("example.net.", "192.0.2.22")

        # One of them has another file too, so that the reload has a version of its own for it.
        zone_file(tmp_path, "example.com", "192.0.2.3", serial=2)
        served.reload(meanwhile)
        assert records(served, "www.example.com") == ["192.0.2.21"]
        assert records(served, "www.example.net") == ["192.0.2.22"]
        outcome = served.reload()
        assert records(served, "www.example.com") == ["192.0.2.21"]
        assert "was changed, and so was the served zone" in outcome.failures[0], "both sides are shown"
    finally:
        served.close(0.0)


def many(folder: Path, bad: int) -> Path:
    """Write many small zones, of which one is bad, and the configuration that names them."""
    zones = []
    for number in range(MANY):
        name = f"zone{number}.example"
        path = folder / name
        path.write_text(
            f"$TTL 60\n@ SOA ns1 admin 1 3600 900 604800 300\n@ NS ns1\nns1 A 192.0.2.{number % 251}\n"
        )
        zones.append(f'[[zone]]\nname = "{name}"\nfile = "{name}"\n')
    (folder / f"zone{bad}.example").write_text("nonsense\n")
    config = folder / "namewise.toml"
    config.write_text("[server]\nworkers = 1\n" + "".join(zones))
    return config


def test_of_ten_thousand_zones_one_is_bad(tmp_path: Path, here: socket.socket) -> None:
    config = many(tmp_path, bad=7000)

    def rcode(number: int) -> str:
        return namewise.query(make_query(f"ns1.zone{number}.example"), server.addresses[0]).rcode

    with namewise.Server(config, sockets=[here]) as server:
        assert len(server.failures) == 1 and "zone zone7000.example. is not loaded" in server.failures[0]
        assert [rcode(number) for number in (0, 6999, 7000, 7001, MANY - 1)] == [
            "NOERROR", "NOERROR", "SERVFAIL", "NOERROR", "NOERROR",
        ]  # fmt: skip
        # It is mended, another one breaks, a third one changes: each change is that of its zone.
        good = (tmp_path / "zone1.example").read_text()
        (tmp_path / "zone7000.example").write_text(good)
        (tmp_path / "zone5.example").write_text("nonsense\n")
        (tmp_path / "zone9.example").write_text(good.replace("admin 1 ", "admin 2 "))
        assert sorted(server.reload()) == [
            "~ zone zone7000.example. serial 1",
            "~ zone zone9.example. serial 1 -> 2: 1 RRset changed",
        ]
        assert len(server.failures) == 1 and "zone zone5.example. is not loaded" in server.failures[0]
        assert [rcode(number) for number in (5, 9, 7000)] == ["NOERROR"] * 3
        assert server.reload() == [] and len(server.failures) == 1


def test_server_and_serve_keep_the_good_zones_of_a_reload_unless_strict(
    tmp_path: Path, here: socket.socket, capfd: pytest.CaptureFixture[str]
) -> None:
    for strict in (False, True):
        zone_file(tmp_path, "example.com", "192.0.2.1")
        bad = zone_file(tmp_path, "example.net", "192.0.2.2")
        config = configured(tmp_path, "example.com", "example.net")
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as own:
            own.bind(("127.0.0.1", 0))
            with namewise.Server(config, sockets=[own], strict=strict) as server:
                bad.write_text("nonsense\n")
                zone_file(tmp_path, "example.com", "192.0.2.3", serial=2)
                if strict:
                    with pytest.raises(ZonesError, match=r"zone example\.net\. is not loaded"):
                        server.reload()
                    assert address(server) == "192.0.2.1"
                else:
                    server.reload()
                    assert "zone example.net. is not loaded" in server.failures[0]
                    assert "zone example.net. is not loaded" in capfd.readouterr().err, "and it is logged"
                    assert address(server) == "192.0.2.3"
                assert address(server, "www.example.net") == "192.0.2.2"


def test_requests_share_the_run_that_has_not_begun() -> None:
    begun, go = threading.Semaphore(0), threading.Semaphore(0)
    numbers = iter(range(100))

    def work() -> int:
        number = next(numbers)
        begun.release()
        go.acquire()
        if number == 2:
            raise ValueError("run 2 fails")
        return number

    shared, outcomes = Shared(work), []

    def ask() -> None:
        try:
            outcomes.append(shared())
        except ValueError as error:
            outcomes.append(str(error))

    threads: list[threading.Thread] = []
    for count in (1, 20, 30):
        wave = [threading.Thread(target=ask) for _ in range(count)]
        for thread in wave:
            thread.start()
        threads += wave
        if count > 1:
            # All of this wave asked while a run was under way, so they share the next one.
            while shared.waiting < count:
                pass
            go.release()
        begun.acquire()
        assert shared.waiting == 0
    go.release()
    for thread in threads:
        thread.join()
    assert Counter(outcomes) == {0: 1, 1: 20, "run 2 fails": 30}


def test_a_storm_of_reloads_ends_with_the_last_state(tmp_path: Path) -> None:
    zone = zone_file(tmp_path, "example.com", "192.0.2.1")
    config = configured(tmp_path, "example.com")
    config.write_text(config.read_text() + '[[listen]]\naddress = "127.0.0.1"\nport = 0\n')
    control = str(tmp_path / "control.sock")
    with running("serve", "--config", str(config), "--control", control, ready="ready: ") as (process, lines):
        server = address_of(lines)
        for number in range(2, 52):
            fresh = tmp_path / "fresh"
            fresh.write_text(zone.read_text().replace(f"admin {number - 1} ", f"admin {number} "))
            fresh.rename(zone)
            for _ in range(20):
                os.kill(process.pid, signal.SIGHUP)
        seen = read_until(process.stdout, "-> 51")
        reply = namewise.query(make_query("example.com", "SOA"), server)
        assert str(reply.answer[0].rdatas[0]).split()[2] == "51"
        reloads = sum("reloaded, generation" in line for line in seen)
        assert reloads <= 100, f"1,000 requests made {reloads} reloads"
        assert _threads(process.pid) < 40
        done = nw("ctl", "reload", "--control", control)
        assert done.returncode == 0, done.stderr


def _threads(pid: int) -> int:
    with open(f"/proc/{pid}/status", encoding="ascii") as file:
        return next(int(line.split()[1]) for line in file if line.startswith("Threads:"))

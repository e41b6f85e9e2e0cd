"""Updates while the state database cannot be written: locked, on a full disk, on a disk that is read-only. They are refused, the zone is
served as before, `nw zone status` says why, and updates are taken again as soon as that is over."""

from __future__ import annotations

import json
import os
import signal
import sqlite3
import subprocess
import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING

from attackers import ADD, HERE, TEXT, Client, record, serial, serving, update
from commands import CODE, environment, nw
from ports import free_port
from servers import read_until
from test_store import needs_namespaces

from namewise.control.verbs.zone import summary

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

SERVFAIL = 2
RULE = {"name": "all", "zones": ["e"], "clients": [HERE], "types": ["ANY"]}


def test_a_locked_database_refuses_updates_until_it_is_free(tmp_path: Path) -> None:
    with serving(tmp_path, update=[RULE]) as (server, client):
        assert client.stream(update(ADD))[3] & 15 == 0
        registry = server._service.registry
        store = registry.journal.store
        store.submit(lambda db: db.execute("pragma busy_timeout = 10")).result()
        other = sqlite3.connect(store.path, isolation_level=None)
        other.execute("begin immediate")
        answer = client.stream(update(record("newer.e.", 1, 1, 60, b"\xc0\0\2\7")))
        assert answer[3] & 15 == SERVFAIL and b"the change cannot be stored" in answer
        assert serial(client) == 6
        assert "the last change was not stored: " in summary(registry.states["e."])["error"]
        assert "locked" in summary(registry.states["e."])["error"]
        other.execute("rollback")
        other.close()
        assert client.stream(update(record("newer.e.", 1, 1, 60, b"\xc0\0\2\7")))[3] & 15 == 0
        assert serial(client) == 7 and summary(registry.states["e."])["error"] is None


class Confined:
    """A server whose state directory is a small file system of its own."""

    def __init__(self, process: subprocess.Popen[str], port: int, state: Path, control: str) -> None:
        self.process, self.client, self.control = process, Client(port), control
        self.state = f"/proc/{process.pid}/root{state}"

    def error(self) -> str:
        """What `nw zone status` says is wrong."""
        done = nw("zone", "status", "e", "--json", "--control", self.control)
        return str(json.loads(done.stdout)["error"])

    def add(self, number: int) -> int:
        """Add a name with 200 octets of text and return the rcode."""
        text = b"\xc8" + os.urandom(200)
        return self.client.stream(update(record(f"n{number}.e.", 16, 1, 60, text)))[3] & 15


@contextmanager
def confined(folder: Path, options: str) -> Iterator[Confined]:
    """A server whose state directory is mounted with *options*."""
    state, port, control = folder / "state", free_port(), str(folder / "control.sock")
    state.mkdir()
    (folder / "e.zone").write_text(TEXT)
    rule = "\n".join(f"{key} = {json.dumps(value)}" for key, value in RULE.items())
    (folder / "namewise.toml").write_text(
        f'[[listen]]\naddress = "{HERE}"\nport = {port}\n[server]\nstate = "{state}"\nworkers = 1\n'
        f'[[zone]]\nname = "e"\nkind = "file"\nfile = "{folder / "e.zone"}"\n[[update]]\n{rule}\n'
    )
    script = f'mount -t tmpfs -o {options} none {state} && exec "$@"'
    command = [sys.executable, "-u", "-c", CODE, "serve", "--config", str(folder / "namewise.toml")]
    process = subprocess.Popen(
        ["unshare", "-rm", "sh", "-c", script, "sh", *command, "--control", control],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        env=environment(),
    )
    try:
        read_until(process.stdout, "ready: ")
        yield Confined(process, port, state, control)
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(30)


@needs_namespaces
def test_a_full_disk_refuses_updates_until_there_is_space(tmp_path: Path) -> None:
    with confined(tmp_path, "size=600k") as server:
        assert server.add(0) == 0
        with open(f"{server.state}/filler", "wb") as filler:
            # What is left is less than the pages of a change.
            try:
                while True:
                    filler.write(bytes(4096))
                    filler.flush()
            except OSError:
                os.ftruncate(filler.fileno(), os.fstat(filler.fileno()).st_size - 8192)
        rcodes = [server.add(number) for number in range(1, 40)]
        accepted = rcodes.count(0)
        assert set(rcodes) <= {0, SERVFAIL} and rcodes[-1] == SERVFAIL
        assert serial(server.client) == 6 + accepted
        assert "the last change was not stored: " in server.error() and "full" in server.error()
        os.truncate(f"{server.state}/filler", 0)
        assert server.add(99) == 0
        assert serial(server.client) == 7 + accepted and server.error() == "None"


@needs_namespaces
def test_a_read_only_disk_refuses_updates_and_the_zone_is_served(tmp_path: Path) -> None:
    with confined(tmp_path, "ro") as server:
        assert server.add(0) == SERVFAIL
        assert serial(server.client) == 5
        assert "Read-only file system" in server.error()

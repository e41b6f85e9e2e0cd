"""A forwarding loop with another server in it: it is found, and it ends."""

from __future__ import annotations

import subprocess
import time
from typing import TYPE_CHECKING

import pytest
from peers import NW, Server, free_address, running

if TYPE_CHECKING:
    from pathlib import Path

    from peers import Where

PLENTY_S = 2.0


def bind(folder: Path, where: Where, to: Where) -> Server:
    """Start BIND as a forwarder to *to*."""
    (folder / "named.conf").write_text(
        f'options {{ directory "{folder}"; listen-on port {where[1]} {{ {where[0]}; }}; listen-on-v6 {{ none; }};'
        f" forward only; forwarders {{ {to[0]} port {to[1]}; }}; recursion yes; allow-recursion {{ any; }};"
        f' dnssec-validation no; pid-file none; session-keyfile "{folder}/key"; }};\ncontrols {{ }};\n'
    )
    return Server(["named", "-g", "-c", folder / "named.conf"], folder, where)


def unbound(folder: Path, where: Where, to: Where) -> Server:
    """Start Unbound as a forwarder to *to*."""
    (folder / "unbound.conf").write_text(
        f'server:\n  interface: {where[0]}@{where[1]}\n  chroot: ""\n  username: ""\n  pidfile: ""\n'
        f'  directory: "{folder}"\n  do-not-query-localhost: no\n  access-control: 127.0.0.0/8 allow\n'
        '  module-config: "iterator"\n  num-threads: 1\n'
        f"remote-control:\n  control-enable: no\nforward-zone:\n  name: .\n  forward-addr: {to[0]}@{to[1]}\n"
    )
    return Server(["unbound", "-d", "-c", folder / "unbound.conf"], folder, where)


def replies(to: Where) -> bool:
    """Return whether a server replies at *to*."""
    query = ["dig", f"@{to[0]}", "-p", str(to[1]), "+time=1", "+tries=1", "version.bind", "CH", "TXT"]
    return subprocess.run(query, capture_output=True, check=False).returncode == 0


@pytest.mark.parametrize("peer", [bind, unbound], ids=["bind", "unbound"])
def test_a_loop_through_a_peer_is_found(tmp_path: Path, peer: object) -> None:
    ours, theirs = free_address("127.0.0.1"), free_address("127.0.0.1")
    (tmp_path / "namewise.toml").write_text(
        f'[[listen]]\naddress = "{ours[0]}"\nport = {ours[1]}\n[resolver]\n'
        f'[[policy]]\npolicy = "acl"\non = "recursion"\nallow = ["127.0.0.0/8"]\n'
        f'[[forward]]\nservers = ["{theirs[0]}:{theirs[1]}"]\n'
    )
    command = [NW, "serve", "--config", tmp_path / "namewise.toml", "--control", tmp_path / "control.sock"]
    assert callable(peer)
    with running(Server(command, tmp_path, ours)) as server, running(peer(tmp_path, theirs, ours)) as other:
        server.says("ready: ")
        other.until(lambda: replies(theirs), "asking for its version")
        for to in (ours, theirs):
            query = ["dig", f"@{to[0]}", "-p", str(to[1]), "+time=10", "+tries=1", f"x{to[1]}.example.com"]
            began = time.monotonic()
            done = subprocess.run(query, capture_output=True, text=True, check=False)
            took = time.monotonic() - began
            assert "status: SERVFAIL" in done.stdout, done.stdout
            assert took < PLENTY_S
            # BIND notices that its query waits for itself, and answers before the probe is due.
            if to is ours and peer is unbound:
                assert f"own query to {theirs[0]}:{theirs[1]} came back from 127.0.0." in done.stdout
        if peer is unbound:
            assert "forwarding loop for" in server.says("forwarding loop for")

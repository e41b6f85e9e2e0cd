"""The life cycle of `nw serve`: a failed reload, a graceful stop, a stale socket."""

from __future__ import annotations

import signal
import socket
import struct
import subprocess
from typing import TYPE_CHECKING

import asking
import peers
from asking import query

if TYPE_CHECKING:
    from pathlib import Path

    import internet


def test_a_broken_zone_file_at_sighup_leaves_the_old_one(net: internet.Internet, tmp_path: Path) -> None:
    where, zone = peers.free_address(), tmp_path / "zone"
    zone.write_text(net.zones["example.lab."].read_text())
    with peers.running(peers.authoritative(tmp_path / "run", where, {"example.lab.": zone})) as server:
        server.answers("example.lab")
        zone.write_text(zone.read_text() + "broken A 192.0.2.256\n")
        server.process.send_signal(signal.SIGHUP)
        server.says("nothing changed; 1 zone could not be loaded")
        server.says(f"{zone}:")
        assert asking.ask("dig", where, "www.example.lab").answer == {"www.example.lab. a 198.51.100.1"}
        zone.write_text(net.zones["example.lab."].read_text().replace("198.51.100.1\n", "198.51.100.9\n"))
        server.process.send_signal(signal.SIGHUP)
        server.says("~ zone example.lab.")
        assert asking.ask("dig", where, "www.example.lab").answer == {"www.example.lab. a 198.51.100.9"}


def test_sigterm_waits_for_a_running_query(tmp_path: Path) -> None:
    where, upstream = peers.free_address(), peers.free_address()
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as slow:
        slow.settimeout(10)
        slow.bind(upstream)
        forward = f"{upstream[0]}:{upstream[1]}"
        with peers.running(peers.namewise(tmp_path, where, "--forward", forward)) as server:
            server.says("ready:")
            with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as client:
                client.settimeout(10)
                client.connect(where)
                client.send(query(9, "slow.example", 1, flags=0x0100))
                asked, resolver = slow.recvfrom(65535)
                server.process.send_signal(signal.SIGTERM)
                server.says("stopping")
                end = asked.index(b"\0", 12) + 5
                answer = b"\xc0\x0c" + struct.pack("!HHIH", 1, 1, 60, 4) + bytes([192, 0, 2, 7])
                slow.sendto(asked[:2] + b"\x81\x80\0\1\0\1\0\0\0\0" + asked[12:end] + answer, resolver)
                assert client.recv(65535).endswith(bytes([192, 0, 2, 7]))
            assert server.stop() == 0


def test_a_socket_left_behind_by_a_killed_server_is_replaced(net: internet.Internet, tmp_path: Path) -> None:
    zones = {"example.lab.": net.zones["example.lab."]}
    first = peers.authoritative(tmp_path, peers.free_address(), zones).answers("example.lab")
    first.stop(signal.SIGKILL)
    assert (tmp_path / "control.sock").exists()
    ctl = [peers.NW, "ctl", "status", "--control", tmp_path / "control.sock"]
    gone = subprocess.run(ctl, capture_output=True, text=True, check=False)
    assert (gone.returncode, "the server that created this socket has ended" in gone.stderr) == (9, True)
    with peers.running(peers.authoritative(tmp_path, peers.free_address(), zones)) as second:
        second.says("ready:")
        status = subprocess.run(ctl, capture_output=True, text=True, check=False)
        assert f"pid {second.process.pid}" in status.stdout

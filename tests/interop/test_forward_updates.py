"""Updates sent to a secondary of namewise reach its primary, BIND or namewise, with the signature of the client (RFC 2136 §6)."""

from __future__ import annotations

import socket
import subprocess
from typing import TYPE_CHECKING

import peers
import pytest

if TYPE_CHECKING:
    from pathlib import Path

HOST = "127.0.0.1"
KEY = peers.Key(name="update.")
TEXT = "$TTL 60\n@ SOA ns1 h 1 3600 600 86400 60\n@ NS ns1\nns1 A 192.0.2.1\n"
NSUPDATE = {"bind": ["nsupdate"], "ours": [peers.NW, "nsupdate"]}


def bind(folder: Path, where: peers.Where, file: Path) -> peers.Server:
    zone = (
        f'zone "e.test" {{ type primary; file "{file}"; allow-update {{ key {KEY.name}; }}; '
        f"allow-transfer {{ any; }}; }};\n"
    )
    return peers.bind(folder, where, {}, more=KEY.bind + zone)


def namewise(folder: Path, where: peers.Where, file: Path) -> peers.Server:
    config = (
        f'{KEY.namewise}[[zone]]\nname = "e.test"\nfile = "{file}"\ntransfer = ["{HOST}"]\n'
        f'[[update]]\nname = "all"\nzones = ["e.test"]\nkey = "{KEY.name}"\n'
    )
    return serve(folder, where, config)


def serve(folder: Path, where: peers.Where, config: str) -> peers.Server:
    folder.mkdir()
    (folder / "state").mkdir(mode=0o700)
    (folder / "namewise.toml").write_text(config)
    return peers.namewise(folder, where, "--config", folder / "namewise.toml", "--state", folder / "state")


def secondary(folder: Path, where: peers.Where, *primaries: peers.Where, rule: str = HOST) -> peers.Server:
    """Start a secondary, which does not know the key of the client."""
    listed = ", ".join(f'"{address}:{port}"' for address, port in primaries)
    forward = f'forward_updates = ["{rule}"]\n' if rule else ""
    return serve(
        folder,
        where,
        f'[secondaries]\nnotify_interval = "100ms"\n[[zone]]\nname = "e.test"\nkind = "secondary"\nprimaries = [{listed}]\n{forward}',
    )


def nsupdate(server: peers.Server, name: str, command: list[str], *, key: peers.Key | None = KEY) -> str:
    """Add *name* and return what nsupdate says; empty: it was successful, and the signature of the response right."""
    signed = [] if key is None else ["-y", f"{key.algorithm}:{key.name}:{key.secret}"]
    script = f"server {server.where[0]} {server.where[1]}\nzone e.test\nupdate add {name}.e.test 60 A 192.0.2.7\nsend\n"
    done = subprocess.run(
        [*command, *signed], input=script, capture_output=True, text=True, timeout=60, check=False
    )
    assert (done.returncode == 0) == (not done.stderr), done.stderr
    return done.stdout + done.stderr


def has(server: peers.Server, name: str) -> bool:
    query = ["dig", f"@{server.where[0]}", "-p", str(server.where[1]), "+short", f"{name}.e.test", "A"]
    done = subprocess.run(query, capture_output=True, text=True, check=False)
    return done.stdout.strip() == "192.0.2.7"


@pytest.mark.parametrize("command", NSUPDATE.values(), ids=NSUPDATE)
@pytest.mark.parametrize("make", [bind, namewise], ids=["bind", "namewise"])
def test_an_update_reaches_the_primary_with_its_signature(
    make: type, command: list[str], tmp_path: Path
) -> None:
    file, theirs, ours = tmp_path / "e.zone", peers.free_address(HOST), peers.free_address(HOST)
    file.write_text(TEXT)
    with (
        peers.running(make(tmp_path / "primary", theirs, file)) as primary,
        peers.running(secondary(tmp_path / "secondary", ours, theirs)) as server,
    ):
        primary.answers("e.test")
        server.answers("e.test")
        assert nsupdate(server, "one", command) == ""
        assert has(primary, "one")
        server.until(lambda: has(server, "one"), "the update in the copy")
        # What the primary refuses is refused.
        assert "REFUSED" in nsupdate(server, "two", command, key=None)
        other = KEY._replace(secret="b3RoZXJvdGhlcm90aGVyb3RoZXJvdGhlcg==")
        assert "BADSIG" in nsupdate(server, "two", command, key=other)
        assert not has(primary, "two")


def test_the_next_primary_gets_what_the_first_does_not_answer(tmp_path: Path) -> None:
    file, theirs, ours = tmp_path / "e.zone", peers.free_address(HOST), peers.free_address(HOST)
    file.write_text(TEXT)
    with (
        socket.create_server((HOST, 0)) as silent,
        peers.running(bind(tmp_path / "primary", theirs, file)) as primary,
        peers.running(
            secondary(
                tmp_path / "secondary", ours, peers.free_address(HOST), theirs, silent.getsockname()[:2]
            )
        ) as server,
    ):
        primary.answers("e.test")
        server.answers("e.test")
        assert nsupdate(server, "one", ["nsupdate"]) == "" and has(primary, "one")
        primary.stop()
        # Unsigned: what this server says itself, it cannot sign.
        assert "SERVFAIL" in nsupdate(server, "two", ["nsupdate"], key=None)
        said = server.says("cannot be forwarded")
        assert "Connection refused" in said and "no reply in time" in said


@pytest.mark.parametrize("rule", ["192.0.2.1", ""], ids=["another client", "no rule"])
def test_a_secondary_refuses_what_it_may_not_forward(rule: str, tmp_path: Path) -> None:
    file, theirs, ours = tmp_path / "e.zone", peers.free_address(HOST), peers.free_address(HOST)
    file.write_text(TEXT)
    with (
        peers.running(bind(tmp_path / "primary", theirs, file)) as primary,
        peers.running(secondary(tmp_path / "secondary", ours, theirs, rule=rule)) as server,
    ):
        primary.answers("e.test")
        server.answers("e.test")
        assert "REFUSED" in nsupdate(server, "one", ["nsupdate"], key=None)
        # Only a zone that forwards passes on keys that it does not know.
        expected = "REFUSED" if rule else "BADKEY"
        assert expected in nsupdate(server, "one", ["nsupdate"])
        assert not has(primary, "one")

"""external-dns, the controller of Kubernetes, keeps records of a zone by zone transfers and dynamic updates, both signed: it creates,
changes and deletes them, and writes nothing when all is as wanted. `scripts/external-dns` builds it."""

from __future__ import annotations

import base64
import json
import os
import socket
import subprocess
import sys
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Any

import peers
import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).parents[2]
SECRET = base64.b64encode(b"0123456789abcdef0123456789abcdef").decode()
ZONE = "$TTL 300\n@ SOA ns h 1 3600 600 86400 60\n@ NS ns\nns A 127.0.0.1\nby-hand A 192.0.2.99\n"
CONFIG = """\
[server]
state = "{folder}/state"
[[zone]]
name = "apps.example"
file = "{folder}/zone"
transfer = ["key external-dns."]
[[key]]
name = "external-dns."
secret = "{secret}"
[[update]]
name = "external-dns"
zones = ["apps.example"]
key = "external-dns."
types = ["A", "AAAA", "CNAME", "TXT"]
"""


@pytest.fixture(scope="session")
def programs() -> Path:
    """The folder with external-dns and `endpoints`."""
    done = subprocess.run(
        [sys.executable, ROOT / "scripts/external-dns"], capture_output=True, text=True, check=False
    )
    if done.returncode == 3:
        pytest.skip(done.stderr.strip())
    assert done.returncode == 0, done.stderr
    return Path(done.stdout.strip())


@pytest.fixture
def server(tmp_path: Path) -> Iterator[peers.Server]:
    (tmp_path / "zone").write_text(ZONE)
    (tmp_path / "namewise.toml").write_text(CONFIG.format(folder=tmp_path, secret=SECRET))
    where = peers.free_address("127.0.0.1")
    with peers.running(
        peers.namewise(tmp_path / "run", where, "--config", tmp_path / "namewise.toml")
    ) as server:
        yield server.answers("apps.example")


def wanted(name: str, rtype: str, *targets: str, ttl: int = 60) -> dict[str, Any]:
    labels = {"resource": f"service/default/{name.split('.')[0]}"}
    return {"dnsName": name, "recordType": rtype, "targets": targets, "recordTTL": ttl, "labels": labels}


def synchronize(
    programs: Path, server: peers.Server, *endpoints: dict[str, Any], secret: str = SECRET
) -> subprocess.CompletedProcess[str]:
    """Let external-dns make the zone as *endpoints* say, once."""
    said = subprocess.run(
        [programs / "endpoints"], input=json.dumps(endpoints).encode(), capture_output=True, check=True
    ).stdout
    with socket.create_server(("127.0.0.1", 0)) as source:

        def serve() -> None:
            link, _ = source.accept()
            with link:
                link.sendall(said)

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        host, port = server.where
        command = [
            programs / "external-dns", "--once", "--policy=sync", "--registry=txt", "--txt-owner-id=test",
            "--source=connector", f"--connector-source-server=127.0.0.1:{source.getsockname()[1]}",
            "--provider=rfc2136", f"--rfc2136-host={host}", f"--rfc2136-port={port}", "--rfc2136-zone=apps.example",
            "--rfc2136-axfr", "--rfc2136-tsig-keyname=external-dns", f"--rfc2136-tsig-secret={secret}",
            "--rfc2136-tsig-secret-alg=hmac-sha256", "--domain-filter=apps.example", "--metrics-address=127.0.0.1:0",
        ]  # fmt: skip
        return subprocess.run(
            list(map(str, command)),
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
            env={"PATH": os.environ["PATH"]},
        )


def records(server: peers.Server, name: str, rtype: str = "A") -> list[str]:
    host, port = server.where
    command = ["dig", f"@{host}", "-p", str(port), f"{name}apps.example", rtype, "+short", "+norec"]
    return sorted(subprocess.run(command, capture_output=True, text=True, check=True).stdout.splitlines())


def serial(server: peers.Server) -> int:
    return int(records(server, "", "SOA")[0].split()[2])


def test_records_are_created_changed_and_deleted(programs: Path, server: peers.Server) -> None:
    web = wanted("web.apps.example", "A", "192.0.2.1", "192.0.2.2")
    alias = wanted("alias.apps.example", "CNAME", "web.apps.example")
    v6 = wanted("v6.apps.example", "AAAA", "2001:db8::1")
    done = synchronize(programs, server, web, alias, v6)
    assert done.returncode == 0, done.stderr
    assert records(server, "web.") == ["192.0.2.1", "192.0.2.2"]
    assert records(server, "alias.", "CNAME") == ["web.apps.example."]
    assert records(server, "v6.", "AAAA") == ["2001:db8::1"]
    assert "external-dns/owner=test" in records(server, "a-web.", "TXT")[0]

    # All is as wanted: nothing is written.
    first = serial(server)
    assert first > 1
    assert synchronize(programs, server, web, alias, v6).returncode == 0
    assert serial(server) == first

    done = synchronize(programs, server, wanted("web.apps.example", "A", "192.0.2.2", "192.0.2.3"), v6)
    assert done.returncode == 0, done.stderr
    assert records(server, "web.") == ["192.0.2.2", "192.0.2.3"]
    assert records(server, "alias.", "CNAME") == records(server, "cname-alias.", "TXT") == []
    assert serial(server) > first

    assert synchronize(programs, server).returncode == 0
    assert records(server, "web.") == records(server, "a-web.", "TXT") == records(server, "v6.", "AAAA") == []
    # What it does not own stays.
    assert records(server, "by-hand.") == ["192.0.2.99"]


def test_a_wrong_secret_writes_nothing(programs: Path, server: peers.Server) -> None:
    wrong = base64.b64encode(b"f" * 32).decode()
    done = synchronize(programs, server, wanted("web.apps.example", "A", "192.0.2.1"), secret=wrong)
    assert done.returncode != 0 and "AXFR" in done.stderr, done.stderr
    assert (serial(server), records(server, "web.")) == (1, [])

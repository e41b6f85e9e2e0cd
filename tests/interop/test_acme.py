"""certbot and lego get and renew certificates over DNS-01 (RFC 8555 §8.4): they write the challenges by dynamic updates, and
Pebble, the test server of the ACME protocol, asks our server for them."""

from __future__ import annotations

import base64
import json
import os
import shutil
import subprocess
from dataclasses import dataclass
from typing import TYPE_CHECKING

import peers
import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

SECRET = base64.b64encode(b"0123456789abcdef0123456789abcdef").decode()
ZONE = (
    "$TTL 300\n@ SOA ns h 1 3600 600 86400 60\n@ NS ns\nns A 127.0.0.1\nwww A 192.0.2.1\nother A 192.0.2.2\n"
)
CONFIG = """\
[server]
state = "{folder}/state"
[[zone]]
name = "shop.example"
file = "{folder}/zone"
[[key]]
name = "acme."
secret = "{secret}"
[[update]]
name = "challenges"
zones = ["shop.example"]
key = "acme."
match = "name"
names = ["_acme-challenge.shop.example", "_acme-challenge.www.shop.example"]
types = ["TXT"]
"""
NAMES = {"shop.example", "*.shop.example", "www.shop.example"}


@dataclass
class Authority:
    """Pebble and our server, which it asks."""

    folder: Path
    server: peers.Server
    directory: str
    root: Path
    """Certificate that signs that of Pebble."""

    def records(self, name: str, rtype: str) -> list[str]:
        """Return what our server has."""
        host, port = self.server.where
        command = ["dig", f"@{host}", "-p", str(port), name, rtype, "+short", "+norec"]
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout.splitlines()

    def is_clean(self) -> bool:
        """Return whether no challenge is left."""
        return not any(
            self.records(f"_acme-challenge.{name}", "TXT") for name in ("shop.example", "www.shop.example")
        )

    def run(self, *command: object, **environ: str) -> subprocess.CompletedProcess[str]:
        """Run a client, which trusts Pebble."""
        return subprocess.run(
            list(map(str, command)),
            cwd=self.folder,
            env={**os.environ, **environ},
            capture_output=True,
            text=True,
            check=False,
            timeout=120,
        )


def openssl(*arguments: object) -> str:
    return subprocess.run(
        ["openssl", *map(str, arguments)], capture_output=True, text=True, check=True
    ).stdout


def certificate(folder: Path) -> None:
    """Make a root certificate, and with it one for Pebble on localhost."""
    new = ("req", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-subj", "/CN=test")
    openssl(*new, "-x509", "-days", "2", "-keyout", folder / "root.key", "-out", folder / "root.pem")
    openssl(*new, "-keyout", folder / "server.key", "-out", folder / "server.csr")
    (folder / "names").write_text("subjectAltName=DNS:localhost,IP:127.0.0.1\n")
    issuer = ("-CA", folder / "root.pem", "-CAkey", folder / "root.key", "-CAcreateserial", "-days", "2")
    openssl("x509", "-req", "-in", folder / "server.csr", *issuer, "-extfile", folder / "names", "-out", folder / "server.pem")  # fmt: skip


@pytest.fixture
def authority(tmp_path: Path) -> Iterator[Authority]:
    for program in ("openssl", "pebble", "dig"):
        if shutil.which(program) is None:
            pytest.skip(f"{program} is not installed")
    certificate(tmp_path)
    (tmp_path / "zone").write_text(ZONE)
    (tmp_path / "namewise.toml").write_text(CONFIG.format(folder=tmp_path, secret=SECRET))
    where, https, management = (peers.free_address("127.0.0.1") for _ in range(3))
    settings = {
        "listenAddress": f"127.0.0.1:{https[1]}",
        "managementListenAddress": f"127.0.0.1:{management[1]}",
        "certificate": str(tmp_path / "server.pem"),
        "privateKey": str(tmp_path / "server.key"),
        "httpPort": 5002,
        "tlsPort": 5001,
    }
    (tmp_path / "pebble.json").write_text(json.dumps({"pebble": settings}))
    command = ["pebble", "-config", tmp_path / "pebble.json", "-dnsserver", f"127.0.0.1:{where[1]}"]
    # Without pauses, rejected nonces, and authorizations that are valid still: each certificate takes new challenges.
    environ = {"PEBBLE_VA_NOSLEEP": "1", "PEBBLE_WFE_NONCEREJECT": "0", "PEBBLE_AUTHZREUSE": "0"}
    with (
        peers.running(
            peers.namewise(tmp_path / "run", where, "--config", tmp_path / "namewise.toml")
        ) as server,
        peers.running(peers.Server(command, tmp_path, https, environ=environ)) as pebble,
    ):
        server.answers("shop.example")
        pebble.says("ACME directory available at")
        yield Authority(tmp_path, server, f"https://localhost:{https[1]}/dir", tmp_path / "root.pem")


def needs_certbot(authority: Authority) -> None:
    found = authority.run("/usr/bin/python3", "-c", "import certbot_dns_rfc2136")
    if shutil.which("certbot") is None or found.returncode:
        pytest.skip("certbot with its plugin dns-rfc2136 is not installed")


def certbot(authority: Authority, verb: str, *arguments: object) -> subprocess.CompletedProcess[str]:
    folder = authority.folder / "certbot"
    folders = ("--config-dir", folder / "c", "--work-dir", folder / "w", "--logs-dir", folder / "l")
    trust: Mapping[str, str] = {"REQUESTS_CA_BUNDLE": str(authority.root)}
    return authority.run(
        "certbot", verb, "-n", "--server", authority.directory, *folders, *arguments, **trust
    )


def names_in(path: Path) -> set[str]:
    """Return the DNS names of the certificate at *path*."""
    text = openssl("x509", "-in", path, "-noout", "-ext", "subjectAltName").replace(",", " ")
    return {word.removeprefix("DNS:") for word in text.split() if word.startswith("DNS:")}


def credentials(authority: Authority, secret: str = SECRET) -> tuple[object, ...]:
    host, port = authority.server.where
    path = authority.folder / "rfc2136.ini"
    values = {"server": host, "port": port, "name": "acme.", "secret": secret, "algorithm": "HMAC-SHA256"}
    path.write_text("".join(f"dns_rfc2136_{key} = {value}\n" for key, value in values.items()))
    path.chmod(0o600)
    # An update is served as soon as it is acknowledged: nothing to wait for.
    wait = ("--dns-rfc2136-propagation-seconds", 0)
    return ("--dns-rfc2136", "--dns-rfc2136-credentials", path, *wait)


def test_certbot_gets_and_renews_a_certificate(authority: Authority) -> None:
    needs_certbot(authority)
    new = ("--agree-tos", "--register-unsafely-without-email", *credentials(authority))
    wanted = [word for name in sorted(NAMES) for word in ("-d", name)]
    done = certbot(authority, "certonly", "--cert-name", "shop", *new, *wanted)
    assert done.returncode == 0, done.stdout + done.stderr
    path = authority.folder / "certbot/c/live/shop/cert.pem"
    assert names_in(path) == NAMES
    first, serial = path.read_text(), authority.records("shop.example", "SOA")[0].split()[2]
    assert authority.is_clean() and serial == "7", "three challenges written and removed, one version each"

    done = certbot(authority, "renew", "--force-renewal", "--no-random-sleep-on-renew")
    assert done.returncode == 0, done.stdout + done.stderr
    assert path.read_text() != first and names_in(path) == NAMES and authority.is_clean()


def test_certbot_names_what_the_server_refuses(authority: Authority) -> None:
    needs_certbot(authority)
    new = ("--agree-tos", "--register-unsafely-without-email")
    done = certbot(authority, "certonly", *new, *credentials(authority), "-d", "other.shop.example")
    assert done.returncode != 0 and "REFUSED" in done.stdout + done.stderr, done.stdout + done.stderr
    wrong = base64.b64encode(b"f" * 32).decode()
    done = certbot(authority, "certonly", *new, *credentials(authority, wrong), "-d", "www.shop.example")
    assert done.returncode != 0 and "didn't like the signature we sent" in done.stderr, (
        done.stdout + done.stderr
    )
    assert authority.records("shop.example", "SOA")[0].split()[2] == "1"


def test_lego_gets_and_renews_a_certificate(authority: Authority) -> None:
    if shutil.which("lego") is None:
        pytest.skip("lego is not installed")
    host, port = authority.server.where
    environ = {
        "RFC2136_NAMESERVER": f"{host}:{port}",
        "RFC2136_TSIG_KEY": "acme.",
        "RFC2136_TSIG_SECRET": SECRET,
        "RFC2136_TSIG_ALGORITHM": "hmac-sha256.",
        # The pauses between two challenges, and before each is looked for.
        "RFC2136_SEQUENCE_INTERVAL": "0",
        "RFC2136_POLLING_INTERVAL": "1",
        "LEGO_CA_CERTIFICATES": str(authority.root),
    }
    # lego would ask the name servers of the zone at port 53.
    dns = ("--dns", "rfc2136", "--dns.resolvers", f"{host}:{port}", "--dns.disable-cp")
    wanted = [
        word for name in ("shop.example", "*.shop.example", "www.shop.example") for word in ("-d", name)
    ]
    lego = (
        "lego",
        "--server",
        authority.directory,
        "--accept-tos",
        "-m",
        "a@shop.example",
        *dns,
        *wanted,
        "--path",
        "lego",
    )
    done = authority.run(*lego, "run", **environ)
    assert done.returncode == 0, done.stdout + done.stderr
    path = authority.folder / "lego/certificates/shop.example.crt"
    assert names_in(path) == NAMES and authority.is_clean()
    first = path.read_text()
    # Renewed because it has less than 10000 days.
    done = authority.run(*lego, "renew", "--days", 10000, "--no-random-sleep", **environ)
    assert done.returncode == 0, done.stdout + done.stderr
    assert path.read_text() != first and names_in(path) == NAMES and authority.is_clean()

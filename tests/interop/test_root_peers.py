"""A signed root with ZONEMD, made by Knot and served by BIND: transferred, checked, used; Unbound has the same verdict on every copy."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING

import peers
import pytest

from namewise.config.values import Endpoint
from namewise.engine import RRset, Zone, verify_zonemd
from namewise.zones.transfer import Limits, transfer

if TYPE_CHECKING:
    from collections.abc import Callable

ZONE = """\
$TTL 86400
. IN SOA a.root-servers.net. nstld. 2026010100 1800 900 604800 86400
. IN NS a.root-servers.net.
a.root-servers.net. IN A 198.41.0.4
com. IN NS a.gtld-servers.net.
com. IN DS 19718 13 2 8acbb0cd28f41250a80a491389424d341522d946b0da0c0291f2d3d771d7805a
a.gtld-servers.net. IN A 192.5.6.30
org. IN NS a0.org.afilias-nst.info.
"""
CONFIG = """\
server:
    rundir: {folder}
database:
    storage: {folder}/db
policy:
  - id: one
    algorithm: ecdsap256sha256
    single-type-signing: on
template:
  - id: default
    storage: {folder}
    zonefile-sync: -1
    journal-content: none
zone:
  - domain: .
    file: {folder}/plain.zone
    dnssec-signing: on
    dnssec-policy: one
    zonemd-generate: zonemd-sha{bits}
"""


def run(*command: object) -> str:
    done = subprocess.run(list(map(str, command)), capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"{command}: {done.stdout}{done.stderr}"
    return done.stdout


@pytest.fixture(scope="module", params=[384, 512])
def signed(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    """The zone signed by Knot, one record a line, and its DS record."""
    for tool in ("kzonesign", "keymgr", "named"):
        if shutil.which(tool) is None:
            pytest.skip(f"{tool} is not installed")
    folder = tmp_path_factory.mktemp("root")
    (folder / "plain.zone").write_text(ZONE)
    config = folder / "knot.conf"
    config.write_text(CONFIG.format(folder=folder, bits=request.param))
    (folder / "out").mkdir()
    (folder / "db").mkdir()
    run("keymgr", "-c", config, ".", "generate", "algorithm=ecdsap256sha256", "ksk=yes", "zsk=yes")
    run("kzonesign", "-c", config, "-o", folder / "out", ".")
    ds = next(line for line in run("keymgr", "-c", config, ".", "ds").splitlines() if " 13 2 " in line)
    owner, rest = ds.split(None, 1)
    (made,) = (folder / "out").iterdir()
    return made, f"{owner} 3600 IN {rest}"


def test_a_copy_comes_from_bind(signed: tuple[Path, str], tmp_path: Path) -> None:
    file, ds = signed
    where = peers.free_address("127.0.0.1")
    with peers.running(peers.bind(tmp_path / "bind", where, {".": file}).answers(".")):
        zone = transfer(".", Endpoint(*where), None, Limits(1 << 20, 1000, 20.0))
    assert zone is not None and zone.to_text() == Zone.from_file(".", file).to_text()
    assert verify_zonemd(zone, int(time.time()), [RRset.from_text(ds)]) in ("SHA-384", "SHA-512")


def lines(drop: str, put: str = "") -> Callable[[str], str]:
    """Return what replaces the lines that hold *drop*."""
    return lambda text: "".join(
        put if drop in " ".join(line.split()) else line for line in text.splitlines(True)
    )


def unbound(
    request: pytest.FixtureRequest, folder: Path, where: peers.Where, copy: str, ds: str
) -> peers.Server:
    """Start Unbound with the *copy* of the root, without anybody to ask: that of `PEERS_ROOT` if there is one."""
    root = os.environ.get("PEERS_ROOT")
    if root is not None and os.geteuid() == 0:
        own = tempfile.TemporaryDirectory(dir=f"{root}/tmp")
        request.addfinalizer(own.cleanup)
        folder = Path(own.name)
    inside = str(folder).removeprefix(root or "")
    (folder / "copy.zone").write_text(copy)
    (folder / "unbound.conf").write_text(
        f"""\
server:
 username: ""
 chroot: ""
 directory: "{inside}"
 pidfile: ""
 use-syslog: no
 do-daemonize: no
 interface: {where[0]}
 port: {where[1]}
 trust-anchor: "{ds}"
auth-zone:
 name: "."
 zonefile: "{inside}/copy.zone"
 zonemd-check: yes
 zonemd-reject-absence: yes
 for-upstream: yes
 for-downstream: no
 fallback-enabled: no
remote-control:
 control-enable: no
"""
    )
    command = ["/usr/sbin/unbound", "-d", "-c", f"{inside}/unbound.conf"]
    return peers.Server(
        command if inside == str(folder) else ["chroot", root or "/", *command], folder, where
    )


COPIES: dict[str, tuple[Callable[[str], str], bool]] = {
    "as signed": (lambda text: text, True),
    "glue changed": (lambda text: text.replace("192.5.6.30", "192.5.6.31"), False),
    "a delegation added": (lambda text: text + "net. 86400 IN NS a.gtld-servers.net.\n", False),
    "without a record": (lines("a0.org.afilias-nst.info."), False),
    "without ZONEMD": (lines(" ZONEMD 2"), False),
    "without the signature of ZONEMD": (lines("RRSIG ZONEMD"), False),
    "without the signature of the SOA": (lines("RRSIG SOA"), False),
    "without keys": (lines("DNSKEY 257"), False),
}


@pytest.mark.parametrize("case", COPIES)
def test_unbound_has_the_same_verdict(
    request: pytest.FixtureRequest, signed: tuple[Path, str], tmp_path: Path, case: str
) -> None:
    change, good = COPIES[case]
    file, ds = signed
    text = change(file.read_text())
    assert good or text != file.read_text(), "nothing was changed"
    copy = tmp_path / "copy.zone"
    copy.write_text(text)
    where = peers.free_address("127.0.0.1")
    with peers.running(unbound(request, tmp_path, where, text, ds)) as server:
        asked = ["dig", f"@{where[0]}", "-p", str(where[1]), "+time=5", "+tries=1", "nonexistent-tld", "A"]
        said = ""

        def replies() -> bool:
            nonlocal said
            said = subprocess.run(asked, capture_output=True, text=True, check=False).stdout
            return "status:" in said

        server.until(replies, "asking Unbound")
    assert ("status: NXDOMAIN" in said) == good, said + server.text
    try:
        verdict = (
            verify_zonemd(Zone.from_file(".", copy), int(time.time()), [RRset.from_text(ds)]) is not None
        )
    except ValueError:
        verdict = False
    assert verdict == good


@pytest.mark.parametrize("case", COPIES)
def test_nw_dnssec_verify_and_ldns_have_the_same_verdict(
    signed: tuple[Path, str], tmp_path: Path, case: str
) -> None:
    if shutil.which("ldns-verify-zone") is None:
        pytest.skip("ldns-verify-zone is not installed")
    change, good = COPIES[case]
    copy = tmp_path / "copy.zone"
    copy.write_text(change(signed[0].read_text()))
    commands = (
        ["ldns-verify-zone", "-Z", "-Z", copy],
        [peers.NW, "dnssec", "verify", copy, "--origin", "."],
    )
    theirs, ours = (
        subprocess.run(list(map(str, command)), capture_output=True, text=True, check=False)
        for command in commands
    )
    assert (theirs.returncode == 0) == good, theirs.stdout + theirs.stderr
    assert (ours.returncode == 0) == good, ours.stdout + ours.stderr
    assert not good or "digest is that of the zone" in ours.stdout, ours.stdout


def test_a_server_uses_a_copy_from_bind(signed: tuple[Path, str], tmp_path: Path) -> None:
    file, ds = signed
    theirs, ours = peers.free_address("127.0.0.1"), peers.free_address("127.0.0.1")
    folder = tmp_path / "namewise"
    folder.mkdir()
    (folder / "anchor").write_text(ds + "\n")
    config = folder / "namewise.toml"
    config.write_text(
        f"""\
[server]
state = "{folder}/state"
[[listen]]
address = "{ours[0]}"
port = {ours[1]}
[resolver]
trust_anchor = "{folder}/anchor"
validation = "on"
# No packet leaves this machine: what the copy does not answer fails.
routes = {{ "192.0.2.0/24" = "127.0.0.1:9" }}
[local_root]
primaries = ["{theirs[0]}:{theirs[1]}"]
"""
    )
    with (
        peers.running(peers.bind(tmp_path / "bind", theirs, {".": file}).answers(".")),
        peers.running(peers.namewise(folder, None, "--config", config)) as server,
    ):
        server.says("digest verified")
        ask = ["dig", f"@{ours[0]}", "-p", str(ours[1]), "+dnssec", "+time=10", "+tries=1"]
        denied = run(*ask, "nonexistent-tld", "A")
        assert "status: NXDOMAIN" in denied and " ad" in denied and " aa" not in denied, denied
        ds_of_com = run(*ask, "com", "DS")
        assert (
            "status: NOERROR" in ds_of_com and "8ACBB0CD28F41250A80A491389424D341522D946B0DA0C02" in ds_of_com
        )
        assert " ad" in ds_of_com, ds_of_com
    assert (folder / "state/root.zone").exists()

"""Zones that `nw dnssec sign` signs are right for dnssec-verify, ldns-verify-zone and kzonecheck: every algorithm and chain."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from typing import TYPE_CHECKING

import internet
import pytest
from peers import NW

if TYPE_CHECKING:
    from pathlib import Path

ZONE = internet.HEAD.format(server="ns1.sign.lab.") + internet.DATA
ZONE += "sub NS ns.sub\nns.sub A 192.0.2.4\nsafe NS ns1\nsafe DS 1 13 2 " + "00" * 32 + "\n"
ZONE += "deep.empty TXT x\n*.wild A 192.0.2.5\nmoved DNAME other.lab.\n"
ALGORITHMS = ("rsasha256", "rsasha512", "ecdsap256sha256", "ecdsap384sha384", "ed25519", "ed448")
CHAINS = {"nsec": [], "nsec3": ["--nsec3"], "opt-out": ["--nsec3", "--opt-out"]}
CHECKS = (
    ["dnssec-verify", "-q", "-o", "sign.lab.", "signed"],
    ["ldns-verify-zone", "-V", "1", "signed"],
    ["kzonecheck", "-o", "sign.lab.", "-d", "on", "signed"],
)


def sign(folder: Path, *options: str, file: str = "zone") -> dict[str, object]:
    """Return what `nw dnssec sign` says of a zone in *folder*, written to the file `signed`."""
    words = ["dnssec", "sign", file, "--origin", "sign.lab.", "--output", "signed", "--json", *options]
    done = subprocess.run([NW, *words], cwd=folder, capture_output=True, text=True, check=True)
    return json.loads(done.stdout)


def run(folder: Path, words: list[str]) -> subprocess.CompletedProcess[str]:
    return subprocess.run(words, cwd=folder, capture_output=True, text=True, check=False, timeout=60)


@pytest.mark.parametrize("chain", CHAINS)
@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_signed_zones_are_right_for_others(tmp_path: Path, algorithm: str, chain: str) -> None:
    (tmp_path / "zone").write_text(ZONE)
    roles = "csk" if chain == "nsec3" else "ksk-zsk"
    options = ("--keys", "keys", "--roles", roles, "--algorithm", algorithm, *CHAINS[chain])
    first = sign(tmp_path, "--jitter", "1d", *options)
    # Signed again after a change, most signatures stay.
    (tmp_path / "changed").write_text((tmp_path / "signed").read_text() + "new.sign.lab. 60 IN A 192.0.2.9\n")
    second = sign(tmp_path, "--serial", "increment", *options, file="changed")
    assert (first["keys_made"], second["keys_made"]) == (True, False)
    assert second["kept"] > first["signatures"] * 2 // 3
    for check in CHECKS:
        if shutil.which(check[0]):
            # dnssec-verify: a key with the SEP flag may sign everything.
            csk = ["-z"] if (roles, check[0]) == ("csk", "dnssec-verify") else []
            done = run(tmp_path, [*check[:-1], *csk, check[-1]])
            assert done.returncode == 0, (check, done.stdout, done.stderr)


@pytest.mark.parametrize("digest", ["sha384", "sha512"])
@pytest.mark.parametrize(
    ("chain", "check"),
    [
        # ldns-verify-zone 1.8.3 does not end if the zone has ZONEMD and NSEC3 without iterations, even one of ldns-signzone.
        ("nsec", ["ldns-verify-zone", "-ZZ", "signed"]),
        ("nsec", ["kzonecheck", "-o", "sign.lab.", "-d", "on", "signed"]),
        ("opt-out", ["kzonecheck", "-o", "sign.lab.", "-d", "on", "signed"]),
    ],
)
def test_digests_are_right_for_others(tmp_path: Path, digest: str, chain: str, check: list[str]) -> None:
    if shutil.which(check[0]) is None:
        pytest.skip(f"{check[0]} is not installed")
    (tmp_path / "zone").write_text(ZONE)
    sign(tmp_path, "--zonemd", digest, *CHAINS[chain])
    done = run(tmp_path, check)
    assert done.returncode == 0, (done.stdout, done.stderr)
    text = (tmp_path / "signed").read_text()
    other = re.sub(
        r"(\tZONEMD\t\d+ 1 \d )(\w\w)", lambda found: found[1] + f"{int(found[2], 16) ^ 1:02x}", text
    )
    assert other != text
    (tmp_path / "signed").write_text(other)
    assert run(tmp_path, check).returncode != 0


def test_keys_of_bind_sign_and_bind_signs_with_ours(tmp_path: Path) -> None:
    if shutil.which("dnssec-keygen") is None:
        pytest.skip("BIND's tools are not installed")
    (tmp_path / "zone").write_text(ZONE)
    keygen = ["dnssec-keygen", "-q", "-a", "ECDSAP256SHA256", "-K", "."]
    for flags in (
        ["-f", "KSK"],
        [],
        ["-P", "now", "-A", "+1y"],
        ["-P", "-2y", "-A", "-2y", "-I", "-1y", "-D", "-1d"],
    ):
        subprocess.run([*keygen, *flags, "sign.lab."], cwd=tmp_path, capture_output=True, check=True)
    said = sign(tmp_path, "--keys", ".")
    assert len(said["keys"]) == 3 and not said["keys_made"]  # type: ignore[arg-type]
    words = ["dnssec-verify", "-q", "-o", "sign.lab.", "signed"]
    assert run(tmp_path, words).returncode == 0
    said = sign(tmp_path, "--keys", "ours", "--roles", "ksk-zsk")
    keys = [f"ours/{stem}" for stem in said["keys"]]  # type: ignore[attr-defined]
    (tmp_path / "zone").write_text(ZONE + "".join((tmp_path / f"{key}.key").read_text() for key in keys))
    words = ["dnssec-signzone", "-q", "-o", "sign.lab.", "-f", "theirs", "zone", *keys]
    done = run(tmp_path, words)
    assert done.returncode == 0, done.stderr
    theirs = (tmp_path / "dsset-sign.lab.").read_text()
    assert str(said["ds"][0]).split()[3] in theirs.replace(" ", "")  # type: ignore[index]

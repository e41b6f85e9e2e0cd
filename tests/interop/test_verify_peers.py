"""`nw dnssec verify` agrees with BIND's dnssec-verify and ldns-verify-zone."""

from __future__ import annotations

import re
import shutil
import subprocess
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

import internet
import pytest
from peers import NW

if TYPE_CHECKING:
    from pathlib import Path

ZONE = (
    internet.HEAD.format(server="ns1.verify.lab.")
    + internet.DATA
    + "sub NS ns1\nsafe NS ns1\nsafe DS 1 13 2 "
)
ZONE += "00" * 32 + "\n"
CHAINS: dict[str, tuple[str, ...]] = {
    "nsec": (),
    "nsec3": ("-3", "-"),
    "salted": ("-3", "abcd", "-H", "3"),
    "opt-out": ("-3", "-", "-A"),
}
Text = Callable[[str], str]


def lines(drop: str) -> Text:
    """Return what takes the lines that match *drop* out."""
    return lambda text: "".join(line for line in text.splitlines(True) if not re.match(drop, line))


def replaced(old: str, new: str) -> Text:
    """Return what replaces the first *old*."""
    return lambda text: text.replace(old, new, 1)


DAMAGE: Mapping[str, Text] = {
    # what is done to one record a line: owner TTL class type data
    "changed data": replaced("198.51.100.1\n", "198.51.100.9\n"),
    "record gone": lines(r"www\.verify\.lab\.\s+\d+\s+IN\s+AAAA\s"),
    "signature gone": lines(r"www\.verify\.lab\.\s+\d+\s+IN\s+RRSIG\s+A\s"),
    "signatures of the SOA gone": lines(r"verify\.lab\.\s+\d+\s+IN\s+RRSIG\s+SOA\s"),
    "proof gone": lines(
        r"mail\.verify\.lab\.\s+\d+\s+IN\s+(RRSIG\s+)?NSEC\s"
        r"|[A-V0-9]{32}\S*\s+\d+\s+IN\s+NSEC3\s.* MX RRSIG$"
    ),
    "unsigned name": lambda text: text + "zz.verify.lab. 300 IN A 198.51.100.9\n",
    "keys gone": lines(r"verify\.lab\.\s+\d+\s+IN\s+(RRSIG\s+)?DNSKEY\s"),
}


@pytest.fixture(scope="module")
def signed(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """The zone signed with each chain, one record a line, and the same with signatures that have expired."""
    if shutil.which("dnssec-signzone") is None:
        pytest.skip("dnssec-signzone is not installed")
    made = {}
    for chain, options in CHAINS.items():
        folder = tmp_path_factory.mktemp(chain)
        path = internet.sign(folder, "verify.lab.", ZONE, "-O", "full", *options)
        made[chain] = path.read_text()
        if chain == "nsec":
            past = ("-s", "20200101000000", "-e", "20200201000000", "-O", "full")
            made["expired"] = internet.sign(folder, "verify.lab.", ZONE, *past).read_text()
    return made


def verdicts(folder: Path, text: str) -> dict[str, bool]:
    """Return who says that the zone verifies."""
    file = folder / "zone"
    file.write_text(text)
    commands = {
        "nw": [str(NW), "dnssec", "verify", str(file), "--origin", "verify.lab."],
        "dnssec-verify": ["dnssec-verify", "-q", "-o", "verify.lab.", str(file)],
        "ldns-verify-zone": ["ldns-verify-zone", str(file)],
    }
    said = {}
    for who, command in commands.items():
        if who == "nw" or shutil.which(command[0]):
            done = subprocess.run(command, capture_output=True, text=True, check=False)
            assert who != "nw" or done.returncode in (0, 1), done.stderr
            said[who] = done.returncode == 0
    return said


@pytest.mark.parametrize("chain", CHAINS)
def test_zones_signed_by_dnssec_signzone_verify(signed: dict[str, str], tmp_path: Path, chain: str) -> None:
    assert set(verdicts(tmp_path, signed[chain]).values()) == {True}


def test_expired_zones_do_not_verify(signed: dict[str, str], tmp_path: Path) -> None:
    assert set(verdicts(tmp_path, signed["expired"]).values()) == {False}


@pytest.mark.parametrize("damage", DAMAGE)
@pytest.mark.parametrize("chain", CHAINS)
def test_damaged_zones_do_not_verify(signed: dict[str, str], tmp_path: Path, chain: str, damage: str) -> None:
    text = DAMAGE[damage](signed[chain])
    assert text != signed[chain], "nothing was damaged"
    said = verdicts(tmp_path, text)
    if damage == "record gone":
        # The NSEC says that the name has AAAA (RFC 4035 §2.3); ldns does not hold it against what is there.
        said.pop("ldns-verify-zone", None)
    assert set(said.values()) == {False}, said

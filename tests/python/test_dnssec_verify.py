"""`nw dnssec verify` on zones signed by BIND's dnssec-signzone, both intact and damaged."""

from __future__ import annotations

import json
import shutil
import subprocess
from typing import TYPE_CHECKING, Any

import pytest
from commands import nw

from namewise.engine import Zone, verify_zone

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.skipif(
    shutil.which("dnssec-signzone") is None, reason="BIND's tools are not installed"
)

ZONE = """\
$ORIGIN example.com.
$TTL 3600
@ IN SOA ns1 admin 1 3600 900 604800 300
@ NS ns1
ns1 A 192.0.2.53
www A 192.0.2.1
*.wild A 192.0.2.2
deep.empty A 192.0.2.3
sub NS ns.sub
ns.sub A 192.0.2.4
secure NS ns.sub
secure DS 60485 13 2 D4B7D520E7BB5F0F67674A0CCEB1E3E0614B93C4F9E99B8383F6A1E4469DA50A
"""
BEGIN, DURING, END = 1_704_067_200, 1_705_000_000, 1_706_745_600
FORMS = {"nsec": [], "nsec3": ["-3", "aabb", "-H", "5"], "opt-out": ["-3", "-", "-A", "-H", "0"]}


@pytest.fixture(scope="module")
def signed(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """Return the text of the zone, signed in each form."""
    folder = tmp_path_factory.mktemp("signed")

    def run(*args: str) -> str:
        return subprocess.run(args, cwd=folder, capture_output=True, text=True, check=True).stdout.strip()

    keygen = ("dnssec-keygen", "-q", "-a", "ECDSAP256SHA256")
    keys = [run(*keygen, "-f", "KSK", "example.com"), run(*keygen, "example.com")]
    (folder / "db").write_text(ZONE + "".join((folder / f"{key}.key").read_text() for key in keys))
    texts = {}
    for form, flags in FORMS.items():
        times = ("-s", "20240101000000", "-e", "20240201000000")
        run("dnssec-signzone", "-q", "-P", *times, *flags, "-o", "example.com", "-f", form, "db", *keys)
        texts[form] = (folder / form).read_text()
    return texts


def verify(text: str | Zone, now: int) -> dict[str, Any]:
    """Return the report on a zone at *now*."""
    zone = text if isinstance(text, Zone) else Zone.from_text("example.com.", text)
    report: dict[str, Any] = json.loads(verify_zone(zone, now))
    return report


def found(report: dict[str, Any]) -> set[tuple[str, str, str]]:
    """Return owner, type and code of each problem."""
    return {(problem["owner"], problem["type"], problem["code"]) for problem in report["problems"]}


@pytest.mark.parametrize("form", FORMS)
def test_zones_signed_by_bind_verify(signed: dict[str, str], form: str) -> None:
    report = verify(signed[form], DURING)
    # Salt and iterations are allowed, and not recommended (RFC 9276 §3.1).
    assert {code for _, _, code in found(report)} == ({"NSEC3_PARAMETERS"} if form == "nsec3" else set())
    assert report["errors"] == 0
    assert [chain["type"] for chain in report["chains"]] == ["NSEC" if form == "nsec" else "NSEC3"]
    assert report["chains"][0].get("opt_out", False) == (form == "opt-out")
    assert report["first_expiration"] == END
    # Both keys sign the DNSKEY RRset.
    assert sum(key["signs"] for key in report["keys"]) == report["signatures"] == report["rrsets"] + 1


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize(("now", "code"), [(BEGIN - 1, "NOT_YET_VALID"), (END + 1, "EXPIRED")])
def test_signatures_have_a_validity_period(signed: dict[str, str], form: str, now: int, code: str) -> None:
    report = verify(signed[form], now)
    assert report["errors"] == report["signatures"]
    assert code in {problem["code"] for problem in report["problems"]}


@pytest.mark.parametrize("form", FORMS)
def test_a_changed_record_is_found(signed: dict[str, str], form: str) -> None:
    report = verify(signed[form].replace("192.0.2.1\n", "192.0.2.9\n"), DURING)
    assert report["errors"] == 1
    assert ("www.example.com.", "A", "BAD_SIGNATURE") in found(report)


def test_a_hole_in_the_chain_is_found(signed: dict[str, str]) -> None:
    edit = Zone.from_text("example.com.", signed["nsec"]).edit()
    edit.delete("www.example.com.", "NSEC")
    assert ("www.example.com.", "NSEC", "NSEC_MISSING") in found(verify(edit.commit("keep"), DURING))


def test_an_unsigned_record_is_found(signed: dict[str, str]) -> None:
    report = verify(signed["nsec"] + "new.example.com. 60 A 192.0.2.7\n", DURING)
    assert found(report) >= {
        ("new.example.com.", "A", "UNSIGNED"),
        ("new.example.com.", "NSEC", "NSEC_MISSING"),
    }


def test_the_command(signed: dict[str, str], tmp_path: Path) -> None:
    file = tmp_path / "example.com.zone"
    file.write_text(signed["opt-out"])
    done = nw("dnssec", "verify", str(file), "--at", "20240115000000")
    assert (done.returncode, done.stderr) == (0, "")
    assert "NSEC3 records, opt-out\n" in done.stdout
    assert "first signature to expire: 2024-02-01T00:00:00Z\n" in done.stdout
    done = nw("dnssec", "verify", str(file), "--at", "2025-01-15")
    assert done.returncode == 1
    assert "zone example.com. does not verify at 2025-01-15T00:00:00Z" in done.stderr
    done = nw("dnssec", "verify", str(file), "--at", "2025-01-15", "--json")
    assert (done.returncode, json.loads(done.stdout)["at"]) == (1, "2025-01-15T00:00:00Z")


@pytest.mark.parametrize(
    ("args", "code", "said"),
    [
        (["gone"], 2, "gone: No such file or directory"),
        (["db", "--origin", "example.net"], 2, "is not a zone file of example.net."),
        (["db", "--anchor", "gone"], 2, "cannot read gone"),
        (["db", "--anchor", "other"], 2, "no DS or DNSKEY of example.com.: it has those of example.org."),
        (["db", "--at", "tomorrow"], 1, "--at: 'tomorrow' is not a time"),
        ([], 1, "an argument is missing"),
    ],
)
def test_unverifiable_zones_are_reported(
    signed: dict[str, str], tmp_path: Path, args: list[str], code: int, said: str
) -> None:
    (tmp_path / "db").write_text(signed["nsec"])
    (tmp_path / "other").write_text(f"example.org. DS {60485} 13 2 {'00' * 32}\n")
    places = [str(tmp_path / arg) if arg in ("db", "other") else arg for arg in args]
    done = nw("dnssec", "verify", *places)
    assert (done.returncode, said in done.stderr) == (code, True), done.stderr

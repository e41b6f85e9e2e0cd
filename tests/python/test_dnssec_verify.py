"""`nw dnssec verify` on zones that BIND's dnssec-signzone signed, whole and damaged."""

from __future__ import annotations

import shutil
import subprocess
from typing import TYPE_CHECKING

import pytest
from commands import nw

from namewise.engine import Zone
from namewise.tools.verify import verify_zone

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


@pytest.mark.parametrize("form", FORMS)
def test_what_bind_signed_holds(signed: dict[str, str], form: str) -> None:
    report = verify_zone(Zone.from_text("example.com.", signed[form]), DURING)
    assert [str(finding) for finding in report.findings] == []
    assert report.chain == ("NSEC" if form == "nsec" else "NSEC3")
    assert report.expires == END
    assert sum(report.keys.values()) == report.rrsets + 1  # the DNSKEY RRset has two


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize(("now", "said"), [(BEGIN - 1, "not valid before"), (END + 1, "expired")])
def test_signatures_have_their_time(signed: dict[str, str], form: str, now: int, said: str) -> None:
    report = verify_zone(Zone.from_text("example.com.", signed[form]), now)
    assert any(said in finding.message for finding in report.findings)


@pytest.mark.parametrize("form", FORMS)
def test_a_changed_record_is_found(signed: dict[str, str], form: str) -> None:
    report = verify_zone(
        Zone.from_text("example.com.", signed[form].replace("192.0.2.1\n", "192.0.2.9\n")), DURING
    )
    assert {(finding.owner, finding.type) for finding in report.findings} == {("www.example.com.", "A")}


def test_a_hole_in_the_chain_is_found(signed: dict[str, str]) -> None:
    zone = Zone.from_text("example.com.", signed["nsec"])
    edit = zone.edit()
    edit.delete("www.example.com.", "NSEC")
    report = verify_zone(edit.commit("keep"), DURING)
    assert "www.example.com. NSEC: the name has no NSEC record" in map(str, report.findings)


def test_an_unsigned_record_is_found(signed: dict[str, str]) -> None:
    report = verify_zone(
        Zone.from_text("example.com.", signed["nsec"] + "new.example.com. 60 A 192.0.2.7\n"), DURING
    )
    assert {str(finding) for finding in report.findings} >= {
        "new.example.com. A: has no signature",
        "new.example.com. NSEC: the name has no NSEC record",
    }


def test_the_command(signed: dict[str, str], tmp_path: Path) -> None:
    file = tmp_path / "example.com.zone"
    file.write_text(signed["nsec3"])
    done = nw("dnssec", "verify", str(file), "--at", "20240115000000")
    assert done.returncode == 0
    assert "NSEC3 chain of" in done.stdout
    assert "the first signature expires 2024-02-01T00:00:00.000Z" in done.stdout
    done = nw("dnssec", "verify", str(file), "--at", "20250115000000")
    assert done.returncode == 1
    assert "mistakes in zone example.com." in done.stderr

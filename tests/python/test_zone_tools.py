"""`nw zone rules`, `fmt`, `diff`, `import`, `export`, and the options of `check`."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from typing import TYPE_CHECKING

import pytest
from commands import nw
from primary import Primary

from namewise.engine import Zone, zone_rules
from namewise.zones import octodns, windows
from namewise.zones.text import proved_text

if TYPE_CHECKING:
    from pathlib import Path

HEAD = "@ SOA ns1 admin 1 4h 1h 2w 5m\n@ NS ns1\n@ NS ns.example.org.\n@ MX 10 ns1\nns1 A 9.9.9.9\n"
RECORDS = """\
a 60 A 9.9.9.1
a A 9.9.9.2
*.w AAAA 2a00::1
t TXT "a \\"b\\"; c" "d" \\195\\164
c CAA 128 issue "ca.example.net; account=1"
s SRV 1 2 443 a
m TLSA 3 1 1 0000000000000000000000000000000000000000000000000000000000000000
f SSHFP 4 2 0000000000000000000000000000000000000000000000000000000000000000
h HTTPS 1 . alpn="h2,h3" no-default-alpn port=8443 ipv4hint=9.9.9.1
n NAPTR 10 20 "U" "E2U+sip" "!^.*$!sip:a@example.com!" .
u URI 10 1 "https://example.com/a;b"
l LOC 52 22 23.000 N 4 53 32.000 E -2.00m 1m 10000m 10m
d NS ns.d
ns.d A 9.9.9.3
d DS 12345 13 2 0000000000000000000000000000000000000000000000000000000000000000
\\$dollar CNAME a
"""


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "db.example.com"
    path.write_text(f"$TTL 1h\n{HEAD}{RECORDS}")
    return path


def test_rules_are_listed_with_what_they_report() -> None:
    rules = json.loads(nw("zone", "rules", "--json").stdout)
    assert len(rules) == len(zone_rules()) == len({rule["id"] for rule in rules})
    assert set(rules[0]) == {"id", "severity", "about", "rfc", "remedy"}
    lines = nw("zone", "rules").stdout.splitlines()
    assert len(lines) == len(rules)
    (line,) = [line for line in lines if " apex-cname " in line]
    assert line.startswith("error ") and "a CNAME at the apex (RFC 1912 §2.4)" in line


def test_rules_are_selected_and_warnings_can_fail(tmp_path: Path) -> None:
    file = tmp_path / "example.com.zone"
    file.write_text(f"$TTL 1h\n{HEAD}a 0 MX 10 nowhere\n")

    def ids(*options: str) -> tuple[int, list[str]]:
        done = nw("zone", "check", str(file), "--json", *options)
        return done.returncode, [finding["id"] for finding in json.loads(done.stdout)["findings"]]

    assert ids() == (0, ["ttl-zero", "target-missing"])
    assert ids("--only", "ttl-zero,spf-all") == (0, ["ttl-zero"])
    assert ids("--ignore", "ttl-zero", "--ignore", "spf-all") == (0, ["target-missing"])
    assert ids("--strict") == (1, ["ttl-zero", "target-missing"])
    assert ids("--strict", "--ignore", "target-missing") == (0, ["ttl-zero"])
    assert "Did you mean ttl-zero?" in nw("zone", "check", str(file), "--only", "ttl-zer").stderr
    assert "no-soa is an error" in nw("zone", "check", str(file), "--ignore", "no-soa").stderr


def test_signatures_are_judged_at_the_given_time(tmp_path: Path) -> None:
    file = tmp_path / "example.com.zone"
    signature = "RRSIG A 13 3 3600 20260701000000 20260501000000 1 example.com. AAAA"
    file.write_text(f"$TTL 1h\n{HEAD}ns1 {signature}\n")
    for at, expected in (
        ("2026-06-01", "OK\n"),
        ("2026-08-01", "OK, 1 warning\n"),
        ("2026-04-01", "OK, 1 warning\n"),
    ):
        done = nw("zone", "check", str(file), "--at", at, "--only", "signature-expired,signature-future")
        assert done.stdout.endswith(expected), at


def test_a_rule_with_many_findings_is_shown_in_part(tmp_path: Path) -> None:
    file = tmp_path / "example.com.zone"
    file.write_text(f"$TTL 1h\n{HEAD}" + "".join(f"h{number} 0 A 9.9.9.9\n" for number in range(150)))
    done = nw("zone", "check", str(file))
    assert done.stdout.count("has the TTL 0") == 10
    assert "and 140 more [info: ttl-zero]\n" in done.stdout
    report = json.loads(nw("zone", "check", str(file), "--json").stdout)
    assert (report["counts"], report["infos"], len(report["findings"])) == ({"ttl-zero": 150}, 150, 100)


def test_a_file_is_formatted_in_place_once(file: Path) -> None:
    os.chmod(file, 0o640)
    before = Zone.from_file("example.com", file).to_text()
    arguments = ("zone", "fmt", str(file), "--origin", "example.com")
    assert nw(*arguments, "--check").returncode == 3
    printed = nw(*arguments)
    assert printed.returncode == 0
    assert nw(*arguments, "--write").returncode == 0
    assert file.read_text() == printed.stdout
    assert file.stat().st_mode & 0o777 == 0o640
    assert nw(*arguments, "--check").returncode == 0
    assert Zone.from_file("example.com", file).to_text() == before
    expanded = nw(*arguments, "--expand")
    assert Zone.from_text("example.com", expanded.stdout).to_text() == before
    assert expanded.stdout.startswith("$ORIGIN example.com.\n$TTL 3600\n@ ")


def test_a_zone_with_errors_is_not_formatted(tmp_path: Path) -> None:
    file = tmp_path / "example.com.zone"
    text = f"$TTL 1h\n{HEAD}x  A 9.9.9.999\n"
    file.write_text(text)
    done = nw("zone", "fmt", str(file), "--write")
    assert done.returncode == 1 and f"{file}:7:6: bad A data" in done.stderr
    assert file.read_text() == text


def test_zones_are_compared_by_rrset(file: Path, tmp_path: Path) -> None:
    other = tmp_path / "other.zone"
    text = file.read_text().replace("admin 1 ", "admin 2 ").replace("a A 9.9.9.2", "A 60 A 9.9.9.4")
    other.write_text(text.replace("*.w AAAA", "*.w 5m AAAA").replace("s SRV 1 2 443 a\n", "new TXT x\n"))
    arguments = ("zone", "diff", str(file), str(other), "--origin", "example.com", "--ignore-serial")
    done = nw(*arguments)
    assert done.returncode == 3
    assert done.stdout.splitlines() == [
        "- a.example.com. 60 A 9.9.9.2",
        "+ a.example.com. 60 A 9.9.9.4",
        '+ new.example.com. 3600 TXT "x"',
        "- s.example.com. 3600 SRV 1 2 443 a.example.com.",
        "~ *.w.example.com. AAAA: TTL 3600 -> 300",
    ]
    report = json.loads(nw(*arguments, "--json").stdout)
    assert (report["serial"], report["equal"], len(report["changes"])) == ({"old": 1, "new": 2}, False, 4)
    assert report["changes"][3]["ttl"] == {"old": 3600, "new": 300}
    assert nw("zone", "diff", str(file), str(file), "--origin", "example.com").returncode == 0
    assert "example.com. 3600 SOA" in nw(*arguments[:-1]).stdout


def test_a_zone_of_a_server_is_read_like_a_file(file: Path, tmp_path: Path) -> None:
    zone = Zone.from_file("example.com", file)
    primary = Primary(zone.to_text())
    done = nw("zone", "diff", str(file), f"@{primary.where}", "--origin", "example.com")
    assert (done.returncode, done.stdout) == (0, ""), done.stderr
    imported = nw("zone", "import", f"@{primary.where}", "--origin", "example.com")
    assert Zone.from_text("example.com", imported.stdout).to_text() == zone.to_text()
    primary.close()
    done = nw("zone", "export", f"@{primary.where}", "--origin", "example.com")
    assert done.returncode == 1 and f"@{primary.where}: " in done.stderr
    assert "--origin names the zone" in nw("zone", "export", f"@{primary.where}").stderr


def test_octodns_keeps_every_record_that_it_has_a_form_for(file: Path, tmp_path: Path) -> None:
    zone = Zone.from_file("example.com", file)
    text, left_out = octodns.from_zone(zone)
    assert left_out == []
    yaml = tmp_path / "example.com.yaml"
    yaml.write_text(text)
    soa = "ns1 admin 1 14400 3600 1209600 300"
    done = nw("zone", "import", str(yaml), "--soa", soa)
    assert done.returncode == 0, done.stderr
    ours, theirs = Zone.from_text("example.com", done.stdout), zone
    strings = "".join(str(rdata) for rdata in ours.rrset("t.example.com", "TXT") or ())
    assert strings == '"a \\"b\\"; cd\\195\\164"', "octoDNS joins the strings of a text"
    # The difference has the SOA of both at its beginning.
    difference = ours.difference(theirs)
    assert difference.removed[0] == difference.added[0]
    differing = (*difference.removed[1:], *difference.added[1:])
    assert {(str(rrset.owner), rrset.type) for rrset in differing} <= {("t.example.com.", "TXT")}


def test_octodns_as_people_write_it() -> None:
    text = """
'':
  - type: MX
    ttl: 300
    values:
      - {exchange: mail.example.com., priority: 10}
      - {value: mail2.example.com., preference: 20}
  - {type: NS, values: [ns1.example.com., ns2.example.com.]}
www: {type: CNAME, value: a.example.com.}
long: {type: TXT, value: 'v=DKIM1\\; p=LONG'}
svc: {type: HTTPS, value: {svcpriority: 1, targetname: ., svcparams: {alpn: [h2, h3], no-default-alpn: null}}}
""".replace("LONG", "x" * 300)
    records = octodns.zone_text(text, "example.com")
    zone = Zone.from_text("example.com", f"{records}@ 60 SOA ns1 admin 1 2 3 4 5\n")
    mail = zone.rrset("example.com", "MX")
    assert mail is not None and [str(one) for one in mail] == [
        "10 mail.example.com.",
        "20 mail2.example.com.",
    ]
    (long,) = zone.rrset("long.example.com", "TXT") or ()
    assert len(str(long).split('" "')) == 2 and "v=DKIM1; p=xxx" in str(long)
    (service,) = zone.rrset("svc.example.com", "HTTPS") or ()
    assert str(service) == '1 . alpn="h2,h3" no-default-alpn'
    for bad, message in (
        ("a: {type: ALIAS, value: b.}", "ALIAS is not a type that a zone holds"),
        ("a: {type: MX, value: {exchange: b.}}", "MX: "),
        ("a: [1]", "a record is a table with a type"),
        ("- a", "not a table of names"),
        ("a: {type: A, ttl: x, value: 9.9.9.9}", "not a number of seconds"),
        ("{", "not YAML"),
    ):
        with pytest.raises(octodns.OctodnsError, match=message):
            octodns.zone_text(bad, "example.com")


def test_a_file_of_a_windows_server_is_converted(tmp_path: Path) -> None:
    file = tmp_path / "0.168.192.in-addr.arpa.dns"
    text = (
        ";\n;  Database file 0.168.192.in-addr.arpa.dns for zone.\n;\n\n"
        "@                       IN  SOA dc1.corp.example. hostmaster.corp.example. (\n"
        "                        \t37          ; serial number\n\t\t900 600 86400\n\t\t3600 ) ; default TTL\n\n"
        "@                       NS\tdc1.corp.example.\n"
        "@                       0\tWINSR\tL1 C10 ( corp.example. )\n"
        "5                       [AGE:3543210]\t1200\tPTR\tpc5.corp.example.\n"
        "6                       PTR\tpc6.corp.example.\n"
    )
    for octets in (text.encode(), text.encode("utf-16"), text.encode("utf-8-sig")):
        file.write_bytes(octets)
        done = nw("zone", "import", str(file))
        assert done.returncode == 0, done.stderr
        zone = Zone.from_text("0.168.192.in-addr.arpa", done.stdout)
        ttls = {str(rrset.owner).split(".")[0]: rrset.ttl for rrset in zone.page() if rrset.type == "PTR"}
        assert ttls == {"5": 1200, "6": 3600}, "the minimum of the SOA is the TTL of records without one"
        assert "left out" in done.stderr and "WINSR" in done.stderr
    assert windows.is_windows(text) and not windows.is_windows(HEAD)


def test_import_refuses_what_it_cannot_convert(file: Path, tmp_path: Path) -> None:
    raw = tmp_path / "example.com.raw"
    raw.write_bytes(b"\0\0\0\2\0\0\0\0")
    assert "raw form" in nw("zone", "import", str(raw), "--origin", "example.com").stderr
    bare = tmp_path / "example.com.yaml"
    bare.write_text("a: {type: A, value: 9.9.9.9}\n")
    assert "--ns NAME" in nw("zone", "import", str(bare)).stderr
    done = nw("zone", "import", str(bare), "--ns", "ns1.example.org")
    assert done.returncode == 0 and "NS  ns1.example.org." in done.stdout, done
    target = tmp_path / "out.zone"
    arguments = ("zone", "import", str(file), "--origin", "example.com", "--output", str(target))
    assert nw(*arguments).returncode == 0
    assert nw("zone", "diff", str(file), str(target), "--origin", "example.com").returncode == 0
    assert "File exists" in nw(*arguments).stderr


def test_export_names_what_a_form_cannot_hold(file: Path) -> None:
    file.write_text(file.read_text() + "x HINFO a b\n")
    done = nw("zone", "export", str(file), "--origin", "example.com", "--to", "octodns")
    assert done.returncode == 3
    assert "left out, because octoDNS has no form for it: x.example.com. HINFO" in done.stderr
    document = json.loads(nw("zone", "export", str(file), "--origin", "example.com", "--to", "json").stdout)
    zone = Zone.from_file("example.com", file)
    assert sum(len(rrset["records"]) for rrset in document["rrsets"]) == len(zone)
    assert proved_text(zone) == nw("zone", "export", str(file), "--origin", "example.com").stdout


@pytest.mark.skipif(not shutil.which("named-compilezone"), reason="BIND's tools are not installed")
def test_bind_reads_what_is_written(file: Path, tmp_path: Path) -> None:
    """Formatted and imported text is the same zone for BIND, too."""

    def canonical(path: Path) -> str:
        out = tmp_path / "canonical"
        command = [
            "named-compilezone",
            "-k",
            "ignore",
            "-i",
            "none",
            "-s",
            "full",
            "-o",
            str(out),
            "example.com",
            str(path),
        ]
        subprocess.run(command, check=True, capture_output=True)
        return out.read_text()

    expected = canonical(file)
    for verb in ("fmt", "import", "export"):
        written = tmp_path / "written"
        written.write_text(nw("zone", verb, str(file), "--origin", "example.com").stdout)
        assert canonical(written) == expected, verb

"""The lab: a small internet in one process, tested with dig, explain, trace and why."""

from __future__ import annotations

import ipaddress
import json
import re
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

import jsonschema
import pytest
from commands import nw
from servers import running

import namewise
from namewise.engine import make_query
from namewise.lab import attacks
from namewise.lab.internet import Internet
from namewise.lab.topology import read_root
from namewise.lab.up import command

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).resolve().parents[2]
SCHEMA = json.loads((ROOT / "docs/schema/explain-1.json").read_text())


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, int, int, list[str]]]:
    """Yield control socket, resolver port, port of the zone from a file, and what the lab wrote."""
    control = str(tmp_path_factory.mktemp("lab") / "lab.sock")
    with running("lab", "up", "--control", control, ready="Ctrl-C ends it.") as (_, lines):
        text = "\n".join(lines)
        resolver = re.search(r"resolver +127\.0\.0\.1:(\d+)", text)
        zone = re.search(r"zone +127\.0\.0\.1:(\d+)", text)
        assert resolver and zone, text
        yield control, int(resolver[1]), int(zone[1]), lines


def explained(control: str, *args: str) -> dict[str, object]:
    done = nw("explain", *args, "--json", "--control", control)
    document: dict[str, object] = json.loads(done.stdout)
    jsonschema.validate(document, SCHEMA)
    return document


def test_it_prints_an_explanation_and_example_queries(lab: tuple[str, int, int, list[str]]) -> None:
    control, port, zone_port, lines = lab
    assert f"$ {sys.executable} -m namewise explain shop.example.com --control {control}" in lines
    assert any("asked shop.example.com. A: alias for shop.edge.example.net." in line for line in lines)
    asked = [line.split("#")[0].split() for line in lines if line.startswith("  dig ")]
    assert len(asked) >= 8
    for words in asked:
        assert words[1] == "@127.0.0.1" and words[3] in (str(port), str(zone_port))
        done = nw(*words)
        assert done.returncode == 0
        status = "NXDOMAIN" if "nosuchname.example.com" in words else "NOERROR"
        assert f"status: {status}" in done.stdout


@pytest.mark.parametrize(
    ("name", "rtype", "data"),
    [
        ("github.com", "A", ["140.82.114.4"]),
        ("api.github.com", "A", ["140.82.114.6"]),
        ("google.com", "A", ["142.250.72.14"]),
        ("google.net", "A", ["142.250.72.14"]),
        ("google.co.uk", "A", ["142.250.72.14"]),
        ("example.com", "A", ["93.184.216.34"]),
        ("example.com", "AAAA", ["2606:2800:220:1:248:1893:25c8:1946"]),
        ("api.example.com", "A", ["93.184.216.34"]),
        ("www.example.com", "A", ["93.184.216.34"]),
        ("example.com", "MX", ["10 mail.example.com."]),
        ("example.com", "TXT", ['"v=spf1 include:sendgrid.net ~all"']),
        ("example.com", "CAA", ['0 issue "letsencrypt.org"', '0 issuewild ";"']),
        ("_https._tcp.example.com", "SRV", ["10 5 443 server1.example.com."]),
        ("example.com", "SOA", ["ns1.example.com. admin.example.com. 2024010501 3600 900 604800 300"]),
        ("34.216.184.93.in-addr.arpa", "PTR", ["api.example.com."]),
        ("4.114.82.140.in-addr.arpa", "PTR", ["lb-140-82-114-4-iad.github.com."]),
        ("8.8.8.8.in-addr.arpa", "PTR", ["dns.google."]),
        ("bank.com", "A", ["192.0.2.100"]),
        ("evil.com", "A", ["192.168.1.1"]),
        ("aGVsbG8=.exfil.attacker.com", "TXT", ['"ok"']),
        ("shop.example.com", "A", ["198.51.100.80", "198.51.100.81"]),
    ],
)
def test_names_answer(lab: tuple[str, int, int, list[str]], name: str, rtype: str, data: list[str]) -> None:
    answer = namewise.resolve(name, rtype, server=f"127.0.0.1:{lab[1]}")
    assert sorted(map(str, answer.records)) == sorted(data)


def test_the_zone_from_a_file_is_authoritative(lab: tuple[str, int, int, list[str]]) -> None:
    reply = namewise.query(make_query("example.com", "SOA", flags=""), f"127.0.0.1:{lab[2]}")
    assert reply.authoritative and not reply.recursion_available


def test_parents_refer_and_never_answer_for_children() -> None:
    """Root, TLD and registry each give a referral for a name that another of the lab's servers knows."""
    with Internet(None) as internet:
        for server in internet.servers[:3]:
            name = "google.co.uk." if server.role.name == "registry" else "example.com."
            endpoint = server.endpoints[0]
            reply = namewise.query(make_query(name, "A", flags=""), str(endpoint))
            assert not reply.answer and not reply.authoritative
            assert [rrset.type for rrset in reply.authority if rrset.type == "NS"] == ["NS"], server.role.name
        assert internet.routes
        for target in internet.routes.values():
            assert ipaddress.ip_address(target.rpartition(":")[0].strip("[]")).is_loopback


def test_the_real_root_zone_is_served_where_it_is(tmp_path: Path) -> None:
    """A root zone in a file takes the place of the shipped one."""
    shipped = (ROOT / "python/namewise/lab/zones/root.zone").read_text()
    file = tmp_path / "root.zone"
    file.write_text(
        shipped.replace("2021051901", "2099010101") + "example. 172800 IN NS a.iana-servers.net.\n"
    )
    with Internet(str(file)) as internet:
        root = internet.servers[0]
        reply = namewise.query(make_query(".", "SOA", flags=""), str(root.endpoints[0]))
        assert "2099010101" in str(reply.answer[0])
        reply = namewise.query(make_query("x.example.", "A", flags=""), str(root.endpoints[0]))
        assert str(reply.authority[0].owner) == "example."


def test_explain_names_referral_alias_lame_server_and_timeout(lab: tuple[str, int, int, list[str]]) -> None:
    control = lab[0]
    nw("ctl", "flush", "--control", control)
    document = explained(control, "www.example.org")
    steps = document["steps"]
    assert isinstance(steps, list)
    reasons = {step["reason"] for step in steps}
    assert {"referral", "alias", "lame", "timeout", "answer", "resolved"} <= reasons
    by_reason = {step["reason"]: step for step in steps}
    assert by_reason["lame"]["server"] == "198.51.100.66:53"
    assert by_reason["timeout"]["server"] == "192.0.2.66:53"
    total = document["total_us"]
    assert isinstance(total, int)
    critical = sum(step["took_us"] for step in steps if not step["parallel"])
    assert abs(critical - total) <= total / 100
    assert document["result"] == {
        "rcode": "NOERROR",
        "ede": [],
        "answer": [
            "www.example.org. 300 IN CNAME www.edge.example.net.",
            "www.edge.example.net. 60 IN A 198.51.100.82",
        ],
    }


def test_why_shows_slow_queries(lab: tuple[str, int, int, list[str]]) -> None:
    control = lab[0]
    nw("ctl", "flush", "--control", control)
    namewise.resolve("www.example.org", server=f"127.0.0.1:{lab[1]}", timeout_s=10)
    done = nw("why", "www.example.org", "--control", control)
    assert done.returncode == 0
    assert "timeout: no reply" in done.stdout
    (record,) = json.loads(nw("why", "www.example.org", "--json", "--control", control).stdout)
    jsonschema.validate(record, SCHEMA)
    assert str(record["client"]).endswith("/udp")
    diagnosis, verdict, asked, *_ = nw("why", str(record["id"]), "--control", control).stdout.splitlines()
    assert re.fullmatch(
        r"slow: ns-silent\.example\.org \(192\.0\.2\.66\) did not answer for [\d.]+ ms of [\d.]+ ms; "
        r"1 of 3 servers of example\.org\. is dead(, 1 lame)?",
        diagnosis,
    ), diagnosis
    assert verdict.startswith("www.example.org. A is answered with ")
    assert asked.endswith(f", client {record['client']}")
    assert f"  {record['client']}  www.example.org. A" in nw("why", "--control", control).stdout
    assert nw("why", "never.example.com", "--control", control).returncode == 2


def test_a_cached_answer_is_explained_by_its_age(lab: tuple[str, int, int, list[str]]) -> None:
    control = lab[0]
    explained(control, "github.com")
    steps = explained(control, "github.com")["steps"]
    assert isinstance(steps, list)
    assert steps[0]["reason"] == "cached-answer"
    assert steps[0]["cache"]["state"] == "hit"
    assert not any(step["server"] for step in steps)


def test_mermaid_shows_the_queried_servers(lab: tuple[str, int, int, list[str]]) -> None:
    nw("ctl", "flush", "--control", lab[0])
    done = nw("explain", "shop.example.com", "--mermaid", "--control", lab[0])
    assert done.stdout.startswith("sequenceDiagram\n    participant client\n")
    # Who is asked first is drawn by lot, and a server that is slow to answer is not the last.
    assert re.search(r"resolver->>s\d+: com\. A\b", done.stdout)
    assert re.search(r"resolver-->>client: NOERROR, 3 records, ", done.stdout)


def test_trace_queries_all_servers_and_gives_a_verdict(lab: tuple[str, int, int, list[str]]) -> None:
    good = nw("trace", "www.google.co.uk", "--control", lab[0])
    assert good.returncode == 0
    zones = [line.split()[0] for line in good.stdout.splitlines() if "  asked " in line]
    assert zones == [".", "uk.", "co.uk.", "google.co.uk."]
    assert good.stdout.startswith("verdict: www.google.co.uk. A is answered, all servers agree; ")
    bad = nw("trace", "www.example.org", "--control", lab[0])
    assert bad.returncode == 3
    verdict = bad.stdout.splitlines()[0]
    assert "ns-lame.example.org (198.51.100.66) is lame: no server of this zone (refused)" in verdict
    assert "ns-silent.example.org (192.0.2.66) gave no reply: timeout" in verdict
    missing = nw("trace", "nosuch.example.com", "--control", lab[0])
    assert (missing.returncode, "nosuch.example.com. does not exist" in missing.stdout) == (0, True)


def test_addresses_without_a_route_are_not_queried(lab: tuple[str, int, int, list[str]]) -> None:
    """The servers of de. are real ones outside the lab: the question ends here."""
    done = nw("explain", "example.de", "--json", "--control", lab[0])
    document = json.loads(done.stdout)
    if document["result"]["rcode"] == "NXDOMAIN":
        pytest.skip("the shipped root zone has no de.")
    assert done.returncode == 3
    reasons = {step["reason"] for step in document["steps"] if step["server"] and step["zone"] == "de."}
    assert reasons == {"no-route"}


def test_once_is_quick(tmp_path: Path) -> None:
    started = time.monotonic()
    done = nw(
        "lab",
        "up",
        "--once",
        "--control",
        str(tmp_path / "lab.sock"),
        "--root-zone",
        str(ROOT / "python/namewise/lab/zones/root.zone"),
    )
    assert done.returncode == 0, done.stderr
    assert "shop.example.com. IN A: NOERROR" in done.stdout
    assert time.monotonic() - started < 20


def test_the_package_contains_the_delegations_of_the_public_root_zone() -> None:
    root = read_root(None)
    assert root.serial == 2021051901
    for tld in ("com.", "de.", "xn--p1ai.", "museum."):
        assert root.rrset(tld, "NS") is not None, tld
    assert len(root) > 16_000


def test_printed_commands_can_be_typed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """`make run` calls .venv/bin/nw, which is not on the PATH."""
    (tmp_path / "bin").mkdir()
    program = tmp_path / "bin" / "nw"
    program.write_text("#!/bin/sh\n")
    program.chmod(0o755)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "argv", [str(program), "lab", "up"])
    monkeypatch.setenv("PATH", "/usr/bin")
    assert command() == "bin/nw"
    monkeypatch.setenv("PATH", f"{tmp_path}/bin")
    assert command() == "nw"
    monkeypatch.setattr(sys, "argv", ["-c"])
    assert command() == f"{sys.executable} -m namewise"


def test_attacks_are_listed_with_their_limits(capsys: pytest.CaptureFixture[str]) -> None:
    assert attacks.main(["a6", "C11"], as_json=True) == 0
    rows = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [(row["id"], row["verdict"], row["schema"]) for row in rows] == [
        ("A6", "held", "namewise.attacks/1"),
        ("C11", "held", "namewise.attacks/1"),
    ]
    assert rows[0]["upstream"] <= 14 and rows[0]["upstream_per_question"] == rows[0]["upstream"]
    assert {"what": "upstream", "measured": rows[0]["upstream"], "bound": "at most 14", "step": 1} in rows[0][
        "measures"
    ]
    assert 0 < rows[0]["engine_us_per_question"] <= rows[0]["max_us_per_question"]


def test_a_broken_limit_and_a_slow_engine_are_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    good = (Path(str(attacks.FILES)) / "A6-duplicate-addresses.toml").read_text()
    (tmp_path / "A6-low.toml").write_text(good.replace("upstream = { max = 14 }", "upstream = { max = 2 }"))
    (tmp_path / "A6-slow.toml").write_text(good.replace("us_per_question = 10000", "us_per_question = 0"))
    (tmp_path / "A6-torn.toml").write_text("about = 1")
    monkeypatch.setattr(attacks, "FILES", tmp_path)
    assert attacks.main([], as_json=False) == 1
    said = capsys.readouterr().out
    assert "A6   broken" in said and "upstream: expected at most 2, got " in said
    assert "A6   slow" in said and "(limit 0)" in said
    assert said.endswith("3 scenarios: 2 broken, 1 slow\n")


def test_unknown_attacks_are_named() -> None:
    done = nw("lab", "attacks", "Z9")
    assert done.returncode == 1 and "no attack 'Z9'; known are A1, A2," in done.stderr


def test_identifiers_are_ordered_by_number() -> None:
    listed = list(dict.fromkeys(identifier for identifier, _ in attacks.scenarios()))
    assert listed[:3] == ["A1", "A2", "A3"] and listed.index("A9") < listed.index("A10") < listed.index("B1")

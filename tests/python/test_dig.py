"""`nw dig` compared with BIND's dig: the same server, the same arguments, the same output.

`dig_lines.txt` has the command lines, `dig_server.py` the server, `dig_cases.py` what may differ: version, id,
cookie, times.
"""

from __future__ import annotations

import contextlib
import json
import re
import shutil
import socket
import subprocess
import sys
import threading
from typing import TYPE_CHECKING

import dig_server
import pytest
import yaml
from commands import CODE
from dig_cases import cases, difference, put_aside, run_all
from dnsserver import DnsServer, on_ipv6

from namewise.engine import Message, RRset, make_response
from namewise.tools.dig import grammar
from namewise.tools.dig.grammar import Usage, parse

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from dig_cases import Pair

needs_dig = pytest.mark.skipif(shutil.which("dig") is None, reason="BIND's dig is not installed")


@pytest.fixture(scope="module")
def server() -> Iterator[DnsServer]:
    with dig_server.server() as running:
        yield running


@pytest.fixture(scope="module")
def pairs(server: DnsServer, tmp_path_factory: pytest.TempPathFactory) -> list[Pair]:
    return run_all(server.port, tmp_path_factory.mktemp("dig"), cases())


def nw_dig(*args: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", CODE, "dig", *args], capture_output=True, text=True, check=False
    )


@needs_dig
def test_output_and_exit_code_are_those_of_dig(pairs: list[Pair], capsys: pytest.CaptureFixture[str]) -> None:
    with capsys.disabled():
        print(f"\n{sum(pair.agree for pair in pairs)} of {len(pairs)} command lines agree with dig", end=" ")
    wrong = [
        f"{pair.case.line}\n{difference(pair)}" for pair in pairs if not (pair.agree or pair.case.differs)
    ]
    assert not wrong, "\n\n".join(wrong)
    assert not [pair.case.line for pair in pairs if pair.agree and pair.case.differs], "these agree now"


@needs_dig
def test_yaml_is_yaml(pairs: list[Pair]) -> None:
    documents = [pair.ours for pair in pairs if "+yaml" in pair.case.line and pair.ours.text.startswith("- ")]
    assert len(documents) > 30
    for document in documents:
        for item in yaml.load(document.text.replace("!!timestamp T", "T"), yaml.SafeLoader):
            assert item["type"] in ("MESSAGE", "DIG_ERROR")


def test_the_text_of_an_extended_error_is_valid_yaml(server: DnsServer) -> None:
    done = nw_dig("@127.0.0.1", "-p", str(server.port), "+yaml", "edecolon.hostile.test")
    (item,) = yaml.safe_load(done.stdout)
    ede = item["message"]["response_message_data"]["OPT_PSEUDOSECTION"]["EDNS"]["EDE"]
    assert ede["EXTRA-TEXT"] == 'reason: it\'s "blocked" # by policy'


@pytest.mark.parametrize("line", ["edeescape.hostile.test", "escape.hostile.test TXT", "nsid.hostile.test"])
@pytest.mark.parametrize("form", ["+all", "+short", "+yaml", "+json", "+multiline"])
def test_no_control_octet_reaches_the_terminal(server: DnsServer, line: str, form: str) -> None:
    done = nw_dig("@127.0.0.1", "-p", str(server.port), form, *line.split())
    assert not re.search(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]", done.stdout), done.stdout


@pytest.mark.parametrize(
    ("address", "said"),
    [
        ("fe80::53%nolink", "there is no interface 'nolink'"),
        ("192.0.2.1%lo", "an IPv4 address has no zone"),
        ("fe80::zz%lo", "fe80::zz is not an IPv6 address"),
    ],
)
def test_an_address_whose_zone_cannot_be_used_is_refused_with_the_reason(address: str, said: str) -> None:
    done = nw_dig(f"@{address}", "example.com")
    assert (done.returncode, done.stdout) == (1, "")
    assert said in done.stderr


def test_an_address_with_a_zone_is_asked(server6: DnsServer) -> None:
    done = nw_dig("@::1%1", "-p", str(server6.port), "example.com", "+short")
    assert done.stdout == "192.0.2.1\n", done.stderr


def test_a_server_that_sends_single_octets_does_not_extend_the_deadline() -> None:
    over = threading.Event()

    def trickle(listener: socket.socket) -> None:
        link, _ = listener.accept()
        with link, contextlib.suppress(OSError):
            link.sendall(b"\xff\xff")
            while not over.wait(0.05):
                link.sendall(b"\0")

    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=trickle, args=[listener])
        thread.start()
        try:
            done = subprocess.run(
                [
                    *(sys.executable, "-c", CODE, "dig", "@127.0.0.1", "-p", str(listener.getsockname()[1])),
                    *("+tcp", "+time=1", "+tries=1", "example.com"),
                ],
                capture_output=True, text=True, check=False, timeout=60,
            )  # fmt: skip
        finally:
            over.set()
            thread.join()
    assert done.returncode == 9
    assert "timed out" in done.stdout


@pytest.fixture
def server6() -> Iterator[DnsServer]:
    def answer(query: Message, _transport: str) -> bytes:
        return make_response(query, answer=[RRset("example.com", "A", 60, ["192.0.2.1"])]).wire

    with on_ipv6(answer) as running:
        yield running


@needs_dig
@pytest.mark.parametrize(
    "line", ["example.com +tries=1", "example.com", "+tcp example.com +tries=2", "+yaml a +tries=1"]
)
def test_a_missing_server_is_reported_like_dig_does(line: str) -> None:
    args = ["@127.0.0.1", "-p", "1", *line.split()]
    theirs = subprocess.run(["dig", *args], capture_output=True, text=True, check=False)
    ours = nw_dig(*args)
    assert put_aside(ours.stdout) == put_aside(theirs.stdout)
    assert ours.returncode == theirs.returncode == 9
    assert re.search(
        r"no reply after \d\.\d s: 127\.0\.0\.1#1 over (UDP|TCP): connection refused", ours.stderr
    )


def test_a_batch_is_read_line_by_line(server: DnsServer, tmp_path: Path) -> None:
    batch = tmp_path / "batch"
    batch.write_text("example.com MX\n; a comment\n\nwww.example.com A\n")
    done = nw_dig("@127.0.0.1", "-p", str(server.port), "+short", "-f", str(batch))
    assert done.stdout == "10 mail.example.com.\nexample.com.\n93.184.216.34\n"


def test_json_is_rfc_8427(server: DnsServer) -> None:
    done = nw_dig("@127.0.0.1", "-p", str(server.port), "example.com", "MX", "+json")
    message = json.loads(done.stdout)
    assert (message["QNAME"], message["QTYPE"], message["AA"], message["RCODE"]) == ("example.com.", 15, 1, 0)
    (record,) = message["answerRRs"]
    assert (record["TYPEname"], record["TTL"], record["rdataMX"]) == ("MX", 3600, "10 mail.example.com.")


@pytest.mark.parametrize(
    ("name", "marked"),
    [
        ("a..b", "  a..b\n    ^\n"),
        ("x." + "a" * 64 + ".com", "  x." + "a" * 64 + ".com\n    " + "^" * 64 + "\n"),
        (".".join(["abcdefg"] * 32), "^" * 255),
    ],
)
def test_an_invalid_name_is_marked(name: str, marked: str) -> None:
    done = nw_dig("@127.0.0.1", "-p", "1", name)
    assert done.returncode == 10
    assert marked in done.stderr


@pytest.mark.parametrize(
    "word",
    [
        "+tls",
        "AXFR",
        "IXFR=1",
        "+nssearch",
        "+https",
        "+https-post",
        "+http-plain-post",
    ],
)
def test_missing_things_are_reported(word: str) -> None:
    with pytest.raises(Usage, match="not supported"):
        parse(["example.com", *word.split()], "v")


@pytest.mark.parametrize("word", [f"+{word}" for word in grammar._ABSENT] + ["+idnin", "-d"])
def test_an_option_that_is_not_supported_is_refused_by_name(word: str) -> None:
    option = word.split()[0]
    with pytest.raises(Usage, match=f"nw dig: {re.escape(option)} .*not supported"):
        parse(["example.com", *word.split()], "v")
    assert option in grammar.help_text().split("not supported:")[1]


def test_the_help_lists_every_option() -> None:
    listed = grammar.help_text().split("not supported:")[0]
    assert [
        word for word, *_ in grammar.KEYWORDS if f"+{word}" not in listed and f"+[no]{word}" not in listed
    ] == []
    assert [letter for letter in "46bcfhikmnpqrtuvxy" if f"-{letter}" not in listed] == []


def test_an_unknown_keyword_gets_a_suggestion() -> None:
    with pytest.raises(Usage, match=r"Did you mean \+answer\?"):
        parse(["example.com", "+anwser"], "v")


def test_importing_dig_imports_nothing_slow() -> None:
    slow = "typing, re, enum, socket, dataclasses, json, argparse, asyncio, pydantic, rich, ipaddress, dns"
    code = (
        "import sys; before = set(sys.modules); import namewise.tools.dig.run; "
        f"print([name for name in {slow.split(', ')!r} if name in set(sys.modules) - before])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"

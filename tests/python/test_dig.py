"""`nw dig` beside BIND's dig: the same server, the same arguments, the same octets on standard output.

What may differ is put aside first: version, id, cookie, times. The server answers from a zone by a
function, so that the order of records is the same for both.
"""

from __future__ import annotations

import json
import re
import shlex
import shutil
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest
from dnsserver import DnsServer

from namewise.engine import EdnsOption, Message, Zone, make_response
from namewise.tools.dig.grammar import Usage, parse

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

ZONE = """\
$ORIGIN example.com.
$TTL 3600
@ IN SOA ns1 admin 2024010501 3600 900 604800 300
@ NS ns1
@ NS ns2
@ A 93.184.216.34
@ AAAA 2606:2800:220:1:248:1893:25c8:1946
@ MX 10 mail
@ TXT "v=spf1 include:sendgrid.net ~all" "second \\"string\\""
@ CAA 0 issue "letsencrypt.org"
ns1 A 127.0.0.1
ns2 300 A 127.0.0.2
mail A 192.0.2.1
www CNAME @
_https._tcp SRV 10 5 443 server1
averyveryverylongnameindeedtoseewhathappens.with.more A 192.0.2.9
big TXT "0123456789012345678901234567890123456789012345678901234567890123456789012345678901234567890123456789"
big TXT "1123456789012345678901234567890123456789012345678901234567890123456789012345678901234567890123456789"
big TXT "2123456789012345678901234567890123456789012345678901234567890123456789012345678901234567890123456789"
big TXT "3123456789012345678901234567890123456789012345678901234567890123456789012345678901234567890123456789"
big TXT "4123456789012345678901234567890123456789012345678901234567890123456789012345678901234567890123456789"
big TXT "5123456789012345678901234567890123456789012345678901234567890123456789012345678901234567890123456789"
big TXT "6123456789012345678901234567890123456789012345678901234567890123456789012345678901234567890123456789"
big TXT "7123456789012345678901234567890123456789012345678901234567890123456789012345678901234567890123456789"
big TXT "8123456789012345678901234567890123456789012345678901234567890123456789012345678901234567890123456789"
big TXT "9123456789012345678901234567890123456789012345678901234567890123456789012345678901234567890123456789"
big TXT "a123456789012345678901234567890123456789012345678901234567890123456789012345678901234567890123456789"
big TXT "b123456789012345678901234567890123456789012345678901234567890123456789012345678901234567890123456789"
sub NS ns.sub
sub DS 60485 13 2 D4B7D520E7BB5F0F67674A0CCEB1E3E0614B93C4F9E99B8383F6A1E4469DA50A
ns.sub A 127.0.0.3
https HTTPS 1 . alpn=h2,h3 ipv4hint=192.0.2.1
k DNSKEY 256 3 13 mdsswUyr3DPW132mOi8V9xESWE8jTo0dxCjjnopKl+GqJxpVXckHAeF+KkxLbxILfDLUT0rAK9iUzy1L53eKGQ==
unk TYPE65333 \\# 4 01020304
"""

SAME = """\
example.com
example.com MX
+noall +answer example.com MX
+short example.com TXT
+short nope.example.com
nope.example.com +dnssec +nsid
nope.example.com A +yaml +nsid
example.com MX +yaml +tcp
example.com +qr +yaml
-x 192.0.2.1
-x 2001:db8::1 +noall +question
+qr +noedns example.com A +ttlunits
+noall +answer +multiline k.example.com DNSKEY
+noall +answer +multiline example.com SOA
+multiline example.com
+noall +answer +multiline unk.example.com TYPE65333
+noall +answer +nottlid +nocl example.com MX
+noall +answer +nottlid example.com MX
+short +identify example.com
example.com A www.example.com AAAA +short
example.com A +qr +tcp mail.example.com A
k.example.com DNSKEY +short
k.example.com DNSKEY +short +split=20
k.example.com DNSKEY +short +nosplit
k.example.com DNSKEY +short +nocrypto
sub.example.com DS +noall +answer
sub.example.com DS +noall +answer +nocrypto
unk.example.com TYPE65333 +noall +answer
https.example.com HTTPS
_https._tcp.example.com SRV +yaml
averyveryverylongnameindeedtoseewhathappens.with.more.example.com
big.example.com TXT
big.example.com TXT +ignore +bufsize=512
big.example.com TXT +short
version.bind CH TXT +short
-c CH -t TXT version.bind
foo.local
+opcode=NOTIFY example.com
+noall +comments example.com
+noall +comments +noedns example.com
+noall +question +answer example.com
+noall +authority +additional example.com
+noall +stats example.com
+nocomments +qr example.com
+subnet=10.0.0.0/8 +keepalive +ednsopt=65001:abcd +expire +qr example.com
sub.example.com +norec A +noall +answer +authority +additional
example.com +aaflag +cdflag +zflag +qr +noad
-t FOO example.com
example.com A MX
MX +noall +question
+noall +question
-q MX MX +noall +question
'exa mple.com' +noall +question
+unknownformat example.com MX +short
example.com +nocmd
example.com +noqu
example.com +nocookie +norecurse
example.com +nocookie +cd +do
example.com IN
example.com MX -t A
example.com +tries=1 +time=2 +noall +answer
-u example.com +noall +answer
+foo
-z
-f /nonexistent
"""

needs_dig = pytest.mark.skipif(shutil.which("dig") is None, reason="BIND's dig is not installed")


@pytest.fixture(scope="module")
def server() -> Iterator[DnsServer]:
    zone = Zone.from_text("example.com.", ZONE)

    def answer(query: Message, transport: str) -> bytes:
        question = query.question
        assert question is not None
        if query.opcode != "QUERY":
            return make_response(query, "NOTIMP").wire
        if question.rclass != "IN" or not question.name.is_at_or_below("example.com."):
            ede = [EdnsOption("EDE", b"\0\x14not here")] if query.edns else []
            return make_response(query, "REFUSED", options=ede).wire
        return zone.answer(query, transport=transport).wire

    with DnsServer(answer) as running:
        yield running


def nw_dig(*args: str) -> subprocess.CompletedProcess[str]:
    code = "import sys; from namewise.cli import main; sys.exit(main())"
    return subprocess.run(
        [sys.executable, "-c", code, "dig", *args], capture_output=True, text=True, check=False
    )


def put_aside(text: str) -> str:
    for pattern, instead in (
        (r"DiG \S+", "DiG V"),
        (r"\bid: \d+", "id: N"),
        (r"COOKIE: [0-9a-f]+", "COOKIE: C"),
        (r"Query time: \d+", "Query time: N"),
        (r"WHEN: .*", "WHEN: W"),
        (r"in \d+ ms", "in N ms"),
        (r"timestamp \S+", "timestamp T"),
    ):
        text = re.sub(pattern, instead, text)
    return text


@needs_dig
@pytest.mark.parametrize("line", SAME.splitlines())
def test_output_and_exit_code_are_those_of_dig(server: DnsServer, line: str) -> None:
    args = ["@127.0.0.1", "-p", str(server.port), *shlex.split(line)]
    theirs = subprocess.run(["dig", *args], capture_output=True, text=True, check=False)
    ours = nw_dig(*args)
    assert put_aside(ours.stdout) == put_aside(theirs.stdout)
    assert ours.returncode == theirs.returncode


@needs_dig
@pytest.mark.parametrize(
    "line", ["example.com +tries=1", "example.com", "+tcp example.com +tries=2", "+yaml a +tries=1"]
)
def test_without_a_server_it_says_so_as_dig_does(line: str) -> None:
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
def test_a_name_that_cannot_be_is_marked(name: str, marked: str) -> None:
    done = nw_dig("@127.0.0.1", "-p", "1", name)
    assert done.returncode == 1
    assert marked in done.stderr


@pytest.mark.parametrize("word", ["+tls", "-y hmac-sha256:k:YWJj", "AXFR"])
def test_what_is_not_there_is_refused_in_words(word: str) -> None:
    with pytest.raises(Usage, match="not in this version"):
        parse(["example.com", *word.split()], "v")


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

"""The first line of `nw why` and `nw explain` names what the operator's filters and limits did, and which setting."""

from __future__ import annotations

import json
import shutil
import subprocess
from contextlib import contextmanager
from typing import TYPE_CHECKING

import pytest
from commands import nw
from servers import listening, running

import namewise
from namewise.message import make_query

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from namewise.message import Message

LISTEN = '[server]\nworkers = 1\n[[listen]]\naddress = "127.0.0.1"\nport = 0\n'
ZONE = """\
$ORIGIN example.com.
$TTL 60
@ SOA ns admin 1 3600 900 604800 300
@ NS ns
ns A 192.0.2.53
evil A 10.0.0.1
evil A 192.0.2.80
inside A 192.168.1.1
inside A 10.0.0.2
both A 192.0.2.1
both AAAA 2001:db8::1
v4 A 192.0.2.1
mapped A 198.51.100.7
mapped AAAA ::ffff:198.51.100.7
text TXT x
www CNAME cdn
cdn CNAME tracker
tracker A 192.0.2.5
far A 192.0.2.9
svc HTTPS 1 . ipv4hint=192.0.2.80 ipv6hint=2001:db8::1
"""


class Served:
    """A resolver that forwards to a server of example.com."""

    def __init__(self, control: str, file: Path) -> None:
        self.control, self.file = control, file

    def query(self, name: str, rtype: str = "A") -> Message:
        return namewise.query(make_query(name, rtype), listening(self.control), timeout_s=5)

    def lines(self, *command: str) -> list[str]:
        return nw(*command, "--control", self.control).stdout.splitlines()

    def line(self, text: str, before: int = 0) -> str:
        """The place of the first line of the configuration that holds *text*, or of one *before* it."""
        lines = self.file.read_text().splitlines()
        return f"{self.file}:{next(at for at, line in enumerate(lines, 1) if text in line) - before}"


@contextmanager
def serving(tmp_path: Path, tables: str, policy: str = "") -> Iterator[Served]:
    above = tmp_path / "above"
    above.mkdir()
    (above / "zone").write_text(ZONE)
    (above / "namewise.toml").write_text(LISTEN + '[[zone]]\nname = "example.com"\nfile = "zone"\n')
    source, control, file = str(above / "c"), str(tmp_path / "control.sock"), tmp_path / "namewise.toml"
    with running("serve", "--config", str(above / "namewise.toml"), "--control", source, ready="ready: "):
        forward = f'[[forward]]\nservers = ["{listening(source)}"]\n'
        file.write_text(f'{LISTEN}{policy}[resolver]\nvalidation = "off"\n{tables}{forward}')
        with running("serve", "--config", str(file), "--control", control, ready="ready: "):
            yield Served(control, file)


def ede(message: Message) -> list[tuple[int, str]]:
    assert message.edns is not None
    options = [option.data for option in message.edns.options if option.name == "EDE"]
    return [(int.from_bytes(data[:2], "big"), data[2:].decode()) for data in options]


def records(message: Message) -> list[str]:
    return [str(rdata) for rrset in message.answer for rdata in rrset.rdatas]


def test_what_the_protection_from_rebinding_removed(tmp_path: Path) -> None:
    with serving(tmp_path, '[rebinding]\naction = "remove"\n') as served:
        place = served.line("action")
        reply = served.query("evil.example.com")
        removed = (
            "rebinding protection removed 10.0.0.1, private address of the public name evil.example.com."
        )
        assert (records(reply), ede(reply)) == (["192.0.2.80"], [(15, removed)])
        first = f"blocked: {removed} ({place})"
        why = served.lines("why", "evil.example.com")
        assert why[0] == first
        assert why[1].startswith("evil.example.com. A is answered with 1 record")
        assert "evil.example.com. 60 IN A 192.0.2.80" in why
        explained = served.lines("explain", "evil.example.com")
        assert explained[0] == first and "EDE 15 (Blocked): " + removed in explained
        assert served.query("inside.example.com").rcode == "NOERROR"
        why = served.lines("why", "inside.example.com")
        two = "10.0.0.2, 192.168.1.1, private addresses of the public name inside.example.com."
        assert why[0] == f"blocked: rebinding protection removed {two} ({place})"
        assert why[1].startswith("inside.example.com. A is answered without A records")
        assert served.lines("why")[0].endswith(f"inside.example.com. A: {why[0]}")


def test_what_the_protection_from_rebinding_refused(tmp_path: Path) -> None:
    with serving(tmp_path, '[rebinding]\naction = "refuse"\n') as served:
        reply = served.query("evil.example.com")
        refused = "rebinding protection refused the answer: the public name evil.example.com. has 10.0.0.1, private address"
        assert (reply.rcode, ede(reply)) == ("REFUSED", [(15, refused)])
        for command in ("why", "explain"):
            assert (
                served.lines(command, "evil.example.com")[0]
                == f"blocked: {refused} ({served.line('action')})"
            )


def test_addresses_that_clients_without_ipv6_do_not_get(tmp_path: Path) -> None:
    with serving(tmp_path, '[no_aaaa]\nclients = ["loopback"]\n') as served:
        nothing = "no_aaaa: clients without IPv6 get no AAAA records, and nothing is looked up"
        reply = served.query("both.example.com", "AAAA")
        assert (records(reply), ede(reply)) == ([], [(17, nothing)])
        lines = served.lines("explain", "both.example.com", "AAAA")
        assert lines[0] == f"blocked: {nothing} ({served.line('clients')})"
        assert lines[1].startswith("both.example.com. AAAA is answered without AAAA records")
        hints = "no_aaaa: 1 IPv6 address was removed for a client without IPv6"
        assert ede(served.query("svc.example.com", "HTTPS")) == [(17, hints)]
        lines = served.lines("explain", "svc.example.com", "HTTPS")
        assert lines[0] == f"blocked: {hints} ({served.line('clients')})"


LOCAL = """
[[local]]
name = "refused.test"
type = "refuse"
[[local]]
name = "nothing.test"
type = "static"
"""


def test_steps_add_up_to_the_whole_time(tmp_path: Path) -> None:
    tables = '[rebinding]\naction = "remove"\n[[dns64]]\nprefix = "2001:db8:64::/96"\n'
    with serving(tmp_path, LOCAL + tables) as served:
        for name, rtype in (
            ("refused.test", "A"),
            ("evil.example.com", "A"),
            ("v4.example.com", "AAAA"),
            ("v4.example.com", "AAAA"),
        ):
            shown = nw("explain", name, rtype, "--json", "--control", served.control).stdout
            explained = json.loads(shown)
            took = sum(step["took_us"] for step in explained["steps"] if not step["parallel"])
            assert took == explained["total_us"] > 0, shown


def test_refusals_of_this_server(tmp_path: Path) -> None:
    refuse = '[[policy]]\npolicy = "acl"\non = "{}"\nallow = ["192.0.2.0/24"]\n'
    with serving(tmp_path, LOCAL) as served:
        for name, rcode, text in (
            ("refused.test", "REFUSED", '"refused.test"'),
            ("nothing.test", "NXDOMAIN", '"nothing.test"'),
        ):
            assert served.query(name).rcode == rcode
            first = f"blocked: {name}. by local data: {served.line(text, 1)}"
            assert served.lines("why", name)[0] == first
            assert served.lines("explain", name)[0] == first
    for on, reason in (
        ("query", '[[policy]] on = "query" does not admit this client'),
        ("recursion", "the name is in no zone of this server, and"),
    ):
        folder = tmp_path / on
        folder.mkdir()
        with serving(folder, "", refuse.format(on)) as served:
            assert served.query("www.example.com").rcode == "REFUSED"
            for command in ("why", "explain"):
                lines = served.lines(command, "www.example.com")
                assert lines[0].startswith(f"refused: {reason}") and " IN A: REFUSED" in lines[2]


def test_refusals_name_what_the_query_lacks(tmp_path: Path) -> None:
    gone = '[[zone]]\nname = "gone.test"\nfile = "missing"\n'
    views = '[[view]]\nname = "all"\nclients = ["any"]\n'
    with serving(tmp_path, gone + views) as served:
        port = listening(served.control).rpartition(":")[2]
        for _ in range(2):
            assert served.query("www.example.org").rcode == "SERVFAIL"
        first, verdict = served.lines("why", "www.example.org")[:2]
        assert first.startswith("failed: it failed ") and " after 0.0 ms: it failed " in verdict
        for line, first in (
            (("a.gone.test",), "failed: the zone has no usable data: No such file or directory"),
            (
                ("b.example.com", "+norec"),
                "refused: the name is in no zone of this server, and the query does not ask for recursion (RD), so that only "
                "the cache could answer (Not Authoritative)",
            ),
            (("c.example.com", "HS"), "refused: the server has no such data of class HS (Not Authoritative)"),
            (
                ("d.example.com", "+edns=9", "+noednsneg"),
                "failed: the query has EDNS version 9; this server knows version 0 (RFC 6891 §6.1.3)",
            ),
        ):
            nw("dig", "@127.0.0.1", "-p", port, *line)
            assert served.lines("why", line[0])[0] == first


def test_lookups_above_the_rate_of_a_client(tmp_path: Path) -> None:
    with serving(tmp_path, "[resolver.budget]\nmax_queries_per_second_per_client = 1\n") as served:
        address = listening(served.control)
        replies = [
            namewise.query(make_query(f"a{number}.example.com", "A"), address, timeout_s=5)
            for number in range(9)
        ]
        assert replies[0].rcode == "NXDOMAIN" and replies[1].rcode == "SERVFAIL"
        ((code, text),) = ede(replies[1])
        limit = (
            "stopped: limit max_queries_per_second_per_client reached, 127.0.0.0/24 has used its 1 per second"
        )
        assert (
            code == 31 and text.startswith(f"{limit}; the next one is allowed in ") and text.endswith(" ms")
        )
        assert served.lines("why", "a1.example.com")[0] == f"failed: {text}"
        stats = nw("ctl", "status", "--control", served.control).stdout
        assert "lookups.limited" in stats


@pytest.mark.parametrize(("slip", "dropped"), [(0, True), (1, False)])
def test_responses_above_the_rate(tmp_path: Path, slip: int, dropped: bool) -> None:
    rates = f"[rrl]\nresponses_per_second = 1\nslip = {slip}\n"
    with serving(tmp_path, rates) as served:
        assert served.query("both.example.com").rcode == "NOERROR"
        address = listening(served.control)
        over = make_query("both.example.com", "A")
        if dropped:
            with pytest.raises(TimeoutError):
                namewise.query(over, address, timeout_s=0.2)
        else:
            # Over UDP it is truncated, so that the client asks again over TCP.
            assert namewise.query(over, address, timeout_s=5).rcode == "NOERROR"
        first, verdict = served.lines("why", "both.example.com")[:2]
        assert first.startswith(
            "limited: both.example.com.: response rate limit: 127.0.0.0/24 gets 1 answer about both.example.com. "
            "per second ([rrl] responses_per_second); it gets them again after "
        )
        assert first.endswith("no response is sent" if dropped else "the client has to ask over TCP")
        assert ("gets no response" if dropped else "is truncated (TC)") in verdict
        name, port = "both.example.com", address.rpartition(":")[2]
        nw("dig", "@127.0.0.1", "-p", port, "+receipt", "+ignore", "+tries=1", "+timeout=1", name)
        assert served.lines("why", name)[0].startswith("limited: both.example.com.: response rate limit")
        stats = nw("ctl", "status", "--control", served.control).stdout
        assert ("rrl.dropped" if dropped else "rrl.slipped") in stats


def test_dns64_shows_prefix_and_addresses_or_why_it_makes_none(tmp_path: Path) -> None:
    with serving(
        tmp_path, '[[dns64]]\nprefix = "64:ff9b::/96"\nmapped = ["192.0.2.0/24", "198.51.100.0/24"]\n'
    ) as served:
        for name, *wanted in (
            ("both", "DNS64 makes no AAAA records: the name has some of its own"),
            (
                "text",
                "the name has no AAAA records: DNS64 looks up A",
                "DNS64 makes no AAAA records: the name has no A records",
            ),
            ("none", "DNS64 makes no AAAA records: the name does not exist"),
            (
                "v4",
                "the name has no AAAA records: DNS64 looks up A",
                "DNS64 makes no AAAA records: no prefix maps 192.0.2.1",
            ),
            (
                "mapped",
                "exclude in [[dns64]] ignores ::ffff:198.51.100.7: DNS64 looks up A",
                "no prefix maps 198.51.100.7",
            ),
        ):
            lines = "\n".join(served.lines("explain", f"{name}.example.com", "AAAA"))
            for text in wanted:
                assert text in lines, lines
    own = tmp_path / "own"
    own.mkdir()
    with serving(own, '[[dns64]]\nprefix = "2001:db8:64::/96"\n') as served:
        lines = "\n".join(served.lines("explain", "v4.example.com", "AAAA"))
        assert "DNS64 made 2001:db8:64::c000:201 of 192.0.2.1 (prefix 2001:db8:64::/96)" in lines
        assert "asked v4.example.com. A: answer, 1 record" in lines, lines
        lines = "\n".join(served.lines("explain", "-x", "2001:db8:64::c000:201"))
        assert "the name stands for 192.0.2.1 below the prefix 2001:db8:64::/96" in lines


def test_policy_test_names_the_link_of_the_alias_chain(tmp_path: Path) -> None:
    tables = (
        '[[list]]\nname = "ads"\nfile = "ads"\n'
        '[[list]]\nname = "feed"\nfile = "feed"\nformat = "rpz"\nzone = "feed.test"\n'
    )
    (tmp_path / "ads").write_text("# ads\ntracker.example.com\nblocked.example.com\n")
    head = "$TTL 60\n@ SOA . . 1 2 3 4 5\n@ NS .\n"
    (tmp_path / "feed").write_text(
        f"{head}32.9.2.0.192.rpz-ip CNAME .\n8.0.0.0.127.rpz-client-ip.feed.test. A 192.0.2.7\n"
    )
    place = f"{tmp_path}/ads:2"
    with serving(tmp_path, tables) as served:

        def test(*args: str) -> tuple[int, str]:
            done = nw("policy", "test", *args)
            return done.returncode, done.stdout + done.stderr

        # A rule about the client decides by the queried name alone.
        code, shown = test("www.example.com", "--running", "--control", served.control)
        assert code == 3 and "list feed: data, by a rule for the client 127.0.0.0/8" in shown
        file, client = ("--config", str(served.file)), ("--client", "192.0.2.55")
        code, shown = test(
            "www.example.com", *client, *file, "--alias", "cdn.example.com", "--alias", "tracker.example.com"
        )
        chain = "www.example.com. -> cdn.example.com. -> tracker.example.com."
        of = "for tracker.example.com., a target of its aliases"
        assert code == 3
        assert shown.splitlines()[:3] == [
            f"www.example.com. asked by 192.0.2.55: nxdomain, {of}",
            f"  aliases: {chain}",
            f"* list ads: nxdomain, by a rule for the name tracker.example.com. ({place}), {of}",
        ]
        code, shown = test("www.example.com", *client, *file)
        assert code == 0 and "--running does so, and --alias names them" in shown
        code, shown = test(
            "www.example.com", *client, *file, "--alias", "far.example.com", "--answer", "192.0.2.9"
        )
        assert (
            code == 3
            and "by a rule for the address 192.0.2.9/32" in shown
            and "for far.example.com." in shown
        )


def test_policy_test_looks_aliases_up(tmp_path: Path) -> None:
    (tmp_path / "ads").write_text("# ads\ntracker.example.com\nblocked.example.com\n")
    (tmp_path / "feed").write_text("$TTL 60\n@ SOA . . 1 2 3 4 5\n@ NS .\n32.9.2.0.192.rpz-ip CNAME .\n")
    tables = (
        '[[list]]\nname = "ads"\nfile = "ads"\n'
        '[[list]]\nname = "feed"\nfile = "feed"\nformat = "rpz"\nzone = "feed.test"\n'
    )
    with serving(tmp_path, tables) as served:

        def test(name: str) -> tuple[int, list[str]]:
            done = nw("policy", "test", name, "--running", "--control", served.control)
            return done.returncode, done.stdout.splitlines()

        code, lines = test("www.example.com")
        assert code == 3 and lines[:2] == [
            "www.example.com. asked by 127.0.0.1: nxdomain, for tracker.example.com., a target of its aliases",
            "  aliases: www.example.com. -> cdn.example.com. -> tracker.example.com.",
        ]
        assert served.query("www.example.com").rcode == "NXDOMAIN", "as the server does"
        code, lines = test("far.example.com")
        assert code == 3 and "by a rule for the address 192.0.2.9/32" in lines[1]
        code, lines = test("both.example.com")
        assert code == 0 and lines[:2] == [
            "both.example.com. asked by 127.0.0.1: none",
            "  no list holds the name",
        ]
        code, lines = test("www.example.org")
        assert code == 0 and "the lookup failed: SERVFAIL" in lines[2]


def test_dns64_has_one_record_for_one_query(tmp_path: Path) -> None:
    tables = '[log]\nslow = "0s"\n[[dns64]]\nprefix = "2001:db8:64::/96"\n'
    with serving(tmp_path, tables) as served:

        def records_of(name: str) -> list[tuple[str, str, list[str]]]:
            shown = json.loads(nw("why", name, "--last", "9", "--json", "--control", served.control).stdout)
            return [
                (one["question"]["type"], one["result"]["rcode"], one["result"]["answer"]) for one in shown
            ]

        assert records(served.query("v4.example.com", "AAAA")) == ["2001:db8:64::c000:201"]
        made = ["v4.example.com. 60 IN AAAA 2001:db8:64::c000:201"]
        assert records_of("v4.example.com") == [("AAAA", "NOERROR", made)]
        lines = "\n".join(served.lines("why", "v4.example.com"))
        for rtype in ("AAAA", "A"):
            assert f"asked v4.example.com. {rtype}: " in lines, lines
        # A query with a receipt has that as its only record.
        port = listening(served.control).rpartition(":")[2]
        nw("dig", "@127.0.0.1", "-p", port, "+receipt", "tracker.example.com", "AAAA")
        made = ["tracker.example.com. 60 IN AAAA 2001:db8:64::c000:205"]
        assert records_of("tracker.example.com") == [("AAAA", "NOERROR", made)]
        nw("dig", "@127.0.0.1", "-p", port, "+receipt", "far.example.com", "A")
        assert records_of("far.example.com") == [("A", "NOERROR", ["far.example.com. 60 IN A 192.0.2.9"])]


def test_signatures_that_are_not_accepted(tmp_path: Path) -> None:
    dig = shutil.which("dig")
    if dig is None:
        pytest.skip("dig is not installed")
    key = '[[key]]\nname = "office"\nsecret = "MDEyMzQ1Njc4OWFiY2RlZg=="\n'
    with serving(tmp_path, key) as served:
        port = listening(served.control).rpartition(":")[2]
        right = "MDEyMzQ1Njc4OWFiY2RlZg=="
        for name, signed, first in (
            ("a", f"hmac-sha256:other:{right}", "TSIG BADKEY: no [[key]] is named other."),
            (
                "b",
                f"hmac-sha512:office:{right}",
                "TSIG BADKEY: the algorithm of the [[key]] office. is not hmac-sha512.",
            ),
            (
                "c",
                "hmac-sha256:office:d3Jvbmc=",
                "TSIG BADSIG: the secret of the [[key]] office. is another one than the client's, or the request was changed",
            ),
        ):
            query = [dig, "@127.0.0.1", "-p", port, "-y", signed, f"{name}.example.com"]
            shown = subprocess.run(query, capture_output=True, text=True, check=False).stdout
            assert "NOTAUTH" in shown and first in shown, "the extended error says it, too"
            lines = served.lines("why", f"{name}.example.com")
            assert lines[0] == f"refused: {first}" and " IN A: NOTAUTH" in lines[2], lines


def test_responses_that_a_policy_zone_drops(tmp_path: Path) -> None:
    (tmp_path / "feed").write_text(
        "$TTL 60\n@ SOA . . 1 2 3 4 5\n@ NS .\nboth.example.com CNAME rpz-drop.\n32.9.2.0.192.rpz-ip CNAME rpz-drop.\n"
    )
    table = '[[list]]\nname = "feed"\nfile = "feed"\nformat = "rpz"\nzone = "feed.test"\n'
    with serving(tmp_path, table) as served:
        for name, rule in (("both", "the name both.example.com."), ("far", "the address 192.0.2.9/32")):
            query = make_query(f"{name}.example.com", "A")
            with pytest.raises(TimeoutError):
                namewise.query(query, listening(served.control), timeout_s=0.5)
            first, verdict = served.lines("why", f"{name}.example.com")[:2]
            assert first.startswith(
                f"blocked: {name}.example.com. by the rule of list feed for {rule} (drop)"
            ), first
            assert ": no response is sent" in first and "gets no response" in verdict


@pytest.mark.parametrize(
    ("policy", "line", "expected"),
    [
        ("query", (), (18, '[[policy]] on = "query" does not admit this client')),
        ("views", (), (18, "no [[view]] matches this client")),
        ("zone", (), (18, "allow of the zone own.test. does not admit this client")),
        (
            "recursion",
            (),
            (
                18,
                'the name is in no zone of this server, and [[policy]] on = "recursion" does not admit this client',
            ),
        ),
        (
            "",
            ("+norec",),
            (
                20,
                "the name is in no zone of this server, and the query does not ask for recursion (RD), so that only the cache "
                "could answer",
            ),
        ),
        ("", ("HS",), (20, "the server has no such data of class HS")),
        ("", ("MAILB",), (21, "this server does not answer queries for type MAILB")),
    ],
)
def test_each_refusal_has_a_text_for_the_client(
    tmp_path: Path, policy: str, line: tuple[str, ...], expected: tuple[int, str]
) -> None:
    (tmp_path / "own").write_text("$TTL 60\n@ SOA ns admin 1 3600 900 604800 300\n@ NS ns\nns A 192.0.2.53\n")
    others = '["192.0.2.0/24"]'
    head, tables = "", ""
    if policy == "zone":
        tables = f'[[zone]]\nname = "own.test"\nfile = "own"\nallow = {others}\n'
    elif policy == "views":
        tables = f'[[view]]\nname = "inside"\nclients = {others}\n'
    elif policy:
        head = f'[[policy]]\npolicy = "acl"\non = "{policy}"\nallow = {others}\n'
    with serving(tmp_path, tables, head) as served:
        name = "own.test" if policy == "zone" else "www.example.com"
        port = listening(served.control).rpartition(":")[2]
        shown = nw("dig", "@127.0.0.1", "-p", port, name, *line).stdout
        code, text = expected
        assert f"; EDE: {code} " in shown and f": ({text})" in shown, shown
        assert text in served.lines("why", name)[0]


def test_policy_test_says_which_rules_about_name_servers_were_not_judged(tmp_path: Path) -> None:
    head = "$TTL 60\n@ SOA . . 1 2 3 4 5\n@ NS .\n"
    (tmp_path / "feed").write_text(f"{head}ns.example.org.rpz-nsdname CNAME .\n")
    (tmp_path / "names").write_text("blocked.example.com\n")
    tables = (
        '[[list]]\nname = "feed"\nfile = "feed"\nformat = "rpz"\nzone = "feed.test"\n'
        '[[list]]\nname = "names"\nfile = "names"\n'
    )
    with serving(tmp_path, tables) as served:
        file = ("--config", str(served.file))
        unjudged = "  the rules of list feed about name servers were not judged, since no name server of {} is known: --server"

        def test(name: str, *args: str) -> tuple[int, list[str]]:
            done = nw("policy", "test", name, *args)
            assert done.returncode in (0, 3), done.stderr
            return done.returncode, done.stdout.splitlines()

        for name, code, more in (
            ("www.example.com", 0, file),
            ("www.example.com", 0, (*file, "--answer", "192.0.2.7")),
            # The list of names comes after the one that could decide first.
            ("blocked.example.com", 3, file),
            # A forwarder tells no delegations.
            ("both.example.com", 0, ("--running", "--control", served.control)),
        ):
            found, lines = test(name, *more)
            assert found == code and any(line.startswith(unjudged.format(f"{name}.")) for line in lines), (
                lines
            )
        found, lines = test("www.example.com", *file, "--server", "ns.example.org=192.0.2.53")
        assert found == 3 and "by a rule for the name server ns.example.org." in "\n".join(lines)
        assert not any("not judged" in line for line in lines)
        document = json.loads("\n".join(test("www.example.com", *file, "--json")[1]))
        assert document["unjudged"] == ["feed"]

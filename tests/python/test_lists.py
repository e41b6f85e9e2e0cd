"""Lists and response policy zones, from the configuration to the answer that a client gets."""

from __future__ import annotations

import json
import os
import re
import threading
from typing import TYPE_CHECKING, Any

import pytest
from commands import nw
from servers import running

import namewise
from namewise.cli import main
from namewise.config import ConfigError, load
from namewise.engine import Policies, PolicyList, Zone
from namewise.message import make_query
from namewise.policy import lists
from namewise.policy.lists import ListsError, refresh

if TYPE_CHECKING:
    from pathlib import Path

    from namewise.message import Message

RPZ = "$TTL 60\n@ SOA . . 1 2 3 4 5\n@ NS .\nrpz.example CNAME .\n*.rpz.example CNAME *.\nsink.example A 192.0.2.9\n"


def config(tmp_path: Path, lists: str, **more: str) -> str:
    """Return the path of a configuration with these tables."""
    (tmp_path / "hints").write_text(". NS a.test.\na.test. A 192.0.2.1\n")
    path = tmp_path / "namewise.toml"
    path.write_text(
        '[[listen]]\naddress = "127.0.0.1"\nport = 0\n[server]\nworkers = 1\n'
        '[resolver]\nhints = "hints"\nroutes = { "0.0.0.0/0" = "127.0.0.1:9" }\nvalidation = "off"\n'
        + lists.replace("DIR", str(tmp_path))
    )
    for name, text in more.items():
        (tmp_path / name).write_text(text)
    return str(path)


def ask(server: namewise.Server, name: str, rtype: str = "A") -> Message:
    return namewise.query(make_query(name, rtype), server.addresses[0])


def ede(message: Message) -> list[tuple[int, str]]:
    assert message.edns is not None
    return [
        (int.from_bytes(option.data[:2], "big"), option.data[2:].decode())
        for option in message.edns.options
        if option.name == "EDE"
    ]


TWO = """
[[list]]
name = "ads"
file = "ads"
category = "advertising"
ede = "filtered"
[[list]]
name = "feed"
file = "feed"
format = "rpz"
zone = "feed.test"
"""


def test_a_server_changes_answers_by_its_lists(tmp_path: Path) -> None:
    path = config(tmp_path, TWO, ads="||ads.example^\n@@||ok.ads.example^\n", feed=RPZ)
    with namewise.Server(path) as server:
        reply = ask(server, "x.ads.example")
        assert (reply.rcode, ede(reply)) == (
            "NXDOMAIN",
            [(17, "advertising (list ads: names below ads.example.)")],
        )
        reply = ask(server, "rpz.example")
        assert (reply.rcode, ede(reply)) == ("NXDOMAIN", [(15, "list feed: the name rpz.example.")])
        assert [rrset.type for rrset in reply.additional] == ["SOA"]
        reply = ask(server, "sink.example")
        assert [str(rdata) for rdata in reply.answer[0].rdatas] == ["192.0.2.9"]
        assert server.stats()["kind.policy"] == 3


def test_a_changed_list_is_read_again_and_a_broken_one_kept(tmp_path: Path) -> None:
    path = config(tmp_path, TWO, ads="a.example\n", feed=RPZ)
    with namewise.Server(path) as server:
        assert ask(server, "a.example").rcode == "NXDOMAIN"
        (tmp_path / "ads").write_text("b.example\nc.example\n")
        server.reload()
        assert (ask(server, "b.example").rcode, server.failures) == ("NXDOMAIN", ())
        (tmp_path / "ads").write_text("d.example\nbad..name\n")
        server.reload()
        assert f"{tmp_path}/ads:2: the name has an empty label" in server.failures[0]
        assert "its last version stays in use" in server.failures[0]
        assert ask(server, "b.example").rcode == "NXDOMAIN"


def test_a_list_that_was_never_read_does_not_stop_the_server_unless_strict(tmp_path: Path) -> None:
    path = config(tmp_path, TWO, ads="a.example\nbad..name\nworse..name\n", feed=RPZ)
    with namewise.Server(path) as server:
        assert server.failures == (
            f"list ads cannot be read:\n"
            f'  {tmp_path}/ads:2: the name has an empty label: "bad..name"\n'
            f'  {tmp_path}/ads:3: the name has an empty label: "worse..name"\n'
            "  correct the lines, or set skip_errors to use the list without them\n"
            "  no rule of it applies until it can be read",
        )
        assert ask(server, "rpz.example").rcode == "NXDOMAIN", "the other list is in use"
        assert ask(server, "a.example").rcode == "SERVFAIL"
        (tmp_path / "ads").write_text("a.example\n")
        server.reload()
        assert (ask(server, "a.example").rcode, server.failures) == ("NXDOMAIN", ())
        (tmp_path / "ads").unlink()
        server.reload()
        assert (ask(server, "a.example").rcode, len(server.failures)) == ("NXDOMAIN", 1)
        assert f"{tmp_path}/ads: No such file or directory" in server.failures[0]
    with pytest.raises(ListsError, match="ads: No such file"), namewise.Server(path, strict=True):
        pass
    (tmp_path / "ads").write_text("a.example\n")
    with namewise.Server(path, strict=True) as server:
        (tmp_path / "feed").write_text(RPZ + "bad..name CNAME .\n")
        with pytest.raises(ListsError, match=f"{tmp_path}/feed:7"):
            server.reload()
        assert ask(server, "rpz.example").rcode == "NXDOMAIN"


def test_an_error_of_a_list_is_logged_and_shown(tmp_path: Path) -> None:
    path = config(tmp_path, TWO, ads="bad..name\n", feed=RPZ)
    control = str(tmp_path / "control.sock")
    place = f"{tmp_path}/ads:1: the name has an empty label"
    with running("serve", "--config", path, "--control", control, ready="ready: ") as (_, lines):
        assert any("error: list ads cannot be read" in line for line in lines), lines
        assert any(place in line for line in lines), lines
        text = nw("ctl", "policy", "status", "--control", control).stdout
        assert "list ads: not in use, none of its rules applies" in text and place in text
        state = json.loads(nw("ctl", "status", "--json", "--control", control).stdout)["lists"]
        assert [(one["name"], one["loaded"], one["error"] is None) for one in state] == [
            ("ads", False, False),
            ("feed", True, True),
        ]
        reload = nw("ctl", "reload", "--control", control)
        assert reload.returncode == 4 and "1 list could not be loaded" in reload.stderr, reload
    checked = nw("config", "check", path)
    assert checked.returncode == 1 and place in checked.stdout
    assert "1 of 2 lists cannot be loaded" in checked.stderr
    explained = nw("explain", "a.example", "--config", path)
    assert place in explained.stderr
    strict = nw("serve", "--config", path, "--control", control, "--strict")
    assert strict.returncode == 1 and place in strict.stderr


def test_a_list_that_stays_follows_the_order_of_groups(tmp_path: Path) -> None:
    one = '[[group]]\nname = "{}"\nclients = ["{}"]\n'
    here, there = one.format("here", "127.0.0.0/8"), one.format("there", "10.0.0.0/8")
    of_here = '[[list]]\nname = "l"\nfile = "l"\ngroups = ["here"]\n'
    path = config(tmp_path, here + there + of_here, l="a.example\n")
    with namewise.Server(path) as server:
        assert ask(server, "a.example").rcode == "NXDOMAIN"
        config(tmp_path, there + here + of_here, l="bad..name\n")
        server.reload()
        assert len(server.failures) == 1
        assert ask(server, "a.example").rcode == "NXDOMAIN", "the group has another position now"


def test_lines_that_are_wrong_are_skipped_if_the_list_says_so(tmp_path: Path) -> None:
    skip = TWO.replace("[[list]]", "[[list]]\nskip_errors = true")
    wrong = "outside.org. CNAME .\n   A 192.0.2.66\nsink.example CNAME .\nbad..name A 192.0.2.1\nlast.example CNAME .\n"
    path = config(tmp_path, skip, ads="a.example\nbad..name\n", feed=RPZ + wrong)
    with namewise.Server(path) as server:
        assert server.failures == ()
        assert ask(server, "a.example").rcode == "NXDOMAIN"
        assert ask(server, "last.example").rcode == "NXDOMAIN"
        assert ask(server, "rpz.example").rcode == "NXDOMAIN"
    refreshed = refresh(load(path, environ={}).config)
    assert [one.without_effect for one in refreshed.lists] == [1, 3]
    assert f"; 1 line without effect, such as {tmp_path}/ads:2: the name has" in refreshed.notes()[0]
    (tmp_path / "feed").write_text(RPZ.replace("@ SOA", "x SOA") + wrong)
    assert len(refresh(load(path, environ={}).config).failures) == 1, "a zone without SOA is no zone"
    (tmp_path / "feed").write_text(RPZ + "$TTL x\n")
    assert len(refresh(load(path, environ={}).config).failures) == 1, "a directive is not skipped"


def test_files_that_are_no_lists(tmp_path: Path) -> None:
    small = TWO.replace("[[list]]", '[[list]]\nmax_size = "1KiB"')
    path = config(tmp_path, small, ads="a.example\n" * 200, feed=RPZ + "; padding\n" * 200)
    errors = [failure.error for failure in refresh(load(path, environ={}).config).failures]
    assert errors[0] == f"{tmp_path}/ads: the file has 2000 octets; max_size of the list allows 1024"
    assert errors[1].startswith(f"{tmp_path}/feed: the file has ")
    for name in ("ads", "feed"):
        (tmp_path / name).unlink()
        os.mkfifo(tmp_path / name)
    errors = [failure.error for failure in refresh(load(path, environ={}).config).failures]
    assert errors == [f"{tmp_path}/{name}: it is a pipe, not a file" for name in ("ads", "feed")]
    loaded = load(config(tmp_path, '[[list]]\nname = "l"\nfile = "/dev/zero"\n'), environ={})
    assert refresh(loaded.config).failures[0].error == "/dev/zero: it is a device, not a file"
    (tmp_path / "ads").unlink()
    (tmp_path / "ads").write_text(RPZ + "x.example CNAME .\n")
    failure = refresh(load(config(tmp_path, TWO, feed_="")).config).failures[0]
    assert 'this looks like a response policy zone: set format = "rpz" and zone' in failure.error


def test_policy_check_shows_every_line_without_effect(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    ads = "\ufeffa.example\n" + "/banner/\n" * 150 + "b.example\n"
    feed = RPZ + "33.1.2.0.192.rpz-ip CNAME .\ngood.example CNAME rpz-passthru\n"
    path = config(tmp_path, TWO, ads=ads, feed=feed)
    assert main(["policy", "check", "--config", path]) == 0
    out = capsys.readouterr().out.splitlines()
    assert out[0] == "list ads: 2 rules, 150 lines without effect"
    reason = "only ||name^ and @@||name^ have a meaning for names"
    assert out[1:151] == [f'{tmp_path}/ads:{line}: {reason}: "/banner/"' for line in range(2, 152)]
    assert out[151] == "list feed: 4 rules, 1 line without effect"
    assert out[152].startswith(f"{tmp_path}/feed:7: 33.1.2.0.192.rpz-ip.: ")
    assert out[153] == (
        f"warning: {tmp_path}/feed:8: good.example.: the rule is an alias for rpz-passthru.feed.test.; "
        "end the action with a dot: CNAME rpz-passthru."
    )
    assert main(["config", "check", path]) == 0
    assert out[153] in capsys.readouterr().out
    (tmp_path / "ads").write_text("bad..name\n")
    assert main(["policy", "check", "--config", path, "--json"]) == 2
    reports = json.loads(capsys.readouterr().out)["lists"]
    assert f"{tmp_path}/ads:1: " in reports[0]["error"] and reports[1]["rules"] == 4


@pytest.mark.parametrize(
    ("tables", "warning"),
    [
        (
            '[[list]]\nname = "l"\nfile = "l"\naction = "cname"\ntargets = ["192.0.2.1"]\n',
            'list l: the target 192.0.2.1 of action = "cname" is an IP address',
        ),
        ('[[group]]\nname = "kids"\n', "the group kids has no clients and no keys"),
        (
            '[[local]]\nname = "x.test"\ntype = "redirect"\nrecords = ["www A 192.0.2.1"]\n',
            "[[local]] x.test.: redirect without a record of x.test. itself leads nowhere",
        ),
        ('[rebinding]\nallow = ["x.test"]\n', "[rebinding] allow has no effect"),
    ],
)
def test_settings_without_effect_are_warnings(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], tables: str, warning: str
) -> None:
    assert main(["config", "check", config(tmp_path, tables, l="a.example\n")]) == 0
    assert f"warning: {warning}" in capsys.readouterr().out
    fine = (
        tables.replace("192.0.2.1", "www.test")
        .replace("www A", "@ A")
        .replace("[rebinding]", '[rebinding]\naction = "remove"')
    )
    fine = fine.replace('"kids"', '"kids"\nclients = ["10.0.0.0/8"]').replace("@ A www.test", "@ A 192.0.2.1")
    assert main(["config", "check", config(tmp_path, fine)]) == 0
    assert "warning" not in capsys.readouterr().out


def test_a_query_without_response_is_explained(tmp_path: Path) -> None:
    tables = '[[list]]\nname = "drop"\nfile = "drop"\naction = "drop"\n[[list]]\nname = "tcp"\nfile = "tcp"\naction = "tcp-only"\n'
    local = '[[local]]\nname = "deny.example"\ntype = "deny"\n'
    path = config(tmp_path, tables + local, drop="bad.example\n", tcp="big.example\n")
    control = str(tmp_path / "control.sock")
    rule = (
        "blocked: bad.example. by the rule of list drop for the name bad.example. (drop): no response is sent"
    )
    wanted = {
        "bad.example": f"{rule} ({tmp_path}/drop:1)",
        "deny.example": f"blocked: deny.example. by local data: {path}:",
    }
    with running("serve", "--config", path, "--control", control, ready="ready: ") as (_, lines):
        address = next(line for line in lines if "ready: " in line).split(" on ")[1].split(",")[0]
        for name, first in wanted.items():
            said = nw("explain", name, "--control", control)
            assert said.stdout.startswith(first), said.stdout
            assert ": no response is sent" in said.stdout.splitlines()[0]
            assert said.stdout.splitlines()[1].startswith(f"{name}. A: the client gets no response")
            document = json.loads(nw("explain", name, "--json", "--control", control).stdout)
            assert document["result"] == {"rcode": None, "ede": [], "answer": []}
            with pytest.raises(TimeoutError):
                namewise.query(make_query(name, "A"), address, timeout_s=0.2)
            assert nw("why", name, "--control", control).stdout.startswith(first)
            differs = nw("explain", name, "--what-if", "policy-off", "--control", control)
            assert differs.returncode == 0
            assert ("rcode: no response -> SERVFAIL" in differs.stdout) == (name == "bad.example")
            assert "no response" in nw("explain", name, "--mermaid", "--control", control).stdout
        over = [
            nw("explain", "big.example", "--transport", via, "--control", control) for via in ("udp", "tcp")
        ]
        assert over[0].stdout.splitlines()[:2] == [
            "truncated: big.example. by the rule of list tcp for the name big.example. (tcp-only): "
            f"the client has to ask over TCP ({tmp_path}/tcp:1)",
            over[0].stdout.splitlines()[1],
        ]
        assert "the response over UDP is truncated (TC)" in over[0].stdout.splitlines()[1]
        assert not over[1].stdout.startswith(("blocked", "truncated"))
        assert "the query came over TCP, and the answer stays" in over[1].stdout


@pytest.mark.parametrize(
    ("table", "message"),
    [
        ('format = "rpz"', "set zone if, and only if"),
        ('action = "given"', 'action "given" is for format "rpz"'),
        ('action = "address"', "needs addresses in targets"),
        ('targets = ["192.0.2.1"]', "targets is for address and cname"),
        ('groups = ["kidz"]', "no [[group]] is named 'kidz'; did you mean 'kids'?"),
    ],
)
def test_settings_that_do_not_fit(tmp_path: Path, table: str, message: str) -> None:
    lists = f'[[group]]\nname = "kids"\nclients = ["10.0.0.0/8"]\n[[list]]\nname = "l"\nfile = "l"\n{table}\n'
    path = config(tmp_path, lists, l="")
    with pytest.raises(ConfigError) as caught:
        load(path, environ={})
    assert message in str(caught.value)


def test_unchanged_lists_are_not_read_again(tmp_path: Path) -> None:
    loaded = load(config(tmp_path, TWO, ads="a.example\n", feed=RPZ), environ={})
    first = refresh(loaded.config)
    again = refresh(loaded.config, first)
    assert again.changed == () and again.lists == first.lists
    assert [note.split(",")[0] for note in first.notes()] == ["list ads: 1 rule", "list feed: 3 rules"]
    os.utime(tmp_path / "ads", ns=(1, 1))
    assert [one.settings.name for one in refresh(loaded.config, first).changed] == ["ads"]


def test_groups_and_pauses() -> None:
    kids = PolicyList("kids", b"a.example\n", groups=[0])
    groups = [("kids", ["10.0.0.0/8"], ["kid."])]
    applies = [("kids", "the name a.example.", "a.example.", "nxdomain", False)]
    assert Policies([kids], groups).test("a.example", "10.1.1.1") == applies
    assert Policies([kids], groups).test("a.example", "192.0.2.1") == []
    assert Policies([kids], groups).test("a.example", "192.0.2.1", "kid.") == applies
    assert Policies([kids], groups, ["kids"]).test("a.example", "10.1.1.1") == []
    assert Policies([kids], groups, [None]).test("a.example", "10.1.1.1") == []


def test_wrong_arguments_are_refused() -> None:
    for wrong in (
        {"action": "burn"},
        {"action": "address"},
        {"action": "cname"},
        {"action": "given"},
        {"groups": [64]},
    ):
        with pytest.raises(ValueError, match=r"expected|needs|only policy zones|more than 64"):
            PolicyList("x", b"", **wrong)  # type: ignore[arg-type]
    zone = Zone.from_text("feed.test", RPZ + "ns.x.rpz-nsdname CNAME .\n33.1.2.0.192.rpz-nsip CNAME .\n")
    feed = PolicyList("feed", zone, action="given")
    assert (len(feed), feed.fault_count, feed.reads_answers) == (4, 1, True)
    owner, reason = feed.faults[0]
    assert owner == "33.1.2.0.192.rpz-nsip." and "beyond the length" in reason


def verdict(capsys: pytest.CaptureFixture[str], *args: str) -> tuple[int, Any]:
    code = main(["policy", "test", *args, "--json"])
    return code, json.loads(capsys.readouterr().out)


def test_policy_test_names_lists_lines_and_the_winner(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = config(tmp_path, TWO, ads="# ads\nrpz.example\n||ads.example^\n@@||ok.ads.example^\n", feed=RPZ)
    code, found = verdict(capsys, "x.rpz.example", "--config", path)
    assert (code, found["action"], found["winner"]["list"]) == (3, "nxdomain", "ads")
    assert [rule["list"] for rule in found["rules"]] == ["ads", "feed"]
    assert [(line["list"], line["line"], line["listed"]) for line in found["held"]] == [
        ("ads", 2, "rpz.example."),
        ("feed", 5, "*.rpz.example."),
    ]
    code, found = verdict(capsys, "ok.ads.example", "--config", path)
    assert (code, found["action"]) == (0, "passthru")
    assert [line["line"] for line in found["held"]] == [3, 4]
    code, found = verdict(capsys, "other.example", "--config", path)
    assert (code, found["action"], found["held"]) == (0, "none", [])
    assert main(["policy", "test", "other.example", "--config", path]) == 0
    assert "--running does so, and --alias names them" in capsys.readouterr().out
    assert main(["policy", "test", "x.ads.example", "--config", path]) == 3
    out = capsys.readouterr().out
    assert f"{tmp_path}/ads:3: ads.example. block (list ads)" in out
    (tmp_path / "ads").write_text("bad..name\n")
    assert main(["policy", "test", "x.example", "--config", path]) == 2


TRIGGERS = """$TTL 60
@ SOA . . 1 2 3 4 5
@ NS .
24.0.2.0.192.rpz-ip CNAME .
128.0.0.0.0.0.0.db8.2001.rpz-ip CNAME *.
$ORIGIN rpz-nsdname.feed.test.
*.evil.example CNAME .
$ORIGIN feed.test.
32.66.100.51.198.rpz-nsip A 192.0.2.1
16.0.0.10.in.rpz-x CNAME .
32.5.0.0.10.rpz-client-ip CNAME rpz-passthru.
"""


@pytest.mark.parametrize(
    ("flags", "action", "line"),
    [
        ([], "none", None),
        (["--answer", "192.0.2.77"], "nxdomain", 4),
        (["--answer", "198.51.100.1"], "none", None),
        (["--answer", "2001:db8::"], "nodata", 5),
        (["--server", "ns1.evil.example"], "nxdomain", 7),
        (["--server", "ns.good.example=198.51.100.66"], "data", 9),
        (["--server", "ns.good.example=198.51.100.66", "--type", "AAAA"], "nodata", 9),
        (["--client", "10.0.0.5", "--answer", "192.0.2.77"], "passthru", 11),
    ],
)
def test_policy_test_of_answers_and_name_servers(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], flags: list[str], action: str, line: int | None
) -> None:
    path = config(tmp_path, TWO, ads="other.example\n", feed=TRIGGERS)
    _, found = verdict(capsys, "www.example", "--config", path, *flags)
    assert found["action"] == action
    winner = found["winner"]
    assert (None if winner is None else winner["line"]) == line
    if winner is not None:
        assert winner["file"] == str(tmp_path / "feed")


def test_policy_test_refuses_what_is_no_address(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = config(tmp_path, TWO, ads="", feed=RPZ)
    for flag, value in (("--answer", "x"), ("--server", "ns.example=x"), ("--client", "1.2.3")):
        assert main(["policy", "test", "a.example", "--config", path, flag, value]) == 1
        assert f"{flag} {value.rpartition('=')[2]!r} is not an IP address" in capsys.readouterr().err


def test_an_explanation_says_which_rule_blocks_and_what_happened_without_it(tmp_path: Path) -> None:
    path = config(tmp_path, TWO, ads="# ads\n||ads.example^\n", feed=RPZ)
    control = str(tmp_path / "control.sock")
    place = f"{tmp_path}/ads:2"
    wanted = (
        f"blocked: x.ads.example. by the rule of list ads for names below ads.example. (nxdomain) ({place})"
    )
    with running("serve", "--config", path, "--control", control, ready="ready: ") as (_, lines):
        address = next(line for line in lines if "ready: " in line).split(" on ")[1].split(",")[0]
        assert nw("explain", "x.ads.example", "--control", control).stdout.splitlines()[0] == wanted
        found = json.loads(
            nw("explain", "x.ads.example", "--what-if", "policy-off", "--json", "--control", control).stdout
        )
        assert found["difference"]["rcode"] == ["NXDOMAIN", "SERVFAIL"]
        assert found["before"]["diagnosis"] == wanted
        rule = next(step["rule"] for step in found["before"]["steps"] if "rule" in step)
        assert (rule["list"], rule["owner"], rule["line"]) == ("ads", "*.ads.example.", 2)
        assert not any("rule" in step for step in found["after"]["steps"])
        assert namewise.query(make_query("x.ads.example", "A"), address).rcode == "NXDOMAIN"
        assert nw("why", "x.ads.example", "--control", control).stdout.splitlines()[0] == wanted
        (tmp_path / "ads").write_text("")
        gone = nw("explain", "x.ads.example", "--control", control).stdout.splitlines()[0]
        assert gone == wanted.removesuffix(f" ({place})")
    alone = nw("explain", "x.ads.example", "--config", path)
    assert "blocked" not in alone.stdout
    (tmp_path / "ads").write_text("ads.example\n")
    alone = nw("explain", "x.ads.example", "--config", path)
    assert alone.stdout.splitlines()[0].endswith(f"({tmp_path}/ads:1)")


def test_ctl_pauses_shows_and_reloads_lists(tmp_path: Path) -> None:
    group = '[[group]]\nname = "here"\nclients = ["127.0.0.0/8"]\n'
    path = config(tmp_path, group + TWO, ads="a.example\n", feed=RPZ)
    control = str(tmp_path / "control.sock")

    def ctl(*args: str) -> tuple[int, Any]:
        done = nw("ctl", "policy", *args, "--json", "--control", control)
        return done.returncode, json.loads(done.stdout)

    def action() -> str:
        done = nw("policy", "test", "a.example", "--running", "--json", "--control", control)
        found: str = json.loads(done.stdout)["action"]
        return found

    with running("serve", "--config", path, "--control", control, ready="ready: ") as (_, lines):
        assert any("list ads: 1 rule, " in line for line in lines), lines
        address = next(line for line in lines if "ready: " in line).split(" on ")[1].split(",")[0]
        query = make_query("a.example", "A")
        assert namewise.query(query, address).rcode == "NXDOMAIN"
        code, state = ctl("status")
        assert (code, [(one["name"], one["hits"]) for one in state["lists"]]) == (
            0,
            [("ads", 1), ("feed", 0)],
        )
        assert action() == "nxdomain"
        assert ctl("pause", "10m", "--group", "here")[1]["paused"].keys() == {"here"}
        assert action() == "none"
        said = nw("policy", "test", "a.example", "--running", "--control", control).stdout
        assert re.search(r"\n  paused for the group here: (600|5\d\d) s left\n", said)
        code, state = ctl("resume")
        assert (code, state["ended"], [*state["paused"]]) == (0, False, ["here"])
        said = nw("ctl", "policy", "resume", "--control", control).stdout
        assert "no pause has ended: there was none for these clients" in said
        assert ctl("resume", "--group", "here")[1]["ended"] is True
        said = nw(
            "policy", "test", "a.example", "--running", "--key", "no.such.", "--control", control
        ).stderr
        assert "no [[key]] is named 'no.such.'" in said
        assert action() == "nxdomain"
        ctl("pause", "10m")
        assert action() == "none"
        ctl("resume")
        code, _ = ctl("pause", "10m", "--group", "nobody")
        assert code == 1
        ctl("pause", "10m", "--group", "here")
        config(tmp_path, TWO)
        assert nw("ctl", "reload", "--control", control).returncode == 0
        assert ctl("status")[1]["paused"] == {}
        config(tmp_path, group + TWO)
        assert nw("ctl", "reload", "--control", control).returncode == 0
        assert action() == "nxdomain", "the pause of a group ends with the group"
        (tmp_path / "ads").write_text("b.example\n")
        assert ctl("reload")[0] == 0
        assert action() == "none"
        (tmp_path / "ads").write_text("a.example\nbad..name\n")
        code, state = ctl("reload")
        assert code == 4 and f"{tmp_path}/ads:2: the name has an empty label" in state["failures"][0]
        assert action() == "none"
        text = nw("ctl", "status", "--control", control).stdout
        assert "list ads: 1 rule, " in text
        assert nw("why", "a.example", "--control", control).stdout.count("list ads: the name a.example.")


def test_a_server_without_lists_has_nothing_to_pause(tmp_path: Path) -> None:
    path, control = config(tmp_path, ""), str(tmp_path / "control.sock")

    def ctl(*args: str) -> Any:
        return json.loads(nw("ctl", "policy", *args, "--json", "--control", control).stdout)

    with running("serve", "--config", path, "--control", control, ready="ready: "):
        empty = {"lists": [], "paused": {}, "failures": []}
        assert ctl("status").items() >= empty.items()
        assert ctl("reload").items() >= empty.items()
        assert ctl("pause", "10m")["error"]["message"] == "this server has no lists"
        config(tmp_path, TWO, ads="a.example\n", feed=RPZ)
        assert nw("ctl", "reload", "--control", control).returncode == 0
        assert ctl("pause", "10m")["paused"].keys() == {"*"}
        config(tmp_path, "")
        assert nw("ctl", "reload", "--control", control).returncode == 0
        assert ctl("status")["lists"] == []
        config(tmp_path, TWO)
        assert nw("ctl", "reload", "--control", control).returncode == 0
        state = ctl("status")
        assert [one["rules"] for one in state["lists"]] == [1, 3] and state["paused"].keys() == {"*"}


def test_answers_continue_while_a_list_is_read_and_change_at_once(tmp_path: Path) -> None:
    """Queries meanwhile get the rules of the former list or those of the new one, and never a mixture."""
    old = "".join(f"old{number}.example\n" for number in range(200_000))
    path = config(tmp_path, TWO, ads=f"a.example\n{old}", feed=RPZ)
    seen: list[tuple[str, str]] = []
    ended = threading.Event()
    with namewise.Server(path) as server:

        def question() -> None:
            while not ended.is_set():
                # The second of each pair is asked after the first.
                first = ask(server, "a.example").rcode
                seen.append((first, ask(server, "b.example").rcode))

        asking = threading.Thread(target=question)
        asking.start()
        (tmp_path / "ads").write_text("b.example\n" + old.replace("old", "new"))
        server.reload()
        asked = len(seen)
        ended.set()
        asking.join()
        assert ask(server, "b.example").rcode == "NXDOMAIN"
        assert ask(server, "new7.example").rcode == "NXDOMAIN"
    assert asked > 2
    # Both are blocked only if the list changes between the two questions of a pair.
    assert {first for first, _ in seen} <= {"NXDOMAIN", "SERVFAIL"}
    assert seen.count(("SERVFAIL", "SERVFAIL")) == 0, "for a moment, no list applied"
    assert seen.count(("NXDOMAIN", "NXDOMAIN")) <= 1


def test_a_list_that_takes_long_says_how_far_it_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lists, "TOLD_EACH_S", 0.001)
    text = "".join(f"name{number}.example\n" for number in range(300_000))
    path = config(tmp_path, TWO, ads=text, feed=RPZ)
    shown: list[str] = []
    refreshed = refresh(load(path).config, show=shown.append)
    assert len(refreshed.lists[0].rules) == 300_000
    parts = [
        int(line.removeprefix("list ads: ").split("%")[0]) for line in shown if line.startswith("list ads: ")
    ]
    assert parts == sorted(parts) and 0 < parts[-1] <= 100
    assert threading.active_count() == 1 or not any("watch" in one.name for one in threading.enumerate())


@pytest.mark.parametrize(
    ("args", "said"),
    [
        (("--running", "--config", "x"), "--running and --config exclude each other"),
        (("--control", "x"), "--control is for --running"),
    ],
)
def test_options_of_the_test_that_exclude_each_other(args: tuple[str, ...], said: str) -> None:
    done = nw("policy", "test", "a.example", *args)
    assert (done.returncode, said in done.stderr) == (1, True), done.stderr


def test_a_key_that_is_not_configured_is_an_error(tmp_path: Path) -> None:
    path = config(tmp_path, '[[key]]\nname = "known."\nsecret = "AAAA"\n')
    done = nw("policy", "test", "a.example", "--key", "knwon", "--config", path)
    assert (done.returncode, "no [[key]] is named 'knwon.'; did you mean 'known.'?" in done.stderr) == (
        1,
        True,
    )
    assert nw("policy", "test", "a.example", "--key", "KNOWN", "--config", path).returncode == 0

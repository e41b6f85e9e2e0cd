"""Lists and response policy zones, from the configuration to the answer that a client gets."""

from __future__ import annotations

import json
import os
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
from namewise.policy.lists import refresh

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
        assert "line 2: the name has an empty label" in server.failures[0]
        assert "its last version stays in use" in server.failures[0]
        assert ask(server, "b.example").rcode == "NXDOMAIN"


def test_a_list_that_was_never_read_is_an_error_of_the_configuration(tmp_path: Path) -> None:
    path = config(tmp_path, TWO, ads="bad..name\n", feed=RPZ)
    with pytest.raises(ConfigError) as caught, namewise.Server(path):
        pass
    assert "line 1: the name has an empty label" in str(caught.value)
    path = config(tmp_path, TWO.replace("[[list]]", "[[list]]\nskip_errors = true", 1), ads="bad..name\n")
    with namewise.Server(path):
        pass


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
    assert "not an address block" in feed.faults[0] or "beyond the length" in feed.faults[0]


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
        ctl("resume", "--group", "here")
        assert action() == "nxdomain"
        ctl("pause", "10m")
        assert action() == "none"
        ctl("resume")
        code, _ = ctl("pause", "10m", "--group", "nobody")
        assert code == 1
        (tmp_path / "ads").write_text("b.example\n")
        assert ctl("reload")[0] == 0
        assert action() == "none"
        (tmp_path / "ads").write_text("a.example\nbad..name\n")
        code, state = ctl("reload")
        assert code == 4 and "line 2: the name has an empty label" in state["failures"][0]
        assert action() == "none"
        text = nw("ctl", "status", "--control", control).stdout
        assert "list ads: 1 rule, " in text
        assert nw("why", "a.example", "--control", control).stdout.count("list ads: the name a.example.")


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
    told: list[str] = []
    refreshed = refresh(load(path).config, told=told.append)
    assert len(refreshed.lists[0].rules) == 300_000
    parts = [
        int(line.removeprefix("list ads: ").split("%")[0]) for line in told if line.startswith("list ads: ")
    ]
    assert parts == sorted(parts) and 0 < parts[-1] <= 100
    assert threading.active_count() == 1 or not any("watch" in one.name for one in threading.enumerate())

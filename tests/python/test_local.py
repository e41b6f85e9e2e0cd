"""Local data and filters of answers, from `namewise.toml` to the answer of the engine."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from commands import nw
from test_serve_settings import ask as ask_server
from test_serve_settings import serving

from namewise.compile import plan_bytes, read_inputs
from namewise.config import ConfigError, load
from namewise.engine import Message, Snapshot, make_query

if TYPE_CHECKING:
    from pathlib import Path


def snapshot(file: Path) -> Snapshot:
    loaded = load(str(file), environ={})
    return Snapshot.build(plan_bytes(loaded.config, read_inputs(loaded.config, loaded.origin), 1), [])


def ask(of: Snapshot, name: str, rtype: str = "A", client: str = "127.0.0.1") -> Message | None:
    reply = of.answer(make_query(name, rtype, flags="rd").wire, client, "udp")
    return None if reply is None else Message.parse(reply)


def records(reply: Message | None) -> list[str]:
    assert reply is not None
    return [str(data) for rrset in reply.answer for data in rrset.rdatas]


def test_hosts_files_and_local_records(tmp_path: Path) -> None:
    (tmp_path / "hosts").write_bytes(b"\xef\xbb\xbf192.0.2.1 db1.lan db1\r\n192.0.2.2 db1.lan # second\r\n")
    file = tmp_path / "namewise.toml"
    file.write_text(
        '[resolver]\n[[hosts]]\nfile = "hosts"\nttl = "1m"\n[[local]]\nname = "lan"\ntype = "static"\n'
        'records = [\n  "printer A 192.0.2.9",\n  "alias CNAME printer",\n]\n[[local]]\nname = "ads.example"\ntype = "refuse"\n'
    )
    served = snapshot(file)
    assert records(ask(served, "db1.lan")) == ["192.0.2.1", "192.0.2.2"]
    assert records(ask(served, "2.2.0.192.in-addr.arpa", "PTR")) == ["db1.lan."]
    assert records(ask(served, "alias.lan")) == ["printer.lan.", "192.0.2.9"]
    denied = ask(served, "other.lan")
    assert denied is not None and denied.rcode == "NXDOMAIN"
    refused = ask(served, "x.ads.example")
    assert refused is not None and refused.edns is not None and refused.rcode == "REFUSED"
    (text,) = (option.data for option in refused.edns.options if option.name == "EDE")
    assert text == b"\x00\x0flocal data"
    assert ask(served, "www.example") is None, "is looked up"
    stranger = ask(served, "db1.lan", client="203.0.113.1")
    assert stranger is not None and stranger.rcode == "REFUSED", "a hosts file is for clients of the resolver"


def test_local_data_of_a_view(tmp_path: Path) -> None:
    """A table with `views` is for their clients, and precedes the others, which a view may be without."""
    file = tmp_path / "namewise.toml"
    file.write_text(
        '[resolver]\n[[policy]]\npolicy = "acl"\non = "recursion"\nallow = ["10.0.0.0/8"]\n'
        '[[local]]\nrecords = ["printer A 192.0.2.1", "lamp A 192.0.2.3"]\n'
        '[[local]]\nrecords = ["printer A 192.0.2.2"]\nviews = ["Inside"]\n'
        '[[view]]\nname = "inside"\nclients = ["10.1.0.0/16"]\n'
        '[[view]]\nname = "guests"\nclients = ["10.2.0.0/16"]\ncommon_local = false\n'
        '[[view]]\nname = "others"\nclients = ["10.0.0.0/8"]\n'
    )
    served = snapshot(file)
    assert records(ask(served, "printer", client="10.1.0.1")) == ["192.0.2.2"]
    assert records(ask(served, "lamp", client="10.1.0.1")) == ["192.0.2.3"]
    assert ask(served, "printer", client="10.2.0.1") is None, "is looked up"
    assert records(ask(served, "printer", client="10.3.0.1")) == ["192.0.2.1"]


def test_a_reload_reads_hosts_files_again(tmp_path: Path) -> None:
    hosts = tmp_path / "hosts"
    hosts.write_text("192.0.2.1 db1\n")
    control = ("--control", str(tmp_path / "control.sock"))
    with serving(tmp_path, f'[resolver]\n[[hosts]]\nfile = "{hosts}"\n') as port:
        assert ask_server(port, "db1") == ("NOERROR", ["192.0.2.1"])
        hosts.write_text("192.0.2.2 db1\n")
        assert nw("ctl", "reload", *control).returncode == 0
        assert ask_server(port, "db1") == ("NOERROR", ["192.0.2.2"])
        hosts.write_text("192.0.2.2 db1\n192.0.2.3\n")
        refused = nw("ctl", "reload", *control)
        assert refused.returncode != 0
        assert f"{hosts}:2: no name follows the address 192.0.2.3" in refused.stderr
        assert ask_server(port, "db1") == ("NOERROR", ["192.0.2.2"]), "what runs is untouched"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ('[[hosts]]\nfile = "none"\n', "local data belong to the resolver"),
        (
            '[resolver]\n[[dns64]]\nprefix = "64:ff9b::/96"\nclients = ["ofice"]\n',
            "no [[acl]] is named 'ofice'",
        ),
        ('[resolver]\n[[local]]\ntype = "statik"\n', "statik"),
        (
            '[resolver]\n[[view]]\nname = "inside"\nclients = ["10.0.0.0/8"]\n[[local]]\nviews = ["inzide"]\n',
            "no [[view]] is named 'inzide'; did you mean 'inside'",
        ),
    ],
)
def test_mistakes_in_settings(tmp_path: Path, text: str, expected: str) -> None:
    file = tmp_path / "namewise.toml"
    file.write_text(text)
    with pytest.raises(ConfigError, match=expected.replace("[", r"\[")):
        load(str(file), environ={})


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (None, "cannot be read: No such file or directory"),
        (b"192.0.2.1 a\n\xff\xfe b\n", "line 2 is not UTF-8 text"),
    ],
)
def test_hosts_files_that_cannot_be_read(tmp_path: Path, content: bytes | None, expected: str) -> None:
    if content is not None:
        (tmp_path / "hosts").write_bytes(content)
    file = tmp_path / "namewise.toml"
    file.write_text('[resolver]\n[[hosts]]\nfile = "hosts"\n')
    with pytest.raises(ConfigError, match=expected):
        snapshot(file)


@pytest.mark.parametrize(
    ("text", "place", "expected"),
    [
        ('[resolver]\n[[local]]\nname = "lan"\nrecords = [\n  "a A 1.2.3",\n]\n', ":5", "column 5"),
        ('[resolver]\n[[dns64]]\nprefix = "64:ff9b::/80"\n', ":3", "has 32, 40, 48, 56, 64 or 96 bits"),
    ],
)
def test_mistakes_that_the_engine_finds_have_a_place(
    tmp_path: Path, text: str, place: str, expected: str
) -> None:
    file = tmp_path / "namewise.toml"
    file.write_text(text)
    checked = nw("config", "check", str(file))
    assert checked.returncode != 0
    assert f"{file}{place}" in checked.stderr + checked.stdout
    assert expected in checked.stderr + checked.stdout


def test_cache_only(tmp_path: Path) -> None:
    file = tmp_path / "namewise.toml"
    file.write_text("[resolver]\ncache_only = true\n")
    reply = ask(snapshot(file), "www.example")
    assert reply is not None and reply.edns is not None and reply.rcode == "REFUSED"
    (text,) = (option.data for option in reply.edns.options if option.name == "EDE")
    assert text == b"\x00\x14cache_only: the name is not in the cache, and no forwarder serves it"


def test_no_aaaa(tmp_path: Path) -> None:
    file = tmp_path / "namewise.toml"
    file.write_text('[resolver]\n[no_aaaa]\nclients = ["loopback"]\n')
    reply = ask(snapshot(file), "www.example", "AAAA")
    assert reply is not None and (reply.rcode, records(reply)) == ("NOERROR", [])
    assert ask(snapshot(file), "www.example", "A") is None, "is looked up"


def test_the_response_rate_limit_is_shown(tmp_path: Path) -> None:
    control = ("--control", str(tmp_path / "control.sock"))
    with serving(tmp_path, "[rrl]\nerrors_per_second = 2\nslip = 1\n") as port:
        for _ in range(10):
            ask_server(port, "www.example")
        shown = nw("ctl", "rrl", *control)
        assert shown.returncode == 0, shown.stderr
        assert "1 of 131072 buckets in use" in shown.stdout
        assert "0 responses dropped, 8 truncated" in shown.stdout
        assert "127.0.0.0/24 error .: 0 dropped, 8 truncated" in shown.stdout
    with serving(tmp_path, "") as port:
        refused = nw("ctl", "rrl", *control)
        assert refused.returncode == 1 and "responses are not limited" in refused.stderr

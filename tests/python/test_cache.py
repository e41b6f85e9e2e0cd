"""What `nw ctl` shows, removes, writes and reads of the cache, and that the cache survives a restart."""

from __future__ import annotations

import json
import os
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import pytest
from commands import nw
from servers import listening, running

import namewise
from namewise.message import make_query

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

TEXT = """\
; data www.example. A secure authoritative view 0 from 192.0.2.1:53 age 12 life 3000
www.example. 2988 IN A 192.0.2.80
; data www.example. TXT insecure non-authoritative view 0 age 0 life 3000
www.example. 3000 IN TXT "text"
; nxdomain none.example. ANY insecure authoritative view 0 from 192.0.2.1:53 age 0 life 600
example. 600 IN SOA ns.example. h.example. 1 2 3 4 600
; data old.example. A insecure authoritative view 0 age 700 life 600
old.example. 0 IN A 192.0.2.81
"""


@contextmanager
def serving(folder: Path, *wanted: str) -> Iterator[tuple[str, list[str]]]:
    """A resolver with a state directory: its control socket, and its lines up to the last of *wanted*."""
    config, control = folder / "namewise.toml", str(folder / "control.sock")
    config.write_text(
        f'[server]\nworkers = 1\nstate = "{folder}/state"\n[[listen]]\naddress = "127.0.0.1"\nport = 0\n'
        '[resolver]\n[[forward]]\nservers = ["127.0.0.1:9"]\n'
    )
    ready = wanted[-1] if wanted else "ready: "
    with running("serve", "--config", str(config), "--control", control, ready=ready) as (_, lines):
        yield control, lines


@pytest.fixture
def resolver(tmp_path: Path) -> Iterator[str]:
    """The control socket of a resolver that has loaded `TEXT`."""
    with serving(tmp_path) as (control, _):
        file = tmp_path / "cache.txt"
        file.write_text(TEXT)
        done = nw("ctl", "cache", "load", str(file), "--control", control)
        assert (done.returncode, done.stdout) == (0, "loaded into the cache: 4 entries\n"), done.stderr
        yield control


def entries(control: str, *words: str) -> list[dict[str, Any]]:
    done = nw("ctl", "cache", "get", *words, "--json", "--control", control)
    assert done.returncode == 0, done.stderr
    found: list[dict[str, Any]] = json.loads(done.stdout)["entries"]
    return found


def test_get_shows_where_an_entry_is_from(resolver: str) -> None:
    (entry,) = entries(resolver, "www.example", "A")
    assert entry["server"] == "192.0.2.1:53" and entry["validation"] == "secure"
    assert entry["credibility"] == "authoritative" and not entry["stale"]
    assert 12 <= entry["age_s"] < 60 and entry["age_s"] + entry["ttl_left_s"] == 3000
    text = nw("ctl", "cache", "get", "www.example", "A", "--control", resolver).stdout
    assert "secure, authoritative, from 192.0.2.1:53" in text
    (stale,) = entries(resolver, "old.example")
    assert (
        stale["stale"] and "expired" in nw("ctl", "cache", "get", "old.example", "--control", resolver).stdout
    )


def test_dump_writes_what_load_reads(resolver: str, tmp_path: Path) -> None:
    file = tmp_path / "dump.txt"
    done = nw("ctl", "cache", "dump", str(file), "--control", resolver)
    assert (done.returncode, done.stdout) == (0, f"{file}: 4 entries\n"), done.stderr
    assert nw("ctl", "flush", "--control", resolver).stdout == "removed from the cache: 4 entries\n"
    assert entries(resolver, "www.example") == []
    done = nw("ctl", "cache", "load", str(file), "--json", "--control", resolver)
    assert json.loads(done.stdout) == {"loaded": 4}
    assert len(entries(resolver, "www.example")) == 2
    assert "www.example.\t" in nw("ctl", "cache", "dump", "--control", resolver).stdout


def test_a_text_of_any_size_is_loaded(resolver: str, tmp_path: Path) -> None:
    """It is sent in pieces that requests can hold, also with the largest entry."""
    file = tmp_path / "big.txt"
    heads = "; data n{0}.example. A insecure authoritative life 600\nn{0}.example. 600 IN A 192.0.2.1\n"
    octets = "\\001" * 255
    large = f'large.example.\t600\tIN\tTXT\t"{octets}"\n' * 120
    entry = f"; data large.example. TXT insecure authoritative life 600\n{large}"
    file.write_text("".join(map(heads.format, range(1200))) + entry + heads.format("x"))
    done = nw("ctl", "cache", "load", str(file), "--control", resolver)
    assert (done.returncode, done.stdout) == (0, "loaded into the cache: 1202 entries\n"), done.stderr


def test_load_refuses_pipes_and_devices(resolver: str, tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    for path, kind in (
        ("/dev/zero", "a device"),
        (str(tmp_path / "pipe"), "a pipe"),
        (str(tmp_path), "a directory"),
    ):
        done = nw("ctl", "cache", "load", path, "--control", resolver)
        assert (done.returncode, f"{path}: it is {kind}, not a file" in done.stderr) == (1, True), done.stderr


def test_dump_writes_json_and_to_the_standard_output(resolver: str, tmp_path: Path) -> None:
    text = nw("ctl", "cache", "dump", "--json", "--control", resolver)
    assert "www.example.\t" in json.loads(text.stdout)["text"]
    assert "www.example.\t" in nw("ctl", "cache", "dump", "-", "--control", resolver).stdout
    kept = tmp_path / "kept"
    kept.write_text("before")
    assert nw("ctl", "cache", "dump", str(kept), "--control", str(tmp_path / "none")).returncode == 9
    assert kept.read_text() == "before"


def test_load_names_file_and_line(resolver: str, tmp_path: Path) -> None:
    file = tmp_path / "bad.txt"
    file.write_text("; data a.example. A insecure authoritative life 60\na.example. 60 IN A 192.0.2\n")
    done = nw("ctl", "cache", "load", str(file), "--control", resolver)
    assert done.returncode == 1 and f"{file}:2: " in done.stderr
    assert entries(resolver, "a.example") == []
    done = nw("ctl", "cache", "load", str(tmp_path / "missing"), "--control", resolver)
    assert done.returncode == 1 and "missing: No such file" in done.stderr


def test_flush_removes_by_name_tree_type_and_kind(resolver: str) -> None:
    def flushed(*args: str) -> str:
        done = nw("ctl", "flush", *args, "--control", resolver)
        assert done.returncode == 0, done.stderr
        return done.stdout

    assert flushed("www.example", "--type", "TXT") == (
        "removed from the cache of www.example., type TXT: 1 entry\n"
    )
    assert [entry["type"] for entry in entries(resolver, "www.example")] == ["A"]
    assert flushed("--bogus") == "removed from the cache, only bogus: 0 entries\n"
    assert flushed("--failures") == "removed from the cache, only failures: 0 entries\n"
    assert flushed("example", "--tree", "--negative") == (
        "removed from the cache of example. and below, only negative: 1 entry\n"
    )
    assert entries(resolver, "none.example") == []
    assert flushed("example", "--tree") == "removed from the cache of example. and below: 2 entries\n"
    done = nw("ctl", "flush", "--bogus", "--negative", "--control", resolver)
    assert done.returncode == 1 and "exclude each other" in done.stderr
    done = nw("ctl", "status", "--negative", "--control", resolver)
    assert done.returncode == 1 and "--negative is for flush" in done.stderr


@pytest.mark.parametrize("kind", [[], ["--negative"]])
def test_flush_of_a_type_removes_the_absence_of_the_name(resolver: str, kind: list[str]) -> None:
    assert entries(resolver, "none.example") != []
    done = nw("ctl", "flush", "none.example", "--type", "A", *kind, "--control", resolver)
    assert (done.returncode, done.stdout.rsplit(": ")[-1]) == (0, "1 entry\n"), done.stderr
    assert entries(resolver, "none.example") == []
    assert entries(resolver, "www.example") != []


def test_the_cache_survives_a_restart(tmp_path: Path) -> None:
    (tmp_path / "cache.txt").write_text(TEXT)
    with serving(tmp_path) as (control, _):
        assert nw("ctl", "cache", "load", str(tmp_path / "cache.txt"), "--control", control).returncode == 0
    saved = tmp_path / "state" / "cache.bin"
    assert saved.stat().st_mode & 0o777 == 0o600
    assert "cache.new" not in os.listdir(tmp_path / "state")
    with serving(tmp_path, "entries of the cache loaded") as (control, lines):
        assert lines[-1].endswith(f"{saved}: 4 entries of the cache loaded")
        (entry,) = entries(control, "www.example", "A")
        assert entry["server"] == "192.0.2.1:53" and entry["age_s"] >= 12 and entry["validation"] == "secure"


def test_a_broken_file_is_named_and_the_server_starts(tmp_path: Path) -> None:
    (tmp_path / "cache.txt").write_text(TEXT)
    with serving(tmp_path) as (control, _):
        assert nw("ctl", "cache", "load", str(tmp_path / "cache.txt"), "--control", control).returncode == 0
    saved = tmp_path / "state" / "cache.bin"
    octets = bytearray(saved.read_bytes())
    octets[40] ^= 1
    saved.write_bytes(octets)
    with serving(tmp_path, "starts with an empty cache") as (control, lines):
        assert f"{saved}: offset 24: the saved cache is cut off or damaged" in lines[-1]
        assert entries(control, "www.example") == []


def test_a_reload_with_shorter_lives_applies_to_what_is_cached(tmp_path: Path) -> None:
    above = tmp_path / "above"
    above.mkdir()
    zone = above / "zone"
    zone.write_text(
        "$ORIGIN example.com.\n$TTL 7200\n@ SOA ns admin 1 3600 900 604800 3600\n@ NS ns\nns A 192.0.2.53\nwww CNAME ns\n"
    )
    listen = '[server]\nworkers = 1\n[[listen]]\naddress = "127.0.0.1"\nport = 0\n'
    (above / "namewise.toml").write_text(f'{listen}[[zone]]\nname = "example.com"\nfile = "zone"\n')
    source, control, file = str(above / "c"), str(tmp_path / "control.sock"), tmp_path / "namewise.toml"
    with running("serve", "--config", str(above / "namewise.toml"), "--control", source, ready="ready: "):
        forward = f'[[forward]]\nservers = ["{listening(source)}"]\n'
        config = f'{listen}[resolver]\nvalidation = "off"\n{forward}'
        file.write_text(config)
        with running("serve", "--config", str(file), "--control", control, ready="ready: "):

            def ttls(name: str) -> list[int]:
                reply = namewise.query(make_query(name, "A"), listening(control), timeout_s=5)
                return [rrset.ttl for rrset in (*reply.answer, *reply.authority)]

            names = ("ns.example.com", "www.example.com", "none.example.com")
            for name, most in zip(names, (7200, 7200, 3600), strict=True):
                assert all(most - 60 < ttl <= most for ttl in ttls(name))
            serials = zone.read_text()
            limits = '[resolver.budget]\nmax_ttl = "20m"\nmax_negative_ttl = "10m"\n'
            file.write_text(config + limits)
            assert nw("ctl", "reload", "--control", control).returncode == 0
            # What is looked up again would have another TTL.
            zone.write_text(serials.replace("TTL 7200", "TTL 300"))
            assert nw("ctl", "reload", "--control", source).returncode == 0
            for name, most in zip(names, (1200, 1200, 600), strict=True):
                assert all(most - 60 < ttl <= most for ttl in ttls(name)), (name, ttls(name))

"""`nw zone` for a running server: changes, history, plan and apply, sync with comments, restart."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import sqlite3
import tempfile
from typing import TYPE_CHECKING, Any

import pytest
from commands import nw
from ports import free_port
from servers import running

if TYPE_CHECKING:
    from collections.abc import Iterator
    from contextlib import AbstractContextManager
    from pathlib import Path

FILE = """\
; The zone of the tests.
$TTL 300
@ IN SOA ns1 admin (
    2026113001 ; serial
    1h         ; refresh
    15m 1w 300 )
@       NS ns1
ns1     A  192.0.2.53   ; the name server
www     A  192.0.2.1    ; the first
        A  192.0.2.2    ; the second
        TXT "a ; b" ; no comment inside
old     A  192.0.2.3    ; goes away
"""


class Server:
    """A server with one zone file and a state directory."""

    def __init__(self, folder: Path, control: str) -> None:
        self.folder, self.control = folder, control
        self.file = folder / "example.com.zone"
        self.file.write_text(FILE)
        self.config = folder / "namewise.toml"
        self.config.write_text(
            f'[server]\nworkers = 1\nstate = "state"\n[[listen]]\naddress = "127.0.0.1"\nport = {free_port()}\n'
            f'[control]\nsocket = "{control}"\n'
            '[[zone]]\nname = "example.com"\nfile = "example.com.zone"\n'
            '[[zone]]\nname = "db.example"\nkind = "database"\n'
        )

    def running(self) -> AbstractContextManager[object]:
        return running("serve", "--config", str(self.config), ready="ready: ")

    def zone(self, *words: str, code: int = 0) -> str:
        done = nw("zone", *words, "--control", self.control)
        assert done.returncode == code, (words, done.returncode, done.stdout, done.stderr)
        return done.stdout + done.stderr

    def json(self, *words: str, code: int = 0) -> dict[str, Any]:
        found: dict[str, Any] = json.loads(self.zone(*words, "--json", code=code))
        return found


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    # A socket has a short path.
    folder = tempfile.mkdtemp(prefix="nw")
    try:
        yield Server(tmp_path, os.path.join(folder, "c.sock"))
    finally:
        shutil.rmtree(folder)


def test_changes_history_and_restart(server: Server) -> None:
    with server.running():
        assert "db.example. database: waiting, answered SERVFAIL" in server.zone("list")
        assert "serial 2026113001 -> 2026113002: 1 RRset changed" in server.zone(
            "set", "example.com", "www", "300", "A", "192.0.2.8", "192.0.2.9", "--note", "new address"
        )
        server.zone("set", "example.com", "@", "300", "MX", "10 mail.example.com.")
        server.zone("set", "example.com", "mail", "300", "A", "192.0.2.25", "--add")
        server.zone("delete", "example.com", "old")
        assert "nothing differs" in server.zone("delete", "example.com", "old")
        assert "CNAME" in server.zone("set", "example.com", "www", "60", "CNAME", "x.", code=1)
        refused = server.zone("delete", "example.com", "mail", "A", "--if-serial", "7", code=1)
        assert "has serial 2026113005, not 7" in refused
        entries = server.json("log", "example.com")["entries"]
        assert [(one["serial_to"], one["why"], one["client"]) for one in entries] == [
            (2026113005, "edit", "control"),
            (2026113004, "edit", "control"),
            (2026113003, "edit", "control"),
            (2026113002, "edit", "control"),
        ]
        assert entries[-1]["note"] == "new address" and entries[-1]["who"]
        text = server.zone("show", "example.com")
    with server.running():
        assert server.zone("show", "example.com") == text
        assert "4 changes not in the file" in server.zone("list")
        difference = server.zone("log", "example.com", "2026113004..2026113005")
        assert "- old.example.com. 300 IN A 192.0.2.3" in difference
        assert "192.0.2.1\n" in server.zone("show", "example.com", "--serial", "2026113001")
        assert "192.0.2.1\n" in server.zone("show", "example.com", f"--at={entries[-1]['time'] - 1}")
        done = server.json("restore", "example.com", "--serial", "2026113001")
        assert done["serial"] == 2026113006
        assert "nothing differs" in server.zone("restore", "example.com", "--serial", "2026113006")
        assert "\t192.0.2.1\n" in server.zone("show", "example.com")
        assert server.json("log", "example.com", "--last", "1")["entries"][0]["why"] == "restore"
        assert "zone nowhere. is not served here" in server.zone("log", "nowhere", code=1)
        assert "the history has nothing of serial 5" in server.zone(
            "show", "example.com", "--serial", "5", code=1
        )


def test_values_out_of_range_are_refused_with_the_reason(server: Server) -> None:
    with server.running():
        for words in (
            ("set", "example.com", "x", "4294967295", "A", "192.0.2.1"),
            ("soa", "example.com", "--ttl", "4294967295"),
        ):
            said = server.zone(*words, code=1)
            assert "a TTL is at most 2147483647" in said and "report" not in said


def test_sync_keeps_comments(server: Server) -> None:
    with server.running():
        assert "has serial 2026113001 already" in server.zone("sync", "example.com")
        server.zone("set", "example.com", "www", "300", "A", "192.0.2.2", "192.0.2.9")
        server.zone("delete", "example.com", "old")
        server.zone("set", "example.com", "new", "60", "A", "192.0.2.10")
        assert "written with serial 2026113004, 4 RRsets differed" in server.zone("sync", "example.com")
        assert server.file.read_text() == (
            FILE.replace("2026113001", "2026113004")
            .replace("www     A  192.0.2.1    ; the first\n", "")
            .replace("        A  192.0.2.2    ;", "www.example.com. A  192.0.2.2    ;")
            .replace("the second\n", "the second\nwww.example.com.\t300\tIN\tA\t192.0.2.9\n")
            .replace("old     A  192.0.2.3    ; goes away\n", "new.example.com.\t60\tIN\tA\t192.0.2.10\n")
        )
        assert server.json("status", "example.com")["unsaved"] == 0
        text = server.zone("show", "example.com")
        # A file that was edited meanwhile is not overwritten.
        server.file.write_text(server.file.read_text() + "more A 192.0.2.77\n")
        server.zone("delete", "example.com", "new")
        assert "has changes that are not served" in server.zone("sync", "example.com", code=1)
        assert "more A" in server.file.read_text()
        server.zone("sync", "example.com", "--force")
        assert "more" not in server.file.read_text()
    with server.running():
        assert server.zone("show", "example.com") != text
        assert server.json("status", "example.com")["serial"] == 2026113005


def test_a_file_with_directives_that_make_changed_records_is_not_rewritten(server: Server) -> None:
    server.file.write_text(FILE + "$GENERATE 1-3 host$ A 192.0.2.$\n")
    with server.running():
        server.zone("delete", "example.com", "host2")
        before = server.file.read_text()
        assert "--plain" in server.zone("sync", "example.com", code=1)
        assert server.file.read_text() == before and len(os.listdir(server.folder)) == 3
        server.zone("sync", "example.com", "--plain")
        assert "$GENERATE" not in server.file.read_text() and "host3" in server.file.read_text()


def test_plan_and_apply(server: Server, tmp_path: Path) -> None:
    wanted = tmp_path / "wanted"
    wanted.write_text(FILE.replace("old     A  192.0.2.3", "new 60  A  192.0.2.4"))
    with server.running():
        text = server.zone("plan", "example.com", str(wanted), code=3)
        assert "names that vanish: 1: old.example.com." in text
        assert "caches may have old records until" in text and "(old.example.com. A, TTL 300 s)" in text
        assert "it may stay unknown for 300 s" in text
        report = server.json("apply", "example.com", str(wanted), "--note", "moved")
        assert (report["serial"], report["changed"], report["vanishing"]) == (
            2026113002,
            True,
            ["old.example.com."],
        )
        assert "nothing differs" in server.zone("plan", "example.com", str(wanted))
        records = tmp_path / "first"
        records.write_text("@ 60 IN SOA ns. h. 1 1 1 1 1\n@ 60 IN NS ns.\n")
        assert "gets its first records" in server.zone("plan", "db.example", str(records), code=3)
        # Mass deletion.
        many = "".join(f"n{number} A 192.0.2.1\n" for number in range(30))
        wanted.write_text(FILE + many)
        server.zone("apply", "example.com", str(wanted))
        wanted.write_text(FILE)
        refused = server.zone("apply", "example.com", str(wanted), code=1)
        assert "30 of 34 names of example.com. would vanish" in refused and "--yes-delete 30" in refused
        server.zone("apply", "example.com", str(wanted), "--yes-delete", "29", code=1)
        server.zone("apply", "example.com", str(wanted), "--yes-delete", "30")
        refused = server.zone("apply", "example.com", str(wanted), "--if-serial", "3", code=1)
        assert "not 3" in refused
        # The first records of a zone in the database.
        wanted.write_text(FILE)
        assert "gets its first records" in server.zone("apply", "db.example", str(wanted))
        assert "serial 2026113001" in server.zone("list")


def test_zones_that_are_added(server: Server) -> None:
    with server.running():
        server.zone("add", "new.example", "--ns", "ns1.example.com", "--note", "first")
        server.zone("set", "new.example", "www", "60", "A", "192.0.2.1")
        assert "is served already" in server.zone("add", "NEW.example", "--ns", "x.", code=1)
        assert "named by the configuration" in server.zone("remove", "example.com", code=1)
    with server.running():
        assert server.json("status", "new.example")["serial"] == 2
        server.zone("remove", "new.example")
    with server.running():
        assert "not served" in server.zone("status", "new.example", code=1)


def test_a_serial_that_does_not_follow_is_refused_with_the_way(server: Server) -> None:
    with server.running():
        assert "serial: 2026113001" in server.zone("soa", "example.com")
        refused = server.zone("soa", "example.com", "--serial", "5", code=1)
        assert "Set 4173596648 then 5, each once" in refused
        for serial in ("4173596648", "5"):
            server.zone("soa", "example.com", "--serial", serial, "--minimum", "60")
        soa = server.json("soa", "example.com")["soa"]
        assert (soa["serial"], soa["minimum"], soa["mname"]) == ("5", "60", "ns1.example.com.")


def test_serials(server: Server) -> None:
    """`nw zone serial` leads to another serial, step by step; a change that goes back is refused, with the steps."""
    text = server.config.read_text()
    server.config.write_text(
        text.replace('file = "example.com.zone"\n', 'file = "example.com.zone"\nserial = "date"\n')
    )
    with server.running():
        assert "method date: the next one is 20" in server.zone("serial", "example.com")
        refused = server.zone("soa", "example.com", "--serial", "5", code=1)
        assert "serial 5 does not follow 2026113001" in refused and "Set 4173596648 then 5" in refused
        assert "to 5: set 4173596648 then 5" in server.zone("serial", "example.com", "--to", "5", "--dry-run")
        first = server.json("serial", "example.com", "--to", "5", "--note", "moved")
        assert (first["serial"], first["way"]) == (4173596648, [5])
        last = server.zone("serial", "example.com", "--to", "5")
        assert "serial 4173596648 -> 5" in last and "the goal is reached" in last
        recovered = server.json("serial", "example.com", "--recover")
        assert recovered["serial"] == recovered["wanted"] and recovered["serial"] % 100 == 0
        again = server.json("serial", "example.com", "--recover")
        assert (again["changed"], again["way"]) == (False, [])
        excluded = server.zone("serial", "example.com", "--to", "5", "--recover", code=1)
        assert "exclude each other" in excluded


def test_a_change_may_be_larger_than_a_line_of_the_control_socket(server: Server) -> None:
    text = " ".join(f'"{"x" * 250}"' for _ in range(64))
    wanted = server.folder / "wanted"
    wanted.write_text(FILE + "".join(f"large{number} TXT {text}\n" for number in range(1100)))
    with server.running():
        report = server.json("apply", "example.com", str(wanted))
        assert (report["changed"], report["records"]) == (True, 1107)
        server.zone("add", "large.example", "--from", str(wanted))
        assert server.json("status", "large.example")["records"] == 1107


def test_one_command_goes_on_with_the_file_when_the_journal_cannot_be_read(server: Server) -> None:
    with server.running():
        server.zone("set", "example.com", "www", "300", "A", "192.0.2.9")
        server.zone("set", "db.example", "x", "300", "A", "192.0.2.9", code=1)
    path = server.folder / "state" / "zones.sqlite3"
    with contextlib.closing(sqlite3.connect(path)) as db, db:
        db.execute("update journal set crc = 1")
    with server.running():
        failed = server.json("status", "example.com")
        assert failed["condition"] == "failed" and "nw zone restore example.com. --file" in failed["error"]
        server.zone("restore", "example.com", "--file")
        found = server.json("status", "example.com")
        assert (found["condition"], found["error"], found["serial"]) == ("loaded", None, 2026113001)
        server.zone("set", "example.com", "www", "300", "A", "192.0.2.10")
    with server.running():
        assert "192.0.2.10" in server.zone("show", "example.com")

"""`[[template]]`: settings that zones share, and zones from the files of a folder."""

from __future__ import annotations

import json
import os
import socket
from typing import TYPE_CHECKING

import pytest
from commands import nw
from servers import running, zone_file
from test_config import mistakes

import namewise
from namewise.config import ConfigError, load
from namewise.config.templates import find
from namewise.message import make_query

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

TEMPLATE = '[[template]]\nname = "many"\nfiles = "zones/*.zone"\n'


@pytest.fixture
def here() -> Iterator[socket.socket]:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as one:
        one.bind(("127.0.0.1", 0))
        yield one


def configured(folder: Path, text: str) -> Path:
    file = folder / "namewise.toml"
    file.write_text(f"[server]\nworkers = 1\n{text}")
    (folder / "zones").mkdir(exist_ok=True)
    return file


def rcode(server: namewise.Server, name: str) -> str:
    return str(namewise.query(make_query(name, "SOA"), server.addresses[0]).rcode)


def test_zones_have_the_settings_of_their_template_unless_they_set_them(tmp_path: Path) -> None:
    file = configured(
        tmp_path,
        '[[template]]\nname = "Inside"\nallow = ["10.0.0.0/8"]\nserial = "date"\ntransfer = ["192.0.2.1"]\n'
        '[[zone]]\nname = "a.example"\nfile = "a"\ntemplate = "inside"\n'
        '[[zone]]\nname = "b.example"\nfile = "b"\ntemplate = "Inside"\nallow = ["any"]\ntransfer = []\n',
    )
    loaded = load(str(file))
    a, b = loaded.config.zone
    assert (a.allow, a.transfer, a.serial) == (("10.0.0.0/8",), ("192.0.2.1",), "date")
    assert (b.allow, b.transfer, b.serial) == (("any",), (), "date")
    assert str(loaded.origin(("zone", 0, "allow"))) == f"{file}:5:1", "the line of the template"
    assert str(loaded.origin(("zone", 1, "allow"))) == f"{file}:16:1", "its own line"


def test_each_file_of_a_pattern_is_a_zone(tmp_path: Path) -> None:
    file = configured(
        tmp_path,
        TEMPLATE + '[[template]]\nname = "db"\nfiles = "more*/db.*"\nallow = ["loopback"]\n'
        '[[zone]]\nname = "Example.ORG"\ntemplate = "many"\nserial = "unixtime"\n',
    )
    names = (
        "example.com.zone",
        "example.org.zone",
        "168.192.in-addr.arpa.zone",
        "0%2f25.2.0.192.in-addr.arpa.zone",
    )
    for name in (*names, ".hidden.zone", "notes.txt", ".zone"):
        (tmp_path / "zones" / name).touch()
    (tmp_path / "zones" / "folder.zone").mkdir()
    for name in ("more1/db.one.example", "more1/db.one.example~", "more2/db.two.example"):
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        path.touch()
    loaded = load(str(file))
    found = {zone.name: zone for zone in loaded.config.zone}
    assert list(found) == [
        "Example.ORG.",
        "0/25.2.0.192.in-addr.arpa.",
        "168.192.in-addr.arpa.",
        "example.com.",
        "one.example.",
        "two.example.",
    ]
    own = found["Example.ORG."]
    assert isinstance(own, namewise.config.model.FileZone)
    assert (own.file, own.serial) == (str(tmp_path / "zones/example.org.zone"), "unixtime")
    assert found["two.example."].allow == ("loopback",)
    assert [len(one.zones) for one in loaded.patterns.values()] == [4, 2]


def test_a_new_file_is_a_new_zone_and_a_removed_file_removes_it(tmp_path: Path, here: socket.socket) -> None:
    config = configured(tmp_path, TEMPLATE)
    folder = tmp_path / "zones"
    zone_file(folder, "example.com", "192.0.2.1")
    with namewise.Server(config, sockets=[here]) as server:
        zone_file(folder, "example.net", "192.0.2.1")
        server.reload()
        assert (rcode(server, "example.com"), rcode(server, "example.net")) == ("NOERROR", "NOERROR")
        (folder / "example.com.zone").unlink()
        server.reload()
        assert (rcode(server, "example.com"), rcode(server, "example.net")) == ("REFUSED", "NOERROR")


@pytest.mark.parametrize("what", ["gone", "empty", "not a folder"])
def test_a_folder_that_has_vanished_removes_no_zone(tmp_path: Path, here: socket.socket, what: str) -> None:
    config = configured(tmp_path, TEMPLATE)
    folder = tmp_path / "zones"
    zone_file(folder, "example.com", "192.0.2.1")
    with namewise.Server(config, sockets=[here]) as server:
        folder.rename(tmp_path / "away")
        if what == "empty":
            folder.mkdir()
        elif what == "not a folder":
            folder.touch()
        with pytest.raises(ConfigError) as caught:
            server.reload()
        assert f"{config}:5:1: template[0].files: " in str(caught.value)
        expected = "`nw ctl reload --remove`" if what == "empty" else "cannot read the folder"
        assert expected in str(caught.value)
        assert rcode(server, "example.com") == "NOERROR"


@pytest.mark.skipif(os.geteuid() == 0, reason="root reads every folder")
def test_a_folder_that_cannot_be_read_removes_no_zone(tmp_path: Path, here: socket.socket) -> None:
    config = configured(tmp_path, TEMPLATE)
    zone_file(tmp_path / "zones", "example.com", "192.0.2.1")
    with namewise.Server(config, sockets=[here]) as server:
        (tmp_path / "zones").chmod(0)
        try:
            with pytest.raises(ConfigError, match="Permission denied"):
                server.reload()
        finally:
            (tmp_path / "zones").chmod(0o755)
        assert rcode(server, "example.com") == "NOERROR"


def test_many_zones_are_removed_with_a_second_word(tmp_path: Path) -> None:
    config = configured(
        tmp_path, f'{TEMPLATE}most_removed = 1\n[[listen]]\naddress = "127.0.0.1"\nport = 0\n'
    )
    folder = tmp_path / "zones"
    for number in range(4):
        zone_file(folder, f"z{number}.example", "192.0.2.1")
    control = str(tmp_path / "control")
    with running("serve", "--config", str(config), "--control", control, ready="ready"):
        for number in range(2):
            (folder / f"z{number}.example.zone").unlink()
        refused = nw("ctl", "reload", "--control", control)
        assert refused.returncode == 3
        assert (
            'the files of 2 zones of [[template]] "many" are gone (z0.example., z1.example.)'
            in refused.stderr
        )
        assert len(listed(control)) == 4
        assert nw("ctl", "reload", "--remove", "--control", control).returncode == 0
        assert listed(control) == {"z2.example.": "many", "z3.example.": "many"}
        assert "template many" in nw("zone", "list", "--control", control).stdout


def listed(control: str) -> dict[str, str]:
    """Return the template of each zone."""
    answer = json.loads(nw("zone", "list", "--json", "--control", control).stdout)
    return {zone["name"]: zone["template"] for zone in answer["zones"]}


def test_the_check_counts_the_zones_of_each_pattern(tmp_path: Path) -> None:
    config = configured(tmp_path, TEMPLATE)
    zone_file(tmp_path / "zones", "example.com", "192.0.2.1")
    checked = nw("config", "check", str(config))
    assert f'[[template]] "many": 1 zone from {tmp_path}/zones/*.zone\n' in checked.stdout
    document = json.loads(nw("config", "check", str(config), "--json").stdout)
    assert document["patterns"] == [{"template": "many", "files": f"{tmp_path}/zones/*.zone", "zones": 1}]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (
            '[[template]]\nname = "main"\n[[zone]]\nname = "example.com"\ntemplate = "mian"\n',
            ["namewise.toml:5:1: zone[0].template: no [[template]] is named 'mian'; did you mean 'main'?"],
        ),
        (
            '[[template]]\nname = "main"\nserial = "dote"\n'
            '[[zone]]\nname = "a"\nfile = "a"\ntemplate = "main"\n[[zone]]\nname = "b"\nfile = "b"\ntemplate = "main"\n',
            [
                "namewise.toml:3:1: template[0].serial: expected 'increment', 'date' or 'unixtime'; did you mean \"date\"?"
            ],
        ),
        (
            '[[template]]\nname = "main"\nkind = "secondary"\nserial = "date"\n',
            [
                'namewise.toml:4:1: template[0].serial: zones of kind "secondary" have no serial; remove it, or set another kind'
            ],
        ),
        (
            '[[template]]\nname = "main"\ntransfer = ["nobody"]\n',
            ["namewise.toml:3:13: template[0].transfer[0]: no [[acl]] is named 'nobody'"],
        ),
        (
            '[[template]]\nname = "main"\ntransfer = ["nobody"]\n'
            '[[zone]]\nname = "a"\nfile = "a"\ntemplate = "main"\n',
            ["namewise.toml:3:13: template[0].transfer[0]: no [[acl]] is named 'nobody'"],
        ),
        (
            '[[template]]\nname = "main"\nfiles = "zones/*.*"\n',
            [
                "namewise.toml:3:1: template[0].files: zones/*.*: the last part needs one * for the name of the zone and no other "
                'wildcard, as in files = "zones/*.zone"'
            ],
        ),
        (
            '[[template]]\nname = "main"\n[[template]]\nname = "MAIN"\n',
            [
                "namewise.toml:4:1: template[1].name: template 'MAIN' is given twice; first at namewise.toml:2:1"
            ],
        ),
        (
            '[[template]]\nname = "main"\n[[zone]]\nname = "a"\ntemplate = "main"\n',
            ['namewise.toml:3:1: zone[0].file: the key "file" is required here (with [[template]] "main")'],
        ),
        (
            '[[template]]\nname = "main"\nfiles = "none/*.zone"\n',
            [
                "namewise.toml:3:1: template[0].files: cannot read the folder none: No such file or directory; without it, it is "
                "unknown which zones there are. Make it readable, or remove files"
            ],
        ),
    ],
)
def test_mistakes_have_their_place(tmp_path: Path, text: str, expected: list[str]) -> None:
    assert [one.replace(f"{tmp_path}/", "") for one in mistakes(tmp_path, text)] == expected


def test_mistakes_in_files_name_the_file_and_the_template(tmp_path: Path) -> None:
    (tmp_path / "zones").mkdir()
    (tmp_path / "zones" / "a..b.zone").touch()
    (tmp_path / "zones" / "example.com.zone").touch()
    text = TEMPLATE + '[[zone]]\nname = "example.com"\nfile = "other"\n'
    found = [one.replace(f"{tmp_path}/", "") for one in mistakes(tmp_path, text)]
    by = 'a file of [[template]] "many")'
    assert found[0].startswith("namewise.toml:3:1: zone[1].name: ")
    assert found[0].endswith(f"(zones/a..b.zone, {by}")
    (tmp_path / "zones" / "a..b.zone").unlink()
    assert [one.replace(f"{tmp_path}/", "") for one in mistakes(tmp_path, text)] == [
        "namewise.toml:3:1: zone[1].name: zone 'example.com.' is given twice; first at namewise.toml:5:1 "
        f"(zones/example.com.zone, {by}"
    ]


def test_a_percent_sign_begins_one_of_two_characters(tmp_path: Path) -> None:
    for name in ("a%25b", "a%2Fb"):
        (tmp_path / name).touch()
    assert [name for _, name in find(f"{tmp_path}/*")] == ["a%b", "a/b"]
    (tmp_path / "a%2Eb").touch()
    with pytest.raises(ValueError, match="begins %2F or %25; rename the file"):
        list(find(f"{tmp_path}/*"))


def test_a_mistake_in_a_template_of_many_zones_is_reported_once(tmp_path: Path) -> None:
    (tmp_path / "zones").mkdir()
    for number in range(100):
        (tmp_path / "zones" / f"z{number}.zone").touch()
    found = mistakes(tmp_path, f'{TEMPLATE}notify = ["x"]\nserial = 3\n')
    assert [one.split(": ")[1] for one in found] == ["template[0].notify[0]", "template[0].serial"]

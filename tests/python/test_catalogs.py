"""Catalog zones (RFC 9432) between servers: one lists its zones, another serves what is listed."""

from __future__ import annotations

import json
import time
from typing import TYPE_CHECKING, Any

import pytest
from commands import nw
from ports import free_port
from servers import running, zone_file
from test_config import mistakes

import namewise
from namewise.message import make_query

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

HOST = "127.0.0.1"
LIMIT_S = 60.0


class Node:
    """A server in a folder of its own."""

    def __init__(self, folder: Path, port: int) -> None:
        self.folder, self.port = folder, port
        self.control = str(folder / "control")
        (folder / "zones").mkdir(parents=True)

    def configure(self, text: str) -> tuple[str, ...]:
        file = self.folder / "namewise.toml"
        file.write_text(
            f'[server]\nworkers = 1\nstate = "state"\n[[listen]]\naddress = "{HOST}"\nport = {self.port}\n'
            f'[secondaries]\nnotify_interval = "100ms"\nchecks_per_second = 1000\n{text}'
        )
        return ("serve", "--config", str(file), "--control", self.control)

    def nw(self, *words: str) -> str:
        done = nw(*words, "--control", self.control)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    def zones(self) -> dict[str, dict[str, Any]]:
        return {zone["name"]: zone for zone in json.loads(self.nw("zone", "list", "--json"))["zones"]}

    def catalog(self, name: str = "cat.example") -> dict[str, Any]:
        found: dict[str, Any] = json.loads(self.nw("zone", "status", name, "--json"))["of_catalog"]
        return found

    def rcode(self, name: str) -> str:
        return str(namewise.query(make_query(name, "SOA"), f"{HOST}:{self.port}").rcode)

    def until(self, done: Callable[[], bool], what: str) -> None:
        end = time.monotonic() + LIMIT_S
        while not done():
            assert time.monotonic() < end, f"{what}: {self.nw('zone', 'list')}"
            time.sleep(0.05)


def producer(node: Node, other: Node, *names: str, more: str = "") -> tuple[str, ...]:
    for name in names:
        zone_file(node.folder / "zones", name, "192.0.2.1")
    send = f'transfer = ["loopback"]\nnotify = ["{HOST}:{other.port}"]\n'
    return node.configure(
        f'[[zone]]\nname = "cat.example"\nkind = "database"\n{send}'
        f'[[template]]\nname = "ours"\nfiles = "zones/*.zone"\ncatalog = "cat.example"\n{send}{more}'
    )


def consumer(node: Node, other: Node, more: str = "") -> tuple[str, ...]:
    return node.configure(
        f'[[catalog]]\nname = "cat.example"\nprimaries = ["{HOST}:{other.port}"]\ntemplate = "copies"\ninterval = 0\n{more}'
        '[[template]]\nname = "copies"\nkind = "secondary"\n'
        '[[template]]\nname = "closed"\nkind = "secondary"\nallow = ["10.0.0.0/8"]\n'
    )


@pytest.fixture
def pair(tmp_path: Path) -> tuple[Node, Node]:
    return Node(tmp_path / "one", free_port()), Node(tmp_path / "two", free_port())


def test_members_come_and_go_with_the_catalog(pair: tuple[Node, Node]) -> None:
    one, two = pair
    with running(*producer(one, two, "a.example", "b.example"), ready="ready"):
        ours = consumer(two, one, '[catalog.groups]\n"inside only" = "closed"\n')
        with running(*ours, ready="ready"):
            two.until(lambda: two.rcode("a.example") == "NOERROR" == two.rcode("b.example"), "two members")
            assert one.catalog() == {
                "role": "producer",
                "members": ["a.example.", "b.example."],
                "error": None,
                "doubts": [],
                "waiting": [],
            }
            assert two.catalog()["members"] == ["a.example.", "b.example."]
            assert two.rcode("cat.example") == "REFUSED", "a catalog zone is nobody's business"
            assert two.zones()["a.example."]["catalog"] == "cat.example."
            assert one.zones()["a.example."]["catalog"] == "cat.example."
            records = one.nw("zone", "show", "cat.example")

            # A new file, a file that is gone, a group.
            zone_file(one.folder / "zones", "c.example", "192.0.2.1")
            (one.folder / "zones" / "a.example.zone").unlink()
            grouped = '[[zone]]\nname = "b.example"\ntemplate = "ours"\ngroup = "inside only"\n'
            producer(one, two, more=grouped)
            one.nw("ctl", "reload")
            two.until(lambda: two.rcode("c.example") == "NOERROR", "a new member")
            two.until(lambda: two.rcode("a.example") == "REFUSED", "a removed member")
            two.until(lambda: two.zones()["b.example."]["template"] == "closed", "a member of a group")
            assert two.rcode("b.example") == "REFUSED", "as the template of its group says"
            label = next(line for line in records.splitlines() if "b.example" in line).split(".")[0]
            assert f"group.{label}.zones" in one.nw("zone", "show", "cat.example"), (
                "it has the label that it had"
            )
        # Over a restart, without the primary.
    with running(*ours, ready="ready"):
        assert two.rcode("c.example") == "NOERROR"
        assert set(two.zones()) == {"cat.example.", "b.example.", "c.example."}


def test_many_members_are_removed_with_a_second_word(pair: tuple[Node, Node]) -> None:
    one, two = pair
    names = [f"z{number}.example" for number in range(4)]
    with (
        running(*producer(one, two, *names), ready="ready"),
        running(*consumer(two, one, "most_removed = 1\n"), ready="ready"),
    ):
        two.until(lambda: len(two.catalog()["members"]) == 4, "four members")
        for name in names[:2]:
            (one.folder / "zones" / f"{name}.zone").unlink()
        zone_file(one.folder / "zones", "new.example", "192.0.2.1")
        one.nw("ctl", "reload")
        two.until(lambda: two.catalog()["waiting"] == ["z0.example.", "z1.example."], "they wait")
        two.until(lambda: "new.example." in two.catalog()["members"], "what is new comes all the same")
        assert two.rcode("z0.example") == "NOERROR"
        assert "`nw zone refresh cat.example. --remove`" in two.nw("zone", "status", "cat.example")
        two.nw("zone", "refresh", "cat.example", "--remove")
        two.until(lambda: two.rcode("z0.example") == "REFUSED", "they are removed")
        assert two.catalog()["members"] == ["new.example.", "z2.example.", "z3.example."]


def test_a_broken_catalog_keeps_its_members_and_says_why(pair: tuple[Node, Node]) -> None:
    one, two = pair
    own = '[[zone]]\nname = "mine.example"\nkind = "database"\n'
    zone = '[[zone]]\nname = "cat.example"\nkind = "database"\ntransfer = ["loopback"]\n'
    zone += f'notify = ["{HOST}:{two.port}"]\n'
    with running(*one.configure(zone), ready="ready"), running(*consumer(two, one, own), ready="ready"):

        def publish(*lines: str) -> None:
            file = one.folder / "catalog"
            file.write_text(
                "@ 0 SOA invalid. invalid. 1 3600 600 86400 0\n@ 0 NS invalid.\n" + "\n".join(lines) + "\n"
            )
            one.nw("zone", "apply", "cat.example", str(file), "--yes-delete", "10")

        right = ('version 0 TXT "2"', "n1.zones 0 PTR a.example.", "n2.zones 0 PTR mine.example.")
        publish(*right)
        two.until(lambda: two.catalog()["members"] == ["a.example."], "a member")
        assert two.catalog()["doubts"] == [
            "zone mine.example. is ignored: it is served already, by the configuration"
        ]
        publish('version 0 TXT "1"', "n3.zones 0 PTR b.example.")
        two.until(lambda: two.catalog()["error"] is not None, "it is broken")
        assert two.catalog()["error"] == (
            'version.cat.example. is "1"; a catalog zone of RFC 9432 has one, "2"'
        )
        assert two.catalog()["members"] == ["a.example."]
        publish(right[0], "n9.zones 0 PTR a.example.")
        two.until(lambda: two.catalog()["error"] is None, "it is right again")
        assert two.catalog()["members"] == ["a.example."]


def test_a_member_moves_to_another_catalog_and_is_reset_by_another_label(pair: tuple[Node, Node]) -> None:
    one, two = pair
    send = f'transfer = ["loopback"]\nnotify = ["{HOST}:{two.port}"]\n'
    zone_file(one.folder, "a.example", "192.0.2.1")
    zones = "".join(
        f'[[zone]]\nname = "{name}"\nkind = "database"\n{send}' for name in ("one.cat", "two.cat")
    )
    zones += f'[[zone]]\nname = "a.example"\nfile = "a.example.zone"\n{send}'
    ours = "".join(
        f'[[catalog]]\nname = "{name}"\nprimaries = ["{HOST}:{one.port}"]\ntemplate = "copies"\ninterval = 0\n'
        for name in ("one.cat", "two.cat")
    )
    ours += TEMPLATE
    with running(*one.configure(zones), ready="ready"), running(*two.configure(ours), ready="ready"):

        def publish(name: str, *lines: str) -> None:
            file = one.folder / "catalog"
            file.write_text(
                '@ 0 SOA invalid. invalid. 1 3600 600 86400 0\n@ 0 NS invalid.\nversion 0 TXT "2"\n'
                + "".join(f"{line}\n" for line in lines)
            )
            one.nw("zone", "apply", name, str(file), "--yes-delete", "10")

        def members(name: str) -> list[str]:
            return list(two.catalog(name)["members"])

        def versions() -> int:
            """Return the entries of the history of the member."""
            return len(json.loads(two.nw("zone", "log", "a.example", "--json"))["entries"])

        member = "n1.zones 0 PTR a.example."
        publish("two.cat")
        publish("one.cat", member)
        two.until(lambda: members("one.cat") == ["a.example."], "a member")
        two.until(lambda: two.rcode("a.example") == "NOERROR", "it is transferred")
        assert two.zones()["a.example."]["error"] is None, "it waits no more"
        zone_file(one.folder, "a.example", "192.0.2.2", serial=2)
        one.nw("ctl", "reload")
        two.until(lambda: versions() == 2, "it changes")

        publish("two.cat", member)
        two.until(lambda: bool(two.catalog("two.cat")["doubts"]), "it belongs to another")
        assert (
            "the catalog zone one.cat., which does not release it (coo)"
            in two.catalog("two.cat")["doubts"][0]
        )
        publish("one.cat", member, "coo.n1.zones 0 PTR two.cat.")
        two.until(lambda: members("two.cat") == ["a.example."], "it moves")
        assert members("one.cat") == []
        assert versions() == 2, "with the same label, it keeps what it has"

        publish("two.cat", "n2.zones 0 PTR a.example.", "n3.zones 0 PTR b.example.")
        two.until(lambda: members("two.cat") == ["a.example.", "b.example."], "another label")
        two.until(lambda: two.rcode("a.example") == "NOERROR", "it is transferred anew")
        assert versions() == 1, "nothing of it has stayed"


TEMPLATE = '[[template]]\nname = "copies"\nkind = "secondary"\n'


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (
            f'[[catalog]]\nname = "cat"\nprimaries = ["192.0.2.1"]\ntemplate = "copy"\n{TEMPLATE}',
            "namewise.toml:6:1: catalog[0].template: no [[template]] is named 'copy'; did you mean 'copies'?",
        ),
        (
            '[[catalog]]\nname = "cat"\nprimaries = ["192.0.2.1"]\ntemplate = "files"\n[[template]]\nname = "files"\n',
            'namewise.toml:6:1: catalog[0].template: [[template]] "files" is for zones of kind "file"; members are secondary zones',
        ),
        (
            f'[[catalog]]\nname = "cat"\nprimaries = ["one"]\ntemplate = "copies"\n{TEMPLATE}',
            "namewise.toml:5:14: catalog[0].primaries[0]: 'one' is not an IP address; names are not looked up here",
        ),
        (
            f'[[catalog]]\nname = "cat"\ntemplate = "copies"\n{TEMPLATE}primaries = ["192.0.2.1"]\n',
            "namewise.toml:3:1: catalog[0]: it is unknown where cat. comes from: set primaries, or add a [[zone]] of this name",
        ),
        (
            f'[[catalog]]\nname = "cat"\nprimaries = ["192.0.2.1"]\ntemplate = "copies"\n{TEMPLATE}'
            '[[zone]]\nname = "cat"\nkind = "database"\n',
            "namewise.toml:4:1: catalog[0].name: zone 'cat.' is given twice; first at namewise.toml:11:1",
        ),
        (
            '[[zone]]\nname = "a"\nfile = "a"\ncatalog = "cat"\n',
            'namewise.toml:6:1: zone[0].catalog: there is no [[zone]] cat. of kind "database" for the catalog; add it',
        ),
        (
            '[[zone]]\nname = "a"\nfile = "a"\ngroup = "g"\n',
            "namewise.toml:6:1: zone[0].group: a group is a property in a catalog zone: set catalog, too",
        ),
        (
            '[[zone]]\nname = "a"\nfile = "a"\ngroup = \'"g"\'\n',
            'namewise.toml:6:1: zone[0].group: a group has no " and no \\',
        ),
    ],
)
def test_mistakes_have_their_place(tmp_path: Path, text: str, expected: str) -> None:
    assert mistakes(tmp_path, f'[server]\nstate = "state"\n{text}') == [expected]

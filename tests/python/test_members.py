"""Zones that get a template while the server runs: `nw zone add --template`."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest
from commands import nw
from servers import listening, running

import namewise
from namewise.message import make_query

if TYPE_CHECKING:
    from pathlib import Path

LISTEN = '[[listen]]\naddress = "127.0.0.1"\nport = 0\n'
INSIDE = '[[template]]\nname = "inside"\nallow = ["10.0.0.0/8"]\nserial = "date"\n'


def configured(folder: Path, text: str) -> Path:
    file = folder / "namewise.toml"
    file.write_text(f'[server]\nworkers = 1\nstate = "state"\n{LISTEN}{text}')
    return file


def add(control: str, *words: str) -> str:
    done = nw("zone", "add", *words, "--control", control)
    return (done.stdout + done.stderr).strip()


def rcode(control: str, name: str) -> str:
    return str(namewise.query(make_query(name, "SOA"), listening(control)).rcode)


def zones(control: str) -> dict[str, str | None]:
    answer = json.loads(nw("zone", "list", "--json", "--control", control).stdout)
    return {zone["name"]: zone["template"] for zone in answer["zones"]}


def test_an_added_zone_has_the_settings_of_its_template_over_restarts(tmp_path: Path) -> None:
    config, control = configured(tmp_path, INSIDE), str(tmp_path / "control")
    args = ("serve", "--config", str(config), "--control", control)
    with running(*args, ready="ready"):
        assert add(control, "open.example", "--ns", "ns.example") == "zone open.example. is served: serial 1"
        done = add(control, "example.com", "--template", "Inside", "--ns", "ns.example")
        assert done == "zone example.com. is served: serial 1"
        assert (rcode(control, "open.example"), rcode(control, "example.com")) == ("NOERROR", "REFUSED")
    with running(*args, ready="ready"):
        assert (rcode(control, "open.example"), rcode(control, "example.com")) == ("NOERROR", "REFUSED")
        assert zones(control) == {"example.com.": "inside", "open.example.": None}
        assert (
            nw("zone", "set", "example.com", "www", "60", "A", "192.0.2.1", "--control", control).returncode
            == 0
        )
        config.write_text(config.read_text().replace("10.0.0.0/8", "127.0.0.0/8"))
        assert nw("ctl", "reload", "--control", control).returncode == 0
        assert rcode(control, "example.com") == "NOERROR", "the template has changed"
        assert nw("zone", "remove", "example.com", "--control", control).returncode == 0
        assert rcode(control, "example.com") == "REFUSED"
    with running(*args, ready="ready"):
        assert zones(control) == {"open.example.": None}
        assert add(control, "example.com", "--template", "inside", "--ns", "ns.example").endswith("serial 1")
        assert len(nw("zone", "log", "example.com", "--control", control).stdout.splitlines()) == 1


def test_a_template_that_zones_were_added_with_cannot_go(tmp_path: Path) -> None:
    config, control = configured(tmp_path, INSIDE), str(tmp_path / "control")
    args = ("serve", "--config", str(config), "--control", control)
    with running(*args, ready="ready"):
        add(control, "example.com", "--template", "inside", "--ns", "ns.example")
        configured(tmp_path, "")
        refused = nw("ctl", "reload", "--control", control)
        assert refused.returncode == 3
        assert (
            'there is no [[template]] "inside", which example.com. got from `nw zone add`' in refused.stderr
        )
        assert rcode(control, "example.com") == "REFUSED", "as the template said"
    ended = nw(*args)
    assert ended.returncode != 0
    assert 'there is no [[template]] "inside"' in ended.stderr


def test_a_secondary_zone_is_added_by_its_template_alone(tmp_path: Path) -> None:
    text = '[[template]]\nname = "copies"\nkind = "secondary"\nprimaries = ["127.0.0.1:9"]\n'
    config, control = configured(tmp_path, text), str(tmp_path / "control")
    with running("serve", "--config", str(config), "--control", control, ready="ready"):
        assert add(control, "example.com", "--template", "copies") == "zone example.com. is served: waiting"
        assert rcode(control, "example.com") == "SERVFAIL"
        status = json.loads(nw("zone", "status", "example.com", "--json", "--control", control).stdout)
        assert (status["kind"], status["template"]) == ("secondary", "copies")
        assert status["secondary"]["primaries"][0]["primary"] == "127.0.0.1:9"


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (("a", "--template", "insde", "--ns", "ns"), "no [[template]] is named 'insde'"),
        (("a", "--template", "inside"), "zone a. needs records"),
        (
            ("a", "--template", "copies", "--ns", "ns"),
            "is for secondary zones: the records come from the primaries",
        ),
        (("a", "--template", "lost"), '[[template]] "lost" has no primaries, from which zone a. would come'),
        (("b", "--template", "inside", "--ns", "ns"), "zone b. is served already"),
    ],
)
def test_what_cannot_be_added_changes_nothing(tmp_path: Path, words: tuple[str, ...], expected: str) -> None:
    text = (
        INSIDE + '[[template]]\nname = "copies"\nkind = "secondary"\nprimaries = ["127.0.0.1:9"]\n'
        '[[template]]\nname = "lost"\nkind = "secondary"\n[[zone]]\nname = "b"\nkind = "database"\n'
    )
    config, control = configured(tmp_path, text), str(tmp_path / "control")
    with running("serve", "--config", str(config), "--control", control, ready="ready"):
        assert expected in add(control, *words)
        assert zones(control) == {"b.": None}

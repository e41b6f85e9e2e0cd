"""What `nw ctl` prints of a running server, and how it exits."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest
from commands import nw
from servers import running, zone_file

from namewise.cli.ctl import VERBS, anchors, run
from namewise.cli.failure import Failure

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture
def served(tmp_path: Path) -> Iterator[tuple[Path, str]]:
    """A running server with the zone example.com: the folder of its files, and its control socket."""
    zone_file(tmp_path, "example.com", "192.0.2.1")
    config, control = tmp_path / "namewise.toml", str(tmp_path / "control.sock")
    config.write_text(
        '[server]\nworkers = 1\n[[listen]]\naddress = "127.0.0.1"\nport = 0\n'
        '[[zone]]\nname = "example.com"\nfile = "example.com.zone"\n'
    )
    with running("serve", "--config", str(config), "--control", control, ready="ready: "):
        yield tmp_path, control


def test_status_prints_each_value_once(served: tuple[Path, str]) -> None:
    text = nw("ctl", "status", "--control", served[1]).stdout
    labels = [line.split(":")[0] for line in text.splitlines()]
    assert len(labels) == len(set(labels)), text
    assert labels[:5] == [
        "running", "workers", "configuration", "listening", "recursion"
    ]  # fmt: skip
    assert text.count("zone example.com.") == 1 and text.count("generation") == 1


def test_a_reload_with_a_bad_zone_exits_with_4_also_with_json(served: tuple[Path, str]) -> None:
    folder, control = served
    done = nw("ctl", "reload", "--json", "--control", control)
    assert done.returncode == 0 and json.loads(done.stdout)["failures"] == []
    (folder / "example.com.zone").write_text("nonsense\n")
    done = nw("ctl", "reload", "--json", "--control", control)
    document = json.loads(done.stdout)
    assert done.returncode == 4
    assert document["ok"] is False and document["error"]["exit"] == 4
    assert document["error"]["message"].startswith(
        "1 zone could not be loaded\nzone example.com. is not loaded:"
    )
    assert len(document["failures"]) == 1 and document["generation"] > 0


def test_a_refused_reload_with_json_says_that_nothing_has_changed(served: tuple[Path, str]) -> None:
    folder, control = served
    (folder / "namewise.toml").write_text("[sever]\n")
    done = nw("ctl", "reload", "--json", "--control", control)
    document = json.loads(done.stdout)
    assert done.returncode == document["error"]["exit"] == 3
    assert document["ok"] is False and document["error"]["hint"].endswith("keeps its former configuration.")


def test_explain_of_an_address_says_how_to_ask_for_its_name(served: tuple[Path, str]) -> None:
    done = nw("explain", "192.0.2.1", "--control", served[1])
    assert (
        "nw explain: 192.0.2.1 is an address and was resolved as a name; for its name: nw explain -x 192.0.2.1 "
        "(1.2.0.192.in-addr.arpa. PTR)\n"
    ) in done.stderr
    assert "is an address" not in nw("explain", "www.example.com", "--control", served[1]).stderr


@pytest.mark.parametrize(
    ("args", "said"),
    [
        (("policy", "pause", "99999d"), "'99999d': must be from 1s to 7d"),
        (("policy", "pause", "0"), "'0': must be from 1s to 7d"),
        (("policy", "pause", "soon"), "'soon': 'soon' is not a duration"),
        (("nta", "add", "example.com", "--lifetime", "8d"), "--lifetime: must be from 1s to 7d"),
    ],
)
def test_times_out_of_bounds_are_named_as_they_are_written(args: tuple[str, ...], said: str) -> None:
    done = nw("ctl", *args)
    assert (done.returncode, said in done.stderr) == (1, True), done.stderr


def test_two_formats_at_once_are_refused() -> None:
    done = nw("explain", "www.example.com", "--json", "--mermaid")
    assert (done.returncode, "--mermaid and --json exclude each other" in done.stderr) == (1, True)


@pytest.mark.parametrize(
    ("checked", "failure", "said"),
    [
        (0, None, ". keys not seen yet, next query 1970-01-01T00:01:00Z"),
        (0, "no usable reply", ". keys not seen yet, the last query failed: no usable reply, next query"),
        (
            1,
            "no usable reply",
            ". keys seen 1970-01-01T00:00:01Z, the last query failed: no usable reply, next query",
        ),
    ],
)
def test_anchors_say_what_came_of_the_last_query(
    capsys: pytest.CaptureFixture[str], checked: int, failure: str | None, said: str
) -> None:
    point = {"zone": ".", "checked": checked, "due": 60, "deleted": False, "usable": True, "keys": []}
    anchors({"follows": True, "points": [{**point, "failure": failure}]})
    assert capsys.readouterr().out.startswith(said)


@pytest.mark.parametrize(
    ("option", "of"),
    [("--group=kids", "policy"), ("--lifetime=1h", "nta"), ("--tree", "flush"), ("--bogus", "flush")],
)
@pytest.mark.parametrize("verb", VERBS)
def test_options_of_other_verbs_are_refused(verb: str, option: str, of: str) -> None:
    """Without its effect, `flush --group kids` would empty the cache for everybody."""
    if verb != of:
        with pytest.raises(Failure, match=f"{verb} has no option {option.split('=')[0]}"):
            run([verb, option])

"""Receipts: `nw dig +receipt` gets the number under which `nw why` explains that answer."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING

import pytest
from commands import nw
from servers import listening, running, zone_file

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture
def resolver(tmp_path: Path) -> Iterator[tuple[str, str]]:
    """A resolver with the zone local.test that forwards the rest: its port and its control socket."""
    (tmp_path / "above").mkdir()
    zone_file(tmp_path / "above", "example.com", "192.0.2.1")
    above = tmp_path / "above" / "namewise.toml"
    listen = '[server]\nworkers = 1\n[[listen]]\naddress = "127.0.0.1"\nport = 0\n'
    above.write_text(listen + '[[zone]]\nname = "example.com"\nfile = "example.com.zone"\n')
    zone_file(tmp_path, "local.test", "192.0.2.7")
    below, control = tmp_path / "namewise.toml", str(tmp_path / "control.sock")
    above_control = str(tmp_path / "above" / "c")
    with running("serve", "--config", str(above), "--control", above_control, ready="ready: "):
        below.write_text(
            listen
            + '[[zone]]\nname = "local.test"\nfile = "local.test.zone"\n[resolver]\nvalidation = "off"\n'
            + f'[[forward]]\nservers = ["{listening(above_control)}"]\n'
        )
        with running("serve", "--config", str(below), "--control", control, ready="ready: "):
            yield listening(control).rpartition(":")[2], control


def receipt(port: str, *line: str) -> int:
    """The number that the answer to the command line *line* carries."""
    shown = nw("dig", "@127.0.0.1", "-p", port, "+receipt", *line).stdout
    found = re.search(r"^; RECEIPT: (\d+) \(nw why \1\)$", shown, re.MULTILINE)
    assert found, shown
    return int(found[1])


def test_a_lookup_a_hit_and_a_zone_answer_are_explained_by_their_numbers(resolver: tuple[str, str]) -> None:
    port, control = resolver

    def why(number: int) -> str:
        done = nw("why", str(number), "--control", control)
        assert done.returncode == 0, done.stderr
        return done.stdout

    looked_up = why(receipt(port, "www.example.com"))
    assert "www.example.com. is answered" in looked_up or "www.example.com. A is answered" in looked_up
    assert "forward" in looked_up and "www.example.com. 60 IN A 192.0.2.1" in looked_up
    hit = why(receipt(port, "www.example.com", "+tcp"))
    assert "cache" in hit and "forward" not in hit, "the second answer comes from the cache"
    local = why(receipt(port, "www.local.test"))
    assert "zone: " in local and "192.0.2.7" in local
    missing = nw("why", "999999", "--control", control)
    assert missing.returncode == 2
    listed = json.loads(nw("why", "--last", "10", "--json", "--control", control).stdout)
    assert [record["question"]["name"] for record in listed] == [
        "www.local.test.",
        "www.example.com.",
        "www.example.com.",
    ]
    times = {record["id"]: record["total_us"] for record in listed}
    for record in listed:
        alone = sum(step["took_us"] for step in record["steps"] if not step["parallel"])
        assert alone == times[record["id"]], record


def test_whoever_is_not_listed_gets_the_answer_without_a_receipt(tmp_path: Path) -> None:
    zone_file(tmp_path, "local.test", "192.0.2.7")
    config, control = tmp_path / "namewise.toml", str(tmp_path / "control.sock")
    config.write_text(
        '[server]\nworkers = 1\n[[listen]]\naddress = "127.0.0.1"\nport = 0\n'
        '[[policy]]\npolicy = "acl"\non = "receipts"\nallow = ["none"]\n'
        '[[zone]]\nname = "local.test"\nfile = "local.test.zone"\n'
    )
    with running("serve", "--config", str(config), "--control", control, ready="ready: "):
        port = listening(control).rpartition(":")[2]
        shown = nw("dig", "@127.0.0.1", "-p", port, "+receipt", "www.local.test").stdout
    assert "192.0.2.7" in shown and "RECEIPT" not in shown

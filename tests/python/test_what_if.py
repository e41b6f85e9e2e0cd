"""Counterfactual explanations: the comparison, the names of a search list, and `nw explain --what-if` at a running server."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
from commands import nw
from servers import listening, running, zone_file

from namewise.tools.explain import _chain, _Paint
from namewise.tools.what_if import compare, render, search_names

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


def explanation(rcode: str, *answer: str, queries: int = 0, name: str = "www.example.com.") -> dict[str, Any]:
    steps = [{"server": "192.0.2.1:53"}] * queries
    question = {"name": name, "type": "A", "class": "IN"}
    result = {"rcode": rcode, "ede": [], "answer": list(answer)}
    verdict = f"{name} A: {rcode}"
    return {"question": question, "result": result, "steps": steps, "total_us": 1000, "verdict": verdict}


def test_a_ttl_that_counts_down_is_no_difference() -> None:
    before = explanation("NOERROR", "www.example.com. 17 IN A 192.0.2.1")
    after = explanation("NOERROR", "www.example.com. 60 IN A 192.0.2.1", queries=2)
    document = compare("flush", before, after)
    assert document["difference"]["removed"] == document["difference"]["added"] == []
    assert document["difference"]["queries"] == [0, 2]
    assert render(document).startswith("The answer would be the same if the cache were empty.\n")


def test_other_records_and_another_rcode_are_a_difference() -> None:
    before = explanation("NOERROR", "www.example.com. 17 IN A 192.0.2.1")
    document = compare("flush", before, explanation("NXDOMAIN"))
    text = render(document)
    assert "rcode: NOERROR -> NXDOMAIN" in text
    assert "- www.example.com. IN A 192.0.2.1" in text


@pytest.mark.parametrize(
    ("name", "text", "names"),
    [
        ("www", "search corp.example example.com.", ["www.corp.example.", "www.example.com.", "www."]),
        ("www.a", "search corp.example", ["www.a.", "www.a.corp.example."]),
        (
            "www.a",
            "domain corp.example\noptions timeout:1 ndots:2",
            ["www.a.corp.example.", "www.a."],
        ),
        ("www.", "search corp.example", ["www."]),
        ("www", "# nothing", ["www."]),
    ],
)
def test_the_search_list_follows_resolv_conf(name: str, text: str, names: list[str]) -> None:
    assert search_names(name, text) == names


@pytest.fixture
def forwarded(tmp_path: Path) -> Iterator[str]:
    """A resolver that forwards example.com to a server of it; the control socket, and the address of another server."""
    servers = []
    for folder, address in (("one", "192.0.2.1"), ("two", "192.0.2.2")):
        (tmp_path / folder).mkdir()
        zone_file(tmp_path / folder, "example.com", address)
        servers.append(tmp_path / folder / "namewise.toml")
        servers[-1].write_text(
            '[server]\nworkers = 1\n[[listen]]\naddress = "127.0.0.1"\nport = 0\n'
            '[[zone]]\nname = "example.com"\nfile = "example.com.zone"\n'
        )
    control = str(tmp_path / "control.sock")
    started = [
        running("serve", "--config", str(config), "--control", str(config.parent / "c"), ready="ready: ")
        for config in servers
    ]
    with started[0], started[1]:
        ports = [listening(str(config.parent / "c")) for config in servers]
        resolver = tmp_path / "resolver.toml"
        resolver.write_text(
            '[server]\nworkers = 1\n[[listen]]\naddress = "127.0.0.1"\nport = 0\n[resolver]\n'
            f'[[forward]]\nsuffix = "example.com"\nservers = ["{ports[0]}"]\nauthoritative = true\n'
        )
        with running("serve", "--config", str(resolver), "--control", control, ready="ready: "):
            yield f"{control} {ports[1]}"


def test_an_empty_cache_and_another_forwarder_are_tried_without_a_trace(forwarded: str) -> None:
    control, other = forwarded.split()

    def ask(*args: str) -> dict[str, Any]:
        done = nw("explain", "www.example.com", "--json", "--control", control, *args)
        assert done.returncode == 0, done.stderr
        document: dict[str, Any] = json.loads(done.stdout)
        return document

    ask()
    document = ask("--what-if", "flush")
    assert document["schema"] == "namewise.what-if/1"
    assert document["difference"]["queries"] == [0, 1]
    assert document["difference"]["added"] == []
    document = ask("--what-if", f"other-forwarder={other}")
    assert document["difference"]["removed"] == ["www.example.com. IN A 192.0.2.1"]
    assert document["difference"]["added"] == ["www.example.com. IN A 192.0.2.2"]
    after = ask()
    assert after["result"]["answer"][0].endswith("192.0.2.1"), "the running server has not changed"
    assert not any(step["server"] for step in after["steps"])


def test_an_unknown_counterfactual_is_refused() -> None:
    done = nw("explain", "www.example.com", "--what-if", "other-forwarder")
    assert done.returncode == 1
    assert "--what-if other-forwarder is no counterfactual" in done.stderr
    done = nw("explain", "www.example.com", "--what-if", "other-forwarder=nowhere")
    assert done.returncode == 1 and "is not a server" in done.stderr


def test_the_last_link_of_a_bogus_chain_is_bogus() -> None:
    step = {"name": "www.example.com.", "type": "A", "validation": None, "reason": "bogus"}
    document = {
        "question": {"name": "www.example.com.", "type": "A"},
        "steps": [{**step, "text": "www.example.com. A: bogus: it has no signature"}],
    }
    assert list(_chain(document, _Paint(colour=False))) == [
        "chain of trust:",
        "  www.example.com. A bogus: it has no signature",
    ]

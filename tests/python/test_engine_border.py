"""The interface of the engine: TOML with positions, errors with their fields, a fast import."""

from __future__ import annotations

import doctest
import importlib
import json
import os
import pickle
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

import namewise
from namewise.engine import parse_toml, registry
from namewise.engine.errors import NamewiseError, TomlError
from namewise.message import Edns, EdnsOption, Message, make_message, make_query, make_response
from namewise.name import Name
from namewise.rdata import Rdata, RRset, TextError, WireError

TOML = """\
[server]
workers = 2

[[zone]]
name = "example.com"
"odd key" = [1, 2.5]
[[zone]]
name = "example.org" # two
since = 2026-01-02
"""


def test_toml_values_have_positions() -> None:
    values, positions = (json.loads(text) for text in parse_toml(TOML))
    assert values == {
        "server": {"workers": 2},
        "zone": [
            {"name": "example.com", "odd key": [1, 2.5]},
            {"name": "example.org", "since": "2026-01-02"},
        ],
    }
    assert positions["server.workers"] == [2, 1]
    assert positions["zone.1.name"] == [8, 1]
    assert positions['zone.0."odd key"'] == [6, 1]
    assert positions['zone.0."odd key".1'] == [6, 17]


def test_all_toml_errors_are_reported_at_once() -> None:
    with pytest.raises(TomlError) as caught:
        parse_toml('a = "ü" x\n\n[b\nc = nan\n')
    assert [(fault.line, fault.column) for fault in caught.value.faults] == [(1, 9), (3, 3)]
    with pytest.raises(TomlError, match="finite"):
        parse_toml("a = nan")
    with pytest.raises(TomlError, match="64 bits"):
        parse_toml("a = 99999999999999999999")


def test_errors_are_data() -> None:
    with pytest.raises(TextError) as caught:
        namewise.Rdata("MX", "10 mail.example.com. 7")
    assert (caught.value.code, caught.value.column, caught.value.expected) == (
        "TRAILING",
        22,
        "the end of the record",
    )
    with pytest.raises(WireError) as wire:
        Message.parse(make_query("a.example").wire + b"?")
    assert (wire.value.code, wire.value.offset) == ("TRAILING_BYTES", len(make_query("a.example").wire))
    assert issubclass(WireError, NamewiseError) and issubclass(WireError, ValueError)


@pytest.mark.parametrize("given", ["NOSUCH", "TYPE70000", 70000, -1])
def test_codes_are_checked(given: str | int) -> None:
    with pytest.raises(ValueError, match="is not an RR type"):
        make_query("example.com", given)
    with pytest.raises(TypeError, match="an RR type"):
        make_query("example.com", None)  # type: ignore[arg-type]


def test_registries_are_the_engine_s() -> None:
    assert registry("types")[28] == "AAAA"
    assert registry("rcodes")[3] == "NXDOMAIN"
    assert registry("ede")[18] == "Prohibited"
    with pytest.raises(ValueError, match="no registry"):
        registry("colours")  # type: ignore[arg-type]


def test_frozen_objects_cannot_change() -> None:
    query = make_query("example.com", "A")
    with pytest.raises(AttributeError):
        query.id = 7  # type: ignore[misc]
    with pytest.raises(AttributeError):
        Name("a").extra = 1  # type: ignore[attr-defined]


def test_views_can_be_sent_to_another_process() -> None:
    rrset = RRset("example.com", "MX", 60, ["10 mail.example.com."])
    message = make_response(make_query("example.com", "MX"), answer=[rrset])
    for thing in (Name("a.example"), rrset, rrset.rdatas[0], message):
        assert pickle.loads(pickle.dumps(thing)) == thing


def test_a_response_that_does_not_fit_is_cut_between_rrsets() -> None:
    """RFC 2181 §9."""
    query = make_query("example.com", "TXT")
    sets = [RRset(f"{n}.example.com", "TXT", 60, ["x" * 200]) for n in range(5)]
    reply = make_response(query, answer=sets, limit=700)
    assert reply.truncated and len(reply) <= 700
    assert len(reply.answer) == 3
    assert reply.edns is not None
    helped = make_response(query, additional=sets, limit=700)
    assert not helped.truncated and len(helped.additional) == 3


def test_extended_rcode_and_errors() -> None:
    """RFC 6891 §6.1.3, RFC 8914."""
    query = make_query("example.com", "A", version=1)
    reply = make_response(query, "BADVERS", options=[EdnsOption.extended_error(21, "version 1")])
    assert (reply.rcode, reply.rcode_value, reply.flags_value & 15) == ("BADVERS", 16, 0)
    assert reply.ede == [(21, "Not Supported", "version 1")]
    assert query.edns is not None and query.edns.version == 1


def test_parts_that_make_no_message_are_refused() -> None:
    query = make_query("example.com", "A")
    opt = RRset(".", "OPT", 0, [Rdata.from_wire("OPT", b"")])
    with pytest.raises(WireError) as caught:
        make_response(query, answer=[opt])
    assert caught.value.code == "BAD_OPT"
    with pytest.raises(ValueError, match="fits no message"):
        EdnsOption("NSID", b"x" * 70_000)
    with pytest.raises(WireError, match="does not fit"):
        make_query("example.com", options=[EdnsOption("NSID", b"x" * 40_000)] * 2)
    with pytest.raises(WireError, match="65535"):
        Rdata.from_wire("NULL", b"x" * 65_536)
    with pytest.raises(ValueError, match="2147483647"):
        RRset.from_text("example.com 4294967295 A 192.0.2.1")


def test_a_message_from_parts() -> None:
    update = make_message(("example.com", "SOA"), id=5, opcode="UPDATE", edns=Edns(options=[]))
    assert (update.opcode, update.counts, update.flags) == ("UPDATE", (1, 0, 0, 1), "")
    assert update.header_text().splitlines()[1].startswith(";; flags:; QUERY: 1")


def test_a_long_call_can_be_interrupted(tmp_path: Path) -> None:
    """A zone file that never comes: Ctrl-C ends the wait at once."""
    path = tmp_path / "slow.zone"
    os.mkfifo(path)
    timer = threading.Timer(0.2, os.kill, (os.getpid(), signal.SIGINT))
    timer.start()
    started = time.monotonic()
    with pytest.raises(KeyboardInterrupt):
        namewise.Zone.from_file("example.com", path)
    assert time.monotonic() - started < 5.0
    timer.join()
    path.open("w").close()  # let the abandoned reader go


def modules_with_examples() -> list[str]:
    """Return every module of the package that shows a prompt, found in the sources: none is forgotten."""
    top = Path(namewise.__file__).parent
    found = [path.relative_to(top.parent) for path in top.rglob("*.py") if ">>> " in path.read_text()]
    return sorted(".".join(path.with_suffix("").parts).removesuffix(".__init__") for path in found)


@pytest.mark.parametrize("module", modules_with_examples())
def test_examples_in_docstrings_run(module: str) -> None:
    result = doctest.testmod(importlib.import_module(module), optionflags=doctest.ELLIPSIS)
    assert result.attempted > 0 and result.failed == 0


def test_the_models_of_values_have_examples() -> None:
    assert {"namewise.name", "namewise.rdata", "namewise.message"} <= set(modules_with_examples())


def test_import_is_lazy_and_light() -> None:
    """`import namewise` loads no engine, no asyncio, no dnspython."""
    code = (
        "import sys, namewise; print(sorted(m for m in sys.modules if m in "
        + repr(["asyncio", "dns", "pydantic", "rich", "inspect", "namewise._engine"])
        + "))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
    for name in namewise.__all__:
        assert getattr(namewise, name) is not None

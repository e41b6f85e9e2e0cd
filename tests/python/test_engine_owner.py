"""What the owner of an engine does for clients, and what it sees of them: requests, telemetry, artifacts, explanations."""

from __future__ import annotations

import io
import json
import socket
from contextlib import contextmanager
from typing import TYPE_CHECKING

import pytest
from commands import nw
from ports import free_port
from servers import running, zone_file

import namewise
from namewise.control.events import ClientRequest, Events, EventThread
from namewise.control.log import Log
from namewise.engine import Engine, NameList, RRset, Snapshot, Zone
from namewise.engine.errors import EngineError
from namewise.message import make_query, make_response

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

ZONE = "$TTL 300\n@ SOA ns hostmaster 1 1d 2h 4w 5m\n@ NS ns\nns A 127.0.0.1\nwww A 192.0.2.1\n"


@contextmanager
def serving(plan: dict[str, object]) -> Iterator[tuple[Engine, str]]:
    """Yield an engine that serves example.com. by *plan*, and its address."""
    engine = Engine()
    udp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    udp.bind(("127.0.0.1", free_port()))
    plan = {"version": 1, "zones": [{"name": "example.com."}], **plan}
    snapshot = Snapshot.build(json.dumps(plan).encode(), [Zone.from_text("example.com", ZONE)])
    engine.publish(snapshot, [udp.fileno()])
    try:
        yield engine, f"127.0.0.1:{udp.getsockname()[1]}"
    finally:
        engine.close()
        udp.close()


def test_an_opcode_is_answered_by_a_function() -> None:
    """The engine passes requests of the plan's opcodes to Python; what Python answers leaves as every response does."""
    seen: list[tuple[str, str | None]] = []

    def toy(request: ClientRequest) -> None:
        seen.append((request.transport, request.key))
        name = request.message.question.name
        answer = RRset(name, "TXT", 60, ['"made in Python"'])
        request.answer(make_response(request.message, flags="qr aa", answer=[answer]))

    def broken(_: ClientRequest) -> None:
        raise RuntimeError("no")

    said = io.StringIO()
    with serving({"control": {"opcodes": [9, 10, 11]}}) as (engine, address):
        events = Events(Log(stream=said))
        events.handlers = {9: toy, 10: broken}
        events.connect(engine)
        thread = EventThread(events, engine)
        try:
            replies = {
                opcode: namewise.query(make_query("toy.example", "TXT", opcode=opcode), address)
                for opcode in (9, 10, 11, 12)
            }
        finally:
            thread.close()
        assert {opcode: reply.rcode for opcode, reply in replies.items()} == {
            9: "NOERROR",
            10: "SERVFAIL",
            11: "NOTIMP",
            12: "NOTIMP",
        }
        assert replies[9].authoritative and seen == [("udp", None)]
        assert str(replies[9].answer[0].rdatas[0]) == '"made in Python"'
        assert engine.stats()["kind.control"] == 3
    assert "the handler of opcode 10 failed: RuntimeError('no')" in said.getvalue()


def test_telemetry_is_read_in_batches() -> None:
    """One event for each response, while a reader is open."""
    with serving({}) as (engine, address):
        namewise.query(make_query("www.example.com"), address)
        with engine.telemetry() as telemetry:
            with pytest.raises(EngineError) as taken:
                engine.telemetry()
            assert taken.value.code == "TAKEN"
            query = make_query("www.example.com", "A")
            reply = namewise.query(query, address)
            namewise.query(make_query("missing.example.com", "A"), address)
            (first, second), lost = telemetry.read()
            assert lost == 0
            assert (first.query, first.rcode, first.source, first.transport) == (query.wire, 0, "zone", "udp")
            assert (first.messages, first.octets, first.took_us) == (1, len(reply.wire), 0)
            assert first.flags == reply.flags_value and first.client.startswith("127.0.0.1:")
            assert second.rcode == 3 and second.time_us >= first.time_us
            assert telemetry.read() == ([], 0)
        namewise.query(make_query("www.example.com"), address)
        assert telemetry.read() == ([], 0), "closed"
        with engine.telemetry(octets=1) as telemetry:
            namewise.query(make_query("www.example.com"), address)
            assert telemetry.read() == ([], 1), "the bound leaves no space"


def test_artifacts_are_swapped_alone() -> None:
    """Settings, zones and the generation stay."""
    with serving({}) as (engine, address):
        engine.swap({"blocked": NameList("ads.example\n# a comment\n"), "other": NameList("")})
        engine.swap({"other": None})
        assert (engine.artifacts, engine.generation) == (["blocked"], 1)
        assert namewise.query(make_query("www.example.com"), address).rcode == "NOERROR"
        with pytest.raises(ValueError, match="line 2"):
            NameList("good.example\nbad..example\n")


def test_an_explanation_is_for_a_client(tmp_path: Path) -> None:
    """`nw explain --client` applies the access lists to that client."""
    control, file = str(tmp_path / "control.sock"), zone_file(tmp_path, "example.com", "192.0.2.1")
    config = tmp_path / "namewise.toml"
    config.write_text(
        f'[[listen]]\naddress = "127.0.0.1"\nport = {free_port()}\n[[policy]]\npolicy = "acl"\non = "query"\nallow = ["192.0.2.0/24"]\n'
        f'[[zone]]\nname = "example.com"\nfile = "{file}"\n'
    )
    with running("serve", "--config", str(config), "--control", control, ready="ready:"):

        def explained(*args: str) -> str:
            done = nw("explain", "www.example.com", "--json", "--control", control, *args)
            assert done.stdout, done.stderr
            return str(json.loads(done.stdout)["result"]["rcode"])

        assert explained() == "REFUSED", "127.0.0.1 is not in the list"
        assert explained("--client", "192.0.2.7") == "NOERROR"
        assert explained("--client", "192.0.2.7", "--transport", "udp") == "NOERROR"
        assert explained("--client", "198.51.100.7", "--transport", "udp") == "REFUSED"
        wrong = nw("explain", "www.example.com", "--control", control, "--client", "nowhere")
        assert wrong.returncode == 1 and "is not an IP address" in wrong.stderr
        wrong = nw("explain", "www.example.com", "--control", control, "--transport", "pigeon")
        assert wrong.returncode == 1 and "is not a transport" in wrong.stderr

"""The engine from Python: serve on loopback, query, change, close."""

from __future__ import annotations

import json
import select
import socket
import time

import pytest

import namewise
from namewise.engine import (
    Done,
    Engine,
    Exchange,
    Resolve,
    Snapshot,
    Unavailable,
    Zone,
    play,
)
from namewise.engine.errors import EngineClosed, GenerationConflict, PlanError
from namewise.message import Message, make_query

ZONE = """\
$TTL 300
@ IN SOA ns hostmaster {serial} 1d 2h 4w 5m
@ NS ns
ns A 127.0.0.1
www A {address}
"""
PLAN = {"version": 1, "zones": [{"name": "example.com."}]}


def zone(serial: int = 1, address: str = "192.0.2.1", name: str = "example.com") -> Zone:
    return Zone.from_text(name, ZONE.format(serial=serial, address=address))


def snapshot(plan: dict[str, object] | None = None, *zones: Zone) -> Snapshot:
    return Snapshot.build(json.dumps(plan or PLAN).encode(), zones or [zone()])


def sockets() -> tuple[list[socket.socket], str]:
    """A UDP and a TCP socket on one free port of loopback, as a daemon would open them."""
    while True:
        udp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        udp.bind(("127.0.0.1", 0))
        tcp = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
        try:
            tcp.bind(udp.getsockname())
            break
        except OSError:
            # A connection of another program has the port.
            udp.close()
            tcp.close()
    tcp.listen()
    return [udp, tcp], f"127.0.0.1:{udp.getsockname()[1]}"


def wait(engine: Engine, limit_s: float = 10.0) -> Done:
    """Wait for the one outcome that is due."""
    ready, _, _ = select.select([engine.event_fd()], [], [], limit_s)
    assert ready, "no event in time"
    (event,) = engine.drain()
    assert isinstance(event, Done)
    return event


def test_a_dry_run_needs_no_engine() -> None:
    served = snapshot()
    query = make_query("www.example.com", "A")
    for transport in ("udp", "tcp"):
        wire = served.answer(query.wire, "192.0.2.99", transport)
        assert wire is not None and Message.parse(wire).rcode == "NOERROR"
    other = served.answer(make_query("example.org").wire, "192.0.2.99", "udp")
    assert other is not None and Message.parse(other).rcode == "REFUSED"
    assert served.answer(b"noise", "192.0.2.99", "udp") is None
    with pytest.raises(ValueError, match="not an IP address"):
        served.answer(query.wire, "here", "udp")
    with pytest.raises(ValueError, match="not a transport"):
        served.answer(query.wire, "::1", "pigeon")  # type: ignore[arg-type]  # the mistake is what is tested


def test_every_fault_of_a_plan_is_reported() -> None:
    plan = {
        "version": 1,
        "colour": "blue",
        "zones": [{"name": "example.com."}],
        "acls": {"query": ["nonsense"]},
    }
    with pytest.raises(PlanError) as caught:
        Snapshot.build(json.dumps(plan).encode(), [])
    paths = {fault.path for fault in caught.value.faults}
    assert any("query" in path for path in paths) and len(caught.value.faults) >= 2
    with pytest.raises(PlanError, match=r"zone example\.org\. is not in the plan"):
        Snapshot.build(json.dumps(PLAN).encode(), [zone(name="example.org")])


def test_serve_change_close() -> None:
    engine = Engine(workers=2)
    assert engine.generation == 0
    listening, address = sockets()
    assert engine.publish(snapshot(), [one.fileno() for one in listening]) == 1
    for one in listening:
        one.close()  # the engine has its own
    for tcp in (False, True):
        answer = namewise.resolve("www.example.com", "A", server=address, tcp=tcp)
        assert str(answer.records[0]) == "192.0.2.1"
    assert engine.change({"example.com": zone(2, "192.0.2.2")}, 1) == 2 == engine.generation
    assert str(namewise.resolve("www.example.com", "A", server=address).records[0]) == "192.0.2.2"
    with pytest.raises(GenerationConflict) as conflict:
        engine.change({"example.com": zone(3, "192.0.2.3")}, 1)
    assert (conflict.value.expected, conflict.value.current) == (1, 2)
    with pytest.raises(ValueError, match=r"the data for zone example\.org\. is of zone example\.com\."):
        engine.change({"example.org": zone()}, 2)
    with pytest.raises(ValueError, match="not a cause"):
        Unavailable("lost")  # type: ignore[arg-type]
    assert engine.change({"example.com": Unavailable("expired", "too old")}, 2) == 3
    reply = namewise.query(make_query("www.example.com", udp_payload=1232), address)
    assert (reply.rcode, [option.data for option in reply.edns.options]) == (
        "SERVFAIL",
        [b"\x00\x18too old"],
    )
    assert engine.change({"example.com": None, "example.org": zone(name="example.org")}, 3) == 4
    assert namewise.query(make_query("www.example.com"), address).rcode == "REFUSED"
    assert namewise.query(make_query("www.example.org"), address).rcode == "NOERROR"
    counters = engine.stats()
    assert counters["generation"] == 4 and all(isinstance(value, int) for value in counters.values())
    engine.close(1.0)
    engine.close()
    with pytest.raises(EngineClosed):
        engine.change({"example.org": None}, 4)
    with pytest.raises(EngineClosed):
        engine.submit(1, Resolve("www.example.com"))
    with pytest.raises(namewise.ResolutionError):
        namewise.resolve("www.example.com", "A", server=address, timeout_s=0.3, attempts=1)


def test_requests_to_the_resolver_have_tickets() -> None:
    authority, client = Engine(), Engine()
    listening, address = sockets()
    authority.publish(snapshot(), [one.fileno() for one in listening])
    plan = {"version": 1, "resolver": {"forward": [{"suffix": ".", "servers": [address]}]}, "zones": []}
    client.publish(Snapshot.build(json.dumps(plan).encode(), []), [])
    try:
        client.submit(7, Resolve("www.example.com", "A"))
        done = wait(client)
        assert (done.ticket, done.error) == (7, None) and done.wire is not None
        assert [str(record) for record in Message.parse(done.wire).answer[0]] == ["192.0.2.1"]
        document = json.loads(done.explanation or "")
        assert document["schema"] == "namewise.explain/1"
        assert document["question"]["name"] == "www.example.com."
        assert (
            sum(step["took_us"] for step in document["steps"] if not step["parallel"]) == document["total_us"]
        )

        held = client.cached("www.example.com")
        assert [(one["type"], one["state"]) for one in held] == [("A", "data")]
        assert client.flush("www.example.com") >= 1 and client.cached("www.example.com") == []

        query = make_query("www.example.com", "A")
        client.submit(8, Exchange(address, query.wire, tcp=True))
        done = wait(client)
        assert done.ticket == 8 and done.wire is not None and query.accepts(done.wire)
        assert done.explanation is None and done.took_us > 0
    finally:
        for engine in (client, authority):
            engine.close()
        for one in listening:
            one.close()


def test_a_failure_is_recorded() -> None:
    """What fails can be asked about afterwards, without any log."""
    listening, address = sockets()
    for one in listening:
        one.close()  # no socket listens there
    plan = {
        "version": 1,
        "resolver": {"forward": [{"suffix": ".", "servers": [address]}], "budget": {"wall_clock_ms": 500}},
    }
    engine = Engine()
    try:
        try:
            served = Snapshot.build(json.dumps(plan).encode(), [])
        except PlanError:  # the budget's key may be named otherwise
            plan["resolver"].pop("budget")  # type: ignore[attr-defined]  # a plan is nested dicts of object
            served = Snapshot.build(json.dumps(plan).encode(), [])
        engine.publish(served, [])
        engine.submit(1, Resolve("www.example.com", "A"))
        done = wait(engine, 30.0)
        assert done.wire is not None and Message.parse(done.wire).rcode == "SERVFAIL"
        ((number, client, text),) = engine.recorded("www.example.com")
        assert client is None and json.loads(text)["result"]["rcode"] == "SERVFAIL"
        assert engine.recorded(id=number) == engine.recorded(limit=1)
        assert engine.recorded("other.example.com") == []
    finally:
        engine.close()


def test_without_a_resolver_a_resolution_is_refused_as_a_client_is() -> None:
    engine = Engine()
    engine.submit(3, Resolve("www.example.com"))
    done = wait(engine)
    assert (done.ticket, done.error) == (3, None)
    assert done.wire is not None and Message.parse(done.wire).rcode == "REFUSED"
    engine.close()


def test_times_are_checked() -> None:
    with pytest.raises(ValueError, match="not a time"):
        Exchange("127.0.0.1:53", b"", timeout_s=-1.0)
    with pytest.raises(ValueError, match="not a time"):
        Engine().close(float("nan"))
    with pytest.raises(ValueError, match="is not a server"):
        Exchange("localhost", b"")


def test_a_descriptor_that_is_no_socket_is_refused() -> None:
    with open("/dev/null") as file, pytest.raises(OSError, match="descriptor"):
        Engine().publish(snapshot(), [file.fileno()])


def test_a_scenario_is_played() -> None:
    report = json.loads(play(text="nonsense"))
    assert (report["schema"], report["outcome"]) == ("namewise.play/1", "unreadable")
    with pytest.raises(ValueError, match="a path or a text"):
        play()


def test_an_engine_that_is_dropped_ends_its_threads() -> None:
    started = time.monotonic()
    engine = Engine(4)
    engine.publish(snapshot(), [])
    del engine
    assert time.monotonic() - started < 5.0

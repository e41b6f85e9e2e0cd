"""Rules for dynamic updates: which one decides, limits on rate, unusual clients."""

from __future__ import annotations

from concurrent.futures import Future
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest

from namewise.config.model import Config
from namewise.config.zones import Update as Settings
from namewise.control.log import Log
from namewise.control.update import Updates
from namewise.engine import Message, Name, Rdata, Zone
from namewise.tools.nsupdate.message import Entry, made
from namewise.zones.state import ZoneState

if TYPE_CHECKING:
    from collections.abc import Callable

ZONE = "example."
TEXT = "$TTL 60\n@ SOA ns h 1 2 3 4 5\n@ NS ns\nns A 192.0.2.1\nwww A 192.0.2.2\nwww TXT x\n"


class Request:
    """A request as the engine passes it on."""

    def __init__(self, wire: bytes, key: str | None, client: str) -> None:
        self.message, self.key, self.client = Message.parse(wire), key, client
        self.rcode = self.why = ""

    def answer(self, response: Message) -> bool:
        self.rcode = response.rcode
        return True


class Bench:
    """Updates of one zone, whose changes are made at once."""

    def __init__(self, *rules: Settings) -> None:
        self.zone = Zone.from_text(ZONE, TEXT)
        self.entries: list[Any] = []
        self.events: list[tuple[str, str]] = []
        self.minute = 0
        journal = SimpleNamespace(
            exists=True, store=SimpleNamespace(entries=lambda name, limit: self.entries)
        )
        registry = SimpleNamespace(find=self._find, submit=self._submit, journal=journal)
        log = Log(output=lambda level, slug, text, fields: self.events.append((slug, text)))
        service: Any = SimpleNamespace(config=Config(update=rules), registry=registry)
        self.updates = Updates(service, log, lambda: self.minute * 60.0)

    def _state(self) -> ZoneState:
        source: Any = SimpleNamespace(name=ZONE)
        return ZoneState(source)._replace(current=self.zone, condition="loaded")

    def _find(self, name: str) -> ZoneState | None:
        return self._state() if name.lower() == ZONE else None

    def _submit(self, name: str, make: Callable[[ZoneState], Zone], cause: object) -> Future[ZoneState]:
        future = Future[ZoneState]()
        try:
            self.zone = make(self._state())
            future.set_result(self._state())
        except Exception as error:
            future.set_exception(error)
        return future

    def send(
        self, *changes: Entry, key: str | None = "k1.", client: str = "192.0.2.9:1", zone: str = ZONE
    ) -> Request:
        request = Request(made(1, Name(zone), "IN", [], list(changes)), key, client)
        self.updates.handle(request)  # type: ignore[arg-type]  # has what is used of a request
        request.why = (
            self.events[-1][1].partition(f" refused with {request.rcode}: ")[2] if self.events else ""
        )
        return request


def add(owner: str, rtype: str = "A", data: str = "192.0.2.7") -> Entry:
    return Entry(Name(owner), 60, "IN", rtype, Rdata(rtype, data))


def rule(**more: Any) -> Settings:
    return Settings(**{"name": "r", "zones": (ZONE,), "key": "k1.", **more})


@pytest.mark.parametrize(
    ("settings", "permitted", "refused"),
    [
        ({}, ["example.", "a.b.example."], []),
        ({"match": "name", "names": ("x.example.",)}, ["X.example."], ["a.x.example.", "example."]),
        ({"match": "subdomain", "names": ("x.example.",)}, ["x.example.", "a.x.example."], ["xx.example."]),
        (
            {"match": "wildcard", "names": ("*.x.example.",)},
            ["a.x.example.", "a.b.x.example."],
            ["x.example."],
        ),
        ({"match": "self", "key": "host.example."}, ["host.example."], ["a.host.example.", "x.example."]),
        ({"match": "selfsub", "key": "host.example."}, ["host.example.", "a.host.example."], ["x.example."]),
        ({"match": "selfwild", "key": "host.example."}, ["a.host.example."], ["host.example."]),
    ],
)
def test_a_rule_is_about_owners(settings: dict[str, Any], permitted: list[str], refused: list[str]) -> None:
    key = settings.get("key", "k1.")
    for owner in permitted:
        assert Bench(rule(**settings)).send(add(owner), key=key).rcode == "NOERROR", owner
    for owner in refused:
        bench = Bench(rule(**settings))
        request = bench.send(add(owner), key=key)
        assert (request.rcode, request.why) == ("REFUSED", f"no [[update]] permits {owner} A"), owner
        assert bench.zone.serial == 1 and bench.events[-1][0] == "update-refused"


def test_a_rule_is_about_types() -> None:
    ns, txt = add("x.example.", "NS", "ns.example."), add("x.example.", "TXT", "x")
    assert Bench(rule()).send(ns).rcode == "REFUSED"
    assert Bench(rule(types=("ANY",))).send(ns).rcode == "NOERROR"
    assert Bench(rule(types=("A",))).send(txt).rcode == "REFUSED"
    # A name is deleted only by those who may delete all that it has.
    delete = Entry(Name("www.example."), 0, "ANY", "ANY")
    assert Bench(rule(types=("A",))).send(delete).why == "no [[update]] permits www.example. TXT"
    assert Bench(rule(types=("A", "TXT"))).send(delete).rcode == "NOERROR"


def test_the_first_rule_decides_and_one_refusal_refuses_all() -> None:
    deny = rule(name="d", match="subdomain", names=("x.example.",), deny=True)
    bench = Bench(deny, rule())
    assert bench.send(add("y.example.")).rcode == "NOERROR"
    before = bench.zone
    request = bench.send(add("z.example."), add("a.x.example."))
    assert (request.rcode, request.why) == ("REFUSED", "[[update]] d denies a.x.example. A")
    assert bench.zone is before
    assert Bench(deny).send(add("x.example.")).rcode == "REFUSED"


def test_key_and_address_must_both_match() -> None:
    bench = Bench(rule(clients=("192.0.2.0/24",)))
    assert bench.send(add("x.example."), client="192.0.2.9:1").rcode == "NOERROR"
    assert bench.send(add("x.example."), client="[2001:db8::1]:1").rcode == "REFUSED"
    assert bench.send(add("x.example."), key="k2.").rcode == "REFUSED"
    assert bench.send(add("x.example."), key=None).rcode == "REFUSED"
    assert bench.send(add("x.other."), zone="other.").rcode == "NOTAUTH"


def test_prerequisites_and_form_have_their_rcodes() -> None:
    bench = Bench(rule())
    assert bench.send(Entry(Name("x.example."), 60, "ANY", "A")).rcode == "FORMERR"
    assert bench.send(add("x.other.")).rcode == "NOTZONE"
    assert bench.send(Entry(Name("www.example."), 0, "NONE", "A", Rdata("A", "192.0.2.2"))).rcode == "NOERROR"
    assert bench.zone.serial == 2


def test_more_updates_than_the_rate_are_refused_until_the_next_minute() -> None:
    bench = Bench(rule(rate=2))
    assert [bench.send(add("x.example.")).rcode for _ in range(4)] == ["NOERROR"] * 2 + ["REFUSED"] * 2
    assert [slug for slug, _ in bench.events].count("update-rate") == 1
    bench.minute += 1
    assert bench.send(add("x.example.")).rcode == "NOERROR"


@pytest.mark.parametrize("unusual", ["log", "refuse"])
def test_a_key_from_a_new_address_is_noticed(unusual: str) -> None:
    bench = Bench(rule(unusual=unusual))
    bench.entries = [SimpleNamespace(why="update", who="K1.", client="192.0.2.9")]
    assert bench.send(add("x.example."), client="192.0.2.9:5").rcode == "NOERROR"
    assert "update-unusual" not in dict(bench.events)
    request = bench.send(add("y.example."), client="198.51.100.1:5")
    text = dict(bench.events)["update-unusual"]
    assert "198.51.100.1 for the first time" in text and "add y.example. 60 IN A 192.0.2.7" in text
    assert request.rcode == ("REFUSED" if unusual == "refuse" else "NOERROR")
    bench.events.clear()
    again = bench.send(add("z.example."), client="198.51.100.1:6")
    assert ("update-unusual" in dict(bench.events)) == (again.rcode == "REFUSED") == (unusual == "refuse")


def test_a_sudden_increase_is_noticed() -> None:
    bench = Bench(rule(unusual="refuse"))
    for _ in range(5):
        bench.send(add("x.example."))
        bench.minute += 1
    rcodes = [bench.send(add("x.example.")).rcode for _ in range(70)]
    assert rcodes[:59] == ["NOERROR"] * 59 and set(rcodes[59:]) == {"REFUSED"}
    assert "60 updates in this minute, usually 1" in bench.events[-11][1]


def test_a_zone_that_is_signed_elsewhere_takes_no_updates() -> None:
    bench = Bench(rule())
    bench.zone = Zone.from_text(
        ZONE,
        f"{TEXT}@ DNSKEY 257 3 13 AAAA\n@ RRSIG SOA 13 1 60 20300101000000 20200101000000 1 example. AAAA\n",
    )
    if bench.zone.is_signed:
        request = bench.send(add("x.example."))
        assert request.rcode == "REFUSED" and "signed elsewhere" in request.why

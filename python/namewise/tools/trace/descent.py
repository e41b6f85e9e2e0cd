"""The walk: from the root down the referrals, every server of every zone asked, aliases followed."""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, TypeVar

from namewise.engine import Name, make_query

from . import compare
from .ask import Outcome
from .reading import DECISIVE, Asked, Server, read

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from namewise.engine import Message, Record

    from .reading import Reading

    Ask = Callable[[str, Message, bool, float], Outcome]
    """From a server's address, a query, whether to use TCP and the seconds to wait, to what came of it."""

_T = TypeVar("_T")
_R = TypeVar("_R")

MAX_CUTS = 20
"""Zones on the way to one name."""
MAX_ALIASES = 16
"""Aliases followed: more are a loop that changes its names."""
MAX_DEPTH = 4
"""Look-ups of name servers inside look-ups of name servers."""
MAX_SERVERS = 40
"""Addresses asked at one cut: a referral may name more than anybody can ask."""
MAX_CHECKED = 8
"""Name servers of the last zone whose own data are compared with the glue."""
TIMEOUT_S = 2.0
PARALLEL = 16
"""Servers asked at once."""
UDP_PAYLOAD = 1232
TRUNCATED = "the reply is truncated although it came over TCP"
FAILURES = {
    "connection-refused": "connection refused",
    "unreachable": "host or network unreachable",
    "no-route": "no route to the server",
    "closed": "the connection was closed early",
    "local-error": "this machine could not send",
    "wrong-id": "a reply with another id came first",
}
"""The engine's reasons why there is no reply, in words."""
DROPPED = ("timeout", FAILURES["connection-refused"], FAILURES["unreachable"])
"""Those that mean that nothing answers at all."""
NOT_SENT = frozenset({"no-route", "local-error"})
"""Those that no other transport mends."""


@dataclass(slots=True)
class Cut:
    """One zone on the way: its servers, what they said, what is odd about them."""

    zone: str
    question: str
    asked: list[Asked] = field(default_factory=list)
    remarks: list[str] = field(default_factory=list)
    took_us: int = 0


@dataclass(slots=True)
class Walk:
    """The whole walk and its verdict: one sentence, with what cost the time."""

    cuts: list[Cut]
    outcome: str
    verdict: str
    answer: list[str]
    took_us: int = 0

    @property
    def exit_code(self) -> int:
        """0: answered, all well; 3: broken, or servers differ; 9: nobody replied."""
        if self.outcome == "no-reply":
            return 9
        good = self.outcome in ("answer", "nxdomain", "nodata")
        return 3 if not good or any(cut.remarks for cut in self.cuts) else 0


def walk(name: Name, rtype: str, hints: Iterable[tuple[str, Sequence[str]]], ask: Ask) -> Walk:
    """Walk from the root to *name* and return what every server on the way said."""
    return _Walker(hints, ask).run(name, rtype)


class _Walker:
    def __init__(self, hints: Iterable[tuple[str, Sequence[str]]], ask: Ask) -> None:
        self.send = ask
        self.slots = threading.Semaphore(PARALLEL)
        """Bounds the queries under way: look-ups of name servers run beside each other."""
        self.root = [Server(name, address, "hints") for name, addresses in hints for address in addresses]
        self.cuts: list[Cut] = []
        self.parent: Reading | None = None
        """The referral to the last zone reached."""

    def run(self, name: Name, rtype: str) -> Walk:
        """Walk, following aliases."""
        answer: list[str] = []
        chain = [name]
        while len(chain) <= MAX_ALIASES + 1:
            last = self._down(chain[-1], rtype, self.root, self.cuts)
            if last is None or last.reading is None:
                silent = all(one.outcome == "no-reply" for cut in self.cuts for one in cut.asked)
                return self._end("no-reply" if silent else "broken", answer, chain, rtype)
            answer += [str(record).replace("\t", " ") for record in last.records("answer")]
            self._compare(last)
            for target in last.reading.aliases:
                loops = target in chain
                chain.append(target)
                if loops:
                    return self._end("alias-loop", answer, chain, rtype)
            if last.reading.says != "alias":
                return self._end(last.reading.says, answer, chain, rtype)
        return self._end("too-many-aliases", answer, chain, rtype)

    def _down(
        self, name: Name, rtype: str, servers: list[Server], cuts: list[Cut], depth: int = 0
    ) -> Asked | None:
        """Follow referrals from *servers* down to an answer about *name*; None when nobody gives one."""
        zone = Name(".")
        parent: Reading | None = None
        for _ in range(MAX_CUTS):
            cut = Cut(str(zone), f"{name} {rtype}")
            cuts.append(cut)
            started = time.perf_counter()
            cut.asked = self._ask_all(servers[:MAX_SERVERS], name, rtype, zone)
            cut.took_us = max(
                int((time.perf_counter() - started) * 1e6), max((one.took_us for one in cut.asked), default=0)
            )
            if len(servers) > MAX_SERVERS:
                cut.remarks.append(f"has {len(servers)} addresses of servers; {MAX_SERVERS} were asked")
            best = _best(cut.asked)
            cut.remarks += compare.remarks(cut.asked)
            if best is None or best.reading is None or best.reading.child is None:
                if not depth:
                    self.parent = parent
                return best
            parent = best.reading
            zone, servers = best.reading.child, self._servers(best.reading, cut, depth)
        return None

    def _ask_all(self, servers: list[Server], name: Name, rtype: str, zone: Name) -> list[Asked]:
        return _parallel(lambda server: self._ask(server, name, rtype, zone), servers)

    def _ask(self, server: Server, name: Name, rtype: str, zone: Name) -> Asked:
        """Ask one server as the resolver does (`resolve/exchange.rs`): without EDNS if it refuses EDNS, over TCP if
        the reply is truncated or malformed or another id came first. The resolver leaves a silent server; this
        walk asks it without EDNS and over TCP, to find out what it answers to.
        """
        took, notes = 0, list[str]()
        discarded: dict[str, int] = {}
        silent: dict[str, str] = {}
        edns, tcp = True, False
        while True:
            query = make_query(name, rtype, flags="", udp_payload=UDP_PAYLOAD if edns else None)
            with self.slots:
                got = self.send(server.address, query, tcp, TIMEOUT_S)
            took += got.took_us
            for why, number in got.discarded:
                discarded[why] = discarded.get(why, 0) + number
            reading = read(query, got.wire, zone) if got.wire is not None else None
            if reading is not None and reading.outcome == "discarded":
                discarded[reading.reason] = discarded.get(reading.reason, 0) + 1
                reading, got = None, Outcome(None, "timeout", got.took_us)
            if reading is None:
                transport = "TCP" if tcp else "UDP" if edns else "UDP without EDNS"
                silent[transport] = FAILURES.get(got.failure, got.failure)
                if not tcp and edns and got.failure == "timeout":
                    edns = False
                    continue
                if not tcp and got.failure not in NOT_SENT:
                    edns, tcp = True, True
                    continue
            elif reading.outcome == "edns-refused":
                rcode = reading.message.rcode if reading.message is not None else "an error"
                notes.append(f"{rcode} with EDNS, asked again without")
                edns = False
                continue
            elif reading.outcome in ("truncated", "malformed") and not tcp:
                if reading.outcome == "malformed":
                    notes.append(f"malformed over UDP ({reading.reason}), asked again over TCP")
                silent["UDP"] = f"{reading.outcome} reply"
                tcp = True
                continue
            break
        packets = tuple(discarded.items())
        if reading is None:
            return Asked(server, "no-reply", _silence(silent), took, None, tuple(notes), "", packets)
        inferred = _inferred(server, silent, edns, tcp)
        detail = TRUNCATED if reading.outcome == "truncated" else reading.reason
        notes += reading.notes
        return Asked(server, reading.outcome, detail, took, reading, tuple(notes), inferred, packets)

    def _servers(self, referral: Reading, cut: Cut, depth: int) -> list[Server]:
        """Return the servers that *referral* names: with glue, else looked up."""
        found: list[Server] = []
        child = referral.child
        assert child is not None, "a referral has a zone"
        for name, glue in referral.servers.items():
            addresses, source = glue, "glue"
            if not addresses:
                if name.is_at_or_below(child):
                    cut.remarks.append(f"{name} lies below {child} and has no glue: it cannot be found")
                    continue
                addresses, alias = self._addresses(name, depth + 1)
                source = "lookup"
                if alias:
                    cut.remarks.append(f"the name server {name} of {child} is an alias (RFC 2181 §10.3)")
                if not addresses:
                    cut.remarks.append(f"the name server {name} of {child} has no address")
            found += [Server(str(name), address, source) for address in addresses]
        return found

    def _addresses(self, name: Name, depth: int) -> tuple[list[str], bool]:
        """Return the addresses of a name server, by a walk of its own, and whether the name is an alias."""
        found: list[str] = []
        alias = False
        for rtype in ("A", "AAAA") if depth <= MAX_DEPTH else ():
            last = self._down(name, rtype, self.root, [], depth)
            if last is not None and last.reading is not None:
                alias = alias or bool(last.reading.aliases)
                found += [str(record.rdata) for record in last.records("answer") if record.type == rtype]
        return found, alias

    def _compare(self, last: Asked) -> None:
        """Compare the zone that answered with its parent, and its servers' serials with each other."""
        cut, parent = self.cuts[-1], self.parent
        if parent is None or last.outcome not in DECISIVE:
            return
        zone = Name(cut.zone)
        self._compare_serials(cut, zone)
        own = self._records(last.server, zone, "NS")
        if not own:
            return
        names = [record.rdata.names[0] for record in own]
        cut.remarks += compare.parent_and_child(parent.servers, names)
        # Names from the parent without glue have been looked up on the way here.
        unseen = {name: glue for name, glue in parent.servers.items() if glue}
        unseen |= {name: [] for name in names if name not in parent.servers}
        checked = list(unseen.items())[:MAX_CHECKED]
        for remarks in _parallel(lambda one: self._compare_addresses(zone, last.server, *one), checked):
            cut.remarks += remarks

    def _compare_serials(self, cut: Cut, zone: Name) -> None:
        serving = [one.server for one in cut.asked if one.outcome in DECISIVE]
        serials: dict[int, list[Server]] = {}
        for server, found in zip(serving, self._each(serving, zone, "SOA"), strict=True):
            for record in found[:1]:
                serials.setdefault(record.rdata.serial, []).append(server)
        cut.remarks += compare.serials(serials)

    def _compare_addresses(self, zone: Name, asked: Server, name: Name, glue: list[str]) -> list[str]:
        """Return what the data of the name server *name* of *zone* say against it and against its *glue*. Glue
        hides from a resolver what a name outside of the zone is, so that such a name is looked up.
        """
        inside = name.is_at_or_below(zone)
        found = self._own_addresses(zone, asked, name) if inside else self._addresses(name, 1)
        if found is None:
            return []
        own, alias = found
        if alias:
            return [f"the name server {name} of {zone} is an alias (RFC 2181 §10.3)"]
        # A parent may hold back addresses that it has no room for; what it says must be true.
        if set(glue) <= set(own) or not (own or inside):
            return []
        return compare.glue_and_own(name, glue, own, "the zone itself" if inside else "its own zone")

    def _own_addresses(self, zone: Name, asked: Server, name: Name) -> tuple[list[str], bool] | None:
        """Return what a server of *zone* says of *name*, as `_addresses` does; None when it does not say."""
        own: list[str] = []
        for rtype in ("A", "AAAA"):
            one = self._ask(asked, name, rtype, zone)
            if one.outcome not in DECISIVE or one.reading is None:
                return None
            if one.reading.aliases:
                return [], True
            own += [str(record.rdata) for record in one.records("answer") if record.type == rtype]
        return own, False

    def _each(self, servers: list[Server], name: Name, rtype: str) -> list[list[Record]]:
        return _parallel(lambda server: self._records(server, name, rtype), servers)

    def _records(self, server: Server, name: Name, rtype: str) -> list[Record]:
        """Return the records of *name*, the zone of *server*."""
        one = self._ask(server, name, rtype, name)
        found = one.records("answer") if one.outcome == "answer" else ()
        return [record for record in found if record.type == rtype and record.owner == name]

    def _end(self, outcome: str, answer: list[str], chain: list[Name], rtype: str) -> Walk:
        name = chain[-1]
        via = f" (aliases: {_text(chain)})" if len(chain) > 1 else ""
        said = {
            "answer": f"{chain[0]} {rtype} is answered{via}",
            "nxdomain": f"{name} does not exist{via}",
            "nodata": f"{name} exists and has no {rtype} record{via}",
            "name-too-long": f"an alias leads to a name of more than 255 octets{via}",
            "no-reply": "no server replied",
            "broken": f"no server of {self.cuts[-1].zone} gave a usable reply{via}",
            "alias-loop": f"alias loop: {_text(chain)}",
            "too-many-aliases": f"more than {MAX_ALIASES} aliases: {_text(chain[:4])} -> ...",
        }.get(outcome, outcome)
        remarks = [f"{cut.zone} {remark}" for cut in self.cuts for remark in cut.remarks]
        took = sum(cut.took_us for cut in self.cuts)
        verdict = (
            said
            + (", all servers agree" if answer and not remarks and outcome == "answer" else "")
            + f"; the walk took {milliseconds(took)}{self._cost(took)}"
            + (f"; but {'; '.join(remarks)}" if remarks else "")
        )
        return Walk(self.cuts, outcome, verdict, answer, took)

    def _cost(self, took_us: int) -> str:
        """Return what cost most of the time, if one server did."""
        slow = max((one for cut in self.cuts for one in cut.asked), key=lambda one: one.took_us, default=None)
        if slow is None or slow.took_us * 2 < took_us or len(self.cuts) < 2:
            return ""
        return f", {milliseconds(slow.took_us)} of it waiting for {slow.server}"


def _parallel(do: Callable[[_T], _R], items: Iterable[_T]) -> list[_R]:
    """Return the results of *do*, in order."""
    from concurrent.futures import ThreadPoolExecutor

    with ThreadPoolExecutor(PARALLEL) as pool:
        return list(pool.map(do, items))


def _best(asked: list[Asked]) -> Asked | None:
    """Return the reply that a resolver goes on with; one without authority if there is no other."""
    for wanted in ("answer", "alias", "name-too-long", "referral", "nxdomain", "nodata", "unauthoritative"):
        for one in asked:
            if one.outcome == wanted:
                return one
    return None


def _silence(silent: dict[str, str]) -> str:
    """Return why there is no reply: `timeout`, or `timeout over UDP, connection refused over TCP`."""
    if silent.get("UDP without EDNS") == silent.get("UDP"):
        silent = {transport: why for transport, why in silent.items() if transport != "UDP without EDNS"}
    if len(set(silent.values())) == 1:
        return next(iter(silent.values()))
    return ", ".join(f"{why} over {transport}" for transport, why in silent.items())


def _inferred(server: Server, silent: dict[str, str], edns: bool, tcp: bool) -> str:
    """Return what it suggests that a server answered after *silent*, ways to ask that brought nothing."""
    if tcp and silent.get("UDP") in DROPPED:
        return f"{server} answers over TCP only ({silent['UDP']} over UDP): UDP is dropped on the way or by the server"
    if not edns and not tcp and silent:
        return f"{server} answers without EDNS only: EDNS is dropped on the way or by the server"
    return ""


def _text(chain: Sequence[Name]) -> str:
    return " -> ".join(str(name) for name in chain)


def milliseconds(took_us: int) -> str:
    """Return a duration for people."""
    return f"{took_us / 1e6:.1f} s" if took_us >= 1_000_000 else f"{took_us / 1000:.1f} ms"

"""The walk: from the root down the referrals, every server of every zone asked, aliases followed."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from namewise.engine import Message, Name, make_query

from . import compare
from .judge import Asked, Outcome, Server, aliases, chain_text, judge, read

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from namewise.engine import Record

    Ask = Callable[[str, Message, bool, float], Outcome]
    """From a server's address, a query, whether to use TCP and the seconds to wait, to what came of it."""

MAX_CUTS = 20
"""Zones on the way to one name."""
MAX_ALIASES = 16
"""Aliases followed: more are a loop that changes its names."""
MAX_DEPTH = 4
"""Look-ups of name servers inside look-ups of name servers."""
MAX_SERVERS = 40
"""Addresses asked at one cut: a referral may name more than anybody can ask."""
MAX_CHECKED = 8
"""Name servers of the last zone whose addresses are compared with the glue."""
TIMEOUT_S = 2.0
PARALLEL = 16
"""Servers asked at once."""
UDP_PAYLOAD = 1232


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
        self.root = [Server(name, address, "hints") for name, addresses in hints for address in addresses]
        self.cuts: list[Cut] = []
        self.parent: Message | None = None
        """The referral to the last zone reached."""

    def run(self, name: Name, rtype: str) -> Walk:
        """Walk, following aliases."""
        answer: list[str] = []
        chain = [name]
        while len(chain) <= MAX_ALIASES + 1:
            last = self._down(chain[-1], rtype, self.root, self.cuts)
            if last is None or last.reply is None:
                silent = all(one.outcome == "no-reply" for cut in self.cuts for one in cut.asked)
                return self._end("no-reply" if silent else "broken", answer, chain, rtype)
            answer += [str(record).replace("\t", " ") for record in last.reply.records("answer")]
            self._compare(last, chain[-1])
            followed, loops = aliases(last.reply, chain[-1])
            for target in followed[1:]:
                loops = loops or target in chain
                chain.append(target)
            if loops:
                return self._end("alias-loop", answer, chain, rtype)
            if last.outcome != "alias":
                return self._end(last.outcome, answer, chain, rtype)
        return self._end("too-many-aliases", answer, chain, rtype)

    def _down(
        self, name: Name, rtype: str, servers: list[Server], cuts: list[Cut], depth: int = 0
    ) -> Asked | None:
        """Follow referrals from *servers* down to an answer about *name*; None when nobody gives one."""
        zone = Name(".")
        parent: Message | None = None
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
            if best is None or best.child is None or best.reply is None:
                if not depth:
                    self.parent = parent
                return best
            parent = best.reply
            zone, servers = best.child, self._servers(best.reply, best.child, cut, depth)
        return None

    def _ask_all(self, servers: list[Server], name: Name, rtype: str, zone: Name) -> list[Asked]:
        from concurrent.futures import ThreadPoolExecutor

        with ThreadPoolExecutor(PARALLEL) as pool:
            return list(pool.map(lambda server: self._ask(server, name, rtype, zone), servers))

    def _ask(self, server: Server, name: Name, rtype: str, zone: Name) -> Asked:
        """Ask one server as a resolver does: without EDNS if it does not take EDNS (RFC 6891 §7), over TCP if
        the reply is truncated.
        """
        took, inferred, tcp = 0, "", False
        notes: list[str] = []
        discarded: tuple[str, ...] = ()
        edns, first = True, None
        while True:
            query = make_query(name, rtype, flags="", udp_payload=UDP_PAYLOAD if edns else None)
            got = self.send(server.address, query, tcp, TIMEOUT_S)
            took += got.took_us
            discarded += got.discarded
            reply, odd = (None, "") if got.wire is None else read(got.wire)
            if odd:
                notes.append(odd)
            if edns and not tcp and self._try_without_edns(got, reply):
                why = got.failure or (reply.rcode if reply is not None else odd)
                notes.append(f"{why} with EDNS, asked again without")
                edns, first = False, got
                continue
            if reply is not None and reply.truncated and not tcp:
                tcp = True
                continue
            break
        if first is not None and first.failure == "timeout" and got.wire is not None:
            inferred = f"{server} answers without EDNS only: EDNS is dropped on the way or by the server"
        if (
            got.wire is not None
            and query.wire[12 : 12 + len(name.wire)] != got.wire[12 : 12 + len(name.wire)]
        ):
            notes += ["the reply changes the case of the question"] if got.wire[4:6] == b"\0\1" else []
        child = None
        if got.wire is None:
            outcome, detail = "no-reply", f"{got.failure} over TCP" if tcp else got.failure
        elif reply is None:
            outcome, detail = "unreadable", notes.pop()
        elif reply.truncated and tcp:
            outcome, detail = "truncated", "TC over TCP: the answer cannot be had whole"
        else:
            outcome, detail, child = judge(reply, name, rtype, zone)
        return Asked(server, outcome, detail, took, reply, child, tuple(notes), inferred, discarded)

    @staticmethod
    def _try_without_edns(got: Outcome, reply: Message | None) -> bool:
        if got.wire is None:
            return got.failure == "timeout"
        return reply is None or reply.rcode in ("FORMERR", "NOTIMP", "BADVERS")

    def _servers(self, reply: Message, child: Name, cut: Cut, depth: int) -> list[Server]:
        """Return the servers of *child* by the referral *reply*: with glue, else looked up."""
        found: list[Server] = []
        glue = _glue(reply)
        for name in _ns(reply, "authority", child):
            addresses, source = glue.get(name), "glue"
            if addresses is None:
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
            if last is not None and last.reply is not None:
                records = last.reply.records("answer")
                alias = alias or any(record.type == "CNAME" and record.owner == name for record in records)
                found += [str(record.rdata) for record in records if record.type == rtype]
        return found, alias

    def _compare(self, last: Asked, name: Name) -> None:
        """Compare the zone that answered with its parent, and its servers' serials with each other."""
        cut, parent = self.cuts[-1], self.parent
        if parent is None or last.outcome not in ("answer", "alias", "nxdomain", "nodata", "alias-loop"):
            return
        zone = Name(cut.zone)
        self._compare_serials(cut, zone)
        own = self._records(last.server, zone, "NS")
        if not own:
            return
        above = _ns(parent, "authority", zone)
        cut.remarks += compare.parent_and_child(above, [record.rdata.names[0] for record in own])
        glue = _glue(parent)
        for server in [name for name in above if name.is_at_or_below(zone) and name in glue][:MAX_CHECKED]:
            self._compare_addresses(cut, last.server, server, glue[server])

    def _compare_serials(self, cut: Cut, zone: Name) -> None:
        serving = [
            one.server for one in cut.asked if one.outcome in ("answer", "alias", "nxdomain", "nodata")
        ]
        serials: dict[int, list[Server]] = {}
        for server, found in zip(serving, self._each(serving, zone, "SOA"), strict=True):
            for record in found[:1]:
                serials.setdefault(record.rdata.serial, []).append(server)
        cut.remarks += compare.serials(serials)

    def _compare_addresses(self, cut: Cut, asked: Server, name: Name, glue: list[str]) -> None:
        own: list[str] = []
        for rtype in ("A", "AAAA"):
            reply = self._ask(asked, name, rtype, Name(cut.zone)).reply
            if reply is None or not reply.authoritative or reply.rcode not in ("NOERROR", "NXDOMAIN"):
                return
            records = reply.records("answer")
            if any(record.type == "CNAME" and record.owner == name for record in records):
                cut.remarks.append(f"the name server {name} of {cut.zone} is an alias (RFC 2181 §10.3)")
                return
            own += [str(record.rdata) for record in records if record.type == rtype and record.owner == name]
        # A parent may hold back addresses that it has no room for; what it says must be true.
        if not set(glue) <= set(own):
            cut.remarks += compare.glue_and_own(name, glue, own)

    def _each(self, servers: list[Server], name: Name, rtype: str) -> list[list[Record]]:
        from concurrent.futures import ThreadPoolExecutor

        with ThreadPoolExecutor(PARALLEL) as pool:
            return list(pool.map(lambda server: self._records(server, name, rtype), servers))

    def _records(self, server: Server, name: Name, rtype: str) -> list[Record]:
        reply = self._ask(server, name, rtype, name).reply
        if reply is None or not reply.authoritative or reply.rcode != "NOERROR":
            return []
        return [record for record in reply.records("answer") if record.type == rtype and record.owner == name]

    def _end(self, outcome: str, answer: list[str], chain: list[Name], rtype: str) -> Walk:
        name = chain[-1]
        via = f" (aliases: {chain_text(chain)})" if len(chain) > 1 else ""
        said = {
            "answer": f"answered{via}",
            "nxdomain": f"{name} does not exist{via}",
            "nodata": f"{name} exists and has no {rtype} record{via}",
            "no-reply": "no server replied",
            "broken": f"no server of {self.cuts[-1].zone} gave a usable reply{via}",
            "alias-loop": f"alias loop: {chain_text(chain)}",
            "too-many-aliases": f"more than {MAX_ALIASES} aliases: {chain_text(chain[:4])} -> ...",
        }.get(outcome, outcome)
        remarks = [f"{cut.zone} {remark}" for cut in self.cuts for remark in cut.remarks]
        took = sum(cut.took_us for cut in self.cuts)
        verdict = (
            said
            + (", all servers agree" if answer and not remarks and outcome == "answer" else "")
            + f" in {milliseconds(took)}{self._cost(took)}"
            + (f"; but {'; '.join(remarks)}" if remarks else "")
        )
        return Walk(self.cuts, outcome, verdict, answer, took)

    def _cost(self, took_us: int) -> str:
        """Return what cost most of the time, if one server did."""
        slow = max((one for cut in self.cuts for one in cut.asked), key=lambda one: one.took_us, default=None)
        if slow is None or slow.took_us * 2 < took_us or len(self.cuts) < 2:
            return ""
        return f", {milliseconds(slow.took_us)} of it waiting for {slow.server}"


def _best(asked: list[Asked]) -> Asked | None:
    for wanted in ("answer", "alias", "alias-loop", "referral", "nxdomain", "nodata"):
        for one in asked:
            if one.outcome == wanted:
                return one
    return None


def _ns(reply: Message, section: str, zone: Name) -> list[Name]:
    """Return the name servers of *zone* in *section*."""
    return [
        record.rdata.names[0]
        for record in reply.records(section)
        if record.type == "NS" and record.owner == zone
    ]


def _glue(reply: Message) -> dict[Name, list[str]]:
    """Return the addresses in the additional section by name."""
    glue: dict[Name, list[str]] = {}
    for record in reply.records("additional"):
        if record.type in ("A", "AAAA"):
            glue.setdefault(record.owner, []).append(str(record.rdata))
    return glue


def milliseconds(took_us: int) -> str:
    """Return a duration for people."""
    return f"{took_us / 1e6:.1f} s" if took_us >= 1_000_000 else f"{took_us / 1000:.1f} ms"

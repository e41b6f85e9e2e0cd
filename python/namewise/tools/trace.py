"""The delegation walk from the root: at every zone cut all servers are asked, and compared.

    . ──all root servers──> referral to com. ──all of com.──> referral to example.com. ──all──> answer
                                                                               alias ──> its target's walk

A resolver takes the first good answer; this walk shows the bad ones too: servers that are silent, that do
not serve the zone (lame), that refer elsewhere or answer something else than the others. It ends in a
verdict.

The walk is a plain function over an `Ask`: it does no I/O itself. `direct` asks over sockets of this
process; the command passes one that asks through a running server, whose routes then apply.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from namewise.engine import Message, Name, make_query

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

MAX_CUTS = 20
MAX_ALIASES = 10
MAX_DEPTH = 4
TIMEOUT_S = 2.0
FEW = 4
"""Servers that say the same and still get a line each."""
BAD = frozenset({"no-reply", "lame", "failure"})
PARALLEL = 16
"""Servers asked at once."""


@dataclass(frozen=True, slots=True)
class Told:
    """What one server said: a reply, or why there is none; and how long that took."""

    reply: Message | None
    failure: str
    took_us: int


if TYPE_CHECKING:
    Ask = Callable[[str, Message], Told]
    """From a server's address and a query to what it said."""


@dataclass(frozen=True, slots=True)
class Server:
    """A name server: its name, its address, and where the address came from (`hints`, `glue`, `lookup`)."""

    name: str
    address: str
    source: str


@dataclass(frozen=True, slots=True)
class Asked:
    """One server and what it said, classified."""

    server: Server
    outcome: str
    """`answer`, `alias`, `nxdomain`, `nodata`, `referral`, `lame`, `no-reply`, `failure`."""
    detail: str
    took_us: int
    reply: Message | None = None
    child: Name | None = None


@dataclass(slots=True)
class Cut:
    """One zone on the way: its servers, what they said, what is odd about them."""

    zone: str
    question: str
    asked: list[Asked] = field(default_factory=list)
    remarks: list[str] = field(default_factory=list)


@dataclass(slots=True)
class Walk:
    """The whole walk and its verdict."""

    cuts: list[Cut]
    outcome: str
    verdict: str
    answer: list[str]

    @property
    def exit_code(self) -> int:
        """0: answered, all well; 3: broken, or servers differ; 9: nobody replied."""
        if self.outcome == "no-reply":
            return 9
        return 3 if self.outcome == "broken" or any(cut.remarks for cut in self.cuts) else 0


def walk(name: Name, rtype: str, hints: Iterable[tuple[str, Sequence[str]]], ask: Ask) -> Walk:
    """Walk from the root to *name* and return what every server on the way said."""
    return _Walker(hints, ask).run(name, rtype)


class _Walker:
    def __init__(self, hints: Iterable[tuple[str, Sequence[str]]], ask: Ask) -> None:
        self.ask = ask
        self.root = [Server(name, address, "hints") for name, addresses in hints for address in addresses]
        self.cuts: list[Cut] = []

    def run(self, name: Name, rtype: str) -> Walk:
        """Walk, following aliases."""
        answer: list[str] = []
        for _ in range(MAX_ALIASES):
            last = self._down(name, rtype, self.root, self.cuts)
            if last is None:
                return self._end("no-reply" if self._all_silent() else "broken", answer, name, rtype)
            if last.reply is not None:
                answer += [str(record).replace("\t", " ") for record in last.reply.records("answer")]
            target = _alias_target(last.reply, name, rtype) if last.outcome == "alias" else None
            if target is None:
                return self._end(last.outcome, answer, name, rtype)
            name = target
        return self._end("broken", answer, name, rtype)

    def _down(
        self, name: Name, rtype: str, servers: list[Server], cuts: list[Cut], depth: int = 0
    ) -> Asked | None:
        """Follow referrals from *servers* down to an answer about *name*; None when nobody gives one."""
        zone = Name(".")
        for _ in range(MAX_CUTS):
            cut = Cut(str(zone), f"{name} {rtype}")
            cuts.append(cut)
            cut.asked = self._ask_all(servers, name, rtype, zone)
            best = _best(cut.asked)
            cut.remarks += _remarks(cut)
            if best is None or best.child is None or best.reply is None:
                return best
            zone, servers = best.child, self._servers(best.reply, best.child, cut, depth)
        return None

    def _ask_all(self, servers: list[Server], name: Name, rtype: str, zone: Name) -> list[Asked]:
        from concurrent.futures import ThreadPoolExecutor

        def one(server: Server) -> Asked:
            told = self.ask(server.address, make_query(name, rtype, flags=""))
            return _classified(server, told, name, rtype, zone)

        with ThreadPoolExecutor(PARALLEL) as pool:
            return list(pool.map(one, servers))

    def _servers(self, reply: Message, child: Name, cut: Cut, depth: int) -> list[Server]:
        """Return the servers of *child* by the referral *reply*: with glue, else looked up."""
        names = [record.rdata.names[0] for record in reply.records("authority") if record.type == "NS"]
        glue: dict[Name, list[str]] = {}
        for record in reply.records("additional"):
            if record.type in ("A", "AAAA") and record.owner in names:
                glue.setdefault(record.owner, []).append(str(record.rdata))
        found: list[Server] = []
        for name in names:
            addresses, source = glue.get(name), "glue"
            if addresses is None:
                if name.is_at_or_below(child):
                    cut.remarks.append(f"{name} lies below {child} and has no glue: nobody can find it")
                    continue
                addresses, source = self._addresses(name, depth + 1), "lookup"
                if not addresses:
                    cut.remarks.append(f"the name server {name} of {child} has no address")
            found += [Server(str(name), address, source) for address in addresses]
        return found

    def _addresses(self, name: Name, depth: int) -> list[str]:
        """Return the addresses of a name server, by a walk that asks one server at each cut."""
        if depth > MAX_DEPTH:
            return []
        found: list[str] = []
        for rtype in ("A", "AAAA"):
            last = self._down(name, rtype, self.root, [], depth)
            if last is not None and last.reply is not None:
                found += [
                    str(record.rdata) for record in last.reply.records("answer") if record.type == rtype
                ]
        return found

    def _all_silent(self) -> bool:
        return all(asked.outcome == "no-reply" for cut in self.cuts for asked in cut.asked)

    def _end(self, outcome: str, answer: list[str], name: Name, rtype: str) -> Walk:
        said = {
            "answer": "answered",
            "nxdomain": f"{name} does not exist",
            "nodata": f"{name} exists and has no {rtype} record",
            "no-reply": "no server replied",
            "broken": f"no server of {self.cuts[-1].zone} gave a usable reply",
        }.get(outcome, outcome)
        remarks = [f"{cut.zone} {remark}" for cut in self.cuts for remark in cut.remarks]
        verdict = said + (
            f"; but {'; '.join(remarks)}" if remarks else ", all servers agree" if answer else ""
        )
        return Walk(self.cuts, outcome, verdict, answer)


def _classified(server: Server, told: Told, name: Name, rtype: str, zone: Name) -> Asked:
    """Say what the reply of a server of *zone* amounts to."""
    reply = told.reply
    if reply is None:
        return Asked(server, "no-reply", told.failure, told.took_us)
    if reply.rcode not in ("NOERROR", "NXDOMAIN"):
        lame = reply.rcode in ("REFUSED", "NOTAUTH")
        return Asked(server, "lame" if lame else "failure", reply.rcode, told.took_us, reply)
    answers = reply.records("answer")
    if answers or reply.authoritative:
        if not reply.authoritative:
            return Asked(server, "lame", "answers without authority", told.took_us, reply)
        if any(record.type == rtype or rtype == "ANY" for record in answers):
            return Asked(server, "answer", _count(len(answers), "record"), told.took_us, reply)
        if answers:
            return Asked(server, "alias", str(answers[-1].rdata), told.took_us, reply)
        outcome = "nxdomain" if reply.rcode == "NXDOMAIN" else "nodata"
        return Asked(server, outcome, reply.rcode, told.took_us, reply)
    for record in reply.records("authority"):
        if record.type != "NS":
            continue
        child = record.owner
        if child != zone and child.is_at_or_below(zone) and name.is_at_or_below(child):
            count = sum(1 for one in reply.records("authority") if one.type == "NS")
            return Asked(
                server, "referral", f"to {child}, {_count(count, 'server')}", told.took_us, reply, child
            )
        where = "to itself" if child == zone else f"to {child}, which leads nowhere"
        return Asked(server, "lame", f"refers {where}", told.took_us, reply)
    return Asked(server, "lame", "empty reply without authority", told.took_us, reply)


def _best(asked: list[Asked]) -> Asked | None:
    for wanted in ("answer", "alias", "referral", "nxdomain", "nodata"):
        for one in asked:
            if one.outcome == wanted:
                return one
    return None


def _remarks(cut: Cut) -> list[str]:
    """Say what is wrong with the servers of a cut, and where they differ."""
    found = []
    if not cut.asked:
        found.append("has no server that could be asked")
    for one in cut.asked:
        who = f"{one.server.name.rstrip('.')} ({one.server.address})"
        if one.outcome == "no-reply":
            found.append(f"server {who} gave no reply: {one.detail}")
        elif one.outcome in BAD:
            found.append(f"server {who} does not serve it: {one.detail}")
    said: dict[tuple[str, ...], list[str]] = {}
    for one in cut.asked:
        if one.reply is not None and one.outcome in ("answer", "alias", "referral", "nxdomain", "nodata"):
            said.setdefault(_essence(one), []).append(one.server.address)
    if len(said) > 1:
        groups = " and ".join(f"{', '.join(addresses)} say {key[0]}" for key, addresses in said.items())
        found.append(f"servers differ: {groups}")
    return found


def _essence(asked: Asked) -> tuple[str, ...]:
    """Return what two servers of a zone have to agree on: the answer, or whom they refer to. TTLs may
    differ."""
    assert asked.reply is not None, "only asked of replies"
    section = "authority" if asked.outcome == "referral" else "answer"
    records = (
        f"{record.owner} {record.type} {record.rdata}".lower()
        for record in asked.reply.records(section)
        if section == "answer" or record.type == "NS"
    )
    return (asked.outcome, *sorted(records))


def _alias_target(reply: Message | None, name: Name, rtype: str) -> Name | None:
    """Return where the aliases in *reply* lead when it does not hold the end itself."""
    if reply is None:
        return None
    aliases = {
        record.owner: record.rdata.names[0] for record in reply.records("answer") if record.type == "CNAME"
    }
    for _ in range(len(aliases) + 1):
        if name not in aliases:
            break
        name = aliases[name]
    return name


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}{'' if number == 1 else 's'}"


def direct(address: str, query: Message) -> Told:
    """Ask *address* over UDP, and over TCP when the reply is truncated."""
    import time

    from namewise.engine.errors import NamewiseError
    from namewise.stub import query as exchange

    started = time.perf_counter()
    try:
        reply = exchange(query, address, timeout_s=TIMEOUT_S)
    except NamewiseError as error:
        attempts = getattr(error, "attempts", ())
        reason = attempts[-1].outcome if attempts else str(error)
        return Told(None, reason, int((time.perf_counter() - started) * 1e6))
    return Told(reply, "", int((time.perf_counter() - started) * 1e6))


def as_json(done: Walk) -> dict[str, Any]:
    """Return the walk as one JSON object."""
    return {
        "schema": "namewise.trace/1",
        "outcome": done.outcome,
        "verdict": done.verdict,
        "answer": done.answer,
        "cuts": [
            {
                "zone": cut.zone,
                "question": cut.question,
                "remarks": cut.remarks,
                "servers": [
                    {
                        "name": one.server.name,
                        "address": one.server.address,
                        "source": one.server.source,
                        "outcome": one.outcome,
                        "detail": one.detail,
                        "took_us": one.took_us,
                    }
                    for one in cut.asked
                ],
            }
            for cut in done.cuts
        ],
    }


def text(done: Walk, *, colour: bool = False, every: bool = False) -> str:
    """Return the walk for people: a block for each zone cut, a line for each server, the verdict at the end.

    More than a few servers that say the same share a line, unless *every* one is wanted.
    """
    from namewise.tools.explain import BOLD, GREEN, OFF, RED, YELLOW

    def paint(code: str, words: str) -> str:
        return f"{code}{words}{OFF}" if colour else words

    lines: list[str] = []
    for cut in done.cuts:
        lines.append(f"{paint(BOLD, cut.zone)}  asked {cut.question}")
        for group in _groups(cut.asked, most=len(cut.asked) if every else FEW):
            one = group[0]
            good = one.outcome not in BAD
            said = paint(
                GREEN if good else RED, f"{one.outcome} {one.detail}".replace("no-reply ", "no reply: ")
            )
            lines.append(f"  {_who(group):<48} {said}, {_took(group)} ({one.server.source})")
    lines += done.answer
    good = done.exit_code == 0
    lines.append(paint(GREEN if good else YELLOW, f"verdict: {done.verdict}"))
    return "\n".join(lines) + "\n"


def _groups(asked: list[Asked], most: int) -> list[list[Asked]]:
    """Return *asked* one by one, or put together what is alike where that is more than *most*."""
    alike: dict[tuple[str, str, str], list[Asked]] = {}
    for one in asked:
        alike.setdefault((one.outcome, one.detail, one.server.source), []).append(one)
    groups: list[list[Asked]] = []
    for group in alike.values():
        groups += [group] if len(group) > most and group[0].outcome not in BAD else [[one] for one in group]
    return groups


def _who(group: list[Asked]) -> str:
    if len(group) == 1:
        return f"{group[0].server.name} {group[0].server.address}"
    names = len({one.server.name for one in group})
    return f"{_count(names, 'server')}, {len(group)} addresses"


def _took(group: list[Asked]) -> str:
    least, most = min(one.took_us for one in group), max(one.took_us for one in group)
    return f"{least / 1000:.1f} ms" if len(group) == 1 else f"{least / 1000:.1f} to {most / 1000:.1f} ms"

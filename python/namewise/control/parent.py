"""What the parent of a zone shows: the DS RRset of each of its servers.

    servers of the configuration ─┐
    NS and addresses of the parent┴─▶ DS query to each, at once ─▶ Parent (None for a server without a usable reply)
    (by the resolver)

Every server is asked, since a roll-over may go on only when none of them has the former DS RRset (RFC 7583 §3.3.1). The queries use TCP,
so that nobody beside the path can forge a reply. With a resolver they go over its own routes.

RFCs: 4035 §3.1.4.1 (DS is answered by the parent), 7583.

*Limitations*: replies are not validated; an anycast server is seen from here alone, which is what `parent_propagation_delay` allows for.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

from namewise.config.values import Endpoint, endpoint
from namewise.dnssec.anchors import Ds
from namewise.dnssec.zone_keys import Parent
from namewise.engine import Exchange, Message, Name, Resolve, make_query
from namewise.engine.errors import EngineClosed, NamewiseError

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from namewise.control.service import Service
    from namewise.engine import RRset

DNS_PORT = 53
TIMEOUT_S = 5.0
ANSWER_S = 30.0
"""Longer than any budget lets a lookup take."""
MOST_SERVERS = 64
"""Addresses that are asked: a parent with more names for its servers must not use up the sockets of this one."""
TOGETHER = 16
"""Addresses that are asked at once."""


class Parents:
    """Asks the parents of zones for one service."""

    def __init__(self, service: Service) -> None:
        self.service = service

    def observe(self, zone: str, servers: Sequence[str], now: int) -> Parent | None:
        """Return what the parent of *zone* shows, by *servers* (`ADDRESS` or `ADDRESS:PORT`), or by those that the resolver finds. None
        if it finds none. Blocks for up to some seconds."""
        asked = [endpoint(server) for server in servers] or self._find(zone)
        if not asked:
            return None
        with ThreadPoolExecutor(min(TOGETHER, len(asked))) as pool:
            replies = list(pool.map(lambda server: self._ask(zone, server), asked))
        found = {str(server): read(zone, reply) for server, reply in zip(asked, replies, strict=True)}
        shown = {server: None if one is None else one[0] for server, one in found.items()}
        return Parent(now, max((one[1] for one in found.values() if one is not None), default=0), shown)

    def _ask(self, zone: str, server: Endpoint) -> Message | None:
        """Return the reply of *server* to the query for DS, or None."""
        query = make_query(zone, "DS", flags="")
        try:
            if self.service.config.resolver is not None:
                exchange = Exchange(str(server), query.wire, tcp=True, timeout_s=TIMEOUT_S)
                wire = self.service.events.submit(exchange).result(ANSWER_S).wire
                return None if wire is None else Message.parse(wire)
            from namewise.stub.blocking import query as ask

            return ask(query, server.address, port=server.port, timeout_s=TIMEOUT_S, tcp=True)
        except EngineClosed:
            raise
        except (NamewiseError, OSError, TimeoutError):
            return None

    def _find(self, zone: str) -> list[Endpoint]:
        """Return the addresses of the servers of the parent, by the resolver."""
        if self.service.config.resolver is None:
            return []
        above = Name(zone).parent
        while above is not None:
            names = self._lookup(str(above), "NS")
            if names:
                found = [
                    Endpoint(address, DNS_PORT)
                    for name in sorted(names)
                    for rtype in ("A", "AAAA")
                    for address in sorted(self._lookup(name, rtype))
                ]
                return found[:MOST_SERVERS]
            above = above.parent
        return []

    def _lookup(self, name: str, rtype: str) -> set[str]:
        """Return the data of an RRset by the resolver; empty if there is none, or if it is not known."""
        try:
            wire = self.service.events.submit(Resolve(name, rtype, steps=False)).result(ANSWER_S).wire
            message = None if wire is None else Message.parse(wire)
        except EngineClosed:
            raise
        except (NamewiseError, TimeoutError):
            return set()
        return set() if message is None else set(_data(message.answer, name, rtype)[0])


def read(zone: str, reply: Message | None) -> tuple[frozenset[Ds], int] | None:
    """Return the DS RRset in the reply of a server of the parent, and its TTL; None if it is not a usable reply."""
    if reply is None or not reply.authoritative or reply.rcode not in ("NOERROR", "NXDOMAIN"):
        return None
    texts, ttl = _data(reply.answer, zone, "DS")
    try:
        return frozenset(map(Ds.parse, texts)), ttl
    except ValueError:
        return None


def _data(rrsets: Iterable[RRset], name: str, rtype: str) -> tuple[list[str], int]:
    texts: list[str] = []
    ttl = 0
    for rrset in rrsets:
        if rrset.type == rtype and str(rrset.owner).lower() == str(Name(name).lower()):
            texts += [str(rdata) for rdata in rrset]
            ttl = rrset.ttl
    return texts, ttl

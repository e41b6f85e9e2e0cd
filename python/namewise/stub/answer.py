"""The result of a lookup: the records, and the aliases that led to them."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ..engine import Message, Name, Question, Rdata, RRset
    from ..engine.errors import Attempt


class Answer:
    """The records that answer `question`. Iterating yields their rdata: `[str(a) for a in answer]`.

    question: the question; its name may be an alias
    rrsets: the records: one RRset, or for type ANY those of every type in the response; rrset: the first of
    them
    aliases: the CNAME records that were followed, in order
    response: the whole message, with its flags and EDNS options
    attempts: every exchange, the deciding one last
    """

    __slots__ = ("aliases", "attempts", "question", "response", "rrsets")

    def __init__(
        self,
        question: Question,
        rrsets: tuple[RRset, ...],
        aliases: tuple[RRset, ...],
        response: Message,
        attempts: tuple[Attempt, ...],
    ) -> None:
        self.question = question
        self.rrsets = rrsets
        self.aliases = aliases
        self.response = response
        self.attempts = attempts

    @property
    def rrset(self) -> RRset:
        """The records of the queried type. For type ANY, those of the first type in the response."""
        return self.rrsets[0]

    @property
    def records(self) -> tuple[Rdata, ...]:
        """The record data, in the order in which the server sent it."""
        return tuple(rdata for rrset in self.rrsets for rdata in rrset.rdatas)

    @property
    def canonical_name(self) -> Name:
        """The owner of the records, at the end of the aliases."""
        return self.rrset.owner

    @property
    def ttl(self) -> int:
        """The TTL in seconds: the minimum of the TTLs of the aliases and the records."""
        return min(rrset.ttl for rrset in (*self.aliases, *self.rrsets))

    @property
    def rcode(self) -> str:
        """The mnemonic of the response code."""
        return self.response.rcode

    @property
    def server(self) -> str:
        """The address and port of the server that answered."""
        return self.attempts[-1].server

    @property
    def took_s(self) -> float:
        """Seconds from the deciding query to its answer."""
        return self.attempts[-1].took_s

    def _fields(self) -> tuple[object, ...]:
        return self.question, self.rrsets, self.aliases, self.response, self.attempts

    def __reduce__(self) -> tuple[object, ...]:
        return Answer, self._fields()

    def __eq__(self, other: object) -> bool:
        return self._fields() == other._fields() if isinstance(other, Answer) else NotImplemented

    def __hash__(self) -> int:
        return hash(self._fields())

    def __iter__(self) -> Iterator[Rdata]:
        return iter(self.records)

    def __len__(self) -> int:
        return sum(len(rrset) for rrset in self.rrsets)

    def __str__(self) -> str:
        return "\n".join(str(rrset) for rrset in (*self.aliases, *self.rrsets))

    def __repr__(self) -> str:
        records = "1 record" if len(self) == 1 else f"{len(self)} records"
        return f"<Answer {self.question}: {records}, ttl {self.ttl}, from {self.server}>"

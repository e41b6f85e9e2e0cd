"""What a lookup found: the records asked for, and the aliases that led to them."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ..engine import Message, Name, Question, Rdata, RRset
    from ..engine.errors import Attempt


class Answer:
    """The RRset that answers `question`. Iterating yields its rdata: `[str(a) for a in answer]`.

    question: as asked; its name may be an alias
    rrset: the records; aliases: the CNAME records that were followed to them, in order
    response: the whole message, with its flags and EDNS options
    attempts: every exchange that it took, the decisive one last
    """

    __slots__ = ("aliases", "attempts", "question", "response", "rrset")

    def __init__(
        self,
        question: Question,
        rrset: RRset,
        aliases: tuple[RRset, ...],
        response: Message,
        attempts: tuple[Attempt, ...],
    ) -> None:
        self.question = question
        self.rrset = rrset
        self.aliases = aliases
        self.response = response
        self.attempts = attempts

    @property
    def records(self) -> tuple[Rdata, ...]:
        """The record data, in the order in which the server sent it."""
        return self.rrset.rdatas

    @property
    def canonical_name(self) -> Name:
        """The owner of the records, at the end of the aliases."""
        return self.rrset.owner

    @property
    def ttl(self) -> int:
        """Seconds for which all of it may be kept: the least TTL of the aliases and the records."""
        return min(rrset.ttl for rrset in (*self.aliases, self.rrset))

    @property
    def rcode(self) -> str:
        """The mnemonic of the response code."""
        return self.response.rcode

    @property
    def server(self) -> str:
        """The address and port of the server that gave the answer."""
        return self.attempts[-1].server

    @property
    def took_s(self) -> float:
        """Seconds from the decisive question to its answer."""
        return self.attempts[-1].took_s

    def __iter__(self) -> Iterator[Rdata]:
        return iter(self.rrset.rdatas)

    def __len__(self) -> int:
        return len(self.rrset)

    def __str__(self) -> str:
        return "\n".join(str(rrset) for rrset in (*self.aliases, self.rrset))

    def __repr__(self) -> str:
        return f"<Answer {self.question}: {len(self)} records, ttl {self.ttl}, from {self.server}>"

"""The arguments of a request on the control socket, read strictly: a wrong one is the client's mistake, not ours."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from namewise.config.values import nearest
from namewise.control.client import ControlError
from namewise.engine import Name, type_name, type_value
from namewise.engine.errors import BadName

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping


class Arguments:
    """The arguments of *verb*. Each method raises `ControlError` (BAD_ARGUMENT) for a value that is missing or wrong."""

    def __init__(self, verb: str, given: Mapping[str, Any], uid: int = -1) -> None:
        self.verb = verb
        self.given = given
        self.uid = uid
        """The user of the client; -1: the server itself."""

    def only(self, known: Collection[str], when: str = "") -> None:
        """Raise `ControlError` if an argument is not one of *known*: without a misspelt one, the verb would do more than was meant.
        when: what is done, where that decides which arguments there are."""
        for key in self.given:
            if key not in known:
                guess = nearest(key, known)
                listed = f"Known here: {', '.join(known)}." if known else "It takes no arguments."
                raise ControlError(
                    f"{self.verb}{when and f' {when}'}: unknown argument {key!r}",
                    f'Did you mean "{guess}"?' if guess else listed,
                    "BAD_ARGUMENT",
                )

    def text(self, key: str, default: str | None = None) -> str:
        """Return the text *key*; without *default* it is required."""
        value = self.given.get(key)
        if value is None and default is not None:
            return default
        if not isinstance(value, str):
            raise self.wrong(key, "a text")
        return value

    def optional_text(self, key: str) -> str | None:
        """Return the text *key*, or None if it is absent."""
        return None if self.given.get(key) is None else self.text(key)

    def name(self, key: str) -> str:
        """Return the domain name *key*, absolute."""
        return self._name(key, self.text(key))

    def names(self, key: str) -> tuple[str, ...]:
        """Return the domain names *key*, separated by spaces and absolute; none if it is absent."""
        return tuple(self._name(key, text) for text in (self.optional_text(key) or "").split())

    def _name(self, key: str, text: str) -> str:
        try:
            return str(Name(text))
        except BadName as error:
            raise ControlError(f"{self.verb}: {key}: {error}", code="BAD_ARGUMENT") from None

    def optional_name(self, key: str) -> str | None:
        """Return the domain name *key*, or None if it is absent."""
        return None if self.given.get(key) is None else self.name(key)

    def optional_type(self, key: str) -> str | None:
        """Return the name of the record type *key*, or None if it is absent."""
        text = self.optional_text(key)
        try:
            return None if text is None else type_name(type_value(text))
        except ValueError:
            raise self.wrong(key, "a record type") from None

    def flag(self, key: str) -> bool:
        """Return the truth *key*; absent means false."""
        value = self.given.get(key, False)
        if not isinstance(value, bool):
            raise self.wrong(key, "true or false")
        return value

    def number(self, key: str, default: int, least: int, most: int) -> int:
        """Return the whole number *key* from *least* to *most*."""
        value: object = self.given.get(key, default)
        if isinstance(value, bool) or not isinstance(value, int) or not least <= value <= most:
            raise self.wrong(key, f"a number from {least} to {most}")
        return value

    def optional_number(self, key: str, least: int, most: int) -> int | None:
        """Return the whole number *key* from *least* to *most*, or None if it is absent."""
        return None if self.given.get(key) is None else self.number(key, least, least, most)

    def seconds(self, key: str, most: float) -> float:
        """Return the time *key* in seconds, above 0 and at most *most*."""
        value = self.given.get(key)
        if isinstance(value, bool) or not isinstance(value, (int, float)) or not 0 < value <= most:
            raise self.wrong(key, f"a number of seconds, at most {most:g}")
        return float(value)

    def octets(self, key: str) -> bytes:
        """Return the octets that *key* holds in hexadecimal."""
        try:
            return bytes.fromhex(self.text(key))
        except ValueError:
            raise self.wrong(key, "octets in hexadecimal") from None

    def body(self) -> bytes:
        """Return the octets that followed the request."""
        value = self.given.get("body")
        if not isinstance(value, bytes):
            raise self.wrong("body", "octets behind the line of the request, with their number as its `body`")
        return value

    def body_text(self) -> str:
        """Return the text that followed the request."""
        try:
            return self.body().decode()
        except UnicodeDecodeError:
            raise self.wrong("body", "text in UTF-8") from None

    def wrong(self, key: str, expected: str) -> ControlError:
        """Return the error for a value of *key* that is not *expected*."""
        if self.given.get(key) is None:
            return ControlError(
                f"{self.verb}: the argument {key!r} is missing; expected {expected}", code="BAD_ARGUMENT"
            )
        return ControlError(
            f"{self.verb}: the argument {key!r} is wrong; expected {expected}", code="BAD_ARGUMENT"
        )

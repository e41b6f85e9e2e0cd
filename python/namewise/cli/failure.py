"""A command that cannot go on: what is wrong, what to do, which exit code."""

from __future__ import annotations


class Failure(Exception):
    """Ends a command with *message* on standard error and the exit code *code*."""

    def __init__(self, message: str, *, hint: str = "", code: int = 1) -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint
        self.code = code

    def text(self, command: str) -> str:
        """Return what is written: the message, and below it the hint."""
        hint = f"{self.hint}\n" if self.hint else ""
        return f"nw {command}: {self.message}\n{hint}"


def bad_name(text: str, message: str, at: int | None) -> Failure:
    """Return the failure for a domain name that cannot be, with a mark below the offending label.

    *at* is the offset of what is wrong, or None when the name as a whole is.
    """
    start, end = _label_around(text, at)
    mark = " " * start + "^" * max(end - start, 1)
    return Failure(f"{message}\n  {text}\n  {mark}")


def _label_around(text: str, at: int | None) -> tuple[int, int]:
    if at is None:
        return 0, len(text)
    at = min(at, max(len(text) - 1, 0))
    start = text.rfind(".", 0, at) + 1
    end = text.find(".", at)
    return start, len(text) if end < 0 else end

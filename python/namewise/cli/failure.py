"""The exception with which a command ends: what is wrong, what to do, the exit code."""

from __future__ import annotations

TYPE_CHECKING = False  # typing costs more time to import than a question takes
if TYPE_CHECKING:
    from namewise.engine.errors import BadName


class Failure(Exception):
    """Ends a command with *message* on standard error and the exit code *code*."""

    def __init__(self, message: str, *, hint: str = "", code: int = 1) -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint
        self.code = code

    def text(self, command: str) -> str:
        """Return what is written: the message, and below it the hint."""
        from namewise.config.values import printable

        hint = f"{self.hint}\n" if self.hint else ""
        return printable(f"nw {command}: {self.message}\n{hint}")


def bad_name(error: BadName) -> Failure:
    """Return the failure for an invalid domain name, with a mark below the offending label."""
    from namewise.tools import mark

    return Failure(f"{error.message}\n{mark.label(error.text, error.at)}")

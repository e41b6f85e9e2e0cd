"""The exception that ends a command, with message, hint and exit code."""

from __future__ import annotations

TYPE_CHECKING = False  # typing costs more time to import than a question takes
if TYPE_CHECKING:
    from typing import Any

    from namewise.engine.errors import BadName


class Failure(Exception):
    """Ends a command. *message* is written to standard error, and *code* is the exit code.

    report: what the command prints with --json besides the error.
    """

    def __init__(
        self, message: str, *, hint: str = "", code: int = 1, report: dict[str, Any] | None = None
    ) -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint
        self.code = code
        self.report = report or {}

    def text(self, command: str) -> str:
        """Return the output of *command*: the message, followed by the hint."""
        from namewise.config.values import printable

        hint = f"{self.hint}\n" if self.hint else ""
        return printable(f"{command}: {self.message}\n{hint}")

    def json(self) -> str:
        """Return the output for a program that asked for JSON: `ok`, `error`, and the keys of the report."""
        import json

        error = {"message": self.message, "hint": self.hint or None, "exit": self.code}
        return json.dumps({"ok": False, "error": error, **self.report}, indent=2) + "\n"


class WrongUsage(Failure):
    """Ends a command whose arguments have no meaning. The usage of the command follows unless there is a better hint."""


def bad_name(error: BadName) -> Failure:
    """Return the failure for an invalid domain name, with a mark below the offending label."""
    from namewise.tools import mark

    return Failure(f"{error.message}\n{mark.label(error.text, error.at)}")

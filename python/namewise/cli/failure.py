"""The exception that ends a command, with message, hint and exit code."""

from __future__ import annotations

TYPE_CHECKING = False  # typing costs more time to import than a question takes
if TYPE_CHECKING:
    from namewise.engine.errors import BadName


class Failure(Exception):
    """Ends a command. *message* is written to standard error, and *code* is the exit code."""

    def __init__(self, message: str, *, hint: str = "", code: int = 1) -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint
        self.code = code

    def text(self, command: str) -> str:
        """Return the output: the message, followed by the hint."""
        from namewise.config.values import printable

        hint = f"{self.hint}\n" if self.hint else ""
        return printable(f"nw {command}: {self.message}\n{hint}")

    def json(self) -> str:
        """Return the output for a program that asked for JSON."""
        import json

        error = {"message": self.message, "hint": self.hint or None, "exit": self.code}
        return json.dumps({"ok": False, "error": error}, indent=2) + "\n"


def bad_name(error: BadName) -> Failure:
    """Return the failure for an invalid domain name, with a mark below the offending label."""
    from namewise.tools import mark

    return Failure(f"{error.message}\n{mark.label(error.text, error.at)}")

"""The mistakes of a configuration, all at once, each with its place."""

from __future__ import annotations

from typing import NamedTuple

from namewise.config.origin import Origin, Path, dotted
from namewise.engine.errors import NamewiseError


class Problem(NamedTuple):
    """One mistake: the path of the value, what is wrong, and where it is set."""

    path: Path
    message: str
    origin: Origin

    def as_json(self) -> dict[str, object]:
        """Return the problem as an object of `nw config check --json`."""
        return {
            "path": dotted(self.path),
            "message": self.message,
            "origin": self.origin.kind,
            "where": self.origin.where,
            "line": self.origin.line,
            "column": self.origin.column,
        }

    def text(self) -> str:
        """Return the problem for people: place, message, and the line with a mark below the column."""
        label = dotted(self.path)
        place = f"{self.origin}: " if self.origin.kind != "default" else ""
        head = f"{place}{label}: {self.message}" if label else f"{place}{self.message}"
        if self.origin.kind != "file" or self.origin.line is None:
            return head
        try:
            with open(self.origin.where, encoding="utf-8") as file:
                line = file.read().split("\n")[self.origin.line - 1]
        except (OSError, UnicodeDecodeError, IndexError):
            return head
        number = str(self.origin.line)
        mark = " " * max((self.origin.column or 1) - 1, 0) + "^"
        return f"{head}\n  {number} | {line}\n  {' ' * len(number)} | {mark}"


class ConfigError(NamewiseError, ValueError):
    """The configuration has mistakes: `problems` holds every one that was found."""

    code = "BAD_CONFIG"

    def __init__(self, problems: list[Problem]) -> None:
        super().__init__("\n".join(problem.text() for problem in problems))
        self.problems = tuple(problems)

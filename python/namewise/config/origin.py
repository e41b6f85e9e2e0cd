"""The origin of a value of the configuration."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal, NamedTuple

Path = tuple[str | int, ...]
"""Path of a value: `("listen", 0, "port")`."""

Kind = Literal["default", "file", "environment", "flag", "program"]


class Origin(NamedTuple):
    """The place that sets a value: a file with line and column, a variable, a flag, an argument of a Python program, or the
    default."""

    kind: Kind
    where: str = ""
    line: int | None = None
    column: int | None = None

    def __str__(self) -> str:
        if self.kind == "default":
            return "default"
        if self.line is None:
            return self.where
        return f"{self.where}:{self.line}:{self.column}"


DEFAULT = Origin("default")


class Overlay:
    """Values of flags or of the environment that override the files, each with its origin.

    An array of tables is replaced (`listen`) or merged by its key (`zone` by name, `forward` by suffix).
    """

    def __init__(self) -> None:
        self.values: list[tuple[Path, Any, Origin]] = []

    def set(self, path: Path, value: Any, origin: Origin) -> None:
        """Set *value* at *path*; the last value for a path counts."""
        self.values.append((path, value, origin))

    @classmethod
    def of(cls, tables: Mapping[str, Any], origin: Origin) -> Overlay:
        """Return the tables of a configuration as settings, all from *origin*."""
        made = cls()
        for table, content in tables.items():
            if isinstance(content, Mapping) and content:
                for key, value in content.items():
                    made.set((table, key), value, origin)
            elif isinstance(content, (list, tuple)) and content:
                for item in content:
                    made.set((table,), item, origin)
            else:
                made.set((table,), list(content) if isinstance(content, tuple) else content, origin)
        return made


def dotted(path: Path) -> str:
    """Return *path* as a person writes it: `listen[0].port`."""
    text = ""
    for part in path:
        if isinstance(part, int):
            text += f"[{part}]"
        else:
            bare = part and all(c.isalnum() or c in "-_" for c in part)
            text += ("." if text else "") + (part if bare else f'"{part}"')
    return text

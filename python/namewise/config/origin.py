"""Where a value of the configuration came from."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Literal

Path = tuple[str | int, ...]
"""Path of a value: `("listen", 0, "port")`."""

Kind = Literal["default", "file", "environment", "flag"]


@dataclass(frozen=True, slots=True)
class Origin:
    """The place that set a value: a file with line and column, a variable, a flag, or nobody (default)."""

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


@dataclass(slots=True)
class Overlay:
    """Values that flags or the environment lay over the files, each with its origin.

    An array of tables is replaced (`listen`) or joined by its key (`zone` by name, `forward` by suffix).
    """

    values: list[tuple[Path, Any, Origin]] = field(default_factory=list)

    def set(self, path: Path, value: Any, origin: Origin) -> None:
        """Lay *value* over *path*; the last one laid wins."""
        self.values.append((path, value, origin))


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

"""The zones that sub-commands of `nw zone` read: files, and their names."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from namewise.cli.failure import Failure, bad_name

if TYPE_CHECKING:
    from namewise.engine import Name


def readable(path: str) -> None:
    """Raise `Failure` if the file cannot be read."""
    try:
        with open(path, "rb"):
            pass
    except OSError as error:
        raise Failure(f"{path}: {error.strerror}") from None


def zone_name(path: str, given: str | None) -> Name:
    """Return the name of the zone in *path*: *given*, or what the file says. Raises `Failure`."""
    from namewise.engine import Name
    from namewise.engine.errors import BadName

    try:
        return Name(given or guess_origin(path))
    except BadName as error:
        raise bad_name(error) from None


def guess_origin(path: str) -> str:
    """Return the name of the zone in *path*: its `$ORIGIN` or SOA owner at the top, or else the file name."""
    try:
        with open(path, encoding="utf-8", errors="replace") as file:
            for _, line in zip(range(50), file, strict=False):
                words = line.split(";", 1)[0].split()
                if len(words) > 1 and words[0].upper() == "$ORIGIN" and words[1].endswith("."):
                    return words[1]
                if len(words) > 2 and "SOA" in (word.upper() for word in words) and words[0].endswith("."):
                    return words[0]
    except OSError:
        pass
    name = os.path.basename(path)
    name = name.removeprefix("db.")
    for end in (".zone", ".db", ".txt"):
        name = name.removesuffix(end)
    return name or "."

"""Data of the detection of tunnels: the public suffix list, which says where registered domains begin.

The list comes with the package `publicsuffixlist`, whose releases follow it. Only its data file is read, because the engine has a
matcher of its own.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from namewise.engine import Suffixes

if TYPE_CHECKING:
    from namewise.engine import Engine

ARTIFACT = "suffixes"
"""The name of the artifact in the engine."""


def use_suffixes(engine: Engine, *, wanted: bool) -> None:
    """Give *engine* the public suffix list if it is *wanted*, and take it away if not. The list is read once."""
    if wanted == (ARTIFACT in engine.artifacts):
        return
    engine.swap({ARTIFACT: suffixes() if wanted else None})


def suffixes() -> Suffixes:
    """Return the public suffix list."""
    # Imported here: it brings much along that most servers do not need.
    from importlib.resources import files

    return Suffixes(files("publicsuffixlist").joinpath("public_suffix_list.dat").read_text("utf-8"))

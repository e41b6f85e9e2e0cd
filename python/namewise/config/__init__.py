"""`namewise.toml`: its settings, the origin of each value, and the mistakes in it.

    files, includes ─┐
    NAMEWISE_…      ─┼─> loader.py ─> tree + origin of every value ─> validate.py ─> Config (frozen)
    flags           ─┘                                                  │
                          server, resolver, zones, access.py: models ───┴─> pages.py: JSON schema, reference page

Precedence: flag, then environment, then file, then default. The models are imported when a configuration is read, not when
this package is imported.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from namewise.config.changes import Change, diff
    from namewise.config.errors import ConfigError, Problem
    from namewise.config.loader import Loaded, load
    from namewise.config.model import Config
    from namewise.config.origin import Origin, Overlay

__all__ = ["Change", "Config", "ConfigError", "Loaded", "Origin", "Overlay", "Problem", "diff", "load"]

_WHERE = {
    "Change": "changes",
    "Config": "model",
    "ConfigError": "errors",
    "Loaded": "loader",
    "Origin": "origin",
    "Overlay": "origin",
    "Problem": "errors",
    "diff": "changes",
    "load": "loader",
}


def __getattr__(name: str) -> Any:
    module = _WHERE.get(name)
    if module is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    value = getattr(import_module(f"namewise.config.{module}"), name)
    globals()[name] = value
    return value

"""Settings from `NAMEWISE_…` environment variables.

    NAMEWISE_<TABLE>_<KEY>             the key of [server], [resolver], [log] or [control]; lists separated
                                       by commas
    NAMEWISE_RESOLVER_<TABLE>_<KEY>    the key of [resolver.budget], [resolver.streams] or [resolver.stale]
    NAMEWISE_RESOLVER=on               recursion, with defaults
    NAMEWISE_LISTEN                    all of [[listen]]: ADDR[:PORT], separated by commas
    NAMEWISE_ZONE                      adds to [[zone]]: NAME=FILE, separated by commas
    NAMEWISE_FORWARD                   adds to [[forward]]: [SUFFIX=]ADDR[:PORT], separated by commas
    NAMEWISE_KEY_<NAME>_SECRET         the secret of the [[key]] of that name; characters other than A-Z
                                       and 0-9 are written as _
    NAMEWISE_KEY_<NAME>_SECRET_FILE    a file that contains the secret

`NAMEWISE_CONFIG` names the configuration file; the command line reads it. An unknown variable is an error,
so that a typing error does not go unnoticed.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, get_origin

from namewise.config import values
from namewise.config.errors import Problem
from namewise.config.model import ARRAYS, NESTED, TABLES
from namewise.config.origin import Origin, Overlay
from namewise.config.schema import settings

if TYPE_CHECKING:
    from collections.abc import Mapping

    from namewise.config.schema import Table

PREFIX = "NAMEWISE_"
NOT_SETTINGS = frozenset({"NAMEWISE_CONFIG", "NAMEWISE_CONTROL", "NAMEWISE_ROOT_ZONE"})
"""Variables that other parts of the program read."""


def overlay_of_environment(environ: Mapping[str, str]) -> tuple[Overlay, list[Problem]]:
    """Return the settings in *environ*, and problems for variables that are not settings."""
    overlay, problems = Overlay(), []
    for name in sorted(environ):
        if not name.startswith(PREFIX) or name in NOT_SETTINGS:
            continue
        origin = Origin("environment", name)
        try:
            known = _lay(overlay, name.removeprefix(PREFIX), environ[name], origin)
        except ValueError as error:
            problems.append(Problem((), str(error), origin))
            continue
        if not known:
            guess = values.nearest(name, [item.lower() for item in variables()])
            hint = f"; did you mean {guess.upper()}?" if guess else ""
            problems.append(Problem((), f"this variable sets nothing{hint}", origin))
    return overlay, problems


def variables() -> list[str]:
    """Return the names of all variables with a fixed name."""
    names = [f"{PREFIX}{word}" for word in ("LISTEN", "ZONE", "FORWARD", "RESOLVER")]
    for table, model in TABLES.items():
        if table not in ARRAYS:
            names += [
                f"{PREFIX}{table}_{key}".upper() for key in settings(model) if (table, key) not in NESTED
            ]
    for path, model in NESTED.items():
        names += [f"{PREFIX}{'_'.join((*path, key))}".upper() for key in settings(model)]
    return names


def listen_item(text: str) -> dict[str, Any]:
    """Return `ADDR[:PORT]` as an entry of `[[listen]]`; port 0 means a free port."""
    endpoint = values.endpoint(text, least_port=0)
    return {"address": endpoint.address, "port": endpoint.port}


def zone_item(text: str) -> dict[str, Any]:
    """Return `NAME=FILE` as an entry of `[[zone]]`."""
    name, equals, file = text.partition("=")
    if not equals or not name or not file:
        raise ValueError(f"{text!r}: a zone is given as NAME=FILE, for instance example.com=db.example.com")
    return {"name": name, "file": file}


def forward_item(text: str) -> dict[str, Any]:
    """Return `[SUFFIX=]ADDR[:PORT]` as an entry of `[[forward]]`."""
    suffix, equals, server = text.rpartition("=")
    if not equals:
        suffix = "."
    return {"suffix": suffix or ".", "servers": [str(values.endpoint(server))]}


def _lay(overlay: Overlay, name: str, text: str, origin: Origin) -> bool:
    """Add the variable *name* (without prefix) to the tree. Returns False if no setting has that name."""
    items = {"LISTEN": listen_item, "ZONE": zone_item, "FORWARD": forward_item}.get(name)
    if items is not None:
        for part in text.split(","):
            overlay.set((name.lower(),), items(part.strip()), origin)
        return True
    if name == "RESOLVER":
        if text.lower() not in ("on", "1", "true", "yes"):
            raise ValueError('expected "on"; to turn recursion off leave the variable and the table away')
        overlay.set(("resolver",), {}, origin)
        return True
    if name.startswith("KEY_") and name.endswith(("_SECRET", "_SECRET_FILE")):
        key = "secret_file" if name.endswith("_FILE") else "secret"
        word = name.removeprefix("KEY_").removesuffix("_FILE").removesuffix("_SECRET")
        overlay.set(("key", word, key), text, origin)
        return True
    places = {(table,): model for table, model in TABLES.items() if table not in ARRAYS} | NESTED
    for path, model in places.items():
        prefix = "_".join(path).upper() + "_"
        key = name.removeprefix(prefix).lower()
        if name.startswith(prefix) and key in settings(model) and (*path, key) not in NESTED:
            overlay.set((*path, key), _typed(text, model, key), origin)
            return True
    return False


def _typed(text: str, model: type[Table], key: str) -> Any:
    """Convert *text* to the TOML type of the field."""
    kind = settings(model)[key].type
    if get_origin(kind) is dict:
        pairs = (part.partition("=") for part in text.split(",") if part.strip())
        return {name.strip(): value.strip() for name, _, value in pairs}
    if get_origin(kind) is tuple:
        return [part.strip() for part in text.split(",") if part.strip()]
    if kind is bool:
        if text.lower() not in ("true", "false"):
            raise ValueError("expected true or false")
        return text.lower() == "true"
    if kind is int and text.strip().isdigit():
        return int(text)
    return text

"""`NAMEWISE_…` variables as settings.

    NAMEWISE_<TABLE>_<KEY>             the key of [server], [resolver], [log] or [control]; lists separated
                                       by commas
    NAMEWISE_RESOLVER_BUDGET_<KEY>     the key of [resolver.budget]
    NAMEWISE_RESOLVER=on               recursion, with defaults
    NAMEWISE_LISTEN                    all of [[listen]]: ADDR[:PORT], separated by commas
    NAMEWISE_ZONE                      adds to [[zone]]: NAME=FILE, separated by commas
    NAMEWISE_FORWARD                   adds to [[forward]]: [SUFFIX=]ADDR[:PORT], separated by commas
    NAMEWISE_KEY_<NAME>_SECRET         the secret of the [[key]] of that name, written with A-Z, 0-9 and _
                                       only
    NAMEWISE_KEY_<NAME>_SECRET_FILE    a file that holds it

`NAMEWISE_CONFIG` names the file itself and is read by the command line. An unknown variable is a mistake, so
that a typing error is not silently without effect.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, get_args, get_origin

from namewise.config import values
from namewise.config.errors import Problem
from namewise.config.model import ARRAYS, TABLES, Budget
from namewise.config.origin import Origin, Overlay

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pydantic import BaseModel

PREFIX = "NAMEWISE_"
NOT_SETTINGS = frozenset({"NAMEWISE_CONFIG", "NAMEWISE_CONTROL", "NAMEWISE_ROOT_ZONE"})
"""Variables that other parts of the program read."""


def overlay_of_environment(environ: Mapping[str, str]) -> tuple[Overlay, list[Problem]]:
    """Return what *environ* sets, and the variables that set nothing."""
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
    """Return the names of all variables of fixed name."""
    names = [f"{PREFIX}{word}" for word in ("LISTEN", "ZONE", "FORWARD", "RESOLVER")]
    for table, model in TABLES.items():
        if table not in ARRAYS:
            names += [f"{PREFIX}{table}_{key}".upper() for key in model.model_fields if key != "budget"]
    return names + [f"{PREFIX}RESOLVER_BUDGET_{key}".upper() for key in Budget.model_fields]


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
    """Lay the variable *name* (without prefix) over the tree; False when no setting has that name."""
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
    for table, model in TABLES.items():
        if table in ARRAYS or not name.startswith(f"{table.upper()}_"):
            continue
        key = name[len(table) + 1 :].lower()
        if key in model.model_fields and key != "budget":
            overlay.set((table, key), _typed(text, model, key), origin)
            return True
        if table == "resolver" and key.removeprefix("budget_") in Budget.model_fields:
            key = key.removeprefix("budget_")
            overlay.set((table, "budget", key), _typed(text, Budget, key), origin)
            return True
    return False


def _typed(text: str, model: type[BaseModel], key: str) -> Any:
    """Return *text* in the TOML type of the field, as far as a text can tell."""
    kinds = _kinds(model.model_fields[key].annotation)
    if dict in kinds:
        pairs = (part.partition("=") for part in text.split(",") if part.strip())
        return {name.strip(): value.strip() for name, _, value in pairs}
    if tuple in kinds:
        return [part.strip() for part in text.split(",") if part.strip()]
    if bool in kinds:
        if text.lower() not in ("true", "false"):
            raise ValueError("expected true or false")
        return text.lower() == "true"
    if int in kinds and text.strip().isdigit():
        return int(text)
    return text


def _kinds(annotation: Any) -> set[Any]:
    origin = get_origin(annotation)
    if origin in (dict, tuple):
        return {origin}
    if origin is None:
        return {annotation}
    found: set[Any] = set()
    for argument in get_args(annotation):
        found |= _kinds(argument)
    return found

"""From the merged tree to a `Config`, or to every mistake in it.

    tree ─> readers of the models (durations, addresses, names) ─> msgspec ─> Config
                                                                   └─ an error: each value by itself, to find all of them

msgspec stops at the first mistake. So when it finds one, the tree is taken apart along the models, and each value is
converted by itself with the type that it has there. The entries without a mistake are then checked against each other.
"""

import functools
import re
from collections.abc import Callable, Iterator
from typing import Any, get_args, get_origin

from msgspec import NODEFAULT, ValidationError, convert
from msgspec.structs import FieldInfo, fields

from namewise.config import values
from namewise.config.model import ARRAYS, KINDS, Config, cross_check
from namewise.config.origin import Path, dotted
from namewise.config.schema import Table, plain, variant, variants

EMPTY = "needs at least one entry"

Mistake = tuple[Path, str]
_EXPECTED = {"int": "an integer", "bool": "true or false", "str": "a text in quotes", "float": "a number"}


def validate(
    tree: dict[str, Any], *, whole: bool = True, place: Callable[[Path], str] = dotted
) -> tuple[Config | None, list[Mistake]]:
    """Return *tree* as a `Config`, or None and every mistake in it. *tree* is changed.

    place: returns where the value at a path is set, as text.
    whole: false if parts of the configuration could not be read; entries are then not checked against each other.
    """
    mistakes: list[Mistake] = []
    _read_table((Config,), tree, (), mistakes)
    if not mistakes:
        try:
            config = convert(tree, Config)
        except ValidationError:
            pass
        else:
            return config, cross_check(config, place=place) if whole else []
    misread = {path for path, _ in mistakes}
    mistakes += [
        (path, message)
        for path, message in _in_table(Config, tree, ())
        if not any(path[:end] in misread for end in range(1, len(path) + 1))
    ]
    if whole:
        mistakes += _between(tree, [path for path, _ in mistakes], place)
    return None, mistakes


def _between(tree: dict[str, Any], mistaken: list[Path], place: Callable[[Path], str]) -> list[Mistake]:
    """Return the mistakes between those parts of *tree* that have no mistake of their own.

    An entry of an array of tables that has a mistake is left out, and its name counts as known. Of another table,
    the values with a mistake are left out.
    """
    rest = {table: dict(content) if isinstance(content, dict) else content for table, content in tree.items()}
    kept: dict[str, list[int]] = {}
    left_out: dict[str, list[Any]] = {}
    for table in ARRAYS & tree.keys():
        if not isinstance(tree[table], list) or (table,) in mistaken:
            return []
        bad = {path[1] for path in mistaken if path[0] == table}
        kept[table] = [index for index in range(len(tree[table])) if index not in bad]
        rest[table] = [tree[table][index] for index in kept[table]]
        left_out[table] = [tree[table][index] for index in bad if isinstance(index, int)]
        if not rest[table]:
            del rest[table]
    for path in mistaken:
        table = str(path[0])
        if table in ARRAYS:
            continue
        if len(path) > 1:
            rest[table].pop(path[1], None)
        elif table in Config.__struct_fields__:
            rest[table] = {}
        else:
            del rest[table]
    names = {table: [_name(entry) for entry in entries] for table, entries in left_out.items()}

    def of_tree(path: Path) -> Path:
        """Return the path in *tree* of what is at *path* in the rest."""
        if path[0] in kept and isinstance(path[1], int):
            return (path[0], kept[path[0]][path[1]], *path[2:])
        return path

    try:
        found = cross_check(convert(rest, Config), names, lambda path: place(of_tree(path)))
    except ValidationError:
        return []
    return [(of_tree(path), message) for path, message in found]


def _name(entry: Any) -> str | None:
    name = entry.get("name") if isinstance(entry, dict) else None
    return name if isinstance(name, str) else None


# Texts that have a reader.


@functools.cache
def _readers(model: type[Table]) -> tuple[tuple[str, Callable[[Any, Path, list[Mistake]], Any]], ...]:
    """Return the fields of *model* that something is read from, each with its reader."""
    found = [(field.name, _reader(field.type)) for field in fields(model)]
    return tuple((name, read) for name, read in found if read is not None)


def _reader(annotation: Any) -> Callable[[Any, Path, list[Mistake]], Any] | None:
    """Return the function that reads a value of the type *annotation* in place, or None if there is nothing to read."""
    kind, notes = plain(annotation)
    read = next((note.extra["read"] for note in notes if note.extra and "read" in note.extra), None)
    if read is not None:
        return functools.partial(_read_value, read)
    models = variants(kind)
    if models:
        return functools.partial(_read_table, models)
    if get_origin(kind) is tuple:
        item = _reader(get_args(kind)[0])
        return None if item is None else functools.partial(_read_items, item)
    if get_origin(kind) is dict:
        key, value = map(_reader, get_args(kind))
        return None if key is None or value is None else functools.partial(_read_pairs, key, value)
    return None


def _read_value(read: Callable[[Any], Any], value: Any, path: Path, mistakes: list[Mistake]) -> Any:
    try:
        return read(value)
    except ValueError as error:
        mistakes.append((path, str(error)))
        return value


def _read_items(read: Any, value: Any, path: Path, mistakes: list[Mistake]) -> Any:
    if not isinstance(value, list):
        return value
    return [read(item, (*path, index), mistakes) for index, item in enumerate(value)]


def _read_pairs(key: Any, read: Any, value: Any, path: Path, mistakes: list[Mistake]) -> Any:
    if not isinstance(value, dict):
        return value
    return {key(k, (*path, k), mistakes): read(v, (*path, k), mistakes) for k, v in value.items()}


def _read_table(models: tuple[type[Table], ...], tree: Any, path: Path, mistakes: list[Mistake]) -> Any:
    if isinstance(tree, dict):
        model = models[0]
        kind = model.__struct_config__.tag_field
        if kind is not None and kind not in tree:
            default = KINDS.get(str(path[0]))
            if default is None:
                mistakes.append(((*path, kind), f'the key "{kind}" is required here'))
            else:
                tree[kind] = default
        if len(models) > 1 and kind is not None:
            model = variant(models, tree.get(kind)) or model
        for name, read in _readers(model):
            if name in tree:
                tree[name] = read(tree[name], (*path, name), mistakes)
    return tree


# Every mistake of a tree that msgspec refuses.


def _in_table(model: type[Table], tree: Any, path: Path) -> Iterator[Mistake]:
    if not isinstance(tree, dict):
        head = f"[[{path[0]}]]" if path[0] in ARRAYS else f"[{dotted(path)}]"
        yield path, f"expected a table, as in {head}"
        return
    inside = False
    for mistake in _in_fields(model, tree, path):
        inside = True
        yield mistake
    if not inside:
        yield from _alone(model, tree, path)


def _in_variant(models: tuple[type[Table], ...], tree: Any, path: Path) -> Iterator[Mistake]:
    field = models[0].__struct_config__.tag_field
    if len(models) == 1 or field is None or not isinstance(tree, dict):
        yield from _in_table(models[0], tree, path)
        return
    model = variant(models, tree.get(field))
    if model is None:
        yield (*path, field), _not_one_of([str(one.__struct_config__.tag) for one in models], tree.get(field))
    else:
        yield from _in_table(model, tree, path)


def _in_fields(model: type[Table], tree: dict[str, Any], path: Path) -> Iterator[Mistake]:
    config, known = model.__struct_config__, {field.name: field for field in fields(model)}
    for key in tree:
        if key == config.tag_field:
            if tree[key] != config.tag:
                yield (*path, key), _not_one_of([str(config.tag)], tree[key])
        elif key not in known:
            yield (*path, key), _unknown(key, {*known, *filter(None, [config.tag_field])}, path)
    for name, field in known.items():
        if name in tree:
            yield from _in_value(field.type, tree[name], (*path, name))
        elif _required(field):
            yield (*path, name), f'the key "{name}" is required here'


def _in_value(annotation: Any, value: Any, path: Path) -> Iterator[Mistake]:
    kind, _ = plain(annotation)
    models = variants(kind)
    if models:
        yield from _in_variant(models, value, path)
        return
    inner: list[Mistake] = []
    if get_origin(kind) is tuple and isinstance(value, list):
        item = get_args(kind)[0]
        inner = [found for index, one in enumerate(value) for found in _in_value(item, one, (*path, index))]
    elif get_origin(kind) is dict and isinstance(value, dict):
        item = get_args(kind)[1]
        inner = [found for key, one in value.items() for found in _in_value(item, one, (*path, key))]
    yield from inner or _alone(annotation, value, path)


def _alone(annotation: Any, value: Any, path: Path) -> Iterator[Mistake]:
    """Yield the mistake of *value* for the type *annotation*, if it has one."""
    try:
        convert(value, annotation)
    except ValidationError as error:
        yield path, _message(str(error).rsplit(" - at `", 1)[0], annotation, value, path)


def _required(field: FieldInfo) -> bool:
    return field.default is NODEFAULT and field.default_factory is NODEFAULT


def _message(said: str, annotation: Any, value: Any, path: Path) -> str:
    """Return the message of this program for what msgspec *said* of *value*."""
    kind, notes = plain(annotation)
    if said.startswith("Invalid enum value"):
        return _not_one_of(get_args(kind), value)
    bound = re.fullmatch(r"Expected `(\w+)` (?:of length )?(>=|<=) (\d+)", said)
    if bound is not None:
        what, sign, number = bound.groups()
        if what == "array" or (what == "str" and sign == ">="):
            return EMPTY if what == "array" else "must not be empty"
        length = " characters long" if what == "str" else ""
        write = next((note.extra["write"] for note in notes if note.extra and note.extra.get("write")), str)
        return f"must be at {'least' if sign == '>=' else 'most'} {write(int(number))}{length}"
    if get_origin(kind) is tuple:
        return "expected an array" + (f", as in [[{path[0]}]]" if len(path) == 1 else "")
    if get_origin(kind) is dict:
        return f"expected a table, as in [{dotted(path)}]"
    wrong = re.match(r"Expected `(\w+)", said)
    wanted = _EXPECTED.get(wrong[1]) if wrong is not None else None
    return f"expected {wanted}" if wanted is not None else said[:1].lower() + said[1:]


def _not_one_of(known: Any, value: Any) -> str:
    guess = values.nearest(value, known) if isinstance(value, str) else None
    *others, last = map(repr, known)
    listed = f"{', '.join(others)} or {last}" if others else last
    return f"expected {listed}" + (f'; did you mean "{guess}"?' if guess else "")


def _unknown(word: str, known: set[str], path: Path) -> str:
    guess = values.nearest(word, known)
    what = "unknown key" if path else "unknown table"
    if guess:
        return f'{what} "{word}"; did you mean "{guess}"?'
    return f'{what} "{word}"; known here: {", ".join(sorted(known))}'

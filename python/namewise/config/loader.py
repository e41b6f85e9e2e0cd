"""Read files, environment and flags into one `Config`, with the origin of each value.

The layers are merged into a plain tree (dicts, lists, scalars) in which every value has an `Origin`. The tree is then validated as
a whole, so that all mistakes are reported at once, each with its place.

Rules: a value may be set in one file only (main file or one include); flags override the environment, which overrides files. A
relative path in a file is relative to that file; elsewhere to the working directory.
"""

from __future__ import annotations

import json
import os
from typing import TYPE_CHECKING, Any, NamedTuple

from namewise.config.environment import overlay_of_environment
from namewise.config.errors import ConfigError, Problem
from namewise.config.model import ARRAYS, Config
from namewise.config.origin import DEFAULT, Origin, Overlay, Path
from namewise.config.schema import as_tree
from namewise.config.validate import EMPTY, validate
from namewise.engine import parse_toml
from namewise.engine.errors import TomlError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence
    from typing import TypeAlias

    Tree: TypeAlias = dict[str, Any]

PATH_FIELDS = frozenset(
    {
        ("server", "state"),
        ("resolver", "hints"),
        ("resolver", "trust_anchor"),
        ("zone", "file"),
        ("key", "secret_file"),
        ("control", "socket"),
    }
)
JOINED = {"zone": "name", "forward": "suffix"}


class Loaded(NamedTuple):
    """A configuration, the files it was read from, and the origin of every value that is not a default."""

    config: Config
    origins: dict[Path, Origin]
    files: tuple[str, ...]

    def origin(self, path: Path) -> Origin:
        """Return where the value at *path* was set."""
        return self.origins.get(path, DEFAULT)

    def sets(self, table: str) -> bool:
        """Return whether a file, the environment or a flag sets something in *table*."""
        return any(path[:1] == (table,) for path in self.origins)

    def problem(self, path: Path, message: str) -> Problem:
        """Return the problem *message* at *path*, with the place of the closest setting around it."""
        return Problem(path, message, _nearest(self.origins, path, self.files))

    def values(self) -> Iterator[tuple[Path, Any, Origin]]:
        """Yield every value in the order of the models, with its origin; secrets come as `**********`."""
        for path, value in _leaves((), as_tree(self.config)):
            yield path, value, self.origin(path)


def load(
    file: str | None, *, environ: Mapping[str, str] | None = None, flags: Overlay | None = None
) -> Loaded:
    """Return the configuration of *file* (None: no file), environment and flags, or raise `ConfigError`."""
    state = _State()
    if file is not None and not os.path.isabs(file):
        try:
            os.getcwd()
        except FileNotFoundError:
            message = (
                f"cannot read {file}: the working directory does not exist any more; use an absolute path"
            )
            raise ConfigError([Problem((), message, Origin("file", file))]) from None
    if file is not None:
        state.read(file, included_by=None)
    environment, problems = overlay_of_environment(os.environ if environ is None else environ)
    state.problems.extend(problems)
    for overlay in (environment, flags or Overlay()):
        state.lay(overlay)
    state.resolve_paths()
    return state.validate()


class _State:
    """The tree while it is built."""

    def __init__(self) -> None:
        self.tree: Tree = {}
        self.origins: dict[Path, Origin] = {}
        self.files: list[str] = []
        self.problems: list[Problem] = []

    def read(self, name: str, included_by: Origin | None) -> None:
        """Add the file *name* and what it includes."""
        if os.path.realpath(name) in map(os.path.realpath, self.files):
            return
        try:
            with open(name, encoding="utf-8") as file:
                text = file.read()
        except (OSError, UnicodeDecodeError) as error:
            reason = error.strerror if isinstance(error, OSError) else "not UTF-8 text"
            self.problems.append(
                Problem((), f"cannot read {name}: {reason}", included_by or Origin("file", name))
            )
            return
        self.files.append(name)
        try:
            raw, spans = parse_toml(text)
        except TomlError as error:
            for fault in error.faults:
                self.problems.append(
                    Problem((), fault.message, Origin("file", name, fault.line, fault.column))
                )
            return
        tree: Tree = json.loads(raw)
        origins = dict(_origins(tree, json.loads(spans), name))
        includes = tree.pop("include", [])
        self.merge(tree, origins, name)
        if not isinstance(includes, list) or not all(isinstance(item, str) for item in includes):
            where = origins.get(("include",), Origin("file", name))
            self.problems.append(Problem(("include",), "expected an array of file names or globs", where))
            return
        for index, pattern in enumerate(includes):
            import glob

            where = origins.get(("include", index)) or origins.get(("include",)) or Origin("file", name)
            place = os.path.join(os.path.dirname(name), pattern)
            found = sorted(glob.glob(place, recursive=True))
            if not found and not glob.has_magic(pattern):
                self.problems.append(Problem(("include", index), f"no file {place}", where))
            for item in found:
                self.read(item, where)
            path: Path = ("include", len(self.tree.setdefault("include", [])))
            self.tree["include"].append(pattern)
            self.origins[path] = where

    def merge(self, tree: Tree, origins: dict[Path, Origin], file: str) -> None:
        """Merge the *tree* of one file: arrays of tables are concatenated, a value that is set already is a mistake."""
        for table, content in tree.items():
            if table in ARRAYS and isinstance(content, list):
                present = self.tree.setdefault(table, [])
                offset = len(present)
                present.extend(content)
                for path, origin in origins.items():
                    if len(path) > 1 and path[0] == table and isinstance(path[1], int):
                        self.origins[(table, path[1] + offset, *path[2:])] = origin
                self.origins.setdefault((table,), origins.get((table,), Origin("file", file)))
                continue
            if isinstance(content, dict) and isinstance(self.tree.get(table), dict):
                for key, value in content.items():
                    if key in self.tree[table]:
                        first = self.origins.get((table, key), DEFAULT)
                        here = origins.get((table, key), Origin("file", file))
                        self.problems.append(Problem((table, key), f"already set at {first}", here))
                        continue
                    self.tree[table][key] = value
                    self._adopt(origins, (table, key))
                continue
            self.tree[table] = content
            self._adopt(origins, (table,))

    def _adopt(self, origins: dict[Path, Origin], below: Path) -> None:
        for path, origin in origins.items():
            if path[: len(below)] == below:
                self.origins[path] = origin

    def lay(self, overlay: Overlay) -> None:
        """Merge *overlay* into the tree; its values replace those of the files."""
        replaced: set[str] = set()
        for path, value, origin in overlay.values:
            table = path[0]
            if isinstance(table, str) and table in ARRAYS and len(path) == 1 and value != []:
                self._lay_item(table, value, origin, replaced)
                continue
            if table == "key":
                found = self._key_of_variable(path, origin)
                if found is None:
                    continue
                path = found
            node: Any = self.tree
            for depth, part in enumerate(path[:-1]):
                if isinstance(part, str):
                    node = node.setdefault(part, {})
                    self.origins.setdefault(path[: depth + 1], origin)
                else:
                    node = node[part]
                if not isinstance(node, dict | list):
                    break
            if not isinstance(node, dict):
                continue  # what the file has instead of the table is a mistake, which `validate` reports
            if value == {} and isinstance(node.get(path[-1]), dict):
                continue  # the table exists already
            node[path[-1]] = value
            self._forget(path)
            self.origins[path] = origin
            for below, _ in _leaves(path, value):
                self.origins[below] = origin

    def _lay_item(self, table: str, item: Tree, origin: Origin, replaced: set[str]) -> None:
        items: Any = self.tree.setdefault(table, [])
        if not isinstance(items, list):
            return  # as in `lay`
        key = JOINED.get(table)
        if key is None and table not in replaced:
            items.clear()
            self._forget((table,))
            replaced.add(table)
        index = len(items)
        if key is not None:
            for at, present in enumerate(items):
                both = isinstance(present, dict) and isinstance(item, dict)
                if both and _same_name(present.get(key), item.get(key)):
                    index = at
        if index < len(items):
            items[index] = item
            self._forget((table, index))
        else:
            items.append(item)
        self.origins[(table, index)] = origin
        for below, _ in _leaves((table, index), item):
            self.origins[below] = origin

    def _key_of_variable(self, path: Path, origin: Origin) -> Path | None:
        """Return *path* with the variable's word for a key replaced by the number of that `[[key]]`.

        The other of `secret` and `secret_file` is removed: the variable overrides the file.
        """
        word = str(path[1])
        for (_, index), item in _entries(self.tree, "key"):
            name = str(item.get("name", "")).rstrip(".")
            if "".join(c if c.isalnum() else "_" for c in name).upper() == word:
                other = "secret" if path[2] == "secret_file" else "secret_file"
                item.pop(other, None)
                self._forget(("key", index, other))
                return ("key", index, path[2])
        self.problems.append(Problem((), f"there is no [[key]] whose name would be {word} here", origin))
        return None

    def _forget(self, below: Path) -> None:
        for path in [path for path in self.origins if path[: len(below)] == below]:
            del self.origins[path]

    def resolve_paths(self) -> None:
        """Make every file name absolute: relative to the file that sets it, else to the working directory."""
        folders: dict[str | None, str] = {}
        for table, key in PATH_FIELDS:
            for place, item in _entries(self.tree, table):
                value = item.get(key)
                if not isinstance(value, str) or not value:
                    continue
                path = (*place, key)
                origin = self.origins.get(path, DEFAULT)
                source = origin.where if origin.kind == "file" else None
                try:
                    folder = folders.get(source) or folders.setdefault(source, _folder(source))
                except FileNotFoundError:
                    message = f"{value}: the working directory does not exist any more; use absolute paths"
                    self.problems.append(Problem(path, message, origin))
                    continue
                item[key] = os.path.normpath(os.path.join(folder, os.path.expanduser(value)))

    def validate(self) -> Loaded:
        """Turn the tree into a `Config`, or raise with every mistake."""
        config, mistakes = validate(
            self.tree, whole=not self.problems, place=lambda path: str(self._nearest_origin(path))
        )
        self.problems += [Problem(path, message, self._nearest_origin(path)) for path, message in mistakes]
        if self.problems or config is None:
            raise ConfigError(_in_order(self.problems))
        return Loaded(config, self.origins, tuple(self.files))

    def _nearest_origin(self, path: Path) -> Origin:
        return _nearest(self.origins, path, self.files)


def _nearest(origins: Mapping[Path, Origin], path: Path, files: Sequence[str]) -> Origin:
    """Return the origin of the value at *path*, or of the closest table around it."""
    for end in range(len(path), 0, -1):
        if path[:end] in origins:
            return origins[path[:end]]
    return Origin("file", files[0]) if files else DEFAULT


def _entries(tree: Tree, table: str) -> Iterator[tuple[Path, Tree]]:
    """Yield path and content of *table*: the table itself, or each entry of an array of tables."""
    content = tree.get(table)
    if isinstance(content, dict):
        yield (table,), content
    elif isinstance(content, list):
        for index, item in enumerate(content):
            if isinstance(item, dict):
                yield (table, index), item


def _folder(file: str | None) -> str:
    """Return the folder that relative paths in *file* start from (None: not in a file). Raises `FileNotFoundError`."""
    return os.getcwd() if file is None else os.path.dirname(os.path.abspath(file))


def _origins(tree: Tree, spans: dict[str, tuple[int, int]], file: str) -> Iterator[tuple[Path, Origin]]:
    """Yield path and origin of each value in the *tree* of *file*, from the *spans* of the TOML reader.

    The reader writes a path as a dotted key (`zone.0.name`), after the key of the table or array that contains it.
    """
    inside: dict[str, tuple[Path, Any]] = {"": ((), tree)}
    for key, (line, column) in spans.items():
        if '"' in key:
            *around, last = _parts(key)
            path, node = _descend(tree, around)
        else:
            head, _, last = key.rpartition(".")
            path, node = inside[head]
        part: str | int = int(last) if isinstance(node, list) else last
        path = (*path, part)
        if isinstance(node[part], dict | list):
            inside[key] = path, node[part]
        yield path, Origin("file", file, line, column)


def _descend(tree: Tree, parts: Iterable[str]) -> tuple[Path, Any]:
    """Return the path that *parts* mean in *tree*, and what is there."""
    path: Path = ()
    node: Any = tree
    for part in parts:
        step: str | int = int(part) if isinstance(node, list) else part
        path, node = (*path, step), node[step]
    return path, node


def _parts(key: str) -> Iterator[str]:
    """Yield the parts of the dotted *key*; one with a dot or a space in it is a JSON string."""
    while key:
        if key.startswith('"'):
            part, end = json.JSONDecoder().raw_decode(key)
            key = key[end + 1 :]
        else:
            part, _, key = key.partition(".")
        yield part


def _in_order(problems: Iterable[Problem]) -> list[Problem]:
    """Return *problems* in the order of the files, without those that only follow from a mistake further inside."""
    found = list(problems)
    inner = [problem.path for problem in found]
    kept = [
        problem
        for problem in found
        if problem.message != EMPTY
        or not any(
            len(path) > len(problem.path) and path[: len(problem.path)] == problem.path for path in inner
        )
    ]
    return sorted(kept, key=lambda problem: (problem.origin.where, problem.origin.line or 0))


def _same_name(one: object, other: object) -> bool:
    return str(one or ".").rstrip(".").lower() == str(other or ".").rstrip(".").lower()


def _leaves(path: Path, value: Any) -> Iterator[tuple[Path, Any]]:
    if isinstance(value, dict) and value:
        for key, item in value.items():
            yield from _leaves((*path, key), item)
    elif isinstance(value, list) and any(isinstance(item, dict) for item in value):
        for index, item in enumerate(value):
            yield from _leaves((*path, index), item)
    else:
        yield path, value

"""Read files, environment and flags into one `Config`, with the origin of each value.

The layers are merged into a plain tree (dicts, lists, scalars) in which every value has an `Origin`. The tree is then validated as
a whole, so that all mistakes are reported at once, each with its place.

Rules: a value may be set in one file only (main file or one include); flags override the environment, which overrides files. A
relative path in a file is relative to that file; elsewhere to the working directory.

Origins are found when one is asked for, because most never are: `Origins` keeps the texts of the files and the steps of the merge.
"""

from __future__ import annotations

import json
import os
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, NamedTuple

from namewise.config.environment import overlay_of_environment
from namewise.config.errors import ConfigError, Problem
from namewise.config.model import ARRAYS, Config
from namewise.config.origin import DEFAULT, Origin, Overlay, Path
from namewise.config.paths import read_text
from namewise.config.schema import as_tree
from namewise.config.validate import EMPTY, validate
from namewise.engine import parse_toml
from namewise.engine.errors import TomlError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
    from typing import TypeAlias

    from namewise.config.templates import Pattern

    Tree: TypeAlias = dict[str, Any]

PATH_FIELDS = frozenset(
    {
        ("server", "state"),
        ("resolver", "hints"),
        ("resolver", "trust_anchor"),
        ("hosts", "file"),
        ("zone", "file"),
        ("template", "files"),
        ("list", "file"),
        ("local_root", "file"),
        ("key", "secret_file"),
        ("control", "socket"),
    }
)
JOINED = {"zone": "name", "forward": "suffix"}


class Origins:
    """The origin of every value that is not a default."""

    def __init__(self) -> None:
        self._found: dict[Path, Origin] = {}
        self._steps: list[Callable[[dict[Path, Origin]], None]] = []

    def then(self, step: Callable[[dict[Path, Origin]], None]) -> None:
        """Let *step* change the origins that those before it have made, when one is asked for."""
        self._steps.append(step)

    @property
    def found(self) -> dict[Path, Origin]:
        """The origins by path."""
        for step in self._steps:
            step(self._found)
        self._steps.clear()
        return self._found


class Loaded(NamedTuple):
    """A configuration, the origin of every value that is not a default, the files it was read from, and the tables in which a
    file, the environment or a flag sets something."""

    config: Config
    origins: Origins
    files: tuple[str, ...]
    tables: frozenset[str]
    patterns: Mapping[str, Pattern] = MappingProxyType({})
    """The zones that the files of each template have given, by its name in lower case."""

    def origin(self, path: Path) -> Origin:
        """Return where the value at *path* was set."""
        return self.origins.found.get(path, DEFAULT)

    def sets(self, table: str) -> bool:
        """Return whether a file, the environment or a flag sets something in *table*."""
        return table in self.tables

    def problem(self, path: Path, message: str) -> Problem:
        """Return the problem *message* at *path*, with the place of the closest setting around it."""
        return Problem(path, message, _nearest(self.origins.found, path, self.files))

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
    return state.validate()


class _File:
    """A file that was read, with the origins of its values."""

    def __init__(self, name: str, text: str) -> None:
        self.name = name
        self._text = text
        self._origins: dict[Path, Origin] | None = None

    @property
    def origins(self) -> dict[Path, Origin]:
        """The origin of each value in the file by path."""
        if self._origins is None:
            raw, spans = parse_toml(self._text)
            self._origins = dict(_origins(json.loads(raw), json.loads(spans), self.name))
        return self._origins


class _State:
    """The tree while it is built."""

    def __init__(self) -> None:
        self.tree: Tree = {}
        self.origins = Origins()
        self.tables: set[str] = set()
        self.files: list[str] = []
        self.problems: list[Problem] = []
        self._places: dict[str, dict[str, int]] = {}
        """By array of tables whose entries have names: the index of the entry of each name."""

    def read(self, name: str, included_by: Origin | None) -> None:
        """Add the file *name* and what it includes."""
        if os.path.realpath(name) in map(os.path.realpath, self.files):
            return
        try:
            text = read_text(name)
        except (OSError, UnicodeDecodeError) as error:
            reason = error.strerror if isinstance(error, OSError) else "not UTF-8 text"
            self.problems.append(
                Problem((), f"cannot read {name}: {reason}", included_by or Origin("file", name))
            )
            return
        self.files.append(name)
        try:
            raw, _ = parse_toml(text, positions=False)
        except TomlError as error:
            for fault in error.faults:
                self.problems.append(
                    Problem((), fault.message, Origin("file", name, fault.line, fault.column))
                )
            return
        tree: Tree = json.loads(raw)
        file_read = _File(name, text)
        includes = tree.pop("include", [])
        _make_absolute(tree, os.path.dirname(os.path.abspath(name)))
        self.merge(tree, file_read)
        if includes == []:
            return
        origins = file_read.origins
        if not isinstance(includes, list) or not all(isinstance(item, str) for item in includes):
            where = origins.get(("include",), Origin("file", name))
            self.problems.append(Problem(("include",), "expected an array of file names or globs", where))
            return
        for index, pattern in enumerate(includes):
            self._include(pattern, name, origins.get(("include", index)) or origins[("include",)], index)

    def _include(self, pattern: str, name: str, where: Origin, index: int) -> None:
        """Read the files that the file *name* includes by *pattern*, the one with the number *index*."""
        import glob

        place = os.path.join(os.path.dirname(name), pattern)
        found = sorted(glob.glob(place, recursive=True))
        if not found and not glob.has_magic(pattern):
            self.problems.append(Problem(("include", index), f"no file {place}", where))
        for item in found:
            self.read(item, where)
        path: Path = ("include", len(self.tree.setdefault("include", [])))
        self.tree["include"].append(pattern)
        self.tables.add("include")
        self._set([path], where)

    def merge(self, tree: Tree, file: _File) -> None:
        """Merge the *tree* of one file: arrays of tables are concatenated, a value that is set already is a mistake."""
        offsets: dict[str | int, int] = {}
        merged: set[Path] = set()
        for table, content in tree.items():
            self.tables.add(table)
            present = self.tree.get(table, [])
            if table in ARRAYS and isinstance(content, list) and isinstance(present, list):
                self.tree[table] = present
                offsets[table] = len(present)
                present.extend(content)
                continue
            if isinstance(content, dict) and isinstance(present, dict):
                for key, value in content.items():
                    if key in present:
                        first = self.origins.found.get((table, key), DEFAULT)
                        here = file.origins.get((table, key), Origin("file", file.name))
                        self.problems.append(Problem((table, key), f"already set at {first}", here))
                        continue
                    present[key] = value
                    merged.add((table, key))
                continue
            self.tree[table] = content
            merged.add((table,))

        def adopt(origins: dict[Path, Origin]) -> None:
            for path, origin in file.origins.items():
                offset = offsets.get(path[0])
                if offset is None:
                    if path[:1] in merged or path[:2] in merged:
                        origins[path] = origin
                elif len(path) > 1 and isinstance(path[1], int):
                    origins[(path[0], path[1] + offset, *path[2:])] = origin
                else:
                    origins.setdefault(path, origin)

        self.origins.then(adopt)

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
            around: list[Path] = []
            for depth, part in enumerate(path[:-1]):
                if isinstance(part, str):
                    node = node.setdefault(part, {})
                    around.append(path[: depth + 1])
                else:
                    node = node[part]
                if not isinstance(node, dict | list):
                    break
            self.tables.add(str(table))
            self._set(around, origin, new=True)
            if not isinstance(node, dict):
                continue  # what the file has instead of the table is a mistake, which `validate` reports
            if value == {} and isinstance(node.get(path[-1]), dict):
                continue  # the table exists already
            if (path[0], path[-1]) in PATH_FIELDS:
                value = self._from_here(value, path, origin)
            node[path[-1]] = value
            self._places.pop(str(table), None)
            self._forget(path)
            self._set([path, *(below for below, _ in _leaves(path, value))], origin)

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
        if key is not None and isinstance(item, dict):
            if table not in self._places:
                named = ((at, entry) for at, entry in enumerate(items) if isinstance(entry, dict))
                self._places[table] = {_folded(entry.get(key)): at for at, entry in named}
            index = self._places[table].setdefault(_folded(item.get(key)), index)
        if isinstance(item, dict):
            item = dict(item)
            for name in item:
                if (table, name) in PATH_FIELDS:
                    item[name] = self._from_here(item[name], (table, index, name), origin)
        if index < len(items):
            items[index] = item
            self._forget((table, index))
        else:
            items.append(item)
        self.tables.add(table)
        self._set([(table, index), *(below for below, _ in _leaves((table, index), item))], origin)

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

    def _set(self, paths: list[Path], origin: Origin, *, new: bool = False) -> None:
        """Let *origin* be that of *paths*; *new*: only of those that have none."""

        def put(origins: dict[Path, Origin]) -> None:
            for path in paths:
                if not new or path not in origins:
                    origins[path] = origin

        self.origins.then(put)

    def _forget(self, below: Path) -> None:
        def forget(origins: dict[Path, Origin]) -> None:
            for path in [path for path in origins if path[: len(below)] == below]:
                del origins[path]

        self.origins.then(forget)

    def _from_here(self, value: Any, path: Path, origin: Origin) -> Any:
        """Return *value*, if it is the name of a file, as an absolute path that starts from the working directory."""
        if not isinstance(value, str) or not value:
            return value
        try:
            return _absolute(value, "" if os.path.isabs(value) else os.path.join(os.getcwd(), ""))
        except FileNotFoundError:
            message = f"{value}: the working directory does not exist any more; use absolute paths"
            self.problems.append(Problem(path, message, origin))
            return value

    def validate(self) -> Loaded:
        """Turn the tree into a `Config`, or raise with every mistake."""
        expansion = None
        if any(isinstance(self.tree.get(table), list) for table in ("template", "catalog")):
            # Imported where there are such tables: most configurations have none.
            from namewise.config.expansion import Expansion

            expansion = Expansion(self.tree, lambda: self.origins.found)
            self.origins.then(expansion.adopt)
            self.problems += [
                Problem(path, message, self._nearest_origin(path)) for path, message in expansion.mistakes
            ]
        config, mistakes = validate(
            self.tree, whole=not self.problems, place=lambda path: str(self._nearest_origin(path))
        )
        if expansion is not None:
            mistakes = expansion.at_their_source(mistakes)
        self.problems += [Problem(path, message, self._nearest_origin(path)) for path, message in mistakes]
        if self.problems or config is None:
            raise ConfigError(_in_order(self.problems))
        return Loaded(
            config,
            self.origins,
            tuple(self.files),
            frozenset(self.tables),
            {} if expansion is None else expansion.patterns,
        )

    def _nearest_origin(self, path: Path) -> Origin:
        return _nearest(self.origins.found, path, self.files)


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


def _make_absolute(tree: Tree, folder: str) -> None:
    """Make every file name in the *tree* of a file absolute; relative ones start from *folder*."""
    start = os.path.join(folder, "")
    for table, key in PATH_FIELDS:
        for _, item in _entries(tree, table):
            value = item.get(key)
            if isinstance(value, str) and value:
                item[key] = _absolute(value, start)


def _absolute(value: str, start: str) -> str:
    """Return *value* as an absolute path; *start*, which ends in a slash, is where a relative one begins."""
    if value.startswith("~"):
        value = os.path.expanduser(value)
    return os.path.normpath(value if value.startswith("/") else start + value)


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


def _folded(name: object) -> str:
    """Return a text that is the same for every spelling of the domain name *name*."""
    return str(name or ".").rstrip(".").lower()


def _leaves(path: Path, value: Any) -> Iterator[tuple[Path, Any]]:
    if isinstance(value, dict) and value:
        for key, item in value.items():
            yield from _leaves((*path, key), item)
    elif isinstance(value, list) and any(isinstance(item, dict) for item in value):
        for index, item in enumerate(value):
            yield from _leaves((*path, index), item)
    else:
        yield path, value

"""What a setting is made of: its description, its type with a reader for texts, its bounds.

A table of `namewise.toml` is a frozen `msgspec.Struct`; a field is a type that is annotated with `setting`. msgspec checks
types and bounds. What msgspec has no type for (durations, sizes, addresses, names) is an `int` or `str` whose annotation
names a reader: `validate.py` lets it make of the text what the field holds.

Annotations of the models are evaluated when a module is imported: the modules with models do without
`from __future__ import annotations`.
"""

import functools
from collections.abc import Callable
from types import UnionType
from typing import Annotated, Any, NamedTuple, Union, get_args, get_origin

from msgspec import NODEFAULT, Meta, Struct
from msgspec.structs import fields

from namewise.config import values

REQUIRED = NODEFAULT
"""The default of a setting that has none."""


class Table(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Common base of the tables: frozen, compared by value, and an unknown key is an error."""


class Secret:
    """A text that is never shown."""

    __slots__ = ("_text",)

    def __init__(self, text: str) -> None:
        self._text = text

    def reveal(self) -> str:
        """Return the text."""
        return self._text

    def __repr__(self) -> str:
        return "**********"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Secret) and self._text == other._text

    def __hash__(self) -> int:
        return hash(self._text)


def setting(
    description: str, *, applies: str = "reload", since: str = "0.1", usual: str | None = None, **bounds: Any
) -> Meta:
    """Return the annotation of a setting: what it does, how a change of it takes effect ("reload" or "restart"), the version
    that has it first, what holds if it is not set, and the bounds of its value (`ge`, `le`, `min_length`, `max_length`)."""
    extra = {"applies": applies, "since": since, "usual": usual}
    return Meta(description=description, extra=extra, extra_json_schema={"x-applies": applies}, **bounds)


def limit(default: str, description: str, **bounds: Any) -> Meta:
    """Return the annotation of a limit that the engine sets: None keeps *default*, the engine's own (a test compares
    them)."""
    return setting(f"{description} Not set: {default}.", usual=default, **bounds)


def written_as(
    kind: str,
    read: Callable[[Any], Any],
    write: Callable[[Any], str] | None = None,
    pattern: str | None = None,
) -> Meta:
    """Return the annotation of a type whose value *read* makes of what a person writes, and *write* turns back.

    kind: the name of the type in the reference, as "duration". *read* raises `ValueError`.
    """
    schema: dict[str, Any] = {} if pattern is None else {"x-written": pattern}
    return Meta(extra={"kind": kind, "read": read, "write": write}, extra_json_schema=schema)


def _of_text(read: Callable[[str], Any]) -> Callable[[Any], Any]:
    """Return *read* for texts; other values pass, so that msgspec says what is expected."""
    return lambda value: read(value) if isinstance(value, str) else value


def _absolute_name(text: str) -> str:
    from namewise.engine import Name

    return str(Name(text))


def _server(value: object) -> str:
    endpoint = values.endpoint(value)
    why = values.is_no_server(endpoint.address)
    if why is not None:
        raise ValueError(f"{endpoint.address} is {why}, and no server has it")
    if "%" in endpoint.address:
        raise ValueError(
            f"{endpoint.address}: an address that is valid on one interface only cannot be used here yet; use the global or "
            "unique local address of the server"
        )
    return str(endpoint)


def _loopback_server(value: object) -> str:
    endpoint = values.endpoint(value)
    if not values.is_loopback(endpoint.address):
        raise ValueError(
            f"{endpoint.address} is not a loopback address; a route may only lead to 127.0.0.0/8 or ::1"
        )
    return str(endpoint)


def _prefix(text: str) -> str:
    if "%" in text:
        raise ValueError(f"{text!r}: a prefix has no zone index; write the prefix without %...")
    return values.prefix(text)


Duration = Annotated[
    int, written_as("duration", values.duration_ms, values.duration_text, "^([0-9]+(ms|s|m|h|d))+$")
]
"""A time in milliseconds, written "10s", "500ms", "1h30m"; a bare integer counts seconds."""
Size = Annotated[
    int,
    written_as("size", values.size_bytes, values.size_text, "^[0-9]+ ?(B|KiB|MiB|GiB|kB|MB|GB)?$"),
]
"""A number of octets, written "64MiB"; a bare integer counts octets."""
Address = Annotated[str, written_as("address", _of_text(values.address))]
DomainName = Annotated[str, written_as("domain name", _of_text(_absolute_name))]
Prefix = Annotated[str, written_as("prefix", _of_text(_prefix))]
Server = Annotated[str, written_as("server", _server)]
LoopbackServer = Annotated[str, written_as("server", _loopback_server)]
Path = Annotated[str, Meta(min_length=1, extra={"kind": "path"}, extra_json_schema={"format": "path"})]


class Setting(NamedTuple):
    """What a model says of one of its fields. `type` is without annotations and None."""

    name: str
    type: Any
    default: Any
    notes: tuple[Meta, ...]

    def extra(self, key: str, default: Any = None) -> Any:
        """Return what the annotations say of *key* (`applies`, `since`, `usual`, `kind`, `read`, `write`), the outermost first."""
        return next(
            (note.extra[key] for note in reversed(self.notes) if note.extra and key in note.extra), default
        )

    def bound(self, key: str) -> int | None:
        """Return the bound *key* (`ge`, `le`) of the value, or None."""
        return next((getattr(note, key) for note in self.notes if getattr(note, key) is not None), None)

    @property
    def description(self) -> str:
        """What the setting does."""
        return next((note.description for note in reversed(self.notes) if note.description), "")

    @property
    def table(self) -> type[Table] | None:
        """The model of the table that the setting holds, or None."""
        return self.type if isinstance(self.type, type) and issubclass(self.type, Table) else None

    def shown(self, value: Any) -> Any:
        """Return *value* as it is written in the file: secrets as `**********`."""
        write = self.extra("write")
        if isinstance(value, Secret):
            return repr(value)
        if isinstance(value, tuple):
            return list(value)
        return value if write is None or value is None else write(value)


@functools.cache
def settings(model: type[Table]) -> dict[str, Setting]:
    """Return the settings of *model* by name, in order."""
    found = {}
    for field in fields(model):
        kind, notes = plain(field.type)
        found[field.name] = Setting(field.name, kind, field.default, notes)
    return found


def plain(annotation: Any) -> tuple[Any, tuple[Meta, ...]]:
    """Return *annotation* without `None` and annotations, and those annotations, the innermost first."""
    notes: tuple[Meta, ...] = ()
    while True:
        if hasattr(annotation, "__metadata__"):
            notes = (*annotation.__metadata__, *notes)
            annotation = annotation.__origin__
        elif get_origin(annotation) in (Union, UnionType) and type(None) in get_args(annotation):
            (annotation,) = (one for one in get_args(annotation) if one is not type(None))
        else:
            return annotation, notes


def variants(kind: Any) -> tuple[type[Table], ...]:
    """Return the models of the type *kind*: one, those of a tagged union, or none."""
    kinds = get_args(kind) if get_origin(kind) in (Union, UnionType) else (kind,)
    found = tuple(one for one in kinds if isinstance(one, type) and issubclass(one, Table))
    return found if len(found) == len(kinds) else ()


def variant(models: tuple[type[Table], ...], tag: object) -> type[Table] | None:
    """Return the one of *models* whose tag is *tag*, or None."""
    return next((model for model in models if model.__struct_config__.tag == tag), None)


def as_tree(table: Table) -> dict[str, Any]:
    """Return *table* as it is written in the file: every setting, secrets as `**********`."""
    tree: dict[str, Any] = {}
    config = type(table).__struct_config__
    for name, setting in settings(type(table)).items():
        value = getattr(table, name)
        if isinstance(value, Table):
            tree[name] = as_tree(value)
        elif isinstance(value, tuple) and value and isinstance(value[0], Table):
            tree[name] = [as_tree(item) for item in value]
        else:
            tree[name] = setting.shown(value)
    return tree if config.tag_field is None else {config.tag_field: config.tag, **tree}

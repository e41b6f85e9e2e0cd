"""Generated from the models: the JSON schema and the reference page.

`make docs` writes them; a test compares the committed files with the result of `pages`.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Literal, get_args, get_origin

from msgspec.json import schema_components

from namewise.config.model import ARRAYS, KINDS, NESTED, TABLES, VARIANTS, Config
from namewise.config.schema import REQUIRED, Secret, Setting, Table, plain, settings

if TYPE_CHECKING:
    from collections.abc import Iterator

SCHEMA_ID = "https://namewise.dev/schema/namewise.toml.schema.json"
SCHEMA_FILE = "docs/schema/namewise.toml.schema.json"
REFERENCE_FILE = "docs/configuration/reference.md"


def pages() -> dict[str, str]:
    """Return the content of every generated file by its path from the root of the project."""
    return {SCHEMA_FILE: json_schema(), REFERENCE_FILE: reference()}


def json_schema() -> str:
    """Return the JSON schema (2020-12) of `namewise.toml` as text."""
    _, definitions = schema_components(
        [Config], schema_hook=lambda _: {"type": "string"}, ref_template="#/$defs/{name}"
    )
    more = [model for models in VARIANTS.values() for model in models[1:]]
    models: list[type[Table]] = [Config, *TABLES.values(), *NESTED.values(), *more]
    for model in models:
        _as_written(definitions[model.__name__], model)
    body = definitions.pop("Config") | {"title": "namewise.toml"}
    schema = {"$schema": "https://json-schema.org/draft/2020-12/schema", "$id": SCHEMA_ID, **body}
    return json.dumps(schema | {"$defs": definitions}, indent=2, ensure_ascii=False) + "\n"


def _as_written(schema: dict[str, Any], model: type[Table]) -> None:
    """Make *schema* describe what is written in the file: msgspec describes what the fields of *model* hold."""
    # One line: versions of msgspec treat the indentation of a docstring differently.
    schema["description"] = _about(model)
    for name, setting in settings(model).items():
        described = schema["properties"][name]
        default = described.pop("default", None)
        # TOML has no null: None means that the setting is left out.
        some = [one for one in described.pop("anyOf", []) if one != {"type": "null"}]
        for one in some:
            described.update(one)
        written = described.pop("x-written", None)
        if written is not None:
            for bound in ("minimum", "maximum"):
                described.pop(bound, None)
            described |= {"type": ["string", "integer"], "pattern": written}
        if default is not None and setting.default is not REQUIRED and setting.table is None:
            described["default"] = _plain_default(setting)
    tag = model.__struct_config__.tag_field
    if tag is not None and KINDS[tag_table(model)] == model.__struct_config__.tag:
        schema["required"].remove(tag)


def tag_table(model: type[Table]) -> str:
    """Return the name of the table whose entries *model* describes."""
    return next(table for table, one in TABLES.items() if one is model or model in VARIANTS.get(table, ()))


def _plain_default(setting: Setting) -> Any:
    value = setting.default
    if isinstance(value, tuple) and value and isinstance(value[0], Table):
        return [{"address": one.address} for one in value]
    return setting.shown(value)


def reference() -> str:
    """Return the page that describes every setting, in Markdown."""
    lines = [
        "# Settings of `namewise.toml`",
        "",
        "Made from the models in `python/namewise/config/`; do not edit by hand.",
        "",
        "*Applies*: `reload` = in force after `nw ctl reload` or SIGHUP; `restart` = after a restart. *Since*: the first version "
        "that has the setting.",
        "",
        'A *duration* is a text such as `"500ms"`, `"10s"` or `"1h30m"`, or a number of seconds. A *size* is a text such as '
        '`"64MiB"`, or a number of octets.',
        "",
    ]
    for table, model in TABLES.items():
        head = f"[[{table}]]" if table in ARRAYS else f"[{table}]"
        lines += [f"## `{head}`", "", _about(model), "", *_rows(model), ""]
        for one in VARIANTS.get(table, ())[1:]:
            tag = one.__struct_config__
            lines += [
                f'### `{head}` with `{tag.tag_field} = "{tag.tag}"`',
                "",
                _about(one),
                "",
                *_rows(one),
                "",
            ]
        for (outer, inner), nested in NESTED.items():
            if outer == table:
                lines += [f"### `[{outer}.{inner}]`", "", _about(nested), "", *_rows(nested), ""]
    return "\n".join(lines).rstrip() + "\n"


def _about(model: type[Table]) -> str:
    return " ".join((model.__doc__ or "").split())


def _rows(model: type[Table]) -> Iterator[str]:
    yield "| key | type | default | applies | since | what it does |"
    yield "|---|---|---|---|---|---|"
    config = model.__struct_config__
    if config.tag_field is not None:
        usual = KINDS[tag_table(model)]
        default = f'`"{usual}"`' if usual == config.tag else "required"
        yield f"| `{config.tag_field}` | `{config.tag}` | {default} | reload | 0.1 | Kind of the entry. |"
    for name, setting in settings(model).items():
        if setting.table is not None:
            continue
        applies, since = setting.extra("applies"), setting.extra("since")
        description = setting.description.replace("|", "\\|")
        yield f"| `{name}` | {_kind(setting)} | {_default(setting)} | {applies} | {since} | {description} |"


def _default(setting: Setting) -> str:
    if setting.default is REQUIRED:
        return "required"
    return "not set" if setting.default is None else f"`{json.dumps(setting.shown(setting.default))}`"


def _kind(setting: Setting) -> str:
    named = setting.extra("kind")
    if named is not None and setting.type is not int:
        return str(named)
    return (named or _name(setting.type)) + _span(setting)


def _name(kind: Any) -> str:
    """Return how the reference calls the type *kind*."""
    kind, notes = plain(kind)
    named = next((note.extra["kind"] for note in notes if note.extra and "kind" in note.extra), None)
    if named is not None:
        return str(named)
    if get_origin(kind) is Literal:
        return " \\| ".join(f"`{one}`" for one in get_args(kind))
    if get_origin(kind) is tuple:
        return f"array of {_name(get_args(kind)[0])}"
    if get_origin(kind) is dict:
        return f"table of {' = '.join(map(_name, get_args(kind)))}"
    return {int: "integer", bool: "boolean", str: "text", Secret: "text"}[kind]


def _span(setting: Setting) -> str:
    least, most = setting.bound("ge"), setting.bound("le")
    if most is not None:
        return f" {setting.shown(least or 0)}–{setting.shown(most)}"
    return "" if least is None else f" ≥ {setting.shown(least)}"

"""Generated from the models: the JSON schema and the reference page.

`make docs` writes them; a test compares the committed files with the result of `pages`.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from namewise.config.model import ARRAYS, TABLES, Budget, Config

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pydantic import BaseModel

SCHEMA_ID = "https://namewise.dev/schema/namewise.toml.schema.json"
SCHEMA_FILE = "docs/schema/namewise.toml.schema.json"
REFERENCE_FILE = "docs/configuration/reference.md"


def pages() -> dict[str, str]:
    """Return the content of every generated file by its path from the root of the project."""
    return {SCHEMA_FILE: json_schema(), REFERENCE_FILE: reference()}


def json_schema() -> str:
    """Return the JSON schema (2020-12) of `namewise.toml` as text."""
    body = Config.model_json_schema(mode="validation")
    schema = {"$schema": "https://json-schema.org/draft/2020-12/schema", "$id": SCHEMA_ID, **body}
    schema["title"] = "namewise.toml"
    return json.dumps(schema, indent=2, ensure_ascii=False) + "\n"


def reference() -> str:
    """Return the page that describes every setting, in Markdown."""
    lines = [
        "# Settings of `namewise.toml`",
        "",
        "Made from the models in `python/namewise/config/model.py`; do not edit by hand.",
        "",
        "*Applies*: `reload` = in force after `nw ctl reload` or SIGHUP; `restart` = after a restart.",
        "",
    ]
    for table, model in TABLES.items():
        head = f"[[{table}]]" if table in ARRAYS else f"[{table}]"
        lines += [f"## `{head}`", "", (model.__doc__ or "").strip(), "", *_rows(model), ""]
        if table == "resolver":
            lines += ["### `[resolver.budget]`", "", (Budget.__doc__ or "").strip(), "", *_rows(Budget), ""]
    return "\n".join(lines).rstrip() + "\n"


def _rows(model: type[BaseModel]) -> Iterator[str]:
    yield "| key | type | default | applies | what it does |"
    yield "|---|---|---|---|---|"
    properties = model.model_json_schema(mode="validation")["properties"]
    definitions = model.model_json_schema(mode="validation").get("$defs", {})
    needed = {name for name, field in model.model_fields.items() if field.is_required()}
    for name, field in model.model_fields.items():
        if name == "budget":
            continue
        schema = properties[name]
        default = "required" if name in needed else _default(model, name)
        extra = field.json_schema_extra if isinstance(field.json_schema_extra, dict) else {}
        description = (field.description or "").replace("|", "\\|")
        kind = _kind(schema, definitions).replace("|", "\\|")
        yield f"| `{name}` | {kind} | {default} | {extra.get('x-applies', 'reload')} | {description} |"


def _default(model: type[BaseModel], name: str) -> str:
    value = model.model_fields[name].default
    if value is None:
        return "not set"
    # Only a dump knows how a duration or a size is written.
    shown = model.model_construct(**{name: value}).model_dump(mode="json", include={name})[name]
    return f"`{json.dumps(shown)}`"


def _kind(schema: dict[str, Any], definitions: dict[str, Any]) -> str:
    if "$ref" in schema:
        return "table"
    if "anyOf" in schema:
        return " or ".join(_kind(item, definitions) for item in schema["anyOf"] if item.get("type") != "null")
    if "enum" in schema:
        return " \\| ".join(f"`{item}`" for item in schema["enum"])
    if "const" in schema:
        return f"`{schema['const']}`"
    if isinstance(schema.get("type"), list):
        return "duration" if "(ms|s" in schema.get("pattern", "") else "size"
    if schema.get("type") == "array":
        return f"array of {_kind(schema['items'], definitions)}"
    if schema.get("type") == "object":
        return "table"
    if schema.get("format") == "path":
        return "path"
    if schema.get("type") == "integer":
        least, most = schema.get("minimum"), schema.get("maximum")
        span = f" {least}–{most}" if most is not None else (f" ≥ {least}" if least is not None else "")
        return f"integer{span}"
    return {"string": "text", "boolean": "boolean"}.get(str(schema.get("type")), str(schema.get("type")))

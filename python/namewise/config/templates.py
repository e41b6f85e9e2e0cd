"""Settings that zones share, and zones from the files of a folder: `[[template]]`.

    [[template]]                     ┌─ fill: the settings that a [[zone]] with `template` does not have itself
    name = "customers"       ────────┤
    files = "zones/*.zone"           └─ find: one zone for each file, at the start and at each reload

The loader does both before the models read the zones (`loader.py`), so that a mistake in a zone is reported with its template and
its file. `zone_of` makes zones that get their template while the server runs.

*Limitations*: the root zone cannot come from a pattern.
"""

import os
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Annotated, Any, Literal, NamedTuple, Optional

from msgspec import defstruct
from msgspec.structs import fields

from namewise.config.schema import Path, Table, setting
from namewise.config.zones import DatabaseZone, FileZone, SecondaryZone

ZONES: tuple[type[FileZone | DatabaseZone | SecondaryZone], ...] = (FileZone, DatabaseZone, SecondaryZone)
"""The models of the zones that a template may be for."""
OWN = ("name", "template", "file")
"""What a zone has of its own, and not from a template."""
EXAMPLE = 'files = "zones/*.zone"'


class _Template(Table, frozen=True, kw_only=True):
    name: Annotated[str, setting("Name of the template, for `template` in `[[zone]]`.", min_length=1)]
    kind: Annotated[Literal["file", "database", "secondary"], setting("Kind of its zones.")] = "file"
    files: (
        Annotated[
            Path,
            setting(
                "Zone files of which each becomes a zone of this template: a path with one `*` in its last part, which stands for the "
                'name of the zone, as `zones/*.zone` or `zones/db.*`. A file name has `%2F` for the "/" of a name such as '
                "`0/25.2.0.192.in-addr.arpa`, and `%25` for a `%`. Hidden files and those that end in `~` are left out. The folder "
                "is read at the start and at each reload: a new file is a new zone, and without its file a zone is removed. A "
                "`[[zone]]` with this template and the name of such a zone has settings for this zone alone."
            ),
        ]
        | None
    ) = None
    most_removed: Annotated[
        int,
        setting(
            "Zones of `files` that one reload may remove, and it never removes all of them; `nw ctl reload --remove` does. Stops a "
            "folder that is not mounted, or was emptied by mistake, from ending the service of its zones.",
            ge=0,
            le=1_000_000,
        ),
    ] = 10


def _settings() -> Iterator[tuple[str, Any, None]]:
    """Yield each setting of any kind of zone, as one that may be left out."""
    seen = {*OWN}
    for model in ZONES:
        for field in fields(model):
            if field.name not in seen:
                seen.add(field.name)
                yield field.name, Optional[field.type], None  # noqa: UP045  (the type is a value)


_ABOUT = """Settings that zones share: a `[[zone]]` with `template = "NAME"` has those of the template that it does not set itself. With
`files`, each zone file of a folder becomes a zone. Besides the keys here, each setting of `[[zone]]` may be given, for zones of `kind`."""
if TYPE_CHECKING:
    Template = _Template
else:
    Template = defstruct(
        "Template",
        list(_settings()),
        bases=(_Template,),
        frozen=True,
        kw_only=True,
        namespace={"__doc__": _ABOUT},
        module=__name__,
    )


class Pattern(NamedTuple):
    """The zones that the files of a template have given."""

    template: str
    files: str
    zones: Mapping[str, str]
    """The file of each zone. Names as in `[[zone]]`, absolute and in lower case."""


def shared(template: Template) -> dict[str, Any]:
    """Return the settings that *template* gives to its zones."""
    found = {name: getattr(template, name) for name, _, _ in _settings()}
    return {name: value for name, value in found.items() if value is not None}


def model_of(kind: object) -> type[FileZone | DatabaseZone | SecondaryZone] | None:
    """Return the model of zones of *kind*, or None."""
    return next((model for model in ZONES if model.__struct_config__.tag == kind), None)


def strange(template: Template) -> Iterator[tuple[str, str]]:
    """Yield each setting of *template* that its zones do not have, with what is wrong."""
    model = model_of(template.kind)
    known = set() if model is None else set(model.__struct_fields__)
    for name in shared(template):
        if name not in known:
            yield name, f'zones of kind "{template.kind}" have no {name}; remove it, or set another kind'
    if template.files is not None:
        if template.kind != "file":
            yield "files", f'zones of kind "{template.kind}" have no files; remove it, or set kind = "file"'
        wrong = malformed(template.files)
        if wrong is not None:
            yield "files", wrong


def zone_of(template: Template, name: str, **given: Any) -> FileZone | DatabaseZone | SecondaryZone:
    """Return the zone *name* with the settings of *template* and with those *given*, for a zone that gets the template while the server
    runs: in the state database where the template is for files."""
    model = SecondaryZone if template.kind == "secondary" else DatabaseZone
    settings = {key: value for key, value in shared(template).items() if key in model.__struct_fields__}
    return model(**{**settings, "name": name, "template": template.name, **given})


# Files.


def malformed(files: str) -> str | None:
    """Return what is wrong with the pattern *files*, or None."""
    last = os.path.basename(files)
    if last.count("*") != 1 or any(c in last for c in "?["):
        return f"{files}: the last part needs one * for the name of the zone and no other wildcard, as in {EXAMPLE}"
    return None


def file_of(files: str, name: str) -> str | None:
    """Return the file that the pattern *files* has for the zone *name*; None if it names several folders."""
    folder, last = os.path.split(files)
    if _has_wildcard(folder):
        return None
    head, _, tail = last.partition("*")
    word = name.rstrip(".").replace("%", "%25").replace("/", "%2F")
    return os.path.join(folder, f"{head}{word}{tail}")


def _has_wildcard(folder: str) -> bool:
    return any(c in folder for c in "*?[")


def find(files: str) -> Iterator[tuple[str, str]]:
    """Yield file and name of each zone that the pattern *files* means, in order.

    Raises `OSError` for a folder that cannot be read, and `ValueError` for a file whose name is not that of a zone.
    """
    folder, last = os.path.split(files)
    head, _, tail = last.partition("*")
    folders = [folder]
    if _has_wildcard(folder):
        # Servers without such patterns do not import it, see tests/python/test_serve_start.py.
        import glob

        folders = sorted(glob.glob(folder, recursive=True))
    if not folders:
        raise FileNotFoundError(2, "No such folder", folder)
    for one in folders:
        with os.scandir(one) as entries:
            found = sorted(
                (entry.path, entry.name)
                for entry in entries
                if entry.name.startswith(head)
                and entry.name.endswith(tail)
                and len(entry.name) > len(head) + len(tail)
                and not entry.name.startswith(".")
                and not entry.name.endswith("~")
                and not entry.is_dir()
            )
        for path, file in found:
            yield path, _zone_name(path, file[len(head) : len(file) - len(tail)])


def _zone_name(path: str, word: str) -> str:
    """Return the name of the zone in the file *path*, whose name has *word* for it."""
    if "%" not in word:
        return word
    parts = word.split("%")
    if any(part[:2].upper() not in ("2F", "25") for part in parts[1:]):
        raise ValueError(f"{path}: a % in the name of a zone file begins %2F or %25; rename the file")
    return parts[0] + "".join(("/" if part[:2].upper() == "2F" else "%") + part[2:] for part in parts[1:])


def vanished(
    templates: tuple[Template, ...], former: Mapping[str, Pattern], present: Mapping[str, Pattern]
) -> Iterator[tuple[tuple[str | int, ...], str]]:
    """Yield path and message for each of *templates* that would lose more zones, from *former* to *present*, than it permits.

    A template with other `files` than before was changed on purpose.
    """
    for index, template in enumerate(templates):
        before, after = former.get(template.name.lower()), present.get(template.name.lower())
        if before is None or after is None or before.files != after.files:
            continue
        gone = [zone for zone in before.zones if zone not in after.zones]
        if gone and (len(gone) > template.most_removed or not after.zones):
            listed = ", ".join(gone[:3]) + (f" and {len(gone) - 3} others" if len(gone) > 3 else "")
            left = f"{len(after.zones)} of {len(before.zones)}" if after.zones else "none"
            yield (
                ("template", index, "files"),
                f'the files of {len(gone)} zones of [[template]] "{template.name}" are gone ({listed}), and {left} would be left; '
                "put them back, or remove the zones with `nw ctl reload --remove`",
            )

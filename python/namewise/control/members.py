"""Zones that the server has by a `[[template]]` although no `[[zone]]` names them: added by `nw zone add --template`, or members of a
catalog zone (`catalogs.py`).

    configuration ──┐
                    ├─▶ extended ─▶ configuration with a zone for each member ─▶ plan, registry
    state database ─┘  (a note of each zone)

*Limitations*: `[[view]]` and `[[update]]` cannot name such zones.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from msgspec.structs import replace

from namewise.config import ConfigError
from namewise.config.templates import shared, zone_of

if TYPE_CHECKING:
    from collections.abc import Mapping

    from namewise.config import Loaded, Problem
    from namewise.config.catalogs import Catalog
    from namewise.config.model import Template, Zone
    from namewise.config.origin import Path


class Member(NamedTuple):
    """A zone that gets its settings from a template."""

    name: str
    """Absolute."""
    template: str = ""
    """Empty: as the catalog says."""
    catalog: str = ""
    """The name of the catalog zone that it is a member of; empty: none."""
    label: str = ""
    """What identifies it there: the `<unique-N>` of RFC 9432 §4.1."""
    groups: tuple[str, ...] = ()
    """The values of its property `group` (RFC 9432 §4.3.2)."""

    def note(self) -> dict[str, Any]:
        """Return what is stored of it."""
        return self._asdict()


def of_notes(notes: Mapping[str, Mapping[str, Any]]) -> dict[str, Member]:
    """Return the members of *notes*, by name in lower case."""
    return {name: Member(**{**note, "groups": tuple(note["groups"])}) for name, note in notes.items()}


def extended(loaded: Loaded, members: Mapping[str, Member]) -> Loaded:
    """Return *loaded* with a zone for each of *members* that no `[[zone]]` names. Raises `ConfigError` if the template of one is gone."""
    if not members:
        return loaded
    config = loaded.config
    templates = {one.name.lower(): one for one in config.template}
    catalogs = {one.name.lower(): one for one in config.catalog}
    named = {zone.name.lower() for zone in config.zone}
    zones: list[Zone] = []
    problems: list[Problem] = []
    lacking: dict[str, list[str]] = {}
    for name, member in members.items():
        catalog = catalogs.get(member.catalog)
        if name in named or (member.catalog and catalog is None):
            # Of a catalog that is gone from the configuration, the members come back with it.
            continue
        wanted = member.template if catalog is None else template_of(catalog, member)
        template = templates.get(wanted.lower())
        if template is None:
            lacking.setdefault(wanted, []).append(member.name)
        else:
            zones.append(made(template, member, catalog))
    for template_name, names in lacking.items():
        more = f" and {len(names) - 3} others" if len(names) > 3 else ""
        path: Path = ("template",)
        message = (
            f'there is no [[template]] "{template_name}", which {", ".join(names[:3])}{more} got from `nw zone add`; define it, or '
            "remove the zones first, with `nw zone remove`"
        )
        problems.append(loaded.problem(path, message))
    if problems:
        raise ConfigError(problems)
    return loaded._replace(config=replace(config, zone=(*config.zone, *zones)))


def template_of(catalog: Catalog, member: Member) -> str:
    """Return the name of the template of *member*, by its groups."""
    groups = catalog.groups or {}
    return next((groups[group] for group in member.groups if group in groups), catalog.template)


def made(template: Template, member: Member, catalog: Catalog | None = None) -> Zone:
    """Return the zone of *member*, with the settings of *template*, or with the primaries of *catalog* where that has none. Raises
    `ValueError` if a secondary zone has no primaries."""
    if template.kind == "secondary" and catalog is not None and catalog.primaries is not None:
        return zone_of(template, member.name, **({"primaries": catalog.primaries} | _primaries(template)))
    if template.kind == "secondary" and "primaries" not in shared(template):
        raise ValueError(
            f'[[template]] "{template.name}" has no primaries, from which zone {member.name} would come'
        )
    return zone_of(template, member.name)


def _primaries(template: Template) -> dict[str, Any]:
    given = shared(template)
    return {"primaries": given["primaries"]} if "primaries" in given else {}

"""What `[[template]]` does to the tree of the loader: zones get the settings of their template, and files become zones.

```text
 tree with [[template]] ─▶ each [[zone]] with a template is filled ─▶ each file of a pattern is appended ─▶ tree for the models
                              └─ a mistake in what came from a template is reported once, there, with the zones that have it
```
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from namewise.config import values
from namewise.config.templates import OWN, Pattern, file_of, find, malformed, model_of

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from namewise.config.origin import Origin, Path

    Tree = dict[str, Any]


class Expansion:
    """Expands the templates in *tree*, in place. origins: return the origins of the tree as it was."""

    def __init__(self, tree: Tree, origins: Callable[[], Mapping[Path, Origin]]) -> None:
        self.mistakes: list[tuple[Path, str]] = []
        """What is wrong, with its path; the zones concerned are not expanded."""
        self.patterns: dict[str, Pattern] = {}
        self._tree = tree
        self._origins = origins
        self._taken: dict[int, tuple[int, tuple[str, ...]]] = {}
        """By zone: its template, and the settings that it has from there."""
        self._files: dict[int, str] = {}
        """By zone: the file of a pattern that made it."""
        self._catalogs: dict[int, int] = {}
        """By zone: the catalog that it is."""
        self._derived: set[int] = set()
        """Zones whose file follows from their name and a pattern."""
        self._unread: set[int] = set()
        """Zones whose template is unknown: what they lack is no mistake of theirs."""
        zones = tree.get("zone", [])
        if not isinstance(zones, list):
            return
        self._templates: dict[str, tuple[int, Tree]] = {}
        templates = tree.get("template", [])
        for index, one in enumerate(templates if isinstance(templates, list) else ()):
            if isinstance(one, dict) and isinstance(one.get("name"), str):
                self._templates.setdefault(one["name"].lower(), (index, one))
        for index, zone in enumerate(zones):
            if isinstance(zone, dict) and isinstance(zone.get("template"), str):
                self._fill(index, zone)
        self._transfer(zones)
        named = {_folded(zone["name"]): at for at, zone in enumerate(zones) if _is_named(zone)}
        for name, (index, template) in self._templates.items():
            if isinstance(template.get("files"), str) and template.get("kind", "file") == "file":
                self._find(name, index, template, zones, named)
        for index, (at, _) in self._taken.items():
            files, zone = tree["template"][at].get("files"), zones[index]
            if "file" not in zone and zone["kind"] == "file" and isinstance(files, str) and _is_named(zone):
                # It has no file yet, which is then said where it is missing.
                file = None if malformed(files) else file_of(files, zone["name"])
                if file is not None:
                    zone["file"] = file
                    self._derived.add(index)
        if zones:
            tree["zone"] = zones

    def adopt(self, origins: dict[Path, Origin]) -> None:
        """Add the origins of what zones have from templates to *origins*."""
        below: dict[tuple[int, str], list[Path]] = {}
        for path in origins:
            if path[0] == "template" and len(path) > 2:
                below.setdefault((path[1], path[2]), []).append(path)  # type: ignore[arg-type]  # as in the tree
        for zone, (template, keys) in self._taken.items():
            for key in keys:
                for path in below.get((template, key), ()):
                    origins[("zone", zone, *path[2:])] = origins[path]
            place = origins.get(("template", template, "files")) or origins.get(("template", template))
            if zone in self._files and place is not None:
                for path in (("zone", zone), ("zone", zone, "name"), ("zone", zone, "template")):
                    origins[path] = place
            if place is not None and (zone in self._files or zone in self._derived):
                origins[("zone", zone, "file")] = place

        for zone, catalog in self._catalogs.items():
            for path in [path for path in origins if path[:2] == ("catalog", catalog)]:
                origins[("zone", zone, *path[2:])] = origins[path]

    def at_their_source(self, mistakes: list[tuple[Path, str]]) -> list[tuple[Path, str]]:
        """Return *mistakes* of the expanded tree at the tables that cause them: one of a template once, with the zones that it
        concerns."""
        found: list[tuple[Path, str]] = []
        there: Path
        grouped: dict[tuple[Path, str], list[int]] = {}
        # The template says it itself, unless it has something else in the way.
        own = {path for path, _ in mistakes if path[0] in ("template", "catalog")}
        for path, message in mistakes:
            zone = path[1] if len(path) > 1 and path[0] == "zone" else None
            if isinstance(zone, int) and zone in self._catalogs:
                there = ("catalog", self._catalogs[zone], *path[2:])
                if there not in own:
                    found.append((there, message))
                continue
            if not isinstance(zone, int) or zone not in self._taken:
                if zone not in self._unread:
                    found.append((path, message))
                continue
            template, keys = self._taken[zone]
            if len(path) > 2 and path[2] in keys:
                there = ("template", template, *path[2:])
                if there not in own:
                    grouped.setdefault((there, message), []).append(zone)
                continue
            by = f'[[template]] "{self._tree["template"][template]["name"]}"'
            where = f"{self._files[zone]}, a file of {by}" if zone in self._files else f"with {by}"
            found.append((path, f"{message} ({where})"))
        for (path, message), zones in grouped.items():
            name = self._tree["zone"][zones[0]].get("name")
            others = f" and {len(zones) - 1} others" if len(zones) > 1 else ""
            found.append((path, f"{message} (for the zone {name}{others})"))
        return found

    def _fill(self, index: int, zone: Tree) -> None:
        """Give the zone *zone* what its template has and it has not."""
        name = zone["template"]
        known = self._templates.get(name.lower())
        if known is None:
            guess = values.nearest(name.lower(), self._templates)
            hint = f"; did you mean {guess!r}?" if guess else ""
            self.mistakes.append((("zone", index, "template"), f"no [[template]] is named {name!r}{hint}"))
            self._unread.add(index)
            return
        at, template = known
        kind = zone.get("kind", template.get("kind", "file"))
        model = model_of(kind)
        fields = () if model is None else model.__struct_fields__
        taken = [key for key in template if key in fields and key not in OWN and key not in zone]
        for key in taken:
            zone[key] = template[key]
        if "kind" not in zone:
            zone["kind"] = kind
            if "kind" in template:
                taken.append("kind")
        self._taken[index] = at, tuple(taken)

    def _transfer(self, zones: list[Any]) -> None:
        """Make a secondary zone of each catalog with primaries. Nobody may query it: it lists the zones of others (RFC 9432 §7)."""
        catalogs = self._tree.get("catalog", [])
        for index, catalog in enumerate(catalogs if isinstance(catalogs, list) else ()):
            if _is_named(catalog) and "primaries" in catalog:
                self._catalogs[len(zones)] = index
                taken = {key: catalog[key] for key in ("name", "primaries")}
                zones.append({**taken, "kind": "secondary", "allow": []})

    def _find(self, name: str, at: int, template: Tree, zones: list[Any], named: dict[str, int]) -> None:
        """Make a zone of each file of *template*, unless a `[[zone]]` has its name and this template."""
        files, path = template["files"], ("template", at, "files")
        if malformed(files) is not None:
            return  # the template is checked by itself
        settings = {"template": template["name"], "kind": "file"}
        fields = model_of("file").__struct_fields__  # type: ignore[union-attr]  # there is one
        settings |= {key: value for key, value in template.items() if key in fields and key not in OWN}
        keys = tuple(key for key in settings if key in fields and key not in OWN)
        found: dict[str, str] = {}
        try:
            for file, zone in find(files):
                folded = _folded(zone)
                found[folded] = file
                present = named.get(folded)
                if present is not None and str(zones[present].get("template", "")).lower() == name:
                    if "file" not in zones[present]:
                        zones[present]["file"] = file
                        self._derived.add(present)
                    continue
                self._taken[len(zones)], self._files[len(zones)] = (at, keys), file
                zones.append({**settings, "name": zone, "file": file})
        except OSError as error:
            where = error.filename or files
            message = (
                f"cannot read the folder {where}: {error.strerror}; without it, it is unknown which zones there are. Make it "
                "readable, or remove files"
            )
            self.mistakes.append((path, message))
        except ValueError as error:
            self.mistakes.append((path, str(error)))
        self.patterns[name] = Pattern(template["name"], files, found)


def _is_named(zone: object) -> bool:
    return isinstance(zone, dict) and isinstance(zone.get("name"), str)


def _folded(name: str) -> str:
    """Return *name* as it is compared: absolute and in lower case."""
    return f"{name.rstrip('.').lower()}."

"""The differences between two configurations, setting by setting."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any, NamedTuple

from namewise.config.origin import Path, dotted
from namewise.config.schema import Secret, Setting, Table, settings

if TYPE_CHECKING:
    from collections.abc import Iterator

    from namewise.config.model import Config

_FINGERPRINT_KEY = os.urandom(32)
_KEYS = {"zone": "name", "forward": "suffix", "key": "name", "acl": "name", "view": "name", "policy": "on"}


class Change(NamedTuple):
    """One setting that differs. `old` is None if it was added, `new` if it was removed."""

    path: str
    old: str | None
    new: str | None
    restart: bool
    """Whether the change takes effect after a restart; other changes take effect at the reload."""

    def __str__(self) -> str:
        late = " (after a restart)" if self.restart else ""
        if self.old is None:
            return f"+ {self.path} = {self.new}{late}"
        if self.new is None:
            return f"- {self.path} = {self.old}{late}"
        return f"~ {self.path}: {self.old} -> {self.new}{late}"


def diff(old: Config, new: Config) -> list[Change]:
    """Return every setting in which *old* and *new* differ, in the order of the settings."""
    before, after = dict(_flat(old)), dict(_flat(new))
    changes = []
    for path in dict.fromkeys((*before, *after)):
        was, now = before.get(path), after.get(path)
        if was != now:
            changes.append(Change(path, was, now, _needs_restart(path)))
    return changes


def _flat(config: Config) -> Iterator[tuple[str, str]]:
    """Yield every setting under a path that does not depend on the order of tables."""
    for table in settings(type(config)):
        value = getattr(config, table)
        if isinstance(value, Table):
            yield from _table((table,), value)
        elif isinstance(value, tuple):
            for index, item in enumerate(value):
                if not isinstance(item, Table):
                    yield f"{table}[{index}]", str(item)
                    continue
                key = _KEYS.get(table)
                if key is not None:
                    label = str(getattr(item, key))
                else:
                    label = f"{getattr(item, 'address', index)} {getattr(item, 'port', '')}".strip()
                yield from _table((f"{table} {label}",), item, defaults=False)


def _table(path: Path, table: Table, *, defaults: bool = True) -> Iterator[tuple[str, str]]:
    """Yield the settings of *table*; without *defaults* only those that differ from their default."""
    for key, setting in settings(type(table)).items():
        value = getattr(table, key)
        if isinstance(value, Table):
            yield from _table((*path, key), value)
        elif value is not None and (defaults or value != setting.default):
            label = " ".join(str(part) for part in path)
            yield f"{label} {dotted((key,))}", _text(setting, value)


def _text(setting: Setting, value: Any) -> str:
    if isinstance(value, Secret):
        import hashlib

        # Two secrets must differ without either being shown: a digest without a key could be searched for.
        secret = value.reveal().encode()
        digest = hashlib.blake2b(secret, key=_FINGERPRINT_KEY, digest_size=4).hexdigest()
        return f"(secret, fingerprint {digest} of this process)"
    shown = setting.shown(value)
    if isinstance(shown, list):
        return "[" + ", ".join(str(item) for item in shown) + "]"
    if isinstance(shown, dict):
        return "{" + ", ".join(f"{key} = {item}" for key, item in shown.items()) + "}"
    return str(shown)


def _needs_restart(path: str) -> bool:
    from namewise.config.model import TABLES

    table, _, key = path.partition(" ")
    model = TABLES.get(table)
    return model is not None and key in settings(model) and settings(model)[key].extra("applies") == "restart"

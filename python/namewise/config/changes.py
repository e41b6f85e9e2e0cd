"""The differences between two configurations, setting by setting."""

from __future__ import annotations

import os
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, NamedTuple

from namewise.config.origin import Path, dotted
from namewise.config.schema import Secret, Setting, Table, settings
from namewise.config.server import Listen
from namewise.config.values import Endpoint

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping

    from namewise.config.model import Config

_FINGERPRINT_KEY = os.urandom(32)
_KEYS = {
    "zone": "name",
    "dnssec": "name",
    "forward": "suffix",
    "hosts": "file",
    "key": "name",
    "acl": "name",
    "view": "name",
    "policy": "on",
    "group": "name",
    "list": "name",
    "local": "name",
    "dns64": "prefix",
    "update": "name",
    "template": "name",
    "catalog": "name",
}
"""The setting that tells one table of an array from the others."""


class Change(NamedTuple):
    """One setting that differs. `old` is None if it was added, `new` if it was removed."""

    path: str
    old: str | None
    new: str | None
    restart: bool
    """Whether the change takes effect after a restart; other changes take effect at the reload."""

    moved: bool = False
    """Whether a listener has another address or port; `old` and `new` are the two."""

    def __str__(self) -> str:
        late = " (after a restart)" if self.restart else ""
        if self.moved:
            return f"~ {self.path} {self.old}: moved to {self.new}{late}"
        if self.old is None:
            return f"+ {self.path}{f' = {self.new}' if self.new else ''}{late}"
        if self.new is None:
            return f"- {self.path}{f' = {self.old}' if self.old else ''}{late}"
        return f"~ {self.path}: {self.old} -> {self.new}{late}"


def diff(old: Config, new: Config) -> list[Change]:
    """Return every setting in which *old* and *new* differ, in the order of the settings."""
    moved = _moved(old.listen, new.listen)
    before, after = dict(_flat(old, moved)), dict(_flat(new))
    changes = [Change("listen", str(was), str(now), False, moved=True) for was, now in moved.items()]
    for path in dict.fromkeys((*before, *after)):
        was, now = before.get(path), after.get(path)
        if was != now:
            changes.append(Change(path, was, now, _needs_restart(path)))
    return changes


def _endpoint(listen: Listen) -> Endpoint:
    return Endpoint(listen.address, listen.port)


def _moved(old: Iterable[Listen], new: Iterable[Listen]) -> dict[Endpoint, Endpoint]:
    """Return where each listener went that has another address or port: one with the same address if there is one, else one
    with the same port, else the next."""
    before, after = list(map(_endpoint, old)), list(map(_endpoint, new))
    gone = [one for one in before if one not in after]
    come = [one for one in after if one not in before]
    moved: dict[Endpoint, Endpoint] = {}
    likeness: tuple[Callable[[Endpoint, Endpoint], bool], ...] = (
        lambda was, now: was.address == now.address,
        lambda was, now: was.port == now.port,
        lambda was, now: True,
    )
    for alike in likeness:
        for was in [one for one in gone if one not in moved]:
            now = next((one for one in come if alike(was, one)), None)
            if now is not None:
                moved[was] = now
                come.remove(now)
    return {was: moved[was] for was in before if was in moved}


def _flat(
    config: Config, moved: Mapping[Endpoint, Endpoint] = MappingProxyType({})
) -> Iterator[tuple[str, str]]:
    """Yield every setting under a path that does not depend on the order of tables.

    moved: the listeners whose settings come under another address and port.
    """
    for table in settings(type(config)):
        value = getattr(config, table)
        seen: dict[str, int] = {}
        if isinstance(value, Table):
            yield from _table((table,), value)
        elif isinstance(value, tuple):
            for index, item in enumerate(value):
                if not isinstance(item, Table):
                    yield f"{table}[{index}]", str(item)
                    continue
                if isinstance(item, Listen):
                    endpoint = _endpoint(item)
                    label = str(moved.get(endpoint, endpoint))
                    yield f"{table} {label}", ""
                    yield from _table(
                        (f"{table} {label}",), item, defaults=False, without=("address", "port")
                    )
                    continue
                label = f"{table} {getattr(item, _KEYS[table])}"
                seen[label] = seen.get(label, 0) + 1
                if seen[label] > 1:
                    label += f" ({seen[label]})"
                yield from _table((label,), item, defaults=False)


def _table(
    path: Path, table: Table, *, defaults: bool = True, without: tuple[str, ...] = ()
) -> Iterator[tuple[str, str]]:
    """Yield the settings of *table* but *without*; if not *defaults*, only those that differ from their default."""
    for key, setting in settings(type(table)).items():
        if key in without:
            continue
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

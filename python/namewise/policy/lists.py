"""The lists of a server: read, compared with what was read before, and put in order for the engine.

    [[list]], [[group]] ─┐
    files               ─┴─> Lists.refresh ─> Refreshed ─> Engine.swap
    pauses              ───> Refreshed.policies

A list whose file and settings have not changed is not read again, and keeps its counter. A list that cannot be read
keeps its last version; if there is none, that is an error of the configuration.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any, NamedTuple

from namewise.engine import Policies, PolicyList, Zone
from namewise.engine.errors import NamewiseError

if TYPE_CHECKING:
    from collections.abc import Collection

    from namewise.config import Config
    from namewise.config.lists import List

ARTIFACT = "policies"
"""The name under which the engine finds the lists."""
CODES = {"blocked": 15, "censored": 16, "filtered": 17, "prohibited": 18, "forged": 4}
"""Extended errors (RFC 8914 §4)."""
NULL = ("0.0.0.0", "::")
MAX_LIST = 4 << 30
"""Octets of a list; more is something else, such as a device."""


class ReadList(NamedTuple):
    """A list in use."""

    settings: List
    stamp: tuple[Any, ...]
    """File and settings; equal stamps mean an equal list."""
    rules: PolicyList


class Refreshed(NamedTuple):
    """The lists after a refresh."""

    lists: tuple[ReadList, ...]
    groups: tuple[tuple[str, tuple[str, ...], tuple[str, ...]], ...]
    """Name, prefixes and keys of each group."""
    changed: tuple[ReadList, ...]
    """Those that were read now."""
    failures: tuple[tuple[int, str, bool], ...]
    """Position, error, and whether an earlier version stays."""

    def policies(self, paused: Collection[str | None] = ()) -> Policies | None:
        """Return what the engine needs, or None without lists. paused: names of groups; None stands for all clients."""
        if not self.lists:
            return None
        groups = [(name, list(clients), list(keys)) for name, clients, keys in self.groups]
        return Policies([one.rules for one in self.lists], groups, list(paused))

    def notes(self) -> tuple[str, ...]:
        """Return one line for each list that was read: its rules and their memory, and lines without effect."""
        return tuple(_note(one) for one in self.changed)


NOTHING = Refreshed((), (), (), ())


def refresh(config: Config, former: Refreshed = NOTHING) -> Refreshed:
    """Return the lists of *config*, with those of *former* that have not changed."""
    groups = tuple((group.name, config.prefixes(group.clients), group.keys) for group in config.group)
    positions = {group.name.lower(): at for at, group in enumerate(config.group)}
    known = {one.settings.name: one for one in former.lists}
    lists, changed, failures = [], [], []
    for index, settings in enumerate(config.list):
        numbers = [positions[name.lower()] for name in settings.groups]
        before = known.get(settings.name)
        try:
            stamp = (_stamp(settings.file), settings, tuple(numbers))
            if before is not None and before.stamp == stamp:
                lists.append(before)
                continue
            one = ReadList(settings, stamp, read(settings, numbers))
        except (OSError, ValueError, NamewiseError) as error:
            text = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
            failures.append((index, f"list {settings.name}: {settings.file}: {text}", before is not None))
            if before is not None:
                lists.append(before)
            continue
        lists.append(one)
        changed.append(one)
    return Refreshed(tuple(lists), groups, tuple(changed), tuple(failures))


def read(settings: List, groups: list[int]) -> PolicyList:
    """Return the rules of a list, or raise `OSError`, `ValueError` or `ZoneFileError` with every error.

    groups: the positions of its groups.
    """
    zone = settings.zone
    source = _content(settings.file) if zone is None else Zone.from_file(zone, settings.file)
    action, targets = settings.action, settings.targets
    if action is None:
        action = "nxdomain" if settings.zone is None else "given"
    if action == "null":
        action, targets = "address", NULL
    text = ": ".join(filter(None, (settings.category, settings.text)))
    return PolicyList(
        settings.name,
        source,
        action=action,
        targets=list(targets),
        ttl=settings.ttl // 1000,
        ede=None if settings.ede is None else CODES[settings.ede],
        text=text,
        groups=groups,
        log_only=settings.log_only,
        break_dnssec=settings.break_dnssec,
        servers=(settings.nsdname, settings.nsip, settings.nsip_lookup, settings.min_ns_dots),
        skip_errors=settings.skip_errors,
    )


def _content(path: str) -> bytes:
    with open(path, "rb") as opened:
        if os.fstat(opened.fileno()).st_size > MAX_LIST:
            raise ValueError(f"more than {MAX_LIST} octets")
        return opened.read()


def _stamp(path: str) -> tuple[int, int, int, int]:
    status = os.stat(path)
    return (status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns)


def _note(one: ReadList) -> str:
    rules, octets = len(one.rules), one.rules.octets
    each = f", {octets / rules:.1f} octets each" if rules else ""
    text = f"list {one.settings.name}: {rules} rule{'' if rules == 1 else 's'}{each}"
    count = one.rules.fault_count
    if count:
        text += f"; {count} line{'' if count == 1 else 's'} without effect, such as {one.rules.faults[0]}"
    return text

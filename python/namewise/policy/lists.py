"""The lists of a server: read, compared with what was read before, and put in order for the engine.

    [[list]], [[group]] ─┐
    files               ─┴─> Lists.refresh ─> Refreshed ─> Engine.swap
    pauses              ───> Refreshed.policies

While a list is read, `told` receives a line each second, so that nobody has to guess what a start or reload waits for.

A list whose file and settings have not changed is not read again, and keeps its counter. A list that cannot be read
keeps its last version; if there is none, that is an error of the configuration.
"""

from __future__ import annotations

import os
import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, NamedTuple

from namewise.engine import ListProgress, Policies, PolicyList, Zone
from namewise.engine.errors import NamewiseError

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator

    from namewise.config import Config
    from namewise.config.lists import List

ARTIFACT = "policies"
"""The name under which the engine finds the lists."""
CODES = {"blocked": 15, "censored": 16, "filtered": 17, "prohibited": 18, "forged": 4}
"""Extended errors (RFC 8914 §4)."""
TOLD_EACH_S = 1.0
"""Seconds between two lines about a list that is being read."""
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


def refresh(
    config: Config, former: Refreshed = NOTHING, told: Callable[[str], None] | None = None
) -> Refreshed:
    """Return the lists of *config*, with those of *former* that have not changed.

    told: receives a line about a list that has been read for a second, and one each second after, in a thread of its own.
    """
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
            progress = ListProgress()
            with _watched(settings, progress, told):
                one = ReadList(settings, stamp, read(settings, numbers, progress))
        except (OSError, ValueError, NamewiseError) as error:
            text = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
            failures.append((index, f"list {settings.name}: {settings.file}: {text}", before is not None))
            if before is not None:
                lists.append(before)
            continue
        lists.append(one)
        changed.append(one)
    return Refreshed(tuple(lists), groups, tuple(changed), tuple(failures))


def read(settings: List, groups: list[int], progress: ListProgress | None = None) -> PolicyList:
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
        progress=progress,
    )


@contextmanager
def _watched(settings: List, progress: ListProgress, told: Callable[[str], None] | None) -> Iterator[None]:
    ended = threading.Event()

    def watch(told: Callable[[str], None]) -> None:
        seconds = 0
        while not ended.wait(TOLD_EACH_S):
            seconds += 1
            part = "" if settings.zone is not None else f"{progress.part:.0%} after "
            told(f"list {settings.name}: {part}{seconds} s")

    thread = None if told is None else threading.Thread(target=watch, args=(told,), daemon=True)
    if thread is not None:
        thread.start()
    try:
        yield
    finally:
        ended.set()
        if thread is not None:
            thread.join()


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

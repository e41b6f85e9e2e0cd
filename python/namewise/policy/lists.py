"""The lists of a server: read, compared with what was read before, and put in order for the engine.

    [[list]], [[group]] ─┐
    files               ─┴─> Lists.refresh ─> Refreshed ─> Engine.swap
    pauses              ───> Refreshed.policies

While a list is read, `show` is called with a line each second, which says what a start or reload waits for.

A list whose file and settings have not changed is not read again, and keeps its counter. A list that cannot be read
keeps its last version; if there is none, the server works without it.
"""

from __future__ import annotations

import os
import re
import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, NamedTuple

from namewise.config.paths import open_file
from namewise.engine import ListProgress, Policies, PolicyList, Zone
from namewise.engine.errors import NamewiseError, ZoneFileError
from namewise.policy.report import doubtful, unused

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
    from typing import BinaryIO

    from namewise.config import Config
    from namewise.config.lists import List

ARTIFACT = "policies"
"""The name under which the engine finds the lists."""
CODES = {"blocked": 15, "censored": 16, "filtered": 17, "prohibited": 18, "forged": 4}
"""Extended errors (RFC 8914 §4)."""
TOLD_EACH_S = 1.0
"""Seconds between two lines about a list that is being read."""
NULL = ("0.0.0.0", "::")
MOST_SHOWN = 20
"""At most so many errors of a list are listed."""
MOST_ROUNDS = 20
"""A policy zone is read at most so many times without its wrong lines; each time reports 100 of them."""
RPZ_RECORD = re.compile(rb"^\S*\s+(\d+\s+)?(IN\s+)?(SOA|NS|CNAME)\s", re.IGNORECASE | re.MULTILINE)


class ListError(NamewiseError):
    """The file of a list has errors. `errors`: the first ones, each with its place; `count`: the number of all."""

    code = "BAD_LIST"

    def __init__(self, errors: Iterable[str], count: int, remedy: str) -> None:
        self.errors, self.count = tuple(errors), count
        more = () if count <= len(self.errors) else (f"and {count - len(self.errors)} more",)
        super().__init__("\n".join((*self.errors, *more, remedy)))


class ListsError(NamewiseError):
    """Lists cannot be read."""

    code = "BAD_LISTS"

    def __init__(self, failures: Iterable[Failure]) -> None:
        super().__init__("\n".join(failure.text() for failure in failures))


class Failure(NamedTuple):
    """A list that cannot be read."""

    name: str
    error: str
    """What is wrong, with the file."""
    kept: bool
    """Whether an earlier version stays in use."""

    def text(self) -> str:
        """Return a message that says what is wrong and what happens meanwhile."""
        lines = "\n".join(f"  {line}" for line in self.error.splitlines())
        used = "its last version stays in use" if self.kept else "no rule of it applies until it can be read"
        return f"list {self.name} cannot be read:\n{lines}\n  {used}"


class ReadList(NamedTuple):
    """A list in use."""

    settings: List
    stamp: tuple[Any, ...]
    """File and settings; equal stamps mean an equal list."""
    rules: PolicyList
    skipped: tuple[str, ...] = ()
    """Errors of a policy zone whose lines were skipped, each with its place."""

    @property
    def without_effect(self) -> int:
        """The number of lines, or rules of a policy zone, without effect."""
        return self.rules.fault_count + self.rules.wrong_count + len(self.skipped)


class Refreshed(NamedTuple):
    """The lists after a refresh."""

    lists: tuple[ReadList, ...]
    groups: tuple[tuple[str, tuple[str, ...], tuple[str, ...]], ...]
    """Name, prefixes and keys of each group."""
    changed: tuple[ReadList, ...]
    """Those that were read now."""
    failures: tuple[Failure, ...]
    """Those that could not be read."""

    def policies(self, paused: Collection[str | None] = ()) -> Policies | None:
        """Return what the engine needs, or None without lists. paused: names of groups; None stands for all clients."""
        if not self.lists:
            return None
        groups = [(name, list(clients), list(keys)) for name, clients, keys in self.groups]
        return Policies([one.rules for one in self.lists], groups, list(paused))

    def require_all(self) -> None:
        """Raise `ListsError` if a list could not be read."""
        if self.failures:
            raise ListsError(self.failures)

    def doubts(self) -> tuple[str, ...]:
        """Return the rules of the lists that were read that probably mean something else, each with its place and the reason."""
        return tuple(text for one in self.changed for text in doubtful(one))

    def notes(self) -> tuple[str, ...]:
        """Return one line for each list that was read: its rules and their memory, and lines without effect."""
        return tuple(_note(one) for one in self.changed)


NOTHING = Refreshed((), (), (), ())


def refresh(
    config: Config, former: Refreshed = NOTHING, show: Callable[[str], None] | None = None
) -> Refreshed:
    """Return the lists of *config*, with those of *former* that have not changed.

    show: receives a line about a list that has been read for a second, and one each second after, in a thread of its own.
    """
    groups = tuple((group.name, config.prefixes(group.clients), group.keys) for group in config.group)
    positions = {group.name.lower(): at for at, group in enumerate(config.group)}
    known = {one.settings.name: one for one in former.lists}
    lists, changed, failures = [], [], []
    for settings in config.list:
        numbers = [positions[name.lower()] for name in settings.groups]
        before = known.get(settings.name)
        try:
            stamp = (_stamp(settings.file), settings, tuple(numbers))
            if before is not None and before.stamp == stamp:
                lists.append(before)
                continue
            progress = ListProgress()
            with _watched(settings, progress, show):
                rules, skipped = read(settings, numbers, progress)
        except (OSError, ValueError, NamewiseError) as error:
            failures.append(Failure(settings.name, _text(settings.file, error), before is not None))
            if before is not None:
                # The positions of groups may have changed.
                lists.append(before._replace(rules=before.rules.with_groups(numbers)))
            continue
        one = ReadList(settings, stamp, rules, skipped)
        lists.append(one)
        changed.append(one)
    return Refreshed(tuple(lists), groups, tuple(changed), tuple(failures))


def check(settings: List) -> dict[str, Any]:
    """Return what is wrong with a list: `name`, `rules`, `without_effect` and `warnings`, with all lines and their places, and `error`, or
    None if the list can be used."""
    report: dict[str, Any] = {
        "name": settings.name,
        "rules": 0,
        "without_effect": [],
        "warnings": [],
        "error": None,
    }
    try:
        one = ReadList(settings, (), *read(settings, (), findings=0))
    except (OSError, ValueError, NamewiseError) as error:
        return {**report, "error": _text(settings.file, error)}
    lines = {"without_effect": list(unused(one)), "warnings": list(doubtful(one))}
    return {**report, "rules": len(one.rules), **lines}


def read(
    settings: List, groups: Sequence[int], progress: ListProgress | None = None, findings: int = 100
) -> tuple[PolicyList, tuple[str, ...]]:
    """Return the rules of a list, and the errors of a policy zone whose lines were skipped.

    groups: the positions of its groups. findings: at most so many lines without effect are kept; 0 keeps all. Raises `OSError`,
    `ListError` or `ZoneFileError`.
    """
    skipped: tuple[str, ...] = ()
    source: bytes | Zone
    if settings.zone is None:
        source = _content(settings.file, settings.max_size)
    else:
        _open(settings.file, settings.max_size).close()
        source, skipped = _zone(settings, settings.zone)
    action, targets = settings.action, settings.targets
    if action is None:
        action = "nxdomain" if settings.zone is None else "given"
    if action == "null":
        action, targets = "address", NULL
    text = ": ".join(filter(None, (settings.category, settings.text)))
    rules = PolicyList(
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
        findings=findings,
        progress=progress,
    )
    if rules.wrong_count and not settings.skip_errors:
        errors = (f"{settings.file}:{line}: {message}" for line, message in rules.wrong[:MOST_SHOWN])
        remedy = "correct the lines, or set skip_errors to use the list without them"
        if isinstance(source, bytes) and len(RPZ_RECORD.findall(source[:65536])) > 2:
            remedy = 'this looks like a response policy zone: set format = "rpz" and zone'
        raise ListError(errors, rules.wrong_count, remedy)
    return rules, skipped


def _zone(settings: List, zone: str) -> tuple[Zone, tuple[str, ...]]:
    """Return the policy zone *zone*, and the errors of the lines that were skipped. Without `skip_errors`, an error is raised."""
    try:
        return Zone.from_file(zone, settings.file), ()
    except ZoneFileError as error:
        if not settings.skip_errors:
            raise
        first = last = error
    with open_file(settings.file) as opened:
        lines = opened.read().decode("utf-8-sig", "replace").split("\n")
    skipped: list[str] = []
    for _ in range(MOST_ROUNDS):
        for fault in last.faults:
            # Errors of the whole zone, of included files and of directives cannot be skipped.
            line = lines[fault.line - 1] if fault.file == settings.file and fault.line else "$"
            if line.startswith("$"):
                raise first
            skipped.append(str(fault))
            _skip(lines, fault.line - 1)
        try:
            return Zone.from_text(zone, "\n".join(lines), file=settings.file), tuple(skipped)
        except ZoneFileError as error:
            last = error
    raise first


def _skip(lines: list[str], at: int) -> None:
    """Empty the line at *at*, and those after it that have the same owner because they name none."""
    names_owner = not lines[at][:1].isspace()
    lines[at] = ""
    while names_owner and at + 1 < len(lines) and lines[at + 1][:1] in (" ", "\t"):
        at += 1
        lines[at] = ""


@contextmanager
def _watched(settings: List, progress: ListProgress, show: Callable[[str], None] | None) -> Iterator[None]:
    ended = threading.Event()

    def watch(show: Callable[[str], None]) -> None:
        seconds = 0
        while not ended.wait(TOLD_EACH_S):
            seconds += 1
            part = "" if settings.zone is not None else f"{progress.part:.0%} after "
            show(f"list {settings.name}: {part}{seconds} s")

    thread = None if show is None else threading.Thread(target=watch, args=(show,), daemon=True)
    if thread is not None:
        thread.start()
    try:
        yield
    finally:
        ended.set()
        if thread is not None:
            thread.join()


def _text(file: str, error: Exception) -> str:
    """Return what is wrong with the list in *file*. The text names the file."""
    if isinstance(error, OSError):
        return f"{file}: {error.strerror or error}"
    text = str(error)
    return text if isinstance(error, ListError) or text.startswith(f"{file}:") else f"{file}: {text}"


def _open(path: str, most: int) -> BinaryIO:
    opened = open_file(path)
    size = os.fstat(opened.fileno()).st_size
    if size > most:
        opened.close()
        raise ValueError(f"the file has {size} octets; max_size of the list allows {most}")
    return opened


def _content(path: str, most: int) -> bytes:
    """Return the content of the file *path* of at most *most* octets."""
    with _open(path, most) as opened:
        size = os.fstat(opened.fileno()).st_size
        content = opened.read(size + 1)
    if len(content) > size:
        raise ValueError("the file grows while it is read; reload the lists when it is complete")
    return content


def _stamp(path: str) -> tuple[int, int, int, int]:
    status = os.stat(path)
    return (status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns)


def _note(one: ReadList) -> str:
    rules, octets = len(one.rules), one.rules.octets
    each = f", {octets / rules:.1f} octets each" if rules else ""
    text = f"list {one.settings.name}: {rules} rule{'' if rules == 1 else 's'}{each}"
    count = one.without_effect
    if count:
        first = next(unused(one, 1))
        text += f"; {count} line{'' if count == 1 else 's'} without effect, such as {first} (nw policy check lists them)"
    return text

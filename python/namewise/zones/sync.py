"""Write the served zone to its file: `nw zone sync`. Comments and layout stay where records did not change.

```text
 file ─▶ entries (records, directives) ─▶ those of changed RRsets replaced ─▶ new text ─▶ read again: the served zone?
                                                                                          yes: fsync, rename
```
The file is replaced by a rename, so that it is the old one or the new one at any moment. Nothing is written that the engine reads as
another zone than the served one.

*Limitations*: records that `$INCLUDE` or `$GENERATE` makes are not edited; `plain` writes the zone without directives and comments.
"""

from __future__ import annotations

import contextlib
import os
import re
import tempfile
from typing import TYPE_CHECKING, NamedTuple

from namewise.engine import Name, Rdata, RRset, Zone, type_name, type_value
from namewise.engine.errors import NamewiseError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from namewise.zones.registry import Registry
    from namewise.zones.state import ZoneState

_TTL = re.compile(r"(?:[0-9]+[smhdwSMHDW]?)+")
_CLASS = re.compile(r"IN|CH|HS|CS|CLASS[0-9]+", re.IGNORECASE)
_TOKEN = re.compile(r'"(?:[^"\\]|\\.)*"|(?:[^\s;()"\\]|\\.)+', re.DOTALL)


class SyncError(NamewiseError):
    """The file was not written. `hint` is the remedy."""

    code = "NOT_WRITTEN"

    def __init__(self, message: str, hint: str = "") -> None:
        super().__init__(message)
        self.hint = hint


class Done(NamedTuple):
    """What was written."""

    path: str
    serial: int
    written: bool
    """False: the file had everything."""
    rrsets: int
    """RRsets that the file had differently."""


class Entry(NamedTuple):
    """A record or a directive, with the lines that it occupies."""

    text: str
    words: list[tuple[int, int]]
    """Start and end of each word in *text*."""
    inherits: bool
    """Whether the line begins with a blank: the owner is that of the record before."""

    def word(self, number: int) -> str:
        """Return one word."""
        start, end = self.words[number]
        return self.text[start:end]


class Record(NamedTuple):
    """What an entry says."""

    owner: str
    """Absolute, in lower case."""
    rtype: str
    rdata: Rdata | None
    """None: the engine cannot read it alone."""
    data_at: int
    """The first word of the rdata."""


def sync(registry: Registry, state: ZoneState, *, force: bool = False, plain: bool = False) -> Done:
    """Write the version of *state* to its file, without signatures if the server makes them.

    force: also if the file has changes that are not served; they are lost. plain: without the comments and directives of the file.
    Raises `SyncError`; the file is then as it was.
    """
    zone, path = state.current, os.path.realpath(state.source.place)
    if zone is None:
        raise SyncError(f"zone {state.source.name} has no data")
    signed = registry.signers is not None and registry.signers(state.source.name) is not None
    if signed:
        from namewise.dnssec.zone_signer import unsigned

        zone = unsigned(zone)
    try:
        found = state.source.version(None)
        if not force and (found != state.version or state.error):
            raise SyncError(
                f"{path} has changes that are not served",
                f"`nw ctl reload` takes them, --force overwrites them.\n{state.error}".rstrip(),
            )
        with open(path, encoding="utf-8", errors="surrogateescape", newline="") as file:
            text = file.read()
        new, changed = (zone.to_text(), 0) if plain else rewritten(text, zone, path)
        written = new != text
        if written:
            _replace(path, new, zone)
        registry.saved(state, state.source.version(None), zone)
    except OSError as error:
        raise SyncError(
            f"{path}: {error.strerror or error}", "The user of the server needs to write there."
        ) from None
    return Done(path, zone.serial, written, changed)


def _replace(path: str, text: str, zone: Zone) -> None:
    """Replace the file *path* by *text*, which has to be *zone*."""
    folder = os.path.dirname(path)
    # In the same folder: the names of included files are relative to it, and a rename stays on the file system.
    descriptor, beside = tempfile.mkstemp(prefix=f".{os.path.basename(path)}.", dir=folder)
    try:
        with open(descriptor, "w", encoding="utf-8", errors="surrogateescape", newline="") as file:
            file.write(text)
            file.flush()
            former = os.stat(path)
            os.fchmod(file.fileno(), former.st_mode & 0o7777)
            with contextlib.suppress(PermissionError):
                os.fchown(file.fileno(), former.st_uid, former.st_gid)
            os.fsync(file.fileno())
        try:
            same = not Zone.from_file(zone.name, beside, rclass=zone.rclass).difference(zone)
        except NamewiseError:
            same = False
        if not same:
            raise SyncError(
                f"{path}: its directives make records that have changed, or its layout cannot be kept",
                "Edit the file by hand, or use --plain, which writes the records without comments and directives.",
            )
        os.replace(beside, path)
    except BaseException:
        os.unlink(beside)
        raise
    link = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(link)
    finally:
        os.close(link)


def rewritten(text: str, zone: Zone, path: str) -> tuple[str, int]:
    """Return *text*, the content of the file *path*, with the records of *zone*, and the number of RRsets that differ. Raises
    `SyncError` if the file is no zone."""
    try:
        present = Zone.from_file(zone.name, path, rclass=zone.rclass)
    except NamewiseError as error:
        raise SyncError(
            f"{path} is not a valid zone: {error}", "--plain replaces it by the served records."
        ) from None
    difference = present.difference(zone)
    if not difference:
        return text, 0
    sides = (*difference.removed, *difference.added)
    changed = {(str(rrset.owner).lower(), rrset.type): rrset.owner for rrset in sides}
    return _Rewriting(text, present, zone, changed).text(), len(changed)


class _Rewriting:
    """One pass over a file."""

    def __init__(self, text: str, present: Zone, zone: Zone, changed: dict[tuple[str, str], Name]) -> None:
        self._present, self._zone = present, zone
        self._entries = list(_with_records(_entries(text), str(zone.name)))
        self._changed = changed
        self._out: list[str] = []
        self._owner: str | None = None
        """The owner of the last record written."""

    def text(self) -> str:
        """Return the new text."""
        last_of_owner: dict[str, int] = {}
        last_of_key: dict[tuple[str, str], int] = {}
        for at, (_, record) in enumerate(self._entries):
            if record is not None:
                last_of_owner[record.owner] = last_of_key[record.owner, record.rtype] = at
        # New RRsets follow the last record of their owner, or the end.
        new: dict[int, list[str]] = {}
        end: list[str] = []
        for key in sorted(self._changed):
            if key not in last_of_key and (rrset := self._zone.rrset(self._changed[key], key[1])) is not None:
                place = last_of_owner.get(key[0])
                (end if place is None else new.setdefault(place, [])).append(str(rrset))
        for at, (entry, record) in enumerate(self._entries):
            if record is None:
                self._out.append(entry.text)
            elif (record.owner, record.rtype) in self._changed:
                self._edit(entry, record, last=last_of_key[record.owner, record.rtype] == at)
            else:
                self._keep(entry, record)
            for lines in new.get(at, ()):
                self._add(lines)
        for lines in end:
            self._add(lines)
        return "".join(self._out)

    def _edit(self, entry: Entry, record: Record, *, last: bool) -> None:
        """Write what becomes of one record of a changed RRset; *last*: it is the last one in the file."""
        key = (record.owner, record.rtype)
        before = self._present.rrset(self._changed[key], key[1])
        after = self._zone.rrset(self._changed[key], key[1])
        if after is None:
            return
        if before is not None and before.ttl == after.ttl:
            if len(before) == len(after) == 1 and record.rtype == "SOA":
                self._keep(
                    entry._replace(
                        text=_with_data(entry, record, str(before.rdatas[0]), str(after.rdatas[0]))
                    ),
                    record,
                )
                return
            if record.rdata in after.rdatas:
                self._keep(entry, record)
            if last:
                missing = [rdata for rdata in after if rdata not in before.rdatas]
                if missing:
                    self._add(str(RRset(after.owner, after.type, after.ttl, missing)))
        elif last:
            self._add(str(after))

    def _keep(self, entry: Entry, record: Record) -> None:
        text = entry.text
        if entry.inherits and self._owner != record.owner:
            text = f"{record.owner} {text.lstrip(' ' + chr(9))}"
        self._begin()
        self._out.append(text)
        self._owner = record.owner

    def _add(self, lines: str) -> None:
        self._begin()
        self._out.append(f"{lines}\n")
        self._owner = lines.split("\t", 1)[0].lower()

    def _begin(self) -> None:
        if self._out and not self._out[-1].endswith("\n"):
            self._out.append("\n")


def _entries(text: str) -> Iterator[Entry]:
    """Yield the entries of *text*; together they are the whole text. Comments and blank lines belong to the entry that they
    precede as entries without words."""
    at, size = 0, len(text)
    while at < size:
        start, depth, words = at, 0, []
        while at < size:
            char = text[at]
            if char == "\n":
                at += 1
                if depth == 0:
                    break
            elif char == ";":
                end = text.find("\n", at)
                at = size if end < 0 else end
            elif char in "()":
                depth = max(0, depth + (1 if char == "(" else -1))
                at += 1
            elif (word := _TOKEN.match(text, at)) is not None:
                words.append((word.start() - start, word.end() - start))
                at = word.end()
            else:
                at += 1
        yield Entry(text[start:at], words, text[start] in " \t")


def _with_records(entries: Iterator[Entry], apex: str) -> Iterator[tuple[Entry, Record | None]]:
    """Yield each entry with the record that it is, if it is one."""
    origin, owner = apex, apex
    for entry in entries:
        words = [entry.word(number) for number in range(len(entry.words))]
        if not words:
            yield entry, None
            continue
        if not entry.inherits and words[0].startswith("$"):
            if words[0].upper() == "$ORIGIN" and len(words) > 1:
                origin = _absolute(words[1], origin)
            yield entry, None
            continue
        at = 0
        if not entry.inherits:
            owner, at = _absolute(words[0], origin), 1
        while at < len(words) and (_TTL.fullmatch(words[at]) or _CLASS.fullmatch(words[at])):
            at += 1
        try:
            rtype = type_name(type_value(words[at]))
        except (ValueError, IndexError):
            yield entry, None
            continue
        try:
            rdata = Rdata(rtype, " ".join(words[at + 1 :]), origin=origin)
        except (NamewiseError, ValueError):
            rdata = None
        yield entry, Record(owner.lower(), rtype, rdata, at + 1)


def _absolute(text: str, origin: str) -> str:
    if text == "@":
        return origin
    full = text
    if not text.endswith(".") or text.endswith("\\."):
        full = f"{text}." if origin == "." else f"{text}.{origin}"
    try:
        return str(Name(full))
    except NamewiseError:
        return full


def _with_data(entry: Entry, record: Record, before: str, after: str) -> str:
    """Return the text of *entry* with the words that differ between the data *before* and *after*."""
    old, new, places = _TOKEN.findall(before), _TOKEN.findall(after), entry.words[record.data_at :]
    if not len(old) == len(new) == len(places):
        return f"{record.owner} {record.rtype} {after}\n"
    text = entry.text
    for former, word, (start, end) in reversed(list(zip(old, new, places, strict=True))):
        if former != word:
            text = text[:start] + word + text[end:]
    return text

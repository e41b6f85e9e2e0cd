"""A zone in a zone file (RFC 1035 §5), with the files that it includes.

The version is what the file system says of the file and of every file that it includes with `$INCLUDE`: each editor and each `mv`
changes it.
"""

from __future__ import annotations

import os
import re
from typing import TYPE_CHECKING, NamedTuple

from namewise.engine import Zone

if TYPE_CHECKING:
    from collections.abc import Hashable, Sequence

    from namewise.engine.errors import ZoneFileError

_INCLUDE = rb'^\$INCLUDE[ \t]+(?:"([^"\n]*)"|([^\s;]+))'
_CHUNK = 1 << 20
"""Octets that are read at once."""
_MAX_LINE = 4096
"""Octets of a directive that may lie across the border of two chunks."""
_MAX_FILES = 1000
"""Files of one zone whose dates are looked at."""


class _Stamp(NamedTuple):
    """A file as the file system describes it."""

    path: str
    device: int
    inode: int
    size: int
    changed_ns: int


class FileSource:
    """The zone *name* in the file *path*."""

    def __init__(self, name: str, path: str) -> None:
        self.name = name
        self.place = path

    def version(self, former: Hashable = None) -> Hashable:
        """Return device, inode, size and date of the file and of the files that it includes."""
        known = {stamp.path: stamp for stamp in former} if isinstance(former, tuple) else {}
        main = _stamp(self.place)
        if len(known) == 1 and known.get(self.place) == main:
            return former
        found, pending = [main], [self.place]
        seen = {self.place}
        while pending and len(found) < _MAX_FILES:
            for path in _included(pending.pop()):
                if path not in seen:
                    seen.add(path)
                    pending.append(path)
                    try:
                        found.append(_stamp(path))
                    except OSError:
                        # The loader reports it, with the line that includes it.
                        found.append(_Stamp(path, 0, 0, 0, 0))
        return _version(found)

    @staticmethod
    def load_many(
        sources: Sequence[FileSource],
    ) -> list[tuple[Hashable, Zone | ZoneFileError] | None]:
        """Return version and zone, or version and error, of each of *sources*, read on all cores; None for a file that
        cannot be read."""
        outcomes: list[tuple[Hashable, Zone | ZoneFileError] | None] = []
        for zone, error, files in Zone.load_files([(source.name, source.place) for source in sources]):
            outcome = zone or error
            stamps = [
                _Stamp(os.fspath(path), *stamp[:4]) if stamp else _Stamp(os.fspath(path), 0, 0, 0, 0)
                for path, stamp in files
            ]
            outcomes.append((_version(stamps), outcome) if stamps and outcome is not None else None)
        return outcomes

    def load(self) -> Zone:
        """Return the zone that the file describes."""
        return Zone.from_file(self.name, self.place)


def _version(stamps: list[_Stamp]) -> Hashable:
    """Return the version of a zone that was read from the files of *stamps*, the main file first."""
    main, *included = stamps
    return (main, *sorted(set(included)))


def _stamp(path: str) -> _Stamp:
    found = os.stat(path)
    return _Stamp(path, found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns)


def _included(path: str) -> list[str]:
    """Return the files that the file at *path* includes, relative names from its folder on.

    The file is read, not mapped: a mapped file that another program truncates ends this process with SIGBUS.
    """
    names: list[bytes] = []
    try:
        with open(path, "rb", buffering=0) as file:
            end = b""
            while chunk := file.read(_CHUNK):
                octets = end + chunk
                # Most files include nothing, and this look takes a tenth of the time.
                if b"$include" in octets.lower():
                    found = re.findall(_INCLUDE, octets, re.IGNORECASE | re.MULTILINE)
                    names += [quoted or plain for quoted, plain in found]
                end = octets[-_MAX_LINE:] if len(chunk) == _CHUNK else b""
    except OSError:
        return []
    folder = os.path.dirname(path)
    return list(dict.fromkeys(os.path.join(folder, os.fsdecode(name)) for name in names))

"""A zone in a zone file (RFC 1035 §5), with the files that it includes.

The version consists of the file system's metadata of the file and of every file that it includes with
`$INCLUDE`. Every editor and every `mv` changes it. The file of a zone that is served is never a pipe: it is read at
every reload, and opening a pipe waits for a program that writes to it.
"""

from __future__ import annotations

import errno
import os
import re
import stat
from typing import TYPE_CHECKING

from namewise.engine import Zone

if TYPE_CHECKING:
    from collections.abc import Hashable, Sequence
    from typing import TypeAlias

    from namewise.engine.errors import ZoneFileError
    from namewise.zones.serial import Method

    Stamp: TypeAlias = tuple[str, int, int, int, int]
    """The metadata of a file: path, device, inode, size and modification time in nanoseconds."""

_INCLUDE = rb'^\$INCLUDE[ \t]+(?:"([^"\n]*)"|([^\s;]+))'
_CHUNK = 1 << 20
"""The number of octets per read."""
_MAX_LINE = 4096
"""The maximum length of a directive that crosses the boundary of two reads."""
_MAX_FILES = 1000
"""The maximum number of files of one zone whose metadata is checked."""


class FileSource:
    """The zone *name* in the file *path*."""

    __slots__ = ("name", "place", "serial")

    kind = "file"

    def __init__(self, name: str, path: str, serial: Method = "increment") -> None:
        self.name = name
        self.place = path
        self.serial: Method = serial

    def version(self, former: Hashable = None) -> Hashable:
        """Return the metadata of the file and of the files that it includes."""
        known = former if isinstance(former, tuple) else ()
        main = _stamp(self.place)
        if len(known) == 1 and known[0] == main:
            return former
        found, pending = [main], [self.place]
        seen = {self.place}
        while pending and len(found) < _MAX_FILES:
            for path in _included(pending.pop()):
                if path not in seen:
                    seen.add(path)
                    try:
                        found.append(_stamp(path))
                        pending.append(path)
                    except OSError:
                        # The loader reports the error, with the line that includes the file.
                        found.append((path, 0, 0, 0, 0))
        return _version(found)

    @staticmethod
    def load_many(
        sources: Sequence[FileSource],
    ) -> Sequence[tuple[Hashable, Zone | ZoneFileError] | None]:
        """Return version and zone, or version and error, for each of *sources*, loaded on all cores.

        The result is None for a pipe and for a file that cannot be read.
        """
        return Zone.load_files([(source.name, source.place) for source in sources])

    def load(self) -> Zone:
        """Load the zone from the file."""
        return Zone.from_file(self.name, self.place)


def _version(stamps: list[Stamp]) -> Hashable:
    """Return the version of a zone that was read from the files in *stamps*, with the main file first. `Zone.load_files` makes
    equal ones."""
    main, *included = stamps
    return (main, *sorted(set(included)))


def _stamp(path: str) -> Stamp:
    found = os.stat(path)
    if stat.S_ISFIFO(found.st_mode):
        raise OSError(errno.EINVAL, "A pipe instead of a file", path)
    return (path, found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns)


def _included(path: str) -> list[str]:
    """Return the files that the file at *path* includes. Relative names refer to its folder.

    The file is read instead of mapped, because a mapped file that another program truncates would end this
    process with SIGBUS.
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

"""A zone in a zone file (RFC 1035 §5), with the files that it includes.

The version is what the file system says of the file: changed by every editor and every `mv`. A file with
`$INCLUDE` is loaded at every reload, since its own date says nothing of the files it draws in.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from namewise.engine import Zone

if TYPE_CHECKING:
    from collections.abc import Hashable


_INCLUDE = b"$INCLUDE"
_CHUNK = 1 << 20
"""Octets that are read at once."""


class FileSource:
    """The zone *name* in the file *path*."""

    def __init__(self, name: str, path: str) -> None:
        self.name = name
        self.place = path

    def version(self) -> Hashable:
        """Return inode, size and date of the file."""
        found = os.stat(self.place)
        if _includes(self.place):
            return object()
        return (found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns)

    def load(self) -> Zone:
        """Return the zone that the file describes."""
        return Zone.from_file(self.name, self.place)


def _includes(path: str) -> bool:
    """Return whether the file at *path* has an `$INCLUDE`, in any case.

    The file is read, not mapped: a mapped file that another program truncates ends this process with SIGBUS.
    """
    with open(path, "rb", buffering=0) as file:
        end = b""
        while chunk := file.read(_CHUNK):
            octets = end + chunk
            if b"$" in octets and _INCLUDE in octets.upper():
                return True
            end = octets[1 - len(_INCLUDE) :]
    return False

"""Find the process that holds a port, from /proc.

Without root only processes of the own user are visible; the answer is then that a process of another user holds the port.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterator

_LISTEN = "0A"


class Holder(NamedTuple):
    """A process: its number, and its command line as far as it may be read."""

    pid: int
    command: str

    def __str__(self) -> str:
        return f"{self.command} (pid {self.pid})"


def holders(port: int, transport: str, proc: str = "/proc") -> list[Holder]:
    """Return the processes that hold *port* over *transport* (`udp` or `tcp`), as far as this user may see them."""
    inodes = set(_inodes(port, transport, proc))
    if not inodes:
        return []
    wanted = {f"socket:[{inode}]" for inode in inodes}
    found: list[Holder] = []
    for pid in _pids(proc):
        if wanted.intersection(_links(f"{proc}/{pid}/fd")):
            found.append(Holder(pid, _command(f"{proc}/{pid}")))
    return found


def _inodes(port: int, transport: str, proc: str) -> Iterator[int]:
    for table in (transport, f"{transport}6"):
        try:
            with open(f"{proc}/net/{table}", encoding="ascii") as file:
                rows = file.readlines()[1:]
        except OSError:
            continue
        for row in rows:
            fields = row.split()
            local, state, inode = fields[1], fields[3], fields[9]
            if int(local.rsplit(":", 1)[1], 16) == port and (transport == "udp" or state == _LISTEN):
                yield int(inode)


def _pids(proc: str) -> Iterator[int]:
    return (int(name) for name in sorted(os.listdir(proc)) if name.isdigit())


def _links(folder: str) -> Iterator[str]:
    try:
        names = os.listdir(folder)
    except OSError:
        return
    for name in names:
        try:
            yield os.readlink(f"{folder}/{name}")
        except OSError:
            continue


def _command(folder: str) -> str:
    try:
        with open(f"{folder}/cmdline", "rb") as file:
            words = file.read().rstrip(b"\0").split(b"\0")
        text = " ".join(word.decode("utf-8", "replace") for word in words)
    except OSError:
        text = ""
    if len(text) > 80:
        text = text[:77] + "..."
    if text:
        return text
    try:
        with open(f"{folder}/comm", encoding="utf-8", errors="replace") as file:
            return file.read().strip()
    except OSError:
        return "?"

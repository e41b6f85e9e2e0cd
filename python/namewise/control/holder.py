"""Find the process that holds a port, from /proc.

Without root only processes of the own user are visible; the answer is then that a process of another user holds the port.
"""

from __future__ import annotations

import ipaddress
import os
import sys
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


def holders(address: str, port: int, transport: str, proc: str = "/proc") -> list[Holder]:
    """Return the processes whose sockets prevent listening on *address* and *port* over *transport* (`udp` or `tcp`), as far as this
    user may see them: those with the same address, and those with all addresses if one of the two is a wildcard."""
    inodes = set(_inodes(ipaddress.ip_address(address.partition("%")[0]), port, transport, proc))
    if not inodes:
        return []
    wanted = {f"socket:[{inode}]" for inode in inodes}
    found: list[Holder] = []
    for pid in _pids(proc):
        if wanted.intersection(_links(f"{proc}/{pid}/fd")):
            found.append(Holder(pid, _command(f"{proc}/{pid}")))
    return found


def _inodes(
    address: ipaddress.IPv4Address | ipaddress.IPv6Address, port: int, transport: str, proc: str
) -> Iterator[int]:
    for table in (transport, f"{transport}6"):
        try:
            with open(f"{proc}/net/{table}", encoding="ascii") as file:
                rows = file.readlines()[1:]
        except OSError:
            continue
        for row in rows:
            fields = row.split()
            local, state, inode = fields[1], fields[3], fields[9]
            if int(local.rsplit(":", 1)[1], 16) != port or (transport == "tcp" and state != _LISTEN):
                continue
            held = _address(local)
            wildcard = held.is_unspecified or address.is_unspecified
            # A socket on :: may serve IPv4, too: the kernel does not show whether it does.
            double = held.is_unspecified and held.version == 6
            if held == address or double or (wildcard and held.version == address.version):
                yield int(inode)


def _address(local: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address:
    """Return the address of *local*, `ADDRESS:PORT` in hexadecimal: words of four octets in the order of this machine."""
    digits = local.rsplit(":", 1)[0]
    words = (int(digits[at : at + 8], 16).to_bytes(4, sys.byteorder) for at in range(0, len(digits), 8))
    return ipaddress.ip_address(b"".join(words))


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

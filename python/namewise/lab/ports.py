"""Ports for servers that are started as processes: two programs that look for one at the same time find different ones."""

from __future__ import annotations

import errno
import socket
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

_claims: list[socket.socket] = []


def free_port(candidates: Iterable[int]) -> int:
    """Return the first of *candidates* that is free for UDP and TCP on every address, or raise OSError.

    A socket with an abstract name (unix(7)) claims the port: the claim ends with this process and leaves no file.
    """
    for port in candidates:
        claim = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        try:
            claim.bind(f"\0namewise-port-{port}")
        except OSError:
            claim.close()
            continue
        _claims.append(claim)
        if _is_free(port):
            return port
    raise OSError(errno.EADDRINUSE, "no port is free")


def _is_free(port: int) -> bool:
    for family in (socket.AF_INET, socket.AF_INET6):
        try:
            udp, tcp = socket.socket(family, socket.SOCK_DGRAM), socket.socket(family, socket.SOCK_STREAM)
        except OSError:
            continue  # no IPv6 on this machine
        with udp, tcp:
            try:
                if family == socket.AF_INET6:
                    udp.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
                    tcp.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
                udp.bind(("", port))
                # Connections that have ended do not count.
                tcp.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                tcp.bind(("", port))
                tcp.listen(1)
            except OSError as error:
                if error.errno == errno.EADDRINUSE:
                    return False
    return True

"""The sockets that questions arrive on: opened here, or handed over by systemd.

Each worker gets a socket of its own for each address and transport (SO_REUSEPORT), so that the kernel
spreads clients over the workers. Before that, the address is tried without SO_REUSEPORT: else two servers
of one user would share a port without noticing, and each would see a part of the questions.
"""

from __future__ import annotations

import errno
import os
import socket
from dataclasses import dataclass
from typing import TYPE_CHECKING

from namewise.config.values import Endpoint
from namewise.control.holder import holders
from namewise.engine.errors import NamewiseError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from namewise.config.model import Listen

FIRST_INHERITED = 3
"""The first descriptor of systemd's socket activation (sd_listen_fds(3))."""
BACKLOG = 1024

Key = tuple[str, int, str]
"""Address, port, transport."""


class ListenError(NamewiseError):
    """An address that cannot be listened on. `code` is IN_USE, FORBIDDEN or NOT_HERE; ACTIVATION where what was
    handed over cannot be served."""

    code = "LISTEN"

    def __init__(self, message: str, hint: str, code: str) -> None:
        super().__init__(message, code=code)
        self.hint = hint


@dataclass(slots=True)
class Listening:
    """The open sockets of one address and transport."""

    key: Key
    sockets: list[socket.socket]

    def close(self) -> None:
        """Close our side; what the engine was given it has duplicated."""
        for one in self.sockets:
            one.close()


class Sockets:
    """All sockets of the server."""

    def __init__(self, inherited: Iterable[socket.socket] = ()) -> None:
        self.inherited: dict[Key, Listening] = {}
        self.open: dict[Key, Listening] = {}
        for one in inherited:
            key = _key(one)
            # Several on one address (ReusePort=yes) share its packets: each has to be served.
            self.inherited.setdefault(key, Listening(key, [])).sockets.append(one)

    def prepare(self, listens: Iterable[Listen], workers: int) -> dict[Key, Listening]:
        """Return the sockets for *listens*, opening those that are missing; raise `ListenError` and open
        none.

        With inherited sockets these are all there is: what is listened on was said to systemd.
        """
        if self.inherited:
            return dict(self.inherited)
        wanted: dict[Key, Listening] = {}
        opened: list[Listening] = []
        try:
            for listen in listens:
                for transport in dict.fromkeys(listen.transports):
                    key = (listen.address, listen.port, transport)
                    present = self.open.get(key)
                    if present is None:
                        present = _open(key, workers)
                        opened.append(present)
                    wanted[key] = present
        except ListenError:
            for item in opened:
                item.close()
            raise
        return wanted

    def adopt(self, prepared: dict[Key, Listening]) -> None:
        """Take *prepared* as what is being served; close what is not in it."""
        for key, item in self.open.items():
            if prepared.get(key) is not item:
                item.close()
        self.open = prepared

    def discard(self, prepared: dict[Key, Listening]) -> None:
        """Close what was opened for *prepared* only: it was not published."""
        for key, item in prepared.items():
            if self.open.get(key) is not item and not self.inherited:
                item.close()

    def close(self) -> None:
        """Close everything."""
        for item in (*self.open.values(), *self.inherited.values()):
            item.close()


def descriptors(prepared: Mapping[Key, Listening]) -> list[int]:
    """Return the numbers of all sockets, as the engine takes them."""
    return [one.fileno() for item in prepared.values() for one in item.sockets]


def inherited(environ: Mapping[str, str]) -> list[socket.socket]:
    """Return the sockets that systemd handed to this process, or none. Raises `ListenError` (ACTIVATION) for
    variables that are no numbers and for descriptors that nothing can be answered on."""
    pid = _number(environ, "LISTEN_PID")
    if pid != os.getpid():
        return []
    count = _number(environ, "LISTEN_FDS") or 0
    found: list[socket.socket] = []
    try:
        for fd in range(FIRST_INHERITED, FIRST_INHERITED + count):
            found.append(_inherit(fd, count))
    except ListenError:
        for one in found:
            one.close()
        raise
    return found


def _number(environ: Mapping[str, str], variable: str) -> int | None:
    text = environ.get(variable)
    if text is None:
        return None
    if text.isascii() and text.isdigit() and len(text) < 20:
        return int(text)
    hint = f"systemd sets it; without socket activation: unset {variable}"
    raise ListenError(f"{variable} is no number: {text!r}", hint, "ACTIVATION")


def _inherit(fd: int, count: int) -> socket.socket:
    """Return the socket that was handed over as *fd*, if it is one that takes questions."""
    try:
        one = socket.socket(fileno=fd)
    except OSError as error:
        reason = "is no socket" if error.errno == errno.ENOTSOCK else "is not open"
        hint = "LISTEN_FDS says how many descriptors from 3 on are handed over; systemd sets it."
        raise ListenError(
            f"LISTEN_FDS is {count}, but descriptor {fd} {reason}", hint, "ACTIVATION"
        ) from None
    os.set_inheritable(fd, False)
    try:
        return fit(one)
    except ListenError:
        one.close()
        raise


def fit(one: socket.socket) -> socket.socket:
    """Return *one*, which was handed over, if it is a socket that takes questions, or raise `ListenError`."""
    wrong, hint = _unfit(one)
    if wrong:
        raise ListenError(f"descriptor {one.fileno()}, which was handed over, is {wrong}", hint, "ACTIVATION")
    return one


def _unfit(one: socket.socket) -> tuple[str, str]:
    """Return what is wrong with a socket that was handed over, and what to do; two empty texts if nothing is."""
    unit = "In the .socket unit, ListenDatagram= and ListenStream= have to be ADDRESS:PORT."
    if one.family not in (socket.AF_INET, socket.AF_INET6):
        return "a unix socket" if one.family == socket.AF_UNIX else "no IP socket", unit
    if one.type not in (socket.SOCK_DGRAM, socket.SOCK_STREAM):
        return "neither a UDP nor a TCP socket", unit
    if one.type == socket.SOCK_STREAM and not one.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN):
        return "a TCP socket that does not listen", "The .socket unit has to say Accept=no."
    if one.getsockname()[1] == 0:
        return "a UDP socket without a port", unit
    return "", ""


def _key(one: socket.socket) -> Key:
    name = one.getsockname()
    return (str(name[0]), int(name[1]), "tcp" if one.type == socket.SOCK_STREAM else "udp")


def _open(key: Key, workers: int) -> Listening:
    try:
        # Somebody else's socket on this port shows only when ours does not offer to share.
        _bind(key, shared=False).close()
        return Listening(key, [_bind(key, shared=True) for _ in range(workers)])
    except OSError as error:
        raise _explained(key, error) from None


def _bind(key: Key, *, shared: bool) -> socket.socket:
    address, port, transport = key
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    one = socket.socket(family, socket.SOCK_STREAM if transport == "tcp" else socket.SOCK_DGRAM)
    try:
        one.setblocking(False)
        if family == socket.AF_INET6:
            one.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        if transport == "tcp":
            # Connections of our former life that are still closing must not keep us out.
            one.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if shared:
            one.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        one.bind((address, port))
        if shared and transport == "tcp":
            one.listen(BACKLOG)
    except BaseException:
        one.close()
        raise
    return one


def _explained(key: Key, error: OSError) -> ListenError:
    address, port, transport = key
    where = f"{Endpoint(address, port)} ({transport})"
    if error.errno == errno.EADDRINUSE:
        found = holders(port, transport)
        who = " and ".join(str(one) for one in found)
        message = f"cannot listen on {where}: " + (
            f"{who} holds the port" if who else "another user's process holds the port"
        )
        hint = "Stop it, or choose another address or port with --listen."
        if any("systemd-resolve" in one.command for one in found):
            hint = "Set DNSStubListener=no in /etc/systemd/resolved.conf, or listen on another address."
        return ListenError(message, hint, "IN_USE")
    if error.errno == errno.EACCES:
        hint = (
            "Ports below 1024 need root or CAP_NET_BIND_SERVICE (AmbientCapabilities= in a systemd unit); "
            f"or take another port: --listen {Endpoint(address, port + 5300 if port < 1024 else port)}"
        )
        return ListenError(f"cannot listen on {where}: not permitted", hint, "FORBIDDEN")
    if error.errno == errno.EADDRNOTAVAIL:
        return ListenError(
            f"cannot listen on {where}: this machine does not have that address",
            "`ip address` lists those that it has.",
            "NOT_HERE",
        )
    return ListenError(f"cannot listen on {where}: {(error.strerror or str(error)).lower()}", "", "LISTEN")

"""The sockets that queries arrive on: opened here, or passed by systemd.

Each worker gets a socket of its own for each address and transport (SO_REUSEPORT), so that the kernel distributes clients
over the workers. Before that, the address is tried without SO_REUSEPORT: otherwise two servers of one user would share a
port without noticing, and each would get a part of the queries.

An address with a zone index (`fe80::53%lan0`) belongs to one interface (RFC 4007 §11).
"""

from __future__ import annotations

import errno
import os
import socket
from typing import TYPE_CHECKING

from namewise.config.values import Endpoint
from namewise.engine.errors import NamewiseError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from namewise.config.model import Listen

FIRST_INHERITED = 3
"""The first descriptor of systemd's socket activation (sd_listen_fds(3))."""
BACKLOG = 1024
FREE_PORT_ATTEMPTS = 20
"""Attempts to find one port that is free for all transports."""

Key = tuple[str, int, str]
"""Address, port, transport."""


class ListenError(NamewiseError):
    """The server cannot listen on an address. `code` is IN_USE, FORBIDDEN or NOT_HERE; ACTIVATION for a socket that was
    passed and cannot be used. `pids`: the processes that hold the port, as far as they are known."""

    code = "LISTEN"

    def __init__(self, message: str, hint: str, code: str, pids: tuple[int, ...] = ()) -> None:
        super().__init__(message, code=code)
        self.hint = hint
        self.pids = pids


class Listening:
    """The open sockets of one address and transport."""

    def __init__(self, key: Key, sockets: list[socket.socket]) -> None:
        self.key = key
        self.sockets = sockets

    def close(self) -> None:
        """Close these descriptors; the engine works on duplicates."""
        for one in self.sockets:
            one.close()


class Sockets:
    """All sockets of the server."""

    def __init__(self, inherited: Iterable[socket.socket] = ()) -> None:
        self.inherited: dict[Key, Listening] = {}
        self.open: dict[Key, Listening] = {}
        self._chosen: dict[str, int] = {}
        for one in inherited:
            key = _key(one)
            # Several sockets on one address (ReusePort=yes) share its packets: each has to be served.
            self.inherited.setdefault(key, Listening(key, [])).sockets.append(one)

    def prepare(
        self, listens: Iterable[Listen], workers: int, *, optional: bool = False
    ) -> tuple[dict[Key, Listening], tuple[str, ...]]:
        """Return the sockets for *listens*, opening those that are missing, and warnings; raise `ListenError` and open none.

        optional: an address that this machine does not have is a warning, as long as there is another one.

        If sockets were passed by systemd, they are the result: the `.socket` unit says where to listen.
        """
        if self.inherited:
            return dict(self.inherited), ()
        wanted: dict[Key, Listening] = {}
        opened: list[Listening] = []
        missing: list[ListenError] = []
        try:
            for listen in listens:
                try:
                    for present in self._present(listen) or _open_all(listen, workers, opened):
                        wanted[present.key] = present
                except ListenError as error:
                    if not optional or error.code != "NOT_HERE":
                        raise
                    missing.append(error)
            if missing and not wanted:
                raise missing[0]
        except ListenError:
            for item in opened:
                item.close()
            raise
        return wanted, tuple(f"{error}; it is left out" for error in missing)

    def _present(self, listen: Listen) -> list[Listening]:
        """Return the open sockets of *listen*, or none if one of them is missing."""
        port = listen.port or self._chosen.get(listen.address, 0)
        found = [self.open.get((listen.address, port, transport)) for transport in listen.transports]
        present = [item for item in found if item is not None]
        return present if len(present) == len(found) else []

    def adopt(self, prepared: dict[Key, Listening]) -> None:
        """Record *prepared* as what is served, and close the sockets that are not in it."""
        for key, item in self.open.items():
            if prepared.get(key) is not item:
                item.close()
        self.open = prepared
        self._chosen = {address: port for address, port, _ in prepared}

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
    """Return the descriptors of all sockets, for `Engine.publish`."""
    return [one.fileno() for item in prepared.values() for one in item.sockets]


def inherited(environ: Mapping[str, str]) -> list[socket.socket]:
    """Return the sockets that systemd passed to this process. Raises `ListenError` (ACTIVATION) for variables that are not
    numbers and for descriptors that are not sockets for queries."""
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
    raise ListenError(f"{variable} is not a number: {text!r}", hint, "ACTIVATION")


def _inherit(fd: int, count: int) -> socket.socket:
    """Return the socket that was passed as *fd*, if queries can arrive on it."""
    try:
        one = socket.socket(fileno=fd)
    except OSError as error:
        reason = "is not a socket" if error.errno == errno.ENOTSOCK else "is not open"
        hint = "LISTEN_FDS is the number of descriptors, from 3 on, that were passed; systemd sets it."
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
    """Return *one*, which was passed, if queries can arrive on it, or raise `ListenError`."""
    wrong, hint = _unfit(one)
    if wrong:
        raise ListenError(
            f"descriptor {one.fileno()}, which was passed to the server, is {wrong}", hint, "ACTIVATION"
        )
    return one


def _unfit(one: socket.socket) -> tuple[str, str]:
    """Return what is wrong with a socket that was passed, and what to do; two empty texts if nothing is."""
    unit = "In the .socket unit, ListenDatagram= and ListenStream= have to be ADDRESS:PORT."
    if one.family not in (socket.AF_INET, socket.AF_INET6):
        return "a unix socket" if one.family == socket.AF_UNIX else "not an IP socket", unit
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


def _open_all(listen: Listen, workers: int, opened: list[Listening]) -> list[Listening]:
    """Open the sockets of *listen* and add them to *opened*. Port 0: a port that is free for all transports."""
    for attempts_left in reversed(range(FREE_PORT_ATTEMPTS)):
        made: list[Listening] = []
        port = listen.port
        try:
            for transport in dict.fromkeys(listen.transports):
                item = _open((listen.address, port, transport), workers)
                made.append(item)
                port = item.key[1]
        except ListenError as error:
            for item in made:
                item.close()
            if listen.port == 0 and error.code == "IN_USE" and attempts_left:
                continue
            raise
        opened += made
        return made
    raise AssertionError("the last attempt returns or raises")


def _open(key: Key, workers: int) -> Listening:
    address, port, transport = key
    sockets: list[socket.socket] = []
    try:
        # A socket of another process on this port shows only when ours does not offer to share.
        with _bind(key, shared=False) as probe:
            port = probe.getsockname()[1]
        for _ in range(workers):
            sockets.append(_bind((address, port, transport), shared=True))
        return Listening((address, port, transport), sockets)
    except OSError as error:
        for one in sockets:
            one.close()
        raise _explained(key, error) from None


def socket_address(address: str, port: int) -> tuple[str, int] | tuple[str, int, int, int]:
    """Return *address* and *port* for `socket.bind`; a zone index becomes the number of its interface. Raises `OSError`."""
    host, percent, interface = address.partition("%")
    if not percent:
        return (address, port)
    return (host, port, 0, int(interface) if interface.isdigit() else socket.if_nametoindex(interface))


def _bind(key: Key, *, shared: bool) -> socket.socket:
    address, port, transport = key
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    one = socket.socket(family, socket.SOCK_STREAM if transport == "tcp" else socket.SOCK_DGRAM)
    try:
        one.setblocking(False)
        if family == socket.AF_INET6:
            one.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        if transport == "tcp":
            # Connections of a former process that are still closing must not prevent listening.
            one.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if shared:
            one.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        one.bind(socket_address(address, port))
        if shared and transport == "tcp":
            one.listen(BACKLOG)
    except BaseException:
        one.close()
        raise
    return one


def taken(key: Key) -> ListenError | None:
    """Return why another process keeps a server from listening on *key*, or None."""
    try:
        _bind(key, shared=False).close()
    except OSError as error:
        if error.errno == errno.EADDRINUSE:
            return _explained(key, error)
    return None


def _explained(key: Key, error: OSError) -> ListenError:
    address, port, transport = key
    where = f"{Endpoint(address, port)} ({transport})"
    if error.errno == errno.EADDRINUSE:
        from namewise.control.holder import holders

        found = holders(address, port, transport)
        who = " and ".join(str(one) for one in found)
        message = f"cannot listen on {where}: " + (
            f"{who} holds the port" if who else "another user's process holds the port"
        )
        hint = (
            "Stop it, or choose another address or port in [[listen]] or with --listen (nw lab up: --port)."
        )
        if any("systemd-resolve" in one.command for one in found):
            hint = "Set DNSStubListener=no in /etc/systemd/resolved.conf, or listen on another address."
        return ListenError(message, hint, "IN_USE", tuple(one.pid for one in found))
    if error.errno in (errno.EMFILE, errno.ENFILE):
        hint = "Raise the limit: LimitNOFILE= in a systemd unit, or ulimit -n."
        return ListenError(f"cannot listen on {where}: too many files are open", hint, "LISTEN")
    if error.errno == errno.EACCES:
        hint = (
            "Ports below 1024 need root or CAP_NET_BIND_SERVICE (AmbientCapabilities= in a systemd unit); "
            f"or take another port: --listen {Endpoint(address, port + 5300 if port < 1024 else port)}"
        )
        return ListenError(f"cannot listen on {where}: not permitted", hint, "FORBIDDEN")
    if error.errno in (errno.EADDRNOTAVAIL, errno.EAFNOSUPPORT, errno.ENODEV):
        return ListenError(
            f"cannot listen on {where}: this machine does not have that address",
            "`ip address` lists the addresses that it has.",
            "NOT_HERE",
        )
    return ListenError(f"cannot listen on {where}: {(error.strerror or str(error)).lower()}", "", "LISTEN")

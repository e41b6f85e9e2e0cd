"""Settings tried on this machine: users, sockets, addresses and folders that the configuration names.

`nw serve`, every reload and `nw config check` call `problems`, so that what the check accepts can be served.
"""

from __future__ import annotations

import errno
import os
import pwd
import socket
from typing import TYPE_CHECKING

from namewise.config.paths import check_private_folder, control_socket, open_file
from namewise.control.client import ControlError, call
from namewise.control.sockets import socket_address, taken

if TYPE_CHECKING:
    from collections.abc import Iterator

    from namewise.config import Loaded, Problem
    from namewise.config.origin import Path

STATUS_TIMEOUT_S = 2.0
"""Seconds to wait for a running server to say that it holds a port."""
MAX_SOCKET_PATH = 107
"""Octets of the path of a unix socket (`sun_path` of unix(7), less the final zero)."""


def problems(loaded: Loaded) -> list[Problem]:
    """Return every setting that cannot be used on this machine, with its place."""
    return [loaded.problem(path, message) for path, message in _found(loaded)]


def taken_ports(loaded: Loaded) -> Iterator[str]:
    """Yield which addresses of `[[listen]]` other processes hold, one sentence each. A server that runs with this configuration may hold
    them: it is the one that reads the configuration next."""
    if not loaded.sets("listen"):
        return
    for index, listen in enumerate(loaded.config.listen):
        for transport in listen.transports if listen.port else ():
            found = taken((listen.address, listen.port, transport))
            if found is not None and not any(serves(pid, loaded) for pid in found.pids):
                place = loaded.problem(("listen", index, "port"), "").origin
                yield f"{found}, so that a server could not start ([[listen]] at {place})"


def serves(pid: int, loaded: Loaded) -> bool:
    """Return whether the process *pid* is a server with the configuration *loaded*: it says so on the control socket, or was started
    with this file."""
    socket_path = loaded.config.control.socket or control_socket()
    try:
        status = call(socket_path, "status", timeout_s=STATUS_TIMEOUT_S)
        if status["pid"] == pid:
            return bool(status["files"][:1] == list(loaded.files[:1]))
    except ControlError:
        pass  # No server, or not this user's.
    try:
        with open(f"/proc/{pid}/cmdline", "rb") as file:
            words = os.fsdecode(file.read()).split("\0")
        folder = os.readlink(f"/proc/{pid}/cwd")
    except OSError:
        return False
    given = words[words.index("--config") + 1] if "--config" in words[:-1] else ""
    return (
        "serve" in words and given != "" and os.path.join(folder, given) == os.path.abspath(loaded.files[0])
    )


def socket_path_problem(path: str) -> str | None:
    """Return what is wrong with the length of *path* for a unix socket, or None."""
    length = len(os.fsencode(path))
    if length <= MAX_SOCKET_PATH:
        return None
    return f"the path has {length} octets; a unix socket may have at most {MAX_SOCKET_PATH}"


def uid(user: str) -> int | None:
    """Return the number of *user*, or None if there is no such user."""
    try:
        return pwd.getpwnam(user).pw_uid
    except KeyError:
        return None


def _found(loaded: Loaded) -> Iterator[tuple[Path, str]]:
    config = loaded.config
    for index, user in enumerate(config.control.users):
        if uid(user) is None:
            yield ("control", "users", index), f"there is no user {user!r} on this machine"
    if config.control.socket is not None:
        wrong = socket_path_problem(config.control.socket)
        if wrong is not None:
            yield ("control", "socket"), wrong
    if config.server.state is not None:
        try:
            check_private_folder(config.server.state)
            _check_creation(config.server.state)
        except OSError as error:
            yield ("server", "state"), error.strerror or str(error)
    if config.local_root is not None and config.local_root.file is not None:
        try:
            open_file(config.local_root.file).close()
        except OSError as error:
            yield ("local_root", "file"), f"cannot read {config.local_root.file}: {error.strerror}"
    if loaded.sets("listen"):
        for index, listen in enumerate(config.listen):
            wrong = _address_problem(listen.address)
            if wrong is not None:
                yield ("listen", index, "address"), wrong


def _check_creation(folder: str) -> None:
    """Raise `OSError` if the server cannot create the directory *folder*, which may exist already."""
    import tempfile

    above = folder
    while not os.path.exists(above):
        above = os.path.dirname(os.path.abspath(above))
    if above != folder:
        # Only an attempt shows what the file system allows.
        try:
            os.rmdir(tempfile.mkdtemp(prefix=".namewise-", dir=above))
        except OSError as error:
            raise OSError(error.errno, f"cannot create {folder}: {error.strerror}") from None


def _address_problem(address: str) -> str | None:
    """Return why this machine cannot listen on *address*, or None. A free port is used for the attempt."""
    _, _, interface = address.partition("%")
    if interface and not interface.isdigit():
        try:
            socket.if_nametoindex(interface)
        except OSError:
            return f"there is no network interface {interface!r} on this machine (`ip link` lists them)"
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    try:
        with socket.socket(family, socket.SOCK_DGRAM) as probe:
            probe.bind(socket_address(address, 0))
    except OSError as error:
        if error.errno == errno.EADDRNOTAVAIL:
            return f"this machine does not have the address {address} (`ip address` lists those that it has)"
        if error.errno in (errno.EAFNOSUPPORT, errno.EINVAL):
            return f"this machine cannot listen there: {(error.strerror or str(error)).lower()}"
    return None

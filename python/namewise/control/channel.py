"""The control socket, server side.

A client may send any number of requests over one connection, one JSON object per line, and gets one answer for each, in order.
Root, the user of the server and the users in `[control] users` may connect; the kernel reports the peer's user.

Every line is answered: a mistake of the client with what to do, a mistake in the server as INTERNAL, with a number under
which the log has the details.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import socket
import stat
import struct
from typing import TYPE_CHECKING, Any

from namewise.config.paths import private_folder
from namewise.control.check import socket_path_problem
from namewise.control.client import ControlError
from namewise.engine.errors import EnginePanic, NamewiseError

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping

    from namewise.control.log import Log

    Verb = Callable[[dict[str, Any]], Awaitable[dict[str, Any]]]

MAX_REQUEST = 65536
"""Octets of one request; longer ones end the connection."""
MAX_CONNECTIONS = 32
"""Connections open at once; further ones are closed, so that one client in a loop does not use up the descriptors."""


class Channel:
    """The listening socket at *path*, which answers requests by *verbs*."""

    def __init__(self, path: str, verbs: Mapping[str, Verb], log: Log) -> None:
        self.path = path
        self.verbs = verbs
        self.log = log
        self.users: frozenset[int] = frozenset()
        self._server: asyncio.Server | None = None
        self._connections: set[asyncio.Task[None]] = set()

    def allow(self, users: frozenset[int]) -> None:
        """Let the users with the numbers *users* connect from now on, besides root and the user of the server."""
        self.users = users
        if self._server is not None:
            with contextlib.suppress(OSError):  # somebody may have deleted the socket
                os.chmod(self.path, self._mode())

    def _mode(self) -> int:
        """The peer's user decides who may connect; the mode only excludes users who never may."""
        return 0o666 if self.users else 0o600

    async def open(self) -> None:
        """Listen. The socket of a dead server is replaced; that of a live server is an error."""
        wrong = socket_path_problem(self.path)
        if wrong is not None:
            raise ControlError(
                f"cannot listen on {self.path}: {wrong}", "Use a shorter --control PATH.", "LISTEN"
            )
        folder = os.path.dirname(self.path) or "."
        try:
            if private_folder(folder):
                self.log.event(
                    "info",
                    "folder-created",
                    f"created the folder {folder} (mode 0700) for the control socket",
                )
        except OSError as error:
            raise ControlError(
                f"cannot listen on {self.path}: {error.strerror or error}",
                "Use another path: --control PATH.",
                "LISTEN",
            ) from None
        _clear(self.path)
        old = os.umask(0o177)
        try:
            self._server = await asyncio.start_unix_server(self._accept, self.path, limit=MAX_REQUEST)
        except OSError as error:
            raise ControlError(
                f"cannot listen on {self.path}: {error.strerror or error}", code="LISTEN"
            ) from None
        finally:
            os.umask(old)
        os.chmod(self.path, self._mode())

    async def close(self) -> None:
        """Stop listening and remove the socket."""
        if self._server is None:
            return
        self._server.close()
        for task in tuple(self._connections):
            task.cancel()
        with contextlib.suppress(OSError):
            os.unlink(self.path)
        self._server = None

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None, "asyncio runs this in a task"
        if len(self._connections) >= MAX_CONNECTIONS:
            writer.close()
            return
        self._connections.add(task)
        try:
            await self._serve(reader, writer)
        except (ConnectionError, ValueError, asyncio.CancelledError):
            # The client has gone, the line is too long, or the server stops: this client gets no more answers.
            pass
        finally:
            self._connections.discard(task)
            writer.close()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        uid = _peer_uid(writer)
        if uid not in {0, os.geteuid(), *self.users}:
            writer.write(_line(_failure("DENIED", f"uid {uid} may not control this server", "")))
            await writer.drain()
            return
        while line := await reader.readline():
            writer.write(await self._answer(line))
            await writer.drain()

    async def _answer(self, line: bytes) -> bytes:
        try:
            verb, args = _request(line)
            if verb not in self.verbs:
                known = ", ".join(sorted(self.verbs))
                raise ControlError(f"no verb {verb!r}", f"Known verbs: {known}.", "NO_VERB")
        except ControlError as error:
            return _line(_failure(error.code, str(error), error.hint))
        try:
            return _line({"ok": True, **await self.verbs[verb](args)})
        except EnginePanic as error:
            return self._fault(verb, error)
        except NamewiseError as error:
            return _line(_failure(error.code, str(error), getattr(error, "hint", "")))
        except Exception as error:
            return self._fault(verb, error)

    def _fault(self, verb: str, error: Exception) -> bytes:
        """Log *error*, a mistake in the server, under a number, and return the answer with that number."""
        import traceback

        number = os.urandom(4).hex()
        trace = "".join(traceback.format_exception(error)).rstrip()
        self.log.event("error", "fault", f"{verb} failed (error {number}):\n{trace}", id=number, verb=verb)
        hint = "This is a mistake in namewise: please report it with what the log says of that error."
        return _line(_failure("INTERNAL", f"{verb} failed in the server: error {number}", hint))


def _request(line: bytes) -> tuple[str, dict[str, Any]]:
    """Return verb and arguments of the request in *line*, or raise `ControlError`."""
    hint = 'Send {"verb": "status", "args": {}} and a newline.'
    try:
        request = json.loads(line)
    except (ValueError, RecursionError):
        raise ControlError("not a request: not JSON", hint, "BAD_REQUEST") from None
    if not isinstance(request, dict):
        raise ControlError("not a request: not a JSON object", hint, "BAD_REQUEST")
    verb, args = request.get("verb"), request.get("args")
    if not isinstance(verb, str):
        raise ControlError("not a request: verb must be a text", hint, "BAD_REQUEST")
    if args is not None and not isinstance(args, dict):
        raise ControlError("not a request: args must be an object", hint, "BAD_REQUEST")
    return verb, args or {}


def _failure(code: str, message: str, hint: str) -> dict[str, Any]:
    return {"ok": False, "error": {"code": code, "message": message, "hint": hint}}


def _line(answer: dict[str, Any]) -> bytes:
    return json.dumps(answer, separators=(",", ":")).encode() + b"\n"


def _peer_uid(writer: asyncio.StreamWriter) -> int:
    link = writer.get_extra_info("socket")
    credentials = link.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, struct.calcsize("3i"))
    _pid, uid, _gid = struct.unpack("3i", credentials)
    return int(uid)


def _clear(path: str) -> None:
    """Remove the socket of a dead server at *path*; raise `ControlError` if a server answers there or it is not a socket."""
    try:
        kind = os.lstat(path).st_mode
    except FileNotFoundError:
        return
    if not stat.S_ISSOCK(kind):
        raise ControlError(
            f"{path} exists and is not a socket", "Remove it, or use another path: --control PATH.", "LISTEN"
        )
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as link:
        link.settimeout(1.0)
        try:
            link.connect(path)
        except (ConnectionRefusedError, FileNotFoundError):
            os.unlink(path)
            return
        except OSError as error:
            raise ControlError(f"{path}: {error.strerror or error}", code="LISTEN") from None
        pid = struct.unpack(
            "3i", link.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, struct.calcsize("3i"))
        )[0]
    raise ControlError(
        f"a server (pid {pid}) is running with the control socket {path}",
        "`nw ctl stop` ends it; --control PATH gives the new server another socket.",
        "RUNNING",
    )

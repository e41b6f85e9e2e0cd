"""The control socket, server side.

A client may send any number of requests over one connection, one JSON object per line, and gets one answer for each, in order.
Root, the user of the server and the users in `[control] users` may connect; the kernel reports the peer's user.

Every line is answered: a mistake of the client with what to do, a mistake in the server as INTERNAL, with a number under
which the log has the details.

Each connection is served by a thread of its own, so a verb may block without holding up other clients.
"""

from __future__ import annotations

import contextlib
import errno
import json
import os
import socket
import stat
import struct
import threading
import time
from typing import TYPE_CHECKING, Any

from namewise.config.paths import private_folder
from namewise.control.check import socket_path_problem
from namewise.control.client import ControlError
from namewise.engine.errors import EnginePanic, NamewiseError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from namewise.control.log import Log

    Verb = Callable[[dict[str, Any], int], dict[str, Any]]
    """Called with the arguments and the user of the client, as the kernel reports it."""

MAX_REQUEST = 16 << 20
"""Octets of the line of a request; longer ones end the connection, so that a client cannot fill the memory."""
MAX_BODY = 1 << 30
"""Octets that may follow that line: the records of a zone, or what differs. One such request is read and answered at a time, so that
clients cannot fill the memory together."""
BODY_TIMEOUT_S = 30.0
"""Seconds without any of these octets after which the connection ends, so that a client that sends none does not hold up others."""
BACKLOG = 100
MAX_CONNECTIONS = 32
"""Connections open at once; further ones are closed, so that one client in a loop does not use up the descriptors."""


class Channel:
    """The listening socket at *path*, which answers requests by *verbs*."""

    def __init__(self, path: str, verbs: Mapping[str, Verb], log: Log) -> None:
        self.path = path
        self.verbs = verbs
        self.log = log
        self.users: frozenset[int] = frozenset()
        self._listening: socket.socket | None = None
        self._connections: dict[threading.Thread, socket.socket] = {}
        self._body = threading.Lock()

    def allow(self, users: frozenset[int]) -> None:
        """Let the users with the numbers *users* connect from now on, besides root and the user of the server."""
        self.users = users
        if self._listening is not None:
            with contextlib.suppress(OSError):  # somebody may have deleted the socket
                os.chmod(self.path, self._mode())

    def _mode(self) -> int:
        """The peer's user decides who may connect; the mode only excludes users who never may."""
        return 0o666 if self.users else 0o600

    def open(self) -> None:
        """Listen; connections wait until `accept` is called. The socket of a dead server is replaced; that of a live server is an error."""
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
                    f"created the directory {folder} (mode 0700) for the control socket",
                )
        except OSError as error:
            raise ControlError(
                f"cannot listen on {self.path}: {error.strerror or error}",
                "Use another path: --control PATH.",
                "LISTEN",
            ) from None
        _clear(self.path)
        listening = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        listening.setblocking(False)
        old = os.umask(0o177)
        try:
            listening.bind(self.path)
            listening.listen(BACKLOG)
        except OSError as error:
            listening.close()
            raise ControlError(
                f"cannot listen on {self.path}: {error.strerror or error}", code="LISTEN"
            ) from None
        finally:
            os.umask(old)
        os.chmod(self.path, self._mode())
        self._listening = listening

    def fileno(self) -> int:
        """Return the listening descriptor: when it is readable, a client waits for `accept`."""
        assert self._listening is not None, "open() has been called"
        return self._listening.fileno()

    def accept(self) -> bool:
        """Serve the client that waits, if there is one, in a thread of its own. Return False if the system has no descriptor or
        no thread for it now."""
        if self._listening is None:
            return True
        try:
            link, _ = self._listening.accept()
        except OSError as error:
            # Other errors are those of the client, which may have gone again.
            return error.errno not in (errno.EMFILE, errno.ENFILE, errno.ENOMEM, errno.ENOBUFS)
        if len(self._connections) >= MAX_CONNECTIONS:
            link.close()
            return True
        thread = threading.Thread(target=self._run, args=(link,), name="namewise-control", daemon=True)
        self._connections[thread] = link
        try:
            thread.start()
        except RuntimeError:
            del self._connections[thread]
            link.close()
            return False
        return True

    def close(self) -> None:
        """Stop listening, remove the socket and read no further requests; answers that are under way are sent."""
        if self._listening is None:
            return
        self._listening.close()
        self._listening = None
        with contextlib.suppress(OSError):
            os.unlink(self.path)
        for link in tuple(self._connections.values()):
            with contextlib.suppress(OSError):
                link.shutdown(socket.SHUT_RD)

    def join(self, timeout_s: float) -> None:
        """Wait after `close` until the answers under way are sent, for at most *timeout_s* seconds in all."""
        end = time.monotonic() + timeout_s
        for thread in tuple(self._connections):
            thread.join(max(0.0, end - time.monotonic()))

    def _run(self, link: socket.socket) -> None:
        link.setblocking(True)
        try:
            self._serve(link)
        except OSError:
            # The client has gone.
            pass
        finally:
            link.close()
            self._connections.pop(threading.current_thread(), None)

    def _serve(self, link: socket.socket) -> None:
        _pid, uid = _peer(link)
        if uid not in {0, os.geteuid(), *self.users}:
            link.sendall(_line(_failure("DENIED", f"uid {uid} may not control this server", "")))
            return
        with link.makefile("rb") as requests:
            while line := requests.readline(MAX_REQUEST + 1):
                if len(line) > MAX_REQUEST:
                    what = f"the line of the request has more than {MAX_REQUEST >> 20} MiB"
                    link.sendall(_line(_failure("TOO_LARGE", what, "Send records behind the line: `body`.")))
                    return
                try:
                    verb, args, size = _request(line)
                except ControlError as error:
                    link.sendall(_line(_failure(error.code, str(error), error.hint)))
                    if error.code == "TOO_LARGE":
                        return
                    continue
                if not size:
                    link.sendall(self._answer(verb, args, uid))
                    continue
                with self._body:
                    link.settimeout(BODY_TIMEOUT_S)
                    body = requests.read(size)
                    link.setblocking(True)
                    if len(body) < size:
                        return
                    answer = self._answer(verb, {**args, "body": body}, uid)
                link.sendall(answer)

    def _answer(self, verb: str, args: dict[str, Any], uid: int) -> bytes:
        if verb not in self.verbs:
            known = ", ".join(sorted(self.verbs))
            return _line(_failure("NO_VERB", f"no verb {verb!r}", f"Known verbs: {known}."))
        try:
            return _line({"ok": True, **self.verbs[verb](args, uid)})
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
        hint = "This is an error in namewise: please report it with the log lines of this error."
        return _line(_failure("INTERNAL", f"{verb} failed in the server: error {number}", hint))


def _request(line: bytes) -> tuple[str, dict[str, Any], int]:
    """Return verb and arguments of the request in *line*, and the number of octets that follow it, or raise `ControlError`."""
    hint = 'Send {"verb": "status", "args": {}} and a newline.'
    try:
        request = json.loads(line)
    except (ValueError, RecursionError):
        raise ControlError("not a request: not JSON", hint, "BAD_REQUEST") from None
    if not isinstance(request, dict):
        raise ControlError("not a request: not a JSON object", hint, "BAD_REQUEST")
    unknown = sorted(request.keys() - {"verb", "args", "body"})
    if unknown:
        raise ControlError(f"not a request: unknown key {unknown[0]!r}", hint, "BAD_REQUEST")
    verb, args = request.get("verb"), request.get("args")
    if not isinstance(verb, str):
        raise ControlError("not a request: verb must be a text", hint, "BAD_REQUEST")
    if args is not None and not isinstance(args, dict):
        raise ControlError("not a request: args must be an object", hint, "BAD_REQUEST")
    size = request.get("body", 0)
    if isinstance(size, bool) or not isinstance(size, int) or not 0 <= size <= MAX_BODY:
        what = f"not a request: body must be a number of octets up to {MAX_BODY}"
        raise ControlError(what, "Give the server a zone file of that size with [[zone]].", "TOO_LARGE")
    return verb, args or {}, size


def _failure(code: str, message: str, hint: str) -> dict[str, Any]:
    return {"ok": False, "error": {"code": code, "message": message, "hint": hint}}


def _line(answer: dict[str, Any]) -> bytes:
    return json.dumps(answer, separators=(",", ":")).encode() + b"\n"


def _peer(link: socket.socket) -> tuple[int, int]:
    """Return the process and the user at the other end of *link*, as the kernel reports them."""
    credentials = link.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, struct.calcsize("3i"))
    pid, uid, _gid = struct.unpack("3i", credentials)
    return int(pid), int(uid)


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
        pid, _ = _peer(link)
    raise ControlError(
        f"a server (pid {pid}) is running with the control socket {path}",
        "`nw ctl stop` ends it; --control PATH gives the new server another socket.",
        "RUNNING",
    )

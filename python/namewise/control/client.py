"""The client of the control socket: one JSON object per line, in each direction.

-> {"verb": "status", "args": {}}   with "body": N, N octets follow the line
<- {"ok": true, ...}   or   {"ok": false, "error": {"code", "message", "hint"}}
"""

from __future__ import annotations

import json
import socket
from typing import Any

from namewise.engine.errors import NamewiseError

TIMEOUT_S = 60.0
"""Seconds to wait for one answer. A reload of many zones takes longest."""


BODY_RATE = 1 << 20
"""Octets behind a request for which the answer may take another second."""


class ControlError(NamewiseError):
    """The server refused or failed; `hint` says what to do. `code` NO_SERVER: no server listens on the socket."""

    code = "CONTROL"

    def __init__(self, message: str, hint: str = "", code: str | None = None) -> None:
        super().__init__(message, code=code)
        self.hint = hint


def call(
    path: str,
    verb: str,
    args: dict[str, Any] | None = None,
    timeout_s: float = TIMEOUT_S,
    body: bytes = b"",
) -> dict[str, Any]:
    """Return the answer of the server on the socket *path* to *verb*, or raise `ControlError`. body: octets that follow the request"""
    request: dict[str, Any] = {"verb": verb, "args": args or {}}
    if body:
        # The server reads and checks as many records.
        request["body"], timeout_s = len(body), timeout_s + len(body) / BODY_RATE
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as link:
        link.settimeout(timeout_s)
        try:
            link.connect(path)
        except FileNotFoundError:
            raise _no_server(path, "there is no such socket") from None
        except ConnectionRefusedError:
            raise _no_server(path, "the server that created this socket has ended") from None
        except OSError as error:
            if not isinstance(error, PermissionError):
                raise _no_server(path, (error.strerror or str(error)).lower()) from None
            raise ControlError(
                f"{path}: not permitted",
                "Run the command as the user of the server, or add yourself to [control] users.",
                "DENIED",
            ) from None
        try:
            link.sendall(json.dumps(request).encode() + b"\n")
            link.sendall(body)
            answer = _line(link)
        except TimeoutError:
            raise ControlError(f"{path}: no answer within {timeout_s:.0f} s", code="TIMEOUT") from None
        except ConnectionError as error:
            raise ControlError(f"{path}: {error.strerror or error}", code="CLOSED") from None
    if not answer:
        raise ControlError(f"{path}: the server closed the connection", code="CLOSED")
    reply: dict[str, Any] = json.loads(answer)
    if not reply.pop("ok", False):
        failure = reply.get("error", {})
        raise ControlError(failure.get("message", "failed"), failure.get("hint", ""), failure.get("code"))
    return reply


def _line(link: socket.socket) -> bytes:
    parts = bytearray()
    while not parts.endswith(b"\n"):
        part = link.recv(65536)
        if not part:
            break
        parts += part
    return bytes(parts)


def _no_server(path: str, why: str) -> ControlError:
    hint = "Start one with `nw serve` or `nw lab up`, or name its socket with --control PATH."
    return ControlError(f"no server listens on {path}: {why}", hint, "NO_SERVER")

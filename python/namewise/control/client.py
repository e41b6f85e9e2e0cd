"""Talk to a running server over its control socket: one JSON object a line, each way.

-> {"verb": "status", "args": {}}
<- {"ok": true, ...}   or   {"ok": false, "error": {"code", "message", "hint"}}
"""

from __future__ import annotations

import json
import socket
from typing import Any

from namewise.engine.errors import NamewiseError

TIMEOUT_S = 60.0
"""Patience for one answer. A reload that parses many zones is the slowest thing a server does."""


class ControlError(NamewiseError):
    """The server refused or failed; `hint` says what to do. `code` NO_SERVER: nobody listens."""

    code = "CONTROL"

    def __init__(self, message: str, hint: str = "", code: str | None = None) -> None:
        super().__init__(message, code=code)
        self.hint = hint


def call(
    path: str, verb: str, args: dict[str, Any] | None = None, timeout_s: float = TIMEOUT_S
) -> dict[str, Any]:
    """Return what the server behind *path* answers to *verb*, or raise `ControlError`."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as link:
        link.settimeout(timeout_s)
        try:
            link.connect(path)
        except FileNotFoundError:
            raise _nobody(path, "there is no such socket") from None
        except ConnectionRefusedError:
            raise _nobody(path, "the server that made this socket is gone") from None
        except PermissionError:
            raise ControlError(
                f"{path}: not permitted",
                "Ask as the user of the server, or let it list you in [control] users.",
                "DENIED",
            ) from None
        try:
            link.sendall(json.dumps({"verb": verb, "args": args or {}}).encode() + b"\n")
            answer = _line(link)
        except TimeoutError:
            raise ControlError(f"{path}: no answer within {timeout_s:.0f} s", code="TIMEOUT") from None
        except ConnectionError as error:
            raise ControlError(f"{path}: {error.strerror or error}", code="CLOSED") from None
    if not answer:
        raise ControlError(f"{path}: the server closed the connection", code="CLOSED")
    reply: dict[str, Any] = json.loads(answer)
    if not reply.pop("ok", False):
        told = reply.get("error", {})
        raise ControlError(told.get("message", "failed"), told.get("hint", ""), told.get("code"))
    return reply


def _line(link: socket.socket) -> bytes:
    parts = bytearray()
    while not parts.endswith(b"\n"):
        part = link.recv(65536)
        if not part:
            break
        parts += part
    return bytes(parts)


def _nobody(path: str, why: str) -> ControlError:
    hint = "Start one with `nw serve` or `nw lab up`, or name its socket with --control PATH."
    return ControlError(f"no server listens on {path}: {why}", hint, "NO_SERVER")

"""Updates of secondary zones, which are forwarded to the primaries (RFC 2136 §6).

```text
UPDATE ─ engine: `forward_updates` ─▶ take ─ a place ─▶ a thread: the octets as they came ─▶ primary ─▶ its octets ─▶ client
                      │                   │                         │ no reply, SERVFAIL, NOTIMP: the next one
                      ▼ REFUSED           ▼ SERVFAIL                ▼ none left: what the last one said, or SERVFAIL
```

Request and response pass unchanged, id and TSIG included: only client and primary need to know the key. A request that is signed with a
key of this server is verified here, too. One without signature comes to the primary from the address of this server, which is all that
it can judge by. After a success, the zone is compared with its primaries.

An update that got no reply in time may have been made: the next primary then gets it as well, as RFC 2136 §4 says of requestors.

*Limits*: `[secondaries] forwards` in progress; they also end loops of servers that forward to each other. `TOTAL_S` for each.
"""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING

from namewise.config.model import SecondaryZone
from namewise.config.zones import peer
from namewise.control.update import OTHER, answer
from namewise.engine import Message
from namewise.engine.errors import NamewiseError
from namewise.stream import read_message
from namewise.zones.transfer import Line, Link

if TYPE_CHECKING:
    from namewise.config import Config
    from namewise.config.values import Endpoint
    from namewise.control.events import ClientRequest
    from namewise.control.log import Log
    from namewise.control.service import Service

TOTAL_S = 4.0
"""For all primaries of a zone together; the engine answers SERVFAIL after 5 seconds."""
NETWORK_ERROR = 23
"""Extended error (RFC 8914 §4.24)."""
NEXT = ("SERVFAIL", "NOTIMP")
"""Replies after which the next primary is asked (RFC 2136 §4)."""


class Forwards:
    """The updates that one server forwards. `take` is called by the thread of the engine's events."""

    def __init__(self, service: Service, log: Log) -> None:
        self._service = service
        self._log = log
        self._lock = threading.Lock()
        self._lines: set[Line] = set()
        """Of the updates in progress."""
        self._ended = False
        self._config: Config | None = None
        self._copies: dict[str, SecondaryZone] = {}
        """Of `_config`, by name in lower case."""

    def close(self) -> None:
        """End the updates in progress: their clients get SERVFAIL."""
        with self._lock:
            self._ended = True
            lines = list(self._lines)
        for line in lines:
            line.close()

    def take(self, request: ClientRequest) -> bool:
        """Forward *request* in a thread and return True, if it is for a secondary zone. The engine has checked who sent it."""
        question = request.message.question
        name = "" if question is None else str(question.name).lower()
        zone = self._zones().get(name)
        if zone is None:
            return False
        line, most = Line(), self._service.config.secondaries.forwards
        with self._lock:
            busy = self._ended or len(self._lines) >= most
            if not busy:
                self._lines.add(line)
        if busy:
            text = f"{most} updates are being forwarded already ([secondaries] forwards)"
            self._log.event(
                "warning", "update-forward", f"update of zone {zone.name}: {text}", zone=zone.name
            )
            answer(request, "SERVFAIL", OTHER, text)
        else:
            arguments = (request, zone, line)
            threading.Thread(target=self._run, args=arguments, name="namewise-forward", daemon=True).start()
        return True

    def _zones(self) -> dict[str, SecondaryZone]:
        config = self._service.config
        if config is not self._config:
            copies = [zone for zone in config.zone if isinstance(zone, SecondaryZone)]
            self._config, self._copies = config, {zone.name.lower(): zone for zone in copies}
        return self._copies

    # In its thread.

    def _run(self, request: ClientRequest, zone: SecondaryZone, line: Line) -> None:
        try:
            with line:
                self._forward(request, zone, line)
        except Exception as error:
            text = f"update of zone {zone.name} from {request.client}: {error!r}"
            self._log.event("error", "fault", text, zone=zone.name)
            answer(request, "SERVFAIL", OTHER, "")
        finally:
            with self._lock:
                self._lines.discard(line)

    def _forward(self, request: ClientRequest, zone: SecondaryZone, line: Line) -> None:
        deadline, errors = time.monotonic() + TOTAL_S, []
        last: bytes | None = None
        for at, text in enumerate(zone.primaries):
            # The primaries that are left share the time that is left.
            now = time.monotonic()
            share = now + (deadline - now) / (len(zone.primaries) - at)
            try:
                reply = _exchange(request.message, peer(text).where, line, share)
            except TimeoutError:
                errors.append(f"{text}: no reply in time")
            except (OSError, NamewiseError) as error:
                errors.append(f"{text}: {getattr(error, 'strerror', None) or error}")
            else:
                if reply.rcode not in NEXT:
                    self._log.event(
                        "info",
                        "update-forwarded",
                        f"update of zone {zone.name} from {request.client} was forwarded to {text}: {reply.rcode}",
                        zone=zone.name,
                        client=request.client,
                        primary=text,
                        rcode=reply.rcode,
                    )
                    request.relay(reply.wire)
                    if reply.rcode == "NOERROR" and self._service.secondaries is not None:
                        self._service.secondaries.check(zone.name)
                    return
                errors.append(f"{text} answers {reply.rcode}")
                last = reply.wire
        why = "; ".join(errors)
        text = f"update of zone {zone.name} from {request.client} cannot be forwarded: {why}"
        self._log.event("warning", "update-forward", text, zone=zone.name, client=request.client)
        if last is not None:
            # It is signed if the request was.
            request.relay(last)
        else:
            answer(request, "SERVFAIL", NETWORK_ERROR, f"the update cannot be forwarded: {why}")


def _exchange(request: Message, primary: Endpoint, line: Line, deadline: float) -> Message:
    """Return the reply of *primary* to the octets of *request*. Raises `OSError`, and `WireError` for what is no message."""
    link = line.connect(primary, deadline)
    Link(link, None).send(request.wire, deadline)
    while True:
        reply = Message.parse(read_message(link, deadline))
        if reply.id == request.id and reply.is_response and reply.opcode == "UPDATE":
            return reply

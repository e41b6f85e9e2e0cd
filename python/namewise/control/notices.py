"""NOTIFY messages that a running server sends (RFC 1996 §3): `zones/notify.py` decides when, here are the sockets and the clock.

One thread sends what is due, at most `notify_rate` a second, and reads the answers, over one UDP socket for each IP version. An answer
counts if it comes from the address that was notified and has the id of the message, and, if the message was signed, is signed too
(RFC 8945).
"""

from __future__ import annotations

import contextlib
import os
import select
import socket
import threading
import time
from typing import TYPE_CHECKING, NamedTuple

from namewise.engine import Message, Verifier, make_message
from namewise.engine.errors import NamewiseError, TsigError
from namewise.zones.agenda import Agenda
from namewise.zones.notify import Notice, Pace, targets

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from namewise.config import Config
    from namewise.config.zones import Peer
    from namewise.control.log import Log
    from namewise.control.service import Service
    from namewise.zones.state import ZoneState

LONGEST_WAIT_S = 600.0
MOST_UNANSWERED = 32_768
"""Half of all ids: a forged answer must not find one by chance, and a free id is found at once."""


class Sent(NamedTuple):
    """A message without answer."""

    zone: str
    server: Peer
    serial: int
    verifier: Verifier | None
    """Of its answer; None: it was not signed."""


class Notices:
    """The NOTIFY messages of one service. All methods may be called from any thread."""

    def __init__(self, service: Service, log: Log, clock: Callable[[], float] = time.time) -> None:
        self.service = service
        self.log = log
        self._clock = clock
        self._notices: dict[str, dict[Peer, Notice]] = {}
        """By zone, in lower case, and server."""
        self._agenda: Agenda[tuple[str, Peer]] = Agenda(1, 1, 1)
        """What is due when. Work ends at once: a NOTIFY that was sent has no place."""
        self._unknown: dict[str, list[str]] = {}
        """Name servers whose addresses are not known, by zone."""
        self._ids: dict[int, Sent] = {}
        """Messages without answer, by id."""
        self._last: dict[tuple[str, Peer], int] = {}
        """The id of the last of them, by zone and server."""
        self._lock = threading.Lock()
        self._settings: tuple[Config | None, dict[str, tuple[str, ...]]] = (None, {})
        """A configuration, and `notify` of each zone there that has it, by name in lower case."""
        self._sockets: dict[int, socket.socket] = {}
        self._wake: tuple[socket.socket, socket.socket] | None = None
        self._thread: threading.Thread | None = None
        self._ended = False

    def start(self) -> None:
        """Begin to send, if that was not done before."""
        if self._thread is None:
            self._wake = socket.socketpair()
            self._thread = threading.Thread(target=self._run, name="namewise-notify", daemon=True)
            self._thread.start()

    def reloaded(self) -> None:
        """Take new settings into account."""
        self._poke()

    def close(self) -> None:
        """End the thread and close the sockets."""
        self._ended = True
        self._poke()
        if self._thread is not None:
            self._thread.join(1.0)
        for one in (*self._sockets.values(), *(self._wake or ())):
            one.close()

    def changed(self, state: ZoneState) -> bool:
        """Notify the servers of the zone of *state* of its version; return whether there are any. Does not block."""
        name, zone = state.source.name.lower(), state.current
        named = self._named().get(name, ())
        if zone is None or not named:
            return False
        found, unknown = targets(zone, named)
        own = {*self.service.addresses()}
        with self._lock:
            now, pace = self._clock(), self._pace
            former = self._notices.get(name, {})
            self._notices[name] = {
                one: former.get(one, Notice()).changed(zone.serial, now, pace)
                for one in found
                if str(one.where) not in own
            }
            for server in former.keys() - self._notices[name].keys():
                self._agenda.drop((name, server))
                self._forget((name, server))
            for server, notice in self._notices[name].items():
                self._plan((name, server), notice)
            self._unknown[name] = unknown
        self._poke()
        return True

    def status(self, name: str) -> list[dict[str, Any]]:
        """Return what the servers that are notified of the zone *name* know, for `nw zone status`. Times are seconds since 1970."""
        with self._lock:
            found: list[dict[str, Any]] = [
                {
                    "server": str(server),
                    "serial": one.serial,
                    "sent": one.sent,
                    "attempts": one.attempts,
                    "acknowledged": one.acknowledged,
                    "due": one.due,
                    "error": one.error or None,
                }
                for server, one in self._notices.get(name.lower(), {}).items()
            ]
            found += [
                {
                    "server": server,
                    "error": "its address is not in the zone: name it in `notify`",
                    **dict.fromkeys(("serial", "sent", "attempts", "acknowledged", "due")),
                }
                for server in self._unknown.get(name.lower(), ())
            ]
            return found

    def act(self) -> float:
        """Send what is due, and return for how many seconds nothing is."""
        with self._lock:
            now, pace = self._clock(), self._pace
            self._agenda.rate = self.service.config.secondaries.notify_rate
            while taken := self._agenda.take(now):
                for key in taken:
                    self._agenda.done(key)
                    self._due(key, now, pace)
            wait = self._agenda.wait(now)
            return LONGEST_WAIT_S if wait is None else min(wait, LONGEST_WAIT_S)

    # Inside.

    def _named(self) -> dict[str, tuple[str, ...]]:
        config, named = self._settings
        if config is not self.service.config:
            config = self.service.config
            named = {one.name.lower(): one.notify for one in config.zone if one.notify}
            self._settings = config, named
        return named

    @property
    def _pace(self) -> Pace:
        limits = self.service.config.secondaries
        return Pace(limits.notify_interval / 1000, limits.notify_retry / 1000, limits.notify_attempts)

    def _poke(self) -> None:
        if self._wake is not None:
            with contextlib.suppress(OSError):
                self._wake[1].send(b"\0")

    def _plan(self, key: tuple[str, Peer], notice: Notice) -> None:
        """Let the next NOTIFY be sent when it is due. The lock is held, as for the next ones."""
        if notice.due is None:
            self._agenda.drop(key)
        else:
            self._agenda.plan(key, "", notice.due)

    def _forget(self, key: tuple[str, Peer]) -> None:
        """Expect no answer to the last message of *key* any more."""
        number = self._last.pop(key, None)
        if number is not None:
            self._ids.pop(number, None)

    def _due(self, key: tuple[str, Peer], now: float, pace: Pace) -> None:
        """Send the NOTIFY that is due, or give up."""
        name, server = key
        notice = self._notices.get(name, {}).get(server)
        if notice is None:
            return
        notice = notice.given_up(pace) or self._send(key, notice, now, pace)
        self._notices[name][server] = notice
        self._plan(key, notice)
        if notice.due is None:
            text = (
                f"zone {name}: {server} {notice.error}; it finds serial {notice.serial} by its next refresh"
            )
            self.log.event("warning", "notify-unanswered", text, zone=name)

    def _send(self, key: tuple[str, Peer], notice: Notice, now: float, pace: Pace) -> Notice:
        name, server = key
        state = self.service.registry.find(name)
        zone = None if state is None else state.current
        if zone is None or notice.serial is None:
            return notice._replace(due=None, error="was not notified: the zone has no data")
        try:
            signer = self.service.key(server.key)
        except KeyError:
            return notice._replace(due=None, error=f"was not notified: there is no key {server.key} any more")
        soa = zone.rrset(zone.name, "SOA")
        assert soa is not None, "every zone has one"
        self._forget(key)
        if len(self._ids) >= MOST_UNANSWERED:
            return notice.notified(now, pace)._replace(error="too many NOTIFY messages are without answer")
        number = int.from_bytes(os.urandom(2), "big")
        while number in self._ids:
            number = (number + 1) % 65_536
        wire = make_message((zone.name, "SOA"), id=number, flags="aa", opcode="NOTIFY", answer=[soa]).wire
        verifier = None
        if signer is not None:
            signed = signer.sign(wire, int(now))
            wire, verifier = signed.wire, Verifier(signer, signed.mac)
        self._ids[number] = Sent(name, server, notice.serial, verifier)
        self._last[key] = number
        notice = notice.notified(now, pace)
        try:
            self._socket(server).sendto(wire, (server.where.address, server.where.port))
        except OSError as error:
            return notice._replace(error=error.strerror or str(error))
        return notice

    def _socket(self, server: Peer) -> socket.socket:
        family = socket.AF_INET6 if ":" in server.where.address else socket.AF_INET
        if family not in self._sockets:
            made = socket.socket(family, socket.SOCK_DGRAM)
            made.setblocking(False)
            self._sockets[family] = made
        return self._sockets[family]

    def _read(self, link: socket.socket) -> None:
        """Read the answers that wait."""
        while True:
            try:
                octets, sender = link.recvfrom(65_535)
                reply = Message.parse(octets)
            except BlockingIOError:
                return
            except (OSError, NamewiseError):
                # An ICMP error of an earlier message, or what is no message.
                continue
            with self._lock:
                sent = self._ids.get(reply.id)
                if sent is None or not reply.is_response or reply.opcode != "NOTIFY":
                    continue
                if (sent.server.where.address, sent.server.where.port) == sender[:2]:
                    self._answered(sent, reply)

    def _answered(self, sent: Sent, reply: Message) -> None:
        """Take note of the answer to a message. The lock is held."""
        key, now = (sent.zone, sent.server), self._clock()
        notice = self._notices.get(sent.zone, {}).get(sent.server)
        if notice is None:
            return
        try:
            if sent.verifier is not None:
                sent.verifier.read(reply.wire, int(now))
        except TsigError as error:
            # It may be forged: the server has the rest of the time to answer.
            notice = notice.doubted(
                f"{error} (rcode {reply.rcode})" if error.reported is None else str(error)
            )
        else:
            self._forget(key)
            notice = notice.answered(sent.serial, now, reply.rcode)
            self._plan(key, notice)
        self._notices[sent.zone][sent.server] = notice

    def _run(self) -> None:
        assert self._wake is not None, "start() made it"
        while not self._ended:
            try:
                wait = self.act()
                links = [self._wake[0], *self._sockets.values()]
                ready, _, _ = select.select(links, [], [], wait)
                for link in ready:
                    if link is self._wake[0]:
                        link.recv(4096)
                    else:
                        self._read(link)
            except Exception as error:
                if self._ended:
                    return
                self.log.event("error", "fault", f"notify: {error!r}")
                time.sleep(1.0)

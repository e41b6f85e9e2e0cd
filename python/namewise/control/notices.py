"""NOTIFY messages that a running server sends (RFC 1996 §3): `zones/notify.py` decides when, here are the sockets and the clock.

One thread sends what is due and reads the answers, over one UDP socket for each IP version. An answer counts if it comes from the
address that was notified and has the id of the message.
"""

from __future__ import annotations

import contextlib
import os
import select
import socket
import threading
import time
from typing import TYPE_CHECKING

from namewise.engine import Message, make_message
from namewise.engine.errors import NamewiseError
from namewise.zones.notify import Notice, Pace, targets

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from namewise.config.zones import Peer
    from namewise.control.log import Log
    from namewise.control.service import Service
    from namewise.zones.state import ZoneState

LONGEST_WAIT_S = 600.0


class Notices:
    """The NOTIFY messages of one service. All methods may be called from any thread."""

    def __init__(self, service: Service, log: Log, clock: Callable[[], float] = time.time) -> None:
        self.service = service
        self.log = log
        self._clock = clock
        self._notices: dict[tuple[str, Peer], Notice] = {}
        """By zone, in lower case, and server."""
        self._unknown: dict[str, list[str]] = {}
        """Name servers whose addresses are not known, by zone."""
        self._ids: dict[int, tuple[str, Peer, int]] = {}
        """Messages without answer, by id: zone, server, serial."""
        self._lock = threading.Lock()
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
        named = next((one.notify for one in self.service.config.zone if one.name.lower() == name), ())
        if zone is None or not named:
            return False
        found, unknown = targets(zone, named)
        own = {*self.service.addresses()}
        with self._lock:
            now, pace = self._clock(), self._pace
            wanted = {(name, one): None for one in found if str(one.where) not in own}
            for key in [key for key in self._notices if key[0] == name and key not in wanted]:
                del self._notices[key]
            for key in wanted:
                self._notices[key] = self._notices.get(key, Notice()).changed(zone.serial, now, pace)
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
                for (zone, server), one in self._notices.items()
                if zone == name.lower()
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
            now, pace, wait = self._clock(), self._pace, LONGEST_WAIT_S
            for key, notice in list(self._notices.items()):
                if notice.due is not None and notice.due <= now:
                    notice = notice.given_up(pace) or self._send(key, notice, now, pace)
                    self._notices[key] = notice
                    if notice.due is None:
                        self.log.event(
                            "warning",
                            "notify-unanswered",
                            f"zone {key[0]}: {key[1]} {notice.error}; it finds serial {notice.serial} by its next refresh",
                            zone=key[0],
                        )
                if notice.due is not None:
                    wait = min(wait, max(0.0, notice.due - now))
            return wait

    # Inside.

    @property
    def _pace(self) -> Pace:
        limits = self.service.config.secondaries
        return Pace(limits.notify_interval / 1000, limits.notify_retry / 1000, limits.notify_attempts)

    def _poke(self) -> None:
        if self._wake is not None:
            with contextlib.suppress(OSError):
                self._wake[1].send(b"\0")

    def _send(self, key: tuple[str, Peer], notice: Notice, now: float, pace: Pace) -> Notice:
        name, server = key
        state = self.service.registry.find(name)
        zone = None if state is None else state.current
        if zone is None or notice.serial is None:
            return notice._replace(due=None)
        soa = zone.rrset(zone.name, "SOA")
        assert soa is not None, "every zone has one"
        for old in [one for one, (zone_name, peer, _) in self._ids.items() if (zone_name, peer) == key]:
            del self._ids[old]
        number = int.from_bytes(os.urandom(2), "big")
        while number in self._ids:
            number = (number + 1) % 65_536
        message = make_message((zone.name, "SOA"), id=number, flags="aa", opcode="NOTIFY", answer=[soa])
        self._ids[number] = (name, server, notice.serial)
        notice = notice.notified(now, pace)
        try:
            self._socket(server).sendto(message.wire, (server.where.address, server.where.port))
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
                waiting = self._ids.get(reply.id)
                if waiting is None or not reply.is_response or reply.opcode != "NOTIFY":
                    continue
                name, server, serial = waiting
                if (server.where.address, server.where.port) != sender[:2]:
                    continue
                del self._ids[reply.id]
                notice = self._notices.get((name, server))
                if notice is not None:
                    self._notices[name, server] = notice.answered(serial, self._clock(), reply.rcode)

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

"""A server with secondary zones and scripted primaries, on a virtual clock: transfers, NOTIFY, failover, expiry, restarts."""

from __future__ import annotations

import base64
import socket
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import dns.edns
import dns.flags
import dns.message
import dns.opcode
import dns.query
import dns.rcode
import dns.tsig
import pytest
from logs import collect
from test_transfer import Primary, lines, reply, wires, zone

from namewise import Server
from namewise.control.secondaries import Secondaries

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from namewise.engine import Zone

SECRET = b"0123456789abcdef0123456789abcdef"
REFRESH, RETRY, EXPIRE = 3600, 600, 86_400


class Secondary:
    """A server whose secondary zone e. is followed when the test says so."""

    def __init__(self, server: Server, now: float) -> None:
        self.service = server._service
        assert self.service.secondaries is not None
        self.service.secondaries.close()
        self.now = now
        self.zones = Secondaries(self.service, self.service.log, lambda: self.now, lambda: 0.0)
        self.service.secondaries = self.zones
        self.service.events.handlers[4] = self.zones.notified
        self.logged = collect(self.service.log)
        self.port = int(server.addresses[0].rpartition(":")[2])

    def act(self) -> float:
        """Do what is due, and return for how long nothing is."""
        self.zones.act()
        for thread in list(self.zones._threads):
            thread.join(20)
        return self.zones.act()

    def ask(self, rtype: str = "SOA", name: str = "e.") -> dns.message.Message:
        return dns.query.udp(dns.message.make_query(name, rtype, use_edns=0), "127.0.0.1", 20, self.port)

    @property
    def serial(self) -> int | None:
        answer = self.ask()
        return answer.answer[0][0].serial if answer.rcode() == dns.rcode.NOERROR else None

    def notify(
        self,
        source: str = "127.0.0.1",
        serial: int | None = None,
        name: str = "e.",
        key: dns.tsig.Key | None = None,
    ) -> str:
        message = dns.message.make_query(name, "SOA")
        message.set_opcode(dns.opcode.NOTIFY)
        message.flags = dns.opcode.to_flags(dns.opcode.NOTIFY) | dns.flags.AA
        if serial is not None:
            message.answer = reply(message, lines(zone(serial))[:1]).answer
        if key is not None:
            message.use_tsig(key)
        answer = dns.query.udp(message, "127.0.0.1", 20, self.port, source=source)
        assert answer.had_tsig == (key is not None)
        assert answer.opcode() == dns.opcode.NOTIFY
        return dns.rcode.to_text(answer.rcode())

    @property
    def status(self) -> dict[str, Any]:
        found = self.zones.status("e.")
        assert found is not None
        return found

    @property
    def slugs(self) -> list[str]:
        return [slug for slug, _ in self.logged]


@contextmanager
def serving(
    folder: Path,
    *primaries: Primary | str,
    now: float = 1_800_000_000.0,
    secondaries: dict[str, str] | None = None,
    **more: Any,
) -> Iterator[Secondary]:
    named = [one if isinstance(one, str) else str(one.where) for one in primaries]
    config = {
        "listen": [{"address": "127.0.0.1", "port": 0}],
        "server": {"state": str(folder)},
        "secondaries": secondaries or {},
        "key": [{"name": "xfr", "secret": base64.b64encode(SECRET).decode()}],
        "zone": [{"name": "e", "kind": "secondary", "primaries": named, **more}],
    }
    with Server(config) as server:
        yield Secondary(server, now)


@pytest.fixture
def primary() -> Iterator[Primary]:
    one = Primary(*versions())
    yield one
    one.close()


def versions() -> tuple[Zone, ...]:
    return zone(1, "a", "b"), zone(2, "a", "c"), zone(4, "c", "d")


def at(primary: Primary, count: int) -> None:
    """Let *primary* have the first *count* versions."""
    primary.versions = versions()[:count]
    primary.asked.clear()


def test_a_zone_is_transferred_served_and_followed(tmp_path: Path, primary: Primary) -> None:
    at(primary, 1)
    with serving(tmp_path, primary) as secondary:
        # The thread of the server may have been the first.
        secondary.act()
        assert secondary.serial == 1 and secondary.ask("A", "b.e.").answer
        due = secondary.status["due"]
        assert secondary.status["expires"] - secondary.status["confirmed"] == EXPIRE
        at(primary, 2)
        secondary.now = due - 1
        secondary.act()
        assert primary.asked == []
        secondary.now = due
        secondary.act()
        assert primary.asked == ["SOA", "IXFR"] and secondary.serial == 2
        assert secondary.ask("A", "b.e.").rcode() == dns.rcode.NXDOMAIN
        change = secondary.service.registry.states["e."].change
        assert change is not None and (change.why, change.who) == ("ixfr", str(primary.where))
        # The same serial confirms it.
        primary.asked.clear()
        secondary.now += REFRESH
        secondary.act()
        assert primary.asked == ["SOA"] and secondary.status["confirmed"] == secondary.now


def test_notify_is_taken_from_primaries_and_leads_to_one_check(tmp_path: Path, primary: Primary) -> None:
    at(primary, 1)
    with serving(tmp_path, primary, notify_from=["127.0.0.3"]) as secondary:
        secondary.act()
        secondary.now += 60
        secondary.act()
        at(primary, 2)
        assert secondary.notify("127.0.0.2") == "REFUSED"
        assert secondary.notify(name="other.") == "NOTAUTH"
        assert secondary.notify(serial=1) == "NOERROR"
        secondary.act()
        assert primary.asked == [] and secondary.serial == 1
        for _ in range(20):
            assert secondary.notify(serial=2) == "NOERROR"
        secondary.act()
        assert primary.asked == ["SOA", "IXFR"] and secondary.serial == 2
        # Forged ones lead to one check in an interval, whatever serial they name.
        primary.asked.clear()
        for step in range(110):
            assert secondary.notify("127.0.0.3", serial=1000 + step) == "NOERROR"
            secondary.now += 0.1
            secondary.act()
        assert primary.asked == ["SOA", "SOA"]


def test_the_next_primary_is_asked_if_one_fails(tmp_path: Path, primary: Primary) -> None:
    at(primary, 1)
    with socket.create_server(("127.0.0.1", 0)) as listener:
        gone = "{}:{}".format(*listener.getsockname()[:2])
    stale = Primary(zone(0xFFFFFFF0))
    try:
        with serving(tmp_path, primary) as secondary:
            secondary.act()
        with serving(tmp_path, gone, stale, primary, now=1_800_000_000.0 + 10 * REFRESH) as secondary:
            at(primary, 2)
            secondary.zones.check("e.")
            secondary.act()
            assert secondary.serial == 2 and secondary.status["confirmed_by"] == str(primary.where)
            errors = [one["error"] for one in secondary.status["primaries"]]
            assert errors[0] == "Connection refused" and "older than 1" in errors[1] and errors[2] is None
            assert secondary.status["failures"] == 0
    finally:
        stale.close()


def test_a_bad_transfer_leaves_the_old_zone(tmp_path: Path, primary: Primary) -> None:
    at(primary, 1)
    with serving(tmp_path, primary) as secondary:
        secondary.act()
        at(primary, 2)
        primary.answers["IXFR"] = lambda query: [
            reply(query, [*lines(zone(2))[:2], "x.other. 60 IN A 192.0.2.1"])
        ]
        secondary.now += REFRESH
        secondary.act()
        assert secondary.serial == 1 and "outside of the zone" in secondary.status["primaries"][0]["error"]
        assert secondary.status["due"] == secondary.now + RETRY and "zone-not-refreshed" in secondary.slugs
        del primary.answers["IXFR"]
        secondary.now += RETRY
        secondary.act()
        assert secondary.serial == 2


def test_a_zone_expires_and_comes_back(tmp_path: Path, primary: Primary) -> None:
    at(primary, 1)
    with serving(tmp_path, primary) as secondary:
        secondary.zones.check("e.")
        secondary.act()
        confirmed = secondary.status["confirmed"]
        primary.answers["SOA"] = lambda query: [reply(query, [])]
        secondary.now = confirmed + 0.8 * EXPIRE - 1
        secondary.act()
        assert "zone-expires" not in secondary.slugs
        secondary.now += 1
        secondary.act()
        assert secondary.slugs.count("zone-expires") == 1 and secondary.serial == 1
        secondary.now = confirmed + EXPIRE - 1
        secondary.act()
        assert secondary.serial == 1
        secondary.now += 1
        secondary.act()
        assert secondary.serial is None and secondary.slugs.count("zone-expired") == 1
        answer = secondary.ask()
        assert answer.rcode() == dns.rcode.SERVFAIL
        assert [(option.code, option.text) for option in answer.extended_errors()] == [
            (24, "no primary has confirmed the zone in time")
        ]
        # Every RETRY, as before; and nothing of it is left when a primary has the zone again.
        for _ in range(8):
            secondary.now = secondary.status["due"]
            secondary.act()
        assert secondary.status["due"] - secondary.now == RETRY
        del primary.answers["SOA"]
        secondary.now = secondary.status["due"]
        secondary.act()
        assert secondary.serial == 1 and secondary.slugs.count("zone-expires") == 1
        state = secondary.service.registry.states["e."]
        assert (state.condition, state.error, state.detail) == ("loaded", "", "")


def test_a_zone_is_served_after_a_restart_until_it_expires(tmp_path: Path, primary: Primary) -> None:
    import time

    at(primary, 1)
    now = time.time()
    with serving(tmp_path, primary, now=now) as secondary:
        secondary.zones.check("e.")
        secondary.act()
        expires = secondary.status["expires"]
    primary.close()
    with serving(tmp_path, primary, now=now + 60) as secondary:
        secondary.act()
        assert secondary.serial == 1 and secondary.status["expires"] == expires
        # As if it had been confirmed long ago.
        store = secondary.service.registry.journal.store
        store.put_note(
            "e.", "secondary", {"serial": 1, "confirmed": now - 2 * EXPIRE, "expires": now - EXPIRE}
        )
    with serving(tmp_path, primary, now=now + 60) as secondary:
        assert secondary.serial is None and secondary.ask().rcode() == dns.rcode.SERVFAIL


def test_a_stored_zone_that_cannot_be_read_is_transferred_anew(tmp_path: Path, primary: Primary) -> None:
    import sqlite3

    at(primary, 1)
    with serving(tmp_path, primary) as secondary:
        secondary.act()
        assert secondary.serial == 1
    with sqlite3.connect(tmp_path / "zones.sqlite3") as db:
        db.execute("update image set crc = crc + 1")
    db.close()
    with serving(tmp_path, primary) as secondary:
        secondary.zones.check("e.")
        secondary.act()
        assert secondary.serial == 1


def test_a_reload_changes_the_primaries(tmp_path: Path, primary: Primary) -> None:
    at(primary, 1)
    other = Primary(*versions())
    try:
        with serving(tmp_path, primary) as secondary:
            secondary.act()
            service = secondary.service
            named = [{"name": "e", "kind": "secondary", "primaries": [str(other.where)]}]
            with Server(
                {
                    "listen": [{"address": "127.0.0.1", "port": 0}],
                    "server": {"state": str(tmp_path / "2")},
                    "zone": named,
                }
            ) as model:
                loaded = model._service.loaded
            service.loaded = service.loaded._replace(config=loaded.config)
            secondary.now += 60
            secondary.act()
            assert secondary.serial == 4 and secondary.status["confirmed_by"] == str(other.where)
    finally:
        other.close()


def test_a_stop_breaks_a_transfer_off(tmp_path: Path, primary: Primary) -> None:
    at(primary, 1)
    held: list[dns.message.Message] = []
    with serving(tmp_path, primary) as secondary:
        secondary.act()
        at(primary, 2)
        silent = socket.create_server(("127.0.0.1", 0))
        secondary.zones._settings["e."] = secondary.zones._settings["e."].__class__(
            name="e.", primaries=("{}:{}".format(*silent.getsockname()[:2]),)
        )
        secondary.zones.check("e.")
        secondary.now += 60
        secondary.zones.act()
        link, _ = silent.accept()
        secondary.zones.close()
        assert not secondary.zones._threads and not held
        link.close()
        silent.close()


def test_a_primary_that_falls_silent_holds_up_neither_the_zone_nor_the_operator(
    tmp_path: Path, primary: Primary
) -> None:
    at(primary, 1)
    silent = socket.create_server(("127.0.0.1", 0))
    where = "{}:{}".format(*silent.getsockname()[:2])
    with serving(tmp_path / "next", where, primary, secondaries={"idle": "1s"}) as secondary:
        secondary.act()
        # The next primary had it.
        assert secondary.serial == 1
        assert secondary.status["primaries"][0]["error"] == "the primary sent nothing for 1 s"
    silent.accept()[0].close()
    with serving(tmp_path / "again", where, primary, secondaries={"idle": "1h"}) as secondary:
        secondary.zones.act()
        link, _ = silent.accept()
        # The transfer that hangs ends when another one is wanted.
        assert secondary.zones.check("e.", whole=True)
        silent.close()
        secondary.act()
        secondary.now += 60
        secondary.act()
        assert secondary.serial == 1
        link.close()


def test_a_transfer_that_is_not_authentic_keeps_the_old_zone_and_shows_why(tmp_path: Path) -> None:
    key = dns.tsig.Key("xfr.", SECRET, "hmac-sha256")
    primary = Primary(*versions(), key=key)
    try:
        at(primary, 1)
        with serving(tmp_path, f"{primary.where} key xfr.", notify_from=["key xfr."]) as secondary:
            secondary.act()
            assert secondary.serial == 1
            at(primary, 2)
            # One message of the transfer is not signed.
            primary.wires = lambda replies: wires(replies, {1} if len(replies) > 1 else ())
            secondary.now += 60
            # A NOTIFY that is signed may come from any address.
            assert secondary.notify("127.0.0.9") == "REFUSED"
            assert secondary.notify("127.0.0.9", key=key) == "NOERROR"
            secondary.act()
            assert secondary.serial == 1 and primary.asked == ["SOA", "IXFR"]
            (shown,) = secondary.status["primaries"]
            assert shown["error"] == "the last message of the transfer is not signed"
            assert shown["primary"] == f"{primary.where} key xfr." and "zone-not-refreshed" in secondary.slugs
            primary.wires = wires
            secondary.now = secondary.status["due"]
            secondary.act()
            assert secondary.serial == 2 and secondary.status["primaries"][0]["error"] is None
    finally:
        primary.close()


def test_the_time_that_is_left_is_said_to_those_who_ask(tmp_path: Path, primary: Primary) -> None:
    """RFC 7314 §4."""
    ask = dns.edns.GenericOption(dns.edns.OptionType.make(9), b"")

    def left(secondary: Secondary, rtype: str = "SOA", *, wanted: bool = True) -> int | None:
        query = dns.message.make_query("e.", rtype, use_edns=0, options=[ask] if wanted else [])
        answer = dns.query.tcp(query, "127.0.0.1", 20, secondary.port)
        found = [option.to_wire() for option in answer.options if option.otype == 9]
        return int.from_bytes(found[0] or b"", "big") if found else None

    at(primary, 1)
    primary.expire = 5000
    with serving(tmp_path, primary, now=time.time(), transfer=["127.0.0.1"]) as secondary:
        secondary.act()
        for rtype in ("SOA", "AXFR"):
            seconds = left(secondary, rtype)
            assert seconds is not None and 4000 < seconds <= 5000
        assert left(secondary, "NS") is None and left(secondary, wanted=False) is None
        # A confirmation begins the time anew.
        primary.expire = None
        secondary.now += REFRESH
        secondary.act()
        seconds = left(secondary)
        assert seconds is not None and EXPIRE < seconds <= EXPIRE + REFRESH

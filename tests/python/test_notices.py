"""NOTIFY messages that a server sends: when, on a virtual clock, and to a scripted secondary."""

from __future__ import annotations

import base64
import select
import socket
import time
from typing import TYPE_CHECKING, Any

import dns.flags
import dns.message
import dns.opcode
import dns.rcode
import dns.tsig
from logs import collect

from namewise import Server
from namewise.config.zones import peer
from namewise.control.notices import Notices
from namewise.engine import Zone
from namewise.zones.notify import Notice, Pace, targets

if TYPE_CHECKING:
    from pathlib import Path

PACE = Pace(interval_s=5.0, retry_s=60.0, attempts=6)
ZONE = """\
@ 60 SOA ns1 h {} 3600 600 86400 60
@ 60 NS ns1
@ 60 NS ns2
@ 60 NS ns.other.
ns1 60 A 192.0.2.1
ns2 60 A 192.0.2.2
ns2 60 AAAA 2001:db8::2
"""


def test_a_notify_without_answer_is_repeated_five_times() -> None:
    notice, sent, now = Notice().changed(7, 0.0, PACE), [], 0.0
    while notice.due is not None:
        now = notice.due
        given_up = notice.given_up(PACE)
        if given_up is not None:
            notice = given_up
            break
        sent.append(now)
        notice = notice.notified(now, PACE)
    assert sent == [0, 60, 120, 180, 240, 300] and now == 360
    assert notice.due is None and notice.error == "no answer to 6 NOTIFY"


def test_an_answer_ends_the_attempts_and_a_change_begins_anew() -> None:
    notice = Notice().changed(7, 0.0, PACE).notified(0.0, PACE)
    assert notice.answered(6, 1.0, "NOERROR") is notice
    done = notice.answered(7, 1.0, "NOERROR")
    assert (done.due, done.acknowledged, done.error) == (None, 1.0, "")
    assert notice.answered(7, 1.0, "NOTAUTH").error == "answers NOTAUTH"
    # Changes within the interval lead to one NOTIFY, of the newest.
    for serial in range(8, 20):
        done = done.changed(serial, 2.0, PACE)
    assert (done.serial, done.due, done.attempts) == (19, 5.0, 0)


def test_name_servers_are_notified_but_the_primary_that_the_soa_names() -> None:
    zone = Zone.from_text("e.", ZONE.format(1))
    found, unknown = targets(zone, ["ns", "192.0.2.9:5353 key xfr."])
    assert [str(one) for one in found] == ["192.0.2.2:53", "[2001:db8::2]:53", "192.0.2.9:5353 key xfr."]
    assert unknown == ["ns.other."]
    assert targets(zone, []) == ([], [])


def test_a_server_notifies_at_the_start_and_after_a_reload(tmp_path: Path) -> None:
    file = tmp_path / "e.zone"
    file.write_text(ZONE.format(1))
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as secondary:
        secondary.bind(("127.0.0.1", 0))
        secondary.settimeout(20)
        where = f"127.0.0.1:{secondary.getsockname()[1]}"
        config = {
            "listen": [{"address": "127.0.0.1", "port": 0}],
            "zone": [{"name": "e", "file": str(file), "notify": [where]}],
            "secondaries": {"notify_interval": "100ms"},
        }
        with Server(config) as server:
            for serial in (1, 2):
                octets, sender = secondary.recvfrom(4096)
                message = dns.message.from_wire(octets)
                assert message.opcode() == dns.opcode.NOTIFY and message.flags & dns.flags.AA
                assert message.answer[0][0].serial == serial
                reply = dns.message.make_response(message)
                # One with another id changes nothing.
                reply.id ^= 1
                secondary.sendto(reply.to_wire(), sender)
                reply.id ^= 1
                secondary.sendto(reply.to_wire(), sender)
                if serial == 1:
                    file.write_text(ZONE.format(2))
                    server.reload()


def test_what_a_server_knows_is_shown(tmp_path: Path) -> None:
    file = tmp_path / "e.zone"
    file.write_text(ZONE.format(1))
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as secondary:
        secondary.bind(("127.0.0.1", 0))
        secondary.settimeout(20)
        where = f"127.0.0.1:{secondary.getsockname()[1]}"
        config = {
            "listen": [{"address": "127.0.0.1", "port": 0}],
            "zone": [{"name": "e", "file": str(file), "notify": [where]}],
        }
        with Server(config) as server:
            service = server._service
            assert service.notices is not None
            service.notices.close()
            now = [1_800_000_000.0]
            logged = collect(service.log)
            notices = Notices(service, service.log, lambda: now[0])
            assert notices.changed(service.registry.states["e."])
            for _ in range(7):
                now[0] += notices.act()
            (status,) = notices.status("e.")
            assert status["server"] == str(peer(where)) and status["attempts"] == 6
            assert status["error"] == "no answer to 6 NOTIFY" and [slug for slug, _ in logged] == [
                "notify-unanswered"
            ]
            assert notices.changed(service.registry.states["e."])
            notices.act()
            secondary.setblocking(False)
            octets = b""
            try:
                while True:
                    octets, sender = secondary.recvfrom(4096)
            except BlockingIOError:
                pass
            reply = dns.message.make_response(dns.message.from_wire(octets))
            reply.set_rcode(dns.rcode.NOTAUTH)
            secondary.sendto(reply.to_wire(), sender)
            (link,) = notices._sockets.values()
            notices._read(link)
            (status,) = notices.status("e.")
            assert status["error"] == "answers NOTAUTH" and status["due"] is None


def test_a_signed_notify_needs_a_signed_answer(tmp_path: Path) -> None:
    file, secret = tmp_path / "e.zone", b"0123456789abcdef0123456789abcdef"
    file.write_text(ZONE.format(1))
    key = dns.tsig.Key("xfr.", secret, "hmac-sha256")
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as secondary:
        secondary.bind(("127.0.0.1", 0))
        secondary.settimeout(20)
        where = f"127.0.0.1:{secondary.getsockname()[1]} key xfr."
        config = {
            "listen": [{"address": "127.0.0.1", "port": 0}],
            "key": [{"name": "xfr", "secret": base64.b64encode(secret).decode()}],
            "zone": [{"name": "e", "file": str(file), "notify": [where]}],
        }
        with Server(config) as server:
            service = server._service
            assert service.notices is not None
            service.notices.close()
            while service.notices._ids:
                secondary.recv(4096)
                service.notices._ids.popitem()
            now = [time.time()]
            notices = Notices(service, service.log, lambda: now[0])
            assert notices.changed(service.registry.states["e."])
            notices.act()
            octets, sender = secondary.recvfrom(4096)
            message = dns.message.from_wire(octets, keyring=key)
            assert message.had_tsig
            (link,) = notices._sockets.values()

            def answer(reply: bytes) -> dict[str, Any]:
                secondary.sendto(reply, sender)
                select.select([link], [], [], 20)
                notices._read(link)
                (status,) = notices.status("e.")
                return status

            reply = dns.message.make_response(message)
            reply.tsig = None
            status = answer(reply.to_wire())
            assert "no TSIG record" in status["error"] and status["due"] is not None
            reply = dns.message.make_response(message)
            reply.keyring = dns.tsig.Key("xfr.", b"another", "hmac-sha256")
            status = answer(reply.to_wire())
            assert "compare the secrets" in status["error"] and status["acknowledged"] is None
            status = answer(dns.message.make_response(message).to_wire())
            assert status["error"] is None and status["acknowledged"] == now[0] and status["due"] is None


def test_many_notices_are_sent_at_the_rate_of_the_settings(tmp_path: Path) -> None:
    file = tmp_path / "e.zone"
    file.write_text(ZONE.format(1))
    config = {
        "listen": [{"address": "127.0.0.1", "port": 0}],
        "zone": [{"name": "e", "file": str(file), "notify": [f"127.0.1.{host}:9" for host in range(1, 51)]}],
        "secondaries": {"notify_rate": 10},
    }
    with Server(config) as server:
        service = server._service
        assert service.notices is not None
        service.notices.close()
        now = [1_800_000_000.0]
        notices = Notices(service, service.log, lambda: now[0])
        assert notices.changed(service.registry.states["e."])
        begun = now[0]
        while sum(one["attempts"] == 1 for one in notices.status("e.")) < 50:
            now[0] += notices.act()
        assert 4.8 <= max(one["sent"] for one in notices.status("e.")) - begun <= 5.1

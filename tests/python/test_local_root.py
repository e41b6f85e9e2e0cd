"""The local copy of the root: transfer, check, refresh by the times of its SOA, and what a restart keeps (RFC 8806, RFC 8976)."""

from __future__ import annotations

import os
import re
import socket
import threading
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import dns.flags
import dns.message
import dns.rrset
import dns.zone
import pytest
from commands import nw
from logs import collect
from primary import Primary, messages
from servers import running

from namewise import Server
from namewise.config import ConfigError, load
from namewise.config.origin import Origin, Overlay
from namewise.config.values import endpoint
from namewise.control.local_root import FILE, RootCopy
from namewise.engine import Resolve, Zone, verify_zonemd
from namewise.engine.errors import TransferError
from namewise.zones.serial import is_newer
from namewise.zones.transfer import Limits, transfer

if TYPE_CHECKING:
    from collections.abc import Iterator

    from logs import Logged

    from namewise.control.service import Service

REFRESH, RETRY, EXPIRE = 1800, 900, 604_800
LIMITS = Limits(1 << 20, 1000, 60.0)


def root(serial: int, *, digest: bool = True, damaged: bool = False, more: str = "") -> str:
    """Return a root zone, one record a line, with the ZONEMD digest that dnspython computes."""
    text = f"""\
. 86400 IN SOA a.root-servers.net. nstld. {serial} {REFRESH} {RETRY} {EXPIRE} 86400
. 518400 IN NS a.root-servers.net.
a.root-servers.net. 518400 IN A 198.41.0.4
com. 172800 IN NS a.gtld-servers.net.
a.gtld-servers.net. 172800 IN A 192.5.6.30
{more}"""
    if digest:
        placeholder = f". 86400 IN ZONEMD {serial} 1 1 {'00' * 48}\n"
        zone = dns.zone.from_text(text + placeholder, origin=".", relativize=False)
        computed = zone.compute_digest(1).digest.hex()
        text += placeholder.replace("00" * 48, "11" * 48 if damaged else computed)
    return text


@pytest.fixture
def primary() -> Iterator[Primary]:
    one = Primary(root(1))
    yield one
    one.close()


# Transfer


def test_a_transfer_is_the_zone_of_the_primary(primary: Primary) -> None:
    zone = transfer(".", endpoint(primary.where), None, LIMITS)
    assert zone is not None
    assert zone.to_text() == Zone.from_text(".", primary.text).to_text()
    assert verify_zonemd(zone, 0) == "SHA-384"
    assert primary.asked == ["SOA", "AXFR"]


def test_the_same_serial_is_not_transferred_again(primary: Primary) -> None:
    assert transfer(".", endpoint(primary.where), 1, LIMITS) is None
    assert primary.asked == ["SOA"]


def test_serials_are_compared_in_a_circle() -> None:
    assert is_newer(2, 1) and is_newer(1, 0xFFFFFFFF)
    assert not is_newer(1, 1) and not is_newer(1, 2) and not is_newer(0xFFFFFFFF, 1)


def _flip(wire: bytes, at: int, bit: int) -> bytes:
    return wire[:at] + bytes([wire[at] ^ bit]) + wire[at + 1 :]


BROKEN: dict[str, tuple[Any, str]] = {
    "ends early": (lambda query: messages(query, root(1))[:2], "INCOMPLETE"),
    "another id": (lambda query: [_flip(one, 0, 1) for one in messages(query, root(1))], "NOT_THE_REPLY"),
    "refused": (lambda query: [_refused(query)], "RCODE"),
    "another SOA at the end": (
        lambda query: [*messages(query, root(1))[:2], *messages(query, root(2))[2:]],
        "OTHER_SOA",
    ),
    "cut": (lambda query: [messages(query, root(1))[0][:-3]], "MALFORMED"),
    "for ever": (lambda query: messages(query, root(1))[:1] + messages(query, root(1))[1:2] * 2000, "TOO_MANY_RECORDS"),
    "large": (lambda query: messages(query, root(1, more=_large()), 20), "TOO_MANY_OCTETS"),
    "no zone": (lambda query: messages(query, root(1).splitlines()[0]), "BAD_ZONE"),
}  # fmt: skip


def _large() -> str:
    return "".join(f"t{n}. 60 IN TXT {' '.join([chr(34) + 'x' * 250 + chr(34)] * 8)}\n" for n in range(700))


def _refused(query: dns.message.Message) -> bytes:
    reply = dns.message.make_response(query)
    reply.set_rcode(5)
    return reply.to_wire()


@pytest.mark.parametrize("case", BROKEN)
def test_what_is_no_transfer_is_refused(primary: Primary, case: str) -> None:
    primary.answer, code = BROKEN[case]
    with pytest.raises(TransferError) as caught:
        transfer(".", endpoint(primary.where), None, LIMITS)
    assert caught.value.code == code


SOA: dict[str, tuple[Any, str]] = {
    "no reply": (lambda query: (), "INCOMPLETE"),
    "another id": (lambda query: [_flip(_refused(query), 0, 1)], "NOT_THE_REPLY"),
    "refused": (lambda query: [_refused(query)], "RCODE"),
    "without SOA": (lambda query: [_flip(dns.message.make_response(query).to_wire(), 2, 4)], "NO_SOA"),
    "not authoritative": (lambda query: [dns.message.make_response(query).to_wire()], "NOT_AUTHORITATIVE"),
    "malformed": (lambda query: [b"x"], "MALFORMED"),
}


@pytest.mark.parametrize("case", SOA)
def test_a_primary_without_soa_is_refused(primary: Primary, case: str) -> None:
    primary.soa, code = SOA[case]
    primary.close_after_soa = case == "no reply"
    with pytest.raises(TransferError) as caught:
        transfer(".", endpoint(primary.where), None, LIMITS)
    assert caught.value.code == code and primary.asked == ["SOA"]


def test_an_older_zone_is_refused(primary: Primary) -> None:
    with pytest.raises(TransferError, match="serial 1, which is older than 5"):
        transfer(".", endpoint(primary.where), 5, LIMITS)


def test_a_primary_that_does_not_end_is_left_at_the_deadline(primary: Primary) -> None:
    over = threading.Event()

    def stalls(query: dns.message.Message) -> Iterator[bytes]:
        yield messages(query, root(1))[0]
        over.wait(20)

    primary.answer = stalls
    with pytest.raises(TimeoutError):
        transfer(".", endpoint(primary.where), None, LIMITS._replace(timeout_s=0.2))
    over.set()


def test_a_primary_that_is_not_there() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        where = "{}:{}".format(*listener.getsockname()[:2])
    with pytest.raises(OSError):
        transfer(".", endpoint(where), None, LIMITS)


# A running server


class Clock:
    """Seconds since 1970, as the test says."""

    def __init__(self) -> None:
        self.now = 1_800_000_000.0

    def __call__(self) -> float:
        return self.now


@contextmanager
def serving(
    folder: Path, local_root: dict[str, Any], clock: Clock
) -> Iterator[tuple[RootCopy, Service, Logged]]:
    """Yield the local root of a server, without its thread, the service, and what it logs."""
    config = {
        "listen": [{"address": "127.0.0.1", "port": 0}],
        "server": {"state": str(folder)},
        "resolver": {"validation": "off"},
        "local_root": local_root,
    }
    with Server(config) as server:
        service = server._service
        assert service.root is not None
        service.root.close()
        yield RootCopy(service, service.log, clock), service, collect(service.log)


def test_a_copy_is_transferred_used_and_saved(tmp_path: Path, primary: Primary) -> None:
    clock = Clock()
    with serving(tmp_path, {"primaries": [primary.where]}, clock) as (copy, service, logged):
        copy.load()
        assert copy.why == "no copy has been transferred yet"
        wait = copy.act()
        assert (copy.why, wait) == ("", 600.0)
        status = copy.status()
        assert status is not None and (status["serial"], status["source"], status["digest"]) == (
            1, primary.where, "SHA-384",
        )  # fmt: skip
        assert (status["refresh"], status["expires"]) == (clock.now + REFRESH, clock.now + EXPIRE)
        assert [slug for slug, _ in logged] == ["root-copy"]
        saved = tmp_path / FILE
        assert Zone.from_file(".", saved).serial == 1 and saved.stat().st_mtime == clock.now
        # NXDOMAIN from the copy: no root server can be asked here.
        done = service.events.submit(Resolve("nothing-at-all.", "A")).result(20)
        assert done.wire is not None and done.wire[3] & 15 == 3
        assert "local copy of the root, serial 1: the name does not exist" in (done.explanation or "")


def test_the_soa_says_when_the_root_is_asked_again(tmp_path: Path, primary: Primary) -> None:
    clock = Clock()
    with serving(tmp_path, {"primaries": [primary.where]}, clock) as (copy, _, logged):
        copy.load()
        copy.act()
        primary.asked.clear()
        clock.now += REFRESH - 1
        copy.act()
        assert primary.asked == []
        # Refresh: the same serial confirms the copy.
        clock.now += 1
        copy.act()
        assert primary.asked == ["SOA"] and copy.copy is not None and copy.copy.confirmed == clock.now
        assert (tmp_path / FILE).stat().st_mtime == clock.now
        # A new serial replaces it.
        primary.text = root(2)
        clock.now += REFRESH
        copy.act()
        assert copy.copy.serial == 2 and Zone.from_file(".", tmp_path / FILE).serial == 2
        # A failure is retried after the retry time, and the copy stays until it expires.
        primary.answer, primary.text = BROKEN["ends early"][0], root(3)
        clock.now += REFRESH
        confirmed = copy.copy.confirmed
        copy.act()
        assert copy.copy.serial == 2 and copy.why == ""
        assert logged[-1][0] == "root-not-refreshed" and f"{RETRY} s" in logged[-1][1]
        primary.asked.clear()
        clock.now += RETRY - 1
        copy.act()
        assert primary.asked == []
        clock.now = float(confirmed + EXPIRE)
        copy.act()
        assert copy.why == "the copy with serial 2 has expired"
        assert "root-unusable" in [slug for slug, _ in logged]
        # It comes back as soon as a primary has the zone.
        primary.answer = lambda query: messages(query, primary.text)
        clock.now += RETRY
        copy.act()
        assert (copy.why, copy.copy.serial) == ("", 3)


def test_a_confirmed_copy_is_published_again_before_it_would_expire(tmp_path: Path, primary: Primary) -> None:
    clock = Clock()
    with serving(tmp_path, {"primaries": [primary.where]}, clock) as (copy, _, _):
        copy.load()
        copy.act()
        expiries = []
        for _ in range(8 * 48):
            clock.now += REFRESH
            copy.act()
            assert isinstance(copy._published, tuple)
            expiries.append(copy._published[1])
            assert expiries[-1] - clock.now >= EXPIRE // 2, "the engine could use it for days without us"
        assert len(set(expiries)) == 3, "in eight days it is published anew every three and a half"
        assert copy.why == "" and copy.copy is not None and copy.copy.serial == 1


@pytest.mark.parametrize(
    "text, reason",
    [
        (root(2, damaged=True), "the data of the zone have another digest"),
        (root(2, digest=False), "has no ZONEMD record"),
        (root(2).replace("192.5.6.30", "192.5.6.31"), "the data of the zone have another digest"),
    ],
)
def test_a_copy_that_fails_its_check_is_not_used(
    tmp_path: Path, primary: Primary, text: str, reason: str
) -> None:
    clock, second = Clock(), Primary(root(1))
    with serving(tmp_path, {"primaries": [primary.where, second.where]}, clock) as (copy, _, logged):
        primary.text = text
        copy.load()
        copy.act()
        # The next primary is asked.
        assert copy.copy is not None and copy.copy.source == second.where
        refused = [text for slug, text in logged if slug == "root-refused"]
        assert len(refused) == 1 and reason in refused[0] and primary.where in refused[0]
        # A wrong newer copy does not replace the one in use.
        second.text = text
        clock.now += REFRESH
        copy.act()
        assert copy.copy.serial == 1 and copy.why == ""
    second.close()


def test_a_copy_without_zonemd_is_accepted_if_that_is_allowed(tmp_path: Path, primary: Primary) -> None:
    primary.text = root(1, digest=False)
    table = {"primaries": [primary.where], "require_zonemd": False}
    with serving(tmp_path, table, Clock()) as (copy, _, _):
        copy.load()
        copy.act()
        status = copy.status()
        assert status is not None and status["used"] and status["digest"] is None


def test_a_restart_uses_the_saved_copy(tmp_path: Path, primary: Primary) -> None:
    clock = Clock()
    (tmp_path / FILE).write_text(root(7))
    os.utime(tmp_path / FILE, (clock.now - 100, clock.now - 100))
    with serving(tmp_path, {"primaries": [primary.where]}, clock) as (copy, _, _):
        copy.load()
        assert copy.why == "" and copy.copy is not None
        assert (copy.copy.serial, copy.copy.expires) == (7, clock.now - 100 + EXPIRE)
        copy.act()
        assert primary.asked == []
        # A primary with an older zone does not replace it.
        clock.now += REFRESH
        copy.act()
        assert primary.asked == ["SOA"] and copy.copy.serial == 7


def test_a_saved_copy_that_has_expired_is_not_used(tmp_path: Path, primary: Primary) -> None:
    clock = Clock()
    (tmp_path / FILE).write_text(root(7))
    os.utime(tmp_path / FILE, (clock.now - EXPIRE, clock.now - EXPIRE))
    with serving(tmp_path, {"primaries": [primary.where]}, clock) as (copy, _, _):
        copy.load()
        assert copy.why == "the copy with serial 7 has expired"


def test_a_broken_file_is_reported_with_its_line(tmp_path: Path, primary: Primary) -> None:
    (tmp_path / FILE).write_text(root(7).replace("192.5.6.30", "192.5.6.300"))
    with serving(tmp_path, {"primaries": [primary.where]}, Clock()) as (copy, _, logged):
        copy.load()
        assert f"{tmp_path / FILE}:5:" in logged[0][1] and logged[0][0] == "root-refused"
        copy.act()
        assert copy.why == "" and Zone.from_file(".", tmp_path / FILE).serial == 1


def test_a_copy_that_cannot_be_saved_is_used(tmp_path: Path, primary: Primary) -> None:
    (tmp_path / f"{FILE}.new").mkdir()
    with serving(tmp_path, {"primaries": [primary.where]}, Clock()) as (copy, _, logged):
        copy.load()
        copy.act()
        assert copy.why == "" and not (tmp_path / FILE).exists()
        (text,) = [text for slug, text in logged if slug == "root-not-saved"]
        assert text.startswith(f"{tmp_path / FILE} cannot be written: ")


def test_a_zone_file_is_read_again_when_it_changes(tmp_path: Path) -> None:
    clock, file = Clock(), tmp_path / "my.zone"

    def write(text: str) -> None:
        file.write_text(text)
        os.utime(file, (clock.now, clock.now))

    write(root(1))
    with serving(tmp_path, {"file": str(file), "primaries": []}, clock) as (copy, _, logged):
        copy.load()
        assert copy.copy is not None and (copy.copy.serial, copy.copy.source) == (1, str(file))
        clock.now += 60
        write(root(2, damaged=True))
        copy.act()
        assert copy.copy.serial == 1 and "another digest" in logged[-1][1]
        clock.now += 60
        write(root(3))
        copy.act()
        assert copy.copy.serial == 3
        clock.now += EXPIRE
        copy.act()
        assert copy.why == "the copy with serial 3 has expired"
        file.unlink()
        copy.act()
        assert "No such file" in logged[-1][1]


def test_a_copy_is_checked_again_when_the_trust_anchors_change(tmp_path: Path, primary: Primary) -> None:
    anchor = tmp_path / "anchor"
    anchor.write_text(f". DS 1 13 2 {'00' * 32}\n")
    table = {"primaries": [primary.where], "file": str(tmp_path / "my.zone")}
    (tmp_path / "my.zone").write_text(root(1))
    with serving(tmp_path, table, Clock()) as (copy, service, logged):

        def validate(how: str) -> None:
            config = {
                "listen": [{"address": "127.0.0.1", "port": 0}],
                "server": {"state": str(tmp_path)},
                "resolver": {"validation": how, "trust_anchor": str(anchor)},
                "local_root": table,
            }
            service.load = lambda: load(
                None, environ={}, flags=Overlay.of(config, Origin("program", "config"))
            )
            service.reload()
            copy.act()

        copy.load()
        copy.act()
        assert copy.why == "" and copy.copy is not None
        primary.asked.clear()
        validate("on")
        assert copy.copy is None and "does not pass its check" in copy.why
        assert primary.asked == ["SOA", "AXFR"], "another copy is fetched at once"
        assert "root-unusable" in [slug for slug, _ in logged]
        validate("off")
        status = copy.status()
        assert status is not None and (status["used"], status["serial"]) == (True, 1)
        # Other changes of the settings cost no check.
        checked = copy.copy
        service.reload()
        copy.act()
        assert copy.copy is checked


def test_the_commands_show_the_copy(tmp_path: Path, primary: Primary) -> None:
    control = str(tmp_path / "control.sock")
    config = tmp_path / "namewise.toml"
    config.write_text(
        f"""\
[server]
state = "{tmp_path / "state"}"
[[listen]]
address = "127.0.0.1"
port = 0
[resolver]
validation = "off"
[local_root]
primaries = ["{primary.where}"]
"""
    )
    with running("serve", "--config", str(config), "--control", control, ready="local root: serial 1") as (
        _,
        lines,
    ):
        assert lines[-1].endswith(
            f"local root: serial 1, 6 records, from {primary.where}, SHA-384 digest verified"
        )
        status = nw("ctl", "status", "--control", control).stdout
        start = (
            f"local root: serial 1, 6 records, from {primary.where}, SHA-384 digest verified, confirmed 20"
        )
        assert any(line.startswith(start) for line in status.splitlines()), status
        explained = nw("explain", "nothing-at-all", "--control", control).stdout
        assert "local copy of the root, serial 1: the name does not exist" in explained
        routed = nw("route", "www.example.com", "--control", control).stdout
        assert "the local copy of the root, serial 1, answers in their place" in routed
        # Without the table, the root servers are asked again.
        config.write_text(config.read_text().partition("[local_root]")[0])
        assert nw("ctl", "reload", "--control", control).returncode == 0
        assert "local root" not in nw("ctl", "status", "--control", control).stdout


def test_the_configurations_of_the_page_are_valid(tmp_path: Path) -> None:
    page = (Path(__file__).parents[2] / "docs/local-root.md").read_text()
    blocks = re.findall(r"```toml\n(.*?)```", page, re.DOTALL)
    assert len(blocks) == 2
    for at, block in enumerate(blocks):
        file = tmp_path / f"{at}.toml"
        file.write_text(block if "[resolver]" in block else f"[resolver]\n{block}")
        assert load(str(file), environ={}).config.local_root is not None


@pytest.mark.parametrize(
    "text, message",
    [
        ("[local_root]\n", "the local root serves the resolver"),
        ("[resolver]\n[local_root]\nprimaries = []\n", "needs at least one entry, or a file"),
        (
            '[resolver]\n[[forward]]\nservers = ["192.0.2.1"]\nauthoritative = true\n[local_root]\n',
            'a [[forward]] names the servers of "."',
        ),
        ('[resolver]\n[local_root]\nprimaries = ["here"]\n', "here"),
    ],
)
def test_a_table_without_use_is_an_error(tmp_path: Path, text: str, message: str) -> None:
    file = tmp_path / "namewise.toml"
    file.write_text(text)
    with pytest.raises(ConfigError, match=re.escape(message)):
        load(str(file), environ={})


def test_a_thread_follows_the_root_of_a_server(tmp_path: Path, primary: Primary) -> None:
    # With its own thread and the real clock.
    config = {
        "listen": [{"address": "127.0.0.1", "port": 0}],
        "resolver": {"validation": "off"},
        "local_root": {"primaries": [primary.where]},
    }
    with Server(config) as server:
        copy = server._service.root
        assert copy is not None
        copy.act()
        assert copy.why == "" and copy.copy is not None and copy.copy.serial == 1
        assert server._service.engine.artifacts == ["local-root"]

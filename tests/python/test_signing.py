"""A server that signs its zones: keys, roll-overs, reloads, restarts, renewal, on a virtual clock. Each step is verified."""

from __future__ import annotations

import json
import os
import re
from typing import TYPE_CHECKING, Any

import pytest
from logs import collect
from ports import free_port

from namewise.config import ConfigError, load
from namewise.control.log import Log
from namewise.control.service import Service
from namewise.control.signing import Clock, Signing
from namewise.control.sockets import Sockets
from namewise.dnssec.anchors import Ds
from namewise.dnssec.policy import Role
from namewise.dnssec.zone_keys import Parent
from namewise.engine import RRset, play, verify_zone
from namewise.engine.errors import KeyFileError, NamewiseError
from namewise.zones.state import Cause
from namewise.zones.sync import sync

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from namewise.engine import Zone
    from namewise.zones import ZoneState

HOUR, DAY = 3600, 86_400
ZONE = """\
$ORIGIN example.com.
$TTL 60
@ 900 IN SOA ns1 admin {serial} 1800 900 604800 300
@ NS ns1
ns1 A 192.0.2.2
{records}
"""
RECORDS = "www A 192.0.2.80\nplain NS ns.plain\nns.plain A 192.0.2.3\nx.y TXT t\n"
POLICY = """\
keys = "{keys}"
algorithm = "{algorithm}"
ksk_lifetime = "{ksk}"
zsk_lifetime = "{zsk}"
dnskey_ttl = "60s"
max_zone_ttl = "15m"
zone_propagation_delay = "60s"
parent_propagation_delay = "60s"
parent_ds_ttl = "5m"
publish_safety = "60s"
retire_safety = "60s"
signatures_validity = "24h"
signatures_validity_dnskey = "24h"
signatures_refresh = "8h"
signatures_jitter = "2h"
"""
SCENARIO = """\
about = "A zone that the server signed is secure"
rfc = ["4035 §5"]
standard = true
unix_s = {now}

[resolver]

[[host]]
name = "root"
addresses = ["198.41.0.4"]
sign."." = {{}}
zones."." = '''
@ 86400 SOA a.root-servers.net. nstld. 1 1800 900 604800 86400
@ 518400 NS a.root-servers.net.
a.root-servers.net. 518400 A 198.41.0.4
com. 172800 NS ns.com.
ns.com. 172800 A 192.0.2.1
'''

[[host]]
name = "com"
addresses = ["192.0.2.1"]
sign."com." = {{}}
zones."com." = '''
@ 900 SOA ns h 1 1800 900 604800 900
@ 3600 NS ns
ns 3600 A 192.0.2.1
example 3600 NS ns1.example
ns1.example 3600 A 192.0.2.2
{ds}'''

[[host]]
name = "ns1"
addresses = ["192.0.2.2"]
zones."example.com." = '''
{zone}'''
"""
STEP = """
[[step]]
query = "{query}"
dnssec_ok = true
[step.expect]
rcode = "{rcode}"
{flags} = ["AD"]
"""


class World:
    """A server with the zone `example.com.` in a file, a parent that follows CDS after *lag_s*, and a clock."""

    def __init__(self, folder: Path, **policy: str) -> None:
        self.folder, self.port = folder, free_port()
        self.file, self.config = folder / "example.com.zone", folder / "namewise.toml"
        self.now, self.boot = 1_800_000_000.0, 1000.0
        self.policy = {"keys": "ksk-zsk", "algorithm": "ecdsap256sha256", "ksk": "0s", "zsk": "0s"} | policy
        self.dnssec: str | None = "short"
        self.written = 0
        self.ds: frozenset[Ds] = frozenset()
        self.wish: tuple[float, frozenset[Ds]] | None = None
        self.lag_s = HOUR
        self.checked = 0
        self.seen: set[int] = set()
        self.write(RECORDS)
        self.start()

    def configure(self) -> None:
        dnssec = "" if self.dnssec is None else f'dnssec = "{self.dnssec}"\n'
        text = (
            f'[server]\nstate = "{self.folder / "state"}"\nworkers = 1\n[[listen]]\naddress = "127.0.0.1"\nport = {self.port}\n'
            f'[[zone]]\nname = "example.com"\nfile = "{self.file}"\n{dnssec}[[dnssec]]\nname = "short"\n'
        )
        self.config.write_text(text + POLICY.format(**self.policy))

    def start(self) -> None:
        self.configure()
        log = Log("info")
        self.logged = collect(log)
        self.service = Service(lambda: load(str(self.config), environ={}), Sockets(), log)
        self.signing = Signing(
            self.service, log, wall=lambda: self.now, boot=lambda: self.boot, observe=self.observe
        )
        self.service.signing = self.signing
        self.service.start()

    def restart(self) -> None:
        self.service.close(0.0)
        self.start()

    def reload(self) -> None:
        self.configure()
        outcome = self.service.reload()
        assert not outcome.failures, outcome.failures

    def write(self, records: str, serial: int = 1) -> None:
        self.file.write_text(ZONE.format(serial=serial, records=records))
        self.written += 1
        os.utime(self.file, (1_700_000_000 + self.written,) * 2)

    def observe(self, zone: str, servers: tuple[str, ...], now: int) -> Parent | None:
        assert (zone, servers) == ("example.com.", ())
        return Parent(now, 300, {"a": self.ds, "b": self.ds})

    @property
    def zone(self) -> Zone:
        found = self.service.registry.states["example.com."].current
        assert found is not None
        return found

    def tags(self, owner: str, rtype: str) -> set[int]:
        """Return the tags of the keys that sign an RRset."""
        found = self.zone.rrset(owner, "RRSIG")
        rdatas = [] if found is None else [str(one).split(" ") for one in found]
        return {int(words[6]) for words in rdatas if words[0] == rtype}

    def keys(self) -> int:
        found = self.zone.rrset("example.com.", "DNSKEY")
        return 0 if found is None else len(found)

    def act(self) -> float:
        """Let the server do what is due; then the parent follows, and the zone is verified."""
        wait = self.signing.act()
        cds = self.zone.rrset("example.com.", "CDS")
        if cds is not None:
            wanted = frozenset(Ds.parse(str(one)) for one in cds if str(one) != "0 0 0 00")
            if wanted != self.ds and (self.wish is None or self.wish[1] != wanted):
                self.wish = (self.now + self.lag_s, wanted)
        if self.wish is not None and self.now >= self.wish[0]:
            self.ds, self.wish = self.wish[1], None
        self.verify()
        return wait

    def verify(self) -> None:
        """Verify the served zone: from the DS of the parent, or as a whole if it is signed."""
        zone = self.zone
        if not zone.is_signed:
            assert not self.ds, "the parent has a DS of an unsigned zone"
            return
        anchors = [RRset("example.com.", "DS", 300, list(map(str, self.ds)))] if self.ds else []
        report: dict[str, Any] = json.loads(verify_zone(zone, int(self.now), anchors=anchors))
        assert not report["errors"], report["problems"]
        self.checked += 1
        self.seen |= self.tags("example.com.", "SOA") | self.tags("example.com.", "DNSKEY")

    def resolve(self) -> None:
        """Ask the validating resolver in the simulated world for names of the zone."""
        ds = "".join(f"example 3600 DS {one}\n" for one in self.ds)
        flags = "flags" if self.ds else "no_flags"
        queries = [("www.example.com. A", "NOERROR"), ("no.example.com. A", "NXDOMAIN")]
        steps = "".join(STEP.format(query=query, rcode=rcode, flags=flags) for query, rcode in queries)
        text = SCENARIO.format(now=int(self.now), ds=ds, zone=self.zone.to_text()) + steps
        report = json.loads(play(text=text))
        assert report["outcome"] == "pass", report

    def run(self, seconds: float, *, until: Callable[[], bool] = lambda: False) -> None:
        """Let time pass; the resolver is asked after each change of keys or of the DS."""
        end, before = self.now + seconds, None
        while True:
            self.act()
            present = (
                str(self.zone.rrset("example.com.", "DNSKEY")),
                self.tags("www.example.com.", "A"),
                self.ds,
            )
            if present != before:
                self.resolve()
            before = present
            if self.now >= end or until():
                return
            self.pass_(max(1.0, min(self.due(), end) - self.now))

    def due(self) -> float:
        """Return when server or parent do something next."""
        status = self.signing.status("example.com.")
        assert status is not None
        due = min(status["next_step"] or 0, status["next_signature"] or 0)
        return due if self.wish is None else min(due, self.wish[0])

    def pass_(self, seconds: float) -> None:
        self.now += seconds
        self.boot += seconds

    def edit(self, owner: str, rdata: str = "192.0.2.9", ttl: int = 60) -> ZoneState:
        def make(state: ZoneState) -> Zone:
            assert state.current is not None
            edit = state.current.edit()
            edit.put(RRset(owner, "A", ttl, [rdata]))
            return edit.commit()

        return self.service.registry.edit("example.com.", make, Cause("edit", who="test"))

    def slugs(self) -> list[str]:
        return [slug for slug, _ in self.logged]


@pytest.fixture
def worlds(tmp_path: Path) -> Iterator[Callable[..., World]]:
    made: list[World] = []

    def make(**policy: str) -> World:
        made.append(World(tmp_path, **policy))
        return made[-1]

    yield make
    for world in made:
        world.service.close(0.0)


@pytest.mark.parametrize("denial", ["nsec", "nsec3"])
def test_zsk_and_ksk_roll_over_and_the_zone_is_secure_all_the_time(
    worlds: Callable[..., World], denial: str
) -> None:
    world = worlds(ksk="4d", zsk="1d", algorithm='ecdsap256sha256"\ndenial = "' + denial)
    world.run(9 * DAY)
    status = world.signing.status("example.com.")
    assert status is not None and status["complete"] and not status["error"]
    state = world.signing.store.load("example.com.")
    assert state is not None
    active = [key for key in state.keys if key.active is not None]
    ksks, zsks = (sum(key.role is role for key in active) for role in (Role.KSK, Role.ZSK))
    assert ksks >= 2 and zsks >= 7, (ksks, zsks)
    assert world.seen == {key.public.tag for key in active}
    assert "ds-wanted" in world.slugs() and "fault" not in world.slugs()
    assert world.checked > 100


def test_a_csk_rolls_over_when_it_is_asked_for_and_the_algorithm_when_the_policy_changes(
    worlds: Callable[..., World],
) -> None:
    world = worlds(keys="csk")
    world.run(DAY)
    (first,) = world.ds
    world.signing.request("example.com.", Role.CSK)
    world.run(DAY)
    (second,) = world.ds
    assert first != second and world.keys() == 1
    world.policy["algorithm"] = "ed25519"
    world.reload()
    world.run(2 * DAY)
    (third,) = world.ds
    assert third.algorithm == 15 and world.keys() == 1 and world.tags("www.example.com.", "A") == {third.tag}


def test_changes_and_reloads_are_signed_at_once(worlds: Callable[..., World]) -> None:
    world = worlds()
    world.run(DAY)
    serial = world.zone.serial
    world.edit("new.example.com.")
    world.verify()
    assert world.zone.serial == serial + 1 and world.tags("new.example.com.", "A")
    text = world.file.read_text()
    world.write(RECORDS.replace("192.0.2.80", "192.0.2.81") + "more A 192.0.2.5\n", serial=2)
    world.reload()
    world.verify()
    assert world.zone.serial == serial + 2
    assert [
        str(world.zone.rrset(f"{owner}.example.com.", "A")).split()[-1] for owner in ("www", "more", "new")
    ] == [
        "192.0.2.81",
        "192.0.2.5",
        "192.0.2.9",
    ]
    # A file with a newer serial and nothing else: the serial of the signed zone stays ahead.
    world.write(RECORDS.replace("192.0.2.80", "192.0.2.81") + "more A 192.0.2.5\n", serial=3)
    world.reload()
    assert world.zone.serial == serial + 2
    assert "RRSIG" not in text + world.file.read_text()
    world.resolve()


def test_nothing_is_unsigned_after_a_restart(worlds: Callable[..., World]) -> None:
    world = worlds()
    world.run(DAY)
    world.edit("new.example.com.")
    before = world.zone.to_text()
    world.restart()
    assert world.zone.to_text() == before
    world.service.close(0.0)
    world.write(RECORDS + "later A 192.0.2.7\n", serial=2)
    world.start()
    world.verify()
    assert world.tags("later.example.com.", "A") and world.tags("new.example.com.", "A")
    world.run(DAY)
    assert world.keys() == 2


def test_sync_writes_the_file_without_signatures(worlds: Callable[..., World]) -> None:
    world = worlds()
    world.run(DAY)
    world.edit("new.example.com.")
    registry = world.service.registry
    sync(registry, registry.states["example.com."])
    text = world.file.read_text()
    assert "new" in text and not any(word in text for word in ("RRSIG", "NSEC", "DNSKEY", "CDS"))
    assert registry.states["example.com."].journal == 0
    world.restart()
    world.reload()
    world.run(DAY)
    assert registry.states["example.com."].journal == 0
    world.write(RECORDS, serial=9)
    world.reload()
    world.verify()
    assert world.zone.rrset("new.example.com.", "A") is None


def test_signatures_are_renewed_before_they_end(worlds: Callable[..., World]) -> None:
    world = worlds()
    world.run(DAY)
    serials = {world.zone.serial}
    for _ in range(7 * 24):
        world.run(HOUR)
        serials.add(world.zone.serial)
    # Some of the signatures each time: neither all at once nor each alone.
    assert 8 < len(serials) < 100
    assert "signing-failed" not in world.slugs()


@pytest.mark.parametrize("setting", [None, "insecure"])
def test_a_zone_becomes_unsigned_after_the_ds_has_left(
    worlds: Callable[..., World], setting: str | None
) -> None:
    world = worlds()
    world.run(DAY)
    assert world.ds and world.zone.is_signed
    world.edit("new.example.com.")
    world.dnssec = setting
    world.reload()
    world.run(DAY, until=lambda: not world.ds)
    assert world.zone.is_signed, "caches still have the DS"
    world.run(2 * DAY)  # the built-in policy allows for a TTL of one
    assert not world.zone.is_signed and world.zone.rrset("example.com.", "CDS") is None
    assert world.zone.rrset("new.example.com.", "A") is not None
    world.dnssec = "short"
    world.reload()
    world.run(DAY)
    assert world.ds and world.zone.is_signed


def test_a_clock_that_is_set_makes_no_signature_invalid(worlds: Callable[..., World]) -> None:
    world = worlds(zsk="1d")
    world.run(DAY)
    for jump in (40 * DAY, -40 * DAY, -3 * DAY, 3 * DAY):
        world.now += jump
        world.act()
        world.edit(f"j{abs(jump)}.example.com.")
        true = world.now - jump
        for now in (world.now, true):
            report = json.loads(verify_zone(world.zone, int(now)))
            assert not report["errors"], (jump, report["problems"])
    assert "clock" in world.slugs()
    world.run(3 * DAY)


def test_a_key_that_cannot_be_read_is_named_and_signatures_stay(worlds: Callable[..., World]) -> None:
    world = worlds()
    world.run(DAY)
    state = world.signing.store.load("example.com.")
    assert state is not None
    key = next(key for key in state.keys if key.role is Role.ZSK)
    secret = world.signing.store.key("example.com.", key.id)
    world.signing.store.remove("example.com.", key.id)
    world.restart()
    before = world.zone.to_text()
    with pytest.raises(KeyFileError, match=re.escape(key.id)):
        world.edit("new.example.com.")
    world.act()
    (text,) = [text for slug, text in world.logged if slug == "signing-failed"]
    assert key.id in text and "its signatures stay, and end at 2027-" in text
    for _ in range(3):
        world.pass_(HOUR)
        world.act()
    assert world.zone.to_text() == before and world.slugs().count("signing-failed") == 1
    world.pass_(13 * HOUR)
    world.signing.act()
    world.pass_(600)
    world.signing.act()
    assert world.slugs().count("signing-failed") > 1, "it is said again when the end is near"
    world.signing.store.add(key.id, secret)
    world.pass_(600)
    world.run(HOUR)
    world.edit("new.example.com.")
    world.verify()


def test_a_zone_that_others_have_signed_is_left_alone(worlds: Callable[..., World]) -> None:
    world = worlds()
    world.run(HOUR)
    signed = world.zone.to_text()
    other = world.folder / "state" / "zones.sqlite3"
    world.service.close(0.0)
    for path in (other, other.with_name("zones.sqlite3-wal"), other.with_name("zones.sqlite3-shm")):
        path.unlink(missing_ok=True)
    world.file.write_text(signed)
    world.start()
    before = world.zone.to_text()
    world.signing.act()
    assert world.zone.to_text() == before
    assert any("signed already" in text for slug, text in world.logged if slug == "signing-failed")


def test_a_policy_needs_a_state_directory_and_a_name_that_exists(tmp_path: Path) -> None:
    file = tmp_path / "z.zone"
    file.write_text(ZONE.format(serial=1, records=""))
    config = tmp_path / "namewise.toml"
    config.write_text(f'[[zone]]\nname = "example.com"\nfile = "{file}"\ndnssec = "defualt"\n')
    with pytest.raises(ConfigError) as caught:
        load(str(config), environ={})
    assert "need a state directory" in str(caught.value)
    assert "no [[dnssec]] is named 'defualt'; did you mean 'default'?" in str(caught.value)


def test_the_clock_knows_both_settings_for_a_day() -> None:
    wall, boot = [1000.0], [0.0]
    clock = Clock(lambda: wall[0], lambda: boot[0])
    assert clock.now() == (1000, 1000)
    wall[0] += 500
    assert clock.now() == (1000, 1500)
    boot[0] += 100
    wall[0] += 101  # slewed
    assert clock.now() == (1100, 1601)
    boot[0] += DAY
    wall[0] += DAY
    assert clock.now() == (1601 + DAY, 1601 + DAY)


def test_errors_of_signing_are_errors_of_this_package() -> None:
    assert issubclass(KeyFileError, NamewiseError)

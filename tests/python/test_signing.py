"""A server that signs its zones: keys, roll-overs, reloads, restarts, renewal, on a virtual clock. Each step is verified."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING

import pytest
from signing_world import DAY, HOUR, RECORDS, ZONE, World

from namewise.config import ConfigError, load
from namewise.control.signing import Clock
from namewise.dnssec.policy import Role
from namewise.engine import ZoneKey, verify_zone
from namewise.engine.errors import KeyFileError, NamewiseError
from namewise.zones.sync import sync

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


@pytest.mark.parametrize("denial", ["nsec", "nsec3"])
def test_zsk_and_ksk_roll_over_and_the_zone_is_secure_all_the_time(
    worlds: Callable[..., World], denial: str
) -> None:
    world = worlds(ksk_lifetime="4d", zsk_lifetime="1d", denial=denial)
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
    world = worlds(zsk_lifetime="1d")
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


def test_a_private_key_of_another_dnskey_is_named(worlds: Callable[..., World]) -> None:
    world = worlds(keys="csk")
    world.run(DAY)
    state = world.signing.store.load("example.com.")
    assert state is not None
    id, before = state.keys[0].id, world.zone.to_text()
    world.signing.store.add(id, ZoneKey.generate("example.com.", 257, 15))
    world.restart()
    with pytest.raises(KeyFileError, match=f"key {re.escape(id)} .* belongs to the DNSKEY 257 3 15 "):
        world.edit("new.example.com.")
    world.act()
    assert world.zone.to_text() == before
    status = world.signing.status("example.com.")
    assert status is not None and id in status["error"]
    assert "its signatures stay, and end at" in status["error"]


@pytest.mark.parametrize(
    "algorithm", ["rsasha256", "rsasha512", "ecdsap256sha256", "ecdsap384sha384", "ed25519", "ed448"]
)
def test_each_algorithm_signs_with_opt_out_and_a_digest(worlds: Callable[..., World], algorithm: str) -> None:
    world = worlds(algorithm=algorithm, denial="nsec3", opt_out="true", zonemd="sha384")
    world.act()
    world.edit("new.example.com.")
    world.verify()
    assert world.checked and world.zone.rrset("example.com.", "ZONEMD") is not None
    # Settings that say how a zone is signed take effect at once.
    world.policy |= {"denial": "nsec", "opt_out": "false"}
    del world.policy["zonemd"]
    world.reload()
    world.act()
    assert world.zone.rrset("example.com.", "ZONEMD") is None
    assert world.zone.rrset("example.com.", "NSEC3PARAM") is None


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

"""Signing: `nw dnssec sign`, changes signed alone, and renewals by the policy and the keys of a roll-over."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
from commands import nw

from namewise.config.dnssec import Dnssec
from namewise.dnssec import keystore, signing
from namewise.dnssec.policy import Role, policy_of
from namewise.dnssec.zone_keys import Publication, ZoneFacts, request
from namewise.engine import RRset, Signing, Zone, ZoneKey, verify_zone, verify_zonemd
from namewise.engine.errors import SigningFailed
from namewise.zones.chain import Limits
from namewise.zones.store import Store

if TYPE_CHECKING:
    from pathlib import Path

NAME = "example.com."
TEXT = """\
$ORIGIN example.com.
$TTL 3600
@ IN SOA ns1 admin 7 3600 900 604800 300
@ NS ns1
ns1 A 192.0.2.53
www A 192.0.2.1
deep.empty A 192.0.2.3
sub NS ns.sub
ns.sub A 192.0.2.4
"""
NOW = 1_800_000_000
DAY = 86_400


def errors(zone: Zone, now: int = NOW) -> list[str]:
    report = json.loads(verify_zone(zone, now))
    return [problem["code"] for problem in report["problems"]]


def ends(zone: Zone) -> list[str]:
    """Return the ends of all signatures."""
    return sorted(str(data).split()[4] for one in zone.page() if one.type == "RRSIG" for data in one)


def signers(zone: Zone, rtype: str) -> set[int]:
    """Return the tags of the keys that signed RRsets of *rtype*."""
    found = (str(data).split() for one in zone.page() if one.type == "RRSIG" for data in one)
    return {int(words[6]) for words in found if words[0] == rtype}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "db").write_text(TEXT)
    return tmp_path


def sign(folder: Path, *words: str, file: str = "db") -> dict[str, Any]:
    done = nw("dnssec", "sign", str(folder / file), "--output", str(folder / "out"), "--json", *words)
    assert done.returncode == 0, done.stderr
    said: dict[str, Any] = json.loads(done.stdout)
    return said


def test_a_file_is_signed_with_keys_that_are_made_once(folder: Path) -> None:
    said = sign(folder, "--roles", "ksk-zsk", "--zonemd", "sha384", "--serial", "increment")
    assert (said["serial"], said["keys_made"], len(said["keys"]), said["verified"]) == (8, True, 2, True)
    assert (folder / "dsset-example.com.").read_text() == f"{NAME} IN DS {said['ds'][0]}\n"
    secret = folder / f"{said['keys'][0]}.private"
    assert secret.stat().st_mode & 0o077 == 0
    zone = Zone.from_file(NAME, str(folder / "out"))
    now = int((folder / "out").stat().st_mtime)
    assert errors(zone, now) == []
    assert verify_zonemd(zone, now) == "SHA-384"
    again = sign(folder, "--roles", "ksk-zsk", "--serial", "date", file="out")
    assert (again["keys_made"], sorted(again["keys"]), again["ds"]) == (
        False,
        sorted(said["keys"]),
        said["ds"],
    )
    assert again["serial"] > 20260000_00
    # All but those of SOA, ZONEMD, and the record that lists it.
    assert again["kept"] == said["signatures"] - 3


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--opt-out"], "--opt-out needs --nsec3"),
        (["--algorithm", "rsasha1"], "--algorithm: 'rsasha1' is none of rsasha256"),
        (["--roles", "zsk"], "--roles: 'zsk' is none of csk, ksk-zsk"),
        (["--expiration", "-1d"], "--expiration must be later"),
        (["--jitter", "60d"], "--jitter must be less"),
        (["--zonemd", "md5"], "--zonemd: 'md5' is none of sha384, sha512"),
        (["--serial", "x"], "--serial: 'x' is none of keep"),
        (["--inception", "+1d", "--expiration", "+2d"], "does not verify, and is not written"),
    ],
)
def test_wrong_words_write_nothing(folder: Path, words: list[str], said: str) -> None:
    done = nw("dnssec", "sign", str(folder / "db"), *words)
    assert done.returncode != 0 and said in done.stderr
    assert not (folder / "db.signed").exists()


def test_keys_sign_by_the_states_of_their_roll_over(folder: Path) -> None:
    store = keystore.FolderStore(str(folder))
    policy = policy_of(Dnssec(name="x", keys="ksk-zsk"))
    out = keystore.advance(
        store, NAME, policy, ZoneFacts(3600, 3600, 300, None), None, NOW, None, lambda: 0.0
    )
    said = sign(folder)
    assert sorted(said["keys"]) == sorted(out.publication.dnskeys)
    assert not said["keys_made"]


def test_an_edit_is_signed_and_needs_a_key() -> None:
    key = ZoneKey.generate(NAME, 257, 15)
    how = Signing([key], NOW - 60, NOW + 60, nsec3=True)
    zone = how.sign(Zone.from_text(NAME, TEXT))
    edit = zone.edit()
    edit.put(RRset("new.example.com", "A", 60, ["192.0.2.9"]))
    edit.delete("deep.empty.example.com")
    after = how.commit(edit)
    assert (after.serial, errors(after)) == (8, [])
    assert zone.difference(after).added
    with pytest.raises(SigningFailed, match="no key signs the zone"):
        Signing([], NOW, NOW + 1)
    with pytest.raises(SigningFailed, match="belongs to another zone"):
        Signing([ZoneKey.generate("example.org", 257, 15)], NOW, NOW + 1).sign(zone)


def test_signatures_are_renewed_in_time_and_in_batches() -> None:
    table = Dnssec(name="x", algorithm="ed25519", signatures_jitter=DAY * 1000)
    store = keystore.MemoryStore()
    facts = ZoneFacts(3600, 3600, 300, None)
    out = keystore.advance(store, NAME, policy_of(table), facts, None, NOW, None, lambda: 0.0)

    def how(now: int) -> Signing:
        return signing.signing(out.publication, lambda id: store.key(NAME, id), table, now, zonemd=1)

    plain = Zone.from_text(NAME, TEXT).edit()
    signing.publish(plain, out.keys, out.publication, table)
    zone = how(NOW).commit(plain)
    assert errors(zone) == []
    state = signing.renewed(zone, how(NOW), signing.Renewal(), table, NOW)
    assert (state.zone, state.made, state.whole) == (None, 0, True)
    # The first signature ends after 13 to 14 days, and is made again five days before.
    assert 8 * DAY <= state.due - NOW <= 9 * DAY
    now, batches, renewal = state.due, 0, signing.Renewal()
    for _ in range(200):
        state = signing.renewed(zone, how(now), renewal, table, now, most=2)
        assert state.made <= 2 + 4
        zone, renewal = state.zone or zone, state.renewal
        assert errors(zone, now) == []
        batches += state.made > 0
        now = max(now, state.due)
        if now > NOW + 30 * DAY:
            break
    assert batches > 10
    assert verify_zonemd(zone, now) == "SHA-384"
    assert len(set(ends(zone))) > 3


def test_the_keys_of_a_roll_over_replace_each_other() -> None:
    table = Dnssec(name="x", algorithm="ed25519", keys="ksk-zsk")
    policy = policy_of(table)
    store = keystore.MemoryStore()
    zone, served, now = Zone.from_text(NAME, TEXT), None, NOW
    seen: set[frozenset[int]] = set()
    asked = False
    for _ in range(40):
        facts = ZoneFacts(3600, 3600, 300, served)
        out = keystore.advance(store, NAME, policy, facts, None, now, 3600 if served else None, lambda: 0.0)
        how = signing.signing(out.publication, lambda id: store.key(NAME, id), table, now)
        edit = zone.edit()
        signing.publish(edit, out.keys, out.publication, table)
        zone, renewal = how.commit(edit), signing.Renewal()
        while True:
            state = signing.renewed(zone, how, renewal, table, now, most=3)
            zone, renewal = state.zone or zone, state.renewal
            assert errors(zone, now) == []
            if state.whole:
                break
        served = out.publication
        seen.add(frozenset(signers(zone, "A")))
        if not asked and any(key.zrrsig.presence.value == "omnipresent" for key in out.keys.keys):
            store.save(request(out.keys, Role.ZSK))
            asked = True
        now += 3600
    # The old ZSK, then the new one, each alone.
    assert [len(tags) for tags in seen] == [1, 1]


def test_what_the_parent_is_to_know_is_published() -> None:
    table = Dnssec(name="x", cds_digests=("sha-256", "sha-384"))
    store = keystore.MemoryStore()
    out = keystore.advance(
        store, NAME, policy_of(table), ZoneFacts(3600, 3600, 300, None), None, NOW, None, lambda: 0.0
    )
    edit = Zone.from_text(NAME, TEXT).edit()
    (id,) = out.publication.dnskeys
    wanted = out.publication._replace(cds=frozenset({id}))
    signing.publish(edit, out.keys, wanted, table)
    cds, cdnskey = edit.rrset(NAME, "CDS"), edit.rrset(NAME, "CDNSKEY")
    assert cds is not None and [str(data).split()[2] for data in cds] == ["2", "4"]
    assert cdnskey is not None and str(cdnskey.rdatas[0]) == str(store.key(NAME, id).dnskey)
    signing.publish(edit, out.keys, Publication(delete=True), table)
    cds = edit.rrset(NAME, "CDS")
    assert cds is not None and str(cds.rdatas[0]) == "0 0 0 00"
    assert edit.rrset(NAME, "DNSKEY") is None


def test_private_keys_of_other_signers_become_key_files(folder: Path) -> None:
    signed = sign(folder, "--keys", str(folder / "theirs"), "--roles", "ksk-zsk")
    theirs = keystore.FolderStore(str(folder / "theirs"))
    handles = [theirs.key(NAME, id) for id in theirs.files(NAME)]
    (folder / "one.pem").write_text(handles[0].pem())
    (folder / "two.private").write_text(handles[1].private_file())
    (folder / "other.pem").write_text(ZoneKey.generate(NAME, 257, 13).pem())
    words = ("dnssec", "keys", "import", str(folder / "out"), "--output", str(folder / "ours"))

    refused = nw(*words, str(folder / "one.pem"), str(folder / "other.pem"))
    assert (
        refused.returncode == 2 and "other.pem: not the private key of any of the 2 DNSKEY" in refused.stderr
    )
    unsigned = nw(*words[:3], str(folder / "db"), str(folder / "one.pem"), "--output", str(folder / "ours"))
    assert unsigned.returncode == 2 and "give the signed zone" in unsigned.stderr
    assert not (folder / "ours").exists()

    one = nw(*words, str(folder / "one.pem"))
    assert one.returncode == 0 and f"no private key of DNSKEY {handles[1].dnskey}" in one.stdout, one.stderr
    both = nw(*words, str(folder / "one.pem"), str(folder / "two.private"), "--json")
    assert json.loads(both.stdout)["missing"] == []
    again = sign(folder, "--keys", str(folder / "ours"), file="out")
    assert (again["keys_made"], again["ds"], again["kept"]) == (False, signed["ds"], signed["signatures"])


def test_private_keys_of_other_signers_go_to_the_state_of_a_server(folder: Path) -> None:
    sign(folder, "--keys", str(folder / "theirs"), "--roles", "ksk-zsk")
    theirs = keystore.FolderStore(str(folder / "theirs"))
    for id in theirs.files(NAME):
        (folder / f"{id}.pem").write_text(theirs.key(NAME, id).pem())
    files = [str(path) for path in sorted(folder.glob("*.pem"))]
    words = ("dnssec", "keys", "import", str(folder / "out"), *files, "--state", str(folder / "state"))
    done = nw(*words)
    assert done.returncode == 0, done.stderr
    again = nw(*words)
    assert again.returncode == 2 and f"has keys of {NAME} already" in again.stderr

    store = Store(str(folder / "state"), Limits())
    try:
        kept = keystore.DatabaseStore(store)
        state = kept.load(NAME)
        assert state is not None
        # Without times of another signer, the signatures say what the keys do.
        assert {(key.role, key.krrsig.published, key.zrrsig.published) for key in state.keys} == {
            (Role.KSK, True, False),
            (Role.ZSK, False, True),
        }
        assert {kept.key(NAME, key.id).dnskey for key in state.keys} == {
            theirs.key(NAME, id).dnskey for id in theirs.files(NAME)
        }
    finally:
        store.close()

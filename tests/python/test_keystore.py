"""Keys of zones on disk: handles, files of BIND and PKCS#8, the states beside them, and the commands that read them."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import xml.etree.ElementTree as ElementTree
from typing import TYPE_CHECKING

import pytest

from namewise.cli import main
from namewise.config import ConfigError, load
from namewise.dnssec import zone_keys
from namewise.dnssec.anchors import Key
from namewise.dnssec.keystore import (
    DatabaseStore,
    FolderStore,
    KeyStore,
    MemoryStore,
    advance,
    export_folder,
    foreign_key,
    from_json,
    import_folder,
    public,
    read_folder,
    to_json,
)
from namewise.dnssec.policy import Role, policies
from namewise.dnssec.safety import Presence, Reach
from namewise.dnssec.zone_keys import Held, Parent, ZoneFacts, ZoneKeys, ds_of
from namewise.engine import ZoneKey
from namewise.engine.errors import KeyFileError
from namewise.zones.chain import Limits
from namewise.zones.store import Store

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

NOW = 1_800_000_000
ZONE = "example.com."
CSK = policies(())["default"]
ALGORITHMS = [8, 10, 13, 14, 15, 16]


def tool(*command: str) -> str:
    """The output of a tool of another server; the test is skipped where it is not installed."""
    if shutil.which(command[0]) is None:
        pytest.skip(f"{command[0]} is not installed")
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout


def secret_words(key: ZoneKey) -> list[str]:
    """The values of the private key file."""
    return [
        line.split(": ", 1)[1]
        for line in key.private_file().splitlines()[2:]
        if not line.startswith("PublicExponent")
    ]


# Handles.


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_a_key_comes_back_from_its_files(algorithm: int) -> None:
    key = ZoneKey.generate(ZONE, 257, algorithm)
    assert (str(key.owner), key.flags, key.algorithm, key.tag) == (ZONE, 257, algorithm, public(key).tag)
    fields = [("Created", "20260101000000")]
    back = ZoneKey.from_files(key.key_file(), key.private_file(fields))
    assert back.dnskey == key.dnskey and back.fields == fields and back.file_stem == key.file_stem
    assert ZoneKey.from_pem(ZONE, 257, algorithm, key.pem()).dnskey == key.dnskey


def test_a_handle_shows_no_secret() -> None:
    key = ZoneKey.generate(ZONE, 256, 13)
    assert repr(key) == f"ZoneKey({key.file_stem})"
    shown = repr(key) + str(key) + str(key.dnskey) + key.key_file() + repr(key.fields)
    assert not any(word in shown for word in secret_words(key))


def test_keys_that_cannot_be_used_are_refused() -> None:
    key, other = ZoneKey.generate(ZONE, 257, 13), ZoneKey.generate(ZONE, 257, 13)
    with pytest.raises(KeyFileError, match="different keys"):
        ZoneKey.from_files(key.key_file(), other.private_file())
    with pytest.raises(KeyFileError, match="private key: not a private key file"):
        ZoneKey.from_files(key.key_file(), "")
    with pytest.raises(KeyFileError, match="no key for algorithm ED25519"):
        ZoneKey.from_pem(ZONE, 257, 15, key.pem())
    with pytest.raises(KeyFileError, match="openssl pkcs8"):
        ZoneKey.from_pem(ZONE, 257, 13, "nothing")
    with pytest.raises(KeyFileError, match="RSASHA1 is not supported"):
        ZoneKey.generate(ZONE, 257, 5)
    with pytest.raises(KeyFileError, match="1024 bits"):
        ZoneKey.generate(ZONE, 257, 8, 1024)


@pytest.mark.parametrize(
    ("algorithm", "args"),
    [
        (8, ("RSA", "-pkeyopt", "rsa_keygen_bits:2048")),
        (13, ("EC", "-pkeyopt", "ec_paramgen_curve:P-256")),
        (14, ("EC", "-pkeyopt", "ec_paramgen_curve:P-384")),
        (15, ("ED25519",)),
        (16, ("ED448",)),
    ],
)
def test_openssl_reads_and_writes_the_same_keys(
    tmp_path: Path, algorithm: int, args: tuple[str, ...]
) -> None:
    theirs = tool("openssl", "genpkey", "-algorithm", *args)
    key = ZoneKey.from_pem(ZONE, 256, algorithm, theirs)
    ours = tmp_path / "ours.pem"
    ours.write_text(key.pem())
    (tmp_path / "theirs.pem").write_text(theirs)
    shown = [tool("openssl", "pkey", "-in", str(one), "-pubout") for one in (ours, tmp_path / "theirs.pem")]
    assert shown[0] == shown[1]


# Stores.


@pytest.fixture(params=["folder", "memory", "database"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[KeyStore]:
    """Each implementation of a store."""
    if request.param == "database":
        database = Store(str(tmp_path), Limits())
        yield DatabaseStore(database)
        database.close()
    else:
        yield FolderStore(str(tmp_path / "keys")) if request.param == "folder" else MemoryStore()


def test_a_roll_over_from_the_first_key_to_its_successor(store: KeyStore) -> None:
    facts = ZoneFacts(3600, 3600, 300, zone_keys.Publication())
    ds: frozenset[str] = frozenset()
    ids: list[str] = []
    for number in range(120):
        now = NOW + number * 6 * 3600
        state = store.load(ZONE)
        if number == 40:
            assert state is not None
            store.save(zone_keys.request(state, Role.CSK))
        shown = frozenset(ds_of(ZONE, state.key(id).public) for id in ds) if state else frozenset()
        parent = Parent(now, 3600, {"a": shown})
        out = advance(store, ZONE, CSK._replace(purge_keys=86400), facts, parent, now, 6 * 3600, lambda: 0.5)
        ids += [key.id for key in out.keys.keys if key.id not in ids]
        facts, ds = facts._replace(served=out.publication), out.publication.cds or ds
    first, second = ids
    state = store.load(ZONE)
    assert state is not None and [key.id for key in state.keys] == [second]
    assert state.key(second).ds.presence is Presence.OMNIPRESENT and state.key(second).jitter == 0.5
    assert public(store.key(ZONE, second)) == state.key(second).public
    with pytest.raises(KeyFileError):
        store.key(ZONE, first)
    store.remove(ZONE, first)


def test_states_come_back_from_json() -> None:
    key = zone_keys.RolloverKey(
        "K", Role.KSK, Key.parse("257 3 13 AAAA"), 5, 0.25, 7, asked=3, dnskey=Reach(Presence.RUMOURED, 9)
    )
    state = ZoneKeys(
        ZONE, (key,), frozenset([Role.KSK]), Held(60, ((3600, 99),)), Held(5), Held(), 4, True, 17
    )
    assert from_json(to_json(state)) == state
    with pytest.raises(ValueError, match="format 2"):
        from_json(to_json(state).replace('"format": 1', '"format": 2'))


def test_files_are_private(tmp_path: Path) -> None:
    store = FolderStore(str(tmp_path / "keys"))
    key = ZoneKey.generate(ZONE, 257, 13)
    store.add(key.file_stem, key)
    store.save(ZoneKeys(ZONE))
    modes = {one.suffix: oct(one.stat().st_mode & 0o777) for one in (tmp_path / "keys").iterdir()}
    assert modes == {".key": "0o644", ".private": "0o600", ".json": "0o600"}
    assert os.stat(tmp_path / "keys").st_mode & 0o777 == 0o700
    assert not any(
        word in (tmp_path / "keys" / f"{ZONE}.rollover.json").read_text() for word in secret_words(key)
    )
    private = tmp_path / "keys" / f"{key.file_stem}.private"
    private.chmod(0o640)
    with pytest.raises(KeyFileError, match="chmod 600"):
        store.key(ZONE, key.file_stem)
    private.chmod(0o600)
    with pytest.raises(KeyFileError, match=r"not of other\."):
        store.key("other.", key.file_stem)
    with pytest.raises(KeyFileError, match="not the name of a key file"):
        store.key(ZONE, "../x")
    (tmp_path / "keys" / f"{ZONE}.rollover.json").write_text("{")
    with pytest.raises(KeyFileError, match="import the keys"):
        store.load(ZONE)


@pytest.mark.parametrize("zone", [".", "a/b.example.", "8/29.2.0.192.in-addr.arpa.", "Example.COM."])
def test_names_of_zones_become_names_of_files(tmp_path: Path, zone: str) -> None:
    store = FolderStore(str(tmp_path))
    out = advance(store, zone, CSK, ZoneFacts(3600, 3600, 300, None), None, NOW, None, lambda: 0.0)
    (key,) = out.keys.keys
    assert store.zones() == [zone.lower()] and store.files(zone) == [key.id]
    assert public(store.key(zone, key.id)) == key.public
    again = store.load(zone)
    assert again == out.keys


def test_keys_of_bind_are_imported(tmp_path: Path) -> None:
    folder = str(tmp_path)
    for args in (("-f", "KSK"), (), ("-P", "20370101000000", "-A", "20370101000000")):
        tool("dnssec-keygen", "-q", "-K", folder, "-a", "ECDSAP256SHA256", *args, ZONE)
    store = FolderStore(folder)
    found = read_folder(store, ZONE)
    assert sorted((one.role, one.state(NOW)) for one in found if one.role is Role.KSK) == [
        (Role.KSK, "active")
    ]
    assert sorted(one.state(NOW) for one in found if one.role is Role.ZSK) == ["active", "future"]
    state = import_folder(store, ZONE, NOW)
    assert {key.role for key in state.keys} == {Role.KSK, Role.ZSK} and len(state.keys) == 2
    assert all(key.dnskey == Reach(Presence.RUMOURED) for key in state.keys)


def test_bind_reads_our_files_and_finds_the_same_ds(tmp_path: Path) -> None:
    store = FolderStore(str(tmp_path))
    key = ZoneKey.generate(ZONE, 257, 13)
    store.add(key.file_stem, key)
    said = tool("dnssec-dsfromkey", "-2", str(tmp_path / f"{key.file_stem}.key")).split()[3:]
    assert " ".join(said) == str(ds_of(ZONE, public(key)))
    shown = tool("dnssec-settime", "-p", "all", "-K", str(tmp_path), key.file_stem)
    assert "Created" in shown
    zone = tmp_path / "zone"
    soa = "@ 300 IN SOA ns admin 1 7200 900 1209600 300"
    zone.write_text(f"{soa}\n@ 300 IN NS ns\nns 300 IN A 192.0.2.1\n$TTL 300\n{key.key_file()}")
    tool(
        "dnssec-signzone",
        "-z",
        "-K",
        str(tmp_path),
        "-d",
        str(tmp_path),
        "-o",
        ZONE,
        str(zone),
        key.file_stem,
    )
    assert f" {key.tag} {ZONE}" in (tmp_path / "zone.signed").read_text()


def test_bind_signs_with_the_keys_that_are_exported(tmp_path: Path) -> None:
    store, folder = MemoryStore(), FolderStore(str(tmp_path / "bind"))
    split, now = CSK._replace(roles=(Role.KSK, Role.ZSK)), NOW - 400 * 86400
    facts = ZoneFacts(3600, 3600, 300, zone_keys.Publication())
    for number in range(12):
        out = advance(store, ZONE, split, facts, None, now + number * 86400, 86400, lambda: 0.0)
        facts = facts._replace(served=out.publication)
    state = store.load(ZONE)
    assert state is not None
    store.save(zone_keys.request(state, Role.ZSK))
    out = advance(store, ZONE, split, facts, None, now + 12 * 86400, 86400, lambda: 0.0)
    assert len(out.publication.dnskeys) == 3 and len(out.publication.zone_signers) == 1
    assert sorted(export_folder(store, ZONE, folder, now)) == sorted(out.publication.dnskeys)
    zone = tmp_path / "zone"
    zone.write_text("$TTL 300\n@ IN SOA ns admin 1 7200 900 1209600 300\n@ IN NS ns\nns IN A 192.0.2.1\n")
    tool("dnssec-signzone", "-S", "-K", folder.path, "-d", str(tmp_path), "-o", ZONE, str(zone))
    signed = (tmp_path / "zone.signed").read_text()
    tags = {id: int(id.rsplit("+", 1)[1]) for id in out.publication.dnskeys}
    assert all(f"key id = {tag}" in signed for tag in tags.values())
    signers = {id for id, tag in tags.items() if f" {tag} {ZONE}" in signed}
    assert signers == out.publication.zone_signers | out.publication.key_signers


def test_a_key_of_another_signer_is_read_from_its_record() -> None:
    key = ZoneKey.generate(ZONE, 256, 13)
    assert foreign_key(f"{ZONE} 3600 IN DNSKEY {key.dnskey}") == (ZONE, Role.ZSK, public(key))


# Policies.


def test_policies_are_read_from_the_configuration(tmp_path: Path) -> None:
    path = tmp_path / "namewise.toml"
    path.write_text(
        '[[dnssec]]\nname = "p"\nkeys = "ksk-zsk"\nalgorithm = "ed25519"\nzsk_lifetime = "30d"\ndnskey_ttl = "2h"\n'
    )
    known = policies(load(str(path)).config.dnssec)
    assert list(known) == ["default", "insecure", "p"]
    assert known["p"]._replace(name="default") == CSK._replace(
        roles=(Role.KSK, Role.ZSK), algorithm=15, zsk_lifetime=30 * 86400, dnskey_ttl=7200
    )


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ('name = "default"', "is built in"),
        ('signatures_refresh = "1h"', "signatures could end in caches"),
        ('signatures_validity = "5d"', "made again at once"),
        ('ksk_lifetime = "1d"', "at least 1d"),
        ('zsk_lifetime = "90d"', "has no ZSK"),
        ("opt_out = true", "NSEC3"),
        ("cds_digests = []\ncdnskey = false", "publish CDS"),
    ],
)
def test_policies_that_cannot_work_are_refused(tmp_path: Path, line: str, message: str) -> None:
    path = tmp_path / "namewise.toml"
    name = "" if line.startswith("name") else 'name = "p"\n'
    path.write_text(f"[[dnssec]]\n{name}{line}\n")
    with pytest.raises(ConfigError, match=message):
        load(str(path))


# Commands.


def test_plan_prints_what_happens(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    picture = tmp_path / "plan.svg"
    assert main(["dnssec", "rollover", "plan", "--svg", str(picture)]) == 0
    said = capsys.readouterr().out
    assert said.startswith("policy default: roll-over of the CSK, if the parent follows CDS after 1h\nT+0s")
    assert "csk2: DNSKEY is in all caches, RRSIG of data is made, DS is asked for (CDS)" in said
    assert "no validator finds the zone bogus" in said.splitlines()[-1]
    root = ElementTree.parse(picture).getroot()
    rows = [text.text for text in root.iter("{http://www.w3.org/2000/svg}text")]
    assert "csk2 DS" in rows and "csk1 DNSKEY" in rows
    assert (
        main(["dnssec", "rollover", "plan", "--roll", "algorithm", "--algorithm", "ed25519", "--json"]) == 0
    )
    document = json.loads(capsys.readouterr().out)
    assert document["ok"] and document["states"][0] == {
        "at_s": 0,
        "key": "csk2",
        "record": "zrrsig",
        "state": "rumoured",
    }


def test_simulate_names_its_seeds(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["dnssec", "rollover", "simulate", "--plans", "1", "--seed", "5", "--days", "40"]) == 0
    assert capsys.readouterr().out.startswith("1 plans (seeds 5 to 5), ")


def test_keys_status_and_start(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    store, folder = FolderStore(str(tmp_path)), str(tmp_path)
    out = advance(store, ZONE, CSK, ZoneFacts(3600, 3600, 300, None), None, NOW, None, lambda: 0.0)
    (key,) = out.keys.keys
    assert main(["dnssec", "keys", folder]) == 0
    assert capsys.readouterr().out == f"{key.id} csk algorithm 13 tag {key.public.tag}: active\n"
    assert main(["dnssec", "rollover", "status", folder]) == 0
    said = capsys.readouterr().out
    assert f"waits: DNSKEY of {key.id} until the served zone has it" in said
    assert main(["dnssec", "rollover", "start", folder, "--role", "zsk"]) == 1
    assert "no ZSK to roll over" in capsys.readouterr().err
    assert main(["dnssec", "rollover", "start", folder, "--role", "csk", "--emergency"]) == 0
    state = store.load(ZONE)
    assert state is not None and state.requested == {Role.CSK} and state.keys[0].compromised
    assert main(["dnssec", "rollover", "start", folder, "--ignored", "nothing"]) == 1
    capsys.readouterr()
    assert main(["dnssec", "rollover", "status", folder, "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["requested"] == ["csk"]


@pytest.mark.parametrize(
    ("args", "message"),
    [
        (["plan", "--policy", "x"], "no policy 'x'"),
        (["plan", "--roll", "zsk"], "has no ZSK"),
        (["plan", "--roll", "algorithm"], "needs --algorithm"),
        (["plan", "--roll", "algorithm", "--algorithm", "ecdsap256sha256"], "already"),
        (["plan", "--algorithm", "ed25519"], "is for --roll algorithm"),
        (["plan", "--parent", "soon"], "not a duration"),
        (["status", "/nonexistent"], "No such file"),
        (["start", "/nonexistent", "--zone", ZONE], "No such file"),
        (["turn"], "no verb"),
    ],
)
def test_wrong_arguments_are_named(capsys: pytest.CaptureFixture[str], args: list[str], message: str) -> None:
    assert main(["dnssec", "rollover", *args]) != 0
    assert message in capsys.readouterr().err

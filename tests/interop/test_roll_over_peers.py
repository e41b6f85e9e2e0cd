"""While a server rolls keys over, each version of its zone is right for dnssec-verify, ldns-verify-zone, kzonecheck and Unbound."""

from __future__ import annotations

import shutil
import subprocess
import time
from typing import TYPE_CHECKING

import asking
import peers
import pytest
from signing_world import DAY, World, rrsets

from namewise.dnssec.anchors import Key
from namewise.dnssec.policy import Role

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

BEHIND_S = 8 * DAY
"""The clock of the server is that much behind, so that what it signs in the next days is valid for peers, whose clocks are right."""
LASTING = {
    "signatures_validity": "60d",
    "signatures_validity_dnskey": "60d",
    "signatures_refresh": "10d",
    "signatures_jitter": "1d",
}
CHECKS = (
    ["dnssec-verify", "-q", "-o", "example.com."],
    ["ldns-verify-zone", "-V", "1"],
    ["kzonecheck", "-o", "example.com.", "-d", "on"],
)


def complains(words: list[str], folder: Path) -> str:
    """Return what a program says of the file `zone` that it does not accept; empty: it does."""
    if shutil.which(words[0]) is None:
        return ""
    done = subprocess.run(
        [*words, "zone"], cwd=folder, capture_output=True, text=True, check=False, timeout=60
    )
    return f"{words}: {done.stdout}{done.stderr}" if done.returncode else ""


def strict(world: World) -> set[str]:
    """Return the programs that ask for more than RFC 4035 §2.2 does of the zone as it is now."""
    keys = {Key.parse(str(one)) for one in world.zone.rrset("example.com.", "DNSKEY") or ()}
    signed = {
        int(str(one).split(" ")[1]) for rrset in rrsets(world.zone) if rrset.type == "RRSIG" for one in rrset
    }
    found = set()
    if signed > {key.algorithm for key in keys}:
        # It takes signatures of an algorithm without DNSKEY for an error; RFC 6781 §4.1.4 asks for them.
        found.add("ldns-verify-zone")
    if len(keys) > 1 and all(key.flags & 1 for key in keys):
        # Version 3.2 misses signatures in zones with several CSKs, also in those that dnssec-signzone signs.
        found.add("kzonecheck")
    return found


def check(world: World, folder: Path) -> None:
    """Let every peer judge the zone as it is served now."""
    folder.mkdir()
    (folder / "zone").write_text(world.zone.to_text())
    if world.zone.is_signed:
        csk = ["-z"] if world.policy["keys"] == "csk" else []
        for words in CHECKS:
            if words[0] in strict(world):
                continue
            said = complains([*words, *csk] if words[0] == "dnssec-verify" else words, folder)
            assert not said, said
    anchors = [f' trust-anchor: "example.com. 300 IN DS {one}"' for one in world.ds]
    stub = ["stub-zone:", " name: example.com", f" stub-addr: 127.0.0.1@{world.port}"]
    with peers.running(peers.unbound(folder / "unbound", peers.free_address(), [*anchors, *stub])) as unbound:
        unbound.answers("example.com.")
        for name, rcode in (("www.example.com", "NOERROR"), ("no.example.com", "NXDOMAIN")):
            reply = asking.ask("dig", unbound.where, name, "A", "+dnssec")
            assert reply.rcode == rcode, reply.text
            assert ("ad" in reply.flags) == bool(world.ds), reply.text


@pytest.mark.parametrize(
    ("keys", "roll", "denial"),
    [
        ("ksk-zsk", "zsk", "nsec"),
        ("ksk-zsk", "ksk", "nsec3"),
        ("csk", "csk", "nsec3"),
        ("csk", "emergency", "nsec"),
        ("ksk-zsk", "algorithm", "nsec"),
        ("csk", "algorithm", "nsec3"),
        ("csk", "insecure", "nsec"),
    ],
)
def test_every_version_is_right_for_others(
    worlds: Callable[..., World], tmp_path: Path, keys: str, roll: str, denial: str
) -> None:
    begin = int(time.time()) - BEHIND_S
    world = worlds(begin=float(begin), keys=keys, denial=denial, **LASTING)
    looks = 0

    def look() -> None:
        nonlocal looks
        looks += 1
        check(world, tmp_path / f"look{looks}")

    world.run(DAY, look=look)
    first, before = world.published(), looks
    assert world.ds
    if roll == "algorithm":
        world.policy["algorithm"] = "ed25519"
        world.reload()
    elif roll == "insecure":
        world.dnssec = None
        world.reload()
    else:
        role = Role.CSK if roll == "emergency" else Role(roll)
        world.signing.request("example.com.", role, compromised=roll == "emergency")
    world.run(3 * DAY, look=look)
    assert len(first & world.published()) == (1 if roll in ("zsk", "ksk") else 0)
    assert looks - before >= (2 if roll == "insecure" else 3)
    assert world.zone.is_signed == (roll != "insecure")

"""Complete roll-overs by a server, on a virtual clock: no validator finds the zone bogus, whatever its cache has.

`NAMEWISE_PLANS=200` runs that many random plans. A failure names the seed: `plan(folder, seed)` repeats it, apart from the keys.
"""

from __future__ import annotations

import contextlib
import os
import random
from typing import TYPE_CHECKING

import pytest
from signing_world import DAY, HOUR, RECORDS, World

from namewise.dnssec.policy import Role

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

PLANS = int(os.environ.get("NAMEWISE_PLANS", "0")) or 2
"""A plan takes seconds; those of `test_rollover.py`, without signatures, cost less."""


def begin(world: World, roll: str, *, emergency: bool = False) -> None:
    """Ask for a roll-over."""
    if roll == "algorithm":
        world.policy["algorithm"] = "ed25519"
        world.reload()
    else:
        world.signing.request("example.com.", Role(roll), compromised=emergency)


@pytest.mark.parametrize(
    ("keys", "roll", "emergency"),
    [
        ("ksk-zsk", "zsk", False),
        ("ksk-zsk", "ksk", False),
        ("csk", "csk", False),
        ("ksk-zsk", "algorithm", False),
        ("csk", "algorithm", False),
        ("ksk-zsk", "zsk", True),
        ("ksk-zsk", "ksk", True),
        ("csk", "csk", True),
    ],
)
def test_a_complete_roll_over(worlds: Callable[..., World], keys: str, roll: str, emergency: bool) -> None:
    world = worlds(keys=keys)
    world.run(DAY)
    first, shown = world.published(), world.ds
    assert shown and len(first) == (1 if keys == "csk" else 2)
    begin(world, roll, emergency=emergency)
    world.run(60)
    # The clock of the server is set, and set back: waits do not end, and signatures are valid by both.
    world.now += 40 * DAY
    world.act()
    assert first <= world.published() or roll == "algorithm"
    world.run(10 * 60)
    world.now -= 40 * DAY
    # The parent does not reply. What needs it waits, with all keys.
    world.silent = True
    world.run(2 * DAY)
    entry = {ds.tag for ds in shown}
    if roll != "zsk":
        assert entry <= world.published(), "the old key stays until every server of the parent has the new DS"
    world.silent = False
    world.run(DAY)
    kept = first & world.published()
    assert len(kept) == (1 if roll in ("ksk", "zsk") else 0)
    assert (world.ds == shown) == (roll == "zsk")
    state = world.signing.store.load("example.com.")
    assert state is not None and all(key.gone == key.retired for key in state.keys)
    assert world.check_caches() > 100
    assert not {"fault", "served-differs", "ds-missing", "signing-failed"} & set(world.slugs())


def test_a_silent_parent_stops_the_change_of_the_ds_alone(worlds: Callable[..., World]) -> None:
    world = worlds()
    world.run(DAY)
    first, shown = world.published(), world.ds
    world.silent = True
    begin(world, "ksk")
    begin(world, "zsk")
    world.run(3 * DAY)
    assert "parent-silent" in world.slugs()
    present = world.published()
    assert {ds.tag for ds in shown} <= present and len(present) == 3, "the ZSK has rolled, the KSK waits"
    assert len(first & present) == 1
    world.silent = False
    world.run(DAY)
    assert len(world.published()) == 2 and not first & world.published()
    assert world.check_caches() > 100


def plan(folder: Path, seed: int, days: int = 10) -> World:
    """Let a server live through what the random numbers of *seed* bring, and check all that caches may have had."""
    rng = random.Random(seed)
    world = World(
        folder,
        keys=rng.choice(["csk", "ksk-zsk"]),
        algorithm=rng.choice(["ecdsap256sha256", "ed25519"]),
        denial=rng.choice(["nsec", "nsec3"]),
        ksk_lifetime=rng.choice(["0s", "4d"]),
    )
    try:
        world.lag_s = rng.choice([60, HOUR, DAY])
        times = sorted(rng.randint(HOUR, (days - 3) * DAY) for _ in range(rng.randint(4, 9)))
        since = 0
        for at in times:
            world.run(at - since, look=lambda: None)
            since = at
            rng.choice([roll, roll, roll, algorithm, keys, denial, change, silence, set_clock, restart])(
                world, rng
            )
        world.silent = False
        world.run(days * DAY - since, look=lambda: None)
        world.resolve()
        begin, end = world.served[0].at, world.true
        world.check_caches(rng.uniform(begin, end) for _ in range(50))
    finally:
        world.service.close(0.0)
    return world


def roll(world: World, rng: random.Random) -> None:
    roles = [Role.CSK] if world.policy["keys"] == "csk" else [Role.KSK, Role.ZSK]
    with contextlib.suppress(ValueError):  # no key of this role
        world.signing.request("example.com.", rng.choice(roles), compromised=rng.random() < 0.3)


def algorithm(world: World, rng: random.Random) -> None:
    world.policy["algorithm"] = rng.choice(["ecdsap256sha256", "ecdsap384sha384", "ed25519"])
    world.reload()


def keys(world: World, rng: random.Random) -> None:
    world.policy["keys"] = rng.choice(["csk", "ksk-zsk"])
    world.reload()


def denial(world: World, rng: random.Random) -> None:
    world.policy["denial"] = rng.choice(["nsec", "nsec3"])
    world.reload()


def change(world: World, rng: random.Random) -> None:
    if rng.random() < 0.5:
        world.edit(f"n{rng.randrange(9)}.example.com.", f"192.0.2.{rng.randrange(256)}")
    else:
        world.write(RECORDS + f"f{rng.randrange(9)} A 192.0.2.7\n", serial=world.written + 1)
        world.reload()


def silence(world: World, rng: random.Random) -> None:
    world.silent = not world.silent


def set_clock(world: World, rng: random.Random) -> None:
    """Set it, and back within the day for which both settings count."""
    off = rng.choice([-1, 1]) * rng.choice([90, HOUR, 40 * DAY])
    world.now += off
    world.run(rng.randint(1, 10 * HOUR), look=lambda: None)
    world.now -= off
    world.act()


def restart(world: World, rng: random.Random) -> None:
    world.restart()


@pytest.mark.parametrize("seed", range(PLANS))
def test_random_plans_are_never_bogus(tmp_path: Path, seed: int) -> None:
    world = plan(tmp_path, seed)
    assert world.checked > 10

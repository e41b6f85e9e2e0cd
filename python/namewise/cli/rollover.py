"""`nw dnssec rollover` and `nw dnssec keys`; the help is that of `nw dnssec`."""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING, Any

from namewise.cli.failure import Failure
from namewise.cli.options import Options, verb

if TYPE_CHECKING:
    from collections.abc import Callable

    from namewise.cli.options import Parsed
    from namewise.dnssec.anchors import Key
    from namewise.dnssec.keystore import FolderStore
    from namewise.dnssec.policy import Policy, Role
    from namewise.dnssec.safety import RolloverKey
    from namewise.dnssec.simulate import World
    from namewise.dnssec.zone_keys import ZoneKeys

BOGUS = 3
_ROLLS = ("first", "csk", "ksk", "zsk", "algorithm", "insecure")
_POLICY = ("--config", "--policy")
_PLAN = Options(
    values=(*_POLICY, "--roll", "--algorithm", "--parent", "--svg"), flags=("--emergency", "--json")
)
_SIMULATE = Options(values=("--plans", "--seed", "--days"), flags=("--json",))
_STATUS = Options(values=(*_POLICY, "--zone", "--control"), flags=("--json",), words=(1, 1))
_START = Options(
    values=("--zone", "--role", "--ignored", "--control"), flags=("--emergency", "--json"), words=(1, 1)
)
_KEYS = Options(values=("--zone", "--control"), flags=("--json",), words=(1, 1))


def run(args: list[str]) -> int:
    """Run a verb of `nw dnssec rollover`."""
    said = verb(args, ("plan", "status", "start", "simulate"))
    known: dict[str, tuple[Options, Callable[[Parsed], int]]] = {
        "plan": (_PLAN, plan),
        "status": (_STATUS, status),
        "start": (_START, start),
        "simulate": (_SIMULATE, simulate),
    }
    options, do = known[said]
    return do(options.read(args[1:]))


def plan(parsed: Parsed) -> int:
    """Print what happens in a roll-over, and whether a validator could find the zone bogus meanwhile."""
    from namewise.config.values import duration_ms, duration_text
    from namewise.dnssec.simulate import instants, planned
    from namewise.dnssec.timeline import lines, spans, svg

    policy = _policy(parsed)
    roll = parsed.one("--roll") or policy.roles[0].value if policy.roles else "insecure"
    _one_of("--roll", roll, _ROLLS)
    algorithm = _algorithm(parsed, policy, roll)
    if roll in ("csk", "ksk", "zsk") and roll not in (role.value for role in policy.roles):
        raise Failure(
            f"policy {policy.name} has no {roll.upper()}: {', '.join(role.value for role in policy.roles)}"
        )
    try:
        parent = duration_ms(parsed.one("--parent") or "1h") // 1000
    except ValueError as error:
        raise Failure(f"--parent: {error}") from None
    world, begin, end = planned(
        policy, roll, algorithm=algorithm, parent=parent, emergency="--emergency" in parsed
    )
    looked = instants(world, begin, end)
    bogus = next((str(found) for at in looked if (found := world.check(at)) is not None), None)
    what = {
        "first": "first signing",
        "insecure": "to unsigned",
        "algorithm": f"algorithm {policy.algorithm} to {algorithm}",
    }
    title = f"policy {policy.name}: {what.get(roll, 'roll-over of the ' + roll.upper())}"
    picture = parsed.one("--svg")
    rows = spans(world.marks, end)
    if picture is not None:
        drawn = svg(title, {row: some for row, some in rows.items() if some[-1][1] > begin}, begin, end)
        with open(picture, "w", encoding="utf-8") as file:
            file.write(drawn)
    verdict = bogus or "no validator finds the zone bogus, whatever it has in its cache"
    if "--json" in parsed:
        document = {
            "ok": bogus is None,
            "policy": policy.name,
            "roll": roll,
            "took_s": end - begin,
            "bogus": bogus,
            "checked": len(looked),
            "events": [
                {"at_s": event.at - begin, "text": event.text} for event in world.events if event.at >= begin
            ],
            "states": [
                {
                    "at_s": mark.at - begin,
                    "key": mark.key,
                    "record": mark.record,
                    "state": mark.presence.value,
                }
                for mark in world.marks
                if mark.at >= begin
            ],
        }
        print(json.dumps(document, indent=2))
    else:
        print(f"{title}, if the parent follows CDS after {duration_text(parent * 1000)}")
        for line in lines(world.events, world.marks, begin):
            print(line)
        print(
            f"done after {duration_text((end - begin) * 1000)}; checked at {len(looked)} instants: {verdict}"
        )
    return BOGUS if bogus else 0


def simulate(parsed: Parsed) -> int:
    """Run random plans and print what a validator could find bogus."""
    from namewise.cli.progress import Progress
    from namewise.dnssec.simulate import random_plan

    plans, seed, days = (parsed.number(name) for name in ("--plans", "--seed", "--days"))
    first, count = seed or 0, 10 if plans is None else plans
    found = []
    checked = left = 0
    with Progress(f"simulating {count} plans"):
        for number in range(first, first + count):
            world, instants, bogus = random_plan(number, days or 150)
            checked += len(instants)
            left += world.finished
            if bogus is not None:
                found.append({"seed": number, "bogus": str(bogus), **_last_events(world, bogus.at)})
    report = {"plans": count, "first_seed": first, "checked": checked, "keys_replaced": left, "bogus": found}
    if found:
        text = "\n".join(f"seed {one['seed']}: {one['bogus']}" for one in found)
        raise Failure(
            f"{len(found)} of {count} plans have an instant at which a validator may fail\n{text}",
            code=BOGUS,
            report=report,
        )
    if "--json" in parsed:
        print(json.dumps({"ok": True, **report}, indent=2))
    else:
        print(
            f"{count} plans (seeds {first} to {first + count - 1}), {left} keys replaced, {checked} instants: "
            "no validator finds a zone bogus, whatever it has in its cache"
        )
    return 0


def _last_events(world: World, at: int) -> dict[str, Any]:
    """Return the events of the ten days before *at*."""
    return {"events": [[event.at, event.text] for event in world.events if at - 864_000 < event.at <= at]}


def status(parsed: Parsed) -> int:
    """Print the keys of a zone with the states of their records."""
    if not _is_folder(parsed):
        from namewise.cli import signing

        return signing.status(parsed)
    from namewise.dnssec.keystore import to_tree

    store, zone = _store(parsed)
    state = _state(store, zone)
    policy = _policy(parsed)
    tree = to_tree(state, policy)
    if "--json" in parsed:
        print(json.dumps({"ok": True, **tree}, indent=2))
        return 0
    print_tree(tree)
    return 0


def print_tree(tree: dict[str, Any]) -> None:
    """Print the states of keys."""
    print(f"{tree['zone']} last step {when(tree['stepped'])}")
    for key in tree["keys"]:
        marks = [word for word in ("retired", "compromised", "foreign") if key[word]]
        what = "".join(f", {word}" for word in marks)
        print(f"{key['id']} ({key['role']}{what})")
        for record, (presence, since) in key["records"].items():
            print(f"  {record:<16} {presence}{f' since {when(since)}' if since else ''}")
        if key["next"]:
            print(f"  successor        {when(key['next'])}")
    for wait in tree["waits"]:
        until = f" ({when(wait['until'])})" if wait["until"] else ""
        print(f"waits: {wait['record']} of {wait['key']} {wait['why']}{until}")
    for role in tree["requested"]:
        print(f"asked for: roll-over of the {role.upper()}")


def start(parsed: Parsed) -> int:
    """Ask for a roll-over: the next step begins it."""
    if not _is_folder(parsed):
        from namewise.cli import signing

        return signing.start(parsed)
    from namewise.dnssec import zone_keys
    from namewise.dnssec.policy import Role

    store, zone = _store(parsed)
    state = _state(store, zone)
    ignored, role = parsed.one("--ignored"), parsed.one("--role")
    if (ignored is None) == (role is None):
        raise Failure("set --role (csk, ksk or zsk), or --ignored KEY")
    try:
        if ignored is not None:
            state = zone_keys.parent_ignored(state, ignored)
            said = f"{ignored}: its DS counts as refused by the parent"
        else:
            _one_of("--role", role or "", ("csk", "ksk", "zsk"))
            state = zone_keys.request(state, Role(role), compromised="--emergency" in parsed)
            said = f"{state.zone} rolls its {Role(role).name} over with its next step"
    except KeyError:
        raise Failure(f"{zone} has no key {ignored}: {', '.join(key.id for key in state.keys)}") from None
    except ValueError as error:
        raise Failure(str(error)) from None
    store.save(state)
    print(
        json.dumps({"ok": True, "zone": state.zone, "said": said}, indent=2) if "--json" in parsed else said
    )
    return 0


def keys(parsed: Parsed) -> int:
    """List the keys in a folder, or of a zone of a running server."""
    if not _is_folder(parsed):
        from namewise.cli import signing

        return signing.keys(parsed)
    from namewise.dnssec.keystore import FolderStore, read_folder
    from namewise.engine.errors import BadName, KeyFileError

    store = FolderStore(parsed.words[0])
    found: list[dict[str, Any]] = []
    try:
        asked = parsed.one("--zone")
        for zone in [asked] if asked else store.zones():
            state = store.load(zone)
            known = {key.id: key for key in state.keys} if state else {}
            for one in read_folder(store, zone):
                key = known.get(one.id)
                found.append(
                    _listed(zone, one.id, key.role if key else one.role, one.public, key, one.state(_now()))
                )
            for key in known.values():
                if key.foreign:
                    found.append(_listed(zone, key.id, key.role, key.public, key, ""))
    except (KeyFileError, BadName) as error:
        raise Failure(error.message, code=2) from None
    except OSError as error:
        raise Failure(f"{store.path}: {error.strerror}", code=2) from None
    if "--json" in parsed:
        print(json.dumps({"ok": True, "keys": found}, indent=2))
        return 0
    if not found:
        sys.stderr.write(f"{store.path}: no keys\n")
    for row in found:
        managed = "" if row["managed"] else ", by BIND's times"
        print(
            f"{row['id']} {row['role']} algorithm {row['algorithm']} tag {row['tag']}: {row['state']}{managed}"
        )
    return 0


def _listed(
    zone: str, id: str, role: Role, public: Key, key: RolloverKey | None, state: str
) -> dict[str, Any]:
    """Return a line of `keys`. *state* is what the files say; *key* knows better."""
    if key is not None:
        marks = [("foreign", key.foreign), ("retired", key.retired), ("active", key.active is not None)]
        state = next((word for word, holds in marks if holds), "new")
    return {
        "id": id,
        "zone": zone,
        "role": role.value,
        "algorithm": public.algorithm,
        "tag": public.tag,
        "managed": key is not None,
        "state": state,
        "dnskey": str(public),
    }


def read_keys(args: list[str]) -> int:
    """Run `nw dnssec keys`."""
    return keys(_KEYS.read(args))


def _is_folder(parsed: Parsed) -> bool:
    """Return whether a folder of keys is meant, and not a zone of the running server."""
    import os

    word = parsed.words[0]
    return parsed.one("--control") is None and ("/" in word or os.path.isdir(word))


def _store(parsed: Parsed) -> tuple[FolderStore, str]:
    """Return the store in the folder, and the zone that is meant."""
    from namewise.dnssec.keystore import FolderStore

    store = FolderStore(parsed.words[0])
    zone = parsed.one("--zone")
    if zone is None:
        try:
            zones = store.zones()
        except OSError as error:
            raise Failure(f"{store.path}: {error.strerror}", code=2) from None
        if len(zones) != 1:
            raise Failure(f"{store.path} has keys of {', '.join(zones) or 'no zone'}: name one with --zone")
        zone = zones[0]
    return store, zone


def _state(store: FolderStore, zone: str) -> ZoneKeys:
    """Return the states of the keys of *zone*. Raises Failure."""
    import time

    from namewise.dnssec.keystore import import_folder
    from namewise.engine.errors import BadName, KeyFileError

    try:
        state = store.load(zone)
        state = import_folder(store, zone, int(time.time())) if state is None else state
    except (KeyFileError, BadName) as error:
        raise Failure(error.message, code=2) from None
    except OSError as error:
        raise Failure(f"{store.path}: {error.strerror}", code=2) from None
    if not state.keys:
        raise Failure(f"{store.path} has no keys of {zone}", code=2)
    return state


def _policy(parsed: Parsed) -> Policy:
    """Return the policy that the arguments name. Raises Failure."""
    from namewise.dnssec.policy import policies

    tables: tuple[Any, ...] = ()
    path, name = parsed.one("--config"), parsed.one("--policy")
    if path is not None:
        from namewise.config import ConfigError, load

        try:
            tables = load(path).config.dnssec
        except ConfigError as error:
            raise Failure(str(error)) from None
    known = policies(tables)
    if name is None:
        name = tables[0].name if len(tables) == 1 else "default"
    if name not in known:
        hint = "" if path else "--config names the file with the [[dnssec]] table."
        raise Failure(f"no policy {name!r}; known are {', '.join(known)}", hint=hint)
    return known[name]


def _algorithm(parsed: Parsed, policy: Policy, roll: str) -> int:
    """Return the algorithm to roll over to. Raises Failure."""
    from namewise.config.dnssec import ALGORITHMS

    name = parsed.one("--algorithm")
    if roll != "algorithm":
        if name is not None:
            raise Failure("--algorithm is for --roll algorithm")
        return policy.algorithm
    if name is None:
        raise Failure(f"--roll algorithm needs --algorithm: {', '.join(ALGORITHMS)}")
    _one_of("--algorithm", name.lower(), tuple(ALGORITHMS))
    if ALGORITHMS[name.lower()] == policy.algorithm:
        raise Failure(f"policy {policy.name} has algorithm {name} already")
    return ALGORITHMS[name.lower()]


def _one_of(flag: str, said: str, known: tuple[str, ...]) -> None:
    if said not in known:
        raise Failure(f"{flag}: {said!r} is none of {', '.join(known)}")


def _now() -> int:
    import time

    return int(time.time())


def when(seconds: int) -> str:
    """Return a time as text."""
    from namewise.cli.dnssec import stamp

    return stamp(seconds) if seconds else "never"

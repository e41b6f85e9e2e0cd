"""Settings reach the engine: the tests read them back from a snapshot, not from the plan."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from msgspec.structs import replace

from namewise.compile import plan_bytes, read_inputs
from namewise.config import load
from namewise.config.model import Budget, ServerTable
from namewise.config.schema import settings
from namewise.config.values import duration_ms, duration_text, size_bytes, size_text
from namewise.engine import EdnsOption, Message, Snapshot, Zone, make_query

if TYPE_CHECKING:
    from namewise.config import Config
    from namewise.config.origin import Origin
    from namewise.config.origin import Path as SettingPath

ROOT = Path(__file__).resolve().parents[2]
OFFICE, STRANGER = "10.1.2.3", "203.0.113.7"
OWN_KEYS = {"cache_bytes"}
"""Limits of the engine that are not a key of `[resolver.budget]`: `[resolver] cache`."""


def snapshot_of(config: Config, zones: list[Zone] | None = None) -> Snapshot:
    without_keys = replace(config, key=())
    return Snapshot.build(plan_bytes(without_keys, read_inputs(without_keys), 2), zones or [])


def ask(snapshot: Snapshot, client: str, name: str, rtype: str = "A", rclass: str = "IN") -> Message | None:
    query = make_query(name, rtype, rclass, options=[EdnsOption("NSID", b"")])
    reply = snapshot.answer(query.wire, client, "udp")
    return None if reply is None else Message.parse(reply)


def test_the_engine_agrees_with_the_annotated_example() -> None:
    config = load(str(ROOT / "docs/namewise.toml"), environ={}).config
    text = "@ 60 IN SOA ns admin 1 2 3 4 5\n@ 60 IN NS ns\nns 60 IN A 192.0.2.1\n"
    snapshot = snapshot_of(config, [Zone.from_text(zone.name, text) for zone in config.zone])
    limits = snapshot.budget
    assert limits is not None
    assert (limits["max_upstream_queries"], limits["wall_clock"]) == (200, 7_000_000)
    assert limits["cache_bytes"] == 64 << 20
    # [server]: NSID and the UDP size on every answer; no identity, so its name is refused.
    reply = ask(snapshot, STRANGER, "ns.example.com")
    assert reply is not None and reply.edns is not None
    assert (reply.rcode, [str(a) for a in reply.answer[0].rdatas]) == ("NOERROR", ["192.0.2.1"])
    assert reply.edns.udp_payload == 1232
    assert [option.data for option in reply.edns.options if option.name == "NSID"] == [b"ns1.example.com"]
    named = ask(snapshot, STRANGER, "id.server", "TXT", "CH")
    assert named is not None and named.rcode == "REFUSED"
    # [[zone]] allow, and [[policy]] on recursion: what is not refused would be looked up, None here.
    for client, inside, outside in ((OFFICE, "NOERROR", None), (STRANGER, "REFUSED", "REFUSED")):
        reply, recursion = ask(snapshot, client, "ns.internal.example"), ask(snapshot, client, "a.example")
        assert reply is not None and reply.rcode == inside
        assert (recursion.rcode if recursion else None) == outside


def engine_value(name: str, value: int) -> int:
    """Return *value* of the models (times in milliseconds) in the engine's unit: TTLs in seconds, other times
    in microseconds."""
    if not is_time(name):
        return value
    return value // 1000 if name.endswith("ttl") else value * 1000


def is_time(name: str) -> bool:
    return bool(settings(Budget)[name].extra("kind") == "duration")


def written(name: str, value: int) -> str:
    """Return *value* as it stands in the file."""
    shown = settings(Budget)[name].shown(value)
    assert shown in (value, duration_text(value), size_text(value))
    return json.dumps(shown)


def bound(name: str, which: str) -> int:
    found = settings(Budget)[name].bound(which)
    assert found is not None
    return found


def odd(name: str) -> int:
    """Return a value for the key *name* that differs from all defaults and from the values of all other keys."""
    step = 11 + list(settings(Budget)).index(name)
    return bound(name, "ge") + (step * 1000 if name.endswith("ttl") else step)


def limits_of(folder: Path, values: dict[str, int]) -> dict[str, int]:
    """Return the limits of the engine with *values* in `[resolver.budget]` of a file."""
    file = folder / "namewise.toml"
    lines = [f"{name} = {written(name, value)}" for name, value in values.items()]
    file.write_text("\n".join(["[resolver]", 'cache = "1234567B"', "[resolver.budget]", *lines, ""]))
    limits = snapshot_of(load(str(file), environ={}).config).budget
    assert limits is not None
    return limits


def test_every_limit_of_the_engine_has_a_key() -> None:
    """The engine's table holds each field of its `Budget` (crates/py/src/budget.rs does not compile otherwise)."""
    limits = snapshot_of(load(None, environ={"NAMEWISE_RESOLVER_IPV4": "true"}).config).budget
    assert limits is not None
    assert set(limits) - OWN_KEYS == set(settings(Budget))
    assert set(limits) >= OWN_KEYS


def test_every_limit_reaches_the_engine(tmp_path: Path) -> None:
    values = {name: odd(name) for name in settings(Budget)}
    default = limits_of(tmp_path, {})
    limits = limits_of(tmp_path, values)
    assert limits == {name: engine_value(name, value) for name, value in values.items()} | {
        "cache_bytes": 1_234_567
    }
    assert not {name for name in values if limits[name] == default[name]}, "odd values are nobody's default"


@pytest.mark.parametrize("which", ["ge", "le"])
def test_the_engine_accepts_values_that_the_models_allow(tmp_path: Path, which: str) -> None:
    values = {name: bound(name, which) for name in settings(Budget)}
    limits = limits_of(tmp_path, values)
    assert {name: limits[name] for name in values} == {
        name: engine_value(name, values[name]) for name in values
    }


def test_the_defaults_that_the_descriptions_name_are_the_engine_s(tmp_path: Path) -> None:
    limits = limits_of(tmp_path, {})
    for name, setting in settings(Budget).items():
        said = setting.description.rsplit("Not set: ", 1)[1].rstrip(".")
        read = duration_ms if is_time(name) else size_bytes
        assert engine_value(name, int(said) if said.isdigit() else read(said)) == limits[name], name


@pytest.mark.parametrize("which", ["ge", "le"])
def test_the_engine_accepts_server_settings_that_the_models_allow(tmp_path: Path, which: str) -> None:
    lines = ["[server]"]
    for name, setting in settings(ServerTable).items():
        limit = setting.bound(which)
        if limit is not None:
            lines.append(f"{name} = {json.dumps(setting.shown(limit))}")
    assert len(lines) > 5
    file = tmp_path / "namewise.toml"
    file.write_text("\n".join(lines) + "\n")
    assert snapshot_of(load(str(file), environ={}).config).budget is None


def test_what_replaces_a_forwarder_is_validated(tmp_path: Path) -> None:
    """By default, answers of forwarders are not validated: not those of the root's servers in their place."""
    file = tmp_path / "namewise.toml"
    forward = '[[forward]]\nsuffix = "{}"\nservers = ["192.0.2.1"]\nfallback = {}\n'.format
    file.write_text("[resolver]\n" + forward("a.example", "false") + forward("b.example", "true"))
    config = load(str(file), environ={}).config
    plan = json.loads(plan_bytes(config, read_inputs(config), 2))
    assert plan["resolver"]["negative_trust_anchors"] == ["a.example."]


@pytest.mark.parametrize(
    ("tables", "asked"),
    [
        ('[[key]]\nname = "k."\nalgorithm = "hmac-sha256"\nsecret_file = "secret"\n[resolver]', set()),
        ('[rebinding]\naction = "remove"', {"rebinding"}),
        ('[no_aaaa]\nclients = ["any"]', {"no_aaaa"}),
        (
            '[resolver]\n[[local]]\nname = "a.example"\ntype = "static"\nrecords = ["@ A 192.0.2.1"]',
            {"local"},
        ),
    ],
)
def test_origins_are_asked_for_where_explanations_name_a_setting(
    tmp_path: Path, tables: str, asked: set[str]
) -> None:
    """To find origins, the files are read again, which doubles the start of a server with thousands of zones."""
    (tmp_path / "secret").write_text("c2VjcmV0")
    (tmp_path / "namewise.toml").write_text(f'{tables}\n[[zone]]\nname = "example."\nfile = "example.zone"\n')
    loaded = load(str(tmp_path / "namewise.toml"), environ={})
    found = set()

    def origin(path: SettingPath) -> Origin:
        found.add(path[0])
        return loaded.origin(path)

    read_inputs(loaded.config, origin)
    assert found == asked

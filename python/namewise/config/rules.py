"""What the settings say together: contradictions, which are errors, and settings without effect, which are warnings.

A setting that can never do what it says is a contradiction. One that has no effect beside others, or a surprising one, is a
doubt: the server works. References between tables (names of zones, keys, lists of clients) are in `model.py`.
"""

from __future__ import annotations

import ipaddress
from typing import TYPE_CHECKING, Any

from namewise.config import values
from namewise.config.dnssec import mistakes
from namewise.config.schema import settings

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from namewise.config.lists import List
    from namewise.config.model import Config
    from namewise.config.origin import Path
    from namewise.config.resolver import Forward, Resolver
    from namewise.config.schema import Table
    from namewise.config.server import Listen

BOUNDS = (
    ((), "signature_skew_least", "signature_skew_most"),
    (("budget",), "min_timeout", "max_timeout"),
    (("budget",), "first_rest", "max_rest"),
)
"""Within `[resolver]`: the table, and two of its keys of which the first may not exceed the second."""


def contradictions(config: Config) -> Iterator[tuple[Path, str]]:
    """Yield each setting that can never do what it says: its path and why."""
    for index, forward in enumerate(config.forward):
        for key, message in _in_forward(forward, config.resolver):
            yield ("forward", index, *key), message
    if config.resolver is None:
        if config.forward:
            yield ("forward", 0), "forwarding is recursion: add a [resolver] table (it may be empty)"
        for table in ("hosts", "local"):
            if getattr(config, table):
                yield (
                    (table, 0),
                    "local data belong to the resolver: add a [resolver] table (it may be empty)",
                )
        if config.tunnels is not None:
            yield ("tunnels",), "only lookups can be tunnels: add a [resolver] table (it may be empty)"
    else:
        for key, message in _in_resolver(config, config.resolver):
            yield ("resolver", *key), message
    if config.local_root is not None:
        for key, message in _in_local_root(config):
            yield ("local_root", *key), message
    for index, one in enumerate(config.list):
        for at, message in _in_targets(one):
            yield ("list", index, "targets", at), message
    for index, policy in enumerate(config.dnssec):
        for name, message in mistakes(policy):
            yield ("dnssec", index, name), message


def doubts(config: Config) -> Iterator[str]:
    """Yield each setting that has no effect, or a surprising one, in one line."""
    if not config.zone and config.resolver is None:
        yield (
            "there is no zone and no recursion: every query is refused; add a [[zone]] or a [resolver] table, or the flag "
            "--zone or --recursive"
        )
    if config.list and config.resolver is None:
        yield "[[list]] has no effect: lists change answers of the resolver, and there is no [resolver] table"
    if config.resolver is not None:
        yield from _resolver_doubts(config, config.resolver)
    for one in config.list:
        if one.action == "cname" and _is_address(one.targets[0]):
            yield (
                f'list {one.name}: the target {one.targets[0]} of action = "cname" is an IP address, and is used as a name; '
                'set action = "address"'
            )
    for group in config.group:
        if not group.clients and not group.keys:
            yield f"the group {group.name} has no clients and no keys: its lists apply to nobody; set clients or keys"
    for local in config.local:
        if local.type == "redirect" and not any(_is_apex(record, local.name) for record in local.records):
            yield (
                f"[[local]] {local.name}: redirect without a record of {local.name} itself leads nowhere; add one, such as "
                '"@ A 192.0.2.1"'
            )
    if config.rebinding.action == "off" and config.rebinding.allow:
        yield '[rebinding] allow has no effect: action is "off"; set it to "remove" or "refuse"'


def covers(wide: Listen, narrow: Listen) -> bool:
    """Return whether *wide* is a wildcard address and *narrow* another address of the same family and port."""
    if wide.port != narrow.port or wide.port == 0 or not set(wide.transports) & set(narrow.transports):
        return False
    address, other = ipaddress.ip_address(wide.address), ipaddress.ip_address(narrow.address)
    return address.is_unspecified and address.version == other.version and not other.is_unspecified


def _in_forward(forward: Forward, resolver: Resolver | None) -> Iterator[tuple[Path, str]]:
    if not forward.servers:
        if forward.suffix == ".":
            yield ("servers",), "needs at least one entry: only a longer suffix can be an exception"
        for key in ("prime", "fallback"):
            if getattr(forward, key):
                yield (key,), "an exception has no servers: remove this, or name servers"
        if forward.race > 1:
            yield ("race",), "an exception has no servers: remove this, or name servers"
    yield from _twice("servers", forward.servers)
    if forward.servers and forward.prime and not forward.authoritative:
        yield ("prime",), "asks for the name servers of the zone: add authoritative = true"
    if forward.authoritative and forward.race > 1:
        yield ("authoritative",), "race is for recursive servers: remove it, or authoritative"
    if forward.fallback and resolver is not None and resolver.cache_only:
        yield ("fallback",), "[resolver] cache_only starts no lookup at the root servers: remove one of them"


def _in_resolver(config: Config, resolver: Resolver) -> Iterator[tuple[Path, str]]:
    if "." in resolver.negative_trust_anchors:
        at = resolver.negative_trust_anchors.index(".")
        yield (
            ("negative_trust_anchors", at),
            'the root as a whole is not excepted; validation = "off" does that',
        )
    if not (resolver.ipv4 or resolver.ipv6 or resolver.cache_only or config.forward):
        yield ("ipv6",), "no server can be asked: ipv4 is false, too; set one of them to true"
    for path, least, most in BOUNDS:
        table: Table = resolver
        for key in path:
            table = getattr(table, key)
        (low, below), (high, above) = _in_effect(table, least), _in_effect(table, most)
        if low > high:
            # The one of the two that somebody has set.
            key = most if getattr(table, least) == settings(type(table))[least].default else least
            yield (*path, key), f"{least} is {below}, more than {most}, which is {above}"


def _in_effect(table: Table, key: str) -> tuple[Any, Any]:
    """Return the value of *key*, with the engine's default in place of None, and how it is written."""
    setting, value = settings(type(table))[key], getattr(table, key)
    if value is None:
        value = setting.extra("read")(setting.extra("usual"))
    return value, setting.shown(value)


def _in_local_root(config: Config) -> Iterator[tuple[Path, str]]:
    root = config.local_root
    if config.resolver is None:
        yield (), "the local root serves the resolver: add a [resolver] table (it may be empty)"
    if root is not None and not root.primaries and root.file is None:
        yield ("primaries",), "needs at least one entry, or a file"
    if root is not None:
        yield from _twice("primaries", root.primaries)
    if any(forward.suffix == "." and forward.authoritative for forward in config.forward):
        yield (
            (),
            'a [[forward]] names the servers of ".", so that the local root is never used: remove one of them',
        )


def _in_targets(one: List) -> Iterator[tuple[int, str]]:
    from namewise.engine import Name

    readers: dict[str | None, Callable[[str], object]] = {"address": values.address, "cname": Name}
    read = readers.get(one.action)
    for at, target in enumerate(one.targets):
        try:
            if read is not None:
                read(target)
        except ValueError as error:
            yield at, str(error)


def _twice(key: str, servers: tuple[str, ...]) -> Iterator[tuple[Path, str]]:
    for at, server in enumerate(servers):
        if server in servers[:at]:
            yield (key, at), f"the server {server} is given twice"


def _resolver_doubts(config: Config, resolver: Resolver) -> Iterator[str]:
    if resolver.validation == "off":
        for key in ("trust_anchor", "negative_trust_anchors"):
            if getattr(resolver, key):
                yield f'[resolver] {key} has no effect: validation is "off"'
    for forward in config.forward:
        for server in forward.servers:
            version = 6 if ":" in values.endpoint(server).address else 4
            if not getattr(resolver, f"ipv{version}"):
                yield (
                    f"[[forward]] {forward.suffix} names {server}, which is asked over IPv{version} although [resolver] "
                    f"ipv{version} is false"
                )
    streams = resolver.streams
    if streams.max_per_server > streams.max_connections:
        yield (
            f"[resolver.streams] max_per_server, which is {streams.max_per_server}, has no effect: max_connections is "
            f"{streams.max_connections}"
        )
    (least, low), (most, high) = (_in_effect(resolver.budget, key) for key in ("min_ttl", "max_ttl"))
    if least > most:
        yield f"[resolver.budget] min_ttl, which is {low}, has no effect beyond max_ttl, which is {high}"
    patience, waits = _in_effect(resolver.stale, "client_timeout")
    clock, ends = _in_effect(resolver.budget, "wall_clock")
    if resolver.stale.max_age and patience > clock:
        yield (
            f"[resolver.stale] client_timeout, which is {waits}, has no effect: a lookup ends after {ends} "
            "(wall_clock of [resolver.budget])"
        )


def _is_address(text: str) -> bool:
    try:
        ipaddress.ip_address(text)
    except ValueError:
        return False
    return True


def _is_apex(record: str, name: str) -> bool:
    """Whether the owner of *record*, a record of `[[local]]`, is *name*."""
    owner = record.split(maxsplit=1)[0].lower() if record.strip() else ""
    return owner == "@" or owner.rstrip(".") == name.lower().rstrip(".")

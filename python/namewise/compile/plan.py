"""`Config` -> the engine's plan, version 1."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from namewise.config.access import BUILT_IN_ACLS
from namewise.config.resolver import Budget
from namewise.config.schema import settings
from namewise.config.zones import SecondaryZone, client_rule, peer

if TYPE_CHECKING:
    from namewise.compile.inputs import Inputs
    from namewise.config import Config
    from namewise.config.filters import Rrl
    from namewise.config.model import Zone
    from namewise.config.resolver import Resolver
    from namewise.config.schema import Table

VERSION = 1


def plan_bytes(config: Config, inputs: Inputs, workers: int) -> bytes:
    """Return the plan as the JSON text that `Snapshot.build` reads."""
    return json.dumps(plan(config, inputs, workers), separators=(",", ":")).encode()


def plan(config: Config, inputs: Inputs, workers: int) -> dict[str, Any]:
    """Return the plan for *config* and a number of *workers*; *inputs* holds the content of the files that it names."""
    server = config.server
    rebinding = config.rebinding
    acls = {"query": BUILT_IN_ACLS["any"], "recursion": BUILT_IN_ACLS["loopback"]}
    for policy in config.policy:
        acls[policy.on] = config.prefixes(policy.allow)
    return {
        "version": VERSION,
        "server": {
            "identity": server.identity,
            "version": server.version,
            "nsid": server.nsid_hex(),
            "udp_payload": server.udp_payload,
            "minimal_any": server.minimal_any,
            "minimal_responses": server.minimal_responses,
            "rrset_order": server.rrset_order,
            "tcp": {
                "idle_ms": server.tcp_idle,
                "max_connections": server.tcp_connections,
                "max_per_client": server.tcp_per_client,
                "max_pipelined": server.tcp_pipeline,
                "max_lifetime_ms": server.tcp_lifetime,
                "max_queries": server.tcp_questions,
            },
            "workers": workers,
        },
        "acls": {name: list(prefixes) for name, prefixes in acls.items()},
        "resolver": None if config.resolver is None else _resolver(config, config.resolver, inputs),
        "zones": [
            {
                "name": zone.name,
                "query_acl": None if zone.allow is None else list(config.prefixes(zone.allow)),
                "overlay": zone.overlay,
                **_notify(config, zone),
                "transfer": _rules(config, zone.transfer),
                **_update(config, zone),
            }
            for zone in config.zone
        ],
        "keys": [{"name": key.name, "algorithm": key.algorithm} for key in config.key],
        "views": [
            {
                "name": view.name,
                "clients": list(config.prefixes(view.clients)),
                "keys": list(view.keys),
                "zones": None if view.zones is None else list(view.zones),
                "shared_cache": view.shared_cache,
                "common_local": view.common_local,
            }
            for view in config.view
        ],
        "dns64": [
            {
                "prefix": dns64.prefix,
                "clients": list(config.prefixes(dns64.clients)),
                "mapped": list(config.prefixes(dns64.mapped)),
                "exclude": list(dns64.exclude),
            }
            for dns64 in config.dns64
        ],
        "no_aaaa": None
        if not config.no_aaaa.clients
        else {
            "clients": list(config.prefixes(config.no_aaaa.clients)),
            "source": inputs.place(("no_aaaa", "clients")),
        },
        "rebinding": None
        if rebinding.action == "off"
        else {
            "private": list(rebinding.private),
            "allow": list(rebinding.allow),
            "refuse": rebinding.action == "refuse",
            "source": inputs.place(("rebinding", "action")),
        },
        "rrl": None if config.rrl is None else _rrl(config, config.rrl),
        **_detect(config),
        "transfers": {
            "most": config.transfers.most,
            "most_per_zone": config.transfers.most_per_zone,
            "most_per_client": config.transfers.most_per_client,
            "history_bytes": config.transfers.history,
        },
        "recorder": {
            "entries": config.log.recorder,
            "bytes": config.log.recorder_bytes,
            "slow_ms": config.log.slow,
        },
    }


def _notify(config: Config, zone: Zone) -> dict[str, Any]:
    """Return who may send NOTIFY for *zone*: its primaries, by address or key, and others that it names."""
    if not isinstance(zone, SecondaryZone):
        return {}
    peers = [peer(text) for text in zone.primaries]
    # An unsigned NOTIFY of a primary with a key is taken: it leads to a check at most.
    rules: list[dict[str, Any]] = [{"clients": [one.where.address], "key": None} for one in peers]
    rules += [{"clients": None, "key": one.key} for one in peers if one.key is not None]
    rules += _rules(config, zone.notify_from)
    return {"notify": [rule for at, rule in enumerate(rules) if rule not in rules[:at]]}


def _rules(config: Config, texts: tuple[str, ...]) -> list[dict[str, Any]]:
    """Return the clients that *texts* name."""
    return [
        {
            "clients": None if rule.clients is None else list(config.prefixes((rule.clients,))),
            "key": rule.key,
        }
        for rule in map(client_rule, texts)
    ]


def _update(config: Config, zone: Zone) -> dict[str, Any]:
    """Return who may send updates for *zone*; the control plane decides about their records, or forwards them."""
    if isinstance(zone, SecondaryZone):
        rules = _rules(config, zone.forward_updates)
        return {"update": rules, "forwards_updates": True} if rules else {}
    rules = [
        {
            **({} if rule.key is None else {"key": rule.key}),
            **({} if rule.clients is None else {"clients": list(config.prefixes(rule.clients))}),
        }
        for rule in config.update
        if not rule.deny and any(zone.name.lower() == name.lower() for name in rule.zones)
    ]
    return {"update": rules} if rules else {}


def _fields(table: Table, unit: str) -> dict[str, Any]:
    """Return the settings of *table* by name. Durations are in *unit*, `s` or `ms`, which ends their names."""
    made: dict[str, Any] = {}
    for name, setting in settings(type(table)).items():
        value = getattr(table, name)
        if setting.extra("kind") == "duration":
            made[f"{name}_{unit}"] = value // 1000 if unit == "s" else value
        else:
            made[name] = list(value) if isinstance(value, tuple) else value
    return made


def _rrl(config: Config, rrl: Rrl) -> dict[str, Any]:
    return {**_fields(rrl, "s"), "exempt": list(config.prefixes(rrl.exempt))}


def _detect(config: Config) -> dict[str, Any]:
    """Return what is watched; nothing if nothing is."""
    made: dict[str, Any] = {}
    if config.tunnels is not None:
        made["tunnels"] = {**_fields(config.tunnels, "s"), "allow": list(config.tunnels.unwatched())}
        del made["tunnels"]["allow_default"]
    if config.amplification is not None:
        limit = config.amplification
        made["amplification"] = {**_fields(limit, "s"), "exempt": list(config.prefixes(limit.exempt))}
    return {"detect": made} if made else {}


def _negative_trust_anchors(config: Config, resolver: Resolver, inputs: Inputs) -> list[str]:
    """Return the names below which nothing is validated: those of the configuration, those added at run time and, unless it
    validates everything, those that go to forwarders. What servers of the tree below the root answer in their place is validated,
    and so is what such forwarders answer: both have the same data."""
    forwarded = [forward.suffix for forward in config.forward if forward.servers and not forward.fallback]
    if resolver.validation != "auto":
        forwarded = []
    return sorted({*resolver.negative_trust_anchors, *inputs.negative, *forwarded} - {"."})


def _resolver(config: Config, resolver: Resolver, inputs: Inputs) -> dict[str, Any]:
    budget: dict[str, int] = {}
    for name, setting in settings(Budget).items():
        value = getattr(resolver.budget, name)
        if value is None:
            continue
        if setting.extra("kind") != "duration":
            budget[name] = value
        elif name.endswith("ttl"):
            budget[name] = value // 1000
        else:
            budget[f"{name}_ms"] = value
    made: dict[str, Any] = {
        # Without hints, the resolver can ask forwarders only.
        "hints": [
            {"name": hint.name, "addresses": list(hint.addresses)}
            for hint in (() if resolver.cache_only else inputs.hints)
        ],
        "forward": [
            {
                "suffix": forward.suffix,
                "servers": list(forward.servers),
                **{key: True for key in ("authoritative", "fallback", "prime") if getattr(forward, key)},
                **({"race": forward.race} if forward.race != 1 else {}),
            }
            for forward in config.forward
        ],
        "trust_anchors": list(inputs.anchors),
        "negative_trust_anchors": _negative_trust_anchors(config, resolver, inputs),
        "sha1": resolver.sha1,
        "signature_skew_least_s": resolver.signature_skew_least // 1000,
        "signature_skew_most_s": resolver.signature_skew_most // 1000,
        "root_key_sentinel": resolver.root_key_sentinel,
        "key_tags": resolver.trust_anchor_key_tags,
        "cache_bytes": resolver.cache,
        "qname_minimisation": resolver.qname_minimisation,
        "qname_case_randomisation": resolver.qname_case_randomisation,
        "cookies": resolver.cookies,
        "nxdomain_cut": resolver.nxdomain_cut,
        "aggressive_nsec": resolver.aggressive_nsec,
        "prefetch": resolver.prefetch,
        "ipv4": resolver.ipv4,
        "ipv6": resolver.ipv6,
        "ask_loopback": resolver.ask_loopback,
        "local_zones_off": list(resolver.local_zones_off),
        "stale": {
            "max_s": resolver.stale.max_age // 1000,
            "client_timeout_ms": resolver.stale.client_timeout,
            "ttl_s": resolver.stale.ttl // 1000,
            "recheck_s": resolver.stale.recheck // 1000,
        },
        "cache_only": resolver.cache_only,
        "streams": _fields(resolver.streams, "ms"),
        "budget": budget,
    }
    if config.hosts:
        made["hosts"] = [
            {"file": hosts.file, "text": text, "ttl": hosts.ttl // 1000, "reverse": hosts.reverse}
            for hosts, text in zip(config.hosts, inputs.hosts, strict=True)
        ]
    if config.local:
        views = {view.name.lower(): view.name for view in config.view}
        made["local"] = [
            {
                "name": local.name,
                "type": local.type,
                "source": inputs.place(("local", index)),
                "views": None if local.views is None else [views[name.lower()] for name in local.views],
                "records": [
                    {"text": text, "source": inputs.place(("local", index, "records", at))}
                    for at, text in enumerate(local.records)
                ],
            }
            for index, local in enumerate(config.local)
        ]
    if resolver.routes is not None:
        made["routes"] = [{"prefix": prefix, "to": to} for prefix, to in sorted(resolver.routes.items())]
    return made

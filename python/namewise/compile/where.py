"""From a path in the plan back to the setting that it was compiled from, so that errors of the engine have a place."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from namewise.config import Config
    from namewise.config.origin import Path

_PART = r"([^.\[\]]+)|\[(\d+)\]"
_TCP = {
    "idle_ms": "tcp_idle",
    "max_connections": "tcp_connections",
    "max_per_client": "tcp_per_client",
    "max_pipelined": "tcp_pipeline",
    "max_lifetime_ms": "tcp_lifetime",
    "max_queries": "tcp_questions",
}
_RECORDER = {"entries": "recorder", "bytes": "recorder_bytes", "slow_ms": "slow"}


def config_path(plan_path: str, config: Config) -> Path:
    """Return the path in *config* of what stands at *plan_path* (`resolver.forward[0].servers[1]`) in its plan."""
    parts: Path = tuple(int(index) if index else name for name, index in re.findall(_PART, plan_path))
    match parts:
        case ("zones", int(index), "query_acl", *_):
            return ("zone", index, "allow")
        case ("zones", int(index), "transfer", *rest):
            return ("zone", index, "transfer", *rest[:1])
        case ("transfers", "history_bytes"):
            return ("transfers", "history")
        case ("zones", int(index), *rest):
            return ("zone", index, *rest)
        case ("resolver", "forward", *rest):
            return ("forward", *rest)
        case ("resolver", "hosts", int(index), *_):
            return ("hosts", index, "file")
        case ("resolver", "local", int(index), "records", int(at), *_):
            return ("local", index, "records", at)
        case ("resolver", "local", *rest):
            return ("local", *rest)
        case ("resolver", "hints" | "trust_anchors" as key, *_):
            return ("resolver", "trust_anchor" if key == "trust_anchors" else key)
        case ("resolver", "budget", str(key), *_):
            return ("resolver", "budget", key.removesuffix("_ms"))
        case ("resolver", "streams", str(key), *_):
            return ("resolver", "streams", key.removesuffix("_ms"))
        case ("views", *rest):
            return ("view", *rest)
        case ("resolver", "cache_bytes"):
            return ("resolver", "cache")
        case ("server", "tcp", str(key), *_):
            return ("server", _TCP.get(key, key))
        case ("acls", str(key), *_):
            found = next((at for at, policy in enumerate(config.policy) if policy.on == key), None)
            return ("policy",) if found is None else ("policy", found, "allow")
        case ("no_aaaa", *_):
            return ("no_aaaa", "clients")
        case ("rrl", str(key), *_):
            return ("rrl", key.removesuffix("_s"))
        case ("recorder", str(key)):
            return ("log", _RECORDER.get(key, key))
    return parts

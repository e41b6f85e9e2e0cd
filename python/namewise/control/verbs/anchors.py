"""`anchors`: the trust anchors of each zone, with the state of each key (RFC 5011)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from namewise.control.verbs import needs_resolver
from namewise.dnssec.anchors import next_change

if TYPE_CHECKING:
    from namewise.control.arguments import Arguments
    from namewise.control.daemon import Daemon
    from namewise.dnssec.anchors import Followed, TrustPoint


def run(daemon: Daemon, _: Arguments) -> dict[str, Any]:
    """Return the trust points; times are seconds since 1970, None where there is none."""
    needs_resolver(daemon)
    service = daemon.service
    resolver = service.config.resolver
    return {
        "follows": resolver is not None and resolver.trust_anchor_updates,
        "points": [_point(point) for point in service.trust.now.points],
    }


def _point(point: TrustPoint) -> dict[str, Any]:
    return {
        "zone": point.zone,
        "checked": point.checked or None,
        "due": point.due,
        "deleted": point.deleted,
        "keys": [
            *({"tag": ds.tag, "algorithm": ds.algorithm, "state": "Configured", "since": None, "next": None, "at": None}
              for ds in point.configured),
            *(_key(point, one) for one in point.keys),
        ],
    }  # fmt: skip


def _key(point: TrustPoint, one: Followed) -> dict[str, Any]:
    becomes, at = next_change(point, one) or (None, None)
    return {
        "tag": one.key.tag,
        "algorithm": one.key.algorithm,
        "state": one.state.value,
        "since": one.since or None,
        "next": becomes,
        "at": at,
    }

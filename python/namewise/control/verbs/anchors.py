"""`anchors`: the trust anchors of each zone, with the state of each key (RFC 5011)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from namewise.compile.inputs import unsupported
from namewise.control.verbs import needs_resolver
from namewise.dnssec.anchors import next_change

if TYPE_CHECKING:
    from namewise.control.arguments import Arguments
    from namewise.control.daemon import Daemon
    from namewise.dnssec.anchors import Ds, Followed, TrustPoint

ARGUMENTS = ()


def run(daemon: Daemon, _: Arguments) -> dict[str, Any]:
    """Return the trust points; times are seconds since 1970, None where there is none."""
    needs_resolver(daemon)
    service = daemon.service
    resolver, trust = service.config.resolver, service.trust
    assert resolver is not None and trust is not None, "needs_resolver has seen the resolver"
    return {
        "follows": resolver.trust_anchor_updates,
        "points": [
            {**_point(point, sha1=resolver.sha1), "failure": trust.failures.get(point.zone)}
            for point in trust.now.points
        ],
    }


def _point(point: TrustPoint, *, sha1: bool) -> dict[str, Any]:
    keys = [
        *(_configured(ds, sha1=sha1) for ds in point.configured),
        *(_key(point, one, sha1=sha1) for one in point.keys),
    ]
    trusted = [key for key in keys if key["state"] in ("Configured", "Valid", "Missing")]
    return {
        "zone": point.zone,
        "checked": point.checked or None,
        "due": point.due,
        "deleted": point.deleted,
        "usable": any(key["unsupported"] is None for key in trusted),
        "keys": keys,
    }


def _configured(ds: Ds, *, sha1: bool) -> dict[str, Any]:
    return {
        "tag": ds.tag,
        "algorithm": ds.algorithm,
        "state": "Configured",
        "since": None,
        "next": None,
        "at": None,
        "unsupported": unsupported(ds.algorithm, ds.digest_type, sha1=sha1),
    }


def _key(point: TrustPoint, one: Followed, *, sha1: bool) -> dict[str, Any]:
    becomes, at = next_change(point, one) or (None, None)
    return {
        "tag": one.key.tag,
        "algorithm": one.key.algorithm,
        "state": one.state.value,
        "since": one.since or None,
        "next": becomes,
        "at": at,
        "unsupported": unsupported(one.key.algorithm, None, sha1=sha1),
    }

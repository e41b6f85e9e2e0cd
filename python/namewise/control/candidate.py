"""What would be served next: built beside what is being served, and asked before it is published.

Loaded -> plan + zones -> Snapshot.build -> probe -> Candidate
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from namewise.backends.file import FileSource
from namewise.compile import plan_bytes, read_inputs
from namewise.config import diff
from namewise.engine import Message, Snapshot, make_query
from namewise.engine.errors import NamewiseError, PlanError

if TYPE_CHECKING:
    from namewise.compile.inputs import Inputs
    from namewise.config import Config, Loaded
    from namewise.zones.registry import Refreshed, Registry

PROBES = 100
"""Zones whose SOA a new snapshot is asked for before it is published."""


class ProbeError(NamewiseError):
    """A new snapshot gave a wrong answer about one of its own zones, and was not published."""

    code = "PROBE"


@dataclass(frozen=True, slots=True)
class Candidate:
    """What would be served next."""

    loaded: Loaded
    inputs: Inputs
    zones: Refreshed
    snapshot: Snapshot

    def changes(self, config: Config, registry: Registry) -> list[str]:
        """Return what differs from *config* and the zones of *registry*, a line each."""
        found = [str(change) for change in diff(config, self.loaded.config)]
        zones = self.zones
        for word, names in (("+", zones.added), ("~", zones.changed), ("-", zones.removed)):
            found += [f"{word} zone {name}{_serials(registry, zones, name)}" for name in names]
        return found


def build(loaded: Loaded, registry: Registry) -> Candidate:
    """Read and build what *loaded* says, with the zones of *registry* that did not change. Touches nothing that is
    being served; raises `NamewiseError` with all that is wrong."""
    config = loaded.config
    inputs = read_inputs(config)
    zones = registry.refresh(FileSource(zone.name, zone.file) for zone in config.zone)
    try:
        snapshot = Snapshot.build(plan_bytes(config, inputs), zones.zones())
    except PlanError as error:
        raise _located(error, loaded) from error
    _probe(snapshot, zones)
    return Candidate(loaded, inputs, zones, snapshot)


def _probe(snapshot: Snapshot, zones: Refreshed) -> None:
    """Ask *snapshot* for the SOA of its zones, as a client on this machine would; raise `ProbeError`."""
    for name in list(zones.entries)[:PROBES]:
        query = make_query(name, "SOA", flags="")
        reply = snapshot.answer(query.wire, "127.0.0.1", "tcp")
        message = Message.parse(reply) if reply else None
        refused = message is not None and message.rcode == "REFUSED"  # by an access list that leaves us out
        if message is None or not (refused or (message.authoritative and message.rcode == "NOERROR")):
            said = message.rcode if message is not None else "nothing"
            raise ProbeError(f"the new snapshot answers {said} to {name} SOA")


def _located(error: PlanError, loaded: Loaded) -> NamewiseError:
    """Return *error*, which speaks of the plan, with the files that the plan was made from."""
    where = ", ".join(loaded.files) or "the command line"
    faults = "\n".join(f"  {fault.path}: {fault.message}" for fault in error.faults)
    return NamewiseError(f"the configuration from {where} cannot be served:\n{faults}", code="BAD_PLAN")


def _serials(registry: Registry, zones: Refreshed, name: str) -> str:
    old, new = registry.entries.get(name), zones.entries.get(name)
    if old is None or new is None:
        return "" if new is None else f" serial {new.zone.serial}"
    return f" serial {old.zone.serial} -> {new.zone.serial}"

"""What would be served next: built and tried beside what is being served, before it is published.

Loaded -> check -> plan + zones -> Snapshot.build -> dry run -> Candidate
"""

from __future__ import annotations

import ipaddress
import os
from typing import TYPE_CHECKING, NamedTuple

from namewise import backends
from namewise.compile import plan_bytes, read_inputs
from namewise.compile.where import config_path
from namewise.config import ConfigError
from namewise.config.rules import doubts
from namewise.config.values import endpoint, is_loopback
from namewise.control.check import problems
from namewise.engine import Message, Snapshot, make_query
from namewise.engine.errors import NamewiseError, PlanError
from namewise.zones.state import failure_text

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from namewise.compile.inputs import Inputs
    from namewise.config import Config, Loaded
    from namewise.policy.lists import Refreshed
    from namewise.zones.reading import Refresh
    from namewise.zones.registry import Registry

PROBES = 100
"""New or changed zones whose SOA a dry run asks for before they are published."""
WIDE = {4: 8, 6: 16}
"""By IP version: prefixes shorter than this are no network of one's own."""


class ProbeError(NamewiseError):
    """A new snapshot gave a wrong answer about one of its own zones, and was not published."""

    code = "PROBE"


class Candidate(NamedTuple):
    """What would be served next."""

    loaded: Loaded
    inputs: Inputs
    zones: Refresh
    snapshot: Snapshot
    lists: Refreshed | None = None
    """None: the configuration names no list."""

    def changes(self, config: Config, inputs: Inputs) -> list[str]:
        """Return what differs from *config*, from the files that it names as *inputs* has them, and from the zones that were served
        before, one line each."""
        from namewise.config import diff

        found = [str(change) for change in diff(config, self.loaded.config)]
        found += _file_changes((config, inputs), (self.loaded.config, self.inputs))
        zones = self.zones
        for sign, names in (("+", zones.added), ("~", zones.changed)):
            found += [f"{sign} zone {name} {zones.after[name].change}" for name in names]
        found += [f"- zone {name}" for name in zones.removed]
        return found

    def failures(self) -> tuple[str, ...]:
        """Return the zones that could not be loaded, each with its errors and what is served instead."""
        found = []
        for source, error in self.zones.failures:
            state = self.zones.after[source.name]
            served = (
                "SERVFAIL" if state.current is None else f"the version with serial {state.current.serial}"
            )
            found.append(f"{failure_text(source, error)}\n  served until it can be loaded: {served}")
        return tuple(found)

    def require_lists(self) -> None:
        """Raise `ListsError` if a list could not be read."""
        if self.lists is not None:
            self.lists.require_all()

    def list_failures(self) -> tuple[str, ...]:
        """Return the lists that could not be read, each with its errors and what is used instead."""
        return () if self.lists is None else tuple(failure.text() for failure in self.lists.failures)

    def warnings(self) -> tuple[str, ...]:
        """Return what is allowed but rarely meant."""
        return (
            *self.zones.warnings,
            *self.inputs.doubts,
            *(() if self.lists is None else self.lists.doubts()),
            *doubts(self.loaded.config),
            *_open_recursion(self.loaded),
            *_forwards_to_itself(self.loaded.config),
            *_readable_secrets(self.loaded.config),
        )


def _file_changes(old: tuple[Config, Inputs], new: tuple[Config, Inputs]) -> Iterator[str]:
    """Yield how the content of the files that the configuration names has changed, one line each."""
    (before, had), (after, has) = old, new
    anchors = [one.configured or one.anchors for one in (had, has)]
    yield from (f"- trust anchor {anchor}" for anchor in anchors[0] if anchor not in anchors[1])
    yield from (f"+ trust anchor {anchor}" for anchor in anchors[1] if anchor not in anchors[0])
    if had.hints and has.hints and had.hints != has.hints:
        yield "~ root hints: other servers or addresses"
    texts = dict(zip((entry.file for entry in before.hosts), had.hosts, strict=True))
    for entry, text in zip(after.hosts, has.hosts, strict=True):
        if texts.get(entry.file, text) != text:
            yield f"~ hosts {entry.file}: the content"


def build(
    loaded: Loaded,
    registry: Registry,
    workers: Callable[[Config], int],
    trust: Callable[[Inputs, Config], Inputs] | None = None,
    lists: Refreshed | None = None,
    show: Callable[[str], None] | None = None,
) -> Candidate:
    """Read and build what *loaded* describes, with the zones of *registry* and those of *lists* that have not changed.

    trust: returns the inputs with the trust anchors as they have become. show: receives lines about lists that take long to read.

    Touches nothing that is being served. Raises `ConfigError` with everything that is wrong with the settings; zones that
    cannot be loaded are in `Candidate.zones`, and lists that cannot be read in `Candidate.lists`.
    """
    config = loaded.config
    found = problems(loaded)
    try:
        inputs = read_inputs(config, loaded.origin)
        if trust is not None:
            inputs = trust(inputs, config)
    except ConfigError as error:
        found += error.problems
    if found:
        raise ConfigError(found)
    refreshed = _read_lists(config, lists, show) if config.list else None
    zones = registry.refresh(map(backends.source, config.zone))
    snapshot = _snapshot(loaded, inputs, zones, workers(config))
    candidate = Candidate(loaded, inputs, zones, snapshot, refreshed)
    _probe(candidate.snapshot, zones)
    return candidate


def _read_lists(config: Config, former: Refreshed | None, show: Callable[[str], None] | None) -> Refreshed:
    from namewise.policy.lists import NOTHING, refresh

    return refresh(config, former or NOTHING, show)


def rebuild(loaded: Loaded, inputs: Inputs, zones: Refresh, workers: int) -> Candidate:
    """Build what is served already with other trust anchors in *inputs*. No file is read."""
    return Candidate(loaded, inputs, zones, _snapshot(loaded, inputs, zones, workers))


def _snapshot(loaded: Loaded, inputs: Inputs, zones: Refresh, workers: int) -> Snapshot:
    config = loaded.config
    try:
        return Snapshot.build(plan_bytes(config, inputs, workers), zones.new_data(), inputs.secrets)
    except PlanError as error:
        paths = [(config_path(fault.path, config), fault.message) for fault in error.faults]
        raise ConfigError([loaded.problem(path, message) for path, message in paths]) from error


def _probe(snapshot: Snapshot, zones: Refresh) -> None:
    """Ask *snapshot* for the SOA of new and changed zones, as a client on this machine; raise `ProbeError`."""
    for name in (*zones.added, *zones.changed)[:PROBES]:
        query = make_query(name, "SOA", flags="")
        reply = snapshot.answer(query.wire, "127.0.0.1", "tcp")
        message = Message.parse(reply) if reply else None
        refused = message is not None and message.rcode == "REFUSED"  # by an access list without this machine
        if message is None or not (refused or (message.authoritative and message.rcode == "NOERROR")):
            answer = message.rcode if message is not None else "nothing"
            raise ProbeError(f"the new snapshot answers {answer} to {name} SOA")


def _open_recursion(loaded: Loaded) -> Iterator[str]:
    config = loaded.config
    reached = [index for index, listen in enumerate(config.listen) if not is_loopback(listen.address)]
    if config.resolver is None or not reached:
        return
    for index, policy in enumerate(config.policy):
        if policy.on != "recursion":
            continue
        networks = map(ipaddress.ip_network, config.prefixes(policy.allow))
        wide = [
            str(network)
            for network in networks
            if network.prefixlen < WIDE[network.version] and not (network.prefixlen and network.is_private)
        ]
        if wide:
            place = loaded.problem(("policy", index, "allow"), "").origin
            listeners = ", ".join(
                f"{config.listen[at].address} port {config.listen[at].port}" for at in reached
            )
            yield (
                f"recursion is open to {', '.join(wide)} on {listeners}, by [[policy]] at {place}: anybody can use this server to "
                'attack others with its answers (RFC 5358); list your own networks in [[policy]] on = "recursion"'
            )


def _readable_secrets(config: Config) -> Iterator[str]:
    for key in config.key:
        if key.secret_file is None:
            continue
        try:
            mode = os.stat(key.secret_file).st_mode
        except OSError:
            continue  # It was read a moment ago; the next check reports it.
        if mode & 0o007:
            yield (
                f"every user of this machine may use {key.secret_file}, the secret of the key {key.name}: "
                f"chmod o= {key.secret_file}"
            )


def _forwards_to_itself(config: Config) -> Iterator[str]:
    if config.resolver is None or config.resolver.routes is not None:
        return
    for forward in config.forward:
        for server in forward.servers:
            address, port = endpoint(server)
            for listen in config.listen:
                everywhere = listen.address in ("0.0.0.0", "::") and is_loopback(address)
                if (
                    port == listen.port
                    and (address == listen.address or everywhere)
                    and not forward.authoritative
                ):
                    yield (
                        f"queries for {forward.suffix} are forwarded to {server}, which is this server itself: they will fail; "
                        "name another server in [[forward]]"
                    )
                    break

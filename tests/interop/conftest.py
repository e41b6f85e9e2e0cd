"""Fixtures of the tests with peers: the small internet, its servers, and a network namespace.

With NAMEWISE_STAND_IN=1 in the environment a peer stands in for namewise (NSD for its zones, Unbound for
its resolver): what fails then is a fault of the test.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING

import internet
import peers
import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator

STAND_IN = bool(os.environ.get("NAMEWISE_STAND_IN"))


@pytest.fixture(scope="session")
def net(tmp_path_factory: pytest.TempPathFactory) -> internet.Internet:
    """The zone files of the small internet."""
    for program in ("dnssec-keygen", "dnssec-signzone"):
        if shutil.which(program) is None:
            pytest.skip(f"{program} is not installed")
    return internet.build(tmp_path_factory.mktemp("zones"))


@contextmanager
def network(script: str) -> Iterator[tuple[str, ...]]:
    """Make a network of our own and set it up with *script*, commands that each end in ` && `; yield the prefix
    of commands that run in it. Skips the test where that is not allowed."""
    # User namespaces give anybody a network, where the system allows it.
    new = ["unshare", "--net"] if os.geteuid() == 0 else ["unshare", "--net", "--user", "--map-root-user"]
    command = [*new, "sh", "-c", f"{script} echo ready && exec cat"]
    holder = subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    assert holder.stdout is not None and holder.stdin is not None, "asked for above"
    try:
        if holder.stdout.readline() != "ready\n":
            pytest.skip("no network namespace: needs root, or user namespaces")
        enter = ["nsenter", "--target", str(holder.pid), "--net"]
        yield (*enter, *(() if os.geteuid() == 0 else ("--user", "--preserve-credentials")))
    finally:
        holder.stdin.close()
        holder.terminate()
        holder.wait()


@pytest.fixture(scope="session")
def inside() -> Iterator[tuple[str, ...]]:
    """The prefix of commands that run in a network of our own: port 53 is free there, and the addresses of
    the glue are this machine's."""
    addresses = "".join(f"ip addr add {one}/32 dev lo && " for one in internet.SERVERS)
    with network(f"ip link set lo up && {addresses}") as prefix:
        yield prefix


@pytest.fixture(scope="session")
def peer_internet(
    net: internet.Internet, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[dict[str, peers.Where]]:
    """The small internet served by BIND (root), NSD (top level) and Knot (below): where each address of the
    glue is."""
    folder = tmp_path_factory.mktemp("peers")
    starts = {internet.ROOT: peers.bind, internet.TOP: peers.nsd, internet.LEAF: peers.knot}
    with ExitStack() as stack:
        routes = {}
        for address, start in starts.items():
            where = peers.free_address("127.0.0.1" if start is peers.bind else None)
            stack.enter_context(
                peers.running(start(folder / start.__name__, where, net.served_by(address)))
            ).answers(internet.SERVERS[address][0])
            routes[address] = where
        yield routes


@pytest.fixture(scope="session")
def our_resolver(
    net: internet.Internet, peer_internet: dict[str, peers.Where], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[peers.Where]:
    """`nw serve --recursive` over the servers of `peer_internet`, which its routes lead to."""
    folder, where = tmp_path_factory.mktemp("resolver"), peers.free_address()
    if STAND_IN:
        stubs = [
            f"stub-zone:\n name: {zone}\n stub-addr: {peer_internet[address][0]}@{peer_internet[address][1]}"
            for address, zones in internet.SERVERS.items()
            for zone in zones
        ]
        server = peers.unbound(folder, where, [' module-config: "iterator"', *stubs])
    else:
        routes = ", ".join(f'"{one}/32" = "{at}:{port}"' for one, (at, port) in peer_internet.items())
        config = folder / "namewise.toml"
        config.write_text(f'[resolver]\nhints = "{net.hints(folder)}"\nroutes = {{ {routes} }}\n')
        server = peers.namewise(folder, where, "--config", config, "--recursive")
    with peers.running(server):
        yield server.answers("lab.").where


@pytest.fixture(scope="session")
def our_internet(
    net: internet.Internet, inside: tuple[str, ...], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[None]:
    """The small internet served by three servers of ours, at its own addresses and port 53 of a network of
    its own."""
    folder = tmp_path_factory.mktemp("ours")
    start = peers.nsd if STAND_IN else peers.authoritative
    with ExitStack() as stack:
        for address, zones in internet.SERVERS.items():
            server = start(folder / address, (address, 53), net.served_by(address), inside=inside)
            stack.enter_context(peers.running(server)).answers(zones[0])
        yield


@pytest.fixture(scope="session", params=["unbound", "bind"])
def their_resolver(
    request: pytest.FixtureRequest,
    net: internet.Internet,
    our_internet: None,
    inside: tuple[str, ...],
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[peers.Where]:
    """Unbound and BIND as validating resolvers over `our_internet`, with the root's key as trust anchor."""
    folder = tmp_path_factory.mktemp(request.param)
    hints = net.hints(folder)
    if request.param == "unbound":
        lines = [f' root-hints: "{hints}"', f' trust-anchor-file: "{net.anchor}"']
        server = peers.unbound(folder / "run", ("127.0.0.11", 53), lines, inside=inside)
    else:
        anchors = "".join(_static_ds(line) for line in net.anchor.read_text().splitlines())
        more = f'zone "." {{ type hint; file "{hints}"; }};\ntrust-anchors {{ {anchors} }};\n'
        options = "dnssec-validation yes; qname-minimization strict;"
        server = peers.bind(folder / "run", ("127.0.0.1", 53), {}, options, more, inside=inside)
    with peers.running(server):
        yield server.answers("lab.").where


def _static_ds(line: str) -> str:
    fields = line.split()
    tag, algorithm, digest_type, *digest = fields[fields.index("DS") + 1 :]
    return f'. static-ds {tag} {algorithm} {digest_type} "{"".join(digest)}";'

"""The servers of the lab, their zones, and the real addresses that are routed to them.

Each role is a separate server, so that a parent refers to its child and never answers for it:

    root ──> tld (com net org uk io arpa) ──> registry (co.uk in-addr.arpa) ──> hosting
                      └──────────────────────────> hosting-a, hosting-b, a lame server, a server that never answers

Names, referrals and glue are those of the real internet, or in the ranges for documentation (RFC 5737,
RFC 3849). A routing table maps these addresses to loopback. The root zone has one change: `arpa.` has its
own servers (as RFC 9120 requires), because the root servers would otherwise answer for it.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from namewise.compile.roots import ROOT_SERVERS
from namewise.engine import Zone

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

ZONES = Path(__file__).parent / "zones"
TLDS = ("com", "net", "org", "uk", "io", "arpa")
ARPA_CUT = "arpa. 172800 IN NS a.ns.arpa.\na.ns.arpa. 172800 IN A 203.0.113.30\n"
SILENT_PREFIX = "192.0.2.66/32"
ROOT_ZONE_VARIABLE = "NAMEWISE_ROOT_ZONE"
ROOT_ZONE = ZONES / "root-2021051901.zone.xz"
"""The delegations of the public root zone of that serial, with glue and DS, without signatures."""


@dataclass(frozen=True, slots=True)
class Role:
    """One server of the lab: its purpose, its zones, and the prefixes that are routed to it."""

    name: str
    purpose: str
    zones: tuple[Zone, ...]
    prefixes: tuple[str, ...]


_HOSTED_A = ("example.com", "bank.com", "evil.com", "attacker.com", "216.184.93.in-addr.arpa")
_HOSTED_B = (
    "example.net",
    "example.org",
    "nsone.net",
    "github.com",
    "google.com",
    "google.net",
    "google.co.uk",
    "114.82.140.in-addr.arpa",
    "8.8.8.in-addr.arpa",
    "1.1.1.in-addr.arpa",
)
_HOSTING_B = (
    "198.51.100.0/24",
    "2001:db8:b::/48",
    "198.51.44.0/24",
    "198.51.45.0/24",
    "216.239.32.0/24",
    "216.239.34.0/24",
)


def roles(root_zone: str | None) -> list[Role]:
    """Return all roles. The root zone is read from the file *root_zone*, or from the list in the package."""
    root = read_root(root_zone)
    return [
        Role("root", f"the root, {_count(root)} TLDs", (root,), tuple(sorted(set(_root_prefixes(root))))),
        Role("tld", " ".join(TLDS), tuple(_tld(tld, root) for tld in TLDS), tuple(_tld_prefixes(root))),
        Role("registry", "co.uk and in-addr.arpa", _files("co.uk", "in-addr.arpa"), _REGISTRY),
        Role("hosting-a", "example.com and others", _files(*_HOSTED_A), ("192.0.2.0/24", "2001:db8:a::/48")),
        Role("hosting-b", "github.com, google.com, example.net and others", _files(*_HOSTED_B), _HOSTING_B),
        Role("lame", "serves no zone that it is asked for", (), ("198.51.100.66/32",)),
    ]


_REGISTRY = ("203.0.113.53/32", "199.180.182.0/24")


def root_zone_file(environ: Mapping[str, str]) -> str | None:
    """Return the root zone file that `$NAMEWISE_ROOT_ZONE` names, or None for the one in the package."""
    return environ.get(ROOT_ZONE_VARIABLE) or None


def read_root(file: str | None) -> Zone:
    """Return the root zone of *file*, or the one in the package, with the lab's own delegation of `arpa.`."""
    if file is None:
        import lzma

        path = ROOT_ZONE
        text = lzma.decompress(path.read_bytes()).decode("ascii")
    else:
        path = Path(file)
        text = path.read_text(encoding="ascii")
    kept = (line for line in text.splitlines(keepends=True) if line.split(None, 1)[:1] != ["arpa."])
    return Zone.from_text(".", "".join(kept) + "\n" + ARPA_CUT, file=str(path))


def _files(*names: str) -> tuple[Zone, ...]:
    return tuple(Zone.from_file(name, str(ZONES / f"{name}.zone")) for name in names)


def _tld(tld: str, root: Zone) -> Zone:
    """Return the zone of *tld*. Its servers come from the root zone, its delegations from the lab's file."""
    servers = list(_servers(root, f"{tld}."))
    lines = [f"{tld}. 900 IN SOA {servers[0]} hostmaster.{tld}. 2024010501 1800 900 604800 900"]
    lines += [f"{tld}. 172800 IN NS {server}" for server in servers]
    below = [server for server in servers if server.endswith(f".{tld}.")]
    lines += [
        f"{server} 172800 IN {kind} {data}" for server in below for kind, data in _addresses(root, server)
    ]
    path = ZONES / "delegations" / f"{tld}.zone"
    return Zone.from_text(
        f"{tld}.", "\n".join(lines) + "\n" + path.read_text(encoding="ascii"), file=str(path)
    )


def _root_prefixes(root: Zone) -> Iterator[str]:
    for _, addresses in ROOT_SERVERS:
        yield from map(_host, addresses)
    for server in _servers(root, "."):
        yield from (_host(data) for _, data in _addresses(root, server))


def _tld_prefixes(root: Zone) -> Iterator[str]:
    seen: set[str] = set()
    for tld in TLDS:
        for server in _servers(root, f"{tld}."):
            seen.update(_host(data) for _, data in _addresses(root, server))
    yield from sorted(seen)


def _servers(root: Zone, cut: str) -> Iterator[str]:
    rrset = root.rrset(cut, "NS")
    if rrset is not None:
        yield from (str(rdata.names[0]).lower() for rdata in rrset.rdatas)


def _addresses(root: Zone, server: str) -> Iterator[tuple[str, str]]:
    for kind in ("A", "AAAA"):
        rrset = root.rrset(server, kind)
        if rrset is not None:
            yield from ((kind, str(rdata)) for rdata in rrset.rdatas)


def _host(address: str) -> str:
    return f"{address}/128" if ":" in address else f"{address}/32"


def _count(root: Zone) -> int:
    """Return the number of delegations in the root zone."""
    count, after = 0, None
    while page := root.page(after, 10_000):
        count += sum(1 for rrset in page if rrset.type == "NS" and not rrset.owner.is_root)
        after = page[-1].owner
    return count

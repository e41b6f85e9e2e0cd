"""Verify a signed zone: every signature, every name in the chain of absence, nothing signed that must not be.

What is checked, and where it is written: each authoritative RRset has a signature of each algorithm of the
zone's keys
(RFC 4035 §2.2), all signatures hold now (§5.3), glue and delegations are not signed (§2.2), the NSEC or
NSEC3 chain has
a record for each authoritative name with the right types, and closes (RFC 4034 §4, RFC 5155 §7.1).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from namewise.engine import Name, RRset, ZoneKeys, nsec3_hash

if TYPE_CHECKING:
    from collections.abc import Iterator

    from namewise.engine import Zone

PAGE = 10_000
MOST_FINDINGS = 100
_BASE32HEX = "0123456789ABCDEFGHIJKLMNOPQRSTUV"


@dataclass(frozen=True, slots=True)
class Finding:
    """Something wrong at a name: the owner, the type, what."""

    owner: str
    type: str
    message: str

    def __str__(self) -> str:
        return f"{self.owner} {self.type}: {self.message}"


@dataclass(slots=True)
class Report:
    """What was verified, and what is wrong."""

    zone: str
    keys: dict[int, int] = field(default_factory=dict)
    """Key tag to the number of good signatures by that key."""
    rrsets: int = 0
    chain: str = ""
    names: int = 0
    expires: int | None = None
    """When the first signature expires, seconds since 1970."""
    errors: int = 0
    findings: list[Finding] = field(default_factory=list)

    def add(self, owner: Name, rtype: str, message: str) -> None:
        """Note a finding; all are counted, the first hundred are kept."""
        self.errors += 1
        if len(self.findings) < MOST_FINDINGS:
            self.findings.append(Finding(str(owner), rtype, message))

    def as_json(self) -> dict[str, Any]:
        """Return the report as an object."""
        return {
            "zone": self.zone,
            "keys": [{"tag": tag, "signatures": count} for tag, count in self.keys.items()],
            "rrsets": self.rrsets,
            "chain": self.chain,
            "names": self.names,
            "expires": self.expires,
            "errors": self.errors,
            "findings": [
                {"owner": one.owner, "type": one.type, "message": one.message} for one in self.findings
            ],
        }


@dataclass(slots=True)
class _Node:
    """The RRsets of one owner, and what the owner is: authoritative, a delegation, or below one."""

    owner: Name
    rrsets: dict[str, RRset]
    signatures: list[RRset]
    delegation: bool
    occluded: bool


def verify_zone(zone: Zone, now: int) -> Report:
    """Return what holds of *zone* at *now*, seconds since 1970."""
    report = Report(str(zone.name))
    dnskeys = zone.rrset(zone.name, "DNSKEY")
    if dnskeys is None:
        report.add(zone.name, "DNSKEY", "the zone has no keys: it is not signed")
        return report
    keys = ZoneKeys(dnskeys)
    report.keys = dict.fromkeys(keys.tags, 0)
    for tag, reason in keys.unusable:
        report.add(zone.name, "DNSKEY", f"key {tag} cannot be used: {reason}")
    algorithms = {int(str(rdata).split(" ")[2]) for rdata in dnskeys.rdatas}
    chain = _Nsec3Chain(zone, report) if zone.rrset(zone.name, "NSEC3PARAM") else _NsecChain(zone, report)
    for node in _nodes(zone):
        _node(node, keys, algorithms, now, report)
        chain.see(node)
    chain.close()
    return report


def _nodes(zone: Zone) -> Iterator[_Node]:
    """Yield every owner in canonical order, so that a delegation comes before what lies below it."""
    cut: Name | None = None
    after: Name | None = None
    while page := zone.page(after, PAGE):
        after = page[-1].owner
        at = 0
        while at < len(page):
            owner, rrsets, signatures = page[at].owner, {}, []
            while at < len(page) and page[at].owner == owner:
                if page[at].type == "RRSIG":
                    signatures.append(page[at])
                rrsets[page[at].type] = page[at]
                at += 1
            occluded = cut is not None and owner != cut and owner.is_at_or_below(cut)
            delegation = not occluded and owner != zone.name and "NS" in rrsets
            if delegation or (not occluded and "DNAME" in rrsets):
                cut = owner
            yield _Node(owner, rrsets, signatures, delegation, occluded)


def _node(node: _Node, keys: ZoneKeys, algorithms: set[int], now: int, report: Report) -> None:
    covered = {str(rdata).split(" ", 1)[0] for rrset in node.signatures for rdata in rrset.rdatas}
    for rtype, rrset in node.rrsets.items():
        if rtype == "RRSIG":
            continue
        if not _is_signed(node, rtype):
            if rtype in covered:
                report.add(
                    node.owner, rtype, "is signed, although it belongs to the child zone or lies below it"
                )
            continue
        report.rrsets += 1
        if rtype not in covered:
            report.add(node.owner, rtype, "has no signature")
            continue
        good: set[int] = set()
        judged = (one for signatures in node.signatures for one in keys.verify(rrset, signatures, now))
        for tag, algorithm, fault in judged:
            if fault is None:
                good.add(algorithm)
                report.keys[tag] = report.keys.get(tag, 0) + 1
            else:
                report.add(node.owner, rtype, f"the signature by key {tag} does not count: {fault}")
        for missing in sorted(algorithms - good):
            report.add(node.owner, rtype, f"has no good signature of algorithm {missing}")
    for signatures in node.signatures:
        _expiry(signatures, report)
    for rtype in sorted(covered - set(node.rrsets)):
        report.add(node.owner, rtype, "there is a signature, but no such records")


def _is_signed(node: _Node, rtype: str) -> bool:
    if node.occluded:
        return rtype == "NSEC3"
    return not node.delegation or rtype in ("DS", "NSEC", "NSEC3")


def _expiry(signatures: RRset, report: Report) -> None:
    import calendar
    import time

    for rdata in signatures.rdatas:
        ends = calendar.timegm(time.strptime(str(rdata).split(" ")[4], "%Y%m%d%H%M%S"))
        report.expires = ends if report.expires is None else min(report.expires, ends)


class _NsecChain:
    """The NSEC chain, seen name by name (RFC 4034 §4)."""

    def __init__(self, zone: Zone, report: Report) -> None:
        self.zone = zone
        self.report = report
        report.chain = "NSEC"
        self.expected: Name | None = None
        """The name to which the last NSEC record pointed."""

    def see(self, node: _Node) -> None:
        """Check the next owner of the zone."""
        if node.occluded:
            return
        nsec = node.rrsets.get("NSEC")
        if nsec is None:
            self.report.add(node.owner, "NSEC", "the name has no NSEC record")
            return
        self.report.names += 1
        if self.expected is not None and self.expected != node.owner:
            message = f"the chain leads from the name before to {self.expected} instead of here"
            self.report.add(node.owner, "NSEC", message)
        next_name, *types = str(nsec.rdatas[0]).split(" ")
        self.expected = Name(next_name)
        _compare_types(node, types, {"NSEC", "RRSIG"}, "NSEC", self.report)

    def close(self) -> None:
        """Check that the last record points back to the apex."""
        if self.expected is not None and self.expected != self.zone.name:
            message = f"the last record points to {self.expected} instead of the apex"
            self.report.add(self.zone.name, "NSEC", message)


class _Nsec3Chain:
    """The NSEC3 chain: hashes of names, collected and compared at the end (RFC 5155 §7.1)."""

    def __init__(self, zone: Zone, report: Report) -> None:
        self.zone = zone
        self.report = report
        report.chain = "NSEC3"
        param = zone.rrset(zone.name, "NSEC3PARAM")
        assert param is not None, "the caller looked"
        _, _, iterations, salt = str(param.rdatas[0]).split(" ")
        self.iterations = int(iterations)
        self.salt = b"" if salt == "-" else bytes.fromhex(salt)
        self.records: dict[str, tuple[str, bool, list[str]]] = {}
        """Hash to the next hash, opt-out, and types."""
        self.names: dict[str, _Node] = {}

    def see(self, node: _Node) -> None:
        """Note the next owner of the zone: a hash, or a name that needs one."""
        nsec3 = node.rrsets.get("NSEC3")
        if nsec3 is not None:
            label = str(node.owner).split(".", 1)[0].upper()
            _, flags, _, _, next_hash, *types = str(nsec3.rdatas[0]).split(" ")
            self.records[label] = (next_hash.upper(), bool(int(flags) & 1), types)
            if set(node.rrsets) <= {"NSEC3", "RRSIG"}:
                return
        if node.occluded:
            return
        owner: Name | None = node.owner
        self.names[self._hash(node.owner)] = node
        # Names between this one and the apex that hold nothing themselves need a record too.
        while owner is not None and owner.parent is not None and owner != self.zone.name:
            owner = owner.parent
            empty = _Node(owner, {}, [], delegation=False, occluded=False)
            if self.names.setdefault(self._hash(owner), empty) is not empty:
                break

    def _hash(self, name: Name) -> str:
        number = int.from_bytes(nsec3_hash(name, self.salt, self.iterations), "big")
        return "".join(_BASE32HEX[number >> shift & 31] for shift in range(155, -1, -5))

    def close(self) -> None:
        """Compare names with records, and follow the chain."""
        opt_out = any(flag for _, flag, _ in self.records.values())
        for digest, node in self.names.items():
            record = self.records.get(digest)
            if record is None:
                if not (opt_out and _only_unsigned_delegations(node)):
                    self.report.add(node.owner, "NSEC3", f"the name has no NSEC3 record (hash {digest})")
                continue
            self.report.names += 1
            _compare_types(node, record[2], set() if not node.rrsets else {"RRSIG"}, "NSEC3", self.report)
        hashes = sorted(self.records)
        for digest, expected in zip(hashes, hashes[1:] + hashes[:1], strict=True):
            if self.records[digest][0] != expected:
                owner = Name(f"{digest}.{self.zone.name}")
                self.report.add(owner, "NSEC3", f"points to {self.records[digest][0]} instead of {expected}")
            if digest not in self.names:
                self.report.add(
                    Name(f"{digest}.{self.zone.name}"), "NSEC3", "is the hash of no name of the zone"
                )


def _only_unsigned_delegations(node: _Node) -> bool:
    return not node.rrsets or (node.delegation and "DS" not in node.rrsets)


def _compare_types(node: _Node, claimed: list[str], extra: set[str], kind: str, report: Report) -> None:
    present = {rtype for rtype in node.rrsets if rtype not in ("NSEC3", "RRSIG")}
    if node.delegation:
        present &= {"NS", "DS", "NSEC"}
    if kind == "NSEC3" and node.delegation and "DS" not in present:
        extra = set()
    wrong = (present | extra).symmetric_difference(claimed)
    for rtype in sorted(wrong):
        has = "does not say that the name has" if rtype in present | extra else "says that the name has"
        report.add(node.owner, kind, f"{has} {rtype}")

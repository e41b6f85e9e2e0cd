"""A server that signs a zone, on a virtual clock, with a parent that follows its CDS, and what caches may have of both.

`World` runs the real service. Its clock (`now`) may be set; what validators see as the time (`true`) goes on. `World.act` lets the server
do what is due and verifies the zone as it is served. `World.found` does so for what caches may have at any instant: the DS RRset of one
time, the DNSKEY RRset of another and data of a third.
"""

from __future__ import annotations

import calendar
import json
import os
import time
from itertools import product
from typing import TYPE_CHECKING, Any

from logs import collect
from ports import free_port

from namewise.config import load
from namewise.control.log import Log
from namewise.control.service import Service
from namewise.control.signing import Signing
from namewise.control.sockets import Sockets
from namewise.dnssec.anchors import Ds, Key
from namewise.dnssec.zone_keys import Parent
from namewise.engine import RRset, Zone, play, verify_zone
from namewise.zones.state import Cause

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from pathlib import Path

    from namewise.zones import ZoneState

HOUR, DAY = 3600, 86_400
DATA_TTL, DNSKEY_TTL, DS_TTL, LATE_S = 900, 60, 300, 60
"""As in the zone and the policy below: the highest TTLs, and for how long servers may still send the version before."""
ZONE = """\
$ORIGIN example.com.
$TTL 60
@ 900 IN SOA ns1 admin {serial} 1800 900 604800 300
@ NS ns1
ns1 A 192.0.2.2
{records}
"""
RECORDS = "www A 192.0.2.80\nplain NS ns.plain\nns.plain A 192.0.2.3\nx.y TXT t\n"
POLICY = {
    "keys": "ksk-zsk",
    "algorithm": "ecdsap256sha256",
    "ksk_lifetime": "0s",
    "zsk_lifetime": "0s",
    "dnskey_ttl": "60s",
    "max_zone_ttl": "15m",
    "zone_propagation_delay": "60s",
    "parent_propagation_delay": "60s",
    "parent_ds_ttl": "5m",
    "publish_safety": "60s",
    "retire_safety": "60s",
    "signatures_validity": "24h",
    "signatures_validity_dnskey": "24h",
    "signatures_refresh": "8h",
    "signatures_jitter": "2h",
    "denial": "nsec",
}
SCENARIO = """\
about = "A zone that the server signed is secure"
rfc = ["4035 §5"]
standard = true
unix_s = {now}

[resolver]

[[host]]
name = "root"
addresses = ["198.41.0.4"]
sign."." = {{}}
zones."." = '''
@ 86400 SOA a.root-servers.net. nstld. 1 1800 900 604800 86400
@ 518400 NS a.root-servers.net.
a.root-servers.net. 518400 A 198.41.0.4
com. 172800 NS ns.com.
ns.com. 172800 A 192.0.2.1
'''

[[host]]
name = "com"
addresses = ["192.0.2.1"]
sign."com." = {{}}
zones."com." = '''
@ 900 SOA ns h 1 1800 900 604800 900
@ 3600 NS ns
ns 3600 A 192.0.2.1
example 3600 NS ns1.example
ns1.example 3600 A 192.0.2.2
{ds}'''

[[host]]
name = "ns1"
addresses = ["192.0.2.2"]
zones."example.com." = '''
{zone}'''
"""
STEP = """
[[step]]
query = "{query}"
dnssec_ok = true
[step.expect]
rcode = "{rcode}"
{flags} = ["AD"]
"""


class Sent:
    """A version of the zone, when it was sent first, and the times between which all of its signatures are valid."""

    def __init__(self, at: float, zone: Zone) -> None:
        self.at, self.zone = at, zone
        times = [
            (moment(words[5]), moment(words[4]))
            for rrset in rrsets(zone)
            if rrset.type == "RRSIG"
            for words in (str(one).split(" ") for one in rrset)
        ]
        self.inception = max((begin for begin, _ in times), default=0)
        self.expiration = min((end for _, end in times), default=1 << 40)

    def lasts(self, at: float) -> bool:
        """Return whether all signatures are valid."""
        return self.inception <= at <= self.expiration


class World:
    """A server with the zone `example.com.` in a file, a parent that follows CDS after *lag_s*, and a clock."""

    def __init__(self, folder: Path, *, begin: float = 1_800_000_000.0, **policy: str) -> None:
        self.folder, self.port = folder, free_port()
        self.file, self.config = folder / "example.com.zone", folder / "namewise.toml"
        self.now, self.boot = begin, 1000.0
        self.begin = begin - self.boot
        self.policy: dict[str, str] = POLICY | policy
        self.dnssec: str | None = "short"
        self.written = 0
        self.ds: frozenset[Ds] = frozenset()
        self.wish: tuple[float, frozenset[Ds]] | None = None
        self.lag_s = HOUR
        self.silent = False
        """Whether the servers of the parent do not reply."""
        self.served: list[Sent] = []
        self.shown: list[tuple[float, frozenset[Ds]]] = [(0.0, self.ds)]
        self.checked = 0
        self.seen: set[int] = set()
        self.good: set[tuple[frozenset[Ds], float, float]] = set()
        """Mixtures of DS, DNSKEY and data that are good as long as no signature begins or ends."""
        self.write(RECORDS)
        self.start()

    def configure(self) -> None:
        dnssec = "" if self.dnssec is None else f'dnssec = "{self.dnssec}"\n'
        text = (
            f'[server]\nstate = "{self.folder / "state"}"\nworkers = 1\n[[listen]]\naddress = "127.0.0.1"\nport = {self.port}\n'
            f'[[zone]]\nname = "example.com"\nfile = "{self.file}"\n{dnssec}[[dnssec]]\nname = "short"\n'
        )
        lines = (
            f"{key} = {value}\n" if value in ("true", "false") else f'{key} = "{value}"\n'
            for key, value in self.policy.items()
        )
        self.config.write_text(text + "".join(lines))

    def start(self) -> None:
        self.configure()
        log = Log("info")
        self.logged = collect(log)
        self.service = Service(lambda: load(str(self.config), environ={}), Sockets(), log)
        self.signing = Signing(
            self.service, log, wall=lambda: self.now, boot=lambda: self.boot, observe=self.observe
        )
        self.service.signing = self.signing
        self.service.start()

    def restart(self) -> None:
        self.service.close(0.0)
        self.start()

    def reload(self) -> None:
        self.configure()
        outcome = self.service.reload()
        assert not outcome.failures, outcome.failures

    def write(self, records: str, serial: int = 1) -> None:
        self.file.write_text(ZONE.format(serial=serial, records=records))
        self.written += 1
        os.utime(self.file, (1_700_000_000 + self.written,) * 2)

    def observe(self, zone: str, servers: tuple[str, ...], now: int) -> Parent | None:
        assert (zone, servers) == ("example.com.", ())
        shown = None if self.silent else self.ds
        return Parent(now, DS_TTL, {"a": shown, "b": shown})

    @property
    def true(self) -> float:
        """The time that everybody else has, seconds since 1970."""
        return self.begin + self.boot

    @property
    def zone(self) -> Zone:
        found = self.service.registry.states["example.com."].current
        assert found is not None
        return found

    def tags(self, owner: str, rtype: str) -> set[int]:
        """Return the tags of the keys that sign an RRset."""
        found = self.zone.rrset(owner, "RRSIG")
        rdatas = [] if found is None else [str(one).split(" ") for one in found]
        return {int(words[6]) for words in rdatas if words[0] == rtype}

    def published(self) -> set[int]:
        """Return the tags of the keys in the DNSKEY RRset."""
        found = self.zone.rrset("example.com.", "DNSKEY")
        return set() if found is None else {Key.parse(str(one)).tag for one in found}

    def keys(self) -> int:
        found = self.zone.rrset("example.com.", "DNSKEY")
        return 0 if found is None else len(found)

    def act(self) -> float:
        """Let the server do what is due; then the parent follows, and the zone is verified."""
        wait = self.signing.act()
        if not self.served or self.zone is not self.served[-1].zone:
            self.served.append(Sent(self.true, self.zone))
        cds = self.zone.rrset("example.com.", "CDS")
        if cds is not None:
            wanted = frozenset(Ds.parse(str(one)) for one in cds if str(one) != "0 0 0 00")
            if wanted != self.ds and (self.wish is None or self.wish[1] != wanted):
                self.wish = (self.true + self.lag_s, wanted)
        if self.wish is not None and self.true >= self.wish[0]:
            self.ds, self.wish = self.wish[1], None
            self.shown.append((self.true, self.ds))
        self.verify()
        return wait

    def verify(self) -> None:
        """Verify the served zone: from the DS of the parent, or as a whole if it is signed."""
        zone = self.zone
        if not zone.is_signed:
            assert not self.ds, "the parent has a DS of an unsigned zone"
            return
        problems = errors(zone, self.true, self.ds)
        assert not problems, problems
        self.checked += 1
        self.seen |= self.tags("example.com.", "SOA") | self.tags("example.com.", "DNSKEY")

    # Caches.

    def found(self, at: float) -> list[str]:
        """Return what a validator refuses of all that caches may have at *at*."""
        trusts = {ds for begin, end, ds in spans(self.shown) if begin <= at < end + LATE_S + DS_TTL and ds}
        sent = spans([(one.at, one) for one in self.served])
        keys = [one for begin, end, one in sent if begin <= at < end + LATE_S + DNSKEY_TTL]
        data = [one for begin, end, one in sent if begin <= at < end + LATE_S + DATA_TTL]
        problems = []
        for trust, key, other in product(trusts, keys, data):
            if not (key.zone.is_signed and other.zone.is_signed):
                problems.append(f"at {at}: a DS, and no signatures")
                continue
            if (trust, key.at, other.at) in self.good and key.lasts(at) and other.lasts(at):
                continue
            wrong = errors(mixed(key.zone, other.zone), at, trust)
            problems += [f"at {at}: {one}" for one in wrong if one["code"] != "CHILD_ASKS_FOR_NO_KEY"]
            if not problems and key.lasts(at) and other.lasts(at):
                self.good.add((trust, key.at, other.at))
        return problems

    def instants(self) -> list[float]:
        """Return when something begins, ends, or leaves caches, a second before and after."""
        times = [one.at for one in self.served] + [at for at, _ in self.shown[1:]]
        ends = (
            0,
            DNSKEY_TTL,
            DATA_TTL,
            DS_TTL,
            LATE_S,
            LATE_S + DNSKEY_TTL,
            LATE_S + DATA_TTL,
            LATE_S + DS_TTL,
        )
        near = {at + end for at in times for end in ends}
        near |= {float(at) for one in self.served for at in (one.inception, one.expiration)}
        return sorted({at + by for at in near for by in (-1, 0, 1) if self.served[0].at <= at <= self.true})

    def check_caches(self, more: Iterable[float] = ()) -> int:
        """Check all instants since the begin, and *more*; return their number."""
        looked = {*self.instants(), *more}
        for at in sorted(looked):
            problems = self.found(at)
            assert not problems, problems
        return len(looked)

    # Resolvers.

    def resolve(self) -> None:
        """Ask the validating resolver in the simulated world for names of the zone."""
        ds = "".join(f"example 3600 DS {one}\n" for one in self.ds)
        flags = "flags" if self.ds else "no_flags"
        queries = [("www.example.com. A", "NOERROR"), ("no.example.com. A", "NXDOMAIN")]
        steps = "".join(STEP.format(query=query, rcode=rcode, flags=flags) for query, rcode in queries)
        text = SCENARIO.format(now=int(self.true), ds=ds, zone=self.zone.to_text()) + steps
        report = json.loads(play(text=text))
        assert report["outcome"] == "pass", report

    def run(
        self,
        seconds: float,
        *,
        until: Callable[[], bool] = lambda: False,
        look: Callable[[], object] | None = None,
    ) -> None:
        """Let time pass; *look* is called after each change of keys or of the DS."""
        end, before, look = self.true + seconds, None, look or self.resolve
        while True:
            self.act()
            present = (
                str(self.zone.rrset("example.com.", "DNSKEY")),
                self.tags("www.example.com.", "A"),
                self.ds,
            )
            if present != before:
                look()
            before = present
            if self.true >= end or until():
                return
            self.pass_(max(1.0, min(self.due(), end - self.true)))

    def due(self) -> float:
        """Return after how many seconds server or parent do something next."""
        status = self.signing.status("example.com.")
        assert status is not None
        due = min(status["next_step"] or 0, status["next_signature"] or 0) - self.now
        return due if self.wish is None else min(due, self.wish[0] - self.true)

    def pass_(self, seconds: float) -> None:
        self.now += seconds
        self.boot += seconds

    def edit(self, owner: str, rdata: str = "192.0.2.9", ttl: int = 60) -> ZoneState:
        def make(state: ZoneState) -> Zone:
            assert state.current is not None
            edit = state.current.edit()
            edit.put(RRset(owner, "A", ttl, [rdata]))
            return edit.commit()

        return self.service.registry.edit("example.com.", make, Cause("edit", who="test"))

    def slugs(self) -> list[str]:
        return [slug for slug, _ in self.logged]


def spans(history: list[tuple[float, Any]]) -> list[tuple[float, float, Any]]:
    """Return each value with begin and end."""
    ends = [*(at for at, _ in history[1:]), float("inf")]
    return [(at, end, value) for (at, value), end in zip(history, ends, strict=True)]


def rrsets(zone: Zone) -> list[RRset]:
    """Return all RRsets of *zone*."""
    found, after = [], None
    while page := zone.page(after):
        found += page
        after = page[-1].owner
    return found


def mixed(keys: Zone, data: Zone) -> Zone:
    """Return *data* with the DNSKEY RRset of *keys* and its signatures."""
    if keys is data:
        return data
    dnskey, theirs = keys.rrset(keys.name, "DNSKEY"), keys.rrset(keys.name, "RRSIG")
    assert dnskey is not None and theirs is not None, "a signed zone has both"
    made = [dnskey]
    for rrset in rrsets(data):
        if rrset.owner == data.name and rrset.type == "DNSKEY":
            continue
        if rrset.owner == data.name and rrset.type == "RRSIG":
            rdatas = [str(one) for one in rrset if not str(one).startswith("DNSKEY ")]
            rdatas += [str(one) for one in theirs if str(one).startswith("DNSKEY ")]
            made.append(RRset(data.name, "RRSIG", rrset.ttl, rdatas))
        else:
            made.append(rrset)
    return Zone.from_rrsets(data.name, made)


def errors(zone: Zone, at: float, trust: Iterable[Ds]) -> list[dict[str, Any]]:
    """Return what a validator refuses in *zone* at *at*, with the DS RRset *trust*; empty: as a whole."""
    texts = sorted(map(str, trust))
    anchors = [RRset("example.com.", "DS", DS_TTL, texts)] if texts else []
    report: dict[str, Any] = json.loads(verify_zone(zone, int(at), anchors=anchors))
    return [one for one in report["problems"] if one["severity"] == "error"]


def moment(text: str) -> int:
    """Return a time of RRSIG as seconds since 1970."""
    return calendar.timegm(time.strptime(text, "%Y%m%d%H%M%S"))

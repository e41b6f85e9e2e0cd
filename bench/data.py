"""The zones and queries of the benchmark, made from a seed and stored in `bench/out/data`."""

from __future__ import annotations

import random
import struct
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

OUT = Path(__file__).parent / "out"
DATA = OUT / "data"
TYPES = {"A": 1, "NS": 2, "MX": 15, "TXT": 16, "AAAA": 28}

SOA = "@ 3600 IN SOA ns1 hostmaster 1 7200 3600 1209600 300\n@ 3600 IN NS ns1\n@ 3600 IN NS ns2\n"
GLUE = "ns1 3600 IN A 127.0.0.1\nns2 3600 IN A 127.0.0.2\n"


def write(name: str, lines: Iterable[str]) -> Path:
    """Write the lines to `bench/out/data/NAME` unless it is there already, and return the path."""
    path = DATA / name
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        part = path.with_suffix(".part")
        with part.open("w") as file:
            file.writelines(lines)
        part.rename(path)
    return path


def names_zone(names: int = 100_000) -> tuple[str, Path]:
    """A zone of *names* names with four records each (A, AAAA, MX, TXT): origin and file. Row F1."""

    def lines() -> Iterator[str]:
        yield "$ORIGIN names.bench.\n" + SOA + GLUE
        for i in range(names):
            yield (
                f"host{i} 3600 IN A 10.{i >> 16 & 255}.{i >> 8 & 255}.{i & 255}\n"
                f"host{i} 3600 IN AAAA 2001:db8::{i >> 16:x}:{i & 65535:x}\n"
                f"host{i} 3600 IN MX 10 host{i * 7 % names}\n"
                f'host{i} 3600 IN TXT "v=spf1 ip4:10.{i >> 16 & 255}.{i >> 8 & 255}.{i & 255} -all"\n'
            )

    return "names.bench.", write(f"names-{names}.zone", lines())


def delegations_zone(records: int = 1_000_000) -> tuple[str, Path]:
    """A delegation zone: a third as many cuts as *records*, each with two NS and one glue address. Rows F2
    to F4."""

    def lines() -> Iterator[str]:
        yield "$ORIGIN tld.bench.\n" + SOA + GLUE
        for i in range(records // 3):
            yield (
                f"domain{i} 86400 IN NS ns.domain{i}\n"
                f"domain{i} 86400 IN NS ns{i % 1000}.hosting{i % 97}.example.\n"
                f"ns.domain{i} 86400 IN A 10.{i >> 16 & 255}.{i >> 8 & 255}.{i & 255}\n"
            )

    return "tld.bench.", write(f"tld-{records}.zone", lines())


def small_zone() -> tuple[str, Path]:
    """A zone of five records. Row F4."""
    return "small.bench.", write("small.zone", ["$ORIGIN small.bench.\n" + SOA + GLUE])


def root_like_zone(delegations: int = 1_500) -> tuple[str, Path]:
    """A zone of the root zone's size and shape: each delegation has four NS with IPv4 and IPv6 glue, and a
    DS. Row START."""

    def lines() -> Iterator[str]:
        yield "$ORIGIN roots.bench.\n" + SOA + GLUE
        for i in range(delegations):
            yield f"tld{i} 86400 IN DS {i} 8 2 {i:064x}\n"
            for letter in "abcd":
                yield (
                    f"tld{i} 172800 IN NS {letter}.nic.tld{i}\n"
                    f"{letter}.nic.tld{i} 172800 IN A 10.{ord(letter)}.{i >> 8 & 255}.{i & 255}\n"
                    f"{letter}.nic.tld{i} 172800 IN AAAA 2001:db8:{ord(letter):x}::{i:x}\n"
                )

    return "roots.bench.", write(f"roots-{delegations}.zone", lines())


def many_zones(zones: int = 10_000) -> list[tuple[str, Path]]:
    """As many zones of ten records each. Row A1."""
    body = SOA + GLUE + "".join(f"host{i} 3600 IN A 192.0.2.{i}\n" for i in range(5))
    return [
        (f"zone{i}.bench.", write(f"many/zone{i}.bench.zone", [f"$ORIGIN zone{i}.bench.\n{body}"]))
        for i in range(zones)
    ]


def signed(origin: str, zone: Path, nsec3: bool) -> Path:
    """The zone signed by dnssec-signzone (P-256), with NSEC or NSEC3 (no salt, no extra iterations: RFC
    9276). Row F9."""
    target = zone.with_suffix(".nsec3" if nsec3 else ".nsec")
    if not target.exists():
        subprocess.run(
            ["dnssec-keygen", "-q", "-K", DATA, "-a", "ECDSAP256SHA256", "-f", "KSK", origin],
            check=True, stdout=subprocess.DEVNULL,
        )  # fmt: skip
        subprocess.run(
            ["dnssec-keygen", "-q", "-K", DATA, "-a", "ECDSAP256SHA256", origin],
            check=True,
            stdout=subprocess.DEVNULL,
        )
        part = target.with_suffix(target.suffix + "-part")
        subprocess.run(
            ["dnssec-signzone", "-q", "-S", "-K", DATA, "-o", origin, "-O", "full", "-e", "now+31536000", "-f", part]
            + (["-3", "-", "-H", "0"] if nsec3 else []) + [zone],
            check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, cwd=DATA,
        )  # fmt: skip
        part.rename(target)
        for key in DATA.glob(f"K{origin}*"):
            key.unlink()
    return target


def root_key() -> tuple[Path, str]:
    """The private key (P-256) of the signed lab of rows R3 and R4, and its DNSKEY record: that of the root."""
    stem = DATA / "root-key"
    private, public = stem.with_suffix(".private"), stem.with_suffix(".key")
    if not private.exists():
        DATA.mkdir(parents=True, exist_ok=True)
        command = ["dnssec-keygen", "-q", "-K", DATA, "-a", "ECDSAP256SHA256", "-f", "KSK", "."]
        made = subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()
        (DATA / f"{made}.key").rename(public)
        (DATA / f"{made}.private").rename(private)
    records = [line for line in public.read_text().splitlines() if not line.startswith(";")]
    return private, records[0]


def query(name: str, rtype: str, dnssec: bool = False, edns: bool = True) -> bytes:
    """One query in wire form: RD set, EDNS with 1232 octets unless *edns* is false, DO if *dnssec*."""
    labels = b"".join(bytes([len(label)]) + label.encode() for label in name.rstrip(".").split("."))
    header = struct.pack("!6H", 0, 0x0100, 1, 0, 0, 1 if edns else 0)
    opt = struct.pack("!BHHIH", 0, 41, 1232, 0x8000 if dnssec else 0, 0) if edns else b""
    return header + labels + b"\0" + struct.pack("!HH", TYPES[rtype], 1) + opt


def queries(name: str, asked: Iterable[bytes]) -> Path:
    """Write queries, each behind its length, to `bench/out/data/NAME`."""
    DATA.mkdir(parents=True, exist_ok=True)
    path = DATA / name
    path.write_bytes(b"".join(struct.pack("!H", len(q)) + q for q in asked))
    return path


def names_queries(names: int = 100_000, count: int = 200_000, dnssec: bool = False) -> Path:
    """80 % existing, 20 % missing names of `names_zone`."""
    rng = random.Random(1)

    def one() -> bytes:
        i = rng.randrange(names)
        if rng.random() < 0.2:
            return query(f"missing{i}.names.bench.", "A", dnssec)
        return query(f"host{i}.names.bench.", rng.choice(["A", "AAAA", "MX", "TXT"]), dnssec)

    return queries(f"names-{names}{'-do' if dnssec else ''}.queries", (one() for _ in range(count)))


def delegations_queries(records: int = 1_000_000, count: int = 500_000) -> Path:
    """80 % names below cuts, 20 % missing names of `delegations_zone`."""
    rng = random.Random(2)

    def one() -> bytes:
        i = rng.randrange(records // 3)
        if rng.random() < 0.2:
            return query(f"missing{i}.tld.bench.", "A")
        return query(f"www.domain{i}.tld.bench.", rng.choice(["A", "AAAA"]))

    return queries(f"tld-{records}.queries", (one() for _ in range(count)))


def cached_queries(names: int = 10_000) -> Path:
    """Each question that the cache rows ask, once: 80 % existing, 20 % missing names."""
    asked = [query(f"host{i}.names.bench.", "A") for i in range(names * 8 // 10)]
    asked += [query(f"missing{i}.names.bench.", "A") for i in range(names * 2 // 10)]
    return queries(f"cached-{names}.queries", asked)


def miss_queries(origin: str, prefix: str = "") -> Path:
    """One query whose label of eight octets the load generator replaces by a number. Rows R1 to R4."""
    name = f"{prefix}00000000.{origin.rstrip('.')}"
    return queries(f"miss-{prefix}{origin}queries", [query(name, "A")])

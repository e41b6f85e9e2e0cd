"""Write the `.rpl` files of this folder: one for each verdict on the ZONEMD records of a zone (RFC 8976 §4).

    python3 tests/scenarios/rpl/zonemd/make.py

It needs `dnssec-keygen`, `dnssec-signzone` (BIND) and dnspython. The files in the folder are its output of one run; the keys are new
in each run. Signatures are valid in January 2026, and the virtual time of the files is 2026-01-10.
"""

from __future__ import annotations

import subprocess
import tempfile
from pathlib import Path

import dns.name
import dns.rdataclass
import dns.rdatatype
import dns.zone

HERE = Path(__file__).parent
START, END, NOW = "20260101000000", "20260201000000", "20260110000000"
APEX = "example.com."
ZONE = """\
@ 3600 IN SOA ns h 7 7200 3600 604800 300
@ 3600 IN NS ns
ns 3600 IN A 192.0.2.1
www 300 IN A 192.0.2.80
plain 3600 IN NS ns.plain
ns.plain 3600 IN A 192.0.2.2
"""
SHA384, SHA512 = 1, 2
OCTETS = {SHA384: 48, SHA512: 64}


def record(serial: int, scheme: int, hash_algorithm: int, digest: str) -> str:
    """Return a ZONEMD record as a line."""
    return f"{APEX} 3600 IN ZONEMD {serial} {scheme} {hash_algorithm} {digest}"


def placeholder(hash_algorithm: int = SHA384) -> str:
    """Return a ZONEMD record that stands for one with the right digest."""
    return record(7, 1, hash_algorithm, "00" * OCTETS[hash_algorithm])


def digest(text: str, hash_algorithm: int = SHA384) -> str:
    """Return the digest of the zone *text*."""
    zone = dns.zone.from_text(text, APEX, relativize=False)
    return zone.compute_digest(hash_algorithm).digest.hex()


def with_digest(text: str, hash_algorithm: int = SHA384) -> str:
    """Return *text* with the right digest in its place."""
    return text.replace("00" * OCTETS[hash_algorithm], digest(text, hash_algorithm))


def signed(text: str) -> tuple[str, str]:
    """Sign *text* and return it with the DS record of its key. A placeholder of SHA-384 gets the right digest first."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)

        def run(*command: str) -> str:
            return subprocess.run(command, cwd=folder, check=True, capture_output=True, text=True).stdout

        key = run("dnssec-keygen", "-q", "-a", "ED25519", "-f", "KSK", APEX).strip()

        def sign(zone: str) -> str:
            (folder / "zone").write_text(zone + (folder / f"{key}.key").read_text())
            dates = ("-s", START, "-e", END, "-j", "0")
            options = ("-q", "-P", "-z", "-x", "-O", "full", "-o", APEX, *dates)
            run("dnssec-signzone", *options, "-f", "signed", "zone", key)
            lines = (folder / "signed").read_text().splitlines()
            return "".join(f"{line}\n" for line in lines if line and not line.startswith(";"))

        # Ed25519 signs the same data in the same way: only the ZONEMD RRset differs between the two.
        zone = sign(text.replace("00" * 48, digest(sign(text))) if "ZONEMD" in text else text)
        return zone, run("dnssec-dsfromkey", "-2", f"{key}.key").strip()


def is_of(line: str, rtype: str, covered: str = "") -> bool:
    """Return whether *line* is a record of this type and, for a signature, of the type *covered*."""
    words = line.split()
    return words[3] == rtype and covered in ("", words[4])


def without(zone: str, rtype: str, covered: str = "") -> str:
    """Return *zone* without these records."""
    return "".join(line for line in zone.splitlines(keepends=True) if not is_of(line, rtype, covered))


def damaged(zone: str, covered: str) -> str:
    """Return *zone* with other last octets in the signatures of the type *covered*."""
    made = []
    for line in zone.splitlines():
        bad = line[:-4] + ("AAA=" if not line.endswith("AAA=") else "BAA=")
        made.append(bad if is_of(line, "RRSIG", covered) else line)
    return "\n".join(made) + "\n"


def write(name: str, title: str, zone: str, *, used: bool, anchor: str = "", settings: str = "") -> None:
    """Write one file. *used*: whether clients get the data of the zone, instead of SERVFAIL."""
    server = f'\ttrust-anchor: "{anchor}"\n\tval-override-date: "{NOW}"\n' if anchor else ""
    check = (
        "MATCH rcode answer\nREPLY QR RD RA AA NOERROR\n"
        if used
        else "MATCH rcode answer ede=14\nREPLY QR RD RA SERVFAIL\n"
    )
    answer = "www.example.com. 300 IN A 192.0.2.80\n" if used else ""
    (HERE / f"{name}.rpl").write_text(
        f"""server:
{server}	target-fetch-policy: "0 0 0 0 0"
auth-zone:
	name: "{APEX}"
	for-upstream: yes
	for-downstream: yes
	zonemd-check: yes
{settings}	zonefile:
TEMPFILE_NAME example.com.zone
TEMPFILE_CONTENTS example.com.zone
{zone}TEMPFILE_END
stub-zone:
	name: "."
	stub-addr: 193.0.14.129
CONFIG_END

SCENARIO_BEGIN {title}

STEP 1 QUERY
ENTRY_BEGIN
REPLY RD{"" if used else " DO"}
SECTION QUESTION
www.example.com. IN A
ENTRY_END

STEP 2 CHECK_ANSWER
ENTRY_BEGIN
{check}SECTION QUESTION
www.example.com. IN A
SECTION ANSWER
{answer}ENTRY_END

SCENARIO_END
"""
    )


def main() -> None:
    """Write all files."""
    right, right512 = with_digest(ZONE + placeholder() + "\n"), digest(ZONE + placeholder() + "\n", SHA512)
    wrong = "ab" * 48
    required = "\tzonemd-reject-absence: yes\n"

    def plain(name: str, title: str, *records: str, used: bool, settings: str = "") -> None:
        write(name, title, ZONE + "".join(f"{one}\n" for one in records), used=used, settings=settings)

    write("right", "A zone with the right digest is used", right, used=True)
    plain("right-sha-512", "A digest by SHA-512 is right", record(7, 1, SHA512, right512), used=True)
    plain("wrong", "A zone with a wrong digest is not used", record(7, 1, SHA384, wrong), used=False)
    write(
        "data-changed",
        "A zone whose data were changed after the digest was made is not used",
        right.replace("192.0.2.2\n", "192.0.2.3\n"),
        used=False,
    )
    rdata = digest(ZONE + placeholder() + "\n")
    plain("serial", "A digest of another serial does not count", record(6, 1, SHA384, rdata), used=False)
    plain(
        "one-of-two",
        "One right digest is enough",
        record(7, 1, SHA384, wrong),
        record(7, 1, SHA512, right512),
        used=True,
    )
    plain(
        "repeated",
        "Two records of one scheme and hash algorithm do not count",
        record(7, 1, SHA384, rdata),
        record(7, 1, SHA384, wrong),
        used=False,
    )
    plain(
        "unknown-scheme",
        "An unknown scheme alone is as good as none",
        record(7, 240, SHA384, rdata),
        used=True,
    )
    plain(
        "unknown-hash",
        "An unknown hash algorithm alone is as good as none",
        record(7, 1, 240, rdata),
        used=True,
    )
    plain(
        "unknown-beside-wrong",
        "A wrong digest beside an unknown hash algorithm is wrong",
        record(7, 1, 240, rdata),
        record(7, 1, SHA384, wrong),
        used=False,
    )
    plain("absent", "A zone without digest is used", used=True)
    plain(
        "absent-but-required", "A zone without a required digest is not used", used=False, settings=required
    )
    write("right-and-required", "A required digest is right", right, used=True, settings=required)

    zone, anchor = signed(ZONE + placeholder() + "\n")

    def secure(name: str, title: str, zone: str, *, used: bool, settings: str = "") -> None:
        write(name, title, zone, used=used, anchor=anchor, settings=settings)

    secure("signed", "A signed zone with a signed digest is used", zone, used=True, settings=required)
    secure(
        "signed-bogus",
        "A right digest whose signature is wrong does not count",
        damaged(zone, "ZONEMD"),
        used=False,
    )
    secure(
        "signed-unsigned-digest",
        "An unsigned digest of a signed zone does not count",
        without(zone, "RRSIG", "ZONEMD"),
        used=False,
    )
    secure(
        "signed-digest-removed",
        "The NSEC record of the apex shows that a digest was removed",
        without(without(zone, "RRSIG", "ZONEMD"), "ZONEMD"),
        used=False,
    )
    secure(
        "signed-bogus-soa", "A serial with a wrong signature says nothing", damaged(zone, "SOA"), used=False
    )
    zone, anchor = signed(ZONE)
    secure("signed-absent", "A signed zone that proves to have no digest is used", zone, used=True)
    secure(
        "signed-absent-but-required",
        "A signed zone that proves to have no required digest is not used",
        zone,
        used=False,
        settings=required,
    )


if __name__ == "__main__":
    main()

"""Write the `.rpl` files of this folder: one for each rule of a validator, with zones that BIND signed.

    python3 tests/scenarios/rpl/validator/make.py

It needs `dnssec-keygen`, `dnssec-signzone` (BIND) and dnspython. The files in the folder are its output of one run; the keys are new
in each run. The zone is signed for January 2026, and the virtual time of the files is 2026-01-10 unless they test
dates.
"""

from __future__ import annotations

import subprocess
import tempfile
from dataclasses import dataclass, field
from pathlib import Path

import dns.dnssec
import dns.name
import dns.rdatatype
import dns.zone

HERE = Path(__file__).parent
START, END, NOW = "20260101000000", "20260201000000", "20260110000000"
ZONE = """\
@ 3600 SOA ns h 1 7200 3600 604800 300
@ 3600 NS ns
ns 3600 A 192.0.2.1
www 300 A 192.0.2.80
mail 300 A 192.0.2.81
alias 300 CNAME www
*.wild 300 A 192.0.2.82
a.b.ent 300 A 192.0.2.83
moved 300 DNAME elsewhere
www.elsewhere 300 A 192.0.2.84
plain 3600 NS ns.plain
ns.plain 3600 A 192.0.2.2
"""
APEX = "example.com."


@dataclass
class Signed:
    """A signed zone: its records as lines, and the DS records of its key."""

    zone: dns.zone.Zone
    ds: list[str]
    apex: str = APEX

    def rrset(
        self, owner: str, rtype: str, *, signatures: bool = True, shown: str | None = None
    ) -> list[str]:
        """Return the RRset at *owner*, with its signatures, at the name *shown* if it is given."""
        name = dns.name.from_text(owner, dns.name.from_text(self.apex))
        node = self.zone.find_node(name)
        wanted = dns.rdatatype.from_text(rtype)
        lines = []
        for rdataset in node:
            right = rdataset.rdtype == wanted or (signatures and rdataset.covers == wanted)
            if right:
                kind = dns.rdatatype.to_text(rdataset.rdtype)
                where = name if shown is None else dns.name.from_text(shown, dns.name.from_text(self.apex))
                lines += [f"{where} {rdataset.ttl} IN {kind} {rdata.to_text()}" for rdata in rdataset]
        if not lines:
            raise LookupError(f"{owner} {rtype}")
        return lines

    def denial(self, owner: str) -> list[str]:
        """Return the NSEC or NSEC3 RRset that matches or covers *owner*."""
        apex = dns.name.from_text(self.apex)
        name = dns.name.from_text(owner, apex)
        if self.kind == "NSEC":
            names = sorted(n for n, node in self.zone.items() if node.get_rdataset(1, dns.rdatatype.NSEC))
            below = [one for one in names if one <= name]
            return self.rrset(below[-1].to_text(), "NSEC")
        hashed = dns.dnssec.nsec3_hash(name, None, 0, 1).lower()
        names3 = sorted(n for n, node in self.zone.items() if node.get_rdataset(1, dns.rdatatype.NSEC3))
        before = [one for one in names3 if one.labels[0].decode().lower() <= hashed] or names3
        return self.rrset(before[-1].to_text(), "NSEC3")

    @property
    def kind(self) -> str:
        """NSEC or NSEC3."""
        nsec = any(node.get_rdataset(1, dns.rdatatype.NSEC) for _, node in self.zone.items())
        return "NSEC" if nsec else "NSEC3"


def signed(
    text: str = ZONE,
    *options: str,
    apex: str = APEX,
    algorithm: str = "ECDSAP256SHA256",
    dates: tuple[str, str] = (START, END),
) -> Signed:
    """Sign *text* with a new key."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        bits = ["-b", "2048"] if algorithm.startswith("RSA") else []
        keygen = ["dnssec-keygen", "-q", "-a", algorithm, *bits, "-f", "KSK", apex]
        key = subprocess.run(keygen, cwd=folder, check=True, capture_output=True, text=True).stdout.strip()
        (folder / "zone").write_text(text + (folder / f"{key}.key").read_text())
        sign = [
            "dnssec-signzone",
            "-q",
            "-P",
            "-z",
            "-x",
            "-O",
            "full",
            "-o",
            apex,
            "-s",
            dates[0],
            "-e",
            dates[1],
            "-j",
            "0",
        ]
        subprocess.run(
            [*sign, *options, "-f", "signed", "zone", key], cwd=folder, check=True, capture_output=True
        )
        ds = subprocess.run(
            ["dnssec-dsfromkey", "-2", key], cwd=folder, check=True, capture_output=True, text=True
        )
        zone = dns.zone.from_text(
            (folder / "signed").read_text(), origin=apex, relativize=False, check_origin=False
        )
        return Signed(zone, ds.stdout.split("\n")[:1], apex)


def entry(
    match: str, reply: str, question: str, sections: dict[str, list[str]], adjust: str = "copy_id"
) -> str:
    """An entry of a range or step."""
    lines = ["ENTRY_BEGIN", *([f"MATCH {match}"] if match else []), *([f"ADJUST {adjust}"] if adjust else [])]
    lines += [f"REPLY {reply}", "SECTION QUESTION", question]
    for section, records in sections.items():
        lines += [f"SECTION {section}", *records]
    return "\n".join([*lines, "ENTRY_END", ""])


@dataclass
class File:
    """A script about one rule."""

    name: str
    title: str
    zone: Signed
    answers: list[tuple[str, str, dict[str, list[str]]]]
    checks: list[tuple[str, str, str, dict[str, list[str]]]]
    config: list[str] = field(default_factory=list)
    now: str = NOW
    anchor: list[str] | None = None
    more: str = ""

    def write(self) -> None:
        """Write the file."""
        anchors = self.zone.ds if self.anchor is None else self.anchor
        config = [
            "server:",
            *(f'\ttrust-anchor: "{ds}"' for ds in anchors),
            f'\tval-override-date: "{self.now}"',
        ]
        config += [
            '\ttarget-fetch-policy: "0 0 0 0 0"',
            "\tqname-minimisation: no",
            "\tminimal-responses: no",
        ]
        config += [f"\t{line}" for line in self.config]
        config += ["stub-zone:", '\tname: "."', "\tstub-addr: 193.0.14.129", "CONFIG_END", ""]
        text = "\n".join(
            [*config, f"SCENARIO_BEGIN {self.title}", "", "RANGE_BEGIN 0 1000", "ADDRESS 193.0.14.129", ""]
        )
        glue = {"ADDITIONAL": ["k.root-servers.net. 518400 IN A 193.0.14.129"]}
        text += entry(
            "opcode qtype qname",
            "QR AA NOERROR",
            ". IN NS",
            {"ANSWER": [". 518400 IN NS k.root-servers.net."], **glue},
        )
        referral = {
            "AUTHORITY": [f"{APEX} 3600 IN NS ns.{APEX}"],
            "ADDITIONAL": [f"ns.{APEX} 3600 IN A 192.0.2.1"],
        }
        text += entry("opcode subdomain", "QR NOERROR", f"{APEX} IN A", referral, "copy_id copy_query")
        text += "RANGE_END\nRANGE_BEGIN 0 1000\nADDRESS 192.0.2.1\n"
        keys = {"ANSWER": self.zone.rrset("@", "DNSKEY")}
        for question, reply, sections in self.answers:
            text += entry("opcode qtype qname", f"QR AA {reply}", question, sections)
        text += entry("opcode qtype qname", "QR AA NOERROR", f"{APEX} IN DNSKEY", keys)
        text += "RANGE_END\n" + self.more
        for number, (question, flags, match_reply, sections) in enumerate(self.checks):
            match, reply = match_reply.split("|")
            text += f"STEP {10 * number + 1} QUERY\n" + entry("", flags, question, {}, "")
            text += f"STEP {10 * number + 2} CHECK_ANSWER\n" + entry(match, reply, question, sections, "")
        text += "SCENARIO_END\n"
        (HERE / f"{self.name}.rpl").write_text(text)


def main() -> None:
    """Write all files."""
    for old in HERE.glob("*.rpl"):
        old.unlink()
    good, nsec3, optout = signed(), signed(ZONE, "-3", "-"), signed(ZONE, "-3", "-", "-A")
    insecure = {"ANSWER": [f"www.plain.{APEX} 300 IN A 192.0.2.90"]}
    plain_entry = entry("opcode qtype qname", "QR AA NOERROR", f"www.plain.{APEX} IN A", insecure)
    below = f"RANGE_BEGIN 0 1000\nADDRESS 192.0.2.2\n{plain_entry}RANGE_END\n"
    secure = "all|QR RD RA AD DO NOERROR"
    bogus = "rcode ede={}|QR RD RA DO SERVFAIL"

    def www(zone: Signed, **how: bool) -> dict[str, list[str]]:
        return {"ANSWER": zone.rrset("www", "A", **how)}

    def answer(zone: Signed) -> list[tuple[str, str, dict[str, list[str]]]]:
        return [(f"www.{APEX} IN A", "NOERROR", www(zone))]

    question = f"www.{APEX} IN A"
    for algorithm in ("RSASHA256", "RSASHA512", "ECDSAP256SHA256", "ECDSAP384SHA384", "ED25519", "ED448"):
        zone = signed(algorithm=algorithm)
        checks = [(question, "RD DO", secure, www(zone))]
        File(
            f"algorithm-{algorithm.lower()}",
            f"An answer signed with {algorithm} is secure",
            zone,
            answer(zone),
            checks,
        ).write()

    # Flags.
    checks = [
        (question, "RD", "flags rcode|QR RD RA NOERROR", {}),
        (question, "RD AD", "flags rcode|QR RD RA AD NOERROR", {}),
        (question, "RD DO", "flags rcode|QR RD RA AD DO NOERROR", {}),
        (question, "RD DO CD", "flags rcode|QR RD RA CD DO NOERROR", {}),
    ]
    File(
        "flags-ad",
        "AD is for clients that set AD or DO, CD for those that check themselves",
        good,
        answer(good),
        checks[:3],
    ).write()
    false = {"ANSWER": [line.replace("192.0.2.80", "192.0.2.66") for line in www(good)["ANSWER"]]}
    altered = [(question, "NOERROR", false)]
    checks = [
        (question, "RD DO CD", "all|QR RD RA CD DO NOERROR", false),
        (question, "RD DO", bogus.format("any"), {}),
    ]
    File("flags-cd", "A client with CD gets bogus data, others do not", good, altered, checks).write()

    # Data.
    failing = [(question, "RD DO", bogus.format("any"), {})]
    File("bogus-altered-rdata", "Data that was altered is bogus", good, altered, failing).write()
    unsigned = [(question, "NOERROR", www(good, signatures=False))]
    failing10 = [(question, "RD DO", bogus.format("any"), {})]
    File("bogus-missing-rrsig", "An answer without signatures is bogus", good, unsigned, failing10).write()
    ttl = {"ANSWER": [line.replace(" 300 IN A", " 3000 IN A") for line in www(good)["ANSWER"]]}
    capped = {"ANSWER": www(good)["ANSWER"]}
    checks = [(question, "RD DO", "all ttl|QR RD RA AD DO NOERROR", capped)]
    File(
        "altered-ttl",
        "A TTL above the signed one is cut to it (RFC 4035 5.3.3)",
        good,
        [(question, "NOERROR", ttl)],
        checks,
    ).write()
    signer = {
        "ANSWER": [
            line.replace(f" {APEX} ", " com. ") if " RRSIG " in line else line for line in www(good)["ANSWER"]
        ]
    }
    File(
        "bogus-wrong-signer",
        "A signature by another zone is bogus",
        good,
        [(question, "NOERROR", signer)],
        failing,
    ).write()
    other = signed()
    wrong = {
        "ANSWER": www(good, signatures=False)["ANSWER"]
        + [line for line in www(other)["ANSWER"] if " RRSIG " in line]
    }
    File(
        "bogus-wrong-key",
        "A signature by a key that the zone does not have is bogus",
        good,
        [(question, "NOERROR", wrong)],
        failing,
    ).write()

    # Dates.
    expired = signed(dates=("20251201000000", "20260105000000"))
    File("dates-expired", "An expired signature is bogus", expired, answer(expired), failing).write()
    future = signed(dates=("20260115000000", "20260201000000"))
    File("dates-not-yet-valid", "A signature of the future is bogus", future, answer(future), failing).write()
    checks = [(question, "RD DO", secure, www(expired))]
    File(
        "dates-fake",
        "With another date, the same signature is valid",
        expired,
        answer(expired),
        checks,
        now="20251220000000",
    ).write()
    seconds = str(1_767_225_600)
    checks = [(question, "RD DO", secure, www(good))]
    File("dates-seconds", "The date may be in seconds", good, answer(good), checks, now=seconds).write()

    # The chain of trust.
    digest = [good.ds[0][:-4] + ("0000" if not good.ds[0].endswith("0000") else "1111")]
    File(
        "anchor-wrong-digest",
        "A key that the trust anchor does not name is bogus",
        good,
        answer(good),
        failing,
        anchor=digest,
    ).write()
    checks = [(question, "RD DO", "rcode flags|QR RD RA DO NOERROR", {})]
    File(
        "anchor-insecure",
        "Below a negative trust anchor nothing is validated",
        good,
        altered,
        checks,
        config=[f'domain-insecure: "{APEX}"'],
    ).write()
    dnskey = good.rrset("@", "DNSKEY", signatures=False)
    anchor = [line.replace(" 3600 ", " ") for line in dnskey]
    checks = [(question, "RD DO", secure, www(good))]
    File(
        "anchor-dnskey", "A trust anchor may be a DNSKEY record", good, answer(good), checks, anchor=anchor
    ).write()
    mixed = [(f"{APEX} IN DNSKEY", "NOERROR", {"ANSWER": dnskey}), *answer(good)]
    File("bogus-unsigned-dnskey", "Keys without signature are bogus", good, mixed, failing).write()

    # Denial, wildcards, aliases.
    for zone in (good, nsec3):
        kind = zone.kind.lower()
        soa = zone.rrset("@", "SOA")
        missing = f"nothing.{APEX} IN A"
        if zone is good:
            proof = {"AUTHORITY": [*soa, *dict.fromkeys([*zone.denial("nothing"), *zone.denial("*")])]}
        else:
            proof = {
                "AUTHORITY": [
                    *soa,
                    *dict.fromkeys([*zone.denial("@"), *zone.denial("nothing"), *zone.denial("*")]),
                ]
            }
        nx = [(missing, "NXDOMAIN", proof)]
        checks = [(missing, "RD DO", "all|QR RD RA AD DO NXDOMAIN", proof)]
        File(f"{kind}-nxdomain", f"A name error with {zone.kind} records is secure", zone, nx, checks).write()
        bare = [(missing, "NXDOMAIN", {"AUTHORITY": soa})]
        failed = [(missing, "RD DO", bogus.format("any"), {})]
        File(
            f"bogus-{kind}-nxdomain-without-proof",
            f"A name error without {zone.kind} records is bogus",
            zone,
            bare,
            failed,
        ).write()
        partial = [
            (missing, "NXDOMAIN", {"AUTHORITY": [*soa, *zone.denial("mail" if zone is good else "@")]})
        ]
        File(
            f"bogus-{kind}-nxdomain-partial",
            f"A name error whose {zone.kind} records deny another name is bogus",
            zone,
            partial,
            failed,
        ).write()
        nodata = f"www.{APEX} IN MX"
        proof = {"AUTHORITY": [*soa, *zone.denial("www")]}
        checks = [(nodata, "RD DO", "all|QR RD RA AD DO NOERROR", proof)]
        File(
            f"{kind}-nodata",
            f"The absence of a type with {zone.kind} is secure",
            zone,
            [(nodata, "NOERROR", proof)],
            checks,
        ).write()
        lie = f"www.{APEX} IN A"
        failed = [(lie, "RD DO", bogus.format("any"), {})]
        File(
            f"bogus-{kind}-nodata-of-a-type-that-is-there",
            f"{zone.kind} does not deny a type in its bitmap",
            zone,
            [(lie, "NOERROR", proof)],
            failed,
        ).write()
        empty = f"b.ent.{APEX} IN A"
        proof = {"AUTHORITY": [*soa, *zone.denial("b.ent")]}
        checks = [(empty, "RD DO", "all|QR RD RA AD DO NOERROR", proof)]
        File(
            f"{kind}-empty-non-terminal",
            "An empty non-terminal has no data, and that is secure",
            zone,
            [(empty, "NOERROR", proof)],
            checks,
        ).write()
        wild = f"x.wild.{APEX} IN A"
        expansion = zone.rrset("*.wild", "A", shown="x.wild")
        proof = {"ANSWER": expansion, "AUTHORITY": zone.denial("x.wild")}
        checks = [(wild, "RD DO", "rcode flags answer|QR RD RA AD DO NOERROR", {"ANSWER": expansion})]
        File(
            f"{kind}-wildcard",
            f"A wildcard with {zone.kind} is secure",
            zone,
            [(wild, "NOERROR", proof)],
            checks,
        ).write()
        failed = [(wild, "RD DO", bogus.format("any"), {})]
        File(
            f"bogus-{kind}-wildcard-without-proof",
            "A wildcard without proof is bogus",
            zone,
            [(wild, "NOERROR", {"ANSWER": expansion})],
            failed,
        ).write()
        plain = f"www.plain.{APEX} IN A"
        delegation = {
            "AUTHORITY": [*zone.rrset("plain", "NS", signatures=False), *zone.denial("plain")],
            "ADDITIONAL": [f"ns.plain.{APEX} 3600 IN A 192.0.2.2"],
        }
        checks = [(plain, "RD DO", "all|QR RD RA DO NOERROR", insecure)]
        file = File(
            f"{kind}-unsigned-delegation",
            f"Below a delegation without DS ({zone.kind}) data is insecure",
            zone,
            [(plain, "NOERROR", delegation)],
            checks,
            more=below,
        )
        file.write()
        ds = f"plain.{APEX} IN DS"
        proof = {"AUTHORITY": [*soa, *zone.denial("plain")]}
        checks = [(ds, "RD DO", "all|QR RD RA AD DO NOERROR", proof)]
        File(
            f"{kind}-ds-at-the-parent",
            "The parent denies the DS record of an unsigned child",
            zone,
            [(ds, "NOERROR", proof)],
            checks,
        ).write()
    delegation = {
        "AUTHORITY": [
            *optout.rrset("plain", "NS", signatures=False),
            *dict.fromkeys([*optout.denial("@"), *optout.denial("plain")]),
        ],
        "ADDITIONAL": [f"ns.plain.{APEX} 3600 IN A 192.0.2.2"],
    }
    plain = f"www.plain.{APEX} IN A"
    checks = [(plain, "RD DO", "all|QR RD RA DO NOERROR", insecure)]
    File(
        "nsec3-opt-out",
        "Below a delegation in an opt-out span data is insecure",
        optout,
        [(plain, "NOERROR", delegation)],
        checks,
        more=below,
    ).write()
    soa = optout.rrset("@", "SOA")
    missing = f"nothing.{APEX} IN A"
    proof = {
        "AUTHORITY": [
            *soa,
            *dict.fromkeys([*optout.denial("@"), *optout.denial("nothing"), *optout.denial("*")]),
        ]
    }
    checks = [(missing, "RD DO", "rcode flags|QR RD RA DO NXDOMAIN", {})]
    File(
        "nsec3-opt-out-nxdomain",
        "A name error in an opt-out span is not secure (RFC 5155 9.2)",
        optout,
        [(missing, "NXDOMAIN", proof)],
        checks,
    ).write()
    alias = f"alias.{APEX} IN A"
    chain = {"ANSWER": [*good.rrset("alias", "CNAME"), *good.rrset("www", "A")]}
    File(
        "cname",
        "A signed alias and its target are secure",
        good,
        [(alias, "NOERROR", chain), *answer(good)],
        [(alias, "RD DO", secure, chain)],
    ).write()
    forged = {
        "ANSWER": [line.replace(f" www.{APEX}", f" mail.{APEX}") for line in good.rrset("alias", "CNAME")]
        + good.rrset("mail", "A")
    }
    to_mail = [
        (alias, "NOERROR", forged),
        (f"mail.{APEX} IN A", "NOERROR", {"ANSWER": good.rrset("mail", "A")}),
    ]
    File(
        "bogus-cname",
        "An alias that was altered is bogus",
        good,
        to_mail,
        [(alias, "RD DO", bogus.format("any"), {})],
    ).write()
    moved = f"www.moved.{APEX} IN A"
    synthesis = f"www.moved.{APEX} 300 IN CNAME www.elsewhere.{APEX}"
    chain = {"ANSWER": [*good.rrset("moved", "DNAME"), synthesis, *good.rrset("www.elsewhere", "A")]}
    target = (f"www.elsewhere.{APEX} IN A", "NOERROR", {"ANSWER": good.rrset("www.elsewhere", "A")})
    File(
        "dname",
        "A signed DNAME proves the alias that follows from it",
        good,
        [(moved, "NOERROR", chain), target],
        [(moved, "RD DO", secure, chain)],
    ).write()
    false_synthesis = {
        "ANSWER": [
            *good.rrset("moved", "DNAME"),
            f"www.moved.{APEX} 300 IN CNAME mail.{APEX}",
            *good.rrset("mail", "A"),
        ]
    }
    to_mail = [
        (moved, "NOERROR", false_synthesis),
        (f"mail.{APEX} IN A", "NOERROR", {"ANSWER": good.rrset("mail", "A")}),
        target,
    ]
    checks = [(moved, "RD DO CD", "all|QR RD RA CD DO NOERROR", chain), (moved, "RD DO", secure, chain)]
    File(
        "dname-wrong-synthesis",
        "An alias that does not follow from its DNAME is ignored",
        good,
        to_mail,
        checks,
    ).write()

    # A server may forget the proof of a wildcard behind an alias, and give it with the target's own answer.
    behind = signed(f"{ZONE}back 300 DNAME wild\nfore 300 CNAME x.wild\n")
    expansion = behind.rrset("*.wild", "A", shown="x.wild")
    proof = {"ANSWER": expansion, "AUTHORITY": behind.denial("x.wild")}
    for kind, owner, alias_sets in (
        (
            "dname",
            "x.back",
            [*behind.rrset("back", "DNAME"), f"x.back.{APEX} 300 IN CNAME x.wild.{APEX}"],
        ),
        ("cname", "fore", behind.rrset("fore", "CNAME")),
    ):
        asked = f"{owner}.{APEX} IN A"
        chain = {"ANSWER": [*alias_sets, *expansion]}
        for name, title, of_target, check in (
            ("", "is asked for with its target", proof, ("rcode flags answer|QR RD RA AD DO NOERROR", chain)),
            ("bogus-", "that is nowhere is bogus", {"ANSWER": expansion}, (bogus.format("any"), {})),
        ):
            File(
                f"{name}{kind}-to-a-wildcard-without-proof",
                f"The proof of a wildcard behind a {kind.upper()} {title}",
                behind,
                [(asked, "NOERROR", chain), (f"x.wild.{APEX} IN A", "NOERROR", of_target)],
                [(asked, "RD DO", *check)],
            ).write()


if __name__ == "__main__":
    main()

"""Detection of tunnels and of amplification: `[tunnels]`, `[amplification]`."""

from typing import Annotated, Literal

from namewise.config.schema import DomainName, Duration, Size, Table, setting

ALLOW = (
    "in-addr.arpa.",
    "ip6.arpa.",
    "avqs.mcafee.com.",
    "avts.mcafee.com.",
    "barracudacentral.org.",
    "e5.sk.",
    "hash.cymru.com.",
    "msbl.org.",
    "senderbase.org.",
    "sophosxl.net.",
    "sorbs.net.",
    "spamhaus.net.",
    "spamhaus.org.",
    "surbl.org.",
    "trendmicro.com.",
    "uribl.com.",
)
"""Names that carry data by design: reverse names, block lists in the DNS, and virus scanners that look up hashes."""
Action = Literal["log", "rate-limit", "block"]


class Tunnels(Table, frozen=True, kw_only=True):
    """Detection of tunnels in names (iodine, dnscat2, exfiltration). The presence of this table, even empty, enables it. A registered
    domain is suspected if in a window it has more than `max_subdomains` different subdomains, and at least `min_features` of these
    exceed their limits, too: `label_length`, `entropy`, `data_share`, and the volume (`question_octets` or `answer_octets`). Only
    lookups count: an answer of the cache is none. `nw ctl detect` shows the domains with the most features."""

    action: Annotated[
        Action,
        setting(
            "What is done about a suspected domain, besides the report in the log: nothing; refuse (EDE 18) what exceeds "
            "`per_second`; or refuse (EDE 15) all lookups."
        ),
    ] = "log"
    window: Annotated[Duration, setting("Time in which a domain is measured.", ge=1000, le=3_600_000)] = (
        60_000
    )
    max_subdomains: Annotated[
        int, setting("Different subdomains in a window that are not suspicious.", ge=1, le=4000)
    ] = 50
    min_features: Annotated[
        int, setting("Other features that must exceed their limits, too.", ge=0, le=4)
    ] = 2
    label_length: Annotated[
        int, setting("Mean length of the longest label of a name, octets.", ge=1, le=63)
    ] = 24
    entropy: Annotated[
        int,
        setting("Mean entropy of the longest label, hundredths of a bit for each character.", ge=1, le=800),
    ] = 360
    data_share: Annotated[
        int, setting("Percentage of queries for TXT, NULL and private types.", ge=1, le=100)
    ] = 50
    question_octets: Annotated[Size, setting("Octets in subdomains in a window.", ge=1, le=1 << 40)] = 32_768
    answer_octets: Annotated[Size, setting("Octets of answers in a window.", ge=1, le=1 << 40)] = 524_288
    hold: Annotated[
        Duration,
        setting(
            "How long a domain stays suspected after the last window that exceeded the limits.",
            ge=1000,
            le=86_400_000,
        ),
    ] = 600_000
    per_second: Annotated[
        int,
        setting("Lookups per second that a suspected domain keeps under `rate-limit`.", ge=1, le=1_000_000),
    ] = 1
    domains: Annotated[
        int,
        setting(
            "Domains that are watched at once, some 700 octets each; stops a flood of domains from filling the memory.",
            ge=64,
            le=1 << 20,
        ),
    ] = 4096
    allow: Annotated[
        tuple[DomainName, ...],
        setting(
            "Names at and below which nothing is watched, besides those of the default, unless `allow_default` is false."
        ),
    ] = ()
    allow_default: Annotated[
        bool,
        setting(
            "Do not watch names that carry data by design: reverse names, block lists in the DNS (Spamhaus, SURBL, ...), and virus "
            "scanners that look up hashes (Sophos, McAfee, Trend Micro, ...)."
        ),
    ] = True

    def unwatched(self) -> tuple[str, ...]:
        """Return the names at and below which nothing is watched, sorted."""
        return tuple(sorted({*self.allow, *(ALLOW if self.allow_default else ())}))


class Amplification(Table, frozen=True, kw_only=True):
    """Detection of networks that get many large answers over UDP, as victims of a reflection attack do. The presence of this table, even
    empty, enables it. One response in 16 is counted."""

    action: Annotated[
        Action,
        setting(
            "What is done about a suspected network, besides the report in the log: nothing; truncate its UDP responses, so that real "
            "clients ask over TCP; or send none over UDP."
        ),
    ] = "log"
    window: Annotated[Duration, setting("Time in which a network is measured.", ge=1000, le=3_600_000)] = (
        10_000
    )
    octets: Annotated[
        Size, setting("Octets of responses in a window that are not suspicious.", ge=1, le=1 << 40)
    ] = 1 << 20
    ratio: Annotated[
        int,
        setting(
            "Octets of responses for each octet of queries that are not suspicious.",
            ge=1,
            le=1000,
        ),
    ] = 10
    share: Annotated[
        int, setting("Percentage of queries for ANY, DNSKEY, TXT, RRSIG and NSEC3PARAM.", ge=0, le=100)
    ] = 50
    hold: Annotated[Duration, setting("How long a network stays suspected.", ge=1000, le=86_400_000)] = 60_000
    ipv4_prefix: Annotated[int, setting("Bits of an IPv4 address that make a network.", ge=8, le=32)] = 24
    ipv6_prefix: Annotated[int, setting("Bits of an IPv6 address that make a network.", ge=16, le=128)] = 56
    networks: Annotated[
        int,
        setting(
            "Networks that are counted at once, 64 octets each; stops forged addresses from filling the memory.",
            ge=64,
            le=1 << 20,
        ),
    ] = 4096
    exempt: Annotated[
        tuple[str, ...], setting("Clients that are not watched: prefixes and names of `[[acl]]`.")
    ] = ()

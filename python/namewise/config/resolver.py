"""Settings of recursion: `[resolver]`, `[resolver.stale]`, `[resolver.budget]`, `[resolver.streams]`, `[[forward]]`."""

from typing import Annotated, Literal

from namewise.config.schema import (
    DomainName,
    Duration,
    LoopbackServer,
    Path,
    Prefix,
    Server,
    Size,
    Table,
    limit,
    setting,
)


class Budget(Table, frozen=True, kw_only=True):
    """Limits of the work for one query. A limit that is not set keeps the engine's default."""

    max_upstream_queries: (
        Annotated[
            int,
            limit(
                "200",
                "Queries to servers for one client query, everything included; stops CAMP.",
                ge=1,
                le=10000,
            ),
        ]
        | None
    ) = None
    max_queries_without_progress: (
        Annotated[
            int,
            limit(
                "50",
                "Queries to servers since the last progress towards the name by a referral or an alias; stops NXNSAttack.",
                ge=1,
                le=10000,
            ),
        ]
        | None
    ) = None
    max_referrals: Annotated[int, limit("20", "Referrals followed for one name.", ge=1, le=255)] | None = None
    max_aliases: (
        Annotated[int, limit("11", "CNAME links from one name to its data.", ge=0, le=255)] | None
    ) = None
    max_depth: Annotated[int, limit("7", "Nesting of lookups of server addresses.", ge=0, le=50)] | None = (
        None
    )
    max_ns_per_cut: (
        Annotated[int, limit("13", "Name servers kept of one delegation; stops NRDelegation.", ge=1, le=1000)]
        | None
    ) = None
    max_addresses_per_ns: (
        Annotated[int, limit("6", "Addresses kept for one name server.", ge=1, le=1000)] | None
    ) = None
    max_queries_per_cut: (
        Annotated[int, limit("13", "Queries to the servers of one zone cut for one name.", ge=1, le=1000)]
        | None
    ) = None
    max_queries_per_server: (
        Annotated[
            int,
            limit(
                "5",
                "Queries to one server address for one name at one cut, fallbacks included.",
                ge=1,
                le=100,
            ),
        ]
        | None
    ) = None
    max_timeouts_per_server: (
        Annotated[
            int,
            limit(
                "3",
                "Queries that one server address may leave unanswered for one name at one cut.",
                ge=1,
                le=100,
            ),
        ]
        | None
    ) = None
    max_timeouts_per_cut: (
        Annotated[
            int,
            limit(
                "5",
                "Queries that the servers of one cut may leave unanswered for one name before the resolver gives up on the cut.",
                ge=1,
                le=1000,
            ),
        ]
        | None
    ) = None
    max_address_lookups: (
        Annotated[
            int,
            limit(
                "10",
                "Lookups of name server addresses since the last progress towards the name.",
                ge=0,
                le=1000,
            ),
        ]
        | None
    ) = None
    max_failed_address_lookups: (
        Annotated[
            int, limit("8", "Lookups of name server addresses that may fail for one query.", ge=0, le=1000)
        ]
        | None
    ) = None
    parallel_address_lookups: (
        Annotated[
            int,
            limit(
                "3", "Lookups of name server addresses in progress at once for one delegation.", ge=1, le=100
            ),
        ]
        | None
    ) = None
    address_lookup_pause: (
        Annotated[
            Duration,
            limit(
                "100ms",
                "Pause before a further lookup of name server addresses starts beside those in progress.",
                ge=0,
                le=60000,
            ),
        ]
        | None
    ) = None
    max_minimise: (
        Annotated[
            int,
            limit("10", "Extra queries of QNAME minimisation for one name (RFC 9156 §2.3).", ge=0, le=127),
        ]
        | None
    ) = None
    max_received_bytes: (
        Annotated[
            Size,
            limit(
                "100000B",
                "Octets received for one query beyond the first `udp_payload` of each response.",
                ge=512,
                le=1000000000,
            ),
        ]
        | None
    ) = None
    max_records_per_rrset: (
        Annotated[
            int, limit("1000", "Records in one RRset of a response; larger ones are refused.", ge=1, le=65535)
        ]
        | None
    ) = None
    max_signatures: (
        Annotated[int, limit("128", "Signatures verified for one query; stops KeyTrap.", ge=1, le=100000)]
        | None
    ) = None
    max_failed_signatures: (
        Annotated[
            int,
            limit(
                "8", "Signatures verified for one query that turn out invalid; stops KeyTrap.", ge=1, le=1000
            ),
        ]
        | None
    ) = None
    max_nsec3_iterations: (
        Annotated[
            int,
            limit(
                "50",
                "NSEC3 iterations above which a zone counts as insecure (RFC 9276 §3.2).",
                ge=0,
                le=500,
            ),
        ]
        | None
    ) = None
    max_steps: (
        Annotated[int, limit("400", "Steps kept for the explanation of one query.", ge=1, le=100000)] | None
    ) = None
    max_in_flight: (
        Annotated[
            int,
            limit(
                "4096",
                "Different queries in progress at once in one worker; the client prefix (/24, /56) with the most loses its "
                "oldest one to a further one.",
                ge=1,
                le=1000000,
            ),
        ]
        | None
    ) = None
    max_in_flight_per_client: (
        Annotated[
            int,
            limit(
                "1000",
                "Different queries in progress at once in one worker for one client prefix; its oldest one makes room for "
                "a further one. Stops DNSBomb.",
                ge=1,
                le=1000000,
            ),
        ]
        | None
    ) = None
    max_in_flight_per_zone: (
        Annotated[
            int,
            limit(
                "1000",
                "Queries in progress at once from one worker to the servers of one zone; further ones fail at once. The "
                "limit shrinks while the servers are silent. Stops floods of random names.",
                ge=1,
                le=1000000,
            ),
        ]
        | None
    ) = None
    max_queries_per_second_per_client: (
        Annotated[
            int,
            limit(
                "0",
                "Queries for recursion per second in one worker from one client prefix (/24, /56); further ones fail at once, "
                "with EDE 31. 0: no limit.",
                ge=0,
                le=1000000,
            ),
        ]
        | None
    ) = None
    max_queries_per_second_per_zone: (
        Annotated[
            int,
            limit(
                "0",
                "Queries per second from one worker to the servers of one zone; further ones fail at once, with EDE 31. 0: no "
                "limit.",
                ge=0,
                le=1000000,
            ),
        ]
        | None
    ) = None
    max_waiting: (
        Annotated[
            int,
            limit(
                "65536",
                "Clients that wait in one worker in total; further ones fail at once.",
                ge=1,
                le=1000000,
            ),
        ]
        | None
    ) = None
    max_renewals: (
        Annotated[
            int,
            limit(
                "1000",
                "Questions whose cached answers are about to expire and that wait in one worker to be looked up again; further "
                "answers expire.",
                ge=0,
                le=1000000,
            ),
        ]
        | None
    ) = None
    discard_timeout: (
        Annotated[
            Duration,
            limit(
                "1900ms",
                "Time after which the answer to a datagram is not sent any more; stops DNSBomb. 0 sends every answer.",
                ge=0,
                le=600000,
            ),
        ]
        | None
    ) = None
    udp_payload: (
        Annotated[int, limit("1232", "UDP payload size offered to servers (RFC 9715).", ge=512, le=4096)]
        | None
    ) = None
    wall_clock: (
        Annotated[Duration, limit("7s", "Time after which a query is answered SERVFAIL.", ge=1, le=600000)]
        | None
    ) = None
    priming_clock: (
        Annotated[Duration, limit("3s", "Time to find the root servers (RFC 8109).", ge=1, le=600000)] | None
    ) = None
    timeouts_before_rest: (
        Annotated[
            int,
            limit(
                "3",
                "Consecutive timeouts after which a server rests: it is then asked only if no other server answers.",
                ge=1,
                le=100,
            ),
        ]
        | None
    ) = None
    first_rest: (
        Annotated[
            Duration,
            limit("2s", "First rest of a server; it doubles with each further timeout.", ge=1, le=600000),
        ]
        | None
    ) = None
    max_rest: (
        Annotated[
            Duration,
            limit("2m", "Longest rest: a dead server gets one query in this time.", ge=1, le=3600000),
        ]
        | None
    ) = None
    unreachable_rest: (
        Annotated[
            Duration,
            limit("5s", "Rest of a server that the network reports as unreachable.", ge=0, le=600000),
        ]
        | None
    ) = None
    offline_pause: (
        Annotated[
            Duration,
            limit(
                "500ms",
                "Pause before a server is asked again while no server at all replies, or this machine has no route to it.",
                ge=0,
                le=60000,
            ),
        ]
        | None
    ) = None
    max_offline_attempts: (
        Annotated[
            int,
            limit("50", "Queries in `offline_pause` that are sent all the same.", ge=0, le=1000000),
        ]
        | None
    ) = None
    first_timeout: (
        Annotated[Duration, limit("376ms", "Timeout for a server that was not measured yet.", ge=1, le=60000)]
        | None
    ) = None
    min_timeout: (
        Annotated[
            Duration, limit("50ms", "Shortest timeout for a server, however fast it was.", ge=1, le=60000)
        ]
        | None
    ) = None
    max_timeout: (
        Annotated[Duration, limit("1500ms", "Longest timeout of one attempt.", ge=1, le=60000)] | None
    ) = None
    tcp_timeout: (
        Annotated[
            Duration,
            limit("2500ms", "Timeout of a query over TCP, including the connection setup.", ge=1, le=60000),
        ]
        | None
    ) = None
    max_ttl: (
        Annotated[
            Duration,
            limit(
                "1d",
                "Longest time that data is cached. A reload with a shorter time also applies to what is cached already; so do those of the "
                "other TTLs.",
                ge=0,
                le=2147483647000,
            ),
        ]
        | None
    ) = None
    min_ttl: (
        Annotated[
            Duration,
            limit(
                "0s",
                "Shortest time that data is cached; more than 0 overrides the TTLs of zone owners. It extends neither signed data "
                "beyond what its signatures allow (RFC 4035 §5.3.3), nor anything beyond `max_ttl` and `max_negative_ttl`.",
                ge=0,
                le=86400000,
            ),
        ]
        | None
    ) = None
    max_negative_ttl: (
        Annotated[
            Duration,
            limit(
                "1h", "Longest time that the absence of data is cached (RFC 2308 §5).", ge=0, le=2147483647000
            ),
        ]
        | None
    ) = None
    failure_ttl: (
        Annotated[
            Duration,
            limit(
                "5s",
                "Time that a failure of servers or their data is cached (RFC 9520 §3.2). A failure of this machine or of "
                "this budget is not cached.",
                ge=1000,
                le=300000,
            ),
        ]
        | None
    ) = None


class Streams(Table, frozen=True, kw_only=True):
    """TCP connections to servers (RFC 7766 §6.2). The limits stop servers that accept and never reply from holding descriptors and
    queries."""

    max_connections: Annotated[
        int,
        setting(
            "Connections open at once in one worker to all servers; one more ends the one that has been silent longest.",
            ge=1,
            le=100_000,
        ),
    ] = 128
    max_per_server: Annotated[
        int,
        setting("Connections open at once in one worker to one server; queries share them.", ge=1, le=1000),
    ] = 2
    max_pipelined: Annotated[
        int, setting("Queries in progress at once on one connection; further ones wait.", ge=1, le=10_000)
    ] = 100
    idle: Annotated[
        Duration, setting("How long a connection without a query stays open.", ge=0, le=600_000)
    ] = 5_000
    lifetime: Annotated[
        Duration, setting("Time after which a connection gets no more queries.", ge=200, le=86_400_000)
    ] = 300_000


class Stale(Table, frozen=True, kw_only=True):
    """Expired data for clients, when no newer data can be had in time (RFC 8767). Bogus answers are never replaced."""

    max_age: Annotated[
        Duration,
        setting(
            "How long data may be served after its TTL; 0 turns this off. Bounds how long an attack on the servers of a "
            "zone can hold clients at its former data.",
            ge=0,
            le=604_800_000,
        ),
    ] = 86_400_000
    client_timeout: Annotated[
        Duration,
        setting(
            "How long a client waits before it gets expired data, while the lookup goes on. More than "
            "`discard_timeout` of `[resolver.budget]` is too late for clients over UDP.",
            ge=0,
            le=600_000,
        ),
    ] = 1_800
    ttl: Annotated[Duration, setting("TTL of expired records.", ge=1_000, le=3_600_000)] = 30_000
    recheck: Annotated[
        Duration,
        setting(
            "Time after a failed lookup in which expired data is served at once and no server is queried.",
            ge=1_000,
            le=3_600_000,
        ),
    ] = 30_000


class Resolver(Table, frozen=True, kw_only=True):
    """Recursion. The presence of this table, even empty, enables it; `[[policy]]` says for which clients (default: loopback
    only)."""

    hints: (
        Annotated[
            Path,
            setting(
                "File with names and addresses of root servers (`named.root`). Not set: the built-in IANA list."
            ),
        ]
        | None
    ) = None
    trust_anchor: (
        Annotated[
            Path,
            setting(
                "File with DS or DNSKEY records in zone-file form. Not set: the keys of the public root, if `validation` needs "
                "them."
            ),
        ]
        | None
    ) = None
    validation: Annotated[
        Literal["auto", "on", "off"],
        setting(
            "Validate answers with DNSSEC (RFC 4035). `auto`: with `trust_anchor`, or where the resolver starts at the public root "
            "servers; what `[[forward]]` servers of a suffix other than `.` without `fallback` answer is not validated. `on`: all "
            "answers. `off`: none."
        ),
    ] = "auto"
    negative_trust_anchors: Annotated[
        tuple[DomainName, ...],
        setting("Names at and below which answers are not validated (RFC 7646)."),
    ] = ()
    trust_anchor_updates: Annotated[
        bool,
        setting(
            "Follow the keys of zones with trust anchors: trust a new key once it has been there for 30 days, and a revoked one "
            "no more (RFC 5011). The states are kept in the directory `[server] state`; `nw ctl anchors` shows them."
        ),
    ] = True
    trust_anchor_telemetry: Annotated[
        bool,
        setting(
            "Tell the servers of the root which of its keys are trust anchors here, by a query for `_ta-4f66.` after each query "
            "for keys (RFC 8145 §5.1), as BIND and Unbound do."
        ),
    ] = True
    trust_anchor_key_tags: Annotated[
        bool,
        setting(
            "Send the tags of the trust anchors of a zone with each query for its keys (the EDNS option edns-key-tag, RFC 8145 §4.1). "
            "BIND and Unbound send the queries of `trust_anchor_telemetry` only."
        ),
    ] = False
    root_key_sentinel: Annotated[
        bool,
        setting(
            "Answer questions for `root-key-sentinel-is-ta-20326.NAME` and `root-key-sentinel-not-ta-20326.NAME` according to "
            "the trust anchors of the root, so that clients can find out which keys are trusted (RFC 8509)."
        ),
    ] = True
    sha1: Annotated[
        bool,
        setting(
            "Accept SHA-1 in DNSSEC: the algorithms 5 and 7, and DS records with digest 1. `false`: what only they secure is "
            "insecure (RFC 9905)."
        ),
    ] = True
    signature_skew_least: Annotated[
        Duration,
        setting(
            "By how much the clocks of this machine and of a signer may differ at least. The tolerance is a tenth of the life of the "
            "signature within these bounds, as for `val-sig-skew-min` of Unbound.",
            le=86_400_000,
        ),
    ] = 3_600_000
    signature_skew_most: Annotated[
        Duration, setting("The upper bound of that tolerance.", le=604_800_000)
    ] = 86_400_000
    cache: Annotated[
        Size, setting("Memory for cached answers. A change of this setting empties the cache.", ge=1 << 16)
    ] = 64 << 20
    cache_save: Annotated[
        Duration,
        setting(
            "How often the cache is saved in the directory `state` of `[server]`, besides when the server stops. The server "
            "loads it in the background when it starts. Without that directory, or with 0, nothing is saved.",
            ge=0,
            le=604_800_000,
        ),
    ] = 900_000
    routes: (
        Annotated[
            dict[Prefix, LoopbackServer],
            setting(
                "Send queries for servers inside a prefix to a loopback address instead. The longest prefix wins; queries for other "
                "servers are dropped. With this set, recursion sends no packet to any other machine."
            ),
        ]
        | None
    ) = None
    qname_minimisation: Annotated[
        bool, setting("Send a server no more labels of a name than it needs for its referral (RFC 9156).")
    ] = True
    qname_case_randomisation: Annotated[
        bool,
        setting(
            "Draw the case of the letters in each query at random, and ask over TCP when a reply repeats them in another "
            "case, since it may be forged. A server that changes the case is remembered for 15 minutes and asked without. "
            "The few servers that compare names with regard to case, against RFC 4343, cannot be resolved with this on."
        ),
    ] = False
    cookies: Annotated[
        bool,
        setting(
            "Send cookies to servers (RFC 7873). A reply without the cookie of a server that is known to send them may be forged: "
            "the query is repeated, then over TCP."
        ),
    ] = True
    nxdomain_cut: Annotated[
        bool,
        setting(
            "Take a name that does not exist to have no names below it (RFC 8020), also when the denial is not "
            "validated. Some servers deny names that have names below them."
        ),
    ] = False
    ipv4: Annotated[bool, setting("Query servers over IPv4.")] = True
    ipv6: Annotated[bool, setting("Query servers over IPv6.")] = True
    ask_loopback: Annotated[
        bool, setting("Query servers whose published address is a loopback address. Only for tests.")
    ] = False
    cache_only: Annotated[
        bool,
        setting(
            "Start no lookup at the root servers: what neither local data nor the cache has goes to the `[[forward]]` servers of the "
            "name, and is REFUSED with EDE 20 if there are none. An alias whose target cannot be had so is SERVFAIL with EDE 20."
        ),
    ] = False
    local_zones_off: Annotated[
        tuple[DomainName, ...],
        setting(
            "Zones that a resolver answers itself by RFC 6303, RFC 6761 and others (`10.in-addr.arpa.`, `test.`), but that "
            "this resolver looks up instead; `.` means all of them."
        ),
    ] = ()
    aggressive_nsec: Annotated[
        bool,
        setting(
            "Deny names, and answer from wildcards, by validated NSEC and NSEC3 records in the cache, without a query "
            "(RFC 8198)."
        ),
    ] = True
    prefetch: Annotated[
        bool,
        setting(
            "Look up an answer again when it is queried, was queried before, and less than a tenth of its TTL is left."
        ),
    ] = True
    stale: Annotated[Stale, setting("Expired data for clients, when no newer data can be had in time.")] = (
        Stale()
    )
    streams: Annotated[Streams, setting("Limits of TCP connections to servers.")] = Streams()
    budget: Annotated[Budget, setting("Limits of the work for one query.")] = Budget()


class Forward(Table, frozen=True, kw_only=True):
    """Queries for names at or below a suffix go to other resolvers instead of being resolved from the root. The longest suffix
    decides: first conditional forwarders (`suffix`), then those for all names, then the root servers. `nw route NAME` shows the
    decision."""

    suffix: Annotated[
        DomainName, setting("Name at and below which queries are forwarded; the longest suffix wins.")
    ] = "."
    servers: Annotated[
        tuple[Server, ...],
        setting(
            "Servers to query, `ADDRESS` or `ADDRESS:PORT`, the quickest first; when it takes longer than usual, the next one is "
            "queried as well. Empty: the suffix is an exception from a shorter one and is resolved from the root."
        ),
    ]
    race: Annotated[
        int,
        setting(
            "Servers queried at once; the first good response counts. More cost more traffic.", ge=1, le=16
        ),
    ] = 1
    fallback: Annotated[
        bool,
        setting(
            "Resolve from the root if all servers fail. False: such a query fails (`forward only` of BIND)."
        ),
    ] = False
    authoritative: Annotated[
        bool,
        setting(
            "The servers are authoritative for the suffix: they are queried without RD, and their referrals are followed."
        ),
    ] = False
    prime: Annotated[
        bool,
        setting(
            "Ask the servers for the NS records of the suffix, and use the name servers that these name for as long as their TTL "
            "says (a stub zone). The timers of the SOA play no part: if none of these servers answers, those of `servers` are asked. "
            "Needs `authoritative`."
        ),
    ] = False

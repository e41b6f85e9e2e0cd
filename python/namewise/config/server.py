"""Settings of the server itself: `[server]`, `[[listen]]`, `[log]`, `[control]`."""

from typing import Annotated, Literal

from namewise.config.schema import Address, Duration, Path, Size, Table, setting, written_as


def _nsid(text: object) -> object:
    if isinstance(text, str) and text.startswith("0x"):
        try:
            bytes.fromhex(text[2:])
        except ValueError:
            raise ValueError("expected pairs of hexadecimal digits after 0x") from None
    return text


Nsid = Annotated[str, written_as("text", _nsid)]


class ServerTable(Table, frozen=True, kw_only=True):
    """How the server presents itself and how much of the machine it may use."""

    workers: Annotated[
        int,
        setting(
            "Threads that answer queries, each with its own sockets; 0 means one for each processor core.",
            applies="restart",
            ge=0,
            le=256,
        ),
    ] = 0
    identity: (
        Annotated[
            str,
            setting(
                "Answer to `id.server. CH TXT` and `hostname.bind. CH TXT` (RFC 4892); not set: REFUSED.",
                max_length=255,
            ),
        ]
        | None
    ) = None
    version: (
        Annotated[
            str,
            setting(
                "Answer to `version.bind. CH TXT` and `version.server. CH TXT`; not set: REFUSED.",
                max_length=255,
            ),
        ]
        | None
    ) = None
    nsid: (
        Annotated[
            Nsid,
            setting(
                "Name server identifier, sent to clients that ask for it (RFC 5001); text, or bytes as `0x…`.",
                max_length=128,
            ),
        ]
        | None
    ) = None
    udp_payload: Annotated[
        int,
        setting(
            "Size in bytes of the largest UDP response, sent and announced (RFC 6891, RFC 9715).",
            ge=512,
            le=4096,
        ),
    ] = 1232
    minimal_any: Annotated[
        bool, setting("Answer queries of type ANY over UDP with one RRset (RFC 8482).")
    ] = True
    minimal_responses: Annotated[
        bool,
        setting(
            "Leave out additional records, such as the addresses of mail servers, except those of the name servers in a referral. NS "
            "records of the zone itself are never added to an answer."
        ),
    ] = False
    rrset_order: Annotated[
        Literal["fixed", "rotate", "random"],
        setting(
            "Order of the A and AAAA records in an answer: as the data has it, begun at another record for each query, or "
            "random."
        ),
    ] = "fixed"
    tcp_idle: Annotated[
        Duration,
        setting(
            "How long a TCP connection without a query stays open (RFC 7766 §6.2.3).", ge=200, le=600_000
        ),
    ] = 10_000
    tcp_connections: Annotated[
        int, setting("TCP connections that may be open at once in one worker.", ge=0, le=1_000_000)
    ] = 1000
    tcp_per_client: Annotated[
        int,
        setting("TCP connections that one address may have open at once in one worker.", ge=1, le=1_000_000),
    ] = 100
    tcp_pipeline: Annotated[
        int, setting("Queries of one TCP connection that may wait for their responses.", ge=1, le=10_000)
    ] = 64
    tcp_lifetime: Annotated[
        Duration,
        setting("How long a TCP connection may be used before the server closes it.", ge=200, le=86_400_000),
    ] = 3_600_000
    tcp_questions: Annotated[
        int,
        setting(
            "Queries of one TCP connection before the server closes it; 0: any number.", ge=0, le=4294967295
        ),
    ] = 0
    drain: Annotated[
        Duration,
        setting(
            "How long queries in progress may take to finish after SIGTERM. Meanwhile, queries over UDP that need no lookup are "
            "answered, and others fail with EDE 14; new connections are not accepted."
        ),
    ] = 5_000
    zone_history: Annotated[
        Size,
        setting(
            "Size of the differences in the state database of one zone. The oldest versions go first, so that a client that may "
            "change a zone cannot fill the disk; a single larger change is kept as a copy of the zone.",
            applies="restart",
            ge=64 << 10,
            le=1 << 40,
        ),
    ] = 16 << 20
    state: (
        Annotated[
            Path,
            setting(
                "Directory for data that must survive a restart: changes of zones, zones without a file, the states of trust "
                "anchors and negative trust anchors, and the cache (`cache_save` of `[resolver]`). The server creates it with "
                "mode 0700 when it starts. Not set: nothing is kept.",
                applies="restart",
            ),
        ]
        | None
    ) = None

    def nsid_hex(self) -> str | None:
        """Return the NSID bytes in hexadecimal, or None."""
        if self.nsid is None:
            return None
        return self.nsid[2:].lower() if self.nsid.startswith("0x") else self.nsid.encode().hex()


class Listen(Table, frozen=True, kw_only=True):
    """An address on which the server answers queries, over UDP and TCP."""

    address: Annotated[
        Address,
        setting(
            "IP address to listen on; `0.0.0.0` and `::` mean all addresses of the machine. A link-local address needs its interface: "
            "`fe80::53%lan0`."
        ),
    ]
    port: Annotated[
        int, setting("Port to listen on; 0: a free port, chosen when the server starts.", ge=0, le=65535)
    ] = 53
    transports: Annotated[
        tuple[Literal["udp", "tcp"], ...], setting("Transports to listen on.", min_length=1)
    ] = ("udp", "tcp")


class Log(Table, frozen=True, kw_only=True):
    """What the server writes to standard error, and what the flight recorder keeps."""

    level: Annotated[
        Literal["error", "warning", "info", "debug"], setting("Least severe level that is written.")
    ] = "info"
    format: Annotated[
        Literal["text", "json"], setting("One line of text, or one JSON object, per event.")
    ] = "text"
    recorder: Annotated[
        int,
        setting(
            "Queries that the flight recorder keeps for `nw why`: those that failed or were slow. 0 disables it.",
            ge=0,
            le=1_000_000,
        ),
    ] = 1000
    recorder_bytes: Annotated[
        Size,
        setting(
            "Memory of the flight recorder; the oldest records make room. Refusals and failures without a lookup get an "
            "eighth of it, so that a flood of them does not displace the lookups.",
            ge=64 << 10,
            le=1 << 30,
        ),
    ] = 8 << 20
    slow: Annotated[Duration, setting("Queries slower than this are recorded.")] = 1_000


class Control(Table, frozen=True, kw_only=True):
    """The unix socket through which `nw ctl` and `nw why` control the server."""

    socket: (
        Annotated[
            Path,
            setting(
                "Path of the socket. Not set: `/run/namewise/control.sock` as root, else "
                "`$XDG_RUNTIME_DIR/namewise/control.sock`.",
                applies="restart",
            ),
        ]
        | None
    ) = None
    users: Annotated[
        tuple[str, ...], setting("Users that may connect, besides root and the user of the server.")
    ] = ()

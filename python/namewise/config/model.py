"""The settings of `namewise.toml`: one frozen model per table, one field per setting.

A field is the only description of a setting: type, unit, default, what it does, when a change takes effect (`applies`:
"reload" or "restart"). The loader, `nw config show`, the JSON schema and `docs/configuration/reference.md` use these
models.

`[[zone]]` and `[[policy]]` are unions: `kind` of a zone and `policy` of a policy choose the model (`KINDS`). A new kind is one
model and one line there.

A setting exists only if the engine does what it says. `[[key]]` is an exception: keys are read and checked, and nothing uses
them yet; its description says so.
"""

from __future__ import annotations

import base64
import binascii
import functools
import ipaddress
import operator
from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Discriminator,
    Field,
    PlainSerializer,
    SecretStr,
    Tag,
    WithJsonSchema,
    field_validator,
    model_validator,
)

from namewise.config import values

if TYPE_CHECKING:
    from typing import TypeAlias

Duration = Annotated[
    int,
    BeforeValidator(values.duration_ms),
    PlainSerializer(values.duration_text, return_type=str, when_used="json"),
    WithJsonSchema(
        {
            "type": ["string", "integer"],
            "pattern": "^([0-9]+(ms|s|m|h|d))+$",
            "description": 'a duration: "10s", "500ms", "1h30m"; a bare integer counts seconds',
        }
    ),
]
Size = Annotated[
    int,
    BeforeValidator(values.size_bytes),
    PlainSerializer(values.size_text, return_type=str, when_used="json"),
    WithJsonSchema(
        {
            "type": ["string", "integer"],
            "pattern": "^[0-9]+ ?(B|KiB|MiB|GiB|kB|MB|GB)?$",
            "description": 'a size: "64MiB"; a bare integer counts bytes',
        }
    ),
]
Address = Annotated[str, AfterValidator(values.address)]


def _absolute_name(text: str) -> str:
    from namewise.engine import Name

    return str(Name(text))


DomainName = Annotated[str, AfterValidator(_absolute_name)]


def _server_text(value: object) -> str:
    endpoint = values.endpoint(value)
    if "%" in endpoint.address:
        raise ValueError(
            f"{endpoint.address}: an address that is valid on one interface only cannot be used here yet; use the global or "
            "unique local address of the server"
        )
    return str(endpoint)


def _prefix(text: str) -> str:
    if "%" in text:
        raise ValueError(f"{text!r}: a prefix has no zone index; write the prefix without %...")
    return values.prefix(text)


def _loopback_text(value: object) -> str:
    endpoint = values.endpoint(value)
    if not values.is_loopback(endpoint.address):
        raise ValueError(
            f"{endpoint.address} is not a loopback address; a route may only lead to 127.0.0.0/8 or ::1"
        )
    return str(endpoint)


Prefix = Annotated[str, AfterValidator(_prefix)]
Server = Annotated[str, BeforeValidator(_server_text)]
LoopbackServer = Annotated[str, BeforeValidator(_loopback_text)]
Path = Annotated[str, Field(min_length=1, json_schema_extra={"format": "path"})]


def setting(default: Any, description: str, *, applies: str = "reload", **more: Any) -> Any:
    """Return a field: *default*, *description*, and how a change of it takes effect."""
    return Field(default, description=description, json_schema_extra={"x-applies": applies}, **more)


def required(description: str, *, applies: str = "reload", **more: Any) -> Any:
    """Return a field that has to be given."""
    return Field(description=description, json_schema_extra={"x-applies": applies}, **more)


def limit(default: str, description: str, **more: Any) -> Any:
    """Return a field of the budget: None keeps *default*, the engine's own (a test compares them)."""
    return setting(None, f"{description} Not set: {default}.", **more)


class Table(BaseModel):
    """Common base of the tables: frozen, and an unknown key is an error.

    The validator of a table is built when it is first used, which for most is never: that of `Config` includes them.
    """

    model_config = ConfigDict(
        frozen=True,
        extra="forbid",
        use_attribute_docstrings=False,
        hide_input_in_errors=True,
        defer_build=True,
    )


class ServerTable(Table):
    """How the server presents itself and how much of the machine it may use."""

    workers: int = setting(
        0,
        "Threads that answer queries, each with its own sockets; 0 means one for each processor core.",
        applies="restart",
        ge=0,
        le=256,
    )
    identity: str | None = setting(
        None,
        "Answer to `id.server. CH TXT` and `hostname.bind. CH TXT` (RFC 4892); not set: REFUSED.",
        max_length=255,
    )
    version: str | None = setting(
        None,
        "Answer to `version.bind. CH TXT` and `version.server. CH TXT`; not set: REFUSED.",
        max_length=255,
    )
    nsid: str | None = setting(
        None,
        "Name server identifier, sent to clients that ask for it (RFC 5001); text, or bytes as `0x…`.",
        max_length=128,
    )
    udp_payload: int = setting(
        1232,
        "Size in bytes of the largest UDP response, sent and announced (RFC 6891, RFC 9715).",
        ge=512,
        le=4096,
    )
    minimal_any: bool = setting(True, "Answer queries of type ANY over UDP with one RRset (RFC 8482).")
    tcp_idle: Duration = setting(
        10_000,
        "How long a TCP connection without a query stays open (RFC 7766 §6.2.3).",
        ge=200,
        le=600_000,
    )
    tcp_connections: int = setting(
        1000, "TCP connections that may be open at once in one worker.", ge=0, le=1_000_000
    )
    tcp_per_client: int = setting(
        100, "TCP connections that one address may have open at once in one worker.", ge=1, le=1_000_000
    )
    tcp_pipeline: int = setting(
        64, "Queries of one TCP connection that may wait for their responses.", ge=1, le=10_000
    )
    tcp_lifetime: Duration = setting(
        3_600_000, "How long a TCP connection may be used before the server closes it.", ge=200, le=86_400_000
    )
    tcp_questions: int = setting(
        0, "Queries of one TCP connection before the server closes it; 0: any number.", ge=0, le=4294967295
    )
    drain: Duration = setting(5_000, "How long queries in progress may take to finish after SIGTERM.")
    state: Path | None = setting(
        None,
        "Folder for data that must survive a restart. The server creates it with mode 0700 when it starts; nothing is kept "
        "there yet. Not set: `/var/lib/namewise` as root, else `$XDG_STATE_HOME/namewise`.",
        applies="restart",
    )

    @field_validator("nsid")
    @classmethod
    def _nsid_bytes(cls, text: str | None) -> str | None:
        if text is not None and text.startswith("0x"):
            try:
                bytes.fromhex(text[2:])
            except ValueError:
                raise ValueError("expected pairs of hexadecimal digits after 0x") from None
        return text

    def nsid_hex(self) -> str | None:
        """Return the NSID bytes in hexadecimal, or None."""
        if self.nsid is None:
            return None
        return self.nsid[2:].lower() if self.nsid.startswith("0x") else self.nsid.encode().hex()


class Listen(Table):
    """An address on which the server answers queries, over UDP and TCP."""

    address: Address = required(
        "IP address to listen on; `0.0.0.0` and `::` mean all addresses of the machine. A link-local address needs its interface: "
        "`fe80::53%lan0`."
    )
    port: int = setting(
        53, "Port to listen on; 0: a free port, chosen when the server starts.", ge=0, le=65535
    )
    transports: tuple[Literal["udp", "tcp"], ...] = setting(
        ("udp", "tcp"), "Transports to listen on.", min_length=1
    )


class Budget(Table):
    """Limits of the work for one query. A limit that is not set keeps the engine's default."""

    max_upstream_queries: int | None = limit(
        "200",
        "Questions to servers for one client question, everything included; stops CAMP.",
        ge=1,
        le=10000,
    )
    max_queries_without_progress: int | None = limit(
        "50",
        "Queries to servers since the last progress towards the name by a referral or an alias; stops NXNSAttack.",
        ge=1,
        le=10000,
    )
    max_referrals: int | None = limit("20", "Referrals followed for one name.", ge=1, le=255)
    max_aliases: int | None = limit("11", "CNAME links from one name to its data.", ge=0, le=255)
    max_depth: int | None = limit("7", "Nesting of lookups of server addresses.", ge=0, le=50)
    max_ns_per_cut: int | None = limit(
        "13", "Name servers kept of one delegation; stops NRDelegation.", ge=1, le=1000
    )
    max_addresses_per_ns: int | None = limit("6", "Addresses kept for one name server.", ge=1, le=1000)
    max_queries_per_cut: int | None = limit(
        "13", "Queries to the servers of one zone cut for one name.", ge=1, le=1000
    )
    max_queries_per_server: int | None = limit(
        "5", "Queries to one server address for one name at one cut, fallbacks included.", ge=1, le=100
    )
    max_timeouts_per_server: int | None = limit(
        "3", "Queries that one server address may leave unanswered for one name at one cut.", ge=1, le=100
    )
    max_timeouts_per_cut: int | None = limit(
        "5",
        "Queries that the servers of one cut may leave unanswered for one name before the resolver gives up on the cut.",
        ge=1,
        le=1000,
    )
    max_address_lookups: int | None = limit(
        "10", "Lookups of name server addresses since the last progress towards the name.", ge=0, le=1000
    )
    max_failed_address_lookups: int | None = limit(
        "8", "Lookups of name server addresses that may fail for one query.", ge=0, le=1000
    )
    parallel_address_lookups: int | None = limit(
        "3", "Lookups of name server addresses in progress at once for one delegation.", ge=1, le=100
    )
    address_lookup_pause: Duration | None = limit(
        "100ms",
        "Pause before a further lookup of name server addresses starts beside those in progress.",
        ge=0,
        le=60000,
    )
    max_minimise: int | None = limit(
        "10", "Extra queries of QNAME minimisation for one name (RFC 9156 §2.3).", ge=0, le=127
    )
    max_received_bytes: Size | None = limit(
        "100000B",
        "Octets received for one query beyond the first `udp_payload` of each response.",
        ge=512,
        le=1000000000,
    )
    max_records_per_rrset: int | None = limit(
        "1000", "Records in one RRset of a response; larger ones are refused.", ge=1, le=65535
    )
    max_steps: int | None = limit("400", "Steps kept for the explanation of one query.", ge=1, le=100000)
    max_in_flight: int | None = limit(
        "4096",
        "Different queries in progress at once in one worker; the client prefix (/24, /56) with the most loses its "
        "oldest one to a further one.",
        ge=1,
        le=1000000,
    )
    max_in_flight_per_client: int | None = limit(
        "1000",
        "Different queries in progress at once in one worker for one client prefix; its oldest one makes room for "
        "a further one. Stops DNSBomb.",
        ge=1,
        le=1000000,
    )
    max_in_flight_per_zone: int | None = limit(
        "1000",
        "Queries in progress at once from one worker to the servers of one zone; further ones fail at once. The "
        "limit shrinks while the servers are silent. Stops floods of random names.",
        ge=1,
        le=1000000,
    )
    max_waiting: int | None = limit(
        "65536", "Clients that wait in one worker in total; further ones fail at once.", ge=1, le=1000000
    )
    discard_timeout: Duration | None = limit(
        "1900ms",
        "Time after which the answer to a datagram is not sent any more; stops DNSBomb. 0 sends every answer.",
        ge=0,
        le=600000,
    )
    udp_payload: int | None = limit(
        "1232", "UDP payload size offered to servers (RFC 9715).", ge=512, le=4096
    )
    wall_clock: Duration | None = limit(
        "7s", "Time after which a query is answered SERVFAIL.", ge=1, le=600000
    )
    priming_clock: Duration | None = limit("3s", "Time to find the root servers (RFC 8109).", ge=1, le=600000)
    first_timeout: Duration | None = limit(
        "376ms", "Timeout for a server that was not measured yet.", ge=1, le=60000
    )
    min_timeout: Duration | None = limit(
        "50ms", "Shortest timeout for a server, however fast it was.", ge=1, le=60000
    )
    max_timeout: Duration | None = limit("1500ms", "Longest timeout of one attempt.", ge=1, le=60000)
    tcp_timeout: Duration | None = limit(
        "2500ms", "Timeout of a query over TCP, including the connection setup.", ge=1, le=60000
    )
    max_ttl: Duration | None = limit("1d", "Longest time that data is cached.", ge=0, le=2147483647000)
    min_ttl: Duration | None = limit(
        "0s",
        "Shortest time that data is cached; more than 0 overrides the TTLs of zone owners.",
        ge=0,
        le=86400000,
    )
    max_negative_ttl: Duration | None = limit(
        "1h", "Longest time that the absence of data is cached (RFC 2308 §5).", ge=0, le=2147483647000
    )
    failure_ttl: Duration | None = limit(
        "5s",
        "Time that a failure of servers or their data is cached (RFC 9520 §3.2). A failure of this machine or of "
        "this budget is not cached.",
        ge=1000,
        le=300000,
    )


class Resolver(Table):
    """Recursion. The presence of this table, even empty, enables it; `[[policy]]` says for which clients (default: loopback
    only)."""

    hints: Path | None = setting(
        None, "File with names and addresses of root servers (`named.root`). Not set: the built-in IANA list."
    )
    trust_anchor: Path | None = setting(
        None,
        "File with DS or DNSKEY records in zone-file form. They are read and checked; answers are not validated yet.",
    )
    cache: Size = setting(
        64 << 20, "Memory for cached answers. A change of this setting empties the cache.", ge=1 << 16
    )
    routes: dict[Prefix, LoopbackServer] | None = setting(
        None,
        "Send queries for servers inside a prefix to a loopback address instead. The longest prefix wins; queries for other "
        "servers are dropped. With this set, recursion sends no packet to any other machine.",
        applies="reload",
    )
    qname_minimisation: bool = setting(
        True, "Send a server no more labels of a name than it needs for its referral (RFC 9156)."
    )
    nxdomain_cut: bool = setting(
        False,
        "Take a name that does not exist to have no names below it (RFC 8020), also when the denial is not "
        "validated. Some servers deny names that have names below them.",
    )
    ipv4: bool = setting(True, "Query servers over IPv4.")
    ipv6: bool = setting(True, "Query servers over IPv6.")
    ask_loopback: bool = setting(
        False, "Query servers whose published address is a loopback address. Only for tests."
    )
    budget: Budget = setting(Budget.model_construct(), "Limits of the work for one query.")


class Forward(Table):
    """Queries for names at or below a suffix go to other resolvers instead of being resolved from the root."""

    suffix: DomainName = setting(
        ".", "Name at and below which queries are forwarded; the longest suffix wins."
    )
    servers: tuple[Server, ...] = required("Servers to query, `ADDRESS` or `ADDRESS:PORT`.", min_length=1)
    authoritative: bool = setting(
        False,
        "The servers are authoritative for the suffix: they are queried without RD, and their referrals are followed.",
    )


class FileZone(Table):
    """A zone that is served from a zone file."""

    name: DomainName = required("Name of the zone.")
    kind: Literal["file"] = setting("file", "Where the zone comes from.")
    file: Path = required("Zone file (RFC 1035 §5); relative to the file that names it.")
    allow: tuple[str, ...] | None = setting(
        None,
        "Clients that may query this zone: prefixes and names of `[[acl]]`. Not set: as `[[policy]]` says.",
    )


class Key(Table):
    """A TSIG key (RFC 8945). A request that is signed with one is verified, and its response is signed."""

    name: DomainName = required("Name of the key, the same on both sides.")
    algorithm: Literal["hmac-sha256", "hmac-sha384", "hmac-sha512", "hmac-sha224", "hmac-sha1"] = setting(
        "hmac-sha256", "Algorithm (RFC 8945 §6)."
    )
    secret: SecretStr | None = setting(
        None,
        "Secret in base64. Prefer `secret_file`, or `NAMEWISE_KEY_<NAME>_SECRET_FILE` in the environment.",
    )
    secret_file: Path | None = setting(None, "File with the secret in base64.")

    @field_validator("secret")
    @classmethod
    def _base64(cls, secret: SecretStr | None) -> SecretStr | None:
        if secret is not None:
            try:
                raw = base64.b64decode(secret.get_secret_value(), validate=True)
            except (binascii.Error, ValueError):
                raise ValueError("the secret is not base64 text") from None
            if not raw:
                raise ValueError("the secret is empty")
        return secret

    @model_validator(mode="after")
    def _one_secret(self) -> Key:
        if (self.secret is None) == (self.secret_file is None):
            raise ValueError("set exactly one of secret and secret_file")
        return self


class Acl(Table):
    """A named list of client addresses, for `[[policy]]` and `[[zone]]`."""

    name: Annotated[str, Field(pattern=r"^[A-Za-z][A-Za-z0-9_-]*$")] = required(
        "Name of the list; `any`, `none` and `loopback` are built in."
    )
    prefixes: tuple[Prefix, ...] = required("Client addresses, as prefixes.")

    @field_validator("name")
    @classmethod
    def _not_built_in(cls, name: str) -> str:
        if name in BUILT_IN_ACLS:
            raise ValueError(f"{name!r} is built in and cannot be defined again")
        return name


class AclPolicy(Table):
    """An access list: which clients may query, and for which clients the server resolves names."""

    policy: Literal["acl"] = required("Kind of policy.")
    on: Literal["query", "recursion"] = required(
        "`query`: clients that are answered at all (others get REFUSED); `recursion`: clients for which names are resolved."
    )
    allow: tuple[str, ...] = required("Prefixes and names of `[[acl]]`; other clients are refused.")


class Log(Table):
    """What the server writes to standard error, and what the flight recorder keeps."""

    level: Literal["error", "warning", "info", "debug"] = setting(
        "info", "Least severe level that is written."
    )
    format: Literal["text", "json"] = setting("text", "One line of text, or one JSON object, per event.")
    recorder: int = setting(
        1000,
        "Queries that the flight recorder keeps for `nw why`: those that failed or were slow. 0 disables it.",
        ge=0,
        le=1_000_000,
    )
    slow: Duration = setting(1_000, "Queries slower than this are recorded.")


class Control(Table):
    """The unix socket through which `nw ctl` and `nw why` control the server."""

    socket: Path | None = setting(
        None,
        "Path of the socket. Not set: `/run/namewise/control.sock` as root, else "
        "`$XDG_RUNTIME_DIR/namewise/control.sock`.",
        applies="restart",
    )
    users: tuple[str, ...] = setting(
        (), "Users that may connect, besides root and the user of the server.", applies="reload"
    )


BUILT_IN_ACLS: dict[str, tuple[str, ...]] = {
    "any": ("0.0.0.0/0", "::/0"),
    "none": (),
    "loopback": ("127.0.0.0/8", "::1/128"),
}


KINDS: dict[str, tuple[str, str | None, dict[str, type[Table]]]] = {
    "zone": ("kind", "file", {"file": FileZone}),
    "policy": ("policy", None, {"acl": AclPolicy}),
}
"""By table: the key that chooses the model, its default, and the models by its value."""


def union(table: str, kinds: dict[str, tuple[str, str | None, dict[str, type[Table]]]] = KINDS) -> Any:
    """Return the type of an entry of *table*: the model, or with several kinds their union."""
    key, default, models = kinds[table]
    if len(models) == 1:
        return next(iter(models.values()))

    def kind(entry: Any) -> Any:
        return entry.get(key, default) if isinstance(entry, dict) else getattr(entry, key, None)

    members: list[Any] = [Annotated[model, Tag(name)] for name, model in models.items()]
    return Annotated[functools.reduce(operator.or_, members), Discriminator(kind)]


if TYPE_CHECKING:
    Zone: TypeAlias = FileZone
    Policy: TypeAlias = AclPolicy
else:
    Zone, Policy = union("zone"), union("policy")


class Config(Table):
    """The whole of `namewise.toml`."""

    include: tuple[str, ...] = setting(
        (), "Further files to read, as globs relative to this file. Each setting may be set in one file only."
    )
    server: ServerTable = setting(ServerTable.model_construct(), ServerTable.__doc__ or "")
    listen: tuple[Listen, ...] = setting(
        tuple(Listen.model_construct(address=address) for address in ("127.0.0.1", "::1")),
        Listen.__doc__ or "",
        min_length=1,
    )
    resolver: Resolver | None = setting(None, Resolver.__doc__ or "")
    forward: tuple[Forward, ...] = setting((), Forward.__doc__ or "")
    zone: tuple[Zone, ...] = setting((), FileZone.__doc__ or "")
    key: tuple[Key, ...] = setting((), Key.__doc__ or "")
    acl: tuple[Acl, ...] = setting((), Acl.__doc__ or "")
    policy: tuple[Policy, ...] = setting((), AclPolicy.__doc__ or "")
    log: Log = setting(Log.model_construct(), Log.__doc__ or "")
    control: Control = setting(Control.model_construct(), Control.__doc__ or "")

    def prefixes(self, names: tuple[str, ...]) -> tuple[str, ...]:
        """Return *names* (prefixes and ACL names, which `cross_check` has checked) as prefixes."""
        lists = BUILT_IN_ACLS | {acl.name: acl.prefixes for acl in self.acl}
        found: list[str] = []
        for name in names:
            found.extend(lists[name] if name in lists else (values.prefix(name),))
        return tuple(dict.fromkeys(found))


TABLES: dict[str, type[Table]] = {
    "server": ServerTable,
    "listen": Listen,
    "resolver": Resolver,
    "forward": Forward,
    "zone": FileZone,
    "key": Key,
    "acl": Acl,
    "policy": AclPolicy,
    "log": Log,
    "control": Control,
}
ARRAYS = frozenset({"listen", "forward", "zone", "key", "acl", "policy"})


def cross_check(config: Config) -> list[tuple[tuple[str | int, ...], str]]:
    """Return what is wrong between tables, each with the path of the value to change."""
    found: list[tuple[tuple[str | int, ...], str]] = []
    known = set(BUILT_IN_ACLS) | {acl.name for acl in config.acl}

    def members(path: tuple[str | int, ...], names: tuple[str, ...]) -> None:
        for index, name in enumerate(names):
            if name in known:
                continue
            if name[:1].isalpha() and not any(c in name for c in "./:"):
                guess = values.nearest(name, known)
                hint = f"; did you mean {guess!r}?" if guess else ""
                found.append(((*path, index), f"no [[acl]] is named {name!r}{hint}"))
                continue
            try:
                values.prefix(name)
            except ValueError as error:
                found.append(((*path, index), str(error)))

    def once(table: str, key: str, items: list[str], what: str) -> None:
        seen: dict[str, int] = {}
        for index, item in enumerate(items):
            if item.lower() in seen:
                found.append(((table, index, key), f"{what} {item!r} is given twice"))
            seen.setdefault(item.lower(), index)

    once("zone", "name", [zone.name for zone in config.zone], "zone")
    once("acl", "name", [acl.name for acl in config.acl], "acl")
    once("key", "name", [key.name for key in config.key], "key")
    once("forward", "suffix", [forward.suffix for forward in config.forward], "forward for")
    once("policy", "on", [policy.on for policy in config.policy], "an acl policy on")
    once("listen", "address", [f"{item.address} port {item.port}" for item in config.listen], "listen on")
    for index, policy in enumerate(config.policy):
        members(("policy", index, "allow"), policy.allow)
    for index, zone in enumerate(config.zone):
        if zone.allow is not None:
            members(("zone", index, "allow"), zone.allow)
    if config.resolver is None and config.forward:
        found.append((("forward", 0), "forwarding is recursion: add a [resolver] table (it may be empty)"))
    for index, listen in enumerate(config.listen):
        for other in config.listen:
            if listen is not other and _covers(listen, other):
                found.append(
                    (
                        ("listen", index, "address"),
                        f"{listen.address} port {listen.port} includes {other.address}, which is listed too; remove one of them",
                    )
                )
                break
    return found


def _covers(wide: Listen, narrow: Listen) -> bool:
    """Return whether *wide* is a wildcard address and *narrow* another address of the same family and port."""
    if wide.port != narrow.port or wide.port == 0 or not set(wide.transports) & set(narrow.transports):
        return False
    address, other = ipaddress.ip_address(wide.address), ipaddress.ip_address(narrow.address)
    return address.is_unspecified and address.version == other.version and not other.is_unspecified

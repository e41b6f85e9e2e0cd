"""Zones that the server answers for: `[[zone]]`, one model for each kind. Who may change them: `[[update]]`."""

from typing import Annotated, Literal, NamedTuple

from namewise.config import values
from namewise.config.schema import DomainName, Path, Server, Table, setting, written_as
from namewise.config.values import Endpoint


class Peer(NamedTuple):
    """Another server: a primary, or one that is notified."""

    where: Endpoint
    key: str | None = None
    """The name of the `[[key]]` that signs what is sent to it, and verifies what it sends."""

    def __str__(self) -> str:
        return str(self.where) if self.key is None else f"{self.where} key {self.key}"


def peer(text: str) -> Peer:
    """Read `ADDRESS`, `ADDRESS:PORT`, either with ` key NAME`. Raises `ValueError`."""
    match text.split():
        case [where]:
            key = None
        case [where, "key", key]:
            pass
        case _:
            raise ValueError(
                f'{text!r} is not a server; expected an address and perhaps a key, as in "192.0.2.1 key xfr."'
            )
    endpoint = values.endpoint(where)
    why = values.is_no_server(endpoint.address)
    if why is not None:
        raise ValueError(f"{endpoint.address} is {why}, and no server has it")
    return Peer(endpoint, key)


NAME_SERVERS = "ns"
"""Stands in `notify` for the name servers of the zone."""


def _peer(value: object) -> str:
    if not isinstance(value, str):
        raise ValueError("expected a text in quotes")
    return str(peer(value))


def _notified(value: object) -> str:
    return value if value == NAME_SERVERS else _peer(value)


PeerText = Annotated[str, written_as("server", _peer)]
NotifiedText = Annotated[str, written_as("server", _notified)]


class ClientRule(NamedTuple):
    """Clients that may do something with a zone: those that fulfil both conditions."""

    clients: str | None
    """A prefix or the name of an `[[acl]]`; None: any address."""
    key: str | None
    """The name of the key that signs the request; None: any, or none."""


def client_rule(text: str) -> ClientRule:
    """Read `CLIENTS`, `key NAME` or `CLIENTS key NAME`. Raises `ValueError`."""
    match text.split():
        case ["key", name]:
            return ClientRule(None, name)
        case [clients] if clients != "key":
            return ClientRule(clients, None)
        case [clients, "key", name]:
            return ClientRule(clients, name)
    raise ValueError(
        f"{text!r} does not say which clients; expected a prefix or the name of an [[acl]], `key NAME`, or both, as in "
        '"192.0.2.1 key xfr."'
    )


def _client_rule(value: object) -> str:
    if not isinstance(value, str):
        raise ValueError("expected a text in quotes")
    client_rule(value)
    return value


ClientRuleText = Annotated[str, written_as("text", _client_rule)]


def _group(value: object) -> object:
    if isinstance(value, str) and not (value.isascii() and value.isprintable() and 0 < len(value) < 256):
        raise ValueError("a group has 1 to 255 printable ASCII characters")
    if isinstance(value, str) and set(value) & {'"', "\\"}:
        raise ValueError('a group has no " and no \\')
    return value


class AnyZone(Table, frozen=True, kw_only=True):
    """What zones of every kind have."""

    name: Annotated[DomainName, setting("Name of the zone.")]
    template: (
        Annotated[
            str,
            setting("Name of the `[[template]]` that has the settings which are not set here.", min_length=1),
        ]
        | None
    ) = None
    allow: (
        Annotated[
            tuple[str, ...],
            setting(
                "Clients that may query this zone: prefixes and names of `[[acl]]`. Not set: as `[[policy]]` says."
            ),
        ]
        | None
    ) = None
    transfer: Annotated[
        tuple[ClientRuleText, ...],
        setting(
            "Who may transfer the zone (AXFR, IXFR), others get REFUSED: prefixes and names of `[[acl]]`, `key NAME` for queries that "
            "are signed with a `[[key]]`, or both, as in `192.0.2.1 key xfr.`. They must also be admitted by `[[policy]]`, but not by "
            "`allow`."
        ),
    ] = ()
    overlay: Annotated[
        bool,
        setting(
            "Let the zone above, or the resolver, answer for names that this zone does not hold, as if the zone were not "
            "there, instead of NXDOMAIN."
        ),
    ] = False
    notify: Annotated[
        tuple[NotifiedText, ...],
        setting(
            "Servers that get a NOTIFY (RFC 1996) as soon as the zone changes: `ADDRESS`, `ADDRESS:PORT`, either with ` key NAME` for a "
            "`[[key]]` that signs it and verifies the answer, and `ns` for the name servers of the zone, by their addresses in the "
            "zone, without the one that its SOA names as primary."
        ),
    ] = ()

    catalog: (
        Annotated[
            DomainName,
            setting(
                "Catalog zone (RFC 9432) that lists this zone, so that secondary servers find it there: a `[[zone]]` of "
                '`kind = "database"`, which this server fills. Its `transfer` and `notify` say who gets it.'
            ),
        ]
        | None
    ) = None
    group: (
        Annotated[str, written_as("text", _group), setting("Property `group` of this zone in `catalog`.")]
        | None
    ) = None


class PrimaryZone(AnyZone, frozen=True, kw_only=True):
    """What zones have whose changes are made here."""

    serial: Annotated[
        Literal["increment", "date", "unixtime"],
        setting(
            "How changes choose the next serial: one more, YYYYMMDDnn of the day (UTC), or the seconds since 1970. It never goes back: "
            "a serial ahead of the clock is incremented. `nw zone serial` leads from one method to another."
        ),
    ] = "increment"
    dnssec: (
        Annotated[
            str,
            setting(
                "Sign the zone by this policy: a `[[dnssec]]` table, `default`, or `insecure`, which makes a signed zone unsigned "
                "without a time in which it is bogus. The keys are in the state directory; the zone file stays unsigned. A signed zone "
                "without this setting is treated as `insecure`."
            ),
        ]
        | None
    ) = None
    parent: Annotated[
        tuple[Server, ...],
        setting(
            "Servers of the parent zone, which are asked for its DS records before a roll-over goes on. Empty: those that the resolver "
            "finds."
        ),
    ] = ()


class FileZone(PrimaryZone, tag_field="kind", tag="file", frozen=True, kw_only=True):
    """A zone that is served from a zone file. With `[server] state` it takes changes, which are kept until the file has them."""

    file: Annotated[Path, setting("Zone file (RFC 1035 §5); relative to the file that names it.")]


class DatabaseZone(PrimaryZone, tag_field="kind", tag="database", frozen=True, kw_only=True):
    """A zone in the state database (`[server] state`). `nw zone apply` gives it its first records; until then it is waiting."""


class SecondaryZone(AnyZone, tag_field="kind", tag="secondary", frozen=True, kw_only=True):
    """A copy of a zone that other servers have: transferred from them, refreshed and expired as its SOA says, and kept in the state
    database (`[server] state`) over restarts. `[secondaries]` has the limits."""

    primaries: Annotated[
        tuple[PeerText, ...],
        setting(
            "Servers that have the zone, in the order of use: `ADDRESS` or `ADDRESS:PORT`, either with ` key NAME` for a `[[key]]` that "
            "signs the queries and verifies the replies. The next one is asked if one fails. NOTIFY is taken from their addresses, "
            "and from any address if it is signed with their keys.",
            min_length=1,
            max_length=32,
        ),
    ]
    ixfr: Annotated[
        Literal["tcp", "udp", "off"],
        setting(
            "How differences are asked for (IXFR, RFC 1995): over TCP; over UDP first, which saves connections and is easier to forge; "
            "or not at all, so that each transfer is the whole zone."
        ),
    ] = "tcp"
    forward_updates: Annotated[
        tuple[ClientRuleText, ...],
        setting(
            "Clients whose dynamic updates are forwarded to the primaries (RFC 2136 §6), others get REFUSED: prefixes and names of "
            "`[[acl]]`, `key NAME` for requests that are signed with a `[[key]]`, or both. Request and response pass unchanged, so that "
            "the primary verifies the signature of the client; a key that only it knows needs no `[[key]]` here, but a rule by address. "
            "An update without signature comes to the primary from the address of this server."
        ),
    ] = ()
    notify_from: Annotated[
        tuple[ClientRuleText, ...],
        setting(
            "Who else may send NOTIFY for the zone: prefixes and names of `[[acl]]`, `key NAME` for messages that are signed with a "
            "`[[key]]`, or both, as in `192.0.2.1 key xfr.`."
        ),
    ] = ()


def _rtype(text: object) -> object:
    if not isinstance(text, str):
        return text
    from namewise.engine import type_name, type_value

    if text.upper() == "ANY":
        return "ANY"
    try:
        return type_name(type_value(text))
    except ValueError:
        raise ValueError(f"{text!r} is not a type of records, such as A or TXT") from None


RecordType = Annotated[str, written_as("record type", _rtype)]
NAMED = ("name", "subdomain", "wildcard")
"""The kinds of match that need names."""


class Update(Table, frozen=True, kw_only=True):
    """A rule for dynamic updates (RFC 2136). The first rule of a zone that matches key, client, owner and type of a record decides about
    it; without one, the whole update is refused. A zone without rules takes no updates. Changes are durable before the client gets its
    answer, so that `[server] state` is needed."""

    name: Annotated[str, setting("Name of the rule, for the log.", min_length=1)]
    zones: Annotated[tuple[DomainName, ...], setting("Zones of `[[zone]]` that it is about.", min_length=1)]
    key: (
        Annotated[
            DomainName,
            setting("Name of the `[[key]]` that must have signed the request. Not set: any request."),
        ]
        | None
    ) = None
    clients: (
        Annotated[
            tuple[str, ...],
            setting(
                "Clients that the request must come from: prefixes and names of `[[acl]]`. Not set: any address."
            ),
        ]
        | None
    ) = None
    match: Annotated[
        Literal["zonesub", "name", "subdomain", "wildcard", "self", "selfsub", "selfwild"],
        setting(
            "Owners that it is about, as in BIND's `update-policy`. `zonesub`: all of the zone; `name`: those in `names`; "
            "`subdomain`: these and all below; `wildcard`: those that a wildcard in `names` covers; `self`: the name of the key; "
            "`selfsub`: this and all below; `selfwild`: all below."
        ),
    ] = "zonesub"
    names: Annotated[tuple[DomainName, ...], setting("Names for `match`.")] = ()
    types: Annotated[
        tuple[RecordType, ...],
        setting("Types that it is about; `ANY`: all. Empty: all but SOA, NS, RRSIG, NSEC and NSEC3."),
    ] = ()
    deny: Annotated[bool, setting("Refuse what matches, instead of permitting it.")] = False
    rate: Annotated[
        int,
        setting(
            "Updates of one key, or of one address without key, that are permitted in a minute. Stops a client that repeats updates, or a "
            "stolen key, from filling the history of the zone.",
            ge=1,
            le=1_000_000,
        ),
    ] = 3000
    unusual: Annotated[
        Literal["log", "refuse"],
        setting(
            "What to do with an update from an address that this key has not used before, unless `clients` is set, and with "
            "updates that are suddenly ten times as frequent as before. Both are logged with what would change."
        ),
    ] = "log"

    def __post_init__(self) -> None:
        if self.key is None and self.clients is None:
            raise ValueError("anybody could send updates: set key, clients, or both")
        if (self.match in NAMED) != bool(self.names):
            raise ValueError(
                f"match {self.match!r} needs names"
                if self.match in NAMED
                else f"match {self.match!r} takes no names"
            )
        if self.match.startswith("self") and self.key is None:
            raise ValueError(f"match {self.match!r} is about the name of the key: set key")
        if self.match == "wildcard" and not all(name.startswith("*.") for name in self.names):
            raise ValueError("match 'wildcard' needs names that begin with *.")

"""Filters and limits of answers: `[[dns64]]`, `[no_aaaa]`, `[rebinding]`, `[rrl]`."""

from typing import Annotated, Literal

from namewise.config.schema import DomainName, Duration, Prefix, Table, setting

PRIVATE = (
    "0.0.0.0/8",
    "10.0.0.0/8",
    "100.64.0.0/10",
    "127.0.0.0/8",
    "169.254.0.0/16",
    "172.16.0.0/12",
    "192.168.0.0/16",
    "::/128",
    "::1/128",
    "fc00::/7",
    "fe80::/10",
    "fec0::/10",
)
"""Addresses that mean something else in each network (RFC 6890)."""


class Dns64(Table, frozen=True, kw_only=True):
    """IPv6 addresses for names that have only IPv4 addresses (RFC 6147). Each table is one prefix of a NAT64."""

    prefix: Annotated[
        Prefix,
        setting(
            "Prefix of the NAT64 with 32, 40, 48, 56, 64 or 96 bits (RFC 6052); `64:ff9b::/96` is well-known."
        ),
    ]
    clients: Annotated[
        tuple[str, ...], setting("Clients that it serves: prefixes and names of `[[acl]]`.")
    ] = ("any",)
    mapped: Annotated[
        tuple[str, ...],
        setting("IPv4 addresses that are mapped. `64:ff9b::/96` maps only global ones (RFC 6052 §3.1)."),
    ] = ("any",)
    exclude: Annotated[
        tuple[Prefix, ...], setting("IPv6 addresses that count as absent (RFC 6147 §5.1.4).")
    ] = ("::ffff:0:0/96",)


class NoAaaa(Table, frozen=True, kw_only=True):
    """No IPv6 addresses for clients that cannot use them: AAAA queries have no data and cause no lookup, HTTPS records lose
    `ipv6hint`. Clients that set DO get signed data unchanged."""

    clients: Annotated[tuple[str, ...], setting("The clients: prefixes and names of `[[acl]]`.")] = ()


class Rebinding(Table, frozen=True, kw_only=True):
    """Protection from DNS rebinding: private addresses of public names are removed from answers, with EDE 15. Not trusted are names
    outside of the zones, the local data, the `[[forward]]` suffixes other than the root, and `allow`."""

    action: Annotated[
        Literal["off", "remove", "refuse"],
        setting("Remove the addresses, or refuse the answer. Block lists in the DNS need an `allow`."),
    ] = "off"
    private: Annotated[tuple[Prefix, ...], setting("Addresses that public names must not have.")] = PRIVATE
    allow: Annotated[
        tuple[DomainName, ...], setting("Names that may have private addresses, with those below them.")
    ] = ()


class Rrl(Table, frozen=True, kw_only=True):
    """A limit on equal UDP responses to one network, so that the server is no use for reflection attacks. The presence of this table,
    even empty, enables it. Authoritative servers on the internet should have it; a resolver behind which many clients share an address
    should not. TCP and requests with a TSIG key are exempt."""

    responses_per_second: Annotated[
        int, setting("Equal answers and referrals per second to one network.", ge=1, le=1_000_000)
    ] = 200
    nxdomains_per_second: Annotated[
        int,
        setting("Denials of names of one zone per second to one network.", ge=1, le=1_000_000),
    ] = 200
    errors_per_second: Annotated[
        int, setting("Errors and refusals per second to one network.", ge=1, le=1_000_000)
    ] = 200
    slip: Annotated[
        int,
        setting(
            "One of so many limited responses is sent truncated, so that a real client asks over TCP; 0: none.",
            ge=0,
            le=10,
        ),
    ] = 2
    window: Annotated[
        Duration,
        setting("How long a network that exceeds the rate must be silent at most.", ge=1000, le=3_600_000),
    ] = 15_000
    ipv4_prefix: Annotated[int, setting("Bits of an IPv4 address that make a network.", ge=8, le=32)] = 24
    ipv6_prefix: Annotated[int, setting("Bits of an IPv6 address that make a network.", ge=16, le=128)] = 56
    exempt: Annotated[
        tuple[str, ...], setting("Clients without a limit: prefixes and names of `[[acl]]`.")
    ] = ()
    log_only: Annotated[bool, setting("Only count what would be limited.")] = False
    buckets: Annotated[
        int,
        setting("Networks and names that are counted at once; each takes 8 octets.", ge=1024, le=1 << 24),
    ] = 131_072

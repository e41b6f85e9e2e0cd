"""How this server follows the primaries of its secondary zones, and notifies others of changes: `[secondaries]`."""

from typing import Annotated

from namewise.config.schema import Duration, Size, Table, setting


class Secondaries(Table, frozen=True, kw_only=True):
    """Limits of what this server does as a secondary, for zones of `kind = "secondary"` together, and of NOTIFY messages that it sends.
    Times of the SOA beyond the bounds here are moved to them."""

    transfers: Annotated[
        int,
        setting(
            "Checks and transfers that may be under way at a time; stops many zones from taking all memory and descriptors.",
            ge=1,
            le=1000,
        ),
    ] = 10
    transfers_per_primary: Annotated[
        int,
        setting(
            "Of these, with one primary: one that does not answer must not hold up zones of others.",
            ge=1,
            le=1000,
        ),
    ] = 4
    checks_per_second: Annotated[
        int,
        setting(
            "Checks that begin in a second; zones that are due together, as after a start, do not ask together.",
            ge=1,
            le=10_000,
        ),
    ] = 20
    forwards: Annotated[
        int,
        setting(
            "Updates that are being forwarded to primaries at a time (`forward_updates`); a further one fails with SERVFAIL. Stops "
            "clients, and servers that forward to each other, from taking all memory and descriptors.",
            ge=1,
            le=1000,
        ),
    ] = 20
    max_size: Annotated[
        Size,
        setting("Octets of a transfer; stops a primary that never ends.", ge=1 << 10, le=1 << 40),
    ] = 1 << 30
    max_records: Annotated[
        int,
        setting(
            "Records of a transfer; stops a primary that fills the memory with small records.",
            ge=10,
            le=1_000_000_000,
        ),
    ] = 50_000_000
    max_differences: Annotated[
        int,
        setting(
            "Differences of a transfer (IXFR), each of which is a version that is built; with more, the whole zone is transferred.",
            ge=1,
            le=1_000_000,
        ),
    ] = 1000
    timeout: Annotated[
        Duration,
        setting(
            "Time of a whole transfer; stops a primary that sends one octet at a time.",
            ge=1000,
            le=86_400_000,
        ),
    ] = 1_800_000
    idle: Annotated[
        Duration,
        setting(
            "Time for the next message of a transfer; stops a primary that is silent in the middle of one from holding up the zone.",
            ge=1000,
            le=3_600_000,
        ),
    ] = 30_000
    refresh_least: Annotated[
        Duration,
        setting(
            "Least time between checks by the SOA's REFRESH and RETRY; stops a primary that asks to be asked all the time.",
            ge=1000,
            le=86_400_000,
        ),
    ] = 60_000
    refresh_most: Annotated[
        Duration,
        setting(
            "Longest time between checks; stops a mistake in the SOA from making a zone old for ever.",
            ge=60_000,
            le=2_592_000_000,
        ),
    ] = 86_400_000
    expire_least: Annotated[
        Duration,
        setting(
            "Least time that a zone is served without confirmation; stops a mistake in the SOA from taking it out of service "
            "between two checks.",
            ge=1000,
            le=86_400_000,
        ),
    ] = 3_600_000
    expire_most: Annotated[
        Duration,
        setting("Longest time that a zone is served without confirmation.", ge=60_000, le=31_536_000_000),
    ] = 10_368_000_000
    notify_interval: Annotated[
        Duration,
        setting(
            "At most one check of a zone in this time, however many NOTIFY messages come for it, and at most one NOTIFY to each server "
            "about a zone; stops storms.",
            ge=100,
            le=3_600_000,
        ),
    ] = 5_000
    notify_retry: Annotated[
        Duration,
        setting(
            "Time between attempts of a NOTIFY that is not acknowledged (RFC 1996 §3.6).",
            ge=100,
            le=3_600_000,
        ),
    ] = 60_000
    notify_rate: Annotated[
        int,
        setting(
            "NOTIFY messages that are sent in a second; many zones that change together do not flood their servers.",
            ge=1,
            le=100_000,
        ),
    ] = 100
    notify_attempts: Annotated[
        int,
        setting(
            "Attempts of a NOTIFY, after which the server is left to find the change by itself.", ge=1, le=100
        ),
    ] = 6

"""Limits of the transfers of zones to other servers: `[transfers]`."""

from typing import Annotated

from namewise.config.schema import Size, Table, setting


class Transfers(Table, frozen=True, kw_only=True):
    """Limits of zone transfers to clients (AXFR, IXFR). `transfer` of a zone says who may transfer it."""

    most: Annotated[
        int,
        setting(
            "Transfers in progress; a further one fails with SERVFAIL. Each keeps the version of the zone that it sends, so that "
            "clients that read slowly could fill the memory.",
            ge=1,
            le=100_000,
        ),
    ] = 100
    most_per_zone: Annotated[
        int, setting("Transfers of one zone in progress, so that others get their turn.", ge=1, le=100_000)
    ] = 50
    most_per_client: Annotated[
        int,
        setting(
            "Transfers in progress to one IPv4 address or IPv6 /64, so that one client does not keep out the others.",
            ge=1,
            le=100_000,
        ),
    ] = 20
    history: Annotated[
        Size,
        setting(
            "Memory for the differences between the latest versions of each zone with `transfer`, which IXFR sends. The oldest go "
            "first, so that a client that may change a zone cannot fill the memory; IXFR from an older version sends the whole zone.",
            le=1 << 40,
        ),
    ] = 1 << 20

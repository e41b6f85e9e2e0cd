"""A copy of the root zone on this machine: `[local_root]`."""

from typing import Annotated

from namewise.config.schema import Duration, Path, Server, Size, Table, setting

PRIMARIES = (
    "170.247.170.2",
    "192.33.4.12",
    "199.7.91.13",
    "192.5.5.241",
    "192.112.36.4",
    "193.0.14.129",
    "192.0.32.132",
    "192.0.47.132",
    "2801:1b8:10::b",
    "2001:500:2::c",
    "2001:500:2d::d",
    "2001:500:2f::f",
    "2001:500:12::d0d",
    "2001:7fd::1",
    "2620:0:2d0:202::132",
    "2620:0:2830:202::132",
)
"""The servers that transfer the root zone to anybody: b, c, d, f, g and k.root-servers.net., and those of ICANN for this purpose
(RFC 8806 App. B.1, with the present address of b)."""


class LocalRoot(Table, frozen=True, kw_only=True):
    """A copy of the root zone that answers the resolver in place of the root servers (RFC 8806). The presence of this table, even
    empty, enables it. The copy is transferred and refreshed as its SOA says, checked by its ZONEMD record (RFC 8976), and kept in the
    directory `[server] state`. While there is no usable copy, the root servers are asked. `nw ctl status` shows its state."""

    file: (
        Annotated[
            Path,
            setting(
                "Zone file of the root, read at the start and when it changes. It expires as the SOA says after its modification time."
            ),
        ]
        | None
    ) = None
    primaries: Annotated[
        tuple[Server, ...],
        setting(
            "Servers that transfer the root zone (AXFR over TCP), `ADDRESS` or `ADDRESS:PORT`, in the order of use. Empty: the copy comes "
            "from `file` alone. The default is the list of RFC 8806."
        ),
    ] = PRIMARIES
    require_zonemd: Annotated[
        bool,
        setting(
            "Refuse a copy without ZONEMD record. `false`: one that proves, or in an unsigned root shows, that it has none is accepted."
        ),
    ] = True
    max_size: Annotated[
        Size,
        setting("Octets of a transfer; stops a primary that never ends.", ge=1 << 16, le=1 << 30),
    ] = 32 << 20
    max_records: Annotated[
        int,
        setting(
            "Records of a transfer; stops a primary that fills the memory with small records.",
            ge=100,
            le=100_000_000,
        ),
    ] = 500_000
    timeout: Annotated[
        Duration,
        setting(
            "Time of a whole transfer; stops a primary that sends one octet at a time.", ge=1000, le=3_600_000
        ),
    ] = 60_000

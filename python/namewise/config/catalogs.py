"""Catalog zones (RFC 9432) that say which zones this server has: `[[catalog]]`."""

from typing import Annotated

from namewise.config.schema import DomainName, Duration, Table, setting
from namewise.config.zones import PeerText


class Catalog(Table, frozen=True, kw_only=True):
    """A catalog zone (RFC 9432) whose members this server serves, as secondary zones with the settings of a `[[template]]`. Members come
    and go with the catalog zone, and are kept in the state database over restarts. A broken catalog zone changes nothing."""

    name: Annotated[DomainName, setting("Name of the catalog zone.")]
    primaries: (
        Annotated[
            tuple[PeerText, ...],
            setting(
                "Servers that have the catalog zone, as in a secondary `[[zone]]`, and its members, where the template names none. "
                "Not set: a `[[zone]]` of this name says where the catalog zone comes from. With it, nobody may query the catalog zone.",
                min_length=1,
                max_length=32,
            ),
        ]
        | None
    ) = None
    template: Annotated[
        str, setting('Name of the `[[template]]` of its members, with `kind = "secondary"`.', min_length=1)
    ]
    groups: (
        Annotated[
            dict[str, str],
            setting(
                "Other templates, by the property `group` of members (RFC 9432 §4.3.2). The first group of a member that is "
                "listed here counts."
            ),
        ]
        | None
    ) = None
    members: Annotated[
        int,
        setting(
            "Members that it may have; with more it is broken. Stops a hostile or broken primary from filling memory and disk.",
            ge=0,
            le=10_000_000,
        ),
    ] = 100_000
    most_removed: Annotated[
        int,
        setting(
            "Members that one version of the catalog zone may remove or reset, and it never removes all of them: they stay until "
            "`nw zone refresh NAME --remove`. Stops a mistake or a break-in at the primary from ending all zones here.",
            ge=0,
            le=10_000_000,
        ),
    ] = 10
    interval: Annotated[
        Duration,
        setting(
            "Least time between two versions of the catalog zone that are applied. Stops a primary that changes it all the time from "
            "keeping this server busy.",
            ge=0,
            le=86_400_000,
        ),
    ] = 5_000

"""Zones that the server answers for: `[[zone]]`, one model for each kind."""

from typing import Annotated

from namewise.config.schema import DomainName, Path, Table, setting


class AnyZone(Table, frozen=True, kw_only=True):
    """What zones of every kind have."""

    name: Annotated[DomainName, setting("Name of the zone.")]
    allow: (
        Annotated[
            tuple[str, ...],
            setting(
                "Clients that may query this zone: prefixes and names of `[[acl]]`. Not set: as `[[policy]]` says."
            ),
        ]
        | None
    ) = None
    overlay: Annotated[
        bool,
        setting(
            "Let the zone above, or the resolver, answer for names that this zone does not hold, as if the zone were not "
            "there, instead of NXDOMAIN."
        ),
    ] = False


class FileZone(AnyZone, tag_field="kind", tag="file", frozen=True, kw_only=True):
    """A zone that is served from a zone file. With `[server] state` it takes changes, which are kept until the file has them."""

    file: Annotated[Path, setting("Zone file (RFC 1035 §5); relative to the file that names it.")]


class DatabaseZone(AnyZone, tag_field="kind", tag="database", frozen=True, kw_only=True):
    """A zone in the state database (`[server] state`). `nw zone apply` gives it its first records; until then it is waiting."""

"""Local data: `[[hosts]]`, `[[local]]`."""

from typing import Annotated, Literal

from namewise.config.schema import DomainName, Duration, Path, Table, setting


class Hosts(Table, frozen=True, kw_only=True):
    """A hosts file, as `/etc/hosts`: its names are answered here, for the clients that may use the resolver. A reload reads it
    again."""

    file: Annotated[Path, setting("File with lines of `ADDRESS NAME [ALIAS ...]`.")]
    ttl: Annotated[Duration, setting("TTL of the records.", ge=0, le=2147483647000)] = 600_000
    reverse: Annotated[
        bool, setting("Answer PTR queries for an address with the first name of its first line.")
    ] = True


class Local(Table, frozen=True, kw_only=True):
    """Records and rules that precede the cache and every lookup, for the clients that may use the resolver. Zones of this server
    precede them."""

    name: Annotated[DomainName, setting("Name at and below which the table applies.")] = "."
    type: (
        Annotated[
            Literal["transparent", "typetransparent", "static", "redirect", "refuse", "deny"],
            setting(
                "What names without a record of their own get. `transparent`: they are resolved; `typetransparent`: so are the other "
                "types of a name with records; `static`: they do not exist; `redirect`: the records of `name`; `refuse`: REFUSED; "
                "`deny`: no response. Not set: as `transparent`, or as a `[[local]]` above says."
            ),
        ]
        | None
    ) = None
    records: Annotated[
        tuple[str, ...],
        setting(
            "Records as in a zone file with the origin `name`: `OWNER [TTL] [IN] TYPE DATA`. Without TTL: 1h."
        ),
    ] = ()
    views: (
        Annotated[
            tuple[str, ...],
            setting(
                "Names of `[[view]]` whose clients alone see the table. It precedes tables without `views`. Not set: all clients, apart "
                "from views with `common_local = false`."
            ),
        ]
        | None
    ) = None

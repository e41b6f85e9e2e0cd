"""Lists of names and response policy zones that change answers: `[[list]]`, `[[group]]`."""

from typing import Annotated, Literal

from namewise.config.schema import DomainName, Duration, Path, Size, Table, setting


class Group(Table, frozen=True, kw_only=True):
    """Clients with lists of their own. A client may belong to several groups."""

    name: Annotated[
        str, setting("Name of the group, for `[[list]]` and `nw ctl policy pause`.", min_length=1)
    ]
    clients: Annotated[
        tuple[str, ...], setting("Clients of the group: prefixes and names of `[[acl]]`.")
    ] = ()
    keys: Annotated[
        tuple[DomainName, ...],
        setting("Names of `[[key]]`: a request that is signed with one of them belongs to the group."),
    ] = ()


class List(Table, frozen=True, kw_only=True):
    """A list of names, or a response policy zone (RPZ), whose rules change answers of the resolver. The order of lists is the order
    of precedence."""

    name: Annotated[
        str, setting("Name of the list, for explanations and extended errors.", min_length=1, max_length=63)
    ]
    file: Annotated[Path, setting("File with the list, relative to the file that names it.")]
    format: Annotated[
        Literal["names", "rpz"],
        setting(
            "`names`: plain names, hosts, adblock and dnsmasq syntax, line by line; `rpz`: a response policy zone as a zone file."
        ),
    ] = "names"
    zone: (
        Annotated[DomainName, setting("Name of the response policy zone. Required for `rpz`, only for it.")]
        | None
    ) = None
    action: (
        Annotated[
            Literal[
                "given",
                "nxdomain",
                "nodata",
                "refused",
                "drop",
                "passthru",
                "tcp-only",
                "address",
                "null",
                "cname",
            ],
            setting(
                "What happens to queries for listed names. `null`: the addresses 0.0.0.0 and ::; `address` and `cname`: those "
                "of `targets`; `given`: what each rule of the policy zone says. Not set: `given` for `rpz`, else `nxdomain`."
            ),
        ]
        | None
    ) = None
    targets: Annotated[
        tuple[str, ...], setting("Addresses of a sinkhole for `address`, or one name for `cname`.")
    ] = ()
    ttl: Annotated[
        Duration, setting("TTL of addresses and of the alias of `action`.", ge=0, le=604_800_000)
    ] = 300_000
    ede: (
        Annotated[
            Literal["blocked", "censored", "filtered", "prohibited", "forged"],
            setting(
                "Extended error of changed answers (RFC 8914). Not set: `forged` for rules with records, also where none is of the "
                "queried type; else `blocked`."
            ),
        ]
        | None
    ) = None
    text: Annotated[
        str, setting("Text of the extended error, for people who use the clients.", max_length=200)
    ] = ""
    category: Annotated[
        str, setting("Category of the listed names, such as `malware`; a part of the text.", max_length=50)
    ] = ""
    groups: Annotated[
        tuple[str, ...], setting("Names of `[[group]]` to which the list applies. Empty: all clients.")
    ] = ()
    log_only: Annotated[bool, setting("Count and explain the rules that apply, and change nothing.")] = False
    break_dnssec: Annotated[
        bool,
        setting(
            "Change signed answers to clients that set DO, too. A client that validates sees a failure then; otherwise a client "
            "could avoid every rule with DO."
        ),
    ] = True
    nsdname: Annotated[
        bool, setting("Apply the rules for names of name servers (`rpz-nsdname`) of a policy zone.")
    ] = True
    nsip: Annotated[
        bool, setting("Apply the rules for addresses of name servers (`rpz-nsip`) of a policy zone.")
    ] = True
    nsip_lookup: Annotated[
        bool,
        setting(
            "Look up the addresses of name servers whose delegation has none, for `rpz-nsip`. Otherwise such servers have no address "
            "to which a rule applies."
        ),
    ] = True
    min_ns_dots: Annotated[
        int,
        setting(
            "Zones whose names have at most so many labels have no name servers to which rules apply: 1 spares the root and "
            "top-level domains.",
            ge=0,
            le=127,
        ),
    ] = 1
    skip_errors: Annotated[
        bool,
        setting(
            "Use a list with wrong lines without these lines, instead of keeping its last version. In a policy zone, such lines are "
            "records out of the zone and records beside a CNAME, for example."
        ),
    ] = False
    max_size: Annotated[
        Size,
        setting(
            "Largest size of the file. Stops a publisher, or a wrong path, from filling the memory.",
            ge=1024,
            le=1 << 40,
        ),
    ] = 1 << 30

    def __post_init__(self) -> None:
        if (self.format == "rpz") != (self.zone is not None):
            raise ValueError('set zone if, and only if, format is "rpz"')
        if self.action == "given" and self.format != "rpz":
            raise ValueError('action "given" is for format "rpz"')
        wanted = {"address": "addresses", "cname": "one name"}.get(self.action or "")
        if (wanted is None) != (not self.targets) or (self.action == "cname" and len(self.targets) != 1):
            raise ValueError(
                f"action {self.action!r} needs {wanted} in targets"
                if wanted
                else "targets is for address and cname"
            )

"""Who may ask for what: `[[acl]]`, `[[policy]]`, `[[key]]`, `[[view]]`."""

import binascii
from typing import Annotated, Literal

from namewise.config.schema import DomainName, Path, Prefix, Secret, Table, setting, written_as

BUILT_IN_ACLS: dict[str, tuple[str, ...]] = {
    "any": ("0.0.0.0/0", "::/0"),
    "none": (),
    "loopback": ("127.0.0.0/8", "::1/128"),
}


def _acl_name(name: object) -> object:
    if not isinstance(name, str):
        return name
    if name in BUILT_IN_ACLS:
        raise ValueError(f"{name!r} is built in and cannot be defined again")
    if not (name[:1].isalpha() and name.isascii() and name.replace("-", "_").isidentifier()):
        raise ValueError(f"{name!r} cannot name a list: use a letter, then letters, digits, - and _")
    return name


def _secret(text: object) -> Secret:
    if not isinstance(text, str):
        raise ValueError("expected a text in quotes")
    try:
        raw = binascii.a2b_base64(text, strict_mode=True)
    except (binascii.Error, ValueError):
        raise ValueError("the secret is not base64 text") from None
    if not raw:
        raise ValueError("the secret is empty")
    return Secret(text)


AclName = Annotated[str, written_as("text", _acl_name)]
SecretText = Annotated[Secret, written_as("secret", _secret)]


class Acl(Table, frozen=True, kw_only=True):
    """A named list of client addresses, for `[[policy]]` and `[[zone]]`."""

    name: Annotated[AclName, setting("Name of the list; `any`, `none` and `loopback` are built in.")]
    prefixes: Annotated[tuple[Prefix, ...], setting("Client addresses, as prefixes.")]


class AclPolicy(Table, tag_field="policy", tag="acl", frozen=True, kw_only=True):
    """An access list: which clients may query, and for which clients the server resolves names."""

    on: Annotated[
        Literal["query", "recursion", "cache", "receipts"],
        setting(
            "`query`: clients that are answered at all (others get REFUSED); `recursion`: clients for which names are resolved; "
            "`cache`: clients that may read the cache with queries without RD. Without a policy on `cache` that on "
            "`recursion` holds: who reads "
            "the cache sees what others asked for. `receipts`: clients that may ask for the number of their answer in the "
            "flight recorder (`nw dig +receipt`, `nw why NUMBER`); without a policy the machine itself."
        ),
    ]
    allow: Annotated[tuple[str, ...], setting("Prefixes and names of `[[acl]]`; other clients are refused.")]


class Key(Table, frozen=True, kw_only=True):
    """A TSIG key (RFC 8945). A request that is signed with one is verified, and its response is signed."""

    name: Annotated[DomainName, setting("Name of the key, the same on both sides.")]
    algorithm: Annotated[
        Literal["hmac-sha256", "hmac-sha384", "hmac-sha512", "hmac-sha224", "hmac-sha1"],
        setting("Algorithm (RFC 8945 §6)."),
    ] = "hmac-sha256"
    secret: (
        Annotated[
            SecretText,
            setting(
                "Secret in base64. Prefer `secret_file`, or `NAMEWISE_KEY_<NAME>_SECRET_FILE` in the environment."
            ),
        ]
        | None
    ) = None
    secret_file: Annotated[Path, setting("File with the secret in base64.")] | None = None

    def __post_init__(self) -> None:
        if (self.secret is None) == (self.secret_file is None):
            raise ValueError("set exactly one of secret and secret_file")


class View(Table, frozen=True, kw_only=True):
    """What some clients see: the zones of the first view that matches a client are all the zones that there are for it. Without
    `[[view]]` every client sees every zone; with it, a client that no view matches is refused. All views share the resolver, each has
    a cache of its own unless `shared_cache` is set, and a zone has the same content in all of them."""

    name: Annotated[str, setting("Name of the view, for `nw explain`.", min_length=1)]
    clients: Annotated[tuple[str, ...], setting("Clients of the view: prefixes and names of `[[acl]]`.")] = ()
    keys: Annotated[
        tuple[DomainName, ...],
        setting(
            "Names of `[[key]]`: a request that is signed with one of them belongs to the view, whatever its address."
        ),
    ] = ()
    zones: (
        Annotated[tuple[DomainName, ...], setting("Zones of `[[zone]]` that the clients see. Not set: all.")]
        | None
    ) = None
    shared_cache: Annotated[
        bool,
        setting(
            "Whether the clients share the cache with those of all other views that set this, instead of having entries of their "
            "own. Saves memory and queries; a client can then learn from response times what other views ask for. A view with `[[local]]` "
            "tables of its own never shares."
        ),
    ] = False
    common_local: Annotated[
        bool,
        setting(
            "Whether `[[hosts]]` and `[[local]]` tables without `views` apply to the clients, where those of the view say nothing."
        ),
    ] = True

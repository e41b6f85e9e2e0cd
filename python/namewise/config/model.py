"""The whole of `namewise.toml`: its tables, and what has to fit between them.

A table is a frozen model in `server.py`, `resolver.py`, `zones.py` or `access.py`; a field of it is the only description of
a setting: type, unit, default, what it does, when a change takes effect. The loader, `nw config show`, the JSON schema and
`docs/configuration/reference.md` use these models.

`[[zone]]` and `[[policy]]` are tagged unions: `kind` of a zone and `policy` of a policy choose the model. A new kind is
one model with its tag, added to `Zone` or `Policy`.

A setting exists only if the engine does what it says.
"""

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from types import MappingProxyType
from typing import Annotated

from msgspec import Meta

from namewise.config import values
from namewise.config.access import BUILT_IN_ACLS, Acl, AclPolicy, Key, View
from namewise.config.catalogs import Catalog
from namewise.config.detect import Amplification, Tunnels
from namewise.config.dnssec import BUILT_IN as BUILT_IN_POLICIES
from namewise.config.dnssec import Dnssec
from namewise.config.filters import Dns64, NoAaaa, Rebinding, Rrl
from namewise.config.lists import Group, List
from namewise.config.local import Hosts, Local
from namewise.config.local_root import LocalRoot
from namewise.config.origin import Path, dotted
from namewise.config.resolver import Budget, Forward, Resolver, Streams
from namewise.config.rules import contradictions, covers
from namewise.config.schema import Table, setting, settings
from namewise.config.secondaries import Secondaries
from namewise.config.server import Control, Listen, Log, ServerTable
from namewise.config.templates import Template, shared, strange, zone_of
from namewise.config.transfers import Transfers
from namewise.config.zones import (
    NAME_SERVERS,
    DatabaseZone,
    FileZone,
    PrimaryZone,
    SecondaryZone,
    Update,
    client_rule,
    peer,
)

__all__ = [
    "ARRAYS",
    "BUILT_IN_ACLS",
    "KINDS",
    "NESTED",
    "TABLES",
    "Acl",
    "AclPolicy",
    "Budget",
    "Catalog",
    "Config",
    "Control",
    "DatabaseZone",
    "Dns64",
    "Dnssec",
    "FileZone",
    "Forward",
    "Group",
    "Hosts",
    "Key",
    "List",
    "Listen",
    "Local",
    "Log",
    "NoAaaa",
    "PrimaryZone",
    "Rebinding",
    "Resolver",
    "Rrl",
    "Secondaries",
    "SecondaryZone",
    "ServerTable",
    "Streams",
    "Template",
    "Transfers",
    "Update",
    "View",
    "cross_check",
]

Zone = FileZone | DatabaseZone | SecondaryZone
Policy = AclPolicy
KINDS = {"zone": "file", "policy": None}
"""By tagged table: the kind that an entry has when it does not say, or None where it has to."""
VARIANTS: dict[str, tuple[type[Table], ...]] = {"zone": (FileZone, DatabaseZone, SecondaryZone)}
"""By tagged table with several models: all of them."""


MOST_GROUPS = 64
"""Groups of clients: the engine has a bit for each."""


def _table(model: type[Table], *, min_length: int | None = None) -> Meta:
    return setting(" ".join((model.__doc__ or "").split()), min_length=min_length)


class Config(Table, frozen=True, kw_only=True):
    """The whole of `namewise.toml`."""

    include: Annotated[
        tuple[str, ...],
        setting(
            "Further files to read, as globs relative to this file. Each setting may be set in one file only."
        ),
    ] = ()
    server: Annotated[ServerTable, _table(ServerTable)] = ServerTable()
    listen: Annotated[tuple[Listen, ...], _table(Listen, min_length=1)] = (
        Listen(address="127.0.0.1"),
        Listen(address="::1"),
    )
    resolver: Annotated[Resolver, _table(Resolver)] | None = None
    forward: Annotated[tuple[Forward, ...], _table(Forward)] = ()
    hosts: Annotated[tuple[Hosts, ...], _table(Hosts)] = ()
    local: Annotated[tuple[Local, ...], _table(Local)] = ()
    zone: Annotated[tuple[Zone, ...], _table(FileZone)] = ()
    template: Annotated[tuple[Template, ...], _table(Template)] = ()
    catalog: Annotated[tuple[Catalog, ...], _table(Catalog)] = ()
    secondaries: Annotated[Secondaries, _table(Secondaries)] = Secondaries()
    transfers: Annotated[Transfers, _table(Transfers)] = Transfers()
    update: Annotated[tuple[Update, ...], _table(Update)] = ()
    dnssec: Annotated[tuple[Dnssec, ...], _table(Dnssec)] = ()
    view: Annotated[tuple[View, ...], _table(View)] = ()
    key: Annotated[tuple[Key, ...], _table(Key)] = ()
    acl: Annotated[tuple[Acl, ...], _table(Acl)] = ()
    policy: Annotated[tuple[Policy, ...], _table(AclPolicy)] = ()
    dns64: Annotated[tuple[Dns64, ...], _table(Dns64)] = ()
    no_aaaa: Annotated[NoAaaa, _table(NoAaaa)] = NoAaaa()
    rebinding: Annotated[Rebinding, _table(Rebinding)] = Rebinding()
    group: Annotated[tuple[Group, ...], _table(Group)] = ()
    list: Annotated[tuple[List, ...], _table(List)] = ()
    rrl: Annotated[Rrl, _table(Rrl)] | None = None
    local_root: Annotated[LocalRoot, _table(LocalRoot)] | None = None
    tunnels: Annotated[Tunnels, _table(Tunnels)] | None = None
    amplification: Annotated[Amplification, _table(Amplification)] | None = None
    log: Annotated[Log, _table(Log)] = Log()
    control: Annotated[Control, _table(Control)] = Control()

    def prefixes(self, names: tuple[str, ...]) -> tuple[str, ...]:
        """Return *names* (prefixes and ACL names, which `cross_check` has checked) as prefixes."""
        lists = BUILT_IN_ACLS | {acl.name: acl.prefixes for acl in self.acl}
        found: list[str] = []
        for name in names:
            found.extend(lists[name] if name in lists else (values.prefix(name),))
        return tuple(dict.fromkeys(found))


TABLES: dict[str, type[Table]] = {
    "server": ServerTable,
    "listen": Listen,
    "resolver": Resolver,
    "forward": Forward,
    "hosts": Hosts,
    "local": Local,
    "zone": FileZone,
    "template": Template,
    "catalog": Catalog,
    "secondaries": Secondaries,
    "transfers": Transfers,
    "update": Update,
    "dnssec": Dnssec,
    "view": View,
    "key": Key,
    "acl": Acl,
    "policy": AclPolicy,
    "dns64": Dns64,
    "no_aaaa": NoAaaa,
    "rebinding": Rebinding,
    "group": Group,
    "list": List,
    "rrl": Rrl,
    "local_root": LocalRoot,
    "tunnels": Tunnels,
    "amplification": Amplification,
    "log": Log,
    "control": Control,
}
NESTED: dict[tuple[str, ...], type[Table]] = {
    (table, name): setting.table
    for table, model in TABLES.items()
    for name, setting in settings(model).items()
    if setting.table is not None
}
"""Tables inside of tables."""
ARRAYS = frozenset(
    {
        "listen",
        "forward",
        "hosts",
        "local",
        "dns64",
        "zone",
        "template",
        "catalog",
        "update",
        "dnssec",
        "view",
        "key",
        "acl",
        "policy",
        "group",
        "list",
    }
)


def cross_check(
    config: Config,
    left_out: Mapping[str, Collection[str | None]] = MappingProxyType({}),
    place: Callable[[Path], str] = dotted,
) -> list[tuple[Path, str]]:
    """Return what is wrong between tables, each with the path of the value to change.

    place: returns where the value at a path is set, as text.
    left_out: by table, the names of entries that *config* lacks because they have mistakes of their own; None: an
    entry without a name. No reference to them is a mistake.
    """
    found: list[tuple[Path, str]] = []

    def names(table: str, entries: Iterable[str]) -> set[str] | None:
        """Return the names in *table*, or None if not all of them are known."""
        absent = left_out.get(table, ())
        words = {*entries, *filter(None, absent)}
        return None if None in absent else words if table == "acl" else {word.lower() for word in words}

    def unknown(table: str, name: str, known: set[str]) -> str:
        guess = values.nearest(name, known)
        return f"no [[{table}]] is named {name!r}" + (f"; did you mean {guess!r}?" if guess else "")

    lists = names("acl", (*BUILT_IN_ACLS, *(acl.name for acl in config.acl)))

    def member(path: Path, name: str) -> None:
        if lists is not None and name in lists:
            return
        if name[:1].isalpha() and not any(c in name for c in "./:"):
            if lists is not None:
                found.append((path, unknown("acl", name, lists)))
            return
        try:
            values.prefix(name)
        except ValueError as error:
            found.append((path, str(error)))

    def members(path: Path, names: tuple[str, ...]) -> None:
        for index, name in enumerate(names):
            member((*path, index), name)

    def once(table: str, key: str, items: list[str], what: str) -> None:
        seen: dict[str, int] = {}
        for index, item in enumerate(items):
            if item.lower() in seen:
                first = place((table, seen[item.lower()], key))
                found.append(((table, index, key), f"{what} {item!r} is given twice; first at {first}"))
            seen.setdefault(item.lower(), index)

    once("zone", "name", [zone.name for zone in config.zone], "zone")
    once("catalog", "name", [one.name for one in config.catalog], "catalog")
    once("template", "name", [one.name for one in config.template], "template")
    once("acl", "name", [acl.name for acl in config.acl], "acl")
    once("view", "name", [view.name for view in config.view], "view")
    once("key", "name", [key.name for key in config.key], "key")
    once("forward", "suffix", [forward.suffix for forward in config.forward], "forward for")
    once("hosts", "file", [hosts.file for hosts in config.hosts], "hosts file")
    once("policy", "on", [policy.on for policy in config.policy], "an acl policy on")
    once("group", "name", [group.name for group in config.group], "group")
    once("list", "name", [one.name for one in config.list], "list")
    once("update", "name", [one.name for one in config.update], "update rule")
    once("dnssec", "name", [one.name for one in config.dnssec], "policy")
    once("listen", "address", [f"{item.address} port {item.port}" for item in config.listen], "listen on")
    once("dns64", "prefix", list(map(_served, config.dns64)), "dns64 prefix")
    for index, policy in enumerate(config.policy):
        members(("policy", index, "allow"), policy.allow)
    for index, dns64 in enumerate(config.dns64):
        members(("dns64", index, "clients"), dns64.clients)
        members(("dns64", index, "mapped"), dns64.mapped)
    members(("no_aaaa", "clients"), config.no_aaaa.clients)
    if config.rrl is not None:
        members(("rrl", "exempt"), config.rrl.exempt)
    if config.amplification is not None:
        members(("amplification", "exempt"), config.amplification.exempt)
    placed: list[tuple[Path, Zone]] = [(("zone", index), zone) for index, zone in enumerate(config.zone)]
    for index, template in enumerate(config.template):
        found += ((("template", index, key), message) for key, message in strange(template))
        placed.append((("template", index), _of_template(template)))
    for around, zone in placed:
        if zone.allow is not None:
            members((*around, "allow"), zone.allow)
    zones = names("zone", (zone.name for zone in config.zone))
    keys = names("key", (key.name for key in config.key))
    for around, zone in placed:
        named = [("notify", at, text) for at, text in enumerate(zone.notify) if text != NAME_SERVERS]
        if isinstance(zone, SecondaryZone):
            named += [("primaries", at, text) for at, text in enumerate(zone.primaries)]
        for setting_name, at, text in named:
            key = peer(text).key
            if key is not None and keys is not None and key.lower() not in keys:
                found.append(((*around, setting_name, at), unknown("key", key, keys)))
        for setting_name in ("transfer", "notify_from", "forward_updates"):
            for at, client in enumerate(map(client_rule, getattr(zone, setting_name, ()))):
                path = (*around, setting_name, at)
                if client.clients is not None:
                    member(path, client.clients)
                if client.key is not None and keys is not None and client.key.lower() not in keys:
                    found.append((path, unknown("key", client.key, keys)))
    found += _catalogs(config)
    views = names("view", (view.name for view in config.view))
    if config.server.state is None:
        for index, zone in enumerate(config.zone):
            if isinstance(zone, (DatabaseZone, SecondaryZone)):
                kind = "database" if isinstance(zone, DatabaseZone) else "secondary"
                message = f'a zone of kind "{kind}" needs a state directory: set `state = "DIR"` in [server], or use --state DIR'
                found.append((("zone", index), message))
    signs = names("dnssec", (*BUILT_IN_POLICIES, *(one.name for one in config.dnssec)))
    for around, zone in placed:
        if isinstance(zone, PrimaryZone) and zone.dnssec is not None:
            if config.server.state is None:
                message = 'the keys of a signed zone need a state directory: set `state = "DIR"` in [server], or use --state DIR'
                found.append(((*around, "dnssec"), message))
            if signs is not None and zone.dnssec.lower() not in signs:
                found.append(((*around, "dnssec"), unknown("dnssec", zone.dnssec, signs)))
    for index, rule in enumerate(config.update):
        members(("update", index, "clients"), rule.clients or ())
        for at, name in enumerate(rule.zones):
            if zones is not None and name.lower() not in zones:
                found.append((("update", index, "zones", at), unknown("zone", name, zones)))
            if any(
                isinstance(zone, SecondaryZone) and zone.name.lower() == name.lower() for zone in config.zone
            ):
                message = f"zone {name} is a copy of its primary server's: send updates there, or set `forward_updates` of the zone"
                found.append((("update", index, "zones", at), message))
        if rule.key is not None and keys is not None and rule.key.lower() not in keys:
            found.append((("update", index, "key"), unknown("key", rule.key, keys)))
        if config.server.state is None:
            message = 'updates need a state directory, which keeps them: set `state = "DIR"` in [server], or use --state DIR'
            found.append((("update", index), message))
    for index, local in enumerate(config.local):
        for at, name in enumerate(local.views or ()):
            if views is not None and name.lower() not in views:
                found.append((("local", index, "views", at), unknown("view", name, views)))
    for index, view in enumerate(config.view):
        members(("view", index, "clients"), view.clients)
        for at, name in enumerate(view.zones or ()):
            if zones is not None and name.lower() not in zones:
                found.append((("view", index, "zones", at), unknown("zone", name, zones)))
        for at, name in enumerate(view.keys):
            if keys is not None and name.lower() not in keys:
                found.append((("view", index, "keys", at), unknown("key", name, keys)))
        if not view.clients and not view.keys:
            found.append((("view", index), "nobody can see this view: set clients, keys, or both"))
    groups = names("group", (group.name for group in config.group))
    for index, group in enumerate(config.group):
        members(("group", index, "clients"), group.clients)
        for at, name in enumerate(group.keys):
            if keys is not None and name.lower() not in keys:
                found.append((("group", index, "keys", at), unknown("key", name, keys)))
    for index, one in enumerate(config.list):
        for at, name in enumerate(one.groups):
            if groups is not None and name.lower() not in groups:
                found.append((("list", index, "groups", at), unknown("group", name, groups)))
    if len(config.group) > MOST_GROUPS:
        found.append((("group", MOST_GROUPS), f"more than {MOST_GROUPS} groups"))
    found += contradictions(config)
    for index, listen in enumerate(config.listen):
        for at, other in enumerate(config.listen):
            if listen is not other and covers(listen, other):
                found.append(
                    (
                        ("listen", index, "address"),
                        f"{listen.address} port {listen.port} includes {other.address}, which is listed too at "
                        f"{place(('listen', at, 'address'))}; remove one of them",
                    )
                )
                break
    return found


def _catalogs(config: Config) -> Iterator[tuple[Path, str]]:
    """Yield what is wrong between catalogs, zones and templates."""
    zones = {zone.name.lower(): zone for zone in config.zone}
    templates = {one.name.lower(): one for one in config.template}
    for index, catalog in enumerate(config.catalog):
        around: Path = ("catalog", index)
        if catalog.primaries is None and catalog.name.lower() not in zones:
            yield (
                around,
                f"it is unknown where {catalog.name} comes from: set primaries, or add a [[zone]] of this name",
            )
        if config.server.state is None:
            message = 'a catalog needs a state directory, which keeps its members: set `state = "DIR"` in [server], or use --state DIR'
            yield around, message
        given: list[tuple[Path, str]] = [((*around, "template"), catalog.template)]
        given += (((*around, "groups", group), name) for group, name in (catalog.groups or {}).items())
        for path, name in given:
            template = templates.get(name.lower())
            if template is None:
                guess = values.nearest(name.lower(), templates)
                yield (
                    path,
                    f"no [[template]] is named {name!r}" + (f"; did you mean {guess!r}?" if guess else ""),
                )
            elif template.kind != "secondary":
                yield (
                    path,
                    f'[[template]] "{name}" is for zones of kind "{template.kind}"; members are secondary zones',
                )
            elif catalog.primaries is None and "primaries" not in shared(template):
                yield (
                    path,
                    f'neither [[template]] "{name}" nor this catalog has primaries, from which members would come',
                )
    for index, zone in enumerate(config.zone):
        if zone.catalog is None:
            if zone.group is not None:
                yield ("zone", index, "group"), "a group is a property in a catalog zone: set catalog, too"
            continue
        listing = zones.get(zone.catalog.lower())
        if not isinstance(listing, DatabaseZone) or listing is zone:
            yield (
                ("zone", index, "catalog"),
                f'there is no [[zone]] {zone.catalog} of kind "database" for the catalog; add it',
            )


def _of_template(template: Template) -> Zone:
    """Return a zone with what *template* has, so that its references are checked even before it has zones."""
    lacking = (
        {"primaries": ()} if template.kind == "secondary" and "primaries" not in shared(template) else {}
    )
    return zone_of(template, ".", **lacking)


def _served(dns64: Dns64) -> str:
    """Return the prefix of *dns64*, with clients and mapped addresses where these are not all: several tables may divide them."""
    parts = [("for", dns64.clients), ("of", dns64.mapped)]
    return " ".join(
        [dns64.prefix, *(f"{word} {', '.join(some)}" for word, some in parts if some != ("any",))]
    )

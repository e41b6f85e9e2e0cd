"""`zone`: the zones that are served, their history, and changes of them.

Every change goes through the registry: it is durable and served when the answer comes. The history names the user of the client.
"""

from __future__ import annotations

import os
import time
from functools import partial
from typing import TYPE_CHECKING, Any, cast, get_args

from namewise.backends.database import DatabaseSource
from namewise.control.client import ControlError
from namewise.engine import Difference, RRset, Zone
from namewise.engine.errors import NamewiseError
from namewise.zones.serial import Method, following, of_clock, reached, successor, way
from namewise.zones.state import Cause

if TYPE_CHECKING:
    from collections.abc import Callable

    from namewise.config.model import Zone as ZoneSettings
    from namewise.control.arguments import Arguments
    from namewise.control.daemon import Daemon
    from namewise.control.service import Service
    from namewise.zones.chain import Chain
    from namewise.zones.registry import Registry
    from namewise.zones.state import ZoneState

_CHANGE = ("if_serial", "note")
OF: dict[str, tuple[str, ...]] = {
    "list": (),
    "status": ("name",),
    "show": ("name", "serial", "at", "after"),
    "log": ("name", "limit", "before"),
    "diff": ("name", "from", "to"),
    "add": ("name", "text", "body", "template", "note"),
    "remove": ("name",),
    "edit": ("name", "steps", *_CHANGE),
    "apply": ("name", "body", "first", *_CHANGE),
    "soa": ("name", "fields", *_CHANGE),
    "serial": ("name", "method", "to", "recover", "dry", *_CHANGE),
    "restore": ("name", "serial", "at", "entry", "file", *_CHANGE),
    "sync": ("name", "force", "plain"),
    "refresh": ("name", "remove"),
    "retransfer": ("name",),
    "notify": ("name",),
}
"""What can be done, and the arguments of each besides `do`."""
ARGUMENTS = ("do", *dict.fromkeys(word for words in OF.values() for word in words))
PAGE = 2000
"""RRsets of one page of a zone."""
MOST_ENTRIES = 1000
SOA_FIELDS = ("mname", "rname", "serial", "refresh", "retry", "expire", "minimum")


def run(daemon: Daemon, arguments: Arguments) -> dict[str, Any]:
    """Return what `do` found or did."""
    do = arguments.text("do")
    if do not in OF:
        raise arguments.wrong("do", f"one of {', '.join(OF)}")
    arguments.only(("do", *OF[do]), when=do)
    registry = daemon.service.registry
    if do == "list":
        service = daemon.service
        settings = {zone.name: zone for zone in service.config.zone}
        return {
            "zones": [
                {**summary(state), **_of_settings(service, name, settings.get(name))}
                for name, state in registry.states.items()
            ]
        }
    if do == "add":
        return _add(daemon, arguments)
    state = _state(registry, arguments)
    if do in ("refresh", "retransfer"):
        return _check(daemon, state, whole=do == "retransfer", remove=arguments.flag("remove"))
    if do == "remove":
        return _remove(daemon, state)
    if do == "notify":
        return _notify(daemon, state)
    if do == "status":
        name = state.source.name
        own = next((zone for zone in daemon.service.config.zone if zone.name == name), None)
        return {
            **_status(registry, state, arguments),
            **_of_settings(daemon.service, name, own),
            **_others(daemon, state),
        }
    return _DO[do](registry, state, arguments)


def summary(state: ZoneState) -> dict[str, Any]:
    """Return the state of one zone."""
    zone = state.current
    return {
        "name": state.source.name,
        "kind": getattr(state.source, "kind", "source"),
        "configured": state.configured,
        "condition": state.condition,
        "serial": None if zone is None else zone.serial,
        "records": 0 if zone is None else len(zone),
        "signed": zone is not None and zone.is_signed,
        "unsaved": state.journal if getattr(state.source, "kind", "") == "file" else 0,
        "place": state.source.place,
        "change": None if state.change is None else str(state.change),
        "error": state.error or state.refusal or state.detail or None,
    }


def _of_settings(service: Service, name: str, zone: ZoneSettings | None) -> dict[str, Any]:
    """Return what lists and states of zones show of the settings of one: its template, and the catalog zone that it is in."""
    if zone is None:
        return {"template": None, "catalog": None}
    member = service.members.get(name.lower())
    return {
        "template": zone.template,
        "catalog": member.catalog if member is not None and member.catalog else zone.catalog,
    }


def _status(registry: Registry, state: ZoneState, _: Arguments) -> dict[str, Any]:
    chain = _chain(registry, state)
    stored = None
    if chain is not None:
        entries = registry.journal.store.entries(chain.name, 1)
        stored = {
            "path": registry.journal.store.path,
            "entries_after_snapshot": chain.tip - chain.snapshot_at,
            "history_octets": chain.history,
            "history_limit": registry.journal.limits.history,
            "newest": entries[0]._asdict() if entries else None,
            "doubt": registry.journal.store.doubt or None,
        }
    return {**summary(state), "stored": stored}


def _others(daemon: Daemon, state: ZoneState) -> dict[str, Any]:
    """Return what is known of the primaries of the zone, of the servers that are notified of it, and of its keys."""
    name, service = state.source.name, daemon.service
    return {
        "of_catalog": None if service.catalogs is None else service.catalogs.status(name),
        "secondary": None if service.secondaries is None else service.secondaries.status(name),
        "notified": [] if service.notices is None else service.notices.status(name),
        "dnssec": None if service.signing is None else service.signing.status(name),
    }


def _check(daemon: Daemon, state: ZoneState, *, whole: bool, remove: bool) -> dict[str, Any]:
    """Let the primaries of the zone be asked now. remove: a catalog zone may remove any number of members."""
    name, secondaries = state.source.name, daemon.service.secondaries
    if remove:
        catalogs = daemon.service.catalogs
        if catalogs is None or not catalogs.permit(name):
            raise ControlError(
                f"zone {name} is no catalog zone with members here", "Its table is [[catalog]].", "NO_CATALOG"
            )
        return {"name": name, "whole": False}
    if secondaries is None or not secondaries.check(name, whole=whole):
        raise ControlError(
            f"zone {name} is no secondary zone: there is no primary to ask",
            "`nw ctl reload` reads zone files again.",
            "NO_SECONDARY",
        )
    return {"name": name, "whole": whole}


def _notify(daemon: Daemon, state: ZoneState) -> dict[str, Any]:
    """Notify other servers of the version that is served."""
    name, notices = state.source.name, daemon.service.notices
    if notices is None or not notices.changed(state):
        raise ControlError(
            f"nobody is to be notified of zone {name}, or it has no data",
            'Name servers in its [[zone]], as `notify = ["192.0.2.1"]`, then `nw ctl reload`.',
            "NOBODY",
        )
    return {"name": name, "notified": notices.status(name)}


def _show(registry: Registry, state: ZoneState, arguments: Arguments) -> dict[str, Any]:
    zone = _version(registry, state, arguments)
    after = arguments.optional_name("after")
    page = zone.page(after, PAGE)
    return {
        "name": str(zone.name),
        "serial": zone.serial,
        "text": "".join(f"{rrset}\n" for rrset in page),
        "after": str(page[-1].owner) if page else None,
    }


def _log(registry: Registry, state: ZoneState, arguments: Arguments) -> dict[str, Any]:
    chain = _chain(registry, state)
    limit = arguments.number("limit", 20, 1, MOST_ENTRIES)
    before = arguments.optional_number("before", 1, 1 << 62)
    entries = [] if chain is None else registry.journal.store.entries(chain.name, limit, before)
    return {"name": state.source.name, "entries": [entry._asdict() for entry in entries]}


def _diff(registry: Registry, state: ZoneState, arguments: Arguments) -> dict[str, Any]:
    sides = []
    for key in ("from", "to"):
        serial = arguments.optional_number(key, 0, (1 << 32) - 1)
        sides.append(_current(state) if serial is None else _at_serial(registry, state, serial))
    difference = sides[0].difference(sides[1])
    return {
        "name": state.source.name,
        "from": sides[0].serial,
        "to": sides[1].serial,
        "removed": "".join(f"{rrset}\n" for rrset in difference.removed),
        "added": "".join(f"{rrset}\n" for rrset in difference.added),
    }


def _records(arguments: Arguments) -> str | None:
    """Return the records of a new zone: behind the request, or in it."""
    return arguments.body_text() if "body" in arguments.given else arguments.optional_text("text")


def _add(daemon: Daemon, arguments: Arguments) -> dict[str, Any]:
    name, registry = arguments.name("name"), daemon.service.registry
    template = arguments.optional_text("template")
    if template is not None:
        return _add_with(daemon, name, template, arguments)
    zone = Zone.from_text(name, _records(arguments) or arguments.text("text"), file="records")
    state = registry.create(DatabaseSource(name), zone, _cause(arguments, "edit"))
    return summary(state)


def _add_with(daemon: Daemon, name: str, wanted: str, arguments: Arguments) -> dict[str, Any]:
    """Serve a zone with the settings of a template."""
    from namewise.control.members import Member, made

    service, registry, text = daemon.service, daemon.service.registry, _records(arguments)
    templates = {one.name.lower(): one for one in service.config.template}
    template = templates.get(wanted.lower())
    if template is None:
        known = ", ".join(one.name for one in templates.values()) or "none"
        raise ControlError(f"no [[template]] is named {wanted!r}", f"There is: {known}.", "NO_TEMPLATE")
    if registry.find(name) is not None:
        raise ControlError(f"zone {name} is served already", "`nw zone status` shows it.", "CONFLICT")
    if registry.journal.exists and name.lower() in registry.journal.chains():
        raise ControlError(
            f"zone {name} is in the state database, from when the configuration named it",
            "Name it again.",
            "CONFLICT",
        )
    secondary = template.kind == "secondary"
    if secondary and text is not None:
        raise ControlError(
            f'[[template]] "{template.name}" is for secondary zones: the records come from the primaries',
            "Leave out --from and --ns.",
            "SECONDARY",
        )
    member = Member(name, template.name)
    try:
        made(template, member)
    except ValueError as error:
        raise ControlError(str(error), "Set primaries there, then `nw ctl reload`.", "NO_PRIMARIES") from None
    if not secondary and text is None:
        raise ControlError(
            f"zone {name} needs records", "Give them with --from FILE or --ns NAME.", "BAD_ARGUMENT"
        )
    # Before the zone is served: what is wrong with the records changes nothing.
    zone = None if secondary else Zone.from_text(name, text or "", file="records")
    service.change_members([member], ())
    if zone is not None:
        try:
            registry.edit(name, lambda _: zone, _cause(arguments, "edit"))
        except BaseException:
            service.change_members((), [name.lower()])
            raise
    own = next(one for one in service.config.zone if one.name == name)
    return {**summary(registry.states[name]), **_of_settings(service, name, own)}


def _remove(daemon: Daemon, state: ZoneState) -> dict[str, Any]:
    service, name = daemon.service, state.source.name
    member = service.members.get(name.lower())
    named = {zone.name.lower() for zone in service.configured.config.zone}
    if member is not None and name.lower() not in named:
        if member.catalog:
            raise ControlError(
                f"zone {name} is a member of the catalog zone {member.catalog}", "Remove it there.", "CATALOG"
            )
        service.change_members((), [name.lower()])
        return {"removed": name}
    if state.configured:
        raise ControlError(
            f"zone {state.source.name} is named by the configuration",
            "Remove its [[zone]] there, then `nw ctl reload`.",
            "CONFIGURED",
        )
    service.registry.remove(name)
    return {"removed": name}


def _edit(registry: Registry, state: ZoneState, arguments: Arguments) -> dict[str, Any]:
    steps = arguments.given.get("steps")
    if not isinstance(steps, list) or not steps:
        raise arguments.wrong("steps", 'a list such as [{"set": "www.example.com. 60 A 192.0.2.1"}]')

    def make(present: ZoneState) -> Zone:
        edit = _current(present).edit()
        for step in steps:
            if not isinstance(step, dict) or len(step) != 1:
                raise arguments.wrong("steps", "objects with one of set, add, remove, delete")
            ((what, text),) = step.items()
            if what == "delete":
                owner, _, rtype = str(text).partition(" ")
                edit.delete(owner, rtype or None)
            elif what in ("set", "add", "remove"):
                rrset = _rrset(partial(RRset.from_text, str(text)))
                {"set": edit.put, "add": edit.add, "remove": edit.remove}[what](rrset)
            else:
                raise arguments.wrong("steps", "objects with one of set, add, remove, delete")
        return edit.commit("keep")

    return _changed(registry, state, arguments, make, "edit")


def _rrset(make: Callable[[], RRset]) -> RRset:
    """Return what *make* makes. Raises `ControlError` for values that are out of range, such as a TTL of 2^31 (RFC 2181 §8)."""
    try:
        return make()
    except NamewiseError:
        raise
    except ValueError as error:
        raise ControlError(f"no such record can exist: {error}", "Give other values.", "RECORDS") from None


def _apply(registry: Registry, state: ZoneState, arguments: Arguments) -> dict[str, Any]:
    """Apply a difference that the client computed from the served version, or the records of a zone without data."""
    if arguments.flag("first"):
        text = arguments.body_text()

        def make(present: ZoneState) -> Zone:
            if present.current is not None:
                raise ControlError(
                    f"zone {present.source.name} has data", "Apply a difference to it.", "CONFLICT"
                )
            return Zone.from_text(present.source.name, text, file="records")
    else:
        difference = Difference.from_wire(arguments.body())

        def make(present: ZoneState) -> Zone:
            return _current(present).apply(difference)

    return _changed(registry, state, arguments, make, "edit")


def _soa(registry: Registry, state: ZoneState, arguments: Arguments) -> dict[str, Any]:
    given = arguments.given.get("fields") or {}
    if not isinstance(given, dict) or set(given) - {*SOA_FIELDS, "ttl"}:
        raise arguments.wrong("fields", f"an object with {', '.join((*SOA_FIELDS, 'ttl'))}")
    if not given:
        return {**summary(state), "soa": _soa_of(_current(state))}

    def make(present: ZoneState) -> Zone:
        zone = _current(present)
        fields = _soa_of(zone)
        fields.update({key: str(value) for key, value in given.items()})
        edit = zone.edit()
        text = " ".join(fields[key] for key in SOA_FIELDS)
        edit.put(_rrset(lambda: RRset(zone.name, "SOA", int(fields["ttl"]), [text])))
        return edit.commit("keep")

    found = _changed(registry, state, arguments, make, "edit")
    return {**found, "soa": _soa_of(_current(_state(registry, arguments)))}


def _serial(registry: Registry, state: ZoneState, arguments: Arguments) -> dict[str, Any]:
    """Return the serials that lead to the wanted one, and set the first of them unless `dry`."""
    name, present, now = state.source.name, _current(state).serial, registry.clock()
    own = getattr(state.source, "serial", None)
    if own is None:
        raise ControlError(f"the serial of zone {name} is not chosen here", "Its source does.", "SERIAL")
    wanted, method = arguments.optional_number("to", 0, (1 << 32) - 1), arguments.optional_text("method")
    if method is None and arguments.flag("recover"):
        method = own
    if method is not None:
        if method not in get_args(Method):
            raise arguments.wrong("method", f"one of {', '.join(get_args(Method))}")
        wanted = of_clock(cast("Method", method), now)
        if wanted is None:
            raise ControlError(
                f"every serial of zone {name} is right with the method increment",
                "Name one: --to N.",
                "SERIAL",
            )
    there = wanted is None or (method is not None and reached(present, cast("Method", method), now))
    steps = [] if there or wanted is None else list(way(present, wanted))
    found = {
        **summary(state),
        "method": own,
        "next": following(present, own, now),
        "wanted": wanted,
        "way": steps,
        "changed": False,
    }
    if not steps or arguments.flag("dry"):
        return found
    step = steps.pop(0)

    def make(state: ZoneState) -> Zone:
        zone = _current(state)
        if zone.serial != present:
            raise ControlError(f"zone {name} has changed meanwhile", "Try again.", "CONFLICT")
        return zone.edit().commit(step)

    return {**found, **_changed(registry, state, arguments, make, "edit")}


def _restore(registry: Registry, state: ZoneState, arguments: Arguments) -> dict[str, Any]:
    """Serve the records of an earlier version as a new one; or go on with a part of what is stored."""
    name, store = state.source.name, registry.journal.store
    entry = arguments.optional_number("entry", 0, 1 << 62)
    if entry is not None or arguments.flag("file"):
        if arguments.flag("file"):
            if getattr(state.source, "kind", "") != "file":
                raise ControlError(f"zone {name} has no file", "Use --entry or --at.", "NO_FILE")
            registry.reset(name, None)
        else:
            registry.reset(name, entry)
        return summary(registry.states[name])
    zone = _version(registry, state, arguments)
    if _chain(registry, state) is None:
        raise _no_version(store.path, name, "no changes are stored")

    def make(present: ZoneState) -> Zone:
        current = _current(present)
        return current if zone.serial == current.serial else zone.edit().commit(successor(current.serial))

    return _changed(registry, state, arguments, make, "restore")


def _sync(registry: Registry, state: ZoneState, arguments: Arguments) -> dict[str, Any]:
    from namewise.zones.sync import sync

    if getattr(state.source, "kind", "") != "file":
        raise ControlError(f"zone {state.source.name} has no file", "`nw zone show` prints it.", "NO_FILE")
    done = sync(registry, state, force=arguments.flag("force"), plain=arguments.flag("plain"))
    return {"name": state.source.name, **done._asdict()}


_DO: dict[str, Callable[[Registry, ZoneState, Arguments], dict[str, Any]]] = {
    "show": _show,
    "log": _log,
    "diff": _diff,
    "edit": _edit,
    "apply": _apply,
    "soa": _soa,
    "serial": _serial,
    "restore": _restore,
    "sync": _sync,
}


# Parts.


def _state(registry: Registry, arguments: Arguments) -> ZoneState:
    name = arguments.name("name")
    state = registry.find(name)
    if state is None:
        raise ControlError(f"zone {name} is not served here", "`nw zone list` shows the zones.", "NO_ZONE")
    return state


def _current(state: ZoneState) -> Zone:
    if state.current is None:
        why = state.error or state.detail or state.condition
        raise ControlError(f"zone {state.source.name} has no data: {why}", code="NO_DATA")
    return state.current


def _changed(
    registry: Registry,
    state: ZoneState,
    arguments: Arguments,
    make: Callable[[ZoneState], Zone],
    why: str,
) -> dict[str, Any]:
    """Change the zone if it has the serial that the client expects, and return what has changed."""
    expected = arguments.optional_number("if_serial", 0, (1 << 32) - 1)
    if getattr(state.source, "kind", "") == "secondary":
        raise ControlError(
            f"zone {state.source.name} is a copy of that of its {state.source.place}",
            "Change it there; `nw zone refresh` then fetches it.",
            "SECONDARY",
        )

    def checked(present: ZoneState) -> Zone:
        serial = None if present.current is None else present.current.serial
        if expected is not None and serial != expected:
            raise ControlError(
                f"zone {present.source.name} has serial {serial}, not {expected}",
                "Somebody has changed it meanwhile: look at `nw zone log`, and begin again.",
                "CONFLICT",
            )
        return make(present)

    before = state.revision
    after = registry.edit(state.source.name, checked, _cause(arguments, why))
    return {**summary(after), "changed": after.revision != before}


def _cause(arguments: Arguments, why: str) -> Cause:
    return Cause(why, _user(arguments.uid), "control", arguments.optional_text("note") or "")


def _user(uid: int) -> str:
    import pwd

    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return f"uid {uid}"


def _chain(registry: Registry, state: ZoneState) -> Chain | None:
    if not registry.journal.exists:
        return None
    return registry.journal.store.chain(state.source.name.lower())


def _version(registry: Registry, state: ZoneState, arguments: Arguments) -> Zone:
    """Return the version with `serial`, the one that was served `at` a time, or the current one."""
    serial = arguments.optional_number("serial", 0, (1 << 32) - 1)
    if serial is not None:
        return _at_serial(registry, state, serial)
    at = arguments.given.get("at")
    if at is None:
        return _current(state)
    if isinstance(at, bool) or not isinstance(at, (int, float)):
        raise arguments.wrong("at", "a time in seconds since 1970")
    return _stored(registry, state, None, float(at), time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(at)))


def _at_serial(registry: Registry, state: ZoneState, serial: int) -> Zone:
    if state.current is not None and state.current.serial == serial:
        return state.current
    return _stored(registry, state, serial, None, f"serial {serial}")


def _stored(registry: Registry, state: ZoneState, serial: int | None, at: float | None, what: str) -> Zone:
    name, path = state.source.name, os.path.join(registry.journal.folder or "", "zones.sqlite3")
    if _chain(registry, state) is None:
        raise _no_version(path, name, "no changes are stored")
    store = registry.journal.store
    sequence = store.find(name.lower(), serial=serial, at=at)
    if sequence is None:
        raise _no_version(path, name, f"the history has nothing of {what}")
    return store.load(name.lower(), sequence)


def _no_version(path: str, name: str, why: str) -> ControlError:
    return ControlError(
        f"zone {name}: {why} in {path}", f"`nw zone log {name}` shows what there is.", "NO_VERSION"
    )


def _soa_of(zone: Zone) -> dict[str, str]:
    soa = zone.rrset(zone.name, "SOA")
    assert soa is not None, "every zone has one"
    return {"ttl": str(soa.ttl), **dict(zip(SOA_FIELDS, str(soa.rdatas[0]).split(" "), strict=True))}

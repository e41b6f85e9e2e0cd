"""`nw zone status`."""

from __future__ import annotations

from typing import Any

from namewise.cli.options import Options
from namewise.cli.zone.running import line, moment, request, show
from namewise.config.values import printable

HELP = """\
usage: nw zone status ZONE [--json] [--control PATH]

Show the state of a served zone: version, last change, what the state database keeps of it, and in full why its file could not be
loaded or merged; of a zone that is signed here its keys, and what they wait for (`nw dnssec rollover status` says more).

Exit codes: 0 done, 1 no such zone, 9 no server.

  $ nw zone status example.com
"""


def run(args: list[str]) -> int:
    """Show one zone."""
    parsed = Options(values=("--control",), flags=("--json",), words=(1, 1)).read(args)
    return show(parsed, request(parsed, "status", parsed.words[0]), _print)


def _print(zone: dict[str, Any]) -> None:
    print(line(zone))
    if zone["change"]:
        print(f"change: {zone['change']}")
    stored = zone["stored"]
    if stored is not None:
        newest = stored["newest"]
        if newest is not None:
            who = f" by {newest['who']}" if newest["who"] else ""
            print(f"newest entry: {newest['sequence']}, {newest['why']}{who}, {moment(newest['time'])}")
        print(
            f"history: {stored['history_octets']} of {stored['history_limit']} octets, {stored['entries_after_snapshot']} entries after "
            f"the snapshot, in {stored['path']}"
        )
        if stored["doubt"] is not None:
            print(f"changes are refused, because it is unknown what is on disk: {stored['doubt']}")
    if zone["of_catalog"] is not None:
        _print_catalog(zone["name"], zone["of_catalog"])
    if zone["secondary"] is not None:
        _print_secondary(zone["secondary"])
    for server in zone["notified"]:
        print(printable(f"notify {server['server']}: {_notified(server)}"))
    if zone["dnssec"] is not None:
        _print_dnssec(zone["dnssec"])
    if zone["error"]:
        print(printable(f"error: {zone['error']}"))


def _print_dnssec(signed: dict[str, Any]) -> None:
    keys = ", ".join(
        f"{key['role'].upper()} {key['id']}{' (retired)' if key['retired'] else ''}" for key in signed["keys"]
    )
    state = "signed" if signed["complete"] else "being signed"
    print(printable(f"dnssec: {state} by policy {signed['policy']}, {keys}"))
    if signed["first_expiration"]:
        print(f"next signature expiry: {moment(signed['first_expiration'])}")
    if signed["next_signature"]:
        print(f"signatures are renewed: {moment(signed['next_signature'])}")
    print(f"next key event: {moment(signed['next_event']) if signed['next_event'] else 'none is planned'}")
    for notice in signed["notices"]:
        print(printable(f"{notice['severity']}: {notice['text']}"))
    if signed["error"]:
        print(printable(f"error: {signed['error']}"))


def _print_catalog(name: str, catalog: dict[str, Any]) -> None:
    members = catalog["members"]
    print(f"catalog zone ({catalog['role']}) with {len(members)} members{':' if members else ''}")
    for member in members:
        print(printable(f"  {member}"))
    if catalog["error"]:
        print(printable(f"not applied: {catalog['error']}"))
    for doubt in catalog["doubts"]:
        print(printable(f"doubt: {doubt}"))
    if catalog["waiting"]:
        waiting = ", ".join(catalog["waiting"])
        print(printable(f"would be removed or reset by `nw zone refresh {name} --remove`: {waiting}"))


def _print_secondary(state: dict[str, Any]) -> None:
    if state["confirmed"] is not None:
        by = "" if state["confirmed_by"] is None else f" by {state['confirmed_by']}"
        print(f"confirmed{by}: {moment(state['confirmed'])}, expires {moment(state['expires'])}")
    print("the primaries are being asked" if state["checking"] else f"next check: {moment(state['due'])}")
    for primary in state["primaries"]:
        if primary["checked"] is None:
            found = "not asked yet"
        else:
            serial = "" if primary["serial"] is None else f"serial {primary['serial']}, "
            found = f"{serial}{primary['error'] or 'in order'}, asked {moment(primary['checked'])}"
        print(printable(f"primary {primary['primary']}: {found}"))


def _notified(server: dict[str, Any]) -> str:
    if server["error"]:
        return str(server["error"])
    if server["due"] is not None:
        return f"serial {server['serial']}, not answered yet"
    return f"serial {server['serial']}, acknowledged {moment(server['acknowledged'])}"

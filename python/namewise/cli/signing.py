"""`nw dnssec keys`, `rollover status`, `rollover start` and `ds` for the zones of a running server; the help is that of `nw dnssec`."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from namewise.cli.ctl import ask, name
from namewise.cli.failure import Failure
from namewise.cli.options import Options

if TYPE_CHECKING:
    from collections.abc import Callable

    from namewise.cli.options import Parsed

DIFFERS = 3
_DS = Options(values=("--control",), flags=("--check-parent", "--json"), words=(1, 1))


def keys(parsed: Parsed) -> int:
    """List the keys of a zone."""
    return _show(parsed, _request(parsed, "status"), _print_keys)


def status(parsed: Parsed) -> int:
    """Print the keys of a zone with the states of their records, and what they wait for."""
    return _show(parsed, _request(parsed, "status"), _print_status)


def start(parsed: Parsed) -> int:
    """Begin a roll-over."""
    ignored, role = parsed.one("--ignored"), parsed.one("--role")
    if (ignored is None) == (role is None):
        raise Failure("set --role (csk, ksk or zsk), or --ignored KEY")
    if ignored is not None:
        found = _request(parsed, "ignored", key=ignored)
        said = f"{ignored}: its DS counts as refused by the parent"
    else:
        found = _request(parsed, "start", role=role, emergency="--emergency" in parsed)
        said = f"{found['zone']} rolls its {(role or '').upper()} over"
    return _show(parsed, found, lambda _: print(said))


def ds(args: list[str]) -> int:
    """Print the DS records that the parent is to have, and compare them with those that it has."""
    parsed = _DS.read(args)
    check = "--check-parent" in parsed
    found = _request(parsed, "parent" if check else "status")
    wanted = [key["ds"] for key in found["keys"] if key["ds"] and key["records"]["DS"][0] in _WANTED]
    servers = found["parent"]["servers"] if check else {}
    unlike = {server: shown for server, shown in servers.items() if shown is None or _differs(shown, wanted)}
    report = {
        "ok": not unlike,
        "zone": found["zone"],
        "ds": wanted,
        "parent": servers if check else None,
        "differs": sorted(unlike),
    }
    if "--json" in parsed:
        print(json.dumps(report, indent=2))
    else:
        for one in wanted:
            print(f"{found['zone']} IN DS {one}")
        for server, shown in servers.items():
            if shown is None:
                print(f"{server}: no usable reply")
            else:
                same = "the same" if server not in unlike else ", ".join(shown) or "no DS"
                print(f"{server}: {same}")
    return DIFFERS if unlike else 0


_WANTED = ("rumoured", "omnipresent")


def _differs(shown: list[str], wanted: list[str]) -> bool:
    """Return whether the keys that the parent names are others than those that it is to name; digests may differ."""
    return {tuple(one.split()[:2]) for one in shown} != {tuple(one.split()[:2]) for one in wanted}


def _request(parsed: Parsed, do: str, **args: Any) -> dict[str, Any]:
    return ask(parsed.one("--control"), "signing", {"do": do, "name": name(parsed.words[0]), **args})


def _show(parsed: Parsed, found: dict[str, Any], printer: Callable[[dict[str, Any]], object]) -> int:
    if "--json" in parsed:
        print(json.dumps({"ok": True, **found}, indent=2))
    else:
        printer(found)
    return 0


def _print_keys(found: dict[str, Any]) -> None:
    for key in found["keys"]:
        words = ("foreign", "retired")
        state = next((word for word in words if key[word]), "active" if key["active"] else "new")
        print(f"{key['id']} {key['role']}: {state}")


def _print_status(found: dict[str, Any]) -> None:
    from namewise.cli.rollover import print_tree, when

    print(f"policy {found['policy']}, {'signed' if found['complete'] else 'being signed'}")
    print_tree(found)
    if found["next_step"]:
        print(f"next step {when(found['next_step'])}")
    if found["first_expiration"]:
        print(f"next signature expiry {when(found['first_expiration'])}")
    for notice in found["notices"]:
        print(f"{notice['severity']}: {notice['text']}")
    if found["error"]:
        print(f"error: {found['error']}")

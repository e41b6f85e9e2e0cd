"""`nw policy test`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from namewise.cli.failure import Failure
from namewise.cli.options import Options, verb

if TYPE_CHECKING:
    from namewise.cli.options import Parsed

HELP = """\
usage: nw policy test NAME [--client ADDRESS] [--key NAME] [--config FILE] [--json]
       nw policy test NAME --running [--control PATH] [...]

Show what the lists and response policy zones do with queries for a name: every line that holds the name, with list,
file and line; the rules that apply to the client, in the order of precedence; and the action of the first one.

The lists are those of the configuration; no server is needed. With --running, they are those that the
running server has in use, with its pauses. Rules for addresses in answers need the answer: nw explain NAME shows them.

  --client ADDRESS   the client that asks (default: 127.0.0.1)
  --key NAME         the TSIG key of its request
  --config FILE      the configuration (default: that of nw serve)
  --running          ask the running server; --control PATH selects its socket
  --json             one JSON object: name, client, action, winner, rules[], held[], waits[]

Exit codes: 0 no rule changes answers for the name, 1 wrong usage, 2 errors in the configuration or a list, 3 a rule
changes them, 9 no running server at the control socket.

  $ nw policy test ads.example.com --client 192.0.2.7
"""

CHANGED = 3
UNCHANGED = ("none", "passthru")


def run(args: list[str]) -> int:
    """Run the sub-command."""
    verb(args, ("test",))
    values = ("--client", "--key", "--config", "--control")
    parsed = Options(values=values, flags=("--json", "--running"), words=(1, 1)).read(args[1:])
    return test(parsed)


def test(parsed: Parsed) -> int:
    """Print what the lists do with a name."""
    from namewise.cli.ctl import ask, name

    asked = name(parsed.words[0])
    client, key = parsed.one("--client") or "127.0.0.1", parsed.one("--key")
    key = None if key is None else name(key)
    if "--running" in parsed:
        wanted = {"do": "test", "name": asked, "client": client, "key": key}
        found = ask(parsed.one("--control"), "policy", wanted)
    else:
        found = _configured(parsed, asked, client, key)
    if "--json" in parsed:
        import json

        print(json.dumps(found, indent=2))
    else:
        _show(found)
    return 0 if found["action"] in UNCHANGED else CHANGED


def _configured(parsed: Parsed, asked: str, client: str, key: str | None) -> dict[str, Any]:
    import ipaddress

    from namewise.cli.config import BAD_CONFIG, _file, _load
    from namewise.policy.lists import refresh
    from namewise.policy.report import verdict

    try:
        ipaddress.ip_address(client)
    except ValueError:
        raise Failure(f"--client {client!r} is not an IP address") from None
    given = parsed.one("--config")
    loaded = _load(_file([given] if given else []), as_json="--json" in parsed)
    lists = refresh(loaded.config)
    if lists.failures:
        raise Failure("\n".join(text for _, text, _ in lists.failures), code=BAD_CONFIG)
    return verdict(lists, asked, client, key)


def _show(found: dict[str, Any]) -> None:
    print(f"{found['name']} asked by {found['client']}: {found['action']}")
    for rule in found["rules"]:
        mark = "*" if rule == found["winner"] else " "
        logged = ", log only" if rule["log_only"] else ""
        print(f"{mark} list {rule['list']}: {rule['action']}{logged}, by a rule for {rule['trigger']}")
    for line in found["held"]:
        print(f"  {line['file']}:{line['line']}: {line['listed']} {line['rule']} (list {line['list']})")
    if not found["held"]:
        print("  no list holds the name")
    for name in found["waits"]:
        print(f"  list {name} has rules for addresses in answers: nw explain {found['name']} shows them")

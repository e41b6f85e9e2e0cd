"""`nw policy test`, `nw policy check`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from namewise.cli.failure import Failure
from namewise.cli.options import Options, verb

if TYPE_CHECKING:
    from namewise.cli.options import Parsed

HELP = """\
usage: nw policy test NAME [--client ADDRESS] [--key NAME] [--type TYPE] [--alias NAME ...] [--answer ADDRESS ...]
                      [--server NAME[=ADDRESS] ...] [--config FILE] [--json]
       nw policy test NAME --running [--control PATH] [...]
       nw policy check [--config FILE] [--json]

test: show what the lists and response policy zones do with queries for a name: every line that holds the name, with list,
file and line; the rules that apply, in the order of precedence, with file and line; and the action of the first one.

The lists are those of the configuration; no server is needed. With --running, they are those that the
running server has in use, with its pauses. Lists apply to every name of an alias chain, and to the addresses at its end:
the server looks NAME up to find them, unless a rule for NAME decides before or --alias, --answer or --server is given.
Without --running, nothing is looked up. Rules about name servers (rpz-nsdname, rpz-nsip) apply to the servers in the cache of
the running server, or to those of --server; where neither has any, the output says that they were not judged.

check: read each list, and show its errors, its lines without effect and doubtful rules, with file and line.

  --client ADDRESS   the client that asks (default: 127.0.0.1)
  --key NAME         the TSIG key of its request
  --type TYPE        the type of the query: a rule with records of other types only is nodata
  --alias NAME       the target of an alias: of NAME, or of the --alias before it
  --answer ADDRESS   an address in the answer, of the last alias
  --server NAME[=ADDRESS]  a name server of the zone of NAME, with an address of it
  --config FILE      the configuration (default: that of nw serve)
  --running          ask the running server; --control PATH selects its socket
  --json             one JSON object: name, client, chain[], action, winner, rules[], held[], waits[],
                     unjudged[]; check: lists[]

Exit codes: 0 no rule changes answers for the name, 1 wrong usage, 2 errors in the configuration or a list, 3 a rule
changes them, 9 no running server at the control socket.

  $ nw policy test ads.example.com --client 192.0.2.7
  $ nw policy test www.example.com --type A --answer 198.51.100.7 --server ns.example.net=198.51.100.53
"""

CHANGED = 3
UNCHANGED = ("none", "passthru")


def run(args: list[str]) -> int:
    """Run the sub-command."""
    if verb(args, ("test", "check")) == "check":
        return check(Options(values=("--config",), flags=("--json",)).read(args[1:]))
    values = ("--client", "--key", "--type", "--alias", "--answer", "--server", "--config", "--control")
    parsed = Options(values=values, flags=("--json", "--running"), words=(1, 1)).read(args[1:])
    return test(parsed)


def test(parsed: Parsed) -> int:
    """Print what the lists do with a name."""
    from namewise.cli.ctl import ask, name, rtype

    running = "--running" in parsed
    if running and parsed.one("--config") is not None:
        raise Failure("--running and --config exclude each other", hint="The server has read its lists.")
    if not running and parsed.one("--control") is not None:
        raise Failure("--control is for --running", hint="nw policy test NAME --running --control PATH")
    asked = name(parsed.words[0])
    key, answer = parsed.one("--key"), [_address("--answer", text) for text in parsed.all("--answer")]
    wanted = {
        "name": asked,
        "client": _address("--client", parsed.one("--client") or "127.0.0.1"),
        "key": None if key is None else name(key),
        "type": rtype(parsed.values.get("--type", [])[-1:]),
        "aliases": " ".join(map(name, parsed.all("--alias"))) or None,
        "answer": " ".join(answer) or None,
        "servers": " ".join(map(_server, parsed.all("--server"))) or None,
    }
    found = (
        ask(parsed.one("--control"), "policy", {"do": "test", **wanted})
        if running
        else _configured(parsed, wanted)
    )
    if "--json" in parsed:
        import json

        print(json.dumps(found, indent=2))
    else:
        _show(found)
    return 0 if found["action"] in UNCHANGED else CHANGED


def check(parsed: Parsed) -> int:
    """Print what is wrong with the lists."""
    from namewise.cli.config import BAD_CONFIG, _file, _load
    from namewise.cli.progress import Progress
    from namewise.policy.lists import check

    given = parsed.one("--config")
    as_json = "--json" in parsed
    loaded = _load(_file([given] if given else [], "--config FILE"), as_json=as_json)
    with Progress("reading the lists"):
        reports = [check(settings) for settings in loaded.config.list]
    failed = sum(report["error"] is not None for report in reports)
    if not as_json:
        for report in reports:
            _show_report(report)
    if failed:
        what = f"{failed} of {len(reports)} list{'' if len(reports) == 1 else 's'}"
        raise Failure(f"{what} cannot be read", code=BAD_CONFIG, report={"lists": reports})
    if as_json:
        import json

        print(json.dumps({"lists": reports}, indent=2))
    elif not reports:
        print("no lists")
    return 0


def _show_report(report: dict[str, Any]) -> None:
    from namewise.config.values import printable

    name = report["name"]
    if report["error"] is not None:
        print(printable(f"list {name} cannot be read:\n{report['error']}"))
        return
    rules, lines = report["rules"], len(report["without_effect"])
    said = f", {lines} line{'' if lines == 1 else 's'} without effect" if lines else ""
    print(f"list {name}: {rules} rule{'' if rules == 1 else 's'}{said}")
    for line in report["without_effect"]:
        print(printable(line))
    for line in report["warnings"]:
        print(f"warning: {printable(line)}")


def _address(flag: str, text: str) -> str:
    import ipaddress

    try:
        return str(ipaddress.ip_address(text))
    except ValueError:
        raise Failure(f"{flag} {text!r} is not an IP address") from None


def _server(text: str) -> str:
    """Return `NAME` or `NAME=ADDRESS` with an absolute name."""
    from namewise.cli.ctl import name

    server, equals, address = text.partition("=")
    return f"{name(server)}={_address('--server', address)}" if equals else name(server)


def _configured(parsed: Parsed, wanted: dict[str, Any]) -> dict[str, Any]:
    from namewise.cli.config import BAD_CONFIG, _file, _load
    from namewise.cli.progress import Progress
    from namewise.policy.lists import refresh
    from namewise.policy.report import Question, check_key, verdict

    given = parsed.one("--config")
    loaded = _load(_file([given] if given else [], "--config FILE"), as_json="--json" in parsed)
    try:
        check_key(loaded.config, wanted["key"])
    except ValueError as error:
        raise Failure(f"--key: {error}") from None
    progress = Progress("reading the lists")

    def show(text: str) -> None:
        progress.what = f"reading {text.split(' after ')[0]}"

    with progress:
        lists = refresh(loaded.config, show=show)
    if lists.failures:
        raise Failure("\n".join(failure.text() for failure in lists.failures), code=BAD_CONFIG)
    answer, aliases, servers = ((wanted[key] or "").split() for key in ("answer", "aliases", "servers"))
    pairs = tuple((server.split("=")[0], tuple(server.split("=")[1:])) for server in servers)
    question = Question(
        wanted["name"], wanted["client"], wanted["key"], wanted["type"], tuple(answer), tuple(aliases), pairs
    )
    return verdict(lists, question)


def _show(found: dict[str, Any]) -> None:
    from namewise.cli.ctl import pauses

    name, chain, winner = found["name"], found["chain"], found["winner"]

    def link(rule: dict[str, Any]) -> str:
        return "" if rule["name"] == name else f", for {rule['name']}, a target of its aliases"

    print(f"{name} asked by {found['client']}: {found['action']}{link(winner) if winner else ''}")
    for line in pauses(found.get("paused", {})):
        print(f"  {line}")
    if len(chain) > 1:
        print(f"  aliases: {' -> '.join(chain)}")
    for rule in found["rules"]:
        mark = "*" if rule == winner else " "
        logged = ", log only" if rule["log_only"] else ""
        place = "" if rule["file"] is None else f" ({rule['file']}:{rule['line']})"
        trigger = f"by a rule for {rule['trigger']}{place}{link(rule)}"
        print(f"{mark} list {rule['list']}: {rule['action']}{logged}, {trigger}")
    for line in found["held"]:
        print(f"  {line['file']}:{line['line']}: {line['listed']} {line['rule']} (list {line['list']})")
    if not found["held"]:
        print(f"  no list holds {'the name' if len(chain) == 1 else 'a name of the chain'}")
    looked_up = found.get("looked_up")
    if looked_up in (None, "NOERROR", "NXDOMAIN"):
        if found["action"] == "none" and looked_up is None and len(chain) == 1:
            print(
                "  the targets of its aliases were not looked up: --running does so, and --alias names them"
            )
    else:
        print(
            f"  its aliases and addresses are not known, since the lookup failed: {looked_up}; see nw explain {name}"
        )
    for listed in found["unjudged"]:
        print(
            f"  the rules of list {listed} about name servers were not judged, since no name server of {name} is known: "
            f"--server NAME=ADDRESS gives one{'' if looked_up else ', and --running takes those in the cache of the server'}"
        )
    for listed in found["waits"]:
        print(
            f"  list {listed} has rules for addresses in answers or for name servers: --answer and --server test them, "
            f"and nw explain {name} shows them"
        )

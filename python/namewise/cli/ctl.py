"""`nw ctl`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from namewise.cli.failure import Failure, WrongUsage
from namewise.cli.options import Options
from namewise.cli.progress import Progress
from namewise.config.values import printable

if TYPE_CHECKING:
    from collections.abc import Iterator

    from namewise.cli.options import Parsed

HELP = """\
usage: nw ctl [--json] [--control PATH] VERB
       nw ctl status
       nw ctl resolver
       nw ctl reload [--remove]
       nw ctl flush [NAME] [--tree] [--type TYPE] [--negative|--bogus|--failures]
       nw ctl cache get NAME [TYPE]
       nw ctl cache dump [FILE]
       nw ctl cache load FILE
       nw ctl anchors
       nw ctl nta add NAME [--lifetime TIME] | nta remove NAME | nta list
       nw ctl policy status|reload
       nw ctl policy pause TIME [--group GROUP]
       nw ctl policy resume [--group GROUP]
       nw ctl rrl
       nw ctl detect
       nw ctl stop

Control the running server over its control socket. --control PATH selects the socket; `nw serve --help` shows the
default.

status      show addresses, zones with their serials and errors, and counters
resolver    show root hints, forwarders with their response time and state, and the servers that are not asked for a
            while: why, and when they are tried again
reload      read configuration and zones again and print the changes. If the configuration has errors,
            nothing changes. A zone that cannot be loaded keeps its last valid version. --remove: remove the
            zones whose files are gone, even if they are all that a [[template]] had, or many of them
flush       remove everything from the cache: answers, failures, delegations, data about name servers.
            With NAME only answers, failures and delegations of NAME; with --tree also those of all names
            below NAME. --type removes the entries of one type and those that deny the name, --negative those
            that deny a name or type, --bogus data that failed validation, --failures failed lookups
cache get   show the cached answers for NAME: state, age, remaining TTL, whether expired, credibility, validation,
            the server they are from, data
cache dump  write the cache as text, to FILE or the standard output: records, with a comment on the origin of each
cache load  take the entries of such a text into the cache; what the server has learned since stays
anchors     show the trust anchors: for each key its state (RFC 5011), since when, and what happens to it next
nta         negative trust anchors (RFC 7646): validate nothing at and below NAME for TIME (default 1h, at most 7d).
            One ends by itself, or as soon as the zone validates again, which is tried every five minutes. It
            survives a restart
policy      show the lists with their rules, memory and counters; read changed lists again; let no list apply
            for some time (10m, 1h30m), to the clients of one group or to all; end such a pause. A list that
            cannot be read keeps its last version
rrl         show the response rate limit: use of its table, responses dropped and truncated, limited networks
detect      show the domains that look most like tunnels now, with every feature, and what is done about them
stop        let queries in progress finish, then end the server

nw ctl also accepts these verbs of rndc and unbound-control: reconfig, flushname, flushtree, flush_zone.

With --json every verb prints the reply of the server as one JSON object. If the verb fails, the object has "ok": false
and "error".

Exit codes: 0 done, 1 wrong usage or a refused request, 3 a refused reload: nothing has changed, 4 reloaded,
but a zone could not be loaded, 9 no server.

  $ nw ctl status
  $ nw ctl flush example.com --tree
  $ nw ctl cache get www.example.com AAAA
"""

REFUSED_RELOAD = 3
KEPT = "Nothing has changed; the server keeps its former configuration."
ZONES_FAILED = 4
NO_SERVER = 9
VERBS = (
    "status",
    "resolver",
    "reload",
    "flush",
    "cache",
    "policy",
    "anchors",
    "nta",
    "rrl",
    "detect",
    "stop",
)
# Verbs of other servers' tools: the verb here, and whether it includes the names below.
ALIASES = {
    "reconfig": ("reload", False),
    "flushname": ("flush", False),
    "flushtree": ("flush", True),
    "flush_zone": ("flush", True),
}
ONLY = ("negative", "bogus", "failures")
OF_VERB = {
    "--group": ("policy", "nw ctl policy pause TIME --group GROUP"),
    "--lifetime": ("nta", "nw ctl nta add NAME --lifetime 1h"),
    "--type": ("flush", "nw ctl flush NAME --type TYPE"),
    "--remove": ("reload", "nw ctl reload --remove"),
    "--tree": ("flush", "nw ctl flush NAME --tree"),
    **{f"--{kind}": ("flush", f"nw ctl flush NAME --{kind}") for kind in ONLY},
}
"""The options of one verb, and how they are used."""
_OPTIONS = Options(
    values=("--control", "--group", "--lifetime", "--type"),
    flags=("--json", "--remove", "--tree", *(f"--{kind}" for kind in ONLY)),
    words=(1, 4),
)


def run(args: list[str]) -> int:
    """Run the verb."""
    parsed = _OPTIONS.read(args)
    said, words = parsed.words[0], parsed.words[1:]
    verb, tree = ALIASES.get(said, (said, False))
    if verb not in VERBS:
        from namewise.config.values import nearest

        guess = nearest(verb, [*VERBS, *ALIASES])
        hint = (
            f"Did you mean {guess}?" if guess else f"Known are {', '.join(VERBS)}; nw ctl --help says more."
        )
        raise Failure(f"no verb {verb!r}", hint=hint)
    for option, (of, usage) in OF_VERB.items():
        if verb != of and (option in parsed or parsed.one(option) is not None):
            raise Failure(f"{said} has no option {option}", hint=f"{option} is for {of}: {usage}")
    if verb == "nta":
        return _print(parsed, "nta", _nta(words, parsed.one("--lifetime")), _negative)
    if verb == "flush":
        wanted = _flushed(said, words, tree or "--tree" in parsed)
        only = [kind for kind in ONLY if f"--{kind}" in parsed]
        if len(only) > 1:
            raise Failure(f"--{only[0]} and --{only[1]} exclude each other", hint="Flush twice.")
        given = parsed.one("--type")
        wanted["type"] = None if given is None else rtype([given])
        wanted["only"] = only[0] if only else None
        return _print(parsed, "flush", wanted, lambda answer: _flush(wanted, answer))
    if verb == "cache":
        if words[:1] == ["dump"] and len(words) < 3:
            return _dump(parsed, words[1:])
        if words[:1] == ["load"] and len(words) == 2:
            return _load(parsed, words[1])
        if words[:1] != ["get"] or len(words) < 2:
            hint = "nw ctl cache get NAME [TYPE], cache dump [FILE], cache load FILE"
            raise WrongUsage("cache needs get and a name, dump, or load and a file", hint=hint)
        return _print(parsed, "cache", {"name": name(words[1]), "type": rtype(words[2:])}, _cache)
    if verb == "policy":
        return _print(parsed, "policy", _policy_wanted(words, parsed.one("--group")), _policy)
    if words:
        raise Failure(f"{said} takes no argument")
    printers = {
        "status": _status,
        "resolver": _resolver,
        "reload": _reload,
        "anchors": anchors,
        "rrl": _rrl,
        "detect": _detect,
        "stop": _stop,
    }
    wanted = {"remove": True} if "--remove" in parsed else {}
    return _print(parsed, verb, wanted, printers[verb])


def _policy_wanted(words: list[str], group: str | None) -> dict[str, Any]:
    """Return the arguments of the verb policy, or raise `Failure` for a command line without meaning."""
    do, rest = (words[0], words[1:]) if words else ("", [])
    if do not in ("status", "reload", "pause", "resume") or len(rest) != (do == "pause"):
        raise WrongUsage("policy needs status, reload, pause TIME or resume")
    wanted: dict[str, Any] = {"do": do}
    if group is not None:
        if do not in ("pause", "resume"):
            raise Failure(f"policy {do} has no option --group", hint="--group is for pause and resume")
        wanted["group"] = group
    if do == "pause":
        from namewise.control.verbs.policy import MOST_PAUSE_S

        wanted["seconds"] = _time(rest[0], repr(rest[0]), MOST_PAUSE_S, "nw ctl policy pause 10m")
    return wanted


def _flushed(said: str, words: list[str], tree: bool) -> dict[str, Any]:
    """Return the arguments of a flush, or raise `Failure` for a command line without meaning."""
    if not words and (tree or said != "flush"):
        what = "--tree" if said == "flush" else said
        raise Failure(
            f"{what} needs a name: nw ctl flush NAME{' --tree' if tree else ''}",
            hint="nw ctl flush without a name removes all answers.",
        )
    if len(words) > 1:
        from namewise.engine import type_value

        try:
            type_value(words[1])
        except ValueError:
            raise Failure("flush takes one name at a time") from None
        raise Failure(
            f"flush takes the type as an option ({words[1]})",
            hint=f"nw ctl flush {words[0]} --type {words[1]}",
        )
    return {"name": name(words[0]) if words else None, "below": tree}


def ask(path: str | None, verb: str, args: dict[str, Any], body: bytes = b"") -> dict[str, Any]:
    """Return the answer of the server on the socket *path* (None: the default), or raise `Failure` with its exit code."""
    from namewise.config.paths import control_socket
    from namewise.control.client import ControlError, call

    try:
        return call(path or control_socket(), verb, args, body=body)
    except ControlError as error:
        code = REFUSED_RELOAD if verb == "reload" else 1
        if error.code in ("NO_SERVER", "TIMEOUT"):
            code = NO_SERVER
        hint = error.hint
        if code == REFUSED_RELOAD and error.code != "INTERNAL":
            hint = f"{hint}\n{KEPT}" if hint else KEPT
        raise Failure(str(error), hint=hint, code=code) from None


def name(text: str) -> str:
    """Return *text* as an absolute name, or raise `Failure` with the bad label marked."""
    from namewise.cli.failure import bad_name
    from namewise.engine import Name
    from namewise.engine.errors import BadName

    try:
        return str(Name(text))
    except BadName as error:
        raise bad_name(error) from None


def rtype(words: list[str]) -> str | None:
    """Return the type in *words*, None if there is none, or raise `Failure`."""
    from namewise.config.values import nearest
    from namewise.engine import registry, type_name, type_value

    if not words:
        return None
    try:
        return type_name(type_value(words[0]))
    except ValueError:
        guess = nearest(words[0], [str(known).lower() for known in registry("types").values()])
        hint = f"Did you mean {guess.upper()}?" if guess else ""
        raise Failure(f"{words[0]!r} is not a record type", hint=hint) from None


def _print(parsed: Parsed, verb: str, args: dict[str, Any], printer: Any) -> int:
    with Progress(verb):
        answer = ask(parsed.one("--control"), verb, args)
    if "--json" not in parsed:
        printer(answer)
    zones, lists = answer.get("failures", []), answer.get("list_failures", [])
    if verb == "policy":
        zones, lists = [], zones
    failed = [
        f"{len(found)} {what}{'' if len(found) == 1 else 's'}"
        for what, found in (("zone", zones), ("list", lists))
        if found
    ]
    if failed:
        text = "\n".join([f"{' and '.join(failed)} could not be loaded", *zones, *lists])
        raise Failure(text, code=ZONES_FAILED, report=answer)
    if "--json" in parsed:
        import json

        print(json.dumps(answer, indent=2))
    return 0


def _status(answer: dict[str, Any]) -> None:
    up = _seconds(answer["uptime_s"])
    print(f"running: pid {answer['pid']}, up {up}, generation {answer['generation']}")
    print(f"workers: {answer['workers']}")
    print(f"configuration: {', '.join(answer['files']) or 'flags'}")
    print(f"listening: {', '.join(answer['listen'])}")
    print(f"recursion: {'on' if answer['recursion'] else 'off'}")
    for zone in answer["zones"]:
        data = f"serial {zone['serial']}, {zone['records']} records"
        if zone["condition"] != "loaded":
            data = f"{zone['condition']}, answered SERVFAIL"
        print(f"zone {zone['name']} {data}, from {zone['place']}")
        if zone["error"]:
            print(f"  the last attempt to load it failed: {printable(zone['error'])}")
    for one in answer["lists"]:
        print(_list_line(one))
    if answer["local_root"] is not None:
        print(_local_root(answer["local_root"]))
    for key, value in sorted(answer["stats"].items()):
        if value and key not in answer:
            print(f"{key}: {value}")


def _local_root(root: dict[str, Any]) -> str:
    """Return the state of the local copy of the root in one line."""
    if not root["used"]:
        return f"local root: not used, the root servers are asked: {printable(root['why'])}"
    digest = f"{root['digest']} digest verified" if root["digest"] else "no ZONEMD record"
    times = f"confirmed {_moment(root['confirmed'])}, expires {_moment(root['expires'])}"
    return f"local root: serial {root['serial']}, {root['records']} records, from {root['source']}, {digest}, {times}"


def _detect(answer: dict[str, Any]) -> None:
    for what in ("tunnels", "amplification"):
        print(f"{what}: {answer[what] or f'not watched; the table [{what}] of the configuration enables it'}")
    for count in ("refused", "truncated", "dropped"):
        if answer[count]:
            print(f"{count}: {answer[count]}")
    for domain in answer["domains"]:
        print(printable(domain))


def _resolver(answer: dict[str, Any]) -> None:
    print(f"root hints: {len(answer['hints'])} servers")
    for difference in answer["hint_differences"]:
        print(f"  {difference}")
    for forward in answer["forward"]:
        print(f"forward {forward['suffix']} {_forward(forward)}")
        for server in forward["state"]:
            print(f"  {_server(server)}")
    for server in answer["resting"]:
        print(f"resting: {_server(server)}")
    for server in answer["lame"]:
        again = f"tried again in {server['next_probe_s']} s"
        print(f"not used for {server['zone']}: {server['server']} {server['trouble']}, {again}")


def _forward(forward: dict[str, Any]) -> str:
    """Return what a forward does, in words."""
    if not forward["servers"]:
        return "is an exception: resolved from the root"
    if forward["authoritative"]:
        return "stub, primed from its own name servers" if forward["prime"] else "stub"
    race = f", {forward['race']} at once" if forward["race"] > 1 else ""
    return f"{'first, then the root servers' if forward['fallback'] else 'only'}{race}"


def _server(server: dict[str, Any]) -> str:
    """Return the state of a server in one line."""
    rtt = server["rtt_us"]
    parts = [str(server["server"]), "no response yet" if rtt is None else f"{rtt / 1000:.1f} ms"]
    if server["trouble"]:
        count = server["timeouts"]
        parts.append(f"{server['trouble']}{f' x{count}' if count > 1 else ''}")
    if server["next_probe_s"] is not None:
        parts.append(f"tried again in {server['next_probe_s']} s")
    return ", ".join(parts)


def _seconds(seconds: float) -> str:
    days, rest = divmod(int(seconds), 86400)
    return f"{f'{days}d ' if days else ''}{rest // 3600:02}:{rest // 60 % 60:02}:{rest % 60:02}"


def _reload(answer: dict[str, Any]) -> None:
    changes = answer["changes"]
    count = f"{len(changes) or 'no'} change{'' if len(changes) == 1 else 's'}"
    print(f"reloaded, generation {answer['generation']}: {count}")
    for change in changes:
        print(f"  {change}")
    for warning in answer["warnings"]:
        print(f"warning: {printable(warning)}")


def _flush(wanted: dict[str, Any], answer: dict[str, Any]) -> None:
    count = answer["flushed"]
    what = f" of {wanted['name']}{' and below' if wanted['below'] else ''}" if wanted["name"] else ""
    what += f", type {wanted['type']}" if wanted["type"] else ""
    what += f", only {wanted['only']}" if wanted["only"] else ""
    print(f"removed from the cache{what}: {count} entr{'y' if count == 1 else 'ies'}")


def _nta(words: list[str], lifetime: str | None) -> dict[str, Any]:
    """Return the arguments of `nta`, or raise `Failure`."""
    action, names = (words or ["list"])[0], words[1:]
    wanted = {"add": 1, "remove": 1, "list": 0}.get(action)
    if wanted is None or len(names) != wanted or (lifetime is not None and action != "add"):
        raise WrongUsage(
            f"nta: {' '.join(words)!r} is not understood",
            hint="nw ctl nta add NAME [--lifetime TIME], nw ctl nta remove NAME or nw ctl nta list",
        )
    arguments: dict[str, Any] = {"action": action}
    if names:
        arguments["name"] = name(names[0])
    if lifetime is not None:
        from namewise.dnssec.negative import MOST_LIFETIME_S

        arguments["lifetime_s"] = int(_time(lifetime, "--lifetime", MOST_LIFETIME_S, ""))
    return arguments


def _time(text: str, what: str, most_s: float, hint: str) -> float:
    """Return the time *text* in seconds, from 1 to *most_s*, or raise `Failure`. A number without a unit counts seconds."""
    from namewise.config.values import duration_ms, duration_text

    try:
        seconds = duration_ms(int(text) if text.isdigit() else text) / 1000
    except ValueError as error:
        raise Failure(f"{what}: {error}", hint=hint) from None
    if not 1 <= seconds <= most_s:
        raise Failure(f"{what}: must be from 1s to {duration_text(round(most_s * 1000))}", hint=hint)
    return seconds


def _negative(answer: dict[str, Any]) -> None:
    for configured in answer["configured"]:
        print(f"{configured} without end, from the configuration")
    for one in answer["added"]:
        print(f"{one['name']} until {_moment(one['until'])}")
    if not answer["configured"] and not answer["added"]:
        print("no negative trust anchors")


def anchors(answer: dict[str, Any]) -> None:
    """Print the trust anchors."""
    if not answer["points"]:
        print("no trust anchors: nothing is validated")
    for point in answer["points"]:
        checked = f"keys seen {_moment(point['checked'])}" if point["checked"] else "keys not seen yet"
        if point["failure"]:
            checked += f", the last query failed: {point['failure']}"
        following = f"{checked}, next query {_moment(point['due'])}" if answer["follows"] else "not followed"
        print(f"{point['zone']} {following}")
        if point["deleted"]:
            print("  all keys are revoked: nothing below is validated")
        elif not point["usable"]:
            print("  no trust anchor is supported: nothing below is validated")
        for key in point["keys"]:
            since = f" since {_moment(key['since'])}" if key["since"] else ""
            after = f", {key['next']} after {_moment(key['at'])}" if key["next"] else ""
            ignored = f", ignored: {key['unsupported']}" if key["unsupported"] else ""
            print(f"  key {key['tag']} (algorithm {key['algorithm']}): {key['state']}{since}{after}{ignored}")


def _moment(seconds: int) -> str:
    import time

    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(seconds))


def _cache(answer: dict[str, Any]) -> None:
    if not answer["entries"]:
        print("not in the cache")
    for entry in answer["entries"]:
        kept = f"age {entry['age_s']} s, " + (
            "expired" if entry["stale"] else f"{entry['ttl_left_s']} s left"
        )
        kept += f", {entry['validation']}, {entry['credibility']}"
        kept += f", from {entry['server']}" if entry["server"] else ""
        kept += f", view {entry['view']}" if entry["view"] else ""
        print(f"{entry['name']} {entry['type'] or 'any type'}: {entry['state']}, {kept}")
        for rrset in entry["records"]:
            print("\n".join(f"  {line}" for line in rrset.splitlines()).replace("\t", " "))


def _policy(answer: dict[str, Any]) -> None:
    for one in answer["lists"]:
        print(_list_line(one))
    if not answer["lists"]:
        print("no lists")
    if answer.get("ended") is False:
        print("no pause has ended: there was none for these clients; --group GROUP ends the pause of a group")
    print("".join(f"{line}\n" for line in pauses(answer["paused"])), end="")


def pauses(paused: dict[str, int]) -> list[str]:
    """Return a line about each pause of the lists."""
    who = {group: "all clients" if group == "*" else f"the group {group}" for group in paused}
    return [f"paused for {who[group]}: {seconds} s left" for group, seconds in paused.items()]


def _list_line(one: dict[str, Any]) -> str:
    error = ""
    if one["error"]:
        lines = "\n".join(f"    {line}" for line in printable(one["error"]).splitlines())
        error = f"\n  the last attempt to read it failed:\n{lines}"
    if not one["loaded"]:
        return f"list {one['name']}: not in use, none of its rules applies{error}"
    each = f", {one['octets'] / one['rules']:.1f} octets each" if one["rules"] else ""
    mode = ", log only" if one["log_only"] else ""
    skipped = f", {one['without_effect']} lines without effect" if one["without_effect"] else ""
    rules = f"{one['rules']} rule{'' if one['rules'] == 1 else 's'}"
    times = f"{one['hits']} time{'' if one['hits'] == 1 else 's'}"
    return f"list {one['name']}: {rules}{each}{skipped}{mode}, applied {times}{error}"


def _dump(parsed: Parsed, words: list[str]) -> int:
    """Write the cache to the file in *words*, or to the standard output (`-`), piece by piece."""
    import contextlib
    import json
    import sys

    path = None if words in ([], ["-"]) else words[0]
    as_json, count = "--json" in parsed, 0
    pieces = _pieces(parsed)
    # Without a server, the file is not touched.
    text: str | None = next(pieces)
    try:
        with contextlib.ExitStack() as stack:
            out = sys.stdout if path is None else stack.enter_context(open(path, "w"))
            if path is None and as_json:
                print(json.dumps({"text": "".join((text or "", *pieces))}, indent=2))
                return 0
            while text is not None:
                out.write(text)
                count += sum(line.startswith("; ") for line in text.splitlines())
                text = next(pieces, None)
    except OSError as error:
        raise Failure(f"{path or 'standard output'}: {error.strerror or error}") from None
    if path is not None and as_json:
        print(json.dumps({"file": path, "entries": count}, indent=2))
    elif path is not None:
        print(f"{path}: {count} entr{'y' if count == 1 else 'ies'}")
    return 0


def _pieces(parsed: Parsed) -> Iterator[str]:
    """Yield the cache of the server as text, piece by piece; at least one."""
    cursor: int | None = 0
    while cursor is not None:
        piece = ask(parsed.one("--control"), "dump", {"cursor": cursor})
        yield piece["text"]
        cursor = piece["cursor"]


PIECE = 128 * 1024
"""Characters of a file that are loaded at once, and those of one entry: a request to the server holds them."""


def _load(parsed: Parsed, path: str) -> int:
    """Load the file *path* piece by piece; each piece begins with the comment of an entry."""
    import io

    from namewise.config.paths import open_file

    loaded = 0
    try:
        with io.TextIOWrapper(open_file(path), encoding="utf-8") as file:
            lines: list[str] = []
            first, size = 1, 0
            for number, line in enumerate(file, 1):
                if size > PIECE and line.startswith("; "):
                    loaded += _piece(parsed, path, first, lines)
                    lines, first, size = [], number, 0
                lines.append(line)
                size += len(line)
            loaded += _piece(parsed, path, first, lines)
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "not a text"
        raise Failure(f"{path}: {reason or error}") from None
    if "--json" in parsed:
        import json

        print(json.dumps({"loaded": loaded}, indent=2))
    else:
        print(f"loaded into the cache: {loaded} entr{'y' if loaded == 1 else 'ies'}")
    return 0


def _piece(parsed: Parsed, path: str, first: int, lines: list[str]) -> int:
    try:
        loaded: int = ask(parsed.one("--control"), "load", {"text": "".join(lines)})["loaded"]
    except Failure as failure:
        import re

        text = str(failure)
        place = re.match(r"line (\d+): ", text)
        if place is None:
            raise
        raise Failure(
            f"{path}:{first - 1 + int(place[1])}: {text[place.end() :]}", hint=failure.hint
        ) from None
    return loaded


def _rrl(answer: dict[str, Any]) -> None:
    print(f"{answer['in_use']} of {answer['buckets']} buckets in use")
    print(f"{answer['dropped']} responses dropped, {answer['slipped']} truncated")
    for one in answer["limited"]:
        counts = f"{one['dropped']} dropped, {one['slipped']} truncated, last {one['age_s']} s ago"
        print(f"  {one['prefix']} {one['class']} {printable(one['name'])}: {counts}")


def _stop(_: dict[str, Any]) -> None:
    print("stopping")

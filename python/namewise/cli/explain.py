"""`nw explain`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from namewise.cli.failure import Failure
from namewise.cli.options import Options
from namewise.cli.progress import Progress

if TYPE_CHECKING:
    from namewise.cli.options import Parsed

HELP = """\
usage: nw explain NAME [TYPE] [OPTION ...]
       nw explain -x ADDRESS [OPTION ...]    the PTR records of ADDRESS, as in dig

Resolve NAME and show every step: each query with its server, time and duration, each cache entry with its age,
and the reason for the next step. The first line is the verdict: the result, and what took most of the time.

By default, the running server resolves NAME with its cache. If no server runs, this process resolves NAME itself,
with an empty cache.

With the running server:
  --control PATH       its control socket (default: as for nw serve)
  --client ADDRESS     explain what this client would get: access lists and views apply (default 127.0.0.1)
  --transport udp|tcp  the transport of the client's query (default tcp)

In this process, with an empty cache, even if a server runs (not with --client or --transport):
  --config FILE        resolve with the settings of this file
  --hints FILE         resolve from these root servers
  --forward [SUFFIX=]ADDR[:PORT]  forward queries to this server

Counterfactuals (the running server does not change):
  --what-if flush             if the cache were empty
  --what-if no-validate       if the answer were not validated
  --what-if other-forwarder=ADDR[:PORT]  if this server answered instead of the configured forwarders, or the root
  --what-if policy-off        if no list and no response policy zone applied
  --what-if trailing-dot      if NAME ended with a dot, so that a program's search list (resolv.conf) did not apply
The output is the difference. With --json, it is the namewise.what-if/1 document with both explanations.

  --json      the namewise.explain/1 document (docs/schema/explain-1.json)
  --mermaid   a Mermaid sequence diagram

Exit codes: 0 answered (including NXDOMAIN), 1 wrong usage, 2 errors in the configuration, 3 not resolved (any
other response code), 9 no name server replied, or --control, --client or --transport is given and no server runs.

  $ nw explain www.example.com
  $ nw explain www.example.com AAAA --client 192.0.2.7 --transport udp
  $ nw explain www.example.com --what-if flush
"""

_CLIENT = ("--client", "--transport")
_OWN = ("--config", "--hints", "--forward")
_OPTIONS = Options(
    values=("--control", "--what-if", *_CLIENT, *_OWN), flags=("--json", "--mermaid"), words=(1, 2)
)
NO_REPLY = 9


def run(args: list[str]) -> int:
    """Resolve, and print the explanation."""
    import sys

    from namewise.tools import explain

    parsed = _OPTIONS.read(_reversed(args))
    if "--mermaid" in parsed and ("--json" in parsed or parsed.one("--what-if")):
        other = "--json" if "--json" in parsed else "--what-if"
        raise Failure(f"--mermaid and {other} exclude each other")
    if parsed.one("--what-if"):
        return _counterfactual(parsed, str(parsed.one("--what-if")))
    with Progress(f"resolving {parsed.words[0]}"):
        document = resolve(parsed)
    if "--json" in parsed:
        import json

        print(json.dumps(document, indent=2))
    elif "--mermaid" in parsed:
        print(explain.mermaid(document), end="")
    else:
        sys.stdout.write(explain.tree(document, colour=explain.in_colour(sys.stdout)))
    _hint_for_address(parsed.words[0])
    return _exit_code(document)


def _counterfactual(parsed: Parsed, what_if: str) -> int:
    """Resolve twice, now and under the assumption *what_if*, and print the difference."""
    import sys

    from namewise.tools import what_if as tool

    kind, _, value = what_if.partition("=")
    if kind not in tool.ASSUMPTIONS or bool(value) != (kind == "other-forwarder"):
        raise Failure(
            f"--what-if {what_if} is no counterfactual",
            hint="Known: flush, no-validate, other-forwarder=ADDRESS[:PORT], policy-off, trailing-dot.",
        )
    name = parsed.words[0]
    with Progress(f"resolving {name} twice"):
        if kind == "trailing-dot":
            before, after = _searched(parsed), resolve(parsed)
        else:
            before, after = resolve(parsed), resolve(parsed, _assumption(kind, value))
    document = tool.compare(what_if, before, after)
    if "--json" in parsed:
        import json

        print(json.dumps(document, indent=2))
    else:
        sys.stdout.write(tool.render(document))
    return 0


def _assumption(kind: str, value: str) -> dict[str, Any]:
    """Return the arguments of the server's `explain` verb for a counterfactual."""
    if kind == "flush":
        return {"empty_cache": True}
    if kind == "no-validate":
        return {"checking_disabled": True}
    if kind == "policy-off":
        return {"policy_off": True}
    from namewise.stub.servers import parse_server

    try:
        return {"forwarder": str(parse_server(value))}
    except ValueError as error:
        raise Failure(f"--what-if other-forwarder={value}: {error}") from None


def _searched(parsed: Parsed) -> dict[str, Any]:
    """Return the explanation of the first name that exists among those that a program's stub resolver looks up."""
    from namewise.stub.servers import RESOLV_CONF
    from namewise.tools.what_if import search_names

    try:
        with open(RESOLV_CONF, encoding="utf-8", errors="replace") as file:
            text = file.read()
    except OSError:
        text = ""
    for name in search_names(parsed.words[0], text):
        parsed.words[0], given = name, parsed.words[0]
        try:
            document = resolve(parsed)
        finally:
            parsed.words[0] = given
        if document["result"]["answer"]:
            break
    return document


def _reversed(args: list[str]) -> list[str]:
    """Return *args* with `-x ADDRESS` replaced by the name of the address in the reverse tree and PTR."""
    if "-x" not in args:
        return args
    at = args.index("-x")
    reverse = _reverse_name(args[at + 1]) if len(args) > at + 1 else None
    if reverse is None:
        raise Failure("-x needs an IP address", hint="For example: nw explain -x 192.0.2.1")
    return [*args[:at], reverse, "PTR", *args[at + 2 :]]


def _reverse_name(address: str) -> str | None:
    """Return the name of *address* in in-addr.arpa or ip6.arpa (RFC 1035 §3.5, RFC 3596 §2.5), or None."""
    import ipaddress

    try:
        return f"{ipaddress.ip_address(address).reverse_pointer}."
    except ValueError:
        return None


def _hint_for_address(text: str) -> None:
    """Tell a caller who gave an address where a name is expected how to ask for its name."""
    import sys

    reverse = _reverse_name(text)
    if reverse is not None:
        sys.stdout.flush()
        sys.stderr.write(
            f"nw explain: {text} is an address and was resolved as a name; for its name: nw explain -x {text} "
            f"({reverse} PTR)\n"
        )


def _exit_code(document: dict[str, Any]) -> int:
    from namewise.tools.explain import exit_code

    asked = [step for step in document["steps"] if step["server"]]
    if document["result"]["rcode"] == "SERVFAIL" and asked and not any(_replied(step) for step in asked):
        _say_who_was_tried(asked, document["total_us"])
        return NO_REPLY
    return exit_code(document)


def _replied(step: dict[str, Any]) -> bool:
    return step["reason"] not in (
        "timeout",
        "unreachable",
        "connection-refused",
        "no-route",
        "closed",
        "local-error",
    )


def _say_who_was_tried(asked: list[dict[str, Any]], total_us: int) -> None:
    import sys

    from namewise.tools.explain import milliseconds

    sys.stdout.flush()
    tried = ", ".join(f"{step['server']} ({step['reason']})" for step in asked)
    sys.stderr.write(f"nw explain: no server replied within {milliseconds(total_us)}; tried {tried}\n")


def resolve(parsed: Parsed, assumed: dict[str, Any] | None = None) -> dict[str, Any]:
    """Return the explanation, from the running server or from a resolver in this process. *assumed*: a counterfactual, as
    arguments of the server's `explain` verb."""
    from namewise.cli.ctl import name, rtype
    from namewise.config.paths import control_socket
    from namewise.control.client import ControlError, call

    question = {"name": name(parsed.words[0]), "type": rtype(parsed.words[1:]) or "A"}
    own = any(parsed.one(flag) for flag in _OWN)
    client = {flag[2:]: value for flag in _CLIENT if (value := parsed.one(flag)) is not None}
    if own and assumed:
        raise Failure(
            "--what-if needs the running server",
            hint="A resolver in this process has an empty cache and the settings that you give.",
        )
    if own and client:
        raise Failure(
            f"--{next(iter(client))} needs the running server",
            hint="A resolver in this process has no access lists and views.",
        )
    if not own:
        path = parsed.one("--control") or control_socket()
        try:
            arguments = {**question, **client, **(assumed or {})}
            return dict(call(path, "explain", arguments)["explanation"])
        except ControlError as error:
            if error.code not in ("NO_SERVER", "NO_RESOLVER") or parsed.one("--control") or client or assumed:
                code = NO_REPLY if error.code in ("NO_SERVER", "TIMEOUT") else 1
                raise Failure(str(error), hint=error.hint, code=code) from None
    return alone(parsed)


def _warn(text: str) -> None:
    import sys

    from namewise.config.values import printable

    sys.stderr.write(f"nw explain: {printable(text)}\n")


def alone(parsed: Parsed) -> dict[str, Any]:
    """Resolve with an engine of our own, by the settings of --config, --hints and --forward."""
    from namewise.cli.ctl import name, rtype
    from namewise.cli.serve import overlay
    from namewise.config import ConfigError, Origin, load
    from namewise.observe.alone import explain

    flags = overlay(parsed)
    flags.set(("resolver",), {}, Origin("flag", "explain"))
    try:
        config = load(parsed.one("--config"), flags=flags).config
        return explain(config, name(parsed.words[0]), rtype(parsed.words[1:]) or "A", _warn)
    except ConfigError as error:
        raise Failure(str(error), code=2) from None

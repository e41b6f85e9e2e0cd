"""`nw trace`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from namewise.cli.failure import Failure
from namewise.cli.options import Options
from namewise.cli.progress import Progress

if TYPE_CHECKING:
    from collections.abc import Sequence

    from namewise.engine import Message, Name
    from namewise.tools.trace import Outcome, Walk

NO_SERVER = 9

HELP = """\
usage: nw trace NAME [TYPE] [--every] [--json] [--control PATH | --from-root] [--hints FILE]

Follow the delegations from the root to NAME. Query every name server of every zone on the way, and report servers
that are silent, lame or faulty, and servers whose answers differ. Compare the name servers of the last zone, and
their addresses, with the delegation in the parent zone. Compare the SOA serials of these servers.
The first line is the verdict. The word "inferred" marks a conclusion that no reply states directly.
Signatures are not validated: answers of a zone whose signatures are wrong count as answers; `nw explain NAME` validates.

  --control PATH   the running server with this control socket sends the queries and uses its root hints and its
                   setting `routes` (default: the server of this machine; if none runs, as with --from-root)
  --from-root      this process sends the queries and uses the built-in root hints (--direct is the same)
  --hints FILE     other root hints (implies --from-root)
  --every          print a line for every server, even if many gave the same answer
  --json           print one JSON object

Exit codes: 0 answered (including NXDOMAIN) and no fault found, 1 wrong usage, 3 not resolved or a fault found,
9 no name server replied, or no server at the given control socket.

  $ nw trace www.example.com
"""


def run(args: list[str]) -> int:
    """Walk and print."""
    import sys

    from namewise.cli.ctl import name, rtype
    from namewise.engine import Name
    from namewise.tools import trace
    from namewise.tools.explain import in_colour

    options = Options(
        values=("--control", "--hints"), flags=("--json", "--direct", "--from-root", "--every"), words=(1, 2)
    )
    parsed = options.read(args)
    target, kind = Name(name(parsed.words[0])), rtype(parsed.words[1:]) or "A"
    file = parsed.one("--hints")
    with Progress(f"walking to {target}"):
        if file is not None or "--direct" in parsed or "--from-root" in parsed:
            done = _directly(target, kind, _hints(file))
        else:
            done = _through_server(parsed.one("--control"), target, kind)
    if "--json" in parsed:
        import json

        print(json.dumps(trace.as_json(done), indent=2))
    else:
        sys.stdout.write(trace.text(done, colour=in_colour(sys.stdout), every="--every" in parsed))
    if done.outcome == "no-reply":
        sys.stdout.flush()
        tried = ", ".join(f"{one.server.address} ({one.detail})" for cut in done.cuts for one in cut.asked)
        sys.stderr.write(f"nw trace: no server replied within {done.took_us / 1e6:.1f} s; tried {tried}\n")
    return done.exit_code


def _directly(target: Name, kind: str, hints: Sequence[tuple[str, Sequence[str]]]) -> Walk:
    """Walk, asking from this process."""
    from namewise.tools import trace

    with trace.direct() as ask:
        return trace.walk(target, kind, hints, ask)


def _hints(file: str | None) -> Sequence[tuple[str, Sequence[str]]]:
    from namewise.compile.inputs import read_inputs
    from namewise.compile.roots import ROOT_SERVERS
    from namewise.config import ConfigError, Origin, Overlay, load

    if file is None:
        return ROOT_SERVERS
    flags = Overlay()
    flags.set(("resolver", "hints"), file, Origin("flag", "--hints"))
    try:
        return [(hint.name, hint.addresses) for hint in read_inputs(load(None, flags=flags).config).hints]
    except ConfigError as error:
        raise Failure(str(error)) from None


def _through_server(path: str | None, target: Name, kind: str) -> Walk:
    """Walk through a running server; through none if none runs and none is named."""
    from namewise.cli.ctl import ask as send
    from namewise.compile.roots import ROOT_SERVERS
    from namewise.config.paths import control_socket
    from namewise.control.client import ControlError, call
    from namewise.tools import trace

    control = path or control_socket()
    try:
        resolver = call(control, "resolver")
    except ControlError as error:
        if path is None and error.code in ("NO_SERVER", "NO_RESOLVER"):
            return _directly(target, kind, ROOT_SERVERS)
        code = NO_SERVER if error.code == "NO_SERVER" else 1
        raise Failure(str(error), hint=error.hint, code=code) from None

    forwarders = _forwarders(resolver["forward"], target)
    if forwarders or not resolver["hints"]:
        to = f" to {', '.join(forwarders)}" if forwarders else ""
        raise Failure(
            f"this server forwards {target}{to}: it does not follow delegations itself",
            hint=f"nw trace {target} {kind} --from-root walks from the root, asking from this process; "
            f"nw explain {target} {kind} shows what the server does.",
        )

    def ask(address: str, query: Message, tcp: bool, timeout_s: float) -> Outcome:
        wanted = {"server": address, "query": query.wire.hex(), "timeout_s": timeout_s, "tcp": tcp}
        found = send(control, "exchange", wanted)
        wire = bytes.fromhex(found["reply"]) if found["reply"] else None
        discarded = tuple((one["reason"], one["packets"]) for one in found["discarded"])
        return trace.Outcome(wire, found["failure"] or "", found["took_us"], discarded)

    hints = [(hint["name"], hint["addresses"]) for hint in resolver["hints"]]
    return trace.walk(target, kind, hints, ask)


def _forwarders(routes: Sequence[dict[str, Any]], target: Name) -> list[str]:
    """Return the servers to which questions for *target* are forwarded: those of the longest suffix above it."""
    from namewise.engine import Name

    found = [(Name(route["suffix"] or "."), route["servers"]) for route in routes]
    above = [(len(suffix), servers) for suffix, servers in found if target.is_at_or_below(suffix)]
    return [str(server) for server in max(above, key=lambda one: one[0])[1]] if above else []

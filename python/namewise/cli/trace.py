"""`nw trace`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from namewise.cli.failure import Failure
from namewise.cli.options import Options
from namewise.cli.progress import Progress

if TYPE_CHECKING:
    from collections.abc import Sequence

    from namewise.engine import Message, Name
    from namewise.tools.trace import Told, Walk

NO_SERVER = 9

HELP = """\
usage: nw trace NAME [TYPE] [--every] [--json] [--control PATH | --direct] [--hints FILE]

Walks the delegations from the root to NAME. At every zone all name servers are asked and compared: silent
ones, lame ones, and servers that differ are named; the last line is a verdict.

  --control PATH   ask through this running server, by its root hints and routes (default: the server's
                   socket if one is running)
  --direct         ask from this process, by the built-in root hints
  --hints FILE     other root hints (implies --direct)
  --every          a line for every server, also where many say the same
  --json           one JSON object

Exit codes: 0 answered and all is well (NXDOMAIN too), 1 wrong usage, 3 broken or servers differ, 9 no reply.

  $ nw trace www.example.com
"""


def run(args: list[str]) -> int:
    """Walk and print."""
    import sys

    from namewise.cli.ctl import name, rtype
    from namewise.engine import Name
    from namewise.tools import trace
    from namewise.tools.explain import in_colour

    options = Options(values=("--control", "--hints"), flags=("--json", "--direct", "--every"), words=(1, 2))
    parsed = options.read(args)
    target, kind = Name(name(parsed.words[0])), rtype(parsed.words[1:]) or "A"
    file = parsed.one("--hints")
    with Progress(f"walking to {target}"):
        if file is not None or "--direct" in parsed:
            done = trace.walk(target, kind, _hints(file), trace.direct)
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
        took = sum(max((one.took_us for one in cut.asked), default=0) for cut in done.cuts) / 1e6
        sys.stderr.write(f"nw trace: no server replied within {took:.1f} s; tried {tried}\n")
    return done.exit_code


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
    from namewise.compile.roots import ROOT_SERVERS
    from namewise.config.paths import control_socket
    from namewise.control.client import ControlError, call
    from namewise.engine import Message
    from namewise.tools import trace

    control = path or control_socket()
    try:
        resolver = call(control, "resolver")
    except ControlError as error:
        if path is None and error.code in ("NO_SERVER", "NO_RESOLVER"):
            return trace.walk(target, kind, ROOT_SERVERS, trace.direct)
        code = NO_SERVER if error.code == "NO_SERVER" else 1
        raise Failure(str(error), hint=error.hint, code=code) from None

    def ask(address: str, query: Message) -> Told:
        wanted = {"server": address, "query": query.wire.hex(), "timeout_s": trace.TIMEOUT_S}
        for tcp in (False, True):
            told = call(control, "exchange", {**wanted, "tcp": tcp})
            reply = Message.parse(bytes.fromhex(told["reply"])) if told["reply"] else None
            if reply is None or not reply.truncated:
                break
        return trace.Told(reply, told["failure"] or "", told["took_us"])

    hints = [(hint["name"], hint["addresses"]) for hint in resolver["hints"]]
    return trace.walk(target, kind, hints, ask)

"""The commands `nw` and `namewise`: a table of commands. Each command has one file, imported when it is
called.

A command file has `HELP` (a short manual page) and `run(args) -> int` (the exit code). Modules are imported
only when they are needed, because `nw --help` and `nw dig` must start fast.

Exit codes of every command: 0 done, 1 wrong usage, invalid input, or output that could not be written, 130
ended by Ctrl-C, 141 the reader of the output has gone. The `HELP` of a command lists its other codes.

A command that fails raises `Failure`; with --json it prints one object with `ok`, `error` and the keys of its report.
"""

from __future__ import annotations

import sys

TYPE_CHECKING = False  # typing costs more time to import than a question takes
if TYPE_CHECKING:
    from namewise.cli.failure import Failure

# name, what it is for. The order is the order of `nw --help`.
COMMANDS: tuple[tuple[str, str], ...] = (
    ("serve", "run the server: recursive, forwarding, authoritative, from namewise.toml or from flags"),
    ("ctl", "control the running server: status, resolver, reload, flush, cache get, policy, stop"),
    ("explain", "resolve a name and show every step, with server, time, cache age and reason"),
    ("route", "show where the server would answer a name from, and why, without asking anybody"),
    ("why", "show how the server resolved a recent query that failed, was refused or was slow"),
    ("trace", "follow the delegations from the root, query every server, print a verdict"),
    ("dig", "send one query to one server; most arguments, and the output and exit codes, are those of dig"),
    ("nsupdate", "change records on a server; the commands, output and exit codes are those of nsupdate"),
    ("zone", "check, format, compare and convert zone files; change zones of a running server"),
    ("dnssec", "verify a signed zone file, list keys, plan and simulate roll-overs of keys"),
    ("policy", "show what lists and response policy zones do with queries for a name"),
    ("lab", "start a private internet on this machine (up), run scenario files (play)"),
    ("config", "check the configuration, show it (with the origin of each value), print its schema"),
)


def main(argv: list[str] | None = None) -> int:
    """Run the command in *argv* (default: the arguments of the process) and return its exit code.

    An error of the system (a full disk, too many open files, a closed stream) becomes a one-line message
    and an exit code.
    """
    args = sys.argv[1:] if argv is None else list(argv)
    if argv is None:
        from namewise.cli import streams

        streams.prepare()
    try:
        code = _main(args)
        sys.stdout.flush()
        return code
    except KeyboardInterrupt:
        return 130
    except OSError as error:
        from namewise.cli import streams

        return streams.failed(args[0] if args else "help", error, as_json="--json" in args)


def _main(args: list[str]) -> int:
    if not args or args[0] in ("-h", "--help", "help"):
        if len(args) > 1:
            return _main([args[1], "--help"])
        sys.stdout.write(_help())
        return 0
    if args[0] in ("-V", "--version", "version"):
        from namewise.engine import VERSION

        sys.stdout.write(f"namewise {VERSION}\n")
        return 0
    name = args[0]
    from namewise.cli.failure import Failure

    known = name in {command for command, _ in COMMANDS}
    try:
        if not known:
            raise _unknown(name)
        return _run(name, args[1:])
    except Failure as failure:
        if name != "dig" and "--json" in args:
            sys.stdout.write(failure.json())
        sys.stdout.flush()
        sys.stderr.write(failure.text(f"nw {name}" if known else "nw"))
        return failure.code


def _run(name: str, args: list[str]) -> int:
    module = __import__(f"namewise.cli.{name}", fromlist=("run",))
    if name != "dig" and any(arg in ("-h", "--help") for arg in args):
        # A command with sub-commands in files of their own has a help text for each.
        help_text = getattr(module, "help_text", None)
        sys.stdout.write(help_text(args) if help_text else module.HELP)
        return 0
    from namewise.cli.failure import WrongUsage

    try:
        code: int = module.run(args)
    except WrongUsage as failure:
        failure.hint = failure.hint or module.HELP.split("\n\n", 1)[0]
        raise
    return code


def _help() -> str:
    width = max(len(name) for name, _ in COMMANDS)
    lines = [f"  {name:<{width}}  {purpose}\n" for name, purpose in COMMANDS]
    return (
        "namewise: a name-resolution system whose answers can be explained\n\n"
        "usage: nw COMMAND [ARGUMENT ...]\n\n"
        f"{''.join(lines)}\n"
        "nw COMMAND --help describes a command; nw --version prints the version.\n"
        "Exit codes, unless the help of a command says otherwise: 0 done, 1 wrong usage or invalid input, 130 ended by Ctrl-C,\n"
        '141 the reader of the output has gone. With --json, an error is an object with "ok": false\n'
        'and "error": message, hint, exit code.\n'
    )


def _unknown(name: str) -> Failure:
    from namewise.cli.failure import Failure
    from namewise.config.values import nearest

    guess = nearest(name, [command for command, _ in COMMANDS])
    hint = f'; did you mean "nw {guess}"?' if guess else "; nw --help lists them"
    return Failure(f'no command "{name}"{hint}')

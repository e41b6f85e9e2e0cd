"""`nw zone`: one file per sub-command, imported when it is called.

A sub-command is a line in `VERBS` and a module with `HELP` and `run(args)`, the arguments after the verb.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

from namewise.cli.options import verb

if TYPE_CHECKING:
    from types import ModuleType

# verb, the arguments of its usage, what it is for. The order is that of `nw zone --help`.
VERBS: tuple[tuple[str, str, str], ...] = (
    (
        "check",
        "FILE [--origin NAME] [--only ID,...] [--strict] [--json]",
        "report what is wrong in a zone file",
    ),
    ("rules", "[--json]", "list the rules of the check"),
    ("fmt", "FILE [--origin NAME] [--write|--check]", "put the records of a zone file in columns"),
    ("diff", "OLD NEW [--origin NAME] [--json]", "compare two zones by RRset"),
    ("import", "SOURCE [--from FORM] [--output FILE]", "convert a zone to a zone file"),
    ("export", "SOURCE [--to FORM]", "print a zone as text, JSON or YAML of octoDNS"),
    ("list", "[--json]", "list the zones of the running server"),
    ("status", "ZONE [--json]", "show one of them, with its history in short and its errors in full"),
    ("show", "ZONE [--at TIME|--serial N]", "print its records, or those of an earlier version"),
    ("log", "ZONE [A..B] [--json]", "list its changes, or what differs between two serials"),
    ("add", "ZONE [--template NAME] (--from FILE|--ns NAME)", "serve a new zone, kept in the state database"),
    ("remove", "ZONE", "remove such a zone"),
    ("set", "ZONE OWNER TTL TYPE DATA...", "replace or add records"),
    ("delete", "ZONE OWNER [TYPE [DATA]]", "delete records"),
    ("soa", "ZONE [--FIELD VALUE...]", "show or change the SOA"),
    ("serial", "ZONE [--method M|--recover]", "show how its serials are chosen, or lead to others"),
    ("plan", "ZONE FILE", "show what a zone file would change, and what clients notice"),
    ("apply", "ZONE FILE [--yes-delete N]", "make the served zone equal to a file"),
    ("restore", "ZONE --at TIME|--serial N", "serve an earlier version again"),
    ("sync", "ZONE [--force] [--plain]", "write the served zone to its file, with its comments"),
    ("refresh", "ZONE [--remove]", "ask the primaries of a secondary zone now"),
    ("retransfer", "ZONE", "transfer a secondary zone whole, whatever its serial"),
    ("notify", "ZONE", "tell other servers of the served version"),
)
OF_SERVER = frozenset(
    {
        "list",
        "status",
        "show",
        "log",
        "add",
        "remove",
        "set",
        "delete",
        "soa",
        "serial",
        "plan",
        "apply",
        "restore",
        "sync",
        "refresh",
        "retransfer",
        "notify",
    }
)
"""Sub-commands for zones of a running server."""

# `import` is a word of Python.
_MODULES = {"import": "import_"}

HELP = (
    "\n".join(
        f"{'usage:' if number == 0 else '      '} nw zone {name} {words}"
        for number, (name, words, _) in enumerate(VERBS)
    )
    + "\n\n"
    + "".join(f"  {name:<7}  {purpose}\n" for name, _, purpose in VERBS)
    + """
nw zone VERB --help describes a sub-command.

Exit codes: 0 done, 1 the zone has errors, or wrong usage. The help of a sub-command lists its other codes.

  $ nw zone check db.example.com --origin example.com
"""
)


def run(args: list[str]) -> int:
    """Run the sub-command."""
    said = verb(args, tuple(name for name, _, _ in VERBS))
    code: int = _module(said).run(args[1:])
    return code


def _module(name: str) -> ModuleType:
    return import_module(f"namewise.cli.zone.{_MODULES.get(name, name)}")


def help_text(args: list[str]) -> str:
    """Return the help for *args*, which contain `--help`: that of the verb, if there is one."""
    if args and args[0] in {name for name, _, _ in VERBS}:
        text: str = _module(args[0]).HELP
        return text
    return HELP

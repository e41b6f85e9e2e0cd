"""`nw config check|show|schema`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from namewise.cli.failure import Failure
from namewise.cli.options import Options, verb
from namewise.config.values import printable

if TYPE_CHECKING:
    from collections.abc import Iterator

    from namewise.config import ConfigError, Loaded
    from namewise.config.origin import Path
    from namewise.control.candidate import Candidate

HELP = """\
usage: nw config check [FILE] [--json]
       nw config show [FILE] [--origin] [--json]
       nw config schema

check    read the configuration with its includes and the environment; read the files and zones that it names, and
         test that the system users of [control] exist, that this machine has the addresses of [[listen]],
         and that the state directory can be created; report every error with file, line and column. A port
         that another process holds is a warning, unless that is a server with this configuration
show     print every setting in effect; --origin adds its source: file and line, variable, or default
schema   print the JSON schema of namewise.toml

Default for FILE: $NAMEWISE_CONFIG, else /etc/namewise/namewise.toml for root and
$XDG_CONFIG_HOME/namewise/namewise.toml for other users.

Exit codes: 0 no errors, 1 wrong usage, or a zone or a list that cannot be loaded, 2 errors in the configuration.
nw policy check also shows the lines of lists without effect.

  $ nw config check namewise.toml
  $ nw config show namewise.toml --origin
"""

BAD_CONFIG = 2


def run(args: list[str]) -> int:
    """Run the sub-command."""
    verbs = {"check": _check, "show": _show, "schema": _schema}
    return verbs[verb(args, tuple(verbs))](args[1:])


def _file(words: list[str], how: str = "nw config check FILE") -> str:
    from namewise.config.paths import config_file

    file = words[0] if words else config_file()
    if file is None:
        raise Failure(
            "no configuration file",
            hint=f"Pass one: {how}; or set NAMEWISE_CONFIG.",
            code=BAD_CONFIG,
        )
    return file


def _load(file: str, *, as_json: bool) -> Loaded:
    """Return the configuration. Raises `Failure` after it has printed what is wrong with it."""
    from namewise.config import ConfigError, load

    try:
        return load(file)
    except ConfigError as error:
        raise _failure(error, as_json=as_json) from None


def _failure(error: ConfigError, *, as_json: bool) -> Failure:
    """Print the problems of *error*, unless they come with the JSON object, and return the failure."""
    if not as_json:
        for problem in error.problems:
            print(printable(problem.text()))
    problems = [problem.as_json() for problem in error.problems]
    count = _count(len(problems), "error")
    return Failure(f"{count} in the configuration", code=BAD_CONFIG, report={"problems": problems})


def _check(args: list[str]) -> int:
    import json

    from namewise.config import ConfigError
    from namewise.control.candidate import build
    from namewise.control.check import taken_ports
    from namewise.control.service import worker_count
    from namewise.zones.registry import Registry

    parsed = Options(flags=("--json",), words=(0, 1)).read(args)
    file, as_json = _file(parsed.words), "--json" in parsed
    loaded = _load(file, as_json=as_json)
    try:
        candidate = build(loaded, Registry(), worker_count)
    except ConfigError as error:
        raise _failure(error, as_json=as_json) from None
    warnings, zones = (*candidate.warnings(), *taken_ports(loaded)), list(candidate.zones.after)
    failures, lists = list(_failures(loaded, candidate)), list(_list_failures(loaded, candidate))
    if failures or lists:
        if not as_json:
            for warning in warnings:
                print(f"warning: {printable(warning)}")
            print(printable("\n".join(failures + lists)))
        counts = (("zone", failures, len(zones)), ("list", lists, len(loaded.config.list)))
        failed = [f"{len(found)} of {_count(total, what)}" for what, found, total in counts if found]
        report = {"problems": [], "zones": zones, "failures": failures, "list_failures": lists}
        raise Failure(
            f"{' and '.join(failed)} cannot be loaded", report={**report, "warnings": list(warnings)}
        )
    if as_json:
        patterns = [
            {"template": one.template, "files": one.files, "zones": len(one.zones)}
            for one in loaded.patterns.values()
        ]
        document = {"ok": True, "files": list(loaded.files), "zones": zones, "warnings": list(warnings)}
        document |= {"patterns": patterns} if patterns else {}
        print(json.dumps(document, indent=2))
        return 0
    for warning in warnings:
        print(f"warning: {printable(warning)}")
    for pattern in loaded.patterns.values():
        print(f'[[template]] "{pattern.template}": {_count(len(pattern.zones), "zone")} from {pattern.files}')
    print(f"{', '.join(loaded.files)}: OK, {_count(len(zones), 'zone')}")
    return 0


def _failures(loaded: Loaded, candidate: Candidate) -> Iterator[str]:
    """Yield why each zone is not loaded, and where the configuration names its source."""
    from namewise.zones.state import failure_text

    places = {
        zone.name: loaded.origin(("zone", index, "file")) for index, zone in enumerate(loaded.config.zone)
    }
    for source, error in candidate.zones.failures:
        yield f"{failure_text(source, error)}\n  the file is set at {places[source.name]}"


def _list_failures(loaded: Loaded, candidate: Candidate) -> Iterator[str]:
    """Yield why each list cannot be read, and where the configuration names its file."""
    places = {
        one.name: loaded.origin(("list", index, "file")) for index, one in enumerate(loaded.config.list)
    }
    for failure in () if candidate.lists is None else candidate.lists.failures:
        yield f"{failure.text()}\n  the file is set at {places[failure.name]}"


def _count(number: int, what: str) -> str:
    return f"{number} {what}{'' if number == 1 else 's'}"


def _show(args: list[str]) -> int:
    import json

    from namewise.config.origin import dotted

    parsed = Options(flags=("--json", "--origin"), words=(0, 1)).read(args)
    loaded = _load(_file(parsed.words), as_json="--json" in parsed)
    defaults = _defaults(loaded)
    rows = [
        (dotted(path), defaults.get(path) if value is None else value, str(origin))
        for path, value, origin in loaded.values()
    ]
    if "--json" in parsed:
        print(json.dumps([{"path": p, "value": v, "origin": o} for p, v, o in rows], indent=2))
        return 0
    lines = [f"{path} = {'(not set)' if value is None else json.dumps(value)}" for path, value, _ in rows]
    if "--origin" not in parsed:
        print("\n".join(lines))
        return 0
    width = max(map(len, lines))
    for line, (_, _, origin) in zip(lines, rows, strict=True):
        print(f"{line:<{width}}  # {origin}")
    return 0


def _defaults(loaded: Loaded) -> dict[Path, Any]:
    """Return the values in effect of settings that have no default of their own: the limits of the engine, and the path of
    the control socket."""
    from namewise.config.paths import control_socket

    found: dict[Path, Any] = {("control", "socket"): control_socket()}
    if loaded.config.resolver is None:
        return found

    from namewise.compile import plan_bytes, read_inputs
    from namewise.config.model import Config, Resolver
    from namewise.config.resolver import Budget
    from namewise.config.schema import settings
    from namewise.engine import Snapshot

    config = Config(resolver=Resolver())
    limits = Snapshot.build(plan_bytes(config, read_inputs(config), 1), []).budget or {}
    for name, setting in settings(Budget).items():
        value = limits[name]
        if setting.extra("kind") == "duration":
            # Of the engine's times, TTLs are in seconds and others in microseconds.
            value = value * 1000 if name.endswith("ttl") else value // 1000
        found["resolver", "budget", name] = setting.shown(value)
    return found


def _schema(args: list[str]) -> int:
    from namewise.config.pages import json_schema

    Options().read(args)
    print(json_schema(), end="")
    return 0

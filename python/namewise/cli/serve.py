"""`nw serve`."""

from __future__ import annotations

from namewise.cli.failure import Failure
from namewise.cli.options import Options

TYPE_CHECKING = False  # typing is imported when signals are caught and garbage is left alone
if TYPE_CHECKING:
    from collections.abc import Callable

    from namewise.cli.options import Parsed
    from namewise.config import Loaded, Overlay

HELP = """\
usage: nw serve [--config FILE] [FLAG ...]

Run the server in the foreground: recursive, forwarding, authoritative, or any combination. It prints one line
when it is ready.

  --config FILE                   configuration file. Without it, a file is read only if there are no other flags
                                  than --control and --strict:
                                  $NAMEWISE_CONFIG, else /etc/namewise/namewise.toml for root and
                                  $XDG_CONFIG_HOME/namewise/namewise.toml for other users
  --listen ADDR[:PORT]            listen on this address (repeatable; default 127.0.0.1 and ::1, port 53)
  --zone NAME=FILE                serve this zone (repeatable)
  --recursive                     resolve names; only for clients on this machine, unless [[policy]]
                                  permits others
  --cache-only                    start no lookup at the root servers: answer from local data, the cache and
                                  forwarders (implies --recursive)
  --hints FILE                    names and addresses of root servers (implies --recursive)
  --trust-anchor FILE             DNSSEC trust anchors: DS or DNSKEY records (implies --recursive). Default: the keys
                                  of the public root, unless other root servers or a forwarder for all names are set
  --forward [SUFFIX=]ADDR[:PORT]  forward queries to this server (repeatable; implies --recursive)
  --workers N                     number of worker threads
  --state DIR                     directory for data that must survive a restart
  --control PATH                  control socket. Default: $NAMEWISE_CONTROL, else /run/namewise/control.sock for
                                  root and $XDG_RUNTIME_DIR/namewise/control.sock for other users
  --strict                        do not start or reload if a zone or a list cannot be loaded

Flags override the environment (NAMEWISE_...), which overrides the file. SIGHUP reloads. SIGTERM and SIGINT
stop the server after queries in progress have finished.

A zone that cannot be loaded does not affect other zones: the server keeps the last valid version of this zone,
or answers SERVFAIL with the reason. It does not start if no zone can be loaded and it resolves no names either.
A list that cannot be read keeps its last version; if there is none, its rules do not apply. The log has an error then,
and nw ctl policy status shows it.

Exit codes: 0 clean shutdown (also after Ctrl-C), 1 wrong usage, or zones cannot be loaded (all, or with
--strict one zone or list), 2 errors in the configuration or in the sockets that systemd passes, 4 cannot listen, 5 a part of
the server failed.

  $ nw serve --listen 127.0.0.1:5300 --zone example.com=db.example.com
  $ nw serve --listen 127.0.0.1:5300 --recursive
"""

OPTIONS = Options(
    values=(
        "--config",
        "--listen",
        "--zone",
        "--hints",
        "--trust-anchor",
        "--forward",
        "--workers",
        "--state",
        "--control",
    ),
    flags=("--cache-only", "--recursive", "--strict"),
)
CANNOT_LISTEN = 4
BAD_CONFIG = 2
FAULT = 5


def run(args: list[str]) -> int:
    """Serve until a signal or `nw ctl stop`."""
    from namewise.control.signals import EarlySignals

    early = EarlySignals()
    early.catch()

    import gc
    import os

    # What is made until the server is ready stays: searching it for garbage again and again would only delay the start.
    gc.disable()
    _import_msgspec()
    parsed = OPTIONS.read(args)
    load = loader(parsed)

    from namewise.config import ConfigError
    from namewise.config.paths import control_socket
    from namewise.control.check import problems
    from namewise.control.client import ControlError
    from namewise.control.daemon import Daemon
    from namewise.control.log import Log
    from namewise.control.notify import Notifier
    from namewise.control.sockets import ListenError
    from namewise.engine.errors import NamewiseError

    try:
        loaded = load()
        config = loaded.config
        found = problems(loaded)
        if found:
            raise ConfigError(found)
        log = Log(config.log.level, config.log.format)

        daemon = Daemon(
            once(loaded, load),
            config.control.socket or control_socket(),
            log,
            Notifier(os.environ),
            os.environ,
            strict="--strict" in parsed,
            early=early,
        )
        daemon.start()
        gc.freeze()
        gc.enable()
        if not log.shows("info"):
            # A supervisor or a person waits for this line, whatever the log level is.
            Log().event("info", "ready", daemon.ready_line())
        daemon.run()
        return FAULT if daemon.failed else 0
    except ConfigError as error:
        count = len(error.problems)
        hint = f"{count} error{'' if count == 1 else 's'} in the configuration"
        raise Failure(str(error), hint=hint, code=BAD_CONFIG) from None
    except (ListenError, ControlError) as error:
        code = BAD_CONFIG if error.code == "ACTIVATION" else CANNOT_LISTEN
        raise Failure(str(error), hint=error.hint, code=code) from None
    except NamewiseError as error:
        raise Failure(str(error)) from None
    except OSError as error:
        raise Failure(f"cannot start: {error.strerror or error}") from None


def _import_msgspec() -> None:
    """Import msgspec without what it imports for types that no setting has, which would take longer and need more memory than msgspec
    itself. Later imports of these modules get the real ones."""
    import sys
    from types import SimpleNamespace

    stand_ins: dict[str, object] = {
        # As if it were not installed: `typing` has all that msgspec needs.
        "typing_extensions": None,
        "decimal": SimpleNamespace(Decimal=type("Decimal", (), {})),
        "uuid": SimpleNamespace(UUID=type("UUID", (), {}), SafeUUID=SimpleNamespace(unknown=None)),
    }
    absent = [name for name in stand_ins if name not in sys.modules]
    sys.modules.update({name: stand_ins[name] for name in absent})  # type: ignore[misc]
    try:
        import msgspec  # noqa: F401
    finally:
        for name in absent:
            del sys.modules[name]


def once(loaded: Loaded, load: Callable[[], Loaded]) -> Callable[[], Loaded]:
    """Return a function that returns *loaded* the first time, and calls *load* from then on."""
    first = [loaded]
    return lambda: first.pop() if first else load()


def loader(parsed: Parsed) -> Callable[[], Loaded]:
    """Return a function that reads the configuration that *parsed* names, anew each time it is called."""
    from namewise.config import load
    from namewise.config.paths import config_file

    flags = overlay(parsed)
    file = parsed.one("--config")
    if file is None and not [entry for entry in flags.values if entry[0][0] not in ("control",)]:
        file = config_file()
        if file is None:
            raise Failure(
                "nothing to serve: no configuration file and no flags",
                hint="For example: nw serve --listen 127.0.0.1:5300 --recursive",
            )
    return lambda: load(file, flags=flags)


def overlay(parsed: Parsed) -> Overlay:
    """Return the settings that the flags in *parsed* make."""
    from namewise.config import Origin, Overlay
    from namewise.config.environment import forward_item, listen_item, zone_item

    made = Overlay()
    makers = {"--listen": listen_item, "--zone": zone_item, "--forward": forward_item}
    for flag, make in makers.items():
        for text in parsed.all(flag):
            try:
                made.set((flag[2:],), make(text), Origin("flag", flag))
            except ValueError as error:
                raise Failure(f"{flag}: {error}") from None
    implied = next((flag for flag in ("--hints", "--trust-anchor", "--forward") if parsed.one(flag)), None)
    if "--cache-only" in parsed:
        implied = implied or "--cache-only"
    if "--recursive" in parsed or implied:
        made.set(("resolver",), {}, Origin("flag", implied or "--recursive"))
    if "--cache-only" in parsed:
        made.set(("resolver", "cache_only"), True, Origin("flag", "--cache-only"))
    for flag, path in (
        ("--hints", ("resolver", "hints")),
        ("--trust-anchor", ("resolver", "trust_anchor")),
        ("--state", ("server", "state")),
        ("--control", ("control", "socket")),
    ):
        value = parsed.one(flag)
        if value is not None:
            made.set(path, value, Origin("flag", flag))
    workers = parsed.number("--workers", 1)
    if workers is not None:
        made.set(("server", "workers"), workers, Origin("flag", "--workers"))
    return made

"""`nw serve`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from namewise.cli.failure import Failure
from namewise.cli.options import Options

if TYPE_CHECKING:
    from collections.abc import Callable

    from namewise.cli.options import Parsed
    from namewise.config import Loaded, Overlay

HELP = """\
usage: nw serve [--config FILE] [FLAG ...]

Runs the server in the foreground: recursive, forwarding, authoritative, any mix. Prints one line when it is
ready.

  --config FILE                   namewise.toml; without it and without any of the flags below:
                                  $NAMEWISE_CONFIG, else /etc/namewise/namewise.toml for root and
                                  $XDG_CONFIG_HOME/namewise/namewise.toml for others
  --listen ADDR[:PORT]            listen there (repeatable; default 127.0.0.1 and ::1, port 53)
  --zone NAME=FILE                serve this zone (repeatable)
  --recursive                     resolve names for clients on this machine
  --hints FILE                    root servers (implies --recursive)
  --trust-anchor FILE             DS or DNSKEY records (implies --recursive)
  --forward [SUFFIX=]ADDR[:PORT]  send questions there (repeatable; implies --recursive)
  --workers N                     threads that answer
  --state DIR                     folder for what must outlive a restart
  --control PATH                  the control socket

A flag wins over the environment (NAMEWISE_...), which wins over the file. SIGHUP reloads, SIGTERM drains
and stops.

Exit codes: 0 stopped as told, 1 wrong usage or a zone that cannot be served, 2 mistakes in the configuration
or in what systemd hands over, 4 cannot listen.

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
    flags=("--recursive",),
)
CANNOT_LISTEN = 4
BAD_CONFIG = 2


def run(args: list[str]) -> int:
    """Serve until told to stop."""
    import asyncio
    import os

    load = loader(OPTIONS.read(args))

    from namewise.config import ConfigError
    from namewise.config.paths import control_socket
    from namewise.control.client import ControlError
    from namewise.control.daemon import Daemon
    from namewise.control.log import Log
    from namewise.control.notify import Notifier
    from namewise.control.sockets import ListenError
    from namewise.engine.errors import NamewiseError

    try:
        config = load().config
        control = config.control.socket or control_socket()
        log = Log(config.log.level, config.log.format)
        asyncio.run(_serve(Daemon(load, control, log, Notifier(os.environ), os.environ)))
    except ConfigError as error:
        count = len(error.problems)
        hint = f"{count} mistake{'' if count == 1 else 's'} in the configuration"
        raise Failure(str(error), hint=hint, code=BAD_CONFIG) from None
    except (ListenError, ControlError) as error:
        code = BAD_CONFIG if error.code == "ACTIVATION" else CANNOT_LISTEN
        raise Failure(str(error), hint=error.hint, code=code) from None
    except NamewiseError as error:
        raise Failure(str(error), code=BAD_CONFIG if error.code == "BAD_PLAN" else 1) from None
    return 0


async def _serve(daemon: object) -> None:
    import sys

    from namewise.control.daemon import Daemon

    assert isinstance(daemon, Daemon), "made above"
    await daemon.start()
    if not daemon.log.shows("info"):
        # Whoever started the server waits for this line, however quiet the log is to be.
        sys.stderr.write(f"namewise: {daemon.ready_line()}\n")
        sys.stderr.flush()
    await daemon.run()


def loader(parsed: Parsed) -> Callable[[], Loaded]:
    """Return what reads the configuration that *parsed* names, as often as it is called."""
    from namewise.config import load
    from namewise.config.paths import config_file

    flags = overlay(parsed)
    file = parsed.one("--config")
    if file is None and not [entry for entry in flags.values if entry[0][0] not in ("control",)]:
        file = config_file()
        if file is None:
            raise Failure(
                "nothing to serve: no configuration file and no flags",
                hint="For instance: nw serve --listen 127.0.0.1:5300 --recursive",
            )
    return lambda: load(file, flags=flags)


def overlay(parsed: Parsed) -> Overlay:
    """Return the settings that the flags make."""
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
    if "--recursive" in parsed or implied:
        made.set(("resolver",), {}, Origin("flag", implied or "--recursive"))
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

"""The process around a `Service`: event loop, control socket, signals, systemd, log.

    start ─> ready ─> (reload: SIGHUP, `nw ctl reload`)* ─> SIGTERM, SIGINT, `nw ctl stop` ─> drain ─> end

Everything that blocks (reading zones, building a snapshot, publishing) runs in a thread beside the event loop, one change at a
time. A signal that arrives before the server is ready is kept: SIGHUP reloads then, SIGTERM and SIGINT end the start.
"""

from __future__ import annotations

import asyncio
import os
import signal
from typing import TYPE_CHECKING

from namewise.config.paths import private_folder
from namewise.control.channel import Channel
from namewise.control.check import uid
from namewise.control.client import ControlError
from namewise.control.descriptors import raise_limit
from namewise.control.service import Service
from namewise.control.sockets import Sockets, inherited
from namewise.control.verbs import table
from namewise.engine.errors import NamewiseError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from namewise.config import Loaded
    from namewise.control.log import Log
    from namewise.control.notify import Notifier
    from namewise.control.service import Outcome
    from namewise.control.signals import EarlySignals


class Daemon:
    """One server process. *load* reads the configuration anew each time it is called."""

    def __init__(
        self,
        load: Callable[[], Loaded],
        control_path: str,
        log: Log,
        notifier: Notifier,
        environ: Mapping[str, str],
        *,
        strict: bool = False,
        early: EarlySignals | None = None,
    ) -> None:
        self.control_path = control_path
        self.log = log
        self.notifier = notifier
        self.service = Service(load, Sockets(inherited(environ)), log, strict=strict, files=raise_limit())
        self.failed = False
        """Whether a fault in the engine ended the server."""
        self._early = early
        self._changing = asyncio.Lock()
        self._stop = asyncio.Event()
        self._stopping = False
        self._channel = Channel(control_path, table(self), log)

    async def start(self) -> None:
        """Read, build, open, publish; on any error raise it and leave nothing behind."""
        service, loop = self.service, asyncio.get_running_loop()
        await self._channel.open()
        try:
            outcome = service.start()
            state = service.config.server.state
            if state is not None:
                _make_state(state)
        except BaseException:
            await self._channel.close()
            service.close(0.0)
            raise
        self._allow()
        service.events.on_fatal = self._fail
        loop.add_reader(service.engine.event_fd(), service.events.drain)
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self.request_stop)
        loop.add_signal_handler(signal.SIGHUP, self._hangup)
        for number in (signal.SIGUSR1, signal.SIGUSR2):
            loop.add_signal_handler(number, self._ignore, signal.Signals(number).name)
        self._report(outcome)
        if self._early is not None and self._early.reload_wanted:
            self._hangup()

    async def run(self) -> None:
        """Serve until a signal or the verb `stop`, then let queries in progress finish."""
        self.log.event("info", "ready", self.ready_line(), generation=self.service.engine.generation)
        self.notifier.ready(self.ready_line())
        await self._stop.wait()
        await self.stop()

    async def stop(self) -> None:
        """Accept no more queries, let those in progress finish for as long as `[server] drain` says, close everything. A
        reload in progress is finished first."""
        async with self._changing:
            self._stopping = True
            self.notifier.stopping()
            self.log.event("info", "stopping", "stopping")
            await self._channel.close()
            asyncio.get_running_loop().remove_reader(self.service.engine.event_fd())
            unavailable = self.service.unavailable()
            await asyncio.to_thread(self.service.close)
            not_loaded = f"; zones that could not be loaded: {', '.join(unavailable)}" if unavailable else ""
            self.log.event("info", "stopped", f"stopped{not_loaded}", unavailable=list(unavailable))

    def request_stop(self) -> None:
        """Begin to stop."""
        self._stop.set()

    def ready_line(self) -> str:
        """Return one line that says what is served where."""
        service = self.service
        states, failed = service.registry.states, len(service.unavailable())
        count = f"{len(states) - failed} of {len(states)}" if failed else str(len(states))
        jobs = [f"{count} zone{'' if len(states) == 1 else 's'}"] if states else []
        if service.config.resolver is not None:
            jobs.append("forwarding" if service.config.forward else "recursion")
        served = " and ".join(jobs) or "nothing"
        where = ", ".join(service.addresses())
        return f"ready: {served} on {where}, control {self.control_path}, pid {os.getpid()}"

    async def reload(self) -> Outcome:
        """Take the configuration as it is now into use and return the difference, or raise and change nothing."""
        async with self._changing:
            if self._stopping:
                raise ControlError("the server is stopping", code="STOPPING")
            self.notifier.reloading()
            try:
                outcome = await asyncio.to_thread(self.service.reload)
            except NamewiseError as error:
                text = f"reload failed, the former configuration stays in force:\n{error}"
                self.log.event("error", "reload-failed", text, code=error.code)
                raise
            finally:
                self.notifier.ready(self.ready_line())
            self._allow()
            self._report(outcome)
            differences = "; ".join(outcome.changes) or "nothing changed"
            text = f"reloaded, generation {outcome.generation}: {differences}"
            if outcome.failures:
                count = len(outcome.failures)
                text += f"; {count} zone{'' if count == 1 else 's'} could not be loaded"
            self.log.event("info", "reload", text, changes=list(outcome.changes))
            return outcome

    def _report(self, outcome: Outcome) -> None:
        for failure in outcome.failures:
            self.log.event("error", "zone-failed", failure)
        for warning in outcome.warnings:
            self.log.event("warning", "configuration", warning)

    def _allow(self) -> None:
        users = (uid(user) for user in self.service.config.control.users)
        self._channel.allow(frozenset(number for number in users if number is not None))

    def _fail(self) -> None:
        """Stop: a part of the engine has ended, so that the supervisor can start the whole anew."""
        self.failed = True
        self.request_stop()

    def _ignore(self, name: str) -> None:
        self.log.event("info", "signal", f"{name} has no meaning here; SIGHUP reloads, SIGTERM stops")

    def _hangup(self) -> None:
        task = asyncio.ensure_future(self.reload())
        task.add_done_callback(self._hung_up)

    def _hung_up(self, done: asyncio.Task[Outcome]) -> None:
        error = None if done.cancelled() else done.exception()
        # Errors of the configuration have been logged where they were found; anything else is a mistake in the server.
        if error is not None and not isinstance(error, NamewiseError):
            self.log.event("error", "fault", f"reload failed: {error!r}")


def _make_state(folder: str) -> None:
    try:
        private_folder(folder)
    except OSError as error:
        raise ControlError(
            f"{folder}: {error.strerror or error}", "Use another folder: --state DIR.", "STATE"
        ) from None

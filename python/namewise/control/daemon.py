"""The process around a `Service`: control socket, signals, systemd, log.

    start ─> ready ─> (reload: SIGHUP, `nw ctl reload`)* ─> SIGTERM, SIGINT, `nw ctl stop` ─> drain ─> end

The main thread waits for signals and for clients of the control socket. A client is served by a thread of its own, a SIGHUP
by another, one change at a time; a further thread takes the events of the engine. A signal that arrives before the server is
ready is kept: SIGHUP reloads then, SIGTERM and SIGINT end the start.
"""

from __future__ import annotations

import contextlib
import os
import select
import signal
import threading
from functools import partial
from typing import TYPE_CHECKING

from namewise.control.channel import Channel
from namewise.control.check import uid
from namewise.control.client import ControlError
from namewise.control.descriptors import raise_limit
from namewise.control.events import EventThread
from namewise.control.service import Service
from namewise.control.shared import Shared
from namewise.control.sockets import Sockets, inherited
from namewise.control.verbs import table
from namewise.engine.errors import NamewiseError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from types import FrameType

    from namewise.config import Loaded
    from namewise.control.log import Log
    from namewise.control.notify import Notifier
    from namewise.control.saved import SavedCache
    from namewise.control.service import Outcome
    from namewise.control.signals import EarlySignals

ANSWERS_S = 2.0
"""How long the end of the server waits for answers on the control socket that are under way."""
PAUSE_S = 0.2
"""How long no client is accepted when the system has no descriptor or thread for it."""
WAKE_OCTETS = 4096
"""Octets that are taken at once from the pipe that wakes the main thread."""


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
        self.reload = Shared(self._reload)
        """Take the configuration as it is now into use and return the difference, or raise and change nothing. Calls that wait
        for their turn share one reload."""
        self.reload_removing = partial(self._reload, remove=True)
        """As `reload`, and remove the zones whose files are gone, however many they are."""
        self._changing = threading.Lock()
        self._stop = threading.Event()
        self.stopping = False
        """Whether `stop` has been called: a reload that has not begun is refused."""
        self._channel = Channel(control_path, table(self), log)
        self._events: EventThread | None = None
        self._saved: SavedCache | None = None
        self._wake = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)

    def start(self) -> None:
        """Read, build, open, publish; on any error raise it and leave nothing behind. Called by the main thread."""
        service = self.service
        self._channel.open()
        try:
            outcome = service.start()
        except BaseException:
            self._channel.close()
            service.close(0.0)
            raise
        self._allow()
        service.events.on_fatal = self._fail
        self._events = EventThread(service.events, service.engine)
        service.follow()
        self._keep_cache()
        self._take_signals()
        self._report(outcome)
        if self._early is not None and self._early.reload_wanted:
            self._hangup()

    def run(self) -> None:
        """Serve until a signal or the verb `stop`, then let queries in progress finish. Called by the main thread."""
        self.log.event("info", "ready", self.ready_line(), generation=self.service.engine.generation)
        self.notifier.ready(self.ready_line())
        waiting = select.poll()
        waiting.register(self._wake[0], select.POLLIN)
        channel, paused = self._channel.fileno(), True
        while not self._stop.is_set():
            if paused:
                waiting.register(channel, select.POLLIN)
                paused = False
            for fd, _ in waiting.poll():
                if fd == self._wake[0]:
                    os.read(fd, WAKE_OCTETS)
                elif not self._channel.accept():
                    waiting.unregister(channel)
                    paused = True
            if paused:
                # The client stays in the backlog; without a pause this loop would spin until a descriptor is free.
                self._stop.wait(PAUSE_S)
        self.stop()

    def stop(self) -> None:
        """Begin no more lookups, let queries in progress finish for as long as `[server] drain` says, close everything. A
        reload in progress is finished first; one that has not begun is refused."""
        self.stopping = True
        with self._changing:
            self.notifier.stopping()
            self.log.event("info", "stopping", "stopping")
            self._channel.close()
            if self._events is not None:
                self._events.close()
            unavailable = self.service.unavailable()
            if self._saved is not None:
                self._saved.stop()
            self.service.close()
            not_loaded = f"; zones that could not be loaded: {', '.join(unavailable)}" if unavailable else ""
            self.log.event("info", "stopped", f"stopped{not_loaded}", unavailable=list(unavailable))
        self._channel.join(ANSWERS_S)

    def request_stop(self) -> None:
        """Begin to stop. May be called from any thread and from a signal handler."""
        self._stop.set()
        # When the pipe is full, the main thread wakes anyway.
        with contextlib.suppress(BlockingIOError):
            os.write(self._wake[1], b"\0")

    def ready_line(self) -> str:
        """Return one line that says what is served where."""
        service = self.service
        states, failed = service.registry.states, len(service.unavailable())
        count = f"{len(states) - failed} of {len(states)}" if failed else str(len(states))
        jobs = [f"{count} zone{'' if len(states) == 1 else 's'}"] if states else []
        if service.config.resolver is not None:
            all_names = any(forward.suffix == "." and forward.servers for forward in service.config.forward)
            jobs.append("forwarding" if all_names else "recursion")
        served = " and ".join(jobs) or "nothing"
        where = ", ".join(service.addresses())
        return f"ready: {served} on {where}, control {self.control_path}, pid {os.getpid()}"

    def _reload(self, *, remove: bool = False) -> Outcome:
        with self._changing:
            if self.stopping:
                raise ControlError("the server is stopping", code="STOPPING")
            self.notifier.reloading()
            try:
                outcome = self.service.reload(remove=remove)
            except NamewiseError as error:
                text = f"reload failed, the former configuration stays in force:\n{error}"
                self.log.event("error", "reload-failed", text, code=error.code)
                raise
            finally:
                self.notifier.ready(self.ready_line())
            self._allow()
            self.service.followed()
            self._keep_cache()
            self._report(outcome)
            differences = "; ".join(outcome.changes) or "nothing changed"
            text = f"reloaded, generation {outcome.generation}: {differences}"
            for what, count in (("zone", len(outcome.failures)), ("list", len(outcome.list_failures))):
                if count:
                    text += f"; {count} {what}{'' if count == 1 else 's'} could not be loaded"
            self.log.event("info", "reload", text, changes=list(outcome.changes))
            return outcome

    def _report(self, outcome: Outcome) -> None:
        for failure in outcome.failures:
            self.log.event("error", "zone-failed", failure)
        for failure in outcome.list_failures:
            self.log.event("error", "list-failed", failure)
        for warning in outcome.warnings:
            self.log.event("warning", "configuration", warning)

    def _allow(self) -> None:
        users = (uid(user) for user in self.service.config.control.users)
        self._channel.allow(frozenset(number for number in users if number is not None))

    def _keep_cache(self) -> None:
        """Load and save the cache in the background from now on, if names are resolved and there is a state directory."""
        if self._saved is None and self.service.config.resolver is not None:
            from namewise.control.saved import SavedCache

            self._saved = SavedCache(self.service, self.log)
        if self._saved is not None:
            self._saved.start()

    def _fail(self) -> None:
        """Stop: a part of the engine has ended, so that the supervisor can start the whole anew."""
        self.failed = True
        self.request_stop()

    def _take_signals(self) -> None:
        """Handle signals from now on. The kernel may deliver them to any thread; the pipe wakes the main thread."""
        signal.set_wakeup_fd(self._wake[1], warn_on_full_buffer=False)
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda _number, _frame: self.request_stop())
        signal.signal(signal.SIGHUP, lambda _number, _frame: self._hangup())
        for number in (signal.SIGUSR1, signal.SIGUSR2):
            signal.signal(number, self._ignore)

    def _ignore(self, number: int, _frame: FrameType | None) -> None:
        name = signal.Signals(number).name
        self.log.event("info", "signal", f"{name} has no meaning here; SIGHUP reloads, SIGTERM stops")

    def _hangup(self) -> None:
        if self.reload.waiting:
            return
        try:
            threading.Thread(target=self._reload_by_signal, name="namewise-reload", daemon=True).start()
        except RuntimeError as error:
            self.log.event("error", "reload-failed", f"reload failed: {error}")

    def _reload_by_signal(self) -> None:
        try:
            self.reload()
        except NamewiseError:
            # Logged where it was found.
            pass
        except Exception as error:
            self.log.event("error", "fault", f"reload failed: {error!r}")

"""The life of a server: start, serve, reload, drain, stop.

    read config -> plan + zones -> Snapshot.build -> probe -> sockets -> publish        start and every reload
                                       any error: nothing has changed, the old one serves on

Everything runs in one event loop; what takes long (reading zones, building a snapshot) runs in a thread
beside it, one such thing at a time. SIGHUP and `nw ctl reload` reload, SIGTERM and SIGINT drain and stop.
"""

from __future__ import annotations

import asyncio
import os
import signal
import time
from typing import TYPE_CHECKING, Any

from namewise.config.paths import private_folder
from namewise.config.values import Endpoint
from namewise.control.candidate import build
from namewise.control.channel import Channel
from namewise.control.client import ControlError
from namewise.control.descriptors import raise_limit, shortage
from namewise.control.requests import Requests
from namewise.control.sockets import Sockets, descriptors, inherited
from namewise.engine import Engine, Message
from namewise.engine.errors import NamewiseError
from namewise.zones.registry import Registry

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from namewise.compile.inputs import Inputs
    from namewise.config import Config, Loaded
    from namewise.control.candidate import Candidate
    from namewise.control.log import Log
    from namewise.control.notify import Notifier
    from namewise.control.sockets import Key, Listening


class Daemon:
    """One running server. *load* reads the configuration anew each time it is called."""

    def __init__(
        self,
        load: Callable[[], Loaded],
        control_path: str,
        log: Log,
        notifier: Notifier,
        environ: Mapping[str, str],
    ) -> None:
        self.load = load
        self.control_path = control_path
        self.log = log
        self.notifier = notifier
        self.sockets = Sockets(inherited(environ))
        self.registry = Registry()
        self.started = time.time()
        self.generation = 0
        self.files = 0
        self.loaded: Loaded
        self.inputs: Inputs
        self.engine: Engine
        self.requests: Requests
        self._changing = asyncio.Lock()
        self._stop = asyncio.Event()
        self._stopping = False
        self._channel: Channel

    @property
    def config(self) -> Config:
        """The configuration in force."""
        return self.loaded.config

    async def start(self) -> None:
        """Read, build, open, publish; on any error raise it and leave nothing behind."""
        self.files = raise_limit()
        candidate = self._candidate()
        config = candidate.loaded.config
        self._channel = Channel(self.control_path, self._verbs(), self.log)
        self._channel.allow(self._channel.uids(config.control.users))
        prepared = self.sockets.prepare(config.listen, config.worker_count())
        try:
            if config.server.state is not None:
                _make_state(config.server.state)
            await self._channel.open()
            self.engine = Engine(config.worker_count())
            self._publish(candidate, prepared)
        except BaseException:
            self.sockets.discard(prepared)
            await self._channel.close()
            raise
        self.requests = Requests(self.engine, self.log)
        loop = asyncio.get_running_loop()
        loop.add_reader(self.engine.event_fd(), self.requests.drain)
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self._stop.set)
        loop.add_signal_handler(signal.SIGHUP, self._hangup)

    async def run(self) -> None:
        """Serve until told to stop, then finish what is under way."""
        self.log.event("info", "ready", self.ready_line(), generation=self.generation)
        self.notifier.ready(self.ready_line())
        await self._stop.wait()
        await self.stop()

    async def stop(self) -> None:
        """Take no more questions, finish those under way for as long as `[server] drain` says, close
        everything. A reload under way is finished first."""
        async with self._changing:
            self._stopping = True
            self.notifier.stopping()
            self.log.event("info", "stopping", "stopping")
            await self._channel.close()
            grace_s = self.config.server.drain / 1000
            await asyncio.to_thread(self.engine.close, grace_s)
            self.requests.drain()
            asyncio.get_running_loop().remove_reader(self.engine.event_fd())
            self.sockets.close()
            self.log.event("info", "stopped", "stopped")

    def ready_line(self) -> str:
        """Return the one line that says what is served where."""
        addresses = dict.fromkeys(str(Endpoint(address, port)) for address, port, _ in self.sockets.open)
        count = len(self.registry.entries)
        jobs = [f"{count} zone{'' if count == 1 else 's'}"] if count else []
        if self.config.resolver is not None:
            jobs.append("forwarding" if self.config.forward else "recursion")
        served = " and ".join(jobs) or "nothing"
        return f"ready: {served} on {', '.join(addresses)}, control {self.control_path}, pid {os.getpid()}"

    async def reload(self) -> dict[str, Any]:
        """Put the configuration as it is now in force and return the difference, or raise and change
        nothing."""
        async with self._changing:
            if self._stopping:
                raise ControlError("the server is stopping", code="STOPPING")
            self.notifier.reloading()
            try:
                return await self._reload()
            finally:
                self.notifier.ready(self.ready_line())

    async def _reload(self) -> dict[str, Any]:
        try:
            candidate = await asyncio.to_thread(self._candidate)
            config = candidate.loaded.config
            users = self._channel.uids(config.control.users)
            prepared = self.sockets.prepare(config.listen, self.config.worker_count())
        except NamewiseError as error:
            text = f"reload failed, the former configuration stays in force:\n{error}"
            self.log.event("error", "reload-failed", text, code=error.code)
            raise
        changes = candidate.changes(self.config, self.registry)
        try:
            self._publish(candidate, prepared)
        except BaseException:
            self.sockets.discard(prepared)
            raise
        self._channel.allow(users)
        said = "; ".join(changes) or "nothing changed"
        self.log.event("info", "reload", f"reloaded, generation {self.generation}: {said}", changes=changes)
        return {"generation": self.generation, "changes": changes}

    def _candidate(self) -> Candidate:
        return build(self.load(), self.registry)

    def _publish(self, candidate: Candidate, prepared: dict[Key, Listening]) -> None:
        self.generation = self.engine.publish(candidate.snapshot, descriptors(prepared))
        self.sockets.adopt(prepared)
        self.registry.adopt(candidate.zones)
        self.loaded, self.inputs = candidate.loaded, candidate.inputs
        self.log.set(self.config.log.level, self.config.log.format)
        short = shortage(self.config, candidate.snapshot.budget, len(descriptors(prepared)), self.files)
        if short is not None:
            self.log.event("warning", "few-descriptors", short, granted=self.files)

    def _hangup(self) -> None:
        task = asyncio.ensure_future(self.reload())
        task.add_done_callback(self._hung_up)

    def _hung_up(self, done: asyncio.Task[dict[str, Any]]) -> None:
        error = None if done.cancelled() else done.exception()
        # What is wrong with the configuration has been logged where it was found; anything else is a fault of ours.
        if error is not None and not isinstance(error, NamewiseError):
            self.log.event("error", "fault", f"reload failed: {error!r}")

    def _verbs(self) -> dict[str, Any]:
        return {
            "status": self._status,
            "reload": lambda _: self.reload(),
            "stop": self._stop_verb,
            "flush": self._flush,
            "cache": self._cache,
            "why": self._why,
            "explain": self._explain,
            "exchange": self._exchange,
            "resolver": self._resolver,
        }

    async def _status(self, _: dict[str, Any]) -> dict[str, Any]:
        return {
            "pid": os.getpid(),
            "uptime_s": round(time.time() - self.started, 3),
            "generation": self.generation,
            "workers": self.config.worker_count(),
            "files": list(self.loaded.files),
            "listen": [
                f"{Endpoint(address, port)}/{transport}" for address, port, transport in self.sockets.open
            ],
            "recursion": self.config.resolver is not None,
            "zones": [
                {"name": name, "serial": entry.zone.serial, "records": len(entry.zone), "place": entry.place}
                for name, entry in self.registry.entries.items()
            ],
            "stats": dict(self.engine.stats()),
        }

    async def _stop_verb(self, _: dict[str, Any]) -> dict[str, Any]:
        self._stop.set()
        return {"stopping": True}

    async def _flush(self, args: dict[str, Any]) -> dict[str, Any]:
        self._needs_resolver()
        return {"flushed": self.engine.flush(args.get("name"), below=bool(args.get("below")))}

    async def _cache(self, args: dict[str, Any]) -> dict[str, Any]:
        self._needs_resolver()
        entries = self.engine.cached(args["name"])
        wanted = args.get("type")
        return {"entries": [entry for entry in entries if wanted is None or entry["type"] in (wanted, None)]}

    async def _why(self, args: dict[str, Any]) -> dict[str, Any]:
        from namewise.observe.recorder import records

        return {"records": records(self.engine, args.get("name"), args.get("id"), int(args.get("most", 10)))}

    async def _explain(self, args: dict[str, Any]) -> dict[str, Any]:
        self._needs_resolver()
        document = await self.requests.explain(args["name"], args.get("type", "A"), args.get("class", "IN"))
        return {"explanation": document}

    async def _exchange(self, args: dict[str, Any]) -> dict[str, Any]:
        self._needs_resolver()
        query = Message.parse(bytes.fromhex(args["query"]))
        return await self.requests.exchange(
            args["server"], query, bool(args.get("tcp")), float(args["timeout_s"])
        )

    async def _resolver(self, _: dict[str, Any]) -> dict[str, Any]:
        self._needs_resolver()
        routes = self.config.resolver.routes if self.config.resolver is not None else None
        return {
            "hints": [{"name": hint.name, "addresses": list(hint.addresses)} for hint in self.inputs.hints],
            "routed": routes is not None,
        }

    def _needs_resolver(self) -> None:
        if self.config.resolver is None:
            hint = "Add a [resolver] table to the configuration, or start with --recursive."
            raise ControlError("this server does not resolve names", hint, "NO_RESOLVER")


def _make_state(folder: str) -> None:
    try:
        private_folder(folder)
    except OSError as error:
        raise ControlError(
            f"{folder}: {error.strerror or error}", "Name another with --state.", "STATE"
        ) from None

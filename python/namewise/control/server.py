"""A server inside a Python program: what `nw serve` serves, without a process, signals or a control socket of its own.

>>> import socket
>>> import namewise
>>> from namewise.message import make_query
>>> here = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
>>> here.bind(("127.0.0.1", 0))
>>> with namewise.Server({"server": {"identity": "ns1", "workers": 1}}, sockets=[here]) as server:
...     reply = namewise.query(make_query("id.server", "TXT", "CH"), server.addresses[0])
>>> str(reply.answer[0].rdatas[0])
'"ns1"'

The engine's threads answer; no thread of Python is in the way. *Limitations*: zones come from the files that
the configuration names; what takes a control socket (`explain`, `why`, the cache) is for `nw serve`.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from namewise.config import Origin, Overlay, load
from namewise.config.values import Endpoint
from namewise.control.candidate import build
from namewise.control.sockets import Sockets, descriptors, fit
from namewise.engine import Engine
from namewise.engine.errors import EngineClosed
from namewise.zones.registry import Registry

if TYPE_CHECKING:
    import socket
    from collections.abc import Iterable
    from types import TracebackType

    from namewise.config import Loaded
    from namewise.control.candidate import Candidate
    from namewise.control.sockets import Key, Listening


class Server:
    """Serves what *config* says from the beginning of a `with` block to its end.

    config: path of a `namewise.toml`, or its tables as a mapping: `{"zone": [{"name": ..., "file": ...}]}`
    sockets: bound UDP and listening TCP sockets to serve instead of what `[[listen]]` says; the server closes them

    Raises `ConfigError` with every mistake, `ListenError` for an address that cannot be had, `ZonesError` for
    zones that cannot be loaded; all of them `NamewiseError`. The environment is not read.
    """

    def __init__(
        self, config: str | os.PathLike[str] | Mapping[str, Any], *, sockets: Iterable[socket.socket] = ()
    ) -> None:
        self._config = config
        self._sockets = Sockets([fit(one) for one in sockets])
        self._registry = Registry()
        self._changing = threading.Lock()
        self._loaded: Loaded
        self._engine: Engine | None = None

    def __enter__(self) -> Server:
        with self._changing:
            candidate = build(self._load(), self._registry)
            config = candidate.loaded.config
            prepared = self._sockets.prepare(config.listen, config.worker_count())
            engine = Engine(config.worker_count())
            try:
                self._publish(engine, candidate, prepared)
            except BaseException:
                engine.close(0.0)
                raise
            self._engine = engine
        return self

    def __exit__(
        self, _kind: type[BaseException] | None, _error: BaseException | None, _trace: TracebackType | None
    ) -> None:
        with self._changing:
            if self._engine is not None:
                self._engine.close(self._loaded.config.server.drain / 1000)
                self._engine = None
            self._sockets.close()

    @property
    def addresses(self) -> tuple[str, ...]:
        """Where questions are taken: `127.0.0.1:5300`, as `namewise.resolve(..., server=)` takes it."""
        found = (str(Endpoint(address, port)) for address, port, _ in self._sockets.open)
        return tuple(dict.fromkeys(found))

    def reload(self) -> list[str]:
        """Read configuration and zones again, put them in force and return what changed; on any mistake raise
        and change nothing."""
        with self._changing:
            engine = self._running()
            candidate = build(self._load(), self._registry)
            config = self._loaded.config
            prepared = self._sockets.prepare(candidate.loaded.config.listen, config.worker_count())
            changes = candidate.changes(config, self._registry)
            self._publish(engine, candidate, prepared)
            return changes

    def stats(self) -> dict[str, int]:
        """Return the engine's counters by name."""
        return dict(self._running().stats())

    def _running(self) -> Engine:
        if self._engine is None:
            raise EngineClosed("the server runs inside its with block only")
        return self._engine

    def _load(self) -> Loaded:
        if not isinstance(self._config, Mapping):
            return load(os.fspath(self._config), environ={})
        return load(None, environ={}, flags=Overlay.of(self._config, Origin("program", "config")))

    def _publish(self, engine: Engine, candidate: Candidate, prepared: dict[Key, Listening]) -> None:
        try:
            engine.publish(candidate.snapshot, descriptors(prepared))
        except BaseException:
            self._sockets.discard(prepared)
            raise
        self._sockets.adopt(prepared)
        self._registry.adopt(candidate.zones)
        self._loaded = candidate.loaded

"""A server inside a Python program: what `nw serve` serves, without a process, signals or a control socket of its own.

>>> import namewise
>>> from namewise.message import make_query
>>> config = {
...     "server": {"identity": "ns1", "workers": 1},
...     "listen": [{"address": "127.0.0.1", "port": 0}],
... }
>>> with namewise.Server(config) as server:
...     reply = namewise.query(make_query("id.server", "TXT", "CH"), server.addresses[0])
>>> str(reply.answer[0].rdatas[0])
'"ns1"'

The engine's threads answer; no Python thread is involved. *Limitations*: zones come from the files that the configuration
names; verbs of the control socket (`explain`, `why`, the cache) are for `nw serve`.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from namewise.config import Origin, Overlay, load
from namewise.control.events import EventThread
from namewise.control.log import Log
from namewise.control.service import Service
from namewise.control.sockets import Sockets, fit
from namewise.engine.errors import EngineClosed

if TYPE_CHECKING:
    import socket
    from collections.abc import Iterable
    from types import TracebackType

    from namewise.config import Loaded
    from namewise.control.service import Outcome


class Server:
    """Serves *config* from the beginning of a `with` block to its end.

    config: path of a `namewise.toml`, or its tables as a mapping: `{"zone": [{"name": ..., "file": ...}]}`
    sockets: bound UDP and listening TCP sockets to serve instead of those of `[[listen]]`; the server closes them
    strict: a zone that cannot be loaded is an error of the start or reload, as with `nw serve --strict`

    Without *strict*, a zone that cannot be loaded does not affect the others: the version that is served stays, or its names are
    answered SERVFAIL. `failures` has the reason, which is also logged on standard error, as are faults of the engine.

    Port 0 in `[[listen]]` means a free port; `addresses` has its number.

    Raises `ConfigError` with every mistake, `ListenError` for an address that cannot be had, `ZonesError` if zones are configured
    and none can be loaded, or with *strict* if one cannot; all of them `NamewiseError`. The environment is not read.
    """

    def __init__(
        self,
        config: str | os.PathLike[str] | Mapping[str, Any],
        *,
        sockets: Iterable[socket.socket] = (),
        strict: bool = False,
    ) -> None:
        self._config = config
        self._service = Service(
            self._load, Sockets([fit(one) for one in sockets]), Log("error"), strict=strict
        )
        self._events: EventThread | None = None
        self.failures: tuple[str, ...] = ()
        """Zones and lists that could not be loaded at the start or at the last reload, each with its errors."""

    def __enter__(self) -> Server:
        self._report(self._service.start())
        self._events = EventThread(self._service.events, self._service.engine)
        self._service.follow()
        return self

    def __exit__(
        self, _kind: type[BaseException] | None, _error: BaseException | None, _trace: TracebackType | None
    ) -> None:
        if self._events is not None:
            self._events.close()
            self._events = None
        self._service.close()

    @property
    def addresses(self) -> tuple[str, ...]:
        """Where queries are answered: `127.0.0.1:5300`, as `namewise.resolve(..., server=)` takes it."""
        return self._service.addresses()

    def reload(self) -> list[str]:
        """Read configuration and zones again, take them into use and return what changed. On a mistake in the configuration raise
        and change nothing. Zones that cannot be loaded are treated as at the start."""
        self._running()
        outcome = self._service.reload()
        self._service.followed()
        self._report(outcome)
        return list(outcome.changes)

    def stats(self) -> dict[str, int]:
        """Return the engine's counters by name."""
        self._running()
        return dict(self._service.engine.stats())

    def _report(self, outcome: Outcome) -> None:
        self.failures = (*outcome.failures, *outcome.list_failures)
        for failure in outcome.failures:
            self._service.log.event("error", "zone-failed", failure)
        for failure in outcome.list_failures:
            self._service.log.event("error", "list-failed", failure)

    def _running(self) -> None:
        if self._events is None:
            raise EngineClosed("the server runs inside its with block only")

    def _load(self) -> Loaded:
        if not isinstance(self._config, Mapping):
            return load(os.fspath(self._config), environ={})
        return load(None, environ={}, flags=Overlay.of(self._config, Origin("program", "config")))

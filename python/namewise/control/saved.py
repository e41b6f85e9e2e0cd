"""The cache of a server in its state directory, so that it survives a restart.

    start ─> load in the background ─> (save)* every `[resolver] cache_save` ─> stop: save

The first query does not wait for the file. A file that is broken, of another version, or whose entries were judged by other trust
anchors or belong to other views, is left out: an event says why, for a broken file with the place, and the next save replaces it. A
server that is killed loses what it has learned since the last save.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from namewise.control.follower import Follower

if TYPE_CHECKING:
    from namewise.control.log import Log
    from namewise.control.service import Service

FILE = "cache.bin"
"""The name of the file in the state directory."""


class SavedCache:
    """Loads and saves the cache of *service* in a thread of its own."""

    def __init__(self, service: Service, log: Log) -> None:
        self.service = service
        self.log = log
        self._loaded = False
        self._follower = Follower("saved cache", "namewise-cache", self._act, log)

    def start(self) -> None:
        """Load the file, then save now and then, unless that has begun before. Call it after the state directory was made."""
        if self._path() is not None:
            self._follower.start()

    def stop(self) -> None:
        """Save for the last time, while the engine still runs."""
        self._follower.close(None)
        if self._follower.started:
            self.save()

    def save(self) -> None:
        """Save now, if the configuration in force says that the cache is saved."""
        path = self._path()
        if path is None:
            return
        try:
            count = self.service.engine.save_cache(path)
        except OSError as error:
            self.log.event("error", "cache-not-saved", f"{path}: the cache was not saved: {error}")
        else:
            self.log.event(
                "debug", "cache-saved", f"{path}: {count} entries of the cache saved", entries=count
            )

    def load(self) -> None:
        """Load the file, if there is one."""
        path = self._path()
        if path is None:
            return
        try:
            count = self.service.engine.load_cache(path)
        except FileNotFoundError:
            return
        except (OSError, ValueError) as error:
            self.log.event("error", "cache-not-loaded", f"{path}: {error}")
        else:
            if count is None:
                text = f"{path}: trust anchors, validation or views have changed since the cache was saved: it starts empty"
                self.log.event("info", "cache-outdated", text)
                return
            self.log.event(
                "info", "cache-loaded", f"{path}: {count} entries of the cache loaded", entries=count
            )

    def _path(self) -> str | None:
        state, resolver = self.service.state, self.service.config.resolver
        if state is None or resolver is None or resolver.cache_save == 0:
            return None
        return os.path.join(state, FILE)

    def _act(self) -> float:
        if self._loaded:
            self.save()
        else:
            self._loaded = True
            self.load()
        resolver = self.service.config.resolver
        return resolver.cache_save / 1000 if resolver is not None and resolver.cache_save else 60.0

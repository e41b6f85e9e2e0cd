"""The local copy of the root zone of a running server (RFC 8806): where it comes from, when it is renewed, when it is used.

    state directory ─┐                     ┌─ accepted ─▶ engine, state directory
    `file` ──────────┼─▶ newest ─▶ check ──┤
    primaries (AXFR) ┘     (ZONEMD,        └─ refused ──▶ log; the copy in use stays
                            RFC 8976)
    expired, or none ────────────────────────────────────▶ the resolver asks the root servers, and explanations say why

One thread waits for what is due next. The times are those of the SOA (RFC 1035 §3.3.13): *refresh* after a copy was confirmed, *retry*
after a failure, and *expire* after the last confirmation. The modification time of a file says when it was confirmed, so that the age
of a copy survives a restart.
"""

from __future__ import annotations

import contextlib
import os
import threading
import time
from typing import TYPE_CHECKING, NamedTuple

from namewise.config.paths import open_file
from namewise.config.values import endpoint
from namewise.control.follower import LONGEST_WAIT_S, Follower
from namewise.engine import LocalRoot as Artifact
from namewise.engine import RRset, Zone, verify_zonemd
from namewise.engine.errors import NamewiseError, TransferError, ZoneFileError
from namewise.zones.serial import is_newer
from namewise.zones.transfer import Limits, transfer

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from namewise.config.local_root import LocalRoot as Settings
    from namewise.control.log import Log
    from namewise.control.service import Service

ARTIFACT = "local-root"
"""The name of the artifact in the engine."""
FILE = "root.zone"
"""The name of the file in the state directory."""
FIRST_RETRY_S = 60
"""Seconds between attempts while there is no copy whose SOA says how long to wait, and at least with one."""


class Copy(NamedTuple):
    """A copy that has passed its check."""

    zone: Zone
    confirmed: int
    """When its source last had this serial, seconds since 1970."""
    source: str
    """A file, or `ADDRESS:PORT` of a primary."""
    digest: str | None
    """The hash algorithm of the ZONEMD record that verifies; None: the zone has no such record."""
    refresh_s: int
    retry_s: int
    expire_s: int

    @property
    def serial(self) -> int:
        """The serial of the SOA."""
        return self.zone.serial

    @property
    def expires(self) -> int:
        """From when on it must not be used, seconds since 1970."""
        return self.confirmed + self.expire_s


class Refused(NamewiseError):
    """A copy did not pass its check."""

    code = "REFUSED"


class RootCopy:
    """The local root of one service. All methods may be called from any thread."""

    def __init__(self, service: Service, log: Log, clock: Callable[[], float] = time.time) -> None:
        self.service = service
        self.log = log
        self.copy: Copy | None = None
        """The copy in use, or the last one, which has expired."""
        self.why = ""
        """Why no copy is used; empty if one is."""
        self._clock = clock
        self._due = 0
        self._published: object = None
        self._settings: Settings | None = None
        self._stamp: tuple[int, int] | None = None
        self._anchors: tuple[str, ...] = ()
        """The trust anchors by which copies were accepted and refused last."""
        self._acting = threading.Lock()
        self._follower = Follower("local root", "namewise-root", self.act, log)

    def start(self) -> None:
        """Use what is on the disk, then begin to follow the root in a thread, if a copy is wanted and that was not done before."""
        if self.service.config.local_root is None or self._follower.started:
            return
        self.load()
        self._follower.start()

    def close(self) -> None:
        """End the thread. A transfer that is under way ends by itself and changes nothing any more."""
        self._follower.close()

    def reloaded(self) -> None:
        """Take new settings and trust anchors into account: a changed table begins anew, a changed file is read, and the copy is checked
        by the anchors as they are now."""
        self._follower.wake()

    def load(self) -> None:
        """Read the copies on the disk and use the newest one that passes its check."""
        with self._acting:
            self._load()

    def act(self) -> float:
        """Do what is due, and return for how many seconds nothing is."""
        with self._acting:
            if self._settings != self.service.config.local_root:
                self._load()
            if self._settings is None:
                return LONGEST_WAIT_S
            self._recheck()
            self._read_file()
            if self._due <= self._seconds() and self._settings.primaries:
                self._refresh(self._settings)
            self._publish()
            due = [self._due] if self._settings.primaries else []
            if self.copy is not None:
                due.append(self.copy.expires)
            wait = [moment - self._clock() for moment in due if moment > self._clock()]
            return min([LONGEST_WAIT_S, *(max(1.0, one) for one in wait)])

    def status(self) -> dict[str, Any] | None:
        """Return the state for `nw ctl status`; None if no copy is wanted. Times are seconds since 1970."""
        if self.service.config.local_root is None:
            return None
        copy = self.copy
        return {
            "used": not self.why,
            "why": self.why or None,
            "serial": None if copy is None else copy.serial,
            "records": None if copy is None else len(copy.zone),
            "source": None if copy is None else copy.source,
            "digest": None if copy is None else copy.digest,
            "confirmed": None if copy is None else copy.confirmed,
            "refresh": self._due or None,
            "expires": None if copy is None else copy.expires,
        }

    def _seconds(self) -> int:
        return int(self._clock())

    # Sources

    def _load(self) -> None:
        self._settings = self.service.config.local_root
        self.copy, self._due, self._stamp, self._anchors = None, 0, None, self._root_anchors()
        if self._settings is not None:
            saved = self._saved_path()
            if saved is not None and self._settings.primaries:
                self._take_file(saved, missing=False)
            self._read_file()
            if self.copy is not None:
                self._due = self.copy.confirmed + self.copy.refresh_s
        self._publish()

    def _recheck(self) -> None:
        """Check the copy again if the trust anchors of the root have changed; a file that they refused is read again."""
        if self._anchors == (anchors := self._root_anchors()):
            return
        self._anchors, self._stamp = anchors, None
        copy, self.copy = self.copy, None
        if copy is not None:
            try:
                self.copy = self._checked(copy.zone, copy.source, copy.confirmed)
            except Refused as error:
                self._refuse(copy.source, f"{copy.source}: by the trust anchors as they are now, {error}")
        if self.copy is None:
            # The resolver does not use it while another is fetched.
            self._due = 0
            self._publish()

    def _read_file(self) -> None:
        """Read the configured file if it has changed since it was last read."""
        path = None if self._settings is None else self._settings.file
        if path is None:
            return
        try:
            found = os.stat(path)
            stamp = (found.st_mtime_ns, found.st_size)
        except OSError:
            stamp = (0, 0)
        if stamp != self._stamp:
            self._stamp = stamp
            self._take_file(path, missing=True)

    def _take_file(self, path: str, *, missing: bool) -> None:
        """Take the copy at *path* into use if it is the newest. missing: a missing file is an error."""
        try:
            open_file(path).close()
            confirmed = min(int(os.stat(path).st_mtime), self._seconds())
            copy = self._checked(Zone.from_file(".", path), path, confirmed)
        except FileNotFoundError as error:
            if missing:
                self._refuse(path, f"{path}: {error.strerror}")
        except OSError as error:
            self._refuse(path, f"{path}: {error.strerror or error}")
        except (ZoneFileError, Refused) as error:
            self._refuse(path, f"{path}: {error}" if isinstance(error, Refused) else str(error))
        else:
            self._accept(copy)

    def _refresh(self, settings: Settings) -> None:
        """Ask the primaries in turn until one has the zone."""
        limits = Limits(settings.max_size, settings.max_records, settings.timeout / 1000)
        serial = None if self.copy is None else self.copy.serial
        for primary in settings.primaries:
            if self._follower.ended:
                return
            at = endpoint(primary)
            try:
                zone = transfer(".", at, serial, limits)
                if zone is None and self.copy is not None:
                    copy = self.copy._replace(confirmed=self._seconds())
                elif zone is not None:
                    copy = self._checked(zone, str(at), self._seconds())
                else:
                    continue
            except (OSError, TransferError, Refused) as error:
                reason = "no reply in time" if isinstance(error, TimeoutError) else str(error)
                self._refuse(str(at), f"{at}: {reason}")
                continue
            if self._follower.ended:
                return
            self._save(copy, whole=zone is not None)
            self._accept(copy)
            self._due = copy.confirmed + max(FIRST_RETRY_S, copy.refresh_s)
            return
        retry = FIRST_RETRY_S if self.copy is None else max(FIRST_RETRY_S, self.copy.retry_s)
        self._due = self._seconds() + retry
        text = f"no primary of the root gave a usable copy; tried again in {retry} s"
        self.log.event("warning", "root-not-refreshed", text)

    def _checked(self, zone: Zone, source: str, confirmed: int) -> Copy:
        """Return *zone* as a copy, or raise `Refused`."""
        assert self._settings is not None, "only called while a copy is wanted"
        anchors = [RRset.from_text(line) for line in self._root_anchors()]
        try:
            digest = verify_zonemd(zone, self._seconds(), anchors)
        except ValueError as error:
            raise Refused(f"serial {zone.serial} does not pass its check: {error}") from None
        if digest is None and self._settings.require_zonemd:
            raise Refused(f"serial {zone.serial} has no ZONEMD record (require_zonemd = false accepts that)")
        soa = zone.rrset(".", "SOA")
        assert soa is not None, "every zone has one"
        refresh, retry, expire = (int(word) for word in str(next(iter(soa))).split()[3:6])
        return Copy(zone, confirmed, source, digest, refresh, retry, expire)

    def _root_anchors(self) -> tuple[str, ...]:
        return tuple(line for line in self.service.inputs.anchors if line.startswith(". "))

    # Use

    def _refuse(self, source: str, text: str) -> None:
        self.log.event("warning", "root-refused", f"local root: {text}", source=source)
        if self.copy is None:
            self.why = text

    def _accept(self, copy: Copy) -> None:
        former = self.copy
        if former is not None and former.serial != copy.serial and not is_newer(copy.serial, former.serial):
            return
        if former is not None and former.serial == copy.serial and former.confirmed > copy.confirmed:
            return
        self.copy = copy
        if former is None or former.serial != copy.serial:
            digest = f"{copy.digest} digest verified" if copy.digest else "no ZONEMD record"
            text = f"local root: serial {copy.serial}, {len(copy.zone)} records, from {copy.source}, {digest}"
            self.log.event("info", "root-copy", text, serial=copy.serial, source=copy.source)

    def _publish(self) -> None:
        """Give the engine the copy, or the reason why there is none."""
        engine, copy = self.service.engine, self.copy
        wanted: object
        artifact: Artifact | None
        if self._settings is None:
            self.why, wanted, artifact = "", None, None
        elif copy is not None and copy.expires > self._seconds():
            self.why, wanted = "", (copy.zone, copy.expires)
            if self._lasts(copy):
                return
            artifact = Artifact(copy.zone, copy.expires)
        else:
            if copy is not None:
                self.why = f"the copy with serial {copy.serial} has expired"
            self.why = self.why or "no copy has been transferred yet"
            wanted, artifact = self.why, Artifact.unusable(self.why)
        if not isinstance(wanted, tuple) and wanted == self._published:
            return
        engine.swap({ARTIFACT: artifact})
        used = not isinstance(wanted, str)
        if not used and isinstance(self._published, tuple):
            self.log.event("error", "root-unusable", f"local root: {self.why}; the root servers are asked")
        self._published = wanted

    def _lasts(self, copy: Copy) -> bool:
        """Return whether the engine has *copy*, with more than half of its life left: a new time alone is not worth a new resolver."""
        if not isinstance(self._published, tuple):
            return False
        zone, expires = self._published
        return zone is copy.zone and (
            expires == copy.expires or expires - self._seconds() > copy.expire_s // 2
        )

    # Files

    def _saved_path(self) -> str | None:
        return None if self.service.state is None else os.path.join(self.service.state, FILE)

    def _save(self, copy: Copy, *, whole: bool) -> None:
        """Save *copy*; not *whole*: only the time at which it was confirmed."""
        path = self._saved_path()
        if path is None:
            return
        part = f"{path}.new"
        try:
            if whole or not os.path.exists(path):
                with open(part, "w", encoding="ascii") as file:
                    file.write(copy.zone.to_text())
                    file.flush()
                    os.fsync(file.fileno())
                os.utime(part, (copy.confirmed, copy.confirmed))
                os.replace(part, path)
            else:
                os.utime(path, (copy.confirmed, copy.confirmed))
        except OSError as error:
            with contextlib.suppress(OSError):
                os.unlink(part)
            text = f"{path} cannot be written: {error.strerror}; a restart transfers the root zone anew"
            self.log.event("error", "root-not-saved", text)

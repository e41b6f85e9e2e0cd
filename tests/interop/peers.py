"""Servers of a test: BIND, NSD, Knot, Unbound and namewise, each with a short configuration in its own folder.

A server is ended by its process; it is ready when it has answered.
"""

from __future__ import annotations

import contextlib
import os
import random
import select
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import pytest
from ports import free_port

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

PATIENCE_S = 20.0
"""How long a server may take to start or to stop. Most take a few milliseconds; the machine may be busy."""
NW = Path(sys.executable).parent / "nw"
Where = tuple[str, int]


def free_address(address: str | None = None) -> Where:
    """Return *address*, or a loopback address of its own, and a port of it that no other test gets."""
    some = f"127.{random.randrange(1, 255)}.{random.randrange(256)}.{random.randrange(1, 255)}"
    return address or some, free_port()


class Key(NamedTuple):
    """A TSIG key, as each server writes it."""

    algorithm: str = "hmac-sha256"
    name: str = "xfr."
    secret: str = "c2VjcmV0c2VjcmV0c2VjcmV0c2VjcmV0"

    @property
    def bind(self) -> str:
        return f'key "{self.name}" {{ algorithm {self.algorithm}; secret "{self.secret}"; }};\n'

    @property
    def knot(self) -> str:
        return f"key:\n  - id: {self.name}\n    algorithm: {self.algorithm}\n    secret: {self.secret}\n"

    @property
    def nsd(self) -> str:
        return f'key:\n name: "{self.name}"\n algorithm: {self.algorithm}\n secret: "{self.secret}"\n'

    @property
    def namewise(self) -> str:
        return f'[[key]]\nname = "{self.name}"\nalgorithm = "{self.algorithm}"\nsecret = "{self.secret}"\n'


class Server:
    """A running server and what it says."""

    def __init__(
        self,
        command: Sequence[object],
        folder: Path,
        where: Where,
        *,
        inside: Sequence[str] = (),
        environ: Mapping[str, str] | None = None,
        fds: Sequence[int] = (),
    ) -> None:
        program = str(command[0])
        if shutil.which(program) is None:
            pytest.skip(f"{Path(program).name} is not installed")
        self.where, self.inside, self.text = where, tuple(inside), ""
        self.process = subprocess.Popen(
            [*inside, *map(str, command)],
            cwd=folder,
            env={**os.environ, **(environ or {})},
            pass_fds=fds,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
        )

    def read(self, limit_s: float = 0.0) -> str:
        """Return all that the server has said so far, after waiting at most *limit_s* for more of it."""
        pipe = self.process.stdout
        assert pipe is not None, "asked for above"
        while select.select([pipe], [], [], limit_s)[0]:
            part = os.read(pipe.fileno(), 65536)
            if not part:
                break
            self.text += part.decode("utf-8", "replace")
            limit_s = 0.0
        return self.text

    def until(self, done: Callable[[], bool], what: str) -> None:
        """Return as soon as *done* says so; the server's own words wake us up, else every 20 ms."""
        end = time.monotonic() + PATIENCE_S
        while not done():
            said = self.read(0.02)
            assert time.monotonic() < end, f"{what}: not within {PATIENCE_S:.0f} s\n{said}"
            assert self.process.poll() is None or done(), f"{what}: the server ended\n{self.read(0.1)}"

    def says(self, text: str) -> str:
        """Wait until the server has said *text* and return everything that it has said."""
        self.until(lambda: text in self.read(), f"waiting for {text!r}")
        return self.text

    def answers(self, zone: str) -> Server:
        """Wait until the server answers the SOA of *zone*."""
        query = ["dig", f"@{self.where[0]}", "-p", str(self.where[1]), "+time=2", "+tries=1", zone, "SOA"]

        def ready() -> bool:
            done = subprocess.run([*self.inside, *query], capture_output=True, text=True, check=False)
            return "status: NOERROR" in done.stdout and "ANSWER: 0" not in done.stdout

        self.until(ready, f"asking for {zone}")
        return self

    def stop(self, number: signal.Signals = signal.SIGTERM) -> int:
        """End the server and return its exit code."""
        if self.process.poll() is None:
            self.process.send_signal(number)
        end = time.monotonic() + PATIENCE_S
        while self.process.poll() is None and time.monotonic() < end:
            self.read(0.02)
        if self.process.poll() is None:
            self.process.kill()
        self.read(0.1)
        return self.process.wait()


@contextlib.contextmanager
def running(server: Server) -> Iterator[Server]:
    """End *server* at the end of the block."""
    try:
        yield server
    finally:
        server.stop()


def bind(
    folder: Path, where: Where, zones: Mapping[str, Path], options: str = "", more: str = "", **how: Any
) -> Server:
    """Start BIND with *zones* and *options*; *more* comes behind them. It listens on addresses of interfaces
    only."""
    folder.mkdir()
    listed = "".join(f'zone "{name}" {{ type primary; file "{path}"; }};\n' for name, path in zones.items())
    listen = f"port {where[1]} {{ {where[0]}; }}", "{ none; }"
    listen4, listen6 = reversed(listen) if ":" in where[0] else listen
    (folder / "named.conf").write_text(
        f"""\
options {{
  directory "{folder}"; session-keyfile "{folder}/session.key"; managed-keys-directory "{folder}";
  pid-file none; lock-file none; notify no;
  listen-on {listen4}; listen-on-v6 {listen6};
  {options or "recursion no; dnssec-validation no;"}
}};
controls {{ }};
{listed}{more}"""
    )
    return Server(["/usr/sbin/named", "-g", "-n", "1", "-c", folder / "named.conf"], folder, where, **how)


def nsd(
    folder: Path,
    where: Where,
    zones: Mapping[str, Path],
    lines: Sequence[str] = (),
    *,
    of_zone: Sequence[str] = (),
    keys: str = "",
    **how: Any,
) -> Server:
    """Start NSD with *zones*, *lines* in its server clause, *of_zone* in the clause of each zone, and the clauses *keys*."""
    folder.mkdir()
    more = "\n ".join(lines)
    options = "".join(f" {line}\n" for line in of_zone)
    listed = "".join(
        f'zone:\n name: "{name}"\n zonefile: "{path}"\n{options}' for name, path in zones.items()
    )
    (folder / "nsd.conf").write_text(
        f"""\
server:
 ip-address: {where[0]}@{where[1]}
 server-count: 1
 rrl-ratelimit: 0
 username: ""
 chroot: ""
 database: ""
 zonesdir: "{folder}"
 pidfile: "{folder}/nsd.pid"
 xfrdir: "{folder}"
 xfrdfile: ""
 zonelistfile: "{folder}/nsd.list"
 {more}
remote-control:
 control-enable: no
{keys}{listed}"""
    )
    return Server(["/usr/sbin/nsd", "-d", "-c", folder / "nsd.conf"], folder, where, **how)


def knot(
    folder: Path,
    where: Where,
    zones: Mapping[str, Path],
    rrl: str = "",
    *,
    of_zone: Sequence[str] = (),
    more: str = "",
    **how: Any,
) -> Server:
    """Start Knot with *zones*; *rrl* are the settings of its limit on responses, *of_zone* those of each zone, *more* the sections before
    the zones."""
    (folder / "db").mkdir(parents=True)
    module = f"mod-rrl:\n  - id: default\n    {rrl}\n" if rrl else ""
    use = "\n    global-module: mod-rrl/default" if rrl else ""
    lines = "".join(f"    {line}\n" for line in of_zone)
    listed = "".join(f"  - domain: {name}\n    file: {path}\n{lines}" for name, path in zones.items())
    (folder / "knot.conf").write_text(
        f"""\
server:
    listen: {where[0]}@{where[1]}
    rundir: {folder}
    udp-workers: 1
    tcp-workers: 1
    background-workers: 1
log:
  - target: stderr
    any: info
database:
    storage: {folder}/db
{more}{module}template:
  - id: default{use}
    storage: {folder}
    journal-content: none
    zonefile-sync: -1
zone:
{listed}"""
    )
    return Server(["/usr/sbin/knotd", "-c", folder / "knot.conf"], folder, where, **how)


def unbound(folder: Path, where: Where, lines: Sequence[str], **how: Any) -> Server:
    """Start Unbound with *lines* in its server clause (a clause of another name in them begins anew)."""
    folder.mkdir(exist_ok=True)
    rest = "\n".join(lines)
    (folder / "unbound.conf").write_text(
        f"""\
server:
 username: ""
 chroot: ""
 directory: "{folder}"
 pidfile: "{folder}/unbound.pid"
 use-syslog: no
 interface: {where[0]}
 port: {where[1]}
 access-control: 0.0.0.0/0 allow
 num-threads: 1
 outgoing-range: 512
 do-ip6: no
 do-not-query-localhost: no
{rest}
remote-control:
 control-enable: no
"""
    )
    return Server(["/usr/sbin/unbound", "-d", "-c", folder / "unbound.conf"], folder, where, **how)


def namewise(folder: Path, where: Where | None, *flags: object, **how: Any) -> Server:
    """Start `nw serve` with *flags*, listening at *where* (None: as the flags say) with a control socket in
    *folder*."""
    folder.mkdir(exist_ok=True)
    at = where and (f"[{where[0]}]" if ":" in where[0] else where[0])
    listen = [] if where is None else ["--listen", f"{at}:{where[1]}"]
    command = [NW, "serve", *listen, "--control", folder / "control.sock", "--workers", "1", *flags]
    return Server(command, folder, where or ("", 0), **how)


def authoritative(
    folder: Path, where: Where, zones: Mapping[str, Path], *flags: object, **how: Any
) -> Server:
    """Start namewise with *zones* and *flags*."""
    served = [flag for name, path in zones.items() for flag in ("--zone", f"{name}={path}")]
    return namewise(folder, where, *served, *flags, **how)

"""The servers of the benchmark: their programs, and their configurations for one worker.

Each entry of `AUTHORITATIVE` and `CACHES` writes its configuration into a folder and returns the command
line. A server whose program is not installed is skipped with a message. Peers of Debian 13 run from the folder
named by `PEERS_ROOT` (debootstrap trixie), through `chroot`; if it is missing, the rows that need them report it.
"""

from __future__ import annotations

import base64
import hashlib
import os
import shutil
import struct
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable

PEERS_ROOT = os.environ.get("PEERS_ROOT")


@dataclass(frozen=True)
class Zone:
    """An origin (absolute) and its zone file; `more` are further zones that the same server serves.

    `anchor`: the DNSKEY record that resolvers validate with.
    """

    origin: str
    file: Path
    more: tuple[Zone, ...] = ()
    anchor: str | None = None

    @property
    def each(self) -> tuple[Zone, ...]:
        return (self, *self.more)


@dataclass(frozen=True)
class Server:
    """A kind of server: its name, its program, and a function that writes its configuration.

    `prepare(folder, port, zone)` for authoritative servers, where `zone` is what to serve; for caches the
    same with `zone` as the suffix to ask of the authoritative server at `upstream`.
    """

    name: str
    program: str
    prepare: Callable[..., list[str]]
    root: str | None = None

    @property
    def installed(self) -> bool:
        if self.root is not None:
            return Path(self.root + self.program).exists()
        return shutil.which(self.program) is not None


def write(path: Path, text: str) -> Path:
    """Write *text* to *path* and return the path."""
    path.write_text(text)
    return path


def namewise(folder: Path, port: int, zone: Zone) -> list[str]:
    nw = Path(sys.executable).parent / "nw"
    zones = "".join(f'[[zone]]\nname = "{each.origin}"\nfile = "{each.file}"\n' for each in zone.each)
    if zone.more:
        # As an operator of thousands of zones would: the folder names them.
        zones = f'[[template]]\nname = "many"\nfiles = "{zone.file.parent}/*.zone"\n'
    config = write(folder / "namewise.toml", zones)
    return [
        str(nw), "serve", "--config", str(config), "--listen", f"127.0.0.1:{port}", "--workers", "1",
        "--state", str(folder), "--control", str(folder / "control.sock"),
    ]  # fmt: skip


def namewise_cache(folder: Path, port: int, zone: Zone, upstream: int) -> list[str]:
    nw = Path(sys.executable).parent / "nw"
    return [
        str(nw), "serve", "--listen", f"127.0.0.1:{port}", "--forward", f"{zone.origin}=127.0.0.1:{upstream}",
        "--workers", "1", "--state", str(folder), "--control", str(folder / "control.sock"),
    ]  # fmt: skip


def namewise_resolver(folder: Path, port: int, zone: Zone, upstream: int) -> list[str]:
    nw = Path(sys.executable).parent / "nw"
    validate = ""
    if zone.anchor is not None:
        validate = f'trust_anchor = "{write(folder / "anchor", zone.anchor)}"'
    config = write(
        folder / "namewise.toml",
        f"""[resolver]
ask_loopback = true
{validate}

[[forward]]
suffix = "{zone.origin}"
servers = ["127.0.0.2:{upstream}"]
authoritative = true
""",
    )
    return [
        str(nw), "serve", "--config", str(config), "--listen", f"127.0.0.1:{port}", "--workers", "1",
        "--state", str(folder), "--control", str(folder / "control.sock"),
    ]  # fmt: skip


def _nsd(folder: Path, port: int, zone: Zone) -> Path:
    return write(
        folder / "nsd.conf",
        f"""server:
  server-count: 1
  ip-address: 127.0.0.1@{port}
  username: ""
  chroot: ""
  zonesdir: "{folder}"
  pidfile: "{folder}/nsd.pid"
  xfrdfile: "{folder}/xfrd.state"
  zonelistfile: "{folder}/zone.list"
  xfrdir: "{folder}"
  logfile: "{folder}/nsd.log"
  rrl-ratelimit: 0
  rrl-whitelist-ratelimit: 0
remote-control:
  control-enable: no
"""
        + "".join(f'zone:\n  name: "{each.origin}"\n  zonefile: "{each.file}"\n' for each in zone.each),
    )


def nsd(folder: Path, port: int, zone: Zone) -> list[str]:
    return ["nsd", "-d", "-c", str(_nsd(folder, port, zone))]


def nsd_13(folder: Path, port: int, zone: Zone) -> list[str]:
    inside = Path(PEERS_ROOT or "/") / "bench"
    inside.mkdir(exist_ok=True)
    shutil.copy(zone.file, inside / "zone")
    _nsd(inside, port, Zone(zone.origin, Path("/bench/zone")))
    config = inside / "nsd.conf"
    config.write_text(config.read_text().replace(str(inside), "/bench"))
    return ["chroot", str(PEERS_ROOT), "/usr/sbin/nsd", "-d", "-c", "/bench/nsd.conf"]


def knot(folder: Path, port: int, zone: Zone) -> list[str]:
    config = write(
        folder / "knot.conf",
        f"""server:
  rundir: "{folder}"
  listen: 127.0.0.1@{port}
  udp-workers: 1
  tcp-workers: 1
  background-workers: 2
log:
  - target: stderr
    any: error
database:
  storage: "{folder}"
template:
  - id: default
    storage: "{folder}"
    zonefile-sync: -1
    zonefile-load: whole
    journal-content: none
    semantic-checks: off
zone:
"""
        + "".join(f'  - domain: "{each.origin}"\n    file: "{each.file}"\n' for each in zone.each),
    )
    return ["knotd", "-c", str(config)]


def bind(folder: Path, port: int, zone: Zone) -> list[str]:
    config = write(
        folder / "named.conf",
        f"""options {{
  directory "{folder}"; pid-file "{folder}/named.pid"; session-keyfile "{folder}/session.key";
  listen-on port {port} {{ 127.0.0.1; }}; listen-on-v6 {{ none; }};
  recursion no; dnssec-validation no; notify no; check-integrity no;
}};
controls {{ }};
zone "{zone.origin}" {{ type primary; file "{zone.file}"; check-names ignore; }};
""",
    )
    return ["named", "-n", "1", "-f", "-c", str(config)]


def powerdns(folder: Path, port: int, zone: Zone) -> list[str]:
    zones = write(
        folder / "zones.conf", f'zone "{zone.origin.rstrip(".")}" {{ type master; file "{zone.file}"; }};\n'
    )
    config = write(
        folder / "pdns.conf",
        f"""launch=bind
bind-config={zones}
local-address=127.0.0.1
local-port={port}
receiver-threads=1
distributor-threads=1
socket-dir={folder}
daemon=no
guardian=no
loglevel=0
""",
    )
    return ["pdns_server", f"--config-dir={config.parent}"]


def unbound(folder: Path, port: int, zone: Zone, upstream: int) -> list[str]:
    config = write(
        folder / "unbound.conf",
        f"""server:
  directory: "{folder}"
  chroot: ""
  username: ""
  pidfile: "{folder}/unbound.pid"
  logfile: "{folder}/unbound.log"
  use-syslog: no
  num-threads: 1
  interface: 127.0.0.1@{port}
  do-not-query-localhost: no
  do-ip6: no
  module-config: "iterator"
  msg-cache-size: 64m
  rrset-cache-size: 128m
stub-zone:
  name: "{zone.origin}"
  stub-addr: 127.0.0.1@{upstream}
remote-control:
  control-enable: no
""",
    )
    return ["unbound", "-d", "-c", str(config)]


def unbound_resolver(folder: Path, port: int, zone: Zone, upstream: int) -> list[str]:
    command = unbound(folder, port, zone, upstream)
    config = Path(command[-1])
    text = config.read_text().replace(f"127.0.0.1@{upstream}", f"127.0.0.2@{upstream}")
    if zone.anchor is not None:
        write(folder / "anchor", zone.anchor + "\n")
        validate = f'module-config: "validator iterator"\n  trust-anchor-file: "{folder}/anchor"'
        text = text.replace('module-config: "iterator"', validate)
    write(config, text)
    return command


def unbound_resolver_13(folder: Path, port: int, zone: Zone, upstream: int) -> list[str]:
    return _inside(folder, unbound_resolver, port, zone, upstream)


def _inside(folder: Path, prepare: Callable[..., list[str]], *args: Any) -> list[str]:
    """The command of a server of Debian 13, with the configuration that *prepare* writes; below `/` it has its own folder."""
    inside = Path(PEERS_ROOT or "/") / "bench" / folder.name
    inside.mkdir(parents=True, exist_ok=True)
    program, *rest = prepare(inside, *args)
    for file in inside.iterdir():
        file.write_text(file.read_text().replace(str(inside), f"/bench/{folder.name}"))
    rest = [word.replace(str(inside), f"/bench/{folder.name}") for word in rest]
    return ["chroot", str(PEERS_ROOT), f"/usr/sbin/{program}", *rest]


def bind_resolver(folder: Path, port: int, zone: Zone, upstream: int) -> list[str]:
    key = (zone.anchor or "").split("DNSKEY", 1)[-1].split()
    anchor = (
        f'trust-anchors {{ "." static-key {" ".join(key[:3])} "{"".join(key[3:])}"; }};'
        if zone.anchor
        else ""
    )
    write(folder / "hints", ". 3600 IN NS ns.\nns. 3600 IN A 127.0.0.2\n")
    config = write(
        folder / "named.conf",
        f"""options {{
  directory "{folder}"; pid-file "{folder}/named.pid"; session-keyfile "{folder}/session.key";
  listen-on port {port} {{ 127.0.0.1; }}; listen-on-v6 {{ none; }};
  recursion yes; dnssec-validation {"yes" if anchor else "no"}; empty-zones-enable no; max-cache-size 200m;
}};
controls {{ }};
{anchor}
zone "." {{ type hint; file "{folder}/hints"; }};
""",
    )
    return ["named", "-4", "-n", "1", "-f", "-c", str(config)]


def bind_resolver_13(folder: Path, port: int, zone: Zone, upstream: int) -> list[str]:
    return _inside(folder, bind_resolver, port, zone, upstream)


def powerdns_resolver_13(folder: Path, port: int, zone: Zone, upstream: int) -> list[str]:
    return _inside(folder, powerdns_resolver, port, zone, upstream)


def powerdns_resolver(folder: Path, port: int, zone: Zone, upstream: int) -> list[str]:
    key = (zone.anchor or "").split("DNSKEY", 1)[-1].strip()
    write(folder / "hints", ". 3600 IN NS ns.\nns. 3600 IN A 127.0.0.2\n")
    write(
        folder / "anchor.lua", "clearTA()\n" + (f"addTA('.', \"{ds_of_key(key)}\")\n" if zone.anchor else "")
    )
    write(
        folder / "recursor.conf",
        f"""local-address=127.0.0.1
local-port={port}
hint-file={folder}/hints
lua-config-file={folder}/anchor.lua
dont-query=
threads=1
socket-dir={folder}
daemon=no
dnssec={"validate" if zone.anchor else "off"}
quiet=yes
loglevel=0
enable-old-settings=yes
""",
    )
    return ["pdns_recursor", f"--config-dir={folder}"]


def ds_of_key(key: str) -> str:
    """The rdata of a DS record (SHA-256) for a DNSKEY of the root, of which *key* is the rdata."""
    flags, protocol, algorithm, *parts = key.split()
    rdata = struct.pack("!HBB", int(flags), int(protocol), int(algorithm)) + base64.b64decode("".join(parts))
    words = struct.unpack(f"!{len(rdata) // 2}H", rdata[: len(rdata) // 2 * 2])
    total = sum(words) + (rdata[-1] << 8 if len(rdata) % 2 else 0)
    tag = (total + (total >> 16)) & 0xFFFF
    return f"{tag} {algorithm} 2 {hashlib.sha256(bytes(1) + rdata).hexdigest()}"


def bind_cache(folder: Path, port: int, zone: Zone, upstream: int) -> list[str]:
    config = write(
        folder / "named.conf",
        f"""options {{
  directory "{folder}"; pid-file "{folder}/named.pid"; session-keyfile "{folder}/session.key";
  listen-on port {port} {{ 127.0.0.1; }}; listen-on-v6 {{ none; }};
  recursion yes; dnssec-validation no; empty-zones-enable no;
}};
controls {{ }};
zone "{zone.origin}" {{ type forward; forward only; forwarders {{ 127.0.0.1 port {upstream}; }}; }};
""",
    )
    return ["named", "-n", "1", "-f", "-c", str(config)]


def knot_resolver(folder: Path, port: int, zone: Zone, upstream: int) -> list[str]:
    config = write(
        folder / "kresd.conf",
        f"""net.listen('127.0.0.1', {port}, {{ kind = 'dns' }})
trust_anchors.remove('.')
cache.size = 200 * MB
policy.add(policy.suffix(policy.STUB('127.0.0.1@{upstream}'), {{todname('{zone.origin}')}}))
""",
    )
    return ["kresd", "-n", "-c", str(config), str(folder)]


def knot_resolver_resolver(folder: Path, port: int, zone: Zone, upstream: int) -> list[str]:
    trust = "trust_anchors.remove('.')"
    if zone.anchor is not None:
        trust += f"\ntrust_anchors.add([[{zone.anchor}]])"
    # A stub policy does not follow referrals. Without ALLOW_LOCAL, addresses of servers in 127/8 are ignored.
    config = write(
        folder / "kresd.conf",
        f"""net.listen('127.0.0.1', {port}, {{ kind = 'dns' }})
net.ipv6 = false
{trust}
cache.size = 200 * MB
modules = {{ 'hints > iterate' }}
hints.root({{ ['ns.'] = '127.0.0.2' }})
option('ALLOW_LOCAL', true)
""",
    )
    return ["kresd", "-n", "-c", str(config), str(folder)]


def powerdns_recursor(folder: Path, port: int, zone: Zone, upstream: int) -> list[str]:
    write(
        folder / "recursor.conf",
        f"""local-address=127.0.0.1
local-port={port}
forward-zones={zone.origin.rstrip(".")}=127.0.0.1:{upstream}
dont-query=
threads=1
socket-dir={folder}
daemon=no
dnssec=off
quiet=yes
loglevel=0
""",
    )
    return ["pdns_recursor", f"--config-dir={folder}"]


def dnsdist(folder: Path, port: int, zone: Zone, upstream: int) -> list[str]:
    config = write(
        folder / "dnsdist.conf",
        f"""setLocal('127.0.0.1:{port}')
newServer({{address='127.0.0.1:{upstream}'}})
getPool(''):setCache(newPacketCache(100000))
setSecurityPollSuffix('')
""",
    )
    return ["dnsdist", "--supervised", "--disable-syslog", "-C", str(config)]


def dnsmasq(folder: Path, port: int, zone: Zone, upstream: int) -> list[str]:
    return [
        "dnsmasq", "--keep-in-foreground", "--conf-file=/dev/null", "--no-resolv", "--no-hosts", "--bind-interfaces",
        "--listen-address=127.0.0.1", f"--port={port}", "--cache-size=20000", f"--pid-file={folder}/pid", "--user=root",
        f"--server=/{zone.origin.rstrip('.')}/127.0.0.1#{upstream}", "--dns-forward-max=1000",
    ]  # fmt: skip


def inside(prepare: Callable[..., list[str]]) -> Callable[..., list[str]]:
    """Return *prepare* for the same server of Debian 13."""
    return lambda folder, *args: _inside(folder, prepare, *args)


NAMEWISE = Server("namewise", "python3", namewise)
NAMEWISE_CACHE = Server("namewise", "python3", namewise_cache)
AUTHORITATIVE = [
    NAMEWISE,
    Server("NSD", "nsd", nsd),
    Server("Knot", "knotd", knot),
    Server("BIND", "named", bind),
    Server("PowerDNS", "pdns_server", powerdns),
    *([Server("NSD D13", "/usr/sbin/nsd", nsd_13, PEERS_ROOT)] if PEERS_ROOT else []),
]
CACHES = [
    NAMEWISE_CACHE,
    Server("Unbound", "unbound", unbound),
    Server("dnsdist", "dnsdist", dnsdist),
    Server("PowerDNS Recursor", "pdns_recursor", powerdns_recursor),
    Server("Knot Resolver", "kresd", knot_resolver),
    Server("BIND", "named", bind_cache),
    Server("dnsmasq", "dnsmasq", dnsmasq),
]


def powerdns_recursor_resolver(folder: Path, port: int, zone: Zone, upstream: int) -> list[str]:
    command = powerdns_recursor(folder, port, zone, upstream)
    config = folder / "recursor.conf"
    write(config, config.read_text().replace(f"127.0.0.1:{upstream}", f"127.0.0.2:{upstream}"))
    return command


def roomy(prepare: Callable[..., list[str]]) -> Callable[..., list[str]]:
    """Return *prepare* with a cache that holds more than a million answers."""

    def prepared(folder: Path, port: int, zone: Zone, upstream: int) -> list[str]:
        command = prepare(folder, port, zone, upstream)
        for config in folder.iterdir():
            if config.is_file():
                text = config.read_text()
                for small, large in ROOM.items():
                    text = text.replace(small, large)
                config.write_text(text)
        return command

    return prepared


ROOM = {
    "ask_loopback = true": 'ask_loopback = true\ncache = "2GB"\ncache_save = "0s"',
    "msg-cache-size: 64m": "msg-cache-size: 1g",
    "rrset-cache-size: 128m": "rrset-cache-size: 2g",
    "cache.size = 200 * MB": "cache.size = 2 * GB",
    "threads=1\n": "threads=1\nmax-cache-entries=3000000\nmax-packetcache-entries=3000000\n",
}
# The upstream of these is `authority` at 127.0.0.2, which the load generator brings along.
RESOLVERS = [
    Server("namewise", "python3", namewise_resolver),
    Server("Unbound", "unbound", unbound_resolver),
    Server("Knot Resolver", "kresd", knot_resolver_resolver),
]
D13_VALIDATORS = [
    Server("Unbound D13", "/usr/sbin/unbound", unbound_resolver_13, PEERS_ROOT),
    Server("BIND D13", "/usr/sbin/named", bind_resolver_13, PEERS_ROOT),
    Server("PowerDNS Recursor D13", "/usr/sbin/pdns_recursor", powerdns_resolver_13, PEERS_ROOT),
]
VALIDATORS = [
    *RESOLVERS,
    Server("BIND", "named", bind_resolver),
    Server("PowerDNS Recursor", "pdns_recursor", powerdns_resolver),
    *(D13_VALIDATORS if PEERS_ROOT else []),
]
# The same with room for a million answers.
ROOMY = [
    *(Server(one.name, one.program, roomy(one.prepare), one.root) for one in RESOLVERS),
    Server("PowerDNS Recursor", "pdns_recursor", roomy(powerdns_recursor_resolver)),
]

"""The servers to query: those that the caller gives, or those of the system's resolver file.

The file is interpreted as resolv.conf(5) describes: at most three `nameserver` lines, and the last
`options` apply. Without a server, the one on this host is used. Search lists, `rotate` and other name
services are not supported here.
"""

from __future__ import annotations

import socket
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

RESOLV_CONF = "/etc/resolv.conf"
DNS_PORT = 53
MAX_TIMEOUT_S = 86400
MAX_SERVERS = 3  # MAXNS of resolv.h


class ServerAddress(NamedTuple):
    """An address and a port. The text form is `192.0.2.1:53` or `[2001:db8::1]:53`, with an IPv6 zone if
    needed.
    """

    host: str
    port: int

    @property
    def socket_address(self) -> tuple[str, int] | tuple[str, int, int, int]:
        """The address for a socket, with the index of its zone (RFC 4007 §11). Raises OSError if this
        machine has no such interface.
        """
        host, _, zone = self.host.partition("%")
        if ":" not in host:
            return host, self.port
        if not zone:
            return host, self.port, 0, 0
        if zone.isdecimal():
            return host, self.port, 0, int(zone)
        try:
            return host, self.port, 0, socket.if_nametoindex(zone)
        except OSError:
            raise OSError(f"there is no interface {zone!r}") from None

    @property
    def family(self) -> socket.AddressFamily:
        """The address family, for a socket."""
        return socket.AF_INET6 if ":" in self.host else socket.AF_INET

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


class Servers(NamedTuple):
    """Servers in the order in which they are queried.

    timeout_s: seconds for each query; attempts: number
    of rounds over all servers.
    """

    addresses: tuple[ServerAddress, ...]
    timeout_s: float = 5.0
    attempts: int = 2
    tcp: bool = False


def choose(
    server: str | Sequence[str] | None,
    port: int = DNS_PORT,
    timeout_s: float | None = None,
    attempts: int | None = None,
    tcp: bool | None = None,
) -> Servers:
    """Return the given servers, or the system's. Arguments that are None keep their defaults.

    Raises ValueError for a server, a time or a number of attempts that cannot be used.
    """
    if server is None:
        servers = system_servers()
    else:
        named = [server] if isinstance(server, str) else server
        servers = Servers(tuple(parse_server(text, port) for text in named))
    if not servers.addresses:
        raise ValueError("no server is named")
    return servers._replace(
        timeout_s=servers.timeout_s if timeout_s is None else seconds(timeout_s),
        attempts=servers.attempts if attempts is None else _attempts(attempts),
        tcp=servers.tcp if tcp is None else tcp,
    )


def seconds(timeout_s: float) -> float:
    """Return *timeout_s*, or raise ValueError unless it is a time that a socket can wait."""
    if not isinstance(timeout_s, int | float) or not 0 < timeout_s <= MAX_TIMEOUT_S:
        raise ValueError(f"timeout_s is {timeout_s!r}: expected seconds, above 0 and at most {MAX_TIMEOUT_S}")
    return timeout_s


def _attempts(number: int) -> int:
    if not isinstance(number, int) or number < 1:
        raise ValueError(f"attempts is {number!r}: expected a number of rounds, at least 1")
    return number


def parse_server(text: str, port: int = DNS_PORT) -> ServerAddress:
    """Return the address in `192.0.2.1`, `192.0.2.1:5300`, `2001:db8::1`, `[2001:db8::1]:5300`, or
    `ADDRESS#PORT`.

    Raises TypeError unless *text* is a string, and ValueError for other text. Host names are not allowed,
    because resolving them would need a server.
    """
    if not isinstance(text, str):
        raise TypeError(f"{text!r} is not a server: expected a text, as in '192.0.2.1:5300'")
    host, separator, number = text.rpartition("#")
    if not separator:
        if text.startswith("["):
            host, _, number = text[1:].partition("]")
            if number and not number.startswith(":"):
                raise ValueError(f"{text!r} is not a server: expected ':' after ']'")
            number = number[1:]
        elif text.count(":") == 1:
            host, _, number = text.partition(":")
        else:
            host, number = text, ""
    if not _is_address(host):
        raise ValueError(f"{text!r} is not a server: expected an IP address, with a port or without")
    try:
        _ = ServerAddress(host, port).socket_address
    except OSError as error:
        raise ValueError(f"{text!r} cannot be asked: {error}") from None
    if not number:
        return ServerAddress(host, port)
    if not number.isdecimal() or not 0 < int(number) < 65536:
        raise ValueError(f"{text!r} is not a server: the port must be 1 to 65535")
    return ServerAddress(host, int(number))


def system_servers(path: str | Path = RESOLV_CONF) -> Servers:
    """Return the servers of the system's resolver file. Invalid lines are ignored, as the system does."""
    try:
        with open(path, encoding="utf-8", errors="replace") as file:
            text = file.read()
    except FileNotFoundError:
        text = ""
    addresses: list[ServerAddress] = []
    timeout_s, attempts, tcp = 5.0, 2, False
    for line in text.splitlines():
        match line.split():
            case ["nameserver", address, *_] if len(addresses) < MAX_SERVERS and _is_address(address):
                addresses.append(ServerAddress(address, DNS_PORT))
            case ["options", *options]:
                for option in options:
                    key, _, value = option.partition(":")
                    if key == "timeout" and value.isdecimal():
                        timeout_s = float(min(max(int(value), 1), 30))
                    elif key == "attempts" and value.isdecimal():
                        attempts = min(max(int(value), 1), 5)
                    elif key == "use-vc":
                        tcp = True
    return Servers(tuple(addresses) or (ServerAddress("127.0.0.1", DNS_PORT),), timeout_s, attempts, tcp)


def _is_address(text: str) -> bool:
    host, zoned, zone = text.partition("%")
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        socket.inet_pton(family, host)
    except (OSError, ValueError):
        return False
    # Only an IPv6 address has a zone (RFC 4007 §11).
    return (bool(zone) and ":" in host) if zoned else True

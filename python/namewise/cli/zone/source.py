"""The zones that sub-commands of `nw zone` read: files and servers, and their names."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from namewise.cli.failure import Failure, bad_name

if TYPE_CHECKING:
    from namewise.engine import Name, Zone

_ENDINGS = (".signed", ".zone", ".db", ".txt", ".dns", ".yaml", ".yml")
_MOST_OCTETS = 4 << 30
_MOST_RECORDS = 100_000_000
_TRANSFER_TIMEOUT_S = 600.0
"""The bounds of a transfer that a person asks for: they stop a server that never ends."""


def readable(path: str) -> None:
    """Raise `Failure` if the file cannot be read."""
    try:
        with open(path, "rb"):
            pass
    except OSError as error:
        raise Failure(f"{path}: {error.strerror}") from None


def zone_name(path: str, given: str | None) -> Name:
    """Return the name of the zone in *path*: *given*, or what the file says. Raises `Failure`."""
    from namewise.engine import Name
    from namewise.engine.errors import BadName

    try:
        return Name(given or guess_origin(path))
    except BadName as error:
        raise bad_name(error) from None


def guess_origin(path: str) -> str:
    """Return the name of the zone in *path*: its `$ORIGIN` or SOA owner at the top, or else the file name."""
    try:
        with open(path, encoding="utf-8", errors="replace") as file:
            for _, line in zip(range(50), file, strict=False):
                words = line.split(";", 1)[0].split()
                if len(words) > 1 and words[0].upper() == "$ORIGIN" and words[1].endswith("."):
                    return words[1]
                if len(words) > 2 and "SOA" in (word.upper() for word in words) and words[0].endswith("."):
                    return words[0]
    except OSError:
        pass
    name = os.path.basename(path)
    name = name.removeprefix("db.")
    for end in _ENDINGS:
        name = name.removesuffix(end)
    return name or "."


def load(source: str, origin: str | None) -> Zone:
    """Return the zone in the file *source*, or of the server `@ADDRESS[:PORT]`. Raises `Failure`."""
    from namewise.engine import Zone
    from namewise.engine.errors import ZoneFileError

    if source.startswith("@"):
        return transferred(source, origin)
    readable(source)
    name = zone_name(source, origin)
    try:
        return Zone.from_file(name, source)
    except ZoneFileError as error:
        raise Failure(
            f"{source} is not a zone file of {name}\n{error}",
            hint=f"nw zone check {source} --origin {name} shows all; --origin names another zone.",
        ) from None


def transferred(source: str, origin: str | None) -> Zone:
    """Return the zone *origin* from the server *source*, `@ADDRESS[:PORT]`, over AXFR. Raises `Failure`."""
    from namewise.config.values import endpoint
    from namewise.engine import Name
    from namewise.engine.errors import BadName, TransferError, ZoneFileError
    from namewise.zones.transfer import Limits, transfer

    if origin is None:
        raise Failure(f"{source}: --origin names the zone to transfer")
    try:
        name = str(Name(origin))
        primary = endpoint(source[1:])
    except BadName as error:
        raise bad_name(error) from None
    except ValueError as error:
        raise Failure(
            f"{source}: {error}", hint="For instance @192.0.2.1, @192.0.2.1:5300 or @[2001:db8::1]:53."
        ) from None
    limits = Limits(_MOST_OCTETS, _MOST_RECORDS, _TRANSFER_TIMEOUT_S)
    try:
        zone = transfer(name, primary, None, limits)
    except (TransferError, ZoneFileError) as error:
        raise Failure(f"{source} does not give zone {name}: {error}") from None
    except OSError as error:
        raise Failure(f"{source}: {error.strerror or error}") from None
    if zone is None:
        raise Failure(f"{source} does not give zone {name}")
    return zone

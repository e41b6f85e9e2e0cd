"""The small files that a configuration names: root hints, trust anchors and secrets of keys.

Zones are not read here: they come through `namewise.zones`.
"""

from __future__ import annotations

import binascii
from types import MappingProxyType
from typing import TYPE_CHECKING, NamedTuple

from namewise.compile.roots import ROOT_ANCHORS, ROOT_SERVERS
from namewise.config.errors import ConfigError, Problem
from namewise.config.origin import Origin, dotted
from namewise.config.paths import open_file, read_text
from namewise.engine import Name, Rdata

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from namewise.config import Config
    from namewise.config.model import Key
    from namewise.config.origin import Path
    from namewise.config.resolver import Resolver


class Hint(NamedTuple):
    """A root server: its name and its addresses."""

    name: str
    addresses: tuple[str, ...]


class Inputs(NamedTuple):
    """The content of the named files: root servers, trust anchors as `OWNER IN TYPE DATA`, secrets of keys by name, hosts files in the
    order of `[[hosts]]`. `places`: where each `[[local]]` and each of its records is written, for explanations."""

    hints: tuple[Hint, ...]
    anchors: tuple[str, ...] = ()
    """Those that validation begins with."""
    secrets: Mapping[str, bytes] = MappingProxyType({})
    hosts: tuple[str, ...] = ()
    places: Mapping[Path, str] = MappingProxyType({})
    configured: tuple[str, ...] = ()
    """The trust anchors of the configuration, where `anchors` have become others since (RFC 5011)."""
    negative: tuple[str, ...] = ()
    """Negative trust anchors that were added at run time."""
    doubts: tuple[str, ...] = ()
    """What is allowed in the files but has no effect, each with its place."""

    def place(self, path: Path) -> str:
        """Return the file and line of the setting at *path*; without them, the path."""
        return self.places.get(path) or dotted(path)

    def __repr__(self) -> str:
        return f"Inputs({self.hints!r}, {self.anchors!r}, {len(self.secrets)} secrets, {len(self.hosts)} hosts files)"


MAX_HOSTS = 32 << 20
"""Octets of a hosts file; stops a wrong path from filling the memory."""
DIGEST_OCTETS = {1: 20, 2: 32, 4: 48}
"""The length of a DS digest by its type, of those that the engine computes."""
KEY_OCTETS = {5: 64, 7: 64, 8: 64, 10: 128, 13: 64, 14: 96, 15: 32, 16: 57}
"""The least length of the key of a DNSKEY record by algorithm, of those that the engine verifies."""
SHA1_ALGORITHMS, SHA1_DIGEST = (5, 7), 1
MAX_SECRET = 4096
"""Octets of a file with a secret; longer files are something else."""
BUILT_IN_HINTS = tuple(Hint(name, addresses) for name, addresses in ROOT_SERVERS)


def read_inputs(config: Config, origin: Callable[[Path], Origin] | None = None) -> Inputs:
    """Return the inputs of *config*, or raise `ConfigError` with every mistake in the files.

    origin: returns where a setting was made; a mistake that has no place in its file is reported there.
    """
    problems: list[Problem] = []
    secrets = {}
    for index, key in enumerate(config.key):
        secret = _secret(key, ("key", index, "secret_file"), origin, problems)
        if secret is not None:
            secrets[key.name] = secret
    hints: tuple[Hint, ...] = ()
    anchors: tuple[str, ...] = ()
    doubts: list[str] = []
    resolver = config.resolver
    if resolver is not None:
        hints = BUILT_IN_HINTS if resolver.hints is None else _hints(resolver.hints, problems)
        anchors = _trust_anchors(config, resolver, problems, doubts)
    hosts = tuple(
        _hosts(entry.file, ("hosts", index, "file"), problems) for index, entry in enumerate(config.hosts)
    )
    if problems:
        raise ConfigError(problems)
    return Inputs(hints, anchors, secrets, hosts, _places(config, origin), doubts=tuple(doubts))


def _hosts(file: str, path: Path, problems: list[Problem]) -> str:
    """Return the text of the hosts file *file*. The engine reads its lines."""
    message = ""
    try:
        with open_file(file) as opened:
            raw = opened.read(MAX_HOSTS + 1)
        if len(raw) <= MAX_HOSTS:
            return raw.decode("utf-8-sig")
        message = f"has more than {MAX_HOSTS} octets"
    except OSError as error:
        message = f"cannot be read: {error.strerror}"
    except UnicodeDecodeError as error:
        line = raw.count(b"\n", 0, error.start) + 1
        message = f"line {line} is not UTF-8 text; save the file as UTF-8 or ASCII"
    problems.append(Problem(path, f"{file} {message}", Origin("file", file)))
    return ""


def _places(config: Config, origin: Callable[[Path], Origin] | None) -> dict[Path, str]:
    """Return where settings are written that explanations name: each `[[local]]` and each record of it, and the filters in use.

    Without such settings, no origin is asked for: finding them reads the files again, which takes long for thousands of zones.
    """
    paths: list[Path] = []
    if config.rebinding.action != "off":
        paths.append(("rebinding", "action"))
    if config.no_aaaa.clients:
        paths.append(("no_aaaa", "clients"))
    for index, local in enumerate(config.local):
        paths.append(("local", index))
        paths += [("local", index, "records", at) for at in range(len(local.records))]

    def place(path: Path) -> str:
        around = (path, (*path, "type"), (*path, "name"), path[:3])
        found = (origin(one) for one in around) if origin is not None else ()
        return next((f"{one.where}:{one.line}" for one in found if one.line is not None), dotted(path))

    return {path: place(path) for path in paths}


def _trust_anchors(
    config: Config, resolver: Resolver, problems: list[Problem], doubts: list[str]
) -> tuple[str, ...]:
    """Return the trust anchors with which *config* validates; none switches validation off. Adds to *doubts* those without effect."""
    placed = [] if resolver.trust_anchor is None else _anchors(resolver.trust_anchor, problems)
    if resolver.validation == "off":
        return ()
    doubts += _unusable(placed, sha1=resolver.sha1)
    anchors = tuple(record for record, _ in placed)
    public = resolver.hints is None and resolver.routes is None
    from_root = public and not any(forward.suffix == "." for forward in config.forward)
    if not anchors and (resolver.validation == "on" or from_root):
        return ROOT_ANCHORS
    return anchors


def _secret(
    key: Key, path: Path, origin: Callable[[Path], Origin] | None, problems: list[Problem]
) -> bytes | None:
    """Return the secret of *key*, or add to *problems* why it cannot be read."""
    if key.secret is not None:
        return binascii.a2b_base64(key.secret.reveal(), strict_mode=True)
    assert key.secret_file is not None, "a key has one of both"
    file = key.secret_file

    def problem(message: str) -> None:
        where = origin(path) if origin is not None else Origin("file", file)
        problems.append(Problem(path, message, where))

    try:
        with open_file(file) as opened:
            text = opened.read(MAX_SECRET + 1)
    except OSError as error:
        problem(f"cannot read {file}: {error.strerror}")
        return None
    if len(text) > MAX_SECRET:
        problem(f"{file} has more than {MAX_SECRET} octets: not the secret of a key")
        return None
    try:
        secret = binascii.a2b_base64(text.strip(), strict_mode=True)
    except (binascii.Error, ValueError):
        problem(f"{file} does not hold base64 text")
        return None
    if not secret:
        problem(f"{file} holds no secret: it is empty")
        return None
    return secret


def read_anchors(file: str) -> tuple[str, ...]:
    """Return the DS and DNSKEY records in *file* as `OWNER IN TYPE DATA`, or raise `ConfigError` with every
    mistake."""
    problems: list[Problem] = []
    found = _anchors(file, problems)
    if problems:
        raise ConfigError(problems)
    return tuple(record for record, _ in found)


def _hints(file: str, problems: list[Problem]) -> tuple[Hint, ...]:
    addresses: dict[str, list[str]] = {}
    roots: list[str] = []
    for owner, rtype, data, origin in _records(file, "resolver", "hints", problems):
        try:
            if rtype == "NS" and owner == ".":
                roots.append(str(Name(data)).lower())
            elif rtype in ("A", "AAAA"):
                addresses.setdefault(owner.lower(), []).append(str(Rdata(rtype, data)))
            else:
                message = f"{owner} {rtype}: root hints are NS records of the root and A and AAAA records"
                problems.append(Problem(("resolver", "hints"), message, origin))
        except ValueError as error:
            problems.append(Problem(("resolver", "hints"), str(error), origin))
    found = tuple(Hint(name, tuple(addresses[name])) for name in roots if name in addresses)
    if not found and not problems:
        message = "no NS record of the root with an address"
        problems.append(Problem(("resolver", "hints"), message, Origin("file", file)))
    return found


def _anchors(file: str, problems: list[Problem]) -> list[tuple[str, Origin]]:
    """Return the trust anchors in *file*, each with its place."""
    found: list[tuple[str, Origin]] = []
    before = len(problems)
    for owner, rtype, data, origin in _records(file, "resolver", "trust_anchor", problems):
        if rtype not in ("DS", "DNSKEY"):
            message = f"{owner} {rtype}: a trust anchor is a DS or DNSKEY record"
            problems.append(Problem(("resolver", "trust_anchor"), message, origin))
            continue
        try:
            text = str(Rdata(rtype, data))
        except ValueError as error:
            problems.append(Problem(("resolver", "trust_anchor"), str(error), origin))
            continue
        wrong = _wrong_anchor(rtype, text)
        if wrong is not None:
            problems.append(Problem(("resolver", "trust_anchor"), f"{owner} {rtype}: {wrong}", origin))
        found.append((f"{owner} IN {rtype} {text}", origin))
    if not found and len(problems) == before:
        # Without an anchor nothing would be validated, and nobody would notice.
        message = f"{file} has no trust anchor; write DS or DNSKEY records into it, or set validation to off"
        problems.append(Problem(("resolver", "trust_anchor"), message, Origin("file", file)))
    return found


def unsupported(algorithm: int, digest_type: int | None, *, sha1: bool) -> str | None:
    """Return why validation cannot begin with a DNSKEY record of *algorithm*, or with a DS record that has a *digest_type*, too; None if
    it can. sha1: the setting of `[resolver]`. A zone that has no other trust anchors is insecure (RFC 4035 §5.2, RFC 4509 §3)."""
    if algorithm not in KEY_OCTETS:
        return f"algorithm {algorithm} is not supported"
    if digest_type is not None and digest_type not in DIGEST_OCTETS:
        return f"digest type {digest_type} is not supported"
    if not sha1 and algorithm in SHA1_ALGORITHMS:
        return f"algorithm {algorithm} needs SHA-1, which [resolver] sha1 = false switches off"
    if not sha1 and digest_type == SHA1_DIGEST:
        return "digest type 1 is SHA-1, which [resolver] sha1 = false switches off"
    return None


def _unusable(anchors: list[tuple[str, Origin]], *, sha1: bool) -> Iterator[str]:
    """Yield a warning for each of the trust anchors that validation cannot begin with."""
    found = []
    for record, origin in anchors:
        owner, _, rtype, *words = record.split()
        digest_type = int(words[2]) if rtype == "DS" else None
        algorithm = int(words[1] if rtype == "DS" else words[2])
        found.append((owner.lower(), rtype, origin, unsupported(algorithm, digest_type, sha1=sha1)))
    usable = {owner for owner, _, _, why in found if why is None}
    for owner, rtype, origin, why in found:
        if why is not None:
            effect = (
                "the other trust anchors of the zone are used"
                if owner in usable
                else f"the zone has no other trust anchor: nothing at and below {owner} is validated"
            )
            yield f"{origin}: the trust anchor {owner} {rtype} is ignored, since {why}; {effect}"


def _wrong_anchor(rtype: str, text: str) -> str | None:
    """Return why the record *text* can never be a trust anchor, or None (RFC 4034 §2.1, §5.1; RFC 5011 §2.1)."""
    first, second, third, *rest = text.split()
    if rtype == "DS":
        digest, length = int(third), len("".join(rest)) // 2
        expected = DIGEST_OCTETS.get(digest)
        if expected is not None and length != expected:
            return f"a digest of type {digest} has {expected} octets, not {length}"
        return None
    flags, protocol, algorithm = int(first), int(second), int(third)
    if flags & 0x0080:
        return "the key is revoked (flag REVOKE)"
    if not flags & 0x0100:
        return f"flags {flags}: not the key of a zone (flag ZONE)"
    if protocol != 3:
        return f"protocol {protocol}; it must be 3"
    length, least = len(binascii.a2b_base64("".join(rest))), KEY_OCTETS.get(algorithm)
    if least is not None and length < least:
        return f"the key has {length} octets; one of algorithm {algorithm} has at least {least}"
    return None


def _records(
    file: str, table: str, key: str, problems: list[Problem]
) -> Iterator[tuple[str, str, str, Origin]]:
    """Yield owner, type and data of each record of a small file in zone-file form without directives."""
    try:
        text = read_text(file, "ascii")
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "not ASCII text"
        problems.append(Problem((table, key), f"cannot read {file}: {reason}", Origin("file", file)))
        return
    owner = ""
    for number, line in _logical_lines(text):
        words = line.split()
        if not words:
            continue
        origin = Origin("file", file, number, 1)
        if not line[0].isspace():
            try:
                owner = str(Name(words.pop(0)))
            except ValueError as error:
                problems.append(Problem((table, key), str(error), origin))
                return
        while words and (words[0].isdigit() or words[0].upper() == "IN"):
            words.pop(0)
        if not owner or len(words) < 2:
            message = "expected OWNER [TTL] [CLASS] TYPE DATA"
            problems.append(Problem((table, key), message, origin))
            continue
        yield owner, words[0].upper(), " ".join(words[1:]), origin


def _logical_lines(text: str) -> Iterator[tuple[int, str]]:
    """Yield number and content of each line, without comments and with parentheses joined (RFC 1035 §5.1)."""
    pending, start, depth = "", 0, 0
    for number, line in enumerate(text.splitlines(), 1):
        bare = line.split(";", 1)[0].rstrip()
        if not pending:
            start = number
        depth += bare.count("(") - bare.count(")")
        pending += (" " if pending else "") + bare.replace("(", " ").replace(")", " ")
        if depth <= 0:
            yield start, pending
            pending, depth = "", 0
    if pending:
        yield start, pending

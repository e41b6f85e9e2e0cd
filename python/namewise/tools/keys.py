"""TSIG keys as users of tools name them: the value of -y, and the files of -k.

| form | example |
|---|---|
| -y | `[ALGORITHM:]NAME:SECRET`, the secret in base64 |
| a file with a key statement, as `tsig-keygen` writes it | `key "NAME" { algorithm hmac-sha256; secret "..."; };` |
| a pair of files of `dnssec-keygen -n HOST`, `K*.key` and `K*.private` | `Kname.+163+12345.private` |

ALGORITHM may end with the length of the MAC in bits: `hmac-sha256-128` (RFC 8945 §5.2.2.1). Without one, it is hmac-md5, as in BIND.
"""

from __future__ import annotations

import binascii
import os

from namewise.engine import TsigKey
from namewise.engine.errors import BadName

TYPE_CHECKING = False  # typing costs more time to import than a question takes
if TYPE_CHECKING:
    from namewise.engine import Signed

DEFAULT = "hmac-md5"
MOST_OCTETS = 64 << 10
"""Of a file: a key is small, and another file must not fill the memory."""
_NUMBERS = {
    157: "hmac-md5",
    161: "hmac-sha1",
    162: "hmac-sha224",
    163: "hmac-sha256",
    164: "hmac-sha384",
    165: "hmac-sha512",
}
"""The algorithm numbers in the files of dnssec-keygen."""


class BadKey(ValueError):
    """A key cannot be read. The text names the place and the remedy, and never the secret."""


class ClientKey:
    """A key, and the length of the MACs that it makes."""

    def __init__(self, key: TsigKey, octets: int) -> None:
        self.key = key
        self.octets = octets

    def sign(self, request: bytes, now: float) -> Signed:
        """Return *request* with a TSIG record."""
        return self.key.sign(request, int(now), self.octets)


def from_option(text: str) -> ClientKey:
    """Return the key of `-y [ALGORITHM:]NAME:SECRET`. Raises `BadKey`."""
    parts = text.split(":")
    if not 2 <= len(parts) <= 3:
        raise BadKey("a key is [ALGORITHM:]NAME:SECRET")
    algorithm, name, secret = parts if len(parts) == 3 else (DEFAULT, *parts)
    return made(name, algorithm, secret, f"key {name}")


def from_file(path: str) -> ClientKey:
    """Return the key in the file *path*. Raises `BadKey`."""
    stem, extension = os.path.splitext(path)
    if extension not in (".key", ".private"):
        if not os.path.exists(path) and os.path.exists(f"{path}.private"):
            stem, extension = path, ".private"
        else:
            return _statement(_read(path), path)
    text = _read(f"{stem}.private")
    fields = dict(line.split(": ", 1) for line in text.splitlines() if ": " in line)
    number = fields.get("Algorithm", "").partition(" ")[0]
    algorithm = _NUMBERS.get(int(number) if number.isdecimal() else -1)
    if algorithm is None or "Key" not in fields:
        raise BadKey(f"{stem}.private: not a key of TSIG (Algorithm {number or 'missing'})")
    bits = fields.get("Bits", "")
    try:
        digest = int.from_bytes(binascii.a2b_base64(bits), "big") if bits else 0
    except binascii.Error:
        digest = 0
    name = os.path.basename(stem).removeprefix("K").partition("+")[0]
    return made(name, f"{algorithm}-{digest}" if digest else algorithm, fields["Key"], f"{stem}.private")


def _read(path: str) -> str:
    try:
        with open(path, encoding="utf-8", errors="replace") as file:
            text = file.read(MOST_OCTETS + 1)
    except OSError as error:
        raise BadKey(f"{path}: {error.strerror}") from None
    if len(text) > MOST_OCTETS:
        raise BadKey(f"{path} has more than {MOST_OCTETS} octets: not a key")
    return text


def _statement(text: str, path: str) -> ClientKey:
    """Return the key of the first `key` statement in *text* (named.conf(5))."""
    import re

    plain = re.sub(r"/\*.*?\*/|//[^\n]*|#[^\n]*", " ", text, flags=re.DOTALL)
    found = re.search(r'\bkey\s+"?([^\s"{]+)"?\s*\{([^}]*)\}', plain)
    fields = dict(re.findall(r'\b(algorithm|secret)\s+"?([^\s";]+)"?\s*;', found[2])) if found else {}
    if found is None or len(fields) != 2:
        raise BadKey(
            f"{path}: no key statement; expected key NAME {{ algorithm ALGORITHM; secret SECRET; }};"
        )
    return made(found[1], fields["algorithm"], fields["secret"], path)


def made(name: str, algorithm: str, secret: str, where: str) -> ClientKey:
    """Return a key. *where*: for errors. Raises `BadKey`."""
    word, _, bits = algorithm.lower().rpartition("-")
    if not (bits.isdecimal() and word.startswith("hmac-")):
        word, bits = algorithm, ""
    try:
        octets = binascii.a2b_base64(secret, strict_mode=True)
    except binascii.Error:
        raise BadKey(f"{where}: the secret is not in base64") from None
    if not octets:
        raise BadKey(f"{where}: the secret is empty")
    try:
        key = TsigKey(name, word, octets)
    except BadName as error:
        raise BadKey(f"{where}: {error}") from None
    except ValueError as error:
        raise BadKey(f"{where}: {error}") from None
    length = int(bits) // 8 if bits else key.size
    if not key.least <= length <= key.size or int(bits or 0) % 8:
        raise BadKey(
            f"{where}: a MAC of {bits} bits; {word} permits {key.least * 8} to {key.size * 8}, in steps of 8"
        )
    return ClientKey(key, length)

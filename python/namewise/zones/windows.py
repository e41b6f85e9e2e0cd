"""Zone files of Windows DNS servers: `example.com.dns`.

They are master files with three additions: `[AGE:3543210]` marks records that clients have registered, WINS and WINS-R
records (TYPE65281, TYPE65282) concern NetBIOS names only, and a record without TTL has the minimum of the SOA.
"""

from __future__ import annotations

import re

_AGE = re.compile(r"\[AGE:\d+\]", re.IGNORECASE)
_WINS = re.compile(r"^\s*(?:[^\s;\"]+\s+)?(?:(?:\[AGE:\d+\]|\d+|IN)\s+)*WINS(?:-?R)?\s", re.IGNORECASE)
_BYTE_ORDER_MARKS = ((b"\xff\xfe", "utf-16"), (b"\xfe\xff", "utf-16"), (b"\xef\xbb\xbf", "utf-8-sig"))


def decode(octets: bytes) -> str:
    """Return the text of a file in UTF-8, UTF-16, or the code page of Western Europe."""
    for mark, encoding in _BYTE_ORDER_MARKS:
        if octets.startswith(mark):
            return octets.decode(encoding)
    try:
        return octets.decode()
    except UnicodeDecodeError:
        return octets.decode("cp1252", errors="replace")


def is_windows(text: str) -> bool:
    """Return whether *text* has marks of a Windows DNS server."""
    return bool(_AGE.search(text)) or any(_WINS.match(line) for line in text.splitlines())


def zone_text(text: str) -> tuple[str, list[str]]:
    """Return *text* as a master file with the same number of lines, and the lines that were left out."""
    left_out, kept = [], []
    depth = 0
    for line in text.splitlines():
        if depth > 0 or _WINS.match(line):
            left_out.append(line.strip())
            kept.append("")
            depth += line.count("(") - line.count(")")
            continue
        kept.append(_AGE.sub("", line) if not line.lstrip().startswith(";") else line)
    return "\n".join(kept) + "\n", left_out

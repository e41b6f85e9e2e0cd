"""Send queries with the usual tools (dig, kdig, drill) and parse their output."""

from __future__ import annotations

import re
import shutil
import struct
import subprocess
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Sequence

TOOLS = ("dig", "kdig", "drill")


@dataclass
class Reply:
    """The output of a tool, and its content: records as `owner type data`, in lower case, by section."""

    text: str
    rcode: str = ""
    flags: frozenset[str] = frozenset()
    sections: dict[str, list[str]] = field(default_factory=dict)

    @property
    def answer(self) -> set[str]:
        """The records of the answer section but RRSIG."""
        return {row for row in self.sections.get("ANSWER", []) if row.split()[1] != "rrsig"}

    def types(self, section: str) -> list[str]:
        """Return the types of the records of *section*, sorted."""
        return sorted({row.split()[1] for row in self.sections.get(section, [])})


def ask(
    tool: str, server: tuple[str, int], name: str, rtype: str = "A", *options: str, inside: Sequence[str] = ()
) -> Reply:
    """Ask *server* with *tool*. *options* are those of dig; of them drill knows `+dnssec`, `+tcp`,
    `+norecurse`.

    *inside* is a prefix for the command.
    """
    if shutil.which(tool) is None:
        pytest.skip(f"{tool} is not installed")
    address, port = server
    if tool == "drill":
        words = {"+dnssec": ("-D",), "+tcp": ("-t",), "+norecurse": ("-o", "rd")}
        flags = [word for option in options for word in words[option]]
        command = [tool, "-p", str(port), *flags, name, rtype, f"@{address}"]
    else:
        # Patience for a loaded machine, and no second question that would hide a lost first one.
        patience = ("+time=10", "+tries=1") if tool == "dig" else ("+time=10", "+retry=0")
        command = [tool, f"@{address}", "-p", str(port), *patience, name, rtype, *options]
    done = subprocess.run([*inside, *command], text=True, capture_output=True, timeout=30, check=False)
    return read(done.stdout + done.stderr)


def read(text: str) -> Reply:
    """Return the message in *text*."""
    reply = Reply(text)
    rcode = re.search(r"(?:status|rcode): (\w+)", text)
    flags = re.findall(r"flags: ([a-z ]*);|flags: ([a-z ]+) ; QUERY", text, re.IGNORECASE)
    reply.rcode = rcode[1] if rcode else ""
    if flags:
        reply.flags = frozenset(" ".join(flags[0]).lower().split())
    section = None
    for line in text.splitlines():
        if found := re.match(r";; (\w+) SECTION:", line):
            section = found[1]
        elif not line.strip():
            section = None
        elif section and not line.startswith(";"):
            owner, _, _, rtype, data = line.split(None, 4)
            reply.sections.setdefault(section, []).append(f"{owner} {rtype} {data}".lower())
    return reply


def query(
    number: int,
    name: str,
    rtype: int,
    *,
    flags: int = 0,
    qclass: int = 1,
    edns: int | None = None,
    dnssec_ok: bool = False,
) -> bytes:
    """Return a question in wire form, with the *edns* version."""
    wire = b"".join(bytes([len(label)]) + label.encode() for label in name.split("."))
    head = struct.pack("!6H", number, flags, 1, 0, 0, edns is not None)
    opt = b"" if edns is None else struct.pack("!BHHBBHH", 0, 41, 1232, 0, edns, dnssec_ok << 15, 0)
    return head + wire + struct.pack("!BHH", 0, rtype, qclass) + opt

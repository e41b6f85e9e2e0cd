"""Run the command lines of `dig_lines.txt` with BIND's dig and with ours, and remove the parts that may differ.

Run as a program it prints the agreement, and for each line that differs the difference:

    .venv/bin/python tests/python/dig_cases.py [WORD ...]
"""

from __future__ import annotations

import difflib
import os
import re
import shlex
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import NamedTuple

from commands import CODE
from ports import free_port

LINES = Path(__file__).with_name("dig_lines.txt")
MARK = "~ "
"""A line that begins with this is one where the two differ on purpose; the comment above it says why."""

BATCHES = {
    "plain": b"example.com MX\nwww.example.com A\n",
    "short": b"example.com MX +short\nwww.example.com A +noall +answer\n",
    "apostrophe": b"o'brien.example.com\nexample.com MX\n",
    "latin": b"b\xe4r.example.com\nexample.com MX\n",
    "dots": b"john\\.doe.example.com\n",
    "servers": b"@127.0.0.1 example.com\nmail.example.com\n",
    "empty": b"",
    "comments": b"# a comment\n; another\n\n  \n//no comment\nexample.com\n",
    "quotes": b'"example.com" MX\n',
    "options": b"example.com -t MX +noall +answer\n-x 192.0.2.1 +noall +question\n-q mail.example.com +short\n",
    "long": b"example.com" + b" " * 600 + b"MX\n" + b"mail.example.com" + b"\t" * 70 + b"A\n",
    "invalid": b"example.com +noall +answer\nexample.com +foo\nexample.com MX +noall +answer\n",
}
_ASIDE = tuple(
    (re.compile(pattern), instead)
    for pattern, instead in (
        (r"DiG \S+", "DiG V"),
        (r"\bid: \d+", "id: N"),
        (r"expected ID \d+, got \d+", "expected ID N, got M"),
        (r"COOKIE: [0-9a-f]+", "COOKIE: C"),
        (r"Query time: \d+ (msec|usec)", r"Query time: N \1"),
        (r"WHEN: .*", "WHEN: W"),
        (r"in \d+ (ms|us)\b", r"in N \1"),
        (r"timestamp \S+", "timestamp T"),
        (
            r"Got bad packet: (.*)\n(\d+ bytes)\n[0-9a-f]{2} [0-9a-f]{2} ((?:[0-9a-f]{2} )*) +..",
            r"Got bad packet: \1\n\2\nid id \3 ",
        ),
        (r"nw dig:", "dig:"),
    )
)


class Case(NamedTuple):
    """One command line, and whether it is known to differ."""

    line: str
    differs: bool


class Outcome(NamedTuple):
    """What one program wrote to standard output, and its exit code."""

    text: str
    code: int


class Pair(NamedTuple):
    """What both programs did with a line."""

    case: Case
    theirs: Outcome
    ours: Outcome

    @property
    def agree(self) -> bool:
        """Whether output and exit code are the same."""
        return self.theirs == self.ours


def cases() -> list[Case]:
    """Return the command lines of the file."""
    lines = [line for line in LINES.read_text().splitlines() if line and not line.startswith("#")]
    return [Case(line.removeprefix(MARK), line.startswith(MARK)) for line in lines]


def write_batches(folder: Path) -> None:
    """Write the batch files into *folder*."""
    for name, octets in BATCHES.items():
        (folder / name).write_bytes(octets)


def arguments(line: str, port: int, folder: Path, unused: int) -> list[str]:
    """Return the arguments of *line*, with the server and its port in front."""
    words = shlex.split(line.replace("%D", str(folder)).replace("%U", str(unused)))
    return [
        *(() if "@127" in line else ("@127.0.0.1",)),
        *(() if "-p" in words else ("-p", str(port))),
        *words,
    ]


def put_aside(text: str) -> str:
    """Return *text* without what differs from run to run."""
    for pattern, instead in _ASIDE:
        text = pattern.sub(instead, text)
    return text


def run(command: list[str], args: list[str], home: Path) -> Outcome:
    """Run one program."""
    done = subprocess.run(
        [*command, *args], capture_output=True, check=False, timeout=60, stdin=subprocess.DEVNULL,
        env={**os.environ, "HOME": str(home), "TZ": "UTC"},
    )  # fmt: skip
    return Outcome(put_aside(done.stdout.decode("latin-1")), done.returncode)


def run_all(port: int, folder: Path, wanted: list[Case]) -> list[Pair]:
    """Run every case with both programs, several at a time."""
    write_batches(folder)
    unused = free_port()

    def one(case: Case) -> Pair:
        args = arguments(case.line, port, folder, unused)
        theirs = run(["dig"], args, folder)
        return Pair(case, theirs, run([sys.executable, "-c", CODE, "dig"], args, folder))

    with ThreadPoolExecutor(4) as pool:
        return list(pool.map(one, wanted))


def difference(pair: Pair) -> str:
    """Return the difference of the two outputs, dig's lines first."""
    lines = (
        [f"exit codes: {pair.theirs.code}, {pair.ours.code}"] if pair.theirs.code != pair.ours.code else []
    )
    lines += difflib.unified_diff(
        pair.theirs.text.splitlines(), pair.ours.text.splitlines(), "dig", "nw dig", lineterm="", n=1
    )
    return "\n".join(lines)


def main(words: list[str]) -> None:
    """Print the agreement."""
    import tempfile

    from dig_server import server

    wanted = [case for case in cases() if all(word in case.line for word in words)]
    with server() as running, tempfile.TemporaryDirectory() as folder:
        pairs = run_all(running.port, Path(folder), wanted)
    for pair in pairs:
        if not pair.agree:
            print(f"=== {pair.case.line}\n{difference(pair)}\n")
    print(f"{sum(pair.agree for pair in pairs)} of {len(pairs)} command lines agree with dig")


if __name__ == "__main__":
    main(sys.argv[1:])

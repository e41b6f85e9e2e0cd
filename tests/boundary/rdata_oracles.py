"""The implementations with which each RR type is compared, and the processes that run ours and BIND's.

`python tests/boundary/rdata_oracles.py` writes docs/rr-oracles.md; the tests hold that it is current.
"""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import dns.rdata
import dns.rdataclass
import dns.rdatatype

ROOT = Path(__file__).resolve().parents[2]
VECTORS = ROOT / "tests" / "vectors" / "rdata.tsv"
REGISTRY = ROOT / "registry" / "rrtypes.tsv"
TABLE = ROOT / "docs" / "rr-oracles.md"

# What BIND 9.18's named-rrchecker does not speak: types of messages, which its class table leaves out.
NOT_IN_RRCHECKER = {"TKEY", "TSIG"}


class Codec:
    """Our codec behind the line protocol of `crates/wire/examples/rdata.rs`."""

    def __init__(self) -> None:
        command = ["cargo", "run", "-q", "-p", "nw-wire", "--features", "sample", "--example", "rdata"]
        self.process = subprocess.Popen(
            command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, encoding="utf-8"
        )

    def ask(self, *words: str) -> str:
        """The answer to one line, or ValueError with our reason."""
        assert self.process.stdin and self.process.stdout
        self.process.stdin.write(" ".join(words) + "\n")
        self.process.stdin.flush()
        answer = self.process.stdout.readline().rstrip("\n")
        verdict, _, rest = answer.partition(" ")
        if verdict != "ok":
            raise ValueError(rest)
        return rest

    def close(self) -> None:
        assert self.process.stdin
        self.process.stdin.close()
        self.process.wait(timeout=10)


def dnspython_has(mnemonic: str) -> bool:
    """True where dnspython has its own class for the type, not the generic one."""
    try:
        rdtype = dns.rdatatype.from_text(mnemonic)
    except dns.rdatatype.UnknownRdatatype:
        return False
    return dns.rdata.get_rdata_class(dns.rdataclass.IN, rdtype) is not dns.rdata.GenericRdata


def rrchecker(mnemonic: str, text: str, generic: bool = True) -> str | None:
    """What BIND makes of `text`: the hex of its rdata (or its text), or None where it refuses."""
    flag = "-u" if generic else "-p"
    result = subprocess.run(
        ["named-rrchecker", flag], input=f"IN {mnemonic} {text}\n", capture_output=True, text=True, timeout=10
    )
    if result.returncode != 0 or not result.stdout:
        return None
    fields = result.stdout.rstrip("\n").split("\t")
    if not generic:
        return fields[2]
    return fields[2].split(" ", 2)[2].replace(" ", "").lower() if not fields[2].startswith("\\# 0") else ""


def have_rrchecker() -> bool:
    return shutil.which("named-rrchecker") is not None


def vectors() -> list[tuple[str, str, str, str]]:
    """Type, hex, text, section of every line of tests/vectors/rdata.tsv."""
    lines = VECTORS.read_text().splitlines()
    return [
        (t, h, x, s)
        for t, h, x, s in (line.split("\t") for line in lines if line and not line.startswith("#"))
    ]


def oracles(mnemonic: str) -> list[str]:
    """Who judges a type, strongest first."""
    found = []
    if dnspython_has(mnemonic):
        found.append("dnspython")
    if mnemonic not in NOT_IN_RRCHECKER:
        found.append("named-rrchecker")
    found += [section for rtype, _, _, section in vectors() if rtype == mnemonic]
    return found


def table(types: list[str]) -> str:
    """The page docs/rr-oracles.md."""
    lines = [
        "# Implementations that each RR type is compared with",
        "",
        "Every type of `crates/wire/src/rr/table.rs` is compared with other implementations, and with the",
        "examples of its RFC where `tests/vectors/rdata.tsv` has one.",
        "Made by `python tests/boundary/rdata_oracles.py`.",
        "",
        "| type | generated rdata compared with | examples of |",
        "|---|---|---|",
    ]
    for mnemonic in types:
        found = oracles(mnemonic)
        judges = [name for name in found if name in ("dnspython", "named-rrchecker")]
        examples = list(dict.fromkeys(name for name in found if name not in judges))
        lines.append(f"| {mnemonic} | {', '.join(judges) or 'none'} | {', '.join(examples)} |")
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    codec = Codec()
    TABLE.parent.mkdir(exist_ok=True)
    TABLE.write_text(table(codec.ask("types").split()))
    codec.close()

"""Play `.rpl` scripts against Unbound: does the server for which the language was made behave as a script says?

    python3 tests/interop/rpl_unbound.py [--unbound PROGRAM] [FILE ...]

Inside a network namespace, the scripted servers have their own addresses and port 53, and Unbound runs with the configuration of the
script. Left out are scripts that need a virtual clock, the test program of Unbound, or the flat dialect. Compared are the rcode and, if
`MATCH` names them, the flags and the answer section. Exit status: 0 Unbound agrees with each script that can be played, 1 not.
"""

from __future__ import annotations

import argparse
import select
import socket
import subprocess
import sys
import tempfile
import threading
import time
from dataclasses import dataclass, field
from pathlib import Path

import dns.exception
import dns.flags
import dns.message
import dns.name
import dns.opcode
import dns.query
import dns.rcode
import dns.rdataclass
import dns.rdatatype
from scenarios_peers import ROOT, enter_namespace, use_addresses

SERVER = "10.53.0.1"
PLAYED = ("QUERY", "CHECK_ANSWER")
COMPARED = {"opcode", "qtype", "qname", "subdomain", "edns", "noedns", "UDP", "TCP"}
ADJUSTED = {"copy_id", "copy_query"}
FLAGS = {"QR", "AA", "TC", "RD", "RA", "AD", "CD"}
# Keys that only the test program of Unbound understands.
TESTS_ONLY = ("fake-sha1", "target-fetch-policy")


class LeftOutError(Exception):
    """The script cannot be played here."""


@dataclass
class Entry:
    """`ENTRY_BEGIN` to `ENTRY_END`."""

    match: set[str] = field(default_factory=set)
    adjust: set[str] = field(default_factory=set)
    reply: set[str] = field(default_factory=set)
    address: str | None = None
    sections: dict[str, list[str]] = field(default_factory=dict)

    @property
    def question(self) -> tuple[dns.name.Name, dns.rdatatype.RdataType]:
        """Name and type."""
        words = self.sections["QUESTION"][0].split()
        return dns.name.from_text(words[0]), dns.rdatatype.from_text(words[-1])

    def message(self) -> dns.message.Message:
        """The entry as a message."""
        name, rtype = self.question
        text = f"id 1\nopcode QUERY\nrcode {self.rcode}\nflags {' '.join(self.reply & FLAGS)}\n"
        text += f";QUESTION\n{name} IN {dns.rdatatype.to_text(rtype)}\n"
        for section in ("ANSWER", "AUTHORITY", "ADDITIONAL"):
            text += f";{section}\n" + "".join(f"{_full(line)}\n" for line in self.sections.get(section, []))
        return dns.message.from_text(text)

    @property
    def rcode(self) -> str:
        """The rcode by name."""
        named = [word for word in self.reply if word in dns.rcode.Rcode.__members__]
        return named[0] if named else "NOERROR"

    def answers(self, query: dns.message.Message, via: str) -> dns.message.Message | None:
        """The reply to *query*, which came *via* UDP or TCP, if this entry matches."""
        if unknown := (self.match - COMPARED) | (self.adjust - ADJUSTED):
            raise LeftOutError(" ".join(sorted(unknown)))
        asked, (name, rtype) = query.question[0], self.question
        holds = {
            "qname": asked.name == name,
            "qtype": asked.rdtype == rtype,
            "subdomain": asked.name.is_subdomain(name),
            "edns": query.edns >= 0,
            "noedns": query.edns < 0,
            "UDP": via == "UDP",
            "TCP": via == "TCP",
        }
        if not all(holds[word] for word in self.match & holds.keys()):
            return None
        reply = self.message()
        reply.id = query.id
        if "copy_query" in self.adjust:
            reply.question = query.question
        return reply


def _full(line: str) -> str:
    """A record with TTL and class."""
    owner, *words = line.split()
    if not words[0].isdigit():
        words.insert(0, "3600")
    if words[1] != "IN":
        words.insert(1, "IN")
    return " ".join([owner, *words])


@dataclass
class Script:
    """A file."""

    config: list[str]
    files: dict[str, str]
    ranges: list[tuple[int, int, list[str], list[Entry]]]
    steps: list[tuple[int, str, Entry]]


def read(text: str) -> Script:
    """Read a file."""
    script = Script([], {}, [], [])
    lines = iter(text.splitlines())

    def entry() -> Entry:
        made, section = Entry(), ""
        for line in lines:
            word, _, rest = line.split(";")[0].strip().partition(" ")
            match word:
                case "ENTRY_END":
                    return made
                case "MATCH":
                    made.match |= set(rest.split())
                case "ADJUST":
                    made.adjust |= set(rest.split())
                case "REPLY":
                    made.reply |= set(rest.split())
                case "ADDRESS":
                    made.address = rest
                case "SECTION":
                    section = rest
                    made.sections[section] = []
                case "":
                    pass
                case _ if not section:
                    raise LeftOutError(word)
                case _:
                    made.sections[section].append(f"{word} {rest}")
        raise LeftOutError("no ENTRY_END")

    for line in lines:
        bare = "" if line.lstrip().startswith(";") else line.split("#")[0].strip()
        if bare == "CONFIG_END":
            break
        if bare.startswith("TEMPFILE_CONTENTS"):
            content = []
            for inner in lines:
                if inner.strip() == "TEMPFILE_END":
                    break
                content.append(inner)
            script.files[bare.split()[1]] = "\n".join(content) + "\n"
        elif bare and not bare.startswith(TESTS_ONLY):
            script.config.append(line)
    inside: list[tuple[int, int, list[str], list[Entry]]] = []
    for line in lines:
        words = line.split(";")[0].split()
        match words:
            case ["RANGE_BEGIN", first, last]:
                inside.append((int(first), int(last), [], []))
            case ["ADDRESS", *addresses]:
                inside[-1][2].extend(addresses)
            case ["ENTRY_BEGIN"]:
                inside[-1][3].append(entry())
            case ["STEP", number, kind, *rest]:
                if kind not in PLAYED:
                    raise LeftOutError(f"STEP {kind}")
                next(lines)
                made = entry()
                made.address = rest[1] if rest[:1] == ["ADDRESS"] else made.address
                script.steps.append((int(number), kind, made))
    script.ranges = inside
    return script


class Servers(threading.Thread):
    """The scripted servers."""

    def __init__(self, script: Script) -> None:
        super().__init__(daemon=True)
        self.script, self.step, self.problem = script, 0, ""
        self.unanswered: set[str] = set()
        self.stopped = threading.Event()
        self.sockets = []
        for address in sorted({one for _, _, addresses, _ in script.ranges for one in addresses}):
            family = socket.AF_INET6 if ":" in address else socket.AF_INET
            for kind in (socket.SOCK_DGRAM, socket.SOCK_STREAM):
                bound = socket.socket(family, kind)
                bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                bound.bind((address, 53))
                if kind == socket.SOCK_STREAM:
                    bound.listen()
                self.sockets.append((address, bound))

    def run(self) -> None:
        """Answer what arrives until the sockets are closed."""
        addresses = {bound: address for address, bound in self.sockets}
        while not self.stopped.is_set():
            ready, _, _ = select.select(list(addresses), [], [], 0.05)
            for bound in ready:
                if bound.type == socket.SOCK_STREAM:
                    link, _ = bound.accept()
                    with link:
                        link.settimeout(5)
                        query, _ = dns.query.receive_tcp(link)
                        if (reply := self.reply(addresses[bound], query, "TCP")) is not None:
                            dns.query.send_tcp(link, reply)
                    continue
                wire, client = bound.recvfrom(4096)
                reply = self.reply(addresses[bound], dns.message.from_wire(wire), "UDP")
                if reply is not None:
                    bound.sendto(reply.to_wire(), client)

    def reply(self, address: str, query: dns.message.Message, via: str) -> dns.message.Message | None:
        """The reply of the server at *address*, if it has one."""
        try:
            for first, last, addresses, entries in self.script.ranges:
                if first <= self.step <= last and address in addresses:
                    for entry in entries:
                        reply = entry.answers(query, via)
                        if reply is not None:
                            return reply
        except LeftOutError as why:
            self.problem = str(why)
        self.unanswered.add(
            f"{query.question[0].name} {dns.rdatatype.to_text(query.question[0].rdtype)} at {address}"
        )
        return None

    def close(self) -> None:
        """Stop, and close the sockets."""
        self.stopped.set()
        self.join()
        for _, bound in self.sockets:
            bound.close()


def configured(script: Script, folder: Path) -> str:
    """The configuration of the script for a real Unbound."""
    if not any(line.strip().startswith("server:") for line in script.config):
        raise LeftOutError("flat dialect")
    for name, content in script.files.items():
        (folder / name).write_text(f"$TTL 3600\n{content}")
    lines = []
    for line in script.config:
        if line.strip().startswith("TEMPFILE_NAME"):
            lines[-1] += f' "{folder / line.split()[1]}"'
        else:
            lines.append(line)
    own = f"""server:
  interface: {SERVER}
  directory: "{folder}"
  pidfile: ""
  chroot: ""
  username: ""
  use-syslog: no
  do-daemonize: no
  do-not-query-localhost: no
  outgoing-interface: {SERVER}
  access-control: 0.0.0.0/0 allow
  trust-anchor-signaling: no
  log-servfail: yes
remote-control:
  control-enable: no
"""
    return own + "\n".join(lines) + "\n"


def differs(entry: Entry, got: dns.message.Message) -> str:
    """The first difference, or nothing."""
    want = entry.message()
    match = {word.lower() for word in entry.match} or {"all"}
    if dns.rcode.to_text(got.rcode()) != entry.rcode:
        return f"rcode: expected {entry.rcode}, got {dns.rcode.to_text(got.rcode())}"
    if match & {"all", "flags"}:
        mask = sum(dns.flags.from_text(flag) for flag in FLAGS)
        if want.flags & mask != got.flags & mask:
            return (
                f"flags: expected {dns.flags.to_text(want.flags)}, got {dns.flags.to_text(got.flags & mask)}"
            )
    expected, answer = (
        {(str(one.name).lower(), str(data)) for one in of for data in one} for of in (want.answer, got.answer)
    )
    if match & {"all", "answer"} and expected != answer:
        return f"answer: expected {expected}, got {answer}"
    return ""


def play(path: Path, unbound: str) -> str:
    """Play one file and return the first difference, or nothing."""
    script = read(path.read_text())
    clients = {entry.address for _, _, entry in script.steps if entry.address}
    servers = {one for _, _, addresses, _ in script.ranges for one in addresses}
    use_addresses(clients | servers | {SERVER})
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "unbound.conf").write_text(configured(script, folder))
        scripted = Servers(script)
        scripted.start()
        with (folder / "log").open("w") as log:
            server = subprocess.Popen([unbound, "-d", "-c", folder / "unbound.conf"], stdout=log, stderr=log)
        try:
            return steps(script, scripted, server, folder / "log")
        finally:
            server.terminate()
            server.wait()
            scripted.close()


def steps(script: Script, scripted: Servers, server: subprocess.Popen[bytes], log: Path) -> str:
    """Take the steps and return the first difference, or nothing."""
    probe = dns.message.make_query("id.server", "TXT", "CH")
    for _ in range(100):
        try:
            dns.query.udp(probe, SERVER, timeout=0.1)
            break
        except (dns.exception.Timeout, OSError):
            if server.poll() is not None:
                raise LeftOutError(f"Unbound does not start: {log.read_text()[-300:]}") from None
    # The answers by client; without one in the script, the last.
    got: dict[str | None, dns.message.Message] = {}
    for number, kind, entry in script.steps:
        scripted.step = number
        scripted.unanswered.clear()
        if kind == "QUERY":
            name, rtype = entry.question
            query = dns.message.make_query(name, rtype, want_dnssec="DO" in entry.reply)
            query.flags = sum(dns.flags.from_text(flag) for flag in FLAGS & entry.reply)
            try:
                got[None] = dns.query.udp(query, SERVER, timeout=8, source=entry.address or "127.0.0.1")
                got[entry.address] = got[None]
            except dns.exception.Timeout:
                if scripted.problem:
                    raise LeftOutError(scripted.problem) from None
                asked = ", ".join(sorted(scripted.unanswered))
                return f"step {number}: no answer; the script does not answer {asked or 'nothing'}"
        else:
            answered = entry.address in got
            difference = differs(entry, got[entry.address]) if answered else "nothing was asked"
            if scripted.problem:
                raise LeftOutError(scripted.problem)
            if difference:
                return f"step {number}: {difference}"
    return ""


def main() -> int:
    """Play the files and print what differs."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--unbound", default="unbound")
    parser.add_argument("files", nargs="*", type=Path)
    wanted = parser.parse_args()
    enter_namespace()
    files = wanted.files or sorted((ROOT / "tests" / "scenarios" / "rpl").rglob("*.rpl"))
    counts = {"agree": 0, "differ": 0, "left out": 0}
    for path in files:
        began = time.monotonic()
        try:
            difference = play(path, wanted.unbound)
            verdict = "differ" if difference else "agree"
        except LeftOutError as why:
            verdict, difference = "left out", str(why)
        counts[verdict] += 1
        print(f"{verdict}: {path} {difference} ({time.monotonic() - began:.1f} s)", flush=True)
    print(", ".join(f"{count} {verdict}" for verdict, count in counts.items()))
    return 1 if counts["differ"] else 0


if __name__ == "__main__":
    sys.exit(main())

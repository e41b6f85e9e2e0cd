"""A small internet as zone files: a root, two top-level zones, and zones below them with all kinds of answers.

    .          192.0.2.1     signed (NSEC)
    lab. far.  192.0.2.10    lab. signed (NSEC), far. not
    the rest   192.0.2.20    example.lab. glueless.lab. hoster.far. plain, nsec.lab. nsec3.lab. signed,
                             bogus.lab. signed and then tampered with

The addresses are those of the glue. A server that listens elsewhere is reached by a route, by a stub zone,
or because the network is one of our own.
"""

from __future__ import annotations

import subprocess
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

ROOT, TOP, LEAF = "192.0.2.1", "192.0.2.10", "192.0.2.20"
SERVERS = {ROOT: (".",), TOP: ("lab.", "far.")}
SERVERS[LEAF] = ("example.lab.", "glueless.lab.", "hoster.far.", "nsec.lab.", "nsec3.lab.", "bogus.lab.")

HEAD = "$TTL 300\n@ SOA {server} hostmaster.{server} 1 3600 600 86400 60\n@ NS {server}\n"
BIG = " ".join(f'"{str(number) * 200}"' for number in range(8))
DATA = f"""\
ns1 A {LEAF}
www A 198.51.100.1
    AAAA 2001:db8::1
only4 A 198.51.100.4
alias CNAME www.hoster.far.
astray CNAME missing.hoster.far.
old DNAME hoster.far.
*.wild TXT "from the wildcard"
big TXT {BIG}
a.b.deep A 198.51.100.5
mail MX 10 www
"""
DELEGATIONS = f"""\
example NS ns1.example
ns1.example A {LEAF}
glueless NS ns1.hoster.far.
nsec NS ns1.nsec
ns1.nsec A {LEAF}
nsec3 NS ns1.nsec3
ns1.nsec3 A {LEAF}
bogus NS ns1.bogus
ns1.bogus A {LEAF}
"""


@dataclass(frozen=True)
class Internet:
    """The files: zones by name, and the trust anchor of the root as DS records."""

    zones: dict[str, Path]
    anchor: Path

    def served_by(self, address: str) -> dict[str, Path]:
        """Return the zones of the server at *address*."""
        return {name: self.zones[name] for name in SERVERS[address]}

    def hints(self, folder: Path) -> Path:
        """Write the file of root servers and return its path."""
        path = folder / "hints"
        path.write_text(f". 3600000 NS ns.root.\nns.root. 3600000 A {ROOT}\n")
        return path


def build(folder: Path) -> Internet:
    """Write and sign all zones in *folder*."""
    zones, leaf = {}, HEAD + DATA
    zones["example.lab."] = write(folder, "example.lab.", leaf.format(server="ns1.example.lab."))
    zones["glueless.lab."] = write(folder, "glueless.lab.", leaf.format(server="ns1.hoster.far."))
    hoster = HEAD.format(server="ns1.hoster.far.") + f"ns1 A {LEAF}\nwww A 198.51.100.2\n"
    zones["hoster.far."] = write(folder, "hoster.far.", hoster)
    trust = ""
    for name, options in (("nsec.lab.", ()), ("nsec3.lab.", ("-3", "-")), ("bogus.lab.", ())):
        zones[name] = sign(folder, name, leaf.format(server=f"ns1.{name}"), *options)
        trust += (folder / f"dsset-{name}").read_text()
    tampered = zones["bogus.lab."].read_text().replace("198.51.100.1", "198.51.100.66")
    zones["bogus.lab."].write_text(tampered)
    top = f"ns.nic A {TOP}\n"
    lab = HEAD.format(server="ns.nic.lab.") + top + DELEGATIONS + trust
    zones["lab."] = sign(folder, "lab.", lab)
    far = HEAD.format(server="ns.nic.lab.") + f"hoster NS ns1.hoster\nns1.hoster A {LEAF}\n"
    zones["far."] = write(folder, "far.", far)
    root = HEAD.format(server="ns.root.") + f"ns.root. A {ROOT}\nlab. NS ns.nic.lab.\nns.nic.lab. A {TOP}\n"
    root += "far. NS ns.nic.lab.\n" + (folder / "dsset-lab.").read_text()
    zones["."] = sign(folder, ".", root)
    return Internet(zones, folder / "dsset-.")


def write(folder: Path, name: str, text: str) -> Path:
    """Write the zone *name* and return its path."""
    path = folder / f"{name}zone"
    path.write_text(text)
    return path


def sign(folder: Path, name: str, text: str, *options: str) -> Path:
    """Write the zone *name*, sign it with two new keys, and return the path of the signed file."""
    plain = write(folder, name, text)
    for kind in ((), ("-f", "KSK")):
        run(folder, "dnssec-keygen", "-q", "-a", "ECDSAP256SHA256", *kind, name)
    signed = folder / f"{name}signed"
    run(
        folder, "dnssec-signzone", "-S", "-P", "-K", ".", "-d", ".", "-o", name, "-f", signed, *options, plain
    )
    return signed


def run(folder: Path, *command: object) -> str:
    """Run *command* in *folder* and return its output. The exception contains its error messages."""
    done = subprocess.run(list(map(str, command)), cwd=folder, text=True, capture_output=True, check=False)
    assert done.returncode == 0, f"{command}: {done.stdout}{done.stderr}"
    return done.stdout

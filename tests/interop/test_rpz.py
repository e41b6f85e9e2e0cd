"""Response policy zones: namewise and BIND give the same verdicts, over generated zones and questions.

Both forward to one server, and have the same two policy zones. Rules are about names, wildcards, addresses in answers
and clients, with every action. For half of the zones, both have DNS64, which translates the records of rules, too.
"""

from __future__ import annotations

import random
import shutil
import subprocess
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING

import pytest
from ports import free_port

import namewise
from namewise.engine.errors import NamewiseError
from namewise.message import make_query

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

QUESTIONS = 300
ACTIONS = {
    "CNAME .": 5.0,
    "CNAME *.": 5.0,
    "CNAME rpz-passthru.": 3.0,
    "CNAME rpz-tcp-only.": 1.0,
    "A 198.51.100.9": 4.0,
    "CNAME ns.zzt.": 2.0,
    "CNAME *.g.zzt.": 1.0,
    'TXT "x"': 1.0,
    "CNAME rpz-drop.": 0.2,
}
SOA = "$TTL 60\n@ SOA ns h 1 3600 900 604800 60\n"
OPTIONS = (
    'directory "{folder}"; pid-file none; session-keyfile none; listen-on-v6 {{ none; }}; listen-on port {port} {{ 127.0.0.1; }}; '
    "dnssec-validation no; allow-query {{ any; }}; {more}"
)


def a_name(rng: random.Random) -> str:
    return ".".join(rng.choice("abcd") for _ in range(rng.randint(1, 4))) + ".zzt"


def data(names: list[str], rng: random.Random) -> str:
    text = f"{SOA}@ NS ns\nns A 127.0.0.1\n"
    for at, name in enumerate(names, 1):
        # Aliases lead to later names. A loop fails: BIND waits for the failure, and namewise may have decided before.
        if names[at:] and rng.random() < 0.3:
            text += f"{name}. CNAME {rng.choice(names[at:])}.\n"
            continue
        text += f"{name}. A 192.0.2.{rng.randint(1, 30)}\n"
        if rng.random() < 0.7:
            text += f"{name}. AAAA 2001:db8::{rng.randint(1, 9)}\n"
    return text


def policy(names: list[str], rng: random.Random) -> str:
    def action(most: int = len(ACTIONS)) -> str:
        return rng.choices(list(ACTIONS)[:most], list(ACTIONS.values())[:most])[0]

    rules = {}
    for _ in range(25):
        name = rng.choice(names) if rng.random() < 0.7 else a_name(rng)
        if rng.random() < 0.4:
            name = f"*.{name.split('.', 1)[1]}" if name.count(".") > 1 else f"*.{name}"
        rules[name] = action()
    # All names below a name lead to one of them, which has no other rule.
    kept = rng.choice(names)
    rules.pop(kept, None)
    rules[f"*.{kept.split('.', 1)[1]}"] = f"CNAME {kept}."
    for _ in range(6):
        rules[f"32.{rng.randint(1, 30)}.2.0.192.rpz-ip"] = action(5)
    rules[f"28.{rng.choice([0, 16])}.2.0.192.rpz-ip"] = action(5)
    rules["128.3.zz.db8.2001.rpz-ip"] = action(3)
    if rng.random() < 0.2:
        rules["32.1.0.0.127.rpz-client-ip"] = action(3)
    return f"{SOA}@ NS .\n" + "".join(f"{owner} {what}\n" for owner, what in rules.items())


@contextmanager
def named(folder: Path, more: str, zones: str) -> Iterator[str]:
    """Yield the address of a BIND with these options and zones."""
    port = free_port()
    file = folder / f"named-{port}.conf"
    options = OPTIONS.format(folder=folder, port=port, more=more)
    file.write_text(f"options {{ {options} }};\ncontrols {{ }};\n{zones}")
    command = ["named", "-g", "-n", "1", "-c", str(file)]
    with open(folder / f"named-{port}.log", "wb") as log, subprocess.Popen(command, stderr=log) as process:
        try:
            address = f"127.0.0.1:{port}"
            until = time.monotonic() + 20
            while asked("ns.zzt", "SOA", address)[0] in ("Timeout", "ServersFailed"):
                assert time.monotonic() < until and process.poll() is None, "BIND does not start"
            yield address
        finally:
            process.terminate()


def asked(name: str, rtype: str, address: str) -> tuple[str, list[str]]:
    """Return rcode and answer, or the kind of error. A truncated answer is asked for again over TCP."""
    try:
        reply = namewise.query(make_query(name, rtype), address, timeout_s=1.5)
    except NamewiseError as error:
        return type(error).__name__, []
    return reply.rcode, sorted(
        f"{one.owner} {one.type} {rdata}" for one in reply.answer for rdata in one.rdatas
    )


@pytest.mark.parametrize("seed", range(8))
def test_verdicts_agree_with_bind(tmp_path: Path, seed: int) -> None:
    if shutil.which("named") is None:
        pytest.skip("named is not installed")
    rng = random.Random(seed)
    names = sorted({a_name(rng) for _ in range(120)})
    (tmp_path / "zzt").write_text(data(names, rng))
    for policy_zone in ("rpz1", "rpz2"):
        (tmp_path / policy_zone).write_text(policy(names, rng))
    zone = 'zone "{0}" {{ type primary; file "{0}"; }};\n'.format
    dns64 = seed % 2 == 1
    with named(tmp_path, "recursion no;", zone("zzt")) as source:
        forward = source.replace(":", " port ")
        more = f"recursion yes; forward only; forwarders {{ {forward}; }};"
        more += ' response-policy { zone "rpz1"; zone "rpz2"; } break-dnssec yes;'
        more += " dns64 64:ff9b:1::/96 { clients { any; }; };" if dns64 else ""
        lists = [
            {"name": one, "file": str(tmp_path / one), "format": "rpz", "zone": one}
            for one in ("rpz1", "rpz2")
        ]
        config = {
            "server": {"workers": 1},
            "listen": [{"address": "127.0.0.1", "port": 0}],
            "resolver": {"validation": "off", "ask_loopback": True},
            "forward": [{"suffix": ".", "servers": [source]}],
            "list": lists,
            "dns64": [{"prefix": "64:ff9b:1::/96"}] if dns64 else [],
        }
        with named(tmp_path, more, zone("rpz1") + zone("rpz2")) as bind, namewise.Server(config) as server:
            questions = [(name, rtype) for name in names for rtype in ("A", "AAAA", "TXT")]
            rng.shuffle(questions)
            for name, rtype in questions[:QUESTIONS]:
                ours, theirs = asked(name, rtype, server.addresses[0]), asked(name, rtype, bind)
                assert ours == theirs, (name, rtype)

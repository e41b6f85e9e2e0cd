"""DNS64: namewise, BIND and Unbound make the same addresses, over names of every shape, signed and with a broken signature."""

from __future__ import annotations

from contextlib import ExitStack
from typing import TYPE_CHECKING

import asking
import internet
import peers
import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

PREFIX = "64:ff9b::/96"
ZONE = """\
$TTL 3600
@ SOA ns.z64. h.z64. 1 3600 900 604800 3600
@ NS ns
ns A 127.0.0.1
v4 A 1.2.3.4
v4 A 1.2.3.5
v6 AAAA 2001:db8::1
both A 1.2.3.6
both AAAA 2001:db8::2
mapped A 1.2.3.7
mapped AAAA ::ffff:1.2.3.7
some A 1.2.3.8
some AAAA ::ffff:1.2.3.8
some AAAA 2001:db8::3
alias CNAME v4
chain CNAME alias
away CNAME v6
nowhere CNAME missing
*.wild A 1.2.3.9
old DNAME wild
text TXT "no address"
deep.empty A 1.2.3.10
badv4 A 1.2.3.66
badalias CNAME badv4
"""
QUESTIONS = [
    *(
        (name, rtype)
        for name in (
            *("v4", "v6", "both", "mapped", "some", "alias", "chain", "away", "nowhere", "x.wild", "y.old"),
            *("text", "empty", "deep.empty", "missing", "badv4", "badalias"),
        )
        for rtype in ("AAAA", "A")
    ),
    ("v4", "TXT"),
]
ACCEPTED = {
    # RFC 6147 §5.1.4: addresses in the excluded prefix are removed, also beside others. Unbound has no such list.
    ("unbound", "mapped", "AAAA"),
    ("unbound", "some", "AAAA"),
    # RFC 4035 §3.2.3: BIND sets AD although it removed a record of the RRset, so that no signature covers it.
    ("bind", "some", "AAAA"),
    # RFC 6147 §5.1.5: the alias is followed. BIND does not do so for one made by a DNAME whose target is a wildcard.
    ("bind", "y.old", "AAAA"),
}


def shown(where: peers.Where, name: str, rtype: str, *options: str) -> tuple[str, bool, list[str]]:
    reply = asking.ask("dig", where, f"{name}.z64", rtype, *options)
    rows = sorted(row for row in reply.answer)
    return reply.rcode, "ad" in reply.flags, rows


@pytest.fixture(scope="module")
def servers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, peers.Where]]:
    """The resolvers by name. Each forwards to one server of the signed zone, and has its key as an anchor."""
    folder: Path = tmp_path_factory.mktemp("dns64")
    signed = internet.sign(folder, "z64.", ZONE)
    text = signed.read_text()
    assert text.count("1.2.3.66") == 1
    signed.write_text(text.replace("1.2.3.66", "1.2.3.67"))
    anchor = (folder / "dsset-z64.").read_text().split("\n")[0]
    _, _, _, tag, algorithm, kind, *digest = anchor.split()
    with ExitStack() as stack:
        source = peers.nsd(folder / "source", peers.free_address("127.0.0.1"), {"z64.": signed})
        at, port = stack.enter_context(peers.running(source)).answers("z64.").where
        bind = peers.bind(
            folder / "bind",
            peers.free_address("127.0.0.1"),
            {},
            f"recursion yes; allow-recursion {{ any; }}; forward only; forwarders {{ {at} port {port}; }}; "
            f'dnssec-validation yes; dns64 {PREFIX} {{ clients {{ any; }}; break-dnssec yes; }}; disable-empty-zone ".";',
            f'trust-anchors {{ "z64." static-ds {tag} {algorithm} {kind} "{"".join(digest)}"; }};\n',
        )
        unbound = peers.unbound(
            folder / "unbound",
            peers.free_address("127.0.0.1"),
            [
                ' module-config: "dns64 validator iterator"',
                f" dns64-prefix: {PREFIX}",
                f' trust-anchor: "z64. DS {tag} {algorithm} {kind} {"".join(digest)}"',
                "forward-zone:",
                ' name: "."',
                f" forward-addr: {at}@{port}",
            ],
        )
        config = folder / "namewise.toml"
        config.write_text(
            f'[resolver]\nask_loopback = true\ntrust_anchor = "{folder / "dsset-z64."}"\n'
            f'[[forward]]\nsuffix = "."\nservers = ["{at}:{port}"]\n[[dns64]]\nprefix = "{PREFIX}"\n'
        )
        ours = peers.namewise(folder / "ours", peers.free_address("127.0.0.1"), "--config", config)
        started = {"bind": bind, "unbound": unbound, "namewise": ours}
        yield {
            name: stack.enter_context(peers.running(one)).answers("z64.").where
            for name, one in started.items()
        }


@pytest.mark.parametrize("options", ["+nodnssec", "+dnssec"])
def test_no_record_is_there_twice(servers: dict[str, peers.Where], options: str) -> None:
    """RFC 2181 §5: an RRset has no duplicates. Two lookups return the same aliases and proofs."""
    for name, rtype in QUESTIONS:
        reply = asking.ask("dig", servers["namewise"], f"{name}.z64", rtype, options)
        for section, rows in reply.sections.items():
            assert len(rows) == len(set(rows)), f"{name} {rtype} {section}: {reply.text}"


@pytest.mark.parametrize("options", [(), ("+dnssec",), ("+cd",), ("+cd", "+dnssec"), ("+adflag",)])
def test_the_answers_are_those_of_the_peers(
    servers: dict[str, peers.Where], options: tuple[str, ...]
) -> None:
    # RFC 6147 §5.5 item 3: nothing is made for clients that set CD and DO; BIND does so with `break-dnssec`. What clients get that
    # set CD alone is left open; Unbound makes nothing for them.
    apart = {("+cd",): "unbound", ("+cd", "+dnssec"): "bind"}.get(options)
    unchecked, differing = options == ("+cd",), []
    for name, rtype in QUESTIONS:
        answers = {
            server: shown(where, name, rtype, *options)
            for server, where in servers.items()
            if server != apart
        }
        if unchecked:
            # AD says whether the data were validated for a client before.
            answers = {server: (rcode, False, rows) for server, (rcode, _, rows) in answers.items()}
        ours = answers.pop("namewise")
        differing += [
            f"{name} {rtype} {options} {peer}: {theirs} ours {ours}"
            for peer, theirs in answers.items()
            if theirs != ours and (peer, name, rtype) not in ACCEPTED
        ]
    assert not differing, "\n".join(differing)

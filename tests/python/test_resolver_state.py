"""What a running resolver tells and shows about the servers that it asks: differing root hints, lame servers, trusted keys."""

from __future__ import annotations

import socket
from typing import TYPE_CHECKING
from unittest import mock

import pytest
from commands import nw
from dnsserver import DnsServer
from ports import free_port
from servers import running

from namewise import Server
from namewise.control.client import call
from namewise.control.service import Service
from namewise.engine import Message, make_query, make_response
from namewise.rdata import RRset

if TYPE_CHECKING:
    from pathlib import Path

HERE = "127.0.0.1"
ROOT, LAME = "198.41.0.4", "192.0.2.66"
KEY_TAG = 14
"""The EDNS option edns-key-tag (RFC 8145 §4.1)."""
DIGEST = "E06D44B80B8F1D39A95C0B0D7C65D08458E880409BBC683457104237C7F8EC8D"


def root(query: Message, _: str) -> bytes:
    """The answers of a root whose server has another name than the hints say, and which delegates `lame.` to a server that refuses."""
    question = query.question
    assert question is not None
    if str(question.name) == "." and question.type == "NS":
        glue = [RRset("new.root-servers.net.", "A", 3600, [ROOT])]
        answer = [RRset(".", "NS", 3600, ["new.root-servers.net."])]
        return make_response(query, flags="aa", answer=answer, additional=glue).wire
    if str(question.name).endswith("lame."):
        authority = [RRset("lame.", "NS", 3600, ["ns.lame."])]
        glue = [RRset("ns.lame.", "A", 3600, [LAME])]
        return make_response(query, authority=authority, additional=glue).wire
    soa = [RRset(".", "SOA", 3600, ["a. b. 1 2 3 4 5"])]
    return make_response(query, flags="aa", rcode="NXDOMAIN", authority=soa).wire


def refuse(query: Message, _: str) -> bytes:
    return make_response(query, rcode="REFUSED").wire


def ask(port: int, name: str) -> str:
    """Return the rcode of the answer for *name*."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as client:
        client.settimeout(30)
        client.sendto(make_query(name, "A").wire, (HERE, port))
        return Message.parse(client.recv(4096)).rcode


def test_differing_hints_and_lame_servers_are_shown(tmp_path: Path) -> None:
    port, control = free_port(), str(tmp_path / "control.sock")
    (tmp_path / "hints").write_text(
        f". 3600000 NS old.root-servers.net.\nold.root-servers.net. 3600000 A {ROOT}\n"
    )
    with DnsServer(root) as top, DnsServer(refuse) as lame:
        config = tmp_path / "namewise.toml"
        config.write_text(
            f'[[listen]]\naddress = "{HERE}"\nport = {port}\n[server]\nworkers = 1\n'
            f'[resolver]\nhints = "{tmp_path}/hints"\nvalidation = "off"\n'
            f'[resolver.routes]\n"{ROOT}/32" = "{HERE}:{top.port}"\n"{LAME}/32" = "{HERE}:{lame.port}"\n'
        )
        with running("serve", "--config", str(config), "--control", control, ready="ready: "):
            assert ask(port, "www.lame") == "SERVFAIL"
            state = call(control, "resolver")
            shown = nw("ctl", "resolver", "--control", control).stdout
    assert state["hint_differences"] == [
        "old.root-servers.net. is no longer a root server",
        "the hints lack the root server new.root-servers.net.",
    ]
    assert "old.root-servers.net. is no longer a root server" in shown
    (found,) = state["lame"]
    assert (found["zone"], LAME in str(found), "lame" in str(found)) == ("lame.", True, True)
    assert LAME in shown and "lame." in shown


@pytest.mark.parametrize("by_option", [False, True])
def test_the_root_learns_which_keys_are_trusted(tmp_path: Path, by_option: bool) -> None:
    """RFC 8145 §5.1: the name that is asked for holds the tags of the trusted keys in hexadecimal; §4.1: an option has them, too."""
    names, options = [], set()

    def watched(query: Message, transport: str) -> bytes:
        assert query.question is not None
        sent = query.edns.options if query.edns is not None else ()
        options.update((query.question.type, one.data.hex()) for one in sent if one.code == KEY_TAG)
        if str(query.question.name).startswith("_ta-"):
            names.append((str(query.question.name), query.question.type))
        return root(query, transport)

    (tmp_path / "anchor").write_text(f". DS 20326 8 2 {DIGEST}\n. DS 38696 8 2 {DIGEST}\n")
    with DnsServer(watched) as top:
        settings = {
            "listen": [{"address": HERE, "port": 0}],
            "server": {"workers": 1},
            "resolver": {
                "trust_anchor": str(tmp_path / "anchor"),
                "validation": "on",
                "ask_loopback": True,
                "trust_anchor_key_tags": by_option,
            },
            "forward": [{"suffix": ".", "servers": [f"{HERE}:{top.port}"], "authoritative": True}],
        }
        # What is due a minute after the start is done now, in place of the thread.
        with mock.patch.object(Service, "follow"), Server(settings) as resolver:
            trust = resolver._service.trust
            assert trust is not None
            trust.reloaded()
            trust.act()
    assert set(names) == {("_ta-4f66-9728.", "NULL")}
    assert options == ({("DNSKEY", "4f669728")} if by_option else set())

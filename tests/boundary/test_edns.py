"""EDNS options compared with dnspython: both decode the same octets equally, and refuse the same ones."""

from __future__ import annotations

import dns.edns
import pytest
from hypothesis import given
from hypothesis import strategies as st

from namewise.engine import registry
from namewise.message import Edns, EdnsOption, Message, make_query

from .strategies import V4, V6


def decoded(code: int, data: bytes) -> dns.edns.Option | None:
    """What dnspython makes of the octets, or None if it refuses them."""
    try:
        return dns.edns.option_from_wire(code, data, 0, len(data))
    except Exception:
        return None


@given(st.one_of(st.tuples(V4, st.integers(0, 32)), st.tuples(V6, st.integers(0, 128))))
def test_client_subnet(network: tuple[str, int]) -> None:
    """RFC 7871 §6."""
    address, bits = network
    ours = EdnsOption.client_subnet(f"{address}/{bits}")
    theirs = dns.edns.ECSOption(address, bits)
    assert ours.data == theirs.to_wire()
    assert ours.fault is None
    assert ours.text.split("/")[1:] == [str(bits), "0"]


@given(st.integers(0, 30), st.text(max_size=40))
def test_extended_error(code: int, text: str) -> None:
    """RFC 8914 §2."""
    ours = EdnsOption.extended_error(code, text)
    theirs = dns.edns.EDEOption(code, text or None)
    assert ours.data == theirs.to_wire()
    assert str(code) in ours.text


@given(st.binary(min_size=8, max_size=8), st.one_of(st.just(b""), st.binary(min_size=8, max_size=32)))
def test_cookie(client: bytes, server: bytes) -> None:
    """RFC 7873 §4."""
    ours = EdnsOption("COOKIE", client + server)
    assert ours.data == dns.edns.CookieOption(client, server).to_wire()
    assert ours.fault is None and client.hex() in ours.text.replace(" ", "")


@pytest.mark.parametrize("code", ["CLIENT-SUBNET", "COOKIE", "EDE", "REPORT-CHANNEL"])
@given(data=st.data())
def test_messages_that_dnspython_refuses_are_marked(code: str, data: st.DataObject) -> None:
    octets = data.draw(st.binary(max_size=44))
    option = EdnsOption(code, octets)
    # That the text of an extended error is UTF-8 is checked by the code that displays it.
    readable = code != "EDE" or octets[2:].decode(errors="replace") == octets[2:].decode(errors="ignore")
    if decoded(option.code, octets) is None and readable:
        assert option.fault is not None
    assert isinstance(option.text, str)


@pytest.mark.parametrize("code", sorted(registry("options")))
@given(octets=st.binary(max_size=40))
def test_any_octets_are_carried_and_shown(code: int, octets: bytes) -> None:
    option = EdnsOption(code, octets)
    query = make_query("example.com", options=[option])
    assert query.edns is not None
    assert query.edns.option(code) == option
    assert Message.parse(query.wire).edns == query.edns
    if decoded(code, octets) is not None:
        assert query.to_dnspython().options[0].otype == code
    assert option.name in query.to_text()


def test_the_fields_of_opt() -> None:
    """RFC 6891 §6.1.3, RFC 3225 §3."""
    query = make_query("example.com", udp_payload=4096, dnssec_ok=True)
    theirs = query.to_dnspython()
    assert (theirs.payload, theirs.edns, theirs.ednsflags) == (4096, 0, 0x8000)
    assert query.edns == Edns(udp_payload=4096, dnssec_ok=True)
    with pytest.raises(ValueError, match="need EDNS"):
        make_query("example.com", udp_payload=None, dnssec_ok=True)

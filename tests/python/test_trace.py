"""The delegation walk with functions as servers: its queries, its findings, its end."""

from __future__ import annotations

import json
from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING

import pytest
from commands import nw
from dnsserver import DnsServer
from ports import free_port
from servers import running

from namewise.control.client import call
from namewise.engine import Message, Name, RRset, make_query, make_response
from namewise.tools.trace import Outcome, Walk, as_json, direct, text, walk

if TYPE_CHECKING:
    from pathlib import Path

HINTS = [("a.root.", ["192.0.2.1"])]
Server = Callable[[Message], "Message | bytes | None"]
ROOT = {"192.0.2.1": lambda query: referral("zz.", ns1_zz="192.0.2.2", ns2_zz="192.0.2.3")(query)}


def referral(child: str, **servers: str | None) -> Server:
    """Refer to *child*, at servers by name, with glue where there is an address."""

    def answer(query: Message) -> Message:
        names = [name.replace("_", ".") + "." for name in servers]
        glue = [
            RRset(name, "A", 60, [address])
            for name, address in zip(names, servers.values(), strict=True)
            if address is not None
        ]
        return make_response(query, authority=[RRset(child, "NS", 60, names)], additional=glue)

    return answer


def zone(**data: str) -> Server:
    """Answer with authority: *data* by name (dots as underscores), an address, `-> alias` or `TYPE data`."""
    records = {name.replace("_", "."): text for name, text in data.items()}

    def answer(query: Message) -> Message:
        question = query.question
        assert question is not None
        name = str(question.name).rstrip(".").lower()
        text = records.get(f"{name} {question.type}") or records.get(name)
        if text is None:
            return make_response(query, "NXDOMAIN", flags="aa")
        rtype = (
            "CNAME"
            if text.startswith("-> ")
            else question.type
            if f"{name} {question.type}" in records
            else "A"
        )
        if question.type != rtype and rtype != "CNAME":
            return make_response(query, flags="aa")
        return make_response(
            query, flags="aa", answer=[RRset(question.name, rtype, 60, text.removeprefix("-> ").split("|"))]
        )

    return answer


def walked(name: str, servers: dict[str, Server], udp: dict[str, Server] | None = None) -> Walk:
    """Walk over *servers*; those in *udp* answer over UDP instead."""

    def ask(address: str, query: Message, tcp: bool, timeout_s: float) -> Outcome:
        assert timeout_s > 0
        server = servers.get(address) if tcp or address not in (udp or {}) else (udp or {})[address]
        reply = server(query) if server is not None else None
        wire = reply if isinstance(reply, bytes | None) else reply.wire
        return Outcome(wire, "" if wire is not None else "timeout", 1000)

    done = walk(Name(name), "A", HINTS, ask)
    shown_in_both_forms(done)
    return done


def shown_in_both_forms(done: Walk) -> None:
    """Check that text and JSON say the same: the verdict, each remark, and each server with its detail."""
    document, lines = json.loads(json.dumps(as_json(done))), text(done, every=True).splitlines()
    assert lines[0] == f"verdict: {document['verdict']}"
    assert document["outcome"] == done.outcome
    for cut in document["cuts"]:
        for remark in cut["remarks"]:
            assert f"  ! {remark}" in lines
            assert remark in document["verdict"]
        for server in cut["servers"]:
            about = [line for line in lines if f"({server['address']})" in line and server["detail"] in line]
            assert about
            for note in server["notes"]:
                assert any(note in line for line in about)
            for discarded in server["discarded"]:
                shown = f"{discarded['reason']} ({discarded['packets']})"
                assert any(shown in line for line in about)
    assert document["answer"] == lines[len(lines) - len(done.answer) :]


def test_a_healthy_zone_has_no_findings() -> None:
    done = walked(
        "www.example.zz",
        {
            "192.0.2.1": referral("zz.", ns_zz="192.0.2.2"),
            "192.0.2.2": referral("example.zz.", ns1_example_zz="192.0.2.3", ns2_example_zz="192.0.2.4"),
            "192.0.2.3": zone(www_example_zz="198.51.100.1"),
            "192.0.2.4": zone(www_example_zz="198.51.100.1"),
        },
    )
    assert (done.outcome, done.exit_code) == ("answer", 0)
    assert done.verdict.startswith("www.example.zz. A is answered, all servers agree; the walk took ")
    assert [cut.zone for cut in done.cuts] == [".", "zz.", "example.zz."]
    assert done.answer == ["www.example.zz. 60 IN A 198.51.100.1"]


def test_servers_that_differ_are_named_with_the_difference() -> None:
    done = walked(
        "www.zz", {**ROOT, "192.0.2.2": zone(www_zz="198.51.100.1"), "192.0.2.3": zone(www_zz="198.51.100.2")}
    )
    assert done.exit_code == 3
    assert (
        "zz. servers differ: ns1.zz (192.0.2.2) says answer: www.zz. a 198.51.100.1; "
        "ns2.zz (192.0.2.3) says answer: www.zz. a 198.51.100.2" in done.verdict
    )


def test_silent_lame_and_wrong_servers_are_named() -> None:
    done = walked(
        "www.zz",
        {
            "192.0.2.1": referral(
                "zz.", a_zz="192.0.2.2", b_zz="192.0.2.3", c_zz="192.0.2.4", d_zz="192.0.2.5"
            ),
            "192.0.2.2": lambda query: make_response(query, "REFUSED"),
            "192.0.2.3": referral(".", a_root="192.0.2.1"),
            "192.0.2.5": zone(www_zz="198.51.100.1"),
        },
    )
    assert (done.outcome, done.exit_code) == ("answer", 3)
    for said in (
        "a.zz (192.0.2.2) is lame: no server of this zone (refused)",
        "b.zz (192.0.2.3) is lame: no server of this zone (upward-referral)",
        "c.zz (192.0.2.4) gave no reply: timeout",
    ):
        assert said in done.verdict


def test_a_server_without_glue_is_looked_up() -> None:
    done = walked(
        "www.zz",
        {
            "192.0.2.1": lambda query: (
                referral("zz.", ns_yy=None)
                if str(query.questions[0].name).endswith("zz.")
                else referral("yy.", ns_yy="192.0.2.2")
            )(query),
            "192.0.2.2": zone(www_zz="198.51.100.1", ns_yy="192.0.2.2"),
        },
    )
    assert done.exit_code == 0
    assert [asked.server.source for asked in done.cuts[1].asked] == ["lookup"]


def test_glue_that_must_be_there_and_is_not() -> None:
    done = walked("www.zz", {"192.0.2.1": referral("zz.", ns_zz=None)})
    assert (done.outcome, done.exit_code) == ("broken", 3)
    assert "ns.zz. lies below zz. and has no glue: it cannot be found" in done.verdict


def test_aliases_are_followed() -> None:
    done = walked(
        "a.zz",
        {**ROOT, **dict.fromkeys(("192.0.2.2", "192.0.2.3"), zone(a_zz="-> b.zz.", b_zz="198.51.100.1"))},
    )
    assert done.answer == ["a.zz. 60 IN CNAME b.zz.", "b.zz. 60 IN A 198.51.100.1"]
    assert done.verdict.startswith(
        "a.zz. A is answered (aliases: a.zz. -> b.zz.), all servers agree; the walk took "
    )


@pytest.mark.parametrize(
    ("data", "chain"),
    [
        ({"a_zz": "-> b.zz.", "b_zz": "-> a.zz."}, "a.zz. -> b.zz. -> a.zz."),
        ({"a_zz": "-> a.zz."}, "a.zz. -> a.zz."),
        ({"a_zz": "-> B.zz.", "b_zz": "-> A.ZZ."}, "a.zz. -> B.zz. -> A.zz."),
    ],
)
def test_an_alias_loop_ends_at_once_and_is_named(data: dict[str, str], chain: str) -> None:
    done = walked("a.zz", {**ROOT, **dict.fromkeys(("192.0.2.2", "192.0.2.3"), zone(**data))})
    assert (done.outcome, done.exit_code) == ("alias-loop", 3)
    assert done.verdict.startswith(f"alias loop: {chain}; the walk took ")
    assert len(done.cuts) <= 4


def test_an_alias_loop_within_one_reply_is_named() -> None:
    def loop(query: Message) -> Message:
        sets = [RRset("a.zz", "CNAME", 60, ["b.zz."]), RRset("b.zz", "CNAME", 60, ["a.zz."])]
        return make_response(query, flags="aa", answer=sets)

    done = walked("a.zz", {**ROOT, "192.0.2.2": loop, "192.0.2.3": loop})
    assert done.verdict.startswith("alias loop: a.zz. -> b.zz. -> a.zz.")


def test_no_server_replies() -> None:
    done = walked("www.zz", {})
    assert (done.outcome, done.exit_code) == ("no-reply", 9)


def test_a_name_that_does_not_exist_is_an_answer() -> None:
    done = walked("nosuch.zz", {"192.0.2.1": referral("zz.", ns_zz="192.0.2.2"), "192.0.2.2": zone()})
    assert (done.outcome, done.exit_code) == ("nxdomain", 0)
    assert done.verdict.startswith("nosuch.zz. does not exist")


@pytest.mark.parametrize("rcode", ["FORMERR", "NOTIMP", "BADVERS"])
def test_a_server_that_refuses_edns_is_queried_without_edns(rcode: str) -> None:
    def old(query: Message) -> Message:
        return make_response(query, rcode) if query.edns is not None else zone(www_zz="198.51.100.1")(query)

    done = walked("www.zz", {**ROOT, "192.0.2.2": old, "192.0.2.3": old})
    assert (done.outcome, done.exit_code) == ("answer", 0)
    assert done.cuts[1].asked[0].notes == (f"{rcode} with EDNS, asked again without",)


def test_an_error_of_twelve_octets_is_taken_for_a_reply() -> None:
    def old(query: Message) -> Message | bytes:
        if query.edns is not None:
            return query.wire[:2] + b"\x80\x01" + bytes(8)
        return zone(www_zz="198.51.100.1")(query)

    assert walked("www.zz", {**ROOT, "192.0.2.2": old, "192.0.2.3": old}).exit_code == 0


def test_edns_that_is_dropped_is_inferred_and_marked_so() -> None:
    def old(query: Message) -> Message | None:
        return None if query.edns is not None else zone(www_zz="198.51.100.1")(query)

    done = walked("www.zz", {**ROOT, "192.0.2.2": old, "192.0.2.3": zone(www_zz="198.51.100.1")})
    assert done.outcome == "answer"
    assert (
        "inferred: ns1.zz (192.0.2.2) answers without EDNS only: EDNS is dropped on the way" in done.verdict
    )


def test_a_truncated_reply_is_retried_over_tcp() -> None:
    whole = zone(www_zz="198.51.100.1")
    cut = {
        address: lambda query: make_response(query, flags="aa tc") for address in ("192.0.2.2", "192.0.2.3")
    }
    done = walked("www.zz", {**ROOT, "192.0.2.2": whole, "192.0.2.3": whole}, cut)
    assert (done.outcome, done.exit_code) == ("answer", 0)


def test_truncation_over_tcp_is_no_denial() -> None:
    def cut(query: Message) -> Message:
        return make_response(query, flags="aa tc")

    done = walked("www.zz", {**ROOT, "192.0.2.2": cut, "192.0.2.3": cut})
    assert (done.outcome, done.exit_code) == ("broken", 3)
    assert "ns1.zz (192.0.2.2) failed: the reply is truncated although it came over TCP" in done.verdict


@pytest.mark.parametrize("rcode", ["FORMERR", "SERVFAIL", "YXDOMAIN"])
def test_an_error_is_named_and_not_called_lame(rcode: str) -> None:
    done = walked(
        "www.zz",
        {
            **ROOT,
            "192.0.2.2": lambda query: make_response(query, rcode),
            "192.0.2.3": zone(www_zz="192.0.2.9"),
        },
    )
    assert f"ns1.zz (192.0.2.2) failed: {rcode}" in done.verdict
    assert "lame" not in done.verdict


def whole_question(query: Message, rest: bytes, answers: int = 1) -> bytes:
    """Return a reply to *query* that goes on with *rest* behind the question."""
    question = query.wire[12 : 12 + len(query.questions[0].name.wire) + 4]
    return query.wire[:2] + b"\x84\0\0\1" + answers.to_bytes(2, "big") + bytes(4) + question + rest


@pytest.mark.parametrize("rest", [b"", b"\0", b"\xff" * 40, b"\xc0\x0c\0\1\0\1\0\0\0\7\0\xff"])
def test_a_malformed_reply_is_retried_over_tcp_and_reported(rest: bytes) -> None:
    odd = partial(whole_question, rest=rest)
    done = walked("www.zz", {**ROOT, "192.0.2.2": odd, "192.0.2.3": zone(www_zz="192.0.2.9")})
    assert (done.outcome, done.exit_code) == ("answer", 3)
    assert "ns1.zz (192.0.2.2) failed: the reply is malformed: " in done.verdict
    # Over UDP it may be forged.
    good = zone(www_zz="192.0.2.9")
    done = walked(
        "www.zz", {**ROOT, "192.0.2.2": good, "192.0.2.3": good}, {"192.0.2.2": odd, "192.0.2.3": odd}
    )
    assert (done.outcome, done.exit_code) == ("answer", 0)
    assert "malformed over UDP" in done.cuts[1].asked[0].notes[0]


@pytest.mark.parametrize(("flags", "said"), [("aa tc", "truncated"), (None, "malformed")])
def test_no_reply_over_tcp_keeps_what_came_over_udp(flags: str | None, said: str) -> None:
    def udp(query: Message) -> Message | bytes:
        return make_response(query, flags=flags) if flags else whole_question(query, b"\xff")

    silent = dict.fromkeys(("192.0.2.2", "192.0.2.3"), lambda _: None)
    done = walked("www.zz", {**ROOT, **silent}, dict.fromkeys(("192.0.2.2", "192.0.2.3"), udp))
    assert f"ns1.zz (192.0.2.2) gave no reply: {said} reply over UDP, timeout over TCP" in done.verdict


def test_a_malformed_record_among_good_ones_is_ignored_and_noted() -> None:
    good = b"\xc0\x0c\0\1\0\1\0\0\0\7\0\4\xc0\0\2\1"
    bad = b"\xc0\x0c\0\x1c\0\1\0\0\0\7\0\3abc"
    odd = partial(whole_question, rest=good + bad, answers=2)
    done = walked("www.zz", {**ROOT, "192.0.2.2": odd, "192.0.2.3": odd})
    assert done.outcome == "answer"
    assert done.cuts[1].asked[0].notes == ("1 malformed record ignored",)


def test_a_packet_of_another_question_is_no_reply_and_named() -> None:
    def other(query: Message) -> Message:
        return make_response(make_query("www.yy", "A", id=query.id), flags="aa")

    done = walked("www.zz", {**ROOT, "192.0.2.2": other, "192.0.2.3": zone(www_zz="192.0.2.9")})
    assert (
        "ns1.zz (192.0.2.2) gave no reply: timeout, "
        "sent 3 other packets: the question is not that of the query (3)" in done.verdict
    )


def test_a_server_that_answers_over_tcp_only_is_marked_as_inferred() -> None:
    good, silent = zone(www_zz="198.51.100.1"), {"192.0.2.2": lambda _: None}
    done = walked("www.zz", {**ROOT, "192.0.2.2": good, "192.0.2.3": good}, silent)
    assert (done.outcome, done.exit_code) == ("answer", 3)
    assert "inferred: ns1.zz (192.0.2.2) answers over TCP only (timeout over UDP)" in done.verdict
    assert as_json(done)["cuts"][1]["servers"][0]["inferred"]


def test_an_answer_from_recursion_is_the_last_resort_and_named() -> None:
    def recursive(query: Message) -> Message:
        return make_response(
            query, flags="ra", answer=[RRset(query.questions[0].name, "A", 60, ["192.0.2.9"])]
        )

    done = walked("www.zz", {**ROOT, "192.0.2.2": recursive, "192.0.2.3": recursive})
    assert (done.outcome, done.exit_code) == ("answer", 3)
    assert "ns1.zz (192.0.2.2) answers without authority" in done.verdict
    done = walked("www.zz", {**ROOT, "192.0.2.2": recursive, "192.0.2.3": zone(www_zz="192.0.2.1")})
    assert done.answer == ["www.zz. 60 IN A 192.0.2.1"]


def test_a_name_that_a_dname_makes_too_long_is_named() -> None:
    owner = ".".join(["a" * 60] * 4) + ".zz"

    def too_long(query: Message) -> Message:
        return make_response(
            query, "YXDOMAIN", flags="aa", answer=[RRset("zz", "DNAME", 60, ["very.long.yy."])]
        )

    done = walked(owner, {**ROOT, "192.0.2.2": too_long, "192.0.2.3": too_long})
    assert (done.outcome, done.exit_code) == ("name-too-long", 3)
    assert done.verdict.startswith("an alias leads to a name of more than 255 octets")


def test_octets_after_a_reply_are_reported() -> None:
    def odd(query: Message) -> bytes:
        reply = zone(www_zz="192.0.2.9")(query)
        assert isinstance(reply, Message)
        return reply.wire + b"abc"

    done = walked("www.zz", {**ROOT, "192.0.2.2": odd, "192.0.2.3": odd})
    assert (done.outcome, done.exit_code) == ("answer", 0)
    assert done.cuts[1].asked[0].notes == ("3 octets after the reply ignored",)


SOA = "ns1.zz. admin.zz. {} 1 2 3 4"


def served(serial: int = 7, ns: str = "ns1.zz.|ns2.zz.", **more: str) -> Server:
    data = {"www_zz": "198.51.100.1", "zz SOA": SOA.format(serial), "zz NS": ns}
    return zone(**{**data, "ns1_zz A": "192.0.2.2", "ns2_zz A": "192.0.2.3", **more})


def test_a_zone_that_agrees_with_its_parent_has_no_findings() -> None:
    done = walked("www.zz", {**ROOT, "192.0.2.2": served(), "192.0.2.3": served()})
    assert (done.exit_code, [cut.remarks for cut in done.cuts]) == (0, [[], []])


def test_serials_are_compared() -> None:
    done = walked("www.zz", {**ROOT, "192.0.2.2": served(7), "192.0.2.3": served(8)})
    assert "zz. SOA serials differ: 7 at ns1.zz (192.0.2.2); 8 at ns2.zz (192.0.2.3)" in done.verdict


def test_parent_and_child_are_compared() -> None:
    servers = {address: served(ns="ns1.zz.|ns3.zz.") for address in ("192.0.2.2", "192.0.2.3")}
    done = walked("www.zz", {**ROOT, **servers})
    assert "the parent names servers that the zone does not: ns2.zz." in done.verdict
    assert "the zone names servers that the parent does not: ns3.zz." in done.verdict


def test_glue_is_compared_with_the_addresses_of_the_zone() -> None:
    servers = {address: served(**{"ns1_zz A": "192.0.2.99"}) for address in ("192.0.2.2", "192.0.2.3")}
    done = walked("www.zz", {**ROOT, **servers})
    assert "glue of ns1.zz. is 192.0.2.2, the zone itself says 192.0.2.99" in done.verdict


def test_a_name_server_that_is_an_alias_is_named() -> None:
    servers = {address: served(**{"ns1_zz A": "-> www.zz."}) for address in ("192.0.2.2", "192.0.2.3")}
    done = walked("www.zz", {**ROOT, **servers})
    assert "the name server ns1.zz. of zz. is an alias (RFC 2181 §10.3)" in done.verdict


def under(**servers: Server) -> Server:
    """Refer to the zone of the question's last label."""
    return lambda query: servers[str(query.questions[0].name).rstrip(".").rsplit(".", 1)[-1].lower()](query)


@pytest.mark.parametrize("parent_names_it", [True, False])
def test_a_name_server_outside_of_its_zone_that_is_an_alias_is_named(parent_names_it: bool) -> None:
    """Glue answers for the name, so that only a look-up of the name shows the alias."""
    names = {"ns_yy": "192.0.2.2"} if parent_names_it else {"ns1_zz": "192.0.2.2"}
    done = walked(
        "www.zz",
        {
            "192.0.2.1": under(zz=referral("zz.", **names), yy=referral("yy.", a_yy="192.0.2.4")),
            "192.0.2.2": served(ns="ns.yy."),
            "192.0.2.4": zone(**{"ns_yy": "-> host.yy.", "host_yy A": "192.0.2.2"}),
        },
    )
    assert (done.outcome, done.exit_code) == ("answer", 3)
    assert "the name server ns.yy. of zz. is an alias (RFC 2181 §10.3)" in done.verdict


@pytest.mark.parametrize(("address", "remarks"), [
    ("192.0.2.2", []),
    ("192.0.2.9", ["glue of ns.yy. is 192.0.2.2, its own zone says 192.0.2.9"]),
    (None, []),
])  # fmt: skip
def test_glue_of_a_name_outside_of_the_zone_is_compared_with_its_own_zone(
    address: str | None, remarks: list[str]
) -> None:
    servers: dict[str, Server] = {
        "192.0.2.1": under(zz=referral("zz.", ns_yy="192.0.2.2"), yy=referral("yy.", a_yy="192.0.2.4")),
        "192.0.2.2": served(ns="ns.yy."),
    }
    if address is not None:
        servers["192.0.2.4"] = zone(**{"ns_yy A": address})
    assert walked("www.zz", servers).cuts[-1].remarks == remarks


def test_the_first_line_is_the_verdict_with_the_cause_of_delay() -> None:
    done = walked("www.zz", {**ROOT, "192.0.2.2": served(), "192.0.2.3": served()})
    done.cuts[0].took_us = 5
    first = text(done).splitlines()[0]
    assert first.startswith("verdict: www.zz. A is answered, all servers agree; the walk took ")
    document = json.loads(json.dumps(as_json(done)))
    assert document["verdict"] == done.verdict


def test_discarded_packets_are_counted_with_the_reason() -> None:
    query = make_query("www.zz", "A", flags="")

    def answer(asked: Message, transport: str) -> list[bytes]:
        good = make_response(asked, flags="aa").wire
        other = make_response(make_query("www.yy", "A", id=asked.id), flags="aa").wire
        wrong = (asked.id ^ 1).to_bytes(2, "big") + good[2:]
        return [other, wrong, good] if transport == "tcp" else [b"x", other, asked.wire, other, good]

    with DnsServer(answer) as server, direct() as ask:
        udp, tcp = (ask(f"127.0.0.1:{server.port}", query, over_tcp, 5.0) for over_tcp in (False, True))
    question, number = "the question is not that of the query", "the id is not that of the query"
    assert udp.wire is not None
    assert tcp.wire is not None
    assert udp.discarded == (
        ("shorter than a header (12 octets)", 1),
        (question, 2),
        ("a query, not a reply (QR is clear)", 1),
    )
    assert tcp.discarded == ((question, 1), (number, 1))


def test_a_wrong_id_sends_the_query_over_tcp_as_in_the_resolver() -> None:
    def answer(asked: Message, transport: str) -> bytes:
        good = zone(www_zz="192.0.2.9")(asked)
        assert isinstance(good, Message)
        return good.wire if transport == "tcp" else (asked.id ^ 1).to_bytes(2, "big") + good.wire[2:]

    with DnsServer(answer) as server, direct() as ask:
        done = walk(Name("www.zz"), "A", [("a.root.", [f"127.0.0.1:{server.port}"])], ask)
    assert done.outcome == "answer"
    assert {transport for transport, _ in server.asked} == {"udp", "tcp"}
    assert "sent 1 other packet: the id is not that of the query (1)" in done.verdict
    assert "inferred" not in done.verdict


def test_a_question_in_another_case_is_the_same_question() -> None:
    def answer(asked: Message, _transport: str) -> bytes:
        return make_response(asked, flags="aa").wire.replace(b"www", b"WwW")

    with DnsServer(answer) as server, direct() as ask:
        got = ask(f"127.0.0.1:{server.port}", make_query("www.zz", "A"), False, 5.0)
    assert (got.discarded, got.failure) == ((), "")


def test_a_server_without_an_interface_gives_no_traceback() -> None:
    with direct() as ask:
        got = ask("fe80::1%nolink", make_query("a", "A"), False, 1.0)
    assert got.failure.endswith("no interface 'nolink'")


def test_packets_that_a_running_server_discards_are_reported(tmp_path: Path) -> None:
    control = str(tmp_path / "nw.sock")
    query = make_query("www.zz", "A", flags="")

    def answer(asked: Message, _transport: str) -> list[bytes]:
        other = make_response(make_query("www.yy", "A", id=asked.id), flags="aa").wire
        return [other, make_response(asked, flags="aa").wire]

    with DnsServer(answer) as server:
        (tmp_path / "namewise.toml").write_text(
            f'[resolver.routes]\n"192.0.2.0/24" = "127.0.0.1:{server.port}"\n'
        )
        with running(
            "serve", "--config", str(tmp_path / "namewise.toml"), "--listen", f"127.0.0.1:{free_port()}",
            "--control", control, ready="ready: ",
        ):  # fmt: skip
            found = call(
                control,
                "exchange",
                {"server": "192.0.2.1", "query": query.wire.hex(), "timeout_s": 5.0, "tcp": False},
            )
    assert found["discarded"] == [{"reason": "the question is not that of the query", "packets": 1}]
    assert Message.parse(bytes.fromhex(found["reply"])).rcode == "NOERROR"


def test_trace_reports_a_forwarding_server_and_offers_the_root(tmp_path: Path) -> None:
    control = str(tmp_path / "nw.sock")
    with (
        DnsServer(lambda query, _: make_response(query).wire) as upstream,
        running(
            "serve", "--listen", f"127.0.0.1:{free_port()}", "--forward", f"127.0.0.1:{upstream.port}",
            "--control", control, ready="ready: ",
        ),
    ):  # fmt: skip
        done = nw("trace", "www.zz", "--control", control)
    assert (done.returncode, done.stdout, len(upstream.asked)) == (1, "", 0)
    assert done.stderr.startswith(f"nw trace: this server forwards www.zz. to 127.0.0.1:{upstream.port}: ")
    assert "nw trace www.zz. A --from-root" in done.stderr


def test_the_command_refuses_wrong_usage_in_one_line() -> None:
    done = nw("trace", "a..b")
    assert (done.returncode, done.stdout) == (1, "")

"""The delegation walk, over servers that are functions: what it asks, what it notices, where it stops."""

from __future__ import annotations

from collections.abc import Callable

from namewise.engine import Message, Name, RRset, make_response
from namewise.tools.trace import Told, Walk, walk

HINTS = [("a.root.", ["192.0.2.1"])]
Server = Callable[[Message], Message | None]


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
    """Answer with authority: *data* by name (dots as underscores), an address or `-> alias`."""
    records = {name.replace("_", "."): text for name, text in data.items()}

    def answer(query: Message) -> Message:
        question = query.question
        assert question is not None
        text = records.get(str(question.name).rstrip("."))
        if text is None:
            return make_response(query, "NXDOMAIN", flags="aa")
        rtype = "CNAME" if text.startswith("-> ") else "A"
        if question.type not in (rtype, "CNAME") and rtype == "A":
            return make_response(query, flags="aa")
        return make_response(
            query, flags="aa", answer=[RRset(question.name, rtype, 60, [text.removeprefix("-> ")])]
        )

    return answer


def walked(name: str, servers: dict[str, Server]) -> Walk:
    def ask(address: str, query: Message) -> Told:
        server = servers.get(address)
        reply = server(query) if server is not None else None
        return Told(reply, "" if reply is not None else "timeout", 1000)

    return walk(Name(name), "A", HINTS, ask)


def test_all_well() -> None:
    done = walked(
        "www.example.zz",
        {
            "192.0.2.1": referral("zz.", ns_zz="192.0.2.2"),
            "192.0.2.2": referral("example.zz.", ns1_example_zz="192.0.2.3", ns2_example_zz="192.0.2.4"),
            "192.0.2.3": zone(www_example_zz="198.51.100.1"),
            "192.0.2.4": zone(www_example_zz="198.51.100.1"),
        },
    )
    assert (done.outcome, done.exit_code, done.verdict) == ("answer", 0, "answered, all servers agree")
    assert [cut.zone for cut in done.cuts] == [".", "zz.", "example.zz."]
    assert done.answer == ["www.example.zz. 60 IN A 198.51.100.1"]


def test_servers_that_differ_are_named() -> None:
    done = walked(
        "www.zz",
        {
            "192.0.2.1": referral("zz.", ns1_zz="192.0.2.2", ns2_zz="192.0.2.3"),
            "192.0.2.2": zone(www_zz="198.51.100.1"),
            "192.0.2.3": zone(www_zz="198.51.100.2"),
        },
    )
    assert done.exit_code == 3
    assert "zz. servers differ: 192.0.2.2 say answer and 192.0.2.3 say answer" in done.verdict


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
        "a.zz (192.0.2.2) does not serve it: REFUSED",
        "b.zz (192.0.2.3) does not serve it: refers to ., which leads nowhere",
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
    assert "ns.zz. lies below zz. and has no glue: nobody can find it" in done.verdict


def test_aliases_are_followed_and_loops_end() -> None:
    servers = {
        "192.0.2.1": referral("zz.", ns_zz="192.0.2.2"),
        "192.0.2.2": zone(a_zz="-> b.zz.", b_zz="198.51.100.1"),
    }
    done = walked("a.zz", servers)
    assert done.answer == ["a.zz. 60 IN CNAME b.zz.", "b.zz. 60 IN A 198.51.100.1"]
    servers["192.0.2.2"] = zone(a_zz="-> b.zz.", b_zz="-> a.zz.")
    assert walked("a.zz", servers).outcome == "broken"


def test_nobody_replies() -> None:
    done = walked("www.zz", {})
    assert (done.outcome, done.exit_code) == ("no-reply", 9)


def test_a_name_that_does_not_exist_is_an_answer() -> None:
    done = walked("nosuch.zz", {"192.0.2.1": referral("zz.", ns_zz="192.0.2.2"), "192.0.2.2": zone()})
    assert (done.outcome, done.exit_code) == ("nxdomain", 0)
    assert done.verdict.startswith("nosuch.zz. does not exist")

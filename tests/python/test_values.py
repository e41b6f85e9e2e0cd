"""Results and errors as values: pickling, copying, comparison, fields."""

from __future__ import annotations

import copy
import multiprocessing
import pickle
from typing import TYPE_CHECKING

import pytest
from dnsserver import DnsServer

import namewise
from namewise.engine import (
    Edns,
    EdnsOption,
    Message,
    Name,
    Question,
    Rdata,
    Record,
    RRset,
    errors,
    make_response,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

QUESTION = Question("example.com", "MX")
REPLY = make_response(
    namewise.engine.make_query("www.example.com", "A"),
    answer=[RRset("www.example.com", "CNAME", 60, ["x.test."]), RRset("x.test", "A", 60, ["192.0.2.1"])],
)
VALUES = [
    Name("www.example.com"),
    QUESTION,
    Rdata("MX", "10 mail.example.com."),
    RRset("example.com", "A", 60, ["192.0.2.1"]),
    Record("example.com", 60, Rdata("A", "192.0.2.1"), "CH"),
    EdnsOption("NSID", b"x"),
    Edns(dnssec_ok=True, options=[EdnsOption("NSID", b"x")]),
    REPLY,
]
ATTEMPT = errors.Attempt("192.0.2.53:53", "udp", "timeout", 5.0)
ERRORS = [
    errors.NamewiseError("plain", code="SPECIAL"),
    errors.BadName("empty label", "a..b", 2, "EMPTY_LABEL"),
    errors.TextError("not a number", 4, "a number"),
    errors.WireError("too short", 12),
    errors.TomlError([errors.TomlFault(1, 2, "x")]),
    errors.ZoneFileError([errors.ZoneFault("f", 1, 2, "error", "C", "m", "e")], 3),
    errors.PlanError([errors.PlanFault("zones[0]", "x")]),
    errors.KeyFileError("not a key"),
    errors.SigningFailed("no key signs the zone"),
    errors.DifferenceMismatch("another zone", "OTHER_ZONE"),
    errors.TsigError("the server reports BADKEY", "REPORTED", "BADKEY"),
    errors.UpdateRefused("www has records", "YXDOMAIN", "§3.2.2"),
    errors.EngineClosed("closed"),
    errors.DifferenceMismatch("serial 2", "SERIAL"),
    errors.TransferError("the primary refuses", "REFUSED"),
    errors.GenerationConflict(7, 8),
    errors.NXDOMAIN("no such name", QUESTION, [ATTEMPT], REPLY),
    errors.NoAnswer("no record", QUESTION, [ATTEMPT], REPLY),
    errors.Timeout("no reply", QUESTION, [ATTEMPT]),
    errors.ServersFailed("refused", QUESTION, [ATTEMPT], REPLY),
]


@pytest.mark.parametrize("value", VALUES, ids=lambda value: type(value).__name__)
def test_values_can_be_pickled(value: object) -> None:
    for protocol in range(2, pickle.HIGHEST_PROTOCOL + 1):
        assert pickle.loads(pickle.dumps(value, protocol)) == value
    assert copy.deepcopy(value) == value


@pytest.mark.parametrize("error", ERRORS, ids=lambda error: type(error).__name__)
def test_errors_can_be_pickled(error: errors.NamewiseError) -> None:
    again = pickle.loads(pickle.dumps(error))
    assert type(again) is type(error)
    assert (str(again), again.code, again.args) == (str(error), error.code, error.args)
    assert again.__dict__ == error.__dict__


def test_every_error_class_is_tried() -> None:
    def below(kind: type[errors.NamewiseError]) -> Iterator[type[errors.NamewiseError]]:
        for child in kind.__subclasses__():
            yield child
            yield from below(child)

    tried = {type(error) for error in ERRORS}
    assert {kind for kind in below(errors.NamewiseError) if kind.__module__ == errors.__name__} - tried <= {
        errors.EngineError,
        errors.EnginePanic,
        errors.ResolutionError,
    }


@pytest.fixture
def server() -> Iterator[DnsServer]:
    def answer(query: Message, _transport: str) -> bytes:
        question = query.question
        assert question is not None
        if str(question.name) == "nope.test.":
            return make_response(query, "NXDOMAIN").wire
        if str(question.name) == "nothing.test.":
            return make_response(query).wire
        records = [RRset(question.name, "TXT", 30, ['"x"']), RRset(question.name, "A", 60, ["192.0.2.1"])]
        return make_response(query, answer=records).wire

    with DnsServer(answer) as running:
        yield running


def _resolve(name: str, server: str) -> namewise.Answer:
    return namewise.resolve(name, server=server)


def test_results_and_errors_can_be_sent_to_other_processes(server: DnsServer) -> None:
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        answer = pool.apply(_resolve, ("www.test", f"127.0.0.1:{server.port}"))
        assert [str(rdata) for rdata in answer] == ["192.0.2.1"]
        assert answer.attempts[0].outcome == "NOERROR"
        assert repr(answer).startswith("<Answer www.test. IN A: 1 record, ttl 60, from ")
        assert pickle.loads(pickle.dumps(answer)) == answer == copy.deepcopy(answer)
        assert len({answer, copy.copy(answer)}) == 1
        assert answer != pool.apply(_resolve, ("other.test", f"127.0.0.1:{server.port}"))
        with pytest.raises(namewise.NXDOMAIN) as caught:
            pool.apply(_resolve, ("nope.test", f"127.0.0.1:{server.port}"))
    assert str(caught.value.question.name) == "nope.test."
    assert caught.value.response is not None


def test_any_returns_every_rrset_of_the_name(server: DnsServer) -> None:
    answer = namewise.resolve("www.test", "ANY", server=f"127.0.0.1:{server.port}")
    assert [rrset.type for rrset in answer.rrsets] == ["TXT", "A"]
    assert [rdata.type for rdata in answer] == ["TXT", "A"]
    assert (answer.ttl, len(answer), str(answer.canonical_name)) == (30, 2, "www.test.")


def test_any_without_records_is_no_answer(server: DnsServer) -> None:
    with pytest.raises(namewise.NoAnswer):
        namewise.resolve("nothing.test", "ANY", server=f"127.0.0.1:{server.port}")


def test_dir_lists_all_attributes() -> None:
    public = {name for name in dir(namewise) if not name.startswith("__")}
    assert public | {"__version__"} == set(namewise.__all__)
    assert {"__name__", "__doc__", "__version__"} <= set(dir(namewise))
    assert namewise.__version__ == namewise.engine.VERSION


@pytest.mark.parametrize(
    ("rtype", "text", "fields"),
    [
        ("A", "192.0.2.1", {"address": "192.0.2.1"}),
        ("AAAA", "2001:db8::1", {"address": "2001:db8::1"}),
        ("NS", "ns.example.", {"nsdname": "ns.example."}),
        ("CNAME", "x.example.", {"cname": "x.example."}),
        ("PTR", "x.example.", {"ptrdname": "x.example."}),
        ("MX", "10 mail.example.", {"preference": 10, "exchange": "mail.example."}),
        ("SRV", "1 2 443 x.example.", {"priority": 1, "weight": 2, "port": 443, "target": "x.example."}),
        (
            "SOA",
            "a. b. 7 1h 2 3 4",
            {"mname": "a.", "rname": "b.", "serial": 7, "refresh": 3600, "minimum": 4},
        ),
        ("TXT", '"one" "two"', {"txt_data": (b"one", b"two")}),
        ("CAA", '0 issue "ca.example"', {"flags": 0, "tag": b"issue", "value": b"ca.example"}),
        (
            "DS",
            "60485 13 2 ABCD",
            {"key_tag": 60485, "algorithm": 13, "digest_type": 2, "digest": b"\xab\xcd"},
        ),
        ("NSEC", "b.example. A MX", {"next_domain_name": "b.example.", "types": ("A", "MX")}),
        ("TLSA", "3 1 1 AB", {"certificate_usage": 3, "selector": 1, "matching_type": 1}),
        ("URI", '10 1 "https://x/"', {"priority": 10, "weight": 1, "target": b"https://x/"}),
        ("HTTPS", "1 . port=443", {"svc_priority": 1, "target_name": ".", "svc_params": b"\0\3\0\2\1\xbb"}),
        ("NSEC3PARAM", "1 0 10 AABB", {"hash_algorithm": 1, "iterations": 10, "salt": b"\xaa\xbb"}),
        (
            "RRSIG",
            "A 13 3 3600 20300101000000 20240101000000 12345 example. AAAA",
            {"type_covered": "A", "labels": 3, "signature_inception": 1704067200, "signers_name": "example."},
        ),
    ],
)
def test_record_data_has_fields_by_the_names_of_the_rfc(
    rtype: str, text: str, fields: dict[str, object]
) -> None:
    rdata = Rdata(rtype, text)
    assert set(fields) <= set(rdata.field_names) <= set(dir(rdata))
    for name, value in fields.items():
        found = getattr(rdata, name)
        assert (str(found) if isinstance(value, str) else found) == value


def test_an_unknown_field_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match='no field "target"; its fields: preference, exchange'):
        _ = Rdata("MX", "10 mail.example.").target
    with pytest.raises(AttributeError, match="its fields: none"):
        _ = Rdata("TYPE65333", "\\# 1 00").target

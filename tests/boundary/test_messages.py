"""Messages compared with dnspython: each codec reads the messages of the other, and any octets are handled."""

from __future__ import annotations

import dns.edns
import dns.flags
import dns.message
import dns.name
import dns.rdata
import dns.rdataclass
import dns.rdatatype
import dns.rrset
from hypothesis import given
from hypothesis import strategies as st

from namewise.message import Message, WireError, make_message
from namewise.rdata import RRset

from .strategies import RDATA_TEXT, names

IN = dns.rdataclass.IN
DATA_TYPES = sorted(set(RDATA_TEXT) - {"TYPE65280"})


@st.composite
def rrsets(draw: st.DrawFn, zone: dns.name.Name) -> dns.rrset.RRset:
    """RRsets at names that share suffixes, so that there is something to compress."""
    rtype = draw(st.sampled_from(DATA_TYPES))
    prefix = draw(st.sampled_from([(), (b"www",), (b"a", b"b"), (b"WWW",)]))
    owner = dns.name.Name((*prefix, *zone.labels))
    texts = draw(st.lists(RDATA_TEXT[rtype], min_size=1, max_size=3))
    if rtype == "RRSIG":  # signatures over several types are several sets
        texts = texts[:1]
    rdatas = [dns.rdata.from_text(IN, rtype, text, relativize=False) for text in texts]
    return dns.rrset.from_rdata_list(owner, draw(st.integers(0, 2**31 - 1)), rdatas)


@st.composite
def messages(draw: st.DrawFn) -> dns.message.Message:
    """Responses with up to three RRsets a section, some with EDNS."""
    zone = draw(names(150))
    message = dns.message.make_response(
        dns.message.make_query(zone, draw(st.sampled_from(DATA_TYPES)), id=draw(st.integers(0, 65535)))
    )
    message.flags |= draw(st.sampled_from([0, dns.flags.AA, dns.flags.TC | dns.flags.CD, dns.flags.AD]))
    for section in (message.answer, message.authority, message.additional):
        for rrset in draw(st.lists(rrsets(zone), max_size=3)):
            if all((rrset.name, rrset.rdtype, rrset.covers) != (o.name, o.rdtype, o.covers) for o in section):
                section.append(rrset)
    if draw(st.booleans()):
        options = [dns.edns.GenericOption(65001, draw(st.binary(max_size=20)))]
        message.use_edns(0, ednsflags=draw(st.sampled_from([0, dns.flags.DO])), payload=1400, options=options)
        message.set_rcode(draw(st.sampled_from([0, 3, 16, 23])))
    return message


def same_sets(ours: tuple[RRset, ...], theirs: list[dns.rrset.RRset]) -> bool:
    expected = [RRset.from_dnspython(rrset) for rrset in theirs]
    return len(ours) == len(expected) and all(a == b for a, b in zip(ours, expected, strict=True))


@given(messages())
def test_messages_of_dnspython_are_read(theirs: dns.message.Message) -> None:
    ours = Message.parse(theirs.to_wire(max_size=65535))
    assert ours.id == theirs.id
    assert ours.flags_value & 0x7FF0 == theirs.flags & 0x7FF0
    assert ours.rcode_value == theirs.rcode()
    assert ours.opcode_value == theirs.opcode()
    assert ours.question is not None
    assert ours.question.name.to_dnspython() == theirs.question[0].name
    assert ours.question.type_value == theirs.question[0].rdtype
    assert same_sets(ours.answer, theirs.answer)
    assert same_sets(ours.authority, theirs.authority)
    assert same_sets(ours.additional, theirs.additional)
    assert (ours.edns is None) == (theirs.edns < 0)
    if ours.edns is not None:
        assert ours.edns.udp_payload == theirs.payload
        assert ours.edns.dnssec_ok == bool(theirs.ednsflags & dns.flags.DO)
        assert [(o.code, o.data) for o in ours.edns.options] == [
            (option.otype, option.to_wire()) for option in theirs.options
        ]
    assert ours.to_dnspython() == theirs


@given(messages())
def test_dnspython_reads_our_messages(theirs: dns.message.Message) -> None:
    ours = Message.from_dnspython(theirs)
    again = ours.render()
    assert dns.message.from_wire(again) == theirs
    assert Message.parse(again).counts == ours.counts


@given(messages())
def test_parts_make_the_message(theirs: dns.message.Message) -> None:
    ours = Message.from_dnspython(theirs)
    assert ours.question is not None
    made = make_message(
        (ours.question.name, ours.question.type, ours.question.rclass),
        id=ours.id,
        flags=ours.flags,
        rcode=ours.rcode,
        answer=ours.answer,
        authority=ours.authority,
        additional=ours.additional,
        edns=ours.edns,
    )
    assert dns.message.from_wire(made.wire) == theirs


@given(messages(), st.data())
def test_arbitrary_octets_are_handled(theirs: dns.message.Message, data: st.DataObject) -> None:
    wire = bytearray(theirs.to_wire(max_size=65535))
    for _ in range(data.draw(st.integers(1, 4))):
        wire[data.draw(st.integers(0, len(wire) - 1))] = data.draw(st.integers(0, 255))
    cut = data.draw(st.one_of(st.just(len(wire)), st.integers(0, len(wire))))
    try:
        ours = Message.parse(bytes(wire[:cut]))
    except WireError as error:
        # A label that reaches over the end is reported where the next one would start.
        assert error.offset is None or 0 <= error.offset <= cut + 63
        return
    # What was accepted can be shown in every way, and means the same when it is written again.
    assert str(ours) and ours.to_dict() and repr(ours)
    for section in ("answer", "authority", "additional"):
        assert sum(map(len, getattr(ours, section))) == len(ours.records(section))
    again = Message.parse(ours.render())
    assert (again.answer, again.authority, again.additional) == (ours.answer, ours.authority, ours.additional)


@given(st.binary(max_size=100))
def test_noise_is_refused_or_read(noise: bytes) -> None:
    try:
        message = Message.parse(noise)
    except WireError:
        return
    assert message.wire == noise


@given(messages())
def test_text_has_every_record(theirs: dns.message.Message) -> None:
    ours = Message.from_dnspython(theirs)
    text = ours.to_text()
    assert ours.header_text() in text
    for section in ("answer", "authority", "additional"):
        lines = ours.section_text(section).splitlines()
        records = ours.records(section)
        assert len(lines) == len(records)
        for line, record in zip(lines, records, strict=True):
            assert line in text and line.startswith(str(record.owner)) and line.endswith(str(record.rdata))

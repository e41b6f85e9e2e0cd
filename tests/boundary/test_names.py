"""Names compared with dnspython: parsing, text, comparison, order, hash."""

from __future__ import annotations

import dns.exception
import dns.name
import pytest
from hypothesis import given
from hypothesis import strategies as st

from namewise.name import ROOT, BadName, Name

from .strategies import names


@given(names())
def test_wire_and_text_agree(theirs: dns.name.Name) -> None:
    ours = Name.from_wire(theirs.to_wire())
    assert ours.wire == theirs.to_wire()
    assert ours.labels == theirs.labels[:-1]
    assert Name(str(ours)) == ours
    assert dns.name.from_text(str(ours)) == theirs
    # The two escape different octets (RFC 4343 §2.1 leaves a choice): other text, same name.
    assert Name(theirs.to_text()).wire == ours.wire
    assert Name.from_dnspython(theirs).wire == ours.wire
    assert ours.to_dnspython() == theirs


@given(names(), names())
def test_order_and_equality_agree(left: dns.name.Name, right: dns.name.Name) -> None:
    a, b = Name.from_dnspython(left), Name.from_dnspython(right)
    assert (a == b) == (left == right)
    assert (a < b) == (left < right)
    assert (a >= b) == (left >= right)
    assert a.is_at_or_below(b) == left.is_subdomain(right)
    if a == b:
        assert hash(a) == hash(b)


@given(names(), st.data())
def test_case_is_kept_and_not_compared(theirs: dns.name.Name, data: st.DataObject) -> None:
    cases = [data.draw(st.sampled_from((label.upper(), label.lower()))) for label in theirs.labels]
    other = dns.name.Name(cases)
    a, b = Name.from_dnspython(theirs), Name.from_dnspython(other)
    assert a == b and hash(a) == hash(b)
    assert a.lower().wire == theirs.canonicalize().to_wire()


@given(names(), st.integers(0, 130))
def test_ancestors_agree(theirs: dns.name.Name, depth: int) -> None:
    ours = Name.from_dnspython(theirs)
    assert len(ours) == len(theirs.labels) - 1
    if theirs == dns.name.root:
        assert ours.parent is None and ours == ROOT and ours.is_root
    else:
        assert ours.parent is not None and ours.parent.to_dnspython() == theirs.parent()
    kept = min(depth, len(ours))
    assert ours.suffix(depth).labels == theirs.labels[len(ours) - kept : -1]


@given(st.binary(max_size=300))
def test_wire_that_one_refuses_both_refuse(wire: bytes) -> None:
    try:
        theirs, used = dns.name.from_wire(wire, 0)
        # A pointer cannot be strictly backward at offset 0; what follows the name is not part of it.
        accepted = used == len(wire)
    except (dns.exception.DNSException, IndexError):
        accepted = False
    try:
        ours = Name.from_wire(wire)
    except ValueError:
        assert not accepted
    else:
        assert accepted and ours.labels == theirs.labels[:-1]


@given(st.text(st.sampled_from('ab.\\0129@$*"(); '), min_size=1, max_size=40))
def test_text_that_one_refuses_both_refuse(text: str) -> None:
    try:
        theirs: dns.name.Name | None = dns.name.from_text(text, origin=dns.name.root)
    except dns.exception.DNSException:
        theirs = None
    try:
        ours: Name | None = Name(text)
    except BadName:
        ours = None
    assert (ours is None) == (theirs is None)
    if ours is not None and theirs is not None:
        assert ours.wire == theirs.to_wire()


@pytest.mark.parametrize(
    ("text", "code", "at"),
    [
        ("a..b", "EMPTY_LABEL", 2),
        ("a." + "b" * 64, "LABEL_TOO_LONG", 2),
        (".".join(["a" * 60] * 5), "NAME_TOO_LONG", None),
        ("a\\25", "BAD_ESCAPE", 1),
        ("bücher.example", "NOT_ASCII", 1),
    ],
)
def test_errors_have_a_position(text: str, code: str, at: int | None) -> None:
    with pytest.raises(BadName) as caught:
        Name(text)
    assert (caught.value.code, caught.value.at, caught.value.text) == (code, at, text)

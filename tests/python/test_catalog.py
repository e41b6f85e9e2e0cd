"""What a catalog zone (RFC 9432) says, and how one is written: `zones/catalog.py`."""

from __future__ import annotations

import itertools

import pytest

from namewise.engine import Zone
from namewise.zones.catalog import CatalogError, Held, Listed, compare, first, read, written

APEX = "cat.example."


def catalog(*lines: str, version: str = 'version 0 TXT "2"') -> Zone:
    text = f"$ORIGIN {APEX}\n@ 0 SOA invalid. invalid. 1 3600 600 86400 0\n@ 0 NS invalid.\n{version}\n"
    return Zone.from_text(APEX, text + "\n".join(lines) + "\n", file="catalog")


def test_members_are_listed_with_their_properties() -> None:
    contents = read(
        catalog(
            "N1.zones 0 PTR Example.COM.",
            'group.n1.zones 0 TXT "one"',
            'group.n1.zones 0 TXT "two words"',
            "coo.n1.zones 0 PTR Other.example.",
            "n2.zones 0 PTR example.net.",
            'group.n2.zones 0 TXT "a" "b"',
            'x.ext.n2.zones 0 TXT "private"',
            'some.ext 0 TXT "private"',
        ),
        10,
    )
    assert contents.members == {
        "example.com.": Listed("Example.COM.", "n1", ("one", "two words"), "other.example."),
        "example.net.": Listed("example.net.", "n2"),
    }
    assert contents.doubts == ()


@pytest.mark.parametrize(
    ("lines", "version", "expected"),
    [
        ((), "", "version.cat.example. has no TXT record"),
        ((), 'version 0 TXT "1"', 'version.cat.example. is "1"'),
        ((), 'version 0 TXT "2"\nversion 0 TXT "3"', "version.cat.example. is "),
        ((), 'version 0 TXT "2" "2"', "version.cat.example. is "),
        (("n.zones 0 PTR a.", "n.zones 0 PTR b."), None, "n.zones.cat.example. has 2 PTR records"),
        (("n.zones 0 PTR a.", "m.zones 0 PTR A."), None, "is listed twice"),
        (("n.zones 0 PTR a.", "m.zones 0 PTR b.", "o.zones 0 PTR c."), None, "more than 2 members"),
    ],
)
def test_a_broken_catalog_is_refused(lines: tuple[str, ...], version: str | None, expected: str) -> None:
    zone = catalog(*lines) if version is None else catalog(*lines, version=version)
    with pytest.raises(CatalogError, match=expected.replace(".", r"\.")):
        read(zone, 2)


def test_a_catalog_is_compared_with_the_zones_that_there_are() -> None:
    zone = catalog(
        "n1.zones 0 PTR same.",
        "n2.zones 0 PTR new.",
        "n3b.zones 0 PTR reset.",
        "n4.zones 0 PTR group.",
        'group.n4.zones 0 TXT "g"',
        "n5.zones 0 PTR mine.",
        "n6.zones 0 PTR moves.",
        "n7b.zones 0 PTR moves-anew.",
        "n8.zones 0 PTR stays.",
    )
    held = {
        "same.": Held("same.", APEX, "n1"),
        "reset.": Held("reset.", APEX, "n3"),
        "group.": Held("group.", APEX, "n4"),
        "gone.": Held("gone.", APEX, "n9"),
        "mine.": Held("mine.", ""),
        "moves.": Held("moves.", "old.", "n6"),
        "moves-anew.": Held("moves-anew.", "old.", "n7"),
        "stays.": Held("stays.", "old.", "n8"),
    }
    released = {"moves.": APEX, "moves-anew.": APEX, "stays.": "third."}
    step = compare(APEX, read(zone, 100), held, lambda _, name: released[name])
    assert {one.name for one in step.put} == {"new.", "reset.", "group.", "moves.", "moves-anew."}
    assert step.drop == ("gone.",)
    assert set(step.reset) == {"reset.", "moves-anew."}
    assert len(step.doubts) == 2
    assert any(
        "zone mine. is ignored: it is served already, by the configuration" in one for one in step.doubts
    )
    assert any("the catalog zone old., which does not release it" in one for one in step.doubts)


def test_what_is_written_is_read_and_labels_stay() -> None:
    numbers = itertools.count()

    def label() -> str:
        return f"n{next(numbers)}"

    wanted = {"a.example.": ("a.example.", ""), "b.example.": ("b.example.", "some group")}
    one = written(first(APEX), wanted, label)
    assert read(one, 10).members == {
        "a.example.": Listed("a.example.", "n0"),
        "b.example.": Listed("b.example.", "n1", ("some group",)),
    }
    assert written(one, wanted, label) is one, "nothing differs"
    two = written(one, {"b.example.": ("b.example.", ""), "c.example.": ("c.example.", "x")}, label)
    assert read(two, 10).members == {
        "b.example.": Listed("b.example.", "n1"),
        "c.example.": Listed("c.example.", "n2", ("x",)),
    }
    again = written(two, wanted, label)
    assert read(again, 10).members["a.example."].label == "n3", "a zone that comes back is another one"
    assert read(written(again, {}, label), 10).members == {}

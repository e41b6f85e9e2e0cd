"""Attacks by data: transfers and zone files that are bombs (D6, D8), storms of NOTIFY (D7). As `test_attacks_zones.py`."""

from __future__ import annotations

import itertools
import struct
import time
from typing import TYPE_CHECKING, Any

import pytest
from attackers import HERE, NOTIFY, TEXT, Client, name, rss_mib, show
from test_secondaries import REFRESH, Secondary
from test_transfer import Primary, lines, reply, zone

from namewise import Server
from namewise.engine import Message, Zone, make_query
from namewise.engine.errors import ZoneFileError
from namewise.zones.transfer import Limits, fetch

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


# ------------------------------------------------------------------------------------------------------------------ D6


class Bomb(Primary):
    """A primary of e. whose transfers never end: it sends the same message as long as it can. `sent`: octets."""

    def __init__(self, *versions: Zone) -> None:
        self.sent = 0
        super().__init__(*versions)
        # One after the other, since there is no last one.
        self.wires = lambda replies, *_: (one.to_wire(max_size=65535) for one in replies)  # type: ignore[assignment]

    def bomb(self, rtype: str, first: Callable[[Any], Any], then: Callable[[Any, int], bytes]) -> None:
        """Answer queries of *rtype* with the message *first*, and without end with *then*."""
        made: list[Any] = []

        def replies(query: Any) -> Any:
            made.append(query)
            yield first(query)
            for number in itertools.count():
                octets = then(query, number)
                self.sent += len(octets)
                yield _Wire(octets)

        self.answers[rtype] = replies


class _Wire:
    """A message whose octets are made already, without signature."""

    tsig = None

    def __init__(self, octets: bytes) -> None:
        self.octets = octets

    def to_wire(self, **_: Any) -> bytes:
        return self.octets


def answer_of(query: Any, records: list[bytes]) -> bytes:
    """A message of a transfer with *records* in wire form."""
    wire: bytes = query.to_wire()
    asked = name("e.") + wire[12 + 3 : 12 + 3 + 4]
    return wire[:2] + struct.pack("!5H", 0x8400, 1, len(records), 0, 0) + asked + b"".join(records)


def soa_wire(serial: int) -> bytes:
    # The owner and the names point at the question.
    data = b"\x02ns\xc0\x0c\x01h\xc0\x0c" + struct.pack("!5I", serial, 3600, 600, 86400, 60)
    return b"\xc0\x0c" + struct.pack("!HHIH", 6, 1, 60, len(data)) + data


BOMBS = (
    "AXFR without end",
    "IXFR of a million differences",
    "another SOA at the end",
    "a zone that is too large",
)


@pytest.mark.parametrize("case", BOMBS)
def test_a_transfer_that_is_a_bomb_leaves_the_old_zone(
    tmp_path: Path, case: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """Octets, records and differences are bounded, memory with them; the zone is tried again after RETRY (RFC 1035 §3.3.13)."""
    primary = Bomb(zone(1, "a"))
    where = str(primary.where)
    config = {
        "listen": [{"address": HERE, "port": 0}],
        "server": {"state": str(tmp_path)},
        "secondaries": {"max_size": 8 << 20, "max_records": 200_000, "max_differences": 1000},
        "zone": [
            {
                "name": "e",
                "kind": "secondary",
                "primaries": [where],
                "ixfr": "tcp" if "IXFR" in case else "off",
            }
        ],
    }
    with Server(config) as server:
        secondary = Secondary(server, 1_800_000_000.0)
        secondary.act()
        assert secondary.serial == 1
        primary.versions = (zone(2_000_000, "b"),)
        newest = lines(primary.versions[0])[:1]

        def first(query: Any) -> Any:
            return reply(query, newest)

        host = b"\x01x\xc0\x0c" + struct.pack("!HHIH", 1, 1, 60, 4) + b"\xc0\0\2\1"
        if case == "AXFR without end":
            primary.bomb("AXFR", first, lambda query, _: answer_of(query, [host] * 3000))
            why = "more than 200000 records"
        elif case == "a zone that is too large":
            text = b"\x01x\xc0\x0c" + struct.pack("!HHIH", 16, 1, 60, 256) + b"\xff" + b"t" * 255
            primary.bomb("AXFR", first, lambda query, _: answer_of(query, [text] * 240))
            why = f"more than {8 << 20} octets"
        elif case == "another SOA at the end":
            primary.answers["AXFR"] = lambda query: [reply(query, [*lines(zone(2)), lines(zone(3))[0]])]
            why = "another SOA"
        else:
            # Each message has 300 differences; a million of them would be 3,334 messages.
            def differences(query: Any, number: int) -> bytes:
                start = number * 300 + 1
                return answer_of(query, [soa_wire(start + at // 2) for at in range(1, 601)])

            primary.bomb(
                "IXFR", lambda query: _Wire(answer_of(query, [soa_wire(2_000_000), soa_wire(1)])), differences
            )
            primary.bomb("AXFR", first, lambda query, _: answer_of(query, [host] * 3000))
            why = "more than 200000 records"
        before, began = rss_mib(), time.process_time()
        secondary.now += REFRESH
        secondary.act()
        grown, took = rss_mib() - before, time.process_time() - began
        error = secondary.status["primaries"][0]["error"]
        assert why in error, error
        assert secondary.serial == 1 and secondary.ask("A", "a.e.").answer
        assert secondary.status["failures"] == 1 and secondary.status["due"] == secondary.now + 600
        if "IXFR" in case:
            refused = [text for slug, text in secondary.logged if slug == "ixfr-refused"]
            assert primary.asked[-2:] == ["IXFR", "AXFR"] and not refused
        assert grown < 64
    primary.close()
    show(
        capsys,
        "D6",
        f"{case}: {primary.sent / (1 << 20):.1f} MiB sent, {grown:.0f} MiB more memory, {took * 1000:.0f} ms of CPU, "
        f"old zone served: {error}",
    )


def test_ten_thousand_differences_cost_little(capsys: pytest.CaptureFixture[str]) -> None:
    """As many differences as are permitted, of a zone of 1,000 names."""
    primary = Bomb(
        Zone.from_text(
            "e.", TEXT.replace("5 3600", "1 3600") + "".join(f"n{at} 60 A 192.0.2.1\n" for at in range(1000))
        )
    )
    have, count = primary.versions[0], 9_999
    primary.answers["SOA"] = lambda query: [_Wire(answer_of(query, [soa_wire(count + 1)]))]  # type: ignore[list-item]

    def messages(query: Any) -> Any:
        yield _Wire(answer_of(query, [soa_wire(count + 1)]))

        def host(at: int) -> bytes:
            return b"\x03new\xc0\x0c" + struct.pack("!HHIH", 1, 1, 60, 4) + struct.pack("!I", at)

        for start in range(1, count + 1, 300):
            found = []
            for at in range(start, min(start + 300, count + 1)):
                found += [soa_wire(at), *([host(at - 1)] if at > 1 else []), soa_wire(at + 1), host(at)]
            yield _Wire(answer_of(query, found))
        yield _Wire(answer_of(query, [soa_wire(count + 1)]))

    primary.answers["IXFR"] = messages
    before, began = rss_mib(), time.process_time()
    found = fetch("e.", primary.where, have, Limits(1 << 30, 1_000_000, 300.0))
    took, grown = time.process_time() - began, rss_mib() - before
    primary.close()
    assert found.zone is not None and (found.zone.serial, found.how) == (count + 1, "ixfr")
    show(capsys, "D6", f"{count} differences in one IXFR: {took:.1f} s of CPU, {grown:.0f} MiB more memory")
    assert grown < 256


# ------------------------------------------------------------------------------------------------------------------ D7


def test_a_storm_of_notify_is_one_check_in_an_interval(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Forged ones from other addresses cost nothing but a refusal, those in the name of the primary one query in 5 s."""
    primary = Primary(zone(1, "a"))
    config = {
        "listen": [{"address": HERE, "port": 0}],
        "server": {"state": str(tmp_path), "workers": 1},
        "zone": [{"name": "e", "kind": "secondary", "primaries": [str(primary.where)]}],
    }
    with Server(config) as server:
        secondary = Secondary(server, 1_800_000_000.0)
        secondary.act()
        secondary.now += 60
        secondary.act()
        primary.asked.clear()
        notify = (
            struct.pack("!6H", 7, NOTIFY << 11 | 0x400, 1, 0, 0, 0) + name("e.") + struct.pack("!HH", 6, 1)
        )
        strangers = [Client(secondary.port, f"127.66.{at}.9") for at in range(20)]
        refused = sum(client.send(notify)[3] & 15 == 5 for client in strangers for _ in range(50))
        assert refused == 1000
        for client in strangers[:5]:
            assert client.stream(notify)[3] & 15 in (0, 5), "over TCP the source is 127.0.0.1"
        secondary.act()
        assert primary.asked.count("SOA") <= 1
        primary.asked.clear()
        secondary.now += 60
        ours, taken, seconds = Client(secondary.port), 0, 0.0
        for at in range(1000):
            taken += ours.send(notify)[3] & 15 == 0
            if at % 20 == 0:
                # 20 in 0.2 s.
                secondary.now += 0.2
                seconds += 0.2
                secondary.act()
        asked = primary.asked.count("SOA")
        answer = Message.parse(ours.send(make_query("a.e.", "A").wire))
        assert answer.rcode == "NOERROR" and taken == 1000
    primary.close()
    show(
        capsys,
        "D7",
        f"1000 forged NOTIFY refused; 1000 in the name of the primary in {seconds:.0f} s: {asked} SOA queries (limit: 1 in 5 s)",
    )
    assert asked <= seconds / 5 + 1


# ------------------------------------------------------------------------------------------------------------------ D8

HEAD = "@ 60 SOA ns h 1 3600 600 86400 60\n@ 60 NS ns\nns 60 A 192.0.2.1\n"
FILES: dict[str, tuple[dict[str, str], str]] = {
    "a long $GENERATE": (
        {"zone": HEAD + "$GENERATE 0-2147483647 h$ A 192.0.2.1\n"},
        "more than 65536 records",
    ),
    "a wide $GENERATE": ({"zone": HEAD + "$GENERATE 1-9 h${0,2147483647,d} A 192.0.2.1\n"}, "$GENERATE"),
    "a file that includes itself": ({"zone": HEAD + "$INCLUDE zone\n"}, "`zone` includes itself"),
    "two files in a loop": ({"zone": HEAD + "$INCLUDE b\n", "b": "$INCLUDE zone\n"}, "includes itself"),
    "includes that double": (
        {
            "zone": HEAD + "$INCLUDE f1\n" * 100,
            **{f"f{at}": f"$INCLUDE f{at + 1}\n" * 100 for at in range(1, 9)},
            "f9": "\n",
        },
        "more than 10000 included files",
    ),
    "a deep include": (
        {
            "zone": HEAD + "$INCLUDE f1\n",
            **{f"f{at}": f"$INCLUDE f{at + 1}\n" for at in range(1, 40)},
            "f40": "\n",
        },
        "nested deeper than 10",
    ),
    "malformed SVCB, APL and LOC": (
        {
            "zone": HEAD
            + "".join(
                f"x{at} 60 {line}\n"
                for at, line in enumerate(
                    [
                        r"SVCB \# 2 0001",
                        r"SVCB \# 7 00010000010004",
                        r"HTTPS \# 13 0001000001000201000001000100",
                        "SVCB 1 . mandatory=mandatory",
                        "SVCB 1 . ipv4hint=",
                        "SVCB 1 . alpn=a alpn=b",
                        r"SVCB 1 . key65535=x" + "x" * 70_000,
                        "APL 1:192.0.2.0/33",
                        "APL 1:192.0.2.0/24/1",
                        r"APL \# 5 0001188400",
                        "LOC 91 0 0 N 0 0 0 E 0",
                        "LOC 1 2 3 N 4 5 6 E 99999999999999999999m",
                        r"LOC \# 15 000000000000000000000000000000",
                        r"LOC \# 16 00ff0000000000000000000000000000",
                    ]
                )
            )
        },
        "zone:4",
    ),
    "parentheses without end": ({"zone": HEAD + "x 60 TXT " + "(" * 100_000}, "zone:4"),
}


@pytest.mark.parametrize("case", FILES)
def test_a_zone_file_that_is_a_bomb_is_refused(
    tmp_path: Path, case: str, capsys: pytest.CaptureFixture[str]
) -> None:
    files, why = FILES[case]
    for file, text in files.items():
        (tmp_path / file).write_text(text)
    before, began = rss_mib(), time.process_time()
    with pytest.raises(ZoneFileError) as caught:
        Zone.from_file("e.", tmp_path / "zone")
    took, grown = time.process_time() - began, rss_mib() - before
    assert why in str(caught.value), str(caught.value)[:400]
    if case.startswith("malformed"):
        places = {line.partition(": ")[0].split(":")[1] for line in str(caught.value).splitlines()}
        assert len(places) == 14, places
    show(capsys, "D8", f"{case}: refused in {took * 1000:.0f} ms of CPU, {grown:.0f} MiB more memory")
    assert grown < 1536

"""What the sub-commands for zones of a running server share: the request, and how answers are printed."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from namewise.cli.ctl import ask, name
from namewise.cli.failure import Failure
from namewise.config.values import printable

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from namewise.cli.options import Parsed

OPTIONS = ("--control",)
CHANGE = ("--control", "--if-serial", "--note")
"""Options of a sub-command that changes a zone."""
CHANGE_HELP = """\
  --if-serial N   refuse unless the zone has the serial N
  --note TEXT     a remark for the history
  --control PATH  the control socket of the server
  --json          the answer of the server as one JSON object

The change is on disk and served when the command ends. Exit codes: 0 done, 1 refused: nothing has changed, 9 no server.
"""


def request(parsed: Parsed, do: str, zone: str | None, body: bytes = b"", /, **args: Any) -> dict[str, Any]:
    """Return the answer of the server to `zone`, or raise `Failure`. body: records, or what differs"""
    wanted: dict[str, Any] = {"do": do, **({} if zone is None else {"name": name(zone)})}
    return ask(parsed.one("--control"), "zone", {**wanted, **args}, body)


def change(parsed: Parsed, do: str, zone: str, **args: Any) -> int:
    """Change a zone and print what has become of it."""
    args["note"] = parsed.one("--note")
    serial = parsed.number("--if-serial")
    if serial is not None:
        args["if_serial"] = serial
    return show(parsed, request(parsed, do, zone, **args), changed)


def show(parsed: Parsed, answer: dict[str, Any], printer: Callable[[dict[str, Any]], object]) -> int:
    """Print *answer* as JSON or by *printer*."""
    if "--json" in parsed:
        import json

        print(json.dumps(answer, indent=2))
    else:
        printer(answer)
    return 0


def changed(answer: dict[str, Any]) -> None:
    """Print what a change has done."""
    if answer.get("changed", True):
        print(f"zone {answer['name']}: {answer['change']}")
    else:
        print(f"zone {answer['name']}: nothing differs, serial {answer['serial']}")


def line(zone: dict[str, Any]) -> str:
    """Return the state of a zone in one line."""
    data = f"serial {zone['serial']}, {zone['records']} records"
    if zone["condition"] != "loaded":
        data = f"{zone['condition']}, answered SERVFAIL"
    signed = ", signed" if zone["signed"] else ""
    count = zone["unsaved"]
    unsaved = f", {count} change{'' if count == 1 else 's'} not in the file" if count else ""
    template = f", template {zone['template']}" if zone.get("template") else ""
    template += f", catalog {zone['catalog']}" if zone.get("catalog") else ""
    return printable(
        f"{zone['name']} {zone['kind']}: {data}{signed}{unsaved}, from {zone['place']}{template}"
    )


def moment(time_s: float) -> str:
    """Return a time as text, in UTC."""
    import time

    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(time_s))


def seconds(text: str) -> float:
    """Return the time that *text* names: `2026-11-30T15:04:05Z`, `2026-11-30`, seconds since 1970, or `-2h`: two hours ago."""
    import time
    from datetime import UTC, datetime

    from namewise.config.values import duration_ms

    try:
        if text.startswith("-"):
            return time.time() - duration_ms(text[1:]) / 1000
        if text.replace(".", "", 1).isdigit():
            return float(text)
        found = datetime.fromisoformat(text)
    except ValueError:
        raise Failure(
            f"{text!r} is not a time", hint="Write 2026-11-30T15:04:05Z, or --at=-2h for two hours ago."
        ) from None
    return (found if found.tzinfo else found.replace(tzinfo=UTC)).timestamp()


def pages(parsed: Parsed, zone: str, **version: Any) -> Iterator[dict[str, Any]]:
    """Yield the pages of a served zone. A zone that changes meanwhile is an error."""
    after, serial = None, None
    while True:
        page = request(parsed, "show", zone, **version, **({} if after is None else {"after": after}))
        if serial not in (None, page["serial"]):
            raise Failure(f"zone {zone} has changed while it was read", hint="Try again.")
        serial, after = page["serial"], page["after"]
        if after is None:
            return
        yield page

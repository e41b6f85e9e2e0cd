"""The control channel, the opener of sockets, the holder of a port, and notifications for systemd."""

from __future__ import annotations

import io
import json
import os
import re
import resource
import select
import socket
import sys
import threading
from importlib import import_module
from pathlib import Path
from typing import Any
from unittest.mock import MagicMock

import pytest
from msgspec.structs import replace
from ports import free_port

from namewise.config import Config
from namewise.config.model import Listen, ServerTable
from namewise.control.arguments import Arguments
from namewise.control.channel import MAX_REQUEST, Channel
from namewise.control.client import ControlError, call
from namewise.control.descriptors import needed, shortage
from namewise.control.holder import holders
from namewise.control.log import Log
from namewise.control.notify import Notifier
from namewise.control.sockets import ListenError, Sockets, descriptors, inherited
from namewise.control.verbs import VERBS as OURS
from namewise.control.verbs import table


def echo(args: dict[str, Any], _uid: int) -> dict[str, Any]:
    return {"echo": args}


def refuse(_: dict[str, Any], _uid: int) -> dict[str, Any]:
    raise ControlError("no", "never", "NEVER")


def broken(_: dict[str, Any], _uid: int) -> dict[str, Any]:
    raise RuntimeError("the dog ate it")


def mistaken(_: dict[str, Any], _uid: int) -> dict[str, Any]:
    return {"sum": 1 + ""}  # type: ignore[operator]  # a mistake of ours


def forgetful(_: dict[str, Any], _uid: int) -> dict[str, Any]:
    return {"value": {}["key"]}


def unspeakable(_: dict[str, Any], _uid: int) -> dict[str, Any]:
    deep: list[Any] = []
    for _depth in range(100_000):
        deep = [deep]
    return {"deep": deep}


VERBS = {"echo": echo, "refuse": refuse}


def with_channel(path: str, ask: Any, verbs: dict[str, Any] | None = None, log: Log | None = None) -> Any:
    """Return what *ask* makes of a channel that listens on *path*."""

    channel = Channel(path, verbs or VERBS, log or Log())
    channel.open()
    end, closing = os.pipe()

    def accept() -> None:
        poll = select.poll()
        poll.register(channel.fileno(), select.POLLIN)
        poll.register(end, select.POLLHUP)
        while all(fd != end for fd, _ in poll.poll()):
            channel.accept()

    thread = threading.Thread(target=accept)
    thread.start()
    try:
        return ask()
    finally:
        os.close(closing)
        thread.join()
        os.close(end)
        channel.close()
        channel.join(60)


def test_a_verb_is_answered(tmp_path: Path) -> None:
    path = str(tmp_path / "c.sock")
    assert with_channel(path, lambda: call(path, "echo", {"a": [1]})) == {"echo": {"a": [1]}}
    assert not os.path.exists(path)


def test_errors_are_transmitted_with_code_and_hint(tmp_path: Path) -> None:
    path = str(tmp_path / "c.sock")

    def ask() -> tuple[str, str, str]:
        with pytest.raises(ControlError) as caught:
            call(path, "refuse")
        return str(caught.value), caught.value.hint, caught.value.code

    assert with_channel(path, ask) == ("no", "never", "NEVER")


def test_an_unknown_verb_lists_the_known(tmp_path: Path) -> None:
    path = str(tmp_path / "c.sock")

    def ask() -> str:
        with pytest.raises(ControlError) as caught:
            call(path, "ehco")
        return caught.value.hint

    assert with_channel(path, ask) == "Known verbs: echo, refuse."


@pytest.mark.parametrize(
    "line",
    [
        b"no json\n",
        b"[]\n",
        b'{"args": {}}\n',
        b'"text"\n',
        b"\xff\n",
        b"[" * 60_000 + b"\n",
        b'{"verb": ["echo"]}\n',
        b'{"verb": {}}\n',
        b'{"verb": 7, "args": {}}\n',
        b'{"verb": "echo", "args": []}\n',
        b'{"verb": "echo", "args": "a"}\n',
        b'{"verb": "echo", "args": 0}\n',
        b'{"verb": "echo", "arg": {"a": 1}}\n',
    ],
    ids=lambda line: line[:24].decode("ascii", "replace").strip(),
)
def test_invalid_requests_get_an_error_and_the_connection_stays_open(tmp_path: Path, line: bytes) -> None:
    path = str(tmp_path / "c.sock")

    def ask() -> tuple[bytes, bytes]:
        with socket.socket(socket.AF_UNIX) as link, link.makefile("rwb") as stream:
            link.connect(path)
            stream.write(line + b'{"verb": "echo"}\n')
            stream.flush()
            return stream.readline(), stream.readline()

    bad, good = with_channel(path, ask)
    assert b"BAD_REQUEST" in bad
    assert good == b'{"ok":true,"echo":{}}\n'


@pytest.mark.parametrize(
    ("verb", "error"),
    [
        (broken, "RuntimeError: the dog ate it"),
        (mistaken, "TypeError: "),
        (forgetful, "KeyError: 'key'"),
        (unspeakable, "RecursionError: "),
    ],
)
def test_an_internal_error_is_answered_and_logged_and_the_connection_stays_open(
    tmp_path: Path, verb: Any, error: str
) -> None:
    path, said = str(tmp_path / "c.sock"), io.StringIO()

    def ask() -> tuple[dict[str, Any], bytes]:
        with socket.socket(socket.AF_UNIX) as link, link.makefile("rwb") as stream:
            link.connect(path)
            stream.write(b'{"verb": "bad"}\n{"verb": "echo"}\n')
            stream.flush()
            return json.loads(stream.readline()), stream.readline()

    bad, good = with_channel(path, ask, {"bad": verb, "echo": echo}, Log(form="json", stream=said))
    event = json.loads(said.getvalue())
    assert (event["level"], event["event"], event["verb"]) == ("error", "fault", "bad")
    assert "Traceback" in event["text"] and error in event["text"]
    assert bad["error"]["code"] == "INTERNAL"
    assert bad["error"]["message"] == f"bad failed in the server: error {event['id']}"
    assert "please report it" in bad["error"]["hint"]
    assert good == b'{"ok":true,"echo":{}}\n'


def test_an_argument_that_is_missing_is_named(tmp_path: Path) -> None:
    path = str(tmp_path / "c.sock")

    def needs(args: dict[str, Any], _uid: int) -> dict[str, Any]:
        return {"name": Arguments("needs", args).name("name")}

    def ask() -> str:
        with pytest.raises(ControlError) as caught:
            call(path, "needs")
        return str(caught.value)

    assert (
        with_channel(path, ask, {"needs": needs}) == "needs: the argument 'name' is missing; expected a text"
    )


@pytest.mark.parametrize("verb", OURS)
def test_every_verb_refuses_an_argument_that_it_does_not_know(verb: str) -> None:
    """Without `name`, which is misspelt here, `flush` would empty the cache."""
    nobody: Any = None
    with pytest.raises(ControlError, match="unknown argument 'nmae'") as caught:
        table(nobody)[verb]({"nmae": "nosuch.example"})
    assert caught.value.code == "BAD_ARGUMENT"
    assert caught.value.hint


@pytest.mark.parametrize(
    ("verb", "given", "said"),
    [
        ("policy", {"do": "pause", "seconds": 60, "grop": "kids"}, "policy: unknown argument 'grop'"),
        ("policy", {"do": "reload", "group": "kids"}, "policy reload: unknown argument 'group'"),
        ("policy", {"do": "stop"}, "policy: the argument 'do' is wrong"),
        ("nta", {"action": "list", "name": "a."}, "nta list: unknown argument 'name'"),
        ("nta", {"action": "remove", "name": "a.", "lifetime_s": 1}, "unknown argument 'lifetime_s'"),
        ("flush", {"below": True}, "flush: the argument 'name' is missing"),
        ("flush", {"name": "a.", "type": "NOSUCH"}, "flush: the argument 'type' is wrong"),
        ("cache", {"name": "a.", "type": "NOSUCH"}, "cache: the argument 'type' is wrong"),
    ],
)
def test_arguments_that_would_have_no_effect_are_refused(verb: str, given: dict[str, Any], said: str) -> None:
    with pytest.raises(ControlError) as caught:
        table(MagicMock())[verb](given)
    assert said in str(caught.value)
    assert caught.value.code == "BAD_ARGUMENT"


@pytest.mark.parametrize("verb", OURS)
def test_the_page_names_every_verb_with_its_arguments(verb: str) -> None:
    page = Path(__file__).parents[2] / "docs" / "control.md"
    (row,) = (line for line in page.read_text().splitlines() if line.startswith(f"| `{verb}` |"))
    arguments = row.split("|")[2]
    known = import_module(f"namewise.control.verbs.{verb}").ARGUMENTS
    assert [name for name in known if not re.search(rf"\b{name}\b", arguments)] == []
    assert known or not arguments.strip()


def test_an_impossible_folder_is_reported(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(ControlError, match="cannot listen on"):
        with_channel(str(tmp_path / "file" / "c.sock"), lambda: None)


def test_a_line_that_is_too_long_ends_only_the_connection(tmp_path: Path) -> None:
    path = str(tmp_path / "c.sock")

    def ask() -> dict[str, Any]:
        with socket.socket(socket.AF_UNIX) as link:
            link.connect(path)
            try:
                link.sendall(b"x" * (MAX_REQUEST + 2))
                with link.makefile("rb") as answers:
                    answer, *more = answers.read().splitlines()
                assert b"TOO_LARGE" in answer and not more
            except (BrokenPipeError, ConnectionResetError):
                pass
        return call(path, "echo")

    assert with_channel(path, ask) == {"echo": {}}


def test_octets_follow_a_request(tmp_path: Path) -> None:
    """More than fits in a line, and exactly as many as the request says: the next request follows them."""
    path, octets = str(tmp_path / "c.sock"), bytes(range(256)) * ((MAX_REQUEST >> 8) + 1)

    def weigh(args: dict[str, Any], _uid: int) -> dict[str, Any]:
        return {"same": args["body"] == octets, "keys": sorted(args)}

    def ask() -> tuple[dict[str, Any], list[bytes], list[bytes]]:
        found = call(path, "weigh", {"x": 1}, body=octets)
        with socket.socket(socket.AF_UNIX) as link:
            link.connect(path)
            link.sendall(b'{"verb": "none", "body": 4}\n{{{\n{"verb": "echo"}\n')
            link.shutdown(socket.SHUT_WR)
            with link.makefile("rb") as answers:
                together = answers.read().splitlines()
        with socket.socket(socket.AF_UNIX) as link:
            link.connect(path)
            link.sendall(b'{"verb": "echo", "body": -1}\n')
            link.shutdown(socket.SHUT_WR)
            with link.makefile("rb") as answers:
                wrong = answers.read().splitlines()
        return found, together, wrong

    found, together, wrong = with_channel(path, ask, {"weigh": weigh, "echo": echo})
    assert found == {"same": True, "keys": ["body", "x"]}
    assert [b"NO_VERB" in together[0], together[1:]] == [True, [b'{"ok":true,"echo":{}}']]
    assert len(wrong) == 1 and b"TOO_LARGE" in wrong[0]


def test_a_client_waits_while_no_descriptor_is_free(tmp_path: Path) -> None:
    """`accept` says so, so that the loop that calls it can pause instead of spinning."""
    path = str(tmp_path / "c.sock")
    channel = Channel(path, VERBS, Log())
    channel.open()
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    with socket.socket(socket.AF_UNIX) as link, link.makefile("rwb") as stream:
        link.connect(path)
        lowest_free = os.dup(link.fileno())
        os.close(lowest_free)
        resource.setrlimit(resource.RLIMIT_NOFILE, (lowest_free, hard))
        try:
            assert not channel.accept()
        finally:
            resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
        assert channel.accept()
        stream.write(b'{"verb": "echo"}\n')
        stream.flush()
        assert stream.readline() == b'{"ok":true,"echo":{}}\n'
    channel.close()
    channel.join(60)


def test_the_socket_is_for_its_owner(tmp_path: Path) -> None:
    path = str(tmp_path / "c.sock")
    assert with_channel(path, lambda: os.stat(path).st_mode & 0o777) == 0o600


def test_a_stale_socket_is_replaced_and_a_live_one_is_not(tmp_path: Path) -> None:
    path = str(tmp_path / "c.sock")
    with socket.socket(socket.AF_UNIX) as stale:
        stale.bind(path)
    assert with_channel(path, lambda: call(path, "echo")) == {"echo": {}}

    def second() -> tuple[str, str]:
        with pytest.raises(ControlError) as caught:
            with_channel(path, lambda: None)
        return caught.value.code, str(caught.value)

    code, said = with_channel(path, second)
    assert code == "RUNNING"
    assert said == f"a server (pid {os.getpid()}) is running with the control socket {path}"


def test_a_file_in_the_way_is_not_removed(tmp_path: Path) -> None:
    path = tmp_path / "c.sock"
    path.write_text("precious")
    with pytest.raises(ControlError, match="is not a socket"):
        with_channel(str(path), lambda: None)
    assert path.read_text() == "precious"


def test_each_worker_gets_its_sockets_and_a_reload_keeps_them() -> None:
    sockets, port = Sockets(), free_port()
    listen = Listen(address="127.0.0.1", port=port)
    first = sockets.prepare([listen], 3)[0]
    sockets.adopt(first)
    assert len(descriptors(first)) == 6  # UDP and TCP for each worker
    udp_only = Listen(address="127.0.0.1", port=port, transports=("udp",))
    second = sockets.prepare([udp_only], 3)[0]
    assert second[("127.0.0.1", port, "udp")] is first[("127.0.0.1", port, "udp")]
    sockets.adopt(second)
    assert first[("127.0.0.1", port, "tcp")].sockets[0].fileno() == -1
    sockets.close()


@pytest.mark.parametrize("kind", [socket.SOCK_DGRAM, socket.SOCK_STREAM])
def test_a_port_in_use_names_its_holder_and_opens_nothing(kind: socket.SocketKind) -> None:
    with socket.socket(socket.AF_INET, kind) as other:
        # A server that shares its port must be noticed too.
        other.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        port = free_port()
        other.bind(("127.0.0.1", port))
        if kind == socket.SOCK_STREAM:
            other.listen()
        transport = "tcp" if kind == socket.SOCK_STREAM else "udp"
        sockets = Sockets()
        with pytest.raises(ListenError) as caught:
            sockets.prepare([Listen(address="127.0.0.1", port=port)], 2)
        assert caught.value.code == "IN_USE"
        assert f"cannot listen on 127.0.0.1:{port} ({transport}): " in str(caught.value)
        assert f"(pid {os.getpid()}) holds the port" in str(caught.value)
        assert [holder.pid for holder in holders("127.0.0.1", port, transport)] == [os.getpid()]
        assert sockets.open == {}


@pytest.mark.parametrize(
    ("wanted", "held"),
    [
        ("127.0.0.1", ("0100007F", "00000000", "0" * 32)),
        ("127.0.0.2", ("0200007F", "00000000", "0" * 32)),
        ("0.0.0.0", ("0100007F", "0200007F", "00000000", "0" * 32)),
        ("::1", ("0" * 24 + "01000000", "0" * 32)),
        ("::", ("0" * 24 + "01000000", "0" * 32)),
        ("192.0.2.1", ("00000000", "0" * 32)),
    ],
)
@pytest.mark.skipif(sys.byteorder != "little", reason="/proc/net has the order of the machine")
def test_only_sockets_that_prevent_listening_are_looked_for(
    tmp_path: Path, wanted: str, held: tuple[str, ...]
) -> None:
    """Another address with the same port is no obstacle."""
    (tmp_path / "net").mkdir()
    sockets = {"tcp": ("0100007F", "0200007F", "00000000"), "tcp6": ("0" * 24 + "01000000", "0" * 32)}
    pids = {}
    for name, addresses in sockets.items():
        rows = ["  sl  local_address rem_address   st"]
        for address in addresses:
            number = pids[address] = 100 + len(pids)
            links = tmp_path / str(number) / "fd"
            links.mkdir(parents=True)
            (links / "3").symlink_to(f"socket:[{number}]")
            rows.append(f" 0: {address}:0035 0:0000 0A 0:0 0:0 0 0 0 {number} 1")
            rows.append(f" 1: {address}:0036 0:0000 0A 0:0 0:0 0 0 0 {number + 50} 1")
            rows.append(f" 2: {address}:0035 0:0000 06 0:0 0:0 0 0 0 {number + 50} 1")
        (tmp_path / "net" / name).write_text("\n".join(rows) + "\n")
    found = holders(wanted, 53, "tcp", str(tmp_path))
    assert [holder.pid for holder in found] == sorted(pids[address] for address in held)


def test_an_address_of_another_machine_is_reported() -> None:
    with pytest.raises(ListenError, match="this machine does not have that address"):
        Sockets().prepare([Listen(address="192.0.2.1", port=free_port())], 1)


def test_descriptors_of_systemd_are_taken_only_by_the_process_they_are_for() -> None:
    assert inherited({"LISTEN_PID": "1", "LISTEN_FDS": "3"}) == []
    assert inherited({}) == []


@pytest.mark.parametrize("variable", ["LISTEN_PID", "LISTEN_FDS"])
@pytest.mark.parametrize("text", ["", "x", "-1", "3.0", "²", "9" * 5000])
def test_activation_variables_that_are_not_numbers_are_reported(variable: str, text: str) -> None:
    environ = {"LISTEN_PID": str(os.getpid()), "LISTEN_FDS": "1", variable: text}
    with pytest.raises(ListenError, match=f"^{variable} is not a number") as caught:
        inherited(environ)
    assert caught.value.code == "ACTIVATION" and f"unset {variable}" in caught.value.hint


def test_descriptors_required_by_the_limits() -> None:
    config = Config(server=ServerTable(workers=3, tcp_connections=100), listen=(Listen(address="127.0.0.1"),))
    udp = replace(config, listen=(Listen(address="127.0.0.1", transports=("udp",)),))
    assert needed(config, 3, None, 6) == 64 + 12 + 300
    assert needed(udp, 3, None, 3) == 64 + 6
    assert needed(config, 3, {"max_in_flight": 50}, 6) == 64 + 12 + 3 * (100 + 512 + 50)
    assert shortage(config, 3, None, 6, 376) is None
    assert shortage(config, 3, None, 6, resource.RLIM_INFINITY) is None
    said = shortage(config, 3, None, 6, 375)
    assert said is not None and said.startswith(
        "375 files may be open at once, but the configured limits may need 376:"
    )
    assert "LimitNOFILE=376" in said and "tcp_connections" in said and "max_in_flight" not in said


def test_systemd_is_notified_of_state_changes(tmp_path: Path) -> None:
    path = str(tmp_path / "notify")
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as systemd:
        systemd.bind(path)
        notifier = Notifier({"NOTIFY_SOCKET": path})
        notifier.ready("all well")
        notifier.reloading()
        notifier.stopping()
        said = [systemd.recv(1000).decode() for _ in range(3)]
    assert said[0] == f"READY=1\nSTATUS=all well\nMAINPID={os.getpid()}"
    assert said[1].startswith("RELOADING=1\nMONOTONIC_USEC=")
    assert said[2] == "STOPPING=1"
    Notifier({}).ready("nobody listens")
    Notifier({"NOTIFY_SOCKET": str(tmp_path / "gone")}).ready("nobody listens")

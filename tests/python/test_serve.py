"""`nw serve` and `nw ctl`: flags and files, reload, refused configurations, drain, ports in use."""

from __future__ import annotations

import io
import json
import os
import resource
import shutil
import signal
import socket
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import pytest
from commands import nw
from dnsserver import DnsServer
from ports import free_port
from servers import read_until, running, zone_file

import namewise
from namewise.config import load
from namewise.control.client import ControlError, call
from namewise.control.daemon import Daemon
from namewise.control.log import Log
from namewise.control.notify import Notifier
from namewise.engine import Message, make_query, make_response

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from namewise.config import Loaded

READY = "ready: "


def address_of(name: str, port: int, *, tcp: bool = False) -> str:
    answer = namewise.resolve(name, server=f"127.0.0.1:{port}", tcp=tcp)
    return str(answer.records[0])


def listening(port: int) -> str:
    """Return a configuration that serves example.com on *port*."""
    listen = f'[[listen]]\naddress = "127.0.0.1"\nport = {port}\n'
    return listen + '[[zone]]\nname = "example.com"\nfile = "example.com.zone"\n'


@pytest.fixture
def control(tmp_path: Path) -> str:
    return str(tmp_path / "control.sock")


@pytest.fixture
def upstream() -> Iterator[DnsServer]:
    """A resolver that knows one address and one text for every name."""

    def answer(query: Message, _: str) -> bytes:
        question = query.question
        assert question is not None
        known = {"A": "192.0.2.99", "TXT": "text"}
        records = [namewise.RRset(str(question.name), question.type, 60, [known[question.type]])]
        return make_response(query, flags="ra", answer=records).wire

    with DnsServer(answer) as server:
        yield server


def test_from_flags_alone(tmp_path: Path, control: str) -> None:
    port, file = free_port(), zone_file(tmp_path, "example.com", "192.0.2.1")
    args = ("serve", "--listen", f"127.0.0.1:{port}", "--zone", f"example.com={file}", "--control", control)
    with running(*args, "--workers", "2", ready=READY) as (process, lines):
        assert lines == [f"namewise: ready: 1 zone on 127.0.0.1:{port}, control {control}, pid {process.pid}"]
        assert address_of("www.example.com", port) == "192.0.2.1"
        assert address_of("www.example.com", port, tcp=True) == "192.0.2.1"
        reply = namewise.query(make_query("example.com", "SOA", flags=""), f"127.0.0.1:{port}")
        assert reply.authoritative
        refused = namewise.query(make_query("example.net", "A"), f"127.0.0.1:{port}")
        assert refused.rcode == "REFUSED"
    assert process.returncode == 0
    assert not os.path.exists(control)


def test_reload_changes_zones_and_reports_the_changes(tmp_path: Path, control: str) -> None:
    port = free_port()
    zone_file(tmp_path, "example.com", "192.0.2.1")
    config = tmp_path / "namewise.toml"
    head = listening(port)
    config.write_text(head)
    with running("serve", "--config", str(config), "--control", control, ready=READY) as (process, _):
        zone_file(tmp_path, "example.com", "192.0.2.2", serial=2)
        zone_file(tmp_path, "example.net", "192.0.2.3")
        config.write_text(
            head + '[[zone]]\nname = "example.net"\nfile = "example.net.zone"\n[server]\nidentity = "ns1"\n'
        )
        done = nw("ctl", "reload", "--control", control)
        assert done.returncode == 0
        assert done.stdout.splitlines() == [
            "reloaded, generation 3: 5 changes",
            "  + server identity = ns1",
            "  + zone example.net. name = example.net.",
            f"  + zone example.net. file = {tmp_path}/example.net.zone",
            "  + zone example.net. serial 1",
            "  ~ zone example.com. serial 1 -> 2: 1 RRset changed",
        ]
        assert address_of("www.example.com", port) == "192.0.2.2"
        assert address_of("www.example.net", port) == "192.0.2.3"
        assert nw("ctl", "reload", "--control", control).stdout == "reloaded, generation 4: no changes\n"
        # SIGHUP does the same; the log line says when it is done.
        zone_file(tmp_path, "example.com", "192.0.2.4", serial=3)
        process.send_signal(signal.SIGHUP)
        assert "~ zone example.com. serial 2 -> 3" in read_until(process.stdout, "generation 6")[-1]
        assert address_of("www.example.com", port) == "192.0.2.4"


@pytest.mark.parametrize(
    ("broken", "said"),
    [
        ("[sever]\n", 'unknown table "sever"; did you mean "server"?'),
        (
            '[control]\nusers = ["nobody-of-that-name"]\n',
            "there is no user 'nobody-of-that-name' on this machine",
        ),
        ('[[key]]\nname = "k."\nsecret_file = "gone"\n', "gone: No such file or directory"),
    ],
)
def test_a_broken_configuration_changes_nothing(tmp_path: Path, control: str, broken: str, said: str) -> None:
    port = free_port()
    zone_file(tmp_path, "example.com", "192.0.2.1")
    (tmp_path / "broken.zone").write_text("www A 192.0.2.300\n")
    config = tmp_path / "namewise.toml"
    head = listening(port)
    config.write_text(head)
    with running("serve", "--config", str(config), "--control", control, ready=READY):
        zone_file(tmp_path, "example.com", "192.0.2.2", serial=2)
        config.write_text(head + broken)
        done = nw("ctl", "reload", "--control", control)
        assert done.returncode == 3
        assert said in done.stderr
        assert done.stderr.endswith("Nothing has changed; the server keeps its former configuration.\n")
        assert address_of("www.example.com", port) == "192.0.2.1"
        assert call(control, "status")["generation"] == 1


def test_a_reload_opens_and_closes_listeners(tmp_path: Path, control: str) -> None:
    first, second = free_port(), free_port()
    zone_file(tmp_path, "example.com", "192.0.2.1")
    config = tmp_path / "namewise.toml"
    config.write_text(listening(first))
    with running("serve", "--config", str(config), "--control", control, ready=READY):
        config.write_text(listening(second))
        assert nw("ctl", "reload", "--control", control).returncode == 0
        assert address_of("www.example.com", second) == "192.0.2.1"
        with pytest.raises(namewise.ResolutionError):
            namewise.resolve("www.example.com", server=f"127.0.0.1:{first}", attempts=1, timeout_s=2)


def test_forwarding_caching_and_flushing(upstream: DnsServer, control: str) -> None:
    port = free_port()
    forward = f"127.0.0.1:{upstream.port}"
    args = ("serve", "--listen", f"127.0.0.1:{port}", "--forward", forward, "--control", control)
    with running(*args, ready=READY) as (_, lines):
        assert "forwarding" in lines[-1]
        assert address_of("www.example.com", port) == "192.0.2.99"
        asked = len(upstream.asked)
        assert address_of("www.example.com", port) == "192.0.2.99"
        assert len(upstream.asked) == asked
        held = nw("ctl", "cache", "get", "www.example.com", "A", "--control", control)
        assert "www.example.com. A: data, age" in held.stdout
        done = nw("ctl", "flush", "www.example.com", "--control", control)
        assert done.stdout.startswith("removed from the cache of www.example.com.: ")
        assert address_of("www.example.com", port) == "192.0.2.99"
        assert len(upstream.asked) == asked + 1


ALL = ("www.example.com A", "www.example.com TXT", "a.www.example.com A", "example.com A", "example.org A")


@pytest.mark.parametrize(
    ("words", "forgotten"),
    [
        (["flush", "www.example.com"], ALL[:2]),
        (["flushname", "WWW.example.com."], ALL[:2]),
        (["flush", "example.com", "--tree"], ALL[:4]),
        (["flushtree", "www.example.com"], ALL[:3]),
        (["flush_zone", "www.example.com"], ALL[:3]),
        (["flush"], ALL),
    ],
    ids=" ".join,
)
def test_only_flushed_names_are_queried_again(
    upstream: DnsServer, control: str, words: list[str], forgotten: tuple[str, ...]
) -> None:
    """A name goes with all its types, `--tree` takes what is below it along, no name means everything."""
    port, forward = free_port(), f"127.0.0.1:{upstream.port}"
    args = ("serve", "--listen", f"127.0.0.1:{port}", "--forward", forward, "--control", control)

    def again() -> list[str]:
        upstream.asked.clear()
        for question in ALL:
            namewise.resolve(*question.split(), server=f"127.0.0.1:{port}")
        return [
            f"{query.question.name} {query.question.type}" for _, query in upstream.asked if query.question
        ]

    with running(*args, ready=READY):
        assert len(again()) == len(ALL) and again() == []
        assert nw("ctl", *words, "--control", control).returncode == 0
        assert again() == [question.replace(" ", ". ") for question in forgotten]


def test_status_is_for_people_and_programs(tmp_path: Path, control: str) -> None:
    port, file = free_port(), zone_file(tmp_path, "example.com", "192.0.2.1", serial=7)
    args = ("serve", "--listen", f"127.0.0.1:{port}", "--zone", f"example.com={file}", "--control", control)
    with running(*args, ready=READY) as (process, _):
        address_of("www.example.com", port)
        text = nw("ctl", "status", "--control", control).stdout
        assert text.startswith(f"running: pid {process.pid}, up 00:00:")
        assert f"zone example.com. serial 7, 4 records, from {file}\n" in text
        status = json.loads(nw("ctl", "status", "--json", "--control", control).stdout)
        assert status["listen"] == [f"127.0.0.1:{port}/udp", f"127.0.0.1:{port}/tcp"]
        assert status["stats"]["queries.udp4"] == 1
        explained = nw("explain", "www.example.com", "--control", control)
        assert explained.returncode == 0
        assert "zone example.com." in explained.stdout


def test_ctl_stop_ends_it(tmp_path: Path, control: str) -> None:
    file = zone_file(tmp_path, "example.com", "192.0.2.1")
    args = (
        "serve",
        "--listen",
        f"127.0.0.1:{free_port()}",
        "--zone",
        f"example.com={file}",
        "--control",
        control,
    )
    with running(*args, ready=READY) as (process, _):
        assert nw("ctl", "stop", "--control", control).stdout == "stopping\n"
        read_until(process.stdout, "stopped")
        assert process.wait(timeout=30) == 0


def test_a_second_server_reports_the_first(tmp_path: Path, control: str) -> None:
    port, file = free_port(), zone_file(tmp_path, "example.com", "192.0.2.1")
    args = ("serve", "--listen", f"127.0.0.1:{port}", "--zone", f"example.com={file}", "--control")
    with running(*args, control, ready=READY) as (process, _):
        done = nw(*args, str(tmp_path / "other.sock"))
        assert done.returncode == 4
        assert f"cannot listen on 127.0.0.1:{port} (udp): " in done.stderr
        assert f"(pid {process.pid}) holds the port" in done.stderr
        done = nw("serve", "--listen", f"127.0.0.1:{free_port()}", "--recursive", "--control", control)
        assert done.returncode == 4
        assert f"a server (pid {process.pid}) is running with the control socket {control}" in done.stderr


@pytest.mark.parametrize(
    ("args", "code", "said"),
    [
        (["--zone", "example.com=gone.zone"], 1, "zone example.com. is not loaded:"),
        (["--config", "gone.toml"], 2, "cannot read gone.toml: No such file or directory"),
        (["--recursive", "--hints", "gone.hints"], 2, "gone.hints: No such file or directory"),
        (
            ["--listen", "192.0.2.1:5300", "--recursive"],
            2,
            "this machine does not have the address 192.0.2.1",
        ),
    ],
)
def test_zones_that_cannot_be_served_are_reported(
    args: list[str], code: int, said: str, control: str
) -> None:
    done = nw("serve", *args, "--control", control)
    assert (done.returncode, said in done.stderr) == (code, True), done.stderr


def handed_over(*fds: int) -> str:
    """Return a program that is `nw` that receives *fds* like from systemd: as descriptors starting at 3, with
    the number of the process that they are for."""
    far = "".join(f"os.dup2({fd}, {100 + at})\n" for at, fd in enumerate(fds))
    near = "".join(f"os.dup2({100 + at}, {3 + at})\n" for at in range(len(fds)))
    return (
        f"import os, sys\n{far}{near}"
        f"os.environ.update(LISTEN_PID=str(os.getpid()), LISTEN_FDS='{len(fds)}')\n"
        "from namewise.cli import main\n"
        "sys.exit(main(sys.argv[1:]))\n"
    )


@pytest.mark.parametrize(("hard", "warned"), [(3000, False), (900, True)])
def test_the_limit_of_open_files_is_raised_and_a_low_one_reported(
    tmp_path: Path, control: str, hard: int, warned: bool
) -> None:
    """Authoritative, one worker, 1000 TCP connections: 900 files are too few, 3000 are enough."""
    file = zone_file(tmp_path, "example.com", "192.0.2.1")
    limited = (
        "import resource, sys\n"
        f"resource.setrlimit(resource.RLIMIT_NOFILE, (200, {hard}))\n"
        "from namewise.cli import main\n"
        "sys.exit(main(sys.argv[1:]))\n"
    )
    words = [
        "serve",
        "--listen",
        f"127.0.0.1:{free_port()}",
        "--zone",
        f"example.com={file}",
        "--workers",
        "1",
    ]
    with subprocess.Popen(
        [sys.executable, "-c", limited, *words, "--control", control], stderr=subprocess.PIPE, text=True
    ) as process:
        lines = read_until(process.stderr, READY)
        try:
            assert resource.prlimit(process.pid, resource.RLIMIT_NOFILE) == (hard, hard)
            assert (f"warning: {hard} files may be open at once" in lines[0]) == warned
            assert len(lines) == 1 + warned
        finally:
            process.send_signal(signal.SIGTERM)
            process.wait(timeout=30)


def test_systemd_passes_sockets_and_is_notified(tmp_path: Path, control: str) -> None:
    file = zone_file(tmp_path, "example.com", "192.0.2.1")
    notify = str(tmp_path / "notify")
    with (
        socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as systemd,
        socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as udp,
        socket.socket() as tcp,
    ):
        systemd.bind(notify)
        port = free_port()
        udp.bind(("127.0.0.1", port))
        tcp.bind(("127.0.0.1", port))
        tcp.listen()
        fds = (udp.fileno(), tcp.fileno())
        command = [sys.executable, "-c", handed_over(*fds)]
        with subprocess.Popen(
            [*command, "serve", "--zone", f"example.com={file}", "--control", control],
            pass_fds=fds,
            env={**os.environ, "NOTIFY_SOCKET": notify},
            stderr=subprocess.PIPE,
            text=True,
        ) as process:
            try:
                assert systemd.recv(1000).startswith(b"READY=1\n")
                assert address_of("www.example.com", port) == "192.0.2.1"
                assert address_of("www.example.com", port, tcp=True) == "192.0.2.1"
                call(control, "reload")
                assert systemd.recv(1000).startswith(b"RELOADING=1\n")
                assert systemd.recv(1000).startswith(b"READY=1\n")
            finally:
                process.send_signal(signal.SIGTERM)
                assert systemd.recv(1000) == b"STOPPING=1"
                assert process.wait(timeout=30) == 0


def test_each_of_several_sockets_that_share_an_address_is_served(tmp_path: Path, control: str) -> None:
    file = zone_file(tmp_path, "example.com", "192.0.2.1")
    with (
        socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as one,
        socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as other,
    ):
        for each in (one, other):
            each.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        one.bind(("127.0.0.1", 0))
        other.bind(one.getsockname())
        fds = (one.fileno(), other.fileno())
        command = [sys.executable, "-c", handed_over(*fds)]
        with subprocess.Popen(
            [*command, "serve", "--zone", f"example.com={file}", "--control", control],
            pass_fds=fds,
            stderr=subprocess.PIPE,
            text=True,
        ) as process:
            try:
                read_until(process.stderr, READY)
                # The kernel picks the socket by the client's port: of 32 clients each gets some.
                for _ in range(32):
                    found = namewise.resolve("www.example.com", server=f"127.0.0.1:{one.getsockname()[1]}")
                    assert len(found.attempts) == 1
            finally:
                process.send_signal(signal.SIGTERM)
                process.wait(timeout=30)


def test_invalid_systemd_variables_are_reported(tmp_path: Path, control: str) -> None:
    """Each with its remedy and exit code 2, and none with a traceback."""
    file = zone_file(tmp_path, "example.com", "192.0.2.1")
    with (
        socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as unix,
        socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as unbound,
        socket.socket() as accepted,
        file.open() as plain,
    ):
        unix.bind(str(tmp_path / "unix"))
        unix.listen()
        accepted.bind(("127.0.0.1", 0))
        for fd, said, remedy in (
            (unix.fileno(), "descriptor 3, which was passed to the server, is a unix socket", "ADDRESS:PORT"),
            (unbound.fileno(), "is a UDP socket without a port", "ADDRESS:PORT"),
            (accepted.fileno(), "is a TCP socket that does not listen", "Accept=no"),
            (plain.fileno(), "LISTEN_FDS is 1, but descriptor 3 is not a socket", "systemd sets it"),
        ):
            command = [sys.executable, "-c", handed_over(fd), "serve", "--zone", f"example.com={file}"]
            done = subprocess.run(
                [*command, "--control", control], pass_fds=(fd,), capture_output=True, text=True, check=False
            )
            assert done.returncode == 2, done.stderr
            assert said in done.stderr and remedy in done.stderr
            assert "Traceback" not in done.stderr
    assert not os.path.exists(control)


@pytest.fixture
def own_signals() -> Iterator[None]:
    """Keep the handlers of the test runner: a `Daemon` installs its own."""
    numbers = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGUSR1, signal.SIGUSR2)
    former = {number: signal.getsignal(number) for number in numbers}
    yield
    signal.set_wakeup_fd(-1)
    for number, handler in former.items():
        signal.signal(number, handler)


@pytest.mark.usefixtures("own_signals")
def test_a_stop_waits_for_a_running_reload(tmp_path: Path, control: str) -> None:
    """The new configuration is in force before the first socket closes, and none comes into force after that."""
    zone_file(tmp_path, "example.com", "192.0.2.1")
    config = tmp_path / "namewise.toml"
    config.write_text(listening(free_port()))
    entered, may_go_on, said = threading.Event(), threading.Event(), io.StringIO()

    def slow() -> Loaded:
        entered.set()
        assert may_go_on.wait(60)
        return load(str(config))

    daemon = Daemon(lambda: load(str(config)), control, Log(stream=said), Notifier({}), {})
    daemon.start()
    daemon.service.load = slow
    with ThreadPoolExecutor() as threads:
        first = threads.submit(daemon.reload)
        assert entered.wait(60)
        stop = threads.submit(daemon.stop)
        while not daemon.stopping:
            assert not stop.done()
        late = threads.submit(daemon.reload)
        may_go_on.set()
        assert first.result().generation == 2
        stop.result()
        with pytest.raises(ControlError) as caught:
            late.result()
        assert caught.value.code == "STOPPING"
    assert said.getvalue().splitlines() == [
        "namewise: reloaded, generation 2: nothing changed",
        "namewise: stopping",
        "namewise: stopped",
    ]


def test_a_key_of_the_configuration_signs_answers(tmp_path: Path, control: str) -> None:
    """RFC 8945: `dig -y` verifies what the server signs, and `nw explain` shows the zone that answers."""
    dig = shutil.which("dig")
    if dig is None:
        pytest.skip("dig is not installed")
    port = free_port()
    zone_file(tmp_path, "example.com", "192.0.2.1")
    key = '[[key]]\nname = "office"\nsecret = "MDEyMzQ1Njc4OWFiY2RlZg=="\n'
    (tmp_path / "namewise.toml").write_text(listening(port) + key)
    args = ("serve", "--config", str(tmp_path / "namewise.toml"), "--control", control)
    with running(*args, ready=READY):
        asked = [dig, "@127.0.0.1", "-p", str(port), "+norecurse", "www.example.com"]

        def signed(secret: str) -> str:
            key = f"hmac-sha256:office:{secret}"
            return subprocess.run([*asked, "-y", key], capture_output=True, text=True, check=False).stdout

        right = signed("MDEyMzQ1Njc4OWFiY2RlZg==")
        assert "status: NOERROR" in right and "TSIG PSEUDOSECTION" in right
        assert "could not be validated" not in right
        wrong = signed("d3Jvbmc=")
        assert "NOTAUTH" in wrong and "BADSIG" in wrong
        document = call(control, "explain", {"name": "www.example.com"})["explanation"]
        assert [step["layer"] for step in document["steps"]] == ["zone"]
        document = call(control, "explain", {"name": "www.example.net"})["explanation"]
        assert document["result"]["rcode"] == "REFUSED"


def test_a_key_selects_the_view(tmp_path: Path, control: str) -> None:
    """The key of a request selects the view, over UDP and TCP; a bad signature selects none (RFC 8945 §5.2)."""
    dig = shutil.which("dig")
    if dig is None:
        pytest.skip("dig is not installed")
    port = free_port()
    secrets = {"office": "MDEyMzQ1Njc4OWFiY2RlZg==", "other": "ZmVkY2JhOTg3NjU0MzIxMA=="}
    text = f'[[listen]]\naddress = "127.0.0.1"\nport = {port}\n'
    for zone, address in (("inside.test", "192.0.2.1"), ("outside.test", "192.0.2.2")):
        zone_file(tmp_path, zone, address)
        text += f'[[zone]]\nname = "{zone}"\nfile = "{zone}.zone"\n'
    for name, secret in secrets.items():
        text += f'[[key]]\nname = "{name}"\nsecret = "{secret}"\n'
    text += '[[view]]\nname = "inside"\nkeys = ["office"]\nzones = ["inside.test"]\n'
    outside = '[[view]]\nname = "outside"\nclients = ["127.0.0.0/8"]\nzones = ["outside.test"]\n'
    settings = tmp_path / "namewise.toml"
    settings.write_text(text + outside)

    def ask(zone: str, key: str | None = None, *more: str) -> str:
        asked = [dig, "@127.0.0.1", "-p", str(port), "+norecurse", f"www.{zone}", *more]
        signed = [] if key is None else ["-y", f"hmac-sha256:{key}"]
        return subprocess.run([*asked, *signed], capture_output=True, text=True, check=False).stdout

    office, other = (f"{name}:{secret}" for name, secret in secrets.items())
    args = ("serve", "--config", str(settings), "--control", control)
    with running(*args, ready=READY):
        for transport in ("+notcp", "+tcp"):
            for key, seen, hidden, address in (
                (office, "inside.test", "outside.test", "192.0.2.1"),
                (other, "outside.test", "inside.test", "192.0.2.2"),
                (None, "outside.test", "inside.test", "192.0.2.2"),
            ):
                right, refused = ask(seen, key, transport), ask(hidden, key, transport)
                assert "status: NOERROR" in right and address in right
                assert "status: REFUSED" in refused and "192.0.2." not in refused
                for answer in (right, refused):
                    assert ("TSIG PSEUDOSECTION" in answer) == (key is not None)
                    assert "could not be validated" not in answer
            for key, error in (
                (f"office:{secrets['other']}", "BADSIG"),
                (f"absent:{secrets['office']}", "BADKEY"),
            ):
                for zone in ("inside.test", "outside.test"):
                    answer = ask(zone, key, transport)
                    assert "status: NOTAUTH" in answer and error in answer and "192.0.2." not in answer

        # Without a view for its address, a client sees what its key shows and nothing else.
        settings.write_text(text)
        call(control, "reload")
        assert "192.0.2.1" in ask("inside.test", office)
        for key in (other, None):
            for zone in ("inside.test", "outside.test"):
                assert "status: REFUSED" in ask(zone, key)


def test_signatures_cover_what_filters_send(tmp_path: Path, control: str) -> None:
    """`dig -y` verifies answers that a filter rearranged, also those over TCP that exceed 16 KiB (RFC 8945 §5.3)."""
    dig = shutil.which("dig")
    if dig is None:
        pytest.skip("dig is not installed")
    port = free_port()
    zone = zone_file(tmp_path, "example.com", "192.0.2.1")
    addresses = {f"192.0.2.{number}" for number in range(1, 9)}
    many = {f"10.0.{number >> 8}.{number & 255}" for number in range(2000)}
    with zone.open("a") as file:
        file.writelines(f"pool A {address}\n" for address in sorted(addresses))
        file.writelines(f"large A {address}\n" for address in sorted(many))
    key = '[[key]]\nname = "office"\nsecret = "MDEyMzQ1Njc4OWFiY2RlZg=="\n'
    order = '[server]\nrrset_order = "random"\n'
    (tmp_path / "namewise.toml").write_text(order + listening(port) + key)
    args = ("serve", "--config", str(tmp_path / "namewise.toml"), "--control", control)
    with running(*args, ready=READY):
        asked = [
            dig,
            "@127.0.0.1",
            "-p",
            str(port),
            "+norecurse",
            "-y",
            "hmac-sha256:office:MDEyMzQ1Njc4OWFiY2RlZg==",
        ]
        for name, records, transport in (
            ("pool", addresses, "+notcp"),
            ("pool", addresses, "+tcp"),
            ("large", many, "+tcp"),
        ):
            orders = set()
            for _ in range(12):
                command = [*asked, f"{name}.example.com", "A", transport]
                done = subprocess.run(command, capture_output=True, text=True, check=False)
                assert "could not be validated" not in done.stdout + done.stderr
                assert "verify failure" not in done.stdout + done.stderr
                assert "TSIG PSEUDOSECTION" in done.stdout and "status: NOERROR" in done.stdout
                lines = [line.split(None, 4)[4] for line in done.stdout.splitlines() if "\tIN\tA\t" in line]
                lines = [line for line in lines if line in records]
                assert set(lines) == records and len(lines) == len(records)
                orders.add(tuple(lines))
            if records is many:
                size = next(line for line in done.stdout.splitlines() if "MSG SIZE" in line)
                assert int(size.split()[-1]) > 16_384
            assert len(orders) > 1, "the filter acts"

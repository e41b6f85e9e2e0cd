"""`nw serve` with closed, full, missing or unusual resources: it works, or ends with one clear line."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from typing import TYPE_CHECKING

import pytest
from commands import CODE, nw
from servers import read_until, running, zone_file

import namewise
from namewise.control.client import call

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def control(tmp_path: Path) -> str:
    return str(tmp_path / "control.sock")


def serve(tmp_path: Path, control: str) -> list[str]:
    file = zone_file(tmp_path, "example.com", "192.0.2.1")
    words = ["serve", "--listen", "127.0.0.1:0", "--zone", f"example.com={file}", "--control", control]
    return [sys.executable, "-c", CODE, *words, "--workers", "1"]


def wait_until_served(control: str) -> str:
    """Return the address of the server behind *control*, once it answers."""
    for _ in range(200):
        try:
            return str(call(control, "status")["listen"][0]).removesuffix("/udp")
        except namewise.NamewiseError:
            time.sleep(0.05)
    raise AssertionError("the server did not start")


@pytest.mark.parametrize(
    "closed", ["2>&-", ">&- 2>&-", "2>/dev/full", "</dev/null >/dev/full 2>/dev/full", "<&- >&- 2>&-"]
)
def test_a_log_that_cannot_be_written_changes_nothing(tmp_path: Path, control: str, closed: str) -> None:
    """Start, reload and stop work, and the process ends in order."""
    command = " ".join(f"'{word}'" for word in serve(tmp_path, control))
    with subprocess.Popen(["/bin/sh", "-c", f"exec {command} {closed}"]) as process:
        server = wait_until_served(control)
        assert str(namewise.resolve("www.example.com", server=server).records[0]) == "192.0.2.1"
        zone_file(tmp_path, "example.com", "192.0.2.2", serial=2)
        done = nw("ctl", "reload", "--control", control)
        assert done.returncode == 0, done.stderr
        assert str(namewise.resolve("www.example.com", server=server).records[0]) == "192.0.2.2"
        process.send_signal(signal.SIGTERM)
        assert process.wait(timeout=30) == 0
    assert not os.path.exists(control)


def test_a_log_pipe_that_nobody_reads_does_not_stop_the_server(tmp_path: Path, control: str) -> None:
    """A full pipe loses events. The server counts them, and logs the number once the pipe is read again."""
    reader, writer = os.pipe()
    os.set_blocking(writer, False)
    with pytest.raises(BlockingIOError):
        while True:
            os.write(writer, b"x" * 512)
    os.set_blocking(writer, True)
    with subprocess.Popen(serve(tmp_path, control), stderr=writer) as process:
        server = wait_until_served(control)
        assert nw("ctl", "reload", "--control", control).returncode == 0
        assert str(namewise.resolve("www.example.com", server=server).records[0]) == "192.0.2.1"
        assert call(control, "status")["stats"]["log.lost"] == 2, "ready, reload"
        filler = os.read(reader, 1 << 20)
        assert nw("ctl", "reload", "--control", control).returncode == 0
        said = os.read(reader, 1 << 20)
        assert said.startswith(
            b"namewise: warning: 2 events before this one could not be written\nnamewise: reloaded"
        )
        assert set(filler) == {ord("x")}
        process.send_signal(signal.SIGTERM)
        assert process.wait(timeout=30) == 0
    os.close(reader)
    os.close(writer)


BROKEN = """
import os, sys
from namewise.control import service

def polls():
    for number in os.listdir("/proc/self/fd"):
        try:
            if os.readlink(f"/proc/self/fd/{number}") == "anon_inode:[eventpoll]":
                yield int(number)
        except OSError:
            pass

def broken(workers, start=service.Engine):
    before = set(polls())
    engine = start(workers)
    # The first that the engine opens is that of the thread for datagrams.
    os.dup2(os.open(os.devnull, os.O_RDONLY), min(set(polls()) - before))
    return engine

service.Engine = broken
"""


def test_a_fatal_fault_of_the_engine_ends_the_process(tmp_path: Path, control: str) -> None:
    """The thread for datagrams cannot wait any more: one line, exit code 5, so that the supervisor starts the server anew."""
    python, option, code, *words = serve(tmp_path, control)
    done = subprocess.run(
        [python, option, BROKEN + code, *words], capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 5, done.stderr
    line = "namewise: error: cannot wait for datagrams: Invalid argument (os error 22)"
    assert line in done.stderr.splitlines(), done.stderr


def test_a_log_that_is_not_read_does_not_block(tmp_path: Path, control: str) -> None:
    """The reader of the pipe has gone: SIGTERM still drains, and does not end in SIGPIPE."""
    with subprocess.Popen(serve(tmp_path, control), stderr=subprocess.PIPE, text=True) as process:
        read_until(process.stderr, "ready: ")
        assert process.stderr is not None
        process.stderr.close()
        assert nw("ctl", "reload", "--control", control).returncode == 0
        process.send_signal(signal.SIGTERM)
        assert process.wait(timeout=30) == 0


def test_signals_are_safe_before_the_server_is_ready(tmp_path: Path, control: str) -> None:
    """SIGHUP, SIGUSR1 and SIGUSR2 from the first instruction on: the server starts, and then reloads."""
    code = (
        "import os, signal, sys\n"
        "from namewise.control import service\n"
        "real = service.build\n"
        "def build(*args):\n"
        "    for number in (signal.SIGHUP, signal.SIGUSR1, signal.SIGUSR2):\n"
        "        os.kill(os.getpid(), number)\n"
        "    service.build = real\n"
        "    return real(*args)\n"
        "service.build = build\n"
        "from namewise.cli import main\n"
        "sys.exit(main(sys.argv[1:]))\n"
    )
    words = [sys.executable, "-c", code, *serve(tmp_path, control)[3:]]
    with subprocess.Popen(words, stderr=subprocess.PIPE, text=True) as process:
        read_until(process.stderr, "ready: ")
        read_until(process.stderr, "reloaded, generation 2: nothing changed")
        process.send_signal(signal.SIGUSR1)
        assert "SIGUSR1 has no meaning here" in read_until(process.stderr, "SIGUSR1")[-1]
        process.send_signal(signal.SIGTERM)
        assert process.wait(timeout=30) == 0


def test_sigterm_during_the_start_leaves_nothing(tmp_path: Path, control: str) -> None:
    code = (
        "import os, signal, sys\n"
        "from namewise.control import service\n"
        "service.build = lambda *args: os.kill(os.getpid(), signal.SIGTERM)\n"
        "from namewise.cli import main\n"
        "sys.exit(main(sys.argv[1:]))\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, *serve(tmp_path, control)[3:]],
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert not os.path.exists(control)


@pytest.mark.parametrize(("files", "workers"), [(8, 1), (12, 1), (20, 4)])
def test_too_few_descriptors_end_the_start_with_one_line(
    tmp_path: Path, control: str, files: int, workers: int
) -> None:
    command = " ".join(f"'{word}'" for word in serve(tmp_path, control))
    done = subprocess.run(
        ["/bin/sh", "-c", f"ulimit -n {files}; exec {command} --workers {workers}"],
        capture_output=True, text=True, check=False, timeout=60,
    )  # fmt: skip
    assert done.returncode in (1, 2, 4), done.stderr
    assert "Traceback" not in done.stderr and "panicked" not in done.stderr, done.stderr
    assert "oo many" in done.stderr and done.stderr.startswith("nw serve: "), done.stderr


@pytest.mark.parametrize(
    "words",
    [
        ["config", "check", "namewise.toml"],
        ["config", "show", "namewise.toml"],
        ["ctl", "status"],
        ["serve", "--zone", "a.=a.zone"],
    ],
)
def test_a_working_directory_that_is_gone(tmp_path: Path, words: list[str]) -> None:
    gone = tmp_path / "gone"
    gone.mkdir()
    code = f"import os, sys; os.chdir({str(gone)!r}); os.rmdir({str(gone)!r})\n{CODE}"
    done = subprocess.run([sys.executable, "-c", code, *words], capture_output=True, text=True, check=False)
    assert done.returncode in (1, 2, 9)
    assert "Traceback" not in done.stderr and done.stdout + done.stderr


def test_escape_sequences_of_a_zone_file_do_not_reach_the_terminal(tmp_path: Path, control: str) -> None:
    (tmp_path / "bad.zone").write_bytes(b"\x1b]0;owned\x07 A 192.0.2.1\n@ \x1b[31mX y\n")
    done = nw("serve", "--listen", "127.0.0.1:0", "--zone", f"a.={tmp_path}/bad.zone", "--control", control)
    assert done.returncode == 1
    assert "\x1b" not in done.stderr and "\x07" not in done.stderr


def test_a_step_of_the_clock_does_not_change_the_uptime(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from namewise.control.log import Log
    from namewise.control.service import Service
    from namewise.control.sockets import Sockets

    service = Service(lambda: None, Sockets(), Log())  # type: ignore[arg-type, return-value]  # never started
    monkeypatch.setattr(time, "time", lambda: 0.0)
    assert 0 <= service.uptime_s < 60


def test_default_listeners_go_on_without_ipv6(tmp_path: Path, control: str) -> None:
    """No ::1 on the machine: 127.0.0.1 is served, and the server says so. A configured address has to be there."""
    code = (
        "import errno, socket, sys\n"
        "from msgspec.structs import replace\n"
        "from namewise.control import sockets\n"
        "sockets.Sockets.prepare = (lambda prepare: lambda self, listens, *more, **options: prepare(\n"
        "    self, [replace(listen, port=0) for listen in listens], *more, **options))(sockets.Sockets.prepare)\n"
        "real = sockets._bind\n"
        "def bind(key, *, shared):\n"
        "    if ':' in key[0]:\n"
        "        raise OSError(errno.EADDRNOTAVAIL, 'Cannot assign requested address')\n"
        "    return real(key, shared=shared)\n"
        "sockets._bind = bind\n"
        "from namewise.cli import main\n"
        "sys.exit(main(sys.argv[1:]))\n"
    )
    words = ["serve", "--recursive", "--control", control, "--workers", "1"]
    with subprocess.Popen([sys.executable, "-c", code, *words], stderr=subprocess.PIPE, text=True) as process:
        lines = read_until(process.stderr, "ready: ")
        process.send_signal(signal.SIGTERM)
        process.wait(timeout=30)
    assert (
        "cannot listen on [::1]:0 (udp): this machine does not have that address; it is left out" in lines[0]
    )
    assert "on 127.0.0.1:" in lines[1]


def test_a_folder_for_the_socket_is_made_and_reported(tmp_path: Path) -> None:
    control = str(tmp_path / "made" / "control.sock")
    with running(
        "serve", "--listen", "127.0.0.1:0", "--recursive", "--control", control, ready="ready: "
    ) as (_, lines):
        assert any(f"created the directory {tmp_path}/made (mode 0700)" in line for line in lines)


def test_a_socket_path_that_is_too_long_is_refused_by_check_and_serve(tmp_path: Path) -> None:
    path = str(tmp_path / ("x" * 108))
    config = tmp_path / "namewise.toml"
    config.write_text(f'[control]\nsocket = "{path}"\n')
    for words in (("config", "check", str(config)), ("serve", "--config", str(config))):
        done = nw(*words)
        assert done.returncode == 2, done
        assert (
            f"namewise.toml:2:1: control.socket: the path has {len(path)} octets; a unix socket"
            in done.stdout + done.stderr
        )
    done = nw("serve", "--listen", "127.0.0.1:0", "--recursive", "--control", path)
    assert "a unix socket may have at most 107" in done.stderr


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('[[key]]\nname = "k."\nsecret_file = "gone"\n', "key[0].secret_file: cannot read {folder}/gone: No such file"),
        ('[[key]]\nname = "k."\nsecret_file = "empty"\n', "key[0].secret_file: {folder}/empty holds no secret"),
        ('[[key]]\nname = "k."\nsecret_file = "garbage"\n', "key[0].secret_file: {folder}/garbage does not hold base64"),
        ('[[key]]\nname = "k."\nsecret_file = "large"\n', "key[0].secret_file: {folder}/large has more than 4096 octets"),
        ('[control]\nusers = ["root", "nobody-of-that-name"]\n', "control.users[1]: there is no user"),
        ('[[listen]]\naddress = "0.0.0.0"\nport=5353\n[[listen]]\naddress = "127.0.0.1"\nport=5353\n', "listen[0].address: 0.0.0.0 port 5353 includes 127.0.0.1"),  # noqa: E501
        ('[[listen]]\naddress = "::1"\nport=5353\n[[listen]]\naddress = "::"\nport=5353\n', "listen[1].address: :: port 5353 includes ::1"),
        ('[[listen]]\naddress = "192.0.2.1"\n', "listen[0].address: this machine does not have the address 192.0.2.1"),
        ('[[listen]]\naddress = "fe80::53%nosuchif0"\n', "listen[0].address: there is no network interface 'nosuchif0'"),
        ('[resolver]\n[[forward]]\nservers = ["fe80::53%lo"]\n', "forward[0].servers[0]: fe80::53%lo: an address that is valid on one interface only"),  # noqa: E501
        ('[[acl]]\nname = "a"\nprefixes = ["fe80::%lo/64"]\n', "acl[0].prefixes[0]: 'fe80::%lo/64': a prefix has no zone index"),
        ('[resolver.routes]\n"fe80::%lo/64" = "127.0.0.1:53"\n', 'resolver.routes."fe80::%lo/64": \'fe80::%lo/64\': a prefix has no zone index'),  # noqa: E501
        ('[server]\nstate = "empty"\n', "server.state: {folder}/empty is not a directory"),
        ('[server]\nstate = "/proc/namewise/state"\n', "server.state: cannot create /proc/namewise/state: "),
    ],
)  # fmt: skip
def test_the_check_refuses_what_serve_cannot_use(tmp_path: Path, text: str, message: str) -> None:
    (tmp_path / "empty").touch()
    (tmp_path / "garbage").write_bytes(b"\xff\x00not base64!")
    (tmp_path / "large").write_text("A" * 5000)
    config = tmp_path / "namewise.toml"
    config.write_text(text)
    expected = message.format(folder=tmp_path)
    checked = nw("config", "check", str(config))
    assert (checked.returncode, expected in checked.stdout) == (2, True), checked.stdout
    served = nw("serve", "--config", str(config), "--control", str(tmp_path / "c.sock"))
    assert (served.returncode, expected in served.stderr) == (2, True), served.stderr


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('[[listen]]\naddress = "0.0.0.0"\nport = 0\n[resolver]\n[[policy]]\npolicy = "acl"\non = "recursion"\nallow = ["any"]\n', "warning: recursion is open to 0.0.0.0/0, ::/0 on 0.0.0.0 port 0, by [[policy]] at "),  # noqa: E501
        ('[[listen]]\naddress = "127.0.0.1"\nport = 5399\n[resolver]\n[[forward]]\nservers = ["127.0.0.1:5399"]\n', "warning: queries for . are forwarded to 127.0.0.1:5399, which is this server itself"),  # noqa: E501
        ('[[listen]]\naddress = "0.0.0.0"\nport = 5399\n[resolver]\n[[forward]]\nsuffix = "a."\nservers = ["127.0.0.1:5399"]\n', "warning: queries for a. are forwarded to 127.0.0.1:5399, which"),  # noqa: E501
    ],
)  # fmt: skip
def test_unusual_settings_give_a_warning(tmp_path: Path, text: str, message: str) -> None:
    config = tmp_path / "namewise.toml"
    config.write_text(text)
    done = nw("config", "check", str(config))
    assert (done.returncode, message in done.stdout) == (0, True), done.stdout
    config.write_text(
        text.replace('"any"', '"10.0.0.0/8", "fd00::/8"').replace('["127.0.0.1:5399"]', '["192.0.2.1"]')
    )
    assert "warning" not in nw("config", "check", str(config)).stdout


def test_link_local_addresses_are_listened_on_with_their_interface(tmp_path: Path, control: str) -> None:
    with open("/proc/net/if_inet6", encoding="ascii") as file:
        rows = [line.split() for line in file if line.startswith("fe80")]
    if not rows:
        pytest.skip("this machine has no link-local address")
    raw, interface = rows[0][0], rows[0][5]
    address = socket.inet_ntop(socket.AF_INET6, bytes.fromhex(raw))
    file = zone_file(tmp_path, "example.com", "192.0.2.1")
    listen = f"[{address}%{interface}]:0"
    with running(
        "serve", "--listen", listen, "--zone", f"example.com={file}", "--control", control, ready="ready: "
    ) as (_, lines):
        assert f"%{interface}]:" in lines[-1]

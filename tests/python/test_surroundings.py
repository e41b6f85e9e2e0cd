"""The commands with closed, full or deleted resources: they work, or end with one clear line."""

from __future__ import annotations

import os
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest
from commands import CODE
from dnsserver import DnsServer

from namewise.engine import Message, RRset, make_response

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


def answer(query: Message, _transport: str) -> bytes:
    question = query.question
    assert question is not None
    return make_response(query, flags="aa", answer=[RRset(question.name, "A", 60, ["192.0.2.1"])]).wire


@pytest.fixture(scope="module")
def port() -> Iterator[str]:
    with DnsServer(answer) as server:
        yield str(server.port)


def shell(script: str, *args: str, folder: Path | None = None) -> subprocess.CompletedProcess[str]:
    """Run *script* with bash; in it `"$@"` is `nw *args*`."""
    return subprocess.run(
        ["bash", "-c", script, "bash", sys.executable, "-c", CODE, *args],
        capture_output=True, text=True, check=False, timeout=60, cwd=folder,
    )  # fmt: skip


COMMANDS = [
    ["dig", "@127.0.0.1", "-p", "PORT", "a.test"],
    ["dig", "@127.0.0.1", "-p", "PORT", "+short", "a.test"],
    ["dig", "-h"],
    ["--help"],
    ["--version"],
    ["trace", "--help"],
    ["config", "schema"],
]


@pytest.mark.parametrize("args", COMMANDS, ids=" ".join)
@pytest.mark.parametrize("where", ["> /dev/full", ">&-"])
def test_output_that_cannot_be_written_is_one_line(port: str, where: str, args: list[str]) -> None:
    done = shell(f'exec "$@" {where}', *(port if arg == "PORT" else arg for arg in args))
    assert done.returncode == 1
    assert done.stderr.count("\n") == 1, done.stderr
    assert done.stderr.startswith(f"nw {args[0]}: standard output: ")


@pytest.mark.parametrize("args", COMMANDS, ids=" ".join)
def test_a_reader_that_has_gone_is_no_error(port: str, args: list[str]) -> None:
    done = shell(
        '(sleep 0.3; exec "$@") | true; echo ${PIPESTATUS[0]}',
        *(port if arg == "PORT" else arg for arg in args),
    )
    assert (done.stdout, done.stderr) == ("141\n", "")


@pytest.mark.parametrize("args", [*COMMANDS[:1], ["trace", "a..b"], ["nosuch"]], ids=" ".join)
def test_a_closed_standard_error_does_not_affect_the_server(port: str, args: list[str]) -> None:
    args = [port if arg == "PORT" else arg for arg in args]
    closed, open_ = shell('exec "$@" 2>&-', *args), shell('exec "$@"', *args)
    assert closed.returncode == open_.returncode
    assert bool(closed.stdout) == bool(open_.stdout)


@pytest.mark.parametrize(
    "args", [*COMMANDS[:3], ["config", "check"], ["zone", "check", "x.zone"], ["ctl", "status"]]
)
def test_a_deleted_working_directory_gives_no_traceback(port: str, args: list[str], tmp_path: Path) -> None:
    folder = tmp_path / "gone"
    folder.mkdir()
    done = shell(
        f'rmdir {folder}; exec "$@"', *(port if arg == "PORT" else arg for arg in args), folder=folder
    )
    assert "Traceback" not in done.stderr
    if args[0] == "dig":
        assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.parametrize("limit", [4, 8, 12, 16, 20])
@pytest.mark.parametrize(
    "args", [["dig", "@127.0.0.1", "-p", "PORT", "a.test"], ["explain", "a.test", "--forward", "127.0.0.1:PORT"],
             ["trace", "a.test", "--direct", "--hints", "HINTS"]], ids=lambda args: args[0],
)  # fmt: skip
def test_a_lack_of_descriptors_gives_one_line(port: str, args: list[str], limit: int, tmp_path: Path) -> None:
    hints = tmp_path / "hints"
    hints.write_text(". 60 NS a.root.\na.root. 60 A 127.0.0.1\n")
    args = [arg.replace("PORT", port).replace("HINTS", str(hints)) for arg in args]
    done = shell(f'ulimit -n {limit}; exec "$@"', *args)
    assert "panicked" not in done.stderr
    # Below eight the interpreter itself cannot start.
    assert limit < 8 or "Traceback" not in done.stderr, done.stderr
    assert len(done.stderr.splitlines()) <= 2 or limit < 8, done.stderr


def test_the_engine_handles_a_lack_of_descriptors(port: str) -> None:
    code = (
        "import resource, namewise, namewise.stub; resource.setrlimit(resource.RLIMIT_NOFILE, (3, 3))\n"
        f"try: namewise.resolve('a.test', server='127.0.0.1:{port}')\n"
        "except namewise.ServersFailed as error: print(error.attempts[0].outcome)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=False, env=os.environ
    )
    assert done.stdout == "too many open files\n", done.stderr

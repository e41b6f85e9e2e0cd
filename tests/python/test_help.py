"""The examples of every help text: each command line is one that the command accepts."""

from __future__ import annotations

import shlex
from importlib import import_module
from typing import TYPE_CHECKING

import pytest
from commands import nw
from ports import free_port

from namewise.cli import COMMANDS
from namewise.cli import zone as zone_command

if TYPE_CHECKING:
    from pathlib import Path

WRONG_USAGE = 1
FILES = {
    "namewise.toml": f'[[listen]]\naddress = "127.0.0.1"\nport = {free_port()}\n[resolver]\n',
    "db.example.com": "@ 60 IN SOA ns1 admin 1 2 3 4 5\n@ 60 IN NS ns1\nns1 60 IN A 192.0.2.1\n",
}


def examples() -> list[list[str]]:
    texts = [import_module(f"namewise.cli.{name}").HELP for name, _ in COMMANDS if name != "dig"]
    texts += [zone_command.help_text([verb]) for verb, _, _ in zone_command.VERBS]
    shown = [line for text in texts for line in text.splitlines()]
    return [shlex.split(line.removeprefix("  $ nw ")) for line in shown if line.startswith("  $ nw ")]


def test_every_command_has_an_example() -> None:
    assert {words[0] for words in examples()} == {name for name, _ in COMMANDS} - {"dig"}


def asks_a_server(words: list[str]) -> bool:
    return words[0] in ("ctl", "why") or (words[0] == "zone" and words[1] in zone_command.OF_SERVER)


@pytest.mark.parametrize(
    "words",
    [words for words in examples() if words[0] in ("config", "zone") and not asks_a_server(words)],
    ids=" ".join,
)
def test_examples_on_files_run(words: list[str], tmp_path: Path) -> None:
    for name, text in FILES.items():
        (tmp_path / name).write_text(text)
    given = [str(tmp_path / word) if word in FILES else word for word in words]
    done = nw(*given)
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.parametrize("words", [words for words in examples() if asks_a_server(words)], ids=" ".join)
def test_examples_for_a_server_are_accepted(words: list[str]) -> None:
    # There is no server: exit code 9, not that of wrong usage.
    assert nw(*words).returncode == 9

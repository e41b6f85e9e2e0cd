"""A server that is killed at any moment loses no change that it acknowledged, and serves no half zone after the restart.

`NAMEWISE_KILLS=N` sets how often it is killed.
"""

from __future__ import annotations

import os
import random
import subprocess
import sys
from typing import TYPE_CHECKING

from test_zone_journal import Server

from namewise.zones.chain import Limits

if TYPE_CHECKING:
    from pathlib import Path

    from namewise.zones import ZoneState

KILLS = int(os.environ.get("NAMEWISE_KILLS", "20"))
WRITERS = 4
CHILD = """
import os, sys, threading
sys.path[:0] = [{tests!r}]
from test_zone_kill import load
load({folder!r}, {first})
"""


def limits() -> Limits:
    """Small, so that compactions and deletions of old entries happen all the time; but a version of the file must stay until it is
    noted, however many changes other threads make meanwhile."""
    return Limits(history=60_000)


def load(folder: str, first: int) -> None:
    """Change `z.` from several threads and rewrite its file now and then; print each change once it is acknowledged. Never ends."""
    import threading
    from pathlib import Path

    from namewise.backends.file import FileSource
    from namewise.engine import RRset, Zone
    from namewise.zones.background import Background

    server = Server(Path(folder), limits(), new=False)
    server.registry.background = Background()

    def change(writer: int) -> None:
        number = first
        while True:
            number += 1

            def make(state: ZoneState, number: int = number) -> Zone:
                assert state.current is not None
                edit = state.current.edit()
                # Both or neither: a half change would be seen.
                edit.put(RRset(f"w{writer}.z.", "TXT", 60, [str(number)]))
                edit.put(RRset(f"v{writer}.z.", "TXT", 60, [str(number)]))
                return edit.commit()

            state = server.registry.edit("z.", make)
            assert state.current is not None
            os.write(1, f"{writer} {number} {state.current.serial}\n".encode())

    for writer in range(WRITERS):
        threading.Thread(target=change, args=(writer,), daemon=True).start()
    rounds = 0
    while True:
        rounds += 1
        before = server.registry.states["z."]
        assert before.current is not None
        beside = f"{server.file}.new"
        Path(beside).write_text(before.current.to_text())
        os.replace(beside, server.file)
        server.registry.saved(before, FileSource("z.", str(server.file)).version(), before.current)
        if rounds % 3 == 0:
            server.reload()


def test_kill_at_any_moment_loses_nothing(tmp_path: Path) -> None:
    draw = random.Random(7)
    Server(tmp_path, limits()).registry.close()
    acknowledged, serial, changes = [0] * WRITERS, 1, 0
    for kill in range(KILLS):
        code = CHILD.format(tests=os.path.dirname(__file__), folder=str(tmp_path), first=max(acknowledged))
        with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE) as child:
            assert child.stdout is not None
            # The number of acknowledgements is the clock: it does not depend on the speed of the machine.
            for _ in range(draw.randrange(1, 60)):
                line = child.stdout.readline()
                assert line.endswith(b"\n"), "the child ended by itself"
                writer, number, served = map(int, line.split())
                acknowledged[writer], serial, changes = number, max(serial, served), changes + 1
            child.kill()
            # What it acknowledged before it died counts too.
            for line in child.stdout.read().splitlines():
                if len(words := line.split()) == 3:
                    writer, number, served = map(int, words)
                    acknowledged[writer], serial = number, max(serial, served)
        server = Server(tmp_path, limits(), new=False)
        assert (server.state.condition, server.state.error) == ("loaded", ""), kill
        assert server.zone.serial >= serial, (kill, server.zone.serial, serial)
        for writer, number in enumerate(acknowledged):
            pair = [server.zone.rrset(f"{letter}{writer}.z.", "TXT") for letter in "wv"]
            if number == 0 and pair == [None, None]:
                continue
            first, second = (int(str(one.rdatas[0]).strip('"')) for one in pair if one is not None)
            assert first == second, "no half change"
            # It may have been durable without an acknowledgement.
            assert first >= number, (kill, writer, first, number)
        store = server.registry.journal.store
        if server.state.tip is not None:
            assert not store.load("z.").difference(server.zone), "what is stored is what is served"
        serial = server.zone.serial
        server.registry.close()
    assert changes > KILLS

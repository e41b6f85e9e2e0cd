"""The allocator of the engine: its settings are those of the source, wherever it is built, and a load leaves no unused pages."""

from __future__ import annotations

import subprocess
import sys

from namewise.engine import allocator_arenas

LOAD = """
from namewise.engine import Engine, Zone

def resident():
    with open("/proc/self/status") as file:
        return next(int(line.split()[1]) for line in file if line.startswith("VmRSS:")) / 1024

engine = Engine(1)
text = "@ 60 SOA ns host 1 1 1 1 1\\n@ 60 NS ns\\nns 60 A 192.0.2.53\\n"
zones = [Zone.from_text(f"zone{number}.example", text) for number in range(20_000)]
del zones
before = resident()
engine.trim()
print(before - resident())
engine.close()
"""


def test_the_allocator_has_the_settings_of_the_source() -> None:
    assert allocator_arenas() == 2, "jemalloc's own default is four for each core"


def test_unused_memory_returns_to_the_system() -> None:
    done = subprocess.run([sys.executable, "-c", LOAD], capture_output=True, text=True, check=True)
    assert float(done.stdout) > 5, "MiB"

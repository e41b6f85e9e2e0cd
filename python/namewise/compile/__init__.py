"""Compile what people write into what the engine reads: `Config` and the files that it names become a plan.

    config, workers ─┐
                     ├─> plan() ─> version 1 JSON ─> Snapshot.build
    files           ─┘  (inputs.py reads them)

`plan` is pure: equal arguments give equal bytes, on every machine.
"""

from __future__ import annotations

from namewise.compile.inputs import Inputs, read_inputs
from namewise.compile.plan import plan_bytes

__all__ = ["Inputs", "plan_bytes", "read_inputs"]

"""From what people write to what the engine reads: `Config` and the files it names become a plan.

    config ─┐
            ├─> plan() ─> version 1 JSON ─┐
    files  ─┘  (inputs.py reads them)     ├─> Snapshot.build
    zones  ──────────────────────────────-┘

`plan` is pure: the same configuration and inputs give the same bytes.
"""

from __future__ import annotations

from namewise.compile.inputs import Inputs, read_inputs
from namewise.compile.plan import plan, plan_bytes

__all__ = ["Inputs", "plan", "plan_bytes", "read_inputs"]

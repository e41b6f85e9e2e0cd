"""Compares output and plan with golden files, which change only in a commit that gives the reason.

`python tests/python/test_golden.py` writes them anew.
"""

from __future__ import annotations

import json
from pathlib import Path

import jsonschema
import pytest

from namewise.compile import Inputs
from namewise.compile.inputs import Hint
from namewise.compile.plan import plan
from namewise.config import load
from namewise.tools.explain import chain, mermaid, tree

ROOT = Path(__file__).resolve().parents[2]
GOLDEN = ROOT / "tests/golden"
HINTS = (Hint("a.root-servers.net.", ("198.41.0.4", "2001:503:ba3e::2:30")),)


def made() -> dict[str, str]:
    """Return what each file should hold."""
    document = json.loads((GOLDEN / "explain.json").read_text())
    config = load(str(ROOT / "docs/namewise.toml"), environ={}).config
    return {
        "explain.txt": tree(document),
        "explain.mmd": mermaid(document),
        "chain.txt": "".join(map(chain, json.loads((GOLDEN / "chain.json").read_text()))),
        "plan.json": json.dumps(plan(config, Inputs(HINTS), 2), indent=1) + "\n",
    }


@pytest.mark.parametrize("name", ["explain.txt", "explain.mmd", "chain.txt", "plan.json"])
def test_output_is_unchanged(name: str) -> None:
    assert made()[name] == (GOLDEN / name).read_text()


def test_the_explanation_follows_its_schema_and_its_times_add_up() -> None:
    document = json.loads((GOLDEN / "explain.json").read_text())
    jsonschema.validate(document, json.loads((ROOT / "docs/schema/explain-1.json").read_text()))
    critical = sum(step["took_us"] for step in document["steps"] if not step["parallel"])
    assert abs(critical - document["total_us"]) <= document["total_us"] / 100


if __name__ == "__main__":
    for name, text in made().items():
        (GOLDEN / name).write_text(text)

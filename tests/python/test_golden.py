"""Output and plan, held against files: they change only in a commit that says why.

`python tests/python/test_golden.py` writes them anew.
"""

from __future__ import annotations

import json
from pathlib import Path

import jsonschema
import pytest

from namewise.compile import Inputs, plan
from namewise.compile.inputs import Hint, read_inputs
from namewise.config import load
from namewise.engine import Snapshot, Zone
from namewise.tools.explain import mermaid, tree

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
        "plan.json": json.dumps(plan(config, Inputs(HINTS)), indent=1) + "\n",
    }


@pytest.mark.parametrize("name", ["explain.txt", "explain.mmd", "plan.json"])
def test_output_is_as_it_was(name: str) -> None:
    assert made()[name] == (GOLDEN / name).read_text()


def test_the_explanation_follows_its_schema_and_its_times_add_up() -> None:
    document = json.loads((GOLDEN / "explain.json").read_text())
    jsonschema.validate(document, json.loads((ROOT / "docs/schema/explain-1.json").read_text()))
    critical = sum(step["took_us"] for step in document["steps"] if not step["parallel"])
    assert abs(critical - document["total_us"]) <= document["total_us"] / 100


def test_the_engine_reads_the_plan_of_the_example() -> None:
    config = load(str(ROOT / "docs/namewise.toml"), environ={}).config
    text = "@ 60 IN SOA ns admin 1 2 3 4 5\n@ 60 IN NS ns\nns 60 IN A 192.0.2.1\n"
    zones = [Zone.from_text(zone.name, text) for zone in config.zone]
    Snapshot.build(json.dumps(plan(config, read_inputs(config))).encode(), zones)


def test_a_plan_has_every_budget_that_the_models_know(tmp_path: Path) -> None:
    """Each field of `[resolver.budget]` is one that the engine takes, in the unit that it takes."""
    from namewise.config.model import Budget
    from namewise.config.values import duration_text, size_text

    lines = ["[resolver]", "[resolver.budget]"]
    for name, field in Budget.model_fields.items():
        least = next(limit.ge for limit in field.metadata if hasattr(limit, "ge"))
        shown = Budget.model_construct(**{name: least}).model_dump(mode="json")[name]
        assert shown in (least, duration_text(least), size_text(least))
        lines.append(f"{name} = {json.dumps(shown)}")
    file = tmp_path / "namewise.toml"
    file.write_text("\n".join(lines) + "\n")
    config = load(str(file), environ={}).config
    Snapshot.build(json.dumps(plan(config, read_inputs(config))).encode(), [])


if __name__ == "__main__":
    for name, text in made().items():
        (GOLDEN / name).write_text(text)

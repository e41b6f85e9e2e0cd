"""The settings that the pages show are settings that exist."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from namewise.config import load
from namewise.config.pages import pages

ROOT = Path(__file__).resolve().parents[2]
SCENARIOS = ROOT / "docs/scenarios.md"
"""Its blocks are scenario files."""
BLOCK = re.compile(r"^```toml\n(.*?)^```$", re.MULTILINE | re.DOTALL)
EXAMPLES = [
    pytest.param(block.group(1), id=f"{page.relative_to(ROOT)}:{text.count(chr(10), 0, block.start()) + 1}")
    for page in sorted((ROOT / "docs").rglob("*.md"))
    if page != SCENARIOS
    for text in [page.read_text()]
    for block in BLOCK.finditer(text)
]
RESOLVERS = ROOT / "docs/migrate/resolver.md"


@pytest.mark.parametrize("text", EXAMPLES)
def test_examples_are_right(text: str, tmp_path: Path) -> None:
    file = tmp_path / "namewise.toml"
    file.write_text(text)
    for name in re.findall(r'_file = "(.+?)"', text):
        (tmp_path / name).parent.mkdir(exist_ok=True, parents=True)
        (tmp_path / name).write_text("c2VjcmV0IHNlY3JldA==\n")
    if re.search(r"^\[(local_root|tunnels)\]", text, re.MULTILINE) and "[resolver" not in text:
        # The page is about one table of a configuration that has the resolver.
        file.write_text(text + "[resolver]\n")
    load(str(file), environ={})


def test_the_settings_that_replace_those_of_other_resolvers_exist() -> None:
    reference = pages()["docs/configuration/reference.md"]
    keys = set(re.findall(r"^\| `(\w+)` \|", reference, re.MULTILINE))
    seen = 0
    for line in RESOLVERS.read_text().splitlines():
        if not line.startswith("| ") or line.startswith("|---"):
            continue
        for span in re.findall(r"`([^`]+)`", line.rpartition(" | ")[2]):
            if span.startswith("nw "):
                continue
            for table in re.findall(r"\[+[a-z][\w.]*\]+", span):
                assert f"`{table}`" in reference, line
                seen += 1
            for key in re.findall(r"(?<!\[)\b[a-z0-9]+(?:_[a-z0-9]+)+", span):
                assert key in keys, f"{key} in {line}"
                seen += 1
    assert seen > 60

"""`nw dig`: see `namewise.tools.dig`. `nw dig -h` lists its keywords."""

from __future__ import annotations

from namewise.tools.dig.run import main


def run(args: list[str]) -> int:
    """Run dig with *args*; return dig's exit code."""
    return main(["-h"] if args == ["--help"] else args)

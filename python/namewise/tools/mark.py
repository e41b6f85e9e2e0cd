"""Mark the spot of a mistake below the text in which it stands."""

from __future__ import annotations


def label(text: str, at: int | None) -> str:
    """Return *text* and below it `^^^` under the label around offset *at*; under all of it if that is
    None."""
    if at is None:
        start, end = 0, len(text)
    else:
        at = min(at, max(len(text) - 1, 0))
        start = text.rfind(".", 0, at) + 1
        end = text.find(".", at)
        end = len(text) if end < 0 else end
    return f"  {text}\n  {' ' * start}{'^' * max(end - start, 1)}"

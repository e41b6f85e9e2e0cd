"""The delegation walk from the root: at every zone cut all servers are asked, and compared.

    . ──all root servers──> referral to com. ──all of com.──> referral to example.com. ──all──> answer
                                                                               alias ──> its target's walk

A resolver takes the first good answer; this walk shows the bad ones too: servers that are silent, that do
not serve the zone (lame), that refer elsewhere or answer something else than the others. It ends in a
verdict.

    descent.py   the walk itself: no I/O, over an `Ask`
    reading.py   what the resolver makes of one reply: the engine's judgement, as values
    compare.py   what is odd about the servers of a zone, and where they differ
    ask.py       `direct`: asks with an engine of this process; the command passes another that asks through a
                 running server, whose routes then apply
    render.py    text and JSON
"""

from .ask import Outcome, direct
from .descent import TIMEOUT_S, Walk, walk
from .render import as_json, text

__all__ = ["TIMEOUT_S", "Outcome", "Walk", "as_json", "direct", "text", "walk"]

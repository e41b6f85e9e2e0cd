"""The delegation walk from the root: at every zone cut all servers are asked, and compared.

    . ──all root servers──> referral to com. ──all of com.──> referral to example.com. ──all──> answer
                                                                               alias ──> its target's walk

A resolver takes the first good answer; this walk shows the bad ones too: servers that are silent, that do
not serve the zone (lame), that refer elsewhere or answer something else than the others. It ends in a
verdict.

    walk.py      the walk itself: no I/O, over an `Ask`
    judge.py     what one reply means
    compare.py   what is odd about the servers of a zone, and where they differ
    ask.py       `direct`: asks over sockets of this process; the command passes another that asks through a
                 running server, whose routes then apply
    render.py    text and JSON
"""

from .ask import direct
from .judge import Outcome
from .render import as_json, text
from .walk import TIMEOUT_S, Walk, walk

__all__ = ["TIMEOUT_S", "Outcome", "Walk", "as_json", "direct", "text", "walk"]

"""namewise: a complete name-resolution system that you can see through.

    import namewise
    answer = namewise.resolve("example.com", "AAAA")
    print(answer.ttl, [str(address) for address in answer])

`await namewise.aio.resolve(...)` is the same for asyncio; `namewise.query()` is one question to one server, as it comes.
Everything is imported on first use.
"""

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .engine import VERSION as __version__
    from .engine import Message, Name, Rdata, RRset
    from .engine.errors import NXDOMAIN, NamewiseError, NoAnswer, ResolutionError, ServersFailed, Timeout
    from .stub import Answer, query, resolve
    from .stub import aio as aio

_HOME = {
    "stub": ("Answer", "query", "resolve"),
    "engine": ("Message", "Name", "RRset", "Rdata"),
    "engine.errors": ("NXDOMAIN", "NamewiseError", "NoAnswer", "ResolutionError", "ServersFailed", "Timeout"),
}
__all__ = [  # noqa: RUF022 - most wanted first
    "resolve", "query", "aio", "Answer", "Message", "Name", "RRset", "Rdata",
    "NamewiseError", "ResolutionError", "NXDOMAIN", "NoAnswer", "ServersFailed", "Timeout", "__version__",
]  # fmt: skip


def __getattr__(name: str) -> object:
    if name == "aio":
        return import_module(".stub.aio", __name__)
    if name == "__version__":
        return import_module(".engine", __name__).VERSION
    for module, names in _HOME.items():
        if name in names:
            value = getattr(import_module(f".{module}", __name__), name)
            globals()[name] = value
            return value
    raise AttributeError(f"module 'namewise' has no attribute {name!r}")

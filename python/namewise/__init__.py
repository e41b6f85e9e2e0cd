"""namewise: a complete DNS name-resolution system whose answers can be explained.

    import namewise
    answer = namewise.resolve("example.com", "AAAA")
    print(answer.ttl, [str(address) for address in answer])

`namewise.aio` is the same for asyncio, `namewise.query()` sends one message to one server, `namewise.Server` runs a
server.
"""

from importlib import import_module

TYPE_CHECKING = False  # the constant of `typing`, whose import takes longer than all the rest here
if TYPE_CHECKING:
    from . import message as message
    from . import name as name
    from . import rdata as rdata
    from .control.server import Server
    from .engine import Message, Name, Rdata, RRset, Zone
    from .engine.errors import NXDOMAIN, NamewiseError, NoAnswer, ResolutionError, ServersFailed, Timeout
    from .stub import Answer, query, resolve
    from .stub import aio as aio

    __version__: str

_HOME = {
    "stub": ("Answer", "query", "resolve"),
    "engine": ("Message", "Name", "RRset", "Rdata", "Zone"),
    "control.server": ("Server",),
    "engine.errors": ("NXDOMAIN", "NamewiseError", "NoAnswer", "ResolutionError", "ServersFailed", "Timeout"),
}
__all__ = [  # noqa: RUF022 - most wanted first
    "resolve", "query", "aio", "Answer", "Server", "Message", "Name", "RRset", "Rdata", "Zone",
    "NamewiseError", "ResolutionError", "NXDOMAIN", "NoAnswer", "ServersFailed", "Timeout", "__version__",
]  # fmt: skip


def __getattr__(name: str) -> object:
    if name == "aio":
        return import_module(".stub.aio", __name__)
    if name in ("message", "name", "rdata"):
        return import_module(f".{name}", __name__)
    if name == "__version__":
        version: str = import_module(".engine", __name__).VERSION
        return version
    for module, names in _HOME.items():
        if name in names:
            value = getattr(import_module(f".{module}", __name__), name)
            globals()[name] = value
            return value
    raise AttributeError(f"module 'namewise' has no attribute {name!r}")


def __dir__() -> list[str]:
    """Return the public names, imported or not yet, and those of every module."""
    return sorted({*__all__, *(name for name in globals() if name.startswith("__"))})

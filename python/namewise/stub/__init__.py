"""The stub resolver. `resolve` looks up a name at the system's servers or the given ones. `query` sends one
message to one server.

`lookup` makes the decisions and does no I/O. The drivers `blocking` and `aio` send its exchanges over
sockets. Each is imported on first use.

>>> import namewise
>>> namewise.resolve("localhost.example", server="192.0.2.300")
Traceback (most recent call last):
ValueError: '192.0.2.300' is not a server: expected an IP address, with a port or without
"""

from importlib import import_module

TYPE_CHECKING = False  # typing costs more time to import than a question takes
if TYPE_CHECKING:
    from .answer import Answer
    from .blocking import query, resolve
    from .servers import ServerAddress, Servers, parse_server, system_servers

_HOME = {
    "Answer": "answer",
    "ServerAddress": "servers",
    "Servers": "servers",
    "parse_server": "servers",
    "query": "blocking",
    "resolve": "blocking",
    "system_servers": "servers",
}
__all__ = ["Answer", "ServerAddress", "Servers", "parse_server", "query", "resolve", "system_servers"]


def __getattr__(name: str) -> object:
    """Import the attribute on first use. `nw dig` uses only `stream`."""
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f".{_HOME[name]}", __name__), name)

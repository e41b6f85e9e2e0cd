"""The stub resolver. `resolve` looks up a name at the system's servers or the given ones. `query` sends one
message to one server.

`lookup` makes the decisions and does no I/O. The drivers `blocking` and `aio` send its exchanges over
sockets. `aio` is imported on first use, since asyncio is the slowest import.

>>> import namewise
>>> namewise.resolve("localhost.example", server="192.0.2.300")
Traceback (most recent call last):
ValueError: '192.0.2.300' is not a server: expected an IP address, with a port or without
"""

from .answer import Answer
from .blocking import query, resolve
from .servers import ServerAddress, Servers, parse_server, system_servers

__all__ = ["Answer", "ServerAddress", "Servers", "parse_server", "query", "resolve", "system_servers"]

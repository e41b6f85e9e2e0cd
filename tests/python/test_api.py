"""The Python interface as a whole: names mean one thing."""

from __future__ import annotations

import pkgutil
import subprocess
import sys
from importlib import import_module

import pytest

import namewise
from namewise.engine import EdnsOption, make_response
from namewise.engine.errors import ServersFailed
from namewise.stub.lookup import Reply, lookup
from namewise.stub.servers import Servers, parse_server


def test_no_exported_name_is_also_a_module_of_the_package() -> None:
    """After `import package.x`, `package.x` is the module: an exported function of that name would be hidden by it."""
    packages = [
        "namewise", *(one.name for one in pkgutil.walk_packages(namewise.__path__, "namewise.") if one.ispkg)
    ]  # fmt: skip
    both = []
    for name in packages:
        package = import_module(name)
        modules = {one.name for one in pkgutil.iter_modules(package.__path__)}
        both += [f"{name}.{one}" for one in sorted(modules & set(getattr(package, "__all__", ())))]
    assert not both


def test_what_the_docstrings_name_is_there_after_import_namewise() -> None:
    code = "import namewise; namewise.message.make_query('a'); namewise.rdata.RRset; namewise.name.ROOT"
    subprocess.run([sys.executable, "-c", code], check=True)


def test_a_query_that_is_no_message_is_refused_with_the_remedy() -> None:
    with pytest.raises(TypeError, match=r"not 'example.com': make one with namewise.message.make_query"):
        namewise.query("example.com", "127.0.0.1")  # type: ignore[arg-type]


def test_a_failure_has_the_extended_error_of_the_server() -> None:
    """RFC 8914: the reason that the server states is in the text; equal attempts are counted."""
    servers = Servers((parse_server("192.0.2.53"),), attempts=2)
    steps = lookup("www.example.com", "A", "IN", servers)
    exchange = next(steps)
    expected = (
        "no answer for www.example.com. A: 192.0.2.53:53 over udp: SERVFAIL (2x); the last server states "
        "EDE 22 (No Reachable Authority): at delegation com."
    )
    with pytest.raises(ServersFailed) as caught:
        while True:
            failed = make_response(
                exchange.query, "SERVFAIL", options=[EdnsOption.extended_error(22, "at delegation com.")]
            )
            exchange = steps.send(Reply(failed.wire, 0.01))
    assert str(caught.value) == expected

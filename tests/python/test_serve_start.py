"""The modules that `nw serve` imports until it is ready, which limit its start time and memory."""

from __future__ import annotations

import signal
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest
from ports import free_port
from servers import read_until, zone_file

if TYPE_CHECKING:
    from pathlib import Path

TOO_LARGE = {
    "argparse",
    "asyncio",
    "base64",
    "concurrent.futures",
    "decimal",
    "email",
    "glob",
    "hashlib",
    "http",
    "logging",
    "namewise.config.pages",
    "namewise.stub",
    "namewise.tools",
    "pathlib",
    "platform",
    "pydantic",
    "random",
    "sqlite3",
    "ssl",
    "subprocess",
    "tempfile",
    "tomllib",
    "urllib.parse",
    "uuid",
}
ONLY_WITH = {
    "resolver": {
        "namewise.control.follower",
        "namewise.control.saved",
        "namewise.control.trust",
        "namewise.dnssec.anchors",
        "namewise.dnssec.negative",
    },
    "local_root": {"namewise.control.local_root", "namewise.stream", "namewise.zones.transfer"},
    "list": {"namewise.control.lists", "namewise.policy.lists", "namewise.policy.report"},
    "tunnels": {"namewise.policy.detect"},
}
"""By table of the configuration, the modules that a server imports only with this table."""
ROOT = ". 60 IN SOA a. b. 1 3600 900 604800 300\n. 60 IN NS a.\na. 60 IN A 192.0.2.1\n"


def imported(folder: Path, tables: str) -> set[str]:
    """Return the modules that a server with one zone and *tables* imports, up to the line that says that it is ready."""
    config = folder / "namewise.toml"
    zone = f'[[zone]]\nname = "example.com"\nfile = "{zone_file(folder, "example.com", "192.0.2.1")}"\n'
    config.write_text(f'[[listen]]\naddress = "127.0.0.1"\nport = {free_port()}\n{tables}\n{zone}')
    args = ["-m", "namewise", "serve", "--config", str(config), "--control", str(folder / "control.sock")]
    command = [sys.executable, "-X", "importtime", *args]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as process:
        lines = read_until(process.stderr, "ready: ")
        process.send_signal(signal.SIGTERM)
        process.communicate(timeout=30)
    assert process.returncode == 0
    first = next(at for at, line in enumerate(lines) if line.endswith("| site"))
    modules = {line.rsplit("|", 1)[1].strip() for line in lines[first:] if line.startswith("import time:")}
    assert "namewise.control.daemon" in modules, "otherwise this test sees nothing"
    return modules


def test_serving_imports_nothing_large(tmp_path: Path) -> None:
    assert not imported(tmp_path, '[resolver]\ncache = "1MiB"') & TOO_LARGE


@pytest.mark.parametrize("tables", [(), *(("resolver", *{table} - {"resolver"}) for table in ONLY_WITH)])
def test_a_server_imports_only_what_its_configuration_needs(tmp_path: Path, tables: tuple[str, ...]) -> None:
    (tmp_path / "root").write_text(ROOT)
    (tmp_path / "ads").write_text("ads.example\n")
    settings = {
        "resolver": "[resolver]",
        "local_root": f'[local_root]\nfile = "{tmp_path}/root"\nprimaries = []\nrequire_zonemd = false',
        "list": f'[[list]]\nname = "ads"\nfile = "{tmp_path}/ads"',
        "tunnels": "[tunnels]",
    }
    found = imported(tmp_path, "\n".join(settings[table] for table in tables))
    expected = set[str]().union(*(ONLY_WITH[table] for table in tables))
    assert found & set[str]().union(*ONLY_WITH.values()) == expected

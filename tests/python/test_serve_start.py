"""The modules that `nw serve` imports until it is ready, which limit its start time and memory."""

from __future__ import annotations

import signal
import subprocess
import sys
from typing import TYPE_CHECKING

from ports import free_port
from servers import read_until, zone_file

if TYPE_CHECKING:
    from pathlib import Path

TOO_LARGE = {
    "argparse",
    "asyncio",
    "base64",
    "concurrent.futures",
    "email",
    "glob",
    "hashlib",
    "http",
    "logging",
    "namewise.config.pages",
    "namewise.stub",
    "namewise.tools",
    "pathlib",
    "pydantic",
    "random",
    "ssl",
    "subprocess",
    "tempfile",
    "tomllib",
    "urllib.parse",
}


def test_serving_imports_nothing_large(tmp_path: Path) -> None:
    """A server from a file, with a zone and recursion, up to the line that says that it is ready."""
    config = tmp_path / "namewise.toml"
    zone = f'[[zone]]\nname = "example.com"\nfile = "{zone_file(tmp_path, "example.com", "192.0.2.1")}"\n'
    config.write_text(
        f'[[listen]]\naddress = "127.0.0.1"\nport = {free_port()}\n[resolver]\ncache = "1MiB"\n{zone}'
    )
    args = ["-m", "namewise", "serve", "--config", str(config), "--control", str(tmp_path / "control.sock")]
    command = [sys.executable, "-X", "importtime", *args]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as process:
        lines = read_until(process.stderr, "ready: ")
        process.send_signal(signal.SIGTERM)
        process.communicate(timeout=30)
    assert process.returncode == 0
    first = next(at for at, line in enumerate(lines) if line.endswith("| site"))
    imported = {line.rsplit("|", 1)[1].strip() for line in lines[first:] if line.startswith("import time:")}
    assert "namewise.control.daemon" in imported, "otherwise this test sees nothing"
    assert not imported & TOO_LARGE

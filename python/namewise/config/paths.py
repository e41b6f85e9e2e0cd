"""Default paths of control socket, state and configuration.

    root              /run/namewise/control.sock   /var/lib/namewise         /etc/namewise/namewise.toml
    other users       $XDG_RUNTIME_DIR/namewise/…  $XDG_STATE_HOME/namewise  $XDG_CONFIG_HOME/namewise/…

Without `$XDG_RUNTIME_DIR` the socket is in a folder of the user, mode 0700, in the system's temporary folder.
"""

from __future__ import annotations

import errno
import os
import stat
from typing import BinaryIO


def control_socket() -> str:
    """Return the default path of the control socket; its folder may not exist yet."""
    given = os.environ.get("NAMEWISE_CONTROL")
    if given:
        return given
    if os.geteuid() == 0:
        return "/run/namewise/control.sock"
    runtime = os.environ.get("XDG_RUNTIME_DIR")
    folder = os.path.join(runtime, "namewise") if runtime else _temporary_folder()
    return os.path.join(folder, "control.sock")


def state_folder() -> str:
    """Return the default folder for state."""
    if os.geteuid() == 0:
        return "/var/lib/namewise"
    return os.path.join(os.environ.get("XDG_STATE_HOME") or os.path.expanduser("~/.local/state"), "namewise")


def config_file() -> str | None:
    """Return the default configuration file, or None if it does not exist."""
    given = os.environ.get("NAMEWISE_CONFIG")
    if given:
        return given
    if os.geteuid() == 0:
        path = "/etc/namewise/namewise.toml"
    else:
        base = os.environ.get("XDG_CONFIG_HOME") or os.path.expanduser("~/.config")
        path = os.path.join(base, "namewise", "namewise.toml")
    return path if os.path.exists(path) else None


def private_folder(path: str) -> bool:
    """Make the folder *path* with mode 0700 if it is missing, and return whether it was; raise `OSError` if others could
    replace what is in it."""
    missing = not os.path.exists(path)
    os.makedirs(path, mode=0o700, exist_ok=True)
    check_private_folder(path)
    return missing


def check_private_folder(path: str) -> None:
    """Raise `OSError` if others could replace what is in the folder *path*. A folder that is missing is fine."""
    try:
        found = os.stat(path)
    except FileNotFoundError:
        return
    if not stat.S_ISDIR(found.st_mode):
        raise NotADirectoryError(f"{path} is not a directory")
    if found.st_uid not in (os.geteuid(), 0):
        raise PermissionError(f"{path} belongs to another user")
    if found.st_mode & 0o022 and not found.st_mode & stat.S_ISVTX:
        raise PermissionError(f"other users may write to {path} (chmod go-w)")


def open_file(path: str) -> BinaryIO:
    """Open the regular file *path* for reading. A pipe or a device is an `OSError`: reading it might never end, and a reload could
    not read it again."""
    # Opening a pipe waits for its writer without O_NONBLOCK, which has no effect on regular files.
    descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    mode = os.fstat(descriptor).st_mode
    if not stat.S_ISREG(mode):
        os.close(descriptor)
        kind = "a directory" if stat.S_ISDIR(mode) else "a pipe" if stat.S_ISFIFO(mode) else "a device"
        raise OSError(errno.EINVAL, f"it is {kind}, not a file", path)
    return os.fdopen(descriptor, "rb")


def read_text(path: str, encoding: str = "utf-8") -> str:
    """Return the text of the regular file *path*. Raises `OSError` and `UnicodeDecodeError`."""
    with open_file(path) as file:
        return file.read().decode(encoding)


def _temporary_folder() -> str:
    import tempfile

    return os.path.join(tempfile.gettempdir(), f"namewise-{os.geteuid()}")

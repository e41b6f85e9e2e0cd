"""Handles standard output and error that cannot be written: closed, full, or without a reader."""

from __future__ import annotations

import errno
import os
import sys

CANNOT_WRITE = 1
READER_GONE = 141
"""The exit code that a shell reports for a program that SIGPIPE ended."""


def prepare() -> None:
    """Ensure that the three standard streams are open, so that no file or socket gets their numbers.

    A closed stream is replaced by one that cannot be written, so that the command gets an error when it
    prints.
    """
    for number in (0, 1, 2):
        try:
            os.fstat(number)
        except OSError:
            # The new descriptor has this number, because all lower ones are open.
            os.open(os.devnull, os.O_RDONLY)
    if sys.stdout is None:
        # The stream lives as long as the process.
        sys.stdout = open(1, "w", encoding="utf-8", errors="surrogateescape", closefd=False)  # noqa: SIM115
    if sys.stderr is None:
        sys.stderr = open(os.devnull, "w", encoding="utf-8")  # noqa: SIM115


_OF_OUTPUT = frozenset({errno.ENOSPC, errno.EBADF, errno.EIO, errno.EFBIG, errno.EDQUOT})
"""Errors that only the output of a command can cause, if they name no file."""


def failed(command: str, error: OSError, *, as_json: bool) -> int:
    """Write one line about the error of the system and return the exit code.

    as_json: write it to standard output as an object too, unless it is standard output that cannot be written.
    """
    place = f"{error.filename}: " if error.filename is not None else ""
    message = f"{place}{(error.strerror or str(error)).lower()}"
    if as_json and (place or error.errno not in _OF_OUTPUT) and not isinstance(error, BrokenPipeError):
        from namewise.cli.failure import Failure

        try:
            sys.stdout.write(Failure(message, code=CANNOT_WRITE).json())
            sys.stdout.flush()
        except OSError:
            pass
    silence()
    if isinstance(error, BrokenPipeError):
        return READER_GONE
    if not place and error.errno in _OF_OUTPUT:
        message = f"standard output: {message}"
    try:
        sys.stderr.write(f"nw {command}: {message}\n")
        sys.stderr.flush()
    except OSError:
        pass
    return CANNOT_WRITE


def silence() -> None:
    """Discard further standard output. The rest of its buffer would otherwise cause a second error at exit."""
    try:
        nowhere = os.open(os.devnull, os.O_WRONLY)
    except OSError:
        os.close(1)  # no descriptor is left: a closed stream swallows its buffer as well
        nowhere = os.open(os.devnull, os.O_WRONLY)
    if nowhere != 1:
        os.dup2(nowhere, 1)
        os.close(nowhere)

"""Every exception that namewise raises, in one tree.

```text
NamewiseError                 code, message
├── BadName                   a name that cannot be: its label is marked
├── TextError                 a record or option that cannot be read from text: column
├── WireError                 bytes that are not what they claim to be: offset
├── TomlError                 faults: (line, column, message), all of them
├── ZoneFileError             faults: file, line, column, message, what was expected, all of them
├── PlanError                 faults: (path, message), all of them
├── EngineError               the engine refused; EngineClosed, GenerationConflict, EnginePanic (a mistake in namewise)
└── ResolutionError           question, attempts; NXDOMAIN, NoAnswer, Timeout, ServersFailed
```

Each class has a `code` that never changes its meaning, for programs; the text is for people. Errors of
values are `ValueError` too, time limits are `TimeoutError` too, so that code
written without namewise in mind catches what it expects.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from . import Message, Question


class NamewiseError(Exception):
    """Any error of namewise: catch it to catch all. `code` is stable, `str()` is for people."""

    code: str = "ERROR"

    def __init__(self, message: str, *, code: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        if code is not None:
            self.code = code

    def __reduce__(self) -> tuple[object, ...]:
        # The constructors differ from class to class: an error is rebuilt from its text and its attributes.
        return _restore, (type(self), self.args), self.__dict__


def _restore(kind: type[NamewiseError], args: tuple[object, ...]) -> NamewiseError:
    error = kind.__new__(kind, *args)
    error.args = args
    return error


class BadName(NamewiseError, ValueError):
    """A domain name broke a rule of RFC 1035 §2.3.4 or §5.1: `text` as given, `at` the offset of what is
    wrong, or None.
    """

    code = "BAD_NAME"

    def __init__(self, message: str, text: str = "", at: int | None = None, code: str | None = None) -> None:
        super().__init__(message, code=code)
        self.text = text
        self.at = at


class TextError(NamewiseError, ValueError):
    """Record data in presentation form that cannot be read: `column` counts from 1."""

    code = "BAD_TEXT"

    def __init__(self, message: str, column: int = 1, expected: str = "", code: str | None = None) -> None:
        super().__init__(message, code=code)
        self.column = column
        self.expected = expected


class WireError(NamewiseError, ValueError):
    """Octets that are not a valid message, name or record data: `offset` is where the first fault is."""

    code = "BAD_WIRE"

    def __init__(self, message: str, offset: int | None = None, code: str | None = None) -> None:
        super().__init__(message, code=code)
        self.offset = offset


class TomlFault(NamedTuple):
    """One syntax error of a TOML document; line and column count from 1."""

    line: int
    column: int
    message: str


class TomlError(NamewiseError, ValueError):
    """A document that is not valid TOML: `faults` holds every syntax error."""

    code = "BAD_TOML"

    def __init__(self, faults: Sequence[TomlFault]) -> None:
        super().__init__(
            "\n".join(f"line {fault.line}, column {fault.column}: {fault.message}" for fault in faults)
        )
        self.faults = tuple(faults)


class ZoneFault(NamedTuple):
    """One thing wrong with a zone: where it stands, what it is, and what to do about it.

    line and column count from 1; 0 where it concerns the whole zone, or the whole line.
    severity: `error` (the zone is not served) or `warning`. id: a stable word for programs, one for each rule.
    expected: what should have stood there. rfc: the section that says so. remedy: what to do. Any of these three may
    be empty.
    """

    file: str
    line: int
    column: int
    severity: str
    id: str
    message: str
    expected: str = ""
    rfc: str = ""
    remedy: str = ""

    def __str__(self) -> str:
        place = ":".join(str(part) for part in (self.file, self.line, self.column) if part)
        expected = f" (expected {self.expected})" if self.expected else ""
        return f"{place}: {self.message}{expected}" if place else f"{self.message}{expected}"


class ZoneFileError(NamewiseError, ValueError):
    """A zone that was not loaded: `faults` holds every error found, in the order of the file."""

    code = "BAD_ZONE"

    def __init__(self, faults: Sequence[ZoneFault], more: int = 0) -> None:
        shown = [str(fault) for fault in faults]
        if more:
            shown.append(f"and {more} more")
        super().__init__("\n".join(shown))
        self.faults = tuple(faults)
        self.more = more


class PlanFault(NamedTuple):
    """One error of a plan: the path of the value (`zones[3].name`) and what is wrong with it."""

    path: str
    message: str


class PlanError(NamewiseError, ValueError):
    """A plan from which no snapshot can be built: `faults` holds every error with its path."""

    code = "BAD_PLAN"

    def __init__(self, faults: Sequence[PlanFault]) -> None:
        super().__init__("\n".join(f"{fault.path}: {fault.message}" for fault in faults))
        self.faults = tuple(faults)


class EngineError(NamewiseError):
    """The engine could not do what was asked: `code` says why."""

    code = "ENGINE"


class EngineClosed(EngineError):
    """The engine was closed before the call."""

    code = "ENGINE_CLOSED"


class GenerationConflict(EngineError):
    """A change of zones was computed from generation `expected`, but generation `current` is served: compute it anew."""

    code = "CONFLICT"

    def __init__(self, expected: int, current: int) -> None:
        super().__init__(f"the change was made for generation {expected}, but generation {current} is served")
        self.expected = expected
        self.current = current


class EnginePanic(EngineError):
    """A panic in the engine: a bug. Please report it with the message."""

    code = "ENGINE_PANIC"


class Attempt(NamedTuple):
    """One question to one server, and what came of it (`timeout`, `SERVFAIL`, `connection refused`, ...)."""

    server: str
    transport: str
    outcome: str
    took_s: float


class ResolutionError(NamewiseError):
    """A name that was not resolved: `question` as asked, `attempts` in order, `response` the deciding one,
    or None.
    """

    code = "RESOLUTION"

    def __init__(
        self,
        message: str,
        question: Question,
        attempts: Sequence[Attempt] = (),
        response: Message | None = None,
    ) -> None:
        super().__init__(message)
        self.question = question
        self.attempts = tuple(attempts)
        self.response = response


class NXDOMAIN(ResolutionError):
    """The name does not exist (RFC 8020: nothing below it does either)."""

    code = "NXDOMAIN"


class NoAnswer(ResolutionError):
    """The name exists, but has no record of the type asked for (NODATA, RFC 2308 §2.2)."""

    code = "NO_ANSWER"


class Timeout(ResolutionError, TimeoutError):
    """No server gave any answer in time."""

    code = "TIMEOUT"


class ServersFailed(ResolutionError):
    """No server gave a usable answer: see `attempts`, and `response` if one replied at all."""

    code = "SERVERS_FAILED"


# The engine calls these: it has the fields of an error, this module has the classes.


def toml_error(faults: Iterable[tuple[int, int, str]]) -> TomlError:
    """Return the error for `(line, column, message)` rows."""
    return TomlError([TomlFault(*fault) for fault in faults])


def zone_faults(
    faults: Iterable[tuple[str, int, int, str, str, str, str, str, str]],
) -> tuple[ZoneFault, ...]:
    """Return findings for rows of the fields of `ZoneFault`."""
    return tuple(ZoneFault(*fault) for fault in faults)


def zone_file_error(
    faults: Iterable[tuple[str, int, int, str, str, str, str, str, str]], more: int = 0
) -> ZoneFileError:
    """Return the error for such rows."""
    return ZoneFileError(zone_faults(faults), more)


def plan_error(faults: Iterable[tuple[str, str]]) -> PlanError:
    """Return the error for `(path, message)` rows."""
    return PlanError([PlanFault(*fault) for fault in faults])


def queue_full(message: str) -> EngineError:
    """Return the error for a request that finds too many under way."""
    return EngineError(message, code="QUEUE_FULL")

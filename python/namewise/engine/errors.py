"""All exceptions of namewise, in one tree.

```text
NamewiseError                 code, message
├── BadName                   an invalid name, with the offset of the fault
├── TextError                 a record or option whose text is invalid: column
├── WireError                 invalid octets: offset
├── TomlError                 all faults: (line, column, message)
├── ZoneFileError             all faults: file, line, column, message, expected item
├── KeyFileError              a key that cannot be read or made
├── SigningFailed             a zone that cannot be signed
├── PlanError                 all faults: (path, message)
├── EngineError               the engine refused; EngineClosed, GenerationConflict, EnginePanic (a bug in namewise)
└── ResolutionError           question, attempts; NXDOMAIN, NoAnswer, Timeout, ServersFailed
```

Each class has a stable `code` for programs. The text is for people. Errors about values are also
`ValueError`, and time limits are also `TimeoutError`, so that code that does not know namewise can catch
them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from . import Message, Question


class NamewiseError(Exception):
    """The base class of all errors of namewise. `code` is stable, `str()` is for people."""

    code: str = "ERROR"

    def __init__(self, message: str, *, code: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        if code is not None:
            self.code = code

    def __reduce__(self) -> tuple[object, ...]:
        # The constructors have different parameters, so that an error is restored from its text and its
        # attributes.
        return _restore, (type(self), self.args), self.__dict__


def _restore(kind: type[NamewiseError], args: tuple[object, ...]) -> NamewiseError:
    error = kind.__new__(kind, *args)
    error.args = args
    return error


class BadName(NamewiseError, ValueError):
    """A domain name violates RFC 1035 §2.3.4 or §5.1. `text` is the name, `at` the offset of the fault or
    None.
    """

    code = "BAD_NAME"

    def __init__(self, message: str, text: str = "", at: int | None = None, code: str | None = None) -> None:
        super().__init__(message, code=code)
        self.text = text
        self.at = at


class TextError(NamewiseError, ValueError):
    """Record data in presentation form is invalid. `column` starts at 1."""

    code = "BAD_TEXT"

    def __init__(self, message: str, column: int = 1, expected: str = "", code: str | None = None) -> None:
        super().__init__(message, code=code)
        self.column = column
        self.expected = expected


class WireError(NamewiseError, ValueError):
    """Octets are not a valid message, name or record data. `offset` is the position of the first fault."""

    code = "BAD_WIRE"

    def __init__(self, message: str, offset: int | None = None, code: str | None = None) -> None:
        super().__init__(message, code=code)
        self.offset = offset


class TomlFault(NamedTuple):
    """One syntax error of a TOML document. Line and column start at 1."""

    line: int
    column: int
    message: str


class TomlError(NamewiseError, ValueError):
    """A document is not valid TOML. `faults` has every syntax error."""

    code = "BAD_TOML"

    def __init__(self, faults: Sequence[TomlFault]) -> None:
        super().__init__(
            "\n".join(f"line {fault.line}, column {fault.column}: {fault.message}" for fault in faults)
        )
        self.faults = tuple(faults)


class ZoneFault(NamedTuple):
    """A fault of a zone: its position, its description and the remedy.

    *line* and *column* start at 1; they are 0 if the fault concerns the whole zone or the whole line.
    *severity* is `error` (the zone is not served), `warning` or `info`. *id* is a stable identifier of the rule.
    *expected* is the expected item, *rfc* the section that requires it, and *remedy* the correction; each
    of these may be empty.
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


class ZoneRule(NamedTuple):
    """A rule of the check of zones. *about* is what it reports; *severity* as in `ZoneFault`; *rfc* and *remedy* may be empty."""

    id: str
    severity: str
    about: str
    rfc: str
    remedy: str


class ZoneFileError(NamewiseError, ValueError):
    """A zone was not loaded. `faults` has every error, in the order of the file."""

    code = "BAD_ZONE"

    def __init__(self, faults: Sequence[ZoneFault], more: int = 0) -> None:
        shown = [str(fault) for fault in faults]
        if more:
            shown.append(f"and {more} more")
        super().__init__("\n".join(shown))
        self.faults = tuple(faults)
        self.more = more


class DifferenceMismatch(NamewiseError):
    """A difference does not fit the zone. `code`: `OTHER_ZONE`, `SERIAL`, `MISSING` (a removed record), `PRESENT` (an added one)."""

    code = "MISMATCH"

    def __init__(self, message: str, code: str | None = None) -> None:
        super().__init__(message, code=code)


class TransferError(NamewiseError):
    """A zone transfer failed. `code` is the reason."""

    code = "TRANSFER"

    def __init__(self, message: str, code: str | None = None) -> None:
        super().__init__(message, code=code)


class TsigError(NamewiseError):
    """A reply is not authentic (RFC 8945), or the server reports that the request is not. `code`: `UNSIGNED`, `OTHER_KEY`,
    `MAC_LENGTH`, `WRONG_MAC`, `TIME`, `MALFORMED`, or `REPORTED` with the error of the server in `reported` (`BADKEY`, `BADSIG`,
    `BADTIME`, `BADTRUNC`).
    """

    code = "TSIG"

    def __init__(self, message: str, code: str | None = None, reported: str | None = None) -> None:
        super().__init__(message, code=code)
        self.reported = reported


class UpdateRefused(NamewiseError):
    """An update changes nothing (RFC 2136). `rcode` is for the response, `rule` the section that requires it."""

    code = "UPDATE_REFUSED"

    def __init__(self, message: str, rcode: str, rule: str) -> None:
        super().__init__(message)
        self.rcode = rcode
        self.rule = rule


class KeyFileError(NamewiseError, ValueError):
    """A key of a zone cannot be read from its files, or cannot be made."""

    code = "BAD_KEY"


class SigningFailed(NamewiseError, ValueError):
    """A zone cannot be signed: no key signs it, a key is one of another zone, or the times make no sense."""

    code = "SIGNING"


class PlanFault(NamedTuple):
    """An error of a plan: the path of the value (`zones[3].name`) and the description."""

    path: str
    message: str


class PlanError(NamewiseError, ValueError):
    """A plan is invalid. `faults` has every error with its path."""

    code = "BAD_PLAN"

    def __init__(self, faults: Sequence[PlanFault]) -> None:
        super().__init__("\n".join(f"{fault.path}: {fault.message}" for fault in faults))
        self.faults = tuple(faults)


class EngineError(NamewiseError):
    """The engine refused a request. `code` is the reason."""

    code = "ENGINE"


class EngineClosed(EngineError):
    """The engine is closed."""

    code = "ENGINE_CLOSED"


class GenerationConflict(EngineError):
    """A change of zones was computed from generation `expected`, but generation `current` is served.
    Compute it again.
    """

    code = "CONFLICT"

    def __init__(self, expected: int, current: int) -> None:
        super().__init__(f"the change was made for generation {expected}, but generation {current} is served")
        self.expected = expected
        self.current = current


class EnginePanic(EngineError):
    """A panic in the engine: a bug. Please report it with the message."""

    code = "ENGINE_PANIC"


class Attempt(NamedTuple):
    """A query to a server and its result (`timeout`, `SERVFAIL`, `connection refused`, ...)."""

    server: str
    transport: str
    outcome: str
    took_s: float


class ResolutionError(NamewiseError):
    """A name was not resolved. `question` is the question, `attempts` are in order, `response` is the
    deciding response or None.
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
    """The name does not exist, and neither does any name below it (RFC 8020)."""

    code = "NXDOMAIN"


class NoAnswer(ResolutionError):
    """The name exists but has no record of the type (NODATA, RFC 2308 §2.2)."""

    code = "NO_ANSWER"


class Timeout(ResolutionError, TimeoutError):
    """No server answered in time."""

    code = "TIMEOUT"


class ServersFailed(ResolutionError):
    """No server gave a usable answer. See `attempts`, and `response` if a server replied."""

    code = "SERVERS_FAILED"


# The engine calls these functions to make exceptions.


def toml_error(faults: Iterable[tuple[int, int, str]]) -> TomlError:
    """Return the error for `(line, column, message)` rows."""
    return TomlError([TomlFault(*fault) for fault in faults])


def zone_faults(
    faults: Iterable[tuple[str, int, int, str, str, str, str, str, str]],
) -> tuple[ZoneFault, ...]:
    """Return findings for rows of the fields of `ZoneFault`."""
    return tuple(ZoneFault(*fault) for fault in faults)


def zone_rules(rules: Iterable[tuple[str, str, str, str, str]]) -> tuple[ZoneRule, ...]:
    """Return rules for rows of the fields of `ZoneRule`."""
    return tuple(ZoneRule(*rule) for rule in rules)


def zone_file_error(
    faults: Iterable[tuple[str, int, int, str, str, str, str, str, str]], more: int = 0
) -> ZoneFileError:
    """Return the error for rows of the fields of `ZoneFault`."""
    return ZoneFileError(zone_faults(faults), more)


def plan_error(faults: Iterable[tuple[str, str]]) -> PlanError:
    """Return the error for `(path, message)` rows."""
    return PlanError([PlanFault(*fault) for fault in faults])


def taken(message: str) -> EngineError:
    """Return the error for what only one may have and another has."""
    return EngineError(message, code="TAKEN")


def queue_full(message: str) -> EngineError:
    """Return the error for a request while too many are in progress."""
    return EngineError(message, code="QUEUE_FULL")

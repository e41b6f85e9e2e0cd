"""Parse the arguments of a command: long flags, `--flag value` or `--flag=value`, and words.

A command lists its flags in an `Options` object, whose `read` returns a `Parsed`. There are no short flags
and no abbreviations. An unknown flag is an error that names the nearest known one. (Importing argparse
would take a third of the time budget of `nw --help`, and its error messages are less specific.)
"""

from __future__ import annotations

from namewise.cli.failure import Failure, WrongUsage


class Parsed:
    """The parsed arguments of a command."""

    def __init__(self) -> None:
        self.values: dict[str, list[str]] = {}
        self.flags: set[str] = set()
        self.words: list[str] = []

    def one(self, name: str) -> str | None:
        """Return the last value given for the flag *name*, or None."""
        given = self.values.get(name)
        return given[-1] if given else None

    def all(self, name: str) -> list[str]:
        """Return every value given for the flag *name*."""
        return self.values.get(name, [])

    def number(self, name: str, least: int = 0) -> int | None:
        """Return the value of the flag *name* as a number of at least *least*, or None."""
        text = self.one(name)
        if text is None:
            return None
        if not text.isdigit() or int(text) < least:
            raise Failure(f"{name} needs a number of at least {least}, not {text!r}")
        return int(text)

    def __contains__(self, name: str) -> bool:
        return name in self.flags


def verb(words: list[str], known: tuple[str, ...]) -> str:
    """Return the verb that begins *words*, or raise `WrongUsage`."""
    said = words[0] if words else ""
    if said in known:
        return said
    if not said or said.startswith("-"):
        raise WrongUsage(f"the verb is missing: {' or '.join(known)}")
    from namewise.config.values import nearest

    guess = nearest(said, known)
    raise WrongUsage(f"no verb {said!r}", hint=f"Did you mean {guess}?" if guess else "")


class Options:
    """The accepted arguments: *values* take a value, *flags* do not; *words* is (minimum, maximum)."""

    def __init__(
        self,
        *,
        values: tuple[str, ...] = (),
        flags: tuple[str, ...] = (),
        words: tuple[int, int | None] = (0, 0),
    ) -> None:
        self.values = values
        self.flags = flags
        self.words = words

    def read(self, args: list[str]) -> Parsed:
        """Parse *args*. Raises `Failure`."""
        parsed = Parsed()
        rest = iter(args)
        for arg in rest:
            if arg == "--":
                parsed.words.extend(rest)
            elif not arg.startswith("--") or arg == "-":
                if arg.startswith("-") and arg != "-" and not arg[1:2].isdigit():
                    raise Failure(f"no flag {arg}", hint=self._known())
                parsed.words.append(arg)
            else:
                self._flag(parsed, arg, rest)
        least, most = self.words
        if len(parsed.words) < least:
            raise WrongUsage("an argument is missing")
        if most is not None and len(parsed.words) > most:
            raise WrongUsage(f"one argument too many: {parsed.words[most]!r}")
        return parsed

    def _flag(self, parsed: Parsed, arg: str, rest: object) -> None:
        name, equals, value = arg.partition("=")
        if name in self.flags:
            if equals:
                raise Failure(f"{name} takes no value")
            parsed.flags.add(name)
            return
        if name in self.values:
            if not equals:
                following = next(rest, None)  # type: ignore[call-overload]
                if following is None:
                    raise Failure(f"{name} needs a value")
                value = following
            parsed.values.setdefault(name, []).append(value)
            return
        from namewise.config.values import nearest

        guess = nearest(name, self.values + self.flags)
        raise Failure(f"no flag {name}", hint=f"Did you mean {guess}?" if guess else self._known())

    def _known(self) -> str:
        known = sorted(self.values + self.flags)
        return f"Known flags: {', '.join(known)}." if known else "This command takes no flags."

"""The commands of nsupdate, one line each (nsupdate(1)).

A line changes the `Session` or returns what is to be done: `SEND`, `SHOW`, `ANSWER`, `HELP`, `VERSION`, `QUIT` or `NOTHING`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from namewise.engine import Name, Rdata, type_name, type_value
from namewise.engine.errors import NamewiseError
from namewise.tools import keys
from namewise.tools.nsupdate.exchange import Settings, addresses
from namewise.tools.nsupdate.message import Entry, class_value

if TYPE_CHECKING:
    from collections.abc import Callable

    from namewise.engine import Message
    from namewise.tools.keys import ClientKey

NOTHING, SEND, SHOW, ANSWER, HELP, VERSION, QUIT = range(7)
MOST_TTL = (1 << 31) - 1
DNS_PORT = 53

HELP_TEXT = """\
local address [port]      (set local resolver)
server address [port]     (set primary server for zone)
send                      (send the update request)
show                      (show the update request)
answer                    (show the answer to the last request)
quit                      (quit, any pending update is not sent)
help                      (display this message)
version                   (print the version)
key [hmac:]keyname secret (use TSIG to sign the request)
zone name                 (set the zone to be updated)
class CLASS               (set the zone's DNS class, e.g. IN (default), CH)
ttl seconds               (set the TTL of records without one)
debug                     (print every message)
check-names { on | off }  (check the names of hosts; on)
[prereq] nxdomain name    (require that this name does not exist)
[prereq] yxdomain name    (require that this name exists)
[prereq] nxrrset ....     (require that this RRset does not exist)
[prereq] yxrrset ....     (require that this RRset exists)
[update] add ....         (add the given record to the zone)
[update] del[ete] ....    (remove the given record(s) from the zone)
"""


class SyntaxFault(Exception):
    """A line that is no command. The text is nsupdate's reason."""


class Session:
    """What the lines before have set."""

    def __init__(self) -> None:
        self.how = Settings()
        self.port = DNS_PORT
        self.servers: list[tuple[str, int]] = []
        self.zone: Name | None = None
        self.rclass = "IN"
        self.ttl: int | None = None
        self.key: ClientKey | None = None
        self.debug = False
        self.check_names = True
        self.prerequisites: list[Entry] = []
        self.updates: list[Entry] = []
        self.answer: Message | None = None

    def clear(self) -> None:
        """Forget the update. Server, zone, class, TTL and key stay, as in nsupdate."""
        self.prerequisites, self.updates = [], []


def read(line: str, session: Session) -> int:
    """Apply *line* to *session* and return what is to be done. Raises `SyntaxFault`."""
    text = line.strip()
    if not text:
        return SEND
    if text.startswith(";"):
        return NOTHING
    word, _, rest = text.partition(" ") if " " in text else text.partition("\t")
    command = _COMMANDS.get(word.lower())
    if command is None:
        raise SyntaxFault(f"incorrect section name: {word}")
    try:
        # The words of an operation may begin the line: `add` is short for `update add`.
        rest = text if word.lower() in _OPERATIONS else rest.strip()
        return command(session, rest) or NOTHING
    except (NamewiseError, ValueError) as error:
        raise SyntaxFault(str(error)) from None


def _word(text: str, what: str) -> tuple[str, str]:
    """Return the first word of *text* and the rest."""
    parts = text.split(None, 1)
    if not parts:
        raise SyntaxFault(f"could not read {what}")
    return parts[0], parts[1] if len(parts) == 2 else ""


def _server(session: Session, text: str) -> None:
    host, rest = _word(text, "server name")
    session.servers = addresses(host, _port(rest, session.port), session.how.family)


def _local(session: Session, text: str) -> None:
    host, rest = _word(text, "server name")
    session.how.local = (host, _port(rest, 0))


def _port(text: str, default: int) -> int:
    if not text:
        return default
    if not text.isdecimal() or not 0 < int(text) < 65536:
        raise SyntaxFault(f"port '{text}' is not numeric")
    return int(text)


def _zone(session: Session, text: str) -> None:
    session.zone = Name(_word(text, "zone name")[0])


def _class(session: Session, text: str) -> None:
    word = _word(text, "class name")[0].upper()
    if word in ("ANY", "NONE"):
        raise SyntaxFault(f"bad class: {word}")
    class_value(word)
    session.rclass = word


def _ttl(session: Session, text: str) -> None:
    word = _word(text, "ttl")[0]
    session.ttl = None if word == "none" else _seconds(word)


def _seconds(word: str) -> int:
    if not word.isdecimal():
        raise SyntaxFault(f"ttl '{word}': not a valid number")
    if int(word) > MOST_TTL:
        raise SyntaxFault(f"ttl '{word}': out of range")
    return int(word)


def _key(session: Session, text: str) -> None:
    name, secret = _word(text, "key name")
    if not secret:
        raise SyntaxFault("could not read key data")
    session.key = keys.from_option(f"{name}:{''.join(secret.split())}")


def _check_names(session: Session, text: str) -> None:
    word = text.lower()
    if word not in ("on", "yes", "off", "no"):
        raise SyntaxFault(f"incorrect check-names directive: {text}")
    session.check_names = word in ("on", "yes")


def _debug(session: Session, _: str) -> None:
    session.debug = True


def _gss(session: Session, _: str) -> None:
    raise SyntaxFault("GSS-TSIG is not supported; use a key")


def _prereq(session: Session, text: str) -> None:
    word, rest = _word(text, "operation code")
    what = word.lower()
    if what not in ("nxdomain", "yxdomain", "nxrrset", "yxrrset"):
        raise SyntaxFault(f"incorrect operation code: {word}")
    name, rest = _word(rest, "owner name")
    owner = Name(name)
    exists = what.startswith("yx")
    if what.endswith("domain"):
        session.prerequisites.append(Entry(owner, 0, "ANY" if exists else "NONE", "ANY"))
        return
    rclass, rest = _class_of(session, rest)
    rtype, rest = _type_of(rest)
    if rest and not exists:
        raise SyntaxFault("extra input text: nxrrset takes no data")
    if rest:
        session.prerequisites.append(Entry(owner, 0, rclass, rtype, Rdata(rtype, rest)))
    else:
        session.prerequisites.append(Entry(owner, 0, "ANY" if exists else "NONE", rtype))


def _update(session: Session, text: str) -> None:
    word, rest = _word(text, "operation code")
    what = word.lower()
    if what not in ("add", "delete", "del"):
        raise SyntaxFault(f"incorrect operation code: {word}")
    name, rest = _word(rest, "owner name")
    owner = Name(name)
    if what == "add":
        _add(session, owner, rest)
    else:
        _delete(session, owner, rest)


def _add(session: Session, owner: Name, rest: str) -> None:
    first, after = _word(rest, "owner ttl")
    if first.isdecimal():
        ttl, rest = _seconds(first), after
    elif session.ttl is not None:
        ttl = session.ttl
    else:
        raise SyntaxFault(f"ttl '{first}': not a valid number")
    rclass, rest = _class_of(session, rest)
    rtype, rest = _type_of(rest)
    if not rest and rtype != "APL":
        raise SyntaxFault("could not read data")
    if session.check_names:
        _check_host(owner, rtype)
    session.updates.append(Entry(owner, ttl, rclass, rtype, Rdata(rtype, rest)))


def _delete(session: Session, owner: Name, rest: str) -> None:
    # A TTL is accepted and means nothing.
    words = rest.split(None, 1)
    if words and words[0].isdecimal():
        rest = words[1] if len(words) == 2 else ""
    if rest:
        _, rest = _class_of(session, rest)
    if not rest:
        session.updates.append(Entry(owner, 0, "ANY", "ANY"))
        return
    rtype, rest = _type_of(rest)
    if rest and rtype != "ANY":
        session.updates.append(Entry(owner, 0, "NONE", rtype, Rdata(rtype, rest)))
    else:
        session.updates.append(Entry(owner, 0, "ANY", rtype))


def _check_host(owner: Name, rtype: str) -> None:
    """Check that *owner* is the name of a host (RFC 1123 §2.1), for types that need one."""
    if rtype not in ("A", "AAAA", "MX"):
        return
    for at, label in enumerate(owner.labels):
        text = label.decode("latin-1")
        good = text.replace("-", "a").isalnum() and text.isascii() and text[0] != "-" and text[-1] != "-"
        if not good and not (at == 0 and label == b"*"):
            raise SyntaxFault(f"check-names failed: bad owner '{owner}'")


def _class_of(session: Session, text: str) -> tuple[str, str]:
    """Return the class at the start of *text*, or that of the zone, and the rest."""
    word, rest = _word(text, "class or type")
    try:
        class_value(word)
    except ValueError:
        return session.rclass, text
    # ANY is a type here.
    if word.upper() == "ANY":
        return session.rclass, text
    return word.upper(), rest


def _type_of(text: str) -> tuple[str, str]:
    word, rest = _word(text, "type")
    try:
        return type_name(type_value(word)), rest
    except ValueError:
        raise SyntaxFault(f"'{word}' is not a valid type: unknown class/type") from None


def _done(what: int) -> Callable[[Session, str], int]:
    return lambda session, text: what


_OPERATIONS = ("nxdomain", "yxdomain", "nxrrset", "yxrrset", "add", "delete", "del")
_COMMANDS: dict[str, Callable[[Session, str], int | None]] = {
    "server": _server,
    "local": _local,
    "zone": _zone,
    "class": _class,
    "ttl": _ttl,
    "key": _key,
    "check-names": _check_names,
    "debug": _debug,
    "gsstsig": _gss,
    "oldgsstsig": _gss,
    "realm": _gss,
    "prereq": _prereq,
    **dict.fromkeys(("nxdomain", "yxdomain", "nxrrset", "yxrrset"), _prereq),
    "update": _update,
    **dict.fromkeys(("add", "delete", "del"), _update),
    "send": _done(SEND),
    "show": _done(SHOW),
    "answer": _done(ANSWER),
    "help": _done(HELP),
    "?": _done(HELP),
    "version": _done(VERSION),
    "quit": _done(QUIT),
}

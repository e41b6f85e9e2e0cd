"""The arguments of dig: `@server name type class -flag value +keyword`, in nearly any order, for any number of
lookups.

What stands before the first name holds for all lookups, what stands behind a name for that lookup. A bare
word is a type or a class if it can be one and the lookup has a name already; else it starts the next
lookup.
"""

from __future__ import annotations

from namewise.engine import registry, type_value

USAGE = """\
Usage:  nw dig [@global-server] [domain] [q-type] [q-class] {q-opt}
            {global-d-opt} host [@local-server] {local-d-opt}
            [ host [@local-server] {local-d-opt} [...]]

Use "nw dig -h" for the complete list of options
"""

HELP = """\
Usage:  nw dig [@global-server] [domain] [q-type] [q-class] {q-opt}
            {global-d-opt} host [@local-server] {local-d-opt}
            [ host [@local-server] {local-d-opt} [...]]
Where:  domain    is in the Domain Name System
        q-class   is one of (in,hs,ch,...) [default: in]
        q-type    is one of (a,any,mx,ns,soa,hinfo,txt,...) [default: a]
        q-opt     is one of:
                 -4                  (use IPv4 transport only)
                 -6                  (use IPv6 transport only)
                 -b address[#port]   (bind to source address/port)
                 -c class            (specify query class)
                 -f filename         (batch mode)
                 -p port             (specify port number)
                 -q name             (specify query name)
                 -r                  (accepted: no ~/.digrc is read)
                 -t type             (specify query type)
                 -u                  (display times in usec instead of msec)
                 -x dot-notation     (shortcut for reverse lookups)
                 -h, -v              (print help, version)
        d-opt     is of the form +keyword[=value], where keyword is:
"""

# keyword, value wanted ("", "=", "[=]"), may be negated, what it does. The order decides what an
# abbreviation means.
KEYWORDS: tuple[tuple[str, str, bool, str], ...] = (
    ("aaflag", "", True, "set the AA flag in the query"),
    ("aaonly", "", True, "set the AA flag in the query"),
    ("additional", "", True, "print the additional section"),
    ("adflag", "", True, "set the AD flag in the query (default on)"),
    ("all", "", True, "set or clear all display flags"),
    ("answer", "", True, "print the answer section"),
    ("authority", "", True, "print the authority section"),
    ("besteffort", "", True, "accepted: a reply that cannot be parsed is never printed"),
    ("bufsize", "=", True, "EDNS UDP payload size"),
    ("cdflag", "", True, "set the CD flag in the query"),
    ("class", "", True, "print the class of records"),
    ("cmd", "", True, "print the command line"),
    ("comments", "", True, "print headers and comment lines"),
    ("cookie", "[=]", True, "send a COOKIE option (default on)"),
    ("crypto", "", True, "print cryptographic fields"),
    ("dnssec", "", True, "ask for DNSSEC records (DO)"),
    ("do", "", True, "the same as +dnssec"),
    ("edns", "[=]", True, "EDNS version (default 0); +noedns leaves EDNS out"),
    (
        "ednsnegotiation",
        "",
        True,
        "accepted: a BADVERS answer is asked again with the version that the server names",
    ),
    ("ednsopt", "=", True, "send the EDNS option code[:hex]"),
    ("expire", "", True, "send an EXPIRE option"),
    ("fail", "", True, "accepted: SERVFAIL never makes dig try the next server"),
    ("identify", "", True, "print who answered (with +short)"),
    ("ignore", "", True, "do not ask again over TCP when the answer is truncated"),
    ("json", "", True, "print the message as JSON (RFC 8427)"),
    ("keepalive", "", True, "send a TCP KEEPALIVE option"),
    ("multiline", "", True, "print records over several lines"),
    ("nsid", "", True, "ask for the name server identifier"),
    ("opcode", "=", True, "opcode of the query"),
    ("padding", "=", True, "send a PADDING option that fills up to a multiple of this"),
    ("qid", "=", True, "identifier of the query"),
    ("qr", "", True, "print the query too"),
    ("question", "", True, "print the question section"),
    ("raflag", "", True, "set the RA flag in the query"),
    ("rdflag", "", True, "set the RD flag in the query (default on)"),
    ("recurse", "", True, "the same as +rdflag"),
    ("retry", "=", True, "number of UDP retries (default 2)"),
    ("rrcomments", "", True, "print comments beside records"),
    ("search", "", True, "accepted: no search list is applied"),
    ("short", "", True, "print the record data of the answer only"),
    ("split", "=", True, "split hex and base64 fields into words of this length"),
    ("stats", "", True, "print statistics"),
    ("subnet", "=", True, "send a CLIENT SUBNET option"),
    ("tcflag", "", True, "set the TC flag in the query"),
    ("tcp", "", True, "use TCP"),
    ("timeout", "=", True, "seconds to wait for a reply (default 5)"),
    ("trace", "", True, "follow the delegation from the root"),
    ("tries", "=", True, "number of UDP attempts (default 3)"),
    ("ttlid", "", True, "print the TTL of records"),
    ("ttlunits", "", True, "print the TTL in units"),
    ("unknownformat", "", True, "print record data in the form of RFC 3597"),
    ("vc", "", True, "use TCP"),
    ("yaml", "", True, "print the messages as YAML"),
    ("zflag", "", True, "set the Z flag in the query"),
)
_SHORTER = {
    "ad": "adflag",
    "cl": "class",
    "rec": "recurse",
    "ttl": "ttlid",
    "ed": "edns",
    "ti": "timeout",
    "tc": "tcp",
    "s": "short",
}
_KNOWN_ELSEWHERE = [
    "defname",
    "domain",
    "dns64prefix",
    "header-only",
    "https",
    "https-get",
    "https-post",
    "http-plain",
    "idnin",
    "idnout",
    "keepopen",
    "mapped",
    "ndots",
    "nssearch",
    "onesoa",
    "proxy",
    "showbadcookie",
    "showbadvers",
    "showsearch",
    "tls",
    "tls-ca",
    "tls-hostname",
    "zoneversion",
]


class Usage(Exception):
    """A call that dig would refuse: the line to print, the exit code, and whether the usage follows."""

    def __init__(self, message: str, code: int = 1, *, usage: bool = False, to_stdout: bool = False) -> None:
        super().__init__(message)
        self.to_stdout = to_stdout
        self.message = message
        self.code = code
        self.usage = usage


class Lookup:
    """One question and everything said about how to ask it and how to print the reply."""

    def __init__(self) -> None:
        self.name = ""
        self.rtype = "A"
        self.rtype_set = False
        self.rclass = "IN"
        self.rclass_set = False
        self.servers: list[str] = []
        self.greeting: str = ""
        self.flags = {"rd": True, "ad": True}
        self.edns: int | None = 0
        self.bufsize = 1232
        self.dnssec = False
        self.cookie: bytes | None = b""
        self.options: list[tuple[int, bytes]] = []
        self.nsid = self.expire = self.keepalive = False
        self.subnet: bytes | None = None
        self.padding = 0
        self.opcode = "QUERY"
        self.qid: int | None = None
        self.tcp: bool | None = None
        self.tries = 3
        self.timeout_s = 5
        self.ignore = False
        self.show = dict.fromkeys(
            (
                "additional",
                "answer",
                "authority",
                "cmd",
                "comments",
                "question",
                "stats",
                "ttlid",
                "class",
                "crypto",
            ),
            True,
        )
        self.short = self.identify = self.multiline = self.ttlunits = self.qr = self.unknown = False
        self.rrcomments: bool | None = None
        self.split: int | None = None
        self.format = "text"
        self.trace = False

    def copy(self) -> Lookup:
        """Return a lookup with the same settings."""
        twin = Lookup()
        twin.__dict__.update(self.__dict__)
        twin.flags, twin.show = dict(self.flags), dict(self.show)
        twin.options, twin.servers = list(self.options), list(self.servers)
        return twin


class Call:
    """All of one command line."""

    def __init__(self) -> None:
        self.lookups: list[Lookup] = []
        self.warnings: list[str] = []
        self.port = 53
        self.family = 0
        self.source: tuple[str, int] | None = None
        self.usec = False
        self.batch: str | None = None


def parse(args: list[str], version: str) -> Call:
    """Return what *args* ask for, or raise `Usage`."""
    call = Call()
    _read(call, args, Lookup(), version, in_batch=False)
    if call.batch is not None:
        _read_batch(call, version)
    # BIND's dig has one switch each for these in the whole program: said anywhere, they hold everywhere.
    short = any(lookup.short for lookup in call.lookups)
    form = next((lookup.format for lookup in call.lookups if lookup.format != "text"), "text")
    cmd = all(lookup.show["cmd"] for lookup in call.lookups)
    for lookup in call.lookups:
        lookup.short, lookup.format, lookup.show["cmd"] = short, form, cmd
    return call


def _read_batch(call: Call, version: str) -> None:
    import shlex
    import sys

    base = call.lookups.pop() if call.lookups and not call.lookups[-1].name else Lookup()
    assert call.batch is not None, "only called for a batch"
    try:
        if call.batch == "-":
            lines = sys.stdin.readlines()
        else:
            with open(call.batch, encoding="utf-8") as file:
                lines = file.readlines()
    except OSError as error:
        raise Usage(
            f"{call.batch}: {error.strerror}\nnw dig: couldn't open specified batch file", 8
        ) from None
    for line in lines:
        words = shlex.split(line, comments=False)
        if words and words[0][0] not in ";#":
            _read(call, words, base.copy(), version, in_batch=True)


def _read(call: Call, args: list[str], default: Lookup, version: str, *, in_batch: bool) -> None:
    line = " ".join(args)
    lookup, named = default, False
    types_open = True
    servers = 0
    rest = list(args)

    def start(name: str) -> Lookup:
        nonlocal named
        new = default.copy()
        if not call.lookups and not in_batch and new.show["cmd"] and new.format == "text":
            found = f"; ({servers} server{'' if servers == 1 else 's'} found)\n" if servers else ""
            new.greeting = f"\n; <<>> DiG {version} <<>> {line}\n{found};; global options: +cmd\n"
        new.name = name
        named = True
        call.lookups.append(new)
        return new

    while rest:
        word = rest.pop(0)
        if word.startswith("@"):
            servers = 1
            lookup.servers.append(word[1:])
        elif word.startswith("+"):
            keyword(lookup, word[1:])
        elif word.startswith("-") and len(word) > 1:
            letter, value = word[1], word[2:]
            if letter in "46rmuvhi" and not value:
                _switch(call, letter, version)
                continue
            if letter not in "bcfkpqtxy":
                raise Usage(f"Invalid option: {word}", usage=True)
            if not value:
                if not rest:
                    raise Usage(f"Invalid option: {word}", usage=True)
                value = rest.pop(0)
            if letter == "q":
                lookup = start(value)
            elif letter == "x":
                lookup = start(reverse_name(value))
                if not lookup.rtype_set:
                    lookup.rtype, lookup.rtype_set = "PTR", True
                lookup.rclass, lookup.rclass_set = "IN", True
            elif letter == "t":
                if not _set_type(call, lookup, value):
                    call.warnings.append(f";; Warning, ignoring invalid type {value}")
            elif letter == "c":
                if not _set_class(call, lookup, value):
                    call.warnings.append(f";; Warning, ignoring invalid class {value}")
            else:
                _with_value(call, letter, value)
        elif types_open and (_set_type(call, lookup, word) or _set_class(call, lookup, word)):
            pass
        else:
            lookup = start(word)
    if not named:
        if in_batch or call.batch is not None:
            call.lookups.append(default)
            return
        lookup = start(".")
        lookup.rtype, lookup.rtype_set = "NS", True


def _switch(call: Call, letter: str, version: str) -> None:
    if letter in "46":
        call.family = int(letter)
    elif letter == "u":
        call.usec = True
    elif letter == "v":
        raise Usage(f"DiG {version}", 0)
    elif letter == "h":
        raise Usage(help_text(), 0, to_stdout=True)
    elif letter == "i":
        raise Usage("nw dig: -i (IP6.INT) went with RFC 4159; leave it away", 1)


def _with_value(call: Call, letter: str, value: str) -> None:
    if letter == "p":
        call.port = _number(value, "port number", 65535)
    elif letter == "f":
        call.batch = value
    elif letter == "b":
        host, _, port = value.partition("#")
        call.source = (host, _number(port or "0", "port number", 65535))
    else:
        raise Usage(f"nw dig: -{letter} (TSIG) is not in this version")


def help_text() -> str:
    """Return the long help."""
    lines = []
    for word, value, negatable, purpose in KEYWORDS:
        shown = f"+{'[no]' if negatable else ''}{word}{'=###' if value == '=' else '[=###]' if value else ''}"
        lines.append(f"                 {shown:<22} ({purpose})\n")
    return (HELP + "".join(lines)).rstrip("\n")


def keyword(lookup: Lookup, text: str) -> None:
    """Apply one `+keyword[=value]` to *lookup*, or raise `Usage`."""
    word, equals, value = text.partition("=")
    word = word.lower()
    on = True
    name = _full(word)
    if name is None and word.startswith("no"):
        on, name = False, _full(word[2:])
    if name is None:
        plain = word.removeprefix("no")
        if word in _KNOWN_ELSEWHERE or plain in _KNOWN_ELSEWHERE:
            raise Usage(f"nw dig: +{word} is not in this version")
        raise Usage(f"Invalid option: +{text}{_guess(plain)}", usage=True)
    wants = next(entry[1] for entry in KEYWORDS if entry[0] == name)
    if wants == "=" and on and not equals:
        raise Usage(f"nw dig: +{name} wants a value: +{name}=…")
    _apply(lookup, name, on, value if equals else None)


def _apply(lookup: Lookup, name: str, on: bool, value: str | None) -> None:
    text = value or ""
    if name in ("aaflag", "aaonly", "adflag", "cdflag", "raflag", "rdflag", "recurse", "tcflag", "zflag"):
        lookup.flags[{"recurse": "rd", "zflag": "z"}.get(name, name[:2])] = on
    elif name in (
        "ttlid",
        "class",
        "crypto",
        "cmd",
        "additional",
        "answer",
        "authority",
        "comments",
        "question",
        "stats",
    ):
        lookup.show[name] = on
    elif name == "all":
        for section in ("additional", "answer", "authority", "cmd", "comments", "question", "stats"):
            lookup.show[section] = on
    elif name in ("dnssec", "do"):
        lookup.dnssec = on
        if on and lookup.edns is None:
            lookup.edns = 0
    elif name == "edns":
        lookup.edns = (_number(text, "edns", 255) if value is not None else 0) if on else None
    elif name == "bufsize":
        lookup.bufsize = _number(text, "buffer size", 65535) if on else 0
        if on and lookup.edns is None:
            lookup.edns = 0
    elif name == "cookie":
        lookup.cookie = (_hex(text) if value else b"") if on else None
    elif name == "ednsopt":
        if not on:
            lookup.options = []
            return
        code, _, data = text.partition(":")
        lookup.options.append((_option_code(code), _hex(data)))
    elif name in ("expire", "keepalive"):
        setattr(lookup, name, on)
    elif name == "subnet":
        lookup.subnet = subnet_option(text) if on else None
    elif name == "padding":
        lookup.padding = _number(text, "padding", 512) if on else 0
    elif name == "opcode":
        lookup.opcode = _opcode(text) if on else "QUERY"
    elif name == "qid":
        lookup.qid = _number(text, "queryid", 65535) if on else None
    elif name in ("tcp", "vc"):
        lookup.tcp = on
    elif name == "tries":
        lookup.tries = max(_number(text, "tries", 2**31) if on else 3, 1)
    elif name == "retry":
        lookup.tries = (_number(text, "retries", 2**31 - 1) if on else 2) + 1
    elif name == "timeout":
        lookup.timeout_s = max(_number(text, "timeout", 2**31) if on else 5, 1)
    elif name == "split":
        lookup.split = 0 if not on else max((_number(text, "split", 1023) + 3) // 4 * 4, 0)
    elif name in ("yaml", "json"):
        lookup.format = name if on else "text"
    elif name == "unknownformat":
        lookup.unknown = on
    elif name == "short":
        lookup.short = on
        lookup.show["cmd"] = lookup.show["cmd"] and not on
    elif name == "trace":
        lookup.trace = on
        if on:
            for section in ("comments", "question", "additional", "cmd"):
                lookup.show[section] = section == "cmd" and lookup.show["cmd"]
            lookup.show["stats"] = False
            lookup.show["answer"] = lookup.show["authority"] = True
            lookup.dnssec = True
            lookup.flags["rd"] = False
    elif name in ("nsid", "ignore", "identify", "multiline", "ttlunits", "qr", "rrcomments"):
        setattr(lookup, name, on)
        if name == "ttlunits" and on:
            lookup.show["ttlid"] = True


def _full(word: str) -> str | None:
    names = [entry[0] for entry in KEYWORDS]
    if word in names:
        return word
    for short, name in _SHORTER.items():
        if word == short or (word.startswith(short) and name.startswith(word) and short != "ad"):
            return name
    return next((name for name in names if word and name.startswith(word)), None) if len(word) > 1 else None


def _guess(word: str) -> str:
    import difflib

    near = difflib.get_close_matches(word, [entry[0] for entry in KEYWORDS], n=1)
    return f"\nDid you mean +{near[0]}?" if near else ""


def _set_type(call: Call, lookup: Lookup, word: str) -> bool:
    try:
        type_value(word)
    except ValueError:
        return False
    if lookup.rtype_set:
        call.warnings.append(";; Warning, extra type option")
    lookup.rtype, lookup.rtype_set = word.upper(), True
    if lookup.rtype in ("AXFR", "IXFR"):
        raise Usage(f"nw dig: zone transfers ({lookup.rtype}) are not in this version")
    return True


def _set_class(call: Call, lookup: Lookup, word: str) -> bool:
    upper = word.upper()
    if upper not in registry("classes").values() and not (upper.startswith("CLASS") and upper[5:].isdigit()):
        return False
    if lookup.rclass_set:
        call.warnings.append(";; Warning, extra class option")
    lookup.rclass, lookup.rclass_set = upper, True
    return True


def reverse_name(text: str) -> str:
    """Return the name under which PTR records of the address (or its leading part) *text* stand (RFC 1035
    §3.5, 3596 §2.5)."""
    import _socket as socket

    if ":" in text:
        try:
            octets = socket.inet_pton(socket.AF_INET6, text)
        except OSError:
            raise Usage(f"Invalid IP address {text}") from None
        return ".".join(reversed(octets.hex())) + ".ip6.arpa."
    return ".".join(reversed(text.strip(".").split("."))) + ".in-addr.arpa."


def subnet_option(text: str) -> bytes:
    """Return the CLIENT SUBNET option data for `ADDR[/LENGTH]` (RFC 7871 §6)."""
    import _socket as socket

    host, _, bits = text.partition("/")
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    if text == "0":
        host = "0.0.0.0"
        bits = "0"
    try:
        octets = socket.inet_pton(family, host if ":" in host else host + ".0" * (3 - host.count(".")))
    except OSError:
        raise Usage(f"Invalid address {host}") from None
    length = _number(bits, "prefix length", len(octets) * 8) if bits else len(octets) * 8
    kept = bytearray(octets[: (length + 7) // 8])
    if length % 8:
        kept[-1] &= 0xFF << (8 - length % 8) & 0xFF
    return bytes((0, 1 if family == socket.AF_INET else 2, length, 0)) + bytes(kept)


def _option_code(text: str) -> int:
    if text.isdigit():
        return _number(text, "ednsopt code", 65535)
    for number, name in registry("options").items():
        if name.lower() == text.lower():
            return int(number)
    raise Usage(f"ednsopt code {text!r} is not known")


def _opcode(text: str) -> str:
    if text.isdigit():
        return str(registry("opcodes").get(_number(text, "opcode", 15), f"OPCODE{text}"))
    if text.upper() in registry("opcodes").values():
        return text.upper()
    raise Usage(f"opcode {text!r} is not known")


def _number(text: str, what: str, most: int) -> int:
    if not text.isdigit() or int(text) > most:
        raise Usage(f"nw dig: Couldn't parse {what}: {text!r} is not a number from 0 to {most}")
    return int(text)


def _hex(text: str) -> bytes:
    try:
        return bytes.fromhex(text)
    except ValueError:
        raise Usage(f"nw dig: {text!r} is not hexadecimal") from None

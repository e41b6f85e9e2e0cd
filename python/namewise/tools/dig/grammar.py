"""The arguments of dig: `@server name type class -flag value +keyword`, in nearly any order, for any number of
lookups.

Options before the first name apply to all lookups, options behind a name to that lookup. A bare word is a type or a
class if it can be one; else it starts the next lookup.
"""

from __future__ import annotations

from namewise.engine import registry, type_value

TYPE_CHECKING = False  # typing costs more time to import than a question takes
if TYPE_CHECKING:
    from collections.abc import Iterator

    from namewise.tools.keys import ClientKey

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
                 -k keyfile          (sign with the TSIG key in a file)
                 -p port             (specify port number)
                 -q name             (specify query name)
                 -i, -m, -n, -r      (accepted without effect; ~/.digrc is never read)
                 -t type             (specify query type)
                 -u                  (display times in usec instead of msec)
                 -x dot-notation     (shortcut for reverse lookups)
                 -y [hmac:]name:key  (sign with a TSIG key)
                 -h, -v              (print help, version)
        d-opt     is of the form +keyword[=value], where keyword is:
"""

# keyword, shortest abbreviation, value ("" ignored, "=" required, "[=]" optional), may be negated, what it does.
# The abbreviations are those of BIND 9.18: its parser decides letter by letter, so that some words that are
# unique are still too short (`+sh`).
KEYWORDS: tuple[tuple[str, str, str, bool, str], ...] = (
    ("aaflag", "aa", "", True, "set the AA flag in the query"),
    ("aaonly", "aa", "", True, "set the AA flag in the query"),
    ("adflag", "ad", "", True, "set the AD flag in the query (default on)"),
    ("additional", "add", "", True, "print the additional section"),
    ("all", "al", "", True, "set or clear all display flags"),
    ("answer", "an", "", True, "print the answer section"),
    ("authority", "au", "", True, "print the authority section"),
    ("badcookie", "ba", "", True, "after BADCOOKIE, retry with the server's cookie (default on)"),
    ("besteffort", "be", "", True, "print the readable part of a malformed reply (default on)"),
    ("bufsize", "bu", "[=]", False, "EDNS UDP payload size"),
    ("cdflag", "cd", "", True, "set the CD flag in the query"),
    ("class", "cl", "", True, "print the class of records"),
    ("cmd", "cm", "", True, "print the command line"),
    ("coflag", "co", "", True, "set the CO flag in the query (RFC 9824)"),
    ("comments", "com", "", True, "print headers and comment lines"),
    ("cookie", "coo", "[=]", True, "send a COOKIE option (default on)"),
    ("crypto", "cr", "", True, "print cryptographic fields"),
    ("defname", "de", "", True, "the same as +search"),
    ("dnssec", "dnss", "", True, "request DNSSEC records (DO)"),
    ("do", "do", "", True, "the same as +dnssec"),
    ("domain", "dom", "=", False, "search this domain instead of the system's list"),
    ("edns", "edns", "[=]", True, "EDNS version (default 0); +noedns sends no EDNS"),
    ("ednsflags", "ednsf", "[=]", True, "set undefined EDNS flag bits"),
    ("ednsnegotiation", "ednsn", "", True, "after BADVERS, retry with the server's version (default on)"),
    ("ednsopt", "ednso", "[=]", True, "send the EDNS option code[:hex]; +noednsopt clears all"),
    ("expandaaaa", "expa", "", True, "print AAAA records in full"),
    ("expire", "expi", "", True, "send an EXPIRE option"),
    ("fail", "fa", "", True, "stop at SERVFAIL instead of querying the next server (default on)"),
    ("header-only", "he", "", True, "send a query without a question section"),
    ("ignore", "i", "", True, "do not query again over TCP when the reply is truncated"),
    ("identify", "ide", "", True, "print the server that answered (with +short)"),
    ("idnin", "idni", "", True, "not supported; +noidnin is accepted"),
    ("idnout", "idno", "", True, "not supported; +noidnout is accepted"),
    ("json", "js", "", True, "print the message as JSON (RFC 8427)"),
    ("keepalive", "keepa", "", True, "send a TCP KEEPALIVE option"),
    ("keepopen", "keepo", "", True, "use one TCP connection for several queries"),
    ("mapped", "ma", "", True, "with -6, use IPv4 addresses in mapped form (::ffff:...)"),
    ("multiline", "mu", "", True, "print records over several lines"),
    ("ndots", "nd", "=", False, "try the search list first for names with fewer dots"),
    ("nsid", "nsi", "", True, "request the name server identifier"),
    ("onesoa", "on", "", True, "accepted without effect: zone transfers are not supported"),
    ("opcode", "op", "=", True, "opcode of the query"),
    ("padding", "p", "=", True, "send a PADDING option; pad to a multiple of this length"),
    ("qid", "qi", "=", True, "message id of the query"),
    ("qr", "qr", "", True, "print the query too"),
    ("question", "qu", "", True, "print the question section"),
    ("raflag", "ra", "", True, "set the RA flag in the query"),
    ("rdflag", "rd", "", True, "set the RD flag in the query (default on)"),
    ("receipt", "rece", "", True, "request the number of the answer for `nw why` (servers of namewise)"),
    ("recurse", "rec", "", True, "the same as +rdflag"),
    ("retry", "ret", "=", False, "number of UDP retries (default 2)"),
    ("retries", "retri", "=", False, "the same as +retry"),
    ("rrcomments", "rr", "", True, "print comments beside records"),
    ("search", "se", "", True, "use the search list"),
    ("short", "shor", "", True, "print the record data of the answer only"),
    ("showbadcookie", "showb", "", True, "print a BADCOOKIE reply before the next query"),
    ("showsearch", "shows", "", True, "use the search list and print every reply"),
    ("split", "sp", "[=]", True, "split hex and base64 fields into words of this length"),
    ("stats", "st", "", True, "print statistics"),
    ("subnet", "su", "=", True, "send a CLIENT SUBNET option"),
    ("tcflag", "tcf", "", True, "set the TC flag in the query"),
    ("tcp", "tcp", "", True, "use TCP"),
    ("timeout", "ti", "=", False, "seconds to wait for a reply (default 5)"),
    ("trace", "tra", "", True, "follow the delegation from the root"),
    ("tries", "tri", "=", False, "number of UDP attempts (default 3)"),
    ("ttlid", "ttl", "", True, "print the TTL of records"),
    ("ttlunits", "ttlu", "", True, "print the TTL in units"),
    ("unknownformat", "unk", "", True, "print records in the form of RFC 3597"),
    ("vc", "v", "", True, "use TCP"),
    ("yaml", "y", "", True, "print the messages as YAML"),
    ("zflag", "z", "", True, "set the Z flag in the query"),
)
# Keywords of dig that are not supported: refused by name. `+no...` of these changes nothing and is accepted.
_ABSENT = (
    "dns64prefix", "https", "https-get", "https-post", "http-plain", "http-plain-get", "http-plain-post", "nssearch", "tls", "tls-ca",
    "tls-certfile", "tls-hostname", "tls-keyfile", "unexpected",
)  # fmt: skip
_WITHOUT_EFFECT = ("dscp", "fuzztime", "sigchase", "topdown", "trusted-key")
"""What dig 9.18 accepts, too, and does not act upon."""
_SECTIONS = ("additional", "answer", "authority", "comments", "question", "stats")
_NEGATIVE = -1
RECEIPT = 65023
"""The EDNS option of `+receipt`, from the range for local use (RFC 6891 §9)."""
VALUE_EXIT = 10
"""dig's exit code for a keyword whose value cannot be used."""


class Usage(Exception):
    """Arguments that dig refuses: the line to print, the exit code, and whether the usage follows."""

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
        self.edns_flags = 0
        self.compact = self.header_only = False
        self.badcookie = self.besteffort = self.negotiate = self.servfail_stops = True
        self.showbadcookie = self.seen_badcookie = self.keepopen = self.mapped = False
        self.expand_aaaa = False
        self.padding = 0
        self.opcode = 0
        self.qid: int | None = None
        self.tcp: bool | None = None
        self.tries = 3
        self.timeout_s = 5
        self.ignore = False
        self.show = dict.fromkeys((*_SECTIONS, "ttlid", "class", "crypto"), True)
        self.identify = self.multiline = self.ttlunits = self.qr = self.unknown = False
        self.rrcomments = 0
        """1: comments beside records, -1: none, 0: with +multiline only."""
        self.split: int | None = None
        self.trace = False

    def copy(self) -> Lookup:
        """Return a lookup with the same settings."""
        twin = Lookup()
        twin.__dict__.update(self.__dict__)
        twin.flags, twin.show = dict(self.flags), dict(self.show)
        twin.options, twin.servers = list(self.options), list(self.servers)
        return twin


class Call:
    """All of one command line. `short`, `format`, `cmd` and the search settings are switches of the whole
    program in dig: a lookup is printed as they stand when it is asked.
    """

    def __init__(self) -> None:
        self.lookups: list[Lookup] = []
        self.warnings: list[str] = []
        self.default = Lookup()
        self.port = 53
        self.family = 0
        self.source: str | None = None
        self.key: ClientKey | None = None
        """What requests are signed with (-y, -k)."""
        self.usec = False
        self.batch: str | None = None
        self.short = False
        self.cmd = True
        self.format = "text"
        self.search = self.show_search = False
        self.domain: str | None = None
        self.ndots: int | None = None
        self.greeted = False


def parse(args: list[str], version: str) -> Call:
    """Return what *args* ask for, or raise `Usage`. The lines of a batch file are not read yet."""
    call = Call()
    _read(call, args, call.default, version, in_batch=False)
    return call


def batch_lines(call: Call) -> Iterator[bytes]:
    """Yield the lines of the batch file that are command lines. dig splits them at blanks; quotes mean nothing."""
    import sys

    assert call.batch is not None, "only called for a batch"
    try:
        with sys.stdin.buffer if call.batch == "-" else open(call.batch, "rb") as file:
            for line in file:
                if line.split() and line[:1] not in (b";", b"#"):
                    yield line
    except OSError as error:
        raise Usage(
            f"{call.batch}: {error.strerror}\nnw dig: couldn't open specified batch file", 8
        ) from None


def parse_line(call: Call, line: bytes, version: str) -> None:
    """Put the lookups of one line of a batch file into *call*, in place of those of the line before."""
    import os

    call.lookups, call.warnings = [], []
    _read(call, [os.fsdecode(word) for word in line.split()], call.default.copy(), version, in_batch=True)


def _read(call: Call, args: list[str], default: Lookup, version: str, *, in_batch: bool) -> None:
    lookup, named = default, False
    servers = len(default.servers)
    rest = list(args)

    def start(name: str) -> Lookup:
        nonlocal named
        new = default.copy()
        if not named and call.cmd:
            head = f"; <<>> DiG {version} <<>> {' '.join(args)}\n"
            found = f"; ({servers} server{'' if servers == 1 else 's'} found)\n" if servers else ""
            glob = f";; global options:{' +short' if call.short else ''}{' +cmd' if call.cmd else ''}\n"
            new.greeting = head if call.greeted else f"\n{head}{found}{glob}"
            call.greeted = True
        new.name = name
        named = True
        call.lookups.append(new)
        return new

    while rest:
        word = rest.pop(0)
        if word.startswith("@"):
            servers = 1
            lookup.servers.append(check_server(word[1:], call))
        elif word.startswith("+"):
            keyword(lookup, word[1:], call)
        elif word == "-":
            raise Usage("Invalid option: -", usage=True)
        elif word.startswith("-"):
            word = _switches(call, word[1:], version)
            if not word:
                continue
            letter, value = word[0], word[1:]
            if letter not in "bcfkpqtxy":
                raise Usage(f"Invalid option: -{word}", usage=True)
            if not value:
                if not rest:
                    raise Usage(f"Invalid option: -{word}", usage=True)
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
        elif _set_type(call, lookup, word) or _set_class(call, lookup, word):
            pass
        else:
            lookup = start(word)
    if not named and not in_batch and call.batch is None:
        lookup = start(".")
        lookup.rtype, lookup.rtype_set = "NS", True
    elif not named and in_batch:
        call.default = default


def check_server(host: str, call: Call) -> str:
    """Return *host*, or raise `Usage` if it is an address that cannot be asked."""
    from namewise.tools.dig.exchange import NoAddress, socket_address

    try:
        address = socket_address(host, 0)
    except NoAddress as error:
        raise Usage(f"nw dig: couldn't get address for '{host}': {error}") from None
    if call.family == 4 and address is not None and len(address) == 4:
        raise Usage(f"nw dig: couldn't get address for '{host}': address family not supported")
    return host


def _switches(call: Call, word: str, version: str) -> str:
    """Apply the letters at the front of *word* that take no value; return the rest."""
    while word and word[0] in "46hidmnruv":
        _switch(call, word[0], version)
        word = word[1:]
    return word


def _switch(call: Call, letter: str, version: str) -> None:
    if letter in "46":
        if call.family not in (0, int(letter)):
            raise Usage("nw dig: only one of -4 and -6 allowed")
        call.family = int(letter)
    elif letter == "u":
        call.usec = True
    elif letter == "v":
        raise Usage(f"DiG {version}", 0)
    elif letter == "h":
        raise Usage(help_text(), 0, to_stdout=True)
    elif letter == "d":
        raise Usage("nw dig: -d (debugging output) is not supported")


def _with_value(call: Call, letter: str, value: str) -> None:
    if letter == "p":
        call.port = _number(value, "port number", 65535, exit_code=1)
    elif letter == "f":
        call.batch = value
    elif letter == "b":
        from namewise.tools.dig.exchange import NoAddress, socket_address

        host, _, port = value.partition("#")
        try:
            if socket_address(host, _number(port or "0", "port number", 65535, exit_code=1)) is None:
                raise Usage(f"nw dig: invalid address {host}")
        except NoAddress as error:
            raise Usage(f"nw dig: invalid address {host}: {error}") from None
        call.source = value
        # A socket that is bound to an address reaches addresses of its family only.
        call.family = 6 if ":" in host else 4
    else:
        from namewise.tools import keys

        try:
            call.key = keys.from_option(value) if letter == "y" else keys.from_file(value)
        except keys.BadKey as error:
            # dig warns and asks without a signature: the answer could be that of another view.
            raise Usage(f"nw dig: -{letter}: {error}") from None


def help_text() -> str:
    """Return the long help."""
    lines = []
    for word, _, value, negatable, purpose in KEYWORDS:
        shown = f"+{'[no]' if negatable else ''}{word}{'=###' if value == '=' else '[=###]' if value else ''}"
        lines.append(f"                 {shown:<22} ({purpose})\n")
    return f"{HELP}{''.join(lines)}{_not_supported()}"


def _not_supported() -> str:
    """Return the part of the help that lists what dig has and `nw dig` refuses."""
    import textwrap

    absent = [*(f"+{word}" for word in _ABSENT), "+idnin", "+idnout", "-d (debugging)"]
    listed = textwrap.wrap(
        ", ".join([*absent, "the types AXFR and IXFR"]), 90, break_long_words=False, break_on_hyphens=False
    )
    lines = "".join(f"                 {line}\n" for line in listed)
    return f"        Options of dig that are refused, because they are not supported:\n{lines}".rstrip("\n")


def keyword(lookup: Lookup, text: str, call: Call) -> None:
    """Apply one `+keyword[=value]` to *lookup* and *call*, or raise `Usage`."""
    word, equals, value = text.partition("=")
    on, entry = True, _entry(word)
    if entry is None and word.startswith("no"):
        on, entry = False, _entry(word[2:])
    if entry is None:
        plain = word.removeprefix("no")
        if plain in _WITHOUT_EFFECT:
            call.warnings.append(f";; +{plain} option is obsolete and has no effect")
            return
        if plain in _ABSENT:
            if plain != word:
                return
            raise Usage(f"nw dig: +{word} is not supported")
        raise Usage(f"Invalid option: +{text}{_guess(plain)}", usage=True)
    name, _, wants, negatable, _ = entry
    if (not on and not negatable) or (wants == "=" and on and not equals):
        raise Usage(f"Invalid option: +{text}", usage=True)
    _apply(lookup, call, name, on, value if equals else None)


def _apply(lookup: Lookup, call: Call, name: str, on: bool, value: str | None) -> None:
    text = value or ""
    if name in ("aaflag", "aaonly", "adflag", "cdflag", "raflag", "rdflag", "recurse", "tcflag", "zflag"):
        lookup.flags[{"recurse": "rd", "zflag": "z"}.get(name, name[:2])] = on
    elif name in lookup.show:
        lookup.show[name] = on
    elif name == "cmd":
        call.cmd = on
    elif name == "all":
        call.cmd = on
        lookup.show.update(dict.fromkeys(_SECTIONS, on))
    elif name in ("dnssec", "do"):
        lookup.dnssec = on
        if on and lookup.edns is None:
            lookup.edns = 0
    elif name == "coflag":
        lookup.compact = on
        if on and lookup.edns is None:
            lookup.edns = 0
    elif name == "edns":
        lookup.edns = (_number(text, "edns", 255) if value is not None else 0) if on else None
    elif name == "ednsflags":
        lookup.edns_flags = _number(text, "ednsflags", 65535, base=0) if on and value is not None else 0
        if lookup.edns_flags and lookup.edns is None:
            lookup.edns = 0
    elif name == "bufsize":
        lookup.bufsize = _number(text, "buffer size", 65535) if value is not None else 1232
        if lookup.edns is None:
            lookup.edns = 0
    elif name == "cookie":
        lookup.cookie = (_hex(text) if value else b"") if on else None
    elif name == "ednsopt":
        if not on:
            lookup.options = []
            return
        code, _, data = text.partition(":")
        if not code:
            raise Usage("nw dig: ednsopt no code point specified", VALUE_EXIT)
        lookup.options.append((_option_code(code), _hex(data)))
    elif name == "receipt":
        others = [option for option in lookup.options if option[0] != RECEIPT]
        lookup.options = [*others, (RECEIPT, b"")] if on else others
    elif name == "subnet":
        lookup.subnet = subnet_option(text) if on else None
    elif name == "padding":
        lookup.padding = _number(text, "padding", 512) if on else 0
    elif name == "opcode":
        lookup.opcode = _opcode(text) if on else 0
    elif name == "qid":
        lookup.qid = _number(text, "qid", 65535) if on else None
    elif name in ("tcp", "vc"):
        lookup.tcp = on
    elif name == "tries":
        lookup.tries = max(_number(text, "tries", 2**32 - 1), 1)
    elif name in ("retry", "retries"):
        lookup.tries = _number(text, "retries", 2**32 - 2) + 1
    elif name == "timeout":
        lookup.timeout_s = max(_number(text, "timeout", 65535), 1)
    elif name == "ndots":
        call.ndots = _number(text, "ndots", 15)
    elif name == "domain":
        call.domain, call.search = text, True
    elif name in ("search", "defname"):
        call.search = on
    elif name == "showsearch":
        call.show_search = call.search = on
    elif name == "split":
        _split(lookup, call, on, value)
    elif name in ("yaml", "json"):
        call.format = name if on else "text"
        if on:
            call.cmd, lookup.show["stats"], lookup.rrcomments = False, False, _NEGATIVE
    elif name == "short":
        call.short = on
        if on:
            call.cmd, lookup.rrcomments = False, _NEGATIVE
            lookup.show.update(dict.fromkeys(_SECTIONS, False), answer=True)
    elif name == "rrcomments":
        lookup.rrcomments = 1 if on else _NEGATIVE
    elif name == "trace":
        lookup.trace = on
        if on:
            lookup.show.update(dict.fromkeys(_SECTIONS, False), answer=True, authority=True)
            lookup.dnssec = True
            lookup.flags["rd"] = False
    elif name in ("idnin", "idnout"):
        if on:
            raise Usage(f"nw dig: +{name} is not supported")
    elif name == "fail":
        lookup.servfail_stops = on
    elif name != "onesoa":
        setattr(lookup, _FIELDS.get(name, name), on)
        if name == "ttlunits" and on:
            lookup.show["ttlid"] = True


_FIELDS = {
    "unknownformat": "unknown",
    "expandaaaa": "expand_aaaa",
    "header-only": "header_only",
    "ednsnegotiation": "negotiate",
}


def _split(lookup: Lookup, call: Call, on: bool, value: str | None) -> None:
    if not on:
        if value is not None:
            raise Usage(f"Invalid option: +nosplit={value}", usage=True)
        lookup.split = 0
    elif value is None:
        lookup.split = None
    else:
        width = _number(value, "split", 1023)
        lookup.split = (width + 3) // 4 * 4
        if width % 4:
            call.warnings.append(f";; Warning, split must be a multiple of 4; adjusting to {lookup.split}")


def _entry(word: str) -> tuple[str, str, str, bool, str] | None:
    """Return the entry of KEYWORDS that *word* names or abbreviates: of several the longest abbreviation."""
    found = None
    for entry in KEYWORDS:
        if entry[0] == word:
            return entry
        if word.startswith(entry[1]) and entry[0].startswith(word):
            found = entry if found is None or len(entry[1]) > len(found[1]) else found
    return found


def _guess(word: str) -> str:
    import difflib

    near = difflib.get_close_matches(word, [entry[0] for entry in KEYWORDS], n=1)
    return f"\nDid you mean +{near[0]}?" if near else ""


def _set_type(call: Call, lookup: Lookup, word: str) -> bool:
    if word[:5].lower() == "ixfr=":
        raise Usage(f"nw dig: zone transfers ({word}) are not supported")
    try:
        type_value(word)
    except ValueError:
        return False
    if lookup.rtype_set:
        call.warnings.append(";; Warning, extra type option")
    lookup.rtype, lookup.rtype_set = word.upper(), True
    if lookup.rtype in ("AXFR", "IXFR"):
        raise Usage(f"nw dig: zone transfers ({lookup.rtype}) are not supported")
    return True


_CLASSES = {"CHAOS": "CH", "HESIOD": "HS"}


def _set_class(call: Call, lookup: Lookup, word: str) -> bool:
    upper = _CLASSES.get(word.upper(), word.upper())
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
            pass  # dig takes it for the beginning of an IPv4 address, whatever it is
        else:
            return ".".join(reversed(octets.hex())) + ".ip6.arpa."
    return ".".join(reversed(text.strip(".").split("."))) + ".in-addr.arpa."


def subnet_option(text: str) -> bytes:
    """Return the CLIENT SUBNET option data for `ADDR[/LENGTH]` (RFC 7871 §6); with a length, the last octets of
    an IPv4 address may be left out.
    """
    import _socket as socket

    host, slash, bits = text.partition("/")
    if text == "0":
        host, bits = "0.0.0.0", "0"
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    if slash and family == socket.AF_INET:
        host += ".0" * (3 - host.count("."))
    try:
        octets = socket.inet_pton(family, host)
    except OSError:
        raise Usage(f"nw dig: invalid address '{text}'") from None
    if bits and not (bits.isascii() and bits.isdecimal() and int(bits) < 2**32):
        raise Usage(f"nw dig: invalid prefix length in '{text}'")
    length = min(int(bits), len(octets) * 8) if bits else len(octets) * 8
    kept = bytearray(octets[: (length + 7) // 8])
    if length % 8:
        kept[-1] &= 0xFF << (8 - length % 8) & 0xFF
    return bytes((0, 1 if family == socket.AF_INET else 2, length, 0)) + bytes(kept)


_OPTION_NAMES = {
    "llq": 1, "ul": 2, "nsid": 3, "dau": 5, "dhu": 6, "n3u": 7, "ecs": 8, "client-subnet": 8, "expire": 9,
    "cookie": 10, "keepalive": 11, "padding": 12, "pad": 12, "chain": 13, "key-tag": 14, "ede": 15,
    "client-tag": 16, "server-tag": 17, "deviceid": 26946,
}  # fmt: skip


def _option_code(text: str) -> int:
    if text.lower() in _OPTION_NAMES:
        return _OPTION_NAMES[text.lower()]
    return _number(text, "ednsopt", 65535, exit_code=1)


def _opcode(text: str) -> int:
    from namewise.tools.dig.layout import OPCODES

    if text.upper() in OPCODES:
        return OPCODES.index(text.upper())
    return _number(text, "opcode", 15)


def _number(text: str, what: str, most: int, *, exit_code: int = VALUE_EXIT, base: int = 10) -> int:
    """Return the number in *text*; what it is called and the exit code are dig's."""
    try:
        number = int(text, base) if text.isascii() and text[:1].isdigit() else -1
    except ValueError:
        number = -1
    if not 0 <= number <= most:
        why = "not a valid number" if number < 0 else "out of range"
        raise Usage(f"invalid {what} '{text}': {why}", exit_code, to_stdout=True)
    return number


def _hex(text: str) -> bytes:
    try:
        return bytes.fromhex(text)
    except ValueError:
        raise Usage(f"nw dig: {text!r} is not hexadecimal") from None

"""`dig`: its grammar, its layout, its exit codes, over our engine's codec.

    grammar.py   arguments -> a list of lookups
    exchange.py  one lookup -> a reply, with dig's retries
    layout.py    message -> the text that thirty years of scripts cut
    multiline.py the same for +multiline; yaml.py for +yaml
    trace.py     +trace: the walk from the root
    run.py       all of it, in order; the exit code

What differs from BIND's dig, on purpose: a name that cannot be is exit code 1 with the label marked;
`+json` prints RFC 8427; a failed lookup adds one line on standard error that says what was tried and for
how long. *Limitations*: no transfers, no TSIG (-y, -k), no TLS or HTTPS, no IDN conversion.

Exit codes: 0 a reply came (NXDOMAIN too), 1 usage, 8 batch file not readable, 9 no reply, 10 internal.

Modules here avoid what is slow to import (dataclasses, typing, re, ipaddress): a question takes less time
than an import.
"""

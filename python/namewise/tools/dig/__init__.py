"""`dig`: its grammar, its layout, its exit codes, over our engine's codec.

    grammar.py   arguments -> a list of lookups
    exchange.py  one lookup -> a reply, with dig's retries
    besteffort.py octets -> what can be read of a reply, also where it is malformed
    layout.py    message -> dig's text, column by column
    multiline.py the same for +multiline; yaml.py for +yaml
    trace.py     +trace: the walk from the root
    run.py       all of it, in order; the exit code

Differences from BIND's dig, all on purpose: an invalid name is shown with the label marked; `+json` prints RFC 8427;
`+yaml` is YAML also where dig's is not; a failed lookup adds one line on standard error that lists the servers
tried, with the time. *Limitations*: no transfers, no TLS or HTTPS, no IDN conversion.

Exit codes: 0 a reply came (NXDOMAIN too), 1 usage, 8 batch file not readable, 9 no reply, 10 internal.

Modules here avoid what is slow to import (dataclasses, typing, re, ipaddress): a question takes less time
than an import.
"""

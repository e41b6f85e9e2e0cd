"""Records and their data, in wire, text and canonical form, with fields named as in the RFCs.

>>> from namewise.rdata import RRset, Rdata
>>> mail = Rdata("MX", "10 mail.example.com.")
>>> mail.preference, str(mail.exchange), mail.wire[:2]
(10, 'mail.example.com.', b'\\x00\\n')
>>> hosts = RRset("www.example.com", "A", 300, ["192.0.2.1", "192.0.2.2"])
>>> [str(rdata.address) for rdata in hosts], hosts.ttl
(['192.0.2.1', '192.0.2.2'], 300)
"""

from .engine import Rdata, Record, RRset, registry, type_name, type_value
from .engine.errors import TextError, WireError


def rr_types() -> dict[int, str]:
    """Return the mnemonics of all RR types by number (IANA registry of DNS parameters)."""
    return registry("types")


__all__ = ["RRset", "Rdata", "Record", "TextError", "WireError", "rr_types", "type_name", "type_value"]

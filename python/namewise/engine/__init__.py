"""The only importer of `_engine`: what the Rust half offers, under one roof.

Names, messages and records are frozen views over wire bytes; zones are handles. All that can go wrong is in
`namewise.engine.errors`.
"""

from namewise._engine import (
    VERSION,
    Edns,
    EdnsOption,
    Message,
    Name,
    Question,
    Rdata,
    Record,
    RRset,
    Zone,
    ZoneEdit,
    ZoneKeys,
    make_message,
    make_query,
    make_response,
    nsec3_hash,
    parse_toml,
    registry,
    type_name,
    type_value,
)

__all__ = [
    "VERSION",
    "Edns",
    "EdnsOption",
    "Message",
    "Name",
    "Question",
    "RRset",
    "Rdata",
    "Record",
    "Zone",
    "ZoneEdit",
    "ZoneKeys",
    "make_message",
    "make_query",
    "make_response",
    "nsec3_hash",
    "parse_toml",
    "registry",
    "type_name",
    "type_value",
]

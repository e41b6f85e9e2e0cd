"""The only importer of `_engine`: what the Rust half offers, under one roof.

Names, messages and records are frozen views over wire bytes; zones and snapshots are handles; everything that can go wrong
is in `namewise.engine.errors`. `Engine` owns threads that never touch the interpreter and reports through `event_fd()`.
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
    make_message,
    make_query,
    make_response,
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
    "make_message",
    "make_query",
    "make_response",
    "parse_toml",
    "registry",
    "type_name",
    "type_value",
]

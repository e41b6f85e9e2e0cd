//! Bytes to meaning and back: names, messages, EDNS, every RR type in wire, text and canonical form.

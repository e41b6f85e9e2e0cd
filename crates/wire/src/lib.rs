//! Bytes to meaning and back: names, messages, EDNS, every RR type in wire, text and canonical form.
//!
//! ```text
//! packet --Message::parse--> Message --records()--> Record --rdata()--> uncompressed rdata
//!                                                                       |  rr::to_text / rr::canonical
//! packet <--Writer::finish-- Writer <--record(), rrset(), rendered()----+
//! ```
//!
//! Everything here is pure: no clock, no socket, no allocation on the paths that a packet takes. Bytes from the
//! network become a type that cannot be wrong, once, in this crate; nothing behind it checks a length again.
#![forbid(unsafe_code)]

pub mod base;
pub mod code;
pub mod edns;
pub mod hash;
pub mod header;
pub mod message;
pub mod name;
pub mod rr;
pub mod rrset;
pub mod text;
pub mod tsig;
pub mod writer;

pub use code::{Class, Ede, Opcode, OptionCode, Rcode, RrType};
pub use header::{Flags, Header};
pub use message::{Message, MessageError, Question, Record, Section};
pub use name::{Name, NameBuf, NameError, NameRef};
pub use rrset::{RdataSet, Rrset};
pub use writer::{Full, Rendered, Writer};

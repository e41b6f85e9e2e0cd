//! The DNS codec: names, messages, EDNS, and every RR type in wire, text and canonical form.
//!
//! ```text
//! packet --Message::parse--> Message --records()--> Record --rdata()--> uncompressed rdata
//!                                                                       |  rr::to_text / rr::canonical
//! packet <--Writer::finish-- Writer <--record(), rrset(), rendered()----+
//! ```
//!
//! The crate is pure. It uses no clock and no socket, and it does not allocate when it reads or writes a packet.
//! Bytes from the network are checked once, here, and become types whose values are always valid. Code that uses
//! these types does not check a length again.
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
pub use writer::{Cut, Full, Run, Writer};

//! The twelve octets at the start of every message (RFC 1035 §4.1.1, AD and CD of RFC 4035 §3.2).
//!
//! ```text
//!   0  1  2  3  4  5  6  7  8  9 10 11 12 13 14 15
//! |                       ID                      |
//! |QR|   opcode  |AA|TC|RD|RA| Z|AD|CD|   rcode   |
//! |        QDCOUNT / ANCOUNT / NSCOUNT / ARCOUNT   | x 4
//! ```

use crate::code::{Opcode, Rcode};

/// The length of the header in octets.
pub const HEADER: usize = 12;

/// A decoded header. The counts are unchecked; [`crate::Message::parse`] compares them with the body.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Header {
    /// The identifier that pairs a reply with its query.
    pub id: u16,
    /// The second word of the header.
    pub flags: Flags,
    /// QDCOUNT, ANCOUNT, NSCOUNT, ARCOUNT: questions, answer, authority, additional.
    pub counts: [u16; 4],
}

impl Header {
    /// Read the header, or return None if there are fewer than twelve octets.
    pub fn read(bytes: &[u8]) -> Option<Header> {
        let bytes: &[u8; HEADER] = bytes.first_chunk()?;
        let word = |at: usize| u16::from_be_bytes([bytes[at], bytes[at + 1]]);
        Some(Header { id: word(0), flags: Flags(word(2)), counts: [word(4), word(6), word(8), word(10)] })
    }

    /// The header in wire form.
    #[inline]
    pub fn to_wire(self) -> [u8; HEADER] {
        let ([i0, i1], [f0, f1]) = (self.id.to_be_bytes(), self.flags.0.to_be_bytes());
        let [questions, answers, authorities, additionals] = self.counts;
        let ([q0, q1], [a0, a1]) = (questions.to_be_bytes(), answers.to_be_bytes());
        let ([n0, n1], [r0, r1]) = (authorities.to_be_bytes(), additionals.to_be_bytes());
        [i0, i1, f0, f1, q0, q1, a0, a1, n0, n1, r0, r1]
    }
}

/// The second word of the header: flags, opcode and the lower four bits of the rcode.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Flags(pub u16);

macro_rules! bits {
    ($($(#[$doc:meta])* $read:ident $with:ident = $bit:literal;)*) => {$(
        $(#[$doc])*
        pub const fn $read(self) -> bool {
            self.0 & (1 << $bit) != 0
        }
        #[doc = concat!("The same word with this bit set to `on`; see [`Flags::", stringify!($read), "`].")]
        #[must_use]
        pub const fn $with(self, on: bool) -> Flags {
            Flags(if on { self.0 | (1 << $bit) } else { self.0 & !(1 << $bit) })
        }
    )*};
}

impl Flags {
    bits! {
        /// Response, not query.
        qr with_qr = 15;
        /// Authoritative answer.
        aa with_aa = 10;
        /// Truncated.
        tc with_tc = 9;
        /// Recursion desired.
        rd with_rd = 8;
        /// Recursion available.
        ra with_ra = 7;
        /// The bit that must be zero.
        z with_z = 6;
        /// Authentic data (RFC 4035 §3.2.3).
        ad with_ad = 5;
        /// Checking disabled (RFC 4035 §3.2.2).
        cd with_cd = 4;
    }

    /// The kind of query.
    pub const fn opcode(self) -> Opcode {
        Opcode((self.0 >> 11) as u8 & 0xf)
    }

    /// The same word with another opcode.
    #[must_use]
    pub const fn with_opcode(self, opcode: Opcode) -> Flags {
        Flags(self.0 & !0x7800 | ((opcode.0 as u16 & 0xf) << 11))
    }

    /// The four bits of the rcode that stand in the header; EDNS holds the other eight (RFC 6891 §6.1.3).
    pub const fn rcode(self) -> Rcode {
        Rcode(self.0 & 0xf)
    }

    /// The same word with the lower four bits of `rcode`.
    #[must_use]
    pub const fn with_rcode(self, rcode: Rcode) -> Flags {
        Flags(self.0 & !0xf | (rcode.0 & 0xf))
    }
}

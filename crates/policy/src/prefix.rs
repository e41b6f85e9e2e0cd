//! Address blocks in text form: `192.0.2.0/24`, `2001:db8::/32`, or a single address.
//!
//! A prefix with host bits set (`10.0.0.1/8`) is an error. It could mean the host or the block, and an access list
//! must not guess (RFC 4632 §3.1, RFC 4291 §2.3).

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::str::FromStr;

/// An address block: all addresses that share the first `len` bits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Prefix {
    first: IpAddr,
    len: u8,
}

impl Prefix {
    /// The block of `len` bits that starts at `first`.
    pub fn new(first: IpAddr, len: u8) -> Result<Prefix, PrefixError> {
        let prefix = Prefix::covering(first, len)?;
        if prefix.first == first {
            Ok(prefix)
        } else {
            Err(PrefixError::HostBits { given: first, block: prefix })
        }
    }

    /// The block of `len` bits that contains `address`.
    pub fn covering(address: IpAddr, len: u8) -> Result<Prefix, PrefixError> {
        let first = match address {
            IpAddr::V4(a) if len <= 32 => Ipv4Addr::from_bits(a.to_bits() & mask4(len)).into(),
            IpAddr::V6(a) if len <= 128 => Ipv6Addr::from_bits(a.to_bits() & mask6(len)).into(),
            _ => return Err(PrefixError::TooLong { len: len.into(), max: width(address) }),
        };
        Ok(Prefix { first, len })
    }

    /// The block with this one address.
    pub fn host(address: IpAddr) -> Prefix {
        Prefix { first: address, len: width(address) }
    }

    /// The lowest address of the block.
    pub fn first(self) -> IpAddr {
        self.first
    }

    /// The highest address of the block.
    pub fn last(self) -> IpAddr {
        match self.first {
            IpAddr::V4(a) => Ipv4Addr::from_bits(a.to_bits() | !mask4(self.len)).into(),
            IpAddr::V6(a) => Ipv6Addr::from_bits(a.to_bits() | !mask6(self.len)).into(),
        }
    }

    /// The number of bits that all addresses of the block share.
    #[expect(clippy::len_without_is_empty, reason = "a length in bits; a block of addresses is never empty")]
    pub fn len(self) -> u8 {
        self.len
    }

    /// Return whether `address` is of the same family and in the block.
    pub fn contains(self, address: IpAddr) -> bool {
        match (self.first, address) {
            (IpAddr::V4(first), IpAddr::V4(a)) => a.to_bits() & mask4(self.len) == first.to_bits(),
            (IpAddr::V6(first), IpAddr::V6(a)) => a.to_bits() & mask6(self.len) == first.to_bits(),
            _ => false,
        }
    }
}

/// The reason why a text or a pair is not an address block.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PrefixError {
    /// The part before the slash is not an IPv4 or IPv6 address.
    Address {
        /// The text as given.
        text: String,
    },
    /// The part after the slash is not a number.
    Length {
        /// The text as given.
        text: String,
    },
    /// The length exceeds the number of bits of an address.
    TooLong {
        /// The length.
        len: u16,
        /// The number of bits of an address: 32 or 128.
        max: u8,
    },
    /// Bits after the prefix are set.
    HostBits {
        /// The address as given.
        given: IpAddr,
        /// The block that contains it.
        block: Prefix,
    },
}

impl fmt::Display for PrefixError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            PrefixError::Address { text } => write!(f, "{text:?} is not an IP address or block"),
            PrefixError::Length { text } => write!(f, "{text:?}: the length after the slash is not a number"),
            PrefixError::TooLong { len, max } => write!(f, "/{len} is longer than an address of {max} bits"),
            PrefixError::HostBits { given, block } => {
                write!(f, "{given}/{} has host bits set; the block is {block}", block.len)
            }
        }
    }
}

impl std::error::Error for PrefixError {}

impl fmt::Display for Prefix {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.first, self.len)
    }
}

impl FromStr for Prefix {
    type Err = PrefixError;

    fn from_str(text: &str) -> Result<Prefix, PrefixError> {
        let (address, len) = match text.split_once('/') {
            Some((address, len)) => (address, Some(len)),
            None => (text, None),
        };
        let address: IpAddr = address.parse().map_err(|_| PrefixError::Address { text: text.to_owned() })?;
        let Some(len) = len else { return Ok(Prefix::host(address)) };
        if len.is_empty() || len.len() > 3 || !len.bytes().all(|byte| byte.is_ascii_digit()) {
            return Err(PrefixError::Length { text: text.to_owned() });
        }
        let len: u16 = len.parse().expect("one to three digits fit");
        match u8::try_from(len) {
            Ok(len) => Prefix::new(address, len),
            Err(_) => Err(PrefixError::TooLong { len, max: width(address) }),
        }
    }
}

fn width(address: IpAddr) -> u8 {
    if address.is_ipv4() { 32 } else { 128 }
}

fn mask4(len: u8) -> u32 {
    u32::MAX.checked_shl(32 - u32::from(len)).unwrap_or(0)
}

fn mask6(len: u8) -> u128 {
    u128::MAX.checked_shl(128 - u32::from(len)).unwrap_or(0)
}

#[cfg(test)]
mod tests;

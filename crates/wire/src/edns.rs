//! EDNS(0): the OPT record and every registered option (RFC 6891).
//!
//! ```text
//! class = UDP payload   ttl = extended rcode | version | DO CO 0…   rdata = (code | length | data)*
//! ```
//!
//! [`Opt`] is a view. Message parsing checks that the options fill the rdata exactly. The data of an option is
//! decoded on access ([`Opt::options`], [`Opt::option`]): the result is an [`EdnsOption`], or an [`OptionError`] that
//! names the violated section. The receiver decides how to treat the error. `edns/option.rs` has all options; unknown
//! ones are preserved.
//!
//! RFCs: 6891 (OPT), 3225 (DO), 9824 §3.4 (CO), 7830 and 8467 (padding), and each option's own.

mod option;
#[cfg(test)]
mod tests;

pub use option::{ClientSubnet, EdnsOption, Llq, OptionError, OptionFault, ZoneVersion};

use crate::code::{OptionCode, Rcode};

/// A view of an OPT record.
#[derive(Debug, Clone, Copy)]
pub struct Opt<'a> {
    class: u16,
    ttl: u32,
    rdata: &'a [u8],
}

impl<'a> Opt<'a> {
    /// Make a view from the fields that OPT redefines. RFC 6891 §6.1.2
    pub fn from_record(class: u16, ttl: u32, rdata: &'a [u8]) -> Opt<'a> {
        Opt { class, ttl, rdata }
    }

    /// The UDP payload size of the sender; values under 512 mean 512. RFC 6891 §6.2.3
    pub fn udp_payload(&self) -> u16 {
        self.class.max(512)
    }

    /// The upper eight bits of the rcode. RFC 6891 §6.1.3
    pub fn extended_rcode(&self) -> u8 {
        (self.ttl >> 24) as u8
    }

    /// The EDNS version. RFC 6891 §6.1.3
    pub fn version(&self) -> u8 {
        (self.ttl >> 16) as u8
    }

    /// The sixteen flag bits. RFC 6891 §6.1.4
    pub fn flags(&self) -> u16 {
        self.ttl as u16
    }

    /// Return whether the sender accepts DNSSEC records. RFC 3225 §3
    pub fn dnssec_ok(&self) -> bool {
        self.ttl & 0x8000 != 0
    }

    /// Return whether the sender accepts NXNAME in a response with rcode NXDOMAIN. RFC 9824 §5.1
    pub fn compact_ok(&self) -> bool {
        self.ttl & 0x4000 != 0
    }

    /// The options, undecoded.
    pub fn rdata(&self) -> &'a [u8] {
        self.rdata
    }

    /// The options with their undecoded data, in order.
    pub fn raw_options(&self) -> RawOptions<'a> {
        RawOptions { rest: self.rdata }
    }

    /// The decoded options. A malformed option does not hide the others.
    pub fn options(&self) -> impl Iterator<Item = Result<EdnsOption<'a>, OptionError>> + use<'a> {
        self.raw_options().map(|(code, data)| EdnsOption::decode(code, data))
    }

    /// The first option with the code `code`.
    pub fn option(&self, code: OptionCode) -> Option<Result<EdnsOption<'a>, OptionError>> {
        self.raw_options()
            .find(|(found, _)| *found == code)
            .map(|(code, data)| EdnsOption::decode(code, data))
    }
}

/// The value of the TTL field of OPT: the upper bits of `rcode`, `version` and the flags. RFC 6891 §6.1.3
pub fn ttl_field(rcode: Rcode, version: u8, dnssec_ok: bool) -> u32 {
    u32::from(rcode.0 >> 4 & 0xff) << 24 | u32::from(version) << 16 | u32::from(dnssec_ok) << 15
}

/// The number of padding octets that bring a message of `length` octets (without a padding option) to a multiple of
/// `block`. The option's own four octets are taken into account. RFC 8467 §4.1: 128 for queries, 468 for responses.
pub fn padding(length: usize, block: usize) -> usize {
    match block {
        0 => 0,
        _ => (length + 4).next_multiple_of(block) - (length + 4),
    }
}

/// Check that the options fill `rdata` exactly. RFC 6891 §6.1.2
pub fn check(rdata: &[u8]) -> Result<(), OptionError> {
    let mut options = RawOptions { rest: rdata };
    while options.next().is_some() {}
    match options.rest {
        [] => Ok(()),
        rest => Err(OptionError {
            at: rdata.len() - rest.len(),
            code: rest.first_chunk().map_or(OptionCode(0), |code| OptionCode(u16::from_be_bytes(*code))),
            fault: OptionFault::Truncated,
        }),
    }
}

/// Options with their undecoded data.
#[derive(Clone, Debug)]
pub struct RawOptions<'a> {
    rest: &'a [u8],
}

impl<'a> Iterator for RawOptions<'a> {
    type Item = (OptionCode, &'a [u8]);

    #[inline]
    fn next(&mut self) -> Option<Self::Item> {
        let (&[a, b, c, d], tail) = self.rest.split_first_chunk::<4>()?;
        let (data, rest) = tail.split_at_checked(usize::from(u16::from_be_bytes([c, d])))?;
        self.rest = rest;
        Some((OptionCode(u16::from_be_bytes([a, b])), data))
    }
}

/// Append one option with undecoded data. `data` must have fewer than 65,536 octets. RFC 6891 §6.1.2
pub fn push_option(out: &mut Vec<u8>, code: OptionCode, data: &[u8]) {
    debug_assert!(data.len() <= usize::from(u16::MAX));
    out.extend_from_slice(&code.0.to_be_bytes());
    out.extend_from_slice(&(data.len() as u16).to_be_bytes());
    out.extend_from_slice(data);
}

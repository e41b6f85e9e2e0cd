//! TSIG: the record, and the octets that its MAC covers. RFC 8945
//!
//! This module does no cryptography. [`Tsig::push_signed`] builds the input of the MAC; the owner of the key computes
//! the MAC and compares it.
//!
//! ```text
//! [length | MAC of the request]  message as sent, without TSIG, with the original id  TSIG variables
//! ```
//!
//! *Limitations*: the length of the MAC is not checked here (RFC 8945 §5.2.2.1), because the check depends on the
//! algorithm.

#[cfg(test)]
mod tests;

use crate::code::{Class, Rcode, RrType};
use crate::header::HEADER;
use crate::name::NameRef;
use crate::rr::{self, RdataError, RdataFault};

/// The rdata of a TSIG record. RFC 8945 §4.2
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Tsig<'a> {
    /// Name of the algorithm, such as `hmac-sha256.`.
    pub algorithm: NameRef<'a>,
    /// Seconds since 1970, 48 bits.
    pub time_signed_s: u64,
    /// Permitted difference of the clocks in seconds.
    pub fudge_s: u16,
    /// The MAC. It may be truncated.
    pub mac: &'a [u8],
    /// The id that the message had when it was signed.
    pub original_id: u16,
    /// NOERROR, BADSIG, BADKEY, BADTIME or BADTRUNC.
    pub error: Rcode,
    /// With BADTIME: the server's time, 48 bits. Otherwise empty.
    pub other: &'a [u8],
}

impl<'a> Tsig<'a> {
    /// The parts of `rdata`, uncompressed. RFC 8945 §4.2
    pub fn parse(rdata: &'a [u8]) -> Result<Tsig<'a>, RdataError> {
        rr::check(RrType::TSIG, rdata)?;
        // Every read below stays within the checked rdata. `cut` nevertheless returns an error instead of panicking.
        let short = RdataError { at: rdata.len(), fault: RdataFault::Short };
        let (algorithm, rest) = NameRef::read(rdata).map_err(|_| short)?;
        let (&[a, b, c, d, e, f, fudge_high, fudge_low, length_high, length_low], rest) =
            rest.split_first_chunk::<10>().ok_or(short)?;
        let (mac, rest) =
            rest.split_at_checked(usize::from(u16::from_be_bytes([length_high, length_low]))).ok_or(short)?;
        let (&[id_high, id_low, error_high, error_low, _, _], other) =
            rest.split_first_chunk::<6>().ok_or(short)?;
        Ok(Tsig {
            algorithm,
            time_signed_s: u64::from_be_bytes([0, 0, a, b, c, d, e, f]),
            fudge_s: u16::from_be_bytes([fudge_high, fudge_low]),
            mac,
            original_id: u16::from_be_bytes([id_high, id_low]),
            error: Rcode(u16::from_be_bytes([error_high, error_low])),
            other,
        })
    }

    /// Append the rdata. `mac` and `other` must be shorter than 65536 octets.
    pub fn push(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(self.algorithm.wire());
        self.push_timers(out);
        out.extend_from_slice(&(self.mac.len() as u16).to_be_bytes());
        out.extend_from_slice(self.mac);
        out.extend_from_slice(&self.original_id.to_be_bytes());
        out.extend_from_slice(&self.error.0.to_be_bytes());
        out.extend_from_slice(&(self.other.len() as u16).to_be_bytes());
        out.extend_from_slice(self.other);
    }

    /// Append the TSIG record of the key `owner`. The header of the message must count it.
    pub fn push_record(&self, owner: NameRef<'_>, out: &mut Vec<u8>) {
        out.extend_from_slice(owner.wire());
        out.extend_from_slice(&RrType::TSIG.0.to_be_bytes());
        out.extend_from_slice(&Class::ANY.0.to_be_bytes());
        out.extend_from_slice(&[0; 4]);
        let length_at = out.len();
        out.extend_from_slice(&[0; 2]);
        self.push(out);
        let length = (out.len() - length_at - 2) as u16;
        out[length_at..length_at + 2].copy_from_slice(&length.to_be_bytes());
    }

    /// Append the octets that the MAC covers. RFC 8945 §4.3.3, §5.3.1
    ///
    /// `message` is the packet up to, but not including, the TSIG record. If `counted` is set, its header counts the
    /// TSIG record, and the count is decreased by one. The id is replaced by the original id. `signed` names the
    /// position of the message in its exchange.
    pub fn push_signed(&self, signed: Signed<'_>, message: &[u8], counted: bool, out: &mut Vec<u8>) {
        if let Some(mac) = signed.prior_mac() {
            out.extend_from_slice(&(mac.len() as u16).to_be_bytes());
            out.extend_from_slice(mac);
        }
        if let Signed::Subsequent { unsigned, .. } = signed {
            out.extend_from_slice(unsigned);
        }
        let start = out.len();
        out.extend_from_slice(message);
        if let Some(header) = out[start..].first_chunk_mut::<HEADER>() {
            header[..2].copy_from_slice(&self.original_id.to_be_bytes());
            if counted {
                let additional = u16::from_be_bytes([header[10], header[11]]).wrapping_sub(1);
                header[10..12].copy_from_slice(&additional.to_be_bytes());
            }
        }
        match signed {
            Signed::Subsequent { .. } => self.push_timers(out),
            Signed::Request { key } | Signed::Response { key, .. } => {
                out.extend_from_slice(key.lower().as_ref().wire());
                out.extend_from_slice(&Class::ANY.0.to_be_bytes());
                out.extend_from_slice(&[0; 4]);
                out.extend_from_slice(self.algorithm.lower().as_ref().wire());
                self.push_timers(out);
                out.extend_from_slice(&self.error.0.to_be_bytes());
                out.extend_from_slice(&(self.other.len() as u16).to_be_bytes());
                out.extend_from_slice(self.other);
            }
        }
    }

    fn push_timers(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.time_signed_s.to_be_bytes()[2..]);
        out.extend_from_slice(&self.fudge_s.to_be_bytes());
    }
}

/// The position of a signed message in its exchange. RFC 8945 §4.3, §5.3
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Signed<'a> {
    /// A request: the MAC covers the message and all TSIG variables. §4.3.3
    Request {
        /// The name of the key, which is the owner of the TSIG record.
        key: NameRef<'a>,
    },
    /// The first response: the MAC covers the MAC of the request, the message and all variables. §5.3
    Response {
        /// The key's name.
        key: NameRef<'a>,
        /// The MAC of the request.
        request_mac: &'a [u8],
    },
    /// A further message of a transfer over TCP: the MAC covers the previous MAC, all messages since the last TSIG
    /// record, and the timers only. §5.3.1
    Subsequent {
        /// The MAC of the previous message that had one.
        prior_mac: &'a [u8],
        /// The messages since that one, which had none, as they were sent.
        unsigned: &'a [u8],
    },
}

impl<'a> Signed<'a> {
    fn prior_mac(self) -> Option<&'a [u8]> {
        match self {
            Signed::Request { .. } => None,
            Signed::Response { request_mac: mac, .. } | Signed::Subsequent { prior_mac: mac, .. } => {
                Some(mac)
            }
        }
    }
}
